#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""receive_override_options and smtpd_reject_unlisted_recipient, for one listener
by master.cf: what comes back from a content filter is not looked at again.

Port 25 has none of them, 587 (submission) has all."""

import os
import smtplib

from frame import expect, expect_match, expect_true, main, message, scenario, wait_for

USER1, USER2 = "user1@example1.local", "user2@example1.local"
NOBODY = "nobody-here@example1.local"
MAIN_CF = """
header_checks = regexp:{{/^Subject: forbidden/ REJECT}}
body_checks = regexp:{{/^forbidden/ REJECT}}
virtual_alias_maps = inline:{{user2@example1.local = user1@example1.local}}
canonical_maps = inline:{{canon@example1.local = other@example1.local}}
always_bcc = user1+copy@example1.local
"""
MASTER_CF = """submission/inet/receive_override_options=\
no_address_mappings, no_header_body_checks no_unknown_recipient_checks
"""


def write_master(host, text):
    with open(os.path.join(host.config, "master.cf"), "w") as file:
        file.write(text)


def setup(lab):
    lab.mta1.append("main.cf", MAIN_CF)
    write_master(lab.mta1, MASTER_CF)


def send(host, service, recipient=USER1, **how):
    ident, content = message(recipient=recipient, **how)
    client = host.smtp() if service == "smtp" else host.submission(USER1)
    with client:
        try:
            client.sendmail(USER1, [recipient], content)
        except smtplib.SMTPResponseException as refused:
            return refused.smtp_code, ident
        except smtplib.SMTPRecipientsRefused as refused:
            return refused.recipients[recipient][0], ident
    return 250, ident


@scenario
def rules_for_headers_and_content(lab):
    host = lab.mta1
    for how in ({"subject": "forbidden"}, {"body": "forbidden\r\n"}):
        expect(send(host, "smtp", **how)[0], 550, f"25: {how}")
        code, ident = send(host, "submission", **how)
        expect(code, 250, f"587: {how}")
        host.wait_mail(USER1, ident)


@scenario
def who_is_unknown(lab):
    host = lab.mta1
    expect(send(host, "smtp", NOBODY)[0], 550, "25")
    mark = host.mark()
    code, ident = send(host, "submission", NOBODY)
    expect(code, 250, "587")
    host.wait_log(r"ev=bounce ", mark)
    expect(send(host, "smtp", "a@elsewhere.example")[0], 554, "relaying is not that")


@scenario
def addresses_stay_as_they_are(lab):
    """Virtual aliases, canonical maps in envelope and header, copies."""
    host = lab.mta1
    extra = {"extra": "Cc: canon@example1.local\r\n"}
    code, mapped = send(host, "smtp", USER2, **extra)
    expect(code, 250)
    text = host.wait_mail(USER1, mapped, 2)  # for the alias, and the copy
    expect_true(b"Cc: other@example1.local" in text, f"{text}")
    expect(host.find(USER2, mapped), [], "the alias")
    code, plain = send(host, "submission", USER2, **extra)
    expect(code, 250)
    text = host.wait_mail(USER2, plain)
    expect_true(b"Cc: canon@example1.local" in text, f"{text}")
    host.wait_queue_empty()
    expect(host.find(USER1, plain), [], "no alias, no copy")


@scenario
def they_stay_so_in_the_queue(lab):
    """What waits when the host stops is not mapped after the start."""
    host = lab.mta1
    host.append("transport.cf", "user2@example1.local hold:")
    wait_for("it is held", lambda: held(host))
    host.stop()
    host.write_config("transport.cf", "")
    host.start()
    idents = HELD[:]
    host.ctl("-H", "ALL", name="postsuper")
    host.flush()
    host.wait_mail(USER2, idents[-1])


HELD = []


def held(host):
    """Sends, until one is held."""
    HELD.append(send(host, "submission", USER2)[1])
    wait_for("an outcome", lambda: host.find(USER2, HELD[-1])
             or "hold" in host.ctl("queue", "list", "--json").stdout)
    return not host.find(USER2, HELD[-1])


@scenario
def one_of_them_alone(lab):
    host = lab.mta1
    cases = (("no_header_body_checks", 250, 550, True),
             ("no_unknown_recipient_checks", 550, 250, True),
             ("no_address_mappings", 550, 550, False))
    for option, header, unknown, is_mapped in cases:
        write_master(host, "submission/inet/"
                          f"receive_override_options={option}\n")
        wait_for(f"{option} is in force", lambda h=header, u=unknown: (
            send(host, "submission", subject="forbidden")[0],
            send(host, "submission", NOBODY)[0]) == (h, u))
        if option == "no_address_mappings":
            wait_for("not mapped", lambda: is_delivered_unmapped(host))
            continue
        _, ident = send(host, "submission", USER2)
        host.wait_mail(USER1, ident, 2)


def is_delivered_unmapped(host):
    ident = send(host, "submission", USER2)[1]
    wait_for("delivery", lambda: host.find(USER1, ident)
             or host.find(USER2, ident))
    return host.find(USER2, ident)


@scenario
def unlisted_recipients_of_one_listener(lab):
    """As docker-mailserver's test of overrides has it."""
    host = lab.mta1
    write_master(host, "submission/inet/"
                      "smtpd_reject_unlisted_recipient=no\n")
    wait_for("it is in force",
             lambda: send(host, "submission", NOBODY)[0] == 250)
    expect(send(host, "smtp", NOBODY)[0], 550, "25")


@scenario
def unlisted_senders(lab):
    """Even where the list permits all; of our domains alone."""
    host = lab.mta1
    write_master(host, "smtp/inet/smtpd_reject_unlisted_sender=yes\n"
                 "smtp/inet/smtpd_sender_restrictions=permit\n")

    def code(sender):
        with host.smtp() as client:
            client.ehlo()
            return (client.mail(sender), client.rcpt(USER1))[1]
    wait_for("it is in force", lambda: code(NOBODY)[0] == 550)
    expect_true(code(NOBODY)[1].startswith(b"5.1.0"), f"{code(NOBODY)}")
    for sender in (USER1, "a@elsewhere.example", ""):
        expect(code(sender)[0], 250, sender)


@scenario
def refusals_have_a_footer(lab):
    """smtpd_reject_footer(5), for one listener."""
    host = lab.mta1
    write_master(host, "smtp/inet/smtpd_reject_footer="
                 r"\c. Call 555 ($client_address, $server_name)\nNow: $localtime"
                 "\n")

    def refusal(service):
        with host.raw(service) as c:
            c.reply()
            c.say("EHLO x.example")
            return c.say_text("MAIL FROM:<a@b.example> WHAT=1")[1]
    wait_for("it is in force", lambda: "Call" in refusal("smtp"))
    expect_match(refusal("smtp"),
                 r"\A555-5\.5\.4 .*\. Call 555 \(127\.0\.0\.1, "
                 r"mta1\.example1\.local\)\n"
                 r"555 5\.5\.4 Now: [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d\Z")
    expect_true("Call" not in refusal("submission"), "another listener")
    with host.smtp() as client:
        expect(client.noop()[0], 250)
        expect_true(b"Call" not in client.noop()[1], "what is no refusal")


@scenario
def an_unknown_option_is_told(lab):
    host = lab.mta1
    write_master(host, "smtp/inet/"
                      "receive_override_options=no_checks\n")
    result = host.ctl("lint")
    expect(result.returncode, 1)
    expect_true("no_checks is none of" in result.stdout, result.stdout)


if __name__ == "__main__":
    main(hosts=1, setup=setup)
