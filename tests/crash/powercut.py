#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The power fails, at any time, under load; the ledger decides.

    tests/crash/powercut.py [--cuts N] [--seed S] [--quiet] [--keep]

Spool and mail of each host lie on ext4 images of their own. A cut shuts both
file systems of a host down without letting the journal out (what xfstests calls
godown), kills all its processes, unmounts, mounts (the journal is replayed),
and starts it again. The other host goes on, and must keep what is for the
first. Cuts strike at random times, or in the moment after something was
promised: a 250, a UID told, a MOVE, EXPUNGE or STORE answered OK; or with the
store standing still, so that no later flush makes up for a missing one. ext4
commits by itself only every 5 minutes here, and does not flush data at a
rename. Needs root and loop mounts."""

import argparse
import collections
import contextlib
import ctypes
import fcntl
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "scenario"))
import frame  # noqa: E402
import kill as kills  # noqa: E402
import ledger as ledgers  # noqa: E402

SHUTDOWN = 2 << 30 | 4 << 16 | ord("X") << 8 | 125  # _IOR('X', 125, __u32)
NO_LOG_FLUSH = 2
SPOOL_OCTETS = 320 << 20    # the spool's segments have 32 MiB
MAIL_OCTETS = 1 << 30         # sparse
OPTIONS = "loop,noatime,commit=300,noauto_da_alloc"
WAIT_FOR_MOMENT_S = 4.0
LOUD_SHARE = 0.4            # of the cuts happen under full load
PROMISES = ("250", "seen", "move", "expunge", "flag", "create", "rename",
            "subscribe")
GARDENER_PAUSE_S = 0.05
report = kills.report


class Disk:
    """An ext4 image, mounted where a host keeps something."""

    def __init__(self, image, place, size):
        self.image, self.place = image, place
        self.fd = -1
        with open(image, "wb") as file:
            file.truncate(size)
        run("mkfs.ext4", "-q", "-F", "-E",
            "lazy_itable_init=0,lazy_journal_init=0", image)
        os.makedirs(place, exist_ok=True)

    def mount(self):
        run("mount", "-o", OPTIONS, self.image, self.place)
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(os.path.join(self.place, "lost+found"))
        self.fd = os.open(self.place, os.O_RDONLY | os.O_DIRECTORY)

    def cut(self):
        """From now on nothing reaches the disk."""
        fcntl.ioctl(self.fd, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))

    def unmount(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        if os.path.ismount(self.place):
            frame.wait_for(f"umount {self.place}", lambda: subprocess.run(
                ["umount", self.place], capture_output=True).returncode == 0,
                10)

    def check(self):
        """The journal may leave nothing that a check would complain of."""
        result = subprocess.run(["e2fsck", "-fn", self.image],
                                capture_output=True, text=True)
        return [] if result.returncode == 0 else [result.stdout[-500:]]


def run(*command):
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise frame.Failed(f"{' '.join(command)}: {result.stderr.strip()}")


def why_not():
    """The reason why power cannot be cut here, or None."""
    if os.geteuid() != 0:
        return "needs root"
    for program in ("mkfs.ext4", "mount", "umount", "e2fsck"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    with open("/proc/self/mountinfo") as file:
        if not any(line.split()[4] == "/" for line in file):
            return "/ is no mount point here (a plain chroot)"
    directory = os.path.join(frame.ROOT, "build", "test", "powercut-probe")
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    try:
        probe = Disk(os.path.join(directory, "image"),
                     os.path.join(directory, "place"), 16 << 20)
        try:
            probe.mount()
            probe.cut()
        finally:
            probe.unmount()
    except (frame.Failed, OSError) as error:
        return f"no loop mounts here: {error}"
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return None


class Gardener(ledgers.Worker):
    """A user who makes, renames and subscribes folders."""

    def __init__(self, seed, ledger, host, user):
        super().__init__(seed)
        self.ledger, self.host, self.user = ledger, host, user
        self.n = 0

    def ask(self, what, name, function, *arguments):
        # The ledger's own rules are about messages: no ids.
        self.ledger.put(what + "?", user=self.user, ids=[], name=name)
        code, _ = function(*arguments)
        self.ledger.put(what, user=self.user, ids=[], name=name,
                        ok=code == "OK")

    def step(self):
        client = self.host.imap(self.user, timeout_s=20)
        try:
            for _ in range(10):
                if self.ending.wait(GARDENER_PAUSE_S):
                    return
                self.n += 1
                name = f"g{self.n}"
                self.ask("create", name, client.create, name)
                what = self.rng.choice(("subscribe", "rename", "create"))
                if what == "subscribe":
                    self.ask(what, name, client.subscribe, name)
                elif what == "rename":
                    self.ask(what, name, client.rename, name, f"r{self.n}")
        finally:
            with contextlib.suppress(OSError):
                client.shutdown()

    def faults(self):
        """What was answered OK and is not so."""
        sure, asked = {}, set()
        for e in self.ledger.entries():
            if e.get("user") != self.user or "name" not in e:
                continue
            if e["what"].endswith("?"):
                asked.add((e["what"][:-1], e["name"]))
            elif e["ok"]:
                sure.setdefault(e["what"], set()).add(e["name"])
        with self.host.imap(self.user) as client:
            there = names_of(client.list())
            subscribed = names_of(client.lsub())
        found = []
        for name in sure.get("create", ()):
            if ("rename", name) not in asked and name not in there:
                found.append(f"{self.user}: folder {name} is lost")
        for name in sure.get("rename", ()):
            if "r" + name[1:] not in there or name in there:
                found.append(f"{self.user}: {name} was renamed, is not")
        for name in sure.get("subscribe", ()):
            if name not in subscribed:
                found.append(f"{self.user}: {name} is not subscribed")
        return found


def names_of(answer):
    return {row.decode().rsplit(" ", 1)[1].strip('"') for row in answer[1]
            if row}


class Trigger(ledgers.Ledger):
    """A ledger that can cut the power in the moment of a promise: before it
    writes the promise down, which would take a flush of its own."""

    def __init__(self, path):
        super().__init__(path)
        self.off = set()        # hosts without power
        self.came_to = {}
        self.armed = None       # (promise, host name, function)
        self.arming = threading.Lock()

    def arm(self, promise, host, function):
        with self.arming:
            self.armed = promise, host, function

    def disarm(self):
        with self.arming:
            self.armed = None

    def put(self, what, **entry):
        if self.armed is not None:
            self.look(what, entry)
        if what == "try":
            self.came_to[entry["id"]] = entry["host"]
        elif what == "answer" and entry["code"] != 250 and \
                self.came_to[entry["id"]] in self.off:
            return  # a host without power says nothing
        super().put(what, **entry)

    def look(self, what, entry):
        promise = "250" if what == "answer" and entry["code"] == 250 else what
        with self.arming:
            if self.armed is None:
                return
            wanted, host, function = self.armed
            # An answer does not say whose it is; a user's name does.
            user = entry.get("user", "")
            if promise != wanted or not entry.get("ok", True) or (
                    user and not user.endswith(host.domain)):
                return
            self.armed = None
            function()


class Pausing:
    """Workers that stand still while the load is to be low."""

    def __init__(self, workers):
        self.workers = workers
        self.steps = {}
        self.resting = set()
        for worker in workers:
            worker.step = self.wrap(worker, worker.step)

    def wrap(self, worker, step):
        def maybe():
            if worker in self.resting and not worker.ending.is_set():
                worker.ending.wait(0.02)
            else:
                step()
        return maybe

    def rest(self, workers):
        self.resting = set(workers)


class Cutter:
    def __init__(self, lab, disks, book, rng, writers, readers, gardeners,
                 quiet):
        self.lab, self.disks, self.book, self.rng = lab, disks, book, rng
        self.writers, self.readers = writers, readers
        self.gardeners = gardeners
        self.pausing = Pausing(writers + readers + gardeners)
        self.quiet = quiet
        self.counts = collections.Counter()
        self.faults = []        # what lay on the disk after the cut
        self.slow = []
        self.deck = []

    def next_moment(self):
        if not self.deck:
            self.deck = ["any", "frozen store", *PROMISES]
            self.rng.shuffle(self.deck)
        return self.deck.pop()

    def power_off(self, host):
        """Spool and mail at once; the order must not matter."""
        self.book.off.add(host.name)
        disks = list(self.disks[host.name])
        self.rng.shuffle(disks)
        for disk in disks:
            disk.cut()

    def cut(self):
        moment = self.next_moment()
        host = self.rng.choice(self.lab.hosts)
        loud = not self.quiet and self.rng.random() < LOUD_SHARE
        if loud:
            self.pausing.rest([])
        else:
            self.pausing.rest(self.who_rests(moment))
        time.sleep(self.rng.uniform(0, 0.4))  # any time, so at random
        happened = self.wait_for_moment(host, moment)
        self.counts[moment if happened else f"{moment}, in vain"] += 1
        print(f"# {host.name} cut: {moment}"
              f"{'' if happened else ' (did not come; cut anyway)'}"
              f"{', full load' if loud else ''}", flush=True)
        self.come_back(host)

    def who_rests(self, moment):
        """Only those work whom the moment needs: a flush for anybody else
        would make up for a missing one."""
        if moment in ("create", "rename", "subscribe"):
            return self.writers + self.readers
        n_writers = 1 if moment in ("250", "seen") else 2
        resting = self.rng.sample(self.writers,
                                  len(self.writers) - n_writers)
        if moment in ("250", "frozen store"):
            resting += self.readers
        return resting + self.gardeners

    def wait_for_moment(self, host, moment):
        if moment == "any":
            self.power_off(host)
            return True
        if moment == "frozen store":
            return self.freeze_and_cut(host)
        happened = threading.Event()

        def now():
            self.power_off(host)
            happened.set()
        self.book.arm(moment, host, now)
        if happened.wait(WAIT_FOR_MOMENT_S):
            return True
        self.book.disarm()
        if not happened.is_set():
            self.power_off(host)
            return False
        return True

    def freeze_and_cut(self, host):
        """Deliveries rest; what was delivered is still made known to the
        spool by the flushes of the next messages."""
        stores = [pid for pid, role in host.processes().items()
                  if role.startswith("mda/store")]
        for pid in stores:
            os.kill(pid, signal.SIGSTOP)
        before = self.book.n["answer"]
        with contextlib.suppress(frame.Failed):
            frame.wait_for("two more answers",
                           lambda: self.book.n["answer"] > before + 2, 2)
        self.power_off(host)
        return bool(stores)

    def come_back(self, host):
        host.kill()
        for disk in self.disks[host.name]:
            disk.unmount()
        for disk in self.disks[host.name]:
            disk.mount()
        self.faults += files_of_wrong_size(host)
        self.book.off.discard(host.name)
        began = frame.given()
        host.start(wait=False)
        try:
            host.wait_ready(30)
        except frame.Failed as failed:
            self.faults.append(f"{host.name} does not start: {failed}")
            raise
        taken = frame.given() - began
        if taken > kills.RECOVERY_BAR_S:
            self.slow.append(f"{host.name}: {taken:.1f} s")


def files_of_wrong_size(host):
    """Messages whose name says another size than they have."""
    faults = []
    for place, _, names in os.walk(host.mail):
        if os.path.basename(place) not in ("new", "cur"):
            continue
        for name in names:
            size = os.path.getsize(os.path.join(place, name))
            said = re.search(r",S=(\d+)", name)
            if size == 0 or (said and int(said.group(1)) != size):
                faults.append(f"{place}/{name}: {size} octets")
    return faults


def run_load(lab, disks, options):
    rng = random.Random(options.seed)
    book = Trigger(os.path.join(lab.directory, "ledger"))
    ledgers.add_crowd(lab.mta1)
    lab.start()
    writers, readers = kills.start_load(lab, book, options.seed)
    gardeners = [Gardener(f"{options.seed} gardener {host.n}", book, host,
                          host.users[0]) for host in lab.hosts]
    for gardener in gardeners:
        gardener.start()
    cutter = Cutter(lab, disks, book, rng, writers, readers, gardeners,
                    options.quiet)
    try:
        for _ in range(options.cuts):
            before = book.n["answer"]
            cutter.pausing.rest([])
            with contextlib.suppress(frame.Failed):
                frame.wait_for("load", lambda: book.n["answer"] > before + 3,
                               5)
            cutter.cut()
    finally:
        cutter.pausing.rest([])
    kills.drain(lab, writers, readers + gardeners)
    judge(lab, book, cutter, readers, options)


def judge(lab, book, cutter, readers, options):
    owners = {user: host for host in lab.hosts for user in host.users}
    came_to = {e["id"]: e["host"] for e in book.entries()
               if e["what"] == "try"}
    verdict = ledgers.check(
        book, owners, readers,
        lambda ident, user: came_to[ident] != owners[user].name)
    for rule, claim in ledgers.CLAIMS.items():
        report(f"{rule} {claim}", verdict.faults[rule])
    report("L7 folders and subscriptions were kept",
           [fault for g in cutter.gardeners for fault in g.faults()])
    report("no message on the disk is cut short", cutter.faults)
    report(f"L10 ready again within {kills.RECOVERY_BAR_S:g} s", cutter.slow)
    report("no worker met the unforeseen",
           [repr(w.bug) for w in
            cutter.writers + readers + cutter.gardeners if w.bug])
    if options.cuts >= 10:
        report("every kind of event occurred",
               [what for what in ("acknowledged", "acknowledged, relayed",
                                  "move", "expunge", "flag")
                if verdict.counts[what] == 0])
    print(f"# {dict(verdict.counts)}")
    print(f"# {dict(cutter.counts)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--seed", type=int,
                        default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--build", default="release")
    parser.add_argument("--quiet", action="store_true",
                        help="never full load: finds what a flush of "
                        "somebody else would hide")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    reason = why_not()
    if reason:
        print(f"skip - powercut: {reason}")
        return 0
    again = (f"tests/crash/powercut.py --cuts {options.cuts} --seed "
             f"{options.seed} --build {options.build}"
             + (" --quiet" if options.quiet else ""))
    print(f"# seed {options.seed}; again: {again}", flush=True)
    lab, disks = None, {}
    libc = ctypes.CDLL(None)
    libc.unshare(0x20000)  # CLONE_NEWNS: the mounts end with this process
    run("mount", "--make-rprivate", "/")
    try:
        lab = frame.Lab(f"powercut-{options.build}", 2, options.build,
                        kills.MAIN_CF)
        for host in lab.hosts:
            disks[host.name] = (
                Disk(os.path.join(lab.directory, f"spool{host.n}.img"),
                     os.path.join(host.state, "spool"), SPOOL_OCTETS),
                Disk(os.path.join(lab.directory, f"mail{host.n}.img"),
                     host.mail, MAIL_OCTETS))
            for disk in disks[host.name]:
                disk.mount()
        run_load(lab, disks, options)
        for host in lab.hosts:
            report(f"{host.name} stops in peace", kills.stop(host))
        for pair in disks.values():
            for disk in pair:
                disk.unmount()
        report("the file systems are whole",
               [fault for pair in disks.values() for disk in pair
                for fault in disk.check()])
    except frame.Failed as failed:
        report("the run came to its end", [str(failed)])
    finally:
        frame.kill_all()
        for pair in disks.values():
            for disk in pair:
                with contextlib.suppress(frame.Failed):
                    disk.unmount()
    good = bool(kills.results) and all(kills.results)
    if good and not options.keep:
        shutil.rmtree(lab.directory, ignore_errors=True)
    elif lab:
        print(f"    kept: {os.path.relpath(lab.directory, frame.ROOT)}\n"
              f"    again: {again}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
