#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rows S12 (long lines), S15 (dots at the edges of buffers), S17 (bombs of
addresses), S19 (line ends in parameters) and S25 (XCLIENT of a stranger)."""


from frame import (Sink, expect, expect_true, given, main, message, scenario,
                   wait_for, without_trace)

USER1 = "user1@example1.local"
SLOWEST_S = 2
sinks = {}


def setup(lab):
    sinks["refusing"] = Sink({"RCPT": "550 5.1.1 unknown here"},
                             ("DSN", "ENHANCEDSTATUSCODES"))
    lab.route_to_sink(sinks["refusing"], "refusing.example")


def session(lab):
    raw = lab.mta1.raw()
    expect(raw.reply()[0], 220)
    expect(raw.say("EHLO client.example"), 250)
    return raw


def send(lab, content):
    with session(lab) as raw:
        expect(raw.say("MAIL FROM:<a@b.example>"), 250)
        expect(raw.say(f"RCPT TO:<{USER1}>"), 250)
        expect(raw.say("DATA"), 354)
        raw.send(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        return raw.reply()


@scenario
def long_lines_of_a_message_stay_as_they_are(lab):
    """S12, RFC 5321 4.5.3.1.6: taken, and never split or shortened."""
    for n in (998, 999, 1000, 1001, 4096, 65536, 1_000_000, 9_000_000):
        message_id, content = message(recipient=USER1,
                                      body=b"x" * n + b"\r\nend\r\n")
        code, text = send(lab, content)
        expect(code, 250, f"a line of {n}: {text}")
        got = without_trace(lab.mta1.wait_mail(USER1, message_id))
        expect_true(got == content, f"a line of {n} was changed")


@scenario
def dots_at_the_edges_of_buffers(lab):
    """S15: CRLF and dot on both sides of what buffers are large."""
    for size in (512, 1024, 4096, 8192, 16384, 65536):
        for shift in range(-3, 3):
            message_id, content = message(recipient=USER1, body="")
            fill = size + shift - len(content)
            if fill < 0:
                continue
            content += b"x" * fill + b"\r\n.\r\n..\r\n.x\r\n"
            expect(send(lab, content)[0], 250)
            got = without_trace(lab.mta1.wait_mail(USER1, message_id))
            expect_true(got == content, f"{size}{shift:+} octets")
    for body in ("", ".\r\n" * 1000, "\r\n", "..\r\n.\r\n"):
        message_id, content = message(recipient=USER1, body=body)
        expect(send(lab, content)[0], 250)
        expect(without_trace(lab.mta1.wait_mail(USER1, message_id)), content)


LONG = "x" * 63
BOMBS = [  # path, may it be taken?
    ("<" + "@a.example," * 100 + ":user1@example1.local>", None),
    ("<@a.example,@b.example:user1@example1.local>", True),
    ('<""@example1.local>', False),
    ("<@example1.local>", False),
    ("<user1@>", False),
    ("<user1@[IPv6:::::::::::::]>", False),
    ("<user1@[IPv6:zz]>", False),
    ("<user1@[300.1.1.1]>", False),
    ("<user1@[" + "1." * 200 + "]>", False),
    ('<"user1\\>', False),
    ('<"user1\\"@example1.local>', False),
    ('<"' + "\\a" * 240 + '"@example1.local>', False),
    (f"<{'y' * 64}@example1.local>", False),
    (f"<{'y' * 65}@example1.local>", False),
    (f"<{'y' * 400}@example1.local>", False),
    (f"<a@{'.'.join([LONG] * 4)}>", False),
    (f"<a@{'.'.join([LONG] * 3)}.{'z' * 61}.example>", False),
    ("<" + "(" * 400 + "user1@example1.local>", False),
    ("<" + "," * 400 + "@example1.local>", False),
    ("<a..b@example1.local>", False),
    ("<.a@example1.local>", False),
    ("<user1@example1..local>", False),
    ("<user1@-example1.local->", False),
    ("<user1@example1.local", False),
    ("user1@example1.local>", False),
    ("<<user1@example1.local>>", False),
    ("<user1@example1.local>x", False),
]


@scenario
def bombs_of_addresses(lab):
    """S17: 5yz in linear time; the session and the roles live on."""
    mark = lab.mta1.mark()
    for verb in ("MAIL FROM:", "RCPT TO:"):
        for path, may in BOMBS:
            with session(lab) as raw:
                if verb == "RCPT TO:":
                    expect(raw.say("MAIL FROM:<a@b.example>"), 250)
                began = given()
                code, text = raw.say_text(verb + path)
                took = given() - began
                expect_true(took < SLOWEST_S, f"{path[:60]}: {took:.1f} s")
                # A sender's mailbox is not looked up: syntax alone counts.
                right = (code == 250 and (may is not False
                                          or verb == "MAIL FROM:")
                         or 500 <= code < 560 and may is not True)
                expect_true(right, f"{verb}{path[:60]}: {code} {text}")
                if verb == "RCPT TO:" or code != 250:
                    expect(raw.say("RSET"), 250, f"after {path[:60]}")
    log = lab.mta1.log_since(mark)
    expect_true("role.ended" not in log, "a role died")


@scenario
def very_many_addresses_in_a_header(lab):
    """S17, S12: 100,000 commas, nested comments, quoted pairs: all data."""
    for field in (b"To: " + b"a," * 100_000, b"To: " + b"(" * 100_000,
                  b"To: " + b"\\(" * 100_000, b"To: \"" + b"\\a" * 100_000):
        message_id, content = message(recipient=USER1)
        content = field + b"\r\n" + content
        began = given()
        code, text = send(lab, content)
        expect_true(code in (250, 550, 552, 554), text)
        expect_true(given() - began < SLOWEST_S, "quadratic?")


INJECTED = "X-Injected"


@scenario
def line_ends_in_parameters_end_no_line(lab):
    """S19, RFC 3461 4: xtext of CR LF makes no field, no command, no line of
    the log and no record of the envelope."""
    mark = lab.mta1.mark()
    evil = f"+0D+0A{INJECTED}:+20yes"
    tries = ((f" ENVID=a{evil}", ""),
             ("", f" ORCPT=rfc822;a{evil}@b.example"),
             ("", f" ORCPT=rfc822;a+00b{evil}"),
             (f" AUTH=a{evil}", ""))
    n_taken = 0
    for for_mail, for_rcpt in tries:
        with lab.mta1.submission(USER1) as client:
            code, text = client.docmd(f"MAIL FROM:<{USER1}>{for_mail}")
            if code == 250:
                code, text = client.docmd(
                    f"RCPT TO:<x@refusing.example>{for_rcpt}")
            if code != 250:
                expect_true(500 <= code < 560, f"{code} {text!r}")
                continue
            n_taken += 1
            expect(client.docmd("DATA")[0], 354)
            client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
            expect(client.getreply()[0], 250)
    lab.mta1.wait_queue_empty(20)
    wait_for("the reports", lambda: len([
        1 for path in lab.mta1.files(USER1)
        if b"multipart/report" in open(path, "rb").read()]) >= n_taken, 10)
    for path in lab.mta1.files(USER1):
        with open(path, "rb") as file:
            for line in file.read().split(b"\n"):
                expect_true(not line.lstrip().startswith(INJECTED.encode()),
                            f"{path}: {line!r}")
    for command in sinks["refusing"].commands:
        expect_true(not command.startswith(INJECTED), f"a command: {command}")
    for line in lab.mta1.log_since(mark).splitlines():
        expect_true(not line.startswith(INJECTED), f"a line: {line}")


@scenario
def quoted_line_ends_are_refused(lab):
    """S19: not even in a quoted string."""
    for path in (b'<"a\rb"@example1.local>', b'<"a\\\rb"@example1.local>',
                 b'<"a\0b"@example1.local>', b"<user1\t@example1.local>"):
        with session(lab) as raw:
            expect(raw.say("MAIL FROM:<a@b.example>"), 250)
            code = raw.say(b"RCPT TO:" + path)
            expect_true(code == 0 or 500 <= code < 560, f"{path}: {code}")


@scenario
def strangers_speak_for_nobody(lab):
    """S25: XCLIENT and XFORWARD are for configured networks alone."""
    for command in ("XCLIENT ADDR=192.0.2.1", "XCLIENT LOGIN=" + USER1,
                    "XFORWARD ADDR=192.0.2.1"):
        with session(lab) as raw:
            code = raw.say(command)
            expect_true(500 <= code < 560, f"{command}: {code}")


if __name__ == "__main__":
    main(hosts=1, setup=setup)
