#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random IMAP commands of two observers against a reference of mailbox state
(tests/model/imap_state.py), written from RFC 9051, 4315 and 7162.

    IMAP_COMMANDS=20000 IMAP_SEED=1 tests/scenario/imap_model.py --show"""

import os
import random
import re
import subprocess
import sys
import time

from frame import PASSWORD, ROOT, expect, expect_true, main, scenario

IS_DEV = "dev" in (*sys.argv, os.environ.get("ESTAFETA_TEST_BUILD"))
COMMANDS = int(os.environ.get("IMAP_COMMANDS", "4000" if IS_DEV else "6000"))
SEED = int(os.environ.get("IMAP_SEED",
                          random.SystemRandom().randrange(10 ** 9)))
WORKERS = int(os.environ.get("IMAP_WORKERS", "4"))
SHOW = "--show" in sys.argv


def setup(lab):
    """Accounts of their own, and LOGIN without TLS."""
    host = lab.mta1
    secret = re.search(r"^user1@[^|]*\|(.*)$",
                       host.read_config("accounts.cf"), re.M)[1]
    for i in range(WORKERS):
        host.append("accounts.cf", f"m{i}@{host.domain}|{secret}")
    host.write_config("quotas.cf", "")
    host.environment["SSL_TYPE"] = ""


@scenario
def random_commands_agree_with_the_model(lab):
    host = lab.mta1
    users = ",".join(f"m{i}@{host.domain}" for i in range(WORKERS))
    began = time.monotonic()
    result = subprocess.run(
        [sys.executable, os.path.join(ROOT, "tests/model/imap_model.py"),
         "--port", str(host.ports["imap"]), "--lmtp",
         os.path.join(host.run, "lmtp.sock"), "--password", PASSWORD,
         "--users", users, "--seed", str(SEED), "--commands", str(COMMANDS),
         *(["--only", os.environ["IMAP_ONLY"]]
           if os.environ.get("IMAP_ONLY") else [])],
        stdin=subprocess.DEVNULL, capture_output=True, text=True)
    text = result.stdout + result.stderr
    why = re.findall(r"^seed .*", result.stderr, re.M)
    expect_true(result.returncode == 0, f"{why[:1]}\n{text[-12000:]}")
    if SHOW:
        print(text + f"{COMMANDS / (time.monotonic() - began):.0f} "
              "commands/s", flush=True)
    expect(re.findall(r"ev=role\.ended.*", host.log()), [],
           "roles that died")


if __name__ == "__main__":
    if SHOW:
        sys.argv.remove("--show")
    main(hosts=1, setup=setup)
