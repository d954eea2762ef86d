#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A10, S27: who is tried when. Slow and dead next hops hold up their own mail
alone, and one sender's ten thousand do not hold up another's one."""

import re
import threading

from frame import (Sink, expect, expect_match, expect_true, free_port, main,
                   message, scenario, wait_for)

USER1, USER2 = "user1@example1.local", "user2@example1.local"
SLOW, DEAD, MANY, QUIET = ("slow.example", "dead.example", "many.example",
                           "quiet.example")
LANE = 50  # messages of one sender that stand in line
SETTINGS = """
smtp_destination_concurrency_limit = 2
initial_destination_concurrency = 2
smtp_destination_recipient_limit = 3
minimal_backoff_time = 600s
maximal_backoff_time = 600s
soft_bounce = yes
defer_transports = relay
"""
slow = many = None


class Slow(Sink):
    """Answers the end of data when told to; counts who is inside."""

    def __init__(self):
        self.gate = threading.Semaphore(0)
        self.inside = self.most = 0
        self.lock = threading.Lock()
        super().__init__()

    def session(self, connection, reader):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.gate.acquire()
        with self.lock:
            self.inside -= 1
        super().session(connection, reader)


@scenario
def senders_take_turns_at_a_slow_next_hop(lab):
    n = 130  # more than a lane holds: some sleep in the backlog
    with lab.mta1.submission(USER1) as client:
        for i in range(n):
            client.sendmail(USER1, [f"a@{SLOW}"],
                            message(f"many {i}", recipient=f"a@{SLOW}")[1])
    wait_for("two sessions", lambda: slow.inside == 2)
    message_id, content = message("one", recipient=f"a@{SLOW}", sender=USER2)
    queue_id = lab.mta1.submit(USER2, f"a@{SLOW}", content).split()[-1]
    # It has a turn from when the router has said where it goes.
    wait_for("it stands in line", lambda: '"routed"' in lab.mta1.ctl(
        "trace", queue_id, "--json").stdout)

    def place():
        return [i for i, (_, _, octets) in enumerate(list(slow.messages))
                if message_id.encode() in octets]
    listing = lab.mta1.queue()
    expect_match(listing, rf"-- \d+ Kbytes in {n + 1} Requests")
    slow.gate.release(10000)
    wait_for("the other sender's message", place, 15)
    # It is the fourth that begins. One session may do several while the other
    # does it; without turns all of the first sender's lane would come before.
    expect_true(place()[0] < LANE // 2, f"it came as number {place()[0]}")
    wait_for("all are there", lambda: len(slow.messages) == n + 1, 20)
    expect(slow.most, 2, "sessions at once")
    lab.mta1.wait_queue_empty()


@scenario
def a_dead_next_hop_is_probed_once(lab):
    mark = lab.mta1.mark()
    with lab.mta1.submission(USER1) as client:
        for i in range(30):
            client.sendmail(USER1, [f"a{i}@{DEAD}"],
                            message(recipient=f"a{i}@{DEAD}")[1])
    lab.mta1.wait_log(r"ev=destination\.dead", mark)
    wait_for("all wait", lambda: len(re.findall(
        r"(?i)\(.*refused", lab.mta1.queue())) == 30)
    tries = re.findall(r"ev=out\.attempt .*hop=\[dead\.example\]",
                       lab.mta1.log_since(mark))
    expect_true(len(tries) <= 6, f"{len(tries)} connections for 30 messages")
    lab.mta1.ctl("queue", "delete", "ALL")
    lab.mta1.wait_queue_empty()


@scenario
def recipients_of_a_delivery_are_limited(lab):
    rcpts = [f"r{i}@{MANY}" for i in range(8)]
    lab.mta1.submit(USER1, rcpts, message(recipient=rcpts[0])[1])
    wait_for("all are there", lambda: sum(
        len(to) for _, to, _ in list(many.messages)) == 8)
    expect(sorted(len(to) for _, to, _ in many.messages), [2, 3, 3])
    lab.mta1.wait_queue_empty()


@scenario
def soft_bounce_makes_failures_wait(lab):
    many.replies["RCPT"] = "550 5.1.1 no such user"
    lab.mta1.submit(USER1, f"x@{MANY}", message(recipient=f"x@{MANY}")[1])
    wait_for("it waits", lambda: "550 no such user" in lab.mta1.queue()
             or "5.1.1" in lab.mta1.queue())
    del many.replies["RCPT"]
    lab.mta1.flush()
    lab.mta1.wait_queue_empty()


@scenario
def a_deferred_transport_waits(lab):
    lab.mta1.submit(USER1, f"x@{QUIET}", message(recipient=f"x@{QUIET}")[1])
    wait_for("it waits", lambda: "(deferred transport)" in lab.mta1.queue())
    lab.mta1.ctl("queue", "delete", "ALL")
    lab.mta1.wait_queue_empty()


def route(lab):
    global slow, many
    slow, many = Slow(), Sink()
    lab.route_to_sink(slow, SLOW)
    lab.route_to_sink(many, MANY)
    lab.mta1.append("transport.cf", f"{DEAD} smtp:[{DEAD}]:25")
    lab.mta1.append("transport.cf", f"{QUIET} relay:[{QUIET}]:25")
    lab.mta1.peers[f"[{DEAD}]:25"] = free_port()


if __name__ == "__main__":
    main(hosts=1, main_cf=SETTINGS, setup=route)
