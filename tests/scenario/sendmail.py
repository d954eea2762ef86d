#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sendmail(1): what cron, mail and PHP call, and its exit statuses."""

import os
import pwd
import uuid

from frame import expect, expect_match, expect_true, main, scenario

USER1, USER2 = "user1@example1.local", "user2@example1.local"
TEMPFAIL, NOUSER, USAGE = 75, 67, 64


def sendmail(host, *words, given, status=0):
    result = host.ctl(*words, name="sendmail", given=given)
    expect(result.returncode, status, f"sendmail {words}: {result.stderr}")
    return result


def new_id():
    return f"<{uuid.uuid4().hex}@test.example>"


@scenario
def a_job_reports(lab):
    host, message_id = lab.mta1, new_id()
    sendmail(host, USER1, given=f"Message-ID: {message_id}\n"
             "Subject: done\n\nall is well\n.\nnot this\n")
    got = host.wait_mail(USER1, message_id).decode()
    me = pwd.getpwuid(os.geteuid()).pw_name
    expect_match(got, rf"(?m)^From: {me}@mta1\.example1\.local\r?$")
    expect_match(got, r"(?m)^Date: ")
    expect_match(got, r"all is well\r\n\Z", "up to the dot")


@scenario
def recipients_come_from_the_fields(lab):
    host, message_id = lab.mta1, new_id()
    sendmail(host, "-t", "-i", "-f", USER1, given=(
        f"Message-ID: {message_id}\nFrom: {USER1}\nTo: One <{USER1}>\n"
        f"Bcc: {USER2}\nSubject: s\n\n.\nend\n"))
    for user in (USER1, USER2):
        got = host.wait_mail(user, message_id).decode()
        expect_true("Bcc" not in got, "nobody sees the blind ones")
        expect_match(got, r"\r\n\r\n\.\r\nend\r\n\Z", "-i: a dot is a line")
        expect_match(got, rf"Return-Path: <{USER1}>")


@scenario
def what_is_refused_has_its_status(lab):
    host, message_id = lab.mta1, new_id()
    text = f"Message-ID: {message_id}\n\nx\n"
    result = sendmail(host, "nobody@example1.local", given=text, status=NOUSER)
    expect_match(result.stderr, "5.1.1")
    sendmail(host, "nobody@example1.local", USER1, given=text, status=NOUSER)
    host.wait_mail(USER1, message_id)
    sendmail(host, given=text, status=USAGE)
    sendmail(host, "-Q", USER1, given=text, status=USAGE)
    sendmail(host, f"{USER1}>\r\nRCPT TO:<{USER2}", given=text,
             status=TEMPFAIL)
    sendmail(host, "-f", "a>\nDATA", USER1, given=text, status=TEMPFAIL)
    expect(sendmail(host, "-bi", given="").stdout, "")
    expect_match(sendmail(host, "-bp", given="").stdout, "queue is empty")


@scenario
def smtp_on_standard_input(lab):
    result = sendmail(lab.mta1, "-bs", given="EHLO x\r\n")
    expect_match(result.stdout, r"^220 .*\n250.*XLOGIN")


@scenario
def without_a_system_it_is_tried_again(lab):
    host = lab.mta1
    host.stop()
    result = sendmail(host, USER1, given="Subject: x\n\ny\n", status=TEMPFAIL)
    expect_match(result.stderr, "submit.sock")
    host.start()


main()
