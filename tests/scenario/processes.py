#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the system does to processes, and what others on the machine do to their
sockets: F03 (strangers at the sockets), F08 (no memory), F09 (no descriptors),
F12 (signals), F15 (nothing is left behind that tells a secret). RELEASE_ONLY:
sanitizers need all the memory there is."""

import array
import contextlib
import imaplib
import os
import pwd
import re
import signal
import smtplib
import socket
import subprocess
import sys
import time

from frame import (PASSWORD, Failed, Skipped, expect, expect_match,
                   expect_true, given, main, message, scenario, wait_for)

USER1, USER2 = "user1@example1.local", "user2@example1.local"
ROLES = ("mta/in", "mta/queue", "mta/out", "mda/front", "mda/store",
         "mda/auth", "router/router")
MORE_KIB = 1000
LOAD = 8
FILES = 128
N_CONNECTIONS = 140
NETWORK = (OSError, EOFError, smtplib.SMTPException, imaplib.IMAP4.error,
           Failed)
IDLE_CPU_S = 0.3
GARBAGE = (b"", b"\0" * 64, b"\xff" * 5000, b"GET / HTTP/1.1\r\n\r\n",
           b"\x04\0\0\0" + b"x" * 60, b"\xff\xff\xff\x7f" + b"y" * 8000)


def pid_of(host, role):
    return next(pid for pid, name in host.processes().items() if name == role)


def sockets(host):
    for place, _, names in os.walk(host.run):
        for name in names:
            path = os.path.join(place, name)
            if name.endswith(".sock"):
                yield path


def parents(host):
    return {pid for pid, role in host.processes().items()
            if role.endswith("/parent") or role == "mailctl"}


def still_works(host):
    message_id, content = message(recipient=USER2)
    host.submit(USER1, USER2, content)
    host.wait_mail(USER2, message_id)


@scenario
def garbage_at_each_socket(lab):
    """F03: frames that are none, closed in the middle, and descriptors that
    nobody asked for; as root, who may connect."""
    host = lab.mta1
    before = set(host.processes().items())
    paths = list(sockets(host))
    expect_true(len(paths) >= 3, f"sockets: {paths}")
    for path in paths:
        for octets in GARBAGE:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(3)
                with contextlib.suppress(OSError):
                    s.connect(path)
                    s.sendall(octets)
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(3)
            with contextlib.suppress(OSError):
                s.connect(path)
                fds = array.array("i", [0] * 200)
                for _ in range(200):
                    s.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                        fds)])
    still_works(host)
    expect(set(host.processes().items()), before, "processes")
    for role in ROLES:
        n = len(os.listdir(f"/proc/{pid_of(host, role)}/fd"))
        expect_true(n < 200, f"{role} has {n} descriptors")


@scenario
def another_user_at_each_socket(lab):
    """F03: the peer's credentials decide; only the one for submission is for
    everybody."""
    if os.geteuid() != 0:
        raise Skipped("not root: there is no other user")
    uid = pwd.getpwnam("nobody").pw_uid
    code = """
import os, socket, sys
os.setgroups([]); os.setuid(int(sys.argv[1]))
for path in sys.argv[2:]:
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(2)
        try:
            s.connect(path)
            s.sendall(b"x" * 100)
            got = s.recv(100)
        except OSError as error:
            got = b""
        print(os.path.basename(path), got)
"""
    result = subprocess.run(
        [sys.executable, "-c", code, str(uid), *sockets(lab.mta1)], text=True,
        capture_output=True, stdin=subprocess.DEVNULL)
    expect(result.returncode, 0, result.stderr)
    answered = [line.split(" ")[0] for line in result.stdout.splitlines()
                if not line.endswith("b''")]
    expect_true(set(answered) <= {"submit.sock"}, f"answered: {answered}")


@contextlib.contextmanager
def limited(host, limit):
    """The host is started anew under a limit of the shell."""
    real = host.bin
    wrapper = os.path.join(host.directory, "limited")
    os.makedirs(wrapper, exist_ok=True)
    with open(os.path.join(wrapper, "mailctl"), "w") as file:
        file.write(f"#!/bin/sh\nulimit {limit} || exit 1\n"
                   f"exec {real}/mailctl \"$@\"\n")
    os.chmod(os.path.join(wrapper, "mailctl"), 0o755)
    host.stop()
    host.environment["PATH"] = real + ":" + os.environ.get("PATH", "")
    host.bin = wrapper
    try:
        host.start(wait=False)
        host.bin = real
        host.wait_ready()
        yield
    finally:
        host.bin = real
        del host.environment["PATH"]
        host.stop()
        host.start()


def largest_kib(host):
    sizes = []
    for pid in host.processes():
        with open(f"/proc/{pid}/status") as file:
            sizes.append(int(re.search(r"VmSize:\s+(\d+)", file.read())[1]))
    return max(sizes)


@scenario
def no_memory(lab):
    """F08: little more than what the largest role begins with. What was accepted
    arrives, and the parents live."""
    if lab.build != "release":
        raise Skipped("the sanitizer's own memory ends first")
    host = lab.mta1
    ids = []
    with limited(host, f"-v {largest_kib(host) + MORE_KIB}"):
        watching = parents(host)
        for i in range(LOAD):
            message_id, content = message(
                recipient=USER2, body="x" * (1000, 2_000_000)[i % 2] + "\r\n")
            with contextlib.suppress(*NETWORK):  # told: try again
                host.submit(USER1, USER2, content)
                ids.append(message_id)
        with contextlib.suppress(*NETWORK):
            with host.imap(USER2, timeout_s=2) as client:
                client.select("INBOX")
                client.fetch("1:*", "(ENVELOPE BODYSTRUCTURE BODY.PEEK[])")
        expect(parents(host), watching, "parents")
    still_works(host)
    host.flush()
    host.wait_queue_empty(60)
    heads = b"".join(open(path, "rb").read(1000) for path in
                     host.files(USER2))
    expect({i: heads.count(i.encode()) for i in ids
            if heads.count(i.encode()) != 1}, {}, f"of {len(ids)} accepted")
    print(f"# {len(ids)} of {LOAD} accepted")


def cpu_s(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@scenario
def no_descriptors(lab):
    """F09: the loop that accepts does not spin, sessions that are open go on,
    operators are served, and it is over when some are closed."""
    host = lab.mta1
    with limited(host, f"-n {FILES}"):
        use_up_descriptors(host)
    still_works(host)


def use_up_descriptors(host):
    pid = pid_of(host, "mta/in")
    held = []
    with host.raw() as raw:
        expect(raw.reply()[0], 220)
        expect(raw.say("EHLO client.example"), 250)
        mark = host.mark()
        for i in range(N_CONNECTIONS):
            held.append(socket.create_connection(
                ("127.0.0.1", host.ports["smtp"]), 5,
                (f"127.0.7.{i + 1}", 0)))
        host.wait_log(r"ev=accept\.pause", mark)
        began, before = time.monotonic(), cpu_s(pid)
        expect(raw.say("MAIL FROM:<a@b.example>"), 250)
        expect(raw.say(f"RCPT TO:<{USER2}>"), 250)
        expect(raw.say("DATA"), 354)
        raw.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        expect(raw.reply()[0], 250, "a session that was open")
        expect_match(host.queue(), "Queue|queue", "operators")
        while time.monotonic() - began < 1:
            time.sleep(0.05)  # what is measured takes time
        expect_true(cpu_s(pid) - before < IDLE_CPU_S,
                    f"{cpu_s(pid) - before:.2f} s of CPU in one second")
        expect_true(host.log_since(mark).count("accept.pause") < 30,
                    "the log is flooded")
        for s in held:
            s.close()
    expect(pid_of(host, "mta/in"), pid, "the same process")
    host.wait_ready()
    still_works(host)


@scenario
def a_storm_of_reloads_drops_nobody(lab):
    """F12: 300 SIGHUP, with the configuration broken half of the time."""
    host = lab.mta1
    good = host.read_config("main.cf")
    before = set(host.processes().items())
    with host.raw() as raw, host.imap(USER1) as client:
        expect(raw.reply()[0], 220)
        expect(raw.say("EHLO client.example"), 250)
        client.select("INBOX")
        for i in range(300):
            if i % 30 == 0:
                host.write_config("main.cf", good + (
                    "\nsmtpd_recipient_limit = nonsense\n" if i % 60 else ""))
            os.kill(host.process.pid, signal.SIGHUP)
            if i % 20 == 0:
                expect(raw.say("MAIL FROM:<a@b.example>"), 250)
                expect(raw.say(f"RCPT TO:<{USER1}>"), 250)
                expect(raw.say("RSET"), 250)
                expect(client.noop()[0], "OK")
    host.write_config("main.cf", good)
    still_works(host)
    expect(set(host.processes().items()), before, "processes")


@scenario
def a_stop_in_the_middle_of_content(lab):
    """F12: no answer that promises, no message, and an end in time."""
    host = lab.mta1
    message_id, content = message(recipient=USER2)
    with host.raw() as raw:
        expect(raw.reply()[0], 220)
        for command, code in (("EHLO client.example", 250),
                              ("MAIL FROM:<a@b.example>", 250),
                              (f"RCPT TO:<{USER2}>", 250), ("DATA", 354)):
            expect(raw.say(command), code)
        raw.send(content[:-20])
        began = given()
        host.stop()
        expect_true(given() - began < 10, "it takes long")
        text = raw.rest_until_closed()
        expect_true(not re.search(rb"(?m)^2", text), f"{text!r}")
    host.start()
    still_works(host)
    expect(len(host.find(USER2, message_id)), 0, "half of a message")


@scenario
def nothing_that_tells_a_secret_is_left(lab):
    """F15: no core, not even of those that abort; keys are the owner's; and no
    password in what is logged."""
    host = lab.mta1
    for pid, role in host.processes().items():
        if role not in ROLES:
            continue
        with open(f"/proc/{pid}/limits") as file:
            limit = re.search(r"Max core file size\s+(\d+)\s+(\d+)",
                              file.read())
        expect(limit and limit.groups(), ("0", "0"), f"{role}: core files")
        # The owner of /proc/PID of what is not dumpable is root.
        expect(os.stat(f"/proc/{pid}/mem").st_uid, 0, f"{role}: dumpable")
    def cores():
        return {os.path.join(place, name)
                for place in (host.directory, host.config, host.run, "/tmp")
                for name in os.listdir(place)
                if re.match(r"core(\.|$)", name)}
    before = cores()  # of somebody else's
    pid = pid_of(host, "mda/auth")
    os.kill(pid, signal.SIGABRT)
    wait_for("it is there again", lambda: any(
        role == "mda/auth" and other != pid
        for other, role in host.processes().items()))
    host.wait_ready()
    expect(cores() - before, set(), "core files")
    for name in ("key.pem", "ca-key.pem"):
        mode = os.stat(os.path.join(host.state, "tls", name)).st_mode
        expect(mode & 0o077, 0, name)
    with contextlib.suppress(Exception):
        host.imap(USER1, "wr0ng-secret").logout()
    expect_true("wr0ng-secret" not in host.log()
                and PASSWORD not in host.log(), "a password in the log")


if __name__ == "__main__":
    main(hosts=1, main_cf="smtpd_client_connection_count_limit = 0\n"
         "minimal_backoff_time = 1s\nmaximal_backoff_time = 1s\n"
         "queue_run_delay = 0s\n")
