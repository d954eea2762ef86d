# SPDX-License-Identifier: MIT
"""A client of imap_model.py: its connection, what it sends, and what it was told.
A user has two, and an observer that only listens to NOTIFY."""

import email.utils
import functools
import random
import re
import time

from imap_state import hold, wrong
from imap_wire import Connection, Ended, numbers, pairs, values

GIVEN = {"Drafts", "Sent", "Junk", "Trash"}  # nobody touches them
WORDS = ("alder", "birch", "cedar", "elm", "fir", "oak", "pine", "yew")
IDLE_S = 10
DATE = re.compile(rb"[ \d]\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d [+-]\d{4}")


@functools.lru_cache(512)
def content(number):
    """A message that no other one equals; its size, too, is almost its own."""
    rng = random.Random(number)
    lines = [" ".join(rng.choices(WORDS, k=rng.randrange(1, 9)))
             for _ in range(rng.randrange(1, 12))]
    return (f"X-Model: {number}\r\nFrom: <a{number % 7}@x.example>\r\n"
            f"Subject: s{number}\r\n"
            f"Date: {1 + number % 28} Jan 2026 10:00:00 +0000\r\n\r\n"
            + "".join(f"{line}\r\n" for line in lines)).encode()


def text_of(number):
    return content(number).partition(b"\r\n\r\n")[2].decode()


def instant(text):
    hold(DATE.fullmatch(text), lambda: f"no date: {text!r}")
    return email.utils.mktime_tz(email.utils.parsedate_tz(
        text.decode().replace("-", " ", 2)))


class Command:
    """pieces: between two of them the server asks for a literal. judge(untagged,
    tagged) compares and changes the reference."""

    def __init__(self, kind, text, judge, may_expunge=True):
        self.kind, self.judge, self.may_expunge = kind, judge, may_expunge
        self.pieces = [text.encode() if isinstance(text, str) else text] \
            if not isinstance(text, list) else text


class Client:
    """One of the two: its connection, and what it was told."""

    def __init__(self, worker, name):
        self.worker, self.name, self.rng = worker, name, worker.rng
        self.n_tags, self.kept = 0, {}
        self.connection = None

    # -- the connection

    def connect(self):
        if self.connection:
            self.connection.close()
        self.view, self.idle_tag, self.is_doomed = None, None, False
        self.condstore = self.qresync = self.rev2 = False
        self.connection = Connection(self.worker.options.port, self.heard)
        if self.connection.response().kind != "OK":
            wrong("no greeting")
        self.say("LOGIN", f"LOGIN {self.worker.user} "
                 f"{self.worker.options.password}", "OK")
        roll = 0 if self.name in "rn" else self.rng.randrange(8)
        self.rev2 = roll in (3, 6)
        words = {1: "CONDSTORE", 2: "QRESYNC", 3: "IMAP4rev2", 4: "QRESYNC",
                 5: "QRESYNC CONDSTORE", 6: "QRESYNC IMAP4rev2"}.get(roll)
        if words:
            self.say("ENABLE", f"ENABLE {words}", "OK")
            self.condstore = roll != 3
            self.qresync = "QRESYNC" in words

    def heard(self, mark, octets):
        self.worker.transcript.append((self.name, mark, octets))

    def tag(self):
        self.n_tags += 1
        return f"{self.name}{self.n_tags}".encode()

    def say(self, kind, text, *allowed):
        """A command that concerns no mailbox."""
        untagged, tagged = self.connection.ask(self.tag(), text.encode())
        hold(tagged.data in allowed, lambda: f"{tagged.raw!r} to {text}")
        self.worker.count(kind, tagged.data)
        return untagged

    def run(self, *commands):
        """Sends them in one write, if no literal stands in between, and judges
        each by what came before its tagged response."""
        tags = [self.tag() for _ in commands]
        whole = b""
        for i, (tag, command) in enumerate(zip(tags, commands)):
            whole += tag + b" " + command.pieces[0]
            for piece in command.pieces[1:]:
                self.connection.send(whole, self.rng)
                response = self.connection.response()
                early = []
                while response.kind not in ("+", "tagged"):
                    early.append(response)
                    response = self.connection.response()
                if response.kind == "tagged":
                    hold(i == 0, "only the last command has literals")
                    self.judge(command, early, response, tag)
                    return
                hold(not early, "news before a literal")
                whole = piece
            whole += b"\r\n"
        self.connection.send(whole, self.rng)
        for tag, command in zip(tags, commands):
            untagged, tagged = self.connection.until(tag)
            self.judge(command, untagged, tagged, tag)

    def judge(self, command, untagged, tagged, tag):
        hold(tagged.tag == tag, "the tag")
        self.worker.now = (self, command.kind)
        if self.view:
            self.view.before.clear()
        command.judge(untagged, tagged)
        word = tagged.data
        if tagged.code.startswith(b"MODIFIED"):
            word = "MODIFIED"
        self.worker.count(command.kind, word)

    # -- untagged responses

    def settle(self, untagged, may_expunge=True, is_fetch=False):
        """Takes news into the view; ([(uid, items)], all else)"""
        # RFC 7162 3.1: by STORE and by others; FETCH has what it asks for.
        with_modseq = self.condstore and not is_fetch
        fetched, others = [], []
        for response in untagged:
            kind = response.kind
            if kind == "BYE":
                wrong(f"BYE: {response.raw!r}")
            if kind in ("EXISTS", "EXPUNGE", "FETCH", "VANISHED", "RECENT",
                        "FLAGS"):
                hold(self.view, lambda: f"{kind}: no mailbox is selected")
            if kind == "EXISTS":
                self.view.exists(response.number)
            elif kind == "EXPUNGE":
                hold(may_expunge, "EXPUNGE while numbers must stay "
                     "(RFC 9051 7.5.1)")
                hold(not self.qresync, "EXPUNGE instead of VANISHED")
                self.view.expunge(response.number)
            elif kind == "VANISHED":
                self.vanished(response, may_expunge)
            elif kind == "FETCH":
                fetched.append(self.view.fetched(response, with_modseq))
            elif kind == "RECENT":
                hold(not self.rev2, "RECENT is not of IMAP4rev2")
                hold(response.number <= len(self.view.uids), "RECENT")
            else:
                if kind == "OK" and response.code.startswith(
                        b"HIGHESTMODSEQ ") and self.view:
                    self.view.modseq = int(response.code[14:])
                others.append(response)
        return fetched, others

    def vanished(self, response, may_expunge):
        hold(self.qresync, "VANISHED without QRESYNC")
        text, earlier = response.data, b"(EARLIER) "
        if text.startswith(earlier):
            found = numbers(text[len(earlier):])
            hold(not set(found) & set(self.view.uids), lambda: f"{text!r}, but"
                 f" of these the view has {self.view.uids}")
            here = set(found) & set(self.view.mailbox.messages)
            hold(not here, lambda: f"{text!r}, but {here} are there")
            self.view.earlier.update(found)
            return
        hold(may_expunge, "VANISHED while numbers must stay")
        for uid in numbers(text):
            self.view.vanish(uid)

    def tagged_modseq(self, tagged):
        """RFC 7162 3.2.7: what the client may keep."""
        if tagged.code.startswith(b"HIGHESTMODSEQ ") and self.view:
            self.view.modseq = int(tagged.code[14:])

    def quiet(self, untagged, tagged, *allowed, may_expunge=True):
        """The judge of commands that have no data of their own."""
        hold(tagged.data in allowed, lambda: f"{tagged.raw!r}, must be "
             f"{' or '.join(allowed)}")
        fetched, others = self.settle(untagged, may_expunge)
        for response in others:
            hold(response.kind in ("OK", "FLAGS"),
                 lambda: f"unexpected {response.raw!r}")
        return fetched

    def leave(self):
        """What a client keeps: all up to modseq was told, when these flags
        were."""
        view, self.view = self.view, None
        if view is None:
            return
        view.leave()
        if not view.incomplete() and view.mailbox.floor and self.condstore:
            # Everything was told, so whatever comes later has more.
            self.kept[view.mailbox.name] = view.keep(view.mailbox.floor)

    # -- IDLE

    def start_idle(self):
        """What was untold comes at once, so later news finds nothing old."""
        self.idle_tag = self.tag()
        self.connection.send(self.idle_tag + b" IDLE\r\n", self.rng)
        untagged = []
        while (response := self.connection.response()).kind != "+":
            hold(response.kind != "tagged", "IDLE must be possible")
            untagged.append(response)
        self.settle(untagged)
        self.hear()

    def hear(self):
        """Everything is told at once to who idles."""
        deadline = time.monotonic() + IDLE_S
        while self.view and self.view.incomplete():
            try:
                left = deadline - time.monotonic()
                response = self.connection.response(max(0.01, left))
            except TimeoutError:
                wrong(f"{self.name} idles for {IDLE_S} s and was not told: "
                      f"{self.view.incomplete()}")
            self.settle([response])

    def end_idle(self):
        self.connection.send(b"DONE\r\n", self.rng)
        untagged, tagged = self.connection.until(self.idle_tag)
        self.idle_tag = None
        self.quiet(untagged, tagged, "OK")
        self.worker.count("IDLE", tagged.data)
        if self.view:
            self.view.check_complete()

    def end_doomed(self):
        """Its mailbox was deleted: BYE, or any answer to one command; then the
        client comes again (RFC 2180 3)."""
        try:
            if not self.idle_tag:
                self.connection.send(self.tag() + b" NOOP\r\n")
            while True:
                response = self.connection.response(IDLE_S)
                if response.kind == "tagged":
                    break
        except Ended:
            pass
        self.view = None
        self.connect()


class Observer(Client):
    """Sends nothing after NOTIFY (RFC 5465), and must end with the truth: which
    mailboxes there are, and what STATUS would say of each."""

    def connect(self):
        super().connect()
        self.table = {"INBOX": {}}
        found = self.say(
            "NOTIFY", "NOTIFY SET STATUS (personal (MessageNew MessageExpunge"
            " FlagChange MailboxName))", "OK")
        for response in found:
            self.take(response)

    def take(self, response):
        kind = response.kind
        if kind == "STATUS":
            name, items = values(response.data)
            name = name.decode()
            hold(name in self.table or name in GIVEN, f"STATUS of {name}")
            new = {k.decode(): int(v) for k, v in pairs(items).items()}
            old = self.table.get(name, {})
            if old.get("UIDVALIDITY") == new.get("UIDVALIDITY"):
                for key in ("UIDNEXT", "HIGHESTMODSEQ"):
                    hold(key not in old or key not in new
                         or new[key] >= old[key], f"{name}: {key} goes back")
            self.table[name] = {**old, **new}
        elif kind == "LIST":
            attributes, _, name, *rest = values(response.data)
            name = name.decode()
            if b"\\NonExistent" in attributes:
                self.table.pop(name, None)
            elif rest:
                extended = pairs(rest[0])
                hold(set(extended) == {b"OLDNAME"}, f"{response.raw!r}")
                self.move(extended[b"OLDNAME"][0].decode(), name)
            else:
                self.table[name] = {}
        else:
            wrong(f"NOTIFY tells {response.raw!r}")

    def move(self, old, new):
        for name in [n for n in self.table
                     if n == old or n.startswith(old + "/")]:
            if name != "INBOX":
                self.table[new + name[len(old):]] = self.table.pop(name)
        self.table.setdefault(new, {})

    def untold(self):
        boxes = self.worker.boxes
        names = set(self.table) - GIVEN
        if names != set(boxes):
            return f"the mailboxes {names}, there are {set(boxes)}"
        for name, box in boxes.items():
            told = self.table[name]
            messages = box.messages.values()
            for key, want in (("MESSAGES", len(messages)), ("UNSEEN", sum(
                    "\\seen" not in m.flags for m in messages))):
                if told.get(key, 0) != want:
                    return f"{name}: {key} {told.get(key)}, is {want}"
            if box.messages and told.get("UIDNEXT", 0) <= max(box.messages):
                return f"{name}: UIDNEXT {told.get('UIDNEXT')}"
            if box.validity is not None and "UIDVALIDITY" in told and \
                    told["UIDVALIDITY"] != box.validity:
                return f"{name}: UIDVALIDITY {told['UIDVALIDITY']}"
        return ""

    def check(self):
        deadline = time.monotonic() + IDLE_S
        self.worker.now = (self, "NOTIFY")
        while self.untold():
            try:
                self.take(self.connection.response(
                    max(0.01, deadline - time.monotonic())))
            except TimeoutError:
                wrong(f"after {IDLE_S} s NOTIFY has told "
                      f"{self.untold()}")
        self.worker.count("NOTIFY", "told")
