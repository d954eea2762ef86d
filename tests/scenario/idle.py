#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""IDLE tells of new mail within 50 ms of its delivery. RUNS_ALONE and
RELEASE_ONLY: it is a measurement."""

import statistics

from frame import (Failed, deliver, expect, expect_true, given, main, message,
                   scenario, wait_for)

USER1, USER2 = "user1@example1.local", "user2@example1.local"
BAR_S = 0.050
N = 20


def idling(host, user, mailbox="INBOX"):
    """A raw connection that idles in a mailbox."""
    raw = host.raw("imap", 10)
    raw.line()
    raw.tagged("a", "STARTTLS")
    raw.start_tls(host.tls())
    lines = raw.tagged("b", f"LOGIN {user} password123")
    expect_true(lines[-1].startswith("b OK"), lines)
    lines = raw.tagged("c", f"SELECT {mailbox}")
    expect_true(lines[-1].startswith("c OK"), lines)
    raw.send(b"d IDLE\r\n")
    expect(raw.line()[:1], b"+", "IDLE")
    return raw


def wait_exists(raw):
    while True:
        line = raw.line()
        if not line:
            raise Failed("closed while idling")
        if line.endswith(b"EXISTS"):
            return int(line.split()[1])


@scenario
def new_mail_is_told_at_once(lab):
    """From the client's 250 to EXISTS: queue, LMTP, fsync and all."""
    with idling(lab.mta1, USER2) as raw, lab.mta1.smtp() as client:
        client.ehlo()
        times = []
        for i in range(N):
            deliver(client, "a@stranger.example", USER2,
                    message(recipient=USER2)[1])
            began = given()
            expect(wait_exists(raw), i + 1, "EXISTS")
            times.append(given() - began)
        print(f"# 250 to EXISTS: median {statistics.median(times) * 1e3:.1f}"
              f" ms, worst {max(times) * 1e3:.1f} ms")
        expect_true(statistics.median(times) < BAR_S,
                    f"median {statistics.median(times) * 1000:.0f} ms")
        raw.send(b"DONE\r\n")
        expect_true(raw.tagged("d")[-1].startswith("d OK"), "DONE")


@scenario
def changes_of_others_are_told(lab):
    """Flags and expunges of another session; the order of RFC 9051."""
    with lab.mta1.imap(USER2) as other:
        other.select("INBOX")
        with idling(lab.mta1, USER2) as raw:
            other.store("1", "+FLAGS", "(\\Flagged)")
            line = raw.line()
            expect_true(line.startswith(b"* 1 FETCH") and b"\\Flagged" in
                        line, f"{line!r}")
            other.store("1", "+FLAGS.SILENT", "(\\Deleted)")
            other.expunge()

            def look():
                return raw.line().startswith(b"* 1 EXPUNGE")
            wait_for("EXPUNGE", look, 5)


@scenario
def a_deleted_mailbox_is_left_at_once(lab):
    """BYE before DONE: RFC 9051 7.1.5."""
    with lab.mta1.imap(USER2) as other:
        expect(other.create("Fleeting")[0], "OK")
        with idling(lab.mta1, USER2, "Fleeting") as raw:
            began = given()
            expect(other.delete("Fleeting")[0], "OK")
            line = raw.line()
            expect_true(line.startswith(b"* BYE "), f"{line!r}")
            expect_true(given() - began < 1, "at once")
            expect(raw.line(), b"", "the connection ends")


@scenario
def many_idle_sessions_hear_it(lab):
    raws = []
    try:
        for _ in range(8):
            raws.append(idling(lab.mta1, USER1))
        with lab.mta1.smtp() as client:
            client.ehlo()
            deliver(client, "a@stranger.example", USER1, message()[1])
        for raw in raws:
            expect(wait_exists(raw), 1)
    finally:
        for raw in raws:
            raw.close()


@scenario
def memory_and_start_of_an_idle_host(lab):
    """At most 60 MiB PSS, all ports within 0.5 s."""
    host = lab.mta1
    host.stop()
    began = given()
    host.start(wait=False)
    wait_for("all ports answer", lambda: all(
        host.greets(s) for s in ("smtp", "submission", "imap")), 5)
    took = given() - began
    host.wait_ready()
    pss = 0
    for pid in host.processes():
        with open(f"/proc/{pid}/smaps_rollup") as file:
            pss += sum(int(line.split()[1]) for line in file
                       if line.startswith("Pss:"))
    print(f"# all ports after {took * 1000:.0f} ms, "
          f"{pss / 1024:.1f} MiB PSS, {len(host.processes())} processes")
    expect_true(took < 0.5, f"ports answer after {took:.2f} s")
    expect_true(pss < 60 * 1024, f"{pss / 1024:.1f} MiB")


if __name__ == "__main__":
    main(hosts=1)
