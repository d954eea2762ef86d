#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""LOG_FORMAT: lines that pflogsumm reads, and JSON. Row A38."""

import json
import subprocess

from frame import (expect, expect_match, expect_true, main, message, need,
                   scenario)

USER1, USER3 = "user1@example1.local", "user3@example2.local"


def formats(lab):
    lab.mta1.environment["LOG_FORMAT"] = "postfix"
    lab.mta2.environment["LOG_FORMAT"] = "json"


@scenario
def pflogsumm_counts_the_mail(lab):
    program = need("pflogsumm")
    message_id, content = message()
    lab.mta1.submit(USER1, [USER3, USER1], content)
    lab.mta2.wait_mail(USER3, message_id)
    lab.mta1.wait_mail(USER1, message_id)
    lab.mta1.wait_queue_empty()
    with lab.mta1.smtp() as client:
        client.ehlo()
        client.mail("a@stranger.example")
        expect(client.rcpt("nobody@example1.local")[0], 550)
    lab.mta1.wait_log(r"NOQUEUE: reject: RCPT from unknown\[127\.0\.0\.1\]: "
                      r"550 5\.1\.1 <nobody@example1\.local>")
    lab.mta1.wait_log(r"postfix/qmgr\[\d+\]: \w+: removed")
    got = subprocess.run([program], input=lab.mta1.log(), text=True,
                         capture_output=True, timeout=30).stdout
    expect_match(got, r"(?m)^\s+1\s+received$")
    expect_match(got, r"(?m)^\s+2\s+delivered$")
    expect_match(got, r"(?m)^\s+1\s+rejected \(33%\)$")
    expect_match(got, rf"(?m)^\s+1\s.*{USER3}$", "recipients by count")


@scenario
def every_line_is_an_object(lab):
    _, content = message(sender=USER3, recipient=USER1)
    mark = lab.mta2.mark()
    with lab.mta2.submission(USER3) as client:
        client.sendmail(USER3, [USER1], content)
    lab.mta2.wait_log(r'"ev":"message\.done"', mark)
    events = [json.loads(line) for line in lab.mta2.log().splitlines()]
    accepted = next(e for e in events if e["ev"] == "smtp.accept"
                    and e["login"] == USER3)
    expect(accepted["who"], "mta/in")
    expect_true(isinstance(accepted["size"], int), "numbers are numbers")
    expect_true(any(e["ev"] == "message.done" and e["id"] == accepted["id"]
                    for e in events), "the same id to the end")


@scenario
def another_word_is_refused(lab):
    result = lab.mta1.ctl("run", "--log-format", "syslog")
    expect(result.returncode, 64)
    expect_match(result.stderr, "text, json or postfix")


main(hosts=2, setup=formats)
