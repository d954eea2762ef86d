#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""TLS as each listener is told, and a certificate that changes (A09)."""

import socket
import ssl
import subprocess

from frame import expect, expect_match, expect_true, main, scenario, wait_for


def version(lab, only, service="submissions"):
    """The version that is agreed on when only that one is offered."""
    context = lab.mta1.tls()
    context.minimum_version = context.maximum_version = only
    try:
        with socket.create_connection(
                ("127.0.0.1", lab.mta1.ports[service]), 5) as plain:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as s:
                return s.version()
    except (ssl.SSLError, OSError):
        return None


def greeted(lab, service="smtp"):
    raw = lab.mta1.raw(service)
    expect(raw.reply()[0], 220)
    return raw, raw.say_text("EHLO client.example")[1]


@scenario
def each_listener_has_its_protocols(lab):
    v2, v3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    expect([version(lab, v2), version(lab, v3)], ["TLSv1.2", "TLSv1.3"])
    lab.mta1.append("master.cf",
                    "submissions/inet/smtpd_tls_protocols=>=TLSv1.3\n"
                    "submission/inet/smtpd_tls_security_level=encrypt\n"
                    "smtp/inet/smtpd_tls_protocols=!TLSv1.3\n"
                    "smtp/inet/smtpd_tls_security_level=encrypt\n")
    wait_for("TLS 1.2 is refused", lambda: version(lab, v2) is None, 10)
    expect(version(lab, v3), "TLSv1.3")
    for only, works in ((v2, True), (v3, False)):
        raw, _ = greeted(lab)
        with raw:
            expect(raw.say("STARTTLS"), 220)
            context = lab.mta1.tls()
            context.minimum_version = context.maximum_version = only
            try:
                raw.start_tls(context)
                expect_true(works, "TLS 1.3 at 25")
            except ssl.SSLError:
                expect_true(not works, "TLS 1.2 at 25")


@scenario
def protocols_where_tls_is_required(lab):
    """smtpd_tls_mandatory_protocols: 465 always, others with encrypt."""
    v2 = ssl.TLSVersion.TLSv1_2
    lab.mta1.append("master.cf",
                    "submissions/inet/smtpd_tls_protocols=>=TLSv1.2\n")
    wait_for("TLS 1.2 at 465", lambda: version(lab, v2), 10)
    lab.mta1.append("main.cf", "smtpd_tls_mandatory_protocols = >=TLSv1.3")
    wait_for("TLS 1.2 is refused", lambda: version(lab, v2) is None, 10)
    expect(version(lab, ssl.TLSVersion.TLSv1_3), "TLSv1.3")
    lab.mta1.append("main.cf", "smtpd_tls_mandatory_protocols = >=TLSv1.2")
    wait_for("as before", lambda: version(lab, v2), 10)


@scenario
def levels_of_security(lab):
    raw, text = greeted(lab)
    with raw:
        expect_match(text, r"^250.STARTTLS")
        expect(raw.say("MAIL FROM:<a@b.example>"), 530, "encrypt")
        expect(raw.say("STARTTLS"), 220)
        context = lab.mta1.tls()
        raw.start_tls(context)
        raw.say("EHLO x")
        expect(raw.say("MAIL FROM:<a@b.example>"), 250)
    lab.mta1.append("master.cf", "smtp/inet/smtpd_tls_security_level=none\n")

    def no_starttls():
        raw, text = greeted(lab)
        with raw:
            return "STARTTLS" not in text and raw.say("STARTTLS") == 454 and \
                raw.say("MAIL FROM:<a@b.example>") == 250
    wait_for("none: no STARTTLS", no_starttls, 10)


@scenario
def passwords_over_tls_alone(lab):
    """smtpd_tls_auth_only, where SSL_TYPE is empty."""
    def offers_auth():
        raw, text = greeted(lab, "submission")
        with raw:
            return "AUTH" in text
    lab.mta1.stop()
    lab.mta1.environment["SSL_TYPE"] = ""
    lab.mta1.start()
    lab.mta1.append("master.cf",
                    "submission/inet/smtpd_tls_security_level=may\n")
    wait_for("AUTH before TLS", offers_auth, 10)
    lab.mta1.append("master.cf", "submission/inet/smtpd_tls_auth_only=yes\n")
    wait_for("AUTH after TLS alone", lambda: not offers_auth(), 10)
    lab.mta1.environment["SSL_TYPE"] = "auto"  # from the next start on


@scenario
def ciphers_by_tls_level(lab):
    """TLS_LEVEL: what only old clients have is there with intermediate alone;
    what has no forward secrecy never is."""
    host = lab.mta1

    def works(cipher, service):
        context = host.tls()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(cipher)
        try:
            with socket.create_connection(
                    ("127.0.0.1", host.ports[service]), 5) as plain:
                with context.wrap_socket(plain,
                                         server_hostname="127.0.0.1"):
                    return True
        except (ssl.SSLError, OSError):
            return False
    for level in ("modern", "intermediate"):
        host.stop()
        host.environment["TLS_LEVEL"] = level
        host.start()
        for service in ("submissions", "imaps"):
            expect([works(c, service) for c in (
                "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256",
                "AES128-GCM-SHA256")],
                   [True, level == "intermediate", False], level)
    del host.environment["TLS_LEVEL"]
    host.stop()
    host.start()


def make_certificate(host, name, kind="ec"):
    """Signed by itself: the files' names."""
    key, cert = (f"{host.config}/{name}.{end}" for end in ("key", "crt"))
    kinds = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
             "rsa": ["rsa:2048"]}[kind]
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", "-days", "5", "-newkey", *kinds,
         "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
         "-keyout", key, "-out", cert], check=True, capture_output=True,
        timeout=60, stdin=subprocess.DEVNULL)
    return cert, key


def subject(host, service="submissions", sni=None, ciphers=None):
    """The name in the certificate that a client sees."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if ciphers:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
    with socket.create_connection(
            ("127.0.0.1", host.ports[service]), 5) as plain:
        with context.wrap_socket(plain, server_hostname=sni) as s:
            der = s.getpeercert(True)
    text = subprocess.run(
        ["openssl", "x509", "-inform", "DER", "-noout", "-subject"],
        input=der, check=True, capture_output=True, timeout=20).stdout
    return text.decode().strip().rsplit("CN = ", 1)[-1].rsplit("CN=", 1)[-1]


@scenario
def certificates_of_main_cf(lab):
    host = lab.mta1
    mark = host.mark()
    own = subject(host)
    first = make_certificate(host, "first.example")
    other = make_certificate(host, "other.example", "rsa")
    named = make_certificate(host, "named.example")
    # Chain files begin with the key.
    with open(f"{host.config}/chain.pem", "wb") as chain:
        for cert, key in (first, other):
            for name in (key, cert):
                with open(name, "rb") as file:
                    chain.write(file.read())
    text = host.read_config("main.cf")
    with socket.create_connection(
            ("127.0.0.1", host.ports["submissions"]), 10) as plain, \
            host.tls().wrap_socket(plain, server_hostname="127.0.0.1") as kept:
        kept.recv(500)
        host.write_config("main.cf", text + f"""
smtpd_tls_cert_file = {first[0]}
smtpd_tls_key_file = {first[1]}
""")
        wait_for("the first", lambda: subject(host) == "first.example", 10)
        host.write_config("main.cf", text + f"""
smtpd_tls_chain_files = {host.config}/chain.pem
tls_server_sni_maps = inline:{{ {{ named.example = {named[1]},
    {named[0]} }}, {{ .below.example = {named[1]} {named[0]} }} }}
""")
        wait_for("by name", lambda: subject(host, sni="Named.Example")
                 == "named.example", 10)
        expect(subject(host, sni="a.b.below.example"), "named.example")
        expect(subject(host, sni="below.example"), "first.example")
        expect(subject(host, sni="first.example"), "first.example")
        expect(subject(host, ciphers="aRSA"), "other.example", "RSA")
        expect(subject(host, ciphers="aECDSA"), "first.example", "ECDSA")
        # What is wrong is told, and changes nothing.
        for name, wrong, why in (
                ("the key of another", other[1], "does not fit"),
                ("no such file", f"{host.config}/none", "no such file"),
                ("no key", first[0], "no private key")):
            mark = host.mark()
            host.write_config("main.cf", text + "\nsmtpd_tls_chain_files = "
                              + f"{wrong} {first[0] * ('fit' in why)}\n")
            host.wait_log(rf"main\.cf:\d+: .*smtpd_tls_chain_files.*{why}",
                          mark)
            expect(subject(host, sni="named.example"), "named.example", name)
        kept.sendall(b"NOOP\r\n")
        expect(kept.recv(3), b"250", "a session lives through all of it")
    host.write_config("main.cf", text)
    wait_for("our own again", lambda: subject(host) == own, 10)


@scenario
def excluded_ciphers(lab):
    host = lab.mta1

    def has_it():
        try:
            return subject(host, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")
        except ssl.SSLError:
            return None
    expect_true(has_it(), "AES128-GCM at first")
    host.append("main.cf", "smtpd_tls_mandatory_exclude_ciphers = aNULL, "
                "AES128")
    wait_for("it is gone", lambda: not has_it(), 10)
    expect_true(subject(host, ciphers="ECDHE-ECDSA-AES256-GCM-SHA384"),
                "the others stay")
    with host.raw("submission") as raw:  # TLS is not required there
        raw.reply()
        raw.say("EHLO x")
        expect(raw.say("STARTTLS"), 220)
        context = host.tls()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        raw.start_tls(context)
    host.append("main.cf", "smtpd_tls_mandatory_exclude_ciphers =")
    wait_for("it is back", has_it, 10)


@scenario
def a_new_certificate_drops_no_session(lab):
    host = lab.mta1

    def shown():
        with socket.create_connection(
                ("127.0.0.1", host.ports["submissions"]), 5) as plain:
            context = ssl._create_unverified_context()
            with context.wrap_socket(plain) as s:
                return s.getpeercert(True)
    before = shown()
    raw = host.raw("submissions")
    raw.start_tls(host.tls())
    expect(raw.reply()[0], 220)
    made = host.ctl("cert", "make")
    expect(made.returncode, 0, made.stderr)
    wait_for("the new one is shown", lambda: shown() != before, 15)
    with raw:
        expect(raw.say("EHLO x"), 250, "the old session")
        expect(raw.say("QUIT"), 221)


if __name__ == "__main__":
    main()
