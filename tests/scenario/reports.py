#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reports (RFC 3461, 3464, 6533), as Python's email package reads them: who is
told of what, in which words, and what is never sent (S22)."""

from frame import (Sink, expect, expect_match, expect_true, main, message,
                   parse, scenario, wait_for)

USER1, USER2 = "user1@example1.local", "user2@example1.local"
POSTMASTER = "user2@example1.local"  # by an alias
AWAY = "away.example"
SETTINGS = """
delay_warning_time = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
queue_run_delay = 1s
notify_classes = resource, software, 2bounce
bounce_size_limit = 3000
2bounce_notice_recipient = user2@example1.local
"""
sink = None


def send(lab, sender, recipients, mail_options=(), content=None):
    """recipients: {address: RCPT options}; returns the Message-ID."""
    message_id, made = message(recipient=next(iter(recipients)))
    with lab.mta1.submission(USER1) as client:
        client.ehlo()
        code, text = client.docmd("MAIL", f"FROM:<{sender}> "
                                  + " ".join(mail_options))
        expect(code, 250, text)
        for address, options in recipients.items():
            code, text = client.docmd("RCPT", f"TO:<{address}> {options}")
            expect(code, 250, text)
        expect(client.docmd("DATA")[0], 354)
        client.send((content(made) if content else made) + b".\r\n")
        expect(client.getreply()[0], 250)
    return message_id


def wait_report(lab, user, message_id, action):
    def look():
        for path in lab.mta1.files(user):
            with open(path, "rb") as file:
                content = file.read()
            if (b"multipart/report" in content
                    and message_id.encode() in content
                    and f"Action: {action}".encode() in content):
                return parse(content)
        return None
    return wait_for(f"a report '{action}' comes", look, 15)


def fields(report):
    """The fields about the message, and those about each recipient."""
    expect(report.defects, [], "defects")
    expect(report.get_content_type(), "multipart/report")
    parts = list(report.iter_parts())
    expect(len(parts), 3, "parts")
    blocks = parts[1].get_payload()
    return parts, blocks[0], [b for b in blocks[1:] if b.keys()]


@scenario
def success_is_told_when_asked_for(lab):
    message_id = send(lab, USER1, {
        USER2: f"NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;asked@example.org",
        f"a@{AWAY}": "NOTIFY=SUCCESS"}, ["ENVID=Q+2B1", "RET=HDRS"])
    delivered = wait_report(lab, USER1, message_id, "delivered")
    relayed = wait_report(lab, USER1, message_id, "relayed")
    expect(delivered["Subject"], "Successful mail delivery report")
    expect(delivered["Auto-Submitted"], "auto-replied")
    expect(delivered["Return-Path"], "<>")
    told = {}
    for report in (delivered, relayed):
        parts, head, rcpts = fields(report)
        expect(head["Original-Envelope-Id"], "Q+1")
        expect(parts[2].get_content_type(), "text/rfc822-headers")
        for rcpt in rcpts:
            told[rcpt["Final-Recipient"]] = rcpt
    local, away = told[f"rfc822; {USER2}"], told[f"rfc822; a@{AWAY}"]
    expect((local["Action"], local["Status"][0]), ("delivered", "2"))
    expect(local["Original-Recipient"], "rfc822; asked@example.org")
    expect(away["Action"], "relayed")
    expect_match(away["Diagnostic-Code"], r"^smtp; 250 2\.0\.0 taken")


@scenario
def nothing_is_told_without_being_asked(lab):
    mark = lab.mta1.mark()
    message_id = send(lab, USER1, {USER2: "", f"b@{AWAY}": "NOTIFY=NEVER"})
    lab.mta1.wait_mail(USER2, message_id)
    sink.replies["RCPT"] = "550 5.1.1 no"
    send(lab, USER1, {f"c@{AWAY}": "NOTIFY=NEVER"})
    lab.mta1.wait_log(r"ev=bounce\.none .*NOTIFY", mark)
    del sink.replies["RCPT"]
    lab.mta1.wait_queue_empty()
    expect_true("ev=bounce id" not in lab.mta1.log_since(mark), "a report")


@scenario
def a_host_that_sends_reports_does_it_itself(lab):
    mark = lab.mta1.mark()
    with Sink(extensions=("DSN",)) as other:
        lab.mta1.stop()
        lab.mta1.peers[f"[{AWAY}]:25"] = other.port
        lab.mta1.start()
        send(lab, USER1, {f"a@{AWAY}": "NOTIFY=SUCCESS"})
        wait_for("it came", lambda: other.messages)
        expect_match(other.messages[0][1][0], r"NOTIFY=SUCCESS")
        lab.mta1.wait_queue_empty()
        lab.mta1.stop()
    lab.mta1.peers[f"[{AWAY}]:25"] = sink.port
    lab.mta1.start()
    expect_true("ev=bounce id" not in lab.mta1.log_since(mark), "a report")


@scenario
def delay_is_told_once(lab):
    sink.replies["RCPT"] = "450 4.2.0 later"
    mark = lab.mta1.mark()
    message_id = send(lab, USER1, {f"d@{AWAY}": "NOTIFY=DELAY",
                                   f"e@{AWAY}": "NOTIFY=FAILURE"})
    report = wait_report(lab, USER1, message_id, "delayed")
    expect(report["Subject"], "Delayed mail (still being retried)")
    _, _, rcpts = fields(report)
    expect([r["Final-Recipient"] for r in rcpts], [f"rfc822; d@{AWAY}"])
    expect(rcpts[0]["Status"], "4.4.7")
    expect_true(rcpts[0]["Will-Retry-Until"], "Will-Retry-Until")
    before = lab.mta1.log_since(mark).count("status=deferred")
    wait_for("two more tries", lambda: lab.mta1.log_since(mark).count(
        "status=deferred") >= before + 2, 15)
    expect(lab.mta1.log_since(mark).count("ev=bounce id"), 1, "reports")
    del sink.replies["RCPT"]
    lab.mta1.flush()
    lab.mta1.wait_queue_empty()


@scenario
def the_text_goes_along_up_to_a_size(lab):
    sink.replies["DOT"] = "554 5.6.0 no"
    long = send(lab, USER1, {f"f@{AWAY}": ""},
                content=lambda m: m + b"x" * 70 + (b"\r\n" + b"y" * 70) * 60
                + b"\r\n")
    short = send(lab, USER1, {f"f@{AWAY}": ""})
    header = send(lab, USER1, {f"f@{AWAY}": ""}, ["RET=HDRS"])
    kinds = [fields(wait_report(lab, USER1, i, "failed"))[0][2]
             .get_content_type() for i in (long, short, header)]
    expect(kinds, ["text/rfc822-headers", "message/rfc822",
                   "text/rfc822-headers"])
    del sink.replies["DOT"]


@scenario
def a_report_that_fails_is_told_to_the_postmaster(lab):
    """S22: and what fails then is the end of it."""
    sink.replies["RCPT"] = "550 5.1.1 no"
    message_id = send(lab, "", {f"g@{AWAY}": ""})
    report = wait_report(lab, POSTMASTER, message_id, "failed")
    expect_match(report["Return-Path"],
                 r"^<double-bounce@mta1\.example1\.local>$")
    mark = lab.mta1.mark()
    send(lab, "double-bounce@mta1.example1.local", {f"h@{AWAY}": ""})
    lab.mta1.wait_log(r'ev=bounce\.none .*"double bounce"', mark)
    del sink.replies["RCPT"]
    lab.mta1.wait_queue_empty()


def write(host, text):
    with open(f"{host.config}/bounce.cf", "w", encoding="utf-8") as file:
        file.write(text)


@scenario
def an_operator_has_words_of_his_own(lab):
    host = lab.mta1
    write(host, """# bounce(5)
failure_template = <<EOF
Charset: utf-8
From: MAILER-DAEMON (The post of $myhostname)
Subject: It did not arrive

Lo sentimos, ñ. $myhostname, $$5, $maximal_queue_lifetime_days days.
EOF
""")
    mark = host.mark()
    host.append("main.cf", f"bounce_template_file = {host.config}/bounce.cf")
    sink.replies["RCPT"] = "550 5.1.1 no"

    def comes():
        message_id = send(lab, USER1, {f"i@{AWAY}": ""})
        report = wait_report(lab, USER1, message_id, "failed")
        return report if "arrive" in report["Subject"] else None
    report = wait_for("a report in other words", comes)
    parts, _, _ = fields(report)
    expect(report["From"].split(" ")[0], "MAILER-DAEMON@mta1.example1.local")
    expect_match(parts[0].get_content(),
                 r"^Lo sentimos, ñ\. mta1\.example1\.local, \$5, 5 days\.\r\n")
    expect_match(parts[0].get_content(), r"said: 550 5\.1\.1 no")
    # One that is wrong is told, and the others stay in our words.
    write(host, "failure_template = <<EOF\nSubject: x\n")
    host.wait_log(r"bounce\.cf:1: .*ends this template", mark)
    message_id = send(lab, USER1, {f"i@{AWAY}": ""})
    expect(wait_report(lab, USER1, message_id, "failed")["Subject"],
           "Undelivered mail returned to sender")
    del sink.replies["RCPT"]


@scenario
def reports_in_spanish(lab):
    lab.mta1.append("main.cf", "bounce_language = es")
    sink.replies["RCPT"] = "550 5.1.1 no"

    def comes():
        message_id = send(lab, USER1, {f"i@{AWAY}": ""})
        report = wait_report(lab, USER1, message_id, "failed")
        return report if report["Subject"].startswith("Correo") else None
    report = wait_for("a report in Spanish", comes)
    parts, _, _ = fields(report)
    expect(report["Subject"], "Correo no entregado, devuelto al remitente")
    expect_match(parts[0].get_content(), "destinatarios.*se volverá")
    expect_match(parts[0].get_content(), "respondió: 550 5.1.1 no")
    del sink.replies["RCPT"]


def route(lab):
    global sink
    sink = Sink()
    lab.route_to_sink(sink, AWAY)


if __name__ == "__main__":
    main(hosts=1, main_cf=SETTINGS, setup=route)
