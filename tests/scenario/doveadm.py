#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""doveadm, for the scripts that call it (A34)."""

import shutil
import subprocess

from frame import PASSWORD, expect, expect_match, expect_true, main, scenario


@scenario
def doveadm_knows_every_scheme(lab):
    """A34: what it makes and what it tests, against Dovecot's own."""
    host = lab.mta1

    def doveadm(*arguments):
        return host.ctl(*arguments, name="doveadm")
    real = shutil.which("doveadm")
    listed = doveadm("pw", "-l").stdout.split()
    for scheme in ("SHA512-CRYPT", "SHA256-CRYPT", "BLF-CRYPT", "MD5-CRYPT",
                   "SSHA", "SSHA256", "SSHA512", "PLAIN", "SCRAM-SHA-256"):
        expect_true(scheme in listed, f"{scheme} in {listed}")
        made = doveadm("pw", "-s", scheme, "-p", "a secret").stdout.strip()
        expect_match(made, "^{" + scheme + "}")
        expect(doveadm("pw", "-t", made, "-p", "a secret").stdout,
               f"{made} (verified)\n")
        expect(doveadm("pw", "-t", made, "-p", "another").returncode != 0,
               True, f"{made} fits another password")
        if real is None:
            continue
        told = subprocess.run([real, "pw", "-t", made, "-p", "a secret"],
                              capture_output=True, text=True)
        expect(told.stdout, f"{made} (verified)\n", told.stderr)
        theirs = subprocess.run([real, "pw", "-s", scheme, "-p", "x y"],
                                capture_output=True, text=True)
        made = theirs.stdout.strip()
        expect(doveadm("pw", "-t", made, "-p", "x y").stdout,
               f"{made} (verified)\n")


@scenario
def doveadm_knows_users_passwords_and_quotas(lab):
    """A34: the verbs that scripts use."""
    host = lab.mta1

    def doveadm(*arguments):
        return host.ctl(*arguments, name="doveadm")
    expect(doveadm("user", "*").stdout.split(), host.users)
    expect_match(doveadm("user", host.users[0]).stdout,
                 r"\Afield\tvalue\nuid\t\d+\ngid\t\d+\nhome\t"
                 + host.maildir(host.users[0]) + "/home\n")
    gone = doveadm("user", "nobody@example1.local")
    expect(gone.returncode, 67, gone.stderr)
    expect_match(gone.stderr, "user nobody@example1.local doesn't exist")
    good = doveadm("auth", "test", host.users[0], PASSWORD)
    expect((good.returncode, good.stdout),
           (0, f"passdb: {host.users[0]} auth succeeded\nextra fields:\n"
               f"  user={host.users[0]}\n"))
    bad = doveadm("auth", "test", host.users[0], "wrong")
    expect(bad.returncode, 77, bad.stdout)
    expect_match(bad.stdout, "auth failed")
    quota = doveadm("-f", "tab", "quota", "get", "-u", host.users[0])
    expect_match(quota.stdout, r"\AQuota name\tType\tValue\tLimit\t%\n"
                 r"User quota\tSTORAGE\t\d+\t\S+\t\d+\n"
                 r"User quota\tMESSAGE\t\d+\t\S+\t\d+\n\Z")
    expect(doveadm("expunge").returncode, 64, "what is not here is said")


main()
