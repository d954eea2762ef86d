#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rows S06 to S11: order of commands, state after errors, sizes and limits."""

import random
import socket

from frame import (expect, expect_true, main, message, scenario,
                   without_trace)

USER1 = "user1@example1.local"
MAIL = "MAIL FROM:<a@b.example>"
RCPT = f"RCPT TO:<{USER1}>"


def session(lab, greet=True):
    raw = lab.mta1.raw()
    expect(raw.reply()[0], 220)
    if greet:
        expect(raw.say("EHLO client.example"), 250)
    return raw


@scenario
def order_of_commands(lab):
    """S08, S10: order, SIZE and BODY that lie, parameters twice or unknown."""
    cases = [  # commands, codes wanted at the last one
        ([MAIL], {503}, False),
        ([RCPT], {503}, True),
        (["DATA"], {503, 554}, True),
        (["BDAT 0 LAST"], {503, 554}, True),
        ([MAIL, "DATA"], {503, 554}, True),
        ([MAIL, MAIL], {503}, True),
        ([MAIL, RCPT, MAIL], {503}, True),
        ([MAIL, RCPT, "RSET", "DATA"], {503, 554}, True),
        ([MAIL, RCPT, "EHLO x.example", "DATA"], {503, 554}, True),
        ([MAIL, RCPT, "EHLO x.example", RCPT], {503}, True),
        ([MAIL, RCPT, "NOOP", "VRFY x", RCPT], {250}, True),
        ([MAIL, "RCPT TO:<nobody@example1.local>", "DATA"], {503, 554},
         True),
        (["HELO x.example", MAIL], {250}, False),
        (["XYZZY"], {500, 502}, True),
        (["MAIL FROM:<a@b.example> SIZE=99999999999"], {552}, True),
        (["MAIL FROM:<a@b.example> SIZE=-1"], {501}, True),
        (["MAIL FROM:<a@b.example> SIZE=1 SIZE=1"], {501}, True),
        (["MAIL FROM:<a@b.example> SIZE=18446744073709551616"], {501, 552},
         True),
        (["MAIL FROM:<a@b.example> XXX=1"], {555}, True),
        (["MAIL FROM:<a@b.example> BODY=BINARYMIME"], {250}, True),
        (["MAIL FROM:<a@b.example> BODY=BINARY"], {501, 555}, True),
        (["MAIL FROM:a@b.example"], {501, 250}, True),
        (["MAIL FROM:<a@b.example"], {501}, True),
        ([MAIL, "RCPT TO:<>"], {501, 550, 553}, True),
        (["MAIL FROM:<\xe4@b.example>"], {501, 550, 553, 555}, True),
        (["QUIT now"], {221, 501}, True),
    ]
    for commands, wanted, greet in cases:
        with session(lab, greet) as raw:
            codes = [raw.say(c.encode("latin-1")) for c in commands]
            expect_true(codes[-1] in wanted,
                        f"{commands}: got {codes}, want {wanted}")


@scenario
def body_behind_a_refused_data_is_not_executed(lab):
    """S06"""
    mark = lab.mta1.mark()
    with session(lab) as raw:
        raw.send(b"MAIL FROM:<a@b.example>\r\n"
                 b"RCPT TO:<nobody@example1.local>\r\nDATA\r\n"
                 b"MAIL FROM:<evil@evil.example>\r\n" + RCPT.encode()
                 + b"\r\nDATA\r\nSubject: smuggled\r\n\r\n.\r\nQUIT\r\n")
        raw.rest_until_closed(quiet_s=3)
    expect_true("smtp.accept" not in lab.mta1.log_since(mark),
                "the body was executed")


@scenario
def talk_before_the_greeting_is_refused(lab):
    """S07: pregreet of a stranger."""
    with lab.mta1.raw() as raw:
        raw.send(b"EHLO early.example\r\n" + MAIL.encode() + b"\r\n")
        data = raw.rest_until_closed(quiet_s=3)
        # Whether the bytes came in time is luck; never is it a 5xx that
        # goes on.
        expect_true(data.startswith((b"220", b"554", b"521", b"421")),
                    f"{data!r}")


@scenario
def state_after_a_bdat_error(lab):
    """S08, S09, CVE-2017-16943: then DATA, then a new transaction."""
    cases = (b"BDAT -1\r\n", b"BDAT +5 LAST\r\n", b"BDAT\r\n",
             b"BDAT x LAST\r\n", b"BDAT 5 LOST\r\n",
             b"BDAT 18446744073709551616 LAST\r\n",
             b"BDAT 4294967296000 LAST\r\n")
    for case in cases:
        with session(lab) as raw:
            expect(raw.say(MAIL), 250)
            expect(raw.say(RCPT), 250)
            raw.send(case)
            raw.socket.shutdown(socket.SHUT_WR)  # it may be draining
            code, text = raw.reply()
            expect_true(code in (501, 552, 421, 0), f"{case!r}: {text}")
    with session(lab) as raw:
        expect(raw.say(MAIL), 250)
        expect(raw.say(RCPT), 250)
        raw.send(b"BDAT 3\r\nabc")
        expect(raw.reply()[0], 250)
        expect(raw.say("DATA"), 503, "DATA after BDAT")
        expect(raw.say(RCPT) in (503, 250), True)
        expect(raw.say("RSET"), 250)
        message_id, content = message(recipient=USER1)
        expect(raw.say(MAIL), 250)
        expect(raw.say(RCPT), 250)
        raw.send(b"BDAT %d LAST\r\n" % len(content) + content)
        expect(raw.reply()[0], 250)
    expect(without_trace(lab.mta1.wait_mail(USER1, message_id)), content,
           "no octet of the broken transaction")


@scenario
def bdat_without_recipients_consumes_its_octets(lab):
    with session(lab) as raw:
        raw.send(b"BDAT 6 LAST\r\nNOOP\r\nNOOP\r\n")
        first = raw.reply()[0]
        expect_true(first in (503, 554), f"BDAT: {first}")
        second = raw.reply()[0]
        expect_true(second in (250, 0), f"NOOP: {second}")
        if second == 250:
            raw.send(b"QUIT\r\n")
            expect(raw.reply()[0], 221, "exactly one NOOP was executed")


@scenario
def refused_content_leaves_a_clean_state(lab):
    with session(lab) as raw:
        expect(raw.say(MAIL), 250)
        expect(raw.say(RCPT), 250)
        expect(raw.say("DATA"), 354)
        # Hop limit: 5.4.6
        raw.send(b"Received: from x by y; now\r\n" * 101
                 + b"Subject: loop\r\n\r\n\r\n.\r\n")
        code, text = raw.reply()
        expect_true(500 <= code < 600, f"loop: {code} {text}")
        expect(raw.say(RCPT), 503, "RCPT without MAIL")
        expect_true(raw.say("DATA") in (503, 554), "DATA without MAIL")
        expect(raw.say(MAIL), 250)


@scenario
def random_sequences_agree_with_the_model(lab):
    """S08: a model with three facts predicts the class of each reply."""
    seed = random.SystemRandom().randrange(10 ** 9)
    rng = random.Random(seed)
    seen = set()
    raw, n = None, 0
    while n < 3000:
        if raw is None:
            raw = session(lab, greet=False)
            greeted = mail = False
            rcpts = n_bad = 0
        verb = rng.choice(("EHLO", "HELO", "MAIL", "RCPT", "BAD RCPT",
                           "RSET", "NOOP", "VRFY", "DATA", "MAIL", "RCPT"))
        command = {"EHLO": "EHLO x.example", "HELO": "HELO x.example",
                   "MAIL": MAIL, "RCPT": RCPT,
                   "BAD RCPT": "RCPT TO:<nobody@example1.local>",
                   "VRFY": "VRFY x"}.get(verb, verb)
        wanted = {250}
        if verb == "MAIL":
            wanted = {250} if greeted and not mail else {503}
        elif verb in ("RCPT", "BAD RCPT"):
            wanted = {503} if not mail else (
                {250} if verb == "RCPT" else {550})
        elif verb == "VRFY":
            wanted = {252, 503} if not greeted else {252}
        elif verb == "DATA":
            wanted = {354} if rcpts else {503, 554}
        code = raw.say(command)
        n += 1
        if code in (0, 421):
            expect_true(n_bad >= 5, f"seed {seed}: hung up at {command} "
                        f"after {n_bad} errors")
            raw.close()
            raw = None
            continue
        expect_true(code in wanted, f"seed {seed}, command {n}: {command} in "
                    f"greeted={greeted} mail={mail} rcpts={rcpts}: got "
                    f"{code}, want {wanted}")
        seen.add((verb, code))
        n_bad += code >= 500
        if verb in ("EHLO", "HELO"):
            greeted, mail, rcpts = True, False, 0
        elif verb == "RSET":
            mail, rcpts = False, 0
        elif code == 250 and verb == "MAIL":
            mail = True
        elif code == 250 and verb == "RCPT":
            rcpts += 1
            if rcpts > 50:
                raw.close()
                raw = None
        elif code == 354:
            raw.send(b"Subject: model\r\n\r\n.\r\n")
            code, text = raw.reply()
            expect(code, 250, f"seed {seed}: {text}")
            mail, rcpts = False, 0
    for pair in (("MAIL", 250), ("MAIL", 503), ("RCPT", 250), ("RCPT", 503),
                 ("BAD RCPT", 550), ("DATA", 354)):
        expect_true(pair in seen, f"seed {seed}: {pair} never occurred")
    lab.mta1.wait_queue_empty(60)


@scenario
def long_lines_and_junk(lab):
    """S11, S13"""
    with session(lab) as raw:
        raw.send(b"NOOP " + b"x" * 70000)
        try:
            raw.send(b"y" * 200000 + b"\r\n")
        except OSError:
            pass
        data = raw.rest_until_closed(quiet_s=5)
        expect_true(data.startswith(b"500") or data == b"",
                    f"long line: {data[:200]!r}")
    with session(lab) as raw:
        code = raw.say(b"MAIL FROM:<a\0b@c.example>")
        expect_true(code in (500, 501, 553, 0), f"NUL: {code}")
    with session(lab) as raw:
        n = 0
        try:
            while n < 5000 and raw.say("NOOP") == 250:
                n += 1
        except OSError:
            pass
        expect_true(20 <= n < 5000, f"{n} NOOPs and still there")


@scenario
def too_many_errors_end_the_session(lab):
    with session(lab) as raw:
        codes = []
        for _ in range(200):
            codes.append(raw.say("BOGUS"))
            if codes[-1] in (0, 421):
                break
        expect_true(5 <= len(codes) <= 100, f"{len(codes)} errors allowed")


@scenario
def too_many_recipients_get_452(lab):
    """S23, RFC 5321 section 4.5.3.1.8: at least 100."""
    with session(lab) as raw:
        expect(raw.say(MAIL), 250)
        last = 0
        for i in range(5000):
            last = raw.say(f"RCPT TO:<user1+{i}@example1.local>")
            if last != 250:
                break
        expect(last, 452, f"after {i} recipients")
        expect_true(i >= 100, f"only {i} recipients")


@scenario
def log_lines_cannot_be_forged(lab):
    """F14: escapes and ends of line in what strangers say."""
    mark = lab.mta1.mark()
    with session(lab, greet=False) as raw:
        raw.say(b"EHLO \x1b[31mred\xe2\x80\xae")
        raw.say(b"EHLO client.example")
        raw.say(b"MAIL FROM:<\x1b[31m@b.example>")
        raw.say(MAIL)
        raw.say(b'RCPT TO:<"a ev=x id=y"@example1.local>')
        raw.say(b'RCPT TO:<"a\\\x1bb"@example1.local>')
        raw.say(b"RCPT TO:<no\x1bbody@example1.local>")
        raw.say(b"RCPT TO:<nobody@example1.local>")
        raw.send(b"RSET\n2026 forged[1] level=info ev=forged\r\n")
        raw.rest_until_closed(quiet_s=0.3)
    lab.mta1.wait_log("rcpt.reject", mark)
    text = lab.mta1.log_since(mark)
    expect_true("\x1b" not in text and "\u202e" not in text, "raw escapes")
    expect_true("\n2026 forged" not in text, "a forged line")
    expect_true(" ev=x id=y" not in text.replace('"a ev=x id=y"', "")
                .replace("<\"a", ""), "a forged field")


@scenario
def strangers_may_open_only_so_many(lab):
    """S23/F10: the limit per address is there, and others are not hurt."""
    opened = []
    refused = False
    try:
        for _ in range(400):
            s = socket.create_connection(("127.0.0.1",
                                          lab.mta1.ports["smtp"]), 5)
            s.settimeout(5)
            opened.append(s)
            if not s.recv(200).startswith(b"220"):
                refused = True
                break
    except OSError:
        refused = True
    finally:
        for s in opened:
            s.close()
    expect_true(refused, f"{len(opened)} connections of one address")
    expect_true(len(opened) > 10, f"only {len(opened)}")
    if not lab.mta1.is_ready():
        from frame import wait_for
        wait_for("free again", lab.mta1.is_ready, 10)


if __name__ == "__main__":
    main(hosts=1)
