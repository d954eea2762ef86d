#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""doveadm, for the scripts that call it (A34)."""

import json
import os
import shutil
import subprocess
import threading

from frame import (PASSWORD, Skipped, expect, expect_match, expect_true,
                   main, message, scenario, wait_for)

NOBODY = 65534


@scenario
def doveadm_knows_every_scheme(lab):
    """A34: what it makes and what it tests, against Dovecot's own."""
    host = lab.mta1

    def doveadm(*arguments):
        return host.ctl(*arguments, name="doveadm")
    real = shutil.which("doveadm")
    listed = doveadm("pw", "-l").stdout.split()
    for scheme in ("SHA512-CRYPT", "SHA256-CRYPT", "BLF-CRYPT", "MD5-CRYPT",
                   "SSHA", "SSHA256", "SSHA512", "PLAIN", "SCRAM-SHA-256"):
        expect_true(scheme in listed, f"{scheme} in {listed}")
        made = doveadm("pw", "-s", scheme, "-p", "a secret").stdout.strip()
        expect_match(made, "^{" + scheme + "}")
        expect(doveadm("pw", "-t", made, "-p", "a secret").stdout,
               f"{made} (verified)\n")
        expect(doveadm("pw", "-t", made, "-p", "another").returncode != 0,
               True, f"{made} fits another password")
        if real is None:
            continue
        told = subprocess.run([real, "pw", "-t", made, "-p", "a secret"],
                              capture_output=True, text=True)
        expect(told.stdout, f"{made} (verified)\n", told.stderr)
        theirs = subprocess.run([real, "pw", "-s", scheme, "-p", "x y"],
                                capture_output=True, text=True)
        made = theirs.stdout.strip()
        expect(doveadm("pw", "-t", made, "-p", "x y").stdout,
               f"{made} (verified)\n")


@scenario
def doveadm_knows_users_passwords_and_quotas(lab):
    """A34: the verbs that scripts use."""
    host = lab.mta1

    def doveadm(*arguments):
        return host.ctl(*arguments, name="doveadm")
    expect(doveadm("user", "*").stdout.split(), host.users)
    expect_match(doveadm("user", host.users[0]).stdout,
                 r"\Afield\tvalue\nuid\t\d+\ngid\t\d+\nhome\t"
                 + host.maildir(host.users[0]) + "/home\n")
    expect(doveadm("user", "USER1@*.local", "*2@*").stdout.split(), host.users)
    expect(doveadm("user", "-f", "home", host.users[0]).stdout,
           host.maildir(host.users[0]) + "/home\n")
    expect(doveadm("user", "-f", "shell", host.users[0]).stdout, "")
    expect(doveadm("user", "-u", host.users[0]).returncode, 64)
    gone = doveadm("user", "nobody@example1.local")
    expect(gone.returncode, 67, gone.stderr)
    expect_match(gone.stderr, "user nobody@example1.local doesn't exist")
    good = doveadm("auth", "test", host.users[0], PASSWORD)
    expect((good.returncode, good.stdout),
           (0, f"passdb: {host.users[0]} auth succeeded\nextra fields:\n"
               f"  user={host.users[0]}\n"))
    bad = doveadm("auth", "test", host.users[0], "wrong")
    expect(bad.returncode, 77, bad.stdout)
    expect_match(bad.stdout, "auth failed")
    quota = doveadm("-f", "tab", "quota", "get", "-u", host.users[0])
    expect_match(quota.stdout, r"\AQuota name\tType\tValue\tLimit\t%\n"
                 r"User quota\tSTORAGE\t\d+\t\S+\t\d+\n"
                 r"User quota\tMESSAGE\t\d+\t\S+\t\d+\n\Z")
    row = doveadm("-f", "flow", "quota", "get", "-u", host.users[0]).stdout
    expect_match(row, r"\AQuota name=User quota Type=STORAGE Value=\d+ "
                 r"Limit=\S+ %=\d+\nQuota name=User quota Type=MESSAGE ")
    row = doveadm("-f", "pager", "quota", "get", "-u", host.users[0]).stdout
    expect_match(row, r"\AQuota name: User quota\nType: STORAGE\nValue: \d+\n"
                 r"Limit: \S+\n%: \d+\n\f\nQuota name: User quota\nType: M")
    rows = json.loads(doveadm("-f", "json", "quota", "get", "-A").stdout)
    expect([(row["username"], row["root"], row["type"]) for row in rows],
           [(user, "User quota", kind) for user in host.users
            for kind in ("STORAGE", "MESSAGE")])
    table = doveadm("quota", "get", "-A").stdout.splitlines()
    expect(table[0].split(), "Username Quota name Type Value Limit %".split())
    expect([line.split()[0] for line in table[1::2]], host.users)
    expect(doveadm("-f", "xml", "quota", "get", "-A").returncode, 64)
    expect(doveadm("expunge").returncode, 64, "a query is needed")
    for verb, instead in (("sync", "mbsync"), ("who", "mailctl top"),
                          ("frobnicate", "mailctl --help")):
        absent = doveadm(verb)
        expect(absent.returncode, 64, "what is not here is said")
        expect_match(absent.stderr, f"'{verb}' is not here; .*{instead}")
    expect_match(doveadm("help").stdout, "doveadm move -u USER")


class Dovecot:
    """Debian's doveadm on a copy of a user's mailboxes."""

    def __init__(self, host, user, directory):
        self.program = shutil.which("doveadm")
        if self.program is None:
            raise Skipped("doveadm is not installed (make deps-bench)")
        self.mail = os.path.join(directory, "mail")
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(host.maildir(user), self.mail)
        self.config = os.path.join(directory, "conf")
        with open(self.config, "w") as file:
            file.write(f"""base_dir = {directory}
log_path = {directory}/log
mail_location = maildir:{self.mail}
ssl = no
protocols =
first_valid_uid = 0
namespace inbox {{
  inbox = yes
  separator = /
}}
""")
        self.more = {}
        if os.geteuid() == 0:  # it reads no mail as root
            self.more = {"user": NOBODY, "group": NOBODY,
                         "extra_groups": []}
            for path, _, names in os.walk(directory):
                for item in (path, *(os.path.join(path, n)
                                     for n in names)):
                    os.chown(item, NOBODY, NOBODY)

    def __call__(self, *arguments):
        return subprocess.run(
            [self.program, "-c", self.config, *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            env=dict(os.environ, USER="u", HOME=self.mail), timeout=20,
            **self.more)


@scenario
def mailboxes_look_as_with_dovecot(lab):
    """A34: mailbox, search, fetch, expunge: the same words, the same output
    and exit status; the same GUIDs, because they lie in the tree."""
    host, user = lab.mta1, lab.mta1.users[1]
    for i in range(4):
        message_id, content = message(f"mail {i}", f"body {i}\r\n",
                                      recipient=user)
        host.submit(user, user, content)
        host.wait_mail(user, message_id)
    with host.imap(user) as client:
        client.create("Work/2026")
        client.create('"&AMQ-rger"')
        client.select("INBOX")
        client.store("2", "+FLAGS", r"(\Seen \Flagged)")
        client.copy("1:2", "Work/2026")

    def ours(*arguments):
        """With the user behind the verb."""
        words = list(arguments)
        if words[0] == "quota":
            return host.ctl(*words, "-u", user, name="doveadm")
        at = 3 if words[0] == "-f" else 1
        at += words[at - 1] in ("mailbox", "flags")
        return host.ctl(*words[:at], "-u", user, *words[at:],
                        name="doveadm")
    theirs = Dovecot(host, user, os.path.join(lab.directory, "dovecot"))
    reading = (
        ("mailbox", "list"), ("mailbox", "list", "W*"),
        ("mailbox", "list", "-s"), ("mailbox", "list", "-7"),
        ("mailbox", "list", "-8", "*r*"),
        ("mailbox", "status", "messages unseen uidnext uidvalidity guid",
         "INBOX"),
        ("mailbox", "status", "messages vsize", "*"),
        ("mailbox", "status", "-t", "messages", "*"),
        ("-f", "tab", "mailbox", "status", "messages unseen", "*"),
        ("mailbox", "status", "messages", "Nowhere"),
        ("search", "mailbox", "INBOX", "all"),
        ("search", "subject", "mail 1"),
        ("search", "mailbox", "INBOX", "not", "seen", "since", "1d"),
        ("search", "mailbox", "INBOX", "(", "flagged", "or", "subject",
         "mail 3", ")"),
        ("search", "mailbox", "Work/*", "larger", "1k"),
        ("fetch", "mailbox uid hdr.subject size.virtual", "mailbox",
         "INBOX", "uid", "1:2"),
        ("fetch", "uid body", "mailbox", "INBOX", "flagged"),
        ("fetch", "text", "mailbox", "INBOX", "uid", "3"),
        ("fetch", "hdr", "mailbox", "INBOX", "uid", "4"),
        ("-f", "tab", "fetch", "uid hdr.message-id", "mailbox", "INBOX",
         "all"),
        ("expunge", "subject", "mail 1"), ("expunge", "mailbox", "INBOX"),
        ("move", "Sent", "mailbox", "INBOX"),
        ("expunge", "mailbox", "Nowhere", "all"),
    )
    FLAGS = ("fetch", "flags", "all")
    changing = (
        ("mailbox", "create", "New/Sub", "Other"),
        ("mailbox", "create", "Sent"),
        ("mailbox", "subscribe", "Other"), ("mailbox", "list", "-s"),
        ("mailbox", "rename", "Other", "Another"),
        ("mailbox", "delete", "Nowhere"), ("mailbox", "delete", "Another"),
        ("mailbox", "list"),
        ("flags", "add", r"\Answered \Recent word", "mailbox", "INBOX",
         "subject", "mail 0"),
        ("flags", "add", "$Forwarded", "mailbox", "Work/*", "all"),
        ("flags", "remove", r"\Seen", "flagged"),
        ("flags", "replace", r"\Draft", "mailbox", "INBOX", "subject",
         "mail 3"),
        ("flags", "replace", "", "mailbox", "Work/2026", "uid", "2"),
        ("flags", "add", r"\Bad", "all"), ("flags", "add", "a(b", "all"),
        ("flags", "add", "x"), ("flags", "turn", "x", "all"), ("flags",),
        ("-f", "tab", "fetch", "mailbox uid hdr.subject", "keyword", "word"),
        FLAGS,
        ("copy", "Nowhere", "mailbox", "INBOX", "uid", "77"),
        ("copy", "Sent"), ("move", "Sent", "all"),
        ("move", "Sent", "mailbox", "Nowhere", "all"),
        ("copy", "Sent", "mailbox", "INBOX", "subject", "mail 3"),
        ("copy", "Sent", "mailbox", "INBOX", "uid", "77"),
        ("move", "New/Sub", "mailbox", "Sent", "draft"),
        ("move", "Sent", "mailbox", "New/*", "all"),
        FLAGS, ("move", "New/Sub", "mailbox", "Sent", "all"), FLAGS,
        ("expunge", "mailbox", "INBOX", "subject", "mail 1"),
        ("expunge", "mailbox", "Work/2026", "savedbefore", "30d"),
        ("-f", "tab", "fetch", "mailbox uid", "all"),
    )
    for words in reading + changing:
        got, want = ours(*words), theirs(*words)
        expect(got.returncode, want.returncode,
               f"{words}: {got.stderr} {want.stderr}")
        # The order of folders is nobody's promise, nor is that of flags.
        shown = [sorted(" ".join(sorted(set(line.split()) - {"\\Recent"}))
                        if words == FLAGS else line
                        for line in text.split("\n"))
                 for text in (got.stdout, want.stdout)]
        expect(*shown, f"{words}")
    expect(ours("search", "colour", "red").returncode, 64)
    wrong = ours("fetch", "uid colour", "all")
    expect((wrong.returncode, wrong.stdout), (64, ""))
    # Without a limit nobody keeps a sum: the store finds it.
    mark = host.mark()
    host.write_config("quotas.cf", "# none\n")
    host.wait_log("ev=config.loaded", mark)
    host.ctl("quota", "recount", user)
    total = sum(os.path.getsize(path) for folder in
                ("", ".Sent", ".Work.2026", ".New.Sub", ".&AMQ-rger")
                for path in host.files(user, folder))
    got = ours("quota", "get").stdout
    expect_match(got, rf"STORAGE +{-(-total // 1024)} +- +0\n"
                 r".*MESSAGE +\d+ +- ")
    everybody = host.ctl("search", "-A", "subject", "mail 2",
                         name="doveadm").stdout
    expect_match(everybody, rf"\A{user} [0-9a-f]{{32}} \d+\n\Z")


@scenario
def a_move_takes_from_no_other_folder_of_that_name(lab):
    """UIDs are of one UIDVALIDITY (RFC 9051 2.3.1.1)."""
    host = lab.mta1
    source, target = host.users[1], host.users[0]
    old, new = (message(text)[1] for text in ("old", "new"))

    def contents(user, folder):
        with host.imap(user) as client:
            client.select(folder, readonly=True)
            return [row[1] for row in client.fetch("1:*", "BODY.PEEK[]")[1]
                    if isinstance(row, tuple)]
    with host.imap(source) as client, host.imap(target) as other:
        client.create("Again")
        client.append("Again", "", None, old)
        other.create("Kept")
        other.append("Kept", "", None, old)
        home = host.maildir(target, ".Kept")
        lock = os.path.join(home, "dovecot-uidlist.lock")
        before = os.listdir(os.path.join(home, "cur"))
        open(lock, "x").close()  # the copy waits for it
        moved = []
        move = threading.Thread(target=lambda: moved.append(host.ctl(
            "move", "-u", target, "Kept", "user", source, "mailbox", "Again",
            "all", name="doveadm")))
        move.start()
        wait_for("the copy", lambda: os.listdir(
            os.path.join(home, "cur")) != before)
        client.delete("Again")
        client.create("Again")
        client.append("Again", "", None, new)
        os.unlink(lock)
        move.join()
        expect(moved[0].returncode, 75)
    expect(contents(source, "Again"), [new])
    expect(contents(target, "Kept"), [old, old])


@scenario
def copies_from_another_users_mailboxes(lab):
    """A34: doveadm copy and move with "user": flags, dates and octets are those
    of the source; what could not be copied stays."""
    host = lab.mta1
    source, target = host.users[1], host.users[0]
    contents = [message(f"carried {i}", "line\r\n" * (i * i * 40))[1]
                for i in range(5)]

    def doveadm(*words, status=0):
        got = host.ctl(*words, name="doveadm")
        expect(got.returncode, status, f"{words}: {got.stderr}")
        return got.stdout

    def rows(user, folder):
        with host.imap(user) as client:
            client.select(folder, readonly=True)
            found = client.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")[1]
        # "1 (FLAGS (..) INTERNALDATE ".." BODY[] {n}", without the number
        # and \\Recent, which is that of who selects first.
        return [(sorted({*row[0].split(b"(")[2].split(b")")[0].split()}
                        - {b"\\Recent"}),
                 row[0].split(b'"')[1], row[1]) for row in found
                if isinstance(row, tuple)]
    with host.imap(source) as client:
        client.create("Old")
        for i, content in enumerate(contents):
            client.append("Old", r"(\Seen word)" if i % 2 else r"(\Flagged)",
                          f'" {i + 1}-Feb-2024 03:04:05 +0100"', content)
        client.append("Old", "", None, b"Subject: other\r\n\r\nx\r\n")
    with host.imap(target) as client:
        client.create("New")
    there = rows(source, "Old")
    query = ("user", source.upper(), "mailbox", "Old")
    expect(doveadm("copy", "-u", target, "New", *query, "subject",
                   "carried"), "")
    expect(rows(target, "New"), there[:5])
    expect(rows(source, "Old"), there, "a copy")
    doveadm("copy", "-u", target, "Nowhere", *query, "all", status=68)
    doveadm("copy", "-u", target, "New", "user", "nobody@example1.local",
            "all", status=67)
    doveadm("move", "-u", target, "New", "user", source, "all", status=64)
    doveadm("move", "-u", target, "New", *query, "subject", "none")
    doveadm("move", "-u", target, "New", *query, "seen")
    expect([row[1:] for row in rows(target, "New")][5:],
           [there[1][1:], there[3][1:]])
    expect(rows(source, "Old"), [there[i] for i in (0, 2, 4, 5)], "a move")
    with host.imap(source) as client:  # more than one batch
        client.create("Many")
        home = host.maildir(source, ".Many")
        owner = os.stat(home)
        for i in range(260):
            path = os.path.join(home, "cur", f"{1760000000 + i}.M1P1.h:2,")
            with open(path, "w") as file:
                file.write(f"Subject: {i}\r\n\r\nx\r\n")
            if os.geteuid() == 0:
                os.chown(path, owner.st_uid, owner.st_gid)
    many = [row[2] for row in rows(source, "Many")]
    expect(len(many), 260)
    doveadm("move", "-u", target, "New", "user", source, "mailbox", "Many",
            "all")
    expect([row[2] for row in rows(target, "New")][7:], many)
    expect(rows(source, "Many"), [])
    mark = host.mark()
    host.write_config("quotas.cf", f"{target}:1k\n")
    host.wait_log("ev=config.loaded", mark)
    doveadm("move", "-u", target, "New", *query, "all", status=75)
    expect(len(rows(source, "Old")), 4, "over quota")


@scenario
def only_operators_look_into_mailboxes(lab):
    """Who cannot read the store's key is nobody's operator."""
    host, user = lab.mta1, lab.mta1.users[0]
    key = os.path.join(host.mail, ".estafeta.operator")
    expect(os.stat(key).st_mode & 0o777, 0o600)
    with open(key) as file:
        text = file.read()
    expect_match(text, r"\A[0-9a-f]{64}\Z")
    with open(key, "w") as file:
        file.write("0" * 64)
    wrong = host.ctl("mailbox", "list", "-u", user, name="doveadm")
    expect(wrong.returncode, 0, "the file is what counts: " + wrong.stderr)
    os.unlink(key)
    gone = host.ctl("mailbox", "list", "-u", user, name="doveadm")
    expect(gone.returncode, 77, gone.stderr)
    with open(key, "w") as file:
        file.write(text)


main()
