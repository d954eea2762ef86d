#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""TLS on the way out: levels, names, policies; servers and wires that cheat
(S05, A09, A12)."""

import base64
import contextlib
import hashlib
import hmac
import os
import re
import shutil
import ssl
import subprocess

from frame import (Sink, expect, expect_match, expect_true, main, message,
                   need, scenario, wait_for)

USER1 = "user1@example1.local"
sinks = {}
certs = {}


def openssl(*arguments):
    result = subprocess.run([need("openssl"), *arguments], text=True,
                            capture_output=True, stdin=subprocess.DEVNULL)
    expect(result.returncode, 0, f"openssl {arguments}: {result.stderr}")


def make_certificate(directory, name, hosts, days="2", ca=None):
    """(certificate, key); signed by ca, or an authority of its own."""
    base = os.path.join(directory, name)
    arguments = ["req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                 base + ".key", "-out", base + ".pem", "-subj",
                 f"/CN={name}"]
    if ca:
        arguments += ["-CA", ca[0], "-CAkey", ca[1], "-addext",
                      "subjectAltName=" + ",".join(hosts)]
    arguments += ["-days", days]
    openssl(*arguments)
    return base + ".pem", base + ".key"


def say(connection, reader, challenge):
    """One round of SASL."""
    connection.sendall(b"334 " + base64.b64encode(challenge) + b"\r\n")
    return base64.b64decode(reader.readline())


def verdict(connection, is_good):
    connection.sendall(b"235 2.7.0 welcome\r\n" if is_good else
                       b"535 5.7.8 no\r\n")


def serve_scram(is_honest):
    """RFC 5802 5, 7677."""
    def serve(connection, reader, line):
        first = base64.b64decode(line.split(" ")[2]).decode()
        bare = first.removeprefix("n,,")
        nonce = bare.split("r=")[1] + "server"
        salt = b"salt of the sink"
        server = f"r={nonce},s={base64.b64encode(salt).decode()},i=4096"
        final = say(connection, reader, server.encode()).decode()
        without, proof = final.rsplit(",p=", 1)
        salted = hashlib.pbkdf2_hmac("sha256", b"s3cr3t", salt, 4096)
        about = f"{bare},{server},{without}".encode()
        key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(key).digest(), about,
                                "sha256")
        want = bytes(a ^ b for a, b in zip(key, signature))
        if base64.b64decode(proof) != want or f"r={nonce}" not in without:
            verdict(connection, False)
            return
        proof = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"),
                            about, "sha256")
        if not is_honest:
            proof = proof[::-1]
        say(connection, reader, b"v=" + base64.b64encode(proof))
        verdict(connection, True)
    return serve


def serve_cram(connection, reader, _line):
    """RFC 2195."""
    challenge = b"<1.2@sink.example>"
    got = say(connection, reader, challenge).decode()
    verdict(connection, got == "me " + hmac.new(
        b"s3cr3t", challenge, "md5").hexdigest())


def serve_login(connection, reader, _line):
    user = say(connection, reader, b"Username:")
    password = say(connection, reader, b"Password:")
    verdict(connection, (user, password) == (b"me", b"s3cr3t"))


class TlsSink(Sink):
    """Offers STARTTLS, or begins with TLS; `first` is sent right behind the
    220 to STARTTLS, in plain."""

    def __init__(self, certificate=None, first=b"", is_wrapped=False,
                 versions=None, is_broken=False, mechanisms="PLAIN LOGIN",
                 auth="235 2.7.0 welcome", **options):
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
            self.context.sni_callback = self.note_name
            if versions:
                self.context.minimum_version = versions[0]
                self.context.maximum_version = versions[1]
        self.first, self.is_wrapped = first, is_wrapped
        self.is_broken = is_broken
        self.names, self.resumed = [], []
        extensions = [f"AUTH {mechanisms}"]
        if certificate and not is_wrapped:
            extensions.append("STARTTLS")
        super().__init__(extensions=extensions,
                         replies={"AUTH": auth}, **options)

    def note_name(self, _socket, name, _context):
        self.names.append(name)

    def guarded(self, connection):
        with contextlib.suppress(OSError, ssl.SSLError):
            if self.is_wrapped:
                connection = self.context.wrap_socket(connection,
                                                      server_side=True)
                super().session(connection, connection.makefile("rb"))
                return
            self.talk(connection)
        with contextlib.suppress(OSError):
            connection.close()

    def talk(self, connection):
        """Up to STARTTLS; what comes instead is a plain session."""
        reader = connection.makefile("rb", buffering=0)
        connection.sendall(b"220 sink.example ESMTP\r\n")
        while True:
            line = reader.readline()
            if not line:
                return
            if line.upper().startswith(b"STARTTLS"):
                break
            if line.upper().startswith(b"EHLO"):
                lines = ["sink.example", *self.extensions]
                connection.sendall("".join(
                    f"250{'-' if i < len(lines) - 1 else ' '}{item}\r\n"
                    for i, item in enumerate(lines)).encode())
                continue
            if line.upper().startswith(b"QUIT"):
                return
            self.commands.append("PLAIN " + line.decode().strip())
            self.session(connection, connection.makefile("rb"), line)
            return
        connection.sendall(b"220 2.0.0 go\r\n" + self.first)
        if self.is_broken:
            connection.recv(5)  # behind the 220 it would be an injection
            connection.sendall(b"this is no handshake\r\n")
            return
        reader.close()
        secure = self.context.wrap_socket(connection, server_side=True)
        self.resumed.append(secure.session_reused)
        self.session(secure, secure.makefile("rb"))

    def session(self, connection, reader, pushed=None):
        """The Sink's, without a greeting."""
        class Pushed:
            def __init__(self):
                self.lines = [pushed] if pushed else []

            def readline(self):
                return self.lines.pop() if self.lines else reader.readline()

            def read(self, n):
                return reader.read(n)

        class Quiet:
            def __init__(self):
                self.has_greeted = False

            def sendall(self, octets):
                if self.has_greeted:
                    connection.sendall(octets)
                self.has_greeted = True
        super().session(Quiet(), Pushed())


def setup(lab):
    directory = os.path.join(lab.directory, "certificates")
    os.makedirs(directory, exist_ok=True)
    os.chmod(lab.directory, 0o755)
    os.chmod(directory, 0o755)
    ca = make_certificate(directory, "authority", [])
    other = make_certificate(directory, "stranger", [])
    certs["good"] = make_certificate(directory, "good",
                                     ["DNS:good.example",
                                      "DNS:*.wild.example"], ca=ca)
    certs["expired"] = (os.path.join(directory, "expired.pem"),
                        certs["good"][1])
    request = os.path.join(directory, "expired.csr")
    openssl("req", "-new", "-key", certs["good"][1], "-subj", "/CN=expired",
            "-addext", "subjectAltName=DNS:good.example", "-out", request)
    openssl("x509", "-req", "-in", request, "-CA", ca[0], "-CAkey", ca[1],
            "-CAcreateserial", "-copy_extensions", "copy", "-days", "-1",
            "-out", certs["expired"][0])
    certs["self"] = make_certificate(directory, "selfmade",
                                     ["DNS:good.example"], ca=other)
    # Behind the configured authority alone.
    shutil.copyfile(ca[0], os.path.join(lab.mta1.config, "ca.pem"))
    make_sinks(lab)
    with open(certs["self"][0]) as pem:
        der = ssl.PEM_cert_to_DER_cert(pem.read())
    digest = hashlib.sha256(der).hexdigest()
    lab.mta1.append("tls-policy", f"""
[may.example]:25 may
[broken.example]:25 may
[inject.example]:25 may
[none.example]:25 none
[plain-must.example]:25 encrypt
[inject-must.example]:25 encrypt
[good.example]:25 verify
[selfmade.example]:25 verify match=good.example
[expired.example]:25 verify match=good.example
[wrong-name.example]:25 verify
[secure.example]:25 secure match=good.example:.nowhere.example
[wild.example]:25 secure match=mx.wild.example
[print.example]:25 fingerprint match={"00" * 32}|{digest}
[wrong-print.example]:25 fingerprint match={"00" * 32}
[old.example]:25 encrypt protocols=>=TLSv1.3
[new.example]:25 encrypt protocols=TLSv1.2
[dane.example]:25 dane-only
[nonsense.example]:25 perhaps
""")
    lab.mta1.append("sasl-password.cf", "[login.example]:25 me:s3cr3t\n"
                    "[login-strip.example]:25 me:s3cr3t\n"
                    "[wrapped.example]:465 me:s3cr3t\n"
                    + "".join(f"[{name}.example]:25 me:s3cr3t\n" for name in
                              ("scram", "liar", "cram", "loginonly",
                               "refuses", "unknown")))
    os.chmod(os.path.join(lab.mta1.config, "sasl-password.cf"), 0o600)
    lab.mta1.append("main.cf", f"""
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = texthash:{lab.mta1.config}/sasl-password.cf
smtp_tls_policy_maps = texthash:{lab.mta1.config}/tls-policy
smtp_tls_CAfile = {lab.mta1.config}/ca.pem
""")


def make_sinks(lab):
    tls12 = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
    good, selfmade = certs["good"], certs["self"]
    kinds = {
        "may": {"certificate": selfmade},
        "broken": {"certificate": selfmade, "is_broken": True},
        "inject": {"certificate": good, "first": b"250 evil\r\n"},
        "inject-must": {"certificate": good, "first": b"250 evil\r\n"},
        "none": {"certificate": good},
        "plain-must": {},
        "good": {"certificate": good},
        "selfmade": {"certificate": selfmade},
        "expired": {"certificate": certs["expired"]},
        "wrong-name": {"certificate": good},
        "secure": {"certificate": good},
        "wild": {"certificate": good},
        "print": {"certificate": selfmade},
        "wrong-print": {"certificate": selfmade},
        "old": {"certificate": good, "versions": tls12},
        "new": {"certificate": good},
        "dane": {},
        "nonsense": {"certificate": good},
        "unset": {"certificate": selfmade},
        "login": {"certificate": selfmade},
        "login-strip": {},
        "scram": {"certificate": selfmade, "mechanisms": "SCRAM-SHA-256",
                  "auth": serve_scram(True)},
        "liar": {"certificate": selfmade, "mechanisms": "SCRAM-SHA-256",
                 "auth": serve_scram(False)},
        "cram": {"certificate": selfmade, "mechanisms": "CRAM-MD5",
                 "auth": serve_cram},
        "loginonly": {"certificate": selfmade, "mechanisms": "LOGIN",
                      "auth": serve_login},
        "refuses": {"certificate": selfmade,
                    "auth": "535 5.7.8 Error: authentication failed"},
        "unknown": {"certificate": selfmade, "mechanisms": "GSSAPI"},
        "wrapped": {"certificate": selfmade, "is_wrapped": True},
    }
    for name, options in kinds.items():
        sinks[name] = TlsSink(**options)
        port = 465 if name == "wrapped" else 25
        lab.mta1.append("transport.cf", f"{name}.example "
                        f"smtp:[{name}.example]:{port}")
        lab.mta1.peers[f"[{name}.example]:{port}"] = sinks[name].port


def send(lab, name):
    """(sink, log line of the attempt)."""
    mark = lab.mta1.mark()
    ident, content = message(recipient=f"a@{name}.example")
    lab.mta1.submit(USER1, f"a@{name}.example", content)
    line = lab.mta1.wait_log(rf"ev=out\.attempt hop=\S*{name}\.example\S* .*",
                             mark).group(0)
    return sinks[name], line


def expect_sent(lab, name, tls):
    """tls: what the log says of it, as a regular expression."""
    sink, line = send(lab, name)
    wait_for(f"the mail at {name}", lambda: sink.messages)
    expect_match(line, r" sent=1 ", name)
    expect_match(line, rf" tls={tls}", name)
    return sink


def expect_waits(lab, name, reason):
    sink, line = send(lab, name)
    expect_match(line, r" deferred=1 ", name)
    expect_match(line, reason, name)
    expect(sink.messages, [], name)
    return sink


@scenario
def opportunistic_by_default(lab):
    sink = expect_sent(lab, "unset", r"\S*untrusted.TLSv1\.3")
    expect(sink.names, ["unset.example"], "SNI")
    expect_sent(lab, "may", r"\S*untrusted.TLSv1\.3")


@scenario
def a_broken_handshake_costs_may_a_connection(lab):
    """RFC 7435 3: without TLS, and over a new connection."""
    sink = expect_sent(lab, "broken", r'"?"? |tls= ')
    expect(sink.n_connections, 2, "connections")


@scenario
def what_is_injected_before_tls_ends_the_session(lab):
    """S05: plain octets behind the 220."""
    expect_waits(lab, "inject-must", "protocol")
    expect_waits(lab, "inject", "protocol")


@scenario
def stripped_starttls_stops_who_needs_it(lab):
    """S05, A12."""
    expect_waits(lab, "plain-must", "TLS.is.required")
    sink = expect_waits(lab, "login-strip", "TLS.is.required")
    expect([c for c in sink.commands if "AUTH" in c], [], "passwords")
    expect_waits(lab, "dane", "TLS.is.required")


@scenario
def none_is_plain(lab):
    expect_sent(lab, "none", r'"?"? |tls= ')


@scenario
def names_and_authorities(lab):
    """A12: wrong name, wrong authority, or too old."""
    expect_sent(lab, "good", r"\S*trusted.TLSv1\.3")
    expect_sent(lab, "secure", r"\S*trusted.TLSv1\.3")
    expect_sent(lab, "wild", r"\S*trusted.TLSv1\.3")
    expect_waits(lab, "wrong-name", "(?i)hostname")
    expect_waits(lab, "selfmade", "(?i)certificate|issuer")
    expect_waits(lab, "expired", "(?i)expired")


@scenario
def sessions_are_resumed(lab):
    """RFC 8446 2.2, and only where the same was demanded."""
    sink = sinks["good"]
    expect_sent(lab, "good", r"\S*trusted.TLSv1\.3")
    expect(sink.resumed[-1], True, f"the second: {sink.resumed}")
    mark = lab.mta1.mark()
    expect_waits(lab, "wrong-name", "(?i)hostname")
    expect_waits(lab, "wrong-name", "(?i)hostname")
    expect_true("trusted TLS" not in lab.mta1.log_since(mark), "no trust")


@scenario
def many_at_once_take_nothing_from_each_other(lab):
    """Each connects while others finish, and keep newer sessions."""
    mark = lab.mta1.mark()
    sink = sinks["good"]
    before = len(sink.messages)
    with lab.mta1.submission(USER1) as client:
        for _ in range(60):
            _, content = message(recipient="a@good.example")
            client.sendmail(USER1, ["a@good.example"], content)
    wait_for("all of them", lambda: len(sink.messages) == before + 60, 20)
    expect(re.findall(r"ev=role\.ended.*", lab.mta1.log_since(mark)), [],
           "roles that died")


@scenario
def fingerprints(lab):
    expect_sent(lab, "print", r"\S*untrusted.TLSv1\.3")
    expect_waits(lab, "wrong-print", "fingerprint")


@scenario
def protocols(lab):
    """A09."""
    expect_waits(lab, "old", r"no.TLS")
    expect_sent(lab, "new", r"\S*trusted.TLSv1\.2")


@scenario
def a_policy_that_means_nothing_waits(lab):
    expect_waits(lab, "nonsense", "policy")
    expect_match(lab.mta1.ctl("lint").stdout + lab.mta1.ctl("lint").stderr,
                 r"tls-policy:\d+: .*nonsense\.example")


@scenario
def passwords_need_tls(lab):
    sink = expect_sent(lab, "login", r"\S*untrusted.TLSv1\.3")
    expect_true(any(re.match("AUTH PLAIN ", c) for c in sink.commands),
                "login inside TLS")
    expect_true("s3cr3t" not in lab.mta1.log(), "no password in the log")


@scenario
def mechanisms(lab):
    """RFC 4954, 5802, 7677, 2195."""
    for name in ("scram", "cram", "loginonly"):
        expect_sent(lab, name, r"\S*untrusted.TLSv1\.3")


@scenario
def logins_that_fail_wait(lab):
    expect_waits(lab, "refuses", r"dsn=4\.7\.8 .*does.not.take.our.login: 535")
    expect_waits(lab, "unknown", r"offers.no.AUTH")
    expect_waits(lab, "liar", r"dsn=4\.7\.8")
    expect_true("s3cr3t" not in lab.mta1.log(), "no password in the log")


@scenario
def port_465_begins_with_tls(lab):
    """RFC 8314 3."""
    expect_sent(lab, "wrapped", r"\S*untrusted.TLSv1\.3")


main(setup=setup, main_cf="""queue_run_delay = 3000s
minimal_backoff_time = 3000s
smtp_helo_timeout = 5s
smtp_connection_cache_on_demand = no
smtp_starttls_timeout = 5s
""")
