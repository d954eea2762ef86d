#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Restriction lists and access tables, as an operator of Postfix writes them.

Rows: S18 (source routes do not relay), S24 (HELO and unlisted senders), S26
(a policy service that does not answer), B8 (From that is not owned: 553), E3
(relaying is explicit), D9 (per listener), F14 (hostile text in the log)."""

import os
import re
import socket
import threading

from frame import (expect, expect_match, expect_true, main, message, scenario,
                   wait_for)
from frame_dns import A, MX, NS, PTR, SERVFAIL, TXT, NameServer

# (name, type): values. A name that is nowhere does not exist.
zone = {
    ("good.example", MX): ["mx.good.example"],
    ("mx.good.example", A): ["192.0.2.9"],
    ("only-a.example", A): ["192.0.2.10"],
    ("nullmx.example", MX): ["."],
    ("broken.example", MX): SERVFAIL,
    ("broken.example", A): SERVFAIL,
    ("badmx.example", MX): ["mx.spam.example"],
    ("mx.spam.example", A): ["198.51.100.66"],
    ("badns.example", NS): ["ns.spam.example"],
    ("ns.spam.example", A): ["198.51.100.67"],
    ("1.0.0.127.in-addr.arpa", PTR): ["localhost.good.example"],
    ("localhost.good.example", A): ["127.0.0.1"],
    ("1.0.0.127.bl.example", A): ["127.0.0.5"],
    ("1.0.0.127.bl.example", TXT): ["listed, see http://bl.example/"],
    ("spammer.example.rhsbl.example", A): ["127.0.0.2"],
}


MAIN_CF = """
mynetworks = 192.0.2.0/24
smtpd_restriction_classes = strict, nested
strict = reject_non_fqdn_sender, reject_unknown_sender_domain
nested = check_sender_access texthash:{dir}/nested.map, permit
smtpd_helo_restrictions = check_helo_access texthash:{dir}/helo.map
smtpd_sender_restrictions = check_sender_access texthash:{dir}/sender.map
smtpd_recipient_restrictions =
    check_recipient_access texthash:{dir}/rcpt.map,
    reject_unauth_destination
smtpd_policy_service_timeout = 1s
smtpd_data_restrictions = check_sender_access texthash:{dir}/data.map
smtpd_end_of_data_restrictions = check_sender_access texthash:{dir}/end.map
"""

# user1+KEY@example1.local is the recipient; what its access value is.
VALUES = {
    "ok": "OK",
    "digits": "1234",
    "relay": "RELAY",
    "dunno": "DUNNO",
    "reject": "REJECT",
    "rejecttext": "REJECT 5.7.9 go away",
    "defer": "DEFER",
    "code4": "450 4.2.9 later, please",
    "code5": "550 no thanks",
    "hangup": "421 4.7.0 bye",
    "ifpermit": "DEFER_IF_PERMIT 4.7.3 not yet",
    "ifreject": "DEFER_IF_REJECT perhaps, reject",
    "list": "reject_non_fqdn_helo_hostname, reject",
    "warn": "warn_if_reject reject, permit",
    "class": "strict",
    "nested": "nested",
    "hold": "HOLD look at it",
    "discard": "DISCARD into the void",
    "redirect": "REDIRECT user2@example1.local",
    "bcc": "BCC user2@example1.local",
    "prepend": "PREPEND X-Rule: rcpt",
    "info": "INFO seen",
    "filter": "FILTER smtp:[x]:25",
    "nonsense": "no_such_restriction",
    "badbcc": "BCC nobody",
    "notable": "check_sender_access texthash:/nowhere, permit",
    "plain": "reject_plaintext_session",
    "unauthdest": "reject_unauth_destination",
    "client": "reject_unknown_client_hostname",
    "reverse": "reject_unknown_reverse_client_hostname",
    "helo": "reject_unknown_helo_hostname",
    "invalidhelo": "reject_invalid_helo_hostname",
    "fqdnhelo": "reject_non_fqdn_helo_hostname",
    "domain": "reject_unknown_sender_domain",
    "fqdnsender": "reject_non_fqdn_sender",
    "rbl": "reject_rbl_client bl.example",
    "rblmiss": "reject_rbl_client bl.example=127.0.0.[6..9]",
    "rblhit": "reject_rbl_client bl.example=127.0.0.[2;4..6]",
    "rhsbl": "reject_rhsbl_sender rhsbl.example",
    "lists": ", ".join(f"reject_rbl_client side{i}.example"
                       for i in range(4)),
    "dnswl": "permit_dnswl_client bl.example, reject",
    "mx": "check_sender_mx_access texthash:{dir}/hosts.map",
    "ns": "check_sender_ns_access texthash:{dir}/hosts.map",
    "clientname": "check_client_access texthash:{dir}/client.map",
    "unlisted": "reject_unlisted_sender",
    "mynet": "permit_mynetworks, reject",
    "sleep": "sleep 1, permit",
    "service": "check_policy_service inet:127.0.0.1:{port}",
    "otherservice": "check_policy_service inet:127.0.0.1:25",
    "bounce": "reject_multi_recipient_bounce",
}
MAPS = {
    "helo.map": "evil.example REJECT\n",
    "sender.map": "banned.example REJECT no mail from there\n"
                  "<> DUNNO\n",
    "nested.map": "nested-bad@good.example 554 5.7.2 nested\n",
    "data.map": "data-bad@good.example REJECT at DATA\n",
    "end.map": "end-bad@good.example REJECT at the end\n"
               "end-hold@good.example HOLD\n"
               "end-discard@good.example DISCARD\n"
               "end-redirect@good.example REDIRECT user1@example1.local\n"
               "end-bcc@good.example BCC user2@example1.local\n",
    "hosts.map": "mx.spam.example REJECT bad mx\n198.51.100.67 550 bad ns\n",
    "header.pcre": "/^X-Bad:/ REJECT\n/^X-Worse:.*viagra$/ REJECT 5.7.9 no "
                   "pills\n/^X-Ignore:/ IGNORE\n/^X-Replace: (\\w+)/ REPLACE "
                   "X-Replaced: $1\n/^X-Prepend:/ PREPEND X-Before: y\n"
                   "/^X-Bcc:/ BCC user2@example1.local\n"
                   "/^X-Redirect:/ REDIRECT user2@example1.local\n"
                   "/^X-Hold:/ HOLD\n/^X-Discard:/ DISCARD\n"
                   "/^X-Filter:/ FILTER smtp:x\n/^X-Unknown-Action:/ MAYBE\n"
                   "/^X-Slow: (a+)+$/ REJECT\n",
    "mime.regexp": "/^Content-Description: drop/ IGNORE\n",
    "body.pcre": "/forbidden/ REJECT\n/^drop/ IGNORE\n"
                 "/^old (.)/ REPLACE new $1\n",
    "client.map": "good.example 554 5.7.1 by name\n",
}


def talk(host, rcpt, sender="a@good.example", helo="client.good.example"):
    """Code and text of the reply to RCPT."""
    with host.raw() as c:
        expect(c.reply()[0], 220, "banner")
        expect(c.say(f"EHLO {helo}"), 250, "EHLO")
        expect(c.say(f"MAIL FROM:<{sender}>"), 250, "MAIL")
        return c.say_text(f"RCPT TO:<{rcpt}>")


def to(key):
    return f"user1+{key}@example1.local"


REPLIES = [
    # key, sender, helo, code, what the text holds
    ("ok", None, None, 250, "2.1.5"),
    ("digits", None, None, 250, ""),
    ("relay", None, None, 250, ""),
    ("dunno", None, None, 250, ""),
    ("reject", None, None, 554, r"5\.7\.1 <user1\+reject@example1.local>: "
     "Recipient address rejected: Access denied"),
    ("rejecttext", None, None, 554, r"5\.7\.9 .*: go away"),
    ("defer", None, None, 450, r"4\.7\.1"),
    ("code4", None, None, 450, r"4\.2\.9 .*later, please"),
    ("code5", None, None, 550, r"5\.7\.1 .*no thanks"),
    ("ifpermit", None, None, 450, r"4\.7\.3 .*not yet"),
    ("list", None, None, 554, "Access denied"),
    ("list", None, "short", 504, r"5\.5\.2 <short>: Helo command rejected: "
     "need fully-qualified hostname"),
    ("warn", None, None, 250, ""),
    ("class", "a@nowhere.example", None, 450, r"4\.1\.8 .*Domain not found"),
    ("class", None, None, 250, ""),
    ("class", "a@host", None, 504, "need fully-qualified address"),
    ("nested", None, None, 250, ""),
    ("nested", "nested-bad@good.example", None, 554, r"5\.7\.2 .*nested"),
    ("filter", None, None, 451, r"4\.3\.5 .*Server configuration error"),
    ("nonsense", None, None, 451, r"4\.3\.5"),
    ("badbcc", None, None, 451, r"4\.3\.5"),
    ("notable", None, None, 451, r"4\.3\.5"),
    ("plain", None, None, 450, "Session encryption is required"),
    ("unauthdest", None, None, 250, ""),
    ("client", None, None, 250, ""),
    ("reverse", None, None, 250, ""),
    ("helo", None, "nowhere.example", 450, "Host not found"),
    ("helo", None, "only-a.example", 250, ""),
    ("helo", None, "mta2", 250, ""),
    ("helo", None, "[127.0.0.1]", 250, ""),
    ("fqdnhelo", None, "mta2", 504, "fully-qualified hostname"),
    ("domain", "a@nowhere.example", None, 450, "Domain not found"),
    ("domain", "a@only-a.example", None, 250, ""),
    ("domain", "a@nullmx.example", None, 550, r"5\.7\.27 .*nullMX"),
    ("domain", "a@broken.example", None, 450, "Domain not found"),
    ("domain", "", None, 250, ""),
    # Finding 4 of the formats: names of the operator's own network.
    ("domain", "a@example2.local", None, 250, ""),
    ("fqdnsender", "a@mta2", None, 504, "fully-qualified address"),
    ("rbl", None, None, 554, r"5\.7\.1 Service unavailable; Client host "
     r"\[127\.0\.0\.1\] blocked using bl\.example; listed, see"),
    ("rblmiss", None, None, 250, ""),
    ("rblhit", None, None, 554, "blocked using"),
    ("rhsbl", "a@spammer.example", None, 554,
     r"Sender address \[spammer\.example\] blocked using rhsbl\.example"),
    ("rhsbl", None, None, 250, ""),
    ("dnswl", None, None, 250, ""),
    ("mx", "a@badmx.example", None, 554, "bad mx"),
    ("mx", None, None, 250, ""),
    ("ns", "a@badns.example", None, 550, "bad ns"),
    ("clientname", None, None, 554, r"<localhost\.good\.example"
     r"\[127\.0\.0\.1\]>: Client host rejected: by name"),
    ("unlisted", "nobody@example1.local", None, 550, r"5\.1\.0"),
    ("unlisted", "user2@example1.local", None, 250, ""),
    ("mynet", None, None, 554, "Access denied"),
    ("reject", None, "evil.example", 554, "<evil.example>: Helo command"),
    ("ok", "x@sub.banned.example", None, 554, "no mail from there"),
]


@scenario
def values_of_access_tables_do_what_they_say(lab):
    for key, sender, helo, code, text in REPLIES:
        got = talk(lab.mta1, to(key),
                   "a@good.example" if sender is None else sender,
                   helo or "client.good.example")
        expect(got[0], code, f"{key} {sender} {helo}: {got[1]}")
        expect_match(got[1], text, f"{key} {sender} {helo}")


@scenario
def strangers_do_not_relay(lab):
    """S18, E3: whatever the local part says."""
    for rcpt in ("x@elsewhere.example", "u%elsewhere.example@other.example",
                 "elsewhere.example!u@other.example",
                 '"u@elsewhere.example"@other.example',
                 "@example1.local:u@elsewhere.example"):
        code, text = talk(lab.mta1, rcpt)
        expect(code, 554, f"{rcpt}: {text}")
        expect_match(text, r"5\.7\.1 .*Relay access denied")


@scenario
def a_refusal_names_its_rule_in_the_log(lab):
    mark = lab.mta1.mark()
    talk(lab.mta1, to("reject"), helo="x\x1b[31m.example"
         .replace("\x1b[31m", "evil"))
    # What came before may be logged after its reply.
    found = lab.mta1.wait_log(
        r"ev=policy\.reject .*check_recipient_access.*", mark)
    expect_match(found.group(0), r"code=554")
    expect_match(found.group(0), r"main\.cf:\d+")


@scenario
def code_421_ends_the_connection(lab):
    with lab.mta1.raw() as c:
        c.reply()
        c.say("EHLO x.good.example")
        c.say("MAIL FROM:<a@good.example>")
        expect(c.say(f"RCPT TO:<{to('hangup')}>"), 421, "RCPT")
        expect(c.line(), b"", "closed")


def send(host, key, sender="a@good.example"):
    """Sends a message to user1+key; its Message-ID."""
    identity, content = message(sender=sender, recipient=to(key))
    with host.raw() as c:
        c.reply()
        c.say("EHLO x.good.example")
        expect(c.say(f"MAIL FROM:<{sender}>"), 250, "MAIL")
        expect(c.say(f"RCPT TO:<{to(key)}>"), 250, f"RCPT {key}")
        code, text = c.say_text("DATA")
        if code != 354:
            return identity, code, text
        body = content if isinstance(content, bytes) else content.encode()
        c.send(body + b"\r\n.\r\n")
        code, text = c.reply()
    return identity, code, text


@scenario
def a_held_message_waits_for_the_operator(lab):
    host = lab.mta1
    identity, code, text = send(host, "hold")
    expect(code, 250, text)
    number = re.search(r"queued as (\w+)", text).group(1)
    wait_for("hold in the queue", lambda: number + "!" in host.queue())
    host.stop()
    host.start()
    wait_for("still on hold after a restart",
             lambda: number + "!" in host.queue())
    expect_true(not host.find("user1@example1.local", identity),
                "not delivered")
    host.ctl("queue", "flush", number)


@scenario
def a_discarded_message_goes_nowhere(lab):
    host = lab.mta1
    mark = host.mark()
    identity, code, text = send(host, "discard")
    expect(code, 250, text)
    expect_match(text, "queued as")
    host.wait_log(r"ev=smtp\.discard", mark)
    other, code, text = send(host, "ok")
    host.wait_mail("user1@example1.local", other)
    expect_true(not host.find("user1@example1.local", identity),
                "not delivered")


@scenario
def redirect_bcc_and_prepend_change_the_message(lab):
    host = lab.mta1
    identity, code, text = send(host, "redirect")
    expect(code, 250, text)
    host.wait_mail("user2@example1.local", identity)
    expect_true(not host.find("user1@example1.local", identity),
                "not to the first recipient")
    identity, code, text = send(host, "bcc")
    host.wait_mail("user1@example1.local", identity)
    host.wait_mail("user2@example1.local", identity)
    identity, code, text = send(host, "prepend")
    found = host.wait_mail("user1@example1.local", identity)
    head = found[0] if isinstance(found, list) else found
    expect_true(b"X-Rule: rcpt" in head, "the field is there")
    expect_true(head.index(b"X-Rule: rcpt") < head.index(b"Received: from x."),
                "above our Received field")


@scenario
def data_and_its_end_have_lists_too(lab):
    host = lab.mta1
    _, code, text = send(host, "ok", "data-bad@good.example")
    expect(code, 554, text)
    expect_match(text, "Sender address rejected: at DATA")
    _, code, text = send(host, "ok", "end-bad@good.example")
    expect(code, 554, text)
    expect_match(text, "at the end")
    identity, code, text = send(host, "ok", "end-bcc@good.example")
    expect(code, 250, text)
    host.wait_mail("user1@example1.local", identity)
    host.wait_mail("user2@example1.local", identity)
    identity, code, text = send(host, "bcc", "end-redirect@good.example")
    expect(code, 250, text)
    host.wait_mail("user1@example1.local", identity)
    host.flush()
    wait_for("all is delivered", lambda: "Mail queue is empty" in host.queue())
    expect_true(not host.find("user2@example1.local", identity),
                "REDIRECT is instead of copies, too")
    _, code, text = send(host, "ok", "end-hold@good.example")
    expect(code, 250, text)
    number = re.search(r"queued as (\w+)", text).group(1)
    wait_for("hold in the queue", lambda: number + "!" in host.queue())
    host.ctl("queue", "flush", number)


def write(host, name, text):
    with open(os.path.join(host.config, name), "w") as file:
        file.write(text)


class Service:
    """A policy service (SMTPD_POLICY_README) that answers by the sender."""

    def __init__(self):
        self.requests, self.kept = [], []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.server.accept()
            threading.Thread(target=self.talk, args=(client,),
                             daemon=True).start()

    def talk(self, client):
        text = b""
        while not text.endswith(b"\n\n"):
            more = client.recv(4096)
            if not more:
                return
            text += more
        values = dict(line.split("=", 1)
                      for line in text.decode().splitlines() if line)
        self.requests.append(values)
        self.kept.append(client)
        self.answer(client, values["sender"].split("@")[0])

    @staticmethod
    def answer(client, how):
        if how == "greylist":
            client.sendall(b"action=DEFER_IF_PERMIT 4.2.0 greylisted\n\n")
        elif how == "reject":
            client.sendall(b"action=550 5.7.7 the service says no\n\n")
        elif how == "garbage":
            client.sendall(b"\xff" * 100000 + b"\n\n")
        elif how == "nothing":
            client.sendall(b"\n")
        elif how == "short":
            client.sendall(b"action=DUN")
        elif how == "slow":
            return  # never; the test's client is kept open
        else:
            client.sendall(b"action=DUNNO\n\n")
        if how != "slow":
            client.close()


service = Service()


@scenario
def a_policy_service_is_asked(lab):
    """S26: and one that answers nonsense, or nothing, only puts off."""
    host = lab.mta1
    for sender, code, text in (
            ("anybody", 250, ""), ("greylist", 450, r"4\.2\.0 .*greylisted"),
            ("reject", 550, r"5\.7\.7 .*the service says no"),
            ("garbage", 451, r"4\.3\.5"), ("nothing", 451, r"4\.3\.5"),
            ("short", 451, r"4\.3\.5"), ("slow", 451, r"4\.3\.5")):
        got = talk(host, to("service"), f"{sender}@good.example")
        expect(got[0], code, f"{sender}: {got[1]}")
        expect_match(got[1], text, sender)
    asked = service.requests[0]
    for name, value in (("request", "smtpd_access_policy"),
                        ("protocol_state", "RCPT"), ("protocol_name", "ESMTP"),
                        ("client_address", "127.0.0.1"),
                        ("client_name", "localhost.good.example"),
                        ("helo_name", "client.good.example"),
                        ("sender", "anybody@good.example"),
                        ("recipient", to("service"))):
        expect(asked[name], value, name)
    got = talk(host, to("otherservice"))
    expect(got[0], 451, "a service that main.cf does not name")


def send_with(host, field, folded=False, timeout_s=10):
    """Sends a message that has this field; code and text of the last reply."""
    identity, content = message(sender="a@good.example", recipient=to("ok"))
    body = content if isinstance(content, bytes) else content.encode()
    with host.raw(timeout_s=timeout_s) as c:
        c.reply()
        c.say("EHLO x.good.example")
        c.say("MAIL FROM:<a@good.example>")
        c.say(f"RCPT TO:<{to('ok')}>")
        expect(c.say("DATA"), 354, "DATA")
        c.send(field.encode() + b"\r\n" + body + b"\r\n.\r\n")
        code, text = c.reply()
    return identity, code, text


def delivered(host, identity, user="user1@example1.local"):
    found = host.wait_mail(user, identity)
    return found[0] if isinstance(found, list) else found


@scenario
def header_checks_see_each_field(lab):
    host = lab.mta1
    mark = host.mark()
    for field, code, text in (
            ("X-Bad: yes", 550, r"5\.7\.1 message content rejected"),
            ("X-Worse: no\r\n\tmore viagra", 550, r"5\.7\.9 no pills"),
            ("X-Unknown-Action: 1", 451, r"4\.3\.5"),
            ("X-Filter: 1", 451, r"4\.3\.5")):
        _, got, said = send_with(host, field)
        expect(got, code, f"{field}: {said}")
        expect_match(said, text, field)
    host.wait_log(r"rule=.*header_checks .*header\.pcre:\d+", mark)
    identity, code, _ = send_with(host, "X-Ignore: secret")
    content = delivered(host, identity)
    expect_true(b"X-Ignore" not in content, "the field is gone")
    identity, code, _ = send_with(host, "X-Replace: old\r\n folded")
    content = delivered(host, identity)
    expect_true(b"X-Replaced: old\r\n" in content and b"folded" not in content,
                "the field is another")
    identity, code, _ = send_with(host, "X-Prepend: x")
    content = delivered(host, identity)
    expect_true(b"X-Before: y\r\nX-Prepend: x\r\n" in content, "one before")
    identity, code, _ = send_with(host, "X-Bcc: x")
    delivered(host, identity)
    delivered(host, identity, "user2@example1.local")
    identity, code, _ = send_with(host, "X-Redirect: x")
    delivered(host, identity, "user2@example1.local")
    _, code, text = send_with(host, "X-Hold: x")
    number = re.search(r"queued as (\w+)", text).group(1)
    wait_for("hold in the queue", lambda: number + "!" in host.queue())
    host.ctl("queue", "flush", number)
    _, code, text = send_with(host, "X-Discard: x")
    expect(code, 250, text)
    host.wait_log(r"ev=smtp\.discard", mark)


@scenario
def body_checks_see_each_line(lab):
    """Also by BDAT, in pieces, and in what has no body at all (S19)."""
    host = lab.mta1
    mark = host.mark()
    for extra, code in (("X: 1\r\n\r\nthis is forbidden", 550),
                        ("X-Bad: 1", 550)):
        _, got, said = send_with(host, extra)
        expect(got, code, f"{extra}: {said}")
    host.wait_log(r"rule=.*body_checks .*body\.pcre:1", mark)
    with host.raw() as c:
        c.reply()
        c.say("EHLO x.good.example")
        for rest in (b"X-Bad: 1\r\n", b"X-Bad: 1"):   # no empty line
            c.say("MAIL FROM:<a@good.example>")
            c.say(f"RCPT TO:<{to('ok')}>")
            c.send(b"BDAT %d LAST\r\n" % len(rest) + rest)
            expect(c.reply()[0], 550, "a header alone")
    identity, content = message(sender="a@good.example", recipient=to("ok"),
                                extra="Content-Type: multipart/mixed; "
                                      "boundary=\"==x\"\r\n",
                                body="--==x\r\nContent-Description: drop\r\n"
                                     "\r\nkeep\r\ndrop it\r\nold 1\r\n"
                                     "--==x--\r\n" + "fill\r\n" * 30000)
    with host.raw() as c:
        c.reply()
        c.say("EHLO x.good.example")
        c.say("MAIL FROM:<a@good.example>")
        c.say(f"RCPT TO:<{to('ok')}>")
        for at in range(0, 700, 7):
            c.send(b"BDAT 7\r\n" + content[at:at + 7])
            expect(c.reply()[0], 250, "BDAT")
        c.send(b"BDAT %d LAST\r\n" % (len(content) - 700) + content[700:])
        code, text = c.reply()
    expect(code, 250, text)
    got = delivered(host, identity)
    expect_true(b"\r\n--==x\r\n\r\nkeep\r\nnew 1\r\n--==x--\r\nfill\r\n"
                in got, got[:900])
    expect(got.count(b"fill\r\n"), 30000, "the rest is whole")


@scenario
def a_header_without_end_is_refused(lab):
    _, code, text = send_with(lab.mta1, "\r\n".join(
        f"X-{i}: " + "y" * 900 for i in range(400)))
    expect(code, 552, text)
    _, code, text = send_with(lab.mta1, "\r\n".join(
        f"X-{i}: z" for i in range(1100)))
    expect(code, 550, text)
    expect_match(text, r"5\.6\.0 Too many header fields")


@scenario
def block_lists_are_asked_side_by_side(lab):
    """None of them answers before all were asked."""
    asked = {}

    def answer(number, packet):
        asked[number] = packet
        if len(asked) < 4:
            return []
        return [p[:2] + bytes.fromhex("8183" "0001" "0000" "0000" "0000")
                + p[12:12 + p[12:].index(0) + 5] for p in asked.values()]

    for i in range(4):
        zone[f"1.0.0.127.side{i}.example", A] = \
            lambda packet, i=i: answer(i, packet)
    code, text = talk(lab.mta1, to("lists"))
    expect(code, 250, text)
    expect(len(asked), 4, "lists")


@scenario
def slow_patterns_delay_nobody_else(lab):
    """Others are answered while they run, and they run so long at most: that
    is counted in steps, and where others run they take longer."""
    host = lab.mta1
    said = []
    slow = "\r\n".join(["X-Slow: " + "a" * 14 + "b"] * 900)
    thread = threading.Thread(
        target=lambda: said.append(send_with(host, slow, timeout_s=60)[1:]))
    thread.start()
    n = 0
    while thread.is_alive():
        expect(talk(host, to("ok"))[0], 250, "somebody else")
        n += not said
    expect_true(said, "no answer")
    expect(said[0][0], 451, "too much work")
    expect_true(n > 20, f"{n} others were answered")


def prepare(lab):
    host = lab.mta1
    server = NameServer(zone)
    host.environment["ESTAFETA_DNS_SERVERS"] = server.address
    text = MAIN_CF.replace("{dir}", host.config)
    # What values of tables name must be open: a class does that.
    text += (f"\nsmtpd_restriction_classes = strict, nested, opened\n"
             f"opened = check_sender_mx_access texthash:{host.config}/"
             f"hosts.map, check_client_access texthash:{host.config}/"
             f"client.map, check_policy_service "
             f"inet:127.0.0.1:{service.port}\n")
    text += (f"header_checks = pcre:{host.config}/header.pcre\n"
             f"mime_header_checks = regexp:{host.config}/mime.regexp\n"
             f"body_checks = pcre:{host.config}/body.pcre\n")
    host.append("main.cf", text)
    for name, content in MAPS.items():
        write(host, name, content)
    write(host, "rcpt.map", "".join(
        f"{to(key)} {value}\n".replace("{dir}", host.config)
        .replace("{port}", str(service.port))
        for key, value in VALUES.items()))


main(setup=prepare)
