#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""mailctl lint over folders that each have one of the traps that operators
fall into: each is told with its file and line."""

import os

from frame import expect_match, expect_true, main, scenario

# The hash is made by openssl passwd -6 -salt saltsalt password123.
KNOWN = ("{SHA512-CRYPT}$6$saltsalt$I7sf08GTmo.lDz2v6I2Ond3d6r/aJcvBs6MtbEH7x6Z/"
         "objDGNAdsYVVcbbcf.vTCAI8Gg5tlfz3HAiw/6jGa1")

TRAPS = [
    # name, files, what is told
    ("a bare domain in relaymap.cf",
     {"relaymap.cf": "# by sender\nexample2.local [mta2]:25\n"},
     r"relaymap\.cf:2: .*write @example2\.local"),
    ("a transport in relaymap.cf",
     {"relaymap.cf": "@example1.local smtp:[mta2]:25\n"},
     r"relaymap\.cf:1: .*write \[mta2\]:25"),
    ("a catch-all over accounts", {"virtual.cf": "@example1.local a@b.test\n"},
     r"virtual\.cf:1: .*the catch-all takes the mail of"),
    ("a rule behind one that takes all",
     {"regexp.cf": "/.*/ a@b.test\n/^x@/ c@d.test\n"},
     r"regexp\.cf:2: .*never reached"),
    ("docker-mailserver's silent quotas",
     {"quotas.cf": "user1@example1.local:userdb_quota_rule=*:storage=1G\n"},
     r"quotas\.cf:1: "),
]


def lint(lab, files):
    host = lab.mta1
    for name, text in files.items():
        with open(os.path.join(host.config, name), "a", encoding="ascii"):
            pass  # it must be there to be replaced
        host.write_config(name, text)
    return host.ctl("lint", host.config).stdout


@scenario
def each_trap_is_told(lab):
    host = lab.mta1
    for name, files, told in TRAPS:
        before = {f: host.read_config(f)
                  if os.path.exists(os.path.join(host.config, f)) else ""
                  for f in files}
        expect_match(lint(lab, files), told, name)
        for file, text in before.items():
            host.write_config(file, text)


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
