#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""I13: idle IMAP connections, plain and with TLS: memory of each, and how soon
each hears of new mail.

    IDLE_CLIENTS=20000 tests/scenario/idle_many.py       (make idle N=20000)

The clients are processes of their own (tests/slow/idle.c) on many loopback
addresses; IDLE_PER_USER (10) of them share a user, whose INBOX has
IDLE_MESSAGES (0) messages before; 1 and 100 are the worst that is usual. Without IDLE_CLIENTS a few
hundred, and only that everybody is told counts: per connection there is nothing
to measure then. The bars are the project's: 12 KiB of PSS plain, 32 KiB with
TLS, and the 99th percentile from the final dot to EXISTS 100 ms."""

import json
import os
import re
import resource
import subprocess
import time

from frame import (PASSWORD, Skipped, expect, expect_true, main, program,
                   scenario)

N = int(os.environ.get("IDLE_CLIENTS", "0"))
IS_MEASURED = N >= 5000  # below, what all share counts too much
N_CLIENTS = N or 300
PER_USER = int(os.environ.get("IDLE_PER_USER", "10"))
N_USERS = max(1, N_CLIENTS // PER_USER)
N_BEFORE = int(os.environ.get("IDLE_MESSAGES", "0"))
LINKS_MAX = 60000  # of one file; ext4 has 65,000
N_MESSAGES = 1000 if IS_MEASURED else 30
PAUSE_MS = 20 if IS_MEASURED else 2
PROCESSES = 4
SPARE_FILES = 2000
REST_S = 3  # until buffers and stacks are given back
BARS_KIB = {"imap": 12, "imaps": 32}
BAR_US = 100000
FILLED_S = 600


def setup(lab):
    """More copies of a role where one may not open so many files: one for a
    connection, six for a user."""
    host = lab.mta1
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for role, wanted in (("FRONT", N_CLIENTS), ("STORE", 6 * N_USERS)):
        host.environment[f"ESTAFETA_COPIES_{role}"] = \
            str(-(-wanted // (most - SPARE_FILES)))
    secret = re.search(r"^user1@[^|]*\|(.*)$",
                       host.read_config("accounts.cf"), re.M)[1]
    host.append("accounts.cf", "".join(
        f"i{i}@{host.domain}|{secret}\n" for i in range(N_USERS)))
    host.write_config("quotas.cf", "")
    for i in range(N_USERS if N_BEFORE > 0 else 0):
        fill(host, i)
    host.environment["SSL_TYPE"] = ""  # LOGIN without TLS, and both ports


def fill(host, user):
    """N_BEFORE messages in the user's INBOX, most of them links."""
    content = b"Subject: old\r\n\r\nHello.\r\n"
    inbox = host.maildir(f"i{user}@{host.domain}")
    for sub in ("tmp", "new", "cur"):
        os.makedirs(f"{inbox}/{sub}", 0o700)
    for i in range(N_BEFORE):
        number = user * N_BEFORE + i
        source = f"{host.directory}/message{number // LINKS_MAX}"
        if not os.path.exists(source):
            with open(source, "wb") as file:
                file.write(content)
        os.link(source, f"{inbox}/cur/17{number:08}.M{i}P{user}.mx,"
                f"S={len(content)},W={len(content)}:2,{'S' * (i % 3 > 0)}")


def memory(host):
    """(PSS of each role, kernel memory), in KiB. The kernel's is that of the
    whole machine, both ends of each connection: for a look only."""
    roles = {}
    for pid, role in host.processes().items():
        with open(f"/proc/{pid}/smaps_rollup") as file:
            pss = sum(int(line.split()[1]) for line in file
                      if line.startswith("Pss:"))
        roles[role] = roles.get(role, 0) + pss
    with open("/proc/meminfo") as file:
        kernel = sum(int(line.split()[1]) for line in file
                     if line.startswith(("SUnreclaim:", "PageTables:")))
    return roles, kernel


def per_connection(lab, service):
    host, is_dev = lab.mta1, lab.build == "dev"
    host.stop()
    host.start()
    before, kernel_before = memory(host)
    began = time.monotonic()
    with subprocess.Popen(
            [program("tests/idle"), str(host.ports[service]),
             "1" if service == "imaps" else "0", str(N_CLIENTS),
             str(PROCESSES), str(N_USERS), host.domain, PASSWORD,
             str(host.ports["smtp"])], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True) as clients:
        try:
            line = clients.stdout.readline()
            expect_true(line, "the connections failed")
            took = time.monotonic() - began
            time.sleep(REST_S if IS_MEASURED else 0)
            after, kernel_after = memory(host)
            grown = {role: (kib - before.get(role, 0)) / N_CLIENTS
                     for role, kib in after.items()}
            kib = sum(grown.values())
            shown = ", ".join(f"{role} {each:.1f}" for role, each in
                              sorted(grown.items()) if each > 0.05)
            print(f"# {N_CLIENTS} on {service} of {N_USERS} users after "
                  f"{took:.1f} s: {kib:.2f} KiB PSS each ({shown}), kernel "
                  f"{(kernel_after - kernel_before) / N_CLIENTS:.1f} KiB",
                  flush=True)
            clients.stdin.write(f"{N_MESSAGES} {PAUSE_MS}\n")
            clients.stdin.flush()
            told = json.loads(clients.stdout.readline())
            print(f"# {N_MESSAGES} messages: {told}", flush=True)
            expect(told["told"], told["wanted"], "who was told")
        finally:
            clients.stdin.close()
            clients.terminate()
    if not IS_MEASURED:
        return
    expect_true(told["p99_us"] <= BAR_US, f"told after {told['p99_us']} us")
    if is_dev:
        raise Skipped("memory: what a sanitizer adds is not ours")
    expect_true(kib <= BARS_KIB[service],
                f"{kib:.1f} KiB each, at most {BARS_KIB[service]}")


@scenario
def plain_connections_are_small_and_told_at_once(lab):
    per_connection(lab, "imap")


@scenario
def tls_connections_are_small_and_told_at_once(lab):
    per_connection(lab, "imaps")


@scenario
def nobody_died(lab):
    """Each start but the last has ended its roles itself."""
    expect(re.findall(r"ev=role\.ended.* signal=[1-9].*", lab.mta1.log()),
           [], "roles that died")


if __name__ == "__main__":
    main(hosts=1, setup=setup)
