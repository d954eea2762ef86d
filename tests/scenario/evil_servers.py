#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Servers that our client must survive (S27), and what their words must not
become."""

import contextlib
import re
import socket
import threading
import time

from frame import (expect, expect_match, expect_true, free_port, main,
                   message, parse, scenario, wait_for)

USER1 = "user1@example1.local"
RESIDENT_GROWTH_KB = 48 * 1024
GREETING = b"220 evil.example ESMTP\r\n"
HELLO = b"250-evil.example\r\n250 8BITMIME\r\n"
servers = {}


class Evil:
    """talk(connection, line): line(n) reads one command."""

    def __init__(self, talk):
        self.talk, self.n_connections, self.n_octets = talk, 0, 0
        self.is_cut = threading.Event()
        self.port = free_port()
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.listener.accept()
            self.n_connections += 1
            threading.Thread(target=self.one, args=(connection,),
                             daemon=True).start()

    def one(self, connection):
        reader = connection.makefile("rb")
        with contextlib.suppress(OSError), connection:
            connection.settimeout(30)
            self.talk(self, connection, reader)
        self.is_cut.set()

    def flood(self, connection, head, piece, most):
        """Until it is cut off, or `most` octets were taken."""
        connection.sendall(head)
        try:
            while self.n_octets < most:
                connection.sendall(piece)
                self.n_octets += len(piece)
        except OSError:
            return
        self.n_octets = -1


def upto(connection, reader, *answers):
    """Greets, then one answer to each command."""
    connection.sendall(GREETING)
    for answer in answers:
        if not reader.readline():
            return False
        connection.sendall(answer)
    return True


def many_lines(self, connection, _reader):
    self.flood(connection, b"", b"220-hello\r\n" * 1000, 11_000_000)


def long_line(self, connection, _reader):
    self.flood(connection, b"220 ", b"a" * 65536, 1 << 30)


def endless_hello(self, connection, reader):
    upto(connection, reader)
    reader.readline()
    self.flood(connection, b"", b"250-X" + b"y" * 90 + b"\r\n", 1 << 26)


def drip(_self, connection, _reader):
    for octet in b"220 " + b"slow" * 100:
        connection.sendall(bytes([octet]))
        time.sleep(0.2)


def says(*answers):
    return lambda self, connection, reader: (
        upto(connection, reader, *answers), reader.readline())


def greets(octets):
    return lambda self, connection, reader: (
        connection.sendall(octets), reader.readline())


OK = b"250 2.0.0 ok\r\n"


def leaves_in_data(_self, connection, reader):
    if upto(connection, reader, HELLO, OK, OK, b"354 go\r\n"):
        reader.readline()
        connection.sendall(b"421 4.3.2 evil.example goes away\r\n")


def silent_at_the_end(_self, connection, reader):
    if upto(connection, reader, HELLO, OK, OK, b"354 go\r\n"):
        while reader.readline() not in (b".\r\n", b""):
            pass


REFUSAL = (b"550-5.7.1 \x1b]0;owned\x07 \xff\xfe \0 no\r\n"
           b"550 5.7.1 X-Injected: yes\n Bcc: a@b\r\n")

# name: (what it does, status of the delivery, words of the reason)
EVIL = {
    "lines": (many_lines, "deferred", "protocol"),
    "line": (long_line, "deferred", "protocol"),
    "hello": (endless_hello, "deferred", "protocol"),
    "drip": (drip, "deferred", "no.answer.in.time"),
    "code": (greets(b"2x0 hello\r\n"), "deferred", "protocol"),
    "number": (greets(b"999 hello\r\n"), "deferred", "protocol|said"),
    "mismatch": (says(b"250-evil.example\r\n550 no\r\n"), "deferred",
                 "protocol"),
    "early": (greets(GREETING + HELLO + OK * 5), "deferred", "protocol"),
    "closes": (greets(b""), "deferred", "lost|time"),
    "mail354": (says(HELLO, b"354 go\r\n"), "deferred", "."),
    "data250": (says(HELLO, OK, OK, OK), "deferred", "protocol"),
    "rcpt250-450": (says(HELLO, OK, b"450 4.2.1 later\r\n"), "deferred",
                    "later"),
    "indata": (leaves_in_data, "deferred", "goes.away|lost"),
    "noend": (silent_at_the_end, "deferred", "perhaps.it.was.taken"),
    "words": (says(HELLO, OK, REFUSAL), "failed", "5.7.1"),
}


def setup(lab):
    for name, (talk, _, _) in EVIL.items():
        servers[name] = Evil(talk)
        lab.mta1.append("transport.cf",
                        f"{name}.example smtp:[{name}.example]:25")
        lab.mta1.peers[f"[{name}.example]:25"] = servers[name].port


def resident_kb(host):
    pid = next(pid for pid, role in host.processes().items()
               if role == "mta/out")
    with open(f"/proc/{pid}/status") as status:
        return pid, int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])


@scenario
def all_of_them_at_once(lab):
    """S27: bounded in time and memory; doubt means to try again."""
    host = lab.mta1
    pid, before = resident_kb(host)
    mark = host.mark()
    with host.submission(USER1) as client:
        for name in EVIL:
            _, content = message(recipient=f"a@{name}.example")
            client.sendmail(USER1, [f"a@{name}.example"], content)

    def line_of(name):
        return re.search(rf"ev=delivery .* to=<a@{name}\.example> .*",
                         host.log_since(mark))
    for name, (_, status, reason) in EVIL.items():
        line = wait_for(f"an end with {name}", lambda n=name: line_of(n),
                        20).group(0)
        expect_match(line, rf"status={status} .*({reason})", name)
    again, after = resident_kb(host)
    expect(again, pid, "the same process")
    expect_true(after - before < RESIDENT_GROWTH_KB,
                f"memory: {before} KB, then {after} KB")
    for name in ("lines", "line", "hello"):
        expect_true(servers[name].is_cut.wait(10), f"{name} was cut off")
        expect_true(servers[name].n_octets >= 0, f"{name}: all was read")


@scenario
def their_words_are_text(lab):
    """S27: no control octets and no fields of theirs in logs and reports."""
    host = lab.mta1
    expect_true(not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", host.log()),
                "no controls in the log")

    def look():
        for path in host.files(USER1):
            with open(path, "rb") as file:
                content = file.read()
            if b"words.example" in content:
                return content
    report = wait_for("the report", look)
    expect_true(not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]", report),
                "no controls in the report")
    expect_true(b"\nX-Injected" not in report, "no field of theirs")
    expect(parse(report)["Bcc"], None)


@scenario
def they_are_left_alone_for_a_while(lab):
    """Back-off: one attempt each, no loop of attempts."""
    # Another with TLS stripped or a handshake that fails may connect twice.
    counts = {name: server.n_connections for name, server in servers.items()}
    expect({name: n for name, n in counts.items() if n > 2}, {}, "attempts")


main(setup=setup, main_cf="""queue_run_delay = 3000s
minimal_backoff_time = 3000s
smtp_helo_timeout = 2s
smtp_mail_timeout = 2s
smtp_rcpt_timeout = 2s
smtp_data_init_timeout = 2s
smtp_data_done_timeout = 2s
""")
