#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Limits of a session that honest clients meet too, and state between the
chunks of a message (S08, S09, S11, S23, F10)."""

from frame import (expect, expect_match, expect_true, main, message, scenario,
                   wait_for, without_trace)

USER1, USER2 = "user1@example1.local", "user2@example1.local"
MAIL = "MAIL FROM:<a@b.example>"
RCPT = f"RCPT TO:<{USER1}>"


def session(lab):
    raw = lab.mta1.raw()
    expect(raw.reply()[0], 220)
    expect(raw.say("EHLO client.example"), 250)
    return raw


@scenario
def no_recipient_joins_between_chunks(lab):
    """RFC 3030: the envelope is closed; a 250 would promise a delivery."""
    message_id, content = message(recipient=USER1)
    with session(lab) as raw:
        expect(raw.say(MAIL), 250)
        expect(raw.say(RCPT), 250)
        raw.send(b"BDAT %d\r\n" % len(content) + content)
        expect(raw.reply()[0], 250)
        expect(raw.say(f"RCPT TO:<{USER2}>"), 503, "RCPT after BDAT")
        expect(raw.say("BDAT 0 LAST"), 250)
    expect(without_trace(lab.mta1.wait_mail(USER1, message_id)), content)


@scenario
def recipients_over_the_limit_do_not_end_the_session(lab):
    """RFC 5321 4.5.3.1.10: the others get the mail, then it goes on."""
    lab.mta1.append("main.cf", "smtpd_recipient_limit = 100")
    wait_for("the limit is in force", lambda: over_limit(lab) > 0, 10)
    message_id, content = message(recipient=USER1)
    with session(lab) as raw:
        expect(raw.say(MAIL), 250)
        raw.send(b"".join(b"RCPT TO:<user1+%d@example1.local>\r\n" % i
                          for i in range(400)))
        codes = [raw.reply()[0] for _ in range(400)]
        expect(codes, [250] * 100 + [452] * 300)
        expect(raw.say("DATA"), 354)
        raw.send(content + b".\r\n")
        expect(raw.reply()[0], 250)
        expect(raw.say(MAIL), 250, "a second transaction")
        expect(raw.say(f"RCPT TO:<user1+400@example1.local>"), 250)
    wait_for("all of them", lambda: len(lab.mta1.find(USER1, message_id))
             == 100, 30)


def over_limit(lab):
    with session(lab) as raw:
        expect(raw.say(MAIL), 250)
        raw.send(b"".join(b"RCPT TO:<user1+%d@example1.local>\r\n" % i
                          for i in range(110)))
        return sum(raw.reply()[0] == 452 for _ in range(110))


@scenario
def an_accepted_message_forgives_errors(lab):
    """One connection that carries much mail meets unknown users, too."""
    with session(lab) as raw:
        for _ in range(5):
            expect(raw.say(MAIL), 250)
            for i in range(10):
                expect(raw.say(f"RCPT TO:<nobody{i}@example1.local>"), 550)
            expect(raw.say(RCPT), 250)
            expect(raw.say("DATA"), 354)
            raw.send(b"Subject: x\r\n\r\n.\r\n")
            expect(raw.reply()[0], 250)


@scenario
def greetings_without_end(lab):
    """S11: EHLO moves nothing."""
    with session(lab) as raw:
        n = 0
        while n < 200 and raw.say("EHLO " + "x" * 200) == 250:
            n += 1
        expect_true(20 <= n < 200, f"{n} EHLO and still there")


def say_hops(lab, n):
    with session(lab) as raw:
        expect(raw.say(MAIL), 250)
        expect(raw.say(RCPT), 250)
        expect(raw.say("DATA"), 354)
        raw.send(b"Received: from x by y; now\r\n" * n
                 + b"Subject: hops\r\n\r\n\r\n.\r\n")
        return raw.reply()


@scenario
def hops_are_limited_as_the_operator_says(lab):
    """hopcount_limit: more than 50, then more than 3 (RFC 5321 6.3)."""
    expect(say_hops(lab, 50)[0], 250)
    code, text = say_hops(lab, 51)
    expect_match(f"{code} {text}", r"^554 .*5\.4\.6")
    lab.mta1.append("main.cf", "hopcount_limit = 3")
    wait_for("it is in force", lambda: say_hops(lab, 4)[0] == 554)
    expect(say_hops(lab, 3)[0], 250)


@scenario
def envelope_larger_than_the_queue_takes(lab):
    """Whatever the configuration allows: 452, and what was taken arrives."""
    lab.mta1.append("main.cf", "smtpd_recipient_limit = 9000")
    lab.mta1.append("virtual.cf", "@long.example user1@example1.local")
    mark = lab.mta1.mark()
    long = "x" * 180

    def is_in_force():
        with session(lab) as raw:
            expect(raw.say(MAIL), 250)
            return raw.say(f"RCPT TO:<{long}@long.example>") == 250
    wait_for("the alias is in force", is_in_force, 10)
    with session(lab) as raw:
        expect(raw.say(MAIL), 250)
        codes = []
        for start in range(0, 6000, 500):
            raw.send(b"".join(b"RCPT TO:<%d%s@long.example>\r\n"
                              % (i, long.encode())
                              for i in range(start, start + 500)))
            codes += [raw.reply()[0] for _ in range(500)]
            if codes[-1] != 250:
                break
        expect_true(set(codes) == {250, 452}, f"{set(codes)}")
        expect(raw.say("DATA"), 354)
        raw.send(b"Subject: x\r\n\r\n.\r\n")
        expect(raw.reply()[0], 250)
    lab.mta1.wait_queue_empty(60)
    expect_true("check" not in lab.mta1.log_since(mark), "an abort")


if __name__ == "__main__":
    main()
