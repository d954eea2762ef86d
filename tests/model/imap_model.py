#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random IMAP commands by two clients of one user, and deliveries, held against
the reference in imap_state.py.

    imap_model.py --port P --lmtp PATH --password W --users A,B,...
                  [--seed S] [--commands N] [--only USER]

Each user is a process of its own with two clients; mostly one acts and the
other waits, idles, or has something else selected, so that what must be told,
and what may be, is known to the octet. Commands go out one by one or pipelined,
whole, in pieces, or octet by octet. A client that comes back to a mailbox brings
what it kept (QRESYNC), and must end with the truth.

Prints seed and counts per command and kind of answer; a kind that never came is
a failure, when there were enough commands. Exit code 1: what no standard
allows; the last lines of the session go to standard error. The same seed makes
the same commands."""

import argparse
import collections
import json
import os
import sys
import traceback

import imap_wire
from imap_client import Client, Command, Observer
from imap_finds import Finds
from imap_folders import Folders
from imap_reads import Reads
from imap_user import MANY
from imap_wire import Ended, Wrong

ENOUGH = 20000      # commands, so that every kind has come
KINDS = {  # the kinds of answer that each command must have had
    "SELECT": "OK NO", "EXAMINE": "OK NO", "SELECT QRESYNC": "OK",
    "UNSELECT": "OK", "CLOSE": "OK", "APPEND": "OK NO", "MULTIAPPEND": "OK NO",
    "STORE": "OK NO", "UID STORE": "OK NO", "STORE UNCHANGEDSINCE":
    "OK MODIFIED", "UID STORE UNCHANGEDSINCE": "OK MODIFIED",
    "COPY": "OK NO", "UID COPY": "OK NO", "MOVE": "OK NO", "UID MOVE": "OK NO",
    "EXPUNGE": "OK NO", "UID EXPUNGE": "OK NO", "FETCH": "OK",
    "UID FETCH": "OK", "UID FETCH CHANGEDSINCE": "OK",
    "UID FETCH VANISHED": "OK", "SEARCH": "OK", "UID SEARCH": "OK",
    "SEARCH RETURN": "OK", "SEARCH SAVE": "OK", "STATUS": "OK NO",
    "THREAD": "OK", "UID THREAD": "OK",
    "SORT": "OK", "UID SORT": "OK", "SORT RETURN": "OK", "REPLACE": "OK NO",
    "UID REPLACE": "OK NO", "GETMETADATA": "OK NO", "SETMETADATA": "OK NO",
    "CREATE": "OK NO", "DELETE": "OK NO", "RENAME": "OK NO",
    "RENAME INBOX": "OK", "LIST": "OK", "NOOP": "OK", "IDLE": "OK",
    "LOGIN": "OK", "DELIVERY": "OK", "wrong": "BAD", "NOTIFY": "told",
}


class Worker(Folders, Finds, Reads):
    """One user: who does what next."""

    def run(self):
        self.clients = [Client(self, "a"), Client(self, "b")]
        self.resolver = Client(self, "r")
        self.observer = Observer(self, "n")
        for client in (*self.clients, self.resolver, self.observer):
            client.connect()
        while self.left > 0:
            self.step()
            if self.chance(2):
                self.observer.check()
        self.observer.check()
        for client in self.clients:
            if client.idle_tag:
                client.end_idle()
            elif client.view:
                client.run(self.noop(client))
            client.connection.close()

    def step(self):
        rng = self.rng
        client = rng.choice(self.clients)
        if client.idle_tag:
            if self.chance(40):
                client.end_idle()
            else:
                client = next((c for c in self.clients if not c.idle_tag),
                              None)
                if client is None:
                    self.deliver()
                    return
        if self.chance(4):
            self.deliver()
        elif self.chance(0.7):
            client.leave()
            client.connect()
        elif client.view and client.view.mailbox.messages and self.chance(12):
            self.pipeline(client)
        else:
            self.one(client)
        for other in self.clients:
            if other.is_doomed:
                other.end_doomed()
            elif other.idle_tag and other is not client:
                other.hear()
        for box in self.boxes.values():
            box.forget_old()

    def one(self, client):
        weights = (OUTSIDE if client.view is None else INSIDE)
        make = self.rng.choices(*weights)[0]
        if client.view and len(client.view.mailbox.messages) > MANY and \
                self.chance(30):
            make = Worker.shrink
        command = make(self, client)
        if command:
            client.run(command)

    def pipeline(self, client):
        """UIDs alone, so that no number can be meant otherwise (RFC 9051
        5.5)."""
        makes = self.rng.choices(
            (Worker.fetch, Worker.store, Worker.search, Worker.sort,
             Worker.noop, Worker.status, Worker.copy, Worker.uid_expunge),
            k=self.rng.randrange(2, 6))
        if any(c.idle_tag for c in self.clients):
            makes = [m for m in makes if m is not Worker.uid_expunge]
        self.uids_only = True
        commands = [make(self, client) for make in makes]
        self.uids_only = False
        commands = [c for c in commands if c]
        # Who idles sees what was between; the flags of one command only.
        if any(c.idle_tag for c in self.clients):
            commands = commands[:1]
        if commands:
            client.run(*commands)

    def nonsense(self, client):
        """Wrong whatever the state; the state stays."""
        n = len(client.view.uids) if client.view else 0
        text = self.rng.choice((
            f"FETCH {n + 1} FLAGS", f"STORE {n + 1} +FLAGS (\\Seen)",
            "FETCH 0 FLAGS", "FETCH 1 (FLAGS", "UID FETCH a FLAGS", "STORE",
            "FETCH 1 (NOTHING)", "SEARCH", "SEARCH NONSENSE", "EXPUNGE 1",
            f"COPY {n + 1} INBOX", "STATUS INBOX (NONSENSE)", "NOOP x",
            "STORE 1 FLAGS (\\Nonsense)", "UID", "UID NOOP", "XYZZY",
            "UID EXPUNGE"))

        def judge(untagged, tagged):
            is_refused = client.view and client.view.is_read_only and \
                text.startswith("STORE")
            client.quiet(untagged, tagged, "BAD", *["NO"] * bool(is_refused))
        return Command("wrong", text, judge, False)


INSIDE = tuple(zip(*{
    Worker.select: 7, Worker.unselect: 1, Worker.close: 2, Worker.append: 7,
    Worker.multiappend: 2, Worker.store: 18, Worker.copy: 5, Worker.move: 5,
    Worker.expunge: 4, Worker.uid_expunge: 4, Worker.fetch: 15,
    Worker.search: 11, Worker.sort: 6, Worker.thread: 2,
    Worker.replace: 4, Worker.set_metadata: 2, Worker.get_metadata: 3,
    Worker.status: 5, Worker.create: 2, Worker.delete: 1.2,
    Worker.rename: 1.5, Worker.noop: 7, Worker.idle: 3,
    Worker.list: 1, Worker.nonsense: 1.5}.items()))
OUTSIDE = tuple(zip(*{
    Worker.select: 20, Worker.append: 3, Worker.status: 2, Worker.create: 2,
    Worker.delete: 1, Worker.rename: 1, Worker.noop: 1, Worker.list: 1,
    Worker.set_metadata: 1, Worker.get_metadata: 1, Worker.idle: 0.3,
    Worker.nonsense: 0.3}.items()))
INSIDE, OUTSIDE = (tuple(map(tuple, t)) for t in (INSIDE, OUTSIDE))


def show(worker, error):
    lines = []
    for name, mark, octets in worker.transcript:
        text = octets.decode("latin-1")
        lines.append(f"{name} {mark}: {text[:400]!r}"[:600])
    where = ""
    if not isinstance(error, (Wrong, Ended, TimeoutError)):
        where = traceback.format_exc()
    client, kind = worker.now or (None, "")
    view = client.view if client else None
    return "\n".join(lines) + (
        f"\n{where}seed {worker.options.seed}, {worker.user}: "
        f"{kind or 'at the start'}: {type(error).__name__}: {error}\n"
        f"the view of {client.name if client else '-'}: "
        f"{view.mailbox.name if view else '-'} {view.uids if view else ''}\n")


def work(options, user, seed, n_commands, pipe):
    worker = Worker(options, user, seed, n_commands)
    failed = ""
    try:
        worker.run()
    except Exception as error:  # a model may fail in any way, and says how
        failed = show(worker, error)
    os.write(pipe, json.dumps([worker.counts, failed]).encode() + b"\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--lmtp", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--users", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--commands", type=int, default=10000)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    users = [u for u in options.users.split(",") if options.only in u]
    ends, children = [], []
    for user in users:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            work(options, user, options.seed, options.commands // len(users),
                 writing)
            os._exit(0)
        os.close(writing)
        ends.append(reading)
        children.append(child)
    counts, failures = collections.Counter(), []
    for user, reading, child in zip(users, ends, children):
        with os.fdopen(reading) as file:
            text = file.read()
        os.waitpid(child, 0)
        if not text:
            failures.append(f"{user}: the process died")
            continue
        more, failed = json.loads(text)
        counts.update(more)
        if failed:
            failures.append(failed)
    total = sum(counts.values())
    print(f"seed {options.seed}: {total} commands by {len(users)} users")
    for kind in sorted({key.rsplit(" ", 1)[0] for key in counts}):
        words = {key.rsplit(" ", 1)[1]: n for key, n in counts.items()
                 if key.rsplit(" ", 1)[0] == kind}
        print(f"  {kind:26}" + "".join(
            f" {word} {n}" for word, n in sorted(words.items())))
    if total >= ENOUGH and not options.only and not failures:
        missing = [f"{kind} {word}" for kind, words in KINDS.items()
                   for word in words.split() if not counts[f"{kind} {word}"]]
        if missing:
            failures.append(f"seed {options.seed}: never came: {missing}")
    for text in failures[:2]:
        print(text, file=sys.stderr)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    imap_wire.ANSWER_S = 30
    main()
