#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A10, A36: a queue with very many deferred messages starts quickly, needs
little memory, is listed quickly, and holds up nobody.

DEFERRED_MESSAGES=200000 (make deferred) prints the figures and holds them to
the bars; the default of 20000 has bars that a busy machine keeps.
RELEASE_ONLY: it measures. RUNS_ALONE."""

import os
import re
import subprocess
import threading
import time

from frame import (ROOT, Sink, Skipped, expect_match, expect_true, main,
                   message, scenario, wait_for)

N = int(os.environ.get("DEFERRED_MESSAGES", "20000"))
IS_FULL = N >= 200000
SLACK = 1 if IS_FULL else 4
USER1 = "user1@example1.local"
HANGS, HEALTHY = "hangs.example", "healthy.example"
OCTETS_EACH = 300
READY_S, LISTING_S, FRESH_S = 2.0, 1.0, 0.05
sink = None
hanging = None


class Hanging(Sink):
    """Takes connections and says nothing."""

    def session(self, connection, reader):
        reader.read()


def queue_pid(host):
    return [pid for pid, role in host.processes().items()
            if role == "mta/queue"][0]


def private_octets(host):
    with open(f"/proc/{queue_pid(host)}/smaps_rollup") as file:
        return sum(int(line.split()[1]) * 1024 for line in file
                   if line.startswith(("Private_Dirty:", "Private_Clean:")))


def fill(lab, next_try_s):
    program = os.path.join(ROOT, "build", "release", "tests", "bench",
                           "spoolfill")
    if not os.path.exists(program):
        raise Skipped(f"{program} is not built (make deferred)")
    spool = os.path.join(lab.mta1.state, "spool")
    owner = os.stat(spool)
    for name in os.listdir(spool):
        os.unlink(os.path.join(spool, name))
    subprocess.run([program, spool, str(N), "1000", str(next_try_s)],
                   check=True, stdin=subprocess.DEVNULL, timeout=300)
    for name in os.listdir(spool):
        os.chown(os.path.join(spool, name), owner.st_uid, owner.st_gid)


def start_timed(lab):
    """Seconds from the start to the queue that is ready."""
    mark, began = lab.mta1.mark(), time.monotonic()
    lab.mta1.start(wait=False)
    wait_for("the queue is ready", lambda: "ev=queue.start" in
             lab.mta1.log_since(mark), 60)
    took = time.monotonic() - began
    lab.mta1.wait_ready(60)
    return took


def fresh(lab, n=20):
    """Median seconds from the end of data to the next hop's acceptance."""
    times = []
    for _ in range(n):
        message_id, content = message(recipient=f"a@{HEALTHY}")
        with lab.mta1.submission(USER1) as client:
            client.mail(USER1)
            client.rcpt(f"a@{HEALTHY}")
            client.docmd("DATA")
            began = time.monotonic()
            client.send(content + b".\r\n")
            client.getreply()
        wait_for("it leaves", lambda m=message_id.encode(): any(
            m in octets for _, _, octets in list(sink.messages)), 20)
        times.append(time.monotonic() - began)
    return sorted(times)[n // 2]


def report(what, got, bar):
    print(f"  {what}: {got} (bar {bar})", flush=True)


def cpu_s(host):
    with open(f"/proc/{queue_pid(host)}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def list_timed(lab):
    """The last line, seconds, and seconds of CPU of queue and command."""
    before, times = cpu_s(lab.mta1), os.times()
    began = time.monotonic()
    last = subprocess.run(
        ["sh", "-c", '"$0" queue list | tail -1', lab.mta1.bin + "/mailctl"],
        env=lab.mta1.variables(), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60).stdout
    took, after = time.monotonic() - began, os.times()
    used = (after.children_user + after.children_system
            - times.children_user - times.children_system)
    return last, took, used + cpu_s(lab.mta1) - before


@scenario
def start_memory_and_listing(lab):
    empty = private_octets(lab.mta1)
    lab.mta1.stop()
    fill(lab, 86400)
    took = start_timed(lab)
    report("ready", f"{took:.2f} s", f"{READY_S:g} s")
    each = (private_octets(lab.mta1) - empty) / N
    report("memory", f"{each:.0f} octets per message", OCTETS_EACH)
    last, listing, cpu = list_timed(lab)
    report("listing", f"{listing:.2f} s, {cpu:.2f} s of CPU in both programs",
           f"{LISTING_S:g} s")
    listing = min(listing, cpu)  # on a busy machine the rest is waiting
    expect_match(last, rf"^-- \d+ Kbytes in {N} Requests\.$")
    if lab.build == "release":
        expect_true(each <= OCTETS_EACH * (1 if IS_FULL else 1.5), f"{each}")
        expect_true(took <= READY_S * SLACK, f"ready after {took:.2f} s")
        expect_true(listing <= LISTING_S * SLACK, f"listed in {listing:.2f} s")


@scenario
def fresh_mail_passes_what_waits(lab):
    took = fresh(lab)
    report("a fresh message", f"{took * 1000:.1f} ms",
           f"{FRESH_S * 1000:.0f} ms")
    with lab.mta1.submission(USER1) as client:
        for _ in range(100):
            client.sendmail(USER1, [f"a@{HANGS}"],
                            message(recipient=f"a@{HANGS}")[1])
    took_beside = fresh(lab)
    report("beside a destination that hangs", f"{took_beside * 1000:.1f} ms",
           f"{FRESH_S * 1000:.0f} ms")
    if lab.build == "release":
        expect_true(took <= FRESH_S * SLACK, f"{took:.3f} s")
        expect_true(took_beside <= FRESH_S * SLACK, f"{took_beside:.3f} s")


@scenario
def fresh_mail_passes_a_flush_of_all(lab):
    flush = threading.Thread(target=lab.mta1.flush)
    flush.start()
    took = fresh(lab, 10)
    flush.join()
    report("while all are tried", f"{took * 1000:.1f} ms", "shown")
    listing = lab.mta1.ctl("queue", "count").stdout
    expect_true(int(listing) >= N, f"{listing} messages are left")


def route(lab):
    global sink, hanging
    sink, hanging = Sink(), Hanging()
    lab.route_to_sink(sink, HEALTHY)
    lab.route_to_sink(hanging, HANGS)
    # Nobody listens where the deferred mail would go.
    lab.mta1.append("transport.cf", "\n".join(
        f"away{i}.example smtp:[127.0.0.1]:9" for i in range(1000)))


if __name__ == "__main__":
    main(hosts=1, setup=route)
