#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Row A9: programs that keep a copy of a mailbox, with folders, flags and
Unicode names: the copy is right, and a second run moves no message.

CLIENTS_MESSAGES=10000 is `make clients-big`; a wire in between shows what
each asked for."""

import base64
import contextlib
import email.message
import email.policy
import hashlib
import json
import mailbox
import os
import random
import re
import shutil
import subprocess
import zlib

from frame import (PASSWORD, ROOT, Failed, Skipped, Wire, expect,
                   expect_true, main, message, need, scenario)

N = int(os.environ.get("CLIENTS_MESSAGES", "200"))
TIMEOUT_S = 60 + N // 10
NOBODY = 65534
CLIENTS = ("mbsync", "offlineimap", "fetchmail", "getmail", "imapflow")
# What was delivered has one; getmail sends mail on from it.
RETURN_PATH = b"Return-Path: <user1@example1.local>"
# How getmail fetches, and who gets it.
FETCHERS = {"IMAP": "getmail-imap", "POP3": "getmail-pop3"}
FOLDERS = ("INBOX", "Work/2026", "Ärger & Müll", "日本語", "📬 Post", "a b")
KEYWORDS = ("$Important", "Reise")
# What fetches a text, in IMAP and POP3.
FETCHES = re.compile(
    rb"(?i)^(?:RETR |TOP )|BODY(?:\.PEEK)?\[(?:TEXT|HEADER)?\]"
    rb"|RFC822(?:\.HEADER|\.TEXT|\.PEEK)?[\s)]", re.M)


def utf7(name):
    """RFC 3501 5.1.3, from its text."""
    def shift(match):
        octets = match.group().encode("utf-16-be")
        return "&" + base64.b64encode(octets).decode().rstrip("=") \
            .replace("/", ",") + "-"
    return re.sub("[^\x20-\x7e]+", shift, name.replace("&", "&-"))


def user_of(client):
    return f"{client}@example1.local"


def content_of(rng, i):
    """A message of one of many kinds, with LF."""
    parts = email.message.EmailMessage(
        policy=email.policy.default.clone(linesep="\n"))
    parts["From"] = "Jörg Müller <user1@example1.local>"
    parts["To"] = "user2@example1.local"
    parts["Date"] = f"Sat, 31 Jan 2026 09:{i // 60 % 60:02}:{i % 60:02} +0100"
    parts["Message-ID"] = f"<sync{i}@test.example>"
    parts["Subject"] = rng.choice(("plain", "Grüße aus Köln", "お知らせ",
                                   "a long subject " * 12)) + f" {i}"
    text = "".join(rng.choice((
        "Some words.\n", ".\n", "..dots\n", "From here on\n", "Straße\n",
        "\n", "x" * 900 + "\n")) for _ in range(rng.randrange(1, 12)))
    kind = i % 4
    if kind == 0:
        parts.set_content(text.replace("ß", "ss"), cte="7bit")
    elif kind == 1:
        parts.set_content(text, cte="8bit")
    else:
        parts.set_content(text)
    if kind == 3:
        size = 100_000 if i % 100 == 3 else rng.randrange(1, 3000)
        parts.add_attachment(rng.randbytes(size), maintype="application",
                             subtype="octet-stream", filename="blüte.bin")
    return RETURN_PATH + b"\n" + parts.as_bytes()


class Tree:
    """What lies on the server, as its writer knows it."""

    def __init__(self):
        self.mails = {}  # message id: (folder, text's digest, letters)

    def write(self, path, seed=7):
        """A Maildir++ as another program would have left it."""
        rng = random.Random(seed)
        for folder in FOLDERS:
            for sub in ("cur", "new", "tmp"):
                os.makedirs(os.path.join(path, self.place(folder), sub))
            with open(os.path.join(path, self.place(folder),
                                   "dovecot-keywords"), "w") as file:
                file.writelines(f"{k} {word}\n"
                                for k, word in enumerate(KEYWORDS))
        with open(os.path.join(path, "subscriptions"), "w") as file:
            file.write("V\t2\n\n" + "".join(
                utf7(f).replace("/", "\t") + "\n" for f in FOLDERS))
        for i in range(N):
            folder = FOLDERS[max(0, i % 12 - 6)]
            letters = "".join(c for c in "DFRSab" if rng.random() < 0.3)
            content = content_of(rng, i)
            n_lines = content.count(b"\n")
            name = (f"{1769847000 + i}.M{i}P1.test,S={len(content)},"
                    f"W={len(content) + n_lines}:2,{letters}")
            with open(os.path.join(path, self.place(folder), "cur", name),
                      "wb") as file:
                file.write(content)
            self.mails[f"sync{i}@test.example"] = (folder, text_of(content),
                                                   letters)

    @staticmethod
    def place(folder):
        if folder == "INBOX":
            return ""
        return "." + utf7(folder).replace("/", ".")

    def want(self, letters="DFRS"):
        return {ident: (folder, digest,
                        "".join(c for c in has if c in letters))
                for ident, (folder, digest, has) in self.mails.items()}


def text_of(content):
    """A digest of what no client may change: the text after the header."""
    text = content.replace(b"\r\n", b"\n").split(b"\n\n", 1)[1]
    return hashlib.sha256(text.rstrip(b"\n")).hexdigest()


def id_of(content):
    return re.search(rb"(?im)^Message-ID:\s*<(.+?)>", content).group(1) \
        .decode()


trees = {}


def prepare(lab):
    host = lab.mta1
    line = next(row for row in host.read_config("accounts.cf").splitlines()
                if row.startswith("user1@"))
    for client in (*CLIENTS, *FETCHERS.values()):
        host.append("accounts.cf",
                    user_of(client) + line[line.index("|"):])
    for client in CLIENTS:
        trees[client] = Tree()
        trees[client].write(host.maildir(user_of(client)))


class Journey:
    """One client with a home of its own and wires to the server."""

    def __init__(self, lab, name):
        self.lab, self.host, self.name = lab, lab.mta1, name
        self.tree = trees[name]
        self.home = os.path.join(lab.directory, f"home-{name}")
        shutil.rmtree(self.home, ignore_errors=True)
        os.makedirs(self.home)
        self.said = {}
        self.wires = [Wire(self.host.ports[service], self.record)
                      for service in ("imap", "pop3")]
        self.imap, self.pop3 = (wire.port for wire in self.wires)
        self.n_octets = 0

    def record(self, n, is_reply, octets, _):
        if is_reply:
            self.n_octets += len(octets)
        else:
            self.said.setdefault(n, bytearray()).extend(octets)
        return octets

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for wire in self.wires:
            wire.__exit__()

    def path(self, *names):
        return os.path.join(self.home, *names)

    def file(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)
        os.chmod(self.path(name), 0o600)
        return self.path(name)

    def run(self, *command, codes=(0,), **more):
        """Runs the client; returns (its output, texts it asked for)."""
        self.said, self.n_octets = {}, 0
        if os.geteuid() == 0:  # getmail is none of root's programs
            for path, _, names in os.walk(self.home):
                for item in (path, *(os.path.join(path, n) for n in names)):
                    os.chown(item, NOBODY, NOBODY)
            more.update(user=NOBODY, group=NOBODY, extra_groups=[])
        try:
            result = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, timeout=TIMEOUT_S, cwd=self.home,
                env=dict(os.environ, HOME=self.home, LC_ALL="C.UTF-8"),
                **more)
        except subprocess.TimeoutExpired as late:
            raise Failed(f"{self.name}: {TIMEOUT_S} s were too few\n"
                         + (late.output or b"").decode("utf-8", "replace")
                         [-2000:]) from None
        output = result.stdout.decode("utf-8", "replace")
        if result.returncode not in codes:
            raise Failed(f"{' '.join(command)}\n    exit code "
                         f"{result.returncode}:\n{output[-3000:]}")
        return output, sum(len(FETCHES.findall(inflated(said)))
                           for said in self.said.values())

    def change(self):
        """A new mail, and a flag, on the server; then the truth is that."""
        message_id, content = message("late", "A late one.\r\n")
        content = RETURN_PATH + b"\r\n" + content
        with self.host.imap(user_of(self.name)) as client:
            expect(client.append("INBOX", r"(\Seen)", None, content)[0],
                   "OK")
            client.select("INBOX")
            ident = next(i for i, (folder, _, letters)
                         in self.tree.mails.items()
                         if folder == "INBOX" and "F" not in letters)
            found = client.search(None, "HEADER", "Message-ID",
                                  f"<{ident}>")[1][0].decode()
            expect(client.store(found, "+FLAGS", r"(\Flagged)")[0], "OK")
        folder, digest, letters = self.tree.mails[ident]
        self.tree.mails[ident] = (folder, digest,
                                  "".join(sorted(letters + "F")))
        self.tree.mails[message_id] = ("INBOX", text_of(content), "S")


def inflated(said):
    """What a client said, also behind COMPRESS DEFLATE (RFC 4978)."""
    plain, mark, rest = said.partition(b" COMPRESS DEFLATE\r\n")
    if not mark:
        return said
    return plain + mark + zlib.decompressobj(-zlib.MAX_WBITS).decompress(rest)


def read_maildirs(base, name_of):
    """{message id: (folder, digest, letters)} of a tree of Maildirs."""
    found = {}
    for path, names, _ in os.walk(base):
        if "cur" not in names:
            continue
        folder = name_of(os.path.relpath(path, base))
        for sub in ("cur", "new"):
            for name in os.listdir(os.path.join(path, sub)):
                with open(os.path.join(path, sub, name), "rb") as file:
                    content = file.read()
                letters = name.partition(":2,")[2]
                ident = id_of(content)
                expect_true(ident not in found, f"{ident} twice: {path}")
                found[ident] = (folder, text_of(content),
                                "".join(sorted(c for c in letters
                                               if c in "DFRST")))
    return found


def expect_same(got, want, what):
    """As expect(), but says only what differs."""
    missing, extra = sorted(set(want) - set(got)), sorted(set(got)
                                                          - set(want))
    differ = [f"{i}: got {got[i]} want {want[i]}" for i in want
              if i in got and got[i] != want[i]]
    if missing or extra or differ:
        raise Failed(f"{what}: {len(missing)} missing {missing[:3]}, "
                     f"{len(extra)} too many {extra[:3]}, "
                     f"{len(differ)} differ {differ[:3]}")


def two_runs(journey, sync, read, letters="DFRS"):
    """The whole, nothing, and what is new."""
    sync()
    expect_same(read(), journey.tree.want(letters), "first run")
    first = journey.n_octets
    expect(sync()[1], 0, "texts that the second run asked for")
    expect_true(journey.n_octets < first / 5,
                f"second run: {journey.n_octets} octets of {first}")
    expect_same(read(), journey.tree.want(letters), "second run")
    journey.change()
    expect(sync()[1], 1, "texts that the third run asked for")
    expect_same(read(), journey.tree.want(letters), "third run")


@scenario
def mbsync_keeps_a_copy(lab):
    program = need("mbsync")
    with Journey(lab, "mbsync") as journey:
        os.makedirs(journey.path("near"))
        rc = journey.file("rc", f"""IMAPAccount a
Host 127.0.0.1
Port {journey.imap}
User {user_of("mbsync")}
Pass {PASSWORD}
SSLType None

IMAPStore far
Account a

MaildirStore near
Path {journey.path("near")}/
Inbox {journey.path("near", "INBOX")}
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns *
Create Near
SyncState *
""")
        two_runs(
            journey, lambda: journey.run(program, "-c", rc, "-a"),
            lambda: read_maildirs(journey.path("near"), folder_of))


def folder_of(path):
    """The folder whose mUTF-7 name a client used; offlineimap has dots."""
    for folder in FOLDERS:
        if utf7(folder) in (path, path.replace(".", "/")):
            return folder
    return path


@scenario
def offlineimap_keeps_a_copy(lab):
    program = need("offlineimap")
    with Journey(lab, "offlineimap") as journey:
        rc = journey.file("rc", f"""[general]
accounts = a
metadata = {journey.path("meta")}
maxsyncaccounts = 1
ui = quiet

[Account a]
localrepository = near
remoterepository = far

[Repository near]
type = Maildir
localfolders = {journey.path("near")}

[Repository far]
type = IMAP
remotehost = 127.0.0.1
remoteport = {journey.imap}
remoteuser = {user_of("offlineimap")}
remotepass = {PASSWORD}
ssl = no
starttls = no
maxconnections = 1
""")
        two_runs(
            journey, lambda: journey.run(program, "-o", "-c", rc),
            lambda: read_maildirs(journey.path("near"), folder_of))


def read_bsmtp(path):
    """{message id: digest} of a file that fetchmail wrote as BSMTP."""
    found = {}
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
        batches = file.read().replace(b"\r\n", b"\n").split(b"\nDATA\n")
        for batch in batches[1:]:
            content = re.sub(rb"(?m)^\.\.", b".",
                             batch[:batch.index(b"\n.\n") + 1])
            ident = id_of(content)
            expect_true(ident not in found, f"{ident} twice")
            found[ident] = text_of(content)
    return found


@scenario
def fetchmail_takes_all_once(lab):
    """By POP3 with its unique-ids, then by IMAP what is unseen."""
    program = need("fetchmail")
    with Journey(lab, "fetchmail") as journey:
        mails = journey.tree.mails
        box = journey.path("pop3.bsmtp")
        rc = journey.file("pop3rc", f"""set no bouncemail
set invisible
set idfile "{journey.path("ids")}"
poll 127.0.0.1 protocol pop3 port {journey.pop3} uidl
  username "{user_of("fetchmail")}" password "{PASSWORD}" is user1
  sslproto "" keep no rewrite bsmtp "{box}"
""")
        journey.run(program, "-s", "--pidfile", journey.path("pid"), "-f",
                    rc)
        expect_same(read_bsmtp(box), {
            i: digest for i, (folder, digest, _) in mails.items()
            if folder == "INBOX"}, "POP3")
        os.unlink(box)
        # 1: there was no mail.
        expect(journey.run(program, "-s", "--pidfile", journey.path("pid"),
                           "-f", rc, codes=(1,))[1], 0, "second run")
        expect(read_bsmtp(box), {}, "second run")

        box = journey.path("imap.bsmtp")
        names = " ".join(f'"{utf7(f)}"' for f in FOLDERS)
        rc = journey.file("imaprc", f"""set no bouncemail
set invisible
poll 127.0.0.1 protocol imap port {journey.imap}
  username "{user_of("fetchmail")}" password "{PASSWORD}" is user1
  folder {names}
  sslproto "" keep no rewrite bsmtp "{box}"
""")
        journey.run(program, "-s", "--pidfile", journey.path("pid"), "-f",
                    rc)
        expect_same(read_bsmtp(box), {
            i: digest for i, (_, digest, letters) in mails.items()
            if "S" not in letters}, "IMAP")
        os.unlink(box)
        expect(journey.run(program, "-s", "--pidfile", journey.path("pid"),
                           "-f", rc, codes=(1,))[1], 0, "second run")
        expect(read_bsmtp(box), {}, "second run")
        journey.change()
        with journey.host.imap(user_of("fetchmail")) as client:
            client.select("INBOX")
            client.store("*", "-FLAGS", r"(\Seen)")
        journey.run(program, "-s", "--pidfile", journey.path("pid"), "-f",
                    rc)
        expect(len(read_bsmtp(box)), 1, "third run")


def getmail_rc(journey, kind, destination, options="", folders=FOLDERS):
    """Writes a configuration of getmail; returns the command that uses it."""
    boxes = ", ".join(map(repr, folders))
    journey.file(kind + "rc", f"""[retriever]
type = Simple{kind}Retriever
server = 127.0.0.1
port = {journey.imap if kind == "IMAP" else journey.pop3}
username = {user_of("getmail")}
password = {PASSWORD}
timeout = 5
{f"mailboxes = ({boxes},)" if kind == "IMAP" else ""}

[destination]
{destination}

[options]
read_all = false
delivered_to = false
received = false
verbose = 0
{options}
""")
    return (need("getmail"), "--getmaildir", journey.home, "--rcfile",
            kind + "rc")


def read_fetched(base, n_repeats=0):
    """{message id: (folder, digest)} of a Maildir that getmail filled; so many
    may be there twice. It notes the folder, which POP3 has not, in a field."""
    found = {}
    for name in os.listdir(os.path.join(base, "new")):
        with open(os.path.join(base, "new", name), "rb") as file:
            content = file.read()
        ident = id_of(content)
        n_repeats -= ident in found
        expect_true(n_repeats >= 0, f"{ident} twice")
        folder = email.message_from_bytes(
            content, policy=email.policy.default)[
                "X-getmail-retrieved-from-mailbox"]
        # Python's generator, which writes for LMTP, does this to lines.
        found[ident] = (folder, text_of(re.sub(rb"(?m)^>From ", b"From ",
                                               content)))
    return found


def fetched_of(tree, kind):
    return {i: (folder if kind == "IMAP" else None, digest)
            for i, (folder, digest, _) in tree.mails.items()
            if kind == "IMAP" or folder == "INBOX"}


@scenario
def getmail_takes_all_once(lab):
    """From one account to another, by our LMTP: each message once."""
    with Journey(lab, "getmail") as journey, \
            Wire(os.path.join(lab.mta1.run, "lmtp.sock")) as lmtp:
        for kind in FETCHERS:
            command = getmail_rc(journey, kind, f"""type = MDA_lmtp
host = 127.0.0.1
port = {lmtp.port}
override = {user_of(FETCHERS[kind])}""")
            journey.run(*command)
            expect_fetched(journey, kind, "first run")
            expect(journey.run(*command)[1], 0,
                   f"texts that the second run asked for, {kind}")
            expect_fetched(journey, kind, "second run")
        journey.change()
        for kind in FETCHERS:
            expect(journey.run(need("getmail"), "--getmaildir", journey.home,
                               "--rcfile", kind + "rc")[1], 1,
                   f"texts that the third run asked for, {kind}")
            expect_fetched(journey, kind, "third run")


def expect_fetched(journey, kind, what):
    base = journey.host.maildir(user_of(FETCHERS[kind]))
    expect_same(read_fetched(base), fetched_of(journey.tree, kind),
                f"{kind}, {what}")


@scenario
def getmail_fills_a_maildir_in_sessions(lab):
    """For a Maildir getmail 6.18 forks per message and looks out for the
    child's end (SIGCHLD) only afterwards: if the child was quicker, once in
    some hundreds or thousands, it waits in vain for `timeout` seconds, gives
    up, and forgets what that session took. So its manual's
    max_messages_per_session, and runs until there is nothing left; what a
    session that failed took, and that alone, may be there twice."""
    with Journey(lab, "getmail") as journey:
        for sub in ("cur", "new", "tmp"):
            os.makedirs(journey.path("near", sub))
        per_session = max(50, N // 40)
        # INBOX has most of them, and each costs a process.
        folders = FOLDERS if N >= 1000 else FOLDERS[1:]
        command = getmail_rc(
            journey, "IMAP", f"type = Maildir\npath = {journey.path('near')}/",
            f"max_messages_per_session = {per_session}", folders)
        n_taken, n_repeats, n_failed = 1, 0, 0
        while n_taken > 0:
            output, n_taken = journey.run(*command, codes=(0, 127))
            expect_true(n_taken <= per_session, f"{n_taken} in a session")
            if "waiting child pid" in output:
                n_repeats += n_taken
                n_failed += 1
                expect_true(n_failed < 5 + N // 100, "too many in vain")
            else:
                expect(output, "", "getmail")
        want = {i: (folder, digest) for i, (folder, digest)
                in fetched_of(journey.tree, "IMAP").items()
                if folder in folders}
        expect_same(read_fetched(journey.path("near"), n_repeats), want,
                    "Maildir")


@scenario
def imapflow_keeps_a_copy(lab):
    """npm's imapflow: CONDSTORE, QRESYNC, COMPRESS, UTF8."""
    node = need("node")
    modules = os.path.join(ROOT, "build", "npm-clients", "node_modules")
    if not os.path.isdir(os.path.join(modules, "imapflow")):
        raise Skipped("imapflow is not installed (make deps-clients)")
    with Journey(lab, "imapflow") as journey:
        script = journey.path("imapflow.js")
        shutil.copyfile(os.path.join(ROOT, "tests", "interop", "clients",
                                     "imapflow.js"), script)
        # Where a user without rights can read them.
        shutil.copytree(modules, journey.path("node_modules"))

        def sync():
            output, _ = journey.run(node, script, str(journey.imap),
                                    user_of("imapflow"), PASSWORD,
                                    journey.path("copy.json"))
            return output, int(re.search(r"texts (\d+)", output).group(1))

        def read():
            with open(journey.path("copy.json")) as file:
                copy = json.load(file)
            found = {}
            for folder, box in copy.items():
                for item in box["mails"].values():
                    content = base64.b64decode(item["source"])
                    letters = "".join(sorted(
                        {"\\Draft": "D", "\\Flagged": "F",
                         "\\Answered": "R", "\\Seen": "S",
                         KEYWORDS[0]: "a", KEYWORDS[1]: "b"}[flag]
                        for flag in item["flags"]))
                    found[id_of(content)] = (folder, text_of(content),
                                             letters)
            return found
        two_runs(journey, sync, read, "DFRSab")


if __name__ == "__main__":
    main(environment={"SSL_TYPE": ""}, setup=prepare)
