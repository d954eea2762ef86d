#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""SEARCH, SORT and THREAD over many messages, against what Python finds; and
what must not be asked (rows I02 to I04)."""

import base64
import os
import random
import re
import time

from frame import (Failed, expect, expect_match, expect_true, main,
                   scenario)
from frame_imap import USER1, append, ask, ok, session

N = 1200
WORDS = ["alpha", "beta", "gamma", "delta", "Grüße", "εδώ", "omega"]


def fill(lab, name):
    """N messages of all encodings; returns their words, by number."""
    home = os.path.join(lab.mta1.mail, *reversed(USER1.split("@")), "." + name)
    rng = random.Random(3)
    rows = []
    for i in range(N):
        words = rng.sample(WORDS, 3)
        text = ("x" * rng.randint(0, 70) + "\r\n" + " ".join(words) + "\r\n")
        head = (f"Subject: {'Re: ' if i % 5 else ''}number {i // 10}\r\n"
                f"Date: Sat, 31 Jan 2026 {i // 3600:02}:{i // 60 % 60:02}:"
                f"{i % 60:02} +0000\r\n"
                f"Message-ID: <{i}@x>\r\n")
        if i % 10:
            head += f"References: <{i - 1}@x>\r\n"
        head += "MIME-Version: 1.0\r\nContent-Type: text/plain; charset="
        if i % 3 == 0:
            content = (head + "utf-8\r\nContent-Transfer-Encoding: base64"
                       "\r\n\r\n" + base64.encodebytes(text.encode()).decode()
                       .replace("\n", "\r\n")).encode()
        elif i % 3 == 1:
            quoted = "".join(c if ord(c) < 128 else "".join(
                f"={octet:02X}" for octet in c.encode("utf-8")) for c in text)
            content = (head + "utf-8\r\nContent-Transfer-Encoding: "
                       "quoted-printable\r\n\r\n" + quoted).encode()
        else:
            content = (head + "utf-16be\r\nContent-Transfer-Encoding: base64"
                       "\r\n\r\n" + base64.encodebytes(
                           text.encode("utf-16be")).decode()
                       .replace("\n", "\r\n")).encode()
        name = f"{1760000000 + i}.M{i}P1.host,S={len(content)},W={len(content)}"
        path = os.path.join(home, "cur", name + ":2,S")
        with open(path, "wb") as file:
            file.write(content)
        os.chown(path, os.stat(home).st_uid, os.stat(home).st_gid)
        rows.append(words)
    return rows


def search(raw, key, text, what="SEARCH CHARSET UTF-8"):
    octets = text.encode()
    raw.send(f"s {what} {key} ".encode() + b"{%d+}\r\n" % len(octets)
             + octets + b"\r\n")
    lines = raw.tagged("s")
    expect_match(lines[-1], "^s OK")
    return [int(x) for line in lines if line.startswith("* SEARCH")
            for x in line.split()[2:]]


@scenario
def many_messages_are_searched_as_python_does(lab):
    with session(lab) as raw:
        ok(raw, "CREATE Many")
        rows = fill(lab, "Many")
        ok(raw, "SELECT Many")
        for word in WORDS + ["GRÜSSE", "ΕΔΏ", "nowhere"]:
            for key in ("BODY", "TEXT"):
                want = [i + 1 for i, words in enumerate(rows)
                        if any(word.lower() == w.lower() for w in words)]
                expect(search(raw, key, word.upper() if word != "Grüße"
                              else "GRÜßE"), want, f"{key} {word}")
        both = search(raw, "NOT BODY alpha TEXT", "beta")
        expect(both, [i + 1 for i, words in enumerate(rows)
                      if "alpha" not in words and "beta" in words])


@scenario
def sets_say_where_to_look(lab):
    """Of messages 1 to 9 with gaps between their UIDs, and texts of their
    own: sets alone, cut, joined and turned round."""
    with session(lab) as raw:
        ok(raw, "CREATE Gaps")
        for i in range(1, 13):
            append(raw, "Gaps", (f"Subject: s{i}\r\n\r\n"
                                 f"text {i % 3}\r\n").encode())
        ok(raw, "SELECT Gaps")
        ok(raw, r"STORE 1,5,12 +FLAGS.SILENT (\Deleted)")
        ok(raw, "EXPUNGE")
        uids = [2, 3, 4, 6, 7, 8, 9, 10, 11]
        ok(raw, "SEARCH RETURN (SAVE) 2,8")
        for program, fits in [
                ("UID 6", lambda n, u: u == 6), ("UID 5", lambda n, u: False),
                ("UID 1:5", lambda n, u: u <= 5),
                ("UID 5,9:10", lambda n, u: u in (9, 10)),
                ("UID 4294967295", lambda n, u: False),
                ("UID 8:4294967295", lambda n, u: u >= 8),
                ("UID 100:*", lambda n, u: u == 11),
                ("*", lambda n, u: n == 9), ("UID *", lambda n, u: u == 11),
                ("2:3", lambda n, u: n in (2, 3)),
                ("NOT 2:3", lambda n, u: n not in (2, 3)),
                ("NOT UID 4:9", lambda n, u: not 4 <= u <= 9),
                ("3:8 UID 4:7", lambda n, u: n >= 3 and 4 <= u <= 7),
                ("1:2 UID 9", lambda n, u: False),
                ("OR UID 2 UID 11", lambda n, u: u in (2, 11)),
                ("OR 1 NOT 1:8", lambda n, u: n in (1, 9)),
                ("(2:8 (UID 1:9)) NOT 4", lambda n, u: 2 <= n <= 8 and u <= 9
                 and n != 4),
                ("$", lambda n, u: n in (2, 8)),
                ("NOT $ 1:3", lambda n, u: n in (1, 3)),
                ("$ UID 1:3", lambda n, u: u == 3),
                ("UID 4:10 BODY \"text 1\"", lambda n, u: u in (4, 7, 10)),
                ("2:8 TEXT s6 LARGER 1", lambda n, u: u == 6),
                ("UID 3 NOT SUBJECT s4 SINCE 1-Jan-2000",
                 lambda n, u: u == 3)]:
            want = [n for n, u in enumerate(uids, 1) if fits(n, u)]
            found = ok(raw, f"SEARCH {program}")[0]
            expect([int(x) for x in found.split()[2:]], want, program)
            found = ok(raw, f"SORT (REVERSE ARRIVAL) UTF-8 {program}")[0]
            expect(sorted(int(x) for x in found.split()[2:]), want, program)


@scenario
def changes_are_told_however_many(lab):
    """Few are remembered, for more all messages are looked at."""
    with session(lab) as one, session(lab) as other:
        ok(one, "SELECT Many")
        ok(other, "SELECT Many")
        for numbers in ([7], [3, 900], list(range(1, 129)),
                        list(range(1, 130)), list(range(200, 700)), [N]):
            ok(other, f"STORE {','.join(map(str, numbers))} "
               r"+FLAGS.SILENT (\Flagged)")
            ok(other, rf"STORE {numbers[0]} +FLAGS.SILENT (\Answered)")
            told = [int(row.split()[1]) for row in ok(one, "NOOP")[:-1]]
            expect(told, numbers, "each once")
            expect(len(ok(one, "NOOP")), 1, "and no more")
            expect(len(ok(other, "NOOP")), 1, "its own are no news")
            ok(other, r"STORE 1:* -FLAGS.SILENT (\Flagged \Answered)")
            expect(len(ok(one, "NOOP")) - 1, len(numbers), "taken off")


@scenario
def others_are_heard_after_a_large_change(lab):
    """While a session changes many files itself nobody listens to cur/; who
    waits in IDLE hears of what another program does there afterwards."""
    cur = os.path.join(lab.mta1.mail, *reversed(USER1.split("@")), ".Many",
                       "cur")
    with session(lab) as one, session(lab) as other:
        ok(one, "SELECT Many")
        ok(other, "SELECT Many")
        one.send(b"i IDLE\r\n")
        expect(one.line()[:1], b"+")
        ok(other, r"STORE 1:* +FLAGS.SILENT (\Draft)")
        expect([int(one.line().split()[1]) for _ in range(N)],
               list(range(1, N + 1)))
        took_s = []
        for letters in ("F", "FS", "S"):
            name = next(name for name in os.listdir(cur) if ".M41P1." in name)
            began = time.monotonic()
            os.rename(os.path.join(cur, name), os.path.join(
                cur, name.partition(":")[0] + ":2," + letters))
            expect_match(one.line().decode(), r"^\* 42 FETCH ")
            took_s.append(time.monotonic() - began)
        # Every two seconds it looks anyhow.
        expect_true(min(took_s) < 1.5, took_s)
        one.send(b"DONE\r\n")
        expect_match(one.tagged("i")[-1], "^i OK")
        ok(other, r"STORE 1:* -FLAGS.SILENT (\Draft \Flagged)")


@scenario
def threads_of_many(lab):
    with session(lab) as raw:
        ok(raw, "SELECT Many")
        line = ok(raw, "THREAD REFERENCES UTF-8 ALL")[0]
        want = "".join("(" + " ".join(str(10 * t + k + 1) for k in range(10))
                       + ")" for t in range(N // 10))
        expect(line, "* THREAD " + want)
        line = ok(raw, "SORT (REVERSE DATE) UTF-8 ALL")[0]
        expect(line, "* SORT " + " ".join(str(N - i) for i in range(N)))
        lines = ok(raw, "UID SEARCH RETURN (SAVE COUNT) BODY alpha")
        count = int(re.search(r"COUNT (\d+)", lines[0]).group(1))
        expect(len(ok(raw, "UID FETCH $ (FLAGS)")) - 1, count)


def sorted_by(rows, criteria):
    """Numbers of rows in the order of RFC 5256 3; the last criterion first,
    since Python's sort is stable."""
    numbers = list(range(len(rows)))
    for criterion in reversed(criteria.split(",")):
        word, _, key = criterion.rpartition(" ")
        numbers.sort(key=lambda i: rows[i][key], reverse=bool(word))
    return [i + 1 for i in numbers]


@scenario
def orders_follow_what_comes_and_goes(lab):
    """SORT keeps what it compared: new messages are merged, gone ones are
    not told, and two sessions see the same."""
    rng = random.Random(11)
    rows = []

    def add(raw, n):
        for _ in range(n):
            day = rng.randint(1, 28)
            row = {"SUBJECT": " ".join(rng.choice("kdmx") * rng.randint(1, 9)
                                       for _ in range(2)),
                   "FROM": rng.choice("abcde"), "DATE": day}
            rows.append(row)
            append(raw, "Ordered", (
                f"Subject: {rng.choice(('', 'Re: ', 'fwd: '))}"
                f"{row['SUBJECT'].upper() if day % 2 else row['SUBJECT']}"
                f"\r\nFrom: {row['FROM']}@x\r\nDate: {day} Jan 2026 "
                "10:00:00 +0000\r\n\r\nx\r\n").encode())

    with session(lab) as raw, session(lab) as other:
        ok(raw, "CREATE Ordered")
        ok(raw, "SELECT Ordered")
        ok(other, "SELECT Ordered")
        for turn in range(4):
            add(raw, 40)
            if turn:
                gone = sorted(rng.sample(range(len(rows)), 30))
                ok(raw, "STORE " + ",".join(str(i + 1) for i in gone)
                   + " +FLAGS.SILENT (\\Deleted)")
                ok(raw, "EXPUNGE")
                for i in reversed(gone):
                    del rows[i]
            for criteria in ("SUBJECT", "REVERSE SUBJECT", "FROM,SUBJECT",
                             "REVERSE FROM,DATE", "DATE,REVERSE SUBJECT"):
                want = " ".join(map(str, sorted_by(rows, criteria)))
                for reader in (other, raw):
                    ok(reader, "NOOP")
                    expect(ok(reader, f"SORT ({criteria.replace(',', ' ')}) "
                              "UTF-8 ALL")[0], f"* SORT {want}", criteria)
            threads = ok(raw, "THREAD ORDEREDSUBJECT UTF-8 ALL")[0]
            expect(sorted(map(int, re.findall(r"\d+", threads))),
                   list(range(1, len(rows) + 1)))


@scenario
def i02_heaps_of_literals(lab):
    """Row I02: a budget in octets, and the session or the host goes on."""
    with session(lab) as raw:
        ok(raw, "SELECT Many")
        try:
            raw.send(b"l SEARCH " + b"OR TEXT {1+}\r\na " * 20000
                     + b"ALL\r\n")
            lines = raw.tagged("l")
            expect_match(lines[-1], r"^l (BAD|NO \[LIMIT\])|^\* BYE")
        except (Failed, OSError, EOFError):
            pass  # it hung up, which is as good
    with session(lab) as raw:
        ok(raw, "NOOP")


@scenario
def i03_i04_programs_too_large(lab):
    """Rows I03 and I04: depth, size and work are bounded; others go on."""
    with session(lab) as raw, session(lab) as other:
        ok(raw, "SELECT Many")
        for bad in ("NOT " * 40000 + "ALL", "OR ALL " * 20000 + "ALL",
                    "(" * 60000 + "ALL" + ")" * 60000):
            for verb in ("SEARCH ", "SORT (DATE) UTF-8 ",
                         "THREAD REFS UTF-8 "):
                expect_match(ask(raw, verb + bad)[-1],
                             r"^t\d+ (BAD|NO \[LIMIT\])")
        raw.send(b"w SEARCH " + b"NOT TEXT zzz " * 900 + b"ALL\r\n")
        ok(other, "SELECT INBOX")
        expect_match(raw.tagged("w")[-1], r"^w (OK|NO \[LIMIT\])")


@scenario
def i04_who_leaves_is_not_searched_for(lab):
    """Row I04: the search of a client that hung up ends, and the host goes
    on."""
    with session(lab) as raw:
        ok(raw, "SELECT Many")
        raw.send(b"w SEARCH " + b"NOT TEXT zzz " * 900 + b"ALL\r\n")
    with session(lab) as raw:
        ok(raw, "SELECT Many")
        expect_true(search(raw, "BODY", "alpha"), "found")


if __name__ == "__main__":
    main()
