#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `make lab` prints about a mail's way: all steps, with both ids."""

import contextlib
import io
import os
import subprocess
import sys

from frame import (ROOT, expect, expect_match, expect_true, given, main,
                   scenario)

sys.path.insert(0, os.path.join(ROOT, "tests", "lab"))
import lab as lab_command  # noqa: E402

STEPS = ("submission", "auth", "validation", "route", "SMTP hop",
         "RCPT check", "delivery", "IMAP")


@scenario
def both_ways_are_shown_whole(lab):
    for source, target in (lab.hosts, lab.hosts[::-1]):
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            began = given()
            lab_command.send_and_show(source, target, source.users[0],
                                      target.users[0])
            seconds = given() - began
        lines = text.getvalue().strip().splitlines()
        expect(len(lines), 1 + len(STEPS), text.getvalue())
        for line, step in zip(lines[1:], STEPS):
            expect_match(line, rf"^  {step} +mta[12] ")
        expect_true("?" not in text.getvalue(), text.getvalue())
        expect_true(seconds < 5, f"{seconds:.1f} s")


@scenario
def a_shell_becomes_a_hosts(lab):
    """". build/lab/n/env", as the lab says: every command is that host's."""
    host = lab.mta2
    lab_command.write_env(host)
    for line, wanted in (("mailctl healthcheck && echo well", "well"),
                         ("postqueue -p", "Mail queue is empty"),
                         ("doveadm user '*'", host.users[0]),
                         ("mailctl cert ca", "BEGIN CERTIFICATE")):
        done = subprocess.run(
            ["sh", "-c", f". ./env; {line}"], cwd=host.directory,
            env={"PATH": os.environ["PATH"]}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=20)
        expect_match(done.stdout, wanted, f"{line}: {done.stderr}")


if __name__ == "__main__":
    main(hosts=2)
