# SPDX-License-Identifier: MIT
"""FETCH in imap_model.py, with CHANGEDSINCE and VANISHED (RFC 7162 3.1.4.1,
3.2.6), and what of each message it must tell."""

import functools
import time

from imap_client import Command, content, instant, text_of
from imap_state import hold
from imap_user import HEADER, User

ITEMS = ("FLAGS", "UID", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "MODSEQ",
         "BODYSTRUCTURE", "BODY.PEEK[]", "BODY[]", "EMAILID", "SAVEDATE",
         "BODY.PEEK[HEADER.FIELDS (X-MODEL)]")


class Reads(User):
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
