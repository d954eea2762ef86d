#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bodies of many messages by one FETCH: whole, in order, whatever their sizes,
line ends and items; to a client that reads when it likes."""

import contextlib
import imaplib
import os
import random
import subprocess
import sys

from frame import (PASSWORD, Skipped, expect, expect_true, main, scenario,
                   wait_for)
from frame_imap import USER1, USER2, Deflated

# Around what is read, piped and sent by its descriptor (4 KiB, 128 KiB).
SIZES = (0, 1, 100, 4095, 4096, 4097, 5000, 8192, 20000, 65536, 131071, 131072,
         131073, 400000)
N = 100
TIMES = 10
contents = []  # as the wire has them, by UID - 1


def content_of(rng, i):
    size = SIZES[i % len(SIZES)]
    text = f"Subject: {i}\r\nX-Pad: x\r\n\r\n".encode() if size > 90 else b""
    line = bytes(rng.choice(b"abcdefghij") for _ in range(70)) + b"\r\n"
    text += line * (max(0, size - len(text)) // len(line))
    rest = size - len(text)
    if rest == 1 and text:  # no line end is cut in two
        text = text[:-3] + b"e\r\n"
    return text + b"y" * rest


def fill(lab):
    """As other programs leave it: some LF, sizes in the names or not."""
    rng = random.Random(7)
    home = lab.mta1.maildir(USER1, ".many")
    owner = os.stat(lab.mta1.maildir(USER1))
    for i in range(N):
        wire = content_of(rng, i)
        file = wire.replace(b"\r\n", b"\n") if i % 5 == 3 else wire
        sizes = ("" if i % 7 == 6 else f",S={len(file)}" if i % 7 == 5
                 else f",S={len(file)},W={len(wire)}")
        path = os.path.join(home, "cur", f"{1760000000 + i}.M{i}P1.h{sizes}:2,")
        with open(path, "wb") as out:
            out.write(file)
        if os.geteuid() == 0:
            os.chown(path, owner.st_uid, owner.st_gid)
        contents.append(wire)


def ready(lab):
    if not contents:
        with client(lab) as c:
            c.create("many")
        fill(lab)


def client(lab, user=USER1, is_tls=False, is_compressed=False):
    c = imaplib.IMAP4("127.0.0.1", lab.mta1.ports["imap"], timeout=30)
    if is_tls:
        c.starttls(lab.mta1.tls())
    c.login(user, PASSWORD)
    if is_compressed:
        expect(c.xatom("COMPRESS", "DEFLATE")[0], "OK")
        c.sock = Deflated(c.sock)
        c.file = Lines(c.sock)
    return c


class Lines:
    """imaplib's view of a connection that has no file."""

    def __init__(self, sock):
        self.sock, self.rest = sock, b""

    def more(self):
        octets = self.sock.recv(65536)
        if not octets:
            raise EOFError("the other side has closed")
        self.rest += octets

    def read(self, n):
        while len(self.rest) < n:
            self.more()
        out, self.rest = self.rest[:n], self.rest[n:]
        return out

    def readline(self, limit=-1):
        while b"\n" not in self.rest:
            self.more()
        return self.read(self.rest.index(b"\n") + 1)

    def close(self):
        pass


def literals(answer):
    """[(what stands before the literal, the literal)], of imaplib's answer."""
    return [part for part in answer if isinstance(part, tuple)]


def read_all(c):
    expect(c.select("many")[0], "OK")
    found = literals(c.fetch("1:*", "(UID BODY.PEEK[])")[1])
    expect(len(found), N)
    for i, (head, body) in enumerate(found):
        expect_true(head.startswith(b"%d (UID %d BODY[] {" % (i + 1, i + 1)),
                    f"order of {i}: {head!r}")
        expect_true(body == contents[i], f"message {i} of {len(contents[i])}")


@scenario
def all_of_them(lab):
    ready(lab)
    with client(lab) as c:
        read_all(c)  # sizes are found out
        read_all(c)
        lab.mta1.stop()
        lab.mta1.start()
    with client(lab) as c:
        read_all(c)
    c = client(lab, is_compressed=True)
    read_all(c)
    c.file.sock.close()


@scenario
def parts_of_them(lab):
    """RFC 9051 6.4.5: partial, of the text, and several of one message."""
    ready(lab)
    with client(lab) as c:
        c.select("many")
        for first, n in ((0, 10), (3, 4096), (4090, 20), (100000, 1 << 20)):
            found = literals(c.fetch("1:*", f"(BODY.PEEK[]<{first}.{n}>)")[1])
            for i, (_, body) in enumerate(found):
                expect_true(body == contents[i][first:first + n],
                            f"{first}.{n} of {i}")
        rows = literals(c.fetch("1:*", "(BODY.PEEK[TEXT] RFC822.SIZE "
                                       "BODY.PEEK[])")[1])
        expect(len(rows), 2 * N)
        for i in range(N):
            head, text = rows[2 * i]
            whole = rows[2 * i + 1][1]
            expect_true(f"RFC822.SIZE {len(contents[i])} ".encode() in head,
                        f"{i}: {head!r}")
            expect_true(whole == contents[i], f"whole {i}")
            if b"\r\n\r\n" in whole:
                expect_true(text == whole.split(b"\r\n\r\n", 1)[1], f"text {i}")
        one_each = [c.fetch(str(i + 1), "(BODY.PEEK[])")[1][0][1]
                    for i in range(0, N, 3)]
        expect_true(one_each == contents[::3], "one command each")
        c.fetch("2:9", "(BODY[])")  # sets \Seen, and says so
        seen = c.search(None, "SEEN")[1][0].split()
        expect(seen, [b"%d" % i for i in range(2, 10)])


@scenario
def nobody_reads(lab):
    """I07: a client that asks for much and takes nothing holds up nobody, and
    gets all of it later; one that goes away leaves nothing open."""
    host = lab.mta1
    ready(lab)
    with client(lab) as c:
        c.select("many")
        before = held(host)
        for i in range(TIMES):
            c.send(b"f%d FETCH 1:* (BODY.PEEK[])\r\n" % i)
        with client(lab) as other:
            read_all(other)
        with client(lab, USER2) as other:
            expect(other.select("INBOX")[0], "OK")
        expect_true(held(host) - before < 40,
                    f"{before} were open, then {held(host)}")
        n = 0
        while True:
            line = c.readline()
            if line.startswith(b"f%d " % (TIMES - 1)):
                break
            if line.endswith(b"}\r\n"):
                c.read(int(line[line.rindex(b"{") + 1:-3]))
                n += 1
        expect((n, line.split()[1]), (TIMES * N, b"OK"))
        for i in range(TIMES):
            c.send(b"g%d FETCH 1:* (BODY.PEEK[])\r\n" % i)
        c.shutdown()
        c.state = "LOGOUT"
    wait_for("all to be closed", lambda: held(host) <= before)


def held(host):
    """Pipes and files of messages that its processes have open."""
    n = 0
    for pid in host.processes():
        with contextlib.suppress(FileNotFoundError):
            for fd in os.scandir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    target = os.readlink(fd.path)
                    n += target.startswith("pipe:") or "/cur/" in target
    return n


HOLDER = """
import fcntl, os, sys
if os.geteuid() == 0:
    os.setuid(int(sys.argv[1]))
held = []
try:
    while len(held) < 200:
        held.append(os.pipe())
        fcntl.fcntl(held[-1][1], 1031, 1 << 20)  # F_SETPIPE_SZ
except PermissionError:
    print("no more", flush=True)
    sys.stdin.read()
"""


@scenario
def without_a_pipe(lab):
    """The kernel gives a user so many pages for pipes and no more."""
    ready(lab)
    owner = os.stat(lab.mta1.maildir(USER1))
    holder = subprocess.Popen([sys.executable, "-c", HOLDER,
                               str(owner.st_uid)], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with holder, client(lab) as c:
        if holder.stdout.readline() != "no more\n":
            raise Skipped("this kernel has no such limit")
        read_all(c)
        holder.stdin.close()


def with_nuls(size):
    """One at the end of the header, in the body, and as the last octet."""
    head = b"Subject: a\0b\r\nContent-Type: text/plain\r\n\r\nx\0y\r\n"
    return head + b"line of text\r\n" * ((size - len(head)) // 14) + b"\0"


@scenario
def no_literal_has_a_nul(lab):
    """RFC 9051 9: CHAR8 is 1 to 255; only a literal8 (BINARY) may have one. Mail
    gets some by BODY=BINARYMIME, and from the folders of other programs."""
    host = lab.mta1
    wires = [with_nuls(size) for size in (60, 5000, 20000, 131072, 400000)]
    for wire in wires:
        with host.raw("smtp") as raw:
            raw.reply()
            raw.say("EHLO client.example")
            for command in ("MAIL FROM:<a@stranger.example> BODY=BINARYMIME",
                            f"RCPT TO:<{USER2}>"):
                expect(raw.say(command), 250)
            raw.send(b"BDAT %d LAST\r\n" % len(wire) + wire)
            expect(raw.reply()[0], 250)
    wait_for("all are there", lambda: len(host.files(USER2)) == len(wires), 20)
    owner = os.stat(host.maildir(USER2))
    for i, wire in enumerate(wires):
        file = wire.replace(b"\r\n", b"\n") if i % 2 else wire
        path = os.path.join(host.maildir(USER2), "cur", f"{1760000000 + i}."
                            f"M{i}P1.h,S={len(file)}:2,")
        with open(path, "wb") as out:
            out.write(file)
        os.chown(path, owner.st_uid, owner.st_gid)
    n = 2 * len(wires)
    for _ in range(2):  # then what was learned is there
        with client(lab, USER2) as c:
            expect(int(c.select("INBOX")[1][0]), n)
            shown = {}
            for i, (head, body) in enumerate(literals(c.fetch(
                    "1:*", "(RFC822.SIZE BODY.PEEK[])")[1])):
                expect_true(b"\0" not in body, f"NUL in {i}")
                expect_true(head.endswith(b"{%d}" % len(body)) and
                            b"RFC822.SIZE %d " % len(body) in head, f"{head}")
                shown[i] = body
            want = [wire.replace(b"\0", b"\x80") for wire in wires]
            for wire in want:  # what SMTP brought has trace fields before it
                expect(sum(body.endswith(wire) for body in shown.values()), 2,
                       f"a message of {len(wire)}")
            for items in ("BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]",
                          "BODY.PEEK[1]", "BODY.PEEK[TEXT]<1.4100>",
                          "BODY.PEEK[]<3.70000>", "RFC822.HEADER",
                          "(BODY.PEEK[] BODY.PEEK[TEXT])",
                          "BODY.PEEK[HEADER.FIELDS (Subject)]"):
                found = literals(c.fetch("1:*", items)[1])
                expect(len(found), n * items.count("BODY.PEEK") or n, items)
                for head, octets in found:
                    expect_true(b"\0" not in octets and
                                head.endswith(b"{%d}" % len(octets)), items)
            for head, octets in literals(c.fetch("1:*", "BINARY.PEEK[1]")[1]):
                expect_true(octets.startswith(b"x\0y\r\n") and
                            head.endswith(b"~{%d}" % len(octets)), f"{head}")


@scenario
def by_tls(lab):
    ready(lab)
    lab.mta1.stop()
    lab.mta1.environment["SSL_TYPE"] = "auto"
    lab.mta1.start()
    with client(lab, is_tls=True) as c:
        read_all(c)


if __name__ == "__main__":
    main(environment={"SSL_TYPE": ""})
