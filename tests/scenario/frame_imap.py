# SPDX-License-Identifier: MIT
"""What scenarios of IMAP share: a raw session, and its commands."""

import re
import zlib

from frame import expect, expect_match, message

USER1, USER2 = "user1@example1.local", "user2@example1.local"


class Deflated:
    """Stands before the socket of a Raw."""

    def __init__(self, socket, octet_by_octet=False):
        self.socket, self.octet_by_octet = socket, octet_by_octet
        self.deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        self.inflate = zlib.decompressobj(-15)
        self.received = 0

    def sendall(self, octets):
        raw = (self.deflate.compress(octets) +
               self.deflate.flush(zlib.Z_SYNC_FLUSH))
        step = 1 if self.octet_by_octet else len(raw)
        for i in range(0, len(raw), step):
            self.socket.sendall(raw[i:i + step])

    def recv(self, n):
        while True:
            raw = self.socket.recv(n)
            self.received += len(raw)
            octets = self.inflate.decompress(raw)
            if octets or not raw:
                return octets

    def gettimeout(self):
        return self.socket.gettimeout()

    def close(self):
        self.socket.close()


def session(lab, user=USER1):
    """A raw connection, logged in."""
    raw = lab.mta1.raw("imap", 10)
    raw.line()
    raw.tagged("s", "STARTTLS")
    raw.start_tls(lab.mta1.tls())
    ok(raw, f"LOGIN {user} password123")
    return raw


_tag = [0]


def ask(raw, command):
    _tag[0] += 1
    return raw.tagged(f"t{_tag[0]}", command)


def ok(raw, command):
    lines = ask(raw, command)
    expect_match(lines[-1], r"^t\d+ OK", command)
    return lines


def append(raw, mailbox, content, arguments=""):
    """APPEND by a literal; returns all lines."""
    _tag[0] += 1
    tag = f"t{_tag[0]}"
    raw.send(f"{tag} APPEND {mailbox} {arguments}{{{len(content)}}}\r\n"
             .encode())
    line = raw.line()
    expect(line[:1], b"+", f"APPEND {mailbox}: {line!r}")
    raw.send(content + b"\r\n")
    return raw.tagged(tag)


def fresh(lab, name, n=0):
    """(session with a new mailbox selected that has n messages)."""
    raw = session(lab)
    ask(raw, f"DELETE {name}")
    ok(raw, f"CREATE {name}")
    for i in range(n):
        append(raw, name, message(f"number {i}", f"body {i}\r\n")[1])
    ok(raw, f"SELECT {name}")
    return raw


def play(raw, command):
    """A command with the tag "x", in which {{text}} is a literal that waits for
    its "+", and {{+text}} one that does not; returns all lines."""
    raw.send(b"x ")
    for piece in re.split(r"(\{\{.*?\}\})", command, flags=re.S):
        if not piece.startswith("{{"):
            raw.send(piece.encode())
            continue
        octets = piece[2:-2].removeprefix("+").encode()
        if piece.startswith("{{+"):
            raw.send(b"{%d+}\r\n" % len(octets) + octets)
            continue
        raw.send(b"{%d}\r\n" % len(octets))
        line = raw.line()
        while line.startswith(b"* "):
            line = raw.line()
        if not line.startswith(b"+"):
            return [line.decode()]
        raw.send(octets)
    raw.send(b"\r\n")
    return raw.tagged("x")
