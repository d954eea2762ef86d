#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rows S01 to S03: no fake end of data makes a second message, in or out; and
legal forms in the same harness deliver exactly what was sent."""

import base64
import contextlib
import itertools
import os
import re
import socket

from frame import (PASSWORD, Sink, expect, expect_true, main, message,
                   scenario, without_trace)

BEFORE = {"CRLF": b"\r\n", "LF": b"\n", "CR": b"\r", "CRCRLF": b"\r\r\n",
          "LFCR": b"\n\r", "CRLF-NUL": b"\r\n\0", "CRLF-SP": b"\r\n "}
AFTER = {"CRLF": b"\r\n", "LF": b"\n", "CR": b"\r", "CRCRLF": b"\r\r\n",
         "NUL-CRLF": b"\0\r\n", "SP-CRLF": b" \r\n"}
MATRIX = [(f"{b}.{a}", BEFORE[b] + b"." + AFTER[a])
          for b, a in itertools.product(BEFORE, AFTER)
          if (b, a) != ("CRLF", "CRLF")]
USER1, USER2 = "user1@example1.local", "user2@example1.local"
PLAIN = base64.b64encode(f"\0{USER1}\0{PASSWORD}".encode()).decode()
SINK = "sink.example"
sink = None


def opened(host, service):
    """A raw connection, ready for MAIL."""
    raw = host.raw(service, 10)
    if service == "submissions":
        raw.start_tls(host.tls())
    expect(raw.reply()[0], 220, "greeting")
    expect(raw.say("EHLO client.example"), 250, "EHLO")
    if service == "submission":
        expect(raw.say("STARTTLS"), 220, "STARTTLS")
        raw.start_tls(host.tls())
        expect(raw.say("EHLO client.example"), 250, "EHLO")
    if service != "smtp":
        expect(raw.say(f"AUTH PLAIN {PLAIN}"), 235, "AUTH")
    return raw


def has_bare(octets):
    return re.search(rb"(?<!\r)\n|\r(?!\n)", octets) is not None


def judge(name, end, replies):
    """S01: one message, or a 5xx for it. A bare CR or LF: the 5xx comes at
    the real end, and it is the last word."""
    codes = re.findall(rb"(?m)^(\d{3}) ", replies)
    expect_true(codes and codes[0][:1] in b"25", f"{name}: {replies!r}")
    if has_bare(b"x" + end + b"x"):
        expect_true(len(codes) == 1 and codes[0][:1] == b"5",
                    f"{name}: want one 5yz and the end: {replies!r}")
    else:
        expect_true(codes[1:] in ([b"221"], []), f"{name}: {replies!r}")


def attack(raw, end, recipient, smuggled_to, slowly, sender=USER1):
    """Sends an outer message with a fake end and a second message in it.
    Returns (outer id, smuggled id)."""
    outer, content = message("outer", "before", recipient=recipient)
    inner, evil = message("smuggled", "evil\r\n", sender="evil@evil.example")
    expect(raw.say(f"MAIL FROM:<{sender}>"), 250, "MAIL")
    expect(raw.say(f"RCPT TO:<{recipient}>"), 250, "RCPT")
    expect(raw.say("DATA"), 354, "DATA")
    octets = (content + end + f"MAIL FROM:<{sender}>\r\n"
              f"RCPT TO:<{smuggled_to}>\r\nDATA\r\n".encode() + evil
              + b".\r\nQUIT\r\n")
    try:
        if slowly:
            raw.send_slowly(octets)
        else:
            raw.send(octets)
    except OSError:
        pass  # hung up on: so be it
    replies = raw.rest_until_closed(quiet_s=5)
    judge(repr(end), end, replies)
    try:
        expect(raw.socket.recv(1), b"", f"{end!r}: still open")
    except OSError:
        pass  # a reset: closed, too
    return outer, inner


def run_matrix(lab, service, slowly=False):
    host = lab.mta1
    pairs = []
    for name, end in MATRIX:
        try:
            raw = opened(host, service)
        except OSError as error:
            raise AssertionError(f"{name}: {error}") from error
        with raw:
            pairs.append((name, *attack(raw, end, USER1, USER2, slowly)))
    host.wait_queue_empty()
    for name, outer, inner in pairs:
        for user in (USER1, USER2):
            expect(len(host.find(user, inner)), 0,
                   f"{name}: smuggled to {user}")
        expect_true(len(host.find(USER1, outer)) <= 1, f"{name}: outer twice")
    expect(len(pairs), 41, "forms tried")


@scenario
def port_25_in_one_segment(lab):
    run_matrix(lab, "smtp")


@scenario
def port_25_octet_by_octet(lab):
    run_matrix(lab, "smtp", slowly=True)


@scenario
def port_587(lab):
    run_matrix(lab, "submission")
    run_matrix(lab, "submission", slowly=True)


@scenario
def port_465(lab):
    run_matrix(lab, "submissions")
    run_matrix(lab, "submissions", slowly=True)


@scenario
def lmtp_socket(lab):
    """The delivery agent's own door is no looser than the front one."""
    lmtp_matrix(lab, len)
    lmtp_matrix(lab, lambda octets: 1)


def lmtp_matrix(lab, piece_of):
    path = os.path.join(lab.mta1.run, "lmtp.sock")
    if not os.path.exists(path):
        names = [n for n in os.listdir(lab.mta1.run) if "lmtp" in n
                 or "front" in n]
        expect_true(names, f"no LMTP socket in {os.listdir(lab.mta1.run)}")
        path = os.path.join(lab.mta1.run, names[0])
    pairs = []
    for name, end in MATRIX:
        outer, content = message("outer", "before")
        inner, evil = message("smuggled", "evil\r\n")
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            s.connect(path)
            reader = s.makefile("rb")
            expect_true(reader.readline().startswith(b"220"), "greeting")
            s.sendall(b"LHLO test\r\n")
            while not reader.readline().startswith(b"250 "):
                pass
            s.sendall(f"MAIL FROM:<a@b.example>\r\nRCPT TO:<{USER1}>\r\n"
                      "DATA\r\n".encode())
            for want in (b"250", b"250", b"354"):
                line = reader.readline()
                expect_true(line.startswith(want), f"{name}: {line!r}")
            octets = (content + end + b"MAIL FROM:<e@e.example>\r\n"
                      + f"RCPT TO:<{USER2}>\r\nDATA\r\n".encode() + evil
                      + b".\r\nQUIT\r\n")
            replies = b""
            with contextlib.suppress(OSError):
                for at in range(0, len(octets), piece_of(octets)):
                    s.sendall(octets[at:at + piece_of(octets)])
            with contextlib.suppress(OSError):
                while line := reader.readline():
                    replies += line
            judge(f"LMTP {name}", end, replies)
        pairs.append((name, outer, inner))
    for name, outer, inner in pairs:
        for user in (USER1, USER2):
            expect(len(lab.mta1.find(user, inner)), 0, f"{name}: {user}")


@scenario
def nothing_bare_leaves_us(lab):
    """S02, S03: through submission by DATA and BDAT to a next hop."""
    host = lab.mta1
    inners = []
    for name, end in MATRIX:
        with opened(host, "submission") as raw:
            inners.append(attack(raw, end, f"a@{SINK}", f"b@{SINK}",
                                 False)[1])
        outer, content = message("bdat", "x")
        inner, evil = message("smuggled", "evil\r\n")
        inners.append(inner)
        octets = (content + end + b"MAIL FROM:<e@e>\r\nRCPT TO:<b@e>\r\n"
                  b"DATA\r\n" + evil)
        with opened(host, "submission") as raw:
            expect(raw.say(f"MAIL FROM:<{USER1}>"), 250)
            expect(raw.say(f"RCPT TO:<a@{SINK}>"), 250)
            raw.send(b"BDAT %d LAST\r\n" % len(octets) + octets)
            code = raw.reply()[0]
            expect_true(code == 250 or code >= 500, f"BDAT {name}: {code}")
    host.wait_queue_empty(60)
    for sender, recipients, octets in sink.messages:
        bare = re.search(rb"(?<!\r)\n|\r(?!\n)", octets)
        expect(bare, None, f"bare line end sent: {octets[-200:]!r}")
        head = octets.split(b"\r\n\r\n", 1)[0]
        expect_true(not any(i.encode() in head for i in inners),
                    "a smuggled message left us")
        expect_true(USER1 in sender, f"sender {sender}")


@scenario
def legal_endings_deliver_exactly(lab):
    bodies = {
        "plain": b"text\r\n",
        "empty": b"",
        "one dot": b".\r\n",
        "dots": b".\r\n..\r\n...\r\n.x\r\nx.\r\n.\r\n",
        "dot after a blank": b" .\r\n\t.\r\n",
        "8-bit": bytes(range(128, 256)) + b"\r\n",
        "998": b"x" * 998 + b"\r\n",
        "blank lines": b"\r\n\r\n\r\n",
    }
    for edge in range(4090, 4100):  # a dot line at each buffer edge
        bodies[f"edge {edge}"] = b"y" * 70 + (
            b"\r\n" + b"z" * 70) * (edge // 72) + b"\r\n" + b"q" * (
            edge % 72) + b"\r\n.\r\n..z\r\n"
    sent = {}
    for service in ("smtp", "submission"):
        with opened(lab.mta1, service) as raw:
            for name, body in bodies.items():
                message_id, content = message(name, body, recipient=USER1)
                sent[message_id] = service, name, content
                expect(raw.say(f"MAIL FROM:<{USER1}> BODY=8BITMIME"), 250)
                expect(raw.say(f"RCPT TO:<{USER1}>"), 250)
                expect(raw.say("DATA"), 354)
                stuffed = re.sub(rb"(?m)^\.", b"..", content)
                raw.send(stuffed + b".\r\n")
                code, text = raw.reply()
                expect(code, 250, f"{service} {name}: {text}")
            expect(raw.say("QUIT"), 221)
    lab.mta1.wait_queue_empty()
    for message_id, (service, name, content) in sent.items():
        got = lab.mta1.wait_mail(USER1, message_id)
        expect(without_trace(got), content, f"{service} {name}")


@scenario
def pipelined_transactions_deliver_exactly(lab):
    """RFC 2920: three transactions; the client waits only where it must."""
    with opened(lab.mta1, "smtp") as raw:
        pairs = []
        for i in range(3):
            message_id, content = message(f"pipelined {i}", f".{i}\r\n")
            pairs.append((message_id, content))
            raw.send(f"RSET\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<{USER1}>"
                     f"\r\nRCPT TO:<{USER2}>\r\nDATA\r\n".encode())
            expect([raw.reply()[0] for _ in range(5)],
                   [250, 250, 250, 250, 354], f"transaction {i}")
            raw.send(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")
            expect(raw.reply()[0], 250)
    for message_id, content in pairs:
        for user in (USER1, USER2):
            expect(without_trace(lab.mta1.wait_mail(user, message_id)),
                   content)


@scenario
def bdat_delivers_exactly(lab):
    """RFC 3030: in chunks of any size, dots unstuffed, all pipelined."""
    body = b".\r\n.x\r\n" + b"w" * 5000 + b"\r\n"
    for sizes in ([10 ** 9], [1, 7, 1000], [1] * 30, [4096, 4096]):
        message_id, content = message("bdat", body, recipient=USER1)
        chunks, rest = [], content
        for size in sizes:
            chunks.append(rest[:size])
            rest = rest[size:]
        chunks.append(rest)
        octets = b"".join(
            b"BDAT %d%s\r\n" % (len(c), b" LAST" if i == len(chunks) - 1
                                else b"") + c for i, c in enumerate(chunks))
        with opened(lab.mta1, "smtp") as raw:
            raw.send(f"MAIL FROM:<a@b.example>\r\nRCPT TO:<{USER1}>\r\n"
                     .encode() + octets)
            codes = [raw.reply()[0] for _ in range(2 + len(chunks))]
            expect(set(codes), {250}, f"chunks {sizes[:3]}")
        expect(without_trace(lab.mta1.wait_mail(USER1, message_id)), content)


def route(lab):
    global sink
    sink = Sink()
    lab.route_to_sink(sink, SINK)


if __name__ == "__main__":
    main(hosts=1, setup=route)
