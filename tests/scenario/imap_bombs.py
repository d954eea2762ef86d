#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Resource bombs of IMAP clients, rows I01 to I09, I11, I13, I15: each takes at
most 64 MiB and one second of work of all processes that read mail, and another
user's commands are answered meanwhile."""

import base64
import os
import shutil
import threading
import time

from frame import expect, expect_match, expect_true, given, main, scenario
from frame_imap import USER1, USER2, append, ask, fresh, ok, session

MEMORY_MAX_KIB = 64 * 1024
CPU_MAX_S = 1.0
OTHERS_MAX_S = 1.0
ROLES = ("mda/front", "mda/store")
MANY = r"(OK|NO \[LIMIT\])"


class Bomb:
    """Measures what a block costs front and store, while another user's session
    goes on. A build with sanitizers is several times slower and larger: there
    the bars are of time alone, and wider."""

    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.is_release = "release" in lab.mta1.bin
        self.factor = 1 if self.is_release else 12

    def pids(self):
        return [pid for pid, role in self.lab.mta1.processes().items()
                if role in ROLES]

    def cpu_s(self):
        total = 0
        for pid in self.before:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat") as file:
                    total += int(file.read().split()[0])
        return total / 1e9

    @staticmethod
    def peak_kib(pid):
        with open(f"/proc/{pid}/status") as file:
            return next(int(line.split()[1]) for line in file
                        if line.startswith("VmHWM"))

    def others(self):
        with session(self.lab, USER2) as raw:
            ok(raw, "SELECT INBOX")
            self.began.set()
            while not self.is_over:
                started = given()
                ok(raw, "NOOP")
                self.slowest = max(self.slowest, given() - started)
                time.sleep(0.01)

    def __enter__(self):
        self.is_over, self.slowest = False, 0.0
        self.began = threading.Event()
        self.thread = threading.Thread(target=self.others)
        self.thread.start()
        expect_true(self.began.wait(10), "the other user is in")
        self.before = {}
        for pid in self.pids():
            with open(f"/proc/{pid}/clear_refs", "w") as file:
                file.write("5")  # the peak begins anew
            self.before[pid] = self.peak_kib(pid)
        self.cpu_before = self.cpu_s()
        return self

    def __exit__(self, kind, *_):
        self.is_over = True
        self.thread.join()
        if kind is not None:
            return
        expect(sorted(self.pids()), sorted(self.before), "all live")
        cpu = self.cpu_s() - self.cpu_before
        grown = sum(self.peak_kib(pid) - kib
                    for pid, kib in self.before.items())
        print(f"# {self.name}: {cpu * 1000:.0f} ms, {grown / 1024:.1f} MiB, "
              f"others wait {self.slowest * 1000:.0f} ms")
        expect_true(cpu < CPU_MAX_S * self.factor, f"{cpu:.2f} s of work")
        expect_true(grown < MEMORY_MAX_KIB or not self.is_release,
                    f"{grown} KiB")
        expect_true(self.slowest < OTHERS_MAX_S * self.factor,
                    f"others wait {self.slowest:.2f} s")


def last(raw, octets, tag="t"):
    """The line that ends it; "" when the connection ended first."""
    try:
        raw.send(octets)
    except OSError:
        pass  # it ended while we spoke
    while True:
        try:
            line = raw.line().decode("utf-8", "replace")
        except OSError:
            return ""
        if line == "" or line.startswith((f"{tag} ", "* BYE", "* BAD", "+")):
            return line


def is_refused(line, what):
    expect_match(line, r"^$|^\S+ (BAD|NO|BYE)", what)


@scenario
def literals(lab):
    """I01: sizes are read before anything is kept for them."""
    sizes = ("2147483647", "2147483648", "4294967295", "4294967296",
             "18446744073709551616", "-1", "0" * 1_000_000 + "5",
             "99999999999999999999999", "5x", "", "5+5")
    with Bomb(lab, "I01"):
        for size in sizes:
            for verb in ("SEARCH SUBJECT", "LOGIN", "CREATE", "SETMETADATA",
                         "SELECT"):
                with session(lab) as raw:
                    is_refused(last(raw, f"t {verb} {{{size}}}\r\n".encode()),
                               f"{verb} {size[:30]}")
            with session(lab) as raw:
                is_refused(last(raw, f"t APPEND INBOX {{{size}}}\r\n"
                                     .encode()), f"APPEND {size[:30]}")
            with lab.mta1.raw("imap") as raw:
                raw.line()
                is_refused(last(raw, f"t LOGIN {{{size}}}\r\n".encode()),
                           f"LOGIN {size[:30]}")
        with lab.mta1.raw("imap") as raw:  # one that is promised
            raw.line()
            is_refused(last(raw, b"t LOGIN {4097+}\r\n" + b"x" * 4097
                            + b" y\r\n"), "a stranger's")


@scenario
def many_small_things(lab):
    """I02: a million small literals, commands in a row, a tag of a megabyte."""
    with Bomb(lab, "I02 literals"):
        with session(lab) as raw:
            ok(raw, "SELECT INBOX")
            is_refused(last(raw, b"t SEARCH" + b" SUBJECT {1+}\r\nx"
                            * 1_000_000 + b"\r\n"), "literals")
        with session(lab) as raw:
            is_refused(last(raw, b"T" * 1_000_000 + b" NOOP\r\n"), "a tag")
    with Bomb(lab, "I02 commands"), session(lab) as raw:
        n = 20_000
        sender = threading.Thread(
            target=raw.send, args=(b"".join(b"n%d NOOP\r\n" % i
                                            for i in range(n)),))
        sender.start()
        for i in range(n):
            line = raw.line()
            expect_true(line.startswith(b"n%d OK" % i), f"{line!r}")
        sender.join()


@scenario
def deep_things(lab):
    """I03: parentheses and parts."""
    deep = b"(" * 1_000_000
    with Bomb(lab, "I03 commands"):
        with lab.mta1.raw("imap") as raw:
            raw.line()
            is_refused(last(raw, b"t ID " + deep + b"\r\n"), "a stranger's")
        for verb in (b"SEARCH ", b"FETCH 1 ", b"LIST (", b"THREAD REFS UTF-8 ",
                     b'LIST "" "*" RETURN (', b"NOTIFY SET ", b"STORE 1 +FLAGS ",
                     b"GETMETADATA ", b"ID ", b"SELECT a "):
            for n in (1_000_000, 100_000):
                with session(lab) as raw:
                    ok(raw, "SELECT INBOX")
                    is_refused(last(raw, b"t " + verb + deep[:n] + b"\r\n"),
                               f"{verb} {n}")
    head, tail = b"", b""
    for i in range(10_000):
        head += (b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n"
                 % (i, i))
    with fresh(lab, "Deep") as raw:
        append(raw, "Deep", b"Subject: deep\r\n" + head + b"\r\nx\r\n" + tail)
        append(raw, "Deep", b"Subject: deep\r\n"
               + b"Content-Type: message/rfc822\r\n\r\n" * 10_000)
        ok(raw, "NOOP")
        with Bomb(lab, "I03 structure"):
            for item in ("BODYSTRUCTURE", "BODY", "ENVELOPE", "BODY[1]",
                         "BINARY.SIZE[1.1]", "PREVIEW"):
                expect_match(ask(raw, f"FETCH 1:* ({item})")[-1],
                             r"^t\d+ (OK|NO)", item)


@scenario
def sets_of_numbers(lab):
    """I05: ranges are never counted out."""
    ones = ",".join("1" for _ in range(32_000))
    cases = {
        "1:4294967295": "OK", "*:*": "OK", "4294967295:1": "OK", ones: MANY,
        ",".join(f"{i}:{i + 5}" for i in range(1, 15_000)): MANY,
        ",".join("1:4294967295" for _ in range(10_000)): MANY,
        "0": "BAD", "1:0": "BAD", "4294967296": "BAD",
        "18446744073709551617": "BAD", "1:": "BAD", ",": "BAD", "1,,2": "BAD",
    }
    with fresh(lab, "Sets", 3) as raw, Bomb(lab, "I05"):
        for text, want in cases.items():
            for command in (f"UID FETCH {text} (FLAGS)",
                            f"UID SEARCH UID {text}",
                            f"UID STORE {text} +FLAGS.SILENT (\\Seen)"):
                expect_match(ask(raw, command)[-1], rf"^t\d+ {want}",
                             command[:60])


@scenario
def parts_that_are_not_there(lab):
    """I06."""
    broken = (b"Subject: x\r\nContent-Type: text/plain\r\n"
              b"Content-Transfer-Encoding: base64\r\n\r\n"
              + b"!@#$" * 50_000 + b"QUJD=QUJD==\r\n")
    with fresh(lab, "Parts") as raw:
        append(raw, "Parts", broken)
        ok(raw, "NOOP")
        with Bomb(lab, "I06"):
            is_refused(ask(raw, "FETCH 1 BODY[" + "1." * 10_000 + "1]")[-1],
                       "10,000 levels")
            is_refused(ask(raw, "FETCH 1 BODY[4294967296]")[-1], "overflow")
            expect_match(ask(raw, "FETCH 1 BODY[" + "1." * 40 + "1]")[0],
                         "NIL")
            lines = ok(raw, "FETCH 1 BODY.PEEK[]<4294967295.4294967295>")
            expect_match(lines[0], r'BODY\[\]<4294967295> (""|\{0\})')
            expect_match(ask(raw, "FETCH 1 (BINARY.PEEK[1] BINARY.SIZE[1])")
                         [-1], r"^t\d+ (OK|NO)")
            for text in (
                    " ".join(f"BODY.PEEK[HEADER]<{i}.1>" for i in range(101)),
                    " ".join(f"BODY.PEEK[HEADER]<{i}.1>"
                             for i in range(10_000)),
                    "BODY.PEEK[HEADER.FIELDS (" + " ".join(
                        f"f{i}" for i in range(5000)) + ")]"):
                with session(lab) as one:
                    ok(one, "SELECT Parts")
                    is_refused(last(one, f"t FETCH 1 ({text})\r\n".encode()),
                               text[:40])


@scenario
def a_reader_that_does_not_read(lab):
    """I07: what cannot be sent is not kept."""
    big = b"Subject: big\r\n\r\n" + (b"z" * 78 + b"\r\n") * 100_000
    with fresh(lab, "Large") as raw:
        append(raw, "Large", big)
        with Bomb(lab, "I07"):
            sessions = [session(lab) for _ in range(5)]
            for one in sessions:
                ok(one, "SELECT Large")
                one.send(b"".join(b"f%d FETCH 1 BODY.PEEK[]\r\n" % i
                                  for i in range(250)))  # 10 GB in all
            time.sleep(1)
            for one in sessions:
                one.close()


@scenario
def patterns(lab):
    """I08."""
    long_name = "a" * 60
    with session(lab) as raw:
        for name in (long_name, long_name + "/" + long_name):
            ask(raw, f"DELETE {name}")
            ok(raw, f"CREATE {name}")
        with Bomb(lab, "I08"):
            for pattern in ("%*" * 500, "*" * 1000, "%/" * 500, "*a" * 500,
                            "a*" * 200 + "b"):
                for verb in ("LIST", "LSUB"):
                    expect_match(ask(raw, f'{verb} "" "{pattern}"')[-1],
                                 r"^t\d+ (OK|NO)", pattern[:20])
            is_refused(ask(raw, f'LIST "" "{"x" * 10_000}"')[-1], "10 KB")
            for reference in ("../", "~root", "/etc", "../../", "/", "#news."):
                lines = ask(raw, f'LIST "{reference}" "*"')
                expect_match(lines[-1], r"^t\d+ (OK|NO)")
                expect_true(len(lines) == 1, f"{reference}: {lines}")


@scenario
def patterns_for_many_folders(lab):
    """I08: a hundred patterns, each of the longest, and 100 folders."""
    home = os.path.join(lab.mta1.mail, "example1.local", "user1")
    names = [f"many{i}-" + "a" * 230 for i in range(100)]
    with session(lab) as raw:
        ok(raw, 'LIST "" "*"')
        for name in names:
            os.makedirs(os.path.join(home, "." + name, "cur"))
        try:
            expect_true(len(ok(raw, 'LIST "" "many*"')) > len(names), "all")
            patterns = " ".join("*" + "a" * (900 + i) for i in range(100))
            few = " ".join("*" + "*a" * (210 + i % 20) + "b"
                           for i in range(100))
            for text in (patterns, few):
                with Bomb(lab, "I08 folders"):
                    for _ in range(20):
                        expect(len(ok(raw, f'LIST "" ({text})')), 1, "none fits")
        finally:
            for name in names:
                shutil.rmtree(os.path.join(home, "." + name))


@scenario
def a_long_text_in_short_fields(lab):
    """I04: a text of half a header's length, and a header of 10,000 fields."""
    fields = b"".join(b"a%d:\r\n" % i for i in range(10_000))
    text = b"x" * 40_000
    with fresh(lab, "Fields") as raw:
        expect_match(append(raw, "Fields", fields + b"\r\ny\r\n")[-1],
                     r"^t\d+ OK", "APPEND")
        ok(raw, "NOOP")
        with Bomb(lab, "I04"):
            for key in (b"TEXT", b"BODY"):
                raw.send(b"t SEARCH " + key + b" {%d+}\r\n" % len(text) + text
                         + b"\r\n")
                expect(raw.tagged("t")[:-1], ["* SEARCH"], "none has it")


@scenario
def many_texts_in_many_fields(lab):
    """I04: 900 keys for fields of one name, 10,000 of which are there."""
    fields = b"".join(b"Subject: =?utf-8?q?s%d?=\r\n" % i
                      for i in range(10_000))
    with fresh(lab, "Subjects") as raw:
        append(raw, "Subjects", fields + b"\r\nx\r\n")
        ok(raw, "NOOP")
        keys = "OR " * 899 + " ".join(f"SUBJECT nobody{i}"
                                      for i in range(900))
        with Bomb(lab, "I04"):
            expect(ok(raw, "SEARCH " + keys)[:-1], ["* SEARCH"])
            expect(ok(raw, "SEARCH OR SUBJECT S9999 " + keys)[:-1],
                   ["* SEARCH 1"])


@scenario
def names_of_fields(lab):
    """I06: 10,000 fields, and 200 names that are almost theirs, 70 times."""
    names = " ".join(f"aa{i:03}" for i in range(200))
    items = " ".join(f"BODY.PEEK[HEADER.FIELDS ({names})]<{i}.1>"
                     for i in range(70))
    with fresh(lab, "Names") as raw:
        append(raw, "Names", b"aabbb:\r\n" * 10_000 + b"\r\ny\r\n")
        ok(raw, "NOOP")
        with Bomb(lab, "I06 names"):
            for _ in range(2):
                ok(raw, f"FETCH 1 ({items})")


@scenario
def names_that_are_paths(lab):
    """I09: nothing but a folder of this user is made or read."""
    names = ["..", "../x", "a/../../b", "/etc/passwd", "a//b", "/a", "a/", ".",
             "./a", "a/./b", "&AC8-", "&AAA-", "&2AA-", "&", "&x", "a&b",
             "&AC4ALg-", "../user2@example1.local", "~root", "x" * 256,
             "/".join("l" for _ in range(1000)), "a\\\\b/../c",
             "estafeta-log", "dovecot-uidlist", "cur", "new", "tmp",
             "cur/x", "..estafeta-deleted.0.0"]
    home = os.path.join(lab.mta1.mail, "example1.local")

    def tree():
        return sorted(os.path.relpath(path, lab.mta1.mail)
                      for path, dirs, _ in os.walk(lab.mta1.mail)
                      if path.startswith(os.path.join(home, "user1")) is False)
    with session(lab) as raw:
        for name in ("INBOX", "inbox", "iNbOx"):
            ok(raw, f"SELECT {name}")
            is_refused(ask(raw, f"CREATE {name}")[-1], name)
        before = tree()
        with Bomb(lab, "I09"):
            for name in names:
                for verb in ("CREATE", "SELECT", "STATUS", "DELETE",
                             "SUBSCRIBE", "GETMETADATA"):
                    more = {"STATUS": " (MESSAGES)",
                            "GETMETADATA": " /private/a"}.get(verb, "")
                    expect_match(ask(raw, f'{verb} "{name}"{more}')[-1],
                                 r"^t\d+ (OK|NO|BAD)", f"{verb} {name[:20]}")
                is_refused(ask(raw, f'RENAME INBOX "../{name}"')[-1], name)
            raw.send(b't CREATE {5+}\r\na\0b/c\r\n')
            is_refused(raw.line().decode(), "NUL")
            raw.send(b't CREATE {5+}\r\na\r\nbc\r\n')
            is_refused(raw.tagged("t")[-1], "CR LF")
        expect(tree(), before, "other users' directories")


@scenario
def appends(lab):
    """I11: all or nothing, whatever is wrong with one of them."""
    mail = b"Subject: x\r\n\r\ny\r\n"
    with fresh(lab, "Appends") as raw:
        with Bomb(lab, "I11"):
            for arguments in (
                    b"(" + b" ".join(b"k%d" % i for i in range(20_000)) + b")",
                    b"(" + b"k" * 100_000 + b")", b'"01-Jan-0000"', b'"x"',
                    b'" 1-Jan--001 00:00:00 +0000"',
                    b'"32-Jan-2026 00:00:00 +0000"',
                    b'"01-Jan-2026 25:00:00 +0000"', b"(\\Nonsense)"):
                with session(lab) as one:
                    is_refused(last(one, b"t APPEND Appends " + arguments
                                    + b" {%d}\r\n" % len(mail)),
                               arguments[:30])
            is_refused(last(raw, b"t APPEND nowhere {%d}\r\n" % len(mail)),
                       "no mailbox")
            raw.send(b"t APPEND Appends {%d+}\r\n" % len(mail) + mail
                     + b" {%d+}\r\n" % len(mail) + mail
                     + b" (\\Nonsense) {%d+}\r\n" % len(mail) + mail + b"\r\n")
            is_refused(last(raw, b""), "the last of three")
        with session(lab) as raw:
            expect_match(ok(raw, "STATUS Appends (MESSAGES)")[0],
                         r"MESSAGES 0\)", "none of them")


@scenario
def idle_clients(lab):
    """I13: one octet now and then, and never DONE."""
    with Bomb(lab, "I13"):
        sessions = [session(lab) for _ in range(50)]
        for one in sessions:
            ok(one, "SELECT INBOX")
            one.send(b"i IDLE\r\n")
            expect(one.line()[:1], b"+")
        for octet in b"DON":
            for one in sessions:
                one.send(bytes([octet]))
        for one in sessions:
            one.send(b"X\r\n")
            expect_match(one.tagged("i")[-1], "^i BAD")
            one.send(b"i IDLE\r\n")
            one.line()
            one.send(b"x" * 10_000)  # no line at all
        for one in sessions:
            expect_match(last(one, b"", "i"), "^$|BAD|BYE")
            one.close()


@scenario
def strangers(lab):
    """I15: what is not logged in is let go soon."""
    pairs = b" ".join(b'"k%d" "v"' % i for i in range(100_000))
    with Bomb(lab, "I15"):
        with lab.mta1.raw("imap") as raw:
            raw.line()
            is_refused(last(raw, b"t ID (" + pairs + b")\r\n"), "ID")
        with lab.mta1.raw("imap") as raw:
            raw.line()
            raw.send(b"c CAPABILITY\r\n" * 1000)
            n = 0
            while raw.line() != b"":
                n += 1
            expect_true(n < 300, f"{n} lines")
        with lab.mta1.raw("imap") as raw:
            raw.line()
            raw.send(b"x NONSENSE\r\n" * 10)
            lines = []
            while (line := raw.line()) != b"":
                lines.append(line)
            expect_match(lines[-1].decode(), r"^\* BYE")
            expect_true(len(lines) < 10, f"{lines}")
        with lab.mta1.raw("pop3") as raw:
            raw.line()
            raw.send(b"CAPA\r\n" * 1000)
            n = 0
            while raw.line() != b"":
                n += 1
            expect_true(n < 2000, f"{n} lines of POP3")
        token = base64.b64encode(b"\0" + b"u" * 3000 + b"\0p")
        with lab.mta1.raw("imaps") as raw:
            raw.start_tls(lab.mta1.tls())
            raw.line()
            is_refused(last(raw, b"t AUTHENTICATE PLAIN " + token + b"\r\n"),
                       "a long name")


if __name__ == "__main__":
    main(hosts=1)
