#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is sent is what is read: every octet, of large messages too."""

import random

from frame import (deliver, expect, expect_match, expect_true, main,
                   message, scenario, without_trace)

USER1, USER2 = "user1@example1.local", "user2@example1.local"
USER3 = "user3@example2.local"
LIMIT = 10240000  # main.cf


def imap_body(host, user, message_id):
    """(BODY[], RFC822.SIZE, BODY[TEXT] in pieces) as IMAP gives them."""
    with host.imap(user, timeout_s=60) as client:
        client.select("INBOX", readonly=True)
        uid = client.uid("SEARCH", "HEADER", "Message-ID",
                         message_id)[1][0].decode()
        rows = client.uid("FETCH", uid, "(RFC822.SIZE BODY.PEEK[])")[1]
        whole = rows[0][1]
        size = int(rows[0][0].split(b"RFC822.SIZE ")[1].split()[0])
        pieces, at = [], 0
        while at < min(len(whole), 300000):
            row = client.uid("FETCH", uid,
                             f"(BODY.PEEK[]<{at}.100000>)")[1][0]
            pieces.append(row[1])
            at += 100000
        return whole, size, b"".join(pieces)


def check(lab, name, body, extra=""):
    message_id, content = message(name, body, extra=extra)
    lab.mta1.submit(USER1, [USER2, USER3], content)
    for host, user in ((lab.mta1, USER2), (lab.mta2, USER3)):
        stored = host.wait_mail(user, message_id, timeout_s=30)
        expect_true(without_trace(stored) == content,
                    f"{name} in the mailbox of {user} differs")
        whole, size, pieces = imap_body(host, user, message_id)
        expect_true(whole == stored, f"{name}: BODY[] differs from the file "
                    f"({len(whole)}, {len(stored)})")
        expect(size, len(stored), f"{name}: RFC822.SIZE")
        expect_true(pieces == stored[:len(pieces)], f"{name}: partial FETCH")


@scenario
def small_bodies(lab):
    for name, body in (("empty", b""), ("no line end in it", b"x\r\n"),
                       ("dots", b".\r\n..\r\n.a\r\n...\r\n"),
                       ("latin-1", "päß\r\n".encode("latin-1")),
                       ("utf-8", "grüße 🐎\r\n".encode()),
                       ("blank", b"\r\n" * 500)):
        check(lab, name, body)


@scenario
def every_octet_but_line_ends_and_nul(lab):
    octets = bytes(c for c in range(1, 256) if c not in (10, 13))
    check(lab, "octets", b"\r\n".join([octets] * 40) + b"\r\n")


@scenario
def long_header_and_lines(lab):
    check(lab, "long lines", b"x" * 990 + b"\r\n" + b"." * 998 + b"\r\n",
          extra="X-Folded: a\r\n" + " b" * 400 + "\r\n")


@scenario
def nine_megabytes(lab):
    rng = random.Random(9)
    line = rng.randbytes(38).hex().encode() + b"\r\n"
    body = line * (9_000_000 // len(line))
    check(lab, "9 MB", body)


@scenario
def too_large_is_refused_at_mail_and_at_the_end(lab):
    with lab.mta1.submission(USER1) as client:
        code, text = client.mail(USER1, [f"size={LIMIT + 1}"])
        expect(code, 552, text)
        expect_match(text, r"^5\.3\.4")
        client.ehlo()
        expect(client.esmtp_features["size"], str(LIMIT))
        client.mail(USER1)
        client.rcpt(USER2)
        expect(client.docmd("DATA")[0], 354)
        client.send(b"Subject: big\r\n\r\n" + (b"y" * 98 + b"\r\n")
                    * (LIMIT // 100 + 10) + b".\r\n")
        expect(client.getreply()[0], 552)
        message_id, content = message(recipient=USER2)
        deliver(client, USER1, USER2, content)  # the session goes on
    lab.mta1.wait_mail(USER2, message_id)


@scenario
def a_hundred_messages_in_one_session(lab):
    mark = lab.mta1.mark(), lab.mta2.mark()
    ids = []
    with lab.mta1.submission(USER1) as client:
        for i in range(100):
            message_id, content = message(f"number {i}")
            ids.append(message_id)
            deliver(client, USER1, USER3, content)
    for message_id in ids:
        lab.mta2.wait_mail(USER3, message_id, timeout_s=30)
    for host, since in zip(lab.hosts, mark):
        text = host.log_since(since)
        expect_true("level=error" not in text, "errors in the log:\n"
                    + "\n".join(line for line in text.splitlines()
                                if "level=error" in line)[:1000])


if __name__ == "__main__":
    main(hosts=2)
