#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""F05, X11: the queue's disk is full. New mail gets 452; what is there goes
on, reports included; recovery needs nobody."""

import os
import re

from frame import (Sink, expect, expect_true, given, main, message, scenario,
                   wait_for)
from frame_disk import SmallDisk, unmount_all

USER1, USER2 = "user1@example1.local", "user2@example1.local"
GONE = "gone.example"
OCTETS = 76 << 20  # a segment, the reserve, and some
disk = sink = None


def send(lab, size=1000):
    """The code that the end of data got."""
    with lab.mta1.raw() as raw:
        expect(raw.reply()[0], 220)
        expect(raw.say("EHLO client.example"), 250)
        expect(raw.say("MAIL FROM:<a@b.example>"), 250)
        expect(raw.say(f"RCPT TO:<{USER2}>"), 250)
        expect(raw.say("DATA"), 354)
        raw.send(b"Subject: x\r\n\r\n" + (b"y" * 70 + b"\r\n") * (size // 72)
                 + b".\r\n")
        return raw.reply()[0]


@scenario
def mail_goes_through_while_there_is_room(lab):
    expect(send(lab), 250)
    lab.mta1.wait_queue_empty()


@scenario
def full_disk_refuses_new_mail_alone(lab):
    sink.replies["RCPT"] = "450 4.2.0 later"
    message_id, content = message(recipient=f"a@{GONE}")
    lab.mta1.submit(USER1, f"a@{GONE}", content)
    wait_for("it is deferred", lambda: re.search("4.2.0 later",
                                                 lab.mta1.queue()), 15)
    disk.use_blocks((65536,))
    codes = [send(lab, 200000) for _ in range(20)]
    expect_true(set(codes) <= {250, 451, 452}, f"{codes}")
    expect(set(codes[5:]), {452}, f"{codes}")
    expect(lab.mta1.ctl("healthcheck").returncode in (0, 1), True)
    sink.replies["RCPT"] = "550 5.1.1 never"
    lab.mta1.flush()
    wait_for("the report", lambda: any(
        b"multipart/report" in open(path, "rb").read()
        for path in lab.mta1.files(USER1)), 20)
    del sink.replies["RCPT"]
    lab.mta1.wait_queue_empty()


@scenario
def a_start_on_a_full_disk_waits_for_room(lab):
    lab.mta1.stop()
    spool = disk.path
    for name in os.listdir(spool):
        if name.endswith(".seg"):
            os.unlink(os.path.join(spool, name))
    disk.use_blocks((65536,))
    lab.mta1.start(wait=False)
    lab.mta1.wait_log("ev=queue.no-segment|ev=spool.full", 0, 15)


@scenario
def it_recovers_by_itself(lab):
    disk.free()
    began = given()
    lab.mta1.wait_ready()
    wait_for("new mail is taken", lambda: send(lab) == 250, 10)
    expect_true(given() - began < 8, "slow recovery")
    lab.mta1.wait_queue_empty()
    expect(lab.mta1.complaints(), [], "aborts")


def prepare(lab):
    global disk, sink
    disk = SmallDisk(os.path.join(lab.mta1.state, "spool"), OCTETS, mode=0o700)
    sink = Sink()
    lab.route_to_sink(sink, GONE)


if __name__ == "__main__":
    try:
        main(hosts=1, setup=prepare)
    finally:
        unmount_all()
