#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The order of flushes, as the kernel sees it.

    tests/crash/law.py [--keep]

ext4 makes up for some missing flushes: a file's fsync also saves its name, and
all names before it. Another file system need not. So a host runs under strace,
mail and folders are made, and these rules are held against its system calls:

  names    whatever was created or renamed under a final name (temporary names
           aside) in the spool or the mail tree: its directory is flushed later
  content  a file that is renamed or linked to a final name was flushed after
           its last write
  head     a segment's head is flushed before a record is written behind it
  zeros    a prepared segment is flushed before it is begun

A flush counts for what had ended before it began. One of a whole file system
counts for names in new/ alone, instead of whose flushes the store asks for it:
it comes by chance for all else, for a message to many, where the file system is
one that keeps its promise, and the spool may lie on another.

Needs root and strace; prints "ok - " lines."""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "scenario"))
import frame  # noqa: E402
import ledger  # noqa: E402

CALLS = ("openat,mkdirat,renameat,renameat2,linkat,fsync,fdatasync,syncfs,"
         "write,pwrite64")
START_TIMEOUT_S = 60
SEGMENT = re.compile(r"/spool/\d+\.seg$")
PASSING = re.compile(  # what may be lost, or is only renamed from
    r"/tmp/|\.tmp\.|/\.estafeta\.lock|/spool/lock$|\.lock|maildirsize"
    r"|/\.\.estafeta-deleted|/dovecot-uidlist\.")
CALL = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+)(<[^>]*>)?")
BEFORE = -1  # any line of a trace
FD = re.compile(r"^(?:AT_FDCWD|\d+)<([^>]*)>$")
results = []


def report(claim, faults):
    print(f"{'not ok' if faults else 'ok'} - law: {claim}"
          + (f": {len(faults)}" if faults else ""), flush=True)
    for fault in faults[:10]:
        print(f"    {fault}")
    results.append(not faults)


class Traced(frame.Host):
    """A host whose processes strace watches."""

    traces = 0

    def start(self, wait=True):
        self.traces += 1
        self.trace = os.path.join(self.directory, f"trace{self.traces}")
        wrapper = os.path.join(self.directory, "bin")
        os.makedirs(wrapper, exist_ok=True)
        script = os.path.join(wrapper, "mailctl")
        real = os.path.join(frame.ROOT, "build", "release", "bin")
        with open(script, "w") as file:
            file.write(f"#!/bin/sh\n[ \"$1\" = run ] || exec {real}/mailctl "
                       f"\"$@\"\nexec strace -f -y -qq -s 16 -e trace={CALLS} "
                       f"-e signal=none -o {self.trace} {real}/mailctl run\n")
        os.chmod(script, 0o755)
        self.bin = wrapper
        try:
            super().start(wait=False)
        finally:
            self.bin = real
        self.wait_ready(START_TIMEOUT_S)

    def stop(self):
        """strace keeps signals from its own end."""
        for pid, role in self.processes().items():
            if role == "mailctl":
                os.kill(pid, signal.SIGTERM)
        self.process.wait(START_TIMEOUT_S)
        super().stop()


def events(path):
    """(call, [arguments], result, path of the result, line of its begin, line
    of its end), in order of their ends."""
    begun = {}
    with open(path, errors="replace") as file:
        for n, line in enumerate(file):
            line, start = line.rstrip("\n"), n
            pid = line.split(" ", 1)[0]
            if line.endswith("<unfinished ...>"):
                begun[pid] = line[:-len("<unfinished ...>")].rstrip(), n
                continue
            resumed = re.match(r"^\d+ +<\.\.\. \w+ resumed>(.*)$", line)
            if resumed:
                head, start = begun.pop(pid, ("", n))
                line = head + resumed.group(1)
            match = CALL.match(line)
            if match:
                yield (match.group(2), split(match.group(3)),
                       int(match.group(4)), (match.group(5) or "<>")[1:-1],
                       start, n)


def split(text):
    """Arguments; strings are short and hold no comma that matters here."""
    return [part.strip() for part in
            re.findall(r'(?:"(?:[^"\\]|\\.)*"(?:\.\.\.)?|[^,"])+', text)]


def place(directory, name):
    match = FD.match(directory)
    return os.path.join(match.group(1) if match else "?", name.strip('".'
                        if name.endswith("...") else '"'))


def fd_path(argument):
    match = FD.match(argument)
    return match.group(1) if match else "?"


def forget(table, began, is_meant):
    """What is_meant(key) and ended before the flush began."""
    for key in [k for k, ended in table.items()
                if ended < began and is_meant(k)]:
        del table[key]


class Law:
    def __init__(self, base, roots):
        self.base = base
        self.roots = tuple(root + "/" for root in roots)
        # When the last call ended that was not flushed since:
        self.owed = {}          # (directory, name): it was named
        self.dirty = {}         # file: it was written
        self.headless = {}      # segment: its head was written
        self.filled = set()     # segments of zeros that were not begun
        self.faults = {"names": [], "content": [], "head": [], "zeros": []}
        self.n = self.n_whole = self.n_prepared = 0

    def concerns(self, path):
        # The base may lie in a tmp/ itself.
        return (path.startswith(self.roots)
                and not PASSING.search(path[len(self.base):]))

    def named(self, path, ended):
        if self.concerns(path):
            self.owed[os.path.dirname(path), path] = ended
            self.n += 1

    def flushed(self, path, began):
        for table in (self.dirty, self.headless):
            forget(table, began, path.__eq__)
        forget(self.owed, began, lambda key: key[0] == path)

    def all_flushed(self, path, began):
        forget(self.owed, began, lambda key: key[0].startswith(path + "/")
               and key[0].endswith("/new"))
        self.n_whole += 1

    def wrote(self, path, data, offset, ended):
        if not path.startswith(self.roots):
            return
        if SEGMENT.search(path):
            if data.startswith('"EstSpool'):
                self.begun(path, ended)
            elif path in self.headless and offset:
                self.faults["head"].append(path)
            elif data.startswith('"\\0\\0'):
                self.filled.add(path)
        self.dirty[path] = ended

    def begun(self, segment, ended):
        if (os.path.dirname(segment), segment) in self.owed:
            self.faults["names"].append(f"{segment} begins, and its name is "
                                        "not flushed")
        if segment in self.dirty:
            self.faults["zeros"].append(segment)
        self.n_prepared += segment in self.filled
        self.filled.discard(segment)
        self.headless[segment] = ended

    def linked(self, source, target, ended):
        if source in self.dirty and self.concerns(target):
            self.faults["content"].append(f"{source} -> {target}")
        if "/..estafeta-deleted" not in target:
            self.named(target, ended)

    def read(self, trace):
        for call, a, result, opened, began, ended in events(trace):
            if result < 0:
                continue
            if call == "openat" and "O_CREAT" in a[2]:
                # An old file may be opened so, too: then it has content.
                if not (opened in self.dirty or "O_APPEND" in a[2]
                        and "O_EXCL" not in a[2]):
                    self.named(opened, ended)
            elif call == "mkdirat":
                self.named(place(a[0], a[1]), ended)
            elif call in ("fsync", "fdatasync"):
                self.flushed(fd_path(a[0]), began)
            elif call == "syncfs":
                self.all_flushed(fd_path(a[0]), began)
            elif call == "write":
                self.wrote(fd_path(a[0]), a[1], None, ended)
            elif call == "pwrite64":
                self.wrote(fd_path(a[0]), a[1], int(a[-1]), ended)
            elif call in ("renameat", "renameat2"):
                source = place(a[0], a[1])
                self.linked(source, place(a[2], a[3]), ended)
                self.dirty.pop(source, None)
            elif call == "linkat":
                self.linked(place(a[0], a[1]), place(a[2], a[3]), ended)
        # new/ to cur/ is not waited for: lost, the file is in new/ again.
        self.faults["names"] += [
            path for _, path in self.owed
            if not re.search(r"/cur/[^/]*:2,$", path)]
        self.owed.clear()
        # The next trace counts from its own first line.
        for table in (self.dirty, self.headless):
            table.update(dict.fromkeys(table, BEFORE))


def takes_mail(host, user):
    """The accounts may be known a moment after the greeting."""
    with host.smtp(timeout_s=60) as client:
        client.ehlo()
        client.mail("a@stranger.example")
        return client.rcpt(user)[0] == 250


def write_to_all(host, crowd):
    ident, content = frame.message(recipient=crowd[0])
    with host.smtp(timeout_s=60) as client:
        client.ehlo()
        frame.deliver(client, "a@stranger.example", crowd, content)
    host.wait_mail(crowd[-1], ident, timeout_s=60)
    host.wait_queue_empty(60)


def work(host, crowd):
    user = host.users[0]
    frame.wait_for("the accounts are known", lambda: takes_mail(host, user))
    for _ in range(3):
        ident, content = frame.message(recipient=user)
        with host.smtp(timeout_s=60) as client:
            client.ehlo()
            frame.deliver(client, "a@stranger.example", user, content)
        host.wait_mail(user, ident, timeout_s=60)
    write_to_all(host, crowd)
    with host.imap(user, timeout_s=60) as client:
        name = f"Law{host.traces}"
        for answer in (client.create(name), client.subscribe(name),
                       client.select("INBOX"),
                       client.store("1", "+FLAGS", "(\\Flagged work)"),
                       client.copy("1", name), client.uid("MOVE", "2", name),
                       client.append(name, "(\\Seen)", None, content),
                       client.rename(name, name + "b")):
            frame.expect(answer[0], "OK", str(answer))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    if os.geteuid() != 0 or shutil.which("strace") is None:
        print("skip - law: needs root and strace")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    ordinary, frame.Host = frame.Host, Traced
    lab = frame.Lab("law", 1)
    frame.Host = ordinary
    host = lab.mta1
    law = Law(host.directory,
              (os.path.join(host.state, "spool"), host.mail))
    crowd = ledger.add_crowd(host)
    try:
        for _ in range(2):  # the second begins the segment that was prepared
            host.start()
            work(host, crowd)
            host.stop()
            law.read(host.trace)
        for rule, faults in law.faults.items():
            report(rule, faults)
        report("enough was seen", [] if law.n > 20 and law.n_prepared else
               [f"{law.n} names, {law.n_prepared} prepared segments begun"])
        print(f"# {law.n_whole} flushes of all")
    except frame.Failed as failed:
        report("the run came to its end", [str(failed)])
    finally:
        frame.kill_all()
    if all(results) and not options.keep:
        shutil.rmtree(lab.directory, ignore_errors=True)
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
