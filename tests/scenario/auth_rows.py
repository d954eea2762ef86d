#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rows A01 (malformed AUTH), A02 (AUTH at the wrong time), A03 (whose name), A04
(hostile names), A05 (an unknown user costs what a known one does), A06 (guesses
count over all protocols) and A07 (what is not offered is not there)."""

import base64
import os
import random
import re
import select
import socket
import statistics
import threading
import time

from frame import PASSWORD, expect, expect_true, main, scenario, wait_for

USER1 = "user1@example1.local"
USER2 = "user2@example1.local"
PROMPT_S = 1.5
FIRST_WAIT_S = 0.9
N_COSTS = 20
N_TIMED = int(os.environ.get("TIMED_LOGINS", "160"))
BATCH = 800  # connections at one time
APART_S = 0.012
CROP = 0.9


def b64(octets):
    if isinstance(octets, str):
        octets = octets.encode()
    return base64.b64encode(octets)


def session(lab, service="submissions", source=""):
    raw = lab.mta1.raw(service, 20, source)
    if service == "submissions":
        raw.start_tls(lab.mta1.tls())
    expect(raw.reply()[0], 220)
    expect(raw.say("EHLO client.example"), 250)
    return raw


def plain(user, password, acting_for=b""):
    parts = [x.encode() if isinstance(x, str) else x
             for x in (acting_for, user, password)]
    return b"AUTH PLAIN " + b64(b"\0".join(parts))


def at_once(function, cases):
    """Each in a thread: a wrong login waits, and not on others."""
    results, faults = [], []

    def run(case):
        try:
            results.append(function(case))
        except BaseException as fault:  # told below
            faults.append(fault)
    threads = [threading.Thread(target=run, args=(case,)) for case in cases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    return results


@scenario
def malformed_responses(lab):
    """A01: an error, and the session can still log in."""
    good = plain(USER1, PASSWORD)
    cases = {
        "no NUL": b"AUTH PLAIN " + b64("x"),
        "one NUL": b"AUTH PLAIN " + b64("a\0b"),
        "three": b"AUTH PLAIN " + b64("\0a\0b\0c"),
        "many": b"AUTH PLAIN " + b64("\0" * 1000),
        "empty user": plain("", PASSWORD),
        "NUL in the password": plain(USER1, PASSWORD + "\0x"),
        "empty response": b"AUTH PLAIN =",
        "no base64": b"AUTH PLAIN !!!!",
        "half base64": b"AUTH PLAIN YWI",
        "padding alone": b"AUTH PLAIN ====",
        "base64 and more": b"AUTH PLAIN YWJj YWJj",
    }

    def run(item):
        name, command = item
        with session(lab) as raw:
            code = raw.say(command)
            expect_true(code in (500, 501, 535), f"{name}: {code}")
            expect(raw.say(good), 235, f"after {name}")
    at_once(run, list(cases.items()))


@scenario
def cancelled_at_each_step(lab):
    """A01, RFC 4954 4: * is answered with 501, and nothing has happened."""
    with session(lab) as raw:
        for steps in ((b"AUTH PLAIN",), (b"AUTH LOGIN",),
                      (b"AUTH LOGIN", b64(USER1))):
            for step in steps:
                expect(raw.say(step), 334)
            expect(raw.say("*"), 501)
        expect(raw.say("MAIL FROM:<>"), 530)
        expect(raw.say(plain(USER1, PASSWORD)), 235)


@scenario
def a_response_without_end(lab):
    """A01: 12,288 octets are allowed (RFC 4954 4), not many more."""
    with session(lab) as raw:
        expect(raw.say(b"AUTH PLAIN"), 334)
        code = raw.say(b"QUFB" * 5000)
        expect_true(code in (500, 501, 0), f"{code}")
    with session(lab) as raw:
        try:
            code = raw.say(b"AUTH PLAIN " + b"QUFB" * 100_000)
        except OSError:
            code = 0  # it has hung up while we still wrote
        expect_true(code in (500, 501, 0), f"{code}")
    with session(lab) as raw:
        expect(raw.say(plain(USER1, PASSWORD)), 235, "others")


@scenario
def at_the_wrong_time(lab):
    """A02"""
    with session(lab, "submission") as raw:
        expect_true(raw.say(plain(USER1, PASSWORD)) in (530, 538),
                    "before TLS")
        expect_true(raw.say("AUTH LOGIN") in (530, 538), "before TLS")
    with session(lab) as raw:
        expect(raw.say(plain(USER1, PASSWORD)), 235)
        expect(raw.say(plain(USER1, PASSWORD)), 503, "twice")
        expect(raw.say("MAIL FROM:<>"), 250)
        expect(raw.say(plain(USER1, PASSWORD)), 503, "in a transaction")
        expect(raw.say("RSET"), 250)
        expect(raw.say(plain(USER2, PASSWORD)), 503, "another one")
    with session(lab, "smtp") as raw:
        code = raw.say(plain(USER1, PASSWORD))
        expect_true(500 <= code < 560, f"port 25: {code}")


def timed_answers(host, users):
    """Seconds from AUTH to its answer, for each of these users, who all come
    at the same time, each from an address of his own, with one password."""
    port = host.ports["submission"]
    poller = select.poll()
    sockets, began, took = {}, {}, {}
    for i, _ in enumerate(users):
        one = socket.create_connection(
            ("127.0.0.1", port), 20,
            source_address=(f"127.9.{i // 250}.{i % 250 + 1}", 0))
        one.recv(1000)
        one.sendall(b"EHLO client.example\r\n")
        while b"\n250 " not in one.recv(5000):
            pass
        sockets[one.fileno()] = (i, one)
        poller.register(one, select.POLLIN)
    order = list(sockets)
    random.shuffle(order)
    due = time.perf_counter()
    while len(took) < len(users):
        wait_s = due - time.perf_counter() if order else 20
        # One behind the other: they must not wait for each other.
        for fd, _ in poller.poll(max(0, wait_s * 1000)):
            i, one = sockets[fd]
            took[i] = time.perf_counter() - began[i]
            expect_true(one.recv(1000).startswith(b"535"), users[i])
            poller.unregister(fd)
        if order and time.perf_counter() >= due:
            fd = order.pop()
            i, one = sockets[fd]
            line = plain(users[i], "not the one") + b"\r\n"
            began[i] = time.perf_counter()
            one.sendall(line)
            due = began[i] + APART_S
    for _, one in sockets.values():
        one.close()
    return [took[i] for i in range(len(users))]


def welch(a, b):
    """The t of Welch's test that both have one mean."""
    spread = statistics.variance(a) / len(a) + statistics.variance(b) / len(b)
    return (statistics.mean(a) - statistics.mean(b)) / spread ** 0.5


@scenario
def a_clock_does_not_tell_who_exists(lab):
    """A05: |t| < 4.5, by the clock of the client."""
    host = lab.mta1
    host.stop()
    host.environment["SSL_TYPE"] = ""  # no TLS that would add noise
    host.start()
    users = [USER1 if i % 2 else "nobody@example1.local"
             for i in range(N_TIMED)]
    took = []
    while len(took) < N_TIMED:
        took += timed_answers(host, users[len(took):len(took) + BATCH])
    # The slowest were interrupted, which says nothing of whom.
    most = sorted(took)[int(CROP * N_TIMED)]
    known = [x for x in took[1::2] if x < most]
    unknown = [x for x in took[::2] if x < most]
    t = welch(known, unknown)
    host.stop()
    host.environment["SSL_TYPE"] = "auto"
    host.start()
    told = (f"t = {t:.2f}: {statistics.mean(known):.6f} s for a known user, "
            f"{statistics.mean(unknown):.6f} s else, {N_TIMED} logins")
    print(f"# {told}", flush=True)
    expect_true(abs(t) < 4.5, told)


@scenario
def mechanisms_that_are_not_offered(lab):
    """A02, A07: what EHLO does not name is 504; old tokens open nothing."""
    with session(lab) as raw:
        _, text = raw.say_text("EHLO again.example")
        offered = re.search(r"^250[ -]AUTH (.*)$", text, re.M)[1].split()
        expect_true({"PLAIN", "LOGIN"} <= set(offered), f"{offered}")
        for name in ("CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256",
                     "XOAUTH2", "OAUTHBEARER", "NTLM", "GSSAPI", "EXTERNAL",
                     "ANONYMOUS", "OTP", "PLAIN2", "x" * 30):
            if name not in offered:
                expect(raw.say(f"AUTH {name}"), 504, name)


@scenario
def nobody_acts_for_another(lab):
    """A03, A04: other identities, lookalikes, and names that are code to
    somebody; all get the same answer, and one line each in the log."""
    names = [USER1 + " ", " " + USER1, USER1 + "\n", USER1 + "\\",
             "user1\u200b@example1.local", "ｕｓｅｒ１@example1.local",
             "usеr1@example1.local", "' OR '1'='1", "*)(uid=*", "../user1",
             "%u", "${user}", "{{7*7}}", "user1", "@example1.local",
             "/etc/passwd", "a\rev=forged", 'a" ev="forged', "x" * 2000]
    mark = lab.mta1.mark()

    def run(command):
        with session(lab) as raw:
            code = raw.say(command)
            expect_true(code in (501, 535), f"{command!r}: {code}")
    at_once(run, [plain(name, PASSWORD) for name in names]
            + [plain(USER1, PASSWORD, acting_for=USER2)])
    log = lab.mta1.log_since(mark)
    expect_true("smtp.login " not in log, "somebody was let in")
    for line in log.splitlines():
        expect_true(not line.startswith("ev=forged")
                    and ' ev="forged' not in line.replace('\\"', ""),
                    f"forged: {line}")
    expect_true("role.ended" not in log, "a role died")
    with session(lab) as raw:  # RFC 4616: an authzid of one's own is fine
        expect(raw.say(plain(USER1, PASSWORD, acting_for=USER1)), 235)


def cpu_ns(lab, role):
    for pid, name in lab.mta1.processes().items():
        if name == role:
            total = 0
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat") as file:
                    total += int(file.read().split()[0])
            return total
    raise AssertionError(role)


def cost_of(lab, users):
    """Each from an address of its own: one would be blocked in the end."""
    def run(item):
        i, user = item
        with session(lab, source=f"127.0.5.{i + 1}") as raw:
            expect(raw.say(plain(user, "wrong" + user)), 535)
    def is_idle():
        at = cpu_ns(lab, "mda/auth")
        time.sleep(0.2)
        return cpu_ns(lab, "mda/auth") - at < 1_000_000
    wait_for("new accounts are looked at no more", is_idle, 20)
    before = cpu_ns(lab, "mda/auth")
    at_once(run, list(enumerate(users)))
    return cpu_ns(lab, "mda/auth") - before


@scenario
def an_unknown_user_costs_what_a_known_one_does(lab):
    """A05: processor time of the process that checks; what a client can time
    is less. Each password is another, so nothing is remembered."""
    known = cost_of(lab, [USER1] * N_COSTS)
    unknown = cost_of(lab, [f"n{i}@example1.local" for i in range(N_COSTS)])
    ratio = unknown / known
    expect_true(0.5 < ratio < 2, f"unknown {unknown} ns, known {known} ns")


def timed(function):
    began = time.monotonic()
    function()
    return time.monotonic() - began


@scenario
def guesses_count_over_all_protocols(lab):
    """A06: each failure waits, wherever it was; who knows the password does
    not, from the same address and at the same time."""
    def guess_smtp(_):
        with session(lab) as raw:
            expect(raw.say(plain(USER1, "guess")), 535)

    def guess_imap(_):
        with lab.mta1.raw("imaps") as raw:
            raw.start_tls(lab.mta1.tls())
            raw.line()
            expect_true(raw.tagged("a", f"LOGIN {USER1} guess")[-1]
                        .startswith("a NO"), "a guess")

    def guess_pop3(_):
        with lab.mta1.raw("pop3s") as raw:
            raw.start_tls(lab.mta1.tls())
            raw.line()
            raw.send(f"USER {USER1}\r\nPASS guess\r\n".encode())
            raw.line()
            expect_true(raw.line().startswith(b"-ERR"), "a guess")

    def know(_):
        with session(lab) as raw:
            expect(raw.say(plain(USER1, PASSWORD)), 235)
        lab.mta1.imap(USER1).logout()
    jobs = [guess_smtp, guess_imap, guess_pop3] * 4 + [know]
    took = at_once(lambda job: (job, timed(lambda: job(None))), jobs)
    for job, seconds in took:
        if job is know:
            expect_true(seconds < PROMPT_S, f"the owner waited {seconds:.1f}")
        else:
            expect_true(seconds > FIRST_WAIT_S, f"a guess in {seconds:.2f} s")


if __name__ == "__main__":
    main(hosts=1, main_cf="smtpd_client_connection_count_limit = 0\n")
