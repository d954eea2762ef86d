#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Strangers before they are greeted, what they are offered, and from which
address mail leaves (postscreen_*, smtpd_discard_ehlo_keyword_address_maps,
smtp_bind_address).

Rows: S07 (who talks before the banner), F10 (waiting is bounded)."""

import re
import threading
import time

from frame import (Sink, expect, expect_match, expect_true, given, main,
                   message, scenario, wait_for)
from frame_dns import A, NameServer

# Client 127.0.0.N is asked for as N.0.0.127.LIST.
zone = {
    ("11.0.0.127.heavy.example", A): ["127.0.0.2"],
    ("12.0.0.127.light.example", A): ["127.0.0.9"],
    ("13.0.0.127.heavy.example", A): ["127.0.0.2"],
    ("13.0.0.127.friends.example", A): ["127.0.5.1"],
    ("14.0.0.127.light.example", A): ["127.0.0.3"],
    ("14.0.0.127.heavy.example", A): ["127.0.0.77"],  # not what is asked
    ("15.0.0.127.light.example", A): ["127.0.0.4"],
    ("15.0.0.127.other.example", A): ["127.0.0.4"],
}
SITES = """
postscreen_dnsbl_sites = heavy.example=127.0.0.[2..11]*3, light.example*1
    other.example, friends.example=127.0.[0..255].[1;2]*-4
postscreen_dnsbl_threshold = 2
"""


def verdict(host, n):
    """The code of RCPT, or of the greeting, for client 127.0.0.n."""
    with host.raw(source=f"127.0.0.{n}") as c:
        code, text = c.reply()
        if code != 220:
            return code, text
        expect(c.say("EHLO client.example"), 250)
        expect(c.say("MAIL FROM:<a@b.example>"), 250)
        return c.say_text("RCPT TO:<user1@example1.local>")


@scenario
def block_lists_have_weights(lab):
    host = lab.mta1
    mark = host.mark()
    host.append("main.cf", SITES)
    wait_for("11 is told", lambda: (verdict(host, 11), "smtp.dnsbl" in
                                    host.log_since(mark))[1], 10)
    expect(verdict(host, 11)[0], 250, "action ignore: nobody is refused")
    host.append("main.cf", "postscreen_dnsbl_action = enforce")
    wait_for("it counts", lambda: verdict(host, 11)[0] == 550, 10)
    for n, want in ((11, 550), (12, 250), (13, 250), (14, 250), (15, 550),
                    (16, 250)):
        code, text = verdict(host, n)
        expect(code, want, f"client {n}: {text}")
    expect_match(verdict(host, 11)[1],
                 r"^550 5\.7\.1 Service unavailable; client \[127\.0\.0\.11\] "
                 r"blocked using heavy\.example$")
    with host.raw(source="127.0.0.11") as c:  # STARTTLS does not wash it off
        c.reply()
        c.say("EHLO x")
        expect(c.say("STARTTLS"), 220)
        c.start_tls(host.tls())
        c.say("EHLO x")
        c.say("MAIL FROM:<a@b.example>")
        expect(c.say("RCPT TO:<user1@example1.local>"), 550, "over TLS")
    host.append("main.cf", "postscreen_dnsbl_action = drop")
    wait_for("at once", lambda: verdict(host, 11)[0] == 521, 10)


@scenario
def a_list_of_ones_own(lab):
    """postscreen_access_list: the first that says permit or reject."""
    host = lab.mta1
    host.append("main.cf", "postscreen_dnsbl_action = enforce\n"
                "postscreen_access_list = cidr:{{127.0.0.11 dunno}"
                " {127.0.0.61 PERMIT} {127.0.0.62 reject}}\n"
                " inline:{127.0.0.11=permit, 127.0.0.61=reject,"
                " 127.0.0.15=what}, fail:broken, permit_mynetworks\n"
                " static:permit\n")
    wait_for("it is in force", lambda: verdict(host, 11)[0] == 250, 10)
    host.append("main.cf", "postscreen_access_list = cidr:{{127.0.0.11 dunno}"
                " {127.0.0.61 PERMIT} {127.0.0.62 reject}}\n"
                " inline:{127.0.0.11=permit, 127.0.0.61=reject,"
                " 127.0.0.15=what}, fail:broken\n")
    wait_for("15 is weighed", lambda: verdict(host, 15)[0] == 550, 10)
    mark = host.mark()
    for n in (11, 61, 62):
        expect(verdict(host, n)[0], 250, f"client {n}")
    host.wait_log(r"ev=smtp\.denylist client=127\.0\.0\.62 action=ignore", mark)
    expect_true("screen.unknown" in host.log(), "a value that is none")
    host.append("main.cf", "postscreen_blacklist_action = enforce\n")
    wait_for("it refuses", lambda: verdict(host, 62)[0] == 550, 10)
    expect_match(verdict(host, 62)[1], "postscreen_access_list")
    expect(verdict(host, 61)[0], 250)
    host.append("main.cf", "postscreen_denylist_action = drop\n")
    wait_for("at once", lambda: verdict(host, 62)[0] == 521, 10)
    expect(verdict(host, 61)[0], 250)
    host.append("main.cf", "postscreen_access_list = permit_mynetworks\n")


@scenario
def our_networks_are_strangers_where_they_are_not_permitted(lab):
    host = lab.mta1
    host.append("main.cf", "mynetworks = 127.0.0.63\n"
                "postscreen_access_list = inline:{127.0.0.63=reject}\n")
    wait_for("a list without them", lambda: verdict(host, 63)[0] == 521, 10)
    host.append("main.cf", "postscreen_access_list = permit_mynetworks,"
                " inline:{127.0.0.63=reject}\n")
    wait_for("with them", lambda: verdict(host, 63)[0] == 250, 10)
    host.append("main.cf", "postscreen_access_list = permit_mynetworks\n"
                "mynetworks = [::1]/128\n")


@scenario
def who_cannot_wait_is_refused(lab):
    host = lab.mta1
    host.append("main.cf", "postscreen_greet_wait = 1s\n"
                "postscreen_dnsbl_sites =\n")

    def waits(n):
        began, at = given(), time.monotonic()
        with host.raw(source=f"127.0.0.{n}") as c:
            code, text = c.reply()
            expect(code, 220)
            return given() - began, text, time.monotonic() - at
    numbers = iter(range(30, 100))
    wait_for("it is in force", lambda: waits(next(numbers))[0] > 0.9, 10)
    took, text, by_clock = waits(21)
    expect_true(by_clock > 0.9 and took < 3, f"it waits: {by_clock} {took}")
    expect_match(text, r"^220-mta1\S*\n220 mta1", "two lines")
    expect_true(waits(21)[0] < 0.9, "once only")
    mark = host.mark()
    with host.raw(source="127.0.0.22") as c:
        c.send(b"EHLO bot.example\r\n")
        line = c.reply()
        expect_match(line[1], r"^220-|^554", "the first line at most")
        rest = line[1] + c.rest_until_closed().decode()
        expect_match(rest, r"(?s)554 5\.5\.1")
    host.wait_log(r"ev=smtp\.pregreet", mark)
    # An impatient one gains nothing by going, and harms nobody.
    threads = [threading.Thread(
        target=lambda: host.raw(source="127.0.0.23").close())
        for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect_true(waits(21)[0] < 0.9, "the others go on")
    host.append("main.cf", "postscreen_greet_wait = 0s")
    wait_for("as before", lambda: waits(next(numbers))[0] < 0.9, 10)


@scenario
def keywords_by_address(lab):
    host = lab.mta1
    host.append("main.cf", "smtpd_discard_ehlo_keywords = VRFY\n"
                "smtpd_discard_ehlo_keyword_address_maps = "
                "cidr:{{127.0.0.41 PIPELINING, chunking} "
                "{127.0.0.42 silent-discard}}\n")

    def offers(n):
        with host.raw(source=f"127.0.0.{n}") as c:
            c.reply()
            text = c.say_text("EHLO x")[1]
        return set(re.findall(r"^250[ -](\w+)", text, re.M)[1:])
    everything = offers(43)
    wait_for("it is in force",
             lambda: "PIPELINING" not in offers(41), 10)
    expect_true("VRFY" not in offers(43) and "CHUNKING" in offers(43), "43")
    expect(everything - offers(41) - {"VRFY"},
           {"PIPELINING", "CHUNKING", "BINARYMIME"}, "41")
    expect_true("VRFY" in offers(41) and "VRFY" in offers(42),
                "the entry stands for the general list")
    host.append("main.cf", "smtpd_discard_ehlo_keyword_address_maps = "
                "fail:broken\n")
    wait_for("what cannot be known is not offered",
             lambda: offers(43) == set(), 10)
    host.append("main.cf", "smtpd_discard_ehlo_keyword_address_maps =\n"
                "smtpd_discard_ehlo_keywords =\n")
    wait_for("all again", lambda: offers(43) == everything, 10)


@scenario
def mail_leaves_from_an_address(lab):
    host = lab.mta1
    peers = []

    def note(connection, _, __):
        peers.append(connection.getpeername()[0])
        connection.sendall(b"250 sink.example\r\n")
    with Sink({"EHLO": note}) as sink:
        host.stop()
        lab.route_to_sink(sink, "away.example")
        host.append("main.cf", "smtp_bind_address = 127.0.0.77")
        host.start()

        def send():
            _, content = message(recipient="a@away.example")
            host.submit("user1@example1.local", ["a@away.example"], content)
            host.wait_queue_empty()
        send()
        expect(peers, ["127.0.0.77"])
        mark = host.mark()
        host.append("main.cf", "smtp_bind_address = 192.0.2.1")
        wait_for("an address of somebody else", lambda: (
            send(), "smtp.bind-address" in host.log_since(mark))[1], 10)
        expect(peers[-1], "127.0.0.1", "it goes all the same")


def prepare(lab):
    lab.mta1.environment["ESTAFETA_DNS_SERVERS"] = NameServer(zone).address


main(setup=prepare)
