# SPDX-License-Identifier: MIT
"""What scenarios are made of: hosts on loopback, waits, and checks.

A scenario file is a set of functions marked @scenario and a call of main():

    from frame import main, scenario

    @scenario
    def stranger_may_not_relay(lab):
        ...

    main(hosts=2)

The file starts its hosts once, in build/test/FILE/, on ports of its own, runs
the functions in their order, and prints "ok - FILE: function" or "not ok".
    tests/scenario/FILE.py [--only WORD] [--build dev|release] [--keep]
Every wait looks again until a deadline; nothing sleeps in the hope that it
was enough. A host's processes are ended by their ids, also when a test fails.
"""

import argparse
import contextlib
import email
import email.policy
import fcntl
import hashlib
import imaplib
import os
import random
import re
import shutil
import signal
import smtplib
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "model"))

import imap_watch  # noqa: E402, what servers of IMAP may say

PASSWORD = "password123"
SERVICES = ("smtp", "submission", "submissions", "imap", "imaps", "pop3",
            "pop3s")
PORT_BLOCK = 8  # one more than there are services: see free_ports()
FIRST_PORT, LAST_PORT = 16000, 32000  # below what outgoing connections use
START_TIMEOUT_S = 20
STOP_TIMEOUT_S = 15
SANITIZER_MARKS = ("AddressSanitizer", "LeakSanitizer", "runtime error:",
                   "UndefinedBehaviorSanitizer", "ev=check.failed",
                   "check failed")

os.umask(0o022)  # roles that root starts are other users

imaplib.Commands.setdefault("IDLE", ("SELECTED", "AUTH"))
imaplib._MAXLINE = 20_000_000


class Failed(Exception):
    """A check did not hold."""


class Skipped(Exception):
    """A program that the test drives is not installed."""


def expect(got, want, what=""):
    if got != want:
        raise Failed(f"{what}\n    got  {got!r}\n    want {want!r}")


def expect_true(claim, what):
    if not claim:
        raise Failed(what)


def expect_match(text, pattern, what=""):
    """The text must contain the regular expression."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if not re.search(pattern, text, re.S | re.M):
        raise Failed(f"{what}\n    got  {text[-2000:]!r}\n"
                     f"    want a match of {pattern!r}")


class Withheld(threading.Thread):
    """How long this machine did nothing for us: a stopped or starved process,
    a virtual machine that stood still. Who only sleeps then wakes late."""

    TICK_S, LATE_S = 0.05, 0.25

    def __init__(self):
        super().__init__(daemon=True)
        self.state = 0.0, time.monotonic()  # in all, and when it was looked

    def run(self):
        while True:
            time.sleep(self.TICK_S)
            now = time.monotonic()
            self.state = self.until(now), now

    def until(self, now):
        total, looked = self.state
        late = now - looked - self.TICK_S
        return total + late if late > self.LATE_S else total


_withheld = Withheld()
_withheld.start()


def given():
    """As time.monotonic(), without what the machine withheld: for limits of
    what may take long, never for what must."""
    now = time.monotonic()
    return now - _withheld.until(now)


def wait_for(what, look, timeout_s=10.0):
    """Calls look() until it returns something true, and returns that."""
    deadline = given() + timeout_s
    while True:
        is_last = given() > deadline
        found = look()
        if found:
            return found
        if is_last:
            raise Failed(f"waited {timeout_s:g} s in vain: {what}")
        time.sleep(0.01)


def need(program):
    path = shutil.which(program)
    if path is None:
        raise Skipped(f"{program} is not installed (make deps-test)")
    return path


def program(name):
    """A tool of the tests in build/release/; made when it is not there."""
    path = os.path.join(ROOT, "build", "release", name)
    if not os.path.exists(path):
        made = subprocess.run(["make", "-s", "test-tools"], cwd=ROOT,
                              stdin=subprocess.DEVNULL, capture_output=True,
                              text=True)
        expect(made.returncode, 0, f"make test-tools: {made.stderr}")
    return path


# Ports: a block per host, held by a lock as long as this process lives.

_held = []


def free_ports():
    """Of no other test of this checkout, by a lock, nor of another's, by a
    socket that is bound to the last port of the block."""
    directory = os.path.join(ROOT, "build", "test", "ports")
    os.makedirs(directory, exist_ok=True)
    blocks = list(range(FIRST_PORT, LAST_PORT, PORT_BLOCK))
    random.SystemRandom().shuffle(blocks)
    for first in blocks:
        lock = open(os.path.join(directory, str(first)), "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        mine = socket.socket()
        try:
            mine.bind(("127.0.0.1", first + PORT_BLOCK - 1))
            if all(is_free(first + i, kind) for i in range(PORT_BLOCK - 1)
                   for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)):
                _held.append((lock, mine))
                return dict(zip(SERVICES, range(first, first + PORT_BLOCK)))
        except OSError:
            pass  # another checkout's
        mine.close()
        lock.close()
    raise Failed("no free ports")


def is_free(port, kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(port):
    """Does a server listen there? (A probe of is_free() may keep one that
    just begins from its port.)"""
    try:
        socket.create_connection(("127.0.0.1", port), 2).close()
    except OSError:
        return False
    return True


def free_port():
    """One port, for a listener of the test itself."""
    return free_ports()["smtp"]


# Folders.

def is_open_to_all(path):
    """May every user pass through it and what is above it?"""
    while os.stat(path).st_mode & 0o001:
        if path == "/":
            return True
        path = os.path.dirname(path)
    return False


def outside():
    """A folder of this checkout that every user can reach."""
    link = os.path.join(ROOT, "build", "outside")
    with contextlib.suppress(OSError):
        if os.stat(link).st_uid == 0:
            return os.path.realpath(link)
        os.unlink(link)
    made = tempfile.mkdtemp(prefix="estafeta-", dir="/var/tmp")
    os.chmod(made, 0o755)
    try:
        os.symlink(made, link)
    except FileExistsError:  # another test was quicker
        os.rmdir(made)
    return os.path.realpath(link)


def place(name):
    """build/NAME, for what hosts own. When root starts them, their roles are
    other users; if those may not come here (a checkout in /root), build/NAME is
    a link to a folder where they may. Returns the path without links."""
    path = os.path.join(ROOT, "build", name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.geteuid() != 0 or is_open_to_all(ROOT):
        if os.path.islink(path):
            os.unlink(path)
        return path
    target = os.path.join(outside(), name)
    if not os.path.islink(path) or os.readlink(path) != target:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if os.path.islink(path):
            os.unlink(path)
        elif os.path.exists(path):
            shutil.move(path, target)
        os.symlink(target, path)
    return target


def own_directory(name):
    """build/test/NAME; with a number if somebody runs the same test now."""
    base = os.path.join(ROOT, "build", "test", name)
    os.makedirs(os.path.dirname(base), exist_ok=True)
    lock = open(base + ".lock", "w")
    _held.append(lock)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        name = f"{name}-{os.getpid()}"
    return place(os.path.join("test", name))


def copy_config(n, target):
    """confign/, readable whatever the umask of the checkout was."""
    shutil.copytree(os.path.join(ROOT, f"config{n}"), target,
                    copy_function=shutil.copyfile)
    os.chmod(target, 0o755)


class Host:
    """One mail host: its folders, ports and processes."""

    def __init__(self, n, directory, ports, build="release"):
        self.n = n
        self.name = f"mta{n}"
        self.domain = f"example{n}.local"
        self.hostname = f"{self.name}.{self.domain}"
        self.users = [f"user{2 * n - 1}@{self.domain}",
                      f"user{2 * n}@{self.domain}"]
        self.directory = directory
        self.config = os.path.join(directory, "config")
        self.mail = os.path.join(directory, "mail")
        self.state = directory  # spool/ and tls/ lie there
        self.run = os.path.join(directory, "run")
        self.log_path = os.path.join(directory, "log")
        self.bin = os.path.join(ROOT, "build", build, "bin")
        self.ports = ports
        self.peers = {}       # "[mta2]:25" -> port
        self.environment = {}
        self.process = None

    def prepare(self, main_cf=""):
        """Fresh folders, and a copy of the lab's configuration."""
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.mail)
        os.makedirs(self.run)
        copy_config(self.n, self.config)
        if main_cf:
            self.append("main.cf", main_cf)

    def variables(self):
        connect = ", ".join(f"{key}=[127.0.0.1]:{port}"
                            for key, port in self.peers.items())
        values = {
            "PATH": self.bin + ":" + os.environ.get("PATH", ""),
            "ESTAFETA_CONFIG": self.config,
            "ESTAFETA_MAIL": self.mail,
            "ESTAFETA_STATE": self.state,
            "ESTAFETA_RUN": self.run,
            "ESTAFETA_CONNECT_MAP": connect,
            "OVERRIDE_HOSTNAME": self.hostname,
            "SSL_TYPE": "auto",
            "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0",
            "UBSAN_OPTIONS": "print_stacktrace=1",
        }
        for service in SERVICES:
            values[f"ESTAFETA_LISTEN_{service.upper()}"] = \
                f"127.0.0.1:{self.ports[service]}"
        values.update(self.environment)
        return values

    def start(self, wait=True):
        program = os.path.join(self.bin, "mailctl")
        if not os.path.exists(program):
            raise Failed(f"{program} is not built")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [program, "run"], stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, env=self.variables(),
                cwd=self.directory, start_new_session=True)
        with open(os.path.join(self.directory, "pid"), "w") as pid_file:
            pid_file.write(f"{self.process.pid}\n")
        _running.add(self)
        if wait:
            self.wait_ready()

    def wait_ready(self, timeout_s=START_TIMEOUT_S):
        def look():
            if self.process and self.process.poll() is not None:
                raise Failed(f"{self.name} ended with code "
                             f"{self.process.returncode}:\n{self.tail()}")
            return self.is_ready()
        try:
            wait_for(f"{self.name} is ready", look, timeout_s)
        except Failed as failed:
            raise Failed(f"{failed}\n{self.tail()}") from None

    def is_ready(self):
        return (all(self.greets(service) for service in
                    ("smtp", "submission", "imap"))
                and self.ctl("healthcheck").returncode == 0)

    def greets(self, service):
        try:
            with socket.create_connection(
                    ("127.0.0.1", self.ports[service]), 2) as connection:
                connection.settimeout(2)
                return connection.recv(200)[:4] in (b"220 ", b"* OK")
        except OSError:
            return False

    def stop(self):
        """As an operator does it; then nothing of the host may be left."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                wait_for("it ends", lambda: self.process.poll() is not None,
                         STOP_TIMEOUT_S)
            except Failed:
                left = self.processes()
                self.kill()
                raise Failed(f"{self.name} does not stop: {left}") from None
        code = self.process.returncode
        try:
            wait_for("all processes are gone",
                     lambda: not self.processes(), 5)
        except Failed:
            left = self.processes()
            self.kill()
            raise Failed(f"{self.name} left processes: {left}") from None
        self.process = None
        _running.discard(self)
        expect(code, 0, f"{self.name}: exit code of mailctl run")

    def kill(self):
        """Everything at once, without warning."""
        for _ in range(100):
            left = self.processes()
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if self.process is not None:
                self.process.poll()
            if not left:
                break
            time.sleep(0.02)
        if self.process is not None:
            self.process.wait()
        self.process = None
        _running.discard(self)

    def processes(self):
        """{pid: role} of the session that start() opened; also orphans."""
        found = {}
        if self.process is None:
            return found
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            with contextlib.suppress(OSError, IndexError, ValueError):
                with open(f"/proc/{entry}/stat") as stat:
                    text = stat.read()
                comm = text[text.index("(") + 1:text.rindex(")")]
                fields = text[text.rindex(")") + 2:].split()
                if int(fields[3]) == self.process.pid and fields[0] != "Z":
                    parent = int(fields[1])
                    role = comm if "/" in comm or comm == "mailctl" \
                        else f"{comm}/parent"
                    if parent == 1:
                        role += " (orphan)"
                    found[int(entry)] = role
        return found

    # The operator's view.

    def ctl(self, *arguments, name="mailctl", timeout_s=20, text=True,
            given=""):
        program = os.path.join(self.bin, "mailctl")
        return subprocess.run(
            [name, *arguments], executable=program, env=self.variables(),
            input=given if text or given else given.encode(),
            capture_output=True, text=text, timeout=timeout_s)

    def queue(self):
        return self.ctl("-p", name="postqueue").stdout

    def flush(self):
        """All that waits is tried now. What is being tried is not, even if
        the result is in the log already: so that is waited for, a while."""
        with contextlib.suppress(Failed):
            wait_for("no try is under way", lambda: not re.search(
                r"(?m)^\w+\*", self.queue()), 1)
        result = self.ctl("-f", name="postqueue")
        expect(result.returncode, 0, f"postqueue -f: {result.stderr}")

    def wait_queue_empty(self, timeout_s=20):
        try:
            wait_for(f"{self.name}'s queue is empty",
                     lambda: "Mail queue is empty" in self.queue(),
                     timeout_s)
        except Failed as failed:
            result = self.ctl("-p", name="postqueue")
            raise Failed(f"{failed}\n{result}") from None

    def append(self, name, text):
        with open(os.path.join(self.config, name), "a") as file:
            file.write(text if text.endswith("\n") else text + "\n")

    def read_config(self, name):
        with open(os.path.join(self.config, name)) as file:
            return file.read()

    def write_config(self, name, text):
        """As an editor saves: a new file, renamed over the old one."""
        path = os.path.join(self.config, name)
        with open(path + "~", "w") as file:
            file.write(text)
        shutil.copymode(path, path + "~")
        os.rename(path + "~", path)

    def log(self):
        try:
            with open(self.log_path, errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def mark(self):
        """Where the log ends now; for log_since and wait_log."""
        with contextlib.suppress(FileNotFoundError):
            return os.path.getsize(self.log_path)
        return 0

    def log_since(self, mark):
        with open(self.log_path, "rb") as file:
            file.seek(mark)
            return file.read().decode(errors="replace")

    def wait_log(self, pattern, mark=0, timeout_s=10):
        def look():
            return re.search(pattern, self.log_since(mark), re.M)
        try:
            return wait_for(f"{pattern!r} in the log of {self.name}", look,
                            timeout_s)
        except Failed as failed:
            raise Failed(f"{failed}\n{self.tail()}") from None

    def tail(self, n=15):
        lines = self.log().splitlines()[-n:]
        return "\n".join(f"    | {line[:300]}" for line in lines)

    def complaints(self):
        """Lines that no test may cause: sanitizers, failed checks."""
        return [line for line in self.log().splitlines()
                if any(mark in line for mark in SANITIZER_MARKS)]

    # The user's view.

    def tls(self):
        return ssl.create_default_context(
            cafile=os.path.join(self.state, "tls", "ca.pem"))

    def smtp(self, service="smtp", timeout_s=20):
        return smtplib.SMTP("127.0.0.1", self.ports[service],
                            local_hostname="client.example",
                            timeout=timeout_s)

    def submission(self, user, password=PASSWORD):
        client = self.smtp("submission")
        try:
            client.starttls(context=self.tls())
            client.login(user, password)
        except BaseException:
            client.close()
            raise
        return client

    def submit(self, sender, recipients, content):
        """Sends bytes; returns the reply to the end of data."""
        if isinstance(recipients, str):
            recipients = [recipients]
        with self.submission(sender) as client:
            return deliver(client, sender, recipients, content)

    def imap(self, user, password=PASSWORD, timeout_s=20):
        client = WatchedImap("127.0.0.1", self.ports["imap"], timeout_s)
        try:
            client.starttls(self.tls())
            client.login(user, password)
        except BaseException:
            client.shutdown()
            raise
        return client

    def flags(self, user, message_id, folder="INBOX"):
        """Flags of a message as another client sees them; None: not there."""
        with self.imap(user) as client:
            if client.select(f'"{folder}"', readonly=True)[0] != "OK":
                return None
            found = client.search(None, "HEADER", "Message-ID",
                                  f"<{message_id}>")[1][0].decode()
            if not found:
                return None
            return client.fetch(found, "(FLAGS)")[1][0].decode()

    def raw(self, service="smtp", timeout_s=10, source=""):
        raw = Raw(self.ports[service], timeout_s, source)
        if service in ("imap", "imaps"):
            raw.watch = imap_watch.Watch(service)
            raw.watch.is_paused = service == "imaps"  # TLS comes first
        return raw

    def maildir(self, user, folder=""):
        local, domain = user.split("@")
        path = os.path.join(self.mail, domain, local)
        return os.path.join(path, folder) if folder else path

    def files(self, user, folder=""):
        """Paths of all messages in one folder, as they lie on the disk."""
        found = []
        for sub in ("new", "cur"):
            directory = os.path.join(self.maildir(user, folder), sub)
            with contextlib.suppress(FileNotFoundError):
                found += [os.path.join(directory, name)
                          for name in os.listdir(directory)]
        return found

    def find(self, user, message_id, folder=""):
        """Contents of the messages with that Message-ID."""
        wanted = message_id.encode()

        def look():
            found = []
            for path in self.files(user, folder):
                try:
                    with open(path, "rb") as file:
                        content = file.read()
                except FileNotFoundError:
                    if os.path.lexists(path):
                        continue  # a link to nowhere
                    return None  # renamed, and perhaps not seen anew
                if wanted in content.split(b"\r\n\r\n", 1)[0]:
                    found.append(content)
            return (found,)
        return wait_for("files that keep their names", look)[0]

    def wait_mail(self, user, message_id, n=1, timeout_s=15):
        """Waits until the message is there n times; returns the first."""
        def look():
            found = self.find(user, message_id)
            return found if len(found) >= n else None
        try:
            found = wait_for(f"{message_id} in the mailbox of {user}", look,
                             timeout_s)
        except Failed as failed:
            raise Failed(f"{failed}\n{self.tail()}\n{self.queue()}") \
                from None
        expect(len(found), n, f"copies of {message_id}")
        return found[0]


class WatchedImap(imaplib.IMAP4):
    """imaplib's, with an ear on what the server says."""

    def open(self, *arguments, **named):
        self.watch = imap_watch.Watch("imaplib")
        super().open(*arguments, **named)

    def read(self, size):
        octets = super().read(size)
        self.watch.received(octets)
        return octets

    def readline(self):
        octets = super().readline()
        self.watch.received(octets)
        return octets

    def send(self, data):
        self.watch.sent(data)
        super().send(data)


class Raw:
    """A connection whose bytes the test chooses itself. watch: listens to a
    server of IMAP."""

    watch = None

    def __init__(self, port, timeout_s=10, source=""):
        self.socket = socket.create_connection(("127.0.0.1", port),
                                               timeout_s, (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, octets):
        if self.watch:
            self.watch.sent(octets)
        self.socket.sendall(octets)

    def send_slowly(self, octets):
        """Octet by octet, each in a packet of its own."""
        for i in range(len(octets)):
            self.send(octets[i:i + 1])

    def receive(self):
        """As recv(), and what is late by what the machine withheld is not."""
        began, octets = given(), None
        while octets is None:
            try:
                octets = self.socket.recv(65536)
            except TimeoutError:
                limit_s = self.socket.gettimeout() or 0
                if given() - began >= limit_s - 0.1:
                    raise
        if self.watch:
            self.watch.received(octets)
        return octets

    def line(self):
        """One line without CRLF; b"" when the other side has closed."""
        while b"\n" not in self.rest:
            try:
                more = self.receive()
            except (ConnectionResetError, ssl.SSLError):
                more = b""
            if not more:
                return b""
            self.rest += more
        line, self.rest = self.rest.split(b"\n", 1)
        return line.rstrip(b"\r") or b" "

    def read(self, n):
        """So many octets; fewer when the other side has closed."""
        while len(self.rest) < n:
            more = self.receive()
            if not more:
                break
            self.rest += more
        octets, self.rest = self.rest[:n], self.rest[n:]
        return octets

    def reply(self):
        """One SMTP reply: (code, text); code 0 when closed."""
        lines = []
        while True:
            line = self.line()
            if not line:
                return 0, b"\n".join(lines).decode("utf-8", "replace")
            lines.append(line)
            if line[3:4] != b"-":
                return (int(line[:3]),
                        b"\n".join(lines).decode("utf-8", "replace"))

    def say(self, command):
        """Sends one command; returns the code of the reply."""
        if isinstance(command, str):
            command = command.encode()
        self.send(command + b"\r\n")
        return self.reply()[0]

    def say_text(self, command):
        self.send(command.encode() + b"\r\n")
        return self.reply()

    def tagged(self, tag, command=None):
        """Sends an IMAP command; returns all lines to its tagged one."""
        if command is not None:
            self.send(f"{tag} {command}\r\n".encode())
        lines = []
        while True:
            line = self.line()
            if not line:
                raise Failed(f"closed before {tag}: {lines!r}")
            lines.append(line.decode("utf-8", "replace"))
            if line.startswith(tag.encode() + b" "):
                return lines

    def rest_until_closed(self, quiet_s=None):
        """What comes until the end; with quiet_s also until silence."""
        data = self.rest
        self.rest = b""
        if quiet_s is not None:
            self.socket.settimeout(quiet_s)
        while True:
            try:
                more = self.receive()
            except (TimeoutError, ConnectionResetError, ssl.SSLError):
                return data
            if not more:
                return data
            data += more

    def start_tls(self, context):
        if self.watch:
            self.watch.is_paused = False
        self.socket = context.wrap_socket(self.socket,
                                          server_hostname="127.0.0.1")


class Sink:
    """A next hop of the test: takes every message and keeps its bytes.

    replies: {"RCPT": "550 5.1.1 no"} answers that verb so; a function gets
    (connection, reader, line), None hangs up."""

    def __init__(self, replies=None, extensions=()):
        self.replies = dict(replies or {})
        self.extensions = extensions
        self.messages = []    # (sender, [recipients], bytes as sent)
        self.commands = []
        self.n_connections = 0
        self.port = free_port()
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.n_connections += 1
            threading.Thread(target=self.guarded, args=(connection,),
                             daemon=True).start()

    def guarded(self, connection):
        with contextlib.suppress(OSError), connection:
            self.session(connection, connection.makefile("rb"))

    def session(self, connection, reader):
        sender, recipients, content = "", [], b""
        connection.sendall(b"220 sink.example ESMTP\r\n")
        while True:
            line = reader.readline()
            if not line:
                return
            text = line.rstrip(b"\r\n").decode("latin-1")
            self.commands.append(text)
            verb = text.split(" ")[0].upper()
            if verb in self.replies:
                answer = self.replies[verb]
                if answer is None:
                    return
                if callable(answer):
                    answer(connection, reader, text)
                    continue
                connection.sendall(answer.encode() + b"\r\n")
                continue
            if verb == "EHLO":
                lines = ["sink.example", *self.extensions]
                answer = "".join(
                    f"250{'-' if i < len(lines) - 1 else ' '}{item}\r\n"
                    for i, item in enumerate(lines))
                connection.sendall(answer.encode())
            elif verb == "MAIL":
                sender, recipients, content = text, [], b""
                connection.sendall(b"250 2.1.0 ok\r\n")
            elif verb == "RCPT":
                recipients.append(text)
                connection.sendall(b"250 2.1.5 ok\r\n")
            elif verb == "DATA":
                connection.sendall(b"354 go on\r\n")
                lines = []
                while lines[-1:] != [b".\r\n"] or (
                        len(lines) > 1 and not lines[-2].endswith(b"\r\n")):
                    lines.append(reader.readline())
                    if not lines[-1]:
                        return
                content = b"".join(lines)
                if "DOT" in self.replies:
                    connection.sendall(
                        self.replies["DOT"].encode() + b"\r\n")
                    continue
                self.messages.append((sender, recipients, content[:-3]))
                connection.sendall(b"250 2.0.0 taken\r\n")
            elif verb == "BDAT":
                size = int(text.split(" ")[1])
                content += reader.read(size)
                if text.upper().endswith("LAST"):
                    self.messages.append((sender, recipients, content))
                connection.sendall(b"250 2.0.0 taken\r\n")
            elif verb == "QUIT":
                connection.sendall(b"221 2.0.0 bye\r\n")
                return
            else:
                connection.sendall(b"250 2.0.0 ok\r\n")


class Wire:
    """A wire between two hosts that can be cut: takes connections on `port`
    and passes octets on to `target`, a port or the path of a unix socket,
    through `fault`: a callable with

        fault(n, is_reply, octets, seen) -> octets to pass on, or None: cut,
            or a list of octets and of functions to call in between

    n: number of the connection; seen: all that went that way before. After a
    cut both ends are closed, with a reset when is_reset."""

    def __init__(self, target, fault=None, is_reset=False):
        self.target, self.fault, self.is_reset = target, fault, is_reset
        self.n_connections = 0
        self.port = free_port()
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def serve(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = self.connect()
            except OSError:
                return
            self.n_connections += 1
            for source, sink, is_reply in ((near, far, False),
                                           (far, near, True)):
                threading.Thread(
                    target=self.carry, daemon=True,
                    args=(self.n_connections, source, sink, is_reply)
                ).start()

    def connect(self):
        if isinstance(self.target, int):
            return socket.create_connection(("127.0.0.1", self.target))
        far = socket.socket(socket.AF_UNIX)
        far.connect(self.target)
        return far

    def carry(self, n, source, sink, is_reply):
        seen = bytearray()  # grows in place: it may be 100 MB
        try:
            while True:
                octets = source.recv(65536)
                if octets and self.fault:
                    passed = self.fault(n, is_reply, octets, seen)
                else:
                    passed = octets
                seen += octets
                if passed is None:
                    self.cut(source, sink)
                    return
                if not octets:
                    sink.shutdown(socket.SHUT_WR)
                    return
                for part in passed if isinstance(passed, list) \
                        else [passed]:
                    if callable(part):
                        part()
                    else:
                        sink.sendall(part)
        except OSError:
            self.cut(source, sink)

    def cut(self, *ends):
        for end in ends:
            with contextlib.suppress(OSError):
                if self.is_reset:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   struct.pack("ii", 1, 0))
                    # Who reads there keeps it open, and no reset is sent.
                    end.shutdown(socket.SHUT_RD)
                    end.close()
                else:
                    end.shutdown(socket.SHUT_RDWR)


class Lab:
    """One or two hosts that know each other."""

    def __init__(self, name, hosts=1, build="release", main_cf="",
                 directory=None, environment=None):
        base = directory or own_directory(name)
        self.name, self.build = name, build
        self.directory = base
        # A stranger by default: the tests all come from loopback.
        settings = ("mynetworks = [::1]/128\n"
                    "smtpd_error_sleep_time = 0s\n" + main_cf)
        shutil.rmtree(base, ignore_errors=True)
        self.hosts = []
        for n in range(1, hosts + 1):
            host = Host(n, os.path.join(base, str(n)), free_ports(), build)
            host.prepare(settings)
            host.environment.update(environment or {})
            self.hosts.append(host)
        for host in self.hosts:
            for other in self.hosts:
                if other is not host:
                    host.peers[f"[{other.name}]:25"] = other.ports["smtp"]

    @property
    def mta1(self):
        return self.hosts[0]

    @property
    def mta2(self):
        return self.hosts[1]

    def start(self):
        for host in self.hosts:
            host.start(wait=False)
        for host in self.hosts:
            host.wait_ready()

    def route_to_sink(self, sink, domain):
        """Mail of mta1 for the domain goes to the sink; needs a restart."""
        self.mta1.append("transport.cf", f"{domain} smtp:[{domain}]:25")
        self.mta1.peers[f"[{domain}]:25"] = sink.port


_running = set()


def kill_all():
    for host in list(_running):
        host.kill()


# Messages.

_counter = [0]


def new_id():
    _counter[0] += 1
    return (f"t{os.getpid()}.{_counter[0]}.{time.time_ns()}@test.example")


def message(subject="test", body="Hello.\r\n", sender="user1@example1.local",
            recipient="user3@example2.local", message_id=None, extra=""):
    """(message id, bytes); body is text or bytes with CRLF."""
    message_id = message_id or new_id()
    if isinstance(body, str):
        body = body.encode()
    head = (f"From: <{sender}>\r\nTo: <{recipient}>\r\n"
            f"Date: Sat, 31 Jan 2026 09:08:07 +0100\r\n"
            f"Message-ID: <{message_id}>\r\nSubject: {subject}\r\n"
            f"{extra}\r\n")
    return message_id, head.encode() + body


def deliver(client, sender, recipients, content):
    """One transaction of an smtplib client, octets as they are."""
    if isinstance(recipients, str):
        recipients = [recipients]
    code, text = client.mail(sender)
    expect(code, 250, f"MAIL: {text!r}")
    for recipient in recipients:
        code, text = client.rcpt(recipient)
        expect(code, 250, f"RCPT {recipient}: {text!r}")
    code, text = client.docmd("DATA")
    expect(code, 354, f"DATA: {text!r}")
    stuffed = re.sub(rb"(?m)^\.", b"..", content)
    client.send(stuffed + b".\r\n")
    code, text = client.getreply()
    expect(code, 250, f"end of data: {text!r}")
    return text.decode()


TRACE = (b"return-path:", b"delivered-to:", b"x-original-to:", b"received:")


def without_trace(content):
    """The message as it was sent: less the fields that we put before it."""
    while True:
        match = re.match(rb"[^\r\n]*\r?\n(?:[ \t][^\r\n]*\r?\n)*", content)
        if not match or not content.lower().startswith(TRACE):
            return content
        content = content[match.end():]


def digest(octets):
    return hashlib.sha256(octets).hexdigest()


def parse(content):
    return email.message_from_bytes(content, policy=email.policy.default)


# Running a file of scenarios.

_scenarios = []


def scenario(function):
    _scenarios.append(function)
    return function


def run_one(name, function, arguments, rerun):
    """Returns "passed", "failed" or "skipped", having said so."""
    began = time.monotonic()
    imap_watch.faults.clear()
    try:
        function(*arguments)
        expect_true(not imap_watch.faults, "what no RFC of IMAP allows:\n    "
                    + "\n    ".join(imap_watch.faults[:5]))
    except Skipped as skipped:
        print(f"skip - {name}: {skipped}", flush=True)
        return "skipped"
    except Exception as error:  # a test may fail in any way
        if isinstance(error, Failed):
            at = traceback.extract_tb(error.__traceback__)
            frames = [f for f in at if not f.filename.endswith("frame.py")]
            where = frames[-1] if frames else at[-1]
            reason = (f"{os.path.relpath(where.filename, ROOT)}:"
                      f"{where.lineno}: {error}")
        else:
            reason = traceback.format_exc()
        print(f"not ok - {name}\n    {reason}\n    again: {rerun}",
              flush=True)
        return "failed"
    print(f"ok - {name} ({time.monotonic() - began:.1f} s)", flush=True)
    return "passed"


def main(hosts=1, main_cf="", build=None, environment=None, setup=None):
    script = os.path.abspath(sys.argv[0])
    name = os.path.splitext(os.path.basename(script))[0]
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="",
                        help="functions whose name has this in it")
    parser.add_argument("--build", default=build or os.environ.get(
        "ESTAFETA_TEST_BUILD", "release"))
    parser.add_argument("--keep", action="store_true",
                        help="leave the folders")
    options = parser.parse_args()
    chosen = [f for f in _scenarios if options.only in f.__name__]
    label = name if options.build == "release" else f"{name}[dev]"
    again = os.path.relpath(script, ROOT) + f" --build {options.build}"

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    lab = None
    results = []
    try:
        try:
            lab = Lab(f"{name}-{options.build}", hosts, options.build,
                      main_cf, environment=environment)
            if setup:
                setup(lab)
            lab.start()
        except Exception as error:
            print(f"not ok - {label}: the hosts start\n    {error}\n"
                  f"    again: {again}", flush=True)
            sys.exit(1)
        for function in chosen:
            results.append(run_one(f"{label}: {function.__name__}",
                                   function, (lab,),
                                   f"{again} --only {function.__name__}"))
        results.append(run_one(f"{label}: hosts stop in peace", stop_all,
                               (lab,), again))
    finally:
        kill_all()
    failed = "failed" in results
    if not failed and not options.keep:
        shutil.rmtree(lab.directory, ignore_errors=True)
    elif failed:
        print(f"    kept: {os.path.relpath(lab.directory, ROOT)}")
    sys.exit(1 if failed else 0)


def stop_all(lab):
    for host in lab.hosts:
        host.stop()
    for host in lab.hosts:
        lines = host.complaints()
        expect_true(not lines, f"{host.log_path}:\n    "
                    + "\n    ".join(lines[:5]))
