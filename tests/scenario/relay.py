#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who may send what to whom, and the way between the two hosts."""

import base64
import contextlib
import copy
import hashlib
import json
import os
import re
import smtplib
import ssl
import time

from frame import (PASSWORD, deliver, expect, expect_match, expect_true,
                   free_ports, given, main, message, parse, scenario, wait_for,
                   without_trace)

USER1, USER2 = "user1@example1.local", "user2@example1.local"
USER3, USER4 = "user3@example2.local", "user4@example2.local"


@scenario
def mail_reaches_the_other_host(lab):
    message_id, content = message()
    answer = lab.mta1.submit(USER1, USER3, content)
    expect_match(answer, r"queued as \w+")
    got = lab.mta2.wait_mail(USER3, message_id)
    expect(without_trace(got), content, "the message at user3")
    parsed = parse(got)
    expect(parsed["Return-Path"], f"<{USER1}>", "Return-Path")
    expect(parsed["Delivered-To"], USER3, "Delivered-To")
    expect(len(parsed.get_all("Received")) >= 2, True,
           "a Received field of each host")
    with lab.mta2.imap(USER3) as client:
        client.select("INBOX", readonly=True)
        found = client.search(None, "HEADER", "Message-ID", message_id)
        expect(len(found[1][0].split()), 1, "IMAP finds it")


@scenario
def top_counts_what_happens(lab):
    def counts(host):
        return json.loads(host.ctl("top", "--json").stdout)

    for host in lab.hosts:
        host.wait_queue_empty()  # what came before is counted
    before = counts(lab.mta1), counts(lab.mta2)
    message_id, content = message()
    lab.mta1.submit(USER1, USER3, content)
    lab.mta2.wait_mail(USER3, message_id)
    lab.mta1.wait_queue_empty()
    after = counts(lab.mta1), counts(lab.mta2)

    def grown(host, name):
        return after[host][name] - before[host][name]

    expect([grown(0, name) for name in
            ("smtp.accepted", "smtp.logins", "queue.sent", "queue.failed")],
           [1, 1, 1, 0], "mta1")
    expect([grown(1, name) for name in
            ("smtp.accepted", "store.delivered", "smtp.logins")],
           [1, 1, 0], "mta2")
    expect_true(grown(1, "store.delivered_octets") >= len(content), "octets")
    expect(after[0]["queue.messages.now"], 0, "nothing waits")
    expect_match(lab.mta1.ctl("top").stdout, r"messages accepted +\d+\n")


@scenario
def an_answer_comes_back(lab):
    message_id, content = message(sender=USER3, recipient=USER1)
    lab.mta2.submit(USER3, USER1, content)
    expect(without_trace(lab.mta1.wait_mail(USER1, message_id)), content)


@scenario
def log_joins_the_hosts(lab):
    """Row A20: the steps can be followed by ids from host to host."""
    marks = lab.mta1.mark(), lab.mta2.mark()
    message_id, content = message()
    queue_id = lab.mta1.submit(USER1, USER3, content).split()[-1]
    lab.mta2.wait_mail(USER3, message_id)
    accept = lab.mta1.wait_log(
        rf"ev=smtp\.accept .*id={queue_id}\b.*", marks[0]).group(0)
    expect_match(lab.mta1.log_since(marks[0]),
                 rf"ev=smtp\.login .*{USER1}", "auth")
    expect_match(accept, USER1, "accept names the sender")
    hop = lab.mta1.wait_log(
        rf"ev=delivery id={queue_id} .*queued as (\w+)", marks[0])
    peer_id = hop.group(1)
    lab.mta2.wait_log(rf"ev=smtp\.accept .*id={peer_id}\b", marks[1])
    lab.mta2.wait_log(rf"ev=delivery .*{peer_id}.*code=250", marks[1])


@scenario
def unknown_user_is_refused_at_rcpt(lab):
    with lab.mta2.smtp() as client:
        client.ehlo()
        client.mail("a@stranger.example")
        code, text = client.rcpt("nobody@example2.local")
        expect(code, 550, text)
        expect_match(text, r"^5\.1\.1 ")


@scenario
def stranger_may_not_relay(lab):
    for service in ("smtp", "submission"):
        with lab.mta1.smtp(service) as client:
            client.ehlo()
            code, text = client.mail("a@stranger.example")
            if service == "submission":
                expect(code, 530, text)
                continue
            expect(code, 250, text)
            for recipient in (USER3, "a@elsewhere.example",
                              "user3%example2.local@elsewhere.example",
                              "@example1.local:user3@example2.local"):
                code, text = client.docmd("RCPT", f"TO:<{recipient}>")
                expect(code, 554, f"{recipient}: {text}")
                expect_match(text, r"5\.7\.1 .*[Rr]elay")


@scenario
def tricks_to_relay_do_not_work(lab):
    """S18: routes, percent hack and bang paths never reach another host."""
    mark = lab.mta2.mark()
    with lab.mta1.smtp() as client:
        client.ehlo()
        client.mail("a@stranger.example")
        for path in ("<user3%example2.local@example1.local>",
                     "<example2.local!user3@example1.local>",
                     '<"user3@example2.local"@example1.local>',
                     "<@example1.local:user3@example2.local>",
                     "<user3@example2.local@example1.local>"):
            code, text = client.docmd("RCPT", f"TO:{path}")
            expect_true(500 <= code < 560, f"{path}: {code} {text}")
    expect_true("smtp.accept" not in lab.mta2.log_since(mark), "mta2 got it")


@scenario
def postmaster_is_accepted(lab):
    with lab.mta1.smtp() as client:
        client.ehlo()
        client.mail("a@stranger.example")
        for recipient in ("postmaster@example1.local",
                          "PostMaster@example1.local", "postmaster"):
            code, text = client.docmd("RCPT", f"TO:<{recipient}>")
            expect(code, 250, f"{recipient}: {text}")


@scenario
def alias_tag_and_case(lab):
    message_id, content = message()
    with lab.mta1.smtp() as client:
        client.ehlo()
        deliver(client, "a@stranger.example",
                ["info@example1.local", "USER1+tag@EXAMPLE1.local"], content)
    lab.mta1.wait_queue_empty()
    expect(len(lab.mta1.find(USER2, message_id)), 1, "user2 by alias")
    expect(len(lab.mta1.find(USER1, message_id)) in (1, 2), True,
           "user1 by alias and tag")


@scenario
def same_domain_mail_stays_here(lab):
    marks = lab.mta1.mark(), lab.mta2.mark()
    before = open_connections(lab.mta1)  # kept for the next mail to mta2
    message_id, content = message(recipient=USER2)
    lab.mta1.submit(USER1, USER2, content)
    lab.mta1.wait_mail(USER2, message_id)
    lab.mta1.wait_log("ev=out.attempt", marks[0])  # written after the mail
    hops = [line for line in lab.mta1.log_since(marks[0]).splitlines()
            if "ev=out.attempt" in line]
    expect_true(hops and all('hop=local' in line or 'hop="local"' in line
                             for line in hops), f"hops: {hops}")
    expect_true("smtp.accept" not in lab.mta2.log_since(marks[1]),
                "mta2 heard of it")
    expect_true(set(open_connections(lab.mta1)) <= set(before),
                "mta/out opened a connection")


def open_connections(host):
    """Remote ends of TCP connections that mta/out holds."""
    found = []
    for pid, role in host.processes().items():
        if not role.startswith("mta/out"):
            continue
        inodes = set()
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):  # closed now
                link = os.readlink(f"/proc/{pid}/fd/{fd}")
                if link.startswith("socket:["):
                    inodes.add(link[8:-1])
        for table in ("tcp", "tcp6"):
            with open(f"/proc/{pid}/net/{table}") as rows:
                for row in rows.readlines()[1:]:
                    if row.split()[9] in inodes:
                        found.append(row.split()[2])
    return found


@scenario
def wrong_passwords_are_refused(lab):
    for password in ("wrong", "", "password123 ", "x" * 4096, "päss"):
        with lab.mta1.smtp("submission") as client:
            client.starttls(context=lab.mta1.tls())
            client.ehlo()
            plain = base64.b64encode(
                b"\0" + USER1.encode() + b"\0" + password.encode()).decode()
            code, text = client.docmd("AUTH", f"PLAIN {plain}")
            expect_true(code in (535, 500, 501), f"{password[:20]}: {code} "
                        f"{text}")


@scenario
def login_ignores_case_and_tells_mechanisms(lab):
    with lab.mta1.submission(USER1.upper()) as client:
        expect(client.noop()[0], 250)
    for mechanism in ("PLAIN", "LOGIN"):
        with lab.mta1.smtp("submission") as client:
            client.starttls(context=lab.mta1.tls())
            client.ehlo()
            client.user, client.password = USER1, PASSWORD
            code, text = client.auth(
                mechanism, getattr(client, f"auth_{mechanism.lower()}"))
            expect(code, 235, text)


@scenario
def auth_is_offered_only_where_allowed(lab):
    host = lab.mta1
    with host.smtp() as client:
        client.ehlo()
        expect_true(not client.has_extn("auth"), "AUTH on 25")
        client.starttls(context=host.tls())
        client.ehlo()
        expect_true(not client.has_extn("auth"), "AUTH on 25 after TLS")
    with host.smtp("submission") as client:
        client.ehlo()
        expect_true(not client.has_extn("auth"), "AUTH before TLS")
        code, _ = client.docmd("AUTH", "PLAIN AGFAYgBj")
        expect_true(code in (538, 530, 503), f"AUTH before TLS: {code}")
    with smtplib.SMTP_SSL("127.0.0.1", host.ports["submissions"],
                          context=host.tls(), timeout=10) as client:
        client.ehlo()
        expect_true(client.has_extn("auth"), "no AUTH on 465")
        expect_true(not client.has_extn("starttls"), "STARTTLS on 465")
        client.login(USER1, PASSWORD)
        message_id, content = message()
        deliver(client, USER1, USER3, content)
    lab.mta2.wait_mail(USER3, message_id)


@scenario
def extensions_are_those_of_the_contract(lab):
    with lab.mta1.smtp() as client:
        client.ehlo()
        got = set(client.esmtp_features)
    expect(got, {"pipelining", "size", "8bitmime", "enhancedstatuscodes",
                 "chunking", "starttls", "dsn", "smtputf8", "limits", "vrfy",
                 "binarymime", "xestafeta"}, "EHLO on 25")


@scenario
def submission_completes_a_message(lab):
    """RFC 6409 section 8: Date and Message-ID are added when missing."""
    content = (b"From: <user1@example1.local>\r\nSubject: bare-"
               b"submission\r\n\r\nx\r\n")
    lab.mta1.submit(USER1, USER2, content)
    lab.mta1.wait_queue_empty()

    def look():
        return [c for c in map(read, lab.mta1.files(USER2))
                if b"bare-submission" in c]
    parsed = parse(wait_for("the message", look)[0])
    expect_true(parsed["Date"], "Date")
    expect_match(parsed["Message-ID"] or "", r"<.+@.+>")


def read(path):
    with open(path, "rb") as file:
        return file.read()


@scenario
def vrfy_tells_nothing(lab):
    with lab.mta1.smtp() as client:
        client.ehlo()
        for name in (USER1, "nobody@example1.local"):
            expect(client.docmd("VRFY", name)[0], 252, name)
        expect(client.docmd("EXPN", "staff")[0] in (500, 502), True, "EXPN")


@scenario
def other_protocols_are_hung_up_on(lab):
    """S16"""
    for line in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                 b"POST / HTTP/1.1\r\n\r\nMAIL FROM:<a@b>\r\n"):
        with lab.mta1.raw() as raw:
            raw.reply()
            raw.send(line)
            data = raw.rest_until_closed()
            expect_true(b"250" not in data, f"{line!r}: {data!r}")


@scenario
def programs_can_read_the_answers(lab):
    def ask(*words):
        done = lab.mta1.ctl(*words)
        expect(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)
    health = ask("healthcheck", "--json")
    expect_true(health["healthy"], health)
    expect_true({"queue", "router", "auth"} <=
                {probe["name"] for probe in health["probes"]}, health)
    expect(ask("pw", "-l", "--json"),
           lab.mta1.ctl("pw", "-l").stdout.split())
    shown = ask("cert", "show", "--json")
    expect_true("mta1.example1.local" in shown["names"], shown)
    with open(shown["file"]) as file:
        der = ssl.PEM_cert_to_DER_cert(
            re.search(r"-----BEGIN.*?-----END[^\n]*\n", file.read(), re.S)[0])
    expect(shown["sha256"].replace(":", "").lower(),
           hashlib.sha256(der).hexdigest())
    expect_true(shown["from"] < time.time() < shown["until"], shown)


@scenario
def healthcheck_is_quick(lab):
    times = []
    for _ in range(5):
        began = given()
        expect(lab.mta1.ctl("healthcheck").returncode, 0)
        times.append(given() - began)
    expect_true(min(times) < 0.05 or lab.build == "dev",
                f"healthcheck took {min(times) * 1000:.0f} ms")


@scenario
def second_server_on_the_same_tree_is_refused(lab):
    """Whoever comes second must not touch the tree; the first goes on."""
    second = copy.copy(lab.mta1)
    second.ports = free_ports()
    second.process = None
    second.log_path = lab.mta1.log_path + ".second"
    second.run = lab.mta1.run + "2"
    os.makedirs(second.run, exist_ok=True)
    second.start(wait=False)
    try:
        wait_for("the second says why", lambda: "lock" in second.log(), 10)
        expect(lab.mta1.ctl("healthcheck").returncode, 0, "the first lives")
    finally:
        second.kill()
        with open(os.path.join(second.directory, "pid"), "w") as file:
            file.write(str(lab.mta1.process.pid))
    message_id, content = message(recipient=USER2)
    lab.mta1.submit(USER1, USER2, content)
    lab.mta1.wait_mail(USER2, message_id)


if __name__ == "__main__":
    main(hosts=2)
