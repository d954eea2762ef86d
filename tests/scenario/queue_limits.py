#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Messages whose recipients are more than one try can hold (S21, S23)."""

from frame import Sink, expect, main, message, scenario, wait_for

USER1 = "user1@example1.local"
GONE = "gone.example"
N_MEMBERS, N_RCPTS = 400, 100
sink = None


@scenario
def a_list_asked_for_under_many_names(lab):
    """Each recipient becomes the same four hundred: once each."""
    message_id, content = message(recipient=USER1)
    with lab.mta1.submission(USER1) as client:
        client.docmd("MAIL", f"FROM:<{USER1}>")
        for i in range(N_RCPTS):
            expect(client.docmd("RCPT", f"TO:<list{i}@example1.local>")[0],
                   250)
        expect(client.docmd("DATA")[0], 354)
        client.send(content + b"\r\n.\r\n")
        expect(client.getreply()[0], 250)

    def recipients():
        return [r for _, rcpts, octets in list(sink.messages)
                if message_id.encode() in octets for r in rcpts]
    wait_for("all members", lambda: len(recipients()) >= N_MEMBERS, 60)
    lab.mta1.wait_queue_empty(60)
    expect(len(recipients()), len(set(recipients())), "sent once each")
    expect(lab.mta1.complaints(), [], "aborts")


def route(lab):
    global sink
    sink = Sink()
    lab.route_to_sink(sink, GONE)
    members = ",".join(f"{'m' * 180}{i}@{GONE}" for i in range(N_MEMBERS))
    for i in range(N_RCPTS):
        lab.mta1.append("virtual.cf", f"list{i}@example1.local {members}")


if __name__ == "__main__":
    main(hosts=1, setup=route)
