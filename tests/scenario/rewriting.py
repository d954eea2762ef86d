#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""canonical_maps, always_bcc and sender_bcc_maps: the envelope's sender, the
addresses in headers, and copies, once for each message."""

from frame import expect, expect_match, main, message, scenario

USER1, USER2 = "user1@example1.local", "user2@example1.local"


@scenario
def a_sender_is_rewritten(lab):
    host = lab.mta1
    identity, content = message(sender="old@good.example", recipient=USER1)
    with host.smtp() as client:
        client.sendmail("old@good.example", [USER1], content)
    text = host.wait_mail(USER1, identity).decode()
    expect_match(text, r"^Return-Path: <new@good\.example>")
    expect_match(text, r"^From: .*new@good\.example")


@scenario
def copies_are_made_once(lab):
    """Two recipients, and each copy comes once."""
    host = lab.mta1
    sender = "watched@good.example"
    identity, content = message(sender=sender, recipient=USER1)
    with host.smtp() as client:
        client.sendmail(sender, [USER1, "user1+x@example1.local"], content)
    host.wait_mail(USER1, identity, 2)
    # always_bcc and sender_bcc_maps name the same mailbox in two ways.
    host.wait_mail(USER2, identity, 2)
    host.wait_queue_empty()
    expect(len(host.find(USER2, identity)), 2, "copies")


def prepare(lab):
    lab.mta1.append("main.cf", """
canonical_maps = inline:{ old@good.example=new@good.example }
always_bcc = user2@example1.local
sender_bcc_maps = inline:{ watched@good.example=user2+watched@example1.local }
""")


main(setup=prepare)
