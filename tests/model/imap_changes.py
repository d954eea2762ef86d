# SPDX-License-Identifier: MIT
"""Commands of imap_model.py by which messages come, change and go: APPEND,
delivery, STORE, COPY and MOVE, REPLACE, EXPUNGE."""

import functools
import re
import time

from imap_client import Command, content, instant
from imap_lmtp import Lmtp
from imap_state import Message, hold
from imap_user import HEADER, MANY
from imap_views import Views
from imap_wire import as_set, numbers


class Changes(Views):
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
