#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Folders of docker-mailserver, tests/dms/NAME/, mounted as they are: their
files under their own names, their variables in the file env. One host each.

Rows: A34 (doveadm pw's hashes), B8 (SPOOF_PROTECTION), E3."""

import base64
import contextlib
import functools
import json
import os
import poplib
import shutil
import smtplib
import socket
import ssl
import subprocess
import threading

from frame import (PASSWORD, ROOT, Failed, Host, Sink, expect, expect_match,
                   expect_true, free_ports, main, message, scenario, wait_for)

FOLDERS = os.path.join(ROOT, "tests", "dms")
AHEAD = 3  # hosts that start while the one before is tested
wanted = []  # names, in the order of their tests
hosts, stopping = {}, []
prepare = {}  # name -> what the test adds before the start


class Folder(Host):
    def __init__(self, name, lab):
        super().__init__(1, os.path.join(lab.directory, name), free_ports(),
                         lab.build)
        self.name = name
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.mail)
        os.makedirs(self.run)
        shutil.copytree(os.path.join(FOLDERS, name), self.config,
                        copy_function=shutil.copyfile)
        os.chmod(self.config, 0o755)
        self.environment = {"SSL_TYPE": ""}
        env = os.path.join(self.config, "env")
        with open(env) as file:
            for line in file.read().splitlines():
                key, _, value = line.partition("=")
                self.environment[key] = value.replace(
                    "/tmp/docker-mailserver", self.config)
        os.remove(env)
        self.hostname = self.environment["OVERRIDE_HOSTNAME"]
        if name in prepare:
            prepare[name](self)
        self.start(wait=False)

    def is_ready(self):
        return (self.greets("smtp") and self.greets("submission")
                and self.ctl("healthcheck").returncode == 0)

    def sink(self, place, **options):
        sink = Sink(**options)
        self.peers[place] = sink.port
        return sink


def folder(*names):
    """The test of these folders: gets their hosts, ready."""
    def decorate(function):
        wanted.extend(names)

        @functools.wraps(function)
        def run(lab):
            first = wanted.index(names[0])
            for name in wanted[first:first + len(names) + AHEAD]:
                if name not in hosts:
                    hosts[name] = Folder(name, lab)
            mine = [hosts[name] for name in names]
            try:
                for host in mine:
                    host.wait_ready()
                function(*mine)
            except Failed as failed:
                raise Failed(f"{failed}\n{mine[0].tail(30)}") from failed
            finally:
                for host in mine:
                    lab.hosts.remove(host) if host in lab.hosts else None
                    thread = threading.Thread(target=end, args=(host,))
                    thread.start()
                    stopping.append((host, thread))
        return scenario(run)
    return decorate


def before(name):
    def note(function):
        prepare[name] = function
        return function
    return note


ended = {}


def end(host):
    try:
        host.stop()
    except Exception as error:  # told by the last test
        ended[host.name] = error


def rcpt(host, recipient, sender="a@remote.example", service="smtp",
         login=None):
    """(code, text) of the first refusal, or of RCPT."""
    client = smtplib.SMTP("127.0.0.1", host.ports[service],
                          local_hostname="client.example", timeout=20)
    with contextlib.closing(client):
        client.ehlo()
        if login:
            client.login(login, PASSWORD)
        code, text = client.mail(sender)
        if code == 250:
            code, text = client.rcpt(recipient)
        return code, text.decode()


def send(host, sender, recipient, login=None, body="Hello.\r\n"):
    """By submission when there is a login, else to port 25."""
    ident, content = message(sender=sender, recipient=recipient, body=body)
    client = smtplib.SMTP("127.0.0.1",
                          host.ports["submission" if login else "smtp"],
                          local_hostname="client.example", timeout=20)
    with contextlib.closing(client):
        if login:
            client.login(login, PASSWORD)
        client.sendmail(sender, [recipient], content)
    return ident


def expect_delivered(host, recipient, *users, sender="a@remote.example"):
    """Mail for recipient comes to these users and to nobody else."""
    ident = send(host, sender, recipient)
    for user in users:
        host.wait_mail(user, ident)
    host.wait_queue_empty()
    for root, _, files in os.walk(host.mail):
        for name in files if root.endswith("/new") else ():
            with open(os.path.join(root, name), "rb") as file:
                if ident.encode() not in file.read():
                    continue
            local = os.path.relpath(root, host.mail).split("/")
            expect_true(f"{local[1]}@{local[0]}" in users,
                        f"{recipient}: a copy in {root}")


def wait_at(sink, n=1):
    wait_for(f"{n} messages at the sink", lambda: len(sink.messages) >= n)
    return sink.messages[n - 1]


def at_once(*functions):
    results = [None] * len(functions)

    def run(i, function):
        results[i] = function()
    threads = [threading.Thread(target=run, args=pair)
               for pair in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# ---- the folders ----

@folder("overrides")
def overrides(host):
    """2.6, 2.7: the last assignment counts, one service's own parameter."""
    with host.raw() as c:
        expect_match(c.reply()[1], "mail.localhost.localdomain ESMTP overrid")
        expect(c.say("MAIL FROM:<a@b.example>"), 503, "HELO is required")
        c.send(b"EHLO x.example\r\n")
        expect_match(c.reply()[1], r"SIZE 30000\b")
    got = rcpt(host, "user1@localhost.localdomain", service="submission")
    expect(got[0], 530, f"no mail without a login: {got[1]}")
    got = rcpt(host, "nobody@localhost.localdomain",
               "user1@localhost.localdomain", "submission",
               "user1@localhost.localdomain")
    expect(got[0], 554, f"the list of 587 refuses all but one: {got[1]}")
    expect_match(host.log(), r"readme_directory|max_idle")
    expect_delivered(host, "user1+tag@localhost.localdomain",
                     "user1@localhost.localdomain",
                     sender="a@localhost.localdomain")


class SaslSink(Sink):
    """Takes STARTTLS with the certificate of the host, and AUTH PLAIN."""

    def __init__(self, host):
        self.host, self.logins = host, []
        super().__init__(
            extensions=["STARTTLS", "AUTH PLAIN LOGIN"],
            replies={"STARTTLS": self.start_tls, "AUTH": self.auth})

    def start_tls(self, connection, reader, _line):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(
            os.path.join(self.host.state, "tls", "cert.pem"),
            os.path.join(self.host.state, "tls", "key.pem"))
        connection.sendall(b"220 2.0.0 begin\r\n")
        inner = context.wrap_socket(connection, server_side=True)

        class Quiet:
            is_first = True

            def sendall(self, octets):
                if not self.is_first:
                    inner.sendall(octets)
                self.is_first = False
        with contextlib.suppress(OSError):
            self.session(Quiet(), inner.makefile("rb"))

    def auth(self, connection, reader, line):
        words = line.split(" ")
        if len(words) < 3:
            connection.sendall(b"334 \r\n")
            words.append(reader.readline().strip().decode())
        parts = base64.b64decode(words[2]).split(b"\0")
        self.logins.append((parts[1].decode(), parts[2].decode()))
        connection.sendall(b"235 2.7.0 in\r\n")


@before("relay-sasl")
def relay_secret(host):
    path = os.path.join(host.directory, "secret")
    with open(path, "w") as file:
        file.write("smtp:password\n")
    host.environment["RELAY_PASSWORD__FILE"] = path
    host.relay = SaslSink(host)
    host.peers["[default.relay.com]:2525"] = host.relay.port


@folder("relay-sasl")
def relay_with_a_login(host):
    """2.15, and a secret in a file of its own (2.16)."""
    sender = "user1@domainone.tld"
    send(host, sender, "x@elsewhere.example", sender)
    got = wait_at(host.relay)
    expect(got[1][0].split(" ")[0], "RCPT")
    expect(host.relay.logins, [("smtp_user", "smtp:password")])
    expect_delivered(host, sender, sender)


@before("relay-senders")
def relay_sinks(host):
    host.first, host.second = SaslSink(host), SaslSink(host)
    host.peers["[default.relay.com]:2525"] = host.first.port
    host.peers["[other.relay.com]:587"] = host.second.port


@folder("relay-senders")
def relay_by_sender(host):
    """2.9, 2.10: an entry, the default, and who has opted out."""
    send(host, "user1@domainone.tld", "x@elsewhere.example",
         "user1@domainone.tld")
    send(host, "user2@domaintwo.tld", "x@elsewhere.example",
         "user2@domaintwo.tld")
    wait_at(host.first)
    wait_at(host.second)
    expect(host.first.logins, [("smtp_user", "smtp_password")])
    expect(host.second.logins, [("smtp_user_2", "smtp:password:2")])
    result = host.ctl("route", "explain", "x@elsewhere.example", "from",
                      "user3@domainthree.tld")
    expect_true("relay.com" not in result.stdout.split("=>")[-1],
                f"opted out: {result.stdout}")
    # Who is here is delivered here.
    expect_delivered(host, "user3@domainthree.tld", "user3@domainthree.tld",
                     sender="user2@domaintwo.tld")


@before("relay-default")
def relay_of_the_provider(host):
    host.relay = SaslSink(host)
    host.peers["[relay.isp.example]:587"] = host.relay.port


@folder("relay-default")
def relay_by_default(host):
    """2.15: DEFAULT_RELAY_HOST as it is written, with the login of the
    environment; DUNNO in the relay map stops there (2.9)."""
    for n, user in enumerate(("user1@first.tld", "user2@second.tld"), 1):
        send(host, user, "x@elsewhere.example", user)
        expect(wait_at(host.relay, n)[0].split("<")[1].split(">")[0], user)
    expect(set(host.relay.logins), {("customer", "secret:of:his")})
    expect_delivered(host, "user2@second.tld", "user2@second.tld",
                     sender="user1@first.tld")


@folder("access")
def access(host):
    """2.11: before the lists, for senders and recipients."""
    user1 = "user1@localhost.localdomain"
    for sender, recipient, code, text in (
            ("bad@spam.example", user1, 554, "Access denied"),
            ("good@spam.example", user1, 250, ""),
            ("any@spam.test", user1, 550, "We do not want mail from there"),
            ("any@sub.spam.test", user1, 550, "do not want"),
            ("a@remote.example", "user2@localhost.localdomain", 554,
             "Access denied"),
            ("a@remote.example", "x@elsewhere.example", 554,
             "Relay access denied"),
            ("", user1, 250, "")):
        got = rcpt(host, recipient, sender)
        expect(got[0], code, f"{sender} to {recipient}: {got[1]}")
        expect_match(got[1], text)


@folder("regexp")
def regexp(host):
    """2.5: a full address in the table, then in the patterns, then without
    its extension in the table alone, then the catch-all."""
    at = "@localhost.localdomain"
    for recipient, user in (
            ("test7", "user1"), ("TEST77", "user1"),
            ("both", "user2"),          # the table stands before
            ("sales-eu", "user2"),      # $1, and on through the table
            ("both+tag", "user2"),      # stripped: in the table alone
            ("anything", "user3")):     # the catch-all comes last
        expect_delivered(host, recipient + at, user + at)


@folder("aliases")
def aliases(host):
    """2.4: the server's own names; root is POSTMASTER_ADDRESS. Programs and
    files are no addresses: that mail waits, and lint says why (S20)."""
    user1, user2 = "user1@example.test", "user2@example.test"
    own = "@mail.example.test"
    expect_delivered(host, "abuse" + own, user1)
    expect_delivered(host, "team" + own, user1, user2)
    expect_delivered(host, "listed" + own, user2)
    expect_delivered(host, "postmaster@example.test", user1)
    for name, made in (("printer", "touched"), ("spool", "spooled")):
        got = rcpt(host, name + own)
        expect(got[0], 451, f"{name}: {got[1]}")
        for place in (host.config, "/tmp/docker-mailserver"):
            expect_true(not os.path.exists(os.path.join(place, made)), made)
        expect_match(host.ctl("lint", host.config).stdout,
                     rf'postfix-aliases\.cf:\d+: warning: .*"{name}" is put')


@folder("spoof-protection")
def spoof_protection(host):
    at = "@localhost.localdomain"
    for sender, code in (("user1", 250), ("alias1", 250), ("alias-abc", 250),
                         ("user2", 553), ("nobody", 553)):
        got = rcpt(host, "x@elsewhere.example", sender + at, "submission",
                   "user1" + at)
        expect(got[0], code, f"{sender}: {got[1]}")
    # In postfix-virtual.cf and postfix-regexp.cf: both own it.
    for user, code in (("user1", 250), ("user2", 250)):
        got = rcpt(host, "x@elsewhere.example", "shared" + at, "submission",
                   user + at)
        expect(got[0], code, f"{user} as shared: {got[1]}")


@folder("permit-docker")
def permit_docker_and_smtp_only(host):
    """Its own addresses may send without a login; nobody reads mail here."""
    expect(rcpt(host, "x@elsewhere.example")[0], 250, "127.0.0.1")
    expect(rcpt(host, "user1@localhost.localdomain")[0], 250)
    for service in ("imap", "imaps", "pop3", "pop3s"):
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", host.ports[service]), 2)
            raise Failed(f"SMTP_ONLY=1, and {service} answers")
    expect_match(host.log(), "^imap: off|imap: off")
    with open("/proc/net/fib_trie") as file:
        trie = file.read()
    own = [a for a in trie.split() if a.count(".") == 3
           and a.startswith(("10.", "172.", "192."))]
    settings = host.ctl("config", "--expand", "mynetworks", name="mailctl")
    expect_true(not own or "/32" in settings.stdout or settings.returncode,
                settings.stdout)


@before("quotas")
def outside(host):
    host.elsewhere = host.sink("[sink.example]:25")


@folder("quotas")
def quotas(host):
    """2.12: both syntaxes, 0, the default; and an alias that leads away is
    accepted with quotas on (docker-mailserver #4767)."""
    at = "@localhost.localdomain"
    def fill(name, n_before):
        """(code, text) of the refusal, from the first mail on."""
        for n in range(n_before + 1, n_before + 9):
            try:
                send(host, "a@remote.example", name + at,
                     body=("y" * 70 + "\r\n") * 50)
            except smtplib.SMTPRecipientsRefused as refused:
                return refused.recipients[name + at], n - 1
            wait_for(f"mail {n}",
                     lambda: len(host.files("small" + at)) >= n)
        raise Failed(f"{name}: never full")
    (code, text), n_stored = fill("small", 0)  # 20k
    expect(code, 552, text)
    expect_match(text, r"5\.2\.2 .*full")
    expect_true(4 <= n_stored <= 6, f"{n_stored} of 3.8 kB")
    expect(fill("alias", n_stored)[0][0], 552, "its alias")
    send(host, "a@remote.example", "outside" + at)
    wait_at(host.elsewhere)
    # 1 GiB, none, and the default of 4096 MiB.
    for user, limit in (("seed", "1048576"), ("none", None),
                        ("other", "4194304")):
        with host.raw("imap") as c:
            c.line()
            c.tagged("a", f"LOGIN {user}{at} {PASSWORD}")
            answer = " ".join(c.tagged("b", "GETQUOTAROOT INBOX"))
            found = f"STORAGE 0 {limit}" in answer if limit \
                else "STORAGE" not in answer
            expect_true(found, f"{user}: {answer}")


@folder("virtual")
def virtual(host):
    """2.3: a catch-all eats a mailbox, and an extension is looked up first
    and carried on. ENABLE_QUOTAS=0: no limit."""
    user1, user2 = "user1@localhost.localdomain", "user2@otherdomain.tld"
    expect_delivered(host, "anybody@localdomain2.com", user1)
    expect_delivered(host, "alias1+boss@localhost.localdomain", user1)
    expect_delivered(host, "x@otherdomain.tld", user1)
    expect_delivered(host, "user2@otherdomain.tld", user1)
    expect(rcpt(host, "nobody@localhost.localdomain")[0], 550)
    for _ in range(3):  # far beyond the 1k of the file
        send(host, "a@remote.example", user1, body="z" * 70 * 40 + "\r\n")
    host.wait_queue_empty()
    expect(rcpt(host, user1)[0], 250, "quotas are off")


@before("transport-1")
def name_the_other(host):
    other = hosts.setdefault("ports of transport-2", free_ports())
    host.peers["[mta2]:25"] = other["smtp"]
    host.others_name = "[mta1]:25"


@before("transport-2")
def be_named(host):
    host.ports = hosts["ports of transport-2"]
    host.peers["[mta1]:25"] = hosts["transport-1"].ports["smtp"]


@folder("transport-1", "transport-2")
def two_domains(one, two):
    """2.8, and findings 1, 2, 4: the lab of two hosts, as it was."""
    first = send(one, "user1@example1.local", "user3@example2.local",
                 "user1@example1.local")
    second = send(two, "user3@example2.local", "user1@example1.local",
                  "user3@example2.local")
    two.wait_mail("user3@example2.local", first)
    one.wait_mail("user1@example1.local", second)
    lint = one.ctl("lint", one.config).stdout
    expect_match(lint, r"postfix-relaymap.cf:1: .*example2\.local")
    expect_match(lint, "ONE_DIR has no effect")
    expect_match(one.log(), r"environment: .*ONE_DIR")


@before("crlf")
def crlf_sink(host):
    host.elsewhere = host.sink("[sink.example]:25")


@folder("crlf")
def windows_wrote_these(host):
    """2.1: CRLF, and no newline at the end; nothing is lost or changed."""
    at = "@localhost.localdomain"
    with host.raw() as c:
        expect_match(c.reply()[1], "mail.localhost.localdomain ESMTP of Win")
    expect_delivered(host, "alias1" + at, "user1" + at)
    expect_delivered(host, "last" + at, "user2" + at)
    expect_delivered(host, "re5" + at, "user2" + at)
    send(host, "user1" + at, "x@elsewhere.example", "user1" + at)
    wait_at(host.elsewhere)
    for name in os.listdir(host.config):
        with open(os.path.join(FOLDERS, "crlf", name), "rb") as file:
            as_it_was = file.read()
        with open(os.path.join(host.config, name), "rb") as file:
            expect(file.read(), as_it_was, name)


# ---- certificates ----

def make_certificate(cert, key, name, kind="ec"):
    for path in (cert, key):
        os.makedirs(os.path.dirname(path), exist_ok=True)
    algorithm = (["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
                 if kind == "ec" else ["-newkey", "rsa:2048"])
    done = subprocess.run(
        ["openssl", "req", "-x509", *algorithm, "-nodes", "-days", "9",
         "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
         "-keyout", key, "-out", cert],
        stdin=subprocess.DEVNULL, capture_output=True, text=True)
    expect(done.returncode, 0, done.stderr)


def served(host, ciphers=None):
    """The certificate (PEM) that port 465 shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if ciphers:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
    with socket.create_connection(
            ("127.0.0.1", host.ports["submissions"]), 10) as plain, \
            context.wrap_socket(plain) as wrapped:
        return ssl.DER_cert_to_PEM_cert(wrapped.getpeercert(True)).strip()


def first_certificate(path):
    with open(path) as file:
        text = file.read()
    end_mark = "-----END CERTIFICATE-----"
    return text[text.index("-----BEGIN CERT"):].split(end_mark)[0] + end_mark


def expect_served(host, path, **how):
    def look():
        try:
            return served(host, **how) == first_certificate(path)
        except OSError:
            return False
    wait_for(f"{host.name} serves {path}", look, 5)


def expect_no_clear_passwords(host):
    with host.raw("imap") as c:
        expect_match(c.line(), "LOGINDISABLED")
    with host.raw("submission") as c:
        c.reply()
        c.send(b"EHLO x.example\r\n")
        text = c.reply()[1]
        expect_true("AUTH" not in text and "STARTTLS" in text, text)


@before("ssl-manual")
def manual_files(host):
    ssl_dir = os.path.join(host.config, "ssl")
    make_certificate(f"{ssl_dir}/public.crt", f"{ssl_dir}/private.key",
                     "mail.example.test")
    make_certificate(f"{ssl_dir}/alt.crt", f"{ssl_dir}/alt.key",
                     "mail.example.test", "rsa")


@folder("ssl-manual")
def tls_manual(host):
    """Two chains, one for each kind of key; a new one without a restart."""
    ssl_dir = os.path.join(host.config, "ssl")
    expect_served(host, f"{ssl_dir}/public.crt")
    expect_served(host, f"{ssl_dir}/alt.crt", ciphers="ECDHE+aRSA")
    expect_no_clear_passwords(host)
    make_certificate(f"{ssl_dir}/public.crt", f"{ssl_dir}/private.key",
                     "mail.example.test")
    expect_served(host, f"{ssl_dir}/public.crt")


@before("ssl-self-signed")
def self_signed_files(host):
    base = os.path.join(host.config, "ssl", host.hostname)
    make_certificate(base + "-cert.pem", base + "-key.pem", host.hostname)
    os.makedirs(os.path.join(host.config, "ssl", "demoCA"))
    shutil.copyfile(base + "-cert.pem", os.path.join(
        host.config, "ssl", "demoCA", "cacert.pem"))


@folder("ssl-self-signed")
def tls_self_signed(host):
    expect_served(host, os.path.join(host.config, "ssl",
                                     host.hostname + "-cert.pem"))
    expect_no_clear_passwords(host)


@before("ssl-letsencrypt")
def live(host):
    base = os.path.join(host.directory, "letsencrypt")
    host.environment["ESTAFETA_LETSENCRYPT"] = base
    for name in ("example.test", "mail.example.test"):
        make_certificate(f"{base}/live/{name}/fullchain.pem",
                         f"{base}/live/{name}/privkey.pem", name)


@folder("ssl-letsencrypt")
def tls_letsencrypt(host):
    """The host's name goes before its domain's."""
    base = os.path.join(host.directory, "letsencrypt", "live")
    expect_served(host, f"{base}/mail.example.test/fullchain.pem")
    expect_no_clear_passwords(host)
    shutil.rmtree(f"{base}/mail.example.test")
    expect_served(host, f"{base}/example.test/fullchain.pem")


def write_acme(host):
    base = os.path.join(host.directory, "letsencrypt")
    paths = f"{base}/made.pem", f"{base}/made-key.pem"
    make_certificate(*paths, "*.example.test")

    def encoded(path):
        with open(path, "rb") as file:
            return base64.b64encode(file.read()).decode()
    value = {"le": {"Account": {"Email": "a@example.test"}, "Certificates": [
        {"domain": {"main": "other.test"}, "certificate": "QQ==",
         "key": "QQ=="},
        {"domain": {"main": "example.test", "sans": ["*.example.test"]},
         "certificate": encoded(paths[0]), "key": encoded(paths[1]),
         "Store": "default"}]}}
    with open(f"{base}/acme.json~", "w") as file:
        json.dump(value, file)
    os.rename(f"{base}/acme.json~", f"{base}/acme.json")
    return paths[0]


@before("ssl-acme-json")
def acme(host):
    host.environment["ESTAFETA_LETSENCRYPT"] = os.path.join(
        host.directory, "letsencrypt")
    host.made = write_acme(host)


@folder("ssl-acme-json")
def tls_acme_json(host):
    """Traefik's file, and its next version."""
    expect_served(host, host.made)
    expect_served(host, write_acme(host))


@folder("masters")
def master_users_and_schemes(host):
    """2.13, 2.2: every scheme of doveadm pw (A34), every use is logged."""
    at = "@localhost.localdomain"
    user = "user1" + at

    def imap(login, password):
        with host.raw("imap") as c:
            c.line()
            return c.tagged("a", f'LOGIN "{login}" {password}')[-1]
    expect_match(imap(f"{user}*masteruser", "master-password"), "^a OK")
    expect_match(host.log(), r"auth\.master.*master.*masteruser.*user1@")
    expect_match(imap(f"nobody{at}*masteruser", "master-password"), "^a NO")
    client = poplib.POP3("127.0.0.1", host.ports["pop3"], 10)
    client.user(f"{user}*masteruser")
    expect_match(client.pass_("master-password"), "OK")
    client.quit()

    def act_as(authzid, authcid, password, service="imap"):
        """RFC 4616 2, as Dovecot takes it: A03."""
        coded = base64.b64encode(f"{authzid}\0{authcid}\0{password}".encode())
        with host.raw(service) as c:
            c.line()
            if service == "pop3":
                c.send(b"AUTH PLAIN " + coded + b"\r\n")
                return c.line().decode()
            return c.tagged("a", f"AUTHENTICATE PLAIN {coded.decode()}")[-1]
    expect_match(act_as(user, "masteruser", "master-password"), "^a OK")
    expect_match(act_as(user, "masteruser", "master-password", "pop3"),
                 r"^\+OK")

    def send_as_master():  # he reads; he does not send
        with host.raw("submission") as c:
            c.reply()
            c.say("EHLO x.example")
            plain = f"\0{user}*masteruser\0master-password".encode()
            return str(c.say("AUTH PLAIN "
                             + base64.b64encode(plain).decode()))
    refused = at_once(  # who is wrong waits
        lambda: imap(f"{user}*masteruser", PASSWORD),
        lambda: imap("masteruser", "master-password"), send_as_master,
        lambda: act_as(user, "masteruser", PASSWORD),
        lambda: act_as("nobody" + at, "masteruser", "master-password"),
        lambda: act_as(user, "blf-crypt" + at, PASSWORD),
        lambda: act_as(user, f"{user}*masteruser", "master-password"))
    for text in refused:
        expect_match(text, "^a NO|^535")
    for scheme in ("sha256-crypt", "ssha", "ssha256", "ssha512", "md5-crypt",
                   "blf-crypt", "plain", "crypt", "scram-sha-256"):
        expect_match(imap(scheme + at, PASSWORD), "^a OK", scheme)
    log = host.log()
    expect_match(log, r"environment: .*ENABLE_OPENDKIM=1 has no effect")
    expect_match(log, r"environment: .*ENABLE_FOO has no effect")
    expect_match(log, r"extra fields of user1@localhost.localdomain have no")
    os.remove(os.path.join(host.config, "dovecot-masters.cf"))
    host.wait_log(r"auth\.masters n=0")
    expect_match(imap(f"{user}*masteruser", "master-password"), "^a NO")


@scenario
def all_have_stopped_in_peace(lab):
    for host, thread in stopping:
        thread.join(40)
        expect_true(not thread.is_alive(), f"{host.name} does not stop")
        lines = host.complaints()
        expect_true(not lines, f"{host.name}: {lines[:5]}")
    expect(ended, {}, "ends of hosts")


main(hosts=0)
