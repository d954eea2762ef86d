#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""F05, F06: what the store writes beside the mail cannot be written: uidlist,
mailbox log, index, search index. Mail is read and searched, no UID is told that
could come to mean another message, and all is made when there is room."""

import os
import poplib
import re
import subprocess

from frame import (PASSWORD, Skipped, expect, expect_match, expect_true, main,
                   message, need, scenario, wait_for)
from frame_disk import SmallDisk, unmount_all
from frame_imap import USER1, USER2, ask, ok, session

INODES, OCTETS = 1500, 24 << 20
N = 70  # enough for a search index
MORE = 150  # whose lines fit in no block that is there
disk = None


def own(lab, path):
    owner = os.stat(lab.mta1.maildir(USER1))
    if os.geteuid() == 0:
        os.chown(path, owner.st_uid, owner.st_gid)


def arrive(lab, folder, first, n, user=USER1):
    """Mail as another program delivers it."""
    home = lab.mta1.maildir(user, folder)
    for i in range(first, first + n):
        content = message(f"number{i}", f"word{i} of the body\r\n")[1]
        name = f"{1760000000 + i}.M{i}P1.host,S={len(content)}"
        with open(os.path.join(home, "tmp", name), "wb") as file:
            file.write(content)
        own(lab, file.name)
        os.rename(file.name, os.path.join(home, "new", name))


def restart(lab, kill=False):
    (lab.mta1.kill if kill else lab.mta1.stop)()
    lab.mta1.start()


def select(raw, folder):
    head = "\n".join(ok(raw, f"SELECT {folder}"))
    return head, int(re.search(r"UIDVALIDITY (\d+)", head)[1]), int(
        re.search(r"\* (\d+) EXISTS", head)[1])


def rows(raw):
    """{UID: subject}"""
    text = "\n".join(ok(raw, "UID FETCH 1:* BODY.PEEK[HEADER.FIELDS "
                             "(SUBJECT)]"))
    return {int(uid): subject for uid, subject in
            re.findall(r"UID (\d+) [^\n]*\nSubject: (\S+)", text)}


def read_all(raw, n):
    """Everything of the first n messages that a client may ask for."""
    text = "\n".join(ok(raw, "FETCH 1:* (ENVELOPE BODYSTRUCTURE RFC822.SIZE "
                             "BODY.PEEK[])"))
    expect(len(re.findall(r"BODYSTRUCTURE", text)), n, "structures")
    for i in range(n):
        expect_true(f"word{i} of" in text, f"body {i}")
    for i in (0, n - 1):
        expect(ok(raw, f"SEARCH TEXT word{i}")[0].split()[2:], [str(i + 1)],
               f"SEARCH of {i}")
    expect(ok(raw, "SORT (SUBJECT) US-ASCII ALL")[0].split()[:2],
           ["*", "SORT"])


def new_ones_wait(lab, folder, use_up):
    host = lab.mta1
    with session(lab) as raw:
        ok(raw, f"CREATE {folder}")
        arrive(lab, "." + folder, 0, N)
        _, validity, n = select(raw, folder)
        expect(n, N)
        known = rows(raw)
    arrive(lab, "." + folder, N, MORE)
    for name in ("estafeta-index", "estafeta-log", "estafeta-search"):
        path = os.path.join(host.maildir(USER1, "." + folder), name)
        if os.path.exists(path):
            os.unlink(path)
    host.stop()
    use_up()
    mark = host.mark()
    host.start()
    for is_last in (False, True) if use_up == disk.use_inodes else (True,):
        with session(lab) as raw:
            head, v, n = select(raw, folder)
            expect(v, validity, "UIDVALIDITY")
            expect(n, N)
            expect_match(head, r"\* NO \[UNAVAILABLE\] ")
            expect(rows(raw), known)
            read_all(raw, N)
            ok(raw, "STORE 1 +FLAGS (\\Seen)")
        if not is_last:
            restart(lab, kill=True)
    host.wait_log(rf"ev=store\.(uidlist|index|search|log) .*mailbox=\.{folder} ",
                  mark)
    disk.free()
    with session(lab) as raw:
        head, v, n = select(raw, folder)
        expect((v, n), (validity, N + MORE), "with room")
        expect_true("* NO" not in head, f"no more trouble: {head}")
        after = rows(raw)
        expect({uid: after[uid] for uid in known}, known)
        expect(sorted(after)[N:],
               [*range(max(known) + 1, max(known) + MORE + 1)])
    restart(lab)
    with session(lab) as raw:
        expect(select(raw, folder)[1:], (validity, N + MORE))
        expect(rows(raw), after)
        read_all(raw, N + MORE)
    home = host.maildir(USER1, "." + folder)
    wait_for("all is made", lambda: {"estafeta-index", "estafeta-log",
                                     "estafeta-search"} <= {*os.listdir(home)})


@scenario
def new_ones_wait_for_an_inode(lab):
    new_ones_wait(lab, "inodes", disk.use_inodes)


@scenario
def new_ones_wait_for_a_block(lab):
    new_ones_wait(lab, "blocks", disk.use_blocks)


def uidls(host):
    """A UIDL is for ever, so without a uidlist there is no maildrop."""
    client = poplib.POP3_SSL("127.0.0.1", host.ports["pop3s"],
                             context=host.tls(), timeout=20)
    try:
        client.user(USER2)
        client.pass_(PASSWORD)
        return client.uidl()[1]
    except poplib.error_proto as error:
        return error.args[0].decode()[:15]
    finally:
        client.close()


@scenario
def without_a_uidlist_uids_do_not_stick(lab):
    """RFC 9051 7.1: each process has a UIDVALIDITY of its own, until one can
    be written."""
    host, folder, last = lab.mta1, "unlisted", 0
    with session(lab) as raw:
        ok(raw, f"CREATE {folder}")
    session(lab, USER2).close()
    arrive(lab, "." + folder, 0, N)
    arrive(lab, "", 0, 3, USER2)
    host.stop()
    for home in (host.maildir(USER1, "." + folder), host.maildir(USER2)):
        for name in os.listdir(home):
            if name.startswith(("dovecot-uidlist", "estafeta")):
                os.unlink(os.path.join(home, name))
    disk.use_inodes()
    host.start()
    for again in range(2):
        with session(lab) as raw, session(lab) as other:
            head, validity, n = select(raw, folder)
            expect_match(head, r"\* NO \[UIDNOTSTICKY\] ")
            expect(n, N)
            expect_true(validity > last, f"{validity} comes after {last}")
            last = validity
            read_all(raw, N)
            expect(select(other, folder)[1:], (validity, N), "another session")
            expect_match("\n".join(ok(other, f"STATUS {folder} (UIDVALIDITY)")),
                         f"UIDVALIDITY {validity}")
            known = rows(raw)
            with session(lab, USER2) as third:
                expect(select(third, "INBOX")[2], 3)
                expect(uidls(host), "-ERR [SYS/TEMP]")
            if again == 1:
                disk.free()
                ok(raw, "NOOP")
                head, v, n = select(other, folder)
                expect((v, n), (validity, N), "with room")
                expect_true("STICKY" not in head, head)
        restart(lab, kill=True)
    with session(lab) as raw:
        head, validity, n = select(raw, folder)
        expect((validity, n), (last, N), "it was written")
        expect(rows(raw), known)
    told = uidls(host)
    expect(len(told), 3)
    restart(lab)
    expect(uidls(host), told, "POP3")


def traced(lab, error):
    pid = [p for p, role in lab.mta1.processes().items()
           if role == "mda/store"][0]
    tracer = subprocess.Popen(
        ["strace", "-f", "-p", str(pid), "-o", "/dev/null", "-e",
         "trace=pwrite64,linkat", "-e",
         f"inject=pwrite64,linkat:error={error}:when=1+"],
        stderr=subprocess.PIPE)
    expect_true(b"attached" in tracer.stderr.readline(), "strace attaches")
    return tracer


@scenario
def other_errors_are_no_different(lab):
    need("strace")
    if lab.build == "release":
        raise Skipped("the filter is on in release builds")
    host = lab.mta1
    for error in ("EIO", "EDQUOT"):
        folder = error.lower()
        with session(lab) as raw:
            ok(raw, f"CREATE {folder}")
            arrive(lab, "." + folder, 0, N)
            _, validity, _ = select(raw, folder)
            known = rows(raw)
        arrive(lab, "." + folder, N, MORE)
        restart(lab)
        mark = host.mark()
        tracer = traced(lab, error)
        try:
            with session(lab) as raw:
                head, v, n = select(raw, folder)
                expect_match(head, r"\* NO \[UNAVAILABLE\] ")
                expect((v, n), (validity, N), error)
                expect(rows(raw), known, error)
                read_all(raw, N)
                expect_match(ask(raw, "STORE 1 +FLAGS (\\Seen)")[-1], "OK|NO")
        finally:
            tracer.terminate()
            tracer.wait()
        host.wait_log(rf"ev=store\.uidlist .*mailbox=\.{folder} ", mark)
        host.wait_log(rf"ev=store\.index .*mailbox=\.{folder} ", mark)
        with session(lab) as raw:
            head, v, n = select(raw, folder)
            expect((v, n), (validity, N + MORE), f"after {error}")
            after = rows(raw)
            expect({uid: after[uid] for uid in known}, known, error)
    expect(host.complaints(), [], "aborts")


def prepare(lab):
    global disk
    disk = SmallDisk(lab.mta1.mail, OCTETS, INODES)


if __name__ == "__main__":
    try:
        main(hosts=1, setup=prepare)
    finally:
        unmount_all()
