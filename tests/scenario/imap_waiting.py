#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Connections that wait: IDLE says that it is still there (I13), a command that
takes long says so (RFC 9585), and one whose client left ends (I04)."""

import os
import signal
import socket
import struct

from frame import expect, expect_match, main, scenario
from frame_imap import USER2, ok, session


class Stopped:
    """The store does nothing meanwhile: a command that takes long."""

    def __init__(self, lab):
        self.pid = next(p for p, role in lab.mta1.processes().items()
                        if role == "mda/store")

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGCONT)


@scenario
def an_idle_client_hears_of_us(lab):
    with session(lab) as raw:
        ok(raw, "SELECT INBOX")
        raw.send(b"i IDLE\r\n")
        expect_match(raw.line().decode(), r"^\+ ")
        for _ in range(2):
            expect(raw.line(), b"* OK Still here")
        raw.send(b"DONE\r\n")
        expect_match(raw.tagged("i")[-1], "^i OK")
        ok(raw, "NOOP")


@scenario
def a_long_command_says_so(lab):
    """RFC 9585 4: the command's tag; what is not known is NIL."""
    with session(lab) as raw:
        ok(raw, "SELECT INBOX")
        for command in ("SEARCH ALL", "COPY 1:* Trash"):
            with Stopped(lab):
                raw.send(b"long " + command.encode() + b"\r\n")
                expect_match(raw.line().decode(),
                             r'^\* OK \[INPROGRESS \("long" NIL NIL\)\]')
            lines = raw.tagged("long")
            expect_match(lines[-1], r"^long (OK|BAD)", command)
        with Stopped(lab):  # others, of other users, are slow as well
            raw.send(b"a NOOP\r\nb NOOP\r\n")
            expect_match(raw.line().decode(), r'INPROGRESS \("a" ')
        raw.tagged("a")
        raw.tagged("b")


@scenario
def who_left_waits_for_nothing(lab):
    """I04: the session ends, and with it the command in store."""
    for is_reset in (False, True):
        raw = session(lab, USER2)
        mark = lab.mta1.mark()
        with Stopped(lab):
            raw.send(b"s SELECT INBOX\r\n")
            expect_match(raw.line().decode(), "INPROGRESS")  # in store
            if is_reset:
                raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                      struct.pack("ii", 1, 0))
            raw.close()
            lab.mta1.wait_log(f"imap.logout .*{USER2}", mark, 6)


@scenario
def who_says_no_more_still_hears(lab):
    """The end of what a client sends is not the end of what it reads."""
    with session(lab) as raw:
        ok(raw, "SELECT INBOX")
        with Stopped(lab):
            raw.send(b"s SEARCH ALL\r\n")
            # Of the socket alone: TLS goes on in the other direction.
            socket.socket.shutdown(raw.socket, socket.SHUT_WR)
            expect_match(raw.line().decode(), "INPROGRESS")
        expect_match(raw.tagged("s")[-1], "^s OK")


if __name__ == "__main__":
    main(hosts=1, environment={"ESTAFETA_IMAP_NOTIFY_S": "1"})
