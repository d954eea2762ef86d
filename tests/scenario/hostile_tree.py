#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""F01: a mail tree that somebody else can write to: links, FIFOs, devices,
directories and odd names where messages belong, and folders that turn into
links while mail is delivered. Nothing is followed, nothing hangs, nothing is
read or written elsewhere."""

import contextlib
import imaplib
import os
import re
import shutil
import stat
import subprocess
import threading
import time

from frame import (PASSWORD, expect, expect_match, expect_true, given, main,
                   message, scenario, wait_for)

USER1, USER2 = "user1@example1.local", "user2@example1.local"
SECRET = b"Subject: secret\r\n\r\nthe secret of another\r\n"
PROMPT_S = 5
SWAP_S = 2.5
RACES = ("new", "tmp", "cur", "")


def own(host, path, like):
    """As if the owner of the tree had made it."""
    owner = os.stat(like)
    with contextlib.suppress(OSError):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def outside(lab, name):
    """A folder that is none of the mail tree, where all may write."""
    path = os.path.join(lab.directory, name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    os.chmod(path, 0o777)
    return path


def plant(lab, host, user):
    """{name: what}; each in new/ and in cur/."""
    secret = os.path.join(outside(lab, "elsewhere"), "secret")
    with open(secret, "wb") as file:
        file.write(SECRET)
    os.chmod(secret, 0o644)
    for sub, end in (("new", ""), ("cur", ":2,S")):
        folder = os.path.join(host.maildir(user), sub)

        def at(name):
            return os.path.join(folder, name + end)
        os.symlink(secret, at("1.link"))
        os.symlink("/dev/zero", at("2.zero"))
        os.symlink("/nowhere", at("3.dangling"))
        os.symlink(folder, at("4.circle"))
        os.mkfifo(at("5.fifo"))
        os.mkdir(at("6.directory"))
        with contextlib.suppress(PermissionError):
            os.mknod(at("7.device"), stat.S_IFCHR | 0o666, os.makedev(1, 5))
        with open(at("8.unreadable"), "wb") as file:
            file.write(SECRET)
        os.chmod(at("8.unreadable"), 0)  # and root's: not the store's
        with open(os.path.join(folder, "9.junk:2,ZZ\x01\x02()\"\\{9}"),
                  "wb") as file:
            file.write(b"Subject: junk flags\r\n\r\nx\r\n")
        with open(os.path.join(folder, "n" * 255), "wb") as file:
            file.write(b"Subject: long name\r\n\r\nx\r\n")
        for name in os.listdir(folder):
            if "unreadable" not in name:
                own(host, os.path.join(folder, name), folder)


def clean(host, user):
    """What the test itself must not open."""
    for path in host.files(user):
        mode = os.lstat(path).st_mode
        if stat.S_ISDIR(mode):
            os.rmdir(path)
        elif not stat.S_ISREG(mode) or "unreadable" in path:
            os.unlink(path)


@scenario
def what_is_no_message_is_not_read(lab):
    host = lab.mta1
    message_id, content = message(recipient=USER1)
    host.submit(USER1, USER1, content)
    host.wait_mail(USER1, message_id)
    mark = host.mark()
    plant(lab, host, USER1)
    began = given()
    with host.imap(USER1) as client:
        code, _ = client.select("INBOX")
        expect(code, "OK")
        for what in ("(FLAGS RFC822.SIZE ENVELOPE)", "(BODY.PEEK[])"):
            # One cannot be read, so NO; the others are told all the same.
            client.untagged_responses.pop("FETCH", None)
            code, _ = client.uid("FETCH", "1:*", what)
            expect(code, "NO", what)
            rows = client.untagged_responses.get("FETCH", [])
            expect_true(len(rows) >= 5, f"{what}: {rows}")
        texts = [row[1] for row in rows if isinstance(row, tuple)]
        expect_true(any(message_id.encode() in t for t in texts), "the mail")
        expect_true(not any(b"secret of another" in t for t in texts),
                    "a link was followed")
        client.uid("SEARCH", "TEXT", "secret")
        client.uid("COPY", "1:*", "Junk")
        client.noop()
    expect_true(given() - began < PROMPT_S, "it hangs")
    second_id, content = message(recipient=USER1)
    mark = host.mark()
    host.submit(USER1, USER1, content)
    host.wait_log("mda/front.* ev=lmtp.deliver .*code=250", mark)
    clean(host, USER1)
    host.wait_mail(USER1, second_id)
    for path in host.files(USER1, ".Junk"):
        with open(path, "rb") as file:
            expect_true(b"secret of another" not in file.read(),
                        f"copied: {path}")
    expect_true("role.ended" not in host.log_since(mark), "a role died")


@scenario
def own_files_of_the_store_are_no_links(lab):
    """What it writes itself does not go where a link points."""
    host = lab.mta1
    elsewhere = outside(lab, "targets")
    host.stop()
    base = host.maildir(USER2)
    os.makedirs(base, exist_ok=True)
    own(host, base, host.mail)
    own(host, os.path.dirname(base), host.mail)
    names = ("dovecot-uidlist", "dovecot-keywords", "subscriptions",
             "maildirsize", "estafeta-log", "estafeta-index",
             "estafeta-snapshot")
    for name in names:
        path = os.path.join(base, name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        target = os.path.join(elsewhere, name)
        with open(target, "wb") as file:
            file.write(b"untouched")
        os.chmod(target, 0o666)
        os.symlink(target, path)
        own(host, path, base)
    host.start()
    for _ in range(3):
        _, content = message(recipient=USER2)
        host.submit(USER1, USER2, content)
    with contextlib.suppress(Exception):  # it may refuse the mailbox
        with host.imap(USER2) as client:
            client.select("INBOX")
            client.uid("STORE", "1:*", "+FLAGS", "(\\Seen word)")
            client.subscribe("Junk")
            client.noop()
    for name in names:
        with open(os.path.join(elsewhere, name), "rb") as file:
            expect(file.read(), b"untouched", name)
    expect(sorted(os.listdir(elsewhere)), sorted(names), "files made there")
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            path = os.path.join(base, name)
            if os.path.islink(path):
                os.unlink(path)
    host.flush()
    host.wait_queue_empty()


class Swapper(threading.Thread):
    """A folder is a link to elsewhere, and is not, in turns."""

    def __init__(self, path, elsewhere):
        super().__init__(daemon=True)
        self.path, self.elsewhere = path, elsewhere
        self.is_over, self.n = False, 0

    def run(self):
        aside = self.path + "-aside"
        while not self.is_over:
            os.rename(self.path, aside)
            try:
                os.symlink(self.elsewhere, self.path)
                os.unlink(self.path)
            except FileExistsError:  # the store has made it anew
                self.join_folders(self.path, aside)
            while True:
                try:
                    os.rename(aside, self.path)
                    break
                except OSError:
                    self.join_folders(self.path, aside)
            self.n += 1

    def join_folders(self, source, to):
        for place, _, names in os.walk(source):
            inner = os.path.relpath(place, source)
            for name in names:
                os.makedirs(os.path.join(to, inner), exist_ok=True)
                with contextlib.suppress(FileNotFoundError):  # was temporary
                    os.replace(os.path.join(place, name),
                               os.path.join(to, inner, name))
        for place, _, _ in os.walk(source, topdown=False):
            with contextlib.suppress(OSError):  # mail came meanwhile
                os.rmdir(place)


@scenario
def folders_that_turn_into_links(lab):
    """As a racing user would; whatever is accepted is in the tree in the end,
    nothing is elsewhere."""
    host = lab.mta1
    elsewhere = outside(lab, "race")
    for sub in ("", "new", "cur", "tmp"):
        os.makedirs(os.path.join(elsewhere, sub), exist_ok=True)
        os.chmod(os.path.join(elsewhere, sub), 0o777)
    ids, n = [], 0
    base = host.maildir(USER1)
    message_id, content = message(recipient=USER1)
    host.submit(USER1, USER1, content)  # so that the folders are there
    host.wait_mail(USER1, message_id)
    for sub in RACES:
        target = os.path.join(elsewhere, sub) if sub else elsewhere
        swapper = Swapper(os.path.join(base, sub) if sub else base, target)
        swapper.start()
        end = time.monotonic() + SWAP_S / len(RACES)
        try:
            with host.submission(USER1) as client:
                while time.monotonic() < end:
                    message_id, content = message(recipient=USER1)
                    client.sendmail(USER1, [USER1], content)
                    ids.append(message_id)
        finally:
            swapper.is_over = True
            swapper.join()
        n += swapper.n
    expect_true(n > 100 and len(ids) > 20, f"{n} swaps, {len(ids)} messages")
    wait_for("all is delivered", lambda: (host.flush(), "Mail queue is empty"
                                          in host.queue())[1], 30)
    found = [os.path.join(place, name) for place, _, names in
             os.walk(elsewhere) for name in names]
    expect(found, [], f"escaped in {n} swaps")
    heads = b"".join(open(path, "rb").read(2000) for path in
                     host.files(USER1))
    copies = {i: heads.count(b"<" + i.encode() + b">") for i in ids}
    expect({i: n for i, n in copies.items() if n != 1}, {}, "copies")
    expect(re.findall(r"ev=role\.ended .*signal=(?!0 ).*", host.log()), [],
           "roles that died")


def copy_over(path):
    """Another directory with the same in it takes its place, as when it is
    put back from a backup."""
    subprocess.run(["cp", "-a", path, path + "~"], check=True)
    os.rename(path, path + "~~")
    os.rename(path + "~", path)
    shutil.rmtree(path + "~~")


@scenario
def folders_that_go_and_come_back_while_open(lab):
    """Removed, made again, put back by another program: whoever had it open
    gets BYE, and whoever comes next sees what is there."""
    host = lab.mta1
    user = host.users[0]
    home = os.path.join(host.maildir(user), ".Backup")
    text = b"Subject: a\r\n\r\nb\r\n"

    def select(client):
        kind, rows = client.select("Backup")
        return int(rows[0]) if kind == "OK" else rows[0]

    with host.imap(user) as first:
        first.create("Backup")
        first.append("Backup", None, None, text)
        expect(select(first), 1)
        shutil.rmtree(home)
        with host.imap(user) as client:
            expect_match(select(client), "NONEXISTENT")
            expect(client.create("Backup")[0], "OK")
            expect(client.append("Backup", None, None, text)[0], "OK")
            expect(client.append("Backup", None, None, text)[0], "OK")
            expect(select(client), 2)
        expect_bye(first)
    with host.imap(user) as first:
        expect(select(first), 2)
        copy_over(home)
        with host.imap(user) as client:
            expect(client.append("Backup", None, None, text)[0], "OK")
            expect(select(client), 3)
        expect(len(os.listdir(os.path.join(home, "cur"))), 3)
        expect_bye(first)
    for part in ("tmp", "new"):  # as a script that cleans up does it
        shutil.rmtree(os.path.join(home, part))
    with host.imap(user) as client:
        expect(client.append("Backup", None, None, text)[0], "OK")
        expect(select(client), 4)
    os.unlink(os.path.join(home, "cur", os.listdir(os.path.join(home,
                                                                "cur"))[0]))
    with host.imap(user) as first:  # nobody else looks
        expect(select(first), 3)
        shutil.rmtree(home)
        expect_bye(first)


def expect_bye(client):
    try:
        while True:
            client.noop()
    except imaplib.IMAP4.abort as error:
        expect_match(str(error), "BYE|EOF|closed|UNAVAILABLE")


@scenario
def users_that_go_and_come_back(lab):
    """setup email del -y, and the same address once more; a user's mailboxes put
    back from a backup."""
    host = lab.mta1
    user = host.users[1]
    text = b"Subject: a\r\n\r\nb\r\n"

    def messages():
        with host.imap(user) as client:
            n = int(client.select("INBOX")[1][0])
            validity = int(client.response("UIDVALIDITY")[1][0])
            return n, validity

    def deliver():
        message_id, content = message(recipient=user)
        host.submit(host.users[0], user, content)
        host.wait_mail(user, message_id)

    with host.imap(user) as client:
        client.append("INBOX", None, None, text)
    before, validity = messages()
    expect_true(before > 0, "there is mail")
    mark = host.mark()
    host.ctl("email", "del", "-y", user, name="setup")
    expect_true(not os.path.exists(host.maildir(user)), "all of it is removed")
    host.wait_log("ev=config.loaded", mark)
    mark = host.mark()
    host.ctl("email", "add", user, PASSWORD, name="setup")
    host.wait_log("ev=config.loaded", mark)
    wait_for("the user is known", lambda: logs_in(host, user))
    n, new_validity = messages()
    expect(n, 0, "another mailbox")
    expect_true(new_validity > validity, "its UIDs are others")
    deliver()
    expect(messages()[0], 1)
    shutil.rmtree(os.path.join(host.maildir(user), "tmp"))
    deliver()
    expect(messages()[0], 2)
    with host.imap(user) as first:
        first.select("INBOX")
        copy_over(host.maildir(user))
        deliver()
        expect(messages(), (3, new_validity))
        expect_bye(first)


def logs_in(host, user):
    try:
        host.imap(user).logout()
    except imaplib.IMAP4.error:
        return False
    return True


if __name__ == "__main__":
    main(hosts=1, main_cf="minimal_backoff_time = 1s\n"
         "maximal_backoff_time = 1s\nqueue_run_delay = 0s\n")
