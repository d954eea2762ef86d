#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A partition between mta1 and mta2, at every step of SMTP. RELEASE_ONLY

    tests/scenario/partition.py [--full] [--only WORD] [--seed N]

Each host is in a network namespace of its own (root; veth, iptables, tc). A
wire in the first one carries octets and knows the step; when it comes, the
network in between breaks: packets are dropped both ways or one way, answered
with resets, or trickle. Then it heals. Nothing may be lost; nothing may come
twice, when both ends are ours; at a foreign server at most where the answer to
the end of the content was cut off (F13). Without --full: some of all steps."""

import argparse
import contextlib
import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import frame
from frame import Failed, Sink, Wire, expect_true, message, wait_for

CLONE_NEWNET = 0x40000000
NET1, NET2 = "10.77.13.1", "10.77.13.2"
USER1, USER3 = "user1@example1.local", "user3@example2.local"
HEAL_TIMEOUT_S = 40
results = []
libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """A network of its own, held by a process that ends with us."""

    home = None

    def __init__(self):
        if Namespace.home is None:
            Namespace.home = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.holder = subprocess.Popen(
            ["unshare", "--net", "cat"], stdin=subprocess.PIPE)
        mine = os.readlink("/proc/self/ns/net")

        def look():
            with contextlib.suppress(OSError):
                path = f"/proc/{self.holder.pid}/ns/net"
                return os.readlink(path) != mine
        wait_for("a network namespace", look)
        self.fd = os.open(f"/proc/{self.holder.pid}/ns/net", os.O_RDONLY)

    def run(self, *command, may_fail=False):
        result = self.inside(lambda: subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True,
            text=True))
        if result.returncode != 0 and not may_fail:
            raise Failed(f"{command}: {result.stderr}")

    def inside(self, function):
        """Calls it with this thread in the namespace: sockets and processes
        that it makes stay there."""
        if libc.setns(self.fd, CLONE_NEWNET) != 0:
            raise Failed("setns: " + os.strerror(ctypes.get_errno()))
        try:
            return function()
        finally:
            libc.setns(Namespace.home, CLONE_NEWNET)

    def close(self):
        self.holder.kill()
        self.holder.wait()
        os.close(self.fd)


def connect_namespaces(one, two):
    one.run("ip", "link", "add", "v1", "type", "veth", "peer", "name", "v2",
            "netns", str(two.holder.pid))
    for space, link, address in ((one, "v1", NET1), (two, "v2", NET2)):
        space.run("ip", "addr", "add", address + "/30", "dev", link)
        space.run("ip", "link", "set", link, "up")
        space.run("ip", "link", "set", "lo", "up")


# ---- faults ----

def drop(space, *chains):
    for chain, flag in chains:
        space.run("iptables", "-A", chain, flag, "v1", "-j", "DROP")


def refuse(space):
    """The next packet of either side is answered with a reset."""
    space.run("iptables", "-A", "INPUT", "-i", "v1", "-p", "tcp", "-j",
              "REJECT", "--reject-with", "tcp-reset")
    space.run("iptables", "-A", "OUTPUT", "-o", "v1", "-p", "tcp", "-j",
              "REJECT", "--reject-with", "tcp-reset")


def trickle(space):
    space.run("tc", "qdisc", "add", "dev", "v1", "root", "tbf", "rate",
              "4kbit", "burst", "1600", "latency", "20s")


INPUT, OUTPUT = ("INPUT", "-i"), ("OUTPUT", "-o")
FAULTS = {
    "dropped both ways": lambda space: drop(space, INPUT, OUTPUT),
    "dropped on the way there": lambda space: drop(space, OUTPUT),
    "dropped on the way back": lambda space: drop(space, INPUT),
    "reset": refuse,
    "trickling": trickle,
}


def heal(space):
    space.run("iptables", "-F")
    space.run("tc", "qdisc", "del", "dev", "v1", "root", may_fail=True)


# ---- steps: (reply?, what, how much of it still passes) ----

BEFORE, HALF, ALL = 0, 1, 2
QUEUED = b"2.0.0 "  # ours: "Ok: queued as", the sink: "taken"
STEPS = {
    # What both kinds of message have.
    "greeting": (True, b"220 ", BEFORE, "small"),
    "EHLO": (False, b"EHLO", BEFORE, "small"),
    "answer to EHLO": (True, b"PIPELINING", BEFORE, "small"),
    # Small: envelope and content in one write, to hosts of ours.
    "MAIL": (False, b"MAIL FROM", BEFORE, "small"),
    "half of a small message": (False, b"MAIL FROM", HALF, "small"),
    "end of a small message": (False, b"MAIL FROM", ALL, "small"),
    "answer to a small message": (True, QUEUED, BEFORE, "small"),
    "QUIT": (False, b"QUIT", BEFORE, "small"),
    # Large: DATA.
    "answer to DATA": (True, b"354", BEFORE, "large"),
    "content": (False, b"xxxxxxxx", HALF, "large"),
    "the final dot": (False, b"\r\n.\r\n", BEFORE, "large"),
    "after the final dot": (False, b"\r\n.\r\n", ALL, "large"),
    "answer to the dot": (True, QUEUED, BEFORE, "large"),
}
# When these break, the client may have given all up to the final dot to its
# TCP, which delivers it when the network heals.
WINDOW = {"content", "end of a small message", "answer to a small message",
          "after the final dot", "answer to the dot", "half of a small "
          "message", "the final dot", "MAIL"}


class Cut:
    """The fault of a Wire: breaks the network once, at its step."""

    def __init__(self, space, step, fault):
        self.space = space
        self.is_reply, self.what, self.share, _ = STEPS[step]
        self.break_now = FAULTS[fault]
        # An answer is at the wire already: it has not passed the network.
        self.passes = {"dropped both ways": b"", "reset": None,
                       "dropped on the way back": b""}.get(fault, ALL)
        self.lock = threading.Lock()
        self.struck = threading.Event()

    def __call__(self, _n, is_reply, octets, seen):
        if is_reply != self.is_reply or self.struck.is_set() or \
                self.what not in seen[-64:] + octets:
            return octets
        with self.lock:
            if self.struck.is_set():
                return octets
            if self.share == BEFORE:
                self.break_now(self.space)
                self.struck.set()
                return octets if not is_reply or self.passes == ALL \
                    else self.passes
            n = len(octets) if self.share == ALL else len(octets) // 2
        return [octets[:n], self.strike, octets[n:]]

    def strike(self):
        """As soon as what may still pass has left the wire."""
        time.sleep(0.005)
        self.break_now(self.space)
        self.struck.set()


class Net:
    """Two hosts, their namespaces, and the wire."""

    def __init__(self, build, sink):
        for program in ("unshare", "ip", "iptables", "tc"):
            frame.need(program)
        if os.geteuid() != 0:
            raise frame.Skipped("needs root for network namespaces")
        self.one, self.two = Namespace(), Namespace()
        connect_namespaces(self.one, self.two)
        self.lab = frame.Lab(f"partition-{build}", 1 if sink else 2, build,
                             MAIN_CF)
        self.mta1 = self.lab.mta1
        self.mta2 = None if sink else self.lab.mta2
        self.sink = None
        if sink:
            self.sink = self.two.inside(lambda: OpenSink(replies={}))
            port = self.sink.port
        else:
            port = self.mta2.ports["smtp"]
            self.mta2.environment["ESTAFETA_LISTEN_SMTP"] = f"*:{port}"
        self.wire = self.one.inside(lambda: InWire(self.one, port))
        self.mta1.peers["[mta2]:25"] = self.wire.port
        self.one.inside(self.mta1.start)
        if self.mta2:
            self.two.inside(self.mta2.start)

    def submit(self, content):
        return self.one.inside(
            lambda: self.mta1.submit(USER1, USER3, content))

    def copies(self, ident):
        if self.mta2:
            return len(self.mta2.find(USER3, ident))
        return sum(ident.encode() in content
                   for _, _, content in self.sink.messages)

    def close(self):
        faults = []
        for host, space in ((self.mta1, self.one), (self.mta2, self.two)):
            if host is not None:
                space.inside(host.stop)
                faults += host.complaints()[:5]
        self.one.close()
        self.two.close()
        return faults


class OpenSink(Sink):
    """Of a foreign host: listens on all addresses."""

    def __init__(self, **options):
        super().__init__(extensions=["PIPELINING", "SIZE"], **options)
        self.listener.shutdown(socket.SHUT_RDWR)  # ends its accept()
        self.listener.close()
        self.listener = socket.create_server(("0.0.0.0", self.port))
        threading.Thread(target=self.serve, daemon=True).start()


class InWire(Wire):
    """Both of its ends are sockets of the first namespace."""

    def __init__(self, space, target):
        self.space = space
        super().__init__(target)
        self.is_reset = True

    def serve(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = self.space.inside(lambda: socket.create_connection(
                    (NET2, self.target), 5))
                far.settimeout(None)
            except TimeoutError:
                near.close()
                continue
            except OSError:
                if self.listener.fileno() < 0:
                    return
                near.close()
                continue
            self.n_connections += 1
            for source, sink, is_reply in ((near, far, False),
                                           (far, near, True)):
                threading.Thread(
                    target=self.carry, daemon=True,
                    args=(self.n_connections, source, sink, is_reply)
                ).start()


MAIN_CF = """smtp_tls_security_level = none
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
smtp_connect_timeout = 2s
smtp_helo_timeout = 2s
smtp_mail_timeout = 2s
smtp_rcpt_timeout = 2s
smtp_data_init_timeout = 2s
smtp_data_xfer_timeout = 2s
smtp_data_done_timeout = 2s
smtp_connection_cache_on_demand = no
"""


def one_case(net, step, fault):
    """Returns (the Message-ID, whether a second copy is allowed)."""
    size = 600 if STEPS[step][3] == "small" else 90_000
    ident, content = message(
        body=("x" * 70 + "\r\n") * (size // 72))
    cut = Cut(net.one, step, fault)
    net.wire.fault = cut
    mark = net.mta1.mark()
    net.submit(content)
    try:
        expect_true(cut.struck.wait(10), f"the step never came: {step}")
        # Until the client has given up, or has got through.
        net.mta1.wait_log(r"ev=out\.attempt ", mark, 20)
    finally:
        net.wire.fault = None
        heal(net.one)
    deadline = time.monotonic() + HEAL_TIMEOUT_S
    while "Mail queue is empty" not in net.mta1.queue():
        if time.monotonic() > deadline:
            raise Failed(f"mta1 keeps it: {net.mta1.queue()}\n"
                         f"{net.mta1.tail()}")
        net.mta1.flush()
        time.sleep(0.05)
    wait_for("it arrives", lambda: net.copies(ident) > 0, HEAL_TIMEOUT_S)
    return ident, net.sink is not None and (step in WINDOW
                                            or fault == "trickling")


def report(name, faults, seconds=0.0):
    results.append(not faults)
    if faults:
        print(f"not ok - partition: {name}\n    " + "\n    ".join(faults),
              flush=True)
    else:
        print(f"ok - partition: {name} ({seconds:.1f} s)", flush=True)


def run(net, cases, kind):
    sent = []
    for step, fault in cases:
        began = time.monotonic()
        name = f"{kind}: {fault} at {step}"
        try:
            sent.append((name, *one_case(net, step, fault)))
            report(name, [], time.monotonic() - began)
        except Failed as failed:
            report(name, [str(failed)])
    # What was on its way in the old connections has had its time, too.
    if net.mta2:
        net.mta2.wait_queue_empty()
    wrong = [f"{name}: {net.copies(ident)} copies"
             for name, ident, may_repeat in sent
             if not 1 <= net.copies(ident) <= (2 if may_repeat else 1)]
    report(f"{kind}: each of {len(sent)} is there, and once", wrong)
    if net.mta2 and any(step in WINDOW for step, _ in cases):
        report("repeats were sent, and recognised",
               [] if "ev=queue.repeat" in net.mta2.log() else
               ["none: the cuts do not hit"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--build", default="release")
    parser.add_argument("--seed", type=int,
                        default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    cases = [(step, fault) for step in STEPS for fault in FAULTS]
    if not options.full:
        cases = [("end of a small message", "dropped both ways"),
                 ("answer to a small message", "dropped on the way back"),
                 ("answer to the dot", "reset"),
                 ("content", "dropped on the way there"),
                 ("MAIL", "trickling")]
    cases = [case for case in cases if options.only in " ".join(case)]
    random.Random(options.seed).shuffle(cases)
    print(f"# seed {options.seed}", flush=True)
    for sink in (False, True) if options.full else (False,):
        net = None
        try:
            net = Net(options.build, sink)
            run(net, cases, "to a foreign host" if sink else "between ours")
            report("hosts stop in peace", net.close())
        except frame.Skipped as skipped:
            print(f"skip - partition: {skipped}")
            return 0
        except Failed as failed:
            report("the run came to its end", [str(failed)])
        finally:
            frame.kill_all()
            for space in (net.one, net.two) if net else ():
                space.holder.kill()
    if all(results):
        shutil.rmtree(net.lab.directory, ignore_errors=True)
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
