#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a broken-in mta/out may ask of the router: what it works by, and the
rules for content that it sends (doc/design/security.md)."""

import os
import struct
import subprocess
import sys

from frame import Sink, expect, expect_true, main, message, scenario, wait_for

MAIN_CF = """
smtp_header_checks = regexp:{{/^X-Inner:/ IGNORE}}
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = texthash:/etc/postfix/sasl_passwd
relayhost = [relay.example]:587
"""
SASL = "[relay.example]:587 somebody:the-relay-password\n"

# lib/ipc/router.h, lib/ipc/frame.h
(RCPT, _, RESOLVE, ROUTE, USER, _, EXPLAIN, _, SETTINGS, SNAPSHOT, POLICY, _,
 HEADER, _, CONTENT, PIECE, CONTENT_ANSWER, KEYWORDS, LOGIN) = range(1, 20)
OPEN, END = 1, 2
RECEIVED, SENT = 0, 1

# Sends octets to the socket, as that user and dumpable or not, and prints what
# comes back before the socket ends, or before nothing comes for a while.
CLIENT = """
import ctypes, os, socket, sys
path, uid, dumpable = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if os.geteuid() != uid:
    os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
assert ctypes.CDLL(None).prctl(4, dumpable, 0, 0, 0) == 0  # PR_SET_DUMPABLE
with socket.socket(socket.AF_UNIX) as s:
    s.settimeout(1)
    s.connect(path)
    got = b""
    try:
        s.sendall(sys.stdin.buffer.read())
        while piece := s.recv(65536):
            got += piece
        got += b"CLOSED"
    except TimeoutError:
        pass
    except OSError:
        got += b"CLOSED"
sys.stdout.buffer.write(got)
"""


def text(value):
    return struct.pack("<I", len(value)) + value


def frame(kind, body=b"", flags=OPEN | END):
    call = 0x80000001  # of the side that connected
    return struct.pack("<IIHBBI", len(body), call, kind, flags, 1, 0) + body


ASK = text(b"user1@example1.local") + text(b"a@elsewhere.example") + b"\1\0\0"
# All that the router is asked by anybody, in a form that it would answer.
QUESTIONS = {
    "RCPT": frame(RCPT, ASK),
    "RESOLVE": frame(RESOLVE, ASK),
    "USER": frame(USER, b"user1@example1.local"),
    "EXPLAIN": frame(EXPLAIN, ASK),
    "POLICY": frame(POLICY),
    "HEADER": frame(HEADER, text(b"") + text(b"127.0.0.1") + b"\0\0\0\0"
                    + text(b"Subject: x\r\n\r\n")),
    "KEYWORDS": frame(KEYWORDS, b"127.0.0.1"),
    "LOGIN": frame(LOGIN, b"user1@example1.local"),
    "CONTENT that was received": frame(
        CONTENT, bytes([RECEIVED]) + text(b"Subject: x\r\n\r\n"), OPEN),
    "CONTENT with a header": frame(
        CONTENT, bytes([SENT]) + text(b"Subject: x\r\n\r\n"), OPEN),
    "CONTENT of no way": frame(CONTENT, b"\7" + text(b""), OPEN),
    "a huge piece": frame(CONTENT, bytes([SENT]) + text(b""), OPEN)
                    + frame(PIECE, b"x" * (64 * 1024 + 1), END),
    "SNAPSHOT": frame(SNAPSHOT),
    "nothing": frame(0),
    "beyond": frame(999),
}
GOOD = {
    "SETTINGS": (frame(SETTINGS), SNAPSHOT),
    "CONTENT that is sent": (
        frame(CONTENT, bytes([SENT]) + text(b""), OPEN)
        + frame(PIECE, b"Subject: x\r\n\r\nHello\r\n", END), PIECE),
}


def say(lab, name, octets, uid=None, dumpable=True):
    if uid is None:
        uid = os.geteuid()
    result = subprocess.run(
        [sys.executable, "-c", CLIENT, os.path.join(lab.mta1.run, name),
         str(uid), str(int(dumpable))],
        input=octets, capture_output=True, timeout=20)
    expect(result.returncode, 0, result.stderr.decode())
    return result.stdout


def types(octets):
    """Of the frames that came, but those that give credit alone."""
    found = []
    while len(octets) >= 16:
        n, _, kind, flags, _, _ = struct.unpack("<IIHBBI", octets[:16])
        if not flags & 8:
            found.append(kind)
        octets = octets[16 + n:]
    return found


def uid_of(host, role):
    pid = next(p for p, name in host.processes().items() if name == role)
    with open(f"/proc/{pid}/status") as status:
        line = next(line for line in status if line.startswith("Uid:"))
    return int(line.split()[2])


def setup(lab):
    lab.mta1.write_config("sasl-password.cf", SASL)
    lab.route_to_sink(sink, "sink.example")


@scenario
def out_gets_what_it_works_by(lab):
    for name, (octets, want) in GOOD.items():
        got = say(lab, "router-out.sock", octets)
        expect_true(want in types(got), f"{name}: {types(got)}")
        expect_true(b"the-relay-password" not in got, f"{name}: passwords")
    expect_true("chan.refused" not in lab.mta1.log(), "nothing is refused")


@scenario
def everybody_else_gets_the_passwords_of_relays(lab):
    """Or the next test would prove nothing."""
    got = say(lab, "router.sock", QUESTIONS["RESOLVE"])
    expect(types(got), [ROUTE])
    expect_true(b"the-relay-password" in got, f"{got!r}")


@scenario
def out_may_ask_nothing_else(lab):
    for name, octets in QUESTIONS.items():
        mark = lab.mta1.mark()
        got = say(lab, "router-out.sock", octets)
        expect_true(got.endswith(b"CLOSED"), f"{name}: still open")
        expect(types(got.removesuffix(b"CLOSED")), [], name)
        lab.mta1.wait_log(r"chan\.refused.* chan=out", mark)


@scenario
def a_refusal_ends_what_was_begun_before(lab):
    octets, _ = GOOD["SETTINGS"]
    got = say(lab, "router-out.sock", octets + QUESTIONS["RESOLVE"].replace(
        struct.pack("<I", 0x80000001), struct.pack("<I", 0x80000002), 1))
    expect_true(got.endswith(b"CLOSED"), "still open")
    expect_true(ROUTE not in types(got.removesuffix(b"CLOSED")), f"{got!r}")


@scenario
def roles_do_not_pass_as_operators(lab):
    """Where all roles run as one user, as in the compose file, mta/out could
    connect to any socket as that user's mailctl does. But it is not dumpable."""
    host = lab.mta1
    uid = uid_of(host, "router/router")
    if uid != 0:
        got = say(lab, "router.sock", QUESTIONS["RESOLVE"], uid)
        expect(types(got), [ROUTE], "an operator")
        for name in ("router.sock", "router-out.sock"):
            mark = host.mark()
            got = say(lab, name, QUESTIONS["RESOLVE"], uid, dumpable=False)
            expect(got, b"CLOSED", name)
            host.wait_log(r"router\.untrusted", mark)
    for name, role in (("queue.sock", "mta/queue"), ("auth.sock", "mda/auth"),
                       ("store.sock", "mda/store"), ("out.sock", "mta/out"),
                       ("lmtp.sock", "mda/front")):
        if uid_of(host, role) != 0:
            got = say(lab, name, b"", uid_of(host, role), dumpable=False)
            expect(got, b"CLOSED", name)


@scenario
def mail_that_leaves_goes_by_the_rules(lab):
    """Over the narrow way."""
    ident, content = message(extra="X-Inner: secret\r\n")
    lab.mta1.submit("user1@example1.local", "a@sink.example", content)
    wait_for("delivery", lambda: sink.messages)
    sent = sink.messages[0][2]
    expect_true(ident.encode() in sent and b"X-Inner" not in sent, f"{sent}")


if __name__ == "__main__":
    with Sink() as sink:
        main(hosts=1, main_cf=MAIN_CF, setup=setup)
