# SPDX-License-Identifier: MIT
"""Listens to one connection of a client with an IMAP server, and notes in
`faults` what no RFC allows the server to say: the grammar of each response
(imap_grammar.py), and what depends on what was said before: tags, the number of
messages, when EXPUNGE may be told, what SELECT owes, and what ENABLE and CONDSTORE
change. It never judges the client, which may talk nonsense.

    watch = Watch()
    watch.sent(octets); watch.received(octets)

The octets are those inside of TLS and COMPRESS."""

import re

from imap_grammar import Mode, Wrong, check, members, need, numbers

faults = []  # of all connections, as text

KEPT_OCTETS = 1 << 16  # of a literal
TAG_OF_COMMAND = re.compile(
    rb"([!#$&',\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+)(?: (.*))?", re.S)
SENT_LITERAL = re.compile(rb"~?\{(\d{1,18})(\+?)\}$")
TOLD_LITERAL = re.compile(rb"(~?)\{(\d{1,18})\}$")
CONDITION = re.compile(rb"(?:\+|\* (?:OK|NO|BAD|BYE|PREAUTH) |"
                       rb"[^* +]+ (?:OK|NO|BAD) )")
# RFC 9051 7.5.1, 6.4.1; RFC 5256 3
NO_EXPUNGE = ("FETCH", "STORE", "SEARCH", "SORT", "THREAD", "CLOSE")
PAUSES = ("IDLE", "AUTHENTICATE", "STARTTLS", "COMPRESS")
SELECTS = ("SELECT", "EXAMINE")


class Asked:
    """One command of the client."""

    def __init__(self, tag, text):
        self.tag, self.text = tag, text
        words = text.decode("latin-1").upper().split(" ")
        self.is_uid = words[0] == "UID"
        self.verb = words[1] if self.is_uid and words[1:] else words[0]
        self.told = set()

    def has(self, word):
        return word in self.text.upper()

    def is_condstore(self):
        """RFC 7162 3.1: the commands that switch it on."""
        return any(map(self.has, (b"MODSEQ", b"CHANGEDSINCE", b"(CONDSTORE")))


def owes(word):
    """The rule of a command that is done: it has had this answer."""
    def rule(_, asked, __):
        need(word in asked.told, f"no {word}")
    return rule


def owes_found(word):
    def rule(_, asked, __):
        need(asked.told & {word, "ESEARCH"} or asked.has(b"(SAVE)"),
             "no answer")
    return rule


class Watch:
    def __init__(self, name=""):
        self.name = name
        self.mode = Mode()
        self.out, self.skip, self.is_waiting = bytearray(), 0, False
        self.n_lines = 0  # of AUTHENTICATE and IDLE that the server asked for
        self.asked = []
        self.is_inside = False  # the last of asked has more to come
        self.inn, self.text, self.literals = bytearray(), b"", []
        self.left, self.kept, self.is_eight = 0, None, False
        self.has_greeted = self.is_blind = self.is_paused = False
        self.is_selected = self.is_condstore = self.is_qresync = False
        self.is_at_once = False  # NOTIFY's SELECTED
        self.n_least = self.n_most = 0  # messages
        self.uids = []  # by number, as far as they were told; None: lost
        self.is_enabling = False

    # -- the client

    def sent(self, octets):
        if self.is_blind or self.is_paused:
            return
        self.out += octets
        self.take_sent()

    def take_sent(self):
        while self.out and not self.is_waiting:
            if self.skip:
                n = min(self.skip, len(self.out))
                del self.out[:n]
                self.skip -= n
                continue
            end = self.out.find(b"\n")
            if end < 0:
                return
            line = bytes(self.out[:end]).removesuffix(b"\r")
            del self.out[:end + 1]
            if self.n_lines:
                self.n_lines -= 1
                self.is_waiting = self.asked != [] \
                    and self.asked[-1].verb == "AUTHENTICATE"
                continue
            self.take_line(line)

    def take_line(self, line):
        if self.is_inside:
            # A million small literals are copied once each, not a million
            # times all.
            if len(self.asked[-1].text) < KEPT_OCTETS:
                self.asked[-1].text += line
        else:
            match = TAG_OF_COMMAND.fullmatch(line)
            if not match:
                return  # nonsense; the answer is "* BAD"
            self.asked.append(Asked(match[1], match[2] or b""))
        match = SENT_LITERAL.search(line)
        self.is_inside = match is not None
        if match:
            self.skip = int(match[1])
            self.is_waiting = not match[2]
        elif self.asked[-1].verb in PAUSES:
            self.is_waiting = True

    # -- the server

    def received(self, octets):
        if self.is_blind or self.is_paused or not octets:
            return
        self.inn += octets
        while not self.is_blind:
            if self.left:
                n = min(self.left, len(self.inn))
                if not n:
                    return
                if len(self.kept) < KEPT_OCTETS or b"\0" in self.inn[:n]:
                    self.kept += self.inn[:n]
                del self.inn[:n]
                self.left -= n
                continue
            if self.kept is not None:
                self.literals.append(bytes(self.kept))
                self.kept = None
            end = self.inn.find(b"\r\n")
            if end < 0:
                return
            self.text += self.inn[:end]
            del self.inn[:end + 2]
            match = None if CONDITION.match(self.text) \
                else TOLD_LITERAL.search(self.text)
            if match:
                self.text += b"\r\n"
                self.left, self.kept = int(match[2]), bytearray()
                continue
            text, literals = self.text, self.literals
            self.text, self.literals = b"", []
            try:
                self.judge(text, literals)
            except Wrong as wrong:
                faults.append(self.describe(text, wrong))
                self.is_blind = True  # what follows from it says nothing

    def describe(self, text, wrong):
        now = self.asked[0].text[:200] if self.asked else b"(nothing)"
        return (f"{self.name} {wrong}\n        asked {now!r}\n"
                f"        told  {text[:600]!r}")

    def judge(self, text, literals):
        said = check(text, literals, self.mode)
        if not self.has_greeted:
            need(said.tag is None and said.word in ("OK", "BYE", "PREAUTH"),
                 "no greeting")
            self.has_greeted = True
            return
        if said.word == "+":
            need(self.is_waiting, "nobody waits for +")
            self.is_waiting = False
            if not self.is_inside:
                self.n_lines = 1
            self.take_sent()
        elif said.tag is not None:
            self.judge_tagged(said)
        else:
            self.judge_untagged(said)

    def now(self):
        return self.asked[0] if self.asked else None

    def judge_tagged(self, said):
        # The first one, as a rule; thousands may wait behind it.
        asked = next((a for a in self.asked if a.tag == said.tag), None)
        need(asked, f"nobody sent {said.tag!r}, but "
             f"{[a.tag for a in self.asked][:3]}")
        if asked is self.asked[-1]:
            if self.is_waiting:
                self.skip = 0  # the literal was refused: it does not come
            self.is_waiting, self.is_inside = False, False
            self.n_lines = 0
        self.asked.remove(asked)
        if said.word == "OK":
            rule = getattr(self, "done_" + asked.verb.lower(), None)
            if rule:
                rule(asked, said)
        elif asked.verb in SELECTS:
            # What fails leaves no mailbox; BAD changes nothing.
            self.is_selected = self.is_selected and said.word == "BAD"
        self.take_sent()

    def done_select(self, asked, said):
        owed = {"FLAGS", "EXISTS", "UIDVALIDITY", "UIDNEXT", "PERMANENTFLAGS",
                "MAILBOXID"}
        owed.add("LIST" if self.mode.is_rev2 else "RECENT")
        owed -= asked.told
        need(not owed, f"{asked.verb} owes {sorted(owed)}")
        need(asked.told & {"HIGHESTMODSEQ", "NOMODSEQ"},
             f"{asked.verb} owes HIGHESTMODSEQ or NOMODSEQ")
        need(said.code in ("READ-ONLY", "READ-WRITE"), f"{said.code}")
        need(asked.verb == "SELECT" or said.code == "READ-ONLY", "EXAMINE")
        self.is_selected = True

    done_examine = done_select

    def done_close(self, asked, said):
        self.is_selected = False

    done_unselect = done_close

    def done_starttls(self, asked, said):
        self.out.clear()
        self.asked.clear()

    done_capability = owes("CAPABILITY")
    done_logout = owes("BYE")
    done_namespace = owes("NAMESPACE")
    done_id = owes("ID")
    # RFC 5161 3.2; the argument is not checked by the grammar of answers.
    done_enable = owes("ENABLED")
    done_status = owes("STATUS")
    done_search = owes_found("SEARCH")
    done_sort = owes_found("SORT")

    def done_thread(self, asked, said):
        need("THREAD" in asked.told, "no answer")

    def done_notify(self, asked, said):
        self.is_at_once = asked.has(b"(SELECTED (")

    # -- untagged

    def judge_untagged(self, said):
        asked = self.now()
        if asked:
            self.is_condstore = self.is_condstore or asked.is_condstore()
            asked.told.add(said.code if said.word == "OK" and said.code
                           else said.word)
        rule = getattr(self, "told_" + said.word.lower(), None)
        if rule:
            rule(said, asked)

    def told_ok(self, said, asked):
        if said.code == "CLOSED":
            need(asked and asked.verb in SELECTS and self.is_selected,
                 "CLOSED when nothing closes")
            self.is_selected = False
        elif said.code == "HIGHESTMODSEQ" and not (
                asked and asked.verb in SELECTS):
            need(self.is_condstore, "HIGHESTMODSEQ without CONDSTORE")

    def told_enabled(self, said, asked):
        need(asked and asked.verb == "ENABLE", "ENABLED unasked")
        if b"UTF8=ACCEPT" in said.items:
            self.mode.is_utf8 = True
        if b"IMAP4REV2" in said.items:
            self.mode.is_rev2 = self.mode.is_utf8 = True
        if b"CONDSTORE" in said.items or b"QRESYNC" in said.items:
            self.is_condstore = True
        if b"QRESYNC" in said.items:
            self.is_qresync = True

    def is_selecting(self, asked):
        return asked is not None and asked.verb in SELECTS

    def told_exists(self, said, asked):
        if self.is_selecting(asked):
            self.n_least = self.n_most = said.number
            self.uids = [None] * said.number
            return
        need(self.is_selected, "EXISTS without a mailbox")
        need(said.number >= self.n_least,
             f"{self.n_least} messages became fewer without EXPUNGE")
        self.n_least = self.n_most = said.number
        if self.uids is not None:
            self.uids += [None] * (said.number - len(self.uids))

    def told_recent(self, said, asked):
        need(self.is_selecting(asked) or self.is_selected, "no mailbox")

    def may_expunge(self, said, asked):
        need(self.is_selected, "no mailbox")
        if self.is_at_once:  # RFC 5465 6.1: it crosses what was sent
            return
        need(asked, f"{said.word} without a command")
        need(asked.is_uid or asked.verb not in NO_EXPUNGE,
             f"{said.word} within {asked.verb}")

    def told_expunge(self, said, asked):
        self.may_expunge(said, asked)
        need(not self.is_qresync, "EXPUNGE after ENABLE QRESYNC")
        need(said.number <= self.n_most, f"of {self.n_most} messages")
        self.n_most -= 1
        self.n_least = max(self.n_least - 1, 0)
        del self.uids[said.number - 1]

    def told_vanished(self, said, asked):
        need(self.is_qresync, "VANISHED without ENABLE QRESYNC")
        if said.items["earlier"]:
            need(asked and (asked.verb in SELECTS or asked.verb == "FETCH"),
                 "(EARLIER) unasked")
            return
        self.may_expunge(said, asked)
        # It may name messages that this client was never told of.
        self.n_least = max(self.n_least - members(said.items["uids"]), 0)
        gone = numbers(said.items["uids"])
        if self.uids is None or not set(gone) <= set(self.uids):
            self.uids = None
            return
        for uid in gone:
            self.uids.remove(uid)
        self.n_least = self.n_most = len(self.uids)

    def told_fetch(self, said, asked):
        need(self.is_selecting(asked) or self.is_selected, "no mailbox")
        need(said.number <= self.n_most,
             f"{said.number} of {self.n_most} messages")
        if b"UID" in said.items and self.uids is not None:
            self.judge_uid(said.number, said.items[b"UID"])
        if asked and asked.is_uid and asked.verb in ("FETCH", "STORE"):
            need(b"UID" in said.items, "no UID in the answer to a UID command")
        if asked and asked.verb in ("FETCH", "STORE") \
                and asked.is_condstore():
            need(b"MODSEQ" in said.items, "no MODSEQ")
        if self.is_condstore and not (asked and asked.verb == "FETCH") \
                and not (asked and asked.verb == "STORE"):
            need(b"FLAGS" not in said.items or b"MODSEQ" in said.items,
                 "no MODSEQ beside FLAGS")

    def judge_uid(self, number, uid):
        """RFC 9051 2.3.1.1: UIDs rise with the numbers, and stay."""
        before = [u for u in self.uids[max(0, number - 2):number - 1] if u]
        after = [u for u in self.uids[number:number + 1] if u]
        need(self.uids[number - 1] in (None, uid)
             and all(u < uid for u in before) and all(u > uid for u in after),
             f"UID {uid} is number {number}, but around it are {before}, "
             f"{self.uids[number - 1]}, {after}")
        self.uids[number - 1] = uid

    def told_esearch(self, said, asked):
        need(asked and asked.verb in ("SEARCH", "SORT"), "ESEARCH unasked")
        need(said.items.get("tag") == asked.tag,
             f"tag of {said.items}, asked {asked.tag!r}")
        need(said.items.get("uid", False) == asked.is_uid, "UID")
        if not asked.is_uid:
            for name in (b"MIN", b"MAX", b"COUNT"):
                need(said.items.get(name, 0) <= self.n_most, "numbers")

    def told_search(self, said, asked):
        need(asked and asked.verb == "SEARCH", "SEARCH unasked")
        need(not self.mode.is_rev2, "RFC 9051: ESEARCH")
        if not asked.is_uid:
            need(all(n <= self.n_most for n in said.items), "numbers")

    def told_sort(self, said, asked):
        need(asked and asked.verb == "SORT", "SORT unasked")
