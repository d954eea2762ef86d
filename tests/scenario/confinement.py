#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the kernel says about the processes of running hosts.

RELEASE_ONLY: sanitizer builds keep the system call filter open."""

import contextlib
import os
import re

from frame import Skipped, expect, expect_true, main, message, scenario

# Who each role is when it was started as root (0: where nobody else exists).
UIDS = {"mta/in": 5001, "mta/queue": 5002, "mta/out": 5003, "mda/front": 5004,
        "mda/auth": 5005, "router/router": 5006, "mta/dns": 5007,
        "mda/store": 5000}
USERS = {"mta/in": "mta-in", "mta/queue": "mta-queue", "mta/out": "mta-out",
         "mda/front": "mda-front", "mda/auth": "mda-auth",
         "router/router": "router", "mta/dns": "mta-dns",
         "mda/store": "vmail"}
NETWORK_ROLES = ("mta/in", "mta/out", "mda/front")
NO_SOCKET_FAMILY = re.compile(r"^(socket|pipe|anon_inode):")


def roles(host):
    """{pid: role} of the confined processes."""
    return {pid: name for pid, name in host.processes().items()
            if name in UIDS}


def uid_of(role):
    import pwd
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(USERS[role]).pw_uid
    return UIDS[role]


def status_of(path):
    with open(path) as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file
                    if ":\t" in line)


@scenario
def mail_passes_every_role(lab):
    """So that each has done its work when it is looked at."""
    ident, content = message()
    lab.mta1.submit("user1@example1.local", "user3@example2.local", content)
    lab.mta2.wait_mail("user3@example2.local", ident)
    reply, content = message(sender="user3@example2.local",
                             recipient="user1@example1.local")
    lab.mta2.submit("user3@example2.local", "user1@example1.local", content)
    lab.mta1.wait_mail("user1@example1.local", reply)
    for host, user in ((lab.mta1, "user1@example1.local"),
                       (lab.mta2, "user3@example2.local")):
        client = host.imap(user)
        client.select("INBOX")
        code, rows = client.fetch("1:*", "(FLAGS ENVELOPE BODY[])")
        expect(code, "OK", "FETCH")
        expect_true(len(rows) >= 1, "the mail is there")
        code, _ = client.search(None, "TEXT", "Hello")
        expect(code, "OK", "SEARCH")
        client.logout()


@scenario
def every_role_runs(lab):
    for host in lab.hosts:
        expect(sorted(roles(host).values()), sorted(UIDS),
               f"{host.name}: {host.processes()}")


@scenario
def kernel_confirms_that_rights_are_gone(lab):
    for host in lab.hosts:
        for pid, role in roles(host).items():
            tasks = os.listdir(f"/proc/{pid}/task")
            for task in tasks:
                status = status_of(f"/proc/{pid}/task/{task}/status")
                who = f"{host.name} {role}, thread {task} of {len(tasks)}"
                expect(status["Seccomp"], "2", f"{who}: Seccomp")
                expect(status["NoNewPrivs"], "1", f"{who}: NoNewPrivs")
                for key in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                    expect(int(status[key], 16), 0, f"{who}: {key}")
                if os.geteuid() == 0:
                    uid = str(uid_of(role))
                    expect(status["Uid"].split(), [uid] * 4, f"{who}: Uid")
                    expect(status["Groups"].strip(), "", f"{who}: Groups")


@scenario
def network_roles_hold_no_files(lab):
    """Sockets, and descriptors of messages; not even a directory."""
    if os.geteuid() != 0:
        raise Skipped("only root sees the descriptors of others")
    for host in lab.hosts:
        n = 0
        for pid, role in roles(host).items():
            if role not in NETWORK_ROLES:
                continue
            for fd in os.listdir(f"/proc/{pid}/fd"):
                try:
                    target = os.readlink(f"/proc/{pid}/fd/{fd}")
                except FileNotFoundError:
                    continue  # closed meanwhile
                n += 1
                if NO_SOCKET_FAMILY.match(target) or target in (
                        "/dev/null", host.log_path):
                    continue
                is_body = (target.startswith(host.mail + "/")
                           and re.search(r"/(cur|new)/[^/]+( \(deleted\))?$",
                                         target))
                expect_true(is_body and role == "mda/front",
                            f"{host.name} {role} holds {target} as {fd}")
        expect_true(n > 20, "descriptors were looked at")


@scenario
def owners_of_files_see_only_theirs(lab):
    """Directories and files that are open, role by role."""
    if os.geteuid() != 0:
        raise Skipped("only root sees the descriptors of others")
    for host in lab.hosts:
        allowed = {"mta/queue": (os.path.join(host.state, "spool"),),
                   "mda/store": (host.mail, "/proc/meminfo"),
                   "mda/auth": (),
                   "router/router": (host.config,),
                   "mta/dns": ()}
        for pid, role in roles(host).items():
            if role not in allowed:
                continue
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(FileNotFoundError):
                    target = os.readlink(f"/proc/{pid}/fd/{fd}")
                    expect_true(
                        NO_SOCKET_FAMILY.match(target)
                        or target in ("/dev/null", host.log_path)
                        or target.startswith(allowed[role]
                                             or ("anon_inode:",)),
                        f"{host.name} {role} holds {target} as {fd}")


@scenario
def no_role_met_its_filter(lab):
    for host in lab.hosts:
        fatal = [line for line in host.log().splitlines()
                 if " signal=31 " in line or "confine.failed" in line
                 or "confine.no-landlock" in line]
        expect(fatal, [], host.name)


if __name__ == "__main__":
    main(hosts=2)
