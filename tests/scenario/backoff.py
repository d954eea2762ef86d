#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Back-off times of 0 are not taken by the word: that would be a hot loop."""

import datetime
import re

from frame import Sink, expect_true, main, message, scenario, wait_for

USER1, NEVER = "user1@example1.local", "never.example"
SETTINGS = """
minimal_backoff_time = 0s
maximal_backoff_time = 0s
queue_run_delay = 0s
"""
TRIES = 4


@scenario
def tries_are_a_second_apart(lab):
    mark = lab.mta1.mark()
    lab.mta1.submit(USER1, f"a@{NEVER}", message(recipient=f"a@{NEVER}")[1])

    def times():
        return [datetime.datetime.fromisoformat(at) for at in re.findall(
            r"^(\S+) .* ev=out\.attempt .*450", lab.mta1.log_since(mark),
            re.M)]
    wait_for("some tries", lambda: len(times()) >= TRIES, 20)
    at = times()
    for before, after in zip(at, at[1:]):
        expect_true((after - before).total_seconds() > 0.9, f"{at}")


def route(lab):
    sink = Sink()
    sink.replies["RCPT"] = "450 4.2.0 never"
    lab.route_to_sink(sink, NEVER)


if __name__ == "__main__":
    main(hosts=1, main_cf=SETTINGS, setup=route)
