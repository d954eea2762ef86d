#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Aliases that change while a message waits: it never vanishes."""

from frame import (deliver, expect_true, free_port, main, message, scenario,
                   wait_for)

USER1 = "user1@example1.local"
ALIAS, TARGET = "list@example1.local", "someone@away.example"


@scenario
def a_circle_made_by_an_edit_is_told_to_the_sender(lab):
    """list becomes someone, who is away; then someone becomes list."""
    host = lab.mta1
    virtual = host.read_config("virtual.cf")
    host.append("transport.cf",
                f"away.example smtp:[127.0.0.1]:{free_port()}\n")
    host.write_config("virtual.cf", virtual + f"{ALIAS} {TARGET}\n")

    def explains(what):
        return what in host.ctl("route", "explain", ALIAS).stdout

    wait_for("the alias", lambda: explains(TARGET))
    with host.smtp() as client:
        client.ehlo()
        deliver(client, USER1, ALIAS, message(sender=USER1,
                                              recipient=ALIAS)[1])
    wait_for("the message waits", lambda: TARGET in host.queue()
             and "refused" in host.queue().lower())
    host.write_config("virtual.cf", virtual + f"{TARGET} {ALIAS}\n")
    wait_for("the circle", lambda: not explains("=> " + TARGET))
    host.flush()
    host.wait_queue_empty()
    reports = []

    def has_report():
        for path in host.files(USER1):
            with open(path, "rb") as file:
                content = file.read()
            if b"multipart/report" in content:
                reports.append(content)
        return reports

    wait_for("the report", has_report)
    expect_true(b"5.4.6" in reports[0], "the report says 5.4.6")


if __name__ == "__main__":
    main()
