#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""NOTIFY (RFC 5465): what happens in other mailboxes, and in the selected one,
told without being asked. Rows A15, I13 (still get updates)."""

import re

from frame import (expect, expect_match, expect_true, main, message, scenario)
from frame_imap import USER1, append, ask, ok, session

BOTH = "MessageNew MessageExpunge"
ALL = BOTH + " FlagChange"
QUIET_S = 0.3


def line(raw):
    return raw.line().decode()


def is_quiet(raw, what=""):
    """Nothing comes by itself; a NOOP's own answer is no news."""
    raw.socket.settimeout(QUIET_S)
    try:
        got = raw.line()
    except TimeoutError:
        got = None
    raw.socket.settimeout(10)
    expect(got, None, what)


def quick(subject="x"):
    return message(subject, "text\r\n")[1]


def numbers(status):
    return dict(re.findall(r"([A-Z]+) (\d+)", status.split("(", 1)[1]))


@scenario
def other_mailboxes_are_told_of(lab):
    """RFC 5465 3.1, 5.1 to 5.3: STATUS at the start, then when something
    happens; who did it hears nothing."""
    with session(lab) as raw, session(lab) as other:
        for name in ("n.a", "n"):
            ask(other, f"DELETE {name}")
        ok(other, "CREATE n")
        append(other, "n", quick())
        ok(raw, "SELECT Drafts")
        lines = ok(raw, f"NOTIFY SET STATUS (selected NONE) (mailboxes n "
                        f"({ALL})) (inboxes ({BOTH}))")
        told = {x.split()[2]: numbers(x) for x in lines[:-1]}
        expect(sorted(told), ["INBOX", "n"])
        expect(told["n"]["MESSAGES"], "1")
        expect_true("HIGHESTMODSEQ" in told["n"], told)
        append(other, "n", quick())
        got = numbers(line(raw))
        expect((got["MESSAGES"], got["UIDNEXT"]),
               ("2", str(int(told["n"]["UIDNEXT"]) + 1)))
        ok(other, "SELECT n")
        ok(other, "STORE 1 +FLAGS (\\Seen)")
        flags = numbers(line(raw))
        expect(flags["UNSEEN"], "1")
        expect_true(int(flags["HIGHESTMODSEQ"]) > int(got["HIGHESTMODSEQ"]),
                    f"{flags}")
        ok(other, "STORE 1 +FLAGS (\\Deleted)")
        line(raw)
        ok(other, "EXPUNGE")
        expect(numbers(line(raw))["MESSAGES"], "1")
        ok(other, "COPY 1 INBOX")
        expect_match(line(raw), r"^\* STATUS INBOX \(")
        ok(other, "SELECT INBOX")
        ok(other, "STORE 1 +FLAGS (\\Flagged)")
        is_quiet(raw, "flags of INBOX were not asked for")
        append(raw, "n", quick())
        is_quiet(raw, "its own doing")
        ok(raw, "NOOP")
        mail, content = message()
        with lab.mta1.smtp() as client:
            client.sendmail("a@stranger.example", [USER1], content)
        expect_match(line(raw), r"^\* STATUS INBOX \(", "a delivery")
        ok(raw, "NOTIFY NONE")
        append(other, "n", quick())
        is_quiet(raw, "NONE")


@scenario
def the_selected_mailbox(lab):
    """RFC 5465 5.2, 6.1, 6.2: at once, with attributes, or delayed."""
    with session(lab) as raw, session(lab) as other:
        ask(other, "DELETE sel")
        ok(other, "CREATE sel")
        append(other, "sel", quick("one"))
        ok(raw, "SELECT sel")
        ok(other, "SELECT sel")
        ok(raw, f"NOTIFY SET (selected (MessageNew (UID BODY.PEEK["
                "HEADER.FIELDS (SUBJECT)] PREVIEW) MessageExpunge))")
        append(other, "sel", quick("two"))
        expect(line(raw), "* 2 EXISTS")
        if b"RECENT" in (got := raw.line()):
            got = raw.line()
        expect_match(got.decode(), r"^\* 2 FETCH \(UID 2 "
                     r"BODY\[HEADER.FIELDS \(SUBJECT\)\] \{\d+\}$")
        expect(line(raw), "Subject: two")
        expect((line(raw), line(raw)), (" ", ' PREVIEW "text")'))
        ok(other, "NOOP")
        ok(other, "STORE 1 +FLAGS (\\Deleted)")
        ok(other, "EXPUNGE")
        expect(line(raw), "* 1 EXPUNGE", "at once, and without flags")
        big = b"Subject: big\r\n\r\n" + (b"y" * 78 + b"\r\n") * 4000
        ok(raw, "NOTIFY SET (selected-delayed (MessageNew (BODY.PEEK[]) "
                "MessageExpunge FlagChange))")
        append(other, "sel", big)
        lines = [line(raw)]
        while "FETCH" not in lines[-1]:
            lines.append(line(raw))
        size = int(re.search(r"\{(\d+)\}$", lines[-1]).group(1))
        expect(size, len(big))
        expect(raw.read(size), big)
        expect(line(raw), ")")
        ok(other, "STORE 1 +FLAGS (\\Answered)")
        expect_match(line(raw), r"^\* 1 FETCH \(.*\\Answered")
        ok(other, "STORE 1 +FLAGS (\\Deleted)")
        line(raw)
        ok(other, "EXPUNGE")
        is_quiet(raw, "delayed")
        expect(ok(raw, "FETCH 2 UID")[0], "* 2 FETCH (UID 3)",
               "the numbers stay until it is told")
        expect_true("* 1 EXPUNGE" in ok(raw, "NOOP"), "told now")
        ok(raw, f"NOTIFY SET (personal ({BOTH}))")
        append(other, "sel", quick())
        is_quiet(raw, "SELECTED was not asked for")
        expect(len(ok(raw, "NOOP")), 1, "nor by NOOP")
        ok(raw, "STORE 1 +FLAGS (\\Deleted)")
        expect(ok(raw, "EXPUNGE")[0], "* 1 EXPUNGE", "one's own is told")


@scenario
def names_subscriptions_and_metadata(lab):
    """RFC 5465 5.4 to 5.7."""
    with session(lab) as raw, session(lab) as other:
        for name in ("top/below", "top", "up/below", "up"):
            ask(other, f"DELETE {name}")
            ask(other, f"UNSUBSCRIBE {name}")
        ok(raw, "NOTIFY SET (personal (MailboxName SubscriptionChange "
                "MailboxMetadataChange ServerMetadataChange))")
        ok(other, "CREATE top")
        expect(line(raw), '* LIST (\\HasNoChildren) "/" top')
        ok(other, "CREATE top/below")
        expect(line(raw), '* LIST (\\HasNoChildren) "/" top/below')
        ok(other, "RENAME top up")
        expect(line(raw),
               '* LIST (\\HasChildren) "/" up ("OLDNAME" (top))')
        expect(line(raw), '* LIST (\\HasNoChildren) "/" up/below '
                          '("OLDNAME" (top/below))')
        ok(other, "SUBSCRIBE up")
        expect(line(raw), '* LIST (\\HasChildren \\Subscribed) "/" up')
        ok(other, "UNSUBSCRIBE up")
        expect(line(raw), '* LIST (\\HasChildren) "/" up')
        ok(other, 'SETMETADATA up (/private/comment "x" /shared/comment "y")')
        expect(line(raw), "* METADATA up /private/comment /shared/comment")
        ok(other, 'SETMETADATA "" (/private/x "x")')
        expect(line(raw), '* METADATA "" /private/x')
        ok(other, "DELETE up/below")
        expect(line(raw), '* LIST (\\NonExistent) "/" up/below')
        append(other, "up", quick())
        is_quiet(raw, "messages were not asked for")
        ok(raw, "CREATE mine")
        ok(raw, "DELETE mine")
        is_quiet(raw, "its own doing")


@scenario
def which_mailboxes(lab):
    """RFC 5465 6.3 to 6.8; the first group that fits counts."""
    with session(lab) as raw, session(lab) as other:
        for name in ("f/sub", "f", "g", "h", "fx"):
            ask(other, f"DELETE {name}")
            ok(other, f"CREATE {name}")
        for name in ("f", "g", "h"):
            ask(other, f"CREATE {name}")
        ask(other, "CREATE f/sub")
        ask(other, "UNSUBSCRIBE h")
        ok(raw, f"NOTIFY SET (mailboxes g NONE) (subtree f ({BOTH})) "
                f"(subscribed ({BOTH}))")
        for name, is_told in (("f", True), ("f/sub", True), ("fx", False),
                              ("g", False), ("h", False), ("Sent", True)):
            append(other, name, quick())
            if is_told:
                expect_match(line(raw), rf"^\* STATUS {name} \(")
            else:
                is_quiet(raw, name)
        ok(other, "SUBSCRIBE h")
        append(other, "h", quick())
        expect_match(line(raw), r"^\* STATUS h \(", "subscribed by now")
        raw.send(b"i IDLE\r\n")
        expect_match(line(raw), r"^\+ ")
        append(other, "f", quick())
        expect_match(line(raw), r"^\* STATUS f \(", "in IDLE, too")
        raw.send(b"DONE\r\n")
        raw.tagged("i")


@scenario
def what_is_refused(lab):
    with session(lab) as raw:
        expect_match(ask(raw, f"NOTIFY SET (personal ({ALL} "
                              "AnnotationChange))")[-1],
                     r"NO \[BADEVENT \(MessageNew .*ServerMetadataChange\)\]")
        expect_match(ask(raw, "NOTIFY SET (personal (Sunrise))")[-1],
                     r"NO \[BADEVENT ")
        for wrong in ("NOTIFY SET (personal (MessageNew))",
                      "NOTIFY SET (selected (MailboxName))",
                      "NOTIFY SET (personal MailboxName)", "NOTIFY",
                      "NOTIFY SET", "NOTIFY NONE NONE"):
            expect_match(ask(raw, wrong)[-1], r"^t\d+ BAD", wrong)
        ok(raw, f"NOTIFY SET STATUS (mailboxes nowhere ({BOTH}))")


if __name__ == "__main__":
    main(hosts=1)
