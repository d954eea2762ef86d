#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The lab on loopback: mta1 and mta2, on the ports that Docker publishes too.

    lab.py run    starts both, sends mail both ways, stays until Ctrl-C
    lab.py up     starts both and returns when they are healthy
    lab.py down   ends them
    lab.py mail   only sends the two mails and shows their way

What host n owns lies in build/lab/n/: config/ (a fresh copy of confign at each
start, to be edited while it runs), mail/, spool/, tls/, log, run/, pid. Mail
and queue stay from one start to the next. ". build/lab/n/env" makes mailctl,
postqueue, doveadm and so on in a shell that host's."""

import argparse
import contextlib
import os
import re
import shlex
import shutil
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "scenario"))
import frame  # noqa: E402

PORTS = {
    1: dict(smtp=2525, submission=2587, submissions=2465, imap=2143,
            imaps=2993, pop3=2110, pop3s=2995),
    2: dict(smtp=3525, submission=3587, submissions=3465, imap=3143,
            imaps=3993, pop3=3110, pop3s=3995),
}
ARRIVAL_S = 5


def hosts():
    base = frame.place("lab")
    pair = [frame.Host(n, os.path.join(base, str(n)), PORTS[n])
            for n in (1, 2)]
    for host, other in (pair, pair[::-1]):
        host.peers[f"[{other.name}]:25"] = other.ports["smtp"]
    return pair


def pid_of(host):
    """The running host's process id, or None; a stale file is no proof."""
    with contextlib.suppress(OSError, ValueError):
        with open(os.path.join(host.directory, "pid")) as file:
            pid = int(file.read())
        if os.readlink(f"/proc/{pid}/cwd") == host.directory:
            return pid
    return None


def write_env(host):
    """bin/ and env, for a shell that looks after this host."""
    folder = os.path.join(host.directory, "bin")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(frame.ROOT, "Makefile")) as file:
        names = re.search(r"(?m)^NAMES := ((?:.*\\\n)*.*)$", file.read())[1]
    for name in ("mailctl", *names.replace("\\\n", "").split()):
        path = os.path.join(folder, name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        os.symlink(os.path.join(host.bin, "mailctl"), path)
    with open(os.path.join(host.directory, "env"), "w") as file:
        for key, value in host.variables().items():
            if key.startswith(("ESTAFETA_", "OVERRIDE_", "SSL_")):
                file.write(f"export {key}={shlex.quote(value)}\n")
        file.write(f"PATH={shlex.quote(folder)}:$PATH\n")


def start(host):
    for folder in (host.mail, host.run):
        os.makedirs(folder, exist_ok=True)
    shutil.rmtree(host.config, ignore_errors=True)
    frame.copy_config(host.n, host.config)
    with contextlib.suppress(FileNotFoundError):
        os.replace(host.log_path, host.log_path + ".old")
    for service, port in host.ports.items():
        if not frame.is_free(port):
            raise frame.Failed(f"port {port} ({host.name} {service}) is in "
                               "use; is a lab running elsewhere?")
    write_env(host)
    host.start(wait=False)


def up(pair):
    began = time.monotonic()
    down(pair)
    try:
        for host in pair:
            start(host)
        for host in pair:
            host.wait_ready()
    except BaseException:
        frame.kill_all()
        raise
    print(f"mta1 and mta2 are healthy after "
          f"{time.monotonic() - began:.2f} s.")


def down(pair):
    pids = [pid for pid in map(pid_of, pair) if pid]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    for pid in pids:
        frame.wait_for(f"process {pid} ends", lambda: is_gone(pid), 15)
    for host in pair:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(host.directory, "pid"))
    return len(pids)


def is_gone(pid):
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


# One message's way, read from both logs.

def fields(line):
    """{key: value} of a log line."""
    return {key: quoted or plain for key, quoted, plain in re.findall(
        r'(\w[\w-]*)=(?:"((?:[^"\\]|\\.)*)"|(\S*))', line)}


def events(text, name, **wanted):
    """Fields of the lines of one event that have these values."""
    found = []
    for line in text.splitlines():
        if f" ev={name}" in line:
            have = fields(line)
            have["at"] = line.split(" ")[0]
            if have.get("ev") == name and all(
                    have.get(k, "").strip("<>") == v
                    for k, v in wanted.items()):
                found.append(have)
    return found


def first(text, name, **wanted):
    found = events(text, name, **wanted)
    return found[0] if found else {}


def send_and_show(source, target, sender, recipient):
    """Sends one mail from host to host; prints its way, step by step."""
    marks = source.mark(), target.mark()
    message_id, content = frame.message(
        f"Hello from {source.name}", f"From {sender} to {recipient}.\r\n",
        sender, recipient)
    began = time.monotonic()
    answer = source.submit(sender, recipient, content)
    uid, seconds = wait_imap(target, recipient, message_id, began)

    queue_id = answer.split()[-1]
    sent = source.wait_log(rf"ev=delivery id={queue_id} .*queued as (\w+)",
                           marks[0])
    target.wait_log(rf"ev=delivery id={sent[1]} ", marks[1])
    log1, log2 = (source.log_since(marks[0]), target.log_since(marks[1]))
    accept = first(log1, "smtp.accept", id=queue_id)
    login = first(log1, "smtp.login", s=accept.get("s", "?"))
    hop = first(log1, "delivery", id=queue_id, to=recipient)
    peer_id = hop.get("text", "?").split()[-1]
    taken = first(log2, "smtp.accept", id=peer_id)
    stored = first(log2, "lmtp.deliver", id=peer_id, mailbox=recipient)
    told = first(log2, "delivery", id=peer_id, to=recipient)
    route = source.ctl("route", "explain", recipient, "from",
                       sender).stdout.strip().splitlines()

    print(f"\n{sender} -> {recipient}")
    for step, host, text in (
            ("submission", source, f"port {source.ports['submission']}, "
             f"session {accept.get('s', '?')}, {accept.get('size', '?')} "
             "octets"),
            ("auth", source, f"{login.get('user', '?').strip('<>')} over "
             f"{login.get('tls', 'TLS')}"),
            ("validation", source, f"queued, on disk, as {queue_id}"),
            ("route", source, route[-1].strip() if route else "?"),
            ("SMTP hop", source, f"{queue_id} to "
             f"{hop.get('remote', '?')}: {hop.get('code', '?')} "
             f"{hop.get('text', '?')}"),
            ("RCPT check", target, f"{recipient} exists; session "
             f"{taken.get('s', '?')}, {source.name}'s {queue_id} is "
             f"{peer_id} here"),
            ("delivery", target, f"{peer_id} to {stored.get('mailbox', '?')}: "
             f"{stored.get('code', '?')} {told.get('text', '?')}"),
            ("IMAP", target, f"UID {uid} in INBOX, {seconds * 1000:.0f} ms "
             "after the first byte")):
        print(f"  {step:<11} {host.name}  {text}")
    return seconds


def wait_imap(host, user, message_id, began):
    """(UID, seconds since began) once IMAP shows the message."""
    with host.imap(user) as client:
        client.select("INBOX")

        def look():
            client.noop()
            found = client.uid("SEARCH", "HEADER", "Message-ID",
                               message_id)[1][0]
            return found and found.split()
        uids = frame.wait_for(f"{message_id} in {user}'s INBOX", look,
                              ARRIVAL_S)
        return int(uids[0]), time.monotonic() - began


def mail(pair):
    mta1, mta2 = pair
    send_and_show(mta1, mta2, mta1.users[0], mta2.users[0])
    send_and_show(mta2, mta1, mta2.users[0], mta1.users[0])


def explain(pair):
    print("\nHow to connect (every password is password123):")
    print(f"  {'':6} {'users':42} {'SMTP':>5} {'587':>5} {'465':>5} "
          f"{'IMAP':>5} {'IMAPS':>5} {'POP3':>5} {'POP3S':>5}")
    for host in pair:
        print(f"  {host.name:6} {' '.join(host.users):42} "
              + " ".join(f"{host.ports[s]:5}" for s in frame.SERVICES))
    for host in pair:
        print(f"  {host.name}: CA build/lab/{host.n}/tls/ca.pem; edit "
              f"build/lab/{host.n}/config/, it is read within 2 s;\n"
              f"        mailctl, postqueue, doveadm ...: "
              f". build/lab/{host.n}/env; mailctl doctor")
    print("  curl --ssl-reqd --cacert build/lab/1/tls/ca.pem -u "
          "user1@example1.local:password123 imap://localhost:2143/INBOX")
    shown = " ".join(
        f'{key}="{value}"' for key, value in pair[0].variables().items()
        if key == "ESTAFETA_CONNECT_MAP" or key.startswith("OVERRIDE"))
    print(f"  what differs from Docker: the ports, and {shown}")
    print("  Roundcube: `docker-compose up -d` runs this lab with two "
          "webmails,\n  http://localhost:8081 and http://localhost:8082 "
          "(not at the same time: same ports).")
    print("WARNING: these passwords are public. Nothing of this may be "
          "reached from outside\nthis machine before accounts.cf has "
          "others.")


def run(pair):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # A shell without job control lets "make lab &" ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    up(pair)
    try:
        mail(pair)
        explain(pair)
        print("\nCtrl-C ends the lab.", flush=True)
        while True:
            for host in pair:
                if host.process.poll() is not None:
                    raise frame.Failed(f"{host.name} ended:\n{host.tail()}")
            time.sleep(0.5)
    except KeyboardInterrupt:
        print()
    finally:
        for host in pair:
            try:
                host.stop()
            except frame.Failed as failed:
                print(failed)
        for host in pair:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(host.directory, "pid"))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("run", "up", "down", "mail"))
    what = parser.parse_args().what
    pair = hosts()
    try:
        if what == "run":
            run(pair)
        elif what == "up":
            up(pair)
            explain(pair)
            print("make lab-down ends the lab.")
        elif what == "mail":
            mail(pair)
        else:
            print("ended" if down(pair) else "no lab is running")
    except frame.Failed as failed:
        print(failed)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
