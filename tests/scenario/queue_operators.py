#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A36, A37: postsuper, postcat and mailctl queue change what waits, with the
arguments and the words of Postfix (those of 3.7.11 are expected here)."""

import json
import os
import subprocess

from frame import (Sink, expect, expect_match, expect_true, main, message,
                   scenario, wait_for)

USER1 = "user1@example1.local"
AWAY = "away.example"
sink = None


def defer(lab, n=1):
    """Queue ids of messages that wait."""
    sink.replies["RCPT"] = "450 4.2.0 later"
    ids = []
    for _ in range(n):
        content = message(recipient=f"a@{AWAY}")[1]
        ids.append(lab.mta1.submit(USER1, f"a@{AWAY}", content).split()[-1])
    for queue_id in ids:
        wait_for(f"{queue_id} is deferred",
                 lambda q=queue_id: rows(lab).get(q, {}).get("queue_name")
                 == "deferred")
    return ids


def rows(lab):
    listing = lab.mta1.ctl("-j", name="postqueue").stdout
    return {row["queue_id"]: row
            for row in map(json.loads, listing.splitlines())}


def postsuper(lab, *arguments, given=""):
    result = subprocess.run(
        ["postsuper", *arguments], executable=lab.mta1.bin + "/mailctl",
        env=lab.mta1.variables(), input=given, capture_output=True, text=True,
        timeout=20)
    expect(result.stdout, "")
    return result


def clean(lab):
    postsuper(lab, "-d", "ALL")
    lab.mta1.wait_queue_empty()


@scenario
def hold_keeps_and_release_lets_go(lab):
    [queue_id] = defer(lab)
    expect(postsuper(lab, "-h", queue_id).stderr,
           f"postsuper: {queue_id}: placed on hold\n"
           "postsuper: Placed on hold: 1 message\n")
    expect_match(lab.mta1.queue(), rf"(?m)^{queue_id}! ")
    expect(rows(lab)[queue_id]["queue_name"], "hold")
    n = len(sink.messages)
    sink.replies.pop("RCPT")
    lab.mta1.flush()
    lab.mta1.kill()  # the state survives
    lab.mta1.start()
    expect(rows(lab)[queue_id]["queue_name"], "hold")
    expect(len(sink.messages), n, "messages that left")
    expect(postsuper(lab, "-H", "ALL").stderr,
           "postsuper: Released from hold: 1 message\n")
    wait_for("it leaves", lambda: len(sink.messages) == n + 1)
    lab.mta1.wait_queue_empty()


@scenario
def deletion_by_name_by_list_and_by_queue(lab):
    ids = defer(lab, 4)
    postsuper(lab, "-h", ids[3])
    expect(postsuper(lab, "-d", ids[0]).stderr,
           f"postsuper: {ids[0]}: removed\npostsuper: Deleted: 1 message\n")
    expect(postsuper(lab, "-d", "-", given=f"{ids[1]}\nNOPE\n").stderr,
           f"postsuper: {ids[1]}: removed\npostsuper: Deleted: 1 message\n")
    expect(postsuper(lab, "-d", "ALL", "deferred").stderr,
           "postsuper: Deleted: 1 message\n")
    expect(list(rows(lab)), [ids[3]])
    refused = postsuper(lab, "-d", "ALL", "bogus")
    expect((refused.returncode, refused.stderr),
           (1, "postsuper: fatal: invalid directory name: bogus\n"))
    clean(lab)


@scenario
def an_expired_message_comes_back_after_its_next_try(lab):
    [queue_id] = defer(lab)
    expect(postsuper(lab, "-e", queue_id).stderr,
           f"postsuper: {queue_id}: expired\n"
           "postsuper: Force-expired: 1 message\n")
    expect_match(lab.mta1.queue(), rf"(?m)^{queue_id}# ")
    expect(rows(lab)[queue_id]["forced_expire"], True)
    mark = lab.mta1.mark()
    lab.mta1.ctl("-i", queue_id, name="postqueue")
    lab.mta1.wait_log(rf"ev=bounce id={queue_id}", mark)
    lab.mta1.wait_queue_empty()


@scenario
def postcat_prints_envelope_header_and_body(lab):
    [queue_id] = defer(lab)

    def postcat(*arguments):
        return lab.mta1.ctl(*arguments, queue_id, name="postcat").stdout
    text = postcat("-q")
    expect_match(text, rf"\A\*\*\* ENVELOPE RECORDS deferred/{queue_id} \*\*\*"
                 rf"\nmessage_size: .*^sender: {USER1}\nrecipient: a@{AWAY}\n"
                 rf"\*\*\* MESSAGE CONTENTS deferred/{queue_id} \*\*\*\n"
                 r"Received: .*^Subject: test\n\nHello\.\n"
                 rf"\*\*\* HEADER EXTRACTED deferred/{queue_id} \*\*\*\n"
                 rf"\*\*\* MESSAGE FILE END deferred/{queue_id} \*\*\*\n\Z")
    expect(postcat("-bq"), "\nHello.\n")
    expect_match(postcat("-hq"), r"\AReceived: .*^Subject: test\n\Z")
    expect(postcat("-bhq"), postcat("-hq") + postcat("-bq"))
    expect_true("Hello" not in postcat("-eq"), "-e shows the envelope alone")
    missing = lab.mta1.ctl("-q", "NOPE", name="postcat")
    expect((missing.returncode, missing.stderr),
           (1, "postcat: fatal: open queue file NOPE: No such file or "
               "directory\n"))
    shown = lab.mta1.ctl("queue", "show", queue_id, "--json").stdout
    expect(json.loads(shown)["queue_id"], queue_id)
    clean(lab)


@scenario
def mailctl_queue_says_how_many_it_changed(lab):
    ids = defer(lab, 2)

    def changed(*arguments):
        return json.loads(
            lab.mta1.ctl("queue", *arguments, "--json").stdout)["changed"]
    expect(changed("hold", "ALL"), 2)
    expect(changed("release", ids[0]), 1)
    expect(changed("requeue", ids[1]), 1)
    wait_for("both wait again", lambda: {row["queue_name"] for row in
                                         rows(lab).values()} == {"deferred"})
    expect(lab.mta1.ctl("queue", "count").stdout, "2\n")
    expect(changed("delete", *ids), 2)
    expect(lab.mta1.ctl("queue", "delete", ids[0]).returncode, 1)


@scenario
def flush_of_a_site_tries_that_site_alone(lab):
    [queue_id] = defer(lab)
    n = len(sink.messages)
    sink.replies.pop("RCPT")
    expect(lab.mta1.ctl("-s", "other.example", name="postqueue").returncode, 0)
    expect(list(rows(lab)), [queue_id])
    expect(lab.mta1.ctl("-s", AWAY.upper(), name="postqueue").returncode, 0)
    wait_for("it leaves", lambda: len(sink.messages) == n + 1)
    lab.mta1.wait_queue_empty()


@scenario
def a_message_damaged_on_the_disk_is_kept_and_not_delivered(lab):
    """F05: one octet of its content is wrong when it is read back."""
    sink.replies["RCPT"] = "450 4.2.0 later"
    mark = b"damage-here"
    content = message(recipient=f"a@{AWAY}", body=(
        b"x" * 70 + b"\r\n") * 1500 + mark + b"\r\n")[1]
    queue_id = lab.mta1.submit(USER1, f"a@{AWAY}", content).split()[-1]
    wait_for("it is deferred", lambda: rows(lab).get(
        queue_id, {}).get("queue_name") == "deferred")
    spool = os.path.join(lab.mta1.state, "spool")
    for name in os.listdir(spool):
        if not name.endswith(".seg"):
            continue
        with open(os.path.join(spool, name), "r+b") as file:
            at = file.read().find(mark)
            if at >= 0:
                file.seek(at)
                file.write(b"D")
    n = len(sink.messages)
    del sink.replies["RCPT"]
    lab.mta1.ctl("-i", queue_id, name="postqueue")
    lab.mta1.wait_log(rf"ev=message\.corrupt id={queue_id}")
    wait_for("it is told", lambda: rows(lab)[queue_id]["queue_name"]
             == "corrupt")
    expect_match(lab.mta1.queue(), rf"(?m)^{queue_id}\? ")
    expect(len(sink.messages), n, "messages that left")
    expect_match(lab.mta1.ctl("-bq", queue_id, name="postcat").stdout,
                 "(?m)^Damage-here$")
    lab.mta1.stop()
    lab.mta1.start()
    expect(rows(lab)[queue_id]["queue_name"], "corrupt")
    expect(postsuper(lab, "-d", "ALL").stderr,
           "postsuper: Deleted: 0 messages\n")
    expect(postsuper(lab, "-d", queue_id).stderr,
           f"postsuper: {queue_id}: removed\npostsuper: Deleted: 1 message\n")
    lab.mta1.wait_queue_empty()


def route(lab):
    global sink
    sink = Sink()
    lab.route_to_sink(sink, AWAY)


if __name__ == "__main__":
    main(hosts=1, setup=route)
