#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""SCRAM (A03, A07; finding: never offer what some account cannot complete),
and guessers against users (A05, A06)."""

import base64
import hashlib
import hmac
import os
import re
import secrets
import signal
import subprocess
import time

from frame import (PASSWORD, expect, expect_match, expect_true, given, main,
                   need, scenario, wait_for)

USER1, USER2 = "user1@example1.local", "user2@example1.local"


def scram_hash(lab, password=PASSWORD):
    result = lab.mta1.ctl("pw", "-s", "SCRAM-SHA-256", "-p", password)
    expect(result.returncode, 0, result.stderr)
    return result.stdout.strip()


def session(lab, service="submission"):
    raw = lab.mta1.raw(service)
    raw.reply()
    raw.say("EHLO client.example")
    raw.say("STARTTLS")
    raw.start_tls(lab.mta1.tls())
    return raw, raw.say_text("EHLO client.example")[1]


def mechanisms(lab):
    raw, text = session(lab)
    with raw:
        return re.search(r"^250.AUTH ([^\r\n]*)", text, re.M).group(1).split()


class Scram:
    """A client written from RFC 5802 and 7677."""

    def __init__(self, user, password, header="n,,", binding=b""):
        self.password, self.header = password.encode(), header
        self.binding = binding
        self.nonce = secrets.token_hex(9)
        self.bare = f"n={user},r={self.nonce}"

    def first(self):
        return base64.b64encode((self.header + self.bare).encode()).decode()

    def last(self, challenge):
        text = base64.b64decode(challenge).decode()
        fields = dict(part.split("=", 1) for part in text.split(","))
        expect_true(fields["r"].startswith(self.nonce)
                    and len(fields["r"]) > len(self.nonce) + 10, text)
        salted = hashlib.pbkdf2_hmac("sha256", self.password,
                                     base64.b64decode(fields["s"]),
                                     int(fields["i"]))
        client = hmac.digest(salted, b"Client Key", "sha256")
        bound = base64.b64encode(self.header.encode() + self.binding).decode()
        bare = f"c={bound},r={fields['r']}"
        message = f"{self.bare},{text},{bare}".encode()
        signature = hmac.digest(hashlib.sha256(client).digest(), message,
                                "sha256")
        self.want = b"v=" + base64.b64encode(hmac.digest(
            hmac.digest(salted, b"Server Key", "sha256"), message, "sha256"))
        proof = bytes(a ^ b for a, b in zip(client, signature))
        return base64.b64encode(
            f"{bare},p={base64.b64encode(proof).decode()}".encode()).decode()


def log_in(raw, scram, mechanism="SCRAM-SHA-256"):
    code, text = raw.say_text(f"AUTH {mechanism} {scram.first()}")
    if code != 334:
        return code
    code, text = raw.say_text(scram.last(text[4:]))
    if code != 334:
        return code
    expect(base64.b64decode(text[4:]), scram.want, "the server's signature")
    return raw.say("")


def end_point(raw):
    return hashlib.sha256(raw.socket.getpeercert(True)).digest()


def forget(host):
    """Counts of failures live with the process: a new one has none."""
    mark = host.mark()
    os.kill(next(p for p, role in host.processes().items()
                 if role == "mda/auth"), signal.SIGKILL)
    host.wait_log("auth.accounts", mark)


def cpu_ns(host):
    """What all threads of auth have used."""
    pid = next(p for p, role in host.processes().items()
               if role == "mda/auth")
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as file:
            total += int(file.read().split()[0])
    return total


@scenario
def an_unknown_user_costs_the_same_hash(lab):
    """A05: counted in the work that auth does, not in noisy time."""
    host = lab.mta1
    for user in (USER1, USER2):  # the start's own comparisons are over
        host.wait_log(f"auth.weak.*{user}")
    used = {}
    for user in (USER1, "nobody@example1.local"):
        mark, before = host.mark(), cpu_ns(host)
        sessions = []
        for i in range(2):
            raw, _ = session(lab)
            token = base64.b64encode(f"\0{user}\0wrong{i}".encode()).decode()
            raw.send(f"AUTH PLAIN {token}\r\n".encode())
            sessions.append(raw)
        wait_for("all are refused", lambda: host.log_since(mark).count(
            "ev=auth.failed") == 2, 10)
        used[user] = cpu_ns(host) - before
        for raw in sessions:
            expect(raw.reply()[0], 535)
            raw.close()
    known, unknown = used.values()
    expect_true(known > 1_000_000 and 0.5 < unknown / known < 2,
                f"hash work in ns: {used}")
    forget(host)


@scenario
def scram_is_offered_when_all_can_complete_it(lab):
    lines = [line for line in lab.mta1.read_config("accounts.cf").splitlines()
             if "|" in line and not line.startswith("#")]
    expect_true(not any("SCRAM" in m for m in mechanisms(lab)), "too early")
    first = USER1 + "|" + scram_hash(lab)
    lab.mta1.write_config("accounts.cf", "\n".join(
        [first] + [line for line in lines if not line.startswith(USER1)])
        + "\n")
    mark = lab.mta1.mark()
    lab.mta1.wait_log("auth.accounts", mark - 200)
    raw, _ = session(lab)
    with raw:
        expect(raw.say("AUTH SCRAM-SHA-256 " + Scram(USER1, "x").first()),
               504, "one account alone")
    lab.mta1.write_config("accounts.cf", "\n".join(
        line.split("|")[0] + "|" + scram_hash(lab) for line in lines) + "\n")
    wait_for("SCRAM is offered", lambda: "SCRAM-SHA-256" in mechanisms(lab),
             10)
    expect_true("SCRAM-SHA-256-PLUS" in mechanisms(lab), "-PLUS with TLS")


@scenario
def scram_logs_in(lab):
    for user in (USER1, USER1.upper()):
        raw, _ = session(lab)
        with raw:
            expect(log_in(raw, Scram(user, PASSWORD)), 235, user)
            expect(raw.say(f"MAIL FROM:<{USER1}>"), 250)
    raw, _ = session(lab)
    with raw:  # without an initial response
        scram = Scram(USER1, PASSWORD)
        expect(raw.say_text("AUTH SCRAM-SHA-256")[0], 334)
        code, text = raw.say_text(scram.first())
        expect(code, 334)
        expect(raw.say_text(scram.last(text[4:]))[0], 334)
        expect(raw.say(""), 235)
    with lab.mta1.submission(USER1):  # PLAIN with the same account
        pass


@scenario
def scram_binds_to_the_channel(lab):
    plus = "SCRAM-SHA-256-PLUS"
    header = "p=tls-server-end-point,,"
    raw, _ = session(lab)
    with raw:
        expect(log_in(raw, Scram(USER1, PASSWORD, header, end_point(raw)),
                      plus), 235)
    refused = [
        (Scram(USER1, PASSWORD, header, b"x" * 32), plus, 535),
        (Scram(USER1, PASSWORD, "p=tls-exporter,,", b"x" * 32), plus, 535),
        (Scram(USER1, PASSWORD, "p=tls-unique,,"), plus, 535),
        (Scram(USER1, PASSWORD, "y,,"), "SCRAM-SHA-256", 535),
        (Scram(USER1, PASSWORD, "n,,"), plus, 501),
        (Scram(USER1, PASSWORD, f"n,a={USER2},"), "SCRAM-SHA-256", 535),
    ]
    for scram, mechanism, want in refused:
        raw, _ = session(lab)
        with raw:
            expect(log_in(raw, scram, mechanism), want,
                   f"{scram.header} {mechanism}")


def gsasl(lab, protocol, service, want):
    """Another implementation, with the binding that Python does not have."""
    program = need("gsasl")
    for mechanism, more in (("SCRAM-SHA-256", ["--no-cb"]),
                            ("SCRAM-SHA-256-PLUS", [])):
        done = subprocess.run(
            [program, protocol, "--connect",
             f"127.0.0.1:{lab.mta1.ports[service]}",
             "--mechanism", mechanism, "--authentication-id", USER1,
             "--password", PASSWORD,
             "--x509-ca-file=" + os.path.join(lab.mta1.state, "tls",
                                              "ca.pem"), "--starttls",
             *more],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=20)
        expect_match(done.stdout + done.stderr, want,
                     f"{mechanism}: {done.returncode}")


@scenario
def gsasl_logs_in(lab):
    gsasl(lab, "--smtp", "submission", r"235 2\.7\.0")


def reader(lab, service):
    """(connection over TLS, what is announced) of a server of mail."""
    raw = lab.mta1.raw(service)
    raw.start_tls(lab.mta1.tls())
    greeting = raw.line().decode()
    if service == "imaps":
        return raw, re.findall(r"AUTH=(\S+?)[] ]", greeting.replace(" ", "  "))
    raw.send(b"CAPA\r\n")
    lines = list(iter(raw.line, b"."))
    offers = [line for line in lines if line.startswith(b"SASL")]
    return raw, offers[0].decode().split()[1:]


def read_by_scram(raw, service, scram, mechanism="SCRAM-SHA-256",
                  is_initial=True):
    """The last line of a login."""
    verb = "a AUTHENTICATE" if service == "imaps" else "AUTH"
    first = f"{verb} {mechanism}"
    if is_initial:
        raw.send(f"{first} {scram.first()}\r\n".encode())
    else:
        raw.send(f"{first}\r\n".encode())
        expect(raw.line(), b"+ ", "an empty challenge")
        raw.send(f"{scram.first()}\r\n".encode())
    line = raw.line().decode()
    if not line.startswith("+ "):
        return line
    raw.send(f"{scram.last(line[2:].strip())}\r\n".encode())
    line = raw.line().decode()
    if not line.startswith("+ "):
        return line
    expect(base64.b64decode(line[2:]), scram.want, "the server's signature")
    raw.send(b"\r\n")
    return raw.line().decode()


@scenario
def scram_reads_mail(lab):
    """A03, A07: RFC 9051 6.2.2 and RFC 5034 4: the server's last message is a
    challenge."""
    plus, bound = "SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,"
    for service, good in (("imaps", "a OK"), ("pop3s", "+OK Logged in")):
        def has_scram():
            raw, offered = reader(lab, service)
            raw.close()
            return plus in offered
        wait_for(f"SCRAM is offered at {service}", has_scram)
        for is_initial in (True, False):
            raw, offered = reader(lab, service)
            with raw:
                expect(offered, ["PLAIN", "LOGIN", "SCRAM-SHA-256", plus])
                expect_match(read_by_scram(raw, service, Scram(
                    USER1, PASSWORD), is_initial=is_initial),
                    "^" + re.escape(good), service)
        raw, _ = reader(lab, service)
        with raw:
            expect_match(read_by_scram(
                raw, service, Scram(USER1, PASSWORD, bound, end_point(raw)),
                plus), "^" + re.escape(good), f"{service} {plus}")
        wrong = "a NO [AUTHENTICATIONFAILED]" if service == "imaps" \
            else "-ERR [AUTH]"
        for scram, mechanism in (
                (Scram(USER1, PASSWORD + "x"), "SCRAM-SHA-256"),
                (Scram(USER1, PASSWORD, bound, b"x" * 32), plus),
                (Scram(USER1, PASSWORD, "y,,"), "SCRAM-SHA-256"),
                (Scram("nobody@example1.local", "x"), "SCRAM-SHA-256")):
            raw, _ = reader(lab, service)
            with raw:
                line = read_by_scram(raw, service, scram, mechanism)
                expect_true(line.startswith(wrong), f"{service}: {line}")
    forget(lab.mta1)


@scenario
def scram_of_readers_ends_well(lab):
    """A01: cancelled, nonsense, a last word too many: not in, and usable."""
    for service, bad, good in (("imaps", "a BAD", "a OK"),
                               ("pop3s", "-ERR", "+OK")):
        raw, _ = reader(lab, service)
        with raw:
            verb = b"a AUTHENTICATE" if service == "imaps" else b"AUTH"
            raw.send(verb + b" SCRAM-SHA-256 AAAA\r\n")
            expect_true(raw.line().decode().startswith(bad), "nonsense")
            raw.send(verb + b" SCRAM-SHA-256\r\n")
            raw.line()
            raw.send(b"*\r\n")
            expect_true(raw.line().decode().startswith(bad), "cancelled")
            scram = Scram(USER1, PASSWORD)
            raw.send(verb + f" SCRAM-SHA-256 {scram.first()}\r\n".encode())
            raw.send(scram.last(raw.line().decode()[2:].strip()).encode()
                     + b"\r\n")
            expect_true(raw.line().startswith(b"+ "), "proven")
            raw.send(b"AAAA\r\n")
            expect_true(raw.line().decode().startswith(bad), "one word more")
            line = read_by_scram(raw, service, Scram(USER1, PASSWORD))
            expect_true(line.startswith(good), f"still usable: {line}")


@scenario
def gsasl_reads_mail(lab):
    gsasl(lab, "--imap", "imap", r"OK \[CAPABILITY")


@scenario
def scram_messages_are_not_taken_twice(lab):
    """A07: the nonce of another exchange; cancelling; nonsense."""
    forget(lab.mta1)
    wait_for("SCRAM is offered", lambda: "SCRAM-SHA-256" in mechanisms(lab),
             10)
    raw, _ = session(lab)
    with raw:
        scram = Scram(USER1, PASSWORD)
        _, text = raw.say_text("AUTH SCRAM-SHA-256 " + scram.first())
        old = scram.last(text[4:])
        expect(raw.say("*"), 501)
        expect(raw.say_text("AUTH SCRAM-SHA-256 " + scram.first())[0], 334)
        expect(raw.say(old), 535, "replayed")
        expect(raw.say("AUTH SCRAM-SHA-256 AAAA"), 501)
        expect(raw.say("AUTH SCRAM-SHA-256 !"), 501)
        expect(log_in(raw, Scram(USER1, PASSWORD)), 235, "still usable")
        expect(raw.say("AUTH SCRAM-SHA-256 AAAA"), 503)


@scenario
def unknown_users_look_like_known_ones(lab):
    """A05: the same salt each time, the same count of rounds."""
    seen = set()
    for _ in range(2):
        raw, _ = session(lab)
        with raw:
            scram = Scram("nobody@example1.local", "x")
            code, text = raw.say_text("AUTH SCRAM-SHA-256 " + scram.first())
            expect(code, 334)
            challenge = base64.b64decode(text[4:]).decode()
            expect_match(challenge, r",s=[A-Za-z0-9+/]{22}==,i=4096$")
            seen.add(challenge.split(",")[1])
            expect(raw.say("*"), 501)
    expect(len(seen), 1, "salts")


@scenario
def changes_while_auth_is_away_end_sessions(lab):
    """The account changed; who could have told it died with it."""
    host = lab.mta1
    client = host.imap(USER2)
    other = host.imap(USER1)
    pid = next(p for p, role in host.processes().items()
               if role == "mda/auth")
    os.kill(pid, signal.SIGSTOP)
    text = host.read_config("accounts.cf").splitlines()
    host.write_config("accounts.cf", "\n".join(
        line if not line.startswith(USER2)
        else USER2 + "|" + scram_hash(lab, "another") for line in text) + "\n")
    mark = host.mark()
    os.kill(pid, signal.SIGKILL)
    host.wait_log("auth.accounts", mark)

    def is_gone():
        try:
            client.noop()
        except (client.abort, client.error, OSError):
            return True
        return False
    wait_for("the session has ended", is_gone, 10)
    expect(other.noop()[0], "OK", "who did not change stays")
    other.logout()


@scenario
def a_webmail_speaks_for_its_user(lab):
    """A06: x-originating-ip of ID counts, from mynetworks alone and before the
    login."""
    before = lab.mta1.read_config("main.cf")
    lab.mta1.write_config("main.cf", re.sub(
        r"(?m)^mynetworks = .*$", "mynetworks = 127.0.0.2/32", before))

    def client_of(source, address, quoted='"{}"'):
        mark = lab.mta1.mark()
        with lab.mta1.raw("imaps", source=source) as raw:
            raw.start_tls(lab.mta1.tls())
            raw.line()
            raw.tagged("a", 'ID ("name" "x" "X-Originating-IP" '
                       + quoted.format(address) + ")")
            raw.tagged("b", f"LOGIN {USER2} wrong")
        lab.mta1.wait_log("auth.failed", mark)
        return re.search(r"ev=auth.failed .*client=(\S+)",
                         lab.mta1.log_since(mark)).group(1)
    wait_for("the settings are in force", lambda: client_of(
        "127.0.0.2", "192.0.2.7") == "192.0.2.7")
    expect(client_of("127.0.0.2", "2001:db8::7"), "2001:db8::7")
    expect(client_of("127.0.0.3", "192.0.2.7"), "127.0.0.3", "a stranger")
    for wrong in ("", "192.0.2", "192.0.2.7 user=x", "x" * 100):
        expect(client_of("127.0.0.2", wrong), "127.0.0.2", wrong)
    lab.mta1.write_config("main.cf", before)
    forget(lab.mta1)


@scenario
def stopping_waits_for_no_login(lab):
    """Nobody is left who could answer it, so it is answered at once."""
    host = lab.mta1
    mark = host.mark()
    guessers = []
    for i in range(4):
        raw = host.raw("imaps")
        raw.start_tls(host.tls())
        raw.line()
        raw.send(f"a LOGIN {USER2} unknown{i}\r\n".encode())
        guessers.append(raw)
    # auth has seen it: its answer is due in a second at the earliest.
    host.wait_log("auth.failed", mark)
    began = given()
    host.stop()
    took_s = given() - began
    for raw in guessers:
        raw.close()
    host.start()
    expect_true(took_s < 4, f"stopping took {took_s:.1f} s")


@scenario
def guessers_are_stopped_and_users_are_not(lab):
    """A06: over all protocols; a user from a known address gets in."""
    host = lab.mta1
    with host.submission(USER1):
        pass
    mark = host.mark()
    guessers = []
    for i in range(12):
        raw, _ = session(lab)
        token = base64.b64encode(f"\0{USER1}\0guess{i}".encode()).decode()
        raw.send(f"AUTH PLAIN {token}\r\n".encode())
        guessers.append(raw)
    for i in range(12):
        raw = host.raw("imaps")
        raw.start_tls(host.tls())
        raw.line()
        raw.send(f"a LOGIN {USER2} guess{i % 3}\r\n".encode())
        guessers.append(raw)
        raw = host.raw("imaps")
        raw.start_tls(host.tls())
        raw.line()
        raw.send(f"a LOGIN nobody{i}@example1.local x\r\n".encode())
        guessers.append(raw)
    # Of those at once auth has turned some away uncounted: a few more, slowly.
    for i in range(20):
        if "auth.blocked" in host.log_since(mark):
            break
        raw, _ = session(lab)
        with raw:
            token = base64.b64encode(f"\0{USER1}\0more{i}".encode()).decode()
            raw.send(f"AUTH PLAIN {token}\r\n".encode())
            raw.reply()
    host.wait_log("auth.blocked", mark)
    raw, _ = session(lab)
    with raw:
        token = base64.b64encode(f"\0{USER2}\0more".encode()).decode()
        expect(raw.say(f"AUTH PLAIN {token}"), 454, "a blocked guess")
    with host.submission(USER1):
        pass
    for raw in guessers:
        raw.close()


if __name__ == "__main__":
    main()
