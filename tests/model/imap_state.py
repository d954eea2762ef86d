# SPDX-License-Identifier: MIT
"""The reference of mailbox state: what is in each mailbox of one user, and what
each client was told of it. Written from RFC 9051, 4315 (UIDPLUS) and 7162
(CONDSTORE, QRESYNC); knows nothing of our server.

What a standard leaves to the server (which modification sequence a change gets)
is kept as a range, and narrowed by everything that is told. So a number that
goes back, or comes twice, leaves an empty range, and that is an error.

Invariants that every response is held against:
 (1) A UID stands for one message for ever, and a new one is above all before.
 (2) Sequence numbers are those of the client's own view: EXPUNGE, VANISHED and
     EXISTS alone change it, and never during FETCH, STORE or SEARCH.
 (3) Flags that are told are those that the message has.
 (4) Each change gets a modification sequence above all that were told before."""

from imap_wire import Wrong, numbers, pairs, values

SYSTEM = ("\\answered", "\\flagged", "\\deleted", "\\seen", "\\draft")


def wrong(text):
    raise Wrong(text)


def hold(claim, text):
    if not claim:
        raise Wrong(text() if callable(text) else text)


def flags_of(listed):
    """As a set without \\Recent, which is the session's and not the message's."""
    hold(isinstance(listed, list), "flags are a list")
    found = [flag.decode().lower() for flag in listed]
    hold(len(set(found)) == len(found), f"a flag twice: {found}")
    return frozenset(found) - {"\\recent"}


class Message:
    """body: the number of its content. stamp: which change it was last in; low
    and high: between these is its modification sequence (high None: anywhere
    above)."""

    __slots__ = ("uid", "body", "flags", "stamp", "low", "high", "size",
                 "date", "email_id", "saved")

    def __init__(self, uid, body, flags=frozenset(), size=None, date=None,
                 email_id=None):
        self.uid, self.body, self.flags = uid, body, flags
        self.size, self.date, self.email_id = size, date, email_id
        self.saved = None
        self.stamp, self.low, self.high = 0, 1, None


class Mailbox:
    def __init__(self, name, validity_above=0):
        self.name = name
        self.validity, self.validity_above = None, validity_above
        self.next_uid = 1      # no new one is below
        self.told_next = None  # by STATUS or SELECT, and nothing came since
        self.messages = {}     # uid -> Message, in their order
        self.gone = {}         # uid -> Message
        self.floor = 0         # the highest modification sequence ever told
        self.stamp = 0
        self.mailbox_id = None
        self.recent_of = {}    # uid -> who was told \Recent
        self.metadata = {}     # entry in lower case -> octets
        self.views = []        # of those that have it selected

    def learn_validity(self, value):
        if self.validity is None:
            hold(value > self.validity_above, lambda:
                 f"{self.name}: UIDVALIDITY {value} was in use before")
            self.validity = value
        hold(self.validity == value, lambda: f"{self.name}: UIDVALIDITY "
             f"{value}, was {self.validity}")

    def learn_id(self, value):
        if self.mailbox_id is None:
            self.mailbox_id = value
        hold(self.mailbox_id == value, f"{self.name}: MAILBOXID {value!r}")

    def learn_next(self, value):
        hold(value >= self.next_uid, lambda: f"{self.name}: UIDNEXT {value}, "
             f"but {self.next_uid - 1} was given")
        if self.told_next is not None:
            hold(value == self.told_next, lambda: f"{self.name}: UIDNEXT "
                 f"{value}, was {self.told_next}, and nothing has come")
        self.next_uid = self.told_next = value

    def changed(self, *messages, is_same=False):
        """One command has changed these (is_same: the one before, too)."""
        if not is_same:
            self.stamp += 1
        for message in messages:
            message.stamp = self.stamp
            message.low, message.high = self.floor + 1, None

    def add(self, message):
        """Its change is to be noted with those of the same command."""
        hold(message.uid >= self.next_uid and message.uid not in self.gone
             and message.uid not in self.messages,
             lambda: f"{self.name}: UID {message.uid} is new, but UIDs up to "
             f"{self.next_uid - 1} were given or promised")
        if self.told_next is not None:
            hold(message.uid >= self.told_next, "below UIDNEXT")
        self.told_next = None
        self.next_uid = message.uid + 1
        self.messages[message.uid] = message

    def remove(self, uids):
        left = [self.messages.pop(uid) for uid in uids]
        if left:
            self.changed(*left)
        for message in left:
            self.gone[message.uid] = message
        return left

    def everything(self):
        yield from self.messages.values()
        yield from self.gone.values()

    def flagged(self, by, messages, is_same=False):
        """Flags that one client has changed: the others must be told."""
        self.changed(*messages, is_same=is_same)
        for view in self.views:
            if view is not by:
                view.owed.update({m.uid for m in messages} & set(view.uids))

    def learn_modseq(self, message, value):
        hold(value >= message.low and (message.high is None
                                       or value <= message.high),
             lambda: f"{self.name}: UID {message.uid} has MODSEQ {value}, must "
             f"be from {message.low} to {message.high}")
        if message.low == message.high:
            return
        message.low = message.high = value
        self.floor = max(self.floor, value)
        for other in self.everything():
            if other.low == other.high or other.stamp == message.stamp:
                continue
            if other.stamp < message.stamp:
                self.narrow(other, other.low, value - 1)
            else:
                self.narrow(other, value + 1, other.high)

    def narrow(self, message, low, high):
        if low > message.low:
            message.low = low
        if high is not None and (message.high is None or high < message.high):
            message.high = high
        hold(message.high is None or message.low <= message.high, lambda:
             f"{self.name}: no MODSEQ is left for UID {message.uid}: its "
             f"change was after {message.low - 1} and before "
             f"{message.high + 1}")

    def learn_highest(self, value):
        """HIGHESTMODSEQ, when nothing is untold."""
        hold(value >= self.floor, lambda: f"{self.name}: HIGHESTMODSEQ "
             f"{value}, but {self.floor} was told")
        for message in self.everything():
            if message.low != message.high:
                self.narrow(message, message.low, value)
        self.floor = value

    def is_after(self, message, modseq):
        """Was its last change above that number? None: nobody can know."""
        if message.low > modseq:
            return True
        if message.high is not None and message.high <= modseq:
            return False
        return None

    def forget_old(self):
        """Keeps the model quick: what left long ago."""
        if len(self.gone) > 400:
            for uid in list(self.gone)[:200]:
                del self.gone[uid]


class Kept:
    """What a client keeps of a mailbox that it leaves."""

    def __init__(self, mailbox, modseq, flags):
        self.mailbox, self.validity = mailbox, mailbox.validity
        self.modseq, self.flags = modseq, flags
        self.last_uid = mailbox.next_uid - 1


class View:
    """One client's picture of the mailbox that it has selected."""

    def __init__(self, mailbox, is_read_only, name):
        self.mailbox, self.is_read_only = mailbox, is_read_only
        self.name = name
        self.uids = []
        self.flags = {}       # uid -> as it was told
        self.modseq = None    # all up to it was told
        self.n_recent = None
        self.earlier = set()  # VANISHED (EARLIER)
        self.before = {}      # flags before the command that is judged
        self.owed = set()     # UIDs whose flags others have changed
        self.saved = set()    # UIDs of "$"
        mailbox.views.append(self)

    def leave(self):
        self.mailbox.views.remove(self)

    def exists(self, n):
        box, last = self.mailbox, self.uids[-1] if self.uids else 0
        new = [uid for uid in box.messages if uid > last]
        hold(len(self.uids) <= n <= len(self.uids) + len(new), lambda:
             f"{n} EXISTS: the client has {len(self.uids)}, {len(new)} new")
        self.uids += new[:n - len(self.uids)]

    def expunge(self, n):
        hold(1 <= n <= len(self.uids), lambda: f"{n} EXPUNGE: the client has "
             f"{len(self.uids)} messages")
        self.vanish(self.uids[n - 1])

    def vanish(self, uid):
        hold(uid not in self.mailbox.messages, lambda:
             f"UID {uid} is told as gone, but it is there")
        hold(uid in self.uids, lambda: f"VANISHED {uid}: not in the view")
        self.uids.remove(uid)
        self.flags.pop(uid, None)
        self.owed.discard(uid)
        self.saved.discard(uid)

    def uid_of(self, seq):
        hold(1 <= seq <= len(self.uids), lambda: f"number {seq}: the client "
             f"has {len(self.uids)} messages")
        return self.uids[seq - 1]

    def fetched(self, response, with_modseq):
        """(uid, items) after all checks that need no command."""
        uid, items = self.uid_of(response.number), response.data
        if b"UID" in items:
            hold(int(items[b"UID"]) == uid, lambda: f"number {response.number}"
                 f" has UID {items[b'UID']!r}, was told to have {uid}")
        message = self.mailbox.messages.get(uid)
        if message is None:
            hold(set(items) <= {b"UID"}, lambda: f"UID {uid} is gone, but its "
                 f"{list(items)} are told")
            return uid, items
        if b"FLAGS" in items:
            if self.is_before(message, items[b"FLAGS"]):
                return uid, items
            self.take_flags(message, items[b"FLAGS"])
        if b"MODSEQ" in items:
            value = items[b"MODSEQ"]
            hold(isinstance(value, list) and len(value) == 1, "MODSEQ (n)")
            self.mailbox.learn_modseq(message, int(value[0]))
        elif with_modseq and b"FLAGS" in items:
            wrong("FLAGS without MODSEQ, RFC 7162 3.1")
        return uid, items

    def is_before(self, message, listed):
        """What others did may be told before the command does its own."""
        return message.uid in self.before and \
            message.flags != self.before[message.uid] == flags_of(listed)

    def take_flags(self, message, listed):
        told = flags_of(listed)
        hold(told == message.flags, lambda: f"UID {message.uid} has "
             f"{sorted(told)}, should have {sorted(message.flags)}")
        self.flags[message.uid] = told
        self.owed.discard(message.uid)
        if b"\\Recent" in listed and not self.is_read_only:
            owner = self.mailbox.recent_of.setdefault(message.uid, self)
            hold(owner is self, "\\Recent to two read-write sessions")

    def check_complete(self):
        """After NOOP, or in IDLE: nothing is untold."""
        fault = self.incomplete()
        if fault:
            raise Wrong(fault)

    def incomplete(self):
        box = self.mailbox
        if self.uids != list(box.messages):
            return (f"the view is {self.uids}, but there are "
                    f"{list(box.messages)}")
        for uid, told in self.flags.items():
            if box.messages[uid].flags != told:
                return (f"UID {uid} was last told with {sorted(told)}, has "
                        f"{sorted(box.messages[uid].flags)}")
        owed = self.owed & set(self.uids)
        if owed:
            return f"flags of UIDs {sorted(owed)} were not told"
        return ""

    def keep(self, modseq):
        return Kept(self.mailbox, modseq, {
            uid: self.flags.get(uid) for uid in self.uids})


def search_result(response):
    """(the numbers as told, MODSEQ or None) of SEARCH or SORT"""
    text = response.data
    modseq = None
    if text.endswith(b")"):
        text, _, tail = text.rpartition(b"(MODSEQ ")
        modseq = int(tail[:-1])
    return [int(word) for word in text.split()], modseq


def esearch_result(response):
    """{"TAG", "UID", "MIN" ...} of ESEARCH, RFC 4731 4."""
    found, items = {}, values(response.data) if response.data else []
    if items and isinstance(items[0], list):
        correlator = pairs(items.pop(0))
        hold(set(correlator) == {b"TAG"}, "search correlator")
        found["TAG"] = correlator[b"TAG"]
    if items and items[0] == b"UID":
        found["UID"] = True
        items.pop(0)
    for key, value in pairs(items).items():
        name = key.decode()
        found[name] = numbers(value) if name == "ALL" else int(value)
    return found
