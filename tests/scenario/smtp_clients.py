#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who the client is, and how much it may do: the PROXY protocol and XCLIENT
(S25, C2), rates per client and per user (C14), errors, slow and foreign
clients (S07, S11, S16, F10)."""

import base64
import socket
import struct
import subprocess
import time
import os

from frame import (PASSWORD, Skipped, expect, expect_match, expect_true,
                   free_port, given, main, message, need, scenario, wait_for)

USER1 = "user1@example1.local"
MAIL = "MAIL FROM:<a@b.example>"
RCPT = f"RCPT TO:<{USER1}>"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def configure(lab, main_cf="", master_cf=""):
    """Own settings on top of the lab's, and waits for them."""
    host = lab.mta1
    if not hasattr(configure, "base"):
        configure.base = host.read_config("main.cf")
        configure.n = 0
        host.append("master.cf", "")
    configure.n += 1
    mark = f"edition {configure.n}"
    host.write_config("master.cf", master_cf)
    host.write_config("main.cf", configure.base + main_cf
                      + f"\nsmtpd_banner = {mark}\n")

    def look():
        with socket.create_connection(
                ("127.0.0.1", host.ports["submissions"]), 5) as plain:
            with host.tls().wrap_socket(
                    plain, server_hostname="127.0.0.1") as secure:
                return secure.recv(200).endswith(f"{mark}\r\n".encode())
    wait_for(f"{mark} is in force", look, 10)


def greeted(lab, service="smtp"):
    raw = lab.mta1.raw(service)
    expect(raw.reply()[0], 220)
    expect(raw.say("EHLO client.example"), 250)
    return raw


def v2(source="192.0.2.77", command=0x21, family=0x11, tail=b"", length=None):
    if family == 0x21:
        addresses = (socket.inet_pton(socket.AF_INET6, source)
                     + socket.inet_pton(socket.AF_INET6, "::1"))
    else:
        addresses = (socket.inet_pton(socket.AF_INET, source)
                     + socket.inet_pton(socket.AF_INET, "127.0.0.1"))
    body = addresses + struct.pack("!HH", 40000, 25) + tail
    return (SIGNATURE + bytes([command, family])
            + struct.pack("!H", len(body) if length is None else length)
            + body)


PROXY = ("smtp/inet/smtpd_upstream_proxy_protocol=haproxy\n"
         "smtp/inet/smtpd_upstream_proxy_networks=127.0.0.1\n"
         "smtp/inet/smtpd_upstream_proxy_timeout=1s\n")


@scenario
def proxy_headers_tell_the_client(lab):
    """S25"""
    configure(lab, master_cf=PROXY)
    headers = [
        (b"PROXY TCP4 192.0.2.77 127.0.0.1 40000 25\r\n", "192.0.2.77"),
        (b"PROXY TCP6 2001:db8::7 ::1 40000 25\r\n", "2001:db8::7"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        (v2(), "192.0.2.77"),
        (v2("2001:db8::7", family=0x21), "2001:db8::7"),
        (v2(tail=b"\x01\0\x04smtp"), "192.0.2.77"),
        (v2(command=0x20), "127.0.0.1"),
    ]
    for header, client in headers:
        for slowly in (False, True):
            mark = lab.mta1.mark()
            with lab.mta1.raw() as raw:
                (raw.send_slowly if slowly else raw.send)(header)
                expect(raw.reply()[0], 220, f"{header!r}")
                expect(raw.say("EHLO client.example"), 250)
                expect(raw.say(MAIL), 250)
                expect(raw.say("RCPT TO:<x@elsewhere.example>"), 554)
            lab.mta1.wait_log(f"rcpt.reject.*client={client}( |$)", mark)


@scenario
def bad_proxy_headers_close(lab):
    """S25: no answer at all."""
    bad = [
        b"EHLO client.example\r\n",
        b"PROXY TCP4 192.0.2.77 127.0.0.1 40000 25\n",
        b"PROXY TCP4 192.0.2.777 127.0.0.1 40000 25\r\n",
        b"PROXY UNKNOWN " + b"x" * 94 + b"\r\n",
        b"PROXY TCP4 " + b"1" * 3000,
        v2(length=11), v2(length=0xffff), v2(command=0x22),
        v2(family=0x12), v2(tail=b"\x01\xff\xff"),
        SIGNATURE + b"\x21\x11\0\x0c",  # and then nothing: slow
        b"",
    ]
    for header in bad:
        with lab.mta1.raw(timeout_s=5) as raw:
            raw.send(header)
            expect(raw.rest_until_closed(), b"", f"{header[:60]!r}")


@scenario
def a_proxy_of_a_stranger_is_closed(lab):
    """S25: only configured networks; others are not asked for a header."""
    configure(lab, master_cf=PROXY.replace("=127.0.0.1\n", "=192.0.2.1\n"))
    for header in (b"PROXY TCP4 192.0.2.77 127.0.0.1 40000 25\r\n", b""):
        with lab.mta1.raw(timeout_s=5) as raw:
            raw.send(header)
            expect(raw.rest_until_closed(), b"")
    configure(lab)
    with greeted(lab) as raw:  # at a port without the setting it is a command
        expect(raw.say("PROXY TCP4 192.0.2.77 127.0.0.1 40000 25"), 500)
        expect(raw.say("XCLIENT ADDR=192.0.2.77"), 550)


@scenario
def haproxy_in_front(lab):
    """C2: the real one, in TCP mode, sends both versions."""
    program = need("haproxy")
    configure(lab, master_cf=PROXY)
    ports = {"send-proxy": free_port(), "send-proxy-v2": free_port()}
    path = os.path.join(lab.directory, "haproxy.cfg")
    with open(path, "w") as file:
        file.write("defaults\n mode tcp\n timeout client 9s\n"
                   " timeout server 9s\n timeout connect 9s\n")
        for option, port in ports.items():
            file.write(f"listen l{port}\n bind 127.0.0.1:{port}\n"
                       f" source 127.0.0.1\n server mta 127.0.0.1:"
                       f"{lab.mta1.ports['smtp']} {option}\n")
    proxy = subprocess.Popen([program, "-f", path, "-db"],
                             stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    try:
        for port in ports.values():
            def connected():
                try:
                    return socket.create_connection(
                        ("127.0.0.1", port), 5, ("127.0.0.9", 0))
                except OSError:
                    return None
            mark = lab.mta1.mark()
            with wait_for("haproxy listens", connected, 10) as connection:
                connection.settimeout(5)
                expect(connection.recv(100)[:4], b"220 ")
                connection.sendall(b"HELO x\r\nMAIL FROM:<a@b.example>\r\n"
                                   b"RCPT TO:<x@elsewhere.example>\r\n")
                lab.mta1.wait_log("rcpt.reject.*client=127.0.0.9( |$)", mark)
    finally:
        proxy.terminate()
        proxy.wait(10)
    configure(lab)


@scenario
def xclient_speaks_for_another(lab):
    """S25, C2"""
    configure(lab, "smtpd_authorized_xclient_hosts = 127.0.0.0/8\n")
    with greeted(lab) as raw:
        code, text = raw.say_text("EHLO proxy.example")
        expect_match(text, r"^250.XCLIENT NAME ADDR PORT PROTO HELO LOGIN "
                           r"DESTADDR DESTPORT REVERSE_NAME\r?$")
        for bad in ("ADDR=x", "ADDR=192.0.2.1 ADDR=192.0.2.1", "X=1",
                    "HELO=a+0Ab", "PORT=70000"):
            expect(raw.say("XCLIENT " + bad), 501, bad)
        expect(raw.say("XCLIENT NAME=spike.example ADDR=192.0.2.99 "
                       "HELO=spike PROTO=ESMTP PORT=1234 "
                       "REVERSE_NAME=[TEMPUNAVAIL]"), 220)
        expect(raw.say(MAIL), 503, "as after connecting")
        expect(raw.say("EHLO spike.example"), 250)
        expect(raw.say(MAIL), 250)
        expect(raw.say(RCPT), 250)
        expect(raw.say("XCLIENT ADDR=192.0.2.98"), 503, "in a transaction")
        message_id, content = message(recipient=USER1)
        expect(raw.say("DATA"), 354)
        raw.send(content + b".\r\n")
        expect(raw.reply()[0], 250)
        got = lab.mta1.wait_mail(USER1, message_id)
        expect_match(got, r"Received: from spike\.example\s+\(spike\.example"
                          r"\s+\[192\.0\.2\.99\]\)")
        # A login is taken as well, and goes with the next XCLIENT.
        expect(raw.say("XCLIENT LOGIN=" + USER1), 220)
        expect(raw.say("EHLO x"), 250)
        expect(raw.say(f"MAIL FROM:<{USER1}>"), 250)
        expect(raw.say("RCPT TO:<x@elsewhere.example>"), 250)
        expect(raw.say("RSET"), 250)
        expect(raw.say("XCLIENT LOGIN=[UNAVAILABLE]"), 220)
        expect(raw.say("EHLO x"), 250)
        expect(raw.say(f"MAIL FROM:<{USER1}>"), 250)
        expect(raw.say("RCPT TO:<x@elsewhere.example>"), 554)
    lab.mta1.flush()


def login(raw):
    token = base64.b64encode(f"\0{USER1}\0{PASSWORD}".encode()).decode()
    expect(raw.say(f"AUTH PLAIN {token}"), 235)


def client(lab, address):
    """A session of another client."""
    raw = greeted(lab)
    expect(raw.say(f"XCLIENT ADDR={address}"), 220)
    expect(raw.say("EHLO client.example"), 250)
    return raw


@scenario
def rates_of_a_client(lab):
    """Counted over connections; another client has its own count."""
    configure(lab, "smtpd_authorized_xclient_hosts = 127.0.0.0/8\n"
              "smtpd_client_message_rate_limit = 3\n"
              "smtpd_client_recipient_rate_limit = 5\n"
              "smtpd_client_event_limit_exceptions = 127.0.0.1, 192.0.2.9\n")
    wanted = {"192.0.2.1": [250] * 3 + [450] * 3,
              "2001:db8::1": [250] * 3 + [450] * 3,
              "2001:db8::2": [450] * 6,  # of the same /64
              "192.0.2.9": [250] * 6}
    for address, want in wanted.items():
        codes = []
        for _ in range(2):
            with client(lab, address) as raw:
                for _ in range(3):
                    codes.append(raw.say(MAIL))
                    raw.say("RSET")
        expect(codes, want, address)
    with client(lab, "192.0.2.2") as raw:
        expect(raw.say(MAIL), 250)
        expect([raw.say(RCPT) for _ in range(7)], [250] * 5 + [450] * 2)
    configure(lab, "smtpd_authorized_xclient_hosts = 127.0.0.0/8\n"
              "smtpd_client_connection_rate_limit = 2\n"
              "smtpd_client_event_limit_exceptions = 127.0.0.1\n")
    codes = []
    for _ in range(4):
        with greeted(lab) as raw:
            codes.append(raw.say("XCLIENT ADDR=192.0.2.3"))
    expect(codes, [220] * 2 + [421] * 2)


@scenario
def rates_of_a_user(lab):
    """C14: per login and hour, whatever the address."""
    configure(lab, "smtpd_user_message_rate_limit = 4\n"
              "smtpd_user_recipient_rate_limit = 3\n")
    codes = []
    for _ in range(2):
        with lab.mta1.raw("submission") as raw:
            raw.reply()
            raw.say("EHLO x")
            raw.say("STARTTLS")
            raw.start_tls(lab.mta1.tls())
            raw.say("EHLO x")
            login(raw)
            for _ in range(3):
                codes.append(raw.say(f"MAIL FROM:<{USER1}>"))
                raw.say("RSET")
    expect(codes, [250] * 4 + [450] * 2)


@scenario
def mistakes_cost_time_and_end(lab):
    """S11, S24: soft and hard limit of errors."""
    configure(lab, "smtpd_error_sleep_time = 1s\n"
              "smtpd_soft_error_limit = 3\nsmtpd_hard_error_limit = 5\n")
    with greeted(lab) as raw:
        times = []
        for _ in range(4):
            began = time.monotonic()
            expect(raw.say("XYZZY"), 500)
            times.append(time.monotonic() - began)
        expect_true(max(times[:3]) < 0.9 <= times[3], f"{times}")
        raw.send(b"XYZZY\r\n")
        expect_match(raw.rest_until_closed(), r"^500 .*^421 4\.7\.0 ")


@scenario
def bare_newlines_in_commands(lab):
    """RFC 5321 2.3.8: as smtpd_forbid_bare_newline says."""
    for values in ({"smtp": ("yes", 521), "submission": ("note", 250)},
                   {"smtp": ("no", 250), "submission": ("normalize", 521)}):
        configure(lab, master_cf="".join(
            f"{service}/inet/smtpd_forbid_bare_newline={value}\n"
            for service, (value, _) in values.items()))
        for service, (value, want) in values.items():
            with greeted(lab, service) as raw:
                raw.send(b"NOOP\n")
                expect(raw.reply()[0], want, value)
                if want == 521:
                    expect(raw.rest_until_closed(), b"")
    configure(lab, "mynetworks = 127.0.0.0/8\n")
    with greeted(lab) as raw:
        raw.send(b"NOOP\n")
        expect(raw.reply()[0], 250, "a client of ours")


@scenario
def talk_before_the_greeting_may_be_ignored(lab):
    """S07"""
    configure(lab, "postscreen_greet_action = ignore\n")
    mark = lab.mta1.mark()
    for _ in range(20):
        with lab.mta1.raw() as raw:
            raw.send(b"NOOP\r\n")
            expect(raw.reply()[0], 220)
            expect(raw.reply()[0], 250)
    configure(lab)
    with lab.mta1.raw() as raw:
        expect(raw.reply()[0], 220)


@scenario
def other_protocols_hang_up(lab):
    """S16"""
    configure(lab)
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64
    for first in (hello, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                  b"POST / HTTP/1.1\r\n\r\nMAIL FROM:<a@b.example>\r\n",
                  b"CONNECT x:25 HTTP/1.1\r\n\r\n", b"SSH-2.0-x\r\n"):
        with lab.mta1.raw(timeout_s=5) as raw:
            expect(raw.reply()[0], 220)
            raw.send(first)
            expect_match(raw.rest_until_closed(), r"\A421 [^\n]*\n\Z",
                         repr(first))
    with lab.mta1.raw("submissions", timeout_s=5) as raw:
        raw.send(b"EHLO x\r\n")
        text = raw.rest_until_closed()  # an alert at most
        expect_true(text[:1] in (b"", b"\x15"), f"465: {text!r}")


@scenario
def slow_clients_are_ended(lab):
    """F10: by the time of a command, and by the rate of content."""
    configure(lab, "smtpd_timeout = 1s\nsmtpd_min_data_rate = 100000\n")
    with greeted(lab) as raw:
        raw.send(b"NO")
        expect_match(raw.rest_until_closed(), r"^421 4\.4\.2 ")
    with greeted(lab) as raw:
        expect(raw.say(MAIL), 250)
        expect(raw.say(RCPT), 250)
        expect(raw.say("DATA"), 354)
        began = given()
        try:
            while given() - began < 8:
                raw.send(b"x" * 70 + b"\r\n")
                time.sleep(0.05)
        except OSError:
            pass
        expect_true(given() - began < 5, "a trickle goes on")


@scenario
def mistakes_in_the_settings_are_told(lab):
    for line in ("smtpd_upstream_proxy_protocol = haproxy",
                 "smtpd_upstream_proxy_protocol = nginx",
                 "smtpd_authorized_xclient_hosts = 10.0.0.1/8",
                 "smtpd_forbid_bare_newline = perhaps"):
        mark = lab.mta1.mark()
        lab.mta1.write_config("main.cf", configure.base + line + "\n")
        lab.mta1.wait_log("level=error ev=config .*" + line.split(" ")[0],
                          mark)


if __name__ == "__main__":
    main()
