#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""F02: submit.sock, mail of this machine's users, whom the kernel names; there
is no folder where they could put what is none."""

import os
import pwd
import socket

from frame import Raw, Skipped, expect, expect_match, main, message, scenario
from frame import expect_true, wait_for

USER1 = "user1@example1.local"


def me():
    return f"{pwd.getpwuid(os.geteuid()).pw_name}@mta1.example1.local"


class Local(Raw):
    def __init__(self, host):  # no port: a path
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(os.path.join(host.run, "submit.sock"))
        self.rest = b""


@scenario
def the_kernel_says_who_sends(lab):
    with Local(lab.mta1) as raw:
        expect(raw.reply()[0], 220)
        code, text = raw.say_text("EHLO localhost")
        expect(code, 250)
        expect_match(text, rf"^250.XLOGIN {me()}\r?$")
        expect_true("STARTTLS" not in text and "AUTH" not in text, text)
        expect(raw.say("AUTH PLAIN AGEAYg=="), 538)
        message_id, content = message(recipient=USER1)
        mark = lab.mta1.mark()
        expect(raw.say(f"MAIL FROM:<{me()}>"), 250)
        expect(raw.say(f"RCPT TO:<{USER1}>"), 250)
        expect(raw.say("RCPT TO:<x@elsewhere.example>"), 250, "may relay")
        expect(raw.say("RSET"), 250)
        expect(raw.say(f"MAIL FROM:<{me()}>"), 250)
        expect(raw.say(f"RCPT TO:<{USER1}>"), 250)
        expect(raw.say("DATA"), 354)
        raw.send(content + b".\r\n")
        expect(raw.reply()[0], 250)
        got = lab.mta1.wait_mail(USER1, message_id)
        lab.mta1.wait_log(f"smtp.accept.*login={me()}", mark)
        expect_match(got, r"Received: from localhost\s+by mta1\.")


@scenario
def another_user_is_another_login(lab):
    """The name is the peer's, whatever it says; mode 0666."""
    if os.geteuid() != 0:
        raise Skipped("needs root to be somebody else")
    nobody = pwd.getpwnam("nobody").pw_uid
    for uid, name in ((nobody, "nobody"), (54321, "uid54321")):
        expect_match(hello_as(lab.mta1, uid),
                     rf"^250.XLOGIN {name}@mta1\.example1\.local\r?$")


def hello_as(host, uid):
    """The reply to EHLO, as that user gets it."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setresuid(uid, uid, uid)
            with Local(host) as raw:
                raw.reply()
                os.write(writer, raw.say_text("EHLO x")[1].encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        text = file.read()
    os.waitpid(pid, 0)
    return text


@scenario
def each_user_has_a_rate(lab):
    lab.mta1.append("main.cf", "smtpd_client_message_rate_limit = 3\n"
                    "smtpd_client_event_limit_exceptions = [::1]/128\n")

    def codes():
        with Local(lab.mta1) as raw:
            raw.reply()
            raw.say("EHLO x")
            got = []
            for _ in range(5):
                got.append(raw.say(f"MAIL FROM:<{me()}>"))
                raw.say("RSET")
            return got
    wait_for("the fourth is refused", lambda: 450 in codes(), 10)
    with lab.mta1.raw() as raw:  # of the network: another client
        raw.reply()
        raw.say("EHLO x")
        expect(raw.say("MAIL FROM:<a@b.example>"), 250)


if __name__ == "__main__":
    main()
