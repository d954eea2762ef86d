#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The same mailboxes and the same IMAP commands, on Dovecot 2.3 and on us: what
comes back must mean the same.

Cases lie in tests/interop/imap_cases/, one file per part of IMAP:

    %% case NAME
    %% message [cut] [escaped] [(FLAGS)] ["DATE"]
        lines as they are, up to the next %%; they end with CRLF. cut: the last
        one does not. escaped: \\x00 and so on are octets.
    %% walk
        structure, every part with all that can be asked of it
    %% commands [bare]
        one per line, in the mailbox "box" that the messages are in; bare: none
        is selected. "2: " says it by a second connection. {{text}} is a literal,
        "A ;; B" two commands sent at once. "IDLE" waits for the "+", "DONE" ends
        it.
        ~ RFC SECTION: why
        before a command: the answers differ, and may. That they do is checked.

A case is a user's of its own. Tagged replies and their codes, and untagged data
read as values are compared; UIDVALIDITY, MODSEQ and identifiers have no place,
sets have no order. Then come random messages, put together from a seed: each is
walked through.

Usage: imap_differential.py [--only NAME] [--n MESSAGES] [--seed N] [--show]
[--build dev|release]; root and dovecot-imapd needed. Exit status 0: all agree; 1:
a difference, shown; 77: no Dovecot here."""

import argparse
import collections
import contextlib
import glob
import os
import random
import re
import shutil
import signal
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tests", part)
                for part in ("scenario", "model", "interop")]
import frame  # noqa: E402
from dovecot_roundtrip import Dovecot, version_of_dovecot  # noqa: E402
from imap_wire import (Connection, Ended, Wrong, numbers,  # noqa: E402
                       pairs, values)

CASES = os.path.join(ROOT, "tests", "interop", "imap_cases")
WAIT_S = 15
DEFAULT_DATE = '"05-Mar-2024 10:20:30 +0100"'
DEFAULT_MAILBOXES = (b"Drafts", b"Sent", b"Junk", b"Trash")
# Both have the same default mailboxes, and the same plugins.
MORE = """
mail_fsync = never
namespace inbox {
  mailbox Drafts {
    auto = create
    special_use = \\Drafts
  }
  mailbox Sent {
    auto = create
    special_use = \\Sent
  }
  mailbox Junk {
    auto = create
    special_use = \\Junk
  }
  mailbox Trash {
    auto = create
    special_use = \\Trash
  }
}
"""


class Case:
    def __init__(self, name, place):
        self.name, self.place = name, place
        self.messages = []  # (arguments, octets)
        self.steps = []     # (connection, command, why it may differ)
        self.is_bare = self.is_walked = False


def read_cases(path):
    with open(path, "rb") as file:
        lines = file.read().split(b"\n")
    cases, mode, why = [], None, None
    for n, line in enumerate(lines[:-1], 1):
        if line.startswith(b"%% "):
            word, _, rest = line[3:].decode().partition(" ")
            mode, words = word, rest.split(" ")
            if word == "case":
                cases.append(Case(rest, f"{os.path.basename(path)}:{n}"))
            elif word == "message":
                given = re.sub(r"\b(cut|escaped)\b ?", "", rest)
                if '"' not in given:
                    given = (given + " " + DEFAULT_DATE).strip()
                cases[-1].messages.append([given, [], words])
            elif word == "walk":
                cases[-1].is_walked = True
            elif word == "commands":
                cases[-1].is_bare = rest == "bare"
            else:
                raise frame.Failed(f"{path}:{n}: {line}")
        elif mode == "message":
            cases[-1].messages[-1][1].append(line)
        elif mode == "commands" and line.startswith(b"~ "):
            why = line[2:].decode()
        elif mode == "commands" and line and not line.startswith(b"#"):
            match = re.fullmatch(rb"(?:(\d): )?(.*)", line)
            cases[-1].steps.append((int(match[1] or 1), match[2], why))
            why = None
    for case in cases:
        case.messages = [(given, octets(content, words))
                         for given, content, words in case.messages]
    return cases


def octets(lines, words):
    text = b"\r\n".join(lines) + b"\r\n"
    if "cut" in words:
        text = text[:-2]
    if "escaped" in words:
        text = unescape(text)
    return text


def unescape(text):
    return re.sub(rb"\\x([0-9a-f]{2})|\\([rn\\])", lambda m: bytes(
        [int(m[1], 16)]) if m[1] else {b"r": b"\r", b"n": b"\n",
                                       b"\\": b"\\"}[m[2]], text)


# -- what answers mean

def lower(value):
    return value.lower() if isinstance(value, bytes) else value


def parameters(value):
    if not isinstance(value, list):
        return value
    return sorted((lower(k), v) for k, v in pairs(value).items())


def envelope(value):
    """Unfolding and outer blanks are the server's to choose (RFC 5322 2.2.3);
    so is what stands for a mailbox or domain that the mail lacks."""
    def address(row):
        return [blanks(part) if part not in (b"MISSING_MAILBOX",
                                             b"MISSING_DOMAIN") else b""
                for part in row]
    out = []
    for part in value:
        if isinstance(part, list):
            rows = [address(row) for row in part]
            # An element that is empty (RFC 5322 4.4) is none for us.
            part = [row for row in rows
                    if row != [None, None, b"", b""]] or None
        out.append(blanks(part) if isinstance(part, bytes) else part)
    return out


def blanks(text):
    return text and b" ".join(text.split())


def disposition(value):
    if not isinstance(value, list):
        return value
    return [lower(value[0]), parameters(value[1])]


def languages(rest):
    """One may stand alone or in a list."""
    if rest and isinstance(rest[0], bytes):
        return [[rest[0]], *rest[1:]]
    return rest


def structure(body):
    """A BODY or BODYSTRUCTURE: names of types, parameters and encodings have no
    case, and parameters no order."""
    body = list(body)
    if isinstance(body[0], list):
        n = next((i for i, part in enumerate(body)
                  if not isinstance(part, list)), len(body))
        rest = body[n:]
        out = [structure(part) for part in body[:n]] + [lower(rest[0])]
        if len(rest) > 1:
            out.append(parameters(rest[1]))
        if len(rest) > 2:
            out.append(disposition(rest[2]))
        return out + languages(rest[3:])
    out = [lower(body[0]), lower(body[1]), parameters(body[2]),
           blanks(body[3]), blanks(body[4]), lower(body[5]), body[6]]
    # Dovecot tells it of all text (RFC 2046 4.1.2), we of text/plain: others
    # have defaults of their own (RFC 6657 3).
    if out[0] == b"text" and out[1] != b"plain" and out[2]:
        out[2] = [p for p in out[2] if p != (b"charset", b"us-ascii")] or None
    at = 7
    if is_message(out):
        out += [envelope(body[7]), structure(body[8]), body[9]]
        at = 10
    elif out[0] == b"text":
        out.append(body[7])
        at = 8
    rest = body[at:]
    out += rest[:1]
    if len(rest) > 1:
        out.append(disposition(rest[1]))
    return out + languages(rest[2:])


def parts_of(body, prefix=""):
    """(section number, part) of each in a structure."""
    if isinstance(body[0], list):
        for i, part in enumerate(body):
            if not isinstance(part, list):
                return
            yield f"{prefix}{i + 1}", part
            yield from parts_in(part, f"{prefix}{i + 1}.")
    else:
        yield prefix + "1", body
        yield from parts_in(body, prefix + "1.")


def parts_in(part, prefix):
    if isinstance(part[0], list):
        yield from parts_of(part, prefix)
    elif is_message(part):
        yield from parts_of(part[8], prefix)


def is_message(part):
    return part[:2] in ([b"message", b"rfc822"], [b"message", b"global"])


def sections_of(body):
    """What BODY[...] of a structure exists."""
    found = {"", "HEADER", "TEXT"}
    for number, part in parts_of(body):
        found |= {number, f"{number}.MIME"}
        if is_message(part):
            found |= {f"{number}.HEADER", f"{number}.TEXT"}
    return found


def fetched(items):
    out = {}
    for key, value in items.items():
        name = key.upper().replace(b'"', b"").decode("latin-1")
        if name in ("BODY", "BODYSTRUCTURE"):
            value = structure(value)
        elif name == "ENVELOPE":
            value = envelope(value)
        elif name == "FLAGS":
            value = sorted(set(value))
        elif name == "MODSEQ":
            value = "some"
        elif name == "INTERNALDATE":  # date-day-fixed: (SP DIGIT) / 2DIGIT
            value = re.sub(rb"^ ", b"0", value)
        out[name] = value
    return out


# CONDSTORE alone: Dovecot tells no HIGHESTMODSEQ until asked; it has no OBJECTID;
# a STATUS of what is selected it calls a bug.
UNCOMPARED_CODES = (b"CAPABILITY", b"HIGHESTMODSEQ", b"MAILBOXID", b"CLIENTBUG")
# RFC 5530, 9051 7.1: what more an answer may say. Dovecot mostly does not.
MORE_CODES = (b"CANNOT", b"NONEXISTENT", b"ALREADYEXISTS", b"LIMIT",
              b"TRYCREATE", b"USEATTR", b"READ-ONLY", b"BADCHARSET",
              b"CLIENTBUG")


def code(text):
    word, _, rest = text.partition(b" ")
    word = word.upper()
    if word in UNCOMPARED_CODES:
        return b""
    if word == b"UIDVALIDITY":
        return word
    if word in (b"APPENDUID", b"COPYUID"):
        return b" ".join([word, b"V", *rest.split(b" ")[1:]])
    if word == b"BADCHARSET":
        return word
    if word == b"PERMANENTFLAGS":
        return word + b" " + b" ".join(sorted(rest.strip(b"()").split()))
    return (word + b" " + rest).strip()


def as_status(data):
    name, items = values(data)
    name = b"INBOX" if name.upper() == b"INBOX" else name
    found = pairs(items)
    for key in (b"UIDVALIDITY", b"HIGHESTMODSEQ", b"MAILBOXID"):
        if key in found:
            found[key] = b"some"
    return [name, sorted(found.items())]


def as_list(data):
    row = values(data)
    row[0] = sorted(a.lower() for a in row[0])
    return row


def as_search(data):
    match = re.fullmatch(rb"(.*?) ?(\(MODSEQ \d+\))?", data)
    return [sorted(int(n) for n in match[1].split()), bool(match[2])]


def as_esearch(data):
    items = values(data)
    if items and isinstance(items[0], list):
        items = items[1:]
    is_uid = bool(items) and items[0] == b"UID"
    found = pairs(items[1:] if is_uid else items)
    for key in found:
        if key == b"ALL":
            found[key] = numbers(found[key])
        if key == b"MODSEQ":
            found[key] = b"some"
    return [is_uid, sorted(found.items())]


def as_words(data):
    return sorted(data.strip(b"()").split())


READERS = {"STATUS": as_status, "LIST": as_list, "LSUB": as_list,
           "SEARCH": as_search, "ESEARCH": as_esearch, "FLAGS": as_words,
           "THREAD": values, "NAMESPACE": values, "VANISHED": lambda data: [
               data.startswith(b"(EARLIER)"),
               sorted(numbers(data.split(b" ")[-1]))]}
# ENABLED may be empty or not told.
UNTOLD = ("CAPABILITY", "ID", "ENABLED")


class Player:
    """One server's side of a case: sends, and says what the answers mean."""

    def __init__(self, port, user, log, is_ours):
        self.port, self.user, self.log = port, user, log
        self.is_ours = is_ours
        self.connections = {}
        self.n_tags = 0

    def connection(self, n):
        if n not in self.connections:
            c = Connection(self.port, lambda mark, text: self.log.append(
                (n, mark, text)), wait_s=WAIT_S, is_watched=self.is_ours)
            self.connections[n] = c
            c.response()
            self.must(n, f"LOGIN {self.user} {frame.PASSWORD}".encode())
        return self.connections[n]

    def must(self, n, command):
        reply = self.play(n, command)
        if reply["tagged"][0][0] != "OK":
            raise frame.Failed(f"{command[:80]}: {reply['tagged']}")
        return reply

    def close(self):
        for connection in self.connections.values():
            connection.close()
        self.connections = {}

    def text_of(self, command):
        """(tag, octets): literals come at once (RFC 7888)."""
        self.n_tags += 1
        tag = f"x{self.n_tags}".encode()
        pieces = re.split(rb"\{\{(.*?)\}\}", command, flags=re.S)
        out = tag + b" "
        for i, piece in enumerate(pieces):
            if i % 2:
                piece = unescape(piece)
                piece = b"{%d+}\r\n" % len(piece) + piece
            out += piece
        return tag, out + b"\r\n"

    def play(self, n, command):
        connection = self.connection(n)
        if command == b"IDLE":
            tag, text = self.text_of(command)
            connection.send(text)
            self.idle_tag = tag
            found = []
            while (r := connection.response()).kind != "+":
                found.append(r)
            return self.meaning(found, [])
        if command == b"DONE":
            connection.send(b"DONE\r\n")
            return self.collect(connection, [self.idle_tag])
        sent = [self.text_of(part)
                for part in command.split(b" ;; ")]
        connection.send(b"".join(text for _, text in sent))
        return self.collect(connection, [tag for tag, _ in sent])

    def collect(self, connection, tags):
        found, tagged = [], []
        try:
            while len(tagged) < len(tags):
                try:
                    r = connection.response()
                except Wrong as wrong:
                    found.append(wrong)
                    continue
                (tagged if r.kind == "tagged" else found).append(r)
        except Ended:
            self.connections = {n: c for n, c in self.connections.items()
                                if c is not connection}
            connection.close()
        return self.meaning(found, tagged, tags)

    def meaning(self, found, tagged, tags=()):
        out = collections.defaultdict(list)
        order = {tag: i for i, tag in enumerate(tags)}
        out["tagged"] = [(r.data, code(r.code)) for r in sorted(
            tagged, key=lambda r: order.get(r.tag, -1))]
        fetches, left = {}, list(range(1, 10001))
        for r in found:
            if isinstance(r, Wrong):
                out["wrong"].append(str(r))
            elif r.kind in ("OK", "NO", "BAD", "BYE", "PREAUTH"):
                if code(r.code) or r.kind != "OK":
                    out["conditions"].append((r.kind, code(r.code)))
            elif r.kind == "FETCH":
                fetches.setdefault(r.number, {}).update(fetched(r.data))
            elif r.kind == "EXPUNGE":
                out["EXPUNGE"].append(left.pop(r.number - 1))
            elif r.kind in ("EXISTS", "RECENT"):
                out[r.kind] = [r.number]
            elif r.kind == "SORT":
                out["SORT"].append(r.data)
            elif r.kind in READERS:
                try:
                    out[r.kind].append(READERS[r.kind](r.data))
                except (Wrong, ValueError, AttributeError) as wrong:
                    out["wrong"].append(f"{r.raw!r}: {wrong}")
            elif r.kind not in UNTOLD:
                out[r.kind].append(r.data)
        for number, items in sorted(fetches.items()):
            out["FETCH"].append((number, items))
        for kind in out:
            if kind not in ("tagged", "FETCH", "SORT", "THREAD"):
                out[kind] = sorted(out[kind], key=repr)
        return dict(out)


# -- playing a case

def fill(player, case):
    player.must(1, b"CREATE box")
    for given, content in case.messages:
        connection = player.connection(1)
        player.n_tags += 1
        tag = f"x{player.n_tags}".encode()
        connection.send(tag + f" APPEND box {given} {{{len(content)}+}}\r\n"
                        .encode() + content + b"\r\n")
        reply = player.collect(connection, [tag])
        if reply["tagged"][0][0] != "OK":
            raise frame.Failed(f"{case.name}: APPEND: {reply['tagged']}")


ALL_ITEMS = (
    "BODY.PEEK[]", "BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]", "RFC822.SIZE",
    "RFC822.HEADER", "RFC822.TEXT", "RFC822", "BODY.PEEK[]<5.20>",
    "BODY.PEEK[HEADER.FIELDS (Subject From Content-Type)]",
    "BODY.PEEK[HEADER.FIELDS.NOT (Subject From X-None)]",
    "BODY.PEEK[TEXT]<3.100000>", "BODY.PEEK[TEXT]<100000.5>",
    "BODY.PEEK[HEADER]<3.7>", "BODY.PEEK[HEADER.FIELDS (To Date)]<2.11>")
PART_ITEMS = (
    "BODY.PEEK[{}]", "BODY.PEEK[{}.MIME]", "BODY.PEEK[{}.HEADER]",
    "BODY.PEEK[{}.TEXT]", "BODY.PEEK[{}.HEADER.FIELDS (Subject To)]",
    "BODY.PEEK[{}.HEADER.FIELDS.NOT (Subject To)]", "BODY.PEEK[{}]<2.9>")
BINARY_ITEMS = ("BINARY.PEEK[{}]", "BINARY.SIZE[{}]", "BINARY.PEEK[{}]<1.6>")
MISSING_PARTS = ("2", "1.1", "1.2", "3.1", "1.1.1")
WALKED_PARTS = 24
ITEMS_AT_ONCE = 60


def walk(case, judge):
    """Each message's structure, then all sections that either server's has, and
    some that none has."""
    for number in range(1, len(case.messages) + 1):
        command = f"FETCH {number} (BODY BODYSTRUCTURE ENVELOPE)"
        replies = judge(1, command.encode(), None)
        bodies = [dict(reply.get("FETCH", [])).get(number, {})
                  .get("BODYSTRUCTURE") for reply in replies]
        parts = [n for body in bodies if body for n, _ in parts_of(body)]
        parts = list(dict.fromkeys([*parts, *MISSING_PARTS]))[:WALKED_PARTS]
        items = [*ALL_ITEMS, *(item.format(part) for part in parts
                               for item in PART_ITEMS)]
        for i in range(0, len(items), ITEMS_AT_ONCE):
            some = " ".join(items[i:i + ITEMS_AT_ONCE])
            judge(1, f"FETCH {number} ({some})".encode(), None, bodies[1])
        # Of composites Dovecot decodes what is inside, too (RFC 3516 4.2).
        leaves = [n for n, part in parts_of(bodies[1])
                  if not isinstance(part[0], list) and not is_message(part)]
        for part in leaves[:WALKED_PARTS]:
            items = " ".join(item.format(part) for item in BINARY_ITEMS)
            judge(1, f"FETCH {number} ({items})".encode(), None, bodies[1])


def settle(theirs, ours, body):
    """Of a section that is not there we tell NIL (RFC 9051 4.5), Dovecot "", or
    what is there for a number less."""
    sections = sections_of(body)
    there = dict(theirs.get("FETCH", []))
    for number, items in ours.get("FETCH", []):
        for key, value in items.items():
            # Dovecot's sizes are at times others than what it sends.
            other = there.get(number, {})
            if key.startswith("BINARY.SIZE") and key in other and \
                    int(value) == len(items.get("BINARY" + key[11:]) or b""):
                other[key] = value
            match = re.match(r"(?:BODY|BINARY)\[([^\] ]*)", key)
            if not match or value is not None:
                continue
            name = re.sub(r"\.FIELDS(\.NOT)?$", "", match[1])
            if name not in sections and there.get(number, {}).get(key) \
                    is not None:
                items[key] = there[number][key]


def forgive(theirs, ours, command):
    """Answers that say more than they must."""
    ours["tagged"] = [
        b if a[0] == b[0] and a[1] == b"" and b[1].split(b" ")[0]
        not in MORE_CODES else (b[0], b"") if a[0] == b[0] and not a[1] else b
        for a, b in zip(theirs["tagged"], ours["tagged"])] + \
        ours["tagged"][len(theirs["tagged"]):]
    # RFC 9051 7.5.2: the UID may stand in any FETCH.
    there = dict(theirs.get("FETCH", []))
    for number, items in ours.get("FETCH", []):
        if "UID" in items and "UID" not in there.get(number, items):
            del items["UID"]
    # RFC 9051 6.4.6: a STORE tells the flags, changed or not.
    if b"STORE" in command and b"SILENT" not in command and "FETCH" in ours:
        ours["FETCH"] = [row for row in ours["FETCH"] if row[0] in there]
        theirs.setdefault("FETCH", [])
    # RFC 9051 6.3.9.6, 6154 2: children and uses may be told unasked; LSUB
    # tells no uses.
    for kind in ("LIST", "LSUB"):
        if kind not in theirs or kind not in ours:
            continue
        kept = [b"\\hasnochildren", b"\\haschildren"] \
            if b"CHILDREN" not in command and (
                b"(" in command or kind == "LSUB") else []
        if b"SPECIAL-USE" not in command:
            kept += [b"\\drafts", b"\\sent", b"\\junk", b"\\trash",
                     b"\\archive"]
        for reply in (theirs, ours):
            reply[kind] = sorted(([[a for a in row[0] if a not in kept],
                                   *row[1:]] for row in reply[kind]),
                                 key=repr)


class Differential:
    def __init__(self, ports):
        self.ports = ports
        self.counts = collections.Counter()
        self.differences = []

    def play(self, case, user):
        logs = [[], []]
        players = [Player(port, user, log, log is logs[1])
                   for port, log in zip(self.ports, logs)]
        try:
            for name in DEFAULT_MAILBOXES:
                players[0].must(9, b"SUBSCRIBE " + name)
            for player in players:
                fill(player, case)
                if not case.is_bare:
                    player.must(1, b"SELECT box")
            self.counts["cases"] += 1
            self.counts["messages"] += len(case.messages)

            def judge(n, command, why, body=None):
                replies = [player.play(n, command) for player in players]
                if body:
                    settle(*replies, body)
                self.compare(case, command, why, replies)
                return replies
            if case.is_walked:
                walk(case, judge)
            for n, command, why in case.steps:
                judge(n, command, why)
        except (Wrong, Ended, TimeoutError, OSError, frame.Failed) as error:
            self.differences.append(
                f"{case.place} {case.name}: {error!r}\n" + "\n".join(
                    f"    {name} {entry}" for name, log in zip(
                        ("dovecot", "ours"), logs) for entry in log[-4:]))
        finally:
            for player in players:
                player.close()

    def compare(self, case, command, why, replies):
        self.counts["commands"] += 1
        forgive(*replies, command)
        differ = [key for key in {**replies[0], **replies[1]}
                  if replies[0].get(key) != replies[1].get(key)]
        if bool(differ) == bool(why):
            self.counts["allowed differences"] += bool(why)
            return
        where = f"{case.place} {case.name}: {command[:150].decode('latin-1')}"
        if why:
            self.differences.append(f"{where}\n    no difference now: {why}")
            return
        text = [where]
        for key in differ:
            theirs, ours = (r.get(key, []) for r in replies)
            if key == "FETCH":
                theirs, ours = only_different(theirs, ours)
            text.append(f"    dovecot {key} {str(theirs)[:1500]}\n"
                        f"    ours    {key} {str(ours)[:1500]}")
        self.differences.append("\n".join(text))


def only_different(theirs, ours):
    a, b = dict(theirs), dict(ours)
    left, right = {}, {}
    for number in sorted(set(a) | set(b)):
        x, y = a.get(number), b.get(number)
        if x is None or y is None:
            left[number], right[number] = x, y
            continue
        for key in {**x, **y}:
            if x.get(key, "absent") != y.get(key, "absent"):
                left[number, key] = x.get(key, "absent")
                right[number, key] = y.get(key, "absent")
    return left, right


# -- random messages

def pick(rng, *choices):
    return rng.choice(choices)


def word(rng):
    return "".join(rng.choice("abcdefgh") for _ in range(rng.randrange(1, 8)))


def random_address(rng):
    local, host = word(rng), word(rng)
    return pick(
        rng, f"{local}@{host}.test", f"<{local}@{host}.test>",
        f"{word(rng)} {word(rng)} <{local}@{host}>", f'"{word(rng)}, x" <{local}@{host}>',
        f"{local}@{host} ({word(rng)} {word(rng)})", f"{word(rng)}: {local}@{host}, b@c;",
        f"{word(rng)}:;", f"<@a.b,@c.d:{local}@{host}>", f'"{local} x"@{host}',
        f"{local}@[127.0.0.1]", local, "<>", f"<{local}>", "", f"{local}@",
        f"@{host}", f"=?utf-8?q?{word(rng)}_=C3=A9?= <{local}@{host}>",
        f"{word(rng)}. {word(rng)} <{local}@{host}>", 
        f"(c) {local}@{host} (d)",
        f'"a\\"b\\\\c" <{local}@{host}>')


def random_header(rng):
    fields = []
    for name in ("Date", "Subject", "From", "Sender", "Reply-To", "To", "Cc",
                 "Bcc", "In-Reply-To", "Message-ID"):
        if rng.random() < 0.55:
            continue
        blank = pick(rng, " ", " ", " ", " ", "", "\t", "  ", "\r\n ", " \r\n\t")
        if name in ("From", "Sender", "Reply-To", "To", "Cc", "Bcc"):
            value = pick(rng, ", ", ",", ",\r\n\t").join(
                random_address(rng) for _ in range(rng.randrange(4)))
        elif name == "Date":
            value = pick(rng, "Tue, 5 Mar 2024 10:20:30 +0100", "yesterday",
                         "5 Mar 24 10:20 EST", "", "Tue, 5 Mar 2024 10:20:30 (c)")
        else:
            value = pick(rng, "", " ", word(rng), f"<{word(rng)}@x>",
                         f"{word(rng)}\r\n {word(rng)}", f'"{word(rng)}\\',
                         f"{word(rng)}  {word(rng)} ", f"\té{word(rng)}",
                         f"<{word(rng)}@x>\r\n\t<{word(rng)}@y> ",
                         f"=?utf-8?b?w6k=?= {word(rng)}", f"{word(rng)}\r\n \r\n x")
        fields.append(name + pick(rng, ":", ":", ":", ":", " :") + blank + value)
    rng.shuffle(fields)
    return fields


def random_type(rng, given):
    return given + pick(
        rng, "", "", "; charset=utf-8", ';\r\n name="a b.txt"', "; x=1; X=2",
        ";", " ; charset = us-ascii (c)", '; n="a\\"b\\\\c"',
        "; charset=UTF-8;")


def random_extras(rng, is_leaf):
    """RFC 2045 6.4: a composite is in no encoding."""
    fields = []
    if rng.random() < 0.4:
        fields.append("Content-Transfer-Encoding: " + pick(
            rng, "7bit", "8BIT", "binary", *["base64", "quoted-printable",
                                             "base64 (c)"] * is_leaf))
    if rng.random() < 0.25:
        fields.append("Content-Disposition: " + random_type(rng, pick(
            rng, "inline", "Attachment")))
    if rng.random() < 0.15:
        fields.append("Content-ID: " + pick(rng, f"<{word(rng)}@x>", "", "a b"))
    if rng.random() < 0.15:
        fields.append("Content-Description: " + pick(
            rng, word(rng), "", "a\r\n b", "=?utf-8?q?=C3=A9?="))
    if rng.random() < 0.12:
        fields.append("Content-Language: " + pick(
            rng, "en", "en, es", "EN-us,de"))
    if rng.random() < 0.12:
        fields.append("Content-Location: " + pick(rng, "http://x/", "", "a\r\n b"))
    if rng.random() < 0.12:
        fields.append("Content-MD5: " + pick(rng, "Q2hlY2s=", "", "a (c)"))
    return fields


ENCODED = {"base64": ("aGVsbG8=", "aGVs\r\nbG8=", "aGVsbG8gd29ybGQ="),
           "quoted": ("=41=\r\nb", "a=20 \r\nb", "=C3=A9\r\n=3D")}


def random_text(rng, boundaries, fields):
    for name, texts in ENCODED.items():
        if any("Encoding: " + name in field for field in fields):
            return rng.choice(texts) + "\r\n"
    lines = [pick(rng, "hello", "", "=41=\r\nb", "aGVsbG8=", "--", "é", ".",
                  "From x", "a: b", "=", "x" * 100, "  ", "a=20 ")
             for _ in range(rng.randrange(4))]
    if boundaries and rng.random() < 0.15:
        lines.insert(0, "--" + rng.choice(boundaries)[:-1])
    return "\r\n".join(lines) + "." + pick(rng, "", "\r\n", "\r\n")


def random_entity(rng, depth, boundaries):
    """(fields, body)"""
    roll = rng.random()
    is_leaf = depth > 3 or roll < 0.45
    fields = random_extras(rng, is_leaf)
    if is_leaf:
        if rng.random() < 0.75:
            fields.append("Content-Type:" + pick(rng, " ", "", "\r\n ")
                          + random_type(rng, pick(
                              rng, "text/plain", "TEXT/Html", "image/png",
                              "application/octet-stream", "text/plain (c)",
                              "(c) text/plain", "message/partial")))
        else:  # then Dovecot does not look at the others
            fields = []
        rng.shuffle(fields)
        return fields, random_text(rng, boundaries, fields)
    if roll < 0.62:
        fields.append("Content-Type: " + random_type(rng, pick(
            rng, "message/rfc822", "MESSAGE/rfc822")))
        inner, body = random_entity(rng, depth + 1, boundaries)
        inner = random_header(rng) + ["X-Inner: 1"] + inner
        head = "".join(field + "\r\n" for field in inner)
        return fields, head + "\r\n" + body
    name = word(rng) + str(rng.randrange(100))
    kind = pick(rng, "mixed", "digest", "Alternative", "related")
    inner = boundaries + [name]
    text = pick(rng, "", "", "pre\r\n", "\r\n")
    for _ in range(rng.randrange(1, 4)):
        part, body = random_entity(rng, depth + 1, inner)
        if kind == "digest" and not any("-Type" in f for f in part):
            body = "X-Inner: 1\r\n\r\n" + body
        text += f"--{name}\r\n" + "".join(field + "\r\n" for field in part) \
            + "\r\n" + body + "\r\n"
    if rng.random() < 0.75:
        text += f"--{name}--" + pick(rng, "\r\n", "\r\nepilogue", " \r\n")
    fields.append("Content-Type: multipart/" + kind + pick(
        rng, f'; boundary="{name}"', f"; boundary={name}",
        f'; charset=x;\r\n\tboundary="{name}"'))
    return fields, text


def random_message(rng):
    fields, body = random_entity(rng, 0, [])
    fields = random_header(rng) + fields
    rng.shuffle(fields)
    head = "".join(field + "\r\n" for field in fields)
    return (head + pick(rng, *["\r\n" + body] * 15, "\r\n")).encode()


SUBJECTS = ("thing", "Thing", "other thing", "[list] thing", "", "a", "b",
            "=?utf-8?q?th=C3=ADng?=", "(fwd)", "[x]", "re", "thing\r\n\tmore")
MARKS = ("Re: ", "RE:", "Fwd: ", "FW: ", "re[2]: ", "Re: [list] ", "[a] Re: ")
WORDS = ("thing", "other", "fox", "café", "th", "in", "Re", "=", "x.test", "a b",
         "ox ju", "list", "more", "ÍNG")
SEARCHED = ("SUBJECT", "FROM", "TO", "CC", "BODY", "TEXT", "HEADER Message-ID",
            "HEADER References")
TEXT_WORDS = ("hello", "éa", "é.", "=41", "Ab", "world", "a: b", "..", "xxx",
              "From x.", "hello world", "aGVs", "X-Inner", "message/rfc822")
FLAG_KEYS = ("ALL", "SEEN", "UNSEEN", "FLAGGED", "DELETED", "KEYWORD k1",
             "UNKEYWORD k1", "1:5", "UID 3:7", "LARGER 250", "SMALLER 200",
             "SINCE 3-Mar-2024", "BEFORE 3-Mar-2024", "ON 3-Mar-2024",
             "SENTSINCE 3-Mar-2024", "SENTON 3-Mar-2024", "*", "5:*")
SORTED = ("ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO",
          "DISPLAYFROM", "DISPLAYTO")


def related_message(rng, n):
    """One that answers others, or claims to."""
    def name():
        return f"<{rng.randrange(n)}@id.test>"
    fields = ["Date: " + pick(
        rng, f"{rng.randrange(1, 9)} Mar 2024 {rng.randrange(24):02}:00:00 "
        + pick(rng, "+0000", "-0800", "+1300"),
        f"Tue, 5 Mar 2024 10:00:{rng.randrange(60):02} +0000")]
    if rng.random() < 0.9:
        fields.append("Message-ID: " + name())
    if rng.random() < 0.6:
        fields.append("References: " + pick(rng, " ", "\r\n ").join(
            name() for _ in range(rng.randrange(1, 5))))
    if rng.random() < 0.4:
        fields.append("In-Reply-To: " + name() + pick(rng, "", " of yesterday"))
    if rng.random() < 0.9:
        fields.append("Subject: " + "".join(
            rng.choice(MARKS) for _ in range(rng.choice((0, 0, 1, 1, 2))))
            + rng.choice(SUBJECTS) + pick(rng, "", "", " (fwd)"))
    for field in ("From", "To", "Cc"):
        if rng.random() < 0.8:
            fields.append(f"{field}: " + pick(
                rng, "zoe@x.test", "Zoe A <yan@x.test>", "a@x.test, b@x.test",
                '"b, c" <c@y.test>', "=?utf-8?q?=C3=89ric?= <d@y.test>",
                "ann@y.test (Ann)", "B@x.test"))
    text = pick(rng, "the quick fox jumps", "a b\r\nc d", "café",
                "other th=ing", "x" * rng.randrange(100))
    return "".join(f"{field}\r\n" for field in fields).encode() \
        + f"\r\n{text}\r\n".encode()


def random_key(rng, depth=0):
    """No AND inside of NOT inside of OR, of which Dovecot takes too much away;
    nor does it always look at a second key of SORT (RFC 5256 3)."""
    roll = rng.random()
    if depth < 3 and roll < 0.15:
        return f"OR {random_key(rng, depth + 1)} {random_key(rng, depth + 1)}"
    if depth < 3 and roll < 0.3:
        return f"NOT {random_key(rng, depth + 1)}"
    if roll < 0.65:
        return rng.choice(FLAG_KEYS)
    return f"{rng.choice(SEARCHED)} {{{{{rng.choice(WORDS)}}}}}"


def related_case(rng, name, place):
    case = Case(name, place)
    n = rng.randrange(5, 25)
    for i in range(n):  # k1 is there: Dovecot makes a keyword that is asked for
        flags = " ".join(f for f in ("\\Seen", "\\Flagged", "\\Deleted", "k1")
                         if rng.random() < 0.3 or (f == "k1" and i == 0))
        date = f'"{rng.randrange(1, 9):02}-Mar-2024 12:00:00 +0000"'
        case.messages.append((f"({flags}) {date}", related_message(rng, n)))
    commands = [f"{word} UTF-8 {{}}" for word in (
        "THREAD REFERENCES", "THREAD ORDEREDSUBJECT", *(
            f"SORT ({key})" for key in SORTED),
        *(f"SORT (REVERSE {key})" for key in ("ARRIVAL", "DATE", "SIZE")))]
    commands = [c.format(pick(rng, "ALL", "ALL", random_key(rng, 2)))
                for c in commands]
    for _ in range(30):
        commands.append(pick(rng, "", "UID ") + "SEARCH " + pick(
            rng, "", "RETURN (MIN MAX COUNT ALL) ") + "CHARSET UTF-8 "
            + random_key(rng))
    case.steps = [(1, c.encode(), None) for c in commands]
    return case


def random_cases(options):
    rng = random.Random(options.seed)
    cases, left = [], options.n
    place = f"seed {options.seed}"
    for i in range(options.n // 10):
        cases.append(related_case(rng, f"related {i}", place))
    while left > 0:
        case = Case(f"random {len(cases)}", place)
        n = min(left, 20)
        case.messages = [(DEFAULT_DATE, random_message(rng) or b"\r\n")
                         for _ in range(n)]
        case.is_walked = True
        # In BODY Dovecot passes over the headers of messages inside.
        case.steps = [(1, f"SEARCH CHARSET UTF-8 TEXT {{{{{word}}}}}".encode(),
                       None) for word in TEXT_WORDS]
        cases.append(case)
        left -= n
    return cases


def accounts(host, n):
    secret = re.search(r"^user1@[^|]*\|(.*)$", host.read_config("accounts.cf"),
                       re.M)[1]
    users = [f"d{i}@{host.domain}" for i in range(n)]
    for user in users:
        host.append("accounts.cf", f"{user}|{secret}")
    host.write_config("quotas.cf", "")
    host.environment["SSL_TYPE"] = ""
    return users


class Theirs(Dovecot):
    def __init__(self, host):
        super().__init__(host, "/")
        with open(self.config, "a") as file:
            file.write(MORE)
        with open(self.config) as file:
            text = file.read().replace(host.mail, host.mail + "-dovecot")
        with open(self.config, "w") as file:
            file.write(text)
        os.makedirs(host.mail + "-dovecot")
        os.chown(host.mail + "-dovecot", 5000, 5000)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="release")
    parser.add_argument("--only", default="")
    parser.add_argument("--n", type=int, default=40)
    # Of a thousand random messages Dovecot gets one wrong: not in each run.
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=40)
    options = parser.parse_args()
    if version_of_dovecot() is None:
        return 77
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    cases = []
    for path in sorted(glob.glob(os.path.join(CASES, "*.txt"))):
        cases += read_cases(path)
    cases += random_cases(options)
    cases = [c for c in cases if options.only in c.name + c.place]
    lab = frame.Lab("imap-differential", 1, options.build)
    host = lab.mta1
    users = accounts(host, len(cases))
    dovecot = Theirs(host)
    try:
        lab.start()
        dovecot.start()
        run = Differential([dovecot.port, host.ports["imap"]])
        for case, user in zip(cases, users):
            run.play(case, user)
        run.differences += host.complaints()
    finally:
        with contextlib.suppress(frame.Failed):
            dovecot.stop()
        frame.kill_all()
    for text in run.differences[:options.show]:
        print(text)
    print(f"# seed {options.seed}: {dict(run.counts)}, "
          f"{len(run.differences)} differ")
    if run.differences:
        print(f"kept: {lab.directory}")
        return 1
    shutil.rmtree(lab.directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
