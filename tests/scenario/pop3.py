#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""POP3: RFC 1939 and its extensions, against the mailboxes that IMAP has.

Rows P01, P02, A02, S04 of the catalogue of attacks."""

import base64
import contextlib
import os
import poplib
import socket
import ssl

from frame import (PASSWORD, Failed, expect, expect_match, expect_true, main,
                   message, scenario, wait_for)

USER1, USER2 = "user1@example1.local", "user2@example1.local"
poplib._MAXLINE = 1_000_000


@contextlib.contextmanager
def pop3(host, user=None, tls=True):
    if tls:
        client = poplib.POP3_SSL("127.0.0.1", host.ports["pop3s"],
                                 context=host.tls(), timeout=20)
    else:
        client = poplib.POP3("127.0.0.1", host.ports["pop3"], timeout=20)
    try:
        if user:
            client.user(user)
            client.pass_(PASSWORD)
        yield client
    finally:
        with contextlib.suppress(Exception):
            client.close()


def refused(call, *arguments, match=""):
    try:
        call(*arguments)
    except poplib.error_proto as error:
        expect_match(str(error), match)
        return
    raise Failed(f"{call} {arguments} was not refused")


def fill(host, user, contents):
    """Delivers, and returns the octets that RETR must give."""
    want = []
    for content in contents:
        message_id, content = message(body=content, recipient=user)
        host.submit(USER1, user, content)
        host.wait_mail(user, message_id)
        want.append((message_id, content))
    return want


def empty(host, user):
    with pop3(host, user) as client:
        for number in range(1, client.stat()[0] + 1):
            client.dele(number)
        client.quit()


def unwrapped(lines):
    return b"".join(line + b"\r\n" for line in lines)


@scenario
def a_session_from_greeting_to_update(lab):
    host = lab.mta1
    empty(host, USER2)
    sent = fill(host, USER2, ["one\r\n", ".two\r\n..\r\n.\r\nthree\r\n",
                              "four\r\n" * 3000])
    with pop3(host, USER2) as client:
        n, octets = client.stat()
        expect(n, 3)
        sizes = [int(line.split()[1]) for line in client.list()[1]]
        expect(sum(sizes), octets, "STAT and LIST")
        for number, (message_id, content) in enumerate(sent, 1):
            got = unwrapped(client.retr(number)[1])
            expect(len(got), sizes[number - 1], "octets as LIST says")
            expect_true(got.endswith(content.split(b"\r\n\r\n", 1)[1]),
                        "the body as it was sent")
            expect_true(message_id.encode() in got, "which message")
            expect(client.list(number).split()[2], b"%d" % len(got))
        top = unwrapped(client.top(3, 2)[1])
        expect(top.split(b"\r\n\r\n", 1)[1], b"four\r\n" * 2, "TOP")
        expect(client.dele(2)[:3], b"+OK")
        refused(client.retr, 2)
        refused(client.dele, 2)
        expect(client.stat()[0], 2)
        client.rset()
        expect(client.stat()[0], 3)
        client.dele(2)
        client.quit()
    with pop3(host, USER2) as client:
        expect(client.stat()[0], 2, "one is gone")
    with host.imap(USER2) as client:
        client.select("INBOX")
        flags = client.fetch("1:*", "(FLAGS)")[1]
        expect(len(flags), 2, "IMAP sees the same")
        expect_true(all(b"Seen" in line for line in flags), flags)


@scenario
def nothing_is_removed_without_quit(lab):
    host = lab.mta1
    empty(host, USER2)
    fill(host, USER2, ["stays\r\n"])
    with pop3(host, USER2) as client:
        client.dele(1)
        client.sock.close()

    def count():
        with pop3(host) as client:
            client.user(USER2)
            try:
                client.pass_(PASSWORD)
            except poplib.error_proto as error:
                expect_match(str(error), "IN-USE")
                return None
            return client.stat()[0]

    expect(wait_for("the maildrop is free again", count), 1)


@scenario
def unique_ids_are_dovecots_and_stay(lab):
    host = lab.mta1
    empty(host, USER2)
    fill(host, USER2, ["a\r\n", "b\r\n"])
    with pop3(host, USER2) as client:
        first = client.uidl()[1]
    with host.imap(USER2) as client:
        client.select("INBOX")
        validity = int(client.response("UIDVALIDITY")[1][0])
        uids = [int(uid) for uid in client.uid("SEARCH", "ALL")[1][0].split()]
    expect(first, [b"%d %08x%08x" % (i, uid, validity)
                   for i, uid in enumerate(uids, 1)])
    fill(host, USER2, ["c\r\n"])
    with pop3(host, USER2) as client:
        expect(client.uidl()[1][:2], first)
        expect(client.uidl(2).split()[1:], first[1].split())
    # What another server had told is kept in the uidlist, and told again.
    host.stop()
    path = os.path.join(host.maildir(USER2), "dovecot-uidlist")
    with open(path) as file:
        lines = file.read().splitlines()
    at = next(i for i, line in enumerate(lines)
              if line.startswith(f"{uids[1]} "))
    lines[at] = lines[at].replace(" :", " Pold-uidl.7 :", 1)
    # Dovecot has an empty one for that of the file's name ("%f"), and tells
    # those that are longer than the 70 of RFC 1939 all the same.
    at = next(i for i, line in enumerate(lines)
              if line.startswith(f"{uids[0]} "))
    base = lines[at].split(" :", 1)[1]
    lines[at] = lines[at].replace(" :", " P :", 1)
    lines[-1] = lines[-1].replace(" :", f" P{'q' * 100} :", 1)
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
    host.start()
    with pop3(host, USER2) as client:
        expect(client.uidl()[1], [f"1 {base}".encode(), b"2 old-uidl.7",
                                  b"3 " + b"q" * 100])


@scenario
def one_session_has_the_maildrop(lab):
    host = lab.mta1
    with pop3(host, USER2):
        with pop3(host) as second:
            second.user(USER2)
            refused(second.pass_, PASSWORD, match=r"\[IN-USE\]")
        with host.imap(USER2) as client:
            expect(client.select("INBOX")[0], "OK", "IMAP goes on")


@scenario
def numbers_and_orders_that_are_wrong(lab):
    """P01."""
    host = lab.mta1
    with pop3(host) as client:
        for command in ("STAT", "LIST", "RETR 1", "DELE 1", "UIDL", "NOOP",
                        "RSET"):
            refused(client._shortcmd, command)
            if command == "RETR 1":
                break
    with pop3(host, USER2) as client:
        for command in ("RETR 0", "RETR 4294967297", "RETR -1", "RETR 1x",
                        "RETR", "TOP 1 -1", "TOP 1", "DELE 0", "LIST 99999",
                        "UIDL 0", "USER x", "PASS y", "STLS", "APOP a b",
                        "STAT 1", "XYZZY", "", "LIST 1 2",
                        "RETR 99999999999999999999999999"):
            refused(client._shortcmd, command)
        expect(client.noop()[:3], b"+OK", "the session goes on")


@scenario
def capabilities_and_passwords(lab):
    """A02: no password before TLS, where TLS is there."""
    host = lab.mta1
    with pop3(host, tls=False) as client:
        capabilities = client.capa()
        expect_true("STLS" in capabilities, "STLS")
        expect_true("SASL" not in capabilities and "USER" not in capabilities,
                    "nothing to log in with")
        refused(client.user, USER1, match="TLS")
        refused(client._shortcmd, "AUTH PLAIN AHgAeQ==", match="TLS")
        client.stls(host.tls())
        capabilities = client.capa()
        for name in ("TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE",
                     "PIPELINING", "USER", "UTF8"):
            expect_true(name in capabilities, name)
        expect(capabilities["SASL"], ["PLAIN", "LOGIN"])
        expect(capabilities["EXPIRE"], ["NEVER"])
        expect(capabilities["LOGIN-DELAY"], ["0"])
        expect_true("STLS" not in capabilities, "STLS is over")
        client.utf8()
        client.user(USER1)
        refused(client.pass_, "wrong", match=r"\[AUTH\]")
        plain = base64.b64encode(f"\0{USER1}\0{PASSWORD}".encode()).decode()
        expect(client._shortcmd(f"AUTH PLAIN {plain}")[:3], b"+OK")
        refused(client._shortcmd, "UTF8")
        client.quit()
    with pop3(host) as client:
        client._putcmd("AUTH PLAIN")
        expect(client._getline()[0], b"+ ")
        client._putcmd("*")
        expect(client._getline()[0][:4], b"-ERR")
        client._putcmd("AUTH LOGIN")
        expect(client._getline()[0], b"+ VXNlcm5hbWU6")
        client._putcmd(base64.b64encode(USER1.encode()).decode())
        expect(client._getline()[0], b"+ UGFzc3dvcmQ6")
        client._putcmd(base64.b64encode(PASSWORD.encode()).decode())
        expect(client._getline()[0][:3], b"+OK")
        client.quit()


@scenario
def what_is_injected_before_tls_is_forgotten(lab):
    """S04 and P02."""
    host = lab.mta1
    with socket.create_connection(("127.0.0.1", host.ports["pop3"]),
                                  timeout=10) as plain:
        plain.recv(1000)
        plain.sendall(b"STLS\r\nNOOP\r\nCAPA\r\n")
        expect_match(plain.recv(1000), r"^\+OK [^\r]*\r\n\Z")
        with host.tls().wrap_socket(plain,
                                    server_hostname="127.0.0.1") as client:
            client.sendall(b"USER a\r\n")
            expect_match(client.recv(1000), r"^\+OK And")


@scenario
def commands_in_one_piece_and_byte_by_byte(lab):
    host = lab.mta1
    empty(host, USER2)
    fill(host, USER2, ["a\r\n", "b\r\n"])
    talk = (f"USER {USER2}\r\nPASS {PASSWORD}\r\nSTAT\r\nUIDL\r\nTOP 1 0\r\n"
            "RETR 2\r\nNOOP\r\nQUIT\r\n").encode()

    def run(send):
        with host.tls().wrap_socket(
                socket.create_connection(("127.0.0.1", host.ports["pop3s"]),
                                         timeout=20),
                server_hostname="127.0.0.1") as client:
            send(client)
            got = b""
            with contextlib.suppress(ssl.SSLEOFError):
                while piece := client.recv(65536):
                    got += piece
            return got

    def slowly(client):
        for i in range(len(talk)):
            client.sendall(talk[i:i + 1])

    at_once = run(lambda client: client.sendall(talk))
    expect(at_once.count(b"+OK"), 9, at_once)
    expect(run(slowly), at_once)


@scenario
def foreign_line_ends_arrive_as_crlf(lab):
    host = lab.mta1
    empty(host, USER2)
    new = os.path.join(host.maildir(USER2), "new")
    owner = os.stat(new)
    path = os.path.join(new, "1700000000.M1P1.other")
    with open(path, "wb") as file:
        file.write(b"Subject: lf\n\n.dot\nend")
    os.chown(path, owner.st_uid, owner.st_gid)
    with pop3(host, USER2) as client:
        expect(client.stat(), (1, len(b"Subject: lf\r\n\r\n.dot\r\nend")))
        expect(client.retr(1)[1], [b"Subject: lf", b"", b".dot", b"end"])
        expect(client.top(1, 0)[1], [b"Subject: lf", b""], "TOP 1 0")
        expect(client.top(1, 1)[1], [b"Subject: lf", b"", b".dot"], "TOP 1 1")
        client.dele(1)
        client.quit()
    expect_true(not os.path.exists(path), "it is removed")


@scenario
def bare_carriage_returns_are_counted_and_sent(lab):
    host = lab.mta1
    empty(host, USER2)
    content = b"Subject: cr\r\n\r\na\rb\r\r\n\rc\r\n"
    new = os.path.join(host.maildir(USER2), "new")
    owner = os.stat(new)
    path = os.path.join(new, "1700000000.M2P1.other")
    with open(path, "wb") as file:
        file.write(content)
    os.chown(path, owner.st_uid, owner.st_gid)
    with host.imap(USER2) as client:
        client.select("INBOX")
        expect(client.fetch("1", "(BODY.PEEK[])")[1][0][1], content)
    with pop3(host, USER2) as client:
        expect(client.stat(), (1, len(content)))
        client._putcmd("RETR 1")
        client.file.readline()
        expect(client.file.read(len(content) + 3), content + b".\r\n")
        client.dele(1)
        client.quit()


@scenario
def long_lines_and_floods_end(lab):
    host = lab.mta1
    with host.raw("pop3") as client:
        client.line()
        client.send(b"USER " + b"x" * 100000)
        expect_match(client.rest_until_closed(), "too long")
    with host.raw("pop3") as client:
        client.line()
        client.send(b"NOOP\r\n" * 100)
        expect_match(client.rest_until_closed(), "Too many errors")


@scenario
def a_list_of_many_messages(lab):
    """3,000 messages: their list comes from the store in several pieces."""
    host = lab.mta1
    empty(host, USER2)
    expect(host.files(USER2), [], "files that were left")
    directory = os.path.join(host.maildir(USER2), "cur")
    for i in range(3000):
        with open(os.path.join(directory, f"{i}.M1P1.test:2,"),
                  "wb") as file:
            file.write(b"Subject: %d\n\nx\n" % i)
    with pop3(host, USER2) as client:
        expect(client.stat()[0], 3000, "STAT")
        expect(len(client.uidl()[1]), 3000, "UIDL")
        expect(client.retr(2999)[1][-1], b"x", "RETR")
    for path in host.files(USER2):
        os.unlink(path)


main()
