#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A folder of docker-mailserver, with its names of files: its own restriction
lists, SPOOF_PROTECTION, send and receive access files, overrides of one
service.

Rows: B8 (From that is not owned: 553), D9 (allow and deny per listener), A02
(no login before TLS where it is due), E3."""

import os
import smtplib

from frame import PASSWORD, expect, expect_match, main, scenario
from frame_dns import A, MX, NameServer

zone = {
    ("good.example", MX): ["mx.good.example"],
    ("mx.good.example", A): ["192.0.2.9"],
}
SHORT_NAMES = {
    "main.cf": "postfix-main.cf", "accounts.cf": "postfix-accounts.cf",
    "virtual.cf": "postfix-virtual.cf", "quotas.cf": "dovecot-quotas.cf",
    "relaymap.cf": "postfix-relaymap.cf",
    "sasl-password.cf": "postfix-sasl-password.cf",
}


def reply_to_rcpt(host, rcpt, sender="a@good.example",
                  helo="client.good.example", service="smtp"):
    with host.raw(service) as c:
        c.reply()
        expect(c.say(f"EHLO {helo}"), 250, "EHLO")
        code, text = c.say_text(f"MAIL FROM:<{sender}>")
        if code != 250:
            return code, text
        return c.say_text(f"RCPT TO:<{rcpt}>")


@scenario
def its_own_lists_are_in_force(lab):
    host = lab.mta1
    for case, want, text in (
            (dict(rcpt="user1@example1.local"), 250, ""),
            (dict(rcpt="user1@example1.local", sender="a@nowhere.example"),
             450, r"4\.1\.8 .*Domain not found"),
            # Finding 4: mail between hosts of the lab.
            (dict(rcpt="user1@example1.local", sender="a@example2.local"),
             250, ""),
            (dict(rcpt="user1@example1.local", helo="short"), 504,
             "need fully-qualified hostname"),
            (dict(rcpt="x@elsewhere.example"), 554, "Relay access denied"),
            (dict(rcpt="nobody@example1.local"), 550, r"5\.1\.1")):
        got = reply_to_rcpt(host, **case)
        expect(got[0], want, f"{case}: {got[1]}")
        expect_match(got[1], text, str(case))


@scenario
def access_files_stand_before_the_lists(lab):
    host = lab.mta1
    got = reply_to_rcpt(host, "user1@example1.local", "bad@good.example")
    expect(got[0], 554, got[1])
    expect_match(got[1], "Sender address rejected: Access denied")
    got = reply_to_rcpt(host, "user2@example1.local")
    expect(got[0], 554, got[1])
    expect_match(got[1], "Recipient address rejected: Access denied")


def submission(host):
    client = smtplib.SMTP("127.0.0.1", host.ports["submission"],
                          local_hostname="client.example", timeout=20)
    client.starttls(context=host.tls())
    client.ehlo()
    client.login("user1@example1.local", PASSWORD)
    return client


@scenario
def who_logged_in_sends_as_himself(lab):
    """B8: 553 names what to do; aliases and bounces are fine."""
    host = lab.mta1
    client = submission(host)
    for sender, want in (("user1@example1.local", 250),
                         ("User1+tag@example1.local", 250),
                         ("alias1@example1.local", 250),
                         ("user2@example1.local", 553),
                         ("boss@elsewhere.example", 553), ("", 250)):
        client.rset()
        client.mail(sender)
        code, text = client.rcpt("x@remote.example")
        expect(code, want, f"{sender}: {text}")
        if want == 553:
            expect_match(text, r"5\.7\.1 .*not owned by user "
                         r"user1@example1\.local; send as an address of "
                         "your own")
    client.quit()


@scenario
def one_listener_has_rules_of_its_own(lab):
    """D9: an inline table in postfix-master.cf, for 465 alone."""
    host = lab.mta1
    with host.raw("submissions") as c:
        c.start_tls(host.tls())
        c.reply()
        c.say("EHLO x.good.example")
        expect(c.say("MAIL FROM:<user1@example1.local>"), 530,
               "no mail without a login")
    client = smtplib.SMTP_SSL("127.0.0.1", host.ports["submissions"],
                              local_hostname="client.example", timeout=20,
                              context=host.tls())
    client.login("user1@example1.local", PASSWORD)
    client.mail("user1@example1.local")
    code, text = client.rcpt("x@remote.example")
    expect(code, 554, text)
    expect_match(text, "Client host rejected: Access denied")
    client.quit()


def prepare(lab):
    host = lab.mta1
    host.environment["ESTAFETA_DNS_SERVERS"] = NameServer(zone).address
    host.environment["SPOOF_PROTECTION"] = "1"
    for short, mounted in SHORT_NAMES.items():
        path = os.path.join(host.config, short)
        if os.path.exists(path):
            os.rename(path, os.path.join(host.config, mounted))
    text = host.read_config("postfix-main.cf")
    with open(os.path.join(host.config, "postfix-master.cf"), "w") as file:
        file.write("submissions/inet/smtpd_client_restrictions=$custom\n")
    with open(os.path.join(host.config, "postfix-main.cf"), "w") as file:
        file.write(text + "custom = cidr:{{!172.16.0.42 REJECT}}, "
                   "permit_sasl_authenticated, reject\n")
    with open(os.path.join(host.config, "postfix-send-access.cf"),
              "w") as file:
        file.write("bad@good.example \t\t REJECT\n")
    with open(os.path.join(host.config, "postfix-receive-access.cf"),
              "w") as file:
        file.write("user2@example1.local \t\t REJECT\n")
    host.append("postfix-virtual.cf",
                "alias1@example1.local user1@example1.local")


main(setup=prepare)
