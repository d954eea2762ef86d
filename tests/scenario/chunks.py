#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Content in chunks (RFC 3030): at the LMTP door, and in one write with its
envelope between two of our hosts."""

import os
import re
import socket

from frame import (Raw, Sink, Wire, expect, expect_match, expect_true, main,
                   message, scenario, wait_for)

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


def binary(size=0):
    """Every octet, bare CR and LF, "." alone, and no line end at the end."""
    ident, head = message("binary", "")
    body = (bytes(range(256)) + b"\r\n.\r\n\n.\n\r.\r" + b"x" * 1200) * 2
    body += (body * (size // len(body) + 1))[:size] if size else b""
    return ident, head + body + b"\0\r"


def submit_binary(lab, recipients, content, sizes=()):
    with lab.mta1.raw("smtp") as raw:
        raw.reply()
        raw.say("EHLO client.example")
        expect(raw.say(f"MAIL FROM:<{USER1}> BODY=BINARYMIME"), 250)
        for address in recipients:
            expect(raw.say(f"RCPT TO:<{address}>"), 250, address)
        expect(raw.say("DATA"), 503, "DATA (RFC 3030 3)")
        for n in sizes:
            raw.send(f"BDAT {n}\r\n".encode() + content[:n])
            content = content[n:]
            expect(raw.reply()[0], 250, "a chunk")
        raw.send(f"BDAT {len(content)} LAST\r\n".encode() + content)
        expect(raw.reply()[0], 250, "the last chunk")
        expect(raw.say("NOOP"), 250, "what follows")


@scenario
def binary_content_is_not_changed(lab):
    """RFC 3030 3: to a mailbox here, and to one of the other host; small, and
    so large that it flows."""
    mta1, mta2 = lab.hosts
    mta1.peers["[mta2]:25"] = mta2.ports["smtp"]
    mta1.stop()
    mta1.start()
    with mta1.raw("smtp") as raw:
        raw.reply()
        expect_match(raw.say_text("EHLO c.example")[1],
                     r"(?m)^250[ -]BINARYMIME\r?$")
    for size in (0, 700_000):
        ident, content = binary(size)
        submit_binary(lab, [USER1, USER3], content, (1, len(content) - 10))
        for host, user in ((mta1, USER1), (mta2, USER3)):
            expect_true(host.wait_mail(user, ident).endswith(content),
                        f"{size}: unchanged at {user}")


@scenario
def binary_content_at_the_door_of_the_mailboxes(lab):
    """LMTP: any octet after BODY=BINARYMIME, and only then; never by DATA."""
    host = lab.mta1
    ident, content = binary()
    with Lmtp(host, ()) as client:
        expect_match(client.offers, r"(?m)^250[ -]BINARYMIME\r?$")
        expect(client.say("RSET"), 250)
        expect(client.say("MAIL FROM:<a@b.example> BODY=BINARYMIME"), 250)
        expect(client.say(f"RCPT TO:<{USER2}>"), 250)
        expect(client.say("DATA"), 503, "DATA")
        client.chunk(content, " LAST")
        expect(client.reply()[0], 250, "LAST")
        client.mail((USER2,))
        client.chunk(content, " LAST")
        expect(client.reply()[0], 550, "the same without BODY=")
    expect_true(host.wait_mail(USER2, ident).endswith(content), "unchanged")


@scenario
def binary_content_needs_a_server_that_takes_it(lab):
    """One that offers CHUNKING and BINARYMIME gets it by BDAT; of any other
    the sender hears 5.6.1, in a report that has lines."""
    mta1 = lab.mta1
    with Sink(extensions=("CHUNKING", "BINARYMIME")) as good, \
            Sink(extensions=("CHUNKING", "8BITMIME")) as poor:
        lab.route_to_sink(good, "good.example")
        lab.route_to_sink(poor, "poor.example")
        mta1.stop()
        mta1.start()
        for size in (0, 700_000):
            ident, content = binary(size)
            submit_binary(lab, ["x@good.example"], content)
            wait_for("the sink has it", lambda: good.messages)
            sender, _, got = good.messages.pop()
            expect_match(sender, r" BODY=BINARYMIME\b")
            expect_true(got.endswith(content), "every octet")
        mark = mta1.mark()
        ident, content = binary()
        before = set(mta1.files(USER1))
        submit_binary(lab, ["x@poor.example"], content)
        mta1.wait_log(r"status=failed .*dsn=5\.6\.1", mark)
        mta1.wait_queue_empty()
        report = wait_for("the report", lambda: [
            open(path, "rb").read()
            for path in set(mta1.files(USER1)) - before])[0]
        expect_true(b"\0" not in report, "no NUL in the report")
        expect_true(ident.encode() in report, "it has the header")
        expect_true(not any(c.startswith("MAIL") for c in poor.commands),
                    "it is not asked")


main(hosts=2, main_cf="smtp_tls_security_level = none\n"
     "mynetworks = 127.0.0.0/8\n")
