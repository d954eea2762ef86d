#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Restriction lists and access tables: the same ones, asked of Postfix and of us.

Both run with the same lists; a recipient user1+KEY@example1.local has the list
of KEY as its value in an access table. Clients of several addresses and names
(XCLIENT), HELO names, senders and logins talk to both, and the replies to RCPT
are compared: code, enhanced code and text. Lists that need DNS are not here
(tests/scenario/policy.py has them). What differs on purpose is in KNOWN.

Usage: postfix_policy.py [--build dev|release]; root and postfix needed. Exit
status 0: all agree; 1: a difference, shown; 77: no postfix here, or not root.
"""
import argparse
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "scenario"))
import frame  # noqa: E402

LISTS = {
    "ok": "OK", "digits": "20260131", "relay": "RELAY", "dunno": "DUNNO",
    "reject": "REJECT", "rejecttext": "REJECT go away",
    "rejectdsn": "REJECT 5.7.9 go away", "rejectdsn1": "REJECT 5.1.8 odd",
    "defer": "DEFER", "defertext": "DEFER 4.2.1 come back",
    "code450": "450 later", "code550": "550 5.1.1 none such",
    "code554": "554 no", "ifpermit": "DEFER_IF_PERMIT",
    "ifpermittext": "DEFER_IF_PERMIT 4.7.3 not yet",
    "ifreject": "DEFER_IF_REJECT, reject",
    "ifreject2": "defer_if_reject, reject",
    "ifpermit2": "defer_if_permit, permit",
    "permit": "permit", "rejectall": "reject", "deferall": "defer",
    "warnif": "warn_if_reject reject, permit",
    "warnif2": "warn_if_reject, reject, reject",
    "mynetworks": "permit_mynetworks, reject",
    "auth": "permit_sasl_authenticated, reject",
    "plain": "reject_plaintext_session",
    "invalid": "reject_invalid_helo_hostname",
    "fqdnhelo": "reject_non_fqdn_helo_hostname",
    "fqdnsender": "reject_non_fqdn_sender",
    "fqdnrcpt": "reject_non_fqdn_recipient",
    "unauth": "reject_unauth_destination",
    "deferunauth": "defer_unauth_destination",
    "authdest": "permit_auth_destination, reject",
    "unlistedsender": "reject_unlisted_sender",
    "unlistedrcpt": "reject_unlisted_recipient",
    "authowner": "reject_authenticated_sender_login_mismatch",
    "unauthowner": "reject_unauthenticated_sender_login_mismatch",
    "owner": "reject_sender_login_mismatch",
    "knownowner": "reject_known_sender_login_mismatch",
    "class": "strict", "class2": "strict, reject",
    "client": "client", "helo": "helo", "sender": "sender", "sasl": "sasl",
    "cidr": "networks", "pcre": "patterns",
    "case": "Permit_MyNetworks, REJECT", "comma": "permit_mynetworks,reject",
    "nonsense": "no_such_restriction", "bounce": "reject_multi_recipient_bounce",
}
# client address, client name, HELO, sender, login
SESSIONS = [
    ("192.0.2.7", "mail.good.test", "mail.good.test", "a@good.test", None),
    ("10.1.2.3", "in.net.test", "in.net.test", "user1@example1.local", None),
    ("198.51.100.9", None, "short", "b@bad.test", None),
    ("2001:db8::25", "six.good.test", "[2001:db8::25]", "", None),
    ("203.0.113.5", "x.sub.bad.test", "-bad-.test", "u+tag@example1.local",
     "user1@example1.local"),
    ("203.0.113.5", "x.sub.bad.test", "1.2.3.4", "user2@example1.local",
     "user1@example1.local"),
    ("203.0.113.6", "dotted.test", "[bad]", "nobody@example1.local",
     "user2@example1.local"),
    ("198.51.100.10", "a.example", "a_b.test", "x@sub.bad.test", None),
]
MAPS = {
    "client": "good.test REJECT by parent\n203.0.113 450 by net\n"
              "2001:db8 554 5.7.2 by net6\nunknown REJECT nameless\n",
    "helo": "short 550 5.5.9 short\n1.2.3 REJECT net of helo\n"
            "good.test DUNNO\nbad-.test REJECT b\n",
    "sender": "<> 550 5.7.3 null\nu@example1.local REJECT bare\n"
              "user2@ REJECT local part\nbad.test REJECT domain\n"
              "a@good.test 450 4.1.8 exact\n",
    "sasl": "user1@example1.local REJECT login\n",
    "networks": "10.0.0.0/8 REJECT ten\n2001:db8::/32 450 six\n"
                "!192.0.2.0/24 OK\n",
    "patterns": "/^a@/ REJECT pattern\n/^user(.)@/ 550 user $1\n"
                "!/local$/ DUNNO\n/./ 450 rest\n",
    "owners": "user1@example1.local user1@example1.local\n"
              "user2@example1.local user2@example1.local, "
              "user3@example1.local\n",
}
# Recipients whose own rules are compared: no list, the whole default.
PLAIN_RCPTS = ["user1@example1.local", "nobody@example1.local",
               "x@elsewhere.test",
               "elsewhere.test!u@other.test"]
# (key, part of our reply or None): where we answer otherwise on purpose.
KNOWN = {
    "a text for users": r"; (send as an address of your own.*|log in as.*)$",
}


def settings(directory):
    table = f"texthash:{directory}"
    return f"""
mynetworks = 10.0.0.0/8
smtpd_authorized_xclient_hosts = 127.0.0.1
smtpd_restriction_classes = strict, client, helo, sender, sasl, networks,
    patterns
strict = reject_non_fqdn_sender, reject_invalid_helo_hostname
client = check_client_access {table}/client
helo = check_helo_access {table}/helo
sender = check_sender_access {table}/sender
sasl = check_sasl_access {table}/sasl
networks = check_client_access cidr:{directory}/networks
patterns = check_sender_access regexp:{directory}/patterns
smtpd_sender_login_maps = {table}/owners
smtpd_recipient_restrictions = check_recipient_access {table}/rcpt,
    permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated,
    check_recipient_access {table}/relay, reject_unauth_destination
"""


class Postfix:
    """An instance with a configuration and a queue of its own."""

    def __init__(self, directory, port, lists, more_services=()):
        self.directory = directory
        self.etc = os.path.join(directory, "etc")
        for part in ("etc", "queue/private", "queue/pid", "data"):
            os.makedirs(os.path.join(directory, part))
        shutil.chown(os.path.join(directory, "data"), "postfix")
        shutil.chown(os.path.join(directory, "queue", "private"), "postfix")
        os.chmod(os.path.join(directory, "queue", "private"), 0o700)
        self.write("mailboxes", "".join(f"user{i}@example1.local x\n"
                                        for i in (1, 2, 3)))
        self.write("main.cf", f"""
compatibility_level = 3.6
myhostname = mta1.example1.local
mydestination =
alias_maps =
inet_protocols = all
inet_interfaces = 127.0.0.1
mail_owner = postfix
setgid_group = postdrop
queue_directory = {directory}/queue
data_directory = {directory}/data
maillog_file = {directory}/log
maillog_file_prefixes = {directory}
virtual_mailbox_domains = example1.local
virtual_mailbox_maps = texthash:{self.etc}/mailboxes
recipient_delimiter = +
smtpd_peername_lookup = no
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {directory}/auth
smtpd_hard_error_limit = 1000
smtpd_error_sleep_time = 0
{lists}""")
        self.auth = socket.socket(socket.AF_UNIX)
        self.auth.bind(os.path.join(directory, "auth"))
        os.chmod(os.path.join(directory, "auth"), 0o666)
        self.auth.listen(20)
        threading.Thread(target=self.authenticate, daemon=True).start()
        services = [
            (f"127.0.0.1:{port}", "inet", "n", "-", "-", "smtpd"),
            ("cleanup", "unix", "n", "-", "0", "cleanup"),
            ("qmgr", "unix", "n", "300", "1", "qmgr"),
            ("rewrite", "unix", "-", "-", "-", "trivial-rewrite"),
            ("bounce", "unix", "-", "-", "0", "bounce"),
            ("defer", "unix", "-", "-", "0", "bounce"),
            ("proxymap", "unix", "-", "-", "-", "proxymap"),
            ("anvil", "unix", "-", "-", "1", "anvil"),
            ("postlog", "unix-dgram", "n", "-", "1", "postlogd"),
            *more_services]
        self.write("master.cf", "".join(
            f"{a} {b} {c} - n {d} {e} {f}\n" for a, b, c, d, e, f in services))

    def write(self, name, text):
        with open(os.path.join(self.etc, name), "w") as file:
            file.write(text)

    def authenticate(self):
        """Enough of Dovecot's protocol for AUTH to be offered."""
        self.clients = []
        while True:
            client, _ = self.auth.accept()
            self.clients.append(client)
            client.sendall(b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\n"
                           b"SPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n")

    def run(self, verb):
        return subprocess.run(["postfix", "-c", self.etc, verb],
                              stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=60, check=False)


def xtext(text):
    return re.sub(r"[+=\s]", lambda m: f"+{ord(m[0]):02X}", text)


def talk(port, session, rcpts):
    """The replies to RCPT, in one session."""
    address, name, helo, sender, login = session
    replies = []
    with frame.Raw(port) as c:
        c.reply()
        c.say_text("EHLO test")
        is_six = ":" in address
        code, text = c.say_text(
            f"XCLIENT ADDR={'IPV6:' if is_six else ''}{address} "
            f"NAME={name or '[UNAVAILABLE]'}"
            + (f" LOGIN={xtext(login)}" if login else ""))
        frame.expect(code, 220, f"XCLIENT: {text}")
        code, text = c.say_text(f"EHLO {helo}")
        if code != 250:
            return [(code, text)] * len(rcpts)
        for rcpt in rcpts:
            c.say("RSET")
            code, text = c.say_text(f"MAIL FROM:<{sender}>")
            if code == 250:
                code, text = c.say_text(f"RCPT TO:<{rcpt}>")
            replies.append((code, text))
    return replies


def comparable(reply):
    text = reply[1]
    for pattern in KNOWN.values():
        text = re.sub(pattern, "", text)
    if reply[0] == 250:
        return reply[0]
    # Names of tables are Postfix's own, and so is where it finds them.
    return re.sub(r"(5\.1\.[01]) .*(User unknown).*", r"\1 \2", text)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="release")
    options = parser.parse_args()
    if shutil.which("postfix") is None or os.geteuid() != 0:
        print("skipped: needs postfix, and root")
        return 77
    # What ends us early must not leave a Postfix behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    base = tempfile.mkdtemp(prefix="postfix-policy-")
    os.chmod(base, 0o755)
    maps = os.path.join(base, "maps")
    os.makedirs(maps)
    tables = dict(MAPS)
    tables["rcpt"] = "".join(f"user1+{key}@example1.local {value}\n"
                             for key, value in LISTS.items())
    tables["relay"] = "partner.test OK\n"
    for name, text in tables.items():
        with open(os.path.join(maps, name), "w") as file:
            file.write(text)
    port = frame.free_port()
    postfix = Postfix(os.path.join(base, "postfix"), port, settings(maps))
    lab = frame.Lab("postfix_policy", 1, options.build, settings(maps)
                    + "smtpd_hard_error_limit = 1000\n"
                    + "smtpd_client_connection_count_limit = 0\n")
    rcpts = [f"user1+{key}@example1.local" for key in LISTS] + PLAIN_RCPTS \
        + ["x@partner.test"]
    n = bad = 0
    try:
        started = postfix.run("start")
        frame.expect(started.returncode, 0, started.stderr)
        lab.start()
        frame.wait_for("postfix answers", lambda: frame.answers(port))
        for session in SESSIONS:
            theirs = talk(port, session, rcpts)
            ours = talk(lab.mta1.ports["smtp"], session, rcpts)
            for rcpt, a, b in zip(rcpts, theirs, ours):
                n += 1
                if comparable(a) == comparable(b):
                    continue
                bad += 1
                print(f"{session}\n  {rcpt}\n    postfix {a[1]}\n"
                      f"    ours    {b[1]}")
    finally:
        postfix.run("stop")
        frame.kill_all()
        shutil.rmtree(base, ignore_errors=True)
    print(f"{n} replies, {bad} differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
