#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Content in chunks (RFC 3030): at the LMTP door, and in one write with its
envelope between two of our hosts."""

import os
import re
import socket

from frame import (Raw, Wire, expect, expect_match, expect_true, main,
                   message, scenario)

USER1, USER2 = "user1@example1.local", "user2@example1.local"
USER3 = "user3@example2.local"
NOBODY = "nobody.here@example1.local"


class Lmtp(Raw):
    """A client of the delivery agent, after LHLO and MAIL."""

    def __init__(self, host, recipients=(USER1,)):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(os.path.join(host.run, "lmtp.sock"))
        self.rest = b""
        expect(self.reply()[0], 220, "greeting")
        code, self.offers = self.say_text("LHLO client.example")
        expect(code, 250, "LHLO")
        self.mail(recipients)

    def mail(self, recipients):
        expect(self.say("MAIL FROM:<a@b.example>"), 250, "MAIL")
        for address in recipients:
            expect(self.say(f"RCPT TO:<{address}>"),
                   550 if address == NOBODY else 250, f"RCPT {address}")

    def chunk(self, octets, last=""):
        self.send(f"BDAT {len(octets)}{last}\r\n".encode() + octets)


@scenario
def one_reply_for_each_reader(lab):
    """RFC 2033 4.2 and RFC 3030 2: after the last chunk alone."""
    host = lab.mta1
    ident, content = message("chunks", ".\r\n..\r\n.x\r\n")
    with Lmtp(host, (USER1, NOBODY, USER2)) as client:
        expect_match(client.offers, r"(?m)^250[ -]CHUNKING\r?$")
        for part in (content[:1], content[1:40], b""):
            client.chunk(part)
            expect(client.reply()[0], 250, "a chunk")
        client.chunk(content[40:], " LAST")
        expect([client.reply()[0] for _ in range(2)], [250, 250], "LAST")
        expect(client.say("NOOP"), 250, "what follows")
    for user in (USER1, USER2):
        expect_true(host.wait_mail(user, ident).endswith(content),
                    f"whole at {user}")


@scenario
def every_octet_alone(lab):
    host = lab.mta1
    ident, content = message()
    with Lmtp(host, ()) as client:
        client.send_slowly(
            f"RCPT TO:<{USER1}>\r\nBDAT {len(content)} LAST\r\n".encode()
            + content + b"NOOP\r\n")
        expect([client.reply()[0] for _ in range(3)], [250, 250, 250])
    expect_true(host.wait_mail(USER1, ident).endswith(content), "whole")


@scenario
def what_is_given_up_is_not_delivered(lab):
    """RSET, LHLO, or the end of the connection, before LAST."""
    host = lab.mta1
    ident, content = message()
    for end in ("RSET", "LHLO again.example"):
        with Lmtp(host) as client:
            client.chunk(content)
            expect(client.reply()[0], 250, "a chunk")
            expect(client.say(end), 250, end)
            client.chunk(content, " LAST")
            expect(client.reply()[0], 503, "LAST of nothing")
    with Lmtp(host) as client:
        client.chunk(content)
        expect(client.reply()[0], 250, "a chunk")
    with Lmtp(host) as client:
        client.send(f"BDAT {len(content) + 1} LAST\r\n".encode() + content)
    last, content = message()
    with Lmtp(host) as client:
        client.chunk(content, " LAST")
        expect(client.reply()[0], 250, "LAST")
    host.wait_mail(USER1, last)
    expect(len(host.find(USER1, ident)), 0, "copies")


@scenario
def order_is_kept(lab):
    """No DATA, RCPT or MAIL between chunks (RFC 3030 2); a chunk for nobody is
    swallowed, and is never run as commands."""
    host = lab.mta1
    with Lmtp(host, (NOBODY,)) as client:
        client.chunk(b"RCPT TO:<" + USER1.encode() + b">\r\n")
        expect(client.reply()[0], 503, "for nobody")
        expect(client.say(f"RCPT TO:<{USER1}>"), 250, "RCPT")
        client.chunk(b"Subject: x\r\n")
        expect(client.reply()[0], 250, "a chunk")
        for line in ("DATA", f"RCPT TO:<{USER2}>", "MAIL FROM:<a@b.example>"):
            expect(client.say(line), 503, line)
        client.chunk(b"\r\nbare\nline\r\n", " LAST")
        expect(client.reply()[0], 550, "a bare LF")
    for bad in ("x", "-1", "1 FIRST", "99999999999999999999 LAST"):
        with Lmtp(host) as client:
            expect(client.say(f"BDAT {bad}") // 100, 5, f"BDAT {bad}")
            expect(client.line(), b"", f"BDAT {bad}: hangs up")


@scenario
def one_write_between_hosts(lab):
    """Envelope and content leave at once, and a refusal costs the others
    nothing."""
    mta1, mta2 = lab.hosts
    said = []

    def hear(_n, is_reply, octets, _seen):
        if not is_reply:
            said.append(octets)
        return octets

    with Wire(mta2.ports["smtp"], hear) as wire:
        mta1.stop()
        mta1.peers["[mta2]:25"] = wire.port
        mta1.start()
        ident, content = message("flight", ".\r\n")
        mark = mta1.mark()
        mta1.submit(USER1, [USER3, "nobody.there@example2.local"], content)
        mta2.wait_mail(USER3, ident)
        mta1.wait_queue_empty()
        expect_true([o for o in said if o.startswith(b"MAIL")
                     and o.endswith(content)], f"one write: {said}")
        expect_true(not re.search(rb"(?m)^DATA", b"".join(said)), "no DATA")
        mta1.wait_log(r"status=failed to=<nobody\.there@", mark)
        said.clear()
        ident, content = message("no")
        mta1.submit(USER1, ["nobody.there@example2.local"], content)
        mta1.wait_queue_empty()
        ident, content = message("after")
        mta1.submit(USER1, [USER3], content)
        mta2.wait_mail(USER3, ident)
        mta1.wait_queue_empty()
        expect_true(re.search(rb"(?m)^RSET", b"".join(said)), "RSET")
        expect(wire.n_connections, 1, "connections")


main(hosts=2, main_cf="smtp_tls_security_level = none\n")
