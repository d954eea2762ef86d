# SPDX-License-Identifier: MIT
"""One user of imap_model.py: the reference of its mailboxes, its clients, and
what commands are made of: dice, names, sets of messages.

The other files of commands build on this: imap_views.py (selecting, news),
imap_changes.py (messages come, change and go), imap_reads.py (FETCH),
imap_finds.py (SEARCH, SORT, THREAD), imap_folders.py (mailboxes, METADATA). In
each a method NAME(client) makes a Command, or None where none fits now, and
judge_NAME holds the answer against the reference. All dice are self.rng: the
same seed makes the same commands."""

import collections
import random
import re

from imap_state import Mailbox, hold
from imap_wire import as_set

FLAGS = ("\\Answered", "\\Flagged", "\\Deleted", "\\Deleted", "\\Seen",
         "\\Draft", "$Label1", "Junk", "NonJunk", "work", "a.1")
NAMES = ("INBOX", "F1", "F2", "F3", "F1/sub", "F2/x y", "&AOQ-")
AUML = "\u00e4"     # what &AOQ- is in modified UTF-7
MANY = 30           # messages in a mailbox, before some must go
SHOWN = 120         # lines of a failed session
HEADER = b"BODY[HEADER.FIELDS (X-MODEL)]"


class User:
    """What all commands share. uids_only: no sequence numbers, for commands that
    go out together."""

    uids_only = False

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

    def learn_validity(self, box, value):
        box.learn_validity(value)
        owner = self.validities.setdefault(value, box)
        hold(owner is box, lambda: f"UIDVALIDITY {value} of two mailboxes")
        self.last_validity[box.name] = max(
            value, self.last_validity.get(box.name, 0))

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

    def some_flags(self):
        picked = dict.fromkeys(self.rng.choices(
            FLAGS, k=self.rng.choice((0, 1, 1, 1, 2, 3))))
        return list(picked)
