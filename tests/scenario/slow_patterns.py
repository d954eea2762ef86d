#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A pattern that takes long, asked with an address that a stranger chose: the
question is put off, and others do not wait for it. The patterns stand in an
access table, in virtual_alias_maps and in relay_domains."""

import os
import threading

from frame import expect, expect_true, given, main, scenario

USER1 = "user1@example1.local"
# Nested repetition: twice the work for each letter more.
SLOW = "a" * 40
OTHERS_MAX_S = 0.5  # alone it is some milliseconds


def ask(host, sender, recipient):
    """(code, text, seconds) of RCPT."""
    with host.smtp() as client:
        client.ehlo()
        client.mail(sender)
        began = given()
        code, text = client.rcpt(recipient)
        return code, text, given() - began


def while_slow(host, sender, recipient, n=8):
    """n questions that take long, and how long others waited meanwhile."""
    told, others = [], []
    threads = [threading.Thread(
        target=lambda: told.append(ask(host, sender, recipient)))
        for _ in range(n)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        code, text, took = ask(host, "b@good.example", USER1)
        expect(code, 250, text)
        others.append(took)
    print(f"# slow {max(t[2] for t in told):.2f} s, others "
          f"{max(others) * 1000:.0f} ms at most, of {len(others)}")
    return told, others


@scenario
def nobody_waits_for_a_slow_pattern(lab):
    host = lab.mta1
    for name, sender, recipient in (
            ("access", f"{SLOW}@slow.example", USER1),
            ("aliases", "a@good.example", f"{SLOW}@example1.local"),
            ("relay_domains", "a@good.example", f"x@{SLOW}.example")):
        told, others = while_slow(host, sender, recipient)
        for code, text, _ in told:
            expect(code // 100, 4, f"{name}: {text}")
        expect_true(max(others) < OTHERS_MAX_S,
                    f"{name}: others waited {max(others):.2f} s")


def prepare(lab):
    host = lab.mta1
    with open(os.path.join(host.config, "slow"), "w", encoding="ascii") as f:
        f.write("/^([a-z]+)+@slow\\.example[xy]/ REJECT\n")
    host.append("main.cf", r"""
smtpd_sender_restrictions = check_sender_access pcre:slow
virtual_alias_maps = pcre:{{/^(a+)+@example1\.local[xy]/ x}}
relay_domains = pcre:{{/^(a+)+\.example[xy]/ x}}
""")


main(setup=prepare)
