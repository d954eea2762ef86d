# SPDX-License-Identifier: MIT
"""The two sides that are compared: pairs of mail hosts on loopback, each with
two domains that send to each other. Both keep mail as Maildir, flush it before
they answer, check the same kind of password, and speak without TLS here.

A side knows how to start and stop itself, which ports it has, where mail
arrives, and which processes are its own."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "scenario"))
import frame  # noqa: E402

PASSWORD = frame.PASSWORD
N_READERS = 1000  # of one message
N_BOXES = 8  # readers that the throughput of deliveries is measured with
FIRST_PORT = 9000  # below those of the scenarios
START_TIMEOUT_S = 30
TICKS_S = os.sysconf("SC_CLK_TCK")
DOMAINS = {1: "example1.local", 2: "example2.local"}


def users(n):
    """Those whose mailboxes stay small: for IMAP."""
    return [f"user{2 * n - 1}@{DOMAINS[n]}", f"user{2 * n}@{DOMAINS[n]}"]


def boxes(n):
    return [f"box{i}@{DOMAINS[n]}" for i in range(1, N_BOXES + 1)]


def crowd(n):
    return [f"reader{i}@{DOMAINS[n]}" for i in range(1, N_READERS + 1)]


def hash_of(password):
    return "{SHA512-CRYPT}" + subprocess.run(
        ["openssl", "passwd", "-6", password], check=True, text=True,
        capture_output=True).stdout.strip()


# Of the crowd, who never log in: each new account is examined once after the
# start, and a thousand usual hashes would take a tenth of a processor meanwhile.
CHEAP_HASH = "{SHA512-CRYPT}" + subprocess.run(
    ["perl", "-e", "print crypt($ARGV[0], '$6$rounds=1000$benchbenchbench')",
     PASSWORD], check=True, text=True, capture_output=True).stdout


def answers(port):
    with contextlib.suppress(OSError):
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.settimeout(2)
            return connection.recv(100)[:4] in (b"220 ", b"* OK")
    return False


def process_table():
    """{pid: (parent, ticks)}; the ticks of ended children are their
    parent's."""
    table = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{entry}/stat") as file:
                text = file.read()
            fields = text[text.rindex(")") + 2:].split()
            table[int(entry)] = (int(fields[1]), sum(map(int, fields[11:15])))
    return table


def family(roots, table):
    """The roots and all that descends from them."""
    found = {pid for pid in roots if pid in table}
    grows = True
    while grows:
        more = {pid for pid, (parent, _) in table.items() if parent in found}
        grows = not more <= found
        found |= more
    return found


class Side:
    """One pair; ports are by host number and service."""

    NAME = ""

    def __init__(self, directory, base):
        self.name, self.base = self.NAME, base
        self.directory = os.path.join(directory,
                                      self.NAME.split()[0].lower())
        self.ports = {n: dict(smtp=base + 1000 * n + 25,
                              submission=base + 1000 * n + 587,
                              imap=base + 1000 * n + 143) for n in DOMAINS}

    def maildir(self, n, user):
        return os.path.join(self.directory, str(n), "mail", DOMAINS[n],
                            user.split("@")[0])

    def arrivals(self, n, addresses):
        return [os.path.join(self.maildir(n, user), "new")
                for user in addresses]

    def start(self):
        """Seconds until all ports of host 1 answered."""
        for ports in self.ports.values():
            for port in ports.values():
                if not frame.is_free(port):
                    raise frame.Failed(f"{self.name}: port {port} is in use")
        for n in DOMAINS:
            os.makedirs(os.path.join(self.directory, str(n), "mail"))
            self.prepare(n)
        self.launch(2)
        self.wait(2)
        began = time.monotonic()
        self.launch(1)
        self.wait(1)
        return time.monotonic() - began

    def wait(self, n):
        deadline = time.monotonic() + START_TIMEOUT_S
        left = list(self.ports[n].values())
        while left:
            left = [port for port in left if not answers(port)]
            if time.monotonic() > deadline:
                raise frame.Failed(f"{self.name}: no answer at {left}")
            time.sleep(0.002)

    def processes(self, hosts=(1, 2)):
        roots = [pid for n in hosts for pid in self.roots(n)]
        return family(roots, process_table())

    def cpu_s(self):
        table = process_table()
        roots = [pid for n in DOMAINS for pid in self.roots(n)]
        return sum(table[pid][1] for pid in family(roots, table)) / TICKS_S

    def pss_kib(self, n):
        """Proportional memory of all processes of one host."""
        total = 0
        for pid in self.processes((n,)):
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/smaps_rollup") as file:
                    total += sum(int(line.split()[1]) for line in file
                                 if line.startswith("Pss:"))
        return total


class Estafeta(Side):
    NAME = "Estafeta"

    def __init__(self, directory):
        super().__init__(directory, FIRST_PORT)
        self.hosts = {}

    def prepare(self, n):
        ports = dict(self.ports[n], submissions=self.base + 1000 * n + 465,
                     imaps=self.base + 1000 * n + 993,
                     pop3=self.base + 1000 * n + 110,
                     pop3s=self.base + 1000 * n + 995)
        host = frame.Host(n, os.path.join(self.directory, str(n)), ports)
        host.environment = {"SSL_TYPE": ""}
        host.peers[f"[mta{3 - n}]:25"] = self.ports[3 - n]["smtp"]
        host.prepare("smtp_tls_security_level = none\n")
        hashed = hash_of(PASSWORD)
        host.append("accounts.cf", "".join(f"{user}|{hashed}\n"
                                           for user in boxes(n))
                    + "".join(f"{user}|{CHEAP_HASH}\n" for user in crowd(n)))
        self.hosts[n] = host

    def launch(self, n):
        self.hosts[n].start(wait=False)

    def roots(self, n):
        process = self.hosts[n].process if n in self.hosts else None
        return [process.pid] if process else []

    def stop(self):
        for host in self.hosts.values():
            host.stop()


class Peer(Side):
    """Postfix and Dovecot as Debian has them, with the settings that make
    them faster: more processes, kept alive; no throttling; cached passwords."""

    NAME = "Postfix + Dovecot"

    def __init__(self, directory):
        super().__init__(directory, FIRST_PORT + 3000)

    def path(self, n, *parts):
        return os.path.join(self.directory, str(n), *parts)

    def prepare(self, n):
        owner = self.mail_owner()
        for part in ("run", "state", "postfix", "queue/private", "data"):
            os.makedirs(self.path(n, part))
        shutil.chown(self.path(n, "mail"), owner, owner)
        shutil.chown(self.path(n, "data"), "postfix")
        shutil.chown(self.path(n, "queue", "private"), "postfix")
        os.chmod(self.path(n, "queue", "private"), 0o700)
        addresses = users(n) + boxes(n) + crowd(n)
        hashed, many = hash_of(PASSWORD), set(crowd(n))
        self.write(n, "accounts", "".join(
            f"{user}:{CHEAP_HASH if user in many else hashed}::::::\n"
            for user in addresses))
        self.write(n, "mailboxes", "".join(f"{user} here\n"
                                           for user in addresses))
        self.write(n, "transport", f"{DOMAINS[3 - n]} "
                   f"smtp:[127.0.0.1]:{self.ports[3 - n]['smtp']}\n")
        self.write(n, "dovecot.conf", self.dovecot_conf(n, owner))
        self.write(n, "postfix/main.cf", self.main_cf(n))
        self.write(n, "postfix/master.cf", self.master_cf(n))

    @staticmethod
    def mail_owner():
        """A user that is not root: Dovecot wants one for mail."""
        for name in ("vmail", "mail"):
            with contextlib.suppress(KeyError):
                pwd.getpwnam(name)
                return name
        raise frame.Failed("no user vmail and no user mail")

    def write(self, n, name, text):
        with open(self.path(n, name), "w") as file:
            file.write(text)

    def dovecot_conf(self, n, owner):
        queue = self.path(n, "queue", "private")
        mail = self.path(n, "mail") + "/%d/%n"
        return f"""\
base_dir = {self.path(n, "run")}
state_dir = {self.path(n, "state")}
log_path = {self.path(n, "dovecot.log")}
listen = 127.0.0.1
protocols = imap lmtp
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
auth_cache_size = 16M
mail_location = maildir:{mail}
mail_max_userip_connections = 10000
first_valid_uid = 1
default_client_limit = 20000
default_process_limit = 4000
protocol lmtp {{
  auth_username_format = %Lu
}}
namespace inbox {{
  inbox = yes
}}
passdb {{
  driver = passwd-file
  args = username_format=%u {self.path(n, "accounts")}
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner} home={mail}
}}
service imap-login {{
  service_count = 0
  process_min_avail = 2
  inet_listener imap {{
    port = {self.ports[n]["imap"]}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service imap {{
  service_count = 1000
  process_min_avail = 4
}}
service lmtp {{
  process_min_avail = 4
  unix_listener {queue}/lmtp-in {{
    mode = 0666
  }}
}}
service auth {{
  unix_listener {queue}/auth {{
    mode = 0666
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"""

    def main_cf(self, n):
        return f"""\
compatibility_level = 3.6
myhostname = mta{n}.{DOMAINS[n]}
mydestination =
alias_maps =
mynetworks = 127.0.0.0/8
inet_protocols = ipv4
inet_interfaces = 127.0.0.1
mail_owner = postfix
setgid_group = postdrop
queue_directory = {self.path(n, "queue")}
data_directory = {self.path(n, "data")}
maillog_file = {self.path(n, "postfix.log")}
maillog_file_prefixes = {self.directory}
virtual_mailbox_domains = {DOMAINS[n]}
virtual_mailbox_maps = texthash:{self.path(n, "mailboxes")}
virtual_transport = lmtp:unix:private/lmtp-in
transport_maps = texthash:{self.path(n, "transport")}
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
message_size_limit = 104857600
mailbox_size_limit = 0
smtpd_client_connection_count_limit = 0
default_process_limit = 200
in_flow_delay = 0
default_destination_concurrency_limit = 20
lmtp_destination_concurrency_limit = 20
"""

    def master_cf(self, n):
        ports = self.ports[n]
        services = [
            (f"127.0.0.1:{ports['smtp']}", "inet", "n", "-", "-", "smtpd"),
            (f"127.0.0.1:{ports['submission']}", "inet", "n", "-", "-",
             "smtpd -o smtpd_sasl_auth_enable=yes"),
            ("pickup", "unix", "n", "60", "1", "pickup"),
            ("cleanup", "unix", "n", "-", "0", "cleanup"),
            ("qmgr", "unix", "n", "300", "1", "qmgr"),
            ("tlsmgr", "unix", "-", "1000?", "1", "tlsmgr"),
            ("rewrite", "unix", "-", "-", "-", "trivial-rewrite"),
            ("bounce", "unix", "-", "-", "0", "bounce"),
            ("defer", "unix", "-", "-", "0", "bounce"),
            ("trace", "unix", "-", "-", "0", "bounce"),
            ("verify", "unix", "-", "-", "1", "verify"),
            ("flush", "unix", "n", "1000?", "0", "flush"),
            ("proxymap", "unix", "-", "-", "-", "proxymap"),
            ("smtp", "unix", "-", "-", "-", "smtp"),
            ("relay", "unix", "-", "-", "-", "smtp"),
            ("showq", "unix", "n", "-", "-", "showq"),
            ("error", "unix", "-", "-", "-", "error"),
            ("retry", "unix", "-", "-", "-", "error"),
            ("lmtp", "unix", "-", "-", "-", "lmtp"),
            ("anvil", "unix", "-", "-", "1", "anvil"),
            ("scache", "unix", "-", "-", "1", "scache"),
            ("postlog", "unix-dgram", "n", "-", "1", "postlogd"),
        ]
        return "".join(f"{name} {kind} {private} - n {wakeup} {most} "
                       f"{command}\n" for name, kind, private, wakeup, most,
                       command in services)

    def launch(self, n):
        started = [
            subprocess.Popen(command, stdin=subprocess.DEVNULL,
                             stdout=log, stderr=subprocess.STDOUT)
            for command, log in (
                (["dovecot", "-c", self.path(n, "dovecot.conf")],
                 open(self.path(n, "dovecot.start"), "w")),
                (["postfix", "-c", self.path(n, "postfix"), "start"],
                 open(self.path(n, "postfix.start"), "w")))]
        for process in started:
            if process.wait() != 0:
                raise frame.Failed(f"{process.args} failed; see "
                                   f"{self.path(n)}/*.start")

    def roots(self, n):
        found = []
        for name in ("run/master.pid", "queue/pid/master.pid"):
            with contextlib.suppress(OSError, ValueError):
                with open(self.path(n, name)) as file:
                    found.append(int(file.read()))
        return found

    def stop(self):
        mine = self.processes()
        for n in DOMAINS:
            for command in (["postfix", "-c", self.path(n, "postfix"), "stop"],
                            ["doveadm", "-c", self.path(n, "dovecot.conf"),
                             "stop"]):
                subprocess.run(command, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, check=False)
        frame.wait_for(f"{self.name} ends",
                       lambda: not mine & set(process_table()), 30)
