#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""setup and mailctl account, alias, quota, relay: what they write is in force.

The results expected are docker-mailserver's."""

import json
import os
import re
import stat
import subprocess
import tempfile

from frame import (Skipped, expect, expect_match, expect_true, main, message,
                   scenario, wait_for)

NEW = "fresh@example1.local"
USER1 = "user1@example1.local"
SECRET = "a-new-secret"
NOBODY = 65534


def setup(host, *words, status=0):
    result = host.ctl(*words, name="setup")
    expect(result.returncode, status,
           f"setup {' '.join(words)}: {result.stdout}{result.stderr}")
    return result.stdout + result.stderr


def lines_of(host, name):
    return host.read_config(name).splitlines()


def logs_in(host, user, password):
    try:
        with host.imap(user, password):
            return True
    except Exception:
        return False


@scenario
def an_account_is_added_and_removed(lab):
    host = lab.mta1
    before = lines_of(host, "accounts.cf")
    mode = os.stat(os.path.join(host.config, "accounts.cf")).st_mode
    expect_match(setup(host, "email", "add", NEW.upper(), SECRET),
                 "taken as " + NEW)
    after = lines_of(host, "accounts.cf")
    expect(after[:-1], before, "the other lines stay")
    expect_match(after[-1], r"^fresh@example1\.local\|\{SHA512-CRYPT\}\$6\$")
    expect(os.stat(os.path.join(host.config, "accounts.cf")).st_mode, mode,
           "the mode stays")
    wait_for("the account logs in", lambda: logs_in(host, NEW, SECRET), 5)
    expect_match(setup(host, "email", "add", NEW, SECRET, status=1),
                 "already")

    setup(host, "email", "update", NEW, SECRET + "2")
    wait_for("the new password", lambda: logs_in(host, NEW, SECRET + "2"), 5)
    expect(logs_in(host, NEW, SECRET), False, "the old password")

    setup(host, "alias", "add", "sales@example1.local", NEW)
    setup(host, "quota", "set", NEW, "1G")
    message_id, content = message(recipient="sales@example1.local")
    wait_for("the alias", lambda: NEW in host.ctl(
        "route", "explain", "sales@example1.local").stdout, 5)
    host.submit(USER1, "sales@example1.local", content)
    host.wait_mail(NEW, message_id)
    wait_for("its mail is counted", lambda: re.search(
        r"^\* fresh@example1\.local \( [\d.]+[BK] / 1G \) \[0%\]\n"
        r"    \[ aliases -> sales@example1\.local \]",
        setup(host, "email", "list"), re.M), 5)

    path = host.maildir(NEW)
    expect_true(os.path.isdir(path), "the mailbox is there")
    setup(host, "email", "del", "-y", NEW)
    expect(lines_of(host, "accounts.cf"), before, "as it was")
    expect_true("sales@" not in host.read_config("virtual.cf"),
                "the alias went too")
    expect_true("fresh@" not in host.read_config("quotas.cf"),
                "the quota went too")
    expect_true(not os.path.exists(path), "the mail went too")
    wait_for("nobody logs in",
             lambda: not logs_in(host, NEW, SECRET + "2"), 5)


@scenario
def aliases_have_several_targets(lab):
    host = lab.mta1
    before = lines_of(host, "virtual.cf")
    setup(host, "alias", "add", "team@example1.local", USER1)
    setup(host, "alias", "add", "team@example1.local", "x@example.com")
    expect_match(setup(host, "alias", "add", "team@example1.local",
                       "X@example.com", status=1), "already")
    expect(lines_of(host, "virtual.cf")[-1],
           "team@example1.local user1@example1.local,x@example.com")
    expect_match(setup(host, "alias", "list"),
                 r"^\* team@example1\.local user1@example1\.local,x@exam")
    setup(host, "alias", "del", "team@example1.local", USER1)
    expect(lines_of(host, "virtual.cf")[-1],
           "team@example1.local x@example.com")
    setup(host, "alias", "del", "team@example1.local", "x@example.com")
    expect(lines_of(host, "virtual.cf"), before, "as it was")
    setup(host, "alias", "del", "team@example1.local", USER1, status=1)


@scenario
def quotas_need_an_account_and_a_unit(lab):
    host = lab.mta1
    for size in ("12", "1GB", "-1G", "a"):
        setup(host, "quota", "set", USER1, size, status=1)
    setup(host, "quota", "set", "nobody@example1.local", "1G", status=1)
    before = host.read_config("quotas.cf")
    setup(host, "quota", "set", USER1, "2G")
    expect_match(host.read_config("quotas.cf"),
                 r"(?m)^user1@example1\.local:2G$")
    setup(host, "quota", "del", USER1)
    setup(host, "quota", "del", USER1)
    expect_true(USER1 not in host.read_config("quotas.cf"), "it went")
    host.write_config("quotas.cf", before)


@scenario
def relay_hosts_of_sender_domains(lab):
    host = lab.mta1
    path = os.path.join(host.config, "sasl-password.cf")
    os.unlink(path)
    setup(host, "relay", "add-domain", "one.example", "relay.example.com")
    setup(host, "relay", "add-domain", "two.example", "relay.example.com",
          "587")
    setup(host, "relay", "exclude-domain", "three.example")
    setup(host, "relay", "add-auth", "two.example", "someone", "pass:word")
    relays = lines_of(host, "relaymap.cf")
    expect_true("@one.example\t\t[relay.example.com]:25" in relays, relays)
    expect_true("@two.example\t\t[relay.example.com]:587" in relays, relays)
    expect_true("@three.example " in relays, relays)
    expect(lines_of(host, "sasl-password.cf")[-1],
           "@two.example\t\tsomeone:pass:word")
    mode = os.stat(path).st_mode
    expect(stat.S_IMODE(mode) & 0o077, 0, "nobody else reads the passwords")
    setup(host, "relay", "add-domain", "two.example", "other.example.com")
    expect(sum("@two.example" in line
               for line in lines_of(host, "relaymap.cf")), 1, "one line each")


@scenario
def masters_and_restrictions_are_listed(lab):
    host = lab.mta1
    setup(host, "dovecot-master", "add", "operator", SECRET)
    setup(host, "dovecot-master", "add", "operator", SECRET, status=1)
    setup(host, "dovecot-master", "add", "a@b", SECRET, status=1)
    expect(setup(host, "dovecot-master", "list"), "* operator\n")
    setup(host, "dovecot-master", "del", "operator")
    expect(setup(host, "email", "restrict", "list", "send"),
           "Everyone is allowed to send mails\n")
    setup(host, "email", "restrict", "add", "send", USER1)
    expect_match(setup(host, "email", "restrict", "list", "send"),
                 r"user1@example1\.local REJECT")
    setup(host, "email", "restrict", "del", "send", USER1)


@scenario
def settings_are_shown_and_changed(lab):
    host = lab.mta1

    def postconf(*words, status=0):
        result = host.ctl(*words, name="postconf")
        expect(result.returncode, status, f"postconf {words}")
        return result.stdout

    expect(postconf("-h", "queue_run_delay"), "300s\n")
    expect(postconf("-x", "myorigin"), "myorigin = mta1.example1.local\n")
    expect(postconf("-d", "myorigin"), "myorigin = $myhostname\n")
    before = host.read_config("main.cf")
    with host.raw() as client:
        client.reply()
        expect_match(client.say_text("EHLO x.example")[1], "SIZE 10240000")
    postconf("-e", "message_size_limit=123456", "own_name = $myhostname x")
    expect_match(postconf("-n"), r"(?s)^message_size_limit = 123456$.*"
                 r"^own_name = \$myhostname x$")
    expect(postconf("-hx", "own_name"), "mta1.example1.local x\n")

    def offered():
        with host.raw() as client:
            client.reply()
            return client.say_text("EHLO x.example")[1]

    wait_for("it is in force", lambda: "SIZE 123456" in offered(), 5)
    # What a change brings with it is told at once.
    before_it = host.read_config("main.cf")
    for words, status, told in (
            (("set", "message_size_limit=20M"), 1,
             r"main\.cf:\d+: error: message_size_limit = 20M is not a number"),
            (("set", "message_size_limit=123456"), 0, r"\A\Z"),
            (("set", "nobody_knows_it=1"), 0,
             r"\A\S+main\.cf:\d+: warning: nobody_knows_it is not known")):
        done = host.ctl("config", *words)
        expect(done.returncode, status, words)
        expect_match(done.stderr, told, words)
    host.write_config("main.cf", before_it)

    # master.cf: what Postfix's postconf -P and -M print (3.7).
    postconf("-P", "-e", "submission/inet/smtpd_timeout=61s")
    expect(postconf("-P", "submission/inet"),
           "submission/inet/smtpd_timeout = 61s\n")
    expect(postconf("-M", "submission"),
           "submission inet  n       -       n       -       -       smtpd\n"
           "    -o smtpd_timeout=61s\n")
    expect_match(postconf("-M"), r"(?s)^smtp       inet .*^submissions inet ")
    expect(json.loads(host.ctl("config", "services", "--json").stdout),
           {"smtp/inet": {}, "submission/inet": {"smtpd_timeout": "61s"},
            "submissions/inet": {}})
    postconf("-P", "nothing/inet", status=1)
    postconf("-P", "-X", "submission/inet/smtpd_timeout")
    expect(postconf("-P"), "")
    types = postconf("-m").split()
    expect_true({"texthash", "regexp", "pcre", "cidr", "socketmap"}
                <= set(types) and "mysql" not in types, types)
    expect_match(postconf("-dh", "mail_version"), r"^\d+\.\d+\.\d+$")
    postconf("-X", "own_name")
    postconf("own_name", status=1)
    expect(host.ctl("config", "set", "message_size_limit=10240000").returncode,
           0)
    expect(host.read_config("main.cf"), before, "as it was, comments and all")
    expect(host.ctl("config", "--json", "mail_name").stdout,
           '{"mail_name":"Estafeta"}\n')


@scenario
def words_are_explained_and_completed(lab):
    host = lab.mta1
    said = host.ctl("explain", "--en", "554 5.7.1 <x@y>: Relay access denied")
    expect_match(said.stdout, r"^5\.7\.1\n.*mynetworks")
    expect_match(host.ctl("explain", "--es", "552").stdout, "lleno")
    said = json.loads(host.ctl("explain", "--en", "--json", "552").stdout)
    expect_match(said["meaning"], "(?i)full|room|large")
    expect(host.ctl("explain", "nothing").returncode, 64)
    for words in (("account", "list"), ("alias", "list"), ("master", "list"),
                  ("doctor",), ("lint",)):
        said = host.ctl(*words, "--json")
        expect(said.stderr, "", words)
        for line in said.stdout.splitlines():
            expect(type(json.loads(line)), dict, words)
    rows = [json.loads(line) for line in host.ctl(
        "account", "list", "--json").stdout.splitlines()]
    expect_true({"account": "user1@example1.local", "used_octets": 0,
                 "limit_octets": 1 << 30} in rows, f"{rows}")
    script = host.ctl("completion", "bash").stdout
    expect_true(host.ctl("completion", "zsh").stdout.endswith(script), "zsh")
    expect(host.ctl("completion", "csh").returncode, 64)
    script += ("COMP_WORDS=(mailctl queue fl); COMP_CWORD=2; _mailctl;"
               "echo ${COMPREPLY[@]}")
    expect(subprocess.run(["bash", "-c", script], capture_output=True,
                          text=True).stdout, "flush\n", "completion")


@scenario
def what_is_not_there_comes_with_what_to_do(lab):
    host = lab.mta1
    old = host.environment
    try:
        for variable, value, words, wanted in (
                ("ESTAFETA_RUN", "/nowhere", ("queue", "list"),
                 "mailctl run starts it, ESTAFETA_RUN says where"),
                ("ESTAFETA_CONFIG", "/nowhere", ("account", "list"),
                 "ESTAFETA_CONFIG says where"),
                ("SSL_TYPE", "letsencrypt", ("cert", "show"),
                 "/etc/letsencrypt/live/mta1.example1.local/fullchain.pem "
                 "and privkey.pem, or /etc/letsencrypt/acme.json, must be"),
                ("SSL_TYPE", "letsencrypt", ("doctor",),
                 "fix:  SSL_TYPE=letsencrypt: /etc/letsencrypt/live/"),
                ("SSL_TYPE", "custom", ("cert", "show"),
                 r"put mta1.example1.local-full\.pem into .*/config/ssl"),
                ("SSL_TYPE", "self-signed", ("cert", "show"),
                 r"put mta1.example1.local-cert\.pem and .*-key\.pem into")):
            host.environment = {**old, variable: value}
            done = host.ctl(*words)
            expect_true(done.returncode != 0, f"{words}: {done}")
            expect_match(done.stdout + done.stderr, wanted, words)
    finally:
        host.environment = old


@scenario
def what_may_not_be_written_comes_with_the_line_that_mends_it(lab):
    if os.geteuid() != 0:
        raise Skipped("needs root, to be somebody else")
    host = lab.mta1
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        os.mkdir(f"{folder}/run")
        where = {"ESTAFETA_RUN": f"{folder}/run",
                 "ESTAFETA_MAIL": f"{folder}/mail",
                 "ESTAFETA_STATE": f"{folder}/state"}
        for program, line in (
                ("router", f"chown -R {NOBODY}:{NOBODY} {folder}/run"),
                ("mda", f"mkdir -p {folder}/mail && chown -R "
                        f"{NOBODY}:{NOBODY} {folder}/mail")):
            try:
                done = subprocess.run(
                    [os.path.join(host.bin, program)], cwd="/",
                    env={**host.variables(), **where}, user=NOBODY,
                    group=NOBODY, extra_groups=[], capture_output=True,
                    stdin=subprocess.DEVNULL, text=True, timeout=20)
            except PermissionError as error:
                raise Skipped(f"only root gets there: {error}") from None
            expect(done.returncode, 1, done)
            expect_match(done.stderr, re.escape(
                f"Permission denied; run this once, as root: {line}\n"))


@scenario
def what_makes_no_sense_is_refused(lab):
    host = lab.mta1
    before = host.read_config("accounts.cf")
    for words, status in [
            (("email", "add"), 1),
            (("email", "add", "no-domain", "x"), 1),
            (("email", "add", "../../etc@example1.local", "x"), 1),
            (("email", "del", "a b@example1.local"), 1),
            (("alias", "add", "a@b,c@d", USER1), 1),
            (("relay", "add-domain", "x y", "h"), 1),
            (("relay", "add-domain", "d.example", "[h]"), 1),
            (("relay", "add-domain", "d.example", "h", "0"), 1),
            (("config", "dkim"), 1),
            (("email", "fly"), 2),
            (("fly",), 2)]:
        setup(host, *words, status=status)
    expect(host.read_config("accounts.cf"), before, "nothing changed")
    expect_match(setup(host, "help"), "setup email add ADDRESS")
    expect_match(host.ctl("account", "--help").stdout,
                 "mailctl account add ADDRESS")
    expect(host.ctl("account", "list").returncode, 0)


main()
