#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""F05: the disk of the mail is full. What needs room gets NO or stays in the
queue, reading and deleting go on, and nothing that was answered with OK is lost
or different, also after a restart."""

import os
import re

from frame import (deliver, expect, expect_match, expect_true, main,
                   message, scenario, wait_for)
from frame_disk import SmallDisk, unmount_all
from frame_imap import USER1, append, ask, ok, session

OCTETS = 12 << 20
N = 6
disk = None
told = {}  # what was answered with OK: subject -> flags


def send(lab, subject):
    with lab.mta1.smtp() as client:
        client.ehlo()
        deliver(client, "a@stranger.example", USER1,
                message(subject, "x" * 3000 + "\r\n", recipient=USER1)[1])


def look(raw, folder="INBOX"):
    """{UID: (flags, subject, octets of the body)} and the numbers."""
    head = "\n".join(ok(raw, f"SELECT {folder}"))
    text = "\n".join(ok(
        raw, "UID FETCH 1:* (FLAGS RFC822.SIZE "
             "BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))
    rows = {int(uid): (frozenset(flags.split()) - {"\\Recent"}, int(size),
                       subject) for uid, flags, size, subject in re.findall(
        r"UID (\d+) FLAGS \(([^)]*)\) RFC822.SIZE (\d+) [^\n]*\n"
        r"Subject: (\S+)", text.replace("\r", ""))}
    return rows, re.findall(r"UIDVALIDITY \d+", head)


@scenario
def what_needs_room_is_refused(lab):
    host = lab.mta1
    for i in range(N):
        send(lab, f"before{i}")
    host.wait_queue_empty()
    with session(lab) as raw:
        ok(raw, "CREATE target")
        before, numbers = look(raw)
        expect(len(before), N)
        disk.use_blocks()
        refused = 0
        for i in range(8):
            _, content = message(f"append{i}", "y" * 20000 + "\r\n")
            line = ask_append(raw, content)
            expect_match(line, r"^t\d+ NO \[(OVERQUOTA|UNAVAILABLE)")
        # Links and renames may find room: then they are there.
        for i in range(1, N + 1):
            line = ask(raw, f"COPY {i} target")[-1]
            expect_match(line, r"^t\d+ (OK|NO \[(OVERQUOTA|UNAVAILABLE))")
            told.setdefault("copied", []).append(" OK " in line)
        for i in range(1, N + 1):
            line = ask(raw, f"STORE {i} +FLAGS (\\Flagged word{i})")[-1]
            expect_match(line, r"^t\d+ (OK|NO)")
            refused += " NO " in line
        expect_true(refused > 0, "no new keyword was refused")
        ask(raw, "STORE 2 +FLAGS (\\Answered)")
        told["flags"], _ = look(raw)
        # Reading goes on.
        ok(raw, "FETCH 1:* BODY.PEEK[]")
        ok(raw, "SEARCH TEXT before3")
    send(lab, "waiting")  # the spool has room
    wait_for("the delivery is deferred", lambda: re.search(
        r"452 4\.3\.1 no space", host.queue()), 15)
    expect_true(not any("waiting" in row[2]
                        for row in told["flags"].values()), "it came")
    told["validity"] = numbers


def ask_append(raw, content):
    """The tagged line, wherever it comes."""
    raw.send(f"tA1 APPEND INBOX {{{len(content)}}}\r\n".encode())
    line = raw.line().decode()
    if not line.startswith("+"):
        return line.replace("tA1", "t1")
    raw.send(content + b"\r\n")
    return raw.tagged("tA1")[-1].replace("tA1", "t1")


@scenario
def deleting_makes_room(lab):
    with session(lab) as raw:
        ok(raw, "SELECT INBOX")
        ok(raw, "STORE 1 +FLAGS.SILENT (\\Deleted)")
        ok(raw, "EXPUNGE")
        rows, _ = look(raw)
        gone = min(told["flags"])
        del told["flags"][gone]
        expect(rows, told["flags"])


@scenario
def it_recovers_and_nothing_is_different(lab):
    host = lab.mta1
    for round_ in range(2):
        if round_ == 1:
            disk.free()
            host.flush()
            host.wait_queue_empty()
        host.stop()
        host.start()
        with session(lab) as raw:
            rows, numbers = look(raw)
            copies, _ = look(raw, "target")
        expect(numbers, told["validity"], "UIDVALIDITY")
        came = {uid: row for uid, row in rows.items()
                if row[2] == "waiting"}
        expect(len(came), round_, "the one that waited")
        rows = {uid: row for uid, row in rows.items() if uid not in came}
        expect(rows, told["flags"], f"round {round_}")
        expect(len(copies), sum(told["copied"]), "copies")
    with session(lab) as raw:
        expect_match(append(raw, "INBOX", message("after")[1])[-1],
                     r"APPENDUID")
    for folder in ("", ".target"):
        for path in host.files(USER1, folder):
            expect_true(os.path.getsize(path) > 0, f"{path} is empty")
        tmp = os.path.join(host.maildir(USER1), folder, "tmp")
        expect(os.listdir(tmp), [], "tmp/")
    expect(host.complaints(), [], "aborts")


def prepare(lab):
    global disk
    disk = SmallDisk(lab.mta1.mail, OCTETS)


if __name__ == "__main__":
    try:
        main(hosts=1, setup=prepare)
    finally:
        unmount_all()
