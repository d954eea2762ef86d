#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""testssl.sh against 25, 587, 143, 110 (STARTTLS), 465, 993 and 995: nothing of
severity MEDIUM or worse may be found (A09). Takes minutes; `make testssl`.

    tests/testssl/testssl.py [--build dev|release]"""

import argparse
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "scenario"))

from frame import Failed, Lab, kill_all, need  # noqa: E402

HARMLESS = ("LOW", "OK", "INFO", "DEBUG",
            "WARN")  # testssl.sh itself could not do something
PORTS = (("submissions", []), ("submission", ["--starttls", "smtp"]),
         ("smtp", ["--starttls", "smtp"]),
         ("imaps", []), ("imap", ["--starttls", "imap"]),
         ("pop3s", []), ("pop3", ["--starttls", "pop3"]))


def findings(lab, service, flags):
    result = os.path.join(lab.directory, f"{service}.json")
    subprocess.run(
        [need("testssl"), "--quiet", "--color", "0", "--warnings", "off",
         "--add-ca", os.path.join(lab.mta1.state, "tls", "ca.pem"),
         "--severity", "MEDIUM", "--jsonfile", result, *flags,
         f"localhost:{lab.mta1.ports[service]}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, timeout=900, check=False)
    with open(result) as file:
        found = json.load(file)
    return [f"{one['id']}: {one['severity']}: {one['finding']}"
            for one in found if one["severity"] not in HARMLESS]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="release")
    options = parser.parse_args()
    failed = False
    try:
        # It opens dozens of connections that break off.
        lab = Lab("testssl", 1, options.build,
                  "smtpd_client_connection_count_limit = 0\n")
        lab.start()
        for service, flags in PORTS:
            found = findings(lab, service, flags)
            print(f"{'not ok' if found else 'ok'} - testssl: {service}",
                  *found, sep="\n    ", flush=True)
            failed = failed or bool(found)
    except Failed as error:
        print(f"not ok - testssl: {error}")
        failed = True
    finally:
        kill_all()
    sys.exit(failed)


if __name__ == "__main__":
    main()
