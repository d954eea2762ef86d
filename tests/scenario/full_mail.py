#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""F05, F06, X11: the mail disk has no inodes, then no blocks. Mail waits in the
queue, reading and deleting go on, nothing partial is left, and recovery needs
nobody."""

import os

from frame import (expect, expect_match, expect_true, main, message,
                   scenario, wait_for, without_trace)
from frame_disk import SmallDisk, unmount_all

USER1, USER2 = "user1@example1.local", "user2@example1.local"
INODES, OCTETS = 400, 16 << 20
disk = None


def outlive(lab, use_up):
    host = lab.mta1
    before, content = message("before", recipient=USER2, body="a" * 5000 + "\r\n")
    host.submit(USER1, USER2, content)
    host.wait_mail(USER2, before)
    with host.imap(USER2) as client:  # it has its UID
        expect(client.select("INBOX")[0], "OK")
    use_up()
    mark = host.mark()
    sent_id, content = message("meanwhile", recipient=USER2, body="b" * 50000
                             + "\r\n")
    host.submit(USER1, USER2, content)
    line = host.wait_log(r"ev=delivery .* status=deferred to=<user2@.*",
                         mark)[0]
    expect_match(line, r"dsn=4\.[23]\.[0-9]")
    with host.imap(USER2) as client:
        expect(client.select("INBOX")[0], "OK")
        code, rows = client.fetch("1:*", "(BODY.PEEK[])")
        expect(code, "OK", "reading")
        expect_true(any(before.encode() in row[1] for row in rows
                        if isinstance(row, tuple)), "what was there")
        code, text = client.append("INBOX", "", None, b"x" * 100_000)
        expect(code, "NO", f"APPEND: {text}")
        expect_match(text[0], r"^\[(OVERQUOTA|UNAVAILABLE)\]")
        client.store("1", "+FLAGS", "(\\Deleted)")
        client.expunge()  # it may need what is not there
    found = [os.path.join(place, name) for place, _, names in
             os.walk(host.mail) for name in names
             if os.path.basename(place) in ("new", "tmp")]
    expect(found, [], "partial files")
    disk.free()
    host.flush()
    host.wait_queue_empty()
    expect(without_trace(host.wait_mail(USER2, sent_id)), content)
    expect(host.complaints(), [], "aborts")


@scenario
def without_inodes(lab):
    outlive(lab, disk.use_inodes)


@scenario
def without_blocks(lab):
    outlive(lab, disk.use_blocks)


@scenario
def it_works_as_before(lab):
    host = lab.mta1
    with host.imap(USER2) as client:
        client.select("INBOX")
        code, _ = client.append("INBOX", "", None, b"Subject: x\r\n\r\nx\r\n")
        expect(code, "OK")
        client.store("1:*", "+FLAGS", "(\\Deleted)")
        client.expunge()
    wait_for("the mailbox is empty", lambda: not host.files(USER2))
    expect_true("role.ended" not in host.log(), "a role died")


def prepare(lab):
    global disk
    disk = SmallDisk(lab.mta1.mail, OCTETS, INODES)


if __name__ == "__main__":
    try:
        main(hosts=1, setup=prepare, main_cf="queue_run_delay = 3000s\n"
             "minimal_backoff_time = 3000s\nmaximal_backoff_time = 3000s\n")
    finally:
        unmount_all()
