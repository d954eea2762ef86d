#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Row A10: handshakes that no library would make, octet by octet (RFC 8446 5
and 6, RFC 5246 6 and 7): records of wrong length, type, order and number,
alerts without end, a Finished that is wrong, ClientHellos in fragments.

Each is answered by an alert or the end of the connection, in time; nothing
crashes, and others are served meanwhile."""

import os
import socket
import ssl
import struct
import time

from frame import expect, expect_true, given, main, scenario

SERVICES = ("submissions", "imaps", "smtp")
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA, HEARTBEAT = 20, 21, 22, 23, 24
PATIENCE_S = 8


def record(kind, octets, version=0x0301):
    return struct.pack(">BHH", kind, version, len(octets)) + octets


def message(kind, body):
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def context_of(lab, newest=True):
    context = lab.mta1.tls()
    context.check_hostname = False
    if not newest:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def hello_of(lab, newest=True, name="x.example"):
    """The handshake message, without its record."""
    to, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context_of(lab, newest).wrap_bio(to, out, server_hostname=name)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()[5:]


def hello_with(extensions, session=b"", ciphers=b"\x13\x01\xc0\x2b"):
    return message(1, b"\x03\x03" + os.urandom(32) + bytes([len(session)])
                   + session + struct.pack(">H", len(ciphers)) + ciphers
                   + b"\x01\x00" + struct.pack(">H", len(extensions))
                   + extensions)


def extension(kind, body):
    return struct.pack(">HH", kind, len(body)) + body


def open_raw(lab, service):
    raw = lab.mta1.raw(service, PATIENCE_S)
    if service == "smtp":
        raw.reply()
        raw.say("EHLO x")
        expect(raw.say("STARTTLS"), 220)
    return raw


def answer(raw):
    """All until the server ends the connection."""
    octets = b""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            more = raw.socket.recv(65536)
        except (ConnectionError, socket.timeout) as fault:
            expect_true(isinstance(fault, ConnectionError), "it waits")
            return octets
        if not more:
            return octets
        octets += more
    return None


def alerts(octets):
    """The descriptions of alerts that are not encrypted."""
    found, at = [], 0
    while at + 5 <= len(octets):
        kind, _, n = struct.unpack(">BHH", octets[at:at + 5])
        if kind == ALERT and n == 2:
            found.append(octets[at + 6])
        at += 5 + n
    return found


UNEXPECTED_MESSAGE, RECORD_OVERFLOW, HANDSHAKE_FAILURE = 10, 22, 40
ILLEGAL_PARAMETER, DECODE_ERROR, PROTOCOL_VERSION = 47, 50, 70


def cases(lab):
    """name: (octets, alerts that fit; none: any end will do)."""
    hello = hello_of(lab)
    return {
        "a record of nothing, again and again":
            (record(HANDSHAKE, b"") * 2000 + record(HANDSHAKE, hello), ()),
        "a record that is too long": (
            struct.pack(">BHH", HANDSHAKE, 0x0301, 0xffff) + b"x" * 70000,
            (RECORD_OVERFLOW, UNEXPECTED_MESSAGE, DECODE_ERROR)),
        "one octet more than may be": (
            record(HANDSHAKE, b"\1" + b"\0\x48\1" + b"x" * 18429), ()),
        "data before the handshake": (record(DATA, b"MAIL FROM:<>\r\n"),
                                      (UNEXPECTED_MESSAGE,)),
        "heartbeats": (record(HEARTBEAT, b"\1\x40\0" + b"x" * 16) * 50, ()),
        "a record of no known type": (record(99, b"x"),
                                      (UNEXPECTED_MESSAGE,)),
        "ChangeCipherSpec first": (record(CHANGE_CIPHER_SPEC, b"\1") * 100,
                                   ()),
        "warnings without end": (record(ALERT, b"\1\x5a") * 5000, ()),
        "a fatal alert": (record(ALERT, b"\2\x28"), ()),
        "an alert in two pieces": (record(ALERT, b"\2") * 2, ()),
        "another message than ClientHello": (
            record(HANDSHAKE, message(2, b"x" * 40)), ()),
        "Finished first": (record(HANDSHAKE, message(20, b"x" * 12)), ()),
        "a message of 16 MiB": (
            record(HANDSHAKE, b"\1\xff\xff\xff" + b"x" * 16000) * 3, ()),
        "a session id of 33 octets": (
            record(HANDSHAKE, hello_with(b"", b"s" * 33)), (DECODE_ERROR,)),
        "no ciphers": (record(HANDSHAKE, hello_with(b"", b"", b"")), ()),
        "ciphers of odd length": (
            record(HANDSHAKE, hello_with(b"", b"", b"\x13\x01\x13")), ()),
        "an extension longer than all": (
            record(HANDSHAKE, hello_with(struct.pack(">HH", 0, 9999) + b"x")),
            (DECODE_ERROR,)),
        "an extension twice": (
            record(HANDSHAKE, hello_with(extension(10, b"\0\2\0\x1d") * 2)),
            ()),
        "a name of 60,000 octets": (b"".join(
            record(HANDSHAKE, part) for part in pieces(hello_with(extension(
                0, struct.pack(">HBH", 60003, 0, 60000) + b"a" * 60000)),
                16000)), ()),
        "4,000 extensions": (b"".join(
            record(HANDSHAKE, part) for part in pieces(hello_with(b"".join(
                extension(0x5000 + i, b"") for i in range(4000))), 16000)),
            ()),
        "two ClientHellos": (record(HANDSHAKE, hello + hello), ()),
        "SSL 2": (b"\x80\x2e\x01\x00\x02" + b"\0" * 41, ()),
        "HTTP": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", ()),
    }


def pieces(octets, n):
    return [octets[i:i + n] for i in range(0, len(octets), n)]


def still_serves(lab, service):
    with open_raw(lab, service) as raw:
        raw.start_tls(context_of(lab))
        if service == "smtp":
            expect(raw.say("EHLO x"), 250, service)
        else:
            expect_true(raw.line().startswith((b"220", b"* OK")), service)


def roles(lab):
    return {role: pid for pid, role in lab.mta1.processes().items()
            if role in ("mta/in", "mda/front")}


@scenario
def what_is_no_handshake_ends(lab):
    before = roles(lab)
    for service in SERVICES:
        for name, (octets, fits) in cases(lab).items():
            with open_raw(lab, service) as raw:
                try:
                    raw.send(octets)
                except ConnectionError:
                    pass  # it has heard enough
                try:
                    raw.socket.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                got = answer(raw)
            expect_true(got is not None, f"{service}, {name}: no end")
            told = alerts(got)
            expect_true(not fits or not told or set(told) & set(fits),
                        f"{service}, {name}: alerts {told}")
        still_serves(lab, service)
    expect(roles(lab), before, "the same processes")


@scenario
def what_is_no_handshake_ends_without_waiting_for_more(lab):
    """The same without the end of our side: the server must not wait."""
    for name in ("data before the handshake", "a record of no known type",
                 "a session id of 33 octets", "another message than "
                 "ClientHello", "an extension longer than all"):
        octets = cases(lab)[name][0]
        with open_raw(lab, "submissions") as raw:
            raw.send(octets)
            began = given()
            expect_true(answer(raw) is not None, name)
            expect_true(given() - began < 5, f"{name}: it waits")


@scenario
def a_client_hello_in_fragments(lab):
    """RFC 8446 5.1: a message may be in many records; of one octet, too."""
    for service in SERVICES:
        for size in (1, 3, 50):
            to, out = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context_of(lab).wrap_bio(to, out,
                                           server_hostname="x.example")
            with open_raw(lab, service) as raw:
                is_first = True
                while True:
                    try:
                        tls.do_handshake()
                        raw.send(out.read())
                        break
                    except ssl.SSLWantReadError:
                        octets = out.read()
                        if is_first:
                            octets = b"".join(
                                record(HANDSHAKE, part)
                                for part in pieces(octets[5:], size))
                        is_first = False
                        raw.send(octets)
                        got = raw.socket.recv(65536)
                        expect_true(got, f"{service}, pieces of {size}")
                        to.write(got)
                expect_true(tls.version(), f"{service}, pieces of {size}")


def handshake_with(lab, raw, newest, change):
    """change(octets) makes the client's second flight another one."""
    to, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context_of(lab, newest).wrap_bio(to, out,
                                           server_hostname="x.example")
    n_flights = 0
    while True:
        is_done = True
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            is_done = False
        octets = out.read()
        if octets:
            n_flights += 1
            if n_flights == 2:
                try:
                    raw.send(change(octets))
                    raw.socket.shutdown(socket.SHUT_WR)
                except OSError:
                    pass  # it has heard enough
                return answer(raw)
            raw.send(octets)
        if is_done:
            return answer(raw)
        got = raw.socket.recv(65536)
        if not got:
            return b""
        to.write(got)


@scenario
def a_finished_that_is_wrong(lab):
    def bad_octet(at):
        return lambda o: o[:at] + bytes([o[at] ^ 1]) + o[at + 1:]
    changes = {
        "the last octet": bad_octet(-2),
        "half of it, and the end": lambda o: o[:len(o) // 2],
        "data in its place": lambda o: record(DATA, os.urandom(40), 0x0303),
        "it comes twice": lambda o: o + o,
        "nothing but ChangeCipherSpec":
            lambda o: record(CHANGE_CIPHER_SPEC, b"\1", 0x0303) * 40,
    }
    before = roles(lab)
    for service in SERVICES:
        for newest in (True, False):
            for name, change in changes.items():
                with open_raw(lab, service) as raw:
                    got = handshake_with(lab, raw, newest, change)
                    expect_true(got is not None,
                                f"{service}, {name}, {newest}: no end")
                    # TLS 1.3 lets a server speak before it has heard the
                    # client's Finished, but encrypted, and no more after it.
                    expect_true(b"220 " not in got and b"OK [" not in got,
                                f"{service}, {name}")
        still_serves(lab, service)
    expect(roles(lab), before, "the same processes")


if __name__ == "__main__":
    main()
