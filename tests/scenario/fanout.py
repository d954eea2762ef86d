#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One message to several readers of one host is one file, that each owns."""

import os
import re

from frame import expect, expect_true, main, message, scenario, wait_for

USERS = [f"reader{i}@example1.local" for i in range(1, 121)]
FULL = "full@example1.local"


def paths(host, user, ident):
    found = []
    for path in host.files(user):
        with open(path, "rb") as file:
            if ident.encode() in file.read():
                found.append(path)
    return found


@scenario
def all_have_it_and_it_is_written_once(lab):
    """More than one delivery (50 readers) and more than the router is asked
    about at a time."""
    host = lab.mta1
    ident, content = message("all", "x" * 70 + "\r\n")
    host.submit("user1@example1.local", USERS, content)
    host.wait_queue_empty()
    inodes = set()
    for user in USERS:
        found = paths(host, user, ident)
        expect(len(found), 1, f"copies for {user}")
        expect_true(host.find(user, ident)[0].endswith(content), user)
        inodes.add(os.stat(found[0]).st_ino)
        wait_for(f"tmp of {user} is empty",
                 lambda u=user: not os.listdir(host.maildir(u, "tmp")))
    expect_true(len(inodes) <= 4, f"{len(inodes)} files")


@scenario
def one_reader_changes_nothing_of_the_others(lab):
    """Flags and removal are each reader's own."""
    host = lab.mta1
    ident, content = message("own")
    host.submit("user1@example1.local",
                ["user1@example1.local", "user2@example1.local"], content)
    host.wait_mail("user2@example1.local", ident)
    host.wait_mail("user1@example1.local", ident)
    with host.imap("user1@example1.local") as imap:
        imap.select("INBOX")
        imap.store("1:*", "+FLAGS", "(\\Deleted)")
        imap.expunge()
    expect(len(host.find("user1@example1.local", ident)), 0, "first's copies")
    with host.imap("user2@example1.local") as imap:
        expect(imap.select("INBOX")[0], "OK", "SELECT")
        expect(imap.fetch("1:*", "(FLAGS)")[1][-1].count(b"Deleted"), 0)
        expect_true(content in imap.fetch("1:*", "(BODY.PEEK[])")[1][-2][1],
                    "the second's content")


@scenario
def one_without_room_holds_up_nobody(lab):
    host = lab.mta1
    ident, content = message("room", ("y" * 70 + "\r\n") * 40)
    mark = host.mark()
    host.submit("user1@example1.local", USERS[:3] + [FULL] + USERS[3:5],
                content)
    host.wait_queue_empty()
    for user in USERS[:5]:
        expect(len(host.find(user, ident)), 1, user)
    expect(len(host.find(FULL, ident)), 0, "who has no room")
    host.wait_log(rf"status=failed to=<{FULL}> code=552", mark)


@scenario
def replies_are_in_the_order_of_the_commands(lab):
    """RFC 2920 3.2: what was asked ahead of its turn is answered in it, and
    what is not the next recipient is asked anew."""
    host = lab.mta1
    good, bad = USERS[0], "nobody@example1.local"
    some = [good, bad, USERS[1], "stranger@else.example", good.upper(), bad,
            "not an address", USERS[2], f'"{good.split("@")[0]}"@example1.local'
            ]
    with host.raw() as raw:
        expect(raw.reply()[0], 220)
        expect(raw.say("EHLO client.example"), 250)
        one_by_one = []
        expect(raw.say("MAIL FROM:<a@b.example>"), 250)
        for address in some:
            one_by_one.append(raw.say(f"RCPT TO:<{address}>"))
        expect(set(one_by_one) >= {250, 550}, True, one_by_one)
        expect(raw.say("RSET"), 250)
        raw.send(("MAIL FROM:<a@b.example>\r\n" + "".join(
            f"RCPT TO:<{address}>\r\n" for address in some * 2)
            + "RSET\r\nNOOP\r\n").encode())
        expect([raw.reply()[0] for _ in range(21)],
               [250] + one_by_one * 2 + [250, 250], "pipelined")
    # Who leaves while questions are under way leaves nothing behind.
    with host.raw() as raw:
        expect(raw.reply()[0], 220)
        expect(raw.say("EHLO client.example"), 250)
        raw.send(("MAIL FROM:<a@b.example>\r\n" + "".join(
            f"RCPT TO:<{address}>\r\n" for address in USERS)).encode())
    expect(raw_greets(host), 220)


def raw_greets(host):
    with host.raw() as raw:
        return raw.reply()[0]


def setup(lab):
    accounts = lab.mta1.read_config("accounts.cf")
    some = re.search(r"(?m)^[^#|]+\|(.*)$", accounts).group(1)
    lab.mta1.append("accounts.cf", "".join(f"{user}|{some}\n"
                                           for user in USERS + [FULL]))
    lab.mta1.append("quotas.cf", f"{FULL}:2k\n")


main(setup=setup)
