#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One mail tree, Dovecot 2.3 and we by turns: each must see what the other left.

Each generation is one server's: it makes random changes by IMAP (and, ours, by
SMTP), tells what it sees, and stops. The other starts on the same tree and must
tell the same: folders, UIDVALIDITY, UIDs, flags, keywords, sizes, dates, content,
subscriptions and quota usage, which must be what lies on the disk; UIDNEXT must
not be lower.

Clients with QRESYNC (RFC 7162) look on: one that goes to whichever server is up,
one to ours alone. What each believes after a SELECT with what it knew must be
what the mailbox has, unless it was told to start over: another UIDVALIDITY, or a
HIGHESTMODSEQ below its own.

Folders have names beyond ASCII. In every other run (odd seeds) Dovecot writes
them in UTF-8 (":UTF-8"), and so must we, in a tree that has one already.

Usage: dovecot_roundtrip.py [SEED [GENERATIONS [CHANGES]]]; needs root and
dovecot-imapd. Exit status 0: all agree; 1: a difference, shown; 77: no Dovecot
here. The last lines count what was done."""

import collections
import contextlib
import hashlib
import imaplib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "scenario"))
import frame  # noqa: E402

MAIL_UID = 5000
FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Draft", "\\Deleted")
KEYWORDS = ("$Forwarded", "$MDNSent", "Junk", "NonJunk", "work", "later", "k7",
            "k8", "k9")
FOLDERS = ("F", "F&APw-", "F&ZeVnLA-", "F&AOk-t&AOk-", "F&2D3cqQ-", "F x", "F&-y",
           "F#", "F$%", "F(a)")
UTF8_FOLDER = ".Ünder"  # nobody renames or deletes it
QUOTA_RULE = "storage=20M:messages=5000"
CONFIG = """
instance_name = roundtrip
base_dir = {base}/run
state_dir = {base}/state
log_path = {base}/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
first_valid_uid = 1
first_valid_gid = 1
mail_uid = {uid}
mail_gid = {uid}
mail_location = maildir:{mail}/%d/%n{encoding}
mail_home = {mail}/%d/%n/home
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={uid}
}}
mail_plugins = quota
protocol imap {{
  mail_plugins = quota imap_quota
}}
plugin {{
  quota = maildir:User quota
  quota_rule = *:{rule}
  quota_rule2 = Trash:storage=+50M
}}
namespace inbox {{
  inbox = yes
  separator = {separator}
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"""


class Dovecot:
    """Debian's, with a configuration of its own."""

    name = "Dovecot"

    def __init__(self, host, separator, encoding=""):
        self.host = host
        self.port = frame.free_port()
        self.base = os.path.join(host.directory, "dovecot")
        os.makedirs(os.path.join(self.base, "state"), exist_ok=True)
        self.config = os.path.join(self.base, "dovecot.conf")
        with open(self.config, "w") as file:
            file.write(CONFIG.format(
                base=self.base, mail=host.mail, port=self.port, uid=MAIL_UID,
                password=frame.PASSWORD, separator=separator,
                encoding=encoding,
                rule=QUOTA_RULE))
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [shutil.which("dovecot"), "-F", "-c", self.config],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT, start_new_session=True)
        frame.wait_for("Dovecot greets", self.greets, 15)

    def greets(self):
        if self.process.poll() is not None:
            with open(os.path.join(self.base, "log")) as file:
                raise frame.Failed(f"Dovecot ended: {file.read()[-1000:]}")
        with contextlib.suppress(OSError, imaplib.IMAP4.error):
            imaplib.IMAP4("127.0.0.1", self.port).logout()
            return True
        return False

    def stop(self):
        if self.process is None:
            return
        group = self.process.pid
        self.process.terminate()
        self.process.wait(15)
        self.process = None

        def is_gone():
            try:
                os.killpg(group, 0)
            except ProcessLookupError:
                return True
            return False
        frame.wait_for("Dovecot's processes are gone", is_gone, 15)

    def login(self, user):
        client = imaplib.IMAP4("127.0.0.1", self.port)
        client.login(user, frame.PASSWORD)
        return client


class Ours:
    name = "Estafeta"

    def __init__(self, host):
        self.host = host

    def start(self):
        self.host.start()

    def stop(self):
        self.host.stop()

    def login(self, user):
        return self.host.imap(user)


def must(answer, what):
    if answer[0] != "OK":
        raise frame.Failed(f"{what}: {answer}")
    return answer[1]


def quoted(name):
    return '"' + name + '"'


def folders(client, command="list"):
    rows = must(getattr(client, command)(), command)
    found = {}
    for row in rows:
        if isinstance(row, tuple):
            row = row[0] + row[1]
        if row is None:
            continue
        match = re.match(rb'\(([^)]*)\) (?:"(.)"|NIL) "?(.*?)"?$', row)
        found[match.group(3).decode()] = match.group(1).decode()
    return found


def see(client):
    """All that a client can tell: {folder: (state, {uid: message})}."""
    seen = {}
    for name, attributes in sorted(folders(client).items()):
        if "\\noselect" in attributes.lower() or \
                "\\nonexistent" in attributes.lower():
            continue
        must(client.select(quoted(name), readonly=True), f"EXAMINE {name}")
        validity = int(client.response("UIDVALIDITY")[1][0])
        uid_next = int(client.response("UIDNEXT")[1][0])
        rows = must(client.uid(
            "FETCH", "1:*",
            "(UID FLAGS RFC822.SIZE INTERNALDATE BODY.PEEK[])"), "FETCH")
        messages = {}
        for row in rows:
            if isinstance(row, bytes) or row is None:
                continue
            head = row[0]
            uid = int(re.search(rb"UID (\d+)", head).group(1))
            flags = re.search(rb"FLAGS \(([^)]*)\)", head).group(1).decode()
            date = re.search(rb'INTERNALDATE "([^"]*)"', head).group(1)
            messages[uid] = (
                frozenset(f for f in flags.split() if f != "\\Recent"),
                int(re.search(rb"SIZE (\d+)", head).group(1)),
                int(time.mktime(imaplib.Internaldate2tuple(
                    b'INTERNALDATE "' + date + b'"'))),
                hashlib.sha256(row[1]).hexdigest()[:16])
        seen[name] = (validity, uid_next, messages)
    return seen, set(folders(client, "lsub")), usage(client)


def usage(client):
    """(KiB, messages) of GETQUOTAROOT."""
    rows = must(client.getquotaroot("INBOX"), "GETQUOTAROOT")
    text = b" ".join(row for part in rows for row in part if row).decode()
    return tuple(int(re.search(rf"{what} (\d+) ", text).group(1))
                 for what in ("STORAGE", "MESSAGE"))


def usage_on_disk(home):
    octets = n = 0
    for directory, _, names in os.walk(home):
        if os.path.basename(directory) in ("cur", "new"):
            n += len(names)
            octets += sum(os.stat(os.path.join(directory, name)).st_size
                          for name in names)
    return octets, n


def usage_faults(told, home):
    octets, n = usage_on_disk(home)
    if told[1] == n and abs(told[0] - octets / 1024) < 1:
        return []
    return [f"quota: {told[0]} KiB, {told[1]} messages are told, "
            f"{octets / 1024:.1f} KiB, {n} messages lie on the disk"]


def differences(before, after):
    """What the second server sees otherwise."""
    old, old_subscribed, old_usage = before
    new, new_subscribed, new_usage = after
    found = []
    # One rounds up, the other down.
    if old_usage[1] != new_usage[1] or abs(old_usage[0] - new_usage[0]) > 1:
        found.append(f"quota usage: {old_usage}, now {new_usage}")
    for name in sorted(set(old) ^ set(new)):
        found.append(f"folder {name}: only {'before' if name in old else 'now'}")
    for name in sorted(set(old) & set(new)):
        if old[name][0] != new[name][0]:
            found.append(f"{name}: UIDVALIDITY {old[name][0]}, now "
                         f"{new[name][0]}")
        if new[name][1] < old[name][1]:
            found.append(f"{name}: UIDNEXT {old[name][1]}, now {new[name][1]}")
        for uid in sorted(set(old[name][2]) | set(new[name][2])):
            a, b = old[name][2].get(uid), new[name][2].get(uid)
            if a is None or b is None:
                found.append(f"{name} UID {uid}: {a}, now {b}")
                continue
            for what, x, y in zip(("flags", "size", "date", "content"), a, b):
                if x != y:
                    x, y = (sorted(x), sorted(y)) if what == "flags" \
                        else (x, y)
                    found.append(f"{name} UID {uid} {what}: {x}, now {y}")
    for name in sorted(old_subscribed ^ new_subscribed):
        found.append(f"subscription {name}: only "
                     f"{'before' if name in old_subscribed else 'now'}")
    return found


def numbers(text):
    """The numbers of a set: b"1:3,7"."""
    for piece in text.split(b","):
        first, _, last = piece.partition(b":")
        yield from range(int(first), int(last or first) + 1)


class Watcher:
    """A client that keeps what it was told, of one user."""

    def __init__(self, server_name, counts):
        self.server_name = server_name  # None: all
        self.counts = counts
        self.known = {}  # folder: (validity, modseq, {uid: flags})

    def select(self, client, name):
        """Faults found in this folder."""
        validity, modseq, messages = self.known.get(name, (0, 0, {}))
        arguments = [quoted(name)]
        if validity:
            arguments.append(f"(QRESYNC ({validity} {modseq}))")
        client.untagged_responses = {}
        client.is_readonly = True
        answer = client._simple_command("EXAMINE", *arguments)
        must(answer, f"EXAMINE {arguments}")
        client.state = "SELECTED"
        told = dict(client.untagged_responses)
        new_validity = int(told["UIDVALIDITY"][-1])
        if "HIGHESTMODSEQ" not in told:
            return [f"{name}: no HIGHESTMODSEQ"]
        new_modseq = int(told["HIGHESTMODSEQ"][-1])
        actual = flags_of(must(client.uid("FETCH", "1:*", "(FLAGS)"), "FETCH"))
        self.known[name] = (new_validity, new_modseq, actual)
        if new_validity != validity or new_modseq < modseq:
            self.counts["started over"] += 1
            return []
        for text in told.get("VANISHED", []):
            for uid in numbers(text.removeprefix(b"(EARLIER) ")):
                messages.pop(uid, None)
        messages.update(flags_of(told.get("FETCH", [])))
        self.counts["resynchronised"] += 1
        return [f"{name} UID {uid}: the QRESYNC client believes "
                f"{messages.get(uid)}, it is {actual.get(uid)}"
                for uid in sorted(set(messages) | set(actual))
                if messages.get(uid) != actual.get(uid)]

    def look(self, server, user):
        if self.server_name not in (None, server.name):
            return []
        client = server.login(user)
        must(client._simple_command("ENABLE", "QRESYNC"), "ENABLE")
        names = [name for name, attributes in sorted(folders(client).items())
                 if "\\no" not in attributes.lower()]
        self.known = {n: k for n, k in self.known.items() if n in names}
        faults = [fault for name in names
                  for fault in self.select(client, name)]
        client.logout()
        return faults


def flags_of(rows):
    found = {}
    for row in rows:
        uid = re.search(rb"UID (\d+)", row) if isinstance(row, bytes) else None
        if uid:
            flags = re.search(rb"FLAGS \(([^)]*)\)", row).group(1).decode()
            found[int(uid.group(1))] = frozenset(
                f for f in flags.split() if f != "\\Recent")
    return found


class Changes:
    """Random changes by one client, counted by kind."""

    def __init__(self, rng, server, user, counts):
        self.rng, self.server, self.user = rng, server, user
        self.counts = counts
        self.client = server.login(user)
        self.separator = "."
        self.n = 0

    def names(self):
        return sorted(name for name, attributes in
                      folders(self.client).items()
                      if "\\no" not in attributes.lower())

    def message(self):
        self.n += 1
        _, content = frame.message(
            subject=f"{self.server.name} {self.n}",
            body="x" * self.rng.randrange(1, 3000) + "\r\nend\r\n")
        return content

    def some_flags(self):
        return self.rng.sample(FLAGS + KEYWORDS, self.rng.randrange(0, 5))

    def run(self, n_changes):
        kinds = {self.append: 5, self.store: 7, self.copy: 3, self.move: 3,
                 self.expunge: 2, self.create: 2, self.rename: 1,
                 self.delete: 1, self.subscribe: 2, self.unsubscribe: 1}
        if isinstance(self.server, Ours):
            kinds[self.deliver] = 4
        for _ in range(n_changes):
            kind = self.rng.choices(list(kinds), list(kinds.values()))[0]
            if kind():
                self.counts[f"{self.server.name} {kind.__name__}"] += 1
        self.client.logout()

    def append(self):
        name = self.rng.choice(self.names())
        when = imaplib.Time2Internaldate(
            1600000000 + self.rng.randrange(10**8))
        must(self.client.append(quoted(name),
                                "(" + " ".join(self.some_flags()) + ")",
                                when, self.message()), "APPEND")
        return True

    def deliver(self):
        with self.server.host.smtp() as client:
            client.ehlo()
            frame.deliver(client, "a@stranger.example", self.user,
                          self.message())
        self.server.host.wait_queue_empty()
        return True

    def choose(self):
        """Opens a folder; some of its UIDs, or None."""
        name = self.rng.choice(self.names())
        must(self.client.select(quoted(name)), f"SELECT {name}")
        uids = must(self.client.uid("SEARCH", "ALL"), "SEARCH")[0].split()
        if not uids:
            return None
        chosen = self.rng.sample(uids, self.rng.randint(1, min(4, len(uids))))
        return b",".join(chosen).decode()

    def store(self):
        uids = self.choose()
        flags = self.some_flags()
        if uids is None or not flags:
            return False
        must(self.client.uid("STORE", uids,
                             self.rng.choice(("+FLAGS", "-FLAGS", "FLAGS")),
                             "(" + " ".join(flags) + ")"), "STORE")
        return True

    def copy(self):
        uids = self.choose()
        if uids is None:
            return False
        must(self.client.uid("COPY", uids,
                             quoted(self.rng.choice(self.names()))), "COPY")
        return True

    def move(self):
        uids = self.choose()
        if uids is None:
            return False
        must(self.client.uid("MOVE", uids,
                             quoted(self.rng.choice(self.names()))), "MOVE")
        return True

    def expunge(self):
        uids = self.choose()
        if uids is None:
            return False
        must(self.client.uid("STORE", uids, "+FLAGS", "(\\Deleted)"), "STORE")
        if self.rng.random() < 0.5:
            must(self.client.uid("EXPUNGE", uids), "UID EXPUNGE")
        else:
            must(self.client.expunge(), "EXPUNGE")
        return True

    def create(self):
        name = f"{self.rng.choice(FOLDERS)}{self.rng.randrange(1000)}"
        own = [n for n in self.names() if n[0] == "F" and
               n.count(self.separator) < 2]
        if own and self.rng.random() < 0.4:
            name = self.rng.choice(own) + self.separator + name
        if name in self.names():
            return False
        must(self.client.create(quoted(name)), f"CREATE {name}")
        return True

    def own_folder(self):
        """Closed, so that it may be renamed or deleted."""
        must(self.client.select("INBOX"), "SELECT")
        own = [n for n in self.names() if n[0] == "F"]
        return self.rng.choice(own) if own else None

    def rename(self):
        name = self.own_folder()
        if name is None:
            return False
        must(self.client.rename(quoted(name),
                                quoted(self.rng.choice(FOLDERS) +
                                       f"R{self.rng.randrange(10**6)}")),
             f"RENAME {name}")
        return True

    def delete(self):
        name = self.own_folder()
        names = self.names()
        if name is None or any(n.startswith(name + self.separator)
                               for n in names):
            return False
        must(self.client.delete(quoted(name)), f"DELETE {name}")
        return True

    def subscribe(self):
        must(self.client.subscribe(quoted(self.rng.choice(self.names()))),
             "SUBSCRIBE")
        return True

    def unsubscribe(self):
        names = sorted(folders(self.client, "lsub"))
        if not names:
            return False
        must(self.client.unsubscribe(quoted(self.rng.choice(names))),
             "UNSUBSCRIBE")
        return True


def look(server, users):
    seen = {}
    for user in users:
        client = server.login(user)
        seen[user] = see(client)
        client.logout()
    return seen


def all_usage_faults(host, seen):
    return [f"{user}: {fault}" for user in host.users
            for fault in usage_faults(seen[user][2], host.maildir(user))]


def has_quota(host):
    client = host.imap(host.users[0])
    rows = client.getquotaroot("INBOX")[1]
    client.logout()
    return b"MESSAGE" in b" ".join(row for part in rows for row in part if row)


def separator_of(host):
    client = host.imap(host.users[0])
    row = must(client.list('""', '""'), "LIST")[0]
    client.logout()
    return re.search(rb'\) "(.)"', row).group(1).decode()


def plant_utf8(host):
    for user in host.users:
        home = host.maildir(user)
        for part in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(home, UTF8_FOLDER, part))
        for path in (os.path.dirname(home), home,
                     os.path.join(home, UTF8_FOLDER),
                     *(os.path.join(home, UTF8_FOLDER, part)
                       for part in ("cur", "new", "tmp"))):
            os.chown(path, MAIL_UID, MAIL_UID)


def play(lab, rng, n_generations, n_changes, counts, is_utf8=False):
    host = lab.mta1
    ours = Ours(host)
    if is_utf8:
        plant_utf8(host)
    ours.start()
    host.write_config("quotas.cf", "".join(
        f"{user}:userdb_quota_rule=*:{QUOTA_RULE}\n" for user in host.users))
    frame.wait_for("the quota is in force", lambda: has_quota(host), 5)
    separator = separator_of(host)
    dovecot = Dovecot(host, separator, ":UTF-8" if is_utf8 else "")
    before, faults = None, []
    watchers = {user: [Watcher(None, counts), Watcher(ours.name, counts)]
                for user in host.users}

    def watch(generation, server):
        return [f"generation {generation}, {server.name}, {user}: {fault}"
                for user in host.users for watcher in watchers[user]
                for fault in watcher.look(server, user)]
    try:
        for generation in range(n_generations):
            server = (ours, dovecot)[generation % 2]
            if generation > 0:
                server.start()
            if before is not None:
                after = look(server, host.users)
                for user in host.users:
                    faults += [f"generation {generation}, {server.name}, "
                               f"{user}: {fault}" for fault in
                               differences(before[user], after[user])]
                faults += [f"generation {generation}, {server.name}, {fault}"
                           for fault in all_usage_faults(host, after)]
                counts["messages compared"] += sum(
                    len(folder[2]) for seen in after.values()
                    for folder in seen[0].values())
            faults += watch(generation, server)
            if faults:
                break
            for user in host.users:
                changes = Changes(rng, server, user, counts)
                changes.separator = separator
                changes.run(n_changes)
            before = look(server, host.users)
            faults += [f"generation {generation}, {server.name}, after its "
                       f"changes, {fault}"
                       for fault in all_usage_faults(host, before)]
            faults += watch(generation, server)
            server.stop()
        server = (ours, dovecot)[n_generations % 2]
        if not faults:
            server.start()
            faults += watch(n_generations, server)
            after = look(server, host.users)
            for user in host.users:
                faults += [f"at the end, {server.name}, {user}: {fault}"
                           for fault in differences(before[user],
                                                    after[user])]
    finally:
        dovecot.stop()
    return faults


def version_of_dovecot():
    """None, told why: there is none to compare with."""
    if shutil.which("dovecot") is None or os.geteuid() != 0:
        print("no Dovecot here, or not root")
        return None
    version = subprocess.run(["dovecot", "--version"], capture_output=True,
                             text=True).stdout.strip()
    if not version.startswith("2.3"):
        print(f"Dovecot {version} is not the 2.3 that this compares with")
        return None
    return version


def main():
    arguments = [int(a) for a in sys.argv[1:]]
    seed = arguments[0] if arguments else random.SystemRandom().randrange(
        10**6)
    n_generations = arguments[1] if len(arguments) > 1 else 10
    n_changes = arguments[2] if len(arguments) > 2 else 25
    version = version_of_dovecot()
    if version is None:
        return 77
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"# seed {seed}, Dovecot {version}", flush=True)
    counts = collections.Counter()
    lab = frame.Lab("dovecot-roundtrip", 1, "release")
    try:
        faults = play(lab, random.Random(seed), n_generations, n_changes,
                      counts, is_utf8=seed % 2 == 1)
    except (frame.Failed, imaplib.IMAP4.error) as error:
        faults = [repr(error)]
    finally:
        frame.kill_all()
    print(f"# {dict(sorted(counts.items()))}")
    for fault in faults[:30]:
        print(fault)
    if faults:
        print(f"{len(faults)} differences; again: "
              f"tests/interop/dovecot_roundtrip.py {seed} {n_generations} "
              f"{n_changes}\nkept: {lab.directory}")
        return 1
    shutil.rmtree(lab.directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
