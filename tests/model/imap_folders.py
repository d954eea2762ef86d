# SPDX-License-Identifier: MIT
"""Commands of imap_model.py on mailboxes as such: STATUS, CREATE, DELETE,
RENAME, LIST, and annotations (METADATA, RFC 5464)."""

import functools
import re

from imap_client import Command, GIVEN, WORDS
from imap_changes import Changes
from imap_state import Mailbox, Message, hold
from imap_user import AUML, NAMES
from imap_wire import pairs, values

ENTRIES = ("/private/comment", "/shared/comment", "/private/vendor/m",
           "/private/vendor/m/a", "/private/vendor/m/a/b", "/shared/vendor/m",
           "/private/filters/values/x y")


class Folders(Changes):
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
        # RFC 9051 6.3.6: what is below is renamed, also below a mere name.
        is_fine = moved and not new.startswith(old + "/") and \
            not {new, *moved.values()} & set(self.boxes)
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
