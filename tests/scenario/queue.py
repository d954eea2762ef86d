#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Mail that has to wait, and mail that comes back (A4, A36, A37).
"""

import json
import re
import time

from frame import (Sink, expect, expect_match, expect_true, main, message,
                   parse, scenario, wait_for)

USER1, USER2 = "user1@example1.local", "user2@example1.local"
USER3 = "user3@example2.local"
GONE, HUNG = "gone.example", "hung.example"
sink = hung = None


def wait_reason(host, pattern, timeout_s=15):
    def look():
        return re.search(pattern, host.queue())
    wait_for(f"{pattern!r} in postqueue -p", look, timeout_s)
    return host.queue()


@scenario
def empty_queue_says_so(lab):
    expect(lab.mta1.queue(), "Mail queue is empty\n")
    expect_match(lab.mta1.ctl("queue", "list").stdout, "Mail queue is empty")


@scenario
def mail_waits_for_a_host_that_is_away(lab):
    lab.mta2.stop()
    first_id, content = message()
    queue_id = lab.mta1.submit(USER1, USER3, content).split()[-1]
    listing = wait_reason(lab.mta1, r"(?i)refused")
    lines = listing.splitlines()
    # The columns of Postfix: "%-11s %7s %-20s %s", then reasons, recipients.
    expect_match(lines[0], r"^-Queue ID-\s+--Size--\s+----Arrival Time----\s+"
                 r"-Sender/Recipient-------$")
    expect_match(listing, rf"(?m)^{queue_id}[ *!] +\d+ \w{{3}} \w{{3}} [ \d]\d"
                 rf" \d\d:\d\d:\d\d  {USER1}$")
    expect_match(listing, r"(?m)^ *\(.*refused.*\)$")
    expect_match(listing, rf"(?m)^ {{41}}{USER3}$")
    expect_match(lines[-1], r"^-- \d+ Kbytes in 1 Request\.$")

    lab.mta1.stop()  # the reason and the mail survive
    lab.mta1.start()
    expect_match(lab.mta1.queue(), queue_id)

    lab.mta2.start()
    lab.mta1.flush()
    lab.mta2.wait_mail(USER3, first_id)
    lab.mta1.wait_queue_empty()
    expect(len(lab.mta2.find(USER3, first_id)), 1, "copies")


@scenario
def a_stop_forgets_nothing_of_what_was_done(lab):
    """What was delivered just before a stop, or while it stopped, does not
    come again (tombstones are not waited for, but at a stop)."""
    def slow_dot(connection, reader, _):
        connection.sendall(b"354 go on\r\n")
        while reader.readline() not in (b".\r\n", b""):
            pass
        taken.append(True)
        time.sleep(0.7)
        connection.sendall(b"250 2.0.0 taken\r\n")

    taken = []
    lab.route_to_sink(sink, "stop.example")
    with Sink() as slow:
        slow.replies["DATA"] = slow_dot
        lab.mta1.stop()
        lab.route_to_sink(slow, "slow.example")
        lab.mta1.start()
        sink.messages.clear()
        for _ in range(3):
            lab.mta1.submit(USER1, "once@slow.example", message()[1])
        wait_for("slow ones", lambda: len(taken) >= 2)
        for n in range(8):
            lab.mta1.submit(USER1, f"once{n}@stop.example", message()[1])
        wait_for("quick ones", lambda: len(sink.messages) >= 8)
        lab.mta1.stop()
        lab.mta1.start()
        lab.mta1.wait_queue_empty()
        expect(len(taken), 3, "times that the slow host took one of three")
    expect(len(sink.messages), 8, "times that the sink took one of eight")


@scenario
def json_listing(lab):
    """postqueue -j: one object per line, with Postfix's names."""
    lab.mta2.stop()
    try:
        _, content = message()
        queue_id = lab.mta1.submit(USER1, USER3, content).split()[-1]
        wait_reason(lab.mta1, r"(?i)refused")
        result = lab.mta1.ctl("-j", name="postqueue")
        rows = [json.loads(line) for line in result.stdout.splitlines()]
        row = [r for r in rows if r["queue_id"] == queue_id][0]
        expect(row["sender"], USER1)
        expect(row["queue_name"] in ("deferred", "active"), True)
        expect_true(row["message_size"] > 100, "message_size")
        expect_true(row["arrival_time"] > 1_700_000_000, "arrival_time")
        expect(row["recipients"][0]["address"], USER3)
        expect_match(row["recipients"][0]["delay_reason"], "(?i)refused")
    finally:
        lab.mta2.start()
        lab.mta1.flush()
        lab.mta1.wait_queue_empty()


@scenario
def other_mail_passes_what_waits(lab):
    lab.mta2.stop()
    try:
        for _ in range(20):
            lab.mta1.submit(USER1, USER3, message()[1])
        message_id, content = message(recipient=USER2)
        lab.mta1.submit(USER1, USER2, content)
        lab.mta1.wait_mail(USER2, message_id)
    finally:
        lab.mta2.start()
        lab.mta1.flush()
        lab.mta1.wait_queue_empty()


def wait_dsn(lab, user, original_id):
    """The report about a message, as Python's email package reads it."""
    def look():
        for path in lab.mta1.files(user):
            with open(path, "rb") as file:
                content = file.read()
            if b"multipart/report" in content and \
                    original_id.encode() in content:
                return content
        return None
    return wait_for("the report comes", look, 15)


def check_dsn(content, recipient, status, text):
    parsed = parse(content)
    expect(parsed.get_content_type(), "multipart/report")
    expect(parsed.get_param("report-type"), "delivery-status")
    expect(parsed["Return-Path"], "<>", "Return-Path")
    expect_true(parsed["Auto-Submitted"].startswith("auto-"),
                "Auto-Submitted (RFC 3834)")
    expect(parsed.defects, [], "defects")
    parts = list(parsed.iter_parts())
    expect([p.get_content_type() for p in parts][:2],
           ["text/plain", "message/delivery-status"])
    expect_true(parts[2].get_content_type() in
                ("message/rfc822", "text/rfc822-headers"), "third part")
    blocks = parts[1].get_payload()
    expect_match(blocks[0]["Reporting-MTA"], r"^dns; ?mta1\.example1\.local")
    expect_match(blocks[1]["Final-Recipient"], rf"^rfc822; ?{recipient}$")
    expect(blocks[1]["Action"], "failed")
    expect_match(blocks[1]["Status"], status)
    expect_match(blocks[1]["Diagnostic-Code"] or "", text)
    expect_match(parts[0].get_content(), re.escape(recipient))


@scenario
def refused_mail_comes_back_as_a_report(lab):
    recipient = "nobody@example2.local"
    message_id, content = message(recipient=recipient)
    lab.mta1.submit(USER1, recipient, content)
    report = wait_dsn(lab, USER1, message_id)
    check_dsn(report, recipient, r"^5\.1\.1$", r"550[ -]5\.1\.1")
    lab.mta1.wait_queue_empty()


@scenario
def refusal_at_the_end_of_data_comes_back(lab):
    sink.replies["DOT"] = "554 5.6.0 do not want"
    message_id, content = message(recipient=f"a@{GONE}")
    lab.mta1.submit(USER1, f"a@{GONE}", content)
    report = wait_dsn(lab, USER1, message_id)
    check_dsn(report, f"a@{GONE}", r"^5\.6\.0$", r"554 5\.6\.0 do not want")
    del sink.replies["DOT"]


@scenario
def temporary_refusal_waits(lab):
    sink.replies["RCPT"] = "450 4.2.0 greylisted"
    message_id, content = message(recipient=f"a@{GONE}")
    lab.mta1.submit(USER1, f"a@{GONE}", content)
    wait_reason(lab.mta1, r"450 4\.2\.0 greylisted")
    del sink.replies["RCPT"]
    lab.mta1.flush()
    wait_for("the sink has it", lambda: any(
        message_id.encode() in octets for _, _, octets in sink.messages))
    lab.mta1.wait_queue_empty()


@scenario
def hung_up_peer_is_temporary(lab):
    # EHLO first, while there is no connection to use again.
    for verb in ("EHLO", "MAIL", "DATA"):
        hung.replies[verb] = None
        message_id, content = message(recipient=f"a@{HUNG}")
        queue_id = lab.mta1.submit(USER1, f"a@{HUNG}", content).split()[-1]
        lab.mta1.wait_log(rf"ev=delivery id={queue_id} status=deferred")
        del hung.replies[verb]
        lab.mta1.flush()
        wait_for(f"after {verb}", lambda: any(
            message_id.encode() in octets
            for _, _, octets in hung.messages))
    lab.mta1.wait_queue_empty()


@scenario
def report_about_a_report_is_never_sent(lab):
    """S22: null sender, unknown recipient: nothing goes out."""
    mark = lab.mta1.mark()
    with lab.mta1.submission(USER1) as client:
        client.docmd("MAIL", "FROM:<>")
        client.rcpt("nobody@example2.local")
        client.docmd("DATA")
        client.send(b"Subject: null\r\n\r\nx\r\n.\r\n")
        expect(client.getreply()[0], 250)
    lab.mta1.wait_log(r"ev=bounce\.none", mark)
    lab.mta1.wait_queue_empty()


@scenario
def many_recipients_fail_apart(lab):
    """Some get it, one does not: one report, about that one."""
    message_id, content = message()
    bad = "nobody@example2.local"
    lab.mta1.submit(USER1, [USER2, USER3, bad], content)
    lab.mta1.wait_mail(USER2, message_id)
    lab.mta2.wait_mail(USER3, message_id)
    report = wait_dsn(lab, USER1, message_id)
    blocks = list(parse(report).iter_parts())[1].get_payload()
    expect(len([b for b in blocks if b["Final-Recipient"]]), 1,
           "recipients in the report")


def route(lab):
    global sink, hung
    sink, hung = Sink(), Sink()
    lab.route_to_sink(sink, GONE)
    lab.route_to_sink(hung, HUNG)


if __name__ == "__main__":
    main(hosts=2, setup=route)
