#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Much of everything: S06 and S07 (what stands behind a command that ends a
group), S09 (chunks), S11 (commands and junk without end), S12 (content over the
limit) and S23 (recipients, and what they expand to). Memory is watched."""

import re
import threading

from frame import (expect, expect_match, expect_true, given, main, message,
                   scenario, without_trace)

USER1, USER2 = "user1@example1.local", "user2@example1.local"
MAIL = "MAIL FROM:<a@b.example>"
RCPT = f"RCPT TO:<{USER1}>"
SIZE_LIMIT = 2_000_000
GROWTH_KIB = 16 * 1024  # sanitizers keep what was freed
ROLES = ("mta/in", "mta/queue")
PIECE = 1 << 16
N_SAME = 1500


def session(lab, service="smtp"):
    raw = lab.mta1.raw(service, 20)
    expect(raw.reply()[0], 220)
    expect(raw.say("EHLO client.example"), 250)
    return raw


def in_transaction(lab):
    raw = session(lab)
    expect(raw.say(MAIL), 250)
    expect(raw.say(RCPT), 250)
    return raw


def memory_kib(lab):
    total = 0
    for pid, role in lab.mta1.processes().items():
        if role in ROLES:
            with open(f"/proc/{pid}/smaps_rollup") as file:
                total += int(re.search(r"Pss:\s+(\d+)", file.read())[1])
    return total


def bounded(function):
    """Roles live, and have not grown."""
    def run(lab):
        mark = lab.mta1.mark()
        before = memory_kib(lab)
        function(lab)
        grown = memory_kib(lab) - before
        if lab.build == "release":
            expect_true(grown < GROWTH_KIB, f"{grown} KiB more")
        expect_true("role.ended" not in lab.mta1.log_since(mark), "one died")
    run.__name__, run.__doc__ = function.__name__, function.__doc__
    return scenario(run)


def flood(raw, piece, most):
    """How much was sent until it was cut off; -1: never."""
    sent = 0
    try:
        while sent < most:
            raw.send(piece)
            sent += len(piece)
    except OSError:
        return sent
    return -1


@bounded
def what_stands_behind_data_is_no_command(lab):
    """S06: 5yz and the end, whether DATA was to be taken or not."""
    inner_id, inner = message("smuggled", "evil\r\n", recipient=USER2)
    behind = (b"DATA\r\nSubject: x\r\n\r\nMAIL FROM:<e@e.example>\r\n"
              + f"RCPT TO:<{USER2}>\r\nDATA\r\n".encode() + inner
              + b".\r\nQUIT\r\n")
    for before, wanted in (
            (b"", [503]),
            (MAIL.encode() + b"\r\n", [250, 503]),
            (f"{MAIL}\r\nRCPT TO:<nobody@example1.local>\r\n".encode(),
             [250, 550, 503]),
            (f"{MAIL}\r\n{RCPT}\r\n".encode(), [250, 250, 503])):
        with session(lab) as raw:
            raw.send(before + behind)
            text = raw.rest_until_closed()
            expect([int(c) for c in re.findall(rb"(?m)^(\d{3}) ", text)],
                   wanted, f"{before!r}: {text!r}")
    lab.mta1.wait_queue_empty()
    expect(len(lab.mta1.find(USER2, inner_id)), 0, "smuggled")


@bounded
def groups_end_where_they_must(lab):
    """S07, RFC 2920 3.1: behind EHLO and STARTTLS nothing may stand; what
    stands behind QUIT is not looked at."""
    for service in ("smtp", "submission"):
        for command, wanted in ((b"EHLO x.example", b"503"),
                                (b"STARTTLS", b"503"), (b"QUIT", b"221")):
            with session(lab, service) as raw:
                raw.send(command + b"\r\n" + MAIL.encode() + b"\r\nNOOP\r\n")
                text = raw.rest_until_closed()
                expect_match(text, rf"\A{wanted.decode()} [^\n]*\n\Z",
                             f"{service} {command!r}")


@bounded
def commands_without_an_end(lab):
    """S11, RFC 5321 4.5.3.1.4: 500 5.5.2, and nobody reads on for ever."""
    for n in (513, 2000, PIECE, 1 << 20):
        with session(lab) as raw:
            try:
                raw.send(b"XYZZY " + b"x" * n + b"\r\n")
                text = raw.reply()[1]
            except OSError:
                continue  # a reset took the reply along
            expect_true(not text or re.match(r"500 5\.5\.[12] ", text),
                        f"{n}: {text!r}")
    for service in ("smtp", "submission"):
        with session(lab, service) as raw:
            sent = flood(raw, b"x" * PIECE, 1 << 30)
            expect_true(0 <= sent < 64 << 20, f"{sent} octets were read")


@bounded
def junk_without_an_end(lab):
    """S11: empty lines, RSET, NOOP: a hundred thousand in one go."""
    for line in (b"\r\n", b"RSET\r\n", b"NOOP\r\n", b"HELP\r\n", b"x\r\n",
                 b"VRFY x\r\n", b"EXPN x\r\n", b"ETRN example.org\r\n"):
        with session(lab) as raw:
            began = given()
            flood(raw, line * 10000, len(line) * 100_000)
            text = raw.rest_until_closed()
            n = text.count(b"\n")
            expect_true(n <= 150, f"{line!r}: {n} replies")
            expect_true(given() - began < 5, f"{line!r} is slow")
            # S24: 252 at most, and nothing of ETRN and EXPN.
            expect_true(not line.startswith((b"E",)) or b"250" not in text,
                        f"{text[:100]!r}")


@bounded
def content_over_the_limit_is_not_kept(lab):
    """S12: 64 MB as one line and as many; 552 at the real end."""
    for line in (b"x" * PIECE, b"x" * 70 + b"\r\n"):
        piece = line * (PIECE // len(line))
        with in_transaction(lab) as raw:
            expect(raw.say("DATA"), 354)
            raw.send(b"Subject: large\r\n\r\n")
            sent = flood(raw, piece, 64 << 20)
            if sent >= 0:
                expect_true(sent > SIZE_LIMIT, f"cut off after {sent}")
                continue
            raw.send(b"\r\n.\r\n")
            code, text = raw.reply()
            expect_match(f"{code} {text}", r"^552 .*5\.3\.4")
            expect(raw.say(MAIL), 250, "the next transaction")


@bounded
def chunks_of_lying_sizes(lab):
    """S09, RFC 3030 2: nothing wraps, nothing is believed."""
    for size in (2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 32 + 5, 2 ** 63,
                 2 ** 64 - 1, 2 ** 64, 2 ** 64 + 5, 10 ** 30):
        with in_transaction(lab) as raw:
            raw.send(b"BDAT %d LAST\r\n" % size + b"NOOP\r\n" * 3)
            text = raw.rest_until_closed(quiet_s=0.3)
            expect_true(b"\n250" not in b"\n" + text,
                        f"{size}: something was taken: {text!r}")
            expect_true(not text or text[:3] in (b"552", b"501", b"421"),
                        f"{size}: {text!r}")
    for size, wanted in ((b"0" * 20 + b"5", None), (b"0" * 100_000 + b"5", None),
                         (b"-5", 501), (b"+5", 501), (b"0x5", 501),
                         (b"5 5", 501), (b"", 501), (b"5.0", 501)):
        with in_transaction(lab) as raw:
            raw.send(b"BDAT " + size + b" LAST\r\nabcde")
            try:
                code = raw.reply()[0]
            except OSError:
                code = 0
            expect_true(code == wanted or (not wanted and code in (
                0, 250, 500, 501)), f"{size[:30]!r}: {code}")


@bounded
def the_first_chunk_is_empty_and_the_last(lab):
    """S09: an empty message is a message, and belongs to its envelope only."""
    with in_transaction(lab) as raw:
        expect(raw.say("BDAT 0 LAST"), 250)
        expect(raw.say(RCPT), 503, "the transaction is over")
        expect_true(raw.say("BDAT 0 LAST") in (503, 554), "no envelope")
        message_id, content = message(recipient=USER1)
        expect(raw.say(MAIL), 250)
        expect(raw.say(RCPT), 250)
        raw.send(b"BDAT 0\r\nBDAT 0\r\nBDAT %d LAST\r\n" % len(content)
                 + content)
        expect([raw.reply()[0] for _ in range(3)], [250] * 3)
    expect(without_trace(lab.mta1.wait_mail(USER1, message_id)), content)


@bounded
def chunks_of_one_octet(lab):
    """S09: a million, pipelined."""
    n = 1_000_000 if lab.build == "release" else 20_000
    message_id, content = message(recipient=USER1, body="x" * n + "\r\n")
    octets = b"".join(b"BDAT 1\r\n" + bytes([c]) for c in content)
    with in_transaction(lab) as raw:
        sender = threading.Thread(
            target=raw.send, args=(octets + b"BDAT 0 LAST\r\n",))
        sender.start()
        left, rest = len(content) + 1, b""
        while left:
            octets = raw.socket.recv(1 << 20)
            expect_true(octets, f"closed, {left} replies missing")
            *lines, rest = (rest + octets).split(b"\r\n")
            expect([x for x in lines if not x.startswith(b"250 ")], [])
            left -= len(lines)
        sender.join()
    expect(without_trace(lab.mta1.wait_mail(USER1, message_id)), content)


@bounded
def a_chunk_that_ends_too_early(lab):
    """S09: what follows is content, to the octet that was told."""
    content = b"Subject: short\r\n\r\n"
    with in_transaction(lab) as raw:
        raw.send(b"BDAT %d LAST\r\n" % (len(content) + 12) + content
                 + b"NOOP\r\nNOOP\r\n" + b"RSET\r\n")
        expect([raw.reply()[0] for _ in range(2)], [250, 250])
        raw.send(b"QUIT\r\n")
        expect(raw.reply()[0], 221, "no NOOP was run")


@bounded
def one_recipient_many_times(lab):
    """S23: a limit, and one copy."""
    message_id, content = message(recipient=USER1)
    with session(lab) as raw:
        expect(raw.say(MAIL), 250)
        raw.send(f"{RCPT}\r\n".encode() * N_SAME)
        codes = [raw.reply()[0] for _ in range(N_SAME)]
        n = codes.count(250)
        expect_true(n >= 100, f"{n} were taken")
        expect(codes, [250] * n + [452] * (N_SAME - n))
        expect(raw.say("DATA"), 354)
        raw.send(content + b".\r\n")
        expect(raw.reply()[0], 250)
    lab.mta1.wait_mail(USER1, message_id)
    lab.mta1.wait_queue_empty()
    expect(len(lab.mta1.find(USER1, message_id)), 1, "copies")


@bounded
def one_recipient_that_is_a_million(lab):
    """S23: the expansion ends, it is put off and not bounced, and others are
    not held up."""
    message_id, content = message(recipient="million@example1.local")
    mark = lab.mta1.mark()
    with session(lab) as raw:
        expect(raw.say(MAIL), 250)
        began = given()
        code = raw.say("RCPT TO:<million@example1.local>")
        expect_true(given() - began < 5, "RCPT waited")
        if code == 250:
            expect(raw.say("DATA"), 354)
            raw.send(content + b".\r\n")
            expect(raw.reply()[0], 250)
            lab.mta1.wait_log(r"status=deferred to=<million@", mark)
            expect_match(lab.mta1.queue(), "million@example1.local")
        else:
            expect_true(400 <= code < 500, f"{code}")
    other_id, other = message(recipient=USER1)
    began = given()
    lab.mta1.submit(USER1, USER1, other)
    lab.mta1.wait_mail(USER1, other_id)
    expect_true(given() - began < 5, "others waited")
    for user in (USER1, USER2):
        expect(len(lab.mta1.find(user, message_id)), 0, "a part of it")
    lab.mta1.ctl("-d", "ALL", name="postsuper")


def setup(lab):
    """million -> 100 lists -> 100 lists of 100 each."""
    def line(name, under, n):
        return (f"{name}@example1.local "
                + ", ".join(f"{under}{i}@example1.local" for i in range(n)))
    lines = [line("million", "a", 100)]
    lines += [line(f"a{i}", f"b{i}-", 100) for i in range(100)]
    lines += [line(f"b0-{i}", f"c{i}-", 100) for i in range(100)]
    lab.mta1.append("virtual.cf", "\n".join(lines))
    lab.mta1.append("main.cf", f"message_size_limit = {SIZE_LIMIT}\n"
                    "smtpd_recipient_limit = 1000\n")


if __name__ == "__main__":
    main(hosts=1, setup=setup)
