#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Servers that can do less than we: SMTPUTF8, LIMITS, SIZE (RFC 6531, 9422,
1870)."""

import re

from frame import (Sink, expect, expect_match, expect_true, main, message,
                   scenario, wait_for)

USER1 = "user1@example1.local"
KINDS = {
    "two.example": ["PIPELINING", "LIMITS RCPTMAX=2 MAILMAX=10"],
    "once.example": ["LIMITS MAILMAX=1"],
    "ascii.example": ["PIPELINING", "8BITMIME"],
    "utf8.example": ["PIPELINING", "8BITMIME", "SMTPUTF8"],
    "small.example": ["SIZE 1000"],
}
sinks = {}


def setup(lab):
    for domain, extensions in KINDS.items():
        sinks[domain] = Sink(extensions=extensions)
        lab.route_to_sink(sinks[domain], domain)


def send(lab, recipients, content, options=()):
    with lab.mta1.submission(USER1) as client:
        client.ehlo()
        expect(client.mail(USER1, list(options))[0], 250, "MAIL")
        for recipient in recipients:
            code, text = client.docmd("RCPT", f"TO:<{recipient}>") \
                if recipient.isascii() else say(client, recipient)
            expect(code, 250, f"{recipient}: {text}")
        code, text = client.data(content)
        expect(code, 250, f"DATA: {text}")


def say(client, recipient):
    client.sock.sendall(f"RCPT TO:<{recipient}>\r\n".encode())
    return client.getreply()


@scenario
def as_many_recipients_as_it_takes(lab):
    """RFC 9422 4.2: RCPTMAX."""
    sink = sinks["two.example"]
    ident, content = message()
    wanted = {f"u{i}@two.example" for i in range(5)}
    send(lab, sorted(wanted), content)
    lab.mta1.wait_queue_empty()
    expect([len(r) for _, r, _ in sink.messages], [2, 2, 1], "recipients")
    got = {re.search("<(.*)>", r)[1] for _, rcpts, _ in sink.messages
           for r in rcpts}
    expect(got, wanted)
    expect(sink.n_connections, 1, "connections")
    expect(len({body.split(b"\r\n\r\n", 1)[1]
                for _, _, body in sink.messages}), 1, "contents")


@scenario
def as_many_messages_as_it_takes(lab):
    """RFC 9422 4.1: MAILMAX."""
    sink = sinks["once.example"]
    for _ in range(3):
        send(lab, ["a@once.example"], message()[1])
    lab.mta1.wait_queue_empty()
    expect((len(sink.messages), sink.n_connections), (3, 3))


@scenario
def smtputf8_only_where_it_is_needed(lab):
    """RFC 6531 3.1: said by a client for all its mail, and meant by none."""
    ident, content = message()
    send(lab, ["a@ascii.example"], content, ["SMTPUTF8", "BODY=8BITMIME"])
    lab.mta1.wait_queue_empty()
    expect(len(sinks["ascii.example"].messages), 1)


@scenario
def recipients_that_need_it_fail_alone(lab):
    sink = sinks["ascii.example"]
    sink.messages.clear()
    mark = lab.mta1.mark()
    _, content = message()
    send(lab, ["a@ascii.example", "\u00fc@ascii.example"], content,
         ["SMTPUTF8"])
    lab.mta1.wait_log(r"ev=delivery .*status=failed .*dsn=5\.6\.7", mark)
    lab.mta1.wait_queue_empty()
    expect([r for _, r, _ in sink.messages], [["RCPT TO:<a@ascii.example>"]])


@scenario
def a_header_that_needs_it(lab):
    """RFC 6532 3.2: 8-bit octets in the header."""
    mark = lab.mta1.mark()
    head = "From: <user1@example1.local>\r\nSubject: \u00fc\r\n\r\nx\r\n"
    send(lab, ["b@ascii.example"], head.encode(), ["SMTPUTF8"])
    lab.mta1.wait_log(r"ev=delivery .*status=failed .*dsn=5\.6\.7", mark)
    sink = sinks["utf8.example"]
    send(lab, ["\u00fc@utf8.example"], head.encode(), ["SMTPUTF8"])
    wait_for("the message", lambda: sink.messages)
    expect_match(sink.messages[0][0], r" SMTPUTF8\b")


@scenario
def too_large_for_it(lab):
    """RFC 1870 6.1: known before it is asked."""
    mark = lab.mta1.mark()
    _, content = message(body="x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 20)
    send(lab, ["a@small.example"], content)
    lab.mta1.wait_log(r"ev=delivery .*status=failed .*dsn=5\.3\.4", mark)
    expect_true(not any(c.startswith("DATA")
                        for c in sinks["small.example"].commands), "DATA")


main(setup=setup)
