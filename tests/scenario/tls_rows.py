#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rows A09 (what TLS has had to give up), A10 (handshakes in pieces, odd names, damaged hellos) and A11 (tickets
and protocol names of another service)."""

import random
import re
import socket
import ssl
import subprocess

from frame import expect, expect_match, expect_true, main, need, scenario

SERVICES = ("submissions", "imaps")
NAME = "aaaaaaaa.example"
N_DAMAGED = 150


def client_context(lab, alpn=None, newest=True):
    context = lab.mta1.tls()
    context.check_hostname = False
    if not newest:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def hello(lab, name=NAME):
    """The octets of a ClientHello."""
    to, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context(lab).wrap_bio(to, out, server_hostname=name)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def shake(raw, context, in_pieces=False):
    """A handshake whose octets the test sends itself."""
    to, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(to, out, server_hostname="127.0.0.1")
    while True:
        try:
            tls.do_handshake()
            raw.send(out.read())
            return tls
        except ssl.SSLWantReadError:
            octets = out.read()
            if in_pieces:
                raw.send_slowly(octets)
            elif octets:
                raw.send(octets)
            got = raw.socket.recv(65536)
            if not got:
                raise ConnectionResetError("closed") from None
            to.write(got)


def still_serves(lab):
    for service in SERVICES:
        with lab.mta1.raw(service) as raw:
            raw.start_tls(client_context(lab))
            expect_true(raw.line().startswith((b"220", b"* OK")), service)


NO_EXTENDED_MASTER_SECRET = 1  # SSL_OP_..., which Python has no name for
WEAK = "ALL:COMPLEMENTOFALL:!ECDHE+AESGCM:!ECDHE+CHACHA20:@SECLEVEL=0"


def s_client(lab, service, *arguments, given="Q\n"):
    result = subprocess.run(
        [need("openssl"), "s_client", "-connect",
         f"127.0.0.1:{lab.mta1.ports[service]}", *arguments], text=True,
        input=given, capture_output=True, timeout=20, errors="replace")
    return result.stdout + result.stderr


def renegotiate(lab, service):
    """Until the alert has come; an R alone is a command of s_client, which does
    not bear the greeting while it handshakes."""
    with subprocess.Popen(
            [need("openssl"), "s_client", "-tls1_2", "-connect",
             f"127.0.0.1:{lab.mta1.ports[service]}"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
        text = ""

        def until(pattern):
            nonlocal text
            while not re.search(pattern, text, re.M):
                line = client.stdout.readline()
                expect_true(line, f"{service}: {text}")
                text += line.decode(errors="replace")
        until(r"^(220 |\* OK|\+OK)")
        client.stdin.write(b"R\n")
        client.stdin.flush()
        until("no renegotiation")
        client.kill()
    expect_match(text, "RENEGOTIATING", service)


@scenario
def what_tls_has_given_up_is_refused(lab):
    """A09, RFC 9325 and 7627: renegotiation, compression, early data, sessions
    without an extended master secret, weak ciphers."""
    for service in SERVICES:
        renegotiate(lab, service)
        text = s_client(lab, service, "-tls1_2")
        expect_match(text, "Compression: NONE", service)
        expect_match(text, "Secure Renegotiation IS supported", service)
        expect_match(text, "Extended master secret: yes", service)
        text = s_client(lab, service, "-tls1_3")
        expect_true("Max Early Data" not in text
                    or "Max Early Data: 0" in text, text)
        text = s_client(lab, service, "-tls1_2", "-cipher", WEAK)
        expect_match(text, r"Cipher is \(NONE\)", service)
        context = client_context(lab, newest=False)
        context.options |= NO_EXTENDED_MASTER_SECRET
        try:
            with lab.mta1.raw(service, 5) as raw:
                raw.start_tls(context)
                text = raw.socket.recv(100)
        except OSError:
            text = b""
        expect(text, b"", f"{service}: without an extended master secret")


@scenario
def a_handshake_octet_by_octet(lab):
    """A10: TCP promises no borders, at no port."""
    for newest in (True, False):
        for service in SERVICES:
            with lab.mta1.raw(service) as raw:
                shake(raw, client_context(lab, newest=newest), True)
        for service, ask, tell in (("submission", b"EHLO x", b"STARTTLS"),
                                   ("imap", b"a NOOP", b"b STARTTLS")):
            with lab.mta1.raw(service) as raw:
                for command in (None, ask, tell):
                    if command:
                        raw.send(command + b"\r\n")
                    line = raw.line()
                    while line[3:4] == b"-":
                        line = raw.line()
                shake(raw, client_context(lab, newest=newest), True)


@scenario
def names_of_servers_that_are_none(lab):
    """A10, CVE-2019-15846: empty, NUL, backslash, dots, 8-bit."""
    whole = hello(lab)
    expect(whole.count(NAME.encode()), 1)
    n = len(NAME)
    for name in (b"\0" * n, b"a" * (n - 1) + b"\\", b"." * n, b"\xff" * n,
                 b"\r\n" * (n // 2), b"../" * 5 + b"x", b"%s" * (n // 2),
                 b"a" * (n - 1) + b"\0"):
        for service in SERVICES:
            with lab.mta1.raw(service, 5) as raw:
                raw.send(whole.replace(NAME.encode(), name))
                answer = raw.socket.recv(5)
                # A ServerHello, or an alert; both are records of TLS.
                expect_true(answer[:2] in (b"\x16\x03", b"\x15\x03", b""),
                            f"{name!r}: {answer!r}")
    still_serves(lab)


@scenario
def damaged_hellos(lab):
    """A10: records of wrong length and type, and random damage."""
    seed = random.SystemRandom().randrange(10 ** 9)
    rng = random.Random(seed)
    whole = hello(lab)
    mark = lab.mta1.mark()
    cases = [b"\x16\x03\x01\xff\xff" + whole[5:], b"\x16\x03\x01\0\0" * 50,
             b"\x15\x03\x01\0\2\1\0" * 100, b"\x80\x2e\1\0\2" + b"x" * 60,
             b"\x17\x03\x03\0\5hello", b"\x14\x03\x03\0\1\1" * 20,
             whole[:9] + b"\xff\xff\xff" + whole[12:], whole * 3,
             b"\x18\x03\x02\0\3\1\x40\0", b"EHLO x\r\n", b"\0" * 5000]
    for _ in range(N_DAMAGED):
        damaged = bytearray(whole)
        for _ in range(rng.randrange(1, 9)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        cases.append(bytes(damaged[:rng.randrange(1, len(damaged) + 1)]))
    for i, octets in enumerate(cases):
        with lab.mta1.raw(SERVICES[i % 2], 5) as raw:
            try:
                raw.send(octets)
                raw.socket.shutdown(socket.SHUT_WR)
                answer = raw.socket.recv(7)
            except OSError:
                continue
            expect_true(answer[:1] in (b"", b"\x15", b"\x16"),
                        f"seed {seed}, {i}: {answer!r}")
    still_serves(lab)
    expect_true("role.ended" not in lab.mta1.log_since(mark), f"seed {seed}")


@scenario
def a_ticket_of_one_service_is_nothing_at_another(lab):
    """A11"""
    context = client_context(lab)

    def session_of(service, session=None):
        with socket.create_connection(
                ("127.0.0.1", lab.mta1.ports[service]), 5) as plain:
            with context.wrap_socket(plain, server_hostname="127.0.0.1",
                                     session=session) as tls:
                tls.recv(1000)  # a ticket of TLS 1.3 comes before it
                return tls.session, tls.session_reused
    for one, other in (SERVICES, SERVICES[::-1]):
        session, _ = session_of(one)
        if session is None or not session.has_ticket:
            continue  # none is given: nothing to misuse
        _, is_reused = session_of(other, session)
        expect(is_reused, False, f"a session of {one} at {other}")


@scenario
def names_of_other_protocols_end_the_handshake(lab):
    """A11, RFC 7301 3.2 (ALPACA): no_application_protocol."""
    for service, own in (("submissions", "smtp"), ("imaps", "imap")):
        with lab.mta1.raw(service) as raw:
            tls = shake(raw, client_context(lab, [own]))
            expect(tls.selected_alpn_protocol(), own)
        with lab.mta1.raw(service) as raw:
            tls = shake(raw, client_context(lab, ["h2", own]))
            expect(tls.selected_alpn_protocol(), own)
        for names in (["h2", "http/1.1"], ["ftp"]):
            with lab.mta1.raw(service) as raw:
                try:
                    shake(raw, client_context(lab, names))
                except ssl.SSLError as error:
                    expect_true("no application protocol" in str(error),
                                f"{service} {names}: {error}")
                    continue
                expect_true(False, f"{service} takes {names}")


if __name__ == "__main__":
    main(hosts=1)
