#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tables that other hosts keep: tcp: (tcp_table(5)) and socketmap:
(socketmap_table(5)), asked for routing, at RCPT, by restriction lists and by
mailctl. What they do not answer is put off, never passed over."""

import collections
import os
import re
import socket
import threading
import urllib.parse

from frame import (Sink, expect, expect_match, expect_true, main, message, scenario,
                   wait_for)

SENDER = "a@good.example"
USER2 = "user2@example1.local"

# key: reply, for tcp:
ALIASES = {
    "far@example1.local": "200 user2@example1.local\n",
    "down@example1.local": "400 the database is down\n",
    "nonsense@example1.local": "OK whatever\n",
    "two@example1.local": "200 a@example1.local\n200 b@example1.local\n",
    "long@example1.local": "200 " + "x" * 300000 + "\n",
    "shut@example1.local": "",
}
# Fields of headers, as header_checks(5) sees them.
FIELDS = {
    "Subject: refused": "200 REJECT 5.7.99 said%20the host\n",
    "Subject: marked": "200 PREPEND X-Marked: by%20the%20host\n",
    "Subject: dropped": "200 IGNORE\n",
    "X-Fold: one\n two": "200 REPLACE X-Fold: three\n",
    "Subject: down": "400 no rules today\n",
}
SENT = {"X-Inner: secret": "200 IGNORE\n"}
# map and key: reply, for socketmap:
WAYS = {
    "ways u@far.example": "OK smtp:[127.0.0.1]:1",
    "ways u@broken.example": "TEMP not now",
    "ways a@sink.example": "OK smtp:[sink.example]:25",
    "access refused@example1.local": "OK REJECT said the socket",
    "lines refused words": "OK REJECT 5.7.98 said the socket",
    "lines changed words": "OK REPLACE other words",
    "lines no answer": "TEMP not today",
}


class Server:
    """Answers each connection's questions; counts them."""

    def __init__(self, address, read, answer):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.bind(address)
        if family == socket.AF_UNIX:
            os.chmod(address, 0o777)  # mta/out has a uid of its own
        self.socket.listen(64)
        self.address = self.socket.getsockname()
        self.read, self.answer = read, answer
        self.asked = collections.Counter()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.socket.accept()
            threading.Thread(target=self.guarded, args=(connection,),
                             daemon=True).start()

    def guarded(self, connection):
        try:
            with connection, connection.makefile("rb") as reader:
                while (key := self.read(reader)) is not None:
                    self.asked[key] += 1
                    reply = self.answer(key)
                    if not reply:
                        return
                    connection.sendall(reply)
        except OSError:
            pass


def read_tcp(reader):
    line = reader.readline()
    return urllib.parse.unquote(line[4:-1].decode()) if line else None


def read_socketmap(reader):
    digits = b""
    while (octet := reader.read(1)) not in (b"", b":"):
        digits += octet
    if not digits:
        return None
    text = reader.read(int(digits)).decode()
    expect(reader.read(1), b",", "the request is a netstring")
    return text


def answer_tcp(key):
    return ALIASES.get(key, "500 not here\n").encode()


def answer_socketmap(key):
    text = WAYS.get(key, "NOTFOUND ").encode()
    return b"%d:%s," % (len(text), text)


def answer_fields(key):
    return FIELDS.get(key, "500 not here\n").encode()


def answer_sent(key):
    return SENT.get(key, "500 not here\n").encode()


class Places:
    tcp = Server(("127.0.0.1", 0), read_tcp, answer_tcp)
    fields = Server(("127.0.0.1", 0), read_tcp, answer_fields)
    sent = Server(("127.0.0.1", 0), read_tcp, answer_sent)
    unix = None


def rcpt(host, address):
    with host.raw() as c:
        c.reply()
        c.say("EHLO x.good.example")
        expect(c.say(f"MAIL FROM:<{SENDER}>"), 250, "MAIL")
        return c.say_text(f"RCPT TO:<{address}>")


@scenario
def an_alias_of_another_host_delivers(lab):
    host = lab.mta1
    # A moment after the start out may not know yet whom it may ask: 451.
    wait_for("out has its settings", lambda: rcpt(host, USER2)[0] == 250)
    before = Places.tcp.asked["far@example1.local"]
    identity, content = message(sender=SENDER, recipient="far@example1.local")
    with host.smtp() as client:
        client.sendmail(SENDER, ["far@example1.local"], content)
    host.wait_mail(USER2, identity)
    expect(Places.tcp.asked["far@example1.local"] - before, 1,
           "questions for one transaction")


@scenario
def what_is_not_answered_is_put_off(lab):
    """S26: down, nonsense, two answers, too long a one, none."""
    host = lab.mta1
    for user in ("down", "nonsense", "two", "long", "shut"):
        code, text = rcpt(host, f"{user}@example1.local")
        expect(code // 10, 45, f"{user}: {text}")
    host.wait_log(r"ev=router\.table .*the database is down")
    expect(rcpt(host, "user1@example1.local")[0], 250, "an account")
    expect(rcpt(host, "nobody@example1.local")[0], 550, "nobody")


@scenario
def a_restriction_list_asks_too(lab):
    code, text = rcpt(lab.mta1, "refused@example1.local")
    expect(code, 554, text)
    expect_match(text, "said the socket")


@scenario
def the_way_is_explained(lab):
    host = lab.mta1
    for options in ((), ("--offline",)):
        text = host.ctl("route", "explain", "u@far.example", "from",
                        "user1@example1.local", *options).stdout
        expect_match(text, r"socketmap:unix:.*ways")
        expect_match(text, r"\[127\.0\.0\.1\]:1")
        text = host.ctl("route", "explain", "u@broken.example", "from",
                        "user1@example1.local", *options).stdout
        expect_match(text, r"not now")
    port = Places.tcp.address[1]
    expect(host.ctl("map", "query", "far@example1.local",
                    f"tcp:127.0.0.1:{port}").stdout.strip(), USER2, "map query")
    expect(host.ctl("map", "query", "u@far.example",
                    f"socketmap:unix:{Places.unix.address}:ways").stdout.strip(),
           "smtp:[127.0.0.1]:1", "map query")


def send(host, recipient=USER2, subject="plain", **how):
    """The reply at the end of data, and the Message-ID."""
    identity, content = message(subject=subject, sender=SENDER,
                                recipient=recipient, **how)
    with host.smtp() as client:
        client.ehlo()
        client.mail(SENDER)
        expect(client.rcpt(recipient)[0], 250)
        expect(client.docmd("DATA")[0], 354)
        client.send(content + b".\r\n")
        code, text = client.getreply()
    return code, text.decode(), identity


@scenario
def fields_of_a_header_are_asked_for(lab):
    host = lab.mta1
    code, text, _ = send(host, subject="refused")
    expect((code, text), (550, "5.7.99 said the host"))
    code, text, identity = send(host, subject="marked",
                                extra="X-Fold: one\r\n two\r\n")
    expect(code, 250, text)
    got = host.wait_mail(USER2, identity)
    expect_true(b"X-Marked: by the host\r\nSubject: marked\r\n" in got
                and b"X-Fold: three\r\n" in got and b" two" not in got, f"{got}")
    code, text, identity = send(host, subject="dropped")
    expect(code, 250, text)
    expect_true(b"Subject" not in host.wait_mail(USER2, identity), "dropped")
    expect(send(host, subject="down")[0], 451, "no answer")


@scenario
def many_fields_and_long_ones_pass(lab):
    """More questions than one routing decision may have; and a key that is
    long when it is encoded: only replies of tcp: are bounded."""
    host = lab.mta1
    many = "".join(f"X-Field-{n}: {n}\r\n" for n in range(300))
    before = sum(Places.fields.asked.values())
    code, text, identity = send(host, extra=many)
    expect(code, 250, text)
    host.wait_mail(USER2, identity)
    expect_true(sum(Places.fields.asked.values()) - before >= 300, "asked")
    long = "X-Long: " + " a\r\n" * 4000
    code, text, identity = send(host, extra=long)
    expect(code, 250, text)
    host.wait_mail(USER2, identity)


@scenario
def lines_of_the_content_are_asked_for(lab):
    host = lab.mta1
    code, text, _ = send(host, body="first\r\nrefused words\r\nlast\r\n")
    expect((code, text), (550, "5.7.98 said the socket"))
    many = "".join(f"line {n}\r\n" for n in range(600))
    code, text, identity = send(
        host, body=many + "changed words\r\n" + many)
    expect(code, 250, text)
    got = host.wait_mail(USER2, identity)
    expect_true(got.endswith((many + "other words\r\n" + many).encode()), "body")
    code, text, _ = send(host, body="no answer\r\n")
    expect(code, 451, text)
    code, text, _ = send(host, body=many + "refused words\r\n")
    expect((code, text), (550, "5.7.98 said the socket"))


@scenario
def what_leaves_is_asked_for(lab):
    """smtp_header_checks; mta/out asks itself, by way of the router."""
    host = lab.mta1
    identity, content = message(recipient="a@sink.example",
                                extra="X-Inner: secret\r\nX-Outer: open\r\n")
    host.submit("user1@example1.local", "a@sink.example", content)
    wait_for("delivery", lambda: sink.messages)
    sent = sink.messages[0][2]
    expect_true(identity.encode() in sent and b"X-Inner" not in sent
                and b"X-Outer: open" in sent, f"{sent}")


@scenario
def only_hosts_that_are_named_are_asked(lab):
    """Each question of the router was for a table of main.cf."""
    for key in Places.unix.asked:
        expect_match(key, r"^(ways|access|lines) ")
    expect_true(sum(Places.tcp.asked.values()) > 0, "it was asked")
    expect_true(not re.search(r"ev=out\.untrusted", lab.mta1.log()), "trusted")


def prepare(lab):
    host = lab.mta1
    path = os.path.join(lab.directory, "map.sock")
    Places.unix = Server(path, read_socketmap, answer_socketmap)
    host.append("main.cf", f"""
virtual_alias_maps = texthash:{host.config}/virtual.cf,
    tcp:127.0.0.1:{Places.tcp.address[1]}
transport_maps = socketmap:unix:{path}:ways
smtpd_sender_restrictions =
    check_recipient_access socketmap:unix:{path}:access
header_checks = tcp:127.0.0.1:{Places.fields.address[1]}
mime_header_checks =
body_checks = socketmap:unix:{path}:lines
smtp_header_checks = tcp:127.0.0.1:{Places.sent.address[1]}
""")
    lab.mta1.peers["[sink.example]:25"] = sink.port


with Sink() as sink:
    main(setup=prepare)
