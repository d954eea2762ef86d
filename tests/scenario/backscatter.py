#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a stranger can make us send to others: nothing by a sender that he
forged (S22), and a ring of two hosts ends once (S21)."""

from frame import (Sink, deliver, expect, expect_match, expect_true, main,
                   message, parse, scenario, wait_for)

USER1 = "user1@example1.local"
FULL, RING = "full@example1.local", "ring@example1.local"
VICTIM = "somebody@victim.example"
RING_S = 30
HOPS = 50  # hopcount_limit
sink = Sink()


def setup(lab):
    one, two = lab.hosts
    lab.route_to_sink(sink, "victim.example")
    account = next(line for line in one.read_config("accounts.cf")
                   .splitlines() if line.startswith(USER1 + "|"))
    one.append("accounts.cf", account.replace(USER1, FULL, 1))
    one.append("quotas.cf", f"{FULL}:4k")
    one.append("main.cf", "message_size_limit = 100000\n")
    one.append("virtual.cf", f"{RING} ring@example2.local")
    two.append("virtual.cf", f"ring@example2.local {RING}")


def reports(host, user):
    found = []
    for path in host.files(user):
        with open(path, "rb") as file:
            content = file.read()
        if b"multipart/report" in content:
            found.append(content)
    return found


@scenario
def a_forged_sender_hears_nothing(lab):
    """S22: what cannot be delivered is refused while the client is there, by
    whatever reason, and no report is ever made of it."""
    host = lab.mta1
    with host.smtp() as client:
        client.ehlo()
        expect_true(deliver(client, VICTIM, FULL, message(
            recipient=FULL, body="x" * 3900 + "\r\n")[1]), "it fills")
    host.wait_queue_empty()
    with host.raw() as raw:
        expect(raw.reply()[0], 220)
        expect(raw.say("EHLO client.example"), 250)
        expect(raw.say(f"MAIL FROM:<{VICTIM}>"), 250)
        for rcpt, code in (("nobody@example1.local", 550), (FULL, 552),
                           ("x@elsewhere.example", 554),
                           ("x@example2.local", 554)):
            expect(raw.say(f"RCPT TO:<{rcpt}>"), code, rcpt)
        expect(raw.say("RSET"), 250)
        for content, code in (
                (b"Received: from x by y; now\r\n" * (HOPS + 1), 554),
                (b"X-Large: y\r\n\r\n" + b"x" * 70 * 2000, 552),
                (b"Subject: x\n.\nMAIL FROM:<>\r\n", 521)):
            expect(raw.say(f"MAIL FROM:<{VICTIM}>"), 250)
            expect(raw.say(f"RCPT TO:<{USER1}>"), 250)
            expect(raw.say("DATA"), 354)
            raw.send(content + b"\r\n.\r\n")
            got = raw.reply()
            expect_true(got[0] == code or code == 521 and got[0] >= 500,
                        f"{got}, not {code}")
    expect_match(host.queue(), "Mail queue is empty")
    expect(sink.n_connections, 0, "connections to the victim's host")


@scenario
def a_ring_of_two_hosts_ends_once(lab):
    """S21, RFC 5321 6.3: each host passes it on to the other; the hop limit
    ends it, its sender is told once, and nothing stays."""
    host = lab.mta1
    message_id, content = message(recipient=RING)
    host.submit(USER1, RING, content)
    wait_for("the report", lambda: reports(host, USER1), RING_S)
    for one in lab.hosts:
        one.wait_queue_empty()
    told = reports(host, USER1)
    expect(len(told), 1, "reports")
    text = told[0].decode()
    expect_match(text, r"^Status: 5\.4\.6", "why")
    expect_match(text, message_id, "of what")
    expect(parse(told[0])["Return-Path"], "<>")
    n = sum(one.log().count("ev=smtp.accept") for one in lab.hosts)
    expect_true(n <= HOPS + 10, f"{n} hops")


if __name__ == "__main__":
    main(hosts=2, setup=setup)
