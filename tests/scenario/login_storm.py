#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A05, A06: a storm of wrong passwords, each from another address and for
another login, so that each costs a hash; users who log in meanwhile must not
notice.

    STORM_SECONDS=6 tests/scenario/login_storm.py        (make storm)

Without STORM_SECONDS it is short, and only that everybody comes in counts. With
it, users who log in again and again take at most 1.5 times as long as without
(short rounds by turns, each pair compared: other load meets both). Beside it are shown users whose password
must be verified again, who go before all strangers, and those who come for the
first time: nobody can tell them from guessers, and they wait for their turn."""

import json
import os
import signal
import statistics
import subprocess
import time

from frame import (PASSWORD, expect, expect_true, main, program, scenario,
                   wait_for)

SECONDS = float(os.environ.get("STORM_SECONDS", "0"))
IS_TIMED = SECONDS > 0
ROUND_S = 1 if IS_TIMED else 0.5
ROUNDS = max(1, int(SECONDS / (2 * ROUND_S)))
SETTLED_S = 0.3      # until what is under way is answered, or begins
N_GOOD, PAUSE_MS = 20, 50
N_WRONG = 1000 if IS_TIMED else 100
N_USERS = 20
N_FIRST = N_USERS    # of two rounds, who were never here
WORST_RATIO = 1.5


def setup(lab):
    host = lab.mta1
    write_accounts(host)
    host.write_config("quotas.cf", "")
    host.environment["SSL_TYPE"] = ""


def write_accounts(host):
    """With a hash that was not there before: what was verified counts no more.
    Who has logged in from where is known still."""
    secret = host.ctl("pw", "-s", "SHA512-CRYPT", "-p", PASSWORD)
    expect(secret.returncode, 0, secret.stderr)
    host.write_config("accounts.cf", "".join(
        f"i{i}@{host.domain}|{secret.stdout.strip()}\n"
        for i in range(N_USERS + 2 * N_FIRST)))


def good(lab, seconds, users, first=0, pause_ms=PAUSE_MS):
    """pause_ms as long as the time: each logs in once."""
    result = subprocess.run(
        [program("tests/storm"), "good", str(lab.mta1.ports["imap"]),
         str(N_GOOD), str(seconds), str(pause_ms), lab.mta1.domain, PASSWORD,
         str(users), str(first)], stdin=subprocess.DEVNULL,
        capture_output=True, text=True)
    expect(result.returncode, 0, f"good users: {result.stderr[-500:]}")
    return json.loads(result.stdout)


def again_and_new(lab, n_first):
    """Those who are known, by a new hash; and some who were never here."""
    host = lab.mta1
    mark = host.mark()
    write_accounts(host)
    host.wait_log("auth.accounts", mark)
    return (good(lab, 0.05, N_USERS, pause_ms=1000),
            good(lab, 0.05, N_FIRST, n_first, pause_ms=1000))


class Storm:
    def __init__(self, lab):
        self.process = subprocess.Popen(
            [program("tests/storm"), "wrong", str(lab.mta1.ports["imap"]),
             str(N_WRONG), lab.mta1.domain], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        self.began = time.monotonic()

    def __enter__(self):
        wait_for("the first are refused", lambda: self.refused() > 0, 30)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.close()
        self.process.wait(30)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(SETTLED_S)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)
        time.sleep(SETTLED_S)

    def refused(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["refused"]


@scenario
def users_do_not_notice_a_storm_of_wrong_passwords(lab):
    good(lab, 0.5, N_USERS, pause_ms=10)  # all are known now
    ratios = []
    again = [again_and_new(lab, N_USERS)]
    with Storm(lab) as wrong:
        for _ in range(ROUNDS):
            wrong.pause()
            calm = good(lab, ROUND_S, N_USERS)
            wrong.go_on()
            storm = good(lab, ROUND_S, N_USERS)
            ratios.append(storm["median_us"] / calm["median_us"])
            print(f"# calm {calm}, storm {storm}", flush=True)
        again.append(again_and_new(lab, N_USERS + N_FIRST))
        n_refused = wrong.refused()
        took_s = time.monotonic() - wrong.began - ROUNDS * (
            ROUND_S + SETTLED_S)
    for what, calm, storm in zip(("verified again", "for the first time"),
                                 *again):
        print(f"# {what}: calm {calm}, storm {storm}")
    ratio = statistics.median(ratios)
    print(f"# {n_refused / took_s:.0f} wrong passwords a second; "
          f"users who log in again take {ratio:.2f} times as long", flush=True)
    expect_true(n_refused > 10, "there was no storm")
    if IS_TIMED:
        expect_true(ratio <= WORST_RATIO, f"{ratio:.2f} times")
        verified, first = again[1]
        expect_true(verified["p99_us"] < first["median_us"],
                    "who is known goes first")


if __name__ == "__main__":
    main(hosts=1, setup=setup)
