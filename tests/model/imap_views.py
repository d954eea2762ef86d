# SPDX-License-Identifier: MIT
"""Commands of imap_model.py that begin and end a view of a mailbox, or only hear
what is new: SELECT and EXAMINE with QRESYNC (RFC 7162 3.2.5), UNSELECT, CLOSE,
NOOP, IDLE."""

import functools

from imap_client import Command
from imap_state import View, hold
from imap_user import User
from imap_wire import as_set


class Views(User):
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

    def noop(self, client):
        def judge(untagged, tagged):
            client.quiet(untagged, tagged, "OK")
            if client.view:
                client.view.check_complete()
        return Command("NOOP", "NOOP", judge)

    def idle(self, client):
        client.start_idle()
