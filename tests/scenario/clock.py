#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""F11: the wall clock jumps, ahead and back, while mail waits and across a
restart: nothing expires by it, nothing is there twice, names and UIDs stay
unique, limits recover. RELEASE_ONLY: the clock is put before libc."""

import contextlib
import os
import poplib
import re
import struct
import time

from frame import (PASSWORD, Sink, expect, expect_match, expect_true, given,
                   main, message, program, scenario, wait_for)

USER1, USER2 = "user1@example1.local", "user2@example1.local"
WAITING = "waiting.example"
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400
YEARS_S = 3650 * DAY_S
LIFETIME_S = 5 * DAY_S
MIN_ATTEMPTS = 4  # one more than what keeps a message in any case
sink = None
clock = None


def setup(lab):
    global sink, clock
    sink = Sink({"RCPT": "450 4.2.0 later"})
    lab.route_to_sink(sink, WAITING)
    clock = os.path.join(lab.directory, "clock")
    set_clock(0)
    os.chmod(clock, 0o644)
    lab.mta1.environment["CLOCK_FILE"] = clock
    lab.mta1.environment["LD_PRELOAD"] = program("tests/moved.so")


def set_clock(seconds, monotonic_s=0):
    """In place: it is mapped."""
    mode = "r+b" if os.path.exists(clock) else "wb"
    with open(clock, mode, buffering=0) as file:
        file.write(struct.pack("=qq", seconds * 1_000_000,
                               monotonic_s * 1_000_000))


def tries(host):
    return len(re.findall(
        rf"ev=delivery .*status=deferred to=<\S*@{WAITING}>", host.log()))


def try_all(host, n, times=2):
    """Each of n messages, so often."""
    for _ in range(times):
        before = tries(host)
        host.flush()
        wait_for(f"{n} more tries", lambda: tries(host) >= before + n)


def waits(host, n):
    """All that waited still does, and nobody was told that it failed."""
    listing = host.queue()
    waiting = re.findall(rf"(?m)^ {{41}}\S+@{WAITING}$", listing)
    expect(len(waiting), n, listing)
    reports = [path for path in host.files(USER1)
               if b"multipart/report" in open(path, "rb").read()]
    expect(reports, [], "reports")



@scenario
def the_clock_of_the_test_is_believed(lab):
    host = lab.mta1
    mark = host.mark()
    set_clock(YEARS_S)
    host.wait_log(r"ev=queue\.clock-jumped s=31536\d{4} ", mark)
    wait_for("a line of the future", lambda: str(
        time.gmtime().tm_year + 9) in host.log_since(mark) or str(
        time.gmtime().tm_year + 10) in host.log_since(mark))
    set_clock(0)
    host.wait_log(r"ev=queue\.clock-jumped s=-31536\d{4} ", mark)


@scenario
def jumps_while_mail_waits_expire_nothing(lab):
    host = lab.mta1
    for i in range(3):
        host.submit(USER1, f"a{i}@{WAITING}", message()[1])
    try_all(host, 3, MIN_ATTEMPTS)
    for seconds in (YEARS_S, YEARS_S - DAY_S, 0, -DAY_S, HOUR_S, 0):
        set_clock(seconds)
        try_all(host, 3)
        waits(host, 3)


@scenario
def a_jump_across_a_restart_expires_nothing(lab):
    """Also when everything was killed, so that nothing could be noted."""
    host = lab.mta1
    for seconds, stop in ((YEARS_S, host.stop), (0, host.stop),
                          (LIFETIME_S * 2, host.kill), (-DAY_S, host.kill),
                          (0, host.stop)):
        stop()
        set_clock(seconds)
        host.start()
        try_all(host, 3)
        waits(host, 3)


@scenario
def names_and_uids_stay_unique(lab):
    """Delivered before, during and after jumps: each once, UIDs rise, and a
    client's UIDVALIDITY stays."""
    host = lab.mta1
    ids, uids, queue_ids = [], [], []
    with host.imap(USER2) as client:
        for seconds in (0, YEARS_S, 0, -DAY_S, -DAY_S, HOUR_S, 0):
            set_clock(seconds)
            for _ in range(3):
                message_id, content = message(recipient=USER2)
                queue_ids.append(host.submit(USER1, USER2, content)
                                 .split()[-1])
                ids.append(message_id)
                host.wait_mail(USER2, message_id)
            client.select("INBOX")
            uids.append((client.response("UIDVALIDITY")[1][0],
                         client.uid("SEARCH", "ALL")[1][0].split()))
    expect(len(set(queue_ids)), len(queue_ids), "queue ids")
    expect({uv for uv, _ in uids}, {uids[0][0]}, "UIDVALIDITY")
    last = [int(uid) for uid in uids[-1][1]]
    expect(last, sorted(set(last)), "UIDs rise")
    expect(len(last), len(ids), "messages")
    for _, before in uids:
        expect(before, uids[-1][1][:len(before)], "a UID changed")
    made = [re.search(rb"(?m)^Message-ID: <(.*)>", c)[1] for c in
            submitted_without_ids(host, 4)]
    expect(len(set(made)), len(made), "made Message-IDs")


def submitted_without_ids(host, n):
    """What submission completes (RFC 6409 8), at one and the same time."""
    subject = f"bare {time.time_ns()}"
    for i in range(n):
        set_clock(-DAY_S * (i % 2))
        host.submit(USER1, USER2, f"From: <{USER1}>\r\nSubject: {subject}"
                    "\r\n\r\nx\r\n".encode())

    def look():
        found = [open(path, "rb").read() for path in host.files(USER2)]
        found = [c for c in found if subject.encode() in c]
        return found if len(found) == n else None
    found = wait_for("all of them", look)
    set_clock(0)
    return found


@scenario
def limits_recover(lab):
    """Rates and waits are on the other clock: a day back stops nobody."""
    host = lab.mta1
    set_clock(YEARS_S)
    with host.raw() as raw:
        expect(raw.reply()[0], 220)
        expect(raw.say("EHLO x"), 250)
        set_clock(-DAY_S)
        expect(raw.say("NOOP"), 250, "a session lives on")
    message_id, content = message(recipient=USER2)
    began = given()
    host.submit(USER1, USER2, content)
    host.wait_mail(USER2, message_id)
    expect_true(given() - began < 5, "mail is slow now")
    set_clock(0)


@scenario
def readers_who_sleep_are_logged_out(lab):
    """RFC 9051 5.4: after 30 minutes and not before; RFC 1939 3: after 10, and
    nothing is said or removed. A new client wakes the loop that sleeps."""
    host = lab.mta1
    message_id, content = message(recipient=USER2)
    host.submit(USER1, USER2, content)
    host.wait_mail(USER2, message_id)
    n = len(host.files(USER2))
    imap = host.imap(USER1)
    with contextlib.closing(
            poplib.POP3_SSL("127.0.0.1", host.ports["pop3s"],
                            context=host.tls(), timeout=20)) as pop3:
        pop3.user(USER2)
        pop3.pass_(PASSWORD)
        imap.noop()
        pop3.dele(1)

        def go_on_to(seconds):
            set_clock(0, seconds)
            host.imap(USER2).logout()
        go_on_to(9 * MINUTE_S)
        expect(pop3.noop()[:3], b"+OK")
        go_on_to((9 + 11) * MINUTE_S)
        expect(pop3.file.read(), b"", "what is said at the end")
        go_on_to(29 * MINUTE_S)
        imap.noop()
        go_on_to((29 + 31) * MINUTE_S)
        expect_match(imap.readline().decode(), r"^\* BYE .*idle")
        expect(imap.readline(), b"")
        imap.shutdown()
    set_clock(0)
    expect(len(host.files(USER2)), n, "mail that nobody removed")


@scenario
def mail_that_waited_arrives_in_the_end(lab):
    host = lab.mta1
    waits(host, 3)
    del sink.replies["RCPT"]
    host.flush()
    host.wait_queue_empty()
    expect(len(sink.messages), 3, "deliveries")
    expect(re.findall(r"ev=role\.ended.* signal=(?!0 |9 ).*", host.log()), [],
           "roles that died")


if __name__ == "__main__":
    main(hosts=1, setup=setup, main_cf="""queue_run_delay = 0s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
""")
