#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The store's own files damaged (F06): mailbox log, index and snapshot deleted,
cut, changed at each kind of octet, of another version. All mail stays
readable, no UID changes, modification sequences only rise, the log says so."""

import os
import re

from frame import Failed, expect, expect_true, main, scenario, wait_for
from frame_imap import USER1, append, ok, session

N_SMALL, N_LARGE = 4, 520
FILES = {"estafeta-log": "store.log", "estafeta-index": "store.index",
         "estafeta-snapshot": "store.snapshot"}
HEADS = {"estafeta-log": 64, "estafeta-index": 20, "estafeta-snapshot": 256}


def flip(place):
    def change(octets, head):
        at = place(len(octets), head)
        return (octets[:at] + bytes([octets[at] ^ 0x41])
                + octets[at + 1:])
    return change


#   name: how the octets change; None: the file is deleted
DAMAGES = {
    "deleted": None,
    "empty": lambda octets, head: b"",
    "half a head": lambda octets, head: octets[:head // 2],
    "a head alone": lambda octets, head: octets[:head],
    "half": lambda octets, head: octets[:len(octets) // 2],
    "the last octet missing": lambda octets, head: octets[:-1],
    "magic": flip(lambda n, head: 0),
    "version": flip(lambda n, head: 8),
    "UIDVALIDITY": flip(lambda n, head: 12),
    "sum of the head": flip(lambda n, head: head - 1),
    "first record": flip(lambda n, head: head),
    "its sum": flip(lambda n, head: head + 4),
    "its content": flip(lambda n, head: head + 16),
    "middle": flip(lambda n, head: n // 2),
    "last octet": flip(lambda n, head: n - 1),
    "noise": lambda octets, head: bytes(i * 37 % 251 for i in
                                        range(len(octets))),
}
# What a store cannot tell from a file that never was, or ended so.
SILENT = {"deleted", "empty"}
SILENT_INDEX = SILENT | {"a head alone"}


def path_of(lab, folder, name):
    return os.path.join(lab.mta1.maildir(USER1), "." + folder, name)


def fill_large(lab, folder):
    cur = path_of(lab, folder, "cur")
    owner = os.stat(cur)
    for i in range(N_LARGE):
        path = os.path.join(cur, f"{1700000000 + i}.M{i}P1.host,S=13,W=13:2,"
                                 f"{'S' if i % 2 else ''}")
        with open(path, "wb") as file:
            file.write(b"Subject: " + b"%04d" % i)
        if os.geteuid() == 0:
            os.chown(path, owner.st_uid, owner.st_gid)


def look(raw, folder):
    """What must not change; and HIGHESTMODSEQ, which may rise."""
    head = "\n".join(ok(raw, f"SELECT {folder}"))
    rows = ok(raw, "FETCH 1:* (UID FLAGS RFC822.SIZE ENVELOPE)")[:-1]
    rows = [re.sub(r"\\Recent ?", "", row) for row in rows]
    texts = ok(raw, "FETCH 1:* BODY.PEEK[]")[:-1]
    numbers = "\n".join(ok(raw, "FETCH 1:* MODSEQ"))
    highest = int(re.search(r"HIGHESTMODSEQ (\d+)", head).group(1))
    largest = max(map(int, re.findall(r"FETCH .*MODSEQ \((\d+)\)",
                                      numbers)))
    expect_true(largest <= highest, f"{folder}: {largest} > {highest}")
    ok(raw, "UNSELECT")
    return (re.search(r"UIDVALIDITY (\d+)", head).group(1),
            re.search(r"UIDNEXT (\d+)", head).group(1),
            re.search(r"MAILBOXID \(\S+\)", head).group(0),
            sorted(rows), texts), highest


def damage(path, change, head):
    if change is None:
        os.unlink(path)
        return
    with open(path, "r+b") as file:
        octets = file.read()
        changed = change(octets, head)
        expect_true(changed != octets, f"{path} is as it was")
        file.seek(0)
        file.write(changed)
        file.truncate()


def damage_all(lab, plan):
    """plan: folder -> (file, name of the damage)."""
    with session(lab) as raw:
        before = {folder: look(raw, folder) for folder in plan}
    for folder, (name, _) in plan.items():
        wait_for(f"{name} of {folder}",
                 lambda: os.path.exists(path_of(lab, folder, name)))
    lab.mta1.stop()
    for folder, (name, kind) in plan.items():
        damage(path_of(lab, folder, name), DAMAGES[kind], HEADS[name])
    mark = lab.mta1.mark()
    lab.mta1.start()
    faults = []
    with session(lab) as raw:
        for folder, (name, kind) in plan.items():
            same, highest = look(raw, folder)
            if same != before[folder][0]:
                faults.append(f"{name}, {kind}: other mail or UIDs")
            if highest < before[folder][1]:
                faults.append(f"{name}, {kind}: {highest} is below")
            append(raw, folder, b"Subject: more\r\n\r\nx\r\n")
            uid = int(before[folder][0][1])
            if not any(re.search(rf"UID {uid}\b", row) for row in look(
                    raw, folder)[0][3]):
                faults.append(f"{name}, {kind}: no UID {uid} after APPEND")
    said = lab.mta1.log_since(mark)
    for folder, (name, kind) in plan.items():
        silent = SILENT_INDEX if name == "estafeta-index" else SILENT
        if kind not in silent and not re.search(
                rf"ev={FILES[name]} .*mailbox=\.{folder} ", said):
            faults.append(f"{name}, {kind}: no line in the log")
    if faults:
        raise Failed("; ".join(faults))


@scenario
def log_and_index_damaged(lab):
    plan = {}
    with session(lab) as raw:
        for name in ("estafeta-log", "estafeta-index"):
            for kind in DAMAGES:
                folder = f"d{len(plan)}"
                plan[folder] = (name, kind)
                ok(raw, f"CREATE {folder}")
                for i in range(N_SMALL):
                    append(raw, folder,
                           f"Subject: {i}\r\n\r\nText {i}\r\n".encode())
                ok(raw, f"SELECT {folder}")
                ok(raw, "STORE 2 +FLAGS.SILENT (\\Flagged word)")
                ok(raw, "STORE 3 +FLAGS.SILENT (\\Deleted)")
                ok(raw, "EXPUNGE")
                ok(raw, "UNSELECT")
    damage_all(lab, plan)


@scenario
def snapshot_damaged(lab):
    plan = {}
    with session(lab) as raw:
        for kind in ("deleted", "half", "version", "its content", "noise"):
            folder = f"s{len(plan)}"
            plan[folder] = ("estafeta-snapshot", kind)
            ok(raw, f"CREATE {folder}")
            fill_large(lab, folder)
    damage_all(lab, plan)


if __name__ == "__main__":
    main(hosts=1)
