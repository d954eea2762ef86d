#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""mailctl lint over folders that each have one of the traps that operators
fall into: each is told with its file and line."""

import os
import re
import shutil
import subprocess

from frame import expect, expect_match, expect_true, main, need, scenario

# The hash is made by openssl passwd -6 -salt saltsalt password123.
KNOWN = ("{SHA512-CRYPT}$6$saltsalt$I7sf08GTmo.lDz2v6I2Ond3d6r/aJcvBs6MtbEH7x6Z/"
         "objDGNAdsYVVcbbcf.vTCAI8Gg5tlfz3HAiw/6jGa1")

ACCOUNT = "user1@example1.local|" + KNOWN.replace("saltsalt", "saltsal1")
SCRAM = ("{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,"
         "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
         "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=")
# The key of the examples in wg(8).
WG_MANUAL = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
WG_OTHER = "QGpUq3mVKYoFVQhy2lQRWqPBYpGRVpjVgLMUPIhGC04="

# The traps of docker-mailserver's and Postfix's files, each with the check that
# tells it. trap: its number among the ten that the design began with, or a word.
# files: beside a main.cf and an account; told: file, line, what to write.
TRAPS = [
    # 1: quotas that docker-mailserver passes over (lib/mail/quotas.c)
    ("1", {"quotas.cf": "user1@example1.local:userdb_quota_rule="
                        "*:storage=1G\n"},
     r"quotas\.cf:1: note: .*user1@example1\.local:5G is read by both"),
    # 2: both halves of a line of relaymap.cf (lint.c: check_relayhost)
    ("2 key", {"relaymap.cf": "# by sender\nexample2.local [mta2]:25\n"},
     r"relaymap\.cf:2: warning: .*write @example2\.local"),
    ("2 value", {"relaymap.cf": "@example1.local smtp:[mta2]:25\n"},
     r"relaymap\.cf:1: warning: .*write \[mta2\]:25"),
    # 3: a file that only this program finds (lint.c: check_transport_file)
    ("3", {"postfix-transport.cf": "a.test smtp:[mta2]\n"},
     r"postfix-transport\.cf: note: .*transport_maps = texthash:"),
    # 4: .local is not in DNS (lint.c: is_lost; two hosts: check_ways)
    ("4 next hop", {"transport.cf": "a.test smtp:mta2.example2.local:26\n"},
     r"transport\.cf:1: warning: .*write \[mta2\.example2\.local\]:26"),
    ("4 relayhost", {"main.cf": "relayhost = mta2.example2.local\n"},
     r"main\.cf:2: warning: .*write \[mta2\.example2\.local\]"),
    ("4 by sender",
     {"relaymap.cf": "@example1.local mta2.example2.local\n"},
     r"relaymap\.cf:1: warning: .*write \[mta2\.example2\.local\]"),
    # 5: a catch-all (lint.c: check_catchall)
    ("5", {"virtual.cf": "@example1.local a@b.test\n"},
     r"virtual\.cf:1: warning: the catch-all takes the mail of 1 account"),
    # 6: SCRAM for some alone (lib/mail/accounts.c: check_scram)
    ("6", {"accounts.cf": f"other@example1.local|{SCRAM}\n"},
     r"accounts\.cf:1: warning: SCRAM is offered to nobody.*write the output "
     r"of mailctl pw -s SCRAM-SHA-256"),
    ("6 secret", {"accounts.cf": "a@b.test|{SCRAM-SHA-256}4096,x,y,z\n"},
     r"accounts\.cf:2: warning: the secret of a@b\.test"),
    # 7: ACL without RIGHTS= (ctl/leaving.c; it is not offered here)
    ("7", {"dovecot.cf": "protocol imap {\n  # ACL\n"
                         "  imap_capability = +ACL IDLE\n}\n"},
     r"dovecot\.cf:3: warning: ACL is announced without RIGHTS=.*write "
     r"RIGHTS=texk"),
    ("7 plugin", {"dovecot.cf": "mail_plugins = $mail_plugins acl\n"},
     r"dovecot\.cf:1: warning: rights of others \(ACL\) are not kept"),
    # 8: a webmail is one client (lint_clients.c: check_limits)
    ("8", {"main.cf": "smtpd_client_message_rate_limit = 30\n"},
     r"main\.cf:2: warning: .*webmail.*smtpd_client_event_limit_exceptions"),
    # 9: whom Docker's gateway speaks for (lint_clients.c: check_gateways)
    ("9", {"main.cf": "mynetworks = 127.0.0.0/8 172.16.0.0/12\n"},
     r"main\.cf:2: warning: .*write !172\.\d+\.0\.\d+ before"),
    # 10: what a backup of these folders does not bring back (ctl/leaving.c;
    # more in what_a_backup_lacks_is_told)
    ("10 keys", {"dovecot.cf": "\nmail_crypt_global_private_key = "
                               "</etc/dovecot/key.pem\n"},
     r"dovecot\.cf:2: warning: mail that mail_crypt has encrypted.*keep the "
     r"keys with the backup"),
    ("mbox", {"dovecot.cf": "mail_location = mbox:~/mail:INBOX=~/inbox\n"},
     r"dovecot\.cf:1: warning: only Maildir is read here"),
    ("fs", {"dovecot.cf": "mail_location = maildir:~/Maildir:LAYOUT=fs\n"},
     r"dovecot\.cf:1: warning: folders of LAYOUT=fs are not seen"),
    ("control", {"dovecot.cf":
                 "mail_location = maildir:~/Maildir:CONTROL=/c/%u\n"},
     r"dovecot\.cf:1: warning: the UIDs \(dovecot-uidlist\) lie at CONTROL="),
    ("uidl", {"dovecot.cf": "\npop3_uidl_format = %v.%u\n"},
     r"dovecot\.cf:2: warning: clients of POP3 know their messages by it"),
    ("xuidl", {"dovecot.cf": "pop3_reuse_xuidl = yes\n"},
     r"dovecot\.cf:1: warning: clients of POP3 know"),
    ("patches", {"user-patches.sh": "#!/bin/bash\n"},
     r"user-patches\.sh: warning: .*no script of yours is run"),
    ("sieve", {"user2@example1.local.dovecot.sieve": "keep;\n",
               "user1@example1.local.dovecot.sieve": "keep;\n"},
     r"warning: Sieve scripts of users are not run \(2; the first is "
     r"user1@example1\.local\.dovecot\.sieve\)"),
    ("10 plugin", {"dovecot.cf": "mail_plugins = quota mail_crypt\n"},
     r"dovecot\.cf:1: warning: mail that mail_crypt has encrypted"),
    # keys and hashes that others have (ctl/keys.c, ctl/passwords.c)
    ("published key", {"wg0.conf": "[Interface]\nPrivateKey = "
                                   f"{WG_MANUAL}\n"},
     r"wg0\.conf:2: warning: .*documentation.*write the output of wg genkey"),
    ("key for all", {"wg0.conf": f"PrivateKey={WG_OTHER}\n"},
     r"wg0\.conf:1: warning: everybody.*write chmod 600 "),
    ("key in PEM", {"k.pem": "-----BEGIN EC PRIVATE KEY-----\n"},
     r"k\.pem:1: warning: everybody.*write chmod 600 "),
    # entries that are never reached (lint_rules.c)
    ("rule", {"regexp.cf": "/.*/ a@b.test\n/^x@/ c@d.test\n"},
     r"regexp\.cf:2: warning: .*never reached.*move it up"),
    ("network", {"main.cf": "smtpd_client_restrictions = "
                            "check_client_access cidr:nets\n",
                 "nets": "10.0.0.0/8 OK\n10.1.0.0/16 REJECT\n"},
     r"nets:2: warning: 10\.1\.0\.0/16 is never reached: line 1"),
    ("key of two tables",
     {"main.cf": "virtual_alias_maps = texthash:one, texthash:two\n",
      "one": "a@b.test c@d.test\n", "two": "x@y.test z@w.test\n"
                                           "a@b.test e@f.test\n"},
     r"two:2: warning: \"a@b\.test\" is never reached: .*one:1 has it"),
    ("excluded too late", {"main.cf": "mynetworks = 127.0.0.0/8 10.0.0.0/8 "
                                      "!10.1.0.0/16\n"},
     r"main\.cf:2: warning: mynetworks: !10\.1\.0\.0/16 .*write it before"),
    ("listed, but nobody", {"main.cf": "virtual_mailbox_maps = texthash:box\n",
                            "box": "user1@example1.local x\n"
                                   "a@example1.local y\n"},
     r"box:2: warning: a@example1\.local is listed.*accounts\.cf"),
    ("open relay", {"main.cf": "mynetworks = 127.0.0.0/8 0.0.0.0/0\n"},
     r"main\.cf:2: warning: .*open relay"),
    ("twice", {"transport.cf": "a.test smtp:[x]\na.test smtp:[y]\n"},
     r"transport\.cf:2: warning: .*remove line 1 or line 2"),
]


def folder(lab, name, files):
    path = os.path.join(lab.directory, name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    whole = {"main.cf": "myhostname = mta1.example1.local\n",
             "accounts.cf": ACCOUNT + "\n"}
    for file, text in files.items():
        whole[file] = whole.get(file, "") + text
    for file, text in whole.items():
        with open(os.path.join(path, file), "w", encoding="ascii") as out:
            out.write(text)
    return path


def lint(lab, files):
    host = lab.mta1
    for name, text in files.items():
        host.write_config(name, text)
    return host.ctl("lint", host.config).stdout


@scenario
def each_trap_is_told(lab):
    clean = lab.mta1.ctl("lint", folder(lab, "clean", {})).stdout
    for trap, files, told in TRAPS:
        expect_true(not re.search(told, clean), f"{trap}: told without cause")
        path = folder(lab, "trap", files)
        expect_match(lab.mta1.ctl("lint", path).stdout, told, trap)


@scenario
def scripts_in_the_mail_tree_are_told(lab):
    host = lab.mta1
    path = folder(lab, "scripts", {})
    home = os.path.join(host.maildir("user1@example1.local"), "home")
    os.makedirs(home, exist_ok=True)
    script = os.path.join(home, ".dovecot.sieve")
    os.symlink("sieve/roundcube.sieve", script)
    try:
        expect_match(host.ctl("lint", path).stdout,
                     r"/mail: warning: Sieve scripts in homes are not run "
                     rf"\(1; the first is {re.escape(script)}\)")
    finally:
        os.unlink(script)


@scenario
def what_two_hosts_share_is_told(lab):
    key = {"wg0.conf": f"[Interface]\nPrivateKey = {WG_OTHER}\n"}
    one = folder(lab, "one", key)
    two = folder(lab, "two", dict(key, **{
        "main.cf": "mydestination = localhost\n"
                   "myhostname = mta2.example2.local\n",
        "accounts.cf": ACCOUNT.replace("example1", "example2") + "\n"}))
    told = lab.mta1.ctl("lint", one, two).stdout
    expect_match(told, r"two/wg0\.conf:2: warning: \S*one/wg0\.conf has the "
                 r"same key")
    expect_match(told, r"two/accounts\.cf:2: warning: the hash of \S* stands "
                 r"in \S*one/accounts\.cf too")
    # 4: neither host knows where the other's .local domain is.
    expect_match(told, r"one: warning: .*write \"example2\.local smtp:"
                 r"\[mta2\.example2\.local\]:25\" in transport\.cf")
    expect_true(f"{WG_OTHER}" not in told, "a key is shown")


@scenario
def what_a_backup_lacks_is_told(lab):
    """10: the restore is what fails. Files outside of the directory, wherever
    they are named; one that is in it, or comes with the system, is not told."""
    host = lab.mta1
    outside = os.path.join(lab.directory, "outside")
    with open(outside, "w", encoding="ascii") as out:
        out.write("a@b.test OK\n")
    path = folder(lab, "left", {
        "main.cf": f"virtual_alias_maps = texthash:{outside}, texthash:inside\n"
                   "smtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt\n"
                   "smtpd_sender_restrictions = check_sender_access "
                   f"texthash:{outside}, check_sender_access hash:inside\n",
        "inside": "a@b.test c@d.test\n",
        "master.cf": "submission/inet/smtpd_recipient_restrictions="
                     f"check_recipient_access texthash:{outside}, reject\n"})
    told = host.ctl("lint", path).stdout
    found = re.findall(r"([a-z.]+):(\d+): note: (\w+): (\S+) is not in this "
                       "directory.*: move it here", told)
    expect(sorted(found), sorted([
        ("main.cf", "2", "virtual_alias_maps", outside),
        ("main.cf", "4", "smtpd_sender_restrictions", outside),
        ("master.cf", "1", "smtpd_recipient_restrictions", outside)]), told)
    host.environment["RELAY_PASSWORD"] = "hunter2hunter2"
    host.environment["SSL_KEY_PATH"] = outside
    told = host.ctl("lint", path).stdout
    del host.environment["RELAY_PASSWORD"], host.environment["SSL_KEY_PATH"]
    expect_match(told, r"note: RELAY_PASSWORD is in the environment alone.*"
                 r"sasl-password\.cf")
    expect_match(told, r"note: SSL_KEY_PATH: \S*outside is not in this")
    expect_true("hunter2" not in told, "a password is shown")


@scenario
def a_key_in_git_is_told(lab):
    need("git")
    path = folder(lab, "repository", {"wg0.conf": f"PrivateKey={WG_OTHER}\n"})
    git = ["git", "-C", path]
    subprocess.run(git + ["init", "-q"], check=True, timeout=20)
    before = lab.mta1.ctl("lint", path).stdout
    expect_true("git repository" not in before, "not in git yet")
    subprocess.run(git + ["add", "wg0.conf"], check=True, timeout=20)
    expect_match(lab.mta1.ctl("lint", path).stdout,
                 r"wg0\.conf:1: warning: .*git repository.*make a new one")


@scenario
def the_running_router_tells_them_too(lab):
    host = lab.mta1
    mark = host.mark()
    host.append("transport.cf", "later.test smtp:mail.later.local\n")
    host.wait_log(r"ev=config .*transport\.cf:\d+: warning: .*"
                  r"mail\.later\.local", mark)


@scenario
def well_known_passwords_are_told(lab):
    host = lab.mta1
    text = host.read_config("accounts.cf")
    lines = text.splitlines() + [f"weak@example1.local|{KNOWN}",
                                 f"twin@example1.local|{KNOWN}"]
    told = lint(lab, {"accounts.cf": "\n".join(lines) + "\n"})
    expect_match(told, rf"accounts\.cf:{len(lines) - 1}: .*password of "
                 r"weak@example1\.local is \"password123\"")
    expect_match(told, rf"accounts\.cf:{len(lines)}: .*identical hash")
    host.write_config("accounts.cf", text)
    expect_true("weak@" not in lint(lab, {}), "nothing more to tell")


main()
