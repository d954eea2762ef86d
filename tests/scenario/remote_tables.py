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

from frame import (expect, expect_match, expect_true, main, message, scenario,
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
# map and key: reply, for socketmap:
WAYS = {
    "ways u@far.example": "OK smtp:[127.0.0.1]:1",
    "ways u@broken.example": "TEMP not now",
    "access refused@example1.local": "OK REJECT said the socket",
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


class Places:
    tcp = Server(("127.0.0.1", 0), read_tcp, answer_tcp)
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


@scenario
def only_hosts_that_are_named_are_asked(lab):
    """Each question of the router was for a table of main.cf."""
    for key in Places.unix.asked:
        expect_match(key, r"^(ways|access) ")
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
""")


main(setup=prepare)
