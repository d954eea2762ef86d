#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tables and routing: the same files, asked of a real Postfix and of us.

Part 1 makes random tables of each type and asks `postmap -q -` of both. Part 2
runs a Postfix of its own (private configuration and queue, no delivery), sends
recipients through its cleanup(8), asks its trivial-rewrite(8) where each result
goes, and compares with `mailctl route explain --json` over the same files.
Part 3 does the same with what docker-mailserver makes of RELAY_HOST,
DEFAULT_RELAY_HOST and postfix-relaymap.cf, for many senders, and with
catch-alls. Part 4 compares the replies to RCPT of a stranger.

Differences that are meant stand in doc/differences.md; each has a rule in
INTENDED here. Any other one fails.

Usage: postfix_tables.py [--build release|dev] [--seed N] [--addresses N]
Needs root, postfix and postfix-pcre. Exit status 77: they are not here.
"""
import argparse
import glob
import json
import os
import random
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "scenario"))
import frame  # noqa: E402

MASTER = "/usr/lib/postfix/sbin/master"
OLD = (1000000000, 1000000000)  # Postfix reads a younger file again and again


# ---- part 1: tables --------------------------------------------------------

PATTERNS = ["a", "^a", "b$", "^.*@", "@box\\.test$", "(.*)@(.*)", "^(.)(.)",
            "[0-9]+", "[^@]*@", "(a|b)c", "(a|ab)(c|bcd)?", "x?y*z+", "a{2}",
            "a{1,2}b", "[[:alpha:]]+", "\\.", "\\/", "^$", ".", "user",
            "USER", "(user)(\\+.*)?@", "\\w+", "[]x]", "[a\\]"]
PCRE_ONLY = ["(?i)user", "\\d+", "(?:a|b)c", "a(?=@)", "\\bab\\b", "(?<!a)b",
             "^\\S+$", ".*?@"]
VALUES = ["v", "$1", "${1}x", "<$1>$2", "$$1", "a $1, b", "smtp:[h]:25",
          "REJECT no $$ here", "$3", "two  blanks", "${12}", "x$"]
SUBJECTS = ["", "a", "ab", "abc", "abcd", "b", "user@box.test",
            "User+tag@box.test", "x@y", "aab", "USER@BOX.TEST", "123",
            "a.b@c.d", "]", "\\", "xyzzz", "aa", "a b", "a/b", "nobody"]
NETS = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "192.168.0.0/24", "0.0.0.0/0",
        "::/0", "::1", "2001:db8::/32", "[2001:db8::]/48", "10.1.2.3/8",
        "10.1.2.0/33", "fe80:0:0::/10", "1.2.3", "2001:DB8:0:0::1/128"]
ADDRESSES = ["10.1.2.3", "10.2.0.1", "192.168.0.7", "127.0.0.1", "::1",
             "2001:db8::1", "2001:0DB8:0::1", "fe80::1", "x", "1.2.3",
             "::ffff:10.1.2.3", "2001:db9::"]


def rule(rnd, kind, value):
    if kind == "cidr":
        mark = rnd.choice(["", "", "", "!", "! "])
        return mark + rnd.choice(NETS) + (" " + value if value else "")
    pattern = rnd.choice(PATTERNS + (PCRE_ONLY if kind == "pcre" else []))
    flags = rnd.choice(["", "", "", "i", "m", "x" if kind == "pcre" else "i",
                        "q"])
    mark = rnd.choice(["", "", "", "!", "!!"])
    second = ("!/%s/" % rnd.choice(PATTERNS)
              if kind == "regexp" and rnd.random() < 0.1 else "")
    return "%s/%s/%s%s%s" % (mark, pattern, flags, second,
                             " " + value if value else "")


def rules(rnd, kind):
    lines, depth = [], 0
    for _ in range(rnd.randrange(1, 9)):
        shape = rnd.random()
        if shape < 0.15:
            lines.append("if " + rule(rnd, kind, ""))
            depth += 1
        elif shape < 0.3 and depth:
            lines.append("endif")
            depth -= 1
        else:
            lines.append(rule(rnd, kind, rnd.choice(VALUES)))
    return lines + ["endif"] * depth


def small_table(rnd):
    """A reference without a file, and keys for it."""
    pairs = ["%s=%s" % (rnd.choice("abcdE") + str(i), rnd.choice("vwxyz"))
             for i in range(rnd.randrange(1, 5))]
    inline = "inline:{%s}" % rnd.choice([", ", " ", ","]).join(pairs)
    keys = [p.split("=")[0] for p in pairs] + ["none", "A0", "v", "w"]
    second = "inline:{v=1, w=2, {x = three words}}"
    return rnd.choice([
        inline, "static:v", "static:{a b}",
        "unionmap:{%s, static:z}" % inline,
        "unionmap:{%s, %s}" % (inline, second),
        "pipemap:{%s, %s}" % (inline, second),
        "pipemap:{%s, static:q}" % inline, "randmap:{x}",
        "pcre:{{/^a/ x}, {/(b)/ $1$1}}",
        "cidr:{{!10.0.0.0/8 out}, {::/0 six}}"]), keys + ADDRESSES[:6]


def make_question(rnd, directory):
    kind = rnd.choice(["regexp", "pcre", "cidr", "small"])
    if kind == "small":
        return small_table(rnd)
    lines = rules(rnd, kind)
    if rnd.random() < 0.2:
        braced = ", ".join("{%s}" % line for line in lines
                           if line.count("{") == line.count("}"))
        return "%s:{%s}" % (kind, braced), (
            ADDRESSES if kind == "cidr" else SUBJECTS)
    path = os.path.join(directory, "rules")
    with open(path, "w", encoding="utf-8") as file:
        file.write(rnd.choice(["", "# comment\n\n"]) + "\n".join(lines) +
                   rnd.choice(["", "\n"]))
    os.utime(path, OLD)
    return "%s:%s" % (kind, path), ADDRESSES if kind == "cidr" else SUBJECTS


def ask_table(program, reference, keys):
    """Answers in the order of the keys; None where there is none."""
    run = subprocess.run([program, "-q", "-", reference], check=False,
                         input="\n".join(k for k in keys if k) + "\n",
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True, timeout=30)
    found = {}
    for line in run.stdout.split("\n"):
        key, tab, value = line.partition("\t")
        if tab:
            found[key] = value
    return [found.get(key) for key in keys if key], run.stderr


def compare_tables(rnd, postmap, directory, count):
    hits = misses = bad = 0
    kinds = {}
    for _ in range(count):
        reference, keys = make_question(rnd, directory)
        theirs, _ = ask_table("postmap", reference, keys)
        ours, said = ask_table(postmap, reference, keys)
        kind = reference.split(":")[0]
        for key, want, got in zip([k for k in keys if k], theirs, ours):
            hits += want is not None
            misses += want is None
            kinds[kind] = kinds.get(kind, 0) + 1
            if want == got or is_meant_table(kind, want, got):
                continue
            bad += 1
            text = reference
            if reference.endswith("/rules"):
                with open(reference.split(":", 1)[1],
                          encoding="utf-8") as file:
                    text += "\n" + file.read()
            print("table %s\nkey %r: postmap %r, ours %r\n%s" % (
                text, key, want, got, said))
    print("tables: %d found, %d not, %d differ; %s" % (
        hits, misses, bad, " ".join("%s %d" % k for k in sorted(
            kinds.items()))))
    return bad == 0 and hits > 0 and misses > 0


def is_meant_table(kind, want, got):
    """doc/differences.md: of several ways to match, $1 may differ."""
    return kind == "regexp" and want is not None and got is not None


# ---- part 2: routing -------------------------------------------------------

MAIN = """compatibility_level = 3.6
myhostname = mta1.own.test
mydestination = $myhostname, localhost.$mydomain, localhost
myorigin = $myhostname
virtual_mailbox_domains = box.test, two.test
virtual_alias_domains = alias.test
recipient_delimiter = +
"""
POSTFIX = """queue_directory = %(top)s/queue
data_directory = %(top)s/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = loopback-only
maillog_file_prefixes = %(top)s
maillog_file = %(top)s/log
local_recipient_maps =
smtpd_reject_unlisted_recipient = no
smtpd_recipient_limit = 5000
smtpd_recipient_restrictions = permit_mynetworks
smtpd_peername_lookup = no
in_flow_delay = 0
"""
MASTER_CF = """rewrite unix - - n - 10 trivial-rewrite
cleanup unix n - n - 0 cleanup
127.0.0.1:%d inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
bounce unix - - n - 0 bounce
anvil unix - - n - 1 anvil
"""
LOOP = "Aliases lead back to themselves, or to too many addresses"
DOMAINS = ["box.test", "two.test", "alias.test", "relay.test", "sub.relay.test",
           "mta1.own.test", "localhost", "out.test", "a.out.test",
           "deep.a.out.test", "Other.Test", "moved.test"]
LOCALS = ["u1", "u2", "u3", "U1", "info", "sales", "u1+tag", "u2+a+b", "nobody",
          "info+x", "postmaster", "loop", "list", "+x", "u1+", "a.b", "moved"]
SENDERS = ["u1@box.test", "u2+x@box.test", "x@out.test", "", "u3@two.test",
           "y@a.out.test"]
ROUTES = ["smtp:[h1]:25", "smtp:h2", "smtp:", ":", ":[h3]", "relay:[h4]:2525",
          "error:5.7.1 not here", "error:", "retry:4.3.2 wait", "discard:gone",
          "lmtp:[h5]:24", "smtp:[h6], h7:26", "local:", "virtual:", "error"]
RELAYS = ["[r1]:587", "r2", "[r3]", "DUNNO", "r4:2525"]


def some(rnd, keys, values, low, high):
    chosen = rnd.sample(keys, rnd.randrange(low, high))
    return "".join("%s\t%s\n" % (key, rnd.choice(values)) for key in chosen)


def address(rnd):
    local = rnd.choice(LOCALS)
    if rnd.random() < 0.3:
        local += rnd.choice(["+", "-", ".", ""]) + str(rnd.randrange(100))
    return local + "@" + rnd.choice(DOMAINS)


def virtual_table(rnd):
    """Keys in domains that are ours already: see doc/differences.md."""
    keys = [local.lower() + "@" + domain for local in LOCALS
            for domain in ("box.test", "two.test", "alias.test")
            if not local.startswith("+") and not local.endswith("+")]
    keys += ["@two.test", "@alias.test", "info", "list", "u3"]
    values = ["u1@box.test", "u2@box.test, x@out.test", "@out.test",
              "u2@two.test u1+y@box.test", "info@box.test", "list@box.test",
              "sales@two.test, loop@box.test", "u3", "loop@box.test",
              '"a b"@out.test']
    lines = some(rnd, sorted(set(keys)), values, 3, 20)
    if rnd.random() < 0.5:
        lines = re.sub(r"^loop@box.test\t.*\n", "", lines, flags=re.M)
        lines += "loop@box.test loop@box.test, x@other.test\n"
    return lines


def virtual_pcre(rnd):
    return "".join(rnd.sample([
        "/^(.*)\\+spam@box\\.test$/ $1@two.test\n",
        "/^info@(.*)$/ sales@$1\n",
        "/^u2@/ u1@box.test\n",
        "!/test$/ x@out.test\n",
        "if /^a\\./\n/@(.*)$/ ab@$1, u1@box.test\nendif\n"],
        rnd.randrange(0, 4)))


def transport_table(rnd):
    keys = [local.lower() + "@" + domain.lower() for local in LOCALS
            for domain in DOMAINS if local[0] != "+"]
    keys = rnd.sample(keys, 12) + [d.lower() for d in DOMAINS] + [
        ".out.test", ".relay.test", ".test", "UP.test", "*"]
    return some(rnd, sorted(set(keys)), ROUTES, 2, 14)


def make_set(rnd, top):
    """Both configurations, over the same tables."""
    main = MAIN
    files = {
        "virtual.cf": virtual_table(rnd),
        "virtual.pcre": virtual_pcre(rnd),
        "transport.cf": transport_table(rnd),
        "transport.pcre": rnd.choice(
            ["", "/^u3@/ smtp:[p1]\n", "/out/ smtp:[p2]:$1\n/Other/ relay:p3\n",
             "/^\\*$/ smtp:[star]\n"]),
        "relaymap.cf": some(rnd, ["u1@box.test", "@box.test", "@two.test",
                                  "x@out.test", "@a.out.test", "u2@box.test"],
                            RELAYS, 1, 5),
        "relocated": some(rnd, ["moved@box.test", "@moved.test", "moved",
                                "u1@out.test"], ["new@place.test"], 0, 4),
        "canonical": rnd.choice(["", some(
            rnd, ["info@box.test", "@relay.test", "sales", "u2@two.test",
                  "list@alias.test", "@moved.test", "loop@two.test"],
            ["u1@box.test", "@out.test", "new@two.test", "list",
             "loop@two.test"], 1, 5)]),
        "sender_transport": some(rnd, ["x@out.test", "@two.test", "<>"],
                                 ["smtp:[st]:99", "relay:", "DUNNO"], 0, 3),
    }
    main += "virtual_alias_maps = texthash:%s/virtual.cf, " \
            "pcre:%s/virtual.pcre\n" % (top, top)
    main += "transport_maps = texthash:%s/transport.cf, " \
            "pcre:%s/transport.pcre\n" % (top, top)
    main += "sender_dependent_relayhost_maps = texthash:%s/relaymap.cf\n" % top
    main += "recipient_canonical_maps = texthash:%s/canonical\n" % top
    main += "relocated_maps = texthash:%s/relocated\n" % top
    main += "sender_dependent_default_transport_maps = " \
            "texthash:%s/sender_transport\n" % top
    main += "relay_domains = %s\n" % rnd.choice([
        "relay.test", "!sub.relay.test, relay.test",
        "pcre:{{/^relay\\.test$$/ x}}", "regexp:{{/relay/ x}}, localhost",
        "static:all", "relay.test, inline:{a.out.test=x}"])
    main += rnd.choice(["", "", "mydestination = $myhostname, "
                        "localhost.$mydomain, pcre:{{/^localhost$$/ x}}\n"])
    main += rnd.choice(["", "", "virtual_mailbox_domains = "
                        "regexp:{{/^(box|two)\\.test$$/ x}}\n"])
    main += rnd.choice(["", "", "masquerade_domains = out.test, test\n"
                        "masquerade_classes = envelope_recipient\n"
                        "masquerade_exceptions = u1\n"])
    main += rnd.choice(["", "relayhost = [rh]:26\n", "relayhost = rh.test\n"])
    main += rnd.choice(["", "", "propagate_unmatched_extensions =\n"])
    main += rnd.choice(["", "", "default_transport = smtp:[dt]\n"])
    main += rnd.choice(["", "", "relay_transport = relay:[rt]:27\n"])
    main += rnd.choice(["", "", "recipient_delimiter = +-\n"])
    if rnd.random() < 0.3:
        main += "parent_domain_matches_subdomains = relay_domains, " \
                "transport_maps\n"
    files["main.cf"] = main
    files["accounts.cf"] = "".join(
        "%s|{PLAIN}x%d\n" % (name, i) for i, name in enumerate(
            ["u1@box.test", "u2@box.test", "u3@two.test"]))
    for name, text in files.items():
        path = os.path.join(top, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.utime(path, OLD)
    return files


class Postfix:
    """An instance of its own below top."""

    def __init__(self, top):
        self.top = top
        self.conf = os.path.join(top, "conf")
        self.port = frame.free_port()  # no client's in the meantime
        self.process = None
        for name in ("conf", "data", "queue"):
            os.makedirs(os.path.join(top, name))
        for name in ("active bounce corrupt defer deferred flush hold incoming "
                     "private maildrop pid public saved trace").split():
            os.makedirs(os.path.join(top, "queue", name))
        subprocess.run(["chown", "-R", "postfix", top + "/data",
                        top + "/queue"], check=True)
        for name in ("queue", "queue/pid"):
            shutil.chown(os.path.join(top, name), "root")
        for name in ("public", "maildrop"):
            shutil.chown(os.path.join(top, "queue", name), group="postdrop")
        shutil.copy("/etc/postfix/dynamicmaps.cf", self.conf)
        os.chmod(top, 0o755)

    def start(self, main, more=""):
        with open(self.conf + "/main.cf", "w", encoding="utf-8") as file:
            file.write(POSTFIX % {"top": self.top} + main + more)
        with open(self.conf + "/master.cf", "w", encoding="utf-8") as file:
            file.write(MASTER_CF % self.port)
        with open(self.top + "/master.out", "ab") as out:
            self.process = subprocess.Popen(
                [MASTER, "-c", self.conf, "-d"], stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, start_new_session=True)
        frame.wait_for("postfix answers: see %s" % self.top,
                       lambda: frame.answers(self.port))

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def expand(self, sender, recipients):
        """Through cleanup: {recipient: [final addresses]}; None for one that
        it puts off, because aliases lead nowhere."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=60) as smtp:
            smtp.ehlo("test")
            smtp.mail(sender)
            taken = [r for r in recipients if smtp.rcpt(r)[0] == 250]
            if not taken:
                return {}
            code, text = smtp.data("Subject: x\r\n\r\nx\r\n")
        if code != 250 and len(taken) == 1:
            return {taken[0]: None}
        if code != 250:
            half = len(taken) // 2
            return {**self.expand(sender, taken[:half]),
                    **self.expand(sender, taken[half:])}
        return self.recipients_of(text.decode().split()[-1])

    def recipients_of(self, queue_id):
        path = glob.glob(self.top + "/queue/*/" + queue_id)[0]
        out = subprocess.run(["postcat", "-c", self.conf, "-e", path],
                             stdout=subprocess.PIPE, check=True,
                             stderr=subprocess.DEVNULL, text=True).stdout
        os.unlink(path)
        found = {}
        original = None
        for line in out.split("\n"):
            name, _, value = line.partition(": ")
            if name == "original_recipient":
                original = value
            elif name == "recipient":
                found.setdefault(original, []).append(value)
        return found

    def resolve(self, sender, recipient):
        """(transport, nexthop, address) of trivial-rewrite."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20)
            s.connect(self.top + "/queue/private/rewrite")
            data = b""
            while not data.endswith(b"\0\0"):
                data += s.recv(4096)
            s.sendall(b"\0".join([b"request", b"resolve", b"sender",
                                  sender.encode(), b"address",
                                  recipient.encode(), b"", b""]))
            data = b""
            while not data.endswith(b"\0\0"):
                data += s.recv(4096)
        parts = data[:-2].split(b"\0")
        reply = dict(zip(parts[0::2], parts[1::2]))
        return tuple(reply[k].decode() for k in (b"transport", b"nexthop",
                                                 b"recipient"))


def as_text(transport, nexthop, recipient):
    """What both sides must agree in, of one final address."""
    local, _, domain = recipient.rpartition("@")
    recipient = local + "@" + domain.lower()
    if transport in ("local", "virtual"):
        return "here %s" % recipient
    if transport in ("error", "retry"):
        code, _, text = nexthop.partition(" ")
        if not re.fullmatch(r"[45]\.\d+\.\d+", code):
            code, text = ("5.0.0" if transport == "error" else "4.0.0",
                          nexthop)
        if text == "User unknown in virtual alias table":
            text = "User unknown in the table of aliases"
        return "%s %s %s" % (transport, code, text)
    if transport == "discard":
        return "discard %s" % recipient
    if nexthop.lower() == domain.lower():
        nexthop = nexthop.lower()  # a name that was not written in a table
    return "%s to %s for %s" % (transport, nexthop, recipient)


def ours_as_text(t):
    # Postfix shows the local part without its quotes.
    t["address"] = re.sub(r'^"(.*)"@', r"\1@", t["address"])
    if t["class"] == "local":
        return "here %s" % t["address"]
    if t["class"] in ("error", "retry"):
        if "table of accounts" in t["text"]:
            return "here %s" % t["address"]
        return "%s %s %s" % (t["class"], t["code"], t["text"])
    if t["class"] == "discard":
        return "discard %s" % t["address"]
    return "%s to %s for %s" % (t["transport"], t["nexthop"], t["address"])


def is_meant(sender, recipient, theirs, ours):
    """The rules of doc/differences.md for routing."""
    del sender
    del theirs
    if recipient.lower().startswith("postmaster@"):
        return True  # somebody always reads it here
    del ours
    return False


def ask_ours(mailctl, top, questions, environment=None):
    run = subprocess.run([mailctl, "route", "explain", "-", "--offline",
                          "--json", "--config", top], check=True, text=True,
                         input="".join("%s %s\n" % q for q in questions),
                         env=dict(os.environ, **(environment or {})),
                         stdout=subprocess.PIPE)
    return [json.loads(line) for line in run.stdout.split("\n") if line]


def show(files):
    for name in sorted(files):
        print("--- %s\n%s" % (name, files[name]))


class Count:
    def __init__(self):
        self.total = self.meant = self.bad = 0
        self.kinds = {}

    def kind(self, name):
        self.kinds[name] = self.kinds.get(name, 0) + 1

    def __str__(self):
        return "%d asked, %d meant to differ, %d differ; %s" % (
            self.total, self.meant, self.bad,
            " ".join("%s %d" % x for x in sorted(self.kinds.items())))


def compare_sender(count, mailctl, postfix, top, sender, recipients,
                   environment=None):
    """Where mail of one sender goes."""
    expanded = postfix.expand(sender, recipients)
    asked = [r for r in recipients if r in expanded]
    answers = ask_ours(mailctl, top, [(r, sender) for r in asked], environment)
    for recipient, answer in zip(asked, answers):
        if expanded[recipient] is None:
            theirs = ["retry 4.6.0 %s" % LOOP]
        else:
            theirs = sorted({as_text(*postfix.resolve(sender, final))
                             for final in expanded[recipient]})
        ours = sorted({ours_as_text(t) for t in answer["targets"]})
        count.total += 1
        for text in theirs:
            count.kind(text.split()[0])
        if theirs == ours:
            continue
        if is_meant(sender, recipient, theirs, ours):
            count.meant += 1
            continue
        count.bad += 1
        print("from <%s> to %s\n postfix %s\n ours    %s\n  %s" % (
            sender, recipient, theirs, ours, "\n  ".join(answer["steps"])))


def compare_set(count, rnd, mailctl, postfix, top):
    files = make_set(rnd, top)
    recipients = sorted({address(rnd) for _ in range(700)})
    try:
        postfix.start(files["main.cf"])
        compare_sender(count, mailctl, postfix, top, rnd.choice(SENDERS),
                       recipients)
    finally:
        postfix.stop()
    if count.bad:
        show(files)


# ---- part 3: docker-mailserver's relay hosts -------------------------------

HOSTED = ["box.test", "two.test", "xbox.test", "boxxtest.test", "own.test"]


def dms_relaymap(rnd):
    """(lines of postfix-relaymap.cf, what becomes of those with a value)."""
    lines = []
    for key in rnd.sample(["u1@box.test", "u2@two.test", "@box.test",
                           "@two.test", "@xbox.test", "@stranger.test",
                           "u1@stranger.test", "BIG@Own.Test", "@own.test"],
                          rnd.randrange(0, 7)):
        value = rnd.choice(RELAYS + ["[r6]:465", "r7.test"])
        if key.startswith("@") and rnd.random() < 0.3:
            lines.append(key + rnd.choice(["", " ", "\t"]))  # opted out
        else:
            lines.append(key + rnd.choice(["\t\t", " ", "   "]) + value)
    return lines


def dms_set(rnd, top):
    """A folder and an environment, and the main.cf and the tables that
    docker-mailserver 15 makes of them (helpers/relay.sh)."""
    accounts = ["%s@%s" % (local, rnd.choice(HOSTED[:3]))
                for local in ("u1", "u2", "u3", "info")]
    virtual = rnd.sample(["@two.test u1@box.test", "u2@two.test u2@two.test",
                          "@own.test @box.test", "sales@own.test x@out.test",
                          "u1@box.test u1@box.test, keep@out.test",
                          "@box.test u2@out.test", "info@box.test info@box.test"],
                         rnd.randrange(0, 6))
    lines = dms_relaymap(rnd)
    environment = {}
    if rnd.random() < 0.7:
        environment["RELAY_HOST"] = "default.relay.test"
        if rnd.random() < 0.5:
            environment["RELAY_PORT"] = "2525"
    if rnd.random() < 0.4:
        environment["DEFAULT_RELAY_HOST"] = rnd.choice(
            ["[global.test]:587", "global.test"])
    hosted = sorted({a.split("@")[1] for a in accounts} |
                    {line.split()[0].split("@")[1] for line in virtual})
    table = [line for line in lines if len(line.split()) == 2]
    if "RELAY_HOST" in environment:
        told = {line.split()[0] for line in lines}
        table += ["@%s [%s]:%s" % (domain, environment["RELAY_HOST"],
                                   environment.get("RELAY_PORT", "25"))
                  for domain in hosted if "@" + domain not in
                  {key.lower() for key in told}]
    common = ("compatibility_level = 3.6\nmyhostname = mail.host.test\n"
              "mydestination = $myhostname, localhost\n"
              "recipient_delimiter = +\n")
    files = {
        "postfix-main.cf": common,
        "postfix-accounts.cf": "".join(
            "%s|{PLAIN}x%d\n" % (a, i) for i, a in enumerate(accounts)),
        "postfix-virtual.cf": "\n".join(virtual) + "\n",
        "postfix-relaymap.cf": "\n".join(lines) + "\n",
    }
    theirs = common + (
        "virtual_mailbox_domains = %s\n"
        "virtual_alias_maps = texthash:%s/postfix-virtual.cf\n"
        "sender_dependent_relayhost_maps = texthash:%s/made\n" % (
            " ".join(hosted), top, top))
    if "DEFAULT_RELAY_HOST" in environment:
        theirs += "relayhost = %s\n" % environment["DEFAULT_RELAY_HOST"]
    for name, text in dict(files, made="\n".join(table) + "\n").items():
        path = os.path.join(top, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.utime(path, OLD)
    return theirs, dict(files, environment=str(environment)), environment


def compare_relay(count, rnd, mailctl, postfix, top):
    theirs, files, environment = dms_set(rnd, top)
    recipients = ["x@out.test", "u1@box.test", "u1+tag@box.test",
                  "any@two.test", "u2@two.test", "u2+z@two.test",
                  "any+y@own.test", "sales@own.test", "info@box.test",
                  "nobody@box.test", "INFO@Box.Test"]
    senders = ["u1@box.test", "u1+x@box.test", "u9@box.test", "u2@two.test",
               "a@xbox.test", "a@own.test", "big@own.test", "u1@stranger.test",
               "b@stranger.test", "c@sub.box.test", "", "U1@BOX.TEST",
               "a@boxxtest.test"]
    try:
        postfix.start(theirs)
        for sender in senders:
            compare_sender(count, mailctl, postfix, top, sender,
                           [r for r in recipients if rnd.random() < 0.7],
                           environment)
    finally:
        postfix.stop()
    if count.bad:
        show(files)


# ---- part 4: RCPT of a stranger --------------------------------------------

STRANGER = """mynetworks = 192.0.2.0/24
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = permit
smtpd_reject_unlisted_recipient = yes
smtpd_error_sleep_time = 0
smtpd_hard_error_limit = 100000
smtpd_junk_command_limit = 100000
smtpd_recipient_limit = 100000
smtpd_recipient_overshoot_limit = 100000
"""


def rcpt_set(rnd, top):
    """Settings that say who is known; the other host has no accounts, so it
    gets those as virtual_mailbox_maps."""
    accounts = ["u1@box.test", "u2@box.test", "u3@two.test"]
    files = make_set(rnd, top)
    # Masquerading recipients: see doc/differences.md.
    files["main.cf"] = re.sub(r"^masquerade_.*\n", "", files["main.cf"],
                              flags=re.M)
    files["boxes"] = "".join("%s x/\n" % a for a in accounts)
    files["known"] = some(rnd, ["u1@box.test", "u3@box.test", "info@two.test",
                                "@two.test", "u2@two.test"], ["x/"], 1, 5)
    files["local"] = some(rnd, ["u1", "info@mta1.own.test", "sales", "a.b",
                                "@localhost"], ["x"], 1, 5)
    files["relayed"] = some(rnd, ["u1@relay.test", "@sub.relay.test", "u2",
                                  "info@relay.test"], ["x"], 1, 4)
    both = rnd.choice(["", "relay_recipient_maps = texthash:%s/relayed\n" % top])
    ours, theirs = "", "virtual_mailbox_maps = texthash:%s/boxes\n" % top
    if rnd.random() < 0.6:
        both += ("virtual_transport = smtp:[inner]\nvirtual_mailbox_maps = "
                 "texthash:%s/known\n" % top)
        theirs = ""
    if rnd.random() < 0.6:
        both += ("local_transport = smtp:[inner]\nlocal_recipient_maps = "
                 "texthash:%s/local\n" % top)
    else:
        theirs += "local_recipient_maps = inline:{none=x}\n"
    files["main.cf"] += both
    for name in ("main.cf", "boxes", "known", "local", "relayed"):
        path = os.path.join(top, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(files[name] + (ours if name == "main.cf" else ""))
        os.utime(path, OLD)
    return files, theirs


def rcpt_meant(recipient, theirs, answer):
    """The rules of doc/differences.md for RCPT; theirs: first digit."""
    ours, steps = answer["rcpt"][0], "\n".join(answer["steps"])
    classes = {t["class"] for t in answer["targets"]}
    if recipient.lower().startswith("postmaster@"):
        return True  # somebody always reads it here
    if theirs != "2":
        return False
    if ours == "4":
        # Put off at once, not in the queue: nobody can have it now.
        return "retry" in classes and classes <= {"retry", "error"}
    # Nothing but bounces: refused, for whatever reason it bounces.
    return classes == {"error"} and (
        "accounts: no " in steps or re.search(
            r"^(virtual_alias_maps|recipient_canonical_maps): .* is in ",
            steps, re.M) is not None)


def compare_rcpt(count, rnd, mailctl, postfix, top):
    files, theirs = rcpt_set(rnd, top)
    recipients = sorted({address(rnd) for _ in range(400)})
    codes = {}
    try:
        postfix.start(files["main.cf"] + theirs, STRANGER)
        with smtplib.SMTP("127.0.0.1", postfix.port, timeout=60) as smtp:
            smtp.ehlo("test")
            smtp.mail("a@stranger.example")
            for recipient in recipients:
                codes[recipient] = smtp.rcpt(recipient)
    finally:
        postfix.stop()
    answers = ask_ours(mailctl, top,
                       [(r, "a@stranger.example") for r in recipients])
    for recipient, answer in zip(recipients, answers):
        code, text = codes[recipient]
        count.total += 1
        count.kind(str(code))
        if str(code)[0] == answer["rcpt"][0]:
            continue
        if rcpt_meant(recipient, str(code)[0], answer):
            count.meant += 1
            continue
        count.bad += 1
        print("RCPT %s\n postfix %s %s\n ours    %s\n  %s" % (
            recipient, code, text, answer["rcpt"],
            "\n  ".join(answer["steps"])))
    if count.bad:
        show(dict(files, theirs=theirs))


def compare_many(name, compare, rnd, mailctl, wanted):
    """Sets until so many questions were asked, each with its own Postfix."""
    count = Count()
    while count.total < wanted and not count.bad:
        top = tempfile.mkdtemp(prefix="tables-")
        try:
            postfix = Postfix(os.path.join(top, "postfix"))
            os.chmod(top, 0o755)
            compare(count, rnd, mailctl, postfix, top)
        finally:
            shutil.rmtree(top, ignore_errors=True)
    print("%s: %s" % (name, count))
    return count.bad == 0 and count.meant * 5 < count.total


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="release")
    parser.add_argument("--seed", type=int,
                        default=random.randrange(1 << 32))
    parser.add_argument("--tables", type=int, default=150)
    parser.add_argument("--addresses", type=int, default=2000)
    options = parser.parse_args()
    # What ends us early must not leave a Postfix behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if os.geteuid() != 0 or shutil.which("postmap") is None or \
            not os.path.exists(MASTER) or \
            "pcre" not in subprocess.run(["postconf", "-m"], check=True,
                                         text=True,
                                         stdout=subprocess.PIPE).stdout:
        print("needs root, postfix and postfix-pcre: skipped")
        return 77
    mailctl = os.path.join(ROOT, "build", options.build, "bin", "mailctl")
    print("seed %d" % options.seed)
    rnd = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as directory:
        postmap = os.path.join(directory, "postmap")
        os.symlink(mailctl, postmap)
        is_good = compare_tables(rnd, postmap, directory, options.tables)
    for name, compare, wanted in (
            ("routes", compare_set, options.addresses),
            ("relay hosts", compare_relay, options.addresses // 8),
            ("RCPT", compare_rcpt, options.addresses // 4)):
        is_good = compare_many(name, compare, rnd, mailctl, wanted) and is_good
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
