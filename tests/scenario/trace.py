#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""mailctl trace tells each step of a message, also of one that is gone, and
follows it to the other host by the id in its 250."""

import json

from frame import (expect, expect_match, expect_true, main, message, scenario,
                   wait_for)

USER1, USER3 = "user1@example1.local", "user3@example2.local"


def steps(lab, *arguments):
    result = lab.mta1.ctl("trace", *arguments, "--json")
    return [json.loads(line) for line in result.stdout.splitlines()]


def events(lab, queue_id):
    return [s for s in steps(lab, queue_id) if s["step"] != "rule"]


@scenario
def a_message_is_followed_over_both_hosts(lab):
    message_id, content = message()
    queue_id = lab.mta1.submit(USER1, USER3, content).split()[-1]
    lab.mta2.wait_mail(USER3, message_id)
    lab.mta1.wait_queue_empty()
    lab.mta2.wait_queue_empty()
    found = steps(lab, queue_id, lab.mta2.run)
    rules = [s for s in found if s["step"] == "rule"]
    found = [s for s in found if s["step"] != "rule"]
    expect([s["address"] for s in rules], [USER3])
    expect_match(rules[0]["text"],
                 r"^transport_maps: .*/transport\.cf:\d+: smtp:\[mta2\]:25")
    here = [s for s in found if s["queue_id"] == queue_id]
    there = [s for s in found if s["queue_id"] != queue_id]
    want = ["accepted", "recipient", "routed", "sent", "done"]
    expect([s["step"] for s in here], want)
    expect([s["step"] for s in there], want)
    expect(here[0]["address"], USER1)
    expect(here[1]["address"], USER3)
    expect_match(here[2]["other"], "mta2")
    expect(here[3]["code"], 250)
    expect_match(here[3]["text"], f"queued as {there[0]['queue_id']}")
    expect(there[2]["text"], "local")
    expect_true(all(a["time_us"] <= b["time_us"]
                    for a, b in zip(here, here[1:])), "in the order of time")
    text = lab.mta1.ctl("trace", queue_id).stdout
    expect_match(text, rf"(?m)^\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{{3}} "
                 rf"{queue_id} accepted  <{USER1}> by 127\.0\.0\.1 "
                 rf"\({USER1}\)$")


@scenario
def it_survives_a_kill_and_is_found_by_address(lab):
    message_id, content = message()
    queue_id = lab.mta1.submit(USER1, USER3, content).split()[-1]
    lab.mta2.wait_mail(USER3, message_id)
    wait_for("it is written", lambda: queue_id.encode() in b"".join(
        open(f"{lab.mta1.state}/spool/trace.{i}", "rb").read()
        for i in (0, 1)))
    lab.mta1.kill()
    lab.mta1.start()
    found = steps(lab, USER3.upper())
    expect_true(queue_id in {s.get("queue_id") for s in found}, f"{found}")
    nobody = lab.mta1.ctl("trace", "nobody@nowhere.example")
    expect((nobody.returncode, nobody.stdout), (1, ""))


@scenario
def an_id_is_explained_by_its_last_reply(lab):
    host = lab.mta1
    queue_id = host.submit(USER1, ["nobody@example2.local", USER3],
                           message()[1]).split()[-1]
    host.wait_queue_empty()
    said = host.ctl("explain", "--en", queue_id)
    expect(said.returncode, 0, said.stderr)
    expect_match(said.stdout, r"(?m)^<nobody@example2\.local> failed by "
                 r".*: 550 5\.1\.1 .*\n5\.1\.1\n  what it means: ")
    expect_match(said.stdout, rf"(?m)^<{USER3}> sent by ")
    rows = [json.loads(line) for line in host.ctl(
        "explain", "--es", "--json", queue_id).stdout.splitlines()]
    expect({row["status"] for row in rows}, {"sent", "failed"})
    expect([row["enhanced"] for row in rows if "enhanced" in row], ["5.1.1"])
    lab.mta2.stop()
    queue_id = host.submit(USER1, USER3, message()[1]).split()[-1]
    wait_for("a try failed", lambda: host.ctl(
        "explain", queue_id).returncode == 0)
    expect_match(host.ctl("explain", "--en", queue_id).stdout,
                 rf"(?m)^<{USER3}> deferred.* refused\n4\.4\.1\n")
    lab.mta2.start()
    host.flush()
    host.wait_queue_empty()
    expect(host.ctl("explain", "0nothing0").returncode, 1)


@scenario
def what_waits_and_what_was_done_to_it_is_told(lab):
    lab.mta2.stop()
    queue_id = lab.mta1.submit(USER1, USER3, message()[1]).split()[-1]
    wait_for("a try failed", lambda: "deferred" in [
        s["step"] for s in steps(lab, queue_id)])
    lab.mta1.ctl("queue", "hold", queue_id)
    lab.mta1.ctl("queue", "delete", queue_id)
    expect([s["step"] for s in events(lab, queue_id)][-2:],
           ["held", "deleted"])
    deferred = [s for s in steps(lab, queue_id) if s["step"] == "deferred"][0]
    expect_match(deferred["text"], "(?i)refused")
    lab.mta2.start()


if __name__ == "__main__":
    main(hosts=2)
