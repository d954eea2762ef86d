#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Row A10: handshakes that are well formed and still wrong, at every port that
speaks TLS, at once or by STARTTLS: each ends with the alert that RFC 8446, 5246
or 7507 names, and nothing is answered behind it. Those that are merely odd (a
group that must be asked for again, a session that nobody knows) succeed as far
as one can see without keys."""

import os
import struct

from frame import expect, expect_true, main, scenario

# service: what makes it ready for a ClientHello; () at once.
SERVICES = {
    "submissions": (), "imaps": (), "pop3s": (),
    "smtp": (b"EHLO x.example\r\n", b"STARTTLS\r\n"),
    "submission": (b"EHLO x.example\r\n", b"STARTTLS\r\n"),
    "imap": (b"a STARTTLS\r\n",), "pop3": (b"STLS\r\n",),
}
PATIENCE_S = 8
CCS, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23
CLIENT_HELLO, SERVER_HELLO, CERTIFICATE, SERVER_HELLO_DONE = 1, 2, 11, 14
CLIENT_KEY_EXCHANGE, FINISHED = 16, 20
UNEXPECTED_MESSAGE, HANDSHAKE_FAILURE, ILLEGAL_PARAMETER = 10, 40, 47
DECODE_ERROR, PROTOCOL_VERSION, INAPPROPRIATE_FALLBACK = 50, 70, 86
INTERNAL_ERROR, MISSING_EXTENSION = 80, 109
# RFC 8446 4.1.3: the random of a ServerHello that asks for another hello.
AGAIN = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891"
                      "c2a211167abb8c5e079e09e2c8a8339c")
X25519, P256, FFDHE2048 = 29, 23, 256
GROUPS, SIGNATURES, MASTER_SECRET, PSK, EARLY = 10, 13, 23, 41, 42
VERSIONS, PSK_MODES, SHARES = 43, 45, 51
NEW_CIPHERS = (0x1301, 0x1302, 0x1303)
OLD_CIPHERS = (0xc02b, 0xc02c, 0xcca9, 0xc02f)
WEAK_CIPHERS = (0x0000, 0x0005, 0x000a, 0x0003, 0xc009, 0xc013)
FALLBACK_SCSV = 0x5600  # RFC 7507


def vector(octets, width):
    return len(octets).to_bytes(width, "big") + octets


def shorts(*numbers):
    return struct.pack(f">{len(numbers)}H", *numbers)


def record(kind, octets, version=0x0303):
    return struct.pack(">BHH", kind, version, len(octets)) + octets


def message(kind, body):
    return record(HANDSHAKE, bytes([kind]) + vector(body, 3))


def share(group=X25519, key=None):
    return shorts(group) + vector(os.urandom(32) if key is None else key, 2)


def hello(extensions, ciphers=NEW_CIPHERS, version=0x0303, compression=b"\0",
          random=None):
    """A ClientHello with these extensions, in their order."""
    body = (shorts(version) + (random or os.urandom(32)) + vector(b"", 1)
            + vector(shorts(*ciphers), 2) + vector(compression, 1)
            + vector(b"".join(shorts(kind) + vector(text, 2)
                              for kind, text in extensions.items()), 2))
    return message(CLIENT_HELLO, body)


def new(without=None, **options):
    """Of TLS 1.3. options: of hello(), or `more` and `instead` extensions."""
    extensions = {
        VERSIONS: vector(shorts(0x0304), 1),
        GROUPS: vector(shorts(X25519, P256), 2),
        SIGNATURES: vector(shorts(0x0403, 0x0804, 0x0401), 2),
        SHARES: vector(share(), 2),
    }
    extensions.update(options.pop("instead", {}))
    extensions.pop(without, None)
    extensions.update(options.pop("more", {}))
    return hello(extensions, **options)


def old(ciphers=OLD_CIPHERS, **options):
    """Of TLS 1.2."""
    return hello({GROUPS: vector(shorts(X25519, P256), 2),
                  SIGNATURES: vector(shorts(0x0403, 0x0804, 0x0401), 2),
                  MASTER_SECRET: b""}, ciphers, **options)


def ticket(binder=32):
    """RFC 8446 4.2.11: one identity, one binder."""
    return (vector(vector(os.urandom(80), 2) + b"\0\0\0\0", 2)
            + vector(vector(os.urandom(binder), 1), 2))


OFF_THE_CURVE = b"\x04" + b"\x01" * 64
MODES = vector(b"\x01", 1)
# name: (hello, alerts that fit)
REFUSED = {
    "no group in common": (
        new(instead={GROUPS: vector(shorts(FFDHE2048), 2),
                     SHARES: vector(b"", 2)}), {HANDSHAKE_FAILURE}),
    "no cipher in common": (new(ciphers=(0x13ff,)), {HANDSHAKE_FAILURE}),
    "no signature algorithms": (new(without=SIGNATURES),
                                {MISSING_EXTENSION}),
    "no groups": (new(without=GROUPS), {MISSING_EXTENSION}),
    "no share": (new(without=SHARES), {MISSING_EXTENSION}),
    "a share of a group that is not offered": (
        new(instead={GROUPS: vector(shorts(X25519), 2),
                     SHARES: vector(share(P256, OFF_THE_CURVE), 2)}),
        {ILLEGAL_PARAMETER}),
    "a share of 31 octets": (
        new(instead={SHARES: vector(share(X25519, b"x" * 31), 2)}),
        {ILLEGAL_PARAMETER}),
    "a share of nothing": (
        new(instead={SHARES: vector(share(X25519, b""), 2)}),
        {ILLEGAL_PARAMETER, DECODE_ERROR}),
    "a share whose secret is zero": (  # RFC 8446 7.4.2
        new(instead={SHARES: vector(share(X25519, bytes(32)), 2)}),
        {ILLEGAL_PARAMETER, INTERNAL_ERROR}),
    "a point that is not on the curve": (
        new(instead={SHARES: vector(share(P256, OFF_THE_CURVE), 2)}),
        {ILLEGAL_PARAMETER}),
    "a share that ends too early": (
        new(instead={SHARES: vector(shorts(X25519, 32) + b"x" * 9, 2)}),
        {DECODE_ERROR}),
    "compression": (new(compression=b"\1\0"), {ILLEGAL_PARAMETER}),
    "a session that is not the last extension": (
        new(instead={VERSIONS: vector(shorts(0x0304), 1), PSK_MODES: MODES,
                     PSK: ticket(), EARLY: b""}), {ILLEGAL_PARAMETER}),
    "a session without modes": (new(more={PSK: ticket()}),
                                {MISSING_EXTENSION}),
    "no versions": (new(instead={VERSIONS: vector(b"", 1)}),
                    {DECODE_ERROR, PROTOCOL_VERSION}),
    "half a version": (new(instead={VERSIONS: vector(b"\3\4\3", 1)}),
                       {DECODE_ERROR, PROTOCOL_VERSION}),
    "TLS 1.1 at most": (new(instead={VERSIONS: vector(shorts(
        0x0302, 0x0301), 1)}), {PROTOCOL_VERSION}),
    "TLS 1.1, as one once said it": (old(version=0x0302), {PROTOCOL_VERSION}),
    "SSL 3": (  # which knew no alert of that name
        old(version=0x0300), {PROTOCOL_VERSION, HANDSHAKE_FAILURE}),
    "ciphers of nothing, RC4, DES, export and CBC": (
        old(ciphers=WEAK_CIPHERS), {HANDSHAKE_FAILURE}),
    "a fallback that nobody forced": (
        old(ciphers=OLD_CIPHERS + (FALLBACK_SCSV,)),
        {INAPPROPRIATE_FALLBACK}),
    "half a signature algorithm": (
        new(instead={SIGNATURES: vector(b"\4\3\4", 2)}), {DECODE_ERROR}),
    "more than the list of groups": (
        new(instead={GROUPS: vector(shorts(X25519), 2) + b"x"}),
        {DECODE_ERROR}),
}
GOOD_POINT = vector(os.urandom(32), 1)
KEY = message(CLIENT_KEY_EXCHANGE, GOOD_POINT)
# After the server's first flight of TLS 1.2, which has X25519.
SECOND_FLIGHTS = {
    "no key": (message(CLIENT_KEY_EXCHANGE, b""),
               {HANDSHAKE_FAILURE, DECODE_ERROR}),
    "a key of 31 octets": (
        message(CLIENT_KEY_EXCHANGE, vector(b"x" * 31, 1)), None),
    "a key whose secret is zero": (
        message(CLIENT_KEY_EXCHANGE, vector(bytes(32), 1)), None),
    "a key and more": (message(CLIENT_KEY_EXCHANGE, GOOD_POINT + b"x"),
                       {DECODE_ERROR}),
    "ChangeCipherSpec before the key": (  # CVE-2014-0224
        record(CCS, b"\1") + KEY, {UNEXPECTED_MESSAGE}),
    "Finished before the key": (message(FINISHED, os.urandom(12)),
                                {UNEXPECTED_MESSAGE}),
    "Finished without ChangeCipherSpec": (
        KEY + message(FINISHED, os.urandom(12)), {UNEXPECTED_MESSAGE}),
    "the key twice": (KEY + KEY, {UNEXPECTED_MESSAGE}),
    "a certificate that nobody asked for": (
        message(CERTIFICATE, vector(b"", 3)) + KEY, {UNEXPECTED_MESSAGE}),
    "another hello": (old(), {UNEXPECTED_MESSAGE}),
    "data": (record(DATA, b"MAIL FROM:<>\r\n"), {UNEXPECTED_MESSAGE}),
    "ChangeCipherSpec of two octets": (
        KEY + record(CCS, b"\1\1"), {DECODE_ERROR, ILLEGAL_PARAMETER,
                                     UNEXPECTED_MESSAGE}),
}


def opened(lab, service):
    raw = lab.mta1.raw(service, PATIENCE_S)
    commands = SERVICES[service]
    if commands:
        raw.line()
    for command in commands:
        raw.send(command)
        while raw.line()[3:4] == b"-":
            pass
    return raw


class Records:
    """What a server says before it encrypts."""

    def __init__(self, raw):
        self.raw, self.rest = raw, b""

    def record(self):
        """(kind, octets); None at the end of the connection."""
        try:
            head = self.raw.read(5)
            if len(head) < 5:
                return None
            kind, _, n = struct.unpack(">BHH", head)
            return kind, self.raw.read(n)
        except ConnectionError:
            return None

    def message(self):
        """The next handshake message: (kind, body), or (0, description) of an
        alert, or None."""
        while len(self.rest) < 4 or len(self.rest) < 4 + int.from_bytes(
                self.rest[1:4], "big"):
            got = self.record()
            if got is None:
                return None
            kind, octets = got
            if kind == ALERT:
                return 0, octets[1]
            if kind == HANDSHAKE:
                self.rest += octets
        n = 4 + int.from_bytes(self.rest[1:4], "big")
        one, self.rest = self.rest[:n], self.rest[n:]
        return one[0], one[4:]


def expect_alert(records, wanted, what):
    """An alert that fits (None: any, or the end), and then the end."""
    got = records.message()
    if got is None:
        expect(wanted, None, f"{what}: no alert")
        return
    expect(got[0], 0, f"{what}: it goes on with message {got[0]}")
    expect_true(wanted is None or got[1] in wanted,
                f"{what}: alert {got[1]}, not one of {wanted}")
    expect(records.record(), None, f"{what}: it goes on behind the alert")


def everywhere(function):
    """At each service; the same processes serve afterwards."""
    def run(lab):
        before = roles(lab)
        for service in SERVICES:
            function(lab, service)
            with opened(lab, service) as raw:
                context = lab.mta1.tls()
                context.check_hostname = False
                raw.start_tls(context)
        expect(roles(lab), before, "the same processes")
    run.__name__, run.__doc__ = function.__name__, function.__doc__
    return scenario(run)


def roles(lab):
    return {role: pid for pid, role in lab.mta1.processes().items()
            if role in ("mta/in", "mda/front")}


@everywhere
def hellos_that_are_wrong(lab, service):
    """A10: and how they are wrong is what the alert says."""
    for name, (octets, alerts) in REFUSED.items():
        with opened(lab, service) as raw:
            raw.send(octets)
            expect_alert(Records(raw), alerts, f"{service}, {name}")


@everywhere
def sessions_of_nobody_are_new_ones(lab, service):
    """A10, A11, RFC 8446 4.2.11: an unknown ticket is no error, and early data
    (RFC 8446 4.2.10, A09) does not become commands."""
    for name, more in (("a ticket", {}), ("early data", {EARLY: b""})):
        with opened(lab, service) as raw:
            raw.send(new(more={PSK_MODES: MODES, **more, PSK: ticket()}))
            if more:
                raw.send(record(DATA, os.urandom(64)) * 3)
            records = Records(raw)
            kind, body = records.message()
            expect(kind, SERVER_HELLO, f"{service}, {name}: alert {body}")
            expect_true(shorts(PSK) + b"\0\2\0\0" not in body[38:],
                        f"{service}, {name}: it was taken")


@everywhere
def another_hello_must_be_the_same(lab, service):
    """A10, RFC 8446 4.1.2, 4.1.4: none of its groups has a share, so it is
    asked again; the second differs in the share alone."""
    random = os.urandom(32)
    first = new(random=random, instead={SHARES: vector(b"", 2)})
    for name, second, alerts in (
            ("as it must be", new(random=random), None),
            ("again without a share", first, {ILLEGAL_PARAMETER}),
            ("of another group", new(random=random, instead={
                SHARES: vector(share(P256, OFF_THE_CURVE), 2)}),
             {ILLEGAL_PARAMETER}),
            ("other ciphers", new(random=random, ciphers=(0x1399,)),
             {ILLEGAL_PARAMETER, HANDSHAKE_FAILURE}),
            ("an older version", old(random=random),
             {ILLEGAL_PARAMETER, PROTOCOL_VERSION, UNEXPECTED_MESSAGE})):
        with opened(lab, service) as raw:
            raw.send(first)
            records = Records(raw)
            kind, body = records.message()
            expect((kind, body[2:34] if kind else body),
                   (SERVER_HELLO, AGAIN), f"{service}: it asks again")
            raw.send(second)
            if alerts is not None:
                expect_alert(records, alerts, f"{service}, {name}")
                continue
            kind, body = records.message()
            expect(kind, SERVER_HELLO, f"{service}, {name}: alert {body}")
            expect_true(body[2:34] != AGAIN, f"{service}: asked twice")


@everywhere
def second_flights_that_are_wrong(lab, service):
    """A10, RFC 5246 7.4: order and content of what TLS 1.2 has in the clear."""
    for name, (octets, alerts) in SECOND_FLIGHTS.items():
        with opened(lab, service) as raw:
            raw.send(old())
            records = Records(raw)
            kinds = []
            while SERVER_HELLO_DONE not in kinds:
                got = records.message()
                expect_true(got and got[0], f"{service}, {name}: {got}")
                kinds.append(got[0])
            raw.send(octets)
            expect_alert(records, alerts, f"{service}, {name}")


if __name__ == "__main__":
    main(hosts=1, main_cf="smtpd_client_connection_count_limit = 0\n")
