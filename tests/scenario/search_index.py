#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The search index: every answer is what reading the messages says, whatever
became of the file (F06); searches that last are given up with their client, and
hold up nobody (I04)."""

import base64
import contextlib
import os
import random
import re
import struct
import time

from frame import (Failed, expect, expect_match, expect_true, given, main,
                   scenario, wait_for)
from frame_imap import USER1, append, ask, ok, session

N = 150
NAME = "estafeta-search"
LONG = "".join(f"{i * i * i:x}" for i in range(7, 30))[:100]
WORDS = ["house", "houseboat", "Straße", "übermäßig", "日本語", "日本", "naïve",
         "foo-bar", "“quoted”", "x" * 90, "y" * 70 + "end", "e-mail", "42",
         "lonely", LONG, "ΣΊΣΥΦΟΣ", "co\u0301rdoba"]
NEEDLES = WORDS + [
    "ous", "boat", "use bo", "STRASSE", "STRASS", "本語", "本 日", "o-b", "bar e",
    "x" * 31, "x" * 33, "x" * 64, "x" * 91, "yend", "y" * 40 + "end", " 42 ",
    "4", "nothing-like-it", "quoted”", "-", ". ", "córdoba", "σίσυφοσ",
    LONG[55:75], LONG[30:62], LONG[60:95], LONG[90:], LONG[3:99],
    "Subject: n", "text/plain", "number 7", "e", "@x"]


def home_of(lab, folder):
    return os.path.join(lab.mta1.maildir(USER1), "." + folder)


def index_of(lab, folder):
    return os.path.join(home_of(lab, folder), NAME)


def content_of(rng, i):
    text = " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 6)))
    if rng.random() < 0.3:
        text = text.upper()
    head = (f"Subject: number {i} =?utf-8?q?"
            + "".join(f"={o:02x}" for o in rng.choice(WORDS)[:9].encode())
            + f"?=\r\nFrom: {rng.choice('abc')}@x\r\nMIME-Version: 1.0\r\n")
    part = ("Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n"
            + base64.encodebytes(text.encode()).decode().replace("\n", "\r\n"))
    if i % 3 == 0:
        return (head + part).encode()
    if i % 3 == 1:
        return (head + "Content-Type: text/plain; charset=utf-8\r\n\r\n" + text
                + "\r\n").encode()
    inner = f"Subject: {rng.choice(WORDS[:2])}\r\n\r\n{rng.choice(WORDS[:2])}"
    return (head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
            + part + "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + inner
            + "\r\n--b--\r\n").encode()


def fill(lab, folder, rng, first, n):
    home = home_of(lab, folder)
    owner = os.stat(home)
    for i in range(first, first + n):
        content = content_of(rng, i)
        path = os.path.join(home, "cur",
                            f"{1760000000 + i}.M{i}P1.host,S={len(content)},"
                            f"W={len(content)}:2,")
        with open(path, "wb") as file:
            file.write(content)
        if os.geteuid() == 0:
            os.chown(path, owner.st_uid, owner.st_gid)


def search(raw, key, text):
    octets = text.encode()
    raw.send(f"s UID SEARCH CHARSET UTF-8 {key} ".encode()
             + b"{%d+}\r\n" % len(octets) + octets + b"\r\n")
    lines = raw.tagged("s")
    expect_match(lines[-1], "^s OK", f"{key} {text}")
    return lines[0] if len(lines) > 1 else ""


KEYS = ("TEXT", "BODY", "SUBJECT", "NOT BODY", "HEADER FROM",
        "OR SUBJECT house TEXT")


def all_answers(raw, keys=KEYS, needles=NEEDLES):
    """Each needle by one of the keys, and by TEXT."""
    return {(key, text): search(raw, key, text)
            for i, text in enumerate(needles)
            for key in {keys[i % len(keys)], "TEXT"}}


def differing(want, got):
    return [f"{key} {text}: {got[key, text]} instead of {answer}"
            for (key, text), answer in want.items() if got[key, text] != answer]


def is_whole(lab, folder, mark):
    """The background is done with it."""
    said = lab.mta1.log_since(mark)
    return re.search(rf"ev=store.search .*mailbox=\.{folder} .*added=", said)


@contextlib.contextmanager
def index_off(lab):
    """Answers of messages that are read."""
    lab.mta1.stop()
    lab.mta1.environment["ESTAFETA_SEARCH_INDEX"] = "no"
    lab.mta1.start()
    with session(lab) as raw:
        yield raw
    lab.mta1.stop()
    lab.mta1.environment["ESTAFETA_SEARCH_INDEX"] = "yes"
    lab.mta1.start()


def make_index(lab, raw, folder):
    mark = lab.mta1.mark()
    ok(raw, f"SELECT {folder}")
    search(raw, "TEXT", "nothing-like-it")
    wait_for(f"an index of {folder}", lambda: is_whole(lab, folder, mark))


_answers = {}


def answers(lab):
    """What reading says of the mailbox Words, which then has an index."""
    if _answers:
        return _answers
    with session(lab) as raw:
        ok(raw, "CREATE Words")
    fill(lab, "Words", random.Random(5), 0, N)
    with index_off(lab) as raw:
        ok(raw, "SELECT Words")
        _answers.update(all_answers(raw))
        expect_true(not os.path.exists(index_of(lab, "Words")), "no index")
    with session(lab) as raw:
        make_index(lab, raw, "Words")
    return _answers


@scenario
def it_says_what_the_messages_say(lab):
    want = answers(lab)
    found = [a for a in want.values() if a != "* SEARCH"]
    expect_true(len(found) > len(NEEDLES) // 2, "needles are found")
    with session(lab) as raw:
        ok(raw, "SELECT Words")
        faults = differing(want, all_answers(raw))
        if faults:
            raise Failed("; ".join(faults[:5]))
    mail = sum(os.path.getsize(os.path.join(home_of(lab, "Words"), "cur", f))
               for f in os.listdir(os.path.join(home_of(lab, "Words"), "cur")))
    size = os.path.getsize(index_of(lab, "Words"))
    expect_true(size <= mail / 4 + 4096 * N, f"{size} octets for {mail}")


@scenario
def it_is_the_index_that_says_it(lab):
    """A single word needs no message: it is found where it was."""
    answers(lab)
    with session(lab) as raw:
        ok(raw, "SELECT Words")
        before = search(raw, "BODY", "lonely")
        numbers = before.split()[2:]
        expect_true(len(numbers) > 3, before)
        cur = os.path.join(home_of(lab, "Words"), "cur")
        for name in os.listdir(cur):
            path = os.path.join(cur, name)
            times = os.stat(path)
            with open(path, "r+b") as file:
                octets = file.read()
                file.seek(0)
                file.write(octets.replace(b"lonely", b"LOVELY"))
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        expect(search(raw, "BODY", "lonely"), before)
        for name in os.listdir(cur):  # as it was
            with open(os.path.join(cur, name), "r+b") as file:
                octets = file.read()
                file.seek(0)
                file.write(octets.replace(b"LOVELY", b"lonely"))


@scenario
def it_follows_what_comes_and_goes(lab):
    rng = random.Random(6)
    with session(lab) as raw:
        ok(raw, "CREATE Changing")
        fill(lab, "Changing", rng, 0, 100)
        make_index(lab, raw, "Changing")
        small = os.path.getsize(index_of(lab, "Changing"))
        append(raw, "Changing", b"Subject: late\r\n\r\nlatecomer\r\n")
        expect(search(raw, "TEXT", "latecom"), "* SEARCH 101")
        expect(os.path.getsize(index_of(lab, "Changing")), small)
        fill(lab, "Changing", rng, 200, 80)
        mark = lab.mta1.mark()
        ok(raw, "NOOP")
        search(raw, "TEXT", "latecomer")
        wait_for("the new ones are in it",
                 lambda: is_whole(lab, "Changing", mark))
        expect_true(os.path.getsize(index_of(lab, "Changing")) > small, "grown")
        # Most of the first segment goes: what is left moves to a new file.
        ok(raw, "STORE 1:90 +FLAGS.SILENT (\\Deleted)")
        ok(raw, "EXPUNGE")
        fill(lab, "Changing", rng, 400, 80)
        mark = lab.mta1.mark()
        ok(raw, "NOOP")
        search(raw, "TEXT", "latecomer")
        wait_for("the old ones are out of it",
                 lambda: is_whole(lab, "Changing", mark))
        expect(search(raw, "BODY", "latecomer"), "* SEARCH 101")
        got = all_answers(raw, ("BODY",), NEEDLES[::4])
    with index_off(lab) as raw:
        ok(raw, "SELECT Changing")
        faults = differing(all_answers(raw, ("BODY",), NEEDLES[::4]), got)
        if faults:
            raise Failed("; ".join(faults[:5]))


def segments_of(lab, folder):
    """How many messages each has."""
    with open(index_of(lab, folder), "rb") as file:
        octets = file.read()
    at, found = 20, []
    while at < len(octets):
        docs, words, postings = struct.unpack_from("<3I", octets, at + 4)
        found.append(docs)
        at += 32 + 8 * docs + 4 * -(-postings // 16384) + words + postings
    return found


@scenario
def many_small_segments_become_few(lab):
    with session(lab) as raw:
        ok(raw, "CREATE Small")
        ok(raw, "SELECT Small")
        cur = os.path.join(home_of(lab, "Small"), "cur")
        owner = os.stat(cur)
        most = 0
        for turn in range(19):
            for i in range(64):
                path = os.path.join(
                    cur, f"{1760000000 + 64 * turn + i}.M1P1.host,S=24,W=24:2,")
                with open(path, "wb") as file:
                    file.write(b"Subject: \r\n\r\nt%05d ab\r\n"
                               % (64 * turn + i))
                if os.geteuid() == 0:
                    os.chown(path, owner.st_uid, owner.st_gid)
            ok(raw, "NOOP")
            mark = lab.mta1.mark()
            search(raw, "TEXT", "ab")
            wait_for("they are in it", lambda: is_whole(lab, "Small", mark))
            most = max(most, len(segments_of(lab, "Small")))
        expect(sum(segments_of(lab, "Small")), 19 * 64)
        expect_true(most == 17 and len(segments_of(lab, "Small")) < 5,
                    f"{segments_of(lab, 'Small')}, {most} at most")
        for number in (0, 500, 64 * 19 - 1):
            expect(search(raw, "BODY", f"T{number:05}"),
                   f"* SEARCH {number + 1}")
        expect(search(raw, "BODY", "t00"), "* SEARCH " + " ".join(
            str(i + 1) for i in range(1000)))


def flip(place):
    def change(octets):
        at = place(len(octets))
        return octets[:at] + bytes([octets[at] ^ 0x41]) + octets[at + 1:]
    return change


SEGMENT = 20  # behind the head; then docs, sums of blocks, words, postings
DOCS = SEGMENT + 32
DAMAGES = {
    "deleted": None,
    "empty": lambda octets: b"",
    "half a head": lambda octets: octets[:10],
    "a head alone": lambda octets: octets[:20],
    "half a segment's head": lambda octets: octets[:SEGMENT + 16],
    "half": lambda octets: octets[:len(octets) // 2],
    "the last octet missing": lambda octets: octets[:-1],
    "magic": flip(lambda n: 0),
    "version": flip(lambda n: 8),
    "UIDVALIDITY": flip(lambda n: 12),
    "sum of the head": flip(lambda n: 19),
    "segment": flip(lambda n: SEGMENT),
    "number of docs": flip(lambda n: SEGMENT + 4),
    "size of the words": flip(lambda n: SEGMENT + 8),
    "its sum": flip(lambda n: SEGMENT + 31),
    "docs": flip(lambda n: DOCS),
    "sums of blocks": flip(lambda n: DOCS + 8 * N),
    "words": flip(lambda n: DOCS + 8 * N + 40),
    "postings": flip(lambda n: n - 1),
    "noise behind it": lambda octets: octets + bytes(100),
    "noise": lambda octets: bytes(i * 37 % 251 for i in range(len(octets))),
}
# What a store cannot tell from a file that never was, or ended so.
SILENT = {"deleted", "a head alone"}


@scenario
def damaged(lab):
    """All is found, the log says so, and the file is made anew."""
    path = index_of(lab, "Words")
    keys = ("TEXT", "BODY")
    want = dict([(k, v) for k, v in answers(lab).items()
                 if k[0] in keys][::4])
    faults = []
    with session(lab) as raw:
        ok(raw, "SELECT Words")
        for kind, change in DAMAGES.items():
            with open(path, "rb") as file:
                good = file.read()
            mark = lab.mta1.mark()
            if change is None:
                os.unlink(path)
            else:
                with open(path, "r+b") as file:
                    file.write(change(good))
                    file.truncate(len(change(good)))
            for (key, text), answer in want.items():
                got = search(raw, key, text)
                if got != answer:
                    faults.append(f"{kind}: {key} {text}: {got}")
            search(raw, "TEXT", "e")  # of all parts of it
            wait_for(f"{kind}: made anew", lambda: is_whole(lab, "Words", mark))
            said = lab.mta1.log_since(mark)
            if kind not in SILENT and not re.search(
                    r"level=warn.*ev=store.search .*mailbox=\.Words |"
                    r"ev=store.search .*mailbox=\.Words .*reason=", said):
                faults.append(f"{kind}: no line in the log")
            with open(path, "rb") as file:
                if len(file.read()) != len(good):
                    faults.append(f"{kind}: another size")
    if faults:
        raise Failed("; ".join(faults[:8]))


@scenario
def no_file_of_ours(lab):
    """A link, a pipe or a directory in its place is not followed."""
    path = index_of(lab, "Words")
    target = os.path.join(lab.mta1.directory, "victim")
    want = answers(lab)["TEXT", "house"]
    with session(lab) as raw:
        ok(raw, "SELECT Words")
        for make in (lambda: os.symlink(target, path),
                     lambda: os.mkfifo(path), lambda: os.mkdir(path)):
            with open(target, "wb") as file:
                file.write(b"mine")
            os.unlink(path) if os.path.lexists(path) else None
            make()
            expect(search(raw, "TEXT", "house"), want)
            if os.path.isdir(path):
                os.rmdir(path)
            with open(target, "rb") as file:
                expect(file.read(), b"mine")


def store_seconds(lab):
    """CPU seconds of the store's threads."""
    total = 0
    for pid, name in lab.mta1.processes().items():
        if name != "mda/store":
            continue
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(
                    f"/proc/{pid}/task/{task}/schedstat") as file:
                total += int(file.read().split()[0])
    return total / 1e9


def fill_with_work(lab, folder, n):
    """Messages that take long to search: links to one."""
    home = home_of(lab, folder)
    owner = os.stat(home)
    content = (b"Subject: work\r\nContent-Type: text/plain; charset=utf-8\r\n"
               b"\r\n" + "wörk ".encode() * 10000 + b"\r\n")
    name = f"M{{}}P1.host,S={len(content)},W={len(content)}:2,"
    first = os.path.join(home, "cur", "1760000000." + name.format(0))
    with open(first, "wb") as file:
        file.write(content)
    if os.geteuid() == 0:
        os.chown(first, owner.st_uid, owner.st_gid)
    for i in range(1, n):
        os.link(first, os.path.join(home, "cur",
                                    f"{1760000000 + i}." + name.format(i)))


def seconds_of(lab, raw, command):
    before = store_seconds(lab)
    ok(raw, command)
    return store_seconds(lab) - before


@scenario
def i04_a_long_search_ends_with_its_client(lab):
    """Row I04: and others are served meanwhile."""
    few, many = 60, 15000 if "/dev/" in lab.mta1.bin else 40000
    with session(lab) as other:
        for folder, n in (("Few", few), ("Work", many)):
            ok(other, f"CREATE {folder}")
            fill_with_work(lab, folder, n)
        ok(other, "SELECT Few")
        all_of_it = many / few * min(
            seconds_of(lab, other, "SEARCH TEXT zzz") for _ in range(4))
        raw = session(lab)
        ok(raw, "SELECT Work")
        began = store_seconds(lab)
        raw.send(b"w SEARCH TEXT zzz\r\n")
        wait_for("it is being searched",
                 lambda: store_seconds(lab) > began + 0.2)
        slowest = 0
        for _ in range(20):
            at = given()
            ok(other, "NOOP")
            ok(other, "STATUS Work (MESSAGES)")
            slowest = max(slowest, given() - at)
        expect_true(slowest < 1.5, f"others waited for {slowest:.2f} s")
        raw.close()

        def is_quiet():
            before = store_seconds(lab)
            time.sleep(0.3)  # what is measured is work in this time
            return store_seconds(lab) < before + 0.05
        wait_for("nobody works on it", is_quiet, 30)
        used = store_seconds(lab) - began
        expect_true(used < all_of_it / 2,
                    f"{used:.1f} s of {all_of_it:.1f} s of CPU")
        print(f"    {used:.1f} s of {all_of_it:.1f} s of CPU, others waited "
              f"{slowest:.3f} s at most")
        ok(other, "NOOP")


if __name__ == "__main__":
    main(hosts=1)
