#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""canonical_maps, always_bcc and sender_bcc_maps: the envelope's sender, the
addresses in headers, and copies, once for each message."""

import json

from frame import expect, expect_match, expect_true, main, message, scenario

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
def hosts_behind_a_domain_are_not_named(lab):
    host = lab.mta1
    sender = "old@inner.masked.example"
    identity, content = message(sender=sender, recipient=USER1)
    with host.smtp() as client:
        client.sendmail(sender, [USER1], content)
    text = host.wait_mail(USER1, identity).decode()
    expect_match(text, r"^Return-Path: <old@masked\.example>")
    expect_match(text, r"^From: .*old@masked\.example")


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


@scenario
def a_copy_by_recipient_is_made_once(lab):
    """recipient_bcc_maps: two recipients with one copy; that cannot be
    delivered, and nobody hears of it (NOTIFY=NEVER)."""
    host = lab.mta1
    sender = "quiet@good.example"
    for name, copies in (("seen", 1), ("lost", 0)):
        identity, content = message(sender=sender, recipient=USER1)
        mark = host.mark()
        with host.smtp() as client:
            client.sendmail(sender, [f"user1+{name}@example1.local",
                                     f"user1+{name}2@example1.local"], content)
        host.wait_mail(USER1, identity, 2 + copies)
        host.wait_queue_empty()
        expect(len(host.find(USER1, identity)), 2 + copies, name)
        expect_true("from=<>" not in host.log_since(mark)
                    and 'from=""' not in host.log_since(mark), "a bounce")


@scenario
def each_recipient_may_have_a_copy_of_his_own(lab):
    host = lab.mta1
    sender = "quiet@good.example"
    identity, content = message(sender=sender, recipient=USER1)
    with host.smtp() as client:
        client.sendmail(sender, [f"user1+own{n}@example1.local"
                                 for n in range(40)], content)
    host.wait_mail(USER2, identity, 40 + 1)  # always_bcc's too


@scenario
def explain_tells_rewriting_and_copies(lab):
    """Of the running router, and of the files."""
    host = lab.mta1
    for more in ([], ["--offline"]):
        told = json.loads(host.ctl(
            "route", "explain", "user1+seen@example1.local", "from",
            "watched@in.masked.example", "--json", *more).stdout)
        expect(told["envelope_sender"], "watched@masked.example")
        expect(told["copies"], [USER2, "user1+copy@example1.local"])
        expect([t["mailbox"] for t in told["targets"]], [USER1])
        steps = "\n".join(told["steps"])
        expect_match(steps, r"masquerade_domains \(\S*main\.cf:\d+\): watched@")
        expect_match(steps, r"recipient_bcc_maps: \"user1\+seen@example1"
                     r"\.local\" is in \S*main\.cf:\d+: user1\+copy@")


def prepare(lab):
    lab.mta1.append("main.cf", """
recipient_bcc_maps = inline:{
    { user1+seen@example1.local=user1+copy@example1.local },
    { user1+seen2@example1.local=User1+Copy@example1.local },
    { user1+lost@example1.local=nobody@example1.local },
    { user1+lost2@example1.local=nobody@example1.local } },
    pcre:{{/^user1\\+own(\\d+)@/ user2+$$1@example1.local}}
masquerade_domains = masked.example
canonical_maps = inline:{ old@good.example=new@good.example }
always_bcc = user2@example1.local
sender_bcc_maps = inline:{ watched@good.example=user2+watched@example1.local }
""")


main(setup=prepare)
