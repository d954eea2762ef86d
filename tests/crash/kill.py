#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""F12, F13: kill -9 of any process at any time, under load, against the ledger.

    tests/crash/kill.py [--kills N] [--seed S] [--build release|dev] [--keep]

Two hosts; writers on both, relaying between them; readers that move and
expunge at once. Every process of both hosts is in a shuffled deck; each kill
takes the next card. Then the queues drain, and ledger.check() decides."""

import argparse
import collections
import contextlib
import os
import random
import shutil
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "scenario"))
import frame  # noqa: E402
import ledger as ledgers  # noqa: E402

N_WRITERS = 6
RECOVERY_BAR_S = 5.0      # L10: from the kill to all greetings
DRAIN_TIMEOUT_S = 90
MAIN_CF = """queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 3s
"""
ROLES = ("mta/in", "mta/queue", "mta/out", "mda/front", "mda/store",
         "mda/auth")
results = []


def report(claim, faults):
    name = f"crash: {claim}"
    if faults:
        print(f"not ok - {name}: {len(faults)}")
        for fault in faults[:10]:
            print(f"    {fault}")
    else:
        print(f"ok - {name}")
    sys.stdout.flush()
    results.append(not faults)


def start_load(lab, book, seed):
    mta1, mta2 = lab.hosts
    crowd = [user for user in mta1.users if user.startswith("crowd")]
    locals1 = [user for user in mta1.users if user not in crowd]
    locals2 = mta2.users
    routes = [
        (mta1, "smtp", "a@stranger.example", locals1),
        (mta1, "smtp", "a@stranger.example", locals1),
        (mta2, "smtp", "b@stranger.example", locals2),
        (mta1, "submission", locals1[0], locals2),
        (mta1, "submission", locals1[1], [locals1[1], locals2[0]]),
        (mta2, "submission", locals2[1], locals1),
        (mta1, "smtp", "c@stranger.example", crowd),
    ]
    workers = [ledgers.Writer(f"{seed}.w{i}", f"{seed} writer {i}", book,
                              routes) for i in range(N_WRITERS)]
    readers = [ledgers.Reader(f"{seed} reader 1", book, mta1, locals1[1]),
               ledgers.Reader(f"{seed} reader 2", book, mta2, locals2[0])]
    for worker in workers + readers:
        worker.start()
    return workers, readers


class Killer:
    """Takes one process after the other, and sees the host come back."""

    def __init__(self, lab, rng):
        self.lab, self.rng = lab, rng
        self.deck = []
        self.counts = collections.Counter()
        self.recoveries = []   # (seconds, role)
        self.faults = []

    def next_victim(self):
        """(host, pid, role); the deck holds names, as ids change."""
        for _ in range(1000):
            if not self.deck:
                self.deck = [(host, role) for host in self.lab.hosts
                             for role in host.processes().values()]
                self.rng.shuffle(self.deck)
            if not self.deck:
                break
            host, role = self.deck.pop()
            pids = [pid for pid, name in host.processes().items()
                    if name == role]
            if pids:
                return host, self.rng.choice(pids), role
        raise frame.Failed("there is nobody to kill")

    def kill(self):
        host, pid, role = self.next_victim()
        began = frame.given()
        os.kill(pid, signal.SIGKILL)
        self.counts[role] += 1
        print(f"# {host.name} {role} [{pid}]", flush=True)
        if pid == host.process.pid:
            self.restart(host)
        if self.rng.random() < 0.3:
            return  # the next one may strike while this one recovers
        try:
            host.wait_ready(20)
        except frame.Failed as failed:
            self.faults.append(f"{host.name} after {role}: {failed}")
            host.kill()
            host.start()
        self.recoveries.append((frame.given() - began, role))

    def restart(self, host):
        """The one that watches over all is dead; its programs must end."""
        host.process.wait()
        try:
            frame.wait_for("its programs end", lambda: not host.processes(),
                           10)
        except frame.Failed:
            self.faults.append(f"{host.name}: mailctl run was killed, left: "
                               f"{sorted(host.processes().values())}")
        host.kill()
        host.start(wait=False)


def drain(lab, writers, readers):
    for worker in writers:
        worker.ending.set()
    for worker in writers:
        worker.join(60)
    hung = [f"{worker.label} still writes" for worker in writers
            if worker.is_alive()]
    for host in lab.hosts:
        host.wait_ready(20)
    for host in lab.hosts:
        host.flush()

    def is_empty():
        return all("Mail queue is empty" in host.queue()
                   for host in lab.hosts)
    try:
        frame.wait_for("both queues are empty", is_empty, DRAIN_TIMEOUT_S)
        faults = []
    except frame.Failed as failed:
        faults = [str(failed)] + [host.queue()[-1500:] for host in lab.hosts]
    for worker in readers:
        worker.ending.set()
    for worker in readers:
        worker.join(60)
    hung += [f"{worker.user} still reads" for worker in readers
             if worker.is_alive()]
    report("the queues drain", faults + hung)


def run(lab, options):
    rng = random.Random(options.seed)
    book = ledgers.Ledger(os.path.join(lab.directory, "ledger"))
    ledgers.add_crowd(lab.mta1)
    lab.start()
    writers, readers = start_load(lab, book, options.seed)
    killer = Killer(lab, rng)
    for _ in range(options.kills):
        before = book.n["answer"]
        with contextlib.suppress(frame.Failed):
            frame.wait_for("some load", lambda: book.n["answer"] > before, 5)
        time.sleep(rng.uniform(0, 0.5))  # any time, so at random
        killer.kill()
    drain(lab, writers, readers)

    owners = {user: host for host in lab.hosts for user in host.users}
    came_to = {e["id"]: e["host"] for e in book.entries()
               if e["what"] == "try"}

    def is_remote(ident, user):
        """It was given to the other host, and relayed."""
        return came_to[ident] != owners[user].name

    verdict = ledgers.check(book, owners, readers, is_remote)
    for rule, claim in ledgers.CLAIMS.items():
        report(f"{rule} {claim}", verdict.faults[rule])
    bar_s = RECOVERY_BAR_S * (2 if options.build == "dev" else 1)
    slow = [f"{s:.1f} s after {role}" for s, role in killer.recoveries
            if s > bar_s]
    report(f"L10 ready again within {bar_s:g} s",
           killer.faults + slow)
    report("no worker met the unforeseen",
           [repr(w.bug) for w in writers + readers if w.bug])
    idle = [what for what in ("acknowledged", "acknowledged, relayed",
                              "move", "expunge", "flag")
            if verdict.counts[what] == 0]
    idle += [role for role in ROLES if options.kills >= 30
             and not any(k.startswith(role) for k in killer.counts)]
    report("every kind of event occurred", idle)
    print(f"# {dict(verdict.counts)}")
    print(f"# killed {dict(killer.counts)}")
    if killer.recoveries:
        print(f"# slowest recovery {max(killer.recoveries)[0]:.2f} s "
              f"({max(killer.recoveries)[1]})")
    for host in lab.hosts:
        report(f"{host.name} stops in peace, without complaints",
               stop(host))


def stop(host):
    try:
        host.stop()
    except frame.Failed as failed:
        return [str(failed)]
    return host.complaints()[:5]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int,
                        default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--build", default="release")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    again = (f"tests/crash/kill.py --kills {options.kills} --seed "
             f"{options.seed} --build {options.build}")
    print(f"# seed {options.seed}; again: {again}", flush=True)
    lab = None
    try:
        lab = frame.Lab(f"crash-{options.build}", 2, options.build, MAIN_CF)
        run(lab, options)
    except frame.Failed as failed:
        report("the run came to its end", [str(failed)])
    finally:
        frame.kill_all()
    if all(results) and not options.keep:
        shutil.rmtree(lab.directory, ignore_errors=True)
    elif lab:
        print(f"    kept: {os.path.relpath(lab.directory, frame.ROOT)}\n"
              f"    again: {again}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
