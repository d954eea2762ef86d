# SPDX-License-Identifier: MIT
"""SEARCH (RFC 9051 6.4.4, 5182, 4731), SORT (RFC 5256, 5267, 5957) and
THREAD=ORDEREDSUBJECT in imap_model.py.

A key is its text and a test of (view, number, message): True, False, or None
where nobody can know. So an answer must have those that fit, and may have those
of which that is not known."""

import functools

from imap_client import Command, WORDS, text_of
from imap_state import esearch_result, hold, search_result
from imap_user import FLAGS, User
from imap_wire import as_set, values

# Sort keys (RFC 5256 2.2, 3; RFC 5957 3) of what content() makes; None: not told.
SORT_KEYS = {
    "ARRIVAL": lambda m: m.date, "SIZE": lambda m: m.size,
    "DATE": lambda m: 1 + m.body % 28, "SUBJECT": lambda m: f"S{m.body}",
    "FROM": lambda m: f"A{m.body % 7}", "TO": lambda m: "",
    "CC": lambda m: "", "DISPLAYFROM": lambda m: f"A{m.body % 7}@X.EXAMPLE",
}


class Finds(User):
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

    def expected(self, client, is_uid, program, has_modseq, tagged):
        """(UIDs that must be found, that may be, number to UID)."""
        hold(tagged.data == "OK", lambda: f"{tagged.raw!r}")
        if has_modseq:
            client.condstore = True
        sure, maybe = self.candidates(client.view, program)
        return sure, maybe, (lambda n: n) if is_uid else client.view.uid_of

    def judge_search(self, client, is_uid, program, returns, has_modseq,
                     untagged, tagged):
        view = client.view
        sure, maybe, to_uid = self.expected(client, is_uid, program,
                                            has_modseq, tagged)
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
        sure, maybe, to_uid = self.expected(client, is_uid, program,
                                            has_modseq, tagged)
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
