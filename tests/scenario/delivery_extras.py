#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a delivery does besides: X-Original-To, user+folder into that folder,
and the same Message-ID once."""

from frame import (deliver, expect, expect_match, expect_true, main, message,
                   new_id, scenario)

USER1, USER2 = "user1@example1.local", "user2@example1.local"
ALL = "all@example1.local"


def set_main(host, line):
    mark = host.mark()
    host.append("main.cf", line)
    host.wait_log("ev=config.loaded", mark)


def send(host, recipients, content):
    with host.smtp() as client:
        client.ehlo()
        deliver(client, "a@stranger.example", recipients, content)


def head(content):
    return content.split(b"\r\n\r\n", 1)[0].decode().replace("\r\n", "\n")


@scenario
def x_original_to_where_an_alias_was_written_to(lab):
    host = lab.mta1
    mark = host.mark()
    host.append("virtual.cf", f"{ALL} {USER1},{USER2}\n")
    host.wait_log("ev=config.loaded", mark)
    message_id, content = message("to all", recipient=ALL)
    send(host, ALL, content)
    for user in (USER1, USER2):
        expect_match(head(host.wait_mail(user, message_id)),
                     rf"^X-Original-To: {ALL}$")
    # The account itself, with and without a tag: that says Delivered-To.
    for address in (USER1, "user1+tag@example1.local",
                    "USER1@example1.local"):
        message_id, content = message("direct", recipient=address)
        send(host, address, content)
        got = head(host.wait_mail(USER1, message_id))
        expect_true("X-Original-To" not in got, f"{address}: {got}")
        expect_match(got, r"(?i)^Delivered-To: " + address.replace("+", "."))
    # Both ways in one message: each says what is true of it.
    message_id, content = message("both", recipient=ALL)
    send(host, [USER1, ALL], content)
    expect_match(head(host.wait_mail(USER2, message_id)),
                 rf"^X-Original-To: {ALL}$")
    host.wait_mail(USER1, message_id)


@scenario
def no_stranger_says_x_original_to(lab):
    """XORIG is a word between our own programs."""
    with lab.mta1.smtp() as client:
        client.ehlo()
        client.mail("a@stranger.example")
        code, text = client.docmd(f"RCPT TO:<{USER1}> XORIG=x@y.example")
        expect(code, 555, text)


@scenario
def a_tag_that_names_a_folder(lab):
    host = lab.mta1
    with host.imap(USER2) as client:
        for name in ("Work/2026", "&AMQ-rger"):
            expect(client.create(f'"{name}"')[0], "OK")

    def delivered(tag, folder):
        message_id, content = message(tag, recipient=USER2)
        send(host, f"user2+{tag}@example1.local", content)
        host.wait_queue_empty()
        expect(len(host.find(USER2, message_id, folder)), 1,
               f"+{tag} in {folder or 'INBOX'}:\n{host.tail()}")
    delivered("Work.2026", "")  # not asked for
    set_main(host, "lmtp_save_to_detail_mailbox = yes")
    delivered("Work.2026", ".Work.2026")
    delivered("Work/2026", ".Work.2026")
    delivered("Trash", ".Trash")
    delivered("nowhere", "")
    delivered("-", "")
    delivered("inbox", "")
    set_main(host, "lmtp_save_to_detail_mailbox = no")
    delivered("Trash", "")


@scenario
def a_message_id_comes_once(lab):
    host = lab.mta1
    ident = new_id()

    def send_again(user, ident, n):
        before = len(host.find(user, ident))
        send(host, user, message("again", recipient=user,
                                 message_id=ident)[1])
        host.wait_queue_empty()
        expect(len(host.find(user, ident)) - before, n, f"{user} {ident}")
    send_again(USER1, ident, 1)
    send_again(USER1, ident, 1)  # not asked for
    set_main(host, "duplicate_suppression_time = 1h")
    ident = new_id()
    send_again(USER1, ident, 1)
    send_again(USER1, ident, 0)
    send_again(USER2, ident, 1)
    send_again(USER1, new_id(), 1)
    host.wait_log(r'ev=delivery .*text="a duplicate, dropped"')
    # Without an id nothing is known.
    for n in (1, 2):
        send(host, USER1, b"Subject: none-%d\r\n\r\nx\r\n"
             % id(ident))
        host.wait_queue_empty()
        expect(len([1 for path in host.files(USER1)
                    if b"Subject: none-" in open(path, "rb").read()]), n,
               "messages without an id")
    # A dead process forgets nothing.
    host.kill()
    host.start()
    send_again(USER1, ident, 0)
    # Nor does a user who moved it.
    with host.imap(USER1) as client:
        client.select("INBOX")
        client.store("1:*", "+FLAGS", r"(\Deleted)")
        client.expunge()
    send_again(USER1, ident, 0)
    set_main(host, "duplicate_suppression_time = 0")
    send_again(USER1, ident, 1)


if __name__ == "__main__":
    main()
