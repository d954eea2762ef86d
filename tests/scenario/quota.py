#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Row A30 and A21: a full mailbox is refused early, by SMTP and IMAP alike,
and its counter is right."""

import contextlib
import imaplib
import os
import re
import smtplib
import threading

from frame import (deliver, expect, expect_match, expect_true, main,
                   message, parse, scenario, wait_for)

USER1, USER2 = "user1@example1.local", "user2@example1.local"
NEW = "user2@example1.local"
LIMIT = 50 * 1024
BODY = ("x" * 78 + "\r\n") * 25  # a message of 2.2 KB


def rcpt(host, recipient, size=None):
    with host.smtp() as client:
        client.ehlo()
        code, text = client.mail("a@stranger.example",
                                 [f"size={size}"] if size else [])
        expect(code, 250, text)
        return client.rcpt(recipient)


def set_quota(host, text):
    """By way of no limit: the same limit with other rules would be seen at
    once, and be in force some time later, with a count of its own."""
    if host.read_config("quotas.cf") == text + "\n":
        return
    host.write_config("quotas.cf", "# nobody\n")
    wait_for("no limit is in force", lambda: quota(host)[1] is None)
    host.write_config("quotas.cf", text + "\n")
    wait_for("the quota is in force",
             lambda: quota(host)[1] == LIMIT // 1024)


def quota(host):
    """(used, limit) in KiB as IMAP tells them; limit None: no limit."""
    with host.imap(NEW) as client:
        code, rows = client.getquotaroot("INBOX")
        expect(code, "OK")
        text = b" ".join(r for part in rows for r in part if r).decode()
        found = re.search(r"STORAGE (\d+) (\d+)", text)
        return (int(found.group(1)), int(found.group(2))) if found \
            else (0, None)


def settle(host):
    """Until the queue is empty; who was told "nearly full" comes again."""
    def look():
        text = host.queue()
        if "Mail queue is empty" in text:
            return True
        if not re.search(r"(?m)^\w+\*", text):
            host.flush()
        return False
    wait_for("the queue settles", look, 20)


def disk_octets(host, user):
    total = 0
    for folder in ("", ".Sent", ".Trash", ".Drafts", ".Junk"):
        for path in host.files(user, folder):
            total += os.stat(path).st_size
    return total


@scenario
def getquotaroot_tells_the_limit(lab):
    set_quota(lab.mta1, f"{NEW}:50k")
    expect(quota(lab.mta1)[1], 50)


@scenario
def a_full_mailbox_is_refused_at_rcpt(lab):
    host = lab.mta1
    n = 0
    while n < 50:
        code, text = rcpt(host, NEW)
        if code != 250:
            break
        with host.smtp() as client:
            client.ehlo()
            deliver(client, "", NEW,
                    message("fill", BODY, recipient=NEW)[1])
        host.wait_queue_empty()
        n += 1
    expect(code, 552, f"after {n} messages: {text}")
    expect_match(text, r"^5\.2\.2 ")
    # The last one may pass the limit by a tenth.
    expect_true(20 <= n <= 26, f"{n} messages of 2.2 KB fitted into 50 KiB")
    used, _ = quota(host)
    disk = disk_octets(host, NEW)
    expect_true(abs(used * 1024 - disk) <= 2048,
                f"the counter says {used} KiB, the disk {disk / 1024:.1f}")
    code, _ = rcpt(host, USER1)
    expect(code, 250, "others are not hurt")


@scenario
def size_is_considered_at_rcpt(lab):
    code, text = rcpt(lab.mta1, NEW, size=60000)
    expect(code, 552, text)


@scenario
def append_and_copy_are_refused(lab):
    with lab.mta1.imap(NEW) as client:
        code, rows = client.append("INBOX", None, None,
                                   message("append", BODY * 5)[1])
        expect(code, "NO")
        expect_match(rows[0], r"OVERQUOTA")
        client.select("INBOX")
        code, rows = client.uid("COPY", "1:*", "Sent")
        expect(code, "NO")
        expect_match(rows[0], r"OVERQUOTA")
        expect(client.noop()[0], "OK")


@scenario
def deleting_makes_room(lab):
    host = lab.mta1
    with host.imap(NEW) as client:
        client.select("INBOX")
        expect(client.uid("STORE", "1:*", "+FLAGS", "(\\Deleted)")[0], "OK")
        expect(client.expunge()[0], "OK")
    expect_true(quota(host)[0] <= 1, f"left {quota(host)}")
    expect(rcpt(host, NEW)[0], 250)


@scenario
def parallel_deliveries_overshoot_little(lab):
    """F07: 40 at once, room for half."""

    host = lab.mta1
    set_quota(host, f"{NEW}:50k")
    results = []

    def send():
        try:
            with host.smtp() as client:
                client.ehlo()
                deliver(client, "", NEW,
                        message("race", BODY, recipient=NEW)[1])
            results.append(250)
        except Exception as error:  # refused at RCPT: as it should be
            results.append(str(error)[:40])
    threads = [threading.Thread(target=send) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    settle(host)
    disk = disk_octets(host, NEW)
    expect_true(disk <= LIMIT * 1.1 + 2300,
                f"{disk} octets with a limit of {LIMIT}: {results}")


@scenario
def emptied_and_filled_again_it_still_counts(lab):
    """What a recount saw and what an expunge took are not taken twice."""
    set_quota(lab.mta1, f"{NEW}:50k")
    for _ in range(4):
        deleting_makes_room(lab)
        parallel_deliveries_overshoot_little(lab)


@scenario
def both_spellings_count(lab):
    """The rule of Dovecot's grammar, and the plain one."""
    host = lab.mta1
    for line in (f"{NEW}:userdb_quota_rule=*:storage=50K", f"{NEW}:50k"):
        host.write_config("quotas.cf", f"{NEW}:77k\n")
        wait_for("77k", lambda: quota(host)[1] == 77, 5)
        host.write_config("quotas.cf", line + "\n")
        wait_for(line, lambda: quota(host)[1] == 50, 5)


@scenario
def no_line_is_no_limit(lab):
    host = lab.mta1
    host.write_config("quotas.cf", "# nobody\n")
    wait_for("no limit", lambda: quota(host)[1] is None, 5)
    try:
        with host.imap(NEW) as client:
            code, rows = client.append("INBOX", None, None,
                                       message("append", BODY * 80)[1])
            expect(code, "OK", f"{rows}")
    except imaplib.IMAP4.error as error:
        raise AssertionError(error) from error


def letters(host):
    """(Subject, text) of the letters that our postmaster wrote, oldest first."""
    found = []
    for path in sorted(host.files(NEW), key=os.path.getmtime):
        with open(path, "rb") as file:
            letter = parse(file.read())
        if letter["From"] == "postmaster@example1.local":
            found.append((letter["Subject"], letter.get_content()))
    return found


def empty(host):
    with host.imap(NEW) as client:
        client.select("INBOX")
        client.store("1:*", "+FLAGS", r"(\Deleted)")
        client.expunge()


def wait_letters(host, want):
    """Each has one of these words in its text, and there are no others."""
    wait_for(f"{len(want)} letters", lambda: len(letters(host)) >= len(want))
    got = letters(host)
    expect([subject for subject, _ in got], ["quota warning"] * len(want))
    for (_, text), word in zip(got, want):
        expect_true(word in text, f"{word} in {text!r}")


@scenario
def warnings_at_80_and_95_percent_and_back(lab):
    """2.12: plain text from the postmaster, in spite of the quota."""
    host = lab.mta1
    empty(host)
    set_quota(host, f"{NEW}:50k")
    with host.imap(NEW) as client:
        def fill(octets):
            expect(client.append("Sent", None, None, b"S: x\r\n\r\n"
                                 + b"y" * (octets - 8))[0], "OK")
        fill(39 * 1024)
        expect(letters(host), [], "below 80 %")
        fill(2 * 1024)
        wait_letters(host, ["80 %"])
        fill(1024)
        fill(6 * 1024)
        wait_letters(host, ["80 %", "95 %"])
        expect_match(letters(host)[0][1], r" 41 of 50 KiB")
        # Back: over the limit by the grace, then below it.
    with host.smtp() as smtp:
        smtp.ehlo()
        deliver(smtp, "", NEW, message("last", BODY * 2, recipient=NEW)[1])
    host.wait_queue_empty()
    expect(rcpt(host, NEW)[0], 552, "it is full")
    with host.imap(NEW) as client:
        client.select("Sent")
        client.store("1:*", "+FLAGS", r"(\Deleted)")
        client.expunge()
    wait_letters(host, ["80 %", "95 %", "room again"])
    expect(rcpt(host, NEW)[0], 250, "there is room again")
    empty(host)


@scenario
def rules_of_folders(lab):
    """Dovecot's rule grammar, through all the processes."""
    host = lab.mta1
    empty(host)
    set_quota(host, f"{NEW}:50k\n"
              f"{NEW}:userdb_quota_rule2=Alt/*:ignore "
              "userdb_quota_rule3=Spam:storage=-40k userdb_quota_grace=0")
    with host.imap(NEW) as client:
        for folder in ("Alt/2020", "Spam"):
            client.create(folder)
        big = b"S: x\r\n\r\n" + b"y" * 60000
        expect(client.append("INBOX", None, None, big)[0], "NO")
        expect(client.append("Alt/2020", None, None, big)[0], "OK")
        expect_true(quota(host)[0] <= 2, f"it does not count: {quota(host)}")
        expect(client.append("Spam", None, None, big[:12000])[0], "NO")
        expect(client.append("INBOX", None, None, big[:12000])[0], "OK")
        client.select("Alt/2020")
        code, rows = client.uid("MOVE", "1:*", "INBOX")
        expect(code, "NO")
        expect_match(rows[0], "OVERQUOTA")
        client.delete("Alt/2020")
        client.delete("Spam")
    empty(host)


@scenario
def a_recount_finds_what_nobody_told(lab):
    """mailctl quota recount, doveadm quota recalc (A34)."""
    host = lab.mta1
    empty(host)
    set_quota(host, f"{NEW}:50k")
    before = quota(host)[0]
    commands = (("mailctl", ("quota", "recount", NEW)),
                ("doveadm", ("quota", "recalc", "-u", NEW)),
                ("doveadm", ("quota", "recalc", "-A")))
    for i, (name, arguments) in enumerate(commands):
        path = os.path.join(host.maildir(NEW, ".Sent"), "cur",
                            f"{i}.foreign:2,")
        with open(path, "wb") as file:
            file.write(b"x" * 2048)
        expect(quota(host)[0], before + 2 * i, "nobody told")
        result = host.ctl(*arguments, name=name)
        expect(result.returncode, 0, result.stderr)
        expect(quota(host)[0], before + 2 * (i + 1), f"{name} {arguments}")
    got = host.ctl("-f", "tab", "quota", "get", "-u", NEW, name="doveadm")
    expect_match(got.stdout, rf"STORAGE\t{before + 6}\t50\t")
    expect(host.ctl("quota", "recount", "nobody@example1.local").returncode,
           1)
    expect(host.ctl("quota", "recalc", "-u", "nobody@example1.local",
                    name="doveadm").returncode, 67)


@scenario
def parallel_commands_and_deliveries_overshoot_little(lab):
    """F07: 20 APPENDs, 20 COPYs and 10 deliveries at once, with room for a
    part. IMAP never passes the limit; the grace is for the last delivery. The
    name of what is copied does not tell its size."""
    host = lab.mta1
    empty(host)
    set_quota(host, f"{NEW}:50k")
    content = message("race", BODY, recipient=NEW)[1]
    with host.imap(NEW) as client:
        client.create("Foreign")
    path = os.path.join(host.maildir(NEW, ".Foreign"), "cur", "1.foreign:2,")
    with open(path, "wb") as file:
        file.write(content)
    answers = []

    def append():
        with host.imap(NEW) as client:
            answers.append(client.append("INBOX", None, None, content)[0])

    def copy():
        with host.imap(NEW) as client:
            client.select("Foreign")
            answers.append(client.copy("1", "Drafts")[0])

    def send():
        with contextlib.suppress(smtplib.SMTPException), \
                host.smtp() as client:
            client.ehlo()
            deliver(client, "", NEW, content)
    threads = [threading.Thread(target=run)
               for run in [append] * 20 + [copy] * 20 + [send] * 10]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    settle(host)
    disk = disk_octets(host, NEW) + len(content)
    expect_true("NO" in answers and "OK" in answers, f"{answers}")
    expect_true(disk <= LIMIT * 1.1 + 2300,
                f"{disk} octets with a limit of {LIMIT}: {answers}")
    before = quota(host)[0]
    expect(host.ctl("quota", "recount", NEW).returncode, 0)
    expect(quota(host)[0], before, "drift after a recount")


if __name__ == "__main__":
    main(hosts=1)
