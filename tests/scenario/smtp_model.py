#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""S04, S06, S07, S08, S09, S10, S13, S15, S23, A01, A02: random sessions against a
reference model of SMTP (tests/model/smtp_state.c), written from the RFCs; and
what was accepted is in the mailboxes, octet by octet, as often as it must be.

    MODEL_COMMANDS=20000 MODEL_SEED=1 tests/scenario/smtp_model.py --show
A second host allows AUTH without TLS: there STARTTLS has a login to forget."""

import hashlib
import os
import random
import re
import subprocess
import sys
import time

from frame import (ROOT, Skipped, expect, expect_true, main, program, scenario,
                   without_trace)

IS_DEV = "dev" in (*sys.argv, os.environ.get("ESTAFETA_TEST_BUILD"))
COMMANDS = int(os.environ.get("MODEL_COMMANDS",
                              "10000" if IS_DEV else "20000"))
SEED = int(os.environ.get("MODEL_SEED",
                          random.SystemRandom().randrange(10 ** 9)))
SHOW = "--show" in sys.argv
WORKERS = int(os.environ.get("MODEL_WORKERS", "8"))
RCPT_LIMIT, SIZE_LIMIT = 5, 20000
RELAY = "relay.example"
USERS = ("m1", "m2", "m3", "m4")
# RFC 6409 8: fields that the message lacks, put before it.
MADE_BY_SUBMISSION = (rb"\A(?:Date: [^\r\n]*\r\n|Message-ID: [^\r\n]*\r\n)*"
                      rb"(?=Model-Id|\r\n|\Z)")
POSTMASTER = {1: "user1", 2: "user3"}


def setup(lab):
    for host in lab.hosts:
        secret = re.search(r"^user[13]@[^|]*\|(.*)$",
                           host.read_config("accounts.cf"), re.M)[1]
        for user in USERS:
            host.append("accounts.cf", f"{user}@{host.domain}|{secret}")
        host.write_config("quotas.cf", "")
    lab.mta1.append("main.cf", f"smtpd_recipient_limit = {RCPT_LIMIT}\n"
                    f"message_size_limit = {SIZE_LIMIT}\n"
                    "smtpd_soft_error_limit = 1000\n"
                    "smtpd_hard_error_limit = 1000\n"
                    "smtpd_junk_command_limit = 1000\n")
    for host in lab.hosts:
        host.append("main.cf", "smtpd_client_connection_count_limit = 0\n")
    lab.mta1.append("transport.cf", f"{RELAY} smtp:[mta2]:25")
    lab.mta2.append("virtual.cf", f"@{RELAY} relayed@{lab.mta2.domain}")
    lab.mta2.append("accounts.cf", f"relayed@{lab.mta2.domain}|{secret}")
    lab.mta2.environment["SSL_TYPE"] = ""


def endpoints(lab):
    for host, plain, rcpts, size, relay in (
            (lab.mta1, 0, RCPT_LIMIT, SIZE_LIMIT, RELAY),
            (lab.mta2, 1, 1000, 10240000, "-")):
        for kind in ("smtp", "submission", "submissions"):
            if kind in host.ports:
                yield (f"{kind}:{host.ports[kind]}:{plain}:{rcpts}:{size}:"
                       f"{host.domain}:{relay}")


is_through = False


class Promise:
    """What a 250 said: where this content must be, and how often."""

    def __init__(self, line):
        fields = line.split(" ")
        self.id, self.sum, self.size, domain, sender = fields[:5]
        self.sender = sender.encode()
        n = int(re.search(r"[0-9]", domain)[0])
        names = [f"{user}@{domain}" for user in USERS]
        names.append(f"{POSTMASTER[n]}@{domain}")
        names.append("relayed@example2.local")
        self.copies = {name: tuple(map(int, field.split("-")))
                       for name, field in zip(names, fields[5:])
                       if field != "0-0"}

    def is_of(self, content):
        """RFC 5321 4.1.1.4: a message that is stored ends with CRLF."""
        if digest_is(content, self.sum):
            return True
        return content.endswith(b"\r\n") and digest_is(content[:-2], self.sum)


def digest_is(content, wanted):
    return hashlib.sha256(content).hexdigest() == wanted


def read_promises(lab):
    promises, empty = {}, {}
    for i in range(WORKERS):
        with open(os.path.join(lab.directory, f"ledger.{i}")) as file:
            for line in file:
                promise = Promise(line.rstrip("\n"))
                if promise.id != "-":
                    promises[promise.id] = promise
                    continue
                for name, (least, most) in promise.copies.items():
                    a, b = empty.get(name, (0, 0))
                    empty[name] = (a + least, b + most)
    return promises, empty


def check_mailbox(host, user, promises, empty):
    found, n_empty = {}, 0
    for path in host.files(user):
        with open(path, "rb") as file:
            whole = file.read()
        content = re.sub(MADE_BY_SUBMISSION, b"", without_trace(whole))
        match = re.match(rb"Model-Id: ([0-9-]+)\r\n", content)
        if not match:
            expect_true(content in (b"", b"\r\n"),
                        f"{path}: nobody sent this: {whole[-300:]!r}")
            n_empty += 1
            continue
        name = match[1].decode()
        promise = promises.get(name)
        expect_true(promise and user in promise.copies,
                    f"{path}: message {name} was never accepted for {user}")
        expect_true(promise.is_of(content), f"{path}: not what was sent")
        expect_true(whole.startswith(b"Return-Path: " + promise.sender
                                     + b"\r\n"),
                    f"{path}: sender, want {promise.sender!r}")
        found[name] = found.get(name, 0) + 1
    for name, promise in promises.items():
        least, most = promise.copies.get(user, (0, 0))
        expect_true(least <= found.get(name, 0) <= most,
                    f"{name}: {found.get(name, 0)} copies for {user}, want "
                    f"{least} to {most}")
    least, most = empty.get(user, (0, 0))
    expect_true(least <= n_empty <= most, f"{n_empty} empty messages for "
                f"{user}, want {least} to {most}")
    return sum(found.values()) + n_empty


@scenario
def random_sessions_agree_with_the_model(lab):
    tool = program("tests/smtp_model")
    began = time.monotonic()
    result = subprocess.run(
        [tool, "--seed", str(SEED), "--commands", str(COMMANDS),
         "--workers", str(WORKERS), "--ledger",
         os.path.join(lab.directory, "ledger"), *endpoints(lab)],
        stdin=subprocess.DEVNULL, capture_output=True)
    text = result.stdout.decode() + result.stderr.decode(errors="replace")
    global is_through
    is_through = result.returncode == 0
    expect_true(is_through, f"seed {SEED}\n{text[-6000:]}")
    if SHOW:
        print(text + f"{COMMANDS / (time.monotonic() - began):.0f} "
              "commands/s", flush=True)


@scenario
def what_was_accepted_is_there_and_nothing_else(lab):
    for host in lab.hosts:  # mail goes from the first to the second
        host.wait_queue_empty(max(30, COMMANDS / 1000))
    if not is_through:
        raise Skipped("the sessions failed")
    promises, empty = read_promises(lab)
    expect_true(promises, "nothing was accepted")
    n = 0
    for host in lab.hosts:
        users = [*USERS, POSTMASTER[host.n]]
        if host is lab.mta2:
            users.append("relayed")
        for user in users:
            n += check_mailbox(host, f"{user}@{host.domain}", promises, empty)
    if SHOW:
        print(f"{len(promises)} messages, {n} copies, all right")
    for host in lab.hosts:
        expect(re.findall(r"ev=role\.ended.*", host.log()), [],
               "roles that died")


if __name__ == "__main__":
    if SHOW:
        sys.argv.remove("--show")
    main(hosts=2, setup=setup)
