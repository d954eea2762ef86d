#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Servers and name servers that cheat, seen from the client's side: S27, D08,
D09, and S02, S20 (what addresses of strangers become at the next hop)."""

import contextlib
import json
import struct
import time

from frame import (Sink, expect, expect_match, expect_true, given, main,
                   message, scenario, wait_for)
from frame_dns import A, CNAME, MX, NameServer, wire_name

USER1 = "user1@example1.local"
FLOOD_LINES = 100_000
LONG_LINE = 20_000_000
PROMPT_S = 8

sinks = {}


class Hostile(Sink):
    """At one verb it does what no server may do."""

    def __init__(self, verb, act):
        self.verb, self.act = verb, act
        super().__init__()

    def session(self, connection, reader):
        act, verb = self.act, self.verb
        if verb == "banner":
            act(connection, reader)
            return
        connection.sendall(b"220 hostile.example ESMTP\r\n")
        while True:
            line = reader.readline().rstrip(b"\r\n").decode("latin-1")
            if not line:
                return
            self.commands.append(line)
            word = line.split(" ")[0].upper()
            if word == verb:
                act(connection, reader)
                return
            if word == "DATA":
                connection.sendall(b"354 go on\r\n")
                content = b""
                while not content.endswith(b"\r\n.\r\n"):
                    more = reader.read(1)
                    if not more:
                        return
                    content += more
                if verb == "dot":
                    act(connection, reader)
                    return
            connection.sendall(b"250 ok\r\n")


def say(octets):
    return lambda connection, reader: connection.sendall(octets)


def flood(connection, reader):
    for _ in range(FLOOD_LINES // 1000):
        connection.sendall(b"250-x\r\n" * 1000)


def long_line(connection, reader):
    for _ in range(LONG_LINE // 100_000):
        connection.sendall(b"2" * 100_000)


def drip(connection, reader):
    connection.settimeout(1)
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(b"2")
            time.sleep(0.5)


# What each does; none of it may make a bounce, nor lose the message.
CASES = {
    "flood-banner": ("banner", flood),
    "flood-ehlo": ("EHLO", flood),
    "long-line": ("EHLO", long_line),
    "bad-code": ("MAIL", say(b"2x0 ok\r\n")),
    "no-code": ("banner", say(b"hello there\r\n")),
    "high-code": ("MAIL", say(b"999 ok\r\n")),
    "mismatch": ("EHLO", say(b"250-x\r\n550 y\r\n")),
    "early-421": ("RCPT", say(b"421 4.3.2 bye\r\n")),
    "data-421": ("dot", say(b"421 4.3.2 bye\r\n")),
    "drop-at-dot": ("dot", lambda connection, reader: None),
    "nul": ("EHLO", say(b"250 a\0b\r\n")),
    "drip": ("banner", drip),
}

LOOP = b"\xc0\x0c"  # a pointer to the question; as RDATA of itself below
HEAD = struct.Struct(">HHHHH")


def packet(query, records, n=1, identity=None, flags=0x8180):
    return ((identity or query[:2])
            + HEAD.pack(flags, 1, n, 0, 0) + query[12:] + records)


def raw_mx(rdata, length=None):
    length = len(rdata) if length is None else length
    return (b"\xc0\x0c" + struct.pack(">HHIH", MX, 1, 60, length) + rdata)


def other_id(query):
    return bytes([query[0] ^ 255, query[1]])


PREFERENCE = struct.pack(">H", 10)
evil_mx = raw_mx(PREFERENCE + wire_name("mx.evil.example"))
# Answers that are no answers: mail waits (RFC 1035, 5321 5.1), no bounce.
ANSWERS = {
    "short-mx": lambda q: [packet(q, raw_mx(b"\0"))],
    "no-mx": lambda q: [packet(q, raw_mx(b""))],
    "rdlength": lambda q: [packet(q, raw_mx(PREFERENCE + b"\1x\0", 200))],
    "ring": lambda q: [packet(q, raw_mx(
        PREFERENCE + struct.pack(">H", 0xc000 | (len(q) + 14))))],
    "forward": lambda q: [packet(q, raw_mx(PREFERENCE + b"\xff\xff"))],
    "to-header": lambda q: [packet(q, raw_mx(PREFERENCE + b"\xc0\x00"))],
    "label-64": lambda q: [packet(q, raw_mx(
        PREFERENCE + bytes([64]) + b"x" * 64 + b"\0"))],
    "name-256": lambda q: [packet(q, raw_mx(
        PREFERENCE + (b"\x3f" + b"x" * 63) * 4 + b"\0"))],
    "count": lambda q: [packet(q, evil_mx, n=60000)],
    "other-id": lambda q: [packet(q, evil_mx, identity=other_id(q))],
    "query": lambda q: [packet(q, evil_mx, flags=0x0100)],
    "silence": lambda q: [],
}


def zone():
    names = {("null.example", MX): ["."],
             ("self.example", MX): ["mta1.example1.local"],
             ("mta1.example1.local", A): ["127.0.0.1"],
             ("mx.evil.example", A): ["127.0.0.66"],
             ("many.example", MX): [f"m{i}.x.example" for i in range(25)],
             ("cname.example", CNAME): ["null.example"]}
    for i in range(25):
        names[(f"m{i}.x.example", A)] = [f"127.0.99.{i + 1}"]
    for name, made in ANSWERS.items():
        names[(f"{name}.evil.example", MX)] = made
        names[(f"{name}.evil.example", A)] = lambda q: []
    return names


def setup(lab):
    server = NameServer(zone())
    lab.mta1.environment["ESTAFETA_DNS_SERVERS"] = server.address
    for name, (verb, act) in CASES.items():
        sinks[name] = Hostile(verb, act)
        lab.route_to_sink(sinks[name], f"{name}.example")
    sinks["good"] = Sink()
    lab.route_to_sink(sinks["good"], "good.example")


def submit(lab, recipients, **options):
    message_id, content = message(recipient="x@good.example", **options)
    lab.mta1.submit(USER1, recipients, content)
    return message_id, content


def deferred(lab):
    """{address: reason} of those who were tried and wait."""
    result = lab.mta1.ctl("-j", name="postqueue")
    return {recipient["address"]: recipient["delay_reason"]
            for line in result.stdout.splitlines()
            for recipient in json.loads(line)["recipients"]
            if recipient.get("delay_reason")}


def bounces(lab):
    """Reports that came to the sender."""
    found = []
    for path in lab.mta1.files(USER1):
        with open(path, "rb") as file:
            content = file.read()
        if b"multipart/report" in content:
            found.append(content)
    return found


@scenario
def servers_that_cheat_cost_no_mail_and_hold_nobody_up(lab):
    """S27: the outcome is unclear or bad: it waits, and others do not."""
    for name in CASES:
        submit(lab, f"x@{name}.example")
    began = given()
    message_id, _ = submit(lab, "x@good.example")
    wait_for("the good one", lambda: any(
        message_id.encode() in m[2] for m in sinks["good"].messages), 10)
    expect_true(given() - began < PROMPT_S, "it was held up")
    for name in CASES:
        wait_for(f"a connection to {name}", lambda name=name:
                 sinks[name].n_connections > 0, 15)
    for name in CASES:
        if name == "drip":
            continue  # its reply is not over: minutes
        wait_for(f"{name} is deferred", lambda name=name:
                 f"x@{name}.example" in deferred(lab), 15)
    expect(bounces(lab), [], "reports about what may still be delivered")
    for role, kib in resident_kib(lab).items():
        expect_true(kib < 60_000, f"{role} has {kib} KiB")


def resident_kib(lab):
    found = {}
    for pid, role in lab.mta1.processes().items():
        if role not in ("mta/out", "mta/queue"):
            continue
        with open(f"/proc/{pid}/smaps_rollup") as file:
            for line in file:
                if line.startswith("Pss:"):
                    found[role] = int(line.split()[1])
    return found


@scenario
def odd_addresses_go_on_as_plain_strings(lab):
    """S20: no pipe, no file, no expansion; S02: the next hop sees them as the
    client wrote them."""
    odd = ['"|id"', "/etc/passwd", '":include:/etc/passwd"', "${run{id}}",
           "-oX", '"a b"', "a`id`", "$(id)", "%s%n"]
    for local in odd:
        with lab.mta1.submission(USER1) as client:
            code, text = client.docmd(f"MAIL FROM:<{USER1}>")
            expect(code, 250, f"{text!r}")
            code, text = client.docmd(f"RCPT TO:<{local}@good.example>")
            if code != 250:
                expect_true(500 <= code < 600, f"{local}: {code} {text!r}")
                continue
            expect(client.docmd("DATA")[0], 354)
            client.send(b"Subject: odd\r\n\r\nx\r\n.\r\n")
            expect(client.getreply()[0], 250)
        # RFC 5321 4.1.2: quotes that are not needed may go.
        wanted = tuple(f"RCPT TO:<{text}@good.example>"
                       for text in (local, local.strip('"')))
        wait_for(f"{wanted} at the next hop", lambda wanted=wanted: any(
            command.startswith(wanted)
            for command in sinks["good"].commands), 10)


@scenario
def odd_senders_are_plain_strings(lab):
    """S20, CVE-2020-7247: refused, or in Return-Path as they are."""
    n_taken = 0
    for sender in (";id;", ";for i in 0 1 2;do id;done;", "|id", "`id`@x.example",
                   "$(id)@x.example", "${run{id}}@x.example", "-oX@x.example",
                   "/etc/passwd", '"|id"@x.example', ":include:/etc/passwd"):
        message_id, content = message(recipient=USER1)
        with lab.mta1.raw() as raw:
            expect(raw.reply()[0], 220)
            expect(raw.say("EHLO client.example"), 250)
            code = raw.say(f"MAIL FROM:<{sender}>")
            if code != 250:
                expect_true(500 <= code < 560, f"{sender}: {code}")
                continue
            n_taken += 1
            expect(raw.say(f"RCPT TO:<{USER1}>"), 250)
            expect(raw.say("DATA"), 354)
            raw.send(content + b".\r\n")
            expect(raw.reply()[0], 250)
        got = lab.mta1.wait_mail(USER1, message_id)
        path = got.split(b"\r\n", 1)[0].decode()
        expect_true(path in (f"Return-Path: <{sender}>",
                             "Return-Path: <" + sender.replace('"', "") + ">"),
                    f"{sender}: {path}")
    expect_true(n_taken > 2, "all were refused")


@scenario
def exchanges_that_are_none(lab):
    """D09: null MX: 556; ourselves: 5.4.6. Both once, to the sender."""
    submit(lab, ["x@null.example"])
    submit(lab, ["x@self.example"])
    wait_for("two reports", lambda: len(bounces(lab)) == 2, 15)
    text = b"\n".join(bounces(lab)).decode()
    expect_match(text, r"Status: 5\.1\.10", "RFC 7505 4.2")
    expect_match(text, r"Status: 5\.4\.6", "RFC 5321 5.1")
    # Twenty-five more, whose addresses are all of this host: a loop, too.
    submit(lab, ["x@many.example"])
    wait_for("the third report", lambda: len(bounces(lab)) == 3, 15)


@scenario
def answers_that_are_none_make_mail_wait(lab):
    """D08: whatever the name server says, nothing bounces, nobody crashes, and
    no host of a forged answer is spoken to."""
    before = len(bounces(lab))
    mark = lab.mta1.mark()
    for name in ANSWERS:
        submit(lab, f"x@{name}.evil.example")
    message_id, _ = submit(lab, "x@good.example")
    wait_for("the good one", lambda: any(
        message_id.encode() in m[2] for m in sinks["good"].messages), 10)
    for name in ANSWERS:
        if name in ("silence", "other-id", "query"):
            continue  # the resolver asks again for a while
        wait_for(f"{name} waits", lambda name=name:
                 f"x@{name}.evil.example" in deferred(lab), 20)
    expect(len(bounces(lab)), before, "reports")
    log = lab.mta1.log_since(mark)
    expect_true("role.ended" not in log, "a role died")
    for name in ("other-id", "query"):
        for line in log.splitlines():
            expect_true(not (name in line and "127.0.0.66" in line),
                        f"a forged answer was believed: {line}")


if __name__ == "__main__":
    main(hosts=1, setup=setup)
