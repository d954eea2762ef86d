#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random IMAP commands by two clients of one user, and deliveries, held against
the reference in imap_state.py.

    imap_model.py --port P --lmtp PATH --password W --users A,B,...
                  [--seed S] [--commands N] [--only USER]

Each user is a process of its own with two clients; mostly one acts and the
other waits, idles, or has something else selected, so that what must be told,
and what may be, is known to the octet. Commands go out one by one or pipelined,
whole, in pieces, or octet by octet. A client that comes back to a mailbox brings
what it kept (QRESYNC), and must end with the truth.

Prints seed and counts per command and kind of answer; a kind that never came is
a failure, when there were enough commands. Exit code 1: what no standard
allows; the last lines of the session go to standard error. The same seed makes
the same commands."""

import argparse
import collections
import functools
import json
import os
import random
import re
import socket
import sys
import time
import traceback

import imap_wire
from imap_client import (Client, Command, GIVEN, Observer, WORDS, content,
                         instant, text_of)
from imap_state import (Mailbox, Message, View, esearch_result, hold,
                        search_result)
from imap_wire import Ended, Wrong, as_set, numbers, pairs, values

FLAGS = ("\\Answered", "\\Flagged", "\\Deleted", "\\Deleted", "\\Seen",
         "\\Draft", "$Label1", "Junk", "NonJunk", "work", "a.1")
NAMES = ("INBOX", "F1", "F2", "F3", "F1/sub", "F2/x y", "&AOQ-")
AUML = "\u00e4"     # what &AOQ- is in modified UTF-7
MANY = 30           # messages in a mailbox, before some must go
SHOWN = 120         # lines of a failed session
ENOUGH = 20000      # commands, so that every kind has come
HEADER = b"BODY[HEADER.FIELDS (X-MODEL)]"
ITEMS = ("FLAGS", "UID", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "MODSEQ",
         "BODYSTRUCTURE", "BODY.PEEK[]", "BODY[]", "EMAILID", "SAVEDATE",
         "BODY.PEEK[HEADER.FIELDS (X-MODEL)]")
# Sort keys (RFC 5256 2.2, 3; RFC 5957 3) of what content() makes; None: not told.
SORT_KEYS = {
    "ARRIVAL": lambda m: m.date, "SIZE": lambda m: m.size,
    "DATE": lambda m: 1 + m.body % 28, "SUBJECT": lambda m: f"S{m.body}",
    "FROM": lambda m: f"A{m.body % 7}", "TO": lambda m: "",
    "CC": lambda m: "", "DISPLAYFROM": lambda m: f"A{m.body % 7}@X.EXAMPLE",
}
ENTRIES = ("/private/comment", "/shared/comment", "/private/vendor/m",
           "/private/vendor/m/a", "/private/vendor/m/a/b", "/shared/vendor/m",
           "/private/filters/values/x y")
KINDS = {  # the kinds of answer that each command must have had
    "SELECT": "OK NO", "EXAMINE": "OK NO", "SELECT QRESYNC": "OK",
    "UNSELECT": "OK", "CLOSE": "OK", "APPEND": "OK NO", "MULTIAPPEND": "OK NO",
    "STORE": "OK NO", "UID STORE": "OK NO", "STORE UNCHANGEDSINCE":
    "OK MODIFIED", "UID STORE UNCHANGEDSINCE": "OK MODIFIED",
    "COPY": "OK NO", "UID COPY": "OK NO", "MOVE": "OK NO", "UID MOVE": "OK NO",
    "EXPUNGE": "OK NO", "UID EXPUNGE": "OK NO", "FETCH": "OK",
    "UID FETCH": "OK", "UID FETCH CHANGEDSINCE": "OK",
    "UID FETCH VANISHED": "OK", "SEARCH": "OK", "UID SEARCH": "OK",
    "SEARCH RETURN": "OK", "SEARCH SAVE": "OK", "STATUS": "OK NO",
    "THREAD": "OK", "UID THREAD": "OK",
    "SORT": "OK", "UID SORT": "OK", "SORT RETURN": "OK", "REPLACE": "OK NO",
    "UID REPLACE": "OK NO", "GETMETADATA": "OK NO", "SETMETADATA": "OK NO",
    "CREATE": "OK NO", "DELETE": "OK NO", "RENAME": "OK NO",
    "RENAME INBOX": "OK", "LIST": "OK", "NOOP": "OK", "IDLE": "OK",
    "LOGIN": "OK", "DELIVERY": "OK", "wrong": "BAD", "NOTIFY": "told",
}


class Worker:
    """One user: the reference, two clients, and who does what next."""

    def __init__(self, options, user, seed, n_commands):
        self.options, self.user, self.left = options, user, n_commands
        self.rng = random.Random(f"{seed} {user}")
        self.transcript = collections.deque(maxlen=SHOWN)
        self.counts = collections.Counter()
        self.boxes = {"INBOX": Mailbox("INBOX")}
        self.validities, self.last_validity = {}, {}
        self.n_bodies = self.rng.randrange(1000) * 1000000
        self.metadata = {}  # of the server
        self.now = None
        self.lmtp = self.resolver = self.observer = None
        self.clients = []

    def count(self, kind, word):
        self.counts[f"{kind} {word}"] += 1
        self.left -= 1

    def chance(self, percent):
        return self.rng.random() * 100 < percent

    def new_body(self):
        self.n_bodies += 1
        return self.n_bodies

    def run(self):
        self.clients = [Client(self, "a"), Client(self, "b")]
        self.resolver = Client(self, "r")
        self.observer = Observer(self, "n")
        for client in (*self.clients, self.resolver, self.observer):
            client.connect()
        while self.left > 0:
            self.step()
            if self.chance(2):
                self.observer.check()
        self.observer.check()
        for client in self.clients:
            if client.idle_tag:
                client.end_idle()
            elif client.view:
                client.run(self.noop(client))
            client.connection.close()

    def learn_validity(self, box, value):
        box.learn_validity(value)
        owner = self.validities.setdefault(value, box)
        hold(owner is box, lambda: f"UIDVALIDITY {value} of two mailboxes")
        self.last_validity[box.name] = max(
            value, self.last_validity.get(box.name, 0))

    # -- what is next

    def step(self):
        rng = self.rng
        client = rng.choice(self.clients)
        if client.idle_tag:
            if self.chance(40):
                client.end_idle()
            else:
                client = next((c for c in self.clients if not c.idle_tag),
                              None)
                if client is None:
                    self.deliver()
                    return
        if self.chance(4):
            self.deliver()
        elif self.chance(0.7):
            client.leave()
            client.connect()
        elif client.view and client.view.mailbox.messages and self.chance(12):
            self.pipeline(client)
        else:
            self.one(client)
        for other in self.clients:
            if other.is_doomed:
                other.end_doomed()
            elif other.idle_tag and other is not client:
                other.hear()
        for box in self.boxes.values():
            box.forget_old()

    def one(self, client):
        weights = (OUTSIDE if client.view is None else INSIDE)
        make = self.rng.choices(*weights)[0]
        if client.view and len(client.view.mailbox.messages) > MANY and \
                self.chance(30):
            make = Worker.shrink
        command = make(self, client)
        if command:
            client.run(command)

    def pipeline(self, client):
        """UIDs alone, so that no number can be meant otherwise (RFC 9051
        5.5)."""
        makes = self.rng.choices(
            (Worker.fetch, Worker.store, Worker.search, Worker.sort,
             Worker.noop, Worker.status, Worker.copy, Worker.uid_expunge),
            k=self.rng.randrange(2, 6))
        if any(c.idle_tag for c in self.clients):
            makes = [m for m in makes if m is not Worker.uid_expunge]
        self.uids_only = True
        commands = [make(self, client) for make in makes]
        self.uids_only = False
        commands = [c for c in commands if c]
        # Who idles sees what was between; the flags of one command only.
        if any(c.idle_tag for c in self.clients):
            commands = commands[:1]
        if commands:
            client.run(*commands)

    uids_only = False

    def pick_name(self, percent_there=85):
        if self.chance(percent_there):
            return self.rng.choice(list(self.boxes))
        return self.rng.choice(NAMES)

    def quoted(self, client, name):
        if client.rev2 and "&" in name:  # UTF-8 there (RFC 9051 5.1)
            return f'"{name.replace("&AOQ-", AUML)}"'
        if " " in name or self.chance(20):
            return f'"{name}"'
        return name

    def pick_set(self, client):
        """(is_uid, text, function that gives UIDs when it is judged)"""
        view, rng = client.view, self.rng
        is_uid = self.uids_only or self.chance(55)
        if view.uids and self.chance(6):
            return is_uid, "$", lambda: sorted(view.saved)
        if not view.uids:
            # One that cannot come: what this view has not been told of yet
            # may be, and the answer begins with it.
            box = view.mailbox
            uid = rng.choice([uid for uid in range(1, 50)
                              if uid < box.next_uid
                              and uid not in box.messages] or [4000000000])
            return True, str(uid), lambda: []
        roll = rng.randrange(10)
        if roll < 5:
            seqs = [rng.randrange(len(view.uids)) + 1]
        elif roll < 8:
            seqs = rng.sample(range(1, len(view.uids) + 1), rng.randrange(
                1, min(6, len(view.uids)) + 1))
        else:
            a = rng.randrange(len(view.uids))
            b = rng.randrange(len(view.uids))
            seqs = list(range(min(a, b) + 1, max(a, b) + 2))
        uids = [view.uids[seq - 1] for seq in seqs]
        text = as_set(uids if is_uid else seqs)
        is_known = not set(view.mailbox.messages) - set(view.uids)
        if max(seqs) == len(view.uids) and is_known and not self.uids_only \
                and self.chance(30):
            text = re.sub(r"\d+$", "*", text)
        elif is_uid and self.chance(10) and view.mailbox.gone:
            text += f",{rng.choice(list(view.mailbox.gone))}"
            last = int(re.split("[,:]", text)[-1])
            if last in view.uids and last not in uids:
                uids.append(last)
        return is_uid, text, lambda: sorted(set(uids))

    # -- selecting

    def select(self, client):
        name = self.pick_name(92)
        is_read_only = self.chance(25)
        word = "EXAMINE" if is_read_only else "SELECT"
        text, kind, kept = f"{word} {self.quoted(client, name)}", word, None
        known = matching = None
        if client.qresync and name in client.kept and self.chance(80):
            kept, kind = client.kept[name], "SELECT QRESYNC"
            extra = f"{kept.validity} {kept.modseq}"
            roll = self.rng.randrange(4)
            if roll == 1 and kept.last_uid:
                known = set(range(1, kept.last_uid + 1))
                extra += f" 1:{kept.last_uid}"
            elif roll == 2 and kept.flags:
                known = set(self.rng.sample(
                    sorted(kept.flags),
                    self.rng.randrange(1, len(kept.flags) + 1)))
                extra += f" {as_set(known)}"
            if roll != 0 and kept.flags and self.chance(30):
                matching = self.matching(kept)
                extra += (f" {'' if known else f'1:{kept.last_uid} '}"
                          f"{matching}")
                known = known or set(range(1, kept.last_uid + 1))
            text += f" (QRESYNC ({extra}))"
        elif self.chance(15):
            text += " (CONDSTORE)"
        is_condstore = client.condstore or "(CONDSTORE" in text
        judge = functools.partial(self.judge_select, client, name,
                                  is_read_only, is_condstore, kept, known)
        return Command(kind, text, judge)

    def matching(self, kept):
        """RFC 7162 3.2.5.2: some numbers and the UIDs they had."""
        uids = sorted(kept.flags)
        places = sorted(self.rng.sample(
            range(len(uids)), self.rng.randrange(1, len(uids) + 1)))
        return (f"({as_set(place + 1 for place in places)} "
                f"{as_set(uids[place] for place in places)})")

    def judge_select(self, client, name, is_read_only, is_condstore, kept,
                     known, untagged, tagged):
        had = client.view
        client.leave()
        box = self.boxes.get(name)
        if had:
            first = [r for r in untagged if r.kind == "OK"]
            if client.rev2 or client.qresync:
                hold(first and first[0].code == b"CLOSED", "no CLOSED")
            untagged = [r for r in untagged if r.code != b"CLOSED"]
        if box is None:
            hold(tagged.data == "NO" and not untagged, "no such mailbox")
            return
        hold(tagged.data == "OK" and tagged.code == (
            b"READ-ONLY" if is_read_only else b"READ-WRITE"),
            lambda: f"{tagged.raw!r} to SELECT")
        client.condstore = is_condstore
        client.view = view = View(box, is_read_only, client.name)
        kinds = [r.kind for r in untagged]
        hold("FLAGS" in kinds and "EXISTS" in kinds, "FLAGS and EXISTS")
        codes = {}
        for response in untagged:
            if response.kind == "OK" and response.code:
                word, _, rest = response.code.partition(b" ")
                codes[word.decode()] = rest
        self.learn_validity(box, int(codes["UIDVALIDITY"]))
        hold(int(codes["UIDNEXT"]) > max(box.messages, default=0), "UIDNEXT")
        box.learn_next(int(codes["UIDNEXT"]))
        if "MAILBOXID" in codes:
            box.learn_id(codes["MAILBOXID"])
        box.learn_highest(int(codes["HIGHESTMODSEQ"]))
        fetched, _ = client.settle(untagged)
        view.modseq = int(codes["HIGHESTMODSEQ"])
        hold(view.uids == list(box.messages), lambda: f"SELECT tells "
             f"{len(view.uids)} messages, there are {list(box.messages)}")
        unseen = [i + 1 for i, m in enumerate(box.messages.values())
                  if "\\seen" not in m.flags]
        if "UNSEEN" in codes:
            hold(unseen[:1] == [int(codes["UNSEEN"])], lambda: f"UNSEEN "
                 f"{codes['UNSEEN']!r}, want {unseen[:1]}")
        if kept and kept.validity == box.validity:
            self.judge_resync(view, kept, known, fetched)
        else:
            hold(not fetched and not view.earlier,
                 "changes since something that was another mailbox")

    def judge_resync(self, view, kept, known, fetched):
        """What was kept, and what was told, is the truth."""
        box, flags = view.mailbox, dict(kept.flags)
        for uid, items in fetched:
            hold(b"UID" in items and b"FLAGS" in items and b"MODSEQ" in items,
                 "FETCH of QRESYNC has UID, FLAGS, MODSEQ")
            hold(known is None or uid in known, f"UID {uid} was not asked for")
            flags[uid] = view.flags[uid]
        for uid in view.earlier:
            hold(known is None or uid in known, f"{uid} was not asked for")
            flags.pop(uid, None)
        for uid in (flags if known is None else known & set(flags)):
            hold(uid in box.messages, lambda: f"UID {uid} is gone since "
                 f"{kept.modseq}, and not in VANISHED {sorted(view.earlier)}")
            hold(flags[uid] in (None, box.messages[uid].flags), lambda:
                 f"UID {uid} had {flags[uid]} at {kept.modseq}, now "
                 f"{box.messages[uid].flags}, and that was not told")
        if known is None:
            missing = set(box.messages) - set(flags)
            hold(not missing, lambda: f"new since {kept.modseq}, not told: "
                 f"{missing}")

    def unselect(self, client):
        def judge(untagged, tagged):
            client.quiet(untagged, tagged, "OK")
            client.leave()
        return Command("UNSELECT", "UNSELECT", judge)

    def close(self, client):
        def judge(untagged, tagged):
            view = client.view
            hold(tagged.data == "OK", "CLOSE")
            hold(not any(r.kind in ("EXPUNGE", "VANISHED") for r in untagged),
                 "CLOSE tells no EXPUNGE (RFC 9051 6.4.1)")
            if view.is_read_only:
                client.quiet(untagged, tagged, "OK")
                client.leave()
                return
            was_complete = not view.incomplete()
            floor = view.mailbox.floor
            gone = self.deleted(view.mailbox)
            # A flag that was told may be of one that goes now.
            view.mailbox.remove(gone)
            client.view = None
            view.leave()
            client.settle([r for r in untagged
                           if r.kind not in ("FETCH", "EXISTS", "RECENT")])
            if client.qresync and tagged.code.startswith(b"HIGHESTMODSEQ "):
                view.mailbox.learn_highest(
                    max(floor, int(tagged.code[14:])))
                if was_complete:
                    for uid in gone:
                        view.flags.pop(uid, None)
                        view.uids.remove(uid)
                    client.kept[view.mailbox.name] = view.keep(
                        int(tagged.code[14:]))
            elif was_complete and client.condstore and floor:
                # It kept what it had before: the rest will be VANISHED.
                client.kept[view.mailbox.name] = view.keep(floor)
        return Command("CLOSE", "CLOSE", judge)

    def deleted(self, box):
        return [uid for uid, m in box.messages.items()
                if "\\deleted" in m.flags]

    # -- news

    def noop(self, client):
        def judge(untagged, tagged):
            client.quiet(untagged, tagged, "OK")
            if client.view:
                client.view.check_complete()
        return Command("NOOP", "NOOP", judge)

    def idle(self, client):
        client.start_idle()

    # -- messages come

    def append(self, client):
        return self.make_append(client, 1, "APPEND")

    def multiappend(self, client):
        return self.make_append(client, self.rng.randrange(2, 5),
                                "MULTIAPPEND")

    def make_append(self, client, n, kind):
        name = self.pick_name()
        box = self.boxes.get(name)
        if box and len(box.messages) > MANY:
            return self.shrink(client)
        pieces, coming = self.make_content(
            f"APPEND {self.quoted(client, name)}", n)
        return Command(kind, pieces, functools.partial(
            self.judge_append, client, name, coming))

    def make_content(self, text, n):
        """(text and n messages with flags and dates, what they will be)"""
        coming, pieces = [], []
        for _ in range(n):
            number, flags, date = self.new_body(), frozenset(), None
            if self.chance(50):
                listed = self.some_flags()
                flags = frozenset(flag.lower() for flag in listed)
                text += f" ({' '.join(listed)})"
            if self.chance(40):
                when = self.rng.randrange(800000000, 1700000000)
                date = when
                shown = time.strftime("%d-%b-%Y %H:%M:%S +0000",
                                      time.gmtime(when))
                text += f' "{shown}"'
            octets = content(number)
            if self.chance(50):
                pieces.append(f"{text} {{{len(octets)}}}\r\n".encode())
                text = octets.decode()
            else:
                text += f" {{{len(octets)}+}}\r\n" + octets.decode()
            coming.append(Message(0, number, flags, len(octets), date))
        pieces.append(text.encode())
        return pieces, coming

    def judge_append(self, client, name, coming, untagged, tagged):
        box = self.boxes.get(name)
        if box is None:
            hold(tagged.data == "NO" and tagged.code == b"TRYCREATE",
                 lambda: f"{tagged.raw!r}: no such mailbox")
            client.quiet(untagged, tagged, "NO")
            return
        match = re.fullmatch(rb"APPENDUID (\d+) ([\d:,]+)", tagged.code)
        hold(tagged.data == "OK" and match, lambda: f"{tagged.raw!r}")
        self.learn_validity(box, int(match[1]))
        uids = numbers(match[2])
        self.take_new(box, uids, coming)
        client.quiet(untagged, tagged, "OK")
        view = client.view
        if view and view.mailbox is box:  # RFC 9051 6.3.12
            hold(set(uids) <= set(view.uids),
                 "what came by APPEND is not in EXISTS")

    def take_new(self, box, uids, coming, is_same_change=False):
        hold(len(uids) == len(coming) and uids == sorted(set(uids)),
             lambda: f"{uids} for {len(coming)} messages")
        for uid, message in zip(uids, coming):
            message.uid = uid
            box.add(message)
        box.changed(*coming, is_same=is_same_change)

    def deliver(self):
        """By LMTP to INBOX; then who got which UID is looked up."""
        if self.lmtp is None:
            self.lmtp = Lmtp(self.options.lmtp)
        box, wanted = self.boxes["INBOX"], []
        if len(box.messages) > 2 * MANY:
            return
        for _ in range(self.rng.randrange(1, 4)):
            wanted.append(self.new_body())
            self.lmtp.deliver(self.user, content(wanted[-1]))
            self.count("DELIVERY", "OK")
        self.find_new(box, [Message(0, number) for number in wanted])
        for client in self.clients:
            if client.idle_tag:
                client.hear()

    def look(self, box, first):
        """[(uid, number, flags, size, date, modseq)] from a UID on"""
        raw = self.resolver.connection
        tag = self.resolver.tag
        name = f'"{box.name}"'.encode()
        _, tagged = raw.ask(tag(), b"EXAMINE " + name)
        hold(tagged.data == "OK", "EXAMINE")
        untagged, tagged = raw.ask(
            tag(), b"UID FETCH %d:* (FLAGS BODY.PEEK[HEADER.FIELDS (X-MODEL)]"
            b" RFC822.SIZE INTERNALDATE MODSEQ)" % first)
        hold(tagged.data == "OK", "FETCH")
        found = []
        for response in untagged:
            if response.kind != "FETCH":
                continue
            items = response.data
            if int(items[b"UID"]) >= first:
                found.append((int(items[b"UID"]),
                              int(items[HEADER].split()[1]),
                              frozenset(f.decode().lower() for f in
                                        items[b"FLAGS"]) - {"\\recent"},
                              int(items[b"RFC822.SIZE"]),
                              instant(items[b"INTERNALDATE"]),
                              int(items[b"MODSEQ"][0])))
        raw.ask(tag(), b"UNSELECT")
        return found

    def find_new(self, box, coming, is_moved=False):
        """Of messages without a UID; compared with what is new there."""
        found = self.look(box, box.next_uid)
        expected = {}
        for message in coming:
            expected.setdefault(message.body, []).append(message)
        hold(sorted(f[1] for f in found) == sorted(m.body for m in coming),
             lambda: f"{box.name} has {[f[1] for f in found]}, should have "
             f"{[m.body for m in coming]} from UID {box.next_uid} on")
        order = []
        for uid, number, flags, size, date, _ in found:
            same = expected[number]
            message = next((m for m in same if m.flags == flags), None)
            hold(message, lambda: f"UID {uid} has {sorted(flags)}, should have"
                 f" {[sorted(m.flags) for m in same]}")
            same.remove(message)
            message.size = message.size or size
            hold(message.size == size, "RFC822.SIZE")
            message.date = date if message.date is None else message.date
            hold(message.date == date, "INTERNALDATE")
            order.append((uid, message))
        self.take_new(box, [uid for uid, _ in order], [m for _, m in order])
        for (_, message), entry in zip(order, found):
            box.learn_modseq(message, entry[5])

    # -- flags

    def some_flags(self):
        picked = dict.fromkeys(self.rng.choices(
            FLAGS, k=self.rng.choice((0, 1, 1, 1, 2, 3))))
        return list(picked)

    def store(self, client):
        # What others changed, and this one was not told, is not to be lost.
        owed = client.view.owed & set(client.view.uids)
        if owed and self.chance(40):
            uid = self.rng.choice(sorted(owed))
            return self.make_store(client, True, str(uid), lambda: [uid])
        return self.make_store(client, *self.pick_set(client))

    def make_store(self, client, is_uid, text, targets, mode=None,
                   listed=None):
        mode = mode or self.rng.choice(("", "+", "+", "-"))
        listed = listed or self.some_flags()
        is_silent = self.chance(35)
        limit, kind = None, "UID STORE" if is_uid else "STORE"
        words = [text]
        if self.chance(25):
            box = client.view.mailbox
            limit = self.rng.choice(
                [0, box.floor, box.floor + 1000, client.view.modseq or 1]
                + [max(m.low - self.rng.randrange(2), 0)
                   for m in box.messages.values()])
            words.append(f"(UNCHANGEDSINCE {limit})")
            kind += " UNCHANGEDSINCE"
        words.append(f"{mode}FLAGS{'.SILENT' if is_silent else ''}")
        words.append(f"({' '.join(listed)})" if len(listed) != 1
                     or self.chance(70) else listed[0])
        change = (mode, frozenset(flag.lower() for flag in listed))
        return Command(kind, f"{'UID ' if is_uid else ''}STORE "
                       + " ".join(words),
                       functools.partial(self.judge_store, client, is_uid,
                                         targets, change, is_silent, limit),
                       is_uid)

    @staticmethod
    def changed_flags(flags, change):
        mode, listed = change
        if mode == "+":
            return flags | listed
        return flags - listed if mode == "-" else listed

    def judge_store(self, client, is_uid, targets, change, is_silent, limit,
                    untagged, tagged):
        view, box = client.view, client.view.mailbox
        if view.is_read_only:
            client.quiet(untagged, tagged, "NO", may_expunge=is_uid)
            return
        uids = targets()
        live = [uid for uid in uids if uid in box.messages]
        is_any_gone = len(live) < len(uids)
        hold(tagged.data == "OK" or (tagged.data == "NO" and is_any_gone),
             lambda: f"{tagged.raw!r} to STORE")
        if limit is not None:
            client.condstore = True
        modified = set()
        if tagged.code.startswith(b"MODIFIED "):
            hold(limit is not None, "MODIFIED without UNCHANGEDSINCE")
            modified = {n if is_uid else view.uid_of(n)
                        for n in numbers(tagged.code[9:])}
            hold(modified <= set(uids), "MODIFIED names others")
        done = []
        for uid in live:
            message = box.messages[uid]
            if limit is not None:
                self.judge_conflict(box, message, uid in modified, limit)
            if uid in modified:
                continue
            flags = self.changed_flags(message.flags, change)
            if flags != message.flags:
                view.before[uid] = message.flags
                message.flags = flags
                done.append(message)
        box.flagged(view, done)
        if is_silent:
            for uid in live:
                if uid in view.flags and uid not in modified:
                    view.flags[uid] = self.changed_flags(view.flags[uid],
                                                         change)
        fetched = client.quiet(untagged, tagged, tagged.data,
                               may_expunge=is_uid)
        told = {uid for uid, items in fetched if b"FLAGS" in items}
        with_modseq = {uid for uid, items in fetched if b"MODSEQ" in items}
        changed = {message.uid for message in done}
        if not is_silent:
            hold(changed <= told, lambda: f"changed {changed}, told {told}")
        if limit is not None:
            hold(changed <= with_modseq, "MODSEQ, also with .SILENT "
                 "(RFC 7162 3.1.3)")

    @staticmethod
    def judge_conflict(box, message, is_modified, limit):
        is_after = box.is_after(message, limit)
        hold(is_after is None or is_after == is_modified, lambda:
             f"UNCHANGEDSINCE {limit}, UID {message.uid} was changed at "
             f"{message.low}..{message.high}: MODIFIED is "
             f"{'wrong' if is_modified else 'missing'}")
        if is_after is None:
            if is_modified:
                box.narrow(message, limit + 1, None)
            else:
                box.narrow(message, message.low, limit)

    # -- copies

    def copy(self, client):
        return self.make_copy(client, False)

    def move(self, client):
        return self.make_copy(client, True)

    def make_copy(self, client, is_move):
        is_uid, text, targets = self.pick_set(client)
        name = self.pick_name()
        box = self.boxes.get(name)
        if not is_move and box and len(box.messages) > MANY:
            return None
        word = "MOVE" if is_move else "COPY"
        prefix = "UID " if is_uid else ""
        return Command(f"{prefix}{word}",
                       f"{prefix}{word} {text} {self.quoted(client, name)}",
                       functools.partial(self.judge_copy, client, is_move,
                                         targets, name))

    def judge_copy(self, client, is_move, targets, name, untagged, tagged):
        view, source = client.view, client.view.mailbox
        target, uids = self.boxes.get(name), targets()
        live = [uid for uid in uids if uid in source.messages]
        if is_move and view.is_read_only:
            client.quiet(untagged, tagged, "NO")
            return
        if target is None:
            if tagged.data == "NO":
                hold(tagged.code == b"TRYCREATE", "TRYCREATE")
            hold(tagged.data == "NO" or not uids, "no such mailbox")
            client.quiet(untagged, tagged, tagged.data)
            return
        if tagged.data == "NO":
            hold(len(live) < len(uids), lambda: f"{tagged.raw!r}")
            client.quiet(untagged, tagged, "NO")
            return
        hold(tagged.data == "OK", lambda: f"{tagged.raw!r}")
        code = tagged.code
        if is_move:  # RFC 6851 4.3
            code = next((r.code for r in untagged if r.kind == "OK"
                         and r.code.startswith(b"COPYUID ")), tagged.code)
        match = re.fullmatch(rb"COPYUID (\d+) ([\d:,]+) ([\d:,]+)", code)
        if not match:
            hold(not live, lambda: f"no COPYUID for {live}")
            client.quiet(untagged, tagged, "OK")
            return
        self.learn_validity(target, int(match[1]))
        sources, copies = numbers(match[2]), numbers(match[3])
        hold(sorted(sources) == live and len(sources) == len(copies),
             lambda: f"COPYUID of {sources} to {copies}, want {live}")
        made = []
        for uid, new_uid in sorted(zip(sources, copies), key=lambda p: p[1]):
            old = source.messages[uid]
            made.append(Message(new_uid, old.body, old.flags, old.size,
                                old.date, old.email_id))
        if is_move:
            source.remove(live)
        self.take_new(target, [m.uid for m in made], made,
                      is_move and source is target)
        client.quiet(untagged, tagged, "OK")
        if is_move:
            hold(not set(live) & set(view.uids), "MOVE tells no EXPUNGE")
            client.tagged_modseq(tagged)

    # -- REPLACE (RFC 8508)

    def replace(self, client):
        view = client.view
        name = self.pick_name()
        if self.chance(50):  # the draft of an editor
            name = view.mailbox.name
        box = self.boxes.get(name)
        if box and box is not view.mailbox and len(box.messages) > MANY:
            return None
        is_uid = not view.uids or self.chance(50)
        if is_uid and (not view.uids or self.chance(5)):
            number = uid = max(view.uids, default=0) + 1000
        else:
            uid = self.rng.choice(view.uids)
            number = uid if is_uid else view.uids.index(uid) + 1
        kind = "UID REPLACE" if is_uid else "REPLACE"
        pieces, coming = self.make_content(
            f"{kind} {number} {self.quoted(client, name)}", 1)
        return Command(kind, pieces, functools.partial(
            self.judge_replace, client, name, uid, coming))

    def judge_replace(self, client, name, uid, coming, untagged, tagged):
        view, source = client.view, client.view.mailbox
        box = self.boxes.get(name)
        if view.is_read_only or box is None or uid not in view.uids:
            hold(tagged.data == "NO", lambda: f"{tagged.raw!r} to REPLACE")
            if not view.is_read_only and uid in source.messages:
                hold(tagged.code == b"TRYCREATE", "TRYCREATE")
            client.quiet(untagged, tagged, "NO")
            return
        if uid not in source.messages and tagged.data == "NO":
            client.quiet(untagged, tagged, "NO")
            return
        hold(tagged.data == "OK", lambda: f"{tagged.raw!r} to REPLACE")
        kinds = [r.kind for r in untagged]
        codes = [i for i, r in enumerate(untagged) if r.kind == "OK"
                 and r.code.startswith(b"APPENDUID ")]
        hold(len(codes) == 1, "one untagged APPENDUID (RFC 8508 3.3)")
        last = max((i for i, kind in enumerate(kinds)
                    if kind in ("EXPUNGE", "VANISHED")), default=len(kinds))
        hold(codes[0] < last, "APPENDUID comes before EXPUNGE")
        match = re.fullmatch(rb"APPENDUID (\d+) (\d+)",
                             untagged[codes[0]].code)
        hold(match, lambda: f"{untagged[codes[0]].raw!r}")
        self.learn_validity(box, int(match[1]))
        self.take_new(box, [int(match[2])], coming)
        if uid in source.messages:
            source.remove([uid])
        client.quiet(untagged, tagged, "OK")
        hold(uid not in view.uids, "what was replaced is not told as gone")
        if box is source:
            hold(int(match[2]) in view.uids, "the replacement is not told")
        client.tagged_modseq(tagged)

    # -- removal

    def expunge(self, client):
        return Command("EXPUNGE", "EXPUNGE", functools.partial(
            self.judge_expunge, client, None))

    def uid_expunge(self, client):
        self.uids_only, was = True, self.uids_only
        _, text, targets = self.pick_set(client)
        self.uids_only = was
        return Command("UID EXPUNGE", f"UID EXPUNGE {text}",
                       functools.partial(self.judge_expunge, client, targets))

    def judge_expunge(self, client, targets, untagged, tagged):
        view, box = client.view, client.view.mailbox
        if view.is_read_only:
            client.quiet(untagged, tagged, "NO")
            return
        wanted = self.deleted(box)
        if targets:
            wanted = [uid for uid in wanted if uid in set(targets())]
        box.remove(wanted)
        client.quiet(untagged, tagged, "OK")
        hold(not set(wanted) & set(view.uids), lambda: f"{wanted} are gone, "
             f"and EXPUNGE was not told; the view is {view.uids}")
        client.tagged_modseq(tagged)

    def shrink(self, client):
        """Makes room: half of all are marked."""
        view = client.view
        if view is None or view.is_read_only or not view.uids:
            return self.select(client)
        uids = self.rng.sample(view.uids, max(1, len(view.uids) // 2))
        if self.deleted(view.mailbox):
            return self.expunge(client)
        return self.make_store(client, True, as_set(uids),
                               lambda: sorted(uids), "+", ["\\Deleted"])

    # -- reading

    def fetch(self, client):
        is_uid, text, targets = self.pick_set(client)
        items = self.rng.sample(ITEMS, self.rng.randrange(1, 5))
        if "BODY[]" in items and "BODY.PEEK[]" in items:
            items.remove("BODY[]")
        kind, extra, since = f"{'UID ' if is_uid else ''}FETCH", "", None
        is_vanished = False
        if client.view.modseq and is_uid and self.chance(25):
            since = self.rng.choice((client.view.modseq, 1,
                                     client.view.mailbox.floor))
            extra, kind = f" (CHANGEDSINCE {since})", kind + " CHANGEDSINCE"
            if client.qresync and self.chance(60):
                is_vanished, kind = True, "UID FETCH VANISHED"
                extra = f" (CHANGEDSINCE {since} VANISHED)"
        return Command(kind, f"{'UID ' if is_uid else ''}FETCH {text} "
                       f"({' '.join(items)}){extra}",
                       functools.partial(self.judge_fetch, client, is_uid,
                                         targets, items, since, is_vanished),
                       is_uid)

    def judge_fetch(self, client, is_uid, targets, items, since, is_vanished,
                    untagged, tagged):
        view, box, uids = client.view, client.view.mailbox, targets()
        live = [uid for uid in uids if uid in box.messages]
        hold(tagged.data == "OK" or len(live) < len(uids),
             lambda: f"{tagged.raw!r} to FETCH")
        if since is not None:
            hold(tagged.data == "OK", "UID FETCH of those that are gone")
            sure = [uid for uid in live
                    if box.is_after(box.messages[uid], since)]
        else:
            sure = live
        # A number alone answers for those gone; all others are asked for.
        if "BODY[]" in items and not view.is_read_only:
            seen = []
            for uid in live:
                message = box.messages[uid]
                if since is not None and uid not in sure:
                    # Asked for, if it changed: the flags will tell.
                    continue
                if "\\seen" not in message.flags:
                    view.before[uid] = message.flags
                    message.flags |= {"\\seen"}
                    seen.append(message)
            box.flagged(view, seen)
        if "MODSEQ" in items or since is not None:
            client.condstore = True
        view.earlier.clear()
        owed = set(view.owed)  # these are told whatever was asked for
        had = set(view.uids)   # of these VANISHED without (EARLIER) tells
        self.guess_changes(client, untagged, live, sure, items, since)
        fetched, _ = client.settle(untagged, is_uid, True)
        got = {}
        for uid, found in fetched:
            got.setdefault(uid, {}).update(found)
            if uid in box.messages:
                self.check_items(box, box.messages[uid], found)
        names = {item.replace(".PEEK", "").encode() for item in items}
        if is_uid:
            names.add(b"UID")
        for uid in sure:
            hold(uid in got and names <= set(got[uid]), lambda: f"UID {uid}: "
                 f"asked for {names}, told {list(got.get(uid, ()))}")
        if since is not None:
            for uid, found in got.items():
                if names <= set(found) and uid in box.messages and \
                        "BODY[]" not in items and uid in live and \
                        uid not in owed:
                    hold(box.is_after(box.messages[uid], since) is not False,
                         lambda: f"UID {uid} has not changed since {since}")
        if is_vanished and since is not None:
            must = {uid for uid, m in box.gone.items()
                    if uid in set(uids) and box.is_after(m, since)}
            hold(must - had <= view.earlier, lambda: f"VANISHED (EARLIER) "
                 f"{sorted(view.earlier)}, must have {sorted(must - had)}")

    def guess_changes(self, client, untagged, live, sure, items, since):
        """BODY[] with CHANGEDSINCE, where nobody could know which had changed:
        those that are told have."""
        if since is None or "BODY[]" not in items or \
                client.view.is_read_only:
            return
        box, seen = client.view.mailbox, []
        for response in untagged:
            if response.kind == "FETCH" and b"BODY[]" in response.data:
                uid = int(response.data[b"UID"])
                if uid in live and uid not in sure:
                    message = box.messages[uid]
                    hold(box.is_after(message, since) is not False,
                         f"UID {uid} has not changed since {since}")
                    if "\\seen" not in message.flags:
                        client.view.before[uid] = message.flags
                        message.flags |= {"\\seen"}
                        seen.append(message)
        box.flagged(client.view, seen, is_same=True)

    def check_items(self, box, message, items):
        for key, value in items.items():
            if key == b"RFC822.SIZE":
                message.size = message.size or int(value)
                hold(int(value) == message.size, "RFC822.SIZE")
            elif key == b"INTERNALDATE":
                when = instant(value)
                message.date = when if message.date is None else message.date
                hold(when == message.date, lambda: f"UID {message.uid}: "
                     f"{value!r}, want {time.gmtime(message.date)}")
            elif key == b"BODY[]":
                hold(value is not None and value.endswith(
                    content(message.body)), lambda: f"UID {message.uid} is "
                    f"not message {message.body}: {value[:200]!r}")
                message.size = message.size or len(value)
                hold(len(value) == message.size, "BODY[] and RFC822.SIZE")
            elif key == HEADER:
                want = b"X-Model: %d\r\n\r\n" % message.body
                hold(value == want, lambda: f"UID {message.uid} is not "
                     f"message {message.body}: {value!r}")
            elif key == b"ENVELOPE":
                hold(value[1] == b"s%d" % message.body, lambda: f"UID "
                     f"{message.uid}: {value!r} of {message.body}")
            elif key == b"BODYSTRUCTURE":
                size = len(text_of(message.body))
                hold(value[0].lower() == b"text" and int(value[6]) == size,
                     lambda: f"{value!r}, the text has {size} octets")
            elif key == b"EMAILID":
                message.email_id = message.email_id or value
                hold(value == message.email_id, "EMAILID changes")
            elif key == b"SAVEDATE":
                message.saved = message.saved or value
                hold(value == message.saved, "SAVEDATE changes")

    # -- SEARCH

    def search(self, client):
        view, rng = client.view, self.rng
        program = [self.key(view, 0) for _ in range(rng.choice((1, 1, 2, 3)))]
        is_uid = self.uids_only or self.chance(50)
        returns, kind = None, f"{'UID ' if is_uid else ''}SEARCH"
        text = ""
        if self.chance(40):
            returns = set(rng.sample(("MIN", "MAX", "ALL", "COUNT"),
                                     rng.randrange(0, 4)))
            kind = "SEARCH RETURN"
            # What was saved is asked for at once: not behind other commands.
            if self.chance(40) and not self.uids_only:
                returns.add("SAVE")
                kind = "SEARCH SAVE"
            text = f"RETURN ({' '.join(sorted(returns))}) "
            if not returns:
                returns = {"ALL"}
        elif client.rev2:
            returns = {"ALL"}
        has_modseq = any("MODSEQ" in key for key, _ in program)
        text += " ".join(key for key, _ in program)
        return Command(kind, f"{'UID ' if is_uid else ''}SEARCH {text}",
                       functools.partial(self.judge_search, client, is_uid,
                                         program, returns, has_modseq),
                       is_uid)

    def key(self, view, depth):
        """(text, function (view, place, message) -> True, False, None)"""
        rng, box = self.rng, view.mailbox
        roll = rng.randrange(14 if depth < 2 else 11)
        if roll == 0:
            return "ALL", lambda v, i, m: True
        if roll < 4:
            word = rng.choice(("ANSWERED", "DELETED", "FLAGGED", "SEEN",
                               "DRAFT"))
            flag = "\\" + word.lower()
            if self.chance(50):
                return word, lambda v, i, m: flag in m.flags
            return f"UN{word}", lambda v, i, m: flag not in m.flags
        if roll == 4:
            word = rng.choice(FLAGS[6:])
            flag = word.lower()
            if self.chance(50):
                return f"KEYWORD {word}", lambda v, i, m: flag in m.flags
            return f"UNKEYWORD {word}", lambda v, i, m: flag not in m.flags
        if roll == 5 and view.uids:
            uids = rng.sample(view.uids, rng.randrange(1, len(view.uids) + 1))
            return (f"UID {as_set(uids)}", lambda v, i, m: m.uid in uids)
        if roll == 6 and view.uids and not self.uids_only:
            seqs = rng.sample(range(1, len(view.uids) + 1),
                              rng.randrange(1, len(view.uids) + 1))
            return as_set(seqs), lambda v, i, m: i in seqs
        if roll == 7:
            limit = rng.randrange(200, 700)
            if self.chance(50):
                return (f"LARGER {limit}", lambda v, i, m:
                        None if m.size is None else m.size > limit)
            return (f"SMALLER {limit}", lambda v, i, m:
                    None if m.size is None else m.size < limit)
        if roll == 8:
            word = rng.choice(WORDS)
            return f"BODY {word}", lambda v, i, m: word in text_of(m.body)
        if roll == 9:
            number = rng.choice([m.body for m in box.messages.values()]
                                or [1])
            return (f"SUBJECT s{number}", lambda v, i, m:
                    f"s{number}" in f"s{m.body}")
        if roll == 10:
            modseq = rng.choice([max(1, m.low) for m in box.messages.values()]
                                + [max(1, box.floor), 1])
            return (f"MODSEQ {modseq}", lambda v, i, m:
                    v.mailbox.is_after(m, modseq - 1))
        if roll == 11:
            text, test = self.key(view, depth + 1)
            return f"NOT {text}", lambda v, i, m: (
                None if test(v, i, m) is None else not test(v, i, m))
        if roll == 12:
            (a, x), (b, y) = self.key(view, depth + 1), self.key(view,
                                                                 depth + 1)

            def either(v, i, m):
                found = (x(v, i, m), y(v, i, m))
                return True if True in found else \
                    None if None in found else False
            return f"OR {a} {b}", either
        if roll == 13 and self.chance(50):
            return "$", lambda v, i, m: m.uid in v.saved_before
        return "UNDELETED", lambda v, i, m: "\\deleted" not in m.flags

    def judge_search(self, client, is_uid, program, returns, has_modseq,
                     untagged, tagged):
        view = client.view
        hold(tagged.data == "OK", lambda: f"{tagged.raw!r}")
        if has_modseq:
            client.condstore = True
        sure, maybe = self.candidates(view, program)
        to_uid = (lambda n: n) if is_uid else view.uid_of
        data = [r for r in untagged if r.kind in ("SEARCH", "ESEARCH")]
        told = {r.kind for r in data}
        if returns is None:
            hold(told == {"SEARCH"} and len(data) == 1, f"one SEARCH: {told}")
            found, modseq = search_result(data[0])
            uids = [to_uid(n) for n in found]
            self.judge_found(uids, sure, maybe)
        elif returns - {"SAVE"}:
            hold(told == {"ESEARCH"} and len(data) == 1, f"ESEARCH: {told}")
            result = esearch_result(data[0])
            hold(result.get("TAG") == tagged.tag, "the tag in ESEARCH")
            hold(result.get("UID", False) == is_uid, "UID in ESEARCH")
            uids = self.judge_returned(result, returns, sure, maybe, to_uid)
            modseq = result.get("MODSEQ")
        else:
            hold(not data, lambda: f"SAVE alone tells nothing: {data[0].raw}")
            uids = modseq = None
        if modseq is not None:
            hold(has_modseq, "MODSEQ was not asked for")
        client.settle([r for r in untagged if r not in data], is_uid)
        if returns and "SAVE" in returns:
            self.judge_saved(client, view, returns, sure, maybe, uids)

    def candidates(self, view, program):
        """(UIDs that fit, UIDs of which nobody can know)"""
        sure, maybe = [], set()
        view.saved_before = set(view.saved)
        for i, uid in enumerate(view.uids):
            message = view.mailbox.messages.get(uid)
            if message is None:
                maybe.add(uid)
                continue
            found = [test(view, i + 1, message) for _, test in program]
            if all(found):
                sure.append(uid)
            elif False not in found:
                maybe.add(uid)
        return sure, maybe

    # -- SORT (RFC 5256, 5267)

    def sort(self, client):
        view, rng = client.view, self.rng
        program = [self.key(view, 0) for _ in range(rng.choice((1, 1, 2)))]
        is_uid = self.uids_only or self.chance(50)
        criteria = [(word, self.chance(40)) for word in rng.sample(
            list(SORT_KEYS), rng.choice((1, 1, 2, 3)))]
        shown = " ".join(("REVERSE " if is_reverse else "") + word
                         for word, is_reverse in criteria)
        kind, text, returns = f"{'UID ' if is_uid else ''}SORT", "", None
        if self.chance(30):
            kind = "SORT RETURN"
            returns = set(rng.sample(("MIN", "MAX", "ALL", "COUNT"),
                                     rng.randrange(0, 4)))
            text = f"RETURN ({' '.join(sorted(returns))}) "
            returns = returns or {"ALL"}
        text += (f"({shown}) {rng.choice(('UTF-8', 'US-ASCII', 'utf-8'))} "
                 + " ".join(key for key, _ in program))
        has_modseq = any("MODSEQ" in key for key, _ in program)
        return Command(kind, f"{'UID ' if is_uid else ''}SORT {text}",
                       functools.partial(self.judge_sort, client, is_uid,
                                         program, criteria, returns,
                                         has_modseq), is_uid)

    @staticmethod
    def sorted_by(view, uids, criteria):
        """Those whose keys are known, in their order; equal ones by number,
        REVERSE or not (RFC 5256 3)."""
        box = view.mailbox
        known = [uid for uid in view.uids if uid in uids
                 and uid in box.messages and all(
                     SORT_KEYS[word](box.messages[uid]) is not None
                     for word, _ in criteria)]
        for word, is_reverse in reversed(criteria):
            known.sort(key=lambda uid, word=word: SORT_KEYS[word](
                box.messages[uid]), reverse=is_reverse)
        return known

    def judge_sort(self, client, is_uid, program, criteria, returns,
                   has_modseq, untagged, tagged):
        view = client.view
        hold(tagged.data == "OK", lambda: f"{tagged.raw!r}")
        if has_modseq:
            client.condstore = True
        sure, maybe = self.candidates(view, program)
        to_uid = (lambda n: n) if is_uid else view.uid_of
        data = [r for r in untagged if r.kind in ("SORT", "ESEARCH")]
        hold([r.kind for r in data] == [
            "SORT" if returns is None else "ESEARCH"],
            lambda: f"one answer: {[r.raw for r in data]}")
        order = result = None
        if returns is None:
            found, modseq = search_result(data[0])
            order = [to_uid(n) for n in found]
            hold(modseq is None or has_modseq, "MODSEQ was not asked for")
        else:
            result = esearch_result(data[0])
            hold(result.get("TAG") == tagged.tag, "the tag in ESEARCH")
            hold(result.get("UID", False) == is_uid, "UID in ESEARCH")
            if "ALL" in returns:
                order = [to_uid(n) for n in result.get("ALL", [])]
        if order is not None:
            self.judge_found(order, sure, maybe)
            want = self.sorted_by(view, set(order), criteria)
            got = [uid for uid in order if uid in set(want)]
            hold(got == want, lambda: f"sorted {got}, must be {want}")
        if result is not None:
            self.judge_sorted_ends(view, criteria, returns, result, sure,
                                   maybe, to_uid)
        client.settle([r for r in untagged if r not in data], is_uid)

    def judge_sorted_ends(self, view, criteria, returns, result, sure, maybe,
                          to_uid):
        """RFC 5267 3.1: MIN and MAX are the first and the last as sorted."""
        want = self.sorted_by(view, set(sure), criteria)
        if "COUNT" in returns:
            hold(len(sure) <= result["COUNT"] <= len(sure) + len(maybe),
                 lambda: f"COUNT {result['COUNT']}, want {len(sure)}")
        for name, place in (("MIN", 0), ("MAX", -1)):
            hold((name in result) <= (name in returns), name)
            if name not in returns or maybe or len(want) < len(sure):
                continue
            hold((name in result) == bool(want), name)
            if want:
                hold(to_uid(result[name]) == want[place], lambda:
                     f"{name} {to_uid(result[name])} of {want}")

    # -- THREAD (RFC 5256)

    def thread(self, client):
        program = [self.key(client.view, 0)]
        is_uid = self.chance(50)
        kind = f"{'UID ' if is_uid else ''}THREAD"
        return Command(kind, f"{kind} ORDEREDSUBJECT UTF-8 {program[0][0]}",
                       functools.partial(self.judge_thread, client, is_uid,
                                         program), is_uid)

    def judge_thread(self, client, is_uid, program, untagged, tagged):
        view, box = client.view, client.view.mailbox
        hold(tagged.data == "OK", lambda: f"{tagged.raw!r}")
        sure, maybe = self.candidates(view, program)
        if "MODSEQ" in program[0][0]:
            client.condstore = True
        data = [r for r in untagged if r.kind == "THREAD"]
        hold(len(data) == 1, "one THREAD")
        to_uid = (lambda n: n) if is_uid else view.uid_of

        def members(tree):
            for item in tree:
                if isinstance(item, list):
                    yield from members(item)
                else:
                    yield to_uid(int(item))
        told = values(data[0].data)
        found = list(members(told))
        self.judge_found(found, sure, maybe)
        if all(uid in box.messages for uid in found):
            want = self.by_subject(view, set(found), is_uid)
            hold(told == want, lambda: f"{told}, must be {want}")
        client.settle([r for r in untagged if r not in data], is_uid)

    @staticmethod
    def by_subject(view, found, is_uid):
        """ORDEREDSUBJECT: the first of each subject, all others below it."""
        threads = {}
        for uid in sorted(found, key=lambda uid: (SORT_KEYS["DATE"](
                view.mailbox.messages[uid]), view.uids.index(uid))):
            number = uid if is_uid else view.uids.index(uid) + 1
            threads.setdefault(view.mailbox.messages[uid].body, []).append(
                str(number).encode())
        return [t if len(t) < 3 else [t[0], *([n] for n in t[1:])]
                for t in threads.values()]

    # -- METADATA (RFC 5464)

    def annotations(self, name):
        if name == "":
            return self.metadata
        return self.boxes[name].metadata if name in self.boxes else None

    def pick_annotated(self):
        """Two that stay gather more than those that come and go."""
        return self.rng.choice(("", "INBOX")) if self.chance(50) else \
            self.pick_name(85)

    def entry(self, name):
        entry = self.rng.choice([e for e in ENTRIES if name or
                                 e.startswith("/private")])
        shown = entry.upper() if self.chance(10) else entry
        return entry, f'"{shown}"' if " " in shown or self.chance(20) \
            else shown

    def set_metadata(self, client):
        name = self.pick_annotated()
        changes, words = {}, []
        for _ in range(self.rng.choice((1, 1, 2, 3))):
            entry, shown = self.entry(name)
            if entry in changes:
                continue
            value, word = None, b"NIL"
            if not self.chance(30):
                value = " ".join(self.rng.choices(
                    (*WORDS, '"', "\\", ""), k=self.rng.randrange(6))).encode()
                if self.chance(30):
                    value += b"\r\nmore"
                word = b'"' + re.sub(rb'(["\\])', rb"\\\1", value) + b'"'
                if b"\r" in value or self.chance(20):
                    word = b"{%d+}\r\n" % len(value) + value
            changes[entry] = value
            words.append(shown.encode() + b" " + word)
        text = (f"SETMETADATA {self.quoted(client, name) or chr(34) * 2} ("
                .encode() + b" ".join(words) + b")")

        def judge(untagged, tagged):
            there = self.annotations(name)
            client.quiet(untagged, tagged, "NO" if there is None else "OK")
            for entry, value in changes.items() if there is not None else ():
                there.pop(entry, None)
                if value is not None:
                    there[entry] = value
        return Command("SETMETADATA", text, judge)

    def get_metadata(self, client):
        name = self.pick_annotated()
        asked = dict(self.entry(name) for _ in range(
            self.rng.choice((1, 1, 2))))
        depth = self.rng.choice(("0", "0", "1", "infinity"))
        most = self.rng.choice((None, None, 0, 5, 20))
        options = " ".join((f"DEPTH {depth}",) * (depth != "0")
                           + (f"MAXSIZE {most}",) * (most is not None))
        words = f"({' '.join(asked.values())})" if len(asked) > 1 or \
            self.chance(30) else list(asked.values())[0]
        return Command("GETMETADATA", "GETMETADATA " + (
            f"({options}) " if options else "")
            + f"{self.quoted(client, name) or chr(34) * 2} {words}",
            functools.partial(self.judge_metadata, client, name, asked, depth,
                              most))

    def judge_metadata(self, client, name, asked, depth, most, untagged,
                       tagged):
        there = self.annotations(name)
        if there is None:
            client.quiet(untagged, tagged, "NO")
            return
        hold(tagged.data == "OK", lambda: f"{tagged.raw!r} to GETMETADATA")
        data = [r for r in untagged if r.kind == "METADATA"]
        found = {}
        for response in data:
            told, listed = values(response.data)
            want = name.replace("&AOQ-", AUML) if client.rev2 else name
            hold(told.decode() == want, lambda: f"METADATA of {told!r}")
            for entry, value in pairs(listed).items():
                entry = entry.decode().lower()
                hold(found.get(entry, value) == value, lambda:
                     f"{entry} twice, with other values")
                found[entry] = value
        wanted = {entry: value for entry, value in there.items() if any(
            entry == top or (entry.startswith(top + "/") and (
                depth == "infinity" or (
                    depth == "1" and "/" not in entry[len(top) + 1:])))
            for top in asked)}
        long = [len(v) for v in wanted.values()
                if most is not None and len(v) > most]
        code = b"METADATA LONGENTRIES %d" % max(long) if long else b""
        hold(tagged.code == code, lambda: f"{tagged.raw!r}, want {code!r}")
        for entry, value in wanted.items():
            if most is None or len(value) <= most:
                hold(found.get(entry) == value, lambda: f"{entry} is "
                     f"{found.get(entry)!r}, must be {value!r}")
        for entry, value in found.items():
            hold(value is None or entry in wanted and
                 len(value) <= (len(value) if most is None else most),
                 lambda: f"{entry} {value!r} is too much")
            hold(value is not None or entry in asked and
                 entry not in wanted, lambda: f"{entry} NIL")
        client.settle([r for r in untagged if r not in data])

    @staticmethod
    def judge_found(uids, sure, maybe):
        hold(len(set(uids)) == len(uids), "a message twice")
        hold(set(sure) <= set(uids), lambda: f"found {uids}, missing "
             f"{set(sure) - set(uids)}")
        hold(set(uids) <= set(sure) | maybe, lambda: f"found {uids}, too many:"
             f" {set(uids) - set(sure) - maybe}")

    def judge_returned(self, result, returns, sure, maybe, to_uid):
        uids = None
        most = set(sure) | maybe
        if "ALL" in returns:
            uids = [to_uid(n) for n in result.get("ALL", [])]
            self.judge_found(uids, sure, maybe)
            most = set(uids)
        if "COUNT" in returns:
            hold(len(sure) <= result["COUNT"] <= len(most) and
                 (uids is None or result["COUNT"] == len(uids)),
                 lambda: f"COUNT {result['COUNT']}, want {len(sure)}")
        for name, choose in (("MIN", min), ("MAX", max)):
            if name not in returns:
                hold(name not in result, f"{name} was not asked for")
                continue
            hold(name in result or not sure, f"no {name}")
            if name in result:
                value = to_uid(result[name])
                hold(value in most and (not sure or choose(
                    choose(sure), value) == value), lambda:
                    f"{name} {value} of {sorted(sure)}")
        return uids

    def judge_saved(self, client, view, returns, sure, maybe, uids):
        """RFC 5182 2.4: MIN and MAX alone save themselves; all else, all."""
        if maybe:  # what was saved is known by asking for it
            tag = client.tag()
            untagged, tagged = client.connection.ask(tag, b"UID SEARCH $")
            data = [r for r in untagged if r.kind in ("SEARCH", "ESEARCH")]
            hold(tagged.data == "OK" and len(data) == 1, "UID SEARCH $")
            found = search_result(data[0])[0] if data[0].kind == "SEARCH" \
                else esearch_result(data[0]).get("ALL", [])
            client.settle([r for r in untagged if r not in data])
            # UIDs that are gone may still be in it, and nobody can tell.
            view.saved = set(found)
            hold(view.saved <= set(sure) | maybe, "saved too many")
            self.count("UID SEARCH", "OK")
            return
        kinds = returns - {"SAVE"}
        if not kinds or kinds & {"ALL", "COUNT"}:
            view.saved = set(sure)
        else:
            view.saved = set()
            if sure and "MIN" in kinds:
                view.saved.add(min(sure))
            if sure and "MAX" in kinds:
                view.saved.add(max(sure))
        view.saved &= set(view.uids)

    # -- mailboxes

    def status(self, client):
        name = self.pick_name(93)
        items = self.rng.sample(
            ("MESSAGES", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "SIZE",
             "DELETED", "HIGHESTMODSEQ"), self.rng.randrange(1, 6))
        return Command("STATUS", f"STATUS {self.quoted(client, name)} "
                       f"({' '.join(items)})", functools.partial(
                           self.judge_status, client, name, items))

    def judge_status(self, client, name, items, untagged, tagged):
        box = self.boxes.get(name)
        if box is None:
            client.quiet(untagged, tagged, "NO")
            return
        hold(tagged.data == "OK", lambda: f"{tagged.raw!r}")
        told = [r for r in untagged if r.kind == "STATUS"]
        hold(len(told) == 1, "one STATUS")
        found = {key.decode(): int(value) for key, value in
                 pairs(values(told[0].data)[-1]).items()}
        hold(set(found) == set(items), lambda: f"STATUS has {found}")
        messages = box.messages.values()
        want = {"MESSAGES": len(messages),
                "UNSEEN": sum("\\seen" not in m.flags for m in messages),
                "DELETED": sum("\\deleted" in m.flags for m in messages)}
        if all(m.size is not None for m in messages):
            want["SIZE"] = sum(m.size for m in messages)
        for key, value in want.items():
            if key in found:
                hold(found[key] == value, lambda: f"{key} {found[key]}, want "
                     f"{value}")
        if "UIDVALIDITY" in found:
            self.learn_validity(box, found["UIDVALIDITY"])
        if "UIDNEXT" in found:
            box.learn_next(found["UIDNEXT"])
        if "HIGHESTMODSEQ" in found:
            box.learn_highest(found["HIGHESTMODSEQ"])
            client.condstore = True  # RFC 7162 3.1
        client.settle([r for r in untagged if r not in told])

    def create(self, client):
        name = self.rng.choice(NAMES)

        def judge(untagged, tagged):
            client.quiet(untagged, tagged,
                         "NO" if name in self.boxes else "OK")
            if tagged.data == "OK":
                self.boxes[name] = Mailbox(name,
                                           self.last_validity.get(name, 0))
        return Command("CREATE", f"CREATE {self.quoted(client, name)}", judge)

    def delete(self, client):
        name = self.rng.choice(NAMES)

        def judge(untagged, tagged):
            box = self.boxes.get(name)
            is_fine = box is not None and name != "INBOX"
            hold(tagged.data == ("OK" if is_fine else "NO"),
                 lambda: f"{tagged.raw!r} to DELETE {name}")
            if is_fine:
                if client.view and client.view.mailbox is box:
                    client.view.leave()
                    client.view = None
                for other in self.clients:
                    if other.view and other.view.mailbox is box:
                        other.is_doomed = True
                del self.boxes[name]
            client.quiet(untagged, tagged, tagged.data)
        return Command("DELETE", f"DELETE {self.quoted(client, name)}", judge)

    def rename(self, client):
        old, new = self.pick_name(90), self.rng.choice(NAMES)
        kind = "RENAME INBOX" if old == "INBOX" and new not in self.boxes \
            else "RENAME"
        return Command(kind, f"RENAME {self.quoted(client, old)} {self.quoted(client, new)}",
                       functools.partial(self.judge_rename, client, old, new))

    def judge_rename(self, client, old, new, untagged, tagged):
        moved = {name: new + name[len(old):] for name in self.boxes
                 if name == old or (name.startswith(old + "/")
                                    and old != "INBOX")}
        is_fine = old in self.boxes and not new.startswith(old + "/") and \
            not set(moved.values()) & set(self.boxes)
        hold(tagged.data == ("OK" if is_fine else "NO"), lambda:
             f"{tagged.raw!r} to RENAME {old} {new}: {list(self.boxes)}")
        if not is_fine:
            client.quiet(untagged, tagged, "NO")
            return
        if old == "INBOX":  # RFC 9051 6.3.6: it stays, and is empty
            inbox = self.boxes["INBOX"]
            left = inbox.remove(list(inbox.messages))
            box = Mailbox(new, self.last_validity.get(new, 0))
            self.boxes[new] = box
            client.quiet(untagged, tagged, "OK")
            self.find_new(box, [Message(0, m.body, m.flags, m.size, m.date,
                                        m.email_id) for m in left])
            return
        for name, box in [(n, self.boxes.pop(n)) for n in moved]:
            box.name = moved[name]
            self.boxes[box.name] = box
            for c in self.clients:
                if name in c.kept and c.kept[name].mailbox is box:
                    c.kept[box.name] = c.kept.pop(name)
        client.quiet(untagged, tagged, "OK")

    def list(self, client):
        def judge(untagged, tagged):
            hold(tagged.data == "OK", "LIST")
            told = [r for r in untagged if r.kind == "LIST"]
            found = set()
            for response in told:
                attributes, _, name = values(response.data)[:3]
                if b"\\NonExistent" not in attributes and \
                        b"\\Noselect" not in attributes:
                    found.add(name.decode())
            found -= GIVEN
            client.settle([r for r in untagged if r not in told])
            want = {n.replace("&AOQ-", AUML) if client.rev2 else n
                    for n in self.boxes}
            hold(found == want, lambda: f"LIST has {found}, want {want}")
        return Command("LIST", 'LIST "" "*"', judge)

    def nonsense(self, client):
        """Wrong whatever the state; the state stays."""
        n = len(client.view.uids) if client.view else 0
        text = self.rng.choice((
            f"FETCH {n + 1} FLAGS", f"STORE {n + 1} +FLAGS (\\Seen)",
            "FETCH 0 FLAGS", "FETCH 1 (FLAGS", "UID FETCH a FLAGS", "STORE",
            "FETCH 1 (NOTHING)", "SEARCH", "SEARCH NONSENSE", "EXPUNGE 1",
            f"COPY {n + 1} INBOX", "STATUS INBOX (NONSENSE)", "NOOP x",
            "STORE 1 FLAGS (\\Nonsense)", "UID", "UID NOOP", "XYZZY",
            "UID EXPUNGE"))

        def judge(untagged, tagged):
            is_refused = client.view and client.view.is_read_only and \
                text.startswith("STORE")
            client.quiet(untagged, tagged, "BAD", *["NO"] * bool(is_refused))
        return Command("wrong", text, judge, False)


INSIDE = tuple(zip(*{
    Worker.select: 7, Worker.unselect: 1, Worker.close: 2, Worker.append: 7,
    Worker.multiappend: 2, Worker.store: 18, Worker.copy: 5, Worker.move: 5,
    Worker.expunge: 4, Worker.uid_expunge: 4, Worker.fetch: 15,
    Worker.search: 11, Worker.sort: 6, Worker.thread: 2,
    Worker.replace: 4, Worker.set_metadata: 2, Worker.get_metadata: 3,
    Worker.status: 5, Worker.create: 2, Worker.delete: 1.2,
    Worker.rename: 1.5, Worker.noop: 7, Worker.idle: 3,
    Worker.list: 1, Worker.nonsense: 1.5}.items()))
OUTSIDE = tuple(zip(*{
    Worker.select: 20, Worker.append: 3, Worker.status: 2, Worker.create: 2,
    Worker.delete: 1, Worker.rename: 1, Worker.noop: 1, Worker.list: 1,
    Worker.set_metadata: 1, Worker.get_metadata: 1, Worker.idle: 0.3,
    Worker.nonsense: 0.3}.items()))
INSIDE, OUTSIDE = (tuple(map(tuple, t)) for t in (INSIDE, OUTSIDE))


class Lmtp:
    """What mta/out says to the mda."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")
        self.reply("220")
        self.ask("LHLO model.example", "250")

    def reply(self, code):
        while True:
            line = self.file.readline()
            hold(line.startswith(code.encode()), lambda: f"LMTP: {line!r}")
            if line[3:4] == b" ":
                return

    def ask(self, line, code):
        self.socket.sendall(line.encode() + b"\r\n")
        self.reply(code)

    def deliver(self, user, octets):
        self.ask("MAIL FROM:<>", "250")
        self.ask(f"RCPT TO:<{user}>", "250")
        self.ask("DATA", "354")
        self.socket.sendall(octets.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        self.reply("250")


def show(worker, error):
    lines = []
    for name, mark, octets in worker.transcript:
        text = octets.decode("latin-1")
        lines.append(f"{name} {mark}: {text[:400]!r}"[:600])
    where = ""
    if not isinstance(error, (Wrong, Ended, TimeoutError)):
        where = traceback.format_exc()
    client, kind = worker.now or (None, "")
    view = client.view if client else None
    return "\n".join(lines) + (
        f"\n{where}seed {worker.options.seed}, {worker.user}: "
        f"{kind or 'at the start'}: {type(error).__name__}: {error}\n"
        f"the view of {client.name if client else '-'}: "
        f"{view.mailbox.name if view else '-'} {view.uids if view else ''}\n")


def work(options, user, seed, n_commands, pipe):
    worker = Worker(options, user, seed, n_commands)
    failed = ""
    try:
        worker.run()
    except Exception as error:  # a model may fail in any way, and says how
        failed = show(worker, error)
    os.write(pipe, json.dumps([worker.counts, failed]).encode() + b"\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--lmtp", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--users", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--commands", type=int, default=10000)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    users = [u for u in options.users.split(",") if options.only in u]
    ends, children = [], []
    for user in users:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            work(options, user, options.seed, options.commands // len(users),
                 writing)
            os._exit(0)
        os.close(writing)
        ends.append(reading)
        children.append(child)
    counts, failures = collections.Counter(), []
    for user, reading, child in zip(users, ends, children):
        with os.fdopen(reading) as file:
            text = file.read()
        os.waitpid(child, 0)
        if not text:
            failures.append(f"{user}: the process died")
            continue
        more, failed = json.loads(text)
        counts.update(more)
        if failed:
            failures.append(failed)
    total = sum(counts.values())
    print(f"seed {options.seed}: {total} commands by {len(users)} users")
    for kind in sorted({key.rsplit(" ", 1)[0] for key in counts}):
        words = {key.rsplit(" ", 1)[1]: n for key, n in counts.items()
                 if key.rsplit(" ", 1)[0] == kind}
        print(f"  {kind:26}" + "".join(
            f" {word} {n}" for word, n in sorted(words.items())))
    if total >= ENOUGH and not options.only and not failures:
        missing = [f"{kind} {word}" for kind, words in KINDS.items()
                   for word in words.split() if not counts[f"{kind} {word}"]]
        if missing:
            failures.append(f"seed {options.seed}: never came: {missing}")
    for text in failures[:2]:
        print(text, file=sys.stderr)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    imap_wire.ANSWER_S = 30
    main()
