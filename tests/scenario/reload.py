#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An edited file is in force within 2 s, under load; sessions of unaffected
users live; a broken line is told as file:line, and the old set stays.
RUNS_ALONE: it is about time."""

import base64
import contextlib
import ctypes
import ctypes.util
import imaplib
import os
import socket
import ssl
import sys
import subprocess
import threading
import time

from frame import (Failed, expect, expect_match, expect_true, given, main,
                   message, need, scenario, wait_for)

USER1, USER2 = "user1@example1.local", "user2@example1.local"
USER3 = "user3@example2.local"
IN_FORCE_S = 2.0
# The bar is the release build's; sanitizers cost time.
SLACK_S = 2.5 if "dev" in sys.argv else 0.5


def hashed(password, salt="fixedsalt"):
    """{SHA512-CRYPT} by the system's own crypt(3)."""
    name = ctypes.util.find_library("crypt") or "libcrypt.so.1"
    crypt = ctypes.CDLL(name).crypt
    crypt.restype = ctypes.c_char_p
    return "{SHA512-CRYPT}" + crypt(password.encode(),
                                    f"$6${salt}".encode()).decode()


def in_force(what, look, began):
    """The look that found it must have begun in time: a refused login is
    answered late on purpose."""
    asked = began

    def timed():
        nonlocal asked
        asked = given()
        return look()
    wait_for(what, timed, 2 * (IN_FORCE_S + SLACK_S))
    took = asked - began
    expect_true(took <= IN_FORCE_S + SLACK_S, f"{what} took {took:.1f} s")


def can_login(host, user, password):
    try:
        with contextlib.closing(Closing(host.imap(user, password))):
            return True
    except imaplib.IMAP4.error:
        return False


class Closing:
    def __init__(self, client):
        self.client = client

    def close(self):
        self.client.shutdown()


def rcpt(host, recipient):
    with host.smtp() as client:
        client.ehlo()
        client.mail("a@stranger.example")
        return client.rcpt(recipient)


def rcpt_of_user(host, recipient):
    with host.submission(USER1) as client:
        client.mail(USER1)
        return client.rcpt(recipient)


class Load:
    """Sends without pause; an error of any kind is kept."""

    def __init__(self, host):
        self.host, self.errors, self.n = host, [], 0
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.ending.is_set():
            try:
                self.host.submit(USER1, USER1, message(recipient=USER1)[1])
                self.n += 1
            except Exception as error:  # any failure is the finding
                self.errors.append(repr(error))
                return

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.ending.set()
        self.thread.join(30)
        if kind is None:
            expect(self.errors, [], "the load met errors")
            expect_true(self.n > 0, "no load")


@scenario
def a_new_account_gets_in(lab):
    host = lab.mta1
    with Load(host):
        began = given()
        host.append("accounts.cf",
                    f"new@example1.local|{hashed('secret')}")
        in_force("the new user logs in",
                 lambda: can_login(host, "new@example1.local", "secret"),
                 began)
        expect(rcpt(host, "new@example1.local")[0], 250)


@scenario
def a_removed_user_is_out_and_others_stay(lab):
    host = lab.mta1
    stays, goes = host.imap(USER1), host.imap(USER2)
    stays.select("INBOX")
    goes.select("INBOX")
    text = host.read_config("accounts.cf")
    try:
        with Load(host):
            began = given()
            host.write_config("accounts.cf", "".join(
                line for line in text.splitlines(True)
                if not line.startswith(USER2)))
            in_force("the removed user is refused",
                     lambda: rcpt(host, USER2)[0] == 550, began)
            in_force("and cannot log in", lambda: not can_login(
                host, USER2, "password123"), began)

            def is_ended():
                try:
                    goes.noop()
                except (imaplib.IMAP4.abort, OSError):
                    return True
                return False
            in_force("and the session ends", is_ended, began)
            expect(stays.noop()[0], "OK", "the other's session")
    finally:
        host.write_config("accounts.cf", text)
        with contextlib.suppress(OSError):
            goes.shutdown()
        stays.logout()
    wait_for("user2 is back", lambda: can_login(host, USER2, "password123"),
             10)


@scenario
def a_new_password_ends_the_old_one(lab):
    """A08: also one that was just verified and is remembered."""
    host = lab.mta1
    text = host.read_config("accounts.cf")
    expect(can_login(host, USER2, "password123"), True)
    began = given()
    host.write_config("accounts.cf", "".join(
        f"{USER2}|{hashed('changed')}\n" if line.startswith(USER2) else line
        for line in text.splitlines(True)))
    in_force("the old password fails",
             lambda: not can_login(host, USER2, "password123"), began)
    expect(can_login(host, USER2, "changed"), True)
    host.write_config("accounts.cf", text)
    wait_for("as before", lambda: can_login(host, USER2, "password123"), 5)


@scenario
def virtual_cf(lab):
    host = lab.mta1
    with Load(host):
        expect(rcpt(host, "sales@example1.local")[0], 550)
        began = given()
        host.append("virtual.cf", f"sales@example1.local {USER2}")
        in_force("the alias is accepted",
                 lambda: rcpt(host, "sales@example1.local")[0] == 250, began)


@scenario
def transport_cf(lab):
    host = lab.mta1
    text = host.read_config("transport.cf")
    with Load(host):
        expect(rcpt_of_user(host, USER3)[0], 250)
        began = given()
        host.write_config("transport.cf",
                          "example2.local error:5.7.1 closed for now\n")
        in_force("mail to example2.local is refused",
                 lambda: rcpt_of_user(host, USER3)[0] == 550, began)
        code, reason = rcpt_of_user(host, USER3)
        expect_match(reason, r"5\.7\.1 .*closed for now")
        host.write_config("transport.cf", text)
        wait_for("as before",
                 lambda: rcpt_of_user(host, USER3)[0] == 250, 3)


@scenario
def quotas_cf(lab):
    host = lab.mta1
    text = host.read_config("quotas.cf")
    host.submit(USER1, USER2, message(recipient=USER2,
                                      body="x" * 70 + "\r\n")[1])
    host.wait_queue_empty()
    with Load(host):
        began = given()
        host.write_config("quotas.cf", f"{USER2}:100B\n")
        in_force("user2 is full", lambda: rcpt(host, USER2)[0] == 552,
                 began)
        host.write_config("quotas.cf", text)
        wait_for("as before", lambda: rcpt(host, USER2)[0] == 250, 3)


@scenario
def main_cf(lab):
    host = lab.mta1

    def size():
        with host.smtp() as client:
            client.ehlo()
            return client.esmtp_features["size"]
    with Load(host):
        expect(size(), "10240000")
        began = given()
        host.append("main.cf", "message_size_limit = 5000000")
        in_force("SIZE changes", lambda: size() == "5000000", began)
        host.append("main.cf", "message_size_limit = 10240000")
        wait_for("as before", lambda: size() == "10240000", 3)


@scenario
def files_elsewhere_are_watched(lab):
    """An :include: file and a table outside of the directory, a table in a
    folder below it, and one that was missing at first."""
    host = lab.mta1
    outside = os.path.join(lab.directory, "outside")
    below = os.path.join(host.config, "maps")
    os.makedirs(outside, exist_ok=True)
    os.makedirs(below, exist_ok=True)

    def write(path, text):
        """At once: what is read half written is read once more."""
        with open(path + "~", "w", encoding="ascii") as file:
            file.write(text)
        os.rename(path + "~", path)

    list_file = os.path.join(outside, "list")
    moved = os.path.join(outside, "moved")
    later = os.path.join(below, "later")
    write(list_file, USER1 + "\n")
    write(moved, "gone@example1.local far@away.example\n")
    before = host.read_config("main.cf")
    mark = host.mark()
    host.append("main.cf", f"""
mydestination = {host.hostname}
alias_maps = inline:{{{{team = :include:{list_file}}}}}
relocated_maps = texthash:{moved}
recipient_canonical_maps = texthash:{later}
""")
    host.wait_log(r"later: error: cannot be read", mark)
    host.wait_log(r"ev=config\.kept", mark)
    write(later, "old@example1.local user1@example1.local\n")
    in_force("the missing file",
             lambda: rcpt(host, "old@example1.local")[0] == 250,
             given())
    mark = host.mark()
    team = f"team@{host.hostname}"
    expect(rcpt(host, team)[0], 250)
    expect(rcpt(host, USER2)[0], 250)
    write(later, "old@example1.local nobody@example1.local\n")
    in_force("a table below the directory",
             lambda: rcpt(host, "old@example1.local")[0] == 550,
             given())
    write(moved, f"{USER2} far@away.example\n")
    in_force("a table outside", lambda: rcpt(host, USER2)[0] == 550,
             given())
    write(list_file, "nobody@example1.local\n")
    in_force("an :include: file", lambda: rcpt(host, team)[0] == 550,
             given())
    loaded = host.log_since(mark).count("ev=config.loaded")
    expect_true(loaded <= 4, f"loaded {loaded} times")
    host.write_config("main.cf", before)
    in_force("the old main.cf", lambda: rcpt(host, USER2)[0] == 250,
             given())


@scenario
def written_in_place(lab):
    """echo >> and vi's other way: no rename, the same inode."""
    host = lab.mta1
    path = host.config + "/virtual.cf"
    with open(path) as file:
        n = len(file.readlines())
    expect_true(n > 0, "virtual.cf")
    began = given()
    with open(path, "a") as file:
        file.write(f"inplace@example1.local {USER1}\n")
    in_force("the alias is accepted",
             lambda: rcpt(host, "inplace@example1.local")[0] == 250, began)


BROKEN = {
    "accounts.cf": "this is no account line\n",
    "virtual.cf": "lonely@example1.local\n",
    "transport.cf": "example9.local\n",
    "quotas.cf": "user1@example1.local:many\n",
    "main.cf": "message_size_limit = huge\n",
}


@scenario
def a_broken_line_is_told_and_the_old_set_stays(lab):
    host = lab.mta1
    for name, line in BROKEN.items():
        text = host.read_config(name)
        number = text.count("\n") + 1
        mark = host.mark()
        host.write_config(name, text + line)
        try:
            host.wait_log(rf"{name.replace('.', '[.]')}:{number}\b", mark,
                          IN_FORCE_S + SLACK_S)
            expect(rcpt(host, USER1)[0], 250, f"after a broken {name}")
            expect(can_login(host, USER1, "password123"), True,
                   f"after a broken {name}")
            lint = host.ctl("lint")
            if lint.returncode == 64:
                raise Failed("mailctl lint is missing")
            expect_match(lint.stdout + lint.stderr, f"{name}:{number}:")
            # A key without a value is left out, the rest is good (Postfix
            # does the same): a warning.
            expect_true(lint.returncode != 0 or name in (
                "virtual.cf", "transport.cf"), f"lint is content with {name}")
        finally:
            host.write_config(name, text)
    wait_for("all is well again",
             lambda: host.ctl("lint").returncode == 0, 5)


@scenario
def a_missing_accounts_file_keeps_the_old_set(lab):
    host = lab.mta1
    path = os.path.join(host.config, "accounts.cf")
    os.rename(path, path + ".away")
    try:
        deadline = time.monotonic() + IN_FORCE_S
        while time.monotonic() < deadline:
            expect(rcpt(host, USER1)[0] in (250, 451), True, "user1")
            time.sleep(0.1)
    finally:
        os.rename(path + ".away", path)
    wait_for("as before", lambda: rcpt(host, USER1)[0] == 250, 3)


@scenario
def a_new_certificate_is_served(lab):
    """B7: new handshakes see it; a session of before lives."""
    host = lab.mta1
    openssl = need("openssl")
    old = host.imap(USER1)
    tls = os.path.join(host.state, "tls")
    before = serial(host)
    key, cert = os.path.join(tls, "key.pem"), os.path.join(tls, "cert.pem")
    subprocess.run([openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                    "-subj", "/CN=new.example", "-keyout", key + "~",
                    "-out", cert + "~"], check=True, capture_output=True)
    keep = {}
    for path in (key, cert):
        with open(path, "rb") as file:
            keep[path] = file.read()
        status = os.stat(path)
        os.chmod(path + "~", status.st_mode & 0o777)
        os.chown(path + "~", status.st_uid, status.st_gid)
        os.rename(path + "~", path)
    try:
        wait_for("the new certificate", lambda: serial(host) != before, 5)
        expect(old.noop()[0], "OK", "the old session")
    finally:
        old.logout()
        for path, octets in keep.items():
            with open(path, "wb") as file:
                file.write(octets)
    for service in ("imaps", "submissions"):
        wait_for("the old certificate",
                 lambda s=service: serial(host, s) == before, 5)


def begin_data(host, service):
    """A session in the middle of its message; (session, id, the rest)."""
    raw = host.raw(service)
    if service == "submissions":
        raw.start_tls(host.tls())
    expect(raw.reply()[0], 220)
    expect(raw.say("EHLO client.example"), 250)
    if service == "smtp":
        expect(raw.say("STARTTLS"), 220)
        raw.start_tls(host.tls())
        expect(raw.say("EHLO client.example"), 250)
    else:
        token = base64.b64encode(f"\0{USER1}\0password123".encode())
        expect(raw.say(b"AUTH PLAIN " + token), 235)
    expect(raw.say(f"MAIL FROM:<{USER1}>"), 250)
    expect(raw.say(f"RCPT TO:<{USER2}>"), 250)
    expect(raw.say("DATA"), 354)
    message_id, content = message(recipient=USER2)
    raw.send(content[:40])
    return raw, message_id, content[40:]


@scenario
def certificates_are_swapped_under_load(lab):
    """As an operator does it, five times: every handshake of the load is
    verified, and every session that was open goes on."""
    host = lab.mta1
    reader = host.imap(USER1)
    with Load(host):
        for _ in range(5):
            before = serial(host)
            senders = [begin_data(host, service)
                       for service in ("smtp", "submissions")]
            began = given()
            expect(host.ctl("cert", "make").returncode, 0, "cert make")
            for service in ("imaps", "submissions", "pop3s"):
                in_force(f"{service} shows the new one",
                         lambda s=service: serial(host, s) != before, began)
            expect(reader.noop()[0], "OK", "the reader")
            for raw, message_id, rest in senders:
                raw.send(rest + b".\r\n")
                expect(raw.reply()[0], 250)
                expect(raw.say("QUIT"), 221)
                raw.close()
                host.wait_mail(USER2, message_id)
    reader.logout()


def serial(host, service="imaps"):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", host.ports[service]),
                                  5) as s:
        with context.wrap_socket(s) as t:
            return t.getpeercert(binary_form=True)


if __name__ == "__main__":
    main(hosts=1)
