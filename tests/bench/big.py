#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One mailbox of many messages: Estafeta beside Dovecot, in this run.

    tests/bench/big.py [N [MAILDIR]]    N: 100000 unless told; MAILDIR: copied
                                        for each side, else it is made here

Each row is the median of ROUNDS, the sides in turn, one client that reads the
answer whole. A round begins without index and with the file system's cache
warm; "first" is the first SELECT of the tree as another program left it. "With
the index" is our search index, which is off before; it has a time of its own
to keep. The last line says which of the wanted ratios was missed. Needs root and
dovecot-imapd."""

import base64
import contextlib
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "scenario"))
sys.path.insert(0, os.path.join(HERE, "..", "interop"))
import frame  # noqa: E402
import dovecot_roundtrip as interop  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "3"))
WORDS = [f"{a}{b}{c}" for a in ("ka", "so", "mi", "te", "rul", "ven", "pos")
         for b in ("no", "lar", "di", "que", "s", "tre") for c in
         ("a", "on", "es", "ir", "um")]
REST_S = 2  # then what a server keeps for later is written
INDEXED_S = 0.1  # at most, whatever Dovecot takes
EVERY = 100  # bodies are read of each such message

#   key, what, at most this part of Dovecot's time
ROWS = [
    ("first", "first SELECT, no index", 0.5),
    ("warm", "SELECT again", 1.0),
    ("flags", "FETCH 1:* (FLAGS)", 0.5),
    ("cold_envelope", "FETCH 1:* (ENVELOPE BODYSTRUCTURE), first", None),
    ("envelope", "FETCH 1:* (ENVELOPE BODYSTRUCTURE), again", 0.5),
    ("bodies", f"FETCH BODY.PEEK[] of each {EVERY}th, again", 0.5),
    ("singles", "  the same, a command each", 0.5),
    ("search", "SEARCH BODY of a word that nobody has", 0.2),
    ("text", "SEARCH TEXT of it", 0.2),
    ("indexed", "SEARCH TEXT of it, with the index", None),
    ("indexed_word", "SEARCH BODY of a word that many have", None),
    ("cold_sort", "SORT (SUBJECT) UTF-8 ALL, first", 0.5),
    ("sort", "SORT (SUBJECT) UTF-8 ALL, again", 0.5),
    ("thread", "THREAD REFERENCES UTF-8 ALL", 0.5),
    ("restarted", "SELECT after a restart", 1.0),
    ("restarted_flags", "  and FLAGS, first", None),
    ("restarted_envelope", "  and ENVELOPE BODYSTRUCTURE", None),
    ("restarted_bodies", f"  and BODY.PEEK[] of each {EVERY}th, first", 0.5),
]


def make_maildir(directory, n):
    """Plain text, quoted-printable and parts in base64; CRLF, S= and W=."""
    rng = random.Random(4)
    for name in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(directory, name), exist_ok=True)
    for i in range(n):
        at = 1700000000 + 60 * i
        size = int(rng.choice((2000, 2000, 6000, 20000, 75000))
                   * rng.uniform(0.5, 1.5))
        line = " ".join(rng.choice(WORDS) for _ in range(10)) + "\r\n"
        text = line * (size // len(line) + 1)
        head = (f"From: {rng.choice(WORDS)} <u{i % 200}@example2.local>\r\n"
                f"To: user1@example1.local\r\n"
                f"Subject: {line.strip()[:40]}\r\n"
                f"Date: {time.strftime('%a, %d %b %Y %H:%M:%S +0000', time.gmtime(at))}\r\n"
                f"Message-ID: <{i}.x@example2.local>\r\n"
                f"MIME-Version: 1.0\r\n")
        if i % 3:
            content = (head + "Content-Type: text/plain; charset=utf-8\r\n\r\n"
                       + text)
        else:
            part = base64.encodebytes(text.encode()).decode().replace(
                "\n", "\r\n")
            content = (head + "Content-Type: multipart/mixed; boundary=b\r\n"
                       "\r\n--b\r\nContent-Type: text/plain\r\n\r\n" + line
                       + "\r\n--b\r\nContent-Type: text/plain; name=a.txt\r\n"
                       "Content-Transfer-Encoding: base64\r\n\r\n" + part
                       + "\r\n--b--\r\n")
        content = content.encode()
        path = os.path.join(
            directory, "cur", f"{at}.M{i}P1.host,S={len(content)},"
            f"W={len(content)}:2,{'S' if i % 3 else ''}")
        with open(path, "wb") as file:
            file.write(content)
        os.utime(path, (at, at))


class Client:
    """tests/bench/ask.c: what is measured is the server, not Python."""

    def __init__(self, port, user):
        self.process = subprocess.Popen(
            [frame.program("tests/bench/ask"), str(port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.run(f"LOGIN {user} {frame.PASSWORD}")

    def run(self, command):
        """Seconds until the tagged OK, and octets."""
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        told = self.process.stdout.readline().split(" ", 2)
        if len(told) < 3 or not told[2].startswith("x OK"):
            raise frame.Failed(f"{command[:60]}: {told[2:]}")
        return float(told[0]), int(told[1])

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)


class Ours(interop.Ours):
    @property
    def port(self):
        return self.host.ports["imap"]


def mail_of(host):
    return os.path.join(host.mail, "example1.local", "user1")


def clear(host):
    home = mail_of(host)
    for name in os.listdir(home):
        if name.startswith(("dovecot", "estafeta", ".estafeta")):
            os.unlink(os.path.join(home, name))


def wait_for_index(host, mark):
    if mark is None:
        return
    frame.wait_for("a search index", lambda: re.search(
        r"ev=store.search .*added=", host.log_since(mark)), 300)


def indexed(server, host, out):
    """The same searches, of ours with the search index."""
    is_ours = isinstance(server, Ours)
    if is_ours:
        host.environment["ESTAFETA_SEARCH_INDEX"] = "yes"
    server.start()
    client = Client(server.port, "user1@example1.local")
    client.run("SELECT INBOX")
    mark = host.mark() if is_ours else None
    client.run('SEARCH TEXT "needle-nowhere"')
    wait_for_index(host, mark)
    if is_ours:
        home = mail_of(host)
        mail = sum(entry.stat().st_size
                   for entry in os.scandir(os.path.join(home, "cur")))
        size = os.path.getsize(os.path.join(home, "estafeta-search"))
        out["index_size"] = size / mail
    out["indexed"] = min(client.run('SEARCH TEXT "needle-nowhere"')[0]
                         for _ in range(3))
    out["indexed_word"], _ = client.run("SEARCH RETURN (COUNT) BODY example")
    client.close()
    server.stop()


def one_round(server, host, n):
    user = "user1@example1.local"
    out = {}
    if os.path.isdir(mail_of(host)):
        clear(host)
    host.environment["ESTAFETA_SEARCH_INDEX"] = "no"
    server.start()
    client = Client(server.port, user)
    out["first"], _ = client.run("SELECT INBOX")
    client.run("UNSELECT")
    out["warm"] = min(client.run("SELECT INBOX")[0] for _ in range(5))
    out["flags"] = min(client.run("FETCH 1:* (FLAGS)")[0] for _ in range(3))
    out["cold_envelope"], _ = client.run("FETCH 1:* (ENVELOPE BODYSTRUCTURE)")
    out["envelope"] = min(client.run("FETCH 1:* (ENVELOPE BODYSTRUCTURE)")[0]
                          for _ in range(2))
    chosen = ",".join(str(i) for i in range(1, n + 1, EVERY))
    out["bodies"] = min(client.run(f"FETCH {chosen} (BODY.PEEK[])")[0]
                        for _ in range(3))
    out["singles"] = min(
        sum(client.run(f"FETCH {i} (BODY.PEEK[])")[0]
            for i in range(1, n + 1, EVERY)) for _ in range(2))
    out["search"] = min(client.run('SEARCH BODY "needle-nowhere"')[0]
                        for _ in range(2))
    out["text"] = min(client.run('SEARCH TEXT "needle-nowhere"')[0]
                      for _ in range(2))
    out["cold_sort"], _ = client.run("SORT (SUBJECT) UTF-8 ALL")
    out["sort"] = min(client.run("SORT (SUBJECT) UTF-8 ALL")[0]
                      for _ in range(2))
    client.run("THREAD REFERENCES UTF-8 ALL")
    out["thread"] = min(client.run("THREAD REFERENCES UTF-8 ALL")[0]
                        for _ in range(2))
    client.close()
    time.sleep(REST_S)
    server.stop()
    server.start()
    client = Client(server.port, user)
    out["restarted"], _ = client.run("SELECT INBOX")
    out["restarted_flags"], _ = client.run("FETCH 1:* (FLAGS)")
    out["restarted_envelope"], _ = client.run(
        "FETCH 1:* (ENVELOPE BODYSTRUCTURE)")
    out["restarted_bodies"], _ = client.run(f"FETCH {chosen} (BODY.PEEK[])")
    client.close()
    server.stop()
    indexed(server, host, out)
    return out


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
    source = sys.argv[2] if len(sys.argv) > 2 else None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    lab = frame.Lab("bench-big", 1, "release", environment={"SSL_TYPE": ""})
    host = lab.mta1
    try:
        ours = Ours(host)
        ours.start()
        ours.stop()
        home = mail_of(host)
        os.makedirs(home, exist_ok=True)
        if source is None:
            make_maildir(home, n)
        else:
            for name in ("cur", "new", "tmp"):
                shutil.copytree(os.path.join(source, name),
                                os.path.join(home, name), dirs_exist_ok=True)
        for directory, names, files in os.walk(host.mail):
            for name in names + files:
                os.chown(os.path.join(directory, name), interop.MAIL_UID,
                         interop.MAIL_UID)
        dovecot = interop.Dovecot(host, "/")
        results = {"ours": [], "dovecot": []}
        for _ in range(ROUNDS):
            results["ours"].append(one_round(ours, host, n))
            results["dovecot"].append(one_round(dovecot, host, n))
        missed = show(results)
    finally:
        frame.kill_all()
        with contextlib.suppress(NameError):
            dovecot.stop()
        if not os.environ.get("KEEP"):
            shutil.rmtree(lab.directory, ignore_errors=True)
    print("missed: " + ", ".join(missed) if missed else "all are reached")
    return 1 if missed else 0


def show(results):
    missed = []
    print(f"{'':45} {'Estafeta':>10} {'Dovecot':>10} {'part':>6} {'at most':>8}")
    for key, title, most in ROWS:
        a, b = (statistics.median(r[key] for r in results[side])
                for side in ("ours", "dovecot"))
        part = a / b
        print(f"{title:45} {a * 1000:8.1f}ms {b * 1000:8.1f}ms {part:6.2f} "
              f"{most if most else '':>8}")
        if (most and part > most) or (key == "indexed" and a > INDEXED_S):
            missed.append(title)
    print(f"the search index is {results['ours'][0]['index_size']:.1%} "
          "of the mail")
    return missed


if __name__ == "__main__":
    sys.exit(main())
