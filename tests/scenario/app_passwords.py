#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Passwords of applications, each for its protocols, and logins by alias."""

import imaplib
import json
import poplib
import smtplib

from frame import (PASSWORD, expect, expect_match, expect_true, main, scenario,
                   wait_for)

USER1, USER2 = "user1@example1.local", "user2@example1.local"


def opens(host, protocol, user, password):
    """Does the password open that door?"""
    try:
        if protocol == "imap":
            host.imap(user, password).logout()
        elif protocol == "pop3":
            client = poplib.POP3_SSL("127.0.0.1", host.ports["pop3s"],
                                     context=host.tls(), timeout=20)
            client.user(user)
            client.pass_(password)
            client.quit()
        else:
            host.submission(user, password).quit()
        return True
    except (imaplib.IMAP4.error, poplib.error_proto,
            smtplib.SMTPAuthenticationError):
        return False


def hash_of(host, password, scheme="SSHA256"):
    return host.ctl("pw", "-s", scheme, "-p", password,
                    name="doveadm").stdout.strip()


def set_extra(host, user, extra):
    """The third field of the user's line."""
    mark = host.mark()
    lines = []
    for line in host.read_config("accounts.cf").splitlines():
        if line.startswith(user + "|"):
            line = "|".join(line.split("|")[:2]) + (f"|{extra}" if extra
                                                   else "")
        lines.append(line)
    host.write_config("accounts.cf", "\n".join(lines) + "\n")
    host.wait_log("ev=auth.accounts", mark)


@scenario
def logins_by_alias(lab):
    host = lab.mta1
    mark = host.mark()
    host.append("virtual.cf", f"sales@example1.local {USER1}\n"
                f"both@example1.local {USER1},{USER2}\n"
                f"far@example1.local user3@example2.local\n")
    host.wait_log("ev=config.loaded", mark)
    mark = host.mark()
    host.append("main.cf", "login_by_alias = yes\n")
    host.wait_log("ev=config.loaded", mark)
    for protocol in ("imap", "pop3", "smtp"):
        wait_for(f"{protocol} by alias", lambda p=protocol: opens(
            host, p, "Sales@example1.local", PASSWORD), 3)
        expect(opens(host, protocol, USER2, PASSWORD), True, "an account")
    for protocol, user in (("imap", "both@example1.local"),
                           ("smtp", "far@example1.local")):
        expect(opens(host, protocol, user, PASSWORD), False, user)
    # It is the account that is in.
    with host.imap("sales@example1.local") as client:
        client.create("ByAlias")
    with host.imap(USER1) as client:
        expect_true(any(b"ByAlias" in row for row in client.list()[1]),
                    "the folder is the account's")


@scenario
def each_opens_its_protocols(lab):
    host = lab.mta1
    set_extra(host, USER1,
              f"app_phone=imap,smtp:{hash_of(host, 'phone word')} "
              f"app_old=pop3:{hash_of(host, 'pop word', 'SHA512-CRYPT')} "
              f"app_any=all:{hash_of(host, 'any word')}")
    for password, doors in ((PASSWORD, "imap pop3 smtp"),
                            ("phone word", "imap smtp"),
                            ("pop word", "pop3"),
                            ("any word", "imap pop3 smtp")):
        for protocol in doors.split():
            for _ in range(2):  # the second time from the cache
                expect(opens(host, protocol, USER1, password), True,
                       f"{password}: {protocol}")
    # Few, because guessers are slowed: the cache opens no other door.
    for password, protocol in (("phone word", "pop3"), ("pop word", "imap")):
        expect(opens(host, protocol, USER1, password), False,
               f"{password}: {protocol}")
    expect(opens(host, "imap", USER2, "phone word"), False, "another's")


@scenario
def one_that_goes_ends_its_sessions(lab):
    host = lab.mta1
    phone = f"app_phone=imap:{hash_of(host, 'phone word')}"
    set_extra(host, USER1, phone)
    client = host.imap(USER1, "phone word")
    expect(client.noop()[0], "OK")
    # One more ends nobody's.
    set_extra(host, USER1, phone
              + f" app_tablet=imap:{hash_of(host, 'tablet word')}")
    expect(client.noop()[0], "OK")
    set_extra(host, USER1, "")

    def is_out():
        try:
            client.noop()
            return False
        except (imaplib.IMAP4.abort, OSError):
            return True
    wait_for("the session ends", is_out, 5)
    expect(opens(host, "imap", USER1, "phone word"), False, "it is gone")
    expect(opens(host, "imap", USER1, PASSWORD), True, "the user's own")


@scenario
def a_mistake_keeps_the_old_set(lab):
    host = lab.mta1
    set_extra(host, USER1, f"app_p=imap:{hash_of(host, 'p word')}")
    text = host.read_config("accounts.cf")
    mark = host.mark()
    host.write_config("accounts.cf", text.replace("app_p=imap", "app_p=ftp"))
    host.wait_log(r'accounts.cf:\d+: app_p: "ftp" is not of smtp', mark)
    expect(opens(host, "imap", USER1, "p word"), True, "the old set")
    host.write_config("accounts.cf", text)
    set_extra(host, USER1, "")


def app_password(lab, *words, status=0, name="mailctl"):
    words = ("app-password", *words)
    got = lab.mta1.ctl(*words, name=name)
    expect(got.returncode, status, f"{words}: {got.stderr}")
    return got.stdout


@scenario
def the_command_adds_lists_and_removes(lab):
    host = lab.mta1
    before = host.read_config("accounts.cf")
    mark = host.mark()
    made = app_password(lab, "add", USER1, "phone", "imap,smtp").strip()
    expect_match(made, r"^([a-z2-7]{5}-){3}[a-z2-7]{5}$")
    host.wait_log("ev=auth.accounts", mark)
    for protocol, password, want in (("imap", made, True),
                                     ("smtp", made, True),
                                     ("pop3", made, False),
                                     ("pop3", PASSWORD, True)):
        expect(opens(host, protocol, USER1, password), want, protocol)
    mark = host.mark()
    row = json.loads(app_password(lab, "--json", "add", USER1.upper(),
                                  "tablet", "all"))
    expect({**row, "password": ""}, {
        "account": USER1, "name": "tablet", "password": "",
        "protocols": ["smtp", "imap", "pop3", "sieve"]})
    host.wait_log("ev=auth.accounts", mark)
    expect(opens(host, "pop3", USER1, row["password"]), True, "tablet")
    app_password(lab, "add", USER2, "given", "pop3", "a word", name="setup")
    expect(app_password(lab, "list", USER1),
           f"* {USER1} phone smtp,imap\n"
           f"* {USER1} tablet smtp,imap,pop3,sieve\n")
    rows = [json.loads(line) for line in app_password(
        lab, "list", "--json").splitlines()]
    expect([(r["account"], r["name"], r["protocols"]) for r in rows], [
        (USER1, "phone", ["smtp", "imap"]),
        (USER1, "tablet", ["smtp", "imap", "pop3", "sieve"]),
        (USER2, "given", ["pop3"])])
    for password in (made, row["password"], "a word"):
        expect_true(password not in host.read_config("accounts.cf"), "hashes")
    there = host.read_config("accounts.cf")
    for words in (("add", USER1, "phone", "imap"),  # there already
                  ("add", USER1, "other", "ftp"),
                  ("add", USER1, "an other", "imap"),
                  ("add", USER1, "a=b", "imap"),
                  ("add", USER1, "x", "imap:{PLAIN}y app_z=imap"),
                  ("add", "nobody@example1.local", "x", "imap"),
                  ("remove", USER1, "nothing"), ("add", USER1, "x"),
                  ("list", "nobody@example1.local")):
        app_password(lab, *words, status=1)
    expect(host.read_config("accounts.cf"), there, "what is refused")
    mark = host.mark()
    app_password(lab, "remove", USER1, "phone")
    host.wait_log("ev=auth.accounts", mark)
    expect(opens(host, "imap", USER1, made), False, "it is gone")
    expect(opens(host, "imap", USER1, row["password"]), True, "the other")
    app_password(lab, "remove", USER1, "tablet")
    app_password(lab, "remove", USER2, "given")
    expect(host.read_config("accounts.cf"), before, "as it was")
    expect(app_password(lab, "list"), "")


if __name__ == "__main__":
    main()
