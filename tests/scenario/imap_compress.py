#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""COMPRESS=DEFLATE (RFC 4978), inside of TLS, and I10: bombs."""

import os
import time

from frame import expect, expect_match, expect_true, given, main, scenario
from frame_imap import Deflated, ask, ok, session


def compressed(lab, **how):
    raw = session(lab)
    expect_match(ok(raw, "CAPABILITY")[0], r"COMPRESS=DEFLATE")
    ok(raw, "COMPRESS DEFLATE")
    raw.socket = Deflated(raw.socket, **how)
    return raw


@scenario
def commands_and_messages(lab):
    """RFC 4978 3, 4: a large message there and back; it is active once."""
    content = (b"Subject: long\r\n\r\n" +
               b"a line of a long message\r\n" * 40_000)
    with compressed(lab) as raw:
        expect_match(ask(raw, "COMPRESS DEFLATE")[-1],
                     r"^t\d+ NO \[COMPRESSIONACTIVE\]")
        ask(raw, "DELETE Pressed")
        ok(raw, "CREATE Pressed")
        raw.send(b"a APPEND Pressed {%d+}\r\n%s\r\n" % (len(content), content))
        expect_match(raw.tagged("a")[-1], "^a OK")
        noise = b"Subject: noise\r\n\r\n" + os.urandom(200_000).hex().encode()
        raw.send(b"b APPEND Pressed {%d+}\r\n%s\r\n" % (len(noise), noise))
        expect_match(raw.tagged("b")[-1], "^b OK")
        ok(raw, "SELECT Pressed")
        before = raw.socket.received
        raw.send(b"f FETCH 1 BODY.PEEK[]\r\n")
        expect_match(raw.line(), r"\{%d\}$" % len(content))
        expect_true(raw.read(len(content)) == content, "the message")
        raw.tagged("f")
        expect_true(raw.socket.received - before < len(content) // 10,
                    f"{raw.socket.received - before} octets came")
        raw.send(b"g FETCH 2 BODY.PEEK[]\r\n")
        raw.line()
        expect_true(raw.read(len(noise)) == noise, "the other message")
        raw.tagged("g")
        # IDLE, and a command in pieces.
        raw.send(b"i IDLE\r\n")
        expect(raw.line()[:1], b"+")
        raw.send(b"DONE\r\n")
        expect_match(raw.tagged("i")[-1], "^i OK")
        expect_match(ask(raw, "COMPRESS LZW")[-1], r"^t\d+ BAD")
    with compressed(lab, octet_by_octet=True) as raw:
        ok(raw, "SELECT Pressed")
        ok(raw, "NOOP")


@scenario
def i10_bombs_are_slow_and_small(lab):
    """I10: 16 MB of commands in 16 KB: others are served, and little of it is
    run; what is no DEFLATE ends the connection."""
    with compressed(lab) as bomb, session(lab) as other:
        bomb.socket.sendall(b"x NOOP\r\n" * 2_000_000)
        bomb.socket.socket.settimeout(0.2)
        started, answered = time.monotonic(), 0
        while time.monotonic() - started < 1:
            try:
                answered += bomb.socket.recv(65536).count(b"x OK")
            except TimeoutError:
                pass
        began = given()
        ok(other, "NOOP")
        expect_true(given() - began < 1, "another session waits")
        expect_true(answered < 150_000, f"{answered} commands in a second")
    with compressed(lab) as raw:
        raw.socket.socket.sendall(b"\xff" * 100)
        expect(raw.line()[:6] in (b"", b"* BYE "), True)
    # A literal's size counts behind the inflater.
    with compressed(lab) as raw:
        raw.send(b"y NOOP " + b"a" * 1_000_000)
        expect_match(raw.line(), "BAD|BYE")


if __name__ == "__main__":
    main(hosts=1)
