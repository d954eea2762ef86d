#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""TLS as each listener is told, and a certificate that changes (A09)."""

import socket
import ssl

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
