#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What one of our hosts sends again, another recognises (F10, A10).

The rules and their numbers: doc/design/xid.md."""

import re
import socket
import threading

from frame import (Raw, Wire, expect, expect_match, expect_true, main,
                   message, scenario)

USER1, USER2 = "user1@example1.local", "user2@example1.local"
USER3 = "user3@example2.local"


class From(Raw):
    """A peer with an address of its own."""

    def __init__(self, host, address="127.0.0.1", helo="peer.example"):
        self.socket = socket.create_connection(
            ("127.0.0.1", host.ports["smtp"]), 10, (address, 0))
        self.rest = b""
        expect(self.reply()[0], 220, "greeting")
        self.offers = self.say_text(f"EHLO {helo}")[1]

    def give(self, content, mail="", recipients=((USER1, "XID=0"),)):
        """The id it was queued as."""
        code, text = self.say_text(f"MAIL FROM:<a@stranger.example> {mail}")
        expect(code, 250, f"MAIL {mail}: {text}")
        for address, parameters in recipients:
            code, text = self.say_text(f"RCPT TO:<{address}> {parameters}")
            expect(code, 250, f"RCPT: {text}")
        expect(self.say("DATA"), 354, "DATA")
        self.send(content + b".\r\n")
        code, text = self.reply()
        expect(code, 250, f"end of data: {text}")
        return text.split()[-1]


def give(host, content, mail="", recipients=((USER1, "XID=0"),), **peer):
    with From(host, **peer) as client:
        return client.give(content, mail, recipients)


def wait_gone(host):
    host.wait_queue_empty()


@scenario
def it_is_offered_and_checked(lab):
    with From(lab.mta1) as client:
        expect_match(client.offers, r"(?m)^250[ -]XESTAFETA\r?$")
        for bad in ("XID=", "XID=a/b", "XID=" + 65 * "a", "XTRY=2",
                    "XID=a XID=b"):
            expect(client.say(f"MAIL FROM:<a@b.example> {bad}") // 100, 5,
                   bad)
        expect(client.say("MAIL FROM:<a@b.example> XID=a"), 250)
        for bad in ("XID=x", "XID=-1", "XID=4294967295", "XID="):
            expect(client.say(f"RCPT TO:<{USER1}> {bad}") // 100, 5, bad)
        expect(client.say("RSET"), 250)
        expect(client.say("MAIL FROM:<a@b.example>"), 250)
        expect(client.say(f"RCPT TO:<{USER1}> XID=1"), 555, "without MAIL's")


@scenario
def a_repeat_gets_the_first_id(lab):
    """X1, X2: in the queue, gone from it, after kill -9."""
    host = lab.mta1
    ident, content = message()
    first = give(host, content, "XID=r1.1")
    host.wait_mail(USER1, ident)
    wait_gone(host)
    mark = host.mark()
    expect(give(host, content, "XID=r1.1 XTRY=1"), first)
    host.wait_log(rf"ev=queue\.repeat id={first} ", mark)
    host.kill()
    host.start()
    expect(give(host, content, "XID=r1.1 XTRY=1"), first)
    wait_gone(host)
    expect(len(host.find(USER1, ident)), 1, "copies")


@scenario
def only_what_is_marked_is_a_repeat(lab):
    """X3: an id that came to be used again costs no mail."""
    host = lab.mta1
    ident, content = message()
    first = give(host, content, "XID=r2.1")
    expect_true(give(host, content, "XID=r2.1") != first, "a new id")
    expect_true(give(host, content, "", ((USER1, ""),)) != first,
                "without XID")
    host.wait_mail(USER1, ident, 3)


@scenario
def a_first_try_that_comes_after_its_repeat(lab):
    """X4: it was long on its way."""
    host = lab.mta1
    ident, content = message()
    first = give(host, content, "XID=r3.1 XTRY=1")
    expect(give(host, content, "XID=r3.1"), first)
    host.wait_mail(USER1, ident)
    wait_gone(host)
    expect(len(host.find(USER1, ident)), 1, "copies")


@scenario
def strangers_suppress_nothing(lab):
    """X5: another address or another name has ids of its own."""
    host = lab.mta1
    ident, content = message()
    ids = {give(host, content, "XID=r4.1 XTRY=1", address="127.0.0.3"),
           give(host, content, "XID=r4.1 XTRY=1", helo="other.example"),
           give(host, content, "XID=r4.1 XTRY=1")}
    expect(len(ids), 3, "ids")
    host.wait_mail(USER1, ident, 3)


@scenario
def recipients_are_counted_one_by_one(lab):
    """X6: those that are new are delivered to."""
    host = lab.mta1
    ident, content = message()
    first = give(host, content, "XID=r5.1")
    second = give(host, content, "XID=r5.1 XTRY=1",
                  ((USER1, "XID=0"), (USER2, "XID=1")))
    expect_true(second != first, "a new id")
    host.wait_mail(USER2, ident)
    wait_gone(host)
    expect(len(host.find(USER1, ident)), 1, "copies of the first")
    third = give(host, content, "XID=r5.1 XTRY=1",
                 ((USER1, "XID=0"), (USER2, "XID=1")))
    expect(third, first)
    expect(len(host.find(USER2, ident)), 1, "copies of the second")


@scenario
def two_at_once_are_one(lab):
    """X7."""
    host = lab.mta1
    ident, content = message()
    ids = []
    threads = [threading.Thread(target=lambda: ids.append(
        give(host, content, "XID=r6.1 XTRY=1"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    expect((len(ids), len(set(ids))), (8, 1), "answers, ids")
    host.wait_mail(USER1, ident)
    wait_gone(host)
    expect(len(host.find(USER1, ident)), 1, "copies")


@scenario
def the_answer_to_the_dot_is_lost(lab):
    """F10: one of ours sends, the wire breaks when all has arrived."""
    mta1, mta2 = lab.hosts
    said = []

    def lose_first_answers(n, is_reply, octets, _seen):
        if is_reply and b"queued as" in octets:
            said.append(octets.split()[-1].decode())
            return None if n <= 2 else octets
        return octets

    ident, content = message()
    with Wire(mta2.ports["smtp"], lose_first_answers) as wire:
        mta1.stop()
        mta1.peers["[mta2]:25"] = wire.port
        mta1.start()
        mark = mta1.mark()
        mta1.submit(USER1, [USER3, "user4@example2.local"], content)
        mta1.wait_queue_empty()
        mta2.wait_mail(USER3, ident)
        wait_gone(mta2)
        expect((len(said), len(set(said))), (3, 1), "answers, ids")
        for user in (USER3, "user4@example2.local"):
            expect(len(mta2.find(user, ident)), 1, f"copies for {user}")
        expect_match(mta1.log_since(mark),
                     rf"ev=delivery .*status=sent .*{said[0]}")
    expect_true(re.search(r"perhaps it was taken", mta1.log()), "the reason")


main(hosts=2, main_cf="""smtp_tls_security_level = none
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
""")
