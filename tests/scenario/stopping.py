#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A stop under load: who was promised a reply gets it (F12).

A message whose end was sent, and that is in the queue, was answered: its sender
does not send it again."""

import contextlib
import os
import threading
import time

from frame import Raw, Sink, expect, expect_true, main, message, scenario, \
    wait_for

USER = "user1@example1.local"
N_CLIENTS = 12
ROUNDS = 3


class Client(threading.Thread):
    """Sends message after message; notes what was answered, and what not."""

    def __init__(self, port, is_pipelining):
        super().__init__(daemon=True)
        self.port, self.is_pipelining = port, is_pipelining
        self.answered, self.open = [], None

    def run(self):
        with contextlib.suppress(OSError), Raw(self.port, 10) as c:
            c.reply()
            c.say("EHLO client.example")
            while self.send(c):
                pass

    def send(self, c):
        identity, content = message(recipient=USER, sender="a@b.example",
                                    body="x" * 60 + "\r\n")
        if c.say("MAIL FROM:<a@b.example>") != 250 or \
                c.say(f"RCPT TO:<{USER}>") != 250 or c.say("DATA") != 354:
            return False
        self.open = identity
        # Something behind the end keeps the reply in the buffer.
        c.send(content + b".\r\n" + b"RSET\r\n" * self.is_pipelining)
        if c.reply()[0] != 250:
            return False
        self.answered.append(identity)
        self.open = None
        return not self.is_pipelining or c.reply()[0] == 250


@scenario
def a_stop_loses_no_reply(lab):
    host = lab.mta1
    n_answered = 0
    for _ in range(ROUNDS):
        clients = [Client(host.ports["smtp"], n % 2 == 1)
                   for n in range(N_CLIENTS)]
        for client in clients:
            client.start()
        wait_for("all are at work",
                 lambda: all(c.answered for c in clients), 10)
        time.sleep(0.05)
        host.stop()
        for client in clients:
            client.join(10)
            expect_true(not client.is_alive(), "a client hangs")
        host.start()
        # Nothing waits for its time: a stop is no failed try.
        host.wait_queue_empty(30)
        there = b""
        for path in host.files(USER):
            with open(path, "rb") as file:
                there += file.read()
            os.unlink(path)
        answered = [i for c in clients for i in c.answered]
        n_answered += len(answered)
        expect([i for i in answered if i.encode() not in there], [],
               "answered and lost")
        expect([c.open for c in clients
                if c.open and c.open.encode() in there], [],
               "in the queue without an answer")
    expect_true(n_answered > N_CLIENTS * ROUNDS, f"{n_answered} messages")


@scenario
def what_a_stop_cuts_off_is_tried_at_once(lab):
    """A server that says nothing more to MAIL is waited for, and then left."""
    host = lab.mta1
    hold = threading.Event()

    def say_nothing(connection, _, __):
        hold.wait(20)
        connection.sendall(b"250 2.1.0 ok\r\n")
    with Sink({"MAIL": say_nothing}) as sink:
        lab.route_to_sink(sink, "slow.example")
        host.stop()
        host.start()
        _, content = message(recipient="a@slow.example")
        host.submit(USER, "a@slow.example", content)
        wait_for("MAIL", lambda: any(c.startswith("MAIL")
                                     for c in sink.commands))
        host.stop()
        del sink.replies["MAIL"]
        hold.set()
        host.start()
        wait_for("delivery", lambda: sink.messages, 5)
        host.wait_queue_empty()


main(main_cf="minimal_backoff_time = 1000s\nmaximal_backoff_time = 1000s\n")
