# SPDX-License-Identifier: MIT
"""Load with a ledger: what was promised, and whether it was kept.

The ledger lies outside the system under test. A line is written and synced
before a message's content goes out, and another when its answer is known.
Readers fetch, move and expunge at once and write down what they were told.
After the drain, check() reads every mailbox and holds it against the rules:

  L1  every recipient of a message answered 250 has it (or its reader took it
      away)
  L2  octet for octet, less the trace fields before it
  L3  once; over the network at most once more for each crash
  L4  nothing is there that was refused
  L5  no partial, empty or foreign file in new/ or cur/
  L6  UIDs only rise, and mean one message for ever
  L7  flags, moves and expunges that were answered OK are there
"""

import collections
import contextlib
import imaplib
import json
import os
import random
import re
import smtplib
import socket
import ssl
import threading
import time

import frame

NETWORK_ERRORS = (OSError, EOFError, smtplib.SMTPException, imaplib.IMAP4.error,
                  ssl.SSLError, frame.Failed, socket.timeout)
SIZES = (1000, 1000, 4000, 4000, 16000, 60000, 300000)
PER_CONNECTION = 8
CROWD = 60
ID_FIELD = b"X-Ledger: "
IO_TIMEOUT_S = 30
# What check() decides; a verdict has the faults of each.
CLAIMS = {"L1": "nothing acknowledged is lost",
          "L2": "every octet is as it was sent",
          "L3": "nothing is there twice, relayed mail included",
          "L4": "nothing refused is there",
          "L5": "no partial, empty or foreign file",
          "L6": "UIDs rise, and are never used again",
          "L7": "flags, moves and expunges were kept"}


class Ledger:
    """Lines of JSON, each synced before put() returns."""

    def __init__(self, path):
        self.path = path
        self.file = open(path, "a")
        self.lock = threading.Lock()
        self.n = collections.Counter()

    def put(self, what, **entry):
        line = json.dumps(dict(entry, what=what, t=time.time()))
        with self.lock:
            self.file.write(line + "\n")
            self.file.flush()
            os.fdatasync(self.file.fileno())
            self.n[what] += 1

    def entries(self):
        with open(self.path) as file:
            return [json.loads(line) for line in file]


def content_for(rng, ident, sender, recipients):
    """A message of random size that carries its ledger id."""
    size = rng.choice(SIZES)
    lines = []
    while size > 0:
        line = rng.randbytes(rng.randrange(1, 36)).hex()
        if rng.random() < 0.1:
            line = "." + line
        lines.append(line)
        size -= len(line) + 2
    head = (f"From: <{sender}>\r\nTo: <{recipients[0]}>\r\n"
            f"Date: Sat, 31 Jan 2026 09:08:07 +0100\r\n"
            f"Message-ID: <{ident}@ledger.example>\r\n"
            f"X-Ledger: {ident}\r\nSubject: {ident}\r\n\r\n")
    return (head + "\r\n".join(lines) + "\r\n").encode()


class Worker(threading.Thread):
    """Runs step() until told to stop; the network may fail at any time."""

    def __init__(self, seed):
        super().__init__(daemon=True)
        self.rng = random.Random(seed)
        self.ending = threading.Event()
        self.bug = None

    def run(self):
        while not self.ending.is_set():
            try:
                self.step()
            except NETWORK_ERRORS:
                self.ending.wait(0.05)
            except Exception as error:
                self.bug = error
                raise


def add_crowd(host):
    """More readers: a message to many of them is flushed in another way than
    one to a few."""
    accounts = host.read_config("accounts.cf")
    secret = re.search(r"(?m)^[^#|]+\|(.*)$", accounts).group(1)
    crowd = [f"crowd{i}@{host.domain}" for i in range(CROWD)]
    host.append("accounts.cf", "".join(f"{user}|{secret}\n"
                                       for user in crowd))
    host.users = host.users + crowd
    return crowd


class Writer(Worker):
    """Sends messages; routes: [(host, service, sender, recipients)]."""

    def __init__(self, name, seed, ledger, routes):
        super().__init__(seed)
        self.label, self.ledger, self.routes = name, ledger, routes
        self.n = 0

    def step(self):
        host, service, sender, choices = self.rng.choice(self.routes)
        if service == "submission":
            client = host.submission(sender)
        else:
            client = host.smtp(service)
            client.ehlo()
        try:
            for _ in range(self.rng.randrange(1, PER_CONNECTION)):
                if self.ending.is_set():
                    break
                self.send_one(client, host, sender, choices)
        finally:
            client.close()

    def send_one(self, client, host, sender, choices):
        self.n += 1
        ident = f"{self.label}.{self.n}"
        wanted = self.rng.sample(choices, self.rng.randint(1, len(choices)))
        code, text = client.mail(sender)
        if code != 250:
            raise smtplib.SMTPSenderRefused(code, text, sender)
        taken = [r for r in wanted if client.rcpt(r)[0] == 250]
        if not taken:
            raise smtplib.SMTPRecipientsRefused({})
        content = content_for(self.rng, ident, sender, taken)
        code, text = client.docmd("DATA")
        if code != 354:
            raise smtplib.SMTPDataError(code, text)
        self.ledger.put("try", id=ident, rcpts=taken, host=host.name,
                        sha=frame.digest(content))
        stuffed = re.sub(rb"(?m)^\.", b"..", content)
        client.send(stuffed + b".\r\n")
        code, text = client.getreply()
        self.ledger.put("answer", id=ident, code=code,
                        text=text.decode("utf-8", "replace"))


class Reader(Worker):
    """One user's client, that takes mail away as soon as it sees it."""

    def __init__(self, seed, ledger, host, user):
        super().__init__(seed)
        self.ledger, self.host, self.user = ledger, host, user
        self.seen = {}          # (uv, uid) -> id
        self.kept = set()       # (uv, uid) left in INBOX on purpose
        self.next = {}          # uv -> largest UIDNEXT told
        self.floor = {}         # uv -> all below was there when last listed
        self.faults = []

    def note(self, what, **entry):
        self.ledger.put(what, user=self.user, **entry)

    def step(self):
        client = self.host.imap(self.user, timeout_s=IO_TIMEOUT_S)
        try:
            client.create("Done")
            code, _ = client.select("INBOX")
            if code != "OK":
                raise imaplib.IMAP4.error("SELECT")
            uv = int(client.response("UIDVALIDITY")[1][0])
            self.note_next(uv, client.response("UIDNEXT")[1][0])
            for _ in range(20):
                if self.ending.is_set():
                    break
                self.once(client, uv)
        finally:
            with contextlib.suppress(OSError):
                client.shutdown()

    def note_next(self, uv, text):
        if not text:
            return
        n = int(text)
        if n < self.next.get(uv, 0):
            self.faults.append(f"L6 {self.user}: UIDNEXT went from "
                               f"{self.next[uv]} back to {n}")
        self.next[uv] = max(n, self.next.get(uv, 0))

    def once(self, client, uv):
        floor, told = self.floor.get(uv, 0), self.next.get(uv, 0)
        code, rows = client.uid(
            "FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (X-LEDGER)])")
        if code != "OK":
            raise imaplib.IMAP4.error("FETCH")
        fresh = []
        for row in rows:
            if not isinstance(row, tuple):
                continue
            uid = int(re.search(rb"UID (\d+)", row[0]).group(1))
            found = re.search(rb"(?i)X-Ledger: (\S+)", row[1])
            ident = found.group(1).decode() if found else "?"
            known = self.seen.get((uv, uid))
            if known is None:
                if uid < floor:
                    self.faults.append(
                        f"L6 {self.user}: UID {uid} is new, and below "
                        f"{floor}, that was told before")
                self.seen[uv, uid] = ident
                self.note("seen", uv=uv, uid=uid, id=ident)
            elif known != ident:
                self.faults.append(f"L6 {self.user}: UID {uid} was {known}, "
                                   f"is {ident}")
            told = max(told, uid + 1)
            if (uv, uid) not in self.kept:
                fresh.append((uid, ident))
        self.floor[uv] = max(floor, told)
        if not fresh:
            client.noop()
            self.ending.wait(0.02)
            return
        chosen = fresh[:self.rng.randint(1, len(fresh))]
        self.act(client, uv, chosen)

    def act(self, client, uv, chosen):
        uids = ",".join(str(uid) for uid, _ in chosen)
        ids = [ident for _, ident in chosen]
        what = self.rng.choice(("move", "move", "expunge", "expunge",
                                "flag"))
        self.note(what + "?", ids=ids, uv=uv, uids=uids)
        if what == "move":
            code, _ = client.uid("MOVE", uids, "Done")
        elif what == "expunge":
            code, _ = client.uid("STORE", uids, "+FLAGS.SILENT",
                                 "(\\Deleted)")
            if code == "OK":
                code, _ = client.uid("EXPUNGE", uids)
        else:
            code, _ = client.uid("STORE", uids, "+FLAGS", "(\\Flagged)")
            self.kept.update((uv, uid) for uid, _ in chosen)
        self.note(what, ids=ids, uv=uv, uids=uids, ok=code == "OK")


# After the drain.

def scan(host, user):
    """[(folder, uv, uid, flags, octets)] of everything the user has."""
    found = []
    with host.imap(user, timeout_s=120) as client:
        client.create("Done")
        for folder in ("INBOX", "Done"):
            client.select(folder, readonly=True)
            uv = int(client.response("UIDVALIDITY")[1][0])
            code, rows = client.uid("FETCH", "1:*",
                                    "(FLAGS BODY.PEEK[])")
            frame.expect(code, "OK", f"FETCH of {user} {folder}")
            for row in rows:
                if isinstance(row, tuple):
                    uid = int(re.search(rb"UID (\d+)", row[0]).group(1))
                    found.append((folder, uv, uid, row[0], row[1]))
    return found


class Verdict:
    """Faults by rule, and what was counted."""

    def __init__(self):
        self.faults = collections.defaultdict(list)
        self.counts = collections.Counter()

    def fault(self, rule, text):
        self.faults[rule].append(text)


def check(ledger, owners, readers, is_remote):
    """owners: {user: host}; is_remote(ident, user): it came over the wire
    between the hosts."""
    verdict = Verdict()
    tried, answers = {}, {}
    sure = collections.defaultdict(set)      # (user, id) -> what was OK
    asked = collections.defaultdict(set)
    appeared = collections.defaultdict(set)  # (user, id) -> {(uv, uid)}
    validity = collections.defaultdict(set)
    for e in ledger.entries():
        what = e["what"]
        if what == "try":
            tried[e["id"]] = e
        elif what == "answer":
            answers[e["id"]] = e["code"]
        elif what == "seen":
            appeared[e["user"], e["id"]].add((e["uv"], e["uid"]))
            validity[e["user"], "INBOX"].add(e["uv"])
        else:
            for ident in e["ids"]:
                if what.endswith("?"):
                    asked[e["user"], ident].add(what[:-1])
                elif e["ok"]:
                    sure[e["user"], ident].add(what)
                    verdict.counts[what] += 1

    present = collections.defaultdict(list)
    for user, host in owners.items():
        for folder, uv, uid, head, octets in scan(host, user):
            validity[user, folder].add(uv)
            found = re.search(ID_FIELD + rb"(\S+)", octets)
            ident = found.group(1).decode() if found else None
            if ident not in tried:
                verdict.fault("L5", f"{user} {folder} UID {uid}: foreign: "
                              f"{octets[:300]!r}")
                continue
            if frame.digest(frame.without_trace(octets)) != \
                    tried[ident]["sha"]:
                verdict.fault("L2", f"{user} {folder} UID {uid} ({ident}) "
                              "is not what was sent")
            if user not in tried[ident]["rcpts"]:
                verdict.fault("L4", f"{ident} is not for {user}")
            present[user, ident].append((folder, uv, uid, head))
            if folder == "INBOX":
                appeared[user, ident].add((uv, uid))

    for ident, entry in tried.items():
        code = answers.get(ident)
        for user in entry["rcpts"]:
            key = user, ident
            copies = present[key]
            gone = "expunge" in asked[key]
            if code is None:
                verdict.counts["no answer"] += 1
            elif code == 250:
                verdict.counts["acknowledged"] += 1
                if is_remote(ident, user):
                    verdict.counts["acknowledged, relayed"] += 1
                if not copies and not gone:
                    verdict.fault("L1", f"{ident} for {user} is lost")
            else:
                verdict.counts[f"answered {code}"] += 1
                # 421 ends the connection: as good as no answer.
                if copies and code != 421:
                    verdict.fault("L4", f"{ident} for {user} was answered "
                                  f"{code}, and is there")
            if len(copies) > 1:
                verdict.fault("L3", f"{ident} for {user} is there "
                              f"{len(copies)} times: "
                              f"{[c[:3] for c in copies]}")
            for uv in {uv for uv, _ in appeared[key]}:
                uids = sorted(u for v, u in appeared[key] if v == uv)
                if len(uids) > 1:
                    verdict.fault("L3", f"{ident} came to {user}'s INBOX as "
                                  f"UIDs {uids}")
            check_actions(verdict, key, sure[key], copies)

    for (user, folder), values in validity.items():
        if len(values) > 1:
            verdict.fault("L6", f"{user} {folder}: UIDVALIDITY changed: "
                          f"{sorted(values)}")
    for reader in readers:
        for fault in reader.faults:
            verdict.fault("L6", fault)
    for user, host in owners.items():
        check_files(verdict, host, user, tried)
    return verdict


def check_actions(verdict, key, sure, copies):
    user, ident = key
    folders = [c[0] for c in copies]
    if "expunge" in sure and copies:
        verdict.fault("L7", f"{ident} of {user} was expunged, is in "
                      f"{folders}")
    if "move" in sure and folders != ["Done"]:
        verdict.fault("L7", f"{ident} of {user} was moved, is in {folders}")
    if "flag" in sure and folders == ["INBOX"] and \
            b"\\Flagged" not in copies[0][3]:
        verdict.fault("L7", f"{ident} of {user} has lost \\Flagged")


def check_files(verdict, host, user, tried):
    for folder in ("", ".Done"):
        for path in host.files(user, folder):
            with contextlib.suppress(FileNotFoundError):
                with open(path, "rb") as file:
                    octets = file.read()
                found = re.search(ID_FIELD + rb"(\S+)", octets)
                ident = found.group(1).decode() if found else None
                if ident not in tried or frame.digest(
                        frame.without_trace(octets)) != tried[ident]["sha"]:
                    verdict.fault("L5", f"{path}: {len(octets)} octets")
