#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What EHLO offers, and that each of it works: DSN (RFC 3461), LIMITS (RFC
9422), SMTPUTF8 (RFC 6531, row S14), and how the operator takes it away."""

import base64
import unicodedata

from frame import (PASSWORD, Sink, expect, expect_match, expect_true, main, message,
                   scenario, wait_for)

USER1 = "user1@example1.local"
MAIL = "MAIL FROM:<a@b.example>"
RCPT = f"RCPT TO:<{USER1}>"
DSN_ROUTE = "dsn.example"
sink = Sink(extensions=("DSN", "8BITMIME", "SMTPUTF8"))


def before_start(lab):
    lab.route_to_sink(sink, DSN_ROUTE)
    lab.mta1.append("accounts.cf", "jo\u0308rg@xn--bcher-kva.example|"
                    + account_hash(lab))
    lab.mta1.append("virtual.cf",
                    "alias@xn--bcher-kva.example user1@example1.local")


def account_hash(lab):
    line = lab.mta1.read_config("accounts.cf").splitlines()
    return next(text.split("|")[1] for text in line
                if text.startswith(USER1 + "|"))


def session(lab, service="smtp"):
    raw = lab.mta1.raw(service)
    expect(raw.reply()[0], 220)
    return raw


def greeted(lab):
    raw = session(lab)
    expect(raw.say("EHLO client.example"), 250)
    return raw


def offers(lab, service="smtp"):
    with session(lab, service) as raw:
        code, text = raw.say_text("EHLO client.example")
        expect(code, 250)
        return [line[4:] for line in text.splitlines()[1:]]


@scenario
def ehlo_offers(lab):
    have = offers(lab)
    for keyword in ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN",
                    "SMTPUTF8", "CHUNKING", "STARTTLS"):
        expect_true(keyword in have, f"{keyword} in {have}")
    expect_true("LIMITS RCPTMAX=1000" in have, f"{have}")
    expect_true(not any(k.startswith("AUTH") for k in have), "AUTH at 25")


@scenario
def syntax_of_delivery_reports(lab):
    """RFC 3461 4.1 to 4.4"""
    mail = [
        ("RET=FULL", 250), ("ret=hdrs", 250), ("RET=SOME", 501),
        ("RET", 501), ("RET=FULL RET=HDRS", 501),
        ("ENVID=QQ314159", 250), ("ENVID=a+2Bb", 250), ("ENVID=", 501),
        ("ENVID=a+0D+0Ab", 501), ("ENVID=a+2", 501), ("ENVID=a=b", 501),
        ("ENVID=" + "x" * 100, 250), ("ENVID=" + "x" * 101, 501),
        ("NOTIFY=NEVER", 555), ("RET=FULL ENVID=x", 250),
    ]
    rcpt = [
        ("NOTIFY=NEVER", 250), ("NOTIFY=SUCCESS,FAILURE,DELAY", 250),
        ("NOTIFY=NEVER,SUCCESS", 501), ("NOTIFY=", 501),
        ("NOTIFY=ALWAYS", 501), ("NOTIFY=DELAY NOTIFY=DELAY", 501),
        ("ORCPT=rfc822;user1@example1.local", 250),
        ("ORCPT=rfc822;a+2Bb@c.example", 250), ("ORCPT=rfc822;", 501),
        ("ORCPT=a@b.example", 501), ("ORCPT=;a@b.example", 501),
        ("ORCPT=rfc822;a+0D+0Ab", 501), ("ORCPT=rfc822;+C3+A4@b", 501),
        ("ORCPT=rfc822;" + "x" * 493, 250),
        ("ORCPT=rfc822;" + "x" * 494, 501), ("RET=FULL", 555),
    ]
    for parameter, want in mail:
        with greeted(lab) as raw:
            expect(raw.say(f"{MAIL} {parameter}"), want, parameter)
    for parameter, want in rcpt:
        with greeted(lab) as raw:
            expect(raw.say(MAIL), 250)
            expect(raw.say(f"{RCPT} {parameter}"), want, parameter)
    with session(lab) as raw:
        expect(raw.say("HELO client.example"), 250)
        expect(raw.say(f"{MAIL} RET=FULL"), 555, "not offered to HELO")


@scenario
def what_was_asked_goes_with_the_message(lab):
    """Into the spool and to the next hop that can take it."""
    _, content = message(recipient=f"x@{DSN_ROUTE}")
    raw = lab.mta1.raw("submission")
    raw.reply()
    raw.say("EHLO client.example")
    raw.say("STARTTLS")
    raw.start_tls(lab.mta1.tls())
    raw.say("EHLO client.example")
    token = base64.b64encode(f"\0{USER1}\0{PASSWORD}".encode()).decode()
    expect(raw.say(f"AUTH PLAIN {token}"), 235)
    expect(raw.say(f"MAIL FROM:<{USER1}> RET=HDRS ENVID=id+2B1"), 250)
    expect(raw.say(f"RCPT TO:<x@{DSN_ROUTE}> NOTIFY=FAILURE,DELAY "
                   "ORCPT=rfc822;old+2Bx@b.example"), 250)
    expect(raw.say("DATA"), 354)
    raw.send(content + b".\r\n")
    expect(raw.reply()[0], 250)
    raw.close()
    wait_for("the sink has it", lambda: sink.messages, 15)
    sender, recipients, _ = sink.messages.pop()
    expect_match(sender, r" RET=HDRS\b.* ENVID=id\+2B1( |$)")
    expect_match(recipients[0],
                 r" NOTIFY=(FAILURE,DELAY|DELAY,FAILURE) .*"
                 r"ORCPT=rfc822;old\+2Bx@b\.example")


@scenario
def eight_bit_addresses(lab):
    """S14: refused without SMTPUTF8, whatever they are with it if not UTF-8."""
    cases = [
        ("MAIL FROM:<j\u00f6rg@b.example>".encode(), {553, 550}),
        (b"MAIL FROM:<a@b.example> SMTPUTF8=1", {501}),
        (b"MAIL FROM:<j\xf6rg@b.example> SMTPUTF8", {501, 553}),
        (b"MAIL FROM:<j\xc0\xafrg@b.example> SMTPUTF8", {501, 553}),
        (b"MAIL FROM:<j\xed\xa0\x80rg@b.example> SMTPUTF8", {501, 553}),
        ("MAIL FROM:<a@b\u202e.example> SMTPUTF8".encode(), {501, 553}),
        ("MAIL FROM:<j\u00f6rg@b\u00fccher.example> SMTPUTF8".encode(),
         {250}),
        ("VRFY j\u00f6rg".encode(), {553, 550}),
        ("VRFY j\u00f6rg SMTPUTF8".encode(), {252}),
        (b"VRFY j\xf6rg SMTPUTF8", {501, 553}),
    ]
    for command, wanted in cases:
        with greeted(lab) as raw:
            code, text = reply_to(raw, command)
            expect_true(code in wanted, f"{command!r}: {code} {text}")
            if code in (550, 553):
                expect_match(text, r"5\.6\.7|5\.1\.")
    with greeted(lab) as raw:
        expect(raw.say(MAIL), 250)
        expect(reply_to(raw, "RCPT TO:<j\u00f6rg@b\u00fccher.example>"
                        .encode())[0], 553, "the transaction has no SMTPUTF8")


def reply_to(raw, command):
    raw.send(command + b"\r\n")
    return raw.reply()


@scenario
def names_match_in_every_form(lab):
    """RFC 6531 3.3, 6532 3.1: U-label or A-label, composed or decomposed."""
    for local in ("j\u00f6rg", unicodedata.normalize("NFD", "j\u00f6rg")):
        for domain in ("b\u00fccher.example", "B\u00dcCHER.example",
                       "xn--bcher-kva.example"):
            with greeted(lab) as raw:
                expect(raw.say(MAIL + " SMTPUTF8"), 250)
                expect(reply_to(raw, f"RCPT TO:<{local}@{domain}>".encode()
                                )[0], 250, f"{local}@{domain}")
                expect(reply_to(raw, f"RCPT TO:<nobody@{domain}>".encode()
                                )[0], 550, f"nobody@{domain}")
    message_id, content = message(recipient=USER1)
    with greeted(lab) as raw:
        expect(raw.say(MAIL + " SMTPUTF8"), 250)
        expect(reply_to(raw, "RCPT TO:<alias@b\u00fccher.example>".encode()
                        )[0], 250)
        expect(raw.say("DATA"), 354)
        raw.send("X-N: j\u00f6rg\r\n".encode() + content + b".\r\n")
        expect(raw.reply()[0], 250)
    got = lab.mta1.wait_mail(USER1, message_id)
    expect_match(got, rb"with UTF8SMTP id ".decode())
    expect_true("X-N: j\u00f6rg\r\n".encode() in got, "the header's bytes")


@scenario
def the_operator_takes_away(lab):
    """smtpd_discard_ehlo_keywords, smtputf8_enable, disable_vrfy_command."""
    lab.mta1.append("main.cf", "smtpd_discard_ehlo_keywords = "
                    "silent-discard, dsn, chunking\n"
                    "smtputf8_enable = no\ndisable_vrfy_command = yes")
    lab.mta1.append("master.cf",
                    "submission/inet/smtpd_discard_ehlo_keywords=\n"
                    "submission/inet/smtpd_banner=elsewhere ESMTP x\n")
    wait_for("it is in force", lambda: "DSN" not in offers(lab), 10)
    have = offers(lab)
    for keyword in ("SMTPUTF8", "CHUNKING", "VRFY", "DSN"):
        expect_true(keyword not in have, f"{keyword} in {have}")
    with greeted(lab) as raw:
        expect(raw.say(f"{MAIL} RET=FULL"), 555)
        expect(raw.say(f"{MAIL} SMTPUTF8"), 555)
        expect(raw.say("VRFY x"), 502)
        expect(reply_to(raw, "MAIL FROM:<j\u00f6rg@b.example>".encode())[0],
               553)
        expect(raw.say("BDAT 4"), 502, "a hidden BDAT")
    have = offers(lab, "submission")
    expect_true("DSN" in have and "CHUNKING" in have, f"{have}")
    with lab.mta1.raw("submission") as raw:
        expect(raw.line(), b"220 mta1.example1.local elsewhere ESMTP x")


if __name__ == "__main__":
    main(setup=before_start)
