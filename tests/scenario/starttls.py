#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Row S04 (RFC 3207 section 4.2, CVE-2011-0411): what is sent in the clear
behind STARTTLS is never executed, and TLS begins with an empty state."""

import socket

from frame import (Failed, expect, expect_true, main, scenario)

SMTP_COMMAND = b"STARTTLS\r\n"
SMTP_INJECTIONS = (b"EHLO injected.example\r\n", b"NOOP\r\n", b"RSET\r\n",
                   b"MAIL FROM:<a@b.example>\r\n",
                   b"EHLO x\r\nMAIL FROM:<a@b.example>\r\n"
                   b"RCPT TO:<user1@example1.local>\r\nDATA\r\n",
                   b"QUIT\r\n", b"\r\n", b"x")
QUIET_S = 0.3


def after_tls(raw, host, answer, what):
    """Either the server refused, or TLS is up and nothing was executed."""
    if not answer.startswith((b"220", b"a OK")):
        return False
    try:
        raw.start_tls(host.tls())
    except OSError:
        return False  # it dropped the connection
    raw.socket.settimeout(QUIET_S)
    try:
        extra = raw.socket.recv(1000)
    except TimeoutError:
        extra = None
    raw.socket.settimeout(10)
    if extra == b"":
        return False
    expect(extra, None, f"{what}: answered within TLS")
    return True


def smtp_session(host, service):
    raw = host.raw(service)
    raw.reply()
    expect(raw.say("EHLO client.example"), 250)
    return raw


@scenario
def smtp_in_one_segment(lab):
    for service in ("smtp", "submission"):
        for injection in SMTP_INJECTIONS:
            with smtp_session(lab.mta1, service) as raw:
                raw.send(SMTP_COMMAND + injection)
                answer = raw.line()
                if after_tls(raw, lab.mta1, answer, repr(injection)):
                    expect(raw.say("MAIL FROM:<a@b.example>"), 503,
                           "state was kept")
                    expect(raw.say("EHLO again.example"), 250)


@scenario
def smtp_split_at_every_octet(lab):
    octets = SMTP_COMMAND + b"EHLO injected.example\r\n"
    for i in range(1, len(octets)):
        with smtp_session(lab.mta1, "submission") as raw:
            raw.send(octets[:i])
            raw.send(octets[i:])
            answer = raw.line()
            after_tls(raw, lab.mta1, answer, f"split at {i}")


@scenario
def smtp_state_is_forgotten(lab):
    """EHLO, MAIL and RCPT of before do not live on within TLS."""
    with smtp_session(lab.mta1, "smtp") as raw:
        expect(raw.say("MAIL FROM:<a@b.example>"), 250)
        expect(raw.say("RCPT TO:<user1@example1.local>"), 250)
        code = raw.say("STARTTLS")
        if code == 503:
            return  # refused within a transaction: fine too
        expect(code, 220)
        raw.start_tls(lab.mta1.tls())
        expect_true(raw.say("DATA") in (503, 554), "DATA")
        expect(raw.say("MAIL FROM:<a@b.example>"), 503, "MAIL before EHLO")
        code, text = raw.say_text("EHLO client.example")
        expect(code, 250)
        expect_true("STARTTLS" not in text, "STARTTLS is offered twice")
        expect_true(raw.say("STARTTLS") in (502, 503, 554), "TLS in TLS")


@scenario
def smtp_after_a_failed_handshake(lab):
    with smtp_session(lab.mta1, "submission") as raw:
        expect(raw.say("STARTTLS"), 220)
        raw.send(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<u@e>\r\n" * 20)
        data = raw.rest_until_closed(quiet_s=5)
        expect_true(b"250" not in data and b"503" not in data,
                    f"commands were answered: {data!r}")
    expect_true(lab.mta1.is_ready(), "the host lives")


@scenario
def imap_in_one_segment(lab):
    for injection in (b"b NOOP\r\n", b"b CAPABILITY\r\n",
                      b"b LOGIN user1@example1.local password123\r\n",
                      b"b LOGOUT\r\n", b"b", b"\r\n"):
        with lab.mta1.raw("imap") as raw:
            raw.line()
            raw.send(b"a STARTTLS\r\n" + injection)
            answer = raw.line()
            if after_tls(raw, lab.mta1, answer, repr(injection)):
                lines = raw.tagged("c", "SELECT INBOX")
                expect_true(not lines[-1].startswith("c OK"),
                            f"logged in: {lines}")


def split_at_every_octet(host, service, command, injected, is_ready):
    """However the pieces come: nothing is answered within TLS."""
    octets = command + injected
    for i in range(1, len(octets)):
        with host.raw(service) as raw:
            raw.line()
            raw.send(octets[:i])
            raw.send(octets[i:])
            answer = raw.line()
            if not answer.startswith(is_ready):
                continue
            try:
                raw.start_tls(host.tls())
            except OSError:
                continue  # it dropped the connection
            raw.socket.settimeout(QUIET_S / 10)
            try:
                extra = raw.socket.recv(1000)
            except TimeoutError:
                continue
            expect(extra, b"", f"{service} split at {i}")


@scenario
def imap_and_pop3_split_at_every_octet(lab):
    split_at_every_octet(lab.mta1, "imap", b"a STARTTLS\r\n",
                         b"b CAPABILITY\r\n", b"a OK")
    split_at_every_octet(lab.mta1, "pop3", b"STLS\r\n", b"CAPA\r\n",
                         b"+OK")


@scenario
def imap_and_pop3_after_a_failed_handshake(lab):
    for service, command, injected in (
            ("imap", b"a STARTTLS\r\n", b"b CAPABILITY\r\n"),
            ("pop3", b"STLS\r\n", b"CAPA\r\n")):
        with lab.mta1.raw(service) as raw:
            raw.line()
            raw.send(command)
            expect_true(raw.line().startswith((b"a OK", b"+OK")), service)
            raw.send(injected * 50)
            data = raw.rest_until_closed()  # an alert, and the end
            for word in (b"CAPABILITY", b"+OK", b"-ERR", b"BAD", b"b "):
                expect_true(word not in data, f"{service}: {data!r}")
    expect_true(lab.mta1.is_ready(), "the host lives")


@scenario
def imap_needs_tls_for_passwords(lab):
    with lab.mta1.raw("imap") as raw:
        greeting = raw.line().decode()
        expect_true("LOGINDISABLED" in greeting, greeting)
        expect_true("AUTH=" not in greeting, greeting)
        lines = raw.tagged("a", "LOGIN user1@example1.local password123")
        expect_true(lines[-1].startswith("a NO"), lines[-1])
        lines = raw.tagged("b", "STARTTLS")
        expect_true(lines[-1].startswith("b OK"), lines[-1])
        raw.start_tls(lab.mta1.tls())
        lines = raw.tagged("c", "CAPABILITY")
        expect_true("LOGINDISABLED" not in lines[0], lines[0])
        expect_true("AUTH=PLAIN" in lines[0], lines[0])
        expect_true("STARTTLS" not in lines[0], lines[0])
        lines = raw.tagged("d", "STARTTLS")
        expect_true(not lines[-1].startswith("d OK"), lines[-1])


@scenario
def old_tls_is_refused(lab):
    """Row A09, RFC 8996."""
    import ssl
    for service in ("submissions", "imaps"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        try:
            with socket.create_connection(
                    ("127.0.0.1", lab.mta1.ports[service]), 5) as s:
                with context.wrap_socket(s):
                    raise Failed(f"{service}: TLS 1.1 is accepted")
        except ssl.SSLError:
            pass


if __name__ == "__main__":
    main(hosts=1)
