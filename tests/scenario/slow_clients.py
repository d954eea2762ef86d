#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""F10, A10: slow clients in every phase, and good ones that must not notice.
RUNS_ALONE RELEASE_ONLY

    SLOW_CLIENTS=10000 tests/scenario/slow_clients.py --show

Without SLOW_CLIENTS a few hundred, and only successes count; with it 10,000 or
so, and the good clients' 99th percentile is at most 1.5 of that without slow
ones (medians of rounds of the same run)."""

import json
import os
import statistics
import subprocess
import sys
import time

from frame import expect, expect_true, main, program, scenario, wait_for

N_SLOW = int(os.environ.get("SLOW_CLIENTS", "0"))
IS_TIMED = N_SLOW > 0
SHOW = "--show" in sys.argv
N_GOOD = 100 if IS_TIMED else 20
ROUND_S = 10 if IS_TIMED else 1.5
ROUNDS = 3 if IS_TIMED else 1
PAIRS = 4 if IS_TIMED else 0
PAUSE_MS = 1000 if IS_TIMED else 200
INTERVAL_MS = 5000
CROWD_SESSIONS = 5000
WORST_RATIO = 1.5
SESSION_KIB = 64
USER = "user1@example1.local"


def processor_ms(lab):
    """(used, waited for) by mta/in and mta/queue: when others have the
    machine, the 99th percentile tells of them."""
    used = waited = 0
    for pid, role in lab.mta1.processes().items():
        if role in ("mta/in", "mta/queue"):
            with open(f"/proc/{pid}/schedstat") as file:
                numbers = file.read().split()
            used += int(numbers[0]) // 1_000_000
            waited += int(numbers[1]) // 1_000_000
    return used, waited


def good_round(lab):
    before = processor_ms(lab)
    result = subprocess.run(
        [program("tests/slow"), "good", str(lab.mta1.ports["smtp"]),
         str(N_GOOD), str(ROUND_S), str(PAUSE_MS), USER],
        stdin=subprocess.DEVNULL, capture_output=True, text=True)
    expect(result.returncode, 0, f"good clients: {result.stdout}"
           f"{result.stderr[-1500:]}")
    told = json.loads(result.stdout)
    told["used_ms"], told["waited_ms"] = (
        now - then for now, then in zip(processor_ms(lab), before))
    if SHOW:
        print(told, flush=True)
    expect_true(told["n"] >= N_GOOD, f"only {told['n']} messages")
    return told


class Slow:
    """The slow clients, in a process of their own."""

    def __init__(self, lab, n):
        self.process = subprocess.Popen(
            [program("tests/slow"), "hold", str(lab.mta1.ports["smtp"]),
             str(lab.mta1.ports["submissions"]), str(n), str(INTERVAL_MS),
             USER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)

    def look(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def waiting(self):
        return {phase: told["waiting"]
                for phase, told in self.look().items()}


def memory_kib(lab):
    """Proportional set size of mta/in."""
    total = 0
    for pid, role in lab.mta1.processes().items():
        if role == "mta/in":
            with open(f"/proc/{pid}/smaps_rollup") as file:
                for line in file:
                    if line.startswith("Pss:"):
                        total += int(line.split()[1])
    return total


def look_at_first(lab, slow, n, empty_kib):
    """All of them are there, in every phase, and cost little."""
    began = time.monotonic()
    wait_for("the slow clients are there", lambda: sum(
        slow.waiting().values()) >= n * 0.95, 60)
    if SHOW:
        print(f"{n} slow clients after {time.monotonic() - began:.1f} s, "
              f"mta/in: {empty_kib} KiB, now {memory_kib(lab)} KiB\n"
              f"{slow.look()}", flush=True)
    if IS_TIMED:  # S11: of a session that has not logged in
        each = (memory_kib(lab) - empty_kib) / n
        expect_true(each < SESSION_KIB, f"{each:.1f} KiB each")
    for phase, waiting in slow.waiting().items():
        expect_true(waiting > 0, f"nobody is in {phase}")


def wait_alone(lab):
    """Until the last of the slow ones has been seen off."""
    pid = next(pid for pid, role in lab.mta1.processes().items()
               if role == "mta/in")
    wait_for("they are gone", lambda: len(os.listdir(f"/proc/{pid}/fd"))
             < N_GOOD, 60)


@scenario
def good_clients_do_not_notice_slow_ones(lab):
    n = N_SLOW or 400
    alone, loaded = [good_round(lab)], []
    empty_kib = memory_kib(lab)
    for _ in range(PAIRS):  # in turns: what else the machine does changes
        with Slow(lab, n) as slow:
            look_at_first(lab, slow, n, empty_kib)
            loaded.append(good_round(lab))
        wait_alone(lab)
        alone.append(good_round(lab))
    with Slow(lab, n) as slow:
        began = time.monotonic()
        look_at_first(lab, slow, n, empty_kib)
        loaded += [good_round(lab) for _ in range(ROUNDS)]
        if n > CROWD_SESSIONS:   # R14: gone within a minute, all of them
            wait_for("none of the first is there", lambda: all(
                told["opened"] >= 2 * n * 0.19
                for told in slow.look().values()), began + 75
                - time.monotonic())
        thrown_out = {phase: told["thrown_out"]
                      for phase, told in slow.look().items()}
        if SHOW:
            print(slow.look(), flush=True)
    if IS_TIMED:
        # A10: the deadline is that of the whole handshake, octets or not.
        expect_true(thrown_out["handshake"] > 0, "handshakes without end")
        wait_alone(lab)
        wait_for("their memory is given back", lambda: memory_kib(lab)
                 < empty_kib + n * SESSION_KIB / 20, 10)
        alone += [good_round(lab) for _ in range(ROUNDS)]
        unloaded = statistics.median(told["p99_us"] for told in alone)
        during = statistics.median(told["p99_us"] for told in loaded)
        print(f"99th percentile: {unloaded} us alone, {during} us with {n} "
              f"slow clients: {during / unloaded:.2f}, of "
              f"{len(alone)} and {len(loaded)} rounds")
        expect_true(during <= WORST_RATIO * unloaded,
                    f"{during} us, alone {unloaded} us")
    lab.mta1.wait_queue_empty(60)


if __name__ == "__main__":
    if SHOW:
        sys.argv.remove("--show")
    main(hosts=1)
