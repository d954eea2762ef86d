#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""IMAP as imaplib and raw lines drive it: every command, and no announced
capability that does not work."""

import base64
import imaplib
import os
import re
import time

from frame import (Failed, expect, expect_match, expect_true, given, main,
                   message, scenario, wait_for)
from frame_imap import USER1, USER2, append, ask, fresh, ok, session

@scenario
def default_mailboxes(lab):
    """Drafts, Sent, Junk, Trash: there, subscribed, SPECIAL-USE."""
    with session(lab) as raw:
        lines = ok(raw, 'LIST (SPECIAL-USE) "" "*" RETURN (SUBSCRIBED)')
        for name in ("Drafts", "Sent", "Junk", "Trash"):
            rows = [x for x in lines if re.search(rf'"?{name}"?$', x)]
            expect(len(rows), 1, f"LIST shows {name}: {lines}")
            expect_true(f"\\{name}" in rows[0], rows[0])
            expect_true("\\Subscribed" in rows[0], rows[0])


@scenario
def recent_is_of_one_session(lab):
    """RFC 9051 1.2: a session ends with SELECT; RFC 3501 2.3.2: in the next one
    nothing is recent that this one was told of."""
    with fresh(lab, "Recently") as raw:
        append(raw, "Recently", message("one")[1])
        lines = ok(raw, "SELECT Recently")
        expect_true("* 0 RECENT" in lines, lines)
        lines = ok(raw, "FETCH 1 FLAGS")
        expect_true("Recent" not in lines[0], lines)


@scenario
def what_a_client_puts_is_recent(lab):
    """RFC 3501 6.3.11, 6.4.7: APPEND and COPY set \\Recent, for who is the first
    to be told; its own STATUS counts them as well."""
    with fresh(lab, "Recently") as raw:
        append(raw, "Recently", message("one")[1])
        expect_true("* 1 RECENT" in ok(raw, "NOOP") or "\\Recent" in
                    ok(raw, "FETCH 1 FLAGS")[0], "told while selected")
        ok(raw, "UNSELECT")
        append(raw, "Recently", message("two")[1])
        expect_true("* 1 RECENT" in ok(raw, "SELECT Recently"), "SELECT")
        expect_match(ok(raw, "FETCH 2 FLAGS")[0], r"\\Recent")
        for _ in range(2):
            expect_match(ok(raw, "STATUS Recently (RECENT)")[0], "RECENT 1")
        ok(raw, "COPY 1 Recently")
        expect_match(ok(raw, "FETCH 3 FLAGS")[0], r"\\Recent")
        ok(raw, "UNSELECT")
        expect_match(ok(raw, "STATUS Recently (RECENT)")[0], "RECENT 0")
        append(raw, "Recently", message("three")[1])
        for count in (1, 0):
            expect_match(ok(raw, "STATUS Recently (RECENT UNSEEN)")[0],
                         f"RECENT {count} UNSEEN 4")
            ok(raw, "SELECT Recently")
            ok(raw, "UNSELECT")


@scenario
def wildcards_stand_between_characters(lab):
    """RFC 3501 5.1.3: two characters beyond ASCII are one run of base64; a
    pattern may end between them."""
    with session(lab) as raw:
        ok(raw, "CREATE &AOkA6A-x")
        for pattern in ("&AOk-*", "*&AOg-%", "&AOk-%x", "&AOkA6A-x"):
            for word in ("LIST", "LSUB"):
                ok(raw, "SUBSCRIBE &AOkA6A-x")
                expect_match("".join(ok(raw, f'{word} "" "{pattern}"')),
                             "&AOkA6A-x", f"{word} {pattern}")
        expect(len(ok(raw, 'LIST "" "&AOg-*"')), 1, "of another character")
        ok(raw, "UNSUBSCRIBE &AOkA6A-x")
        ok(raw, "DELETE &AOkA6A-x")


@scenario
def flags_are_told_when_they_change(lab):
    """RFC 9051 6.4.5: FETCH tells FLAGS when it set \\Seen, not each time."""
    with fresh(lab, "Told", 1) as raw:
        expect_match("".join(ok(raw, "FETCH 1 BODY[TEXT]")), r"\\Seen")
        expect_true("FLAGS" not in "".join(ok(raw, "FETCH 1 BODY[TEXT]")),
                    "flags of a message that was read")


@scenario
def a_header_alone_has_no_blank_line(lab):
    """RFC 9051 6.4.5.1: subsets of fields have the blank line that divides header
    and body, "except in the case of a message that has no body and no blank
    line"."""
    with fresh(lab, "Head") as raw:
        append(raw, "Head", b"Subject: x\r\nTo: y\r\n")
        append(raw, "Head", b"Subject: x\r\nTo: y\r\n\r\n")
        for n, wanted in ((1, "7"), (2, "9")):
            expect_match(ok(raw, f"FETCH {n} BODY.PEEK[HEADER.FIELDS (TO)]")[0],
                         r"\{" + wanted + r"\}")


@scenario
def rename_moves_all_or_nothing(lab):
    """A name below that is taken stops it before anything has moved."""
    with session(lab) as raw:
        for name in ("Old", "Old/kind", "New", "New/kind"):
            ok(raw, f"CREATE {name}")
        ok(raw, "DELETE New")
        expect_match(ask(raw, "RENAME Old New")[-1], "NO ")
        ok(raw, "STATUS Old (MESSAGES)")
        ok(raw, "STATUS Old/kind (MESSAGES)")
        expect_match(ask(raw, "STATUS New (MESSAGES)")[-1], "NO ")
        ok(raw, "DELETE New/kind")
        ok(raw, "RENAME Old New")
        ok(raw, "STATUS New/kind (MESSAGES)")


@scenario
def every_command_of_imaplib(lab):
    name = "Walk"
    with lab.mta1.imap(USER1) as c:
        def good(result):
            expect(result[0], "OK", f"{result}")
            return result[1]
        good(c.capability())
        good(c.noop())
        good(c.namespace())
        c.delete(name)
        c.delete("Walked")
        good(c.create(name))
        good(c.subscribe(name))
        expect_true(any(name.encode() in r for r in good(c.lsub())), "LSUB")
        expect_true(any(name.encode() in r for r in good(c.list())), "LIST")
        for i in range(3):
            good(c.append(name, "\\Seen", imaplib.Time2Internaldate(
                1_700_000_000 + i), message(f"walk {i}")[1]))
        expect_match(good(c.status(
            name, "(MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)"))[0],
            r"MESSAGES 3 .*UNSEEN 0")
        expect(good(c.select(name)), [b"3"])
        good(c.check())
        expect(good(c.search(None, "ALL")), [b"1 2 3"])
        expect(good(c.search(None, "SUBJECT", '"walk 1"')), [b"2"])
        good(c.fetch("1:*", "(FLAGS UID INTERNALDATE RFC822.SIZE)"))
        for what in ("FULL", "ALL", "FAST", "BODY", "BODYSTRUCTURE",
                     "ENVELOPE", "BODY.PEEK[HEADER]", "BODY[TEXT]",
                     "RFC822", "RFC822.HEADER", "RFC822.TEXT",
                     "BODY.PEEK[1]", "BODY.PEEK[1.MIME]",
                     "BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT)]"):
            expect_true(good(c.fetch("2", f"({what})" if what not in
                                     ("FULL", "ALL", "FAST") else what))
                        != [None], what)
        good(c.store("1", "+FLAGS", "(\\Flagged $Important)"))
        expect_match(good(c.fetch("1", "(FLAGS)"))[0],
                     r"\\Flagged.*\$Important")
        good(c.store("1", "-FLAGS", "(\\Flagged)"))
        good(c.store("1", "FLAGS", "(\\Answered)"))
        good(c.copy("1", "Trash"))
        good(c.uid("COPY", "1:*", "Trash"))
        good(c.sort("REVERSE ARRIVAL", "UTF-8", "ALL"))
        good(c.uid("SEARCH", "ALL"))
        good(c.uid("FETCH", "1:*", "(FLAGS)"))
        good(c.uid("STORE", "1", "+FLAGS.SILENT", "(\\Deleted)"))
        expect(good(c.expunge()), [b"1"])
        good(c.getquotaroot("INBOX"))
        good(c.unselect())
        expect(good(c.select(name, readonly=True)), [b"2"])
        good(c.close())
        good(c.rename(name, "Walked"))
        good(c.unsubscribe(name))
        good(c.delete("Walked"))
        good(c.xatom("ID", "NIL"))
        expect(c.logout()[0], "BYE")


@scenario
def read_only_stays_read_only(lab):
    with fresh(lab, "Ro", 1) as raw:
        lines = ok(raw, "EXAMINE Ro")
        expect_match(lines[-1], r"\[READ-ONLY\]")
        for command in ("STORE 1 +FLAGS (\\Seen)", "EXPUNGE",
                        "MOVE 1 Trash"):
            expect_match(ask(raw, command)[-1], r"^t\d+ (NO|BAD)", command)
        ok(raw, "FETCH 1 (BODY[])")
        expect_true("\\Seen" not in ok(raw, "FETCH 1 (FLAGS)")[0],
                    "EXAMINE set \\Seen")


# One check for each capability; a name that is not here must not be told.

def cap_literal_plus(raw):
    content = message()[1]
    raw.send(b"l APPEND INBOX {%d+}\r\n" % len(content) + content + b"\r\n")
    expect_match(raw.tagged("l")[-1], "^l OK")


def cap_sasl_ir(raw):
    pass  # AUTH=PLAIN below uses it


def cap_id(raw):
    expect_match(ok(raw, 'ID ("name" "test" "version" NIL)')[0],
                 r'^\* ID \(.*"name"')


def cap_namespace(raw):
    expect_match(ok(raw, "NAMESPACE")[0], r'^\* NAMESPACE \(\("" "."\)\)')


def cap_uidplus(raw):
    line = append(raw, "INBOX", message()[1])[-1]
    found = re.search(r"\[APPENDUID (\d+) (\d+)\]", line)
    expect_true(found, line)
    uid = found.group(2)
    ok(raw, "SELECT INBOX")
    expect_match("\n".join(ok(raw, f"UID COPY {uid} Trash")),
                 rf"\[COPYUID \d+ {uid} \d+\]")
    ok(raw, f"UID STORE {uid} +FLAGS (\\Deleted)")
    expect_match("\n".join(ok(raw, f"UID EXPUNGE {uid}")),
                 r"\* \d+ EXPUNGE")


def cap_move(raw):
    found = re.search(r"APPENDUID \d+ (\d+)",
                      append(raw, "INBOX", message()[1])[-1])
    ok(raw, "SELECT INBOX")
    lines = ok(raw, f"UID MOVE {found.group(1)} Trash")
    expect_match("\n".join(lines), r"COPYUID.*\n.*EXPUNGE")


def cap_unselect(raw):
    ok(raw, "SELECT INBOX")
    ok(raw, "UNSELECT")
    expect_match(ask(raw, "FETCH 1 FLAGS")[-1], "BAD|NO")


def cap_children(raw):
    ask(raw, "CREATE Parent")
    ask(raw, "CREATE Parent.Child" if separator(raw) == "."
        else "CREATE Parent/Child")
    lines = ok(raw, 'LIST "" "Parent" RETURN (CHILDREN)')
    expect_true("\\HasChildren" in lines[0], lines[0])


def separator(raw):
    return re.search(r'"(.)"', ok(raw, 'LIST "" ""')[0]).group(1)


def cap_list_extended(raw):
    lines = ok(raw, 'LIST (SUBSCRIBED) "" ("*" "%")')
    expect_true(all("\\Subscribed" in x for x in lines[:-1]), f"{lines}")


def cap_list_status(raw):
    lines = ok(raw, 'LIST "" "INBOX" RETURN (STATUS (MESSAGES UIDNEXT))')
    expect_match("\n".join(lines), r"\* STATUS .*MESSAGES \d+")


def cap_special_use(raw):
    expect_true(any("\\Sent" in x for x in
                    ok(raw, 'LIST (SPECIAL-USE) "" "*"')), "\\Sent")


def cap_create_special_use(raw):
    ask(raw, "DELETE Extra")
    lines = ask(raw, "CREATE Extra (USE (\\Archive))")
    expect_match(lines[-1], r"^t\d+ (OK|NO \[USEATTR\])")


def cap_quota(raw):
    expect_match("\n".join(ok(raw, "GETQUOTAROOT INBOX")),
                 r"\* QUOTAROOT .*\n\* QUOTA ")


def cap_quota_res_storage(raw):
    cap_quota(raw)


def cap_quota_res_message(raw):
    """RFC 9208 4.1.4: what an EXPUNGE would give back, in KiB."""
    uid = re.search(r"APPENDUID \d+ (\d+)",
                    append(raw, "Junk", b"Subject: x\r\n\r\n" + b"y" * 3000,
                           "(\\Deleted) ")[-1]).group(1)
    expect_match(ok(raw, "STATUS Junk (DELETED DELETED-STORAGE)")[0],
                 r"\(DELETED 1 DELETED-STORAGE 3\)")
    ok(raw, "SELECT Junk")
    ok(raw, f"UID EXPUNGE {uid}")
    expect_match(ok(raw, "STATUS Junk (DELETED-STORAGE)")[0], r"STORAGE 0\)")


def cap_utf8_accept(raw):
    """RFC 6855 3 to 5: names both ways, strings, APPEND's UTF8."""
    content = "Subject: r\u00e9sum\u00e9\r\n\r\nx\r\n".encode()

    def utf8_append(tag):
        raw.send(b"%s APPEND INBOX UTF8 (~{%d+}\r\n%s)\r\n" % (
            tag.encode(), len(content), content))
        return raw.tagged(tag)[-1]

    ask(raw, "DELETE B&AOk-b&AOk-")
    expect_match(utf8_append("u"), "^u NO")  # not enabled
    expect_match(ok(raw, "ENABLE UTF8=ACCEPT")[0], r"^\* ENABLED UTF8=ACCEPT")
    expect_match(utf8_append("v"), r"^v OK \[APPENDUID")
    ok(raw, 'CREATE "B\u00e9b\u00e9"')
    expect_true('"B\u00e9b\u00e9"' in ok(raw, 'LIST "" "B\u00e9*"')[0], "LIST")
    expect_match(ok(raw, 'STATUS "B\u00e9b\u00e9" (MESSAGES)')[0],
                 '^\\* STATUS "B\u00e9b\u00e9" ')
    ok(raw, 'SUBSCRIBE "B\u00e9b\u00e9"')
    expect_true('"B\u00e9b\u00e9"' in "".join(ok(raw, 'LSUB "" "*"')), "LSUB")
    ok(raw, "SELECT INBOX")
    expect_match(ok(raw, 'SEARCH SUBJECT "r\u00e9sum\u00e9"')[0],
                 r"^\* SEARCH .*\d")
    expect_match(ask(raw, "SEARCH CHARSET UTF-8 ALL")[-1], r"^t\d+ BAD")
    # "&" is itself now, and the name is the same one for all others.
    expect_match(ask(raw, "SELECT B&AOk-b&AOk-")[-1], r"^t\d+ NO")
    ok(raw, 'SELECT "B\u00e9b\u00e9"')


def cap_preview(raw):
    """RFC 8970 3.2, 5: with and without LAZY; what has no text has an empty
    one."""
    texts = {
        b"Content-Type: text/html\r\n\r\n<p>Hi <b>you</b>,</p>all\r\n":
            '"Hi you, all"',
        b"Content-Type: image/png\r\n\r\nx\r\n": '""',
        "Content-Type: text/plain; charset=utf-8\r\n\r\nGr\u00fc\u00dfe\r\n"
        .encode(): "{7}",
    }
    ok(raw, "SELECT Junk")
    for content, want in texts.items():
        uid = re.search(r"APPENDUID \d+ (\d+)",
                        append(raw, "Junk", content)[-1]).group(1)
        lines = ok(raw, f"UID FETCH {uid} (RFC822.SIZE PREVIEW)")
        expect_match(lines[-2] if want[0] == "{" else lines[0],
                     "PREVIEW " + re.escape(want) + r"\)?$|Gr.+e\)$")
        lazy = ok(raw, f"UID FETCH {uid} (PREVIEW (LAZY))")
        expect_true("PREVIEW " + want in "\n".join(lazy), f"{lazy}")
        ok(raw, f"UID STORE {uid} +FLAGS.SILENT (\\Deleted)")
    ok(raw, "EXPUNGE")
    large = b"Subject: x\r\n\r\nshort\r\n" + (b"y" * 78 + b"\r\n") * 14000
    uid = re.search(r"APPENDUID \d+ (\d+)",
                    append(raw, "Junk", large)[-1]).group(1)
    expect_match(ok(raw, f"UID FETCH {uid} (PREVIEW (LAZY))")[0],
                 r"PREVIEW NIL\)$")
    expect_match(ok(raw, f"UID FETCH {uid} PREVIEW")[0],
                 'PREVIEW "short y+')
    ok(raw, f"UID STORE {uid} +FLAGS.SILENT (\\Deleted)")
    ok(raw, "EXPUNGE")


def cap_metadata(raw):
    """RFC 5464; all of it: imap_metadata.py."""
    ok(raw, 'SETMETADATA INBOX (/private/comment "here")')
    expect(ok(raw, "GETMETADATA INBOX /private/comment")[0],
           '* METADATA INBOX (/private/comment "here")')


def cap_list_metadata(raw):
    expect(ok(raw, 'LIST "" INBOX RETURN (METADATA (/private/none))')[1],
           "* METADATA INBOX (/private/none NIL)")


def cap_status_size(raw):
    expect_match(ok(raw, "STATUS INBOX (SIZE)")[0], r"SIZE \d+")


def cap_sort(raw):
    ok(raw, "SELECT INBOX")
    expect_match(ok(raw, "UID SORT (REVERSE DATE SUBJECT) UTF-8 ALL")[0],
                 r"^\* SORT")


def cap_sort_display(raw):
    ok(raw, "SELECT INBOX")
    expect_match(ok(raw, "UID SORT (DISPLAYFROM) US-ASCII ALL")[0],
                 r"^\* SORT")


def cap_esort(raw):
    ok(raw, "SELECT INBOX")
    expect_match(ok(raw, "SORT RETURN (COUNT ALL) (DATE) UTF-8 ALL")[0],
                 r"^\* ESEARCH .*COUNT")


def cap_esearch(raw):
    ok(raw, "SELECT INBOX")
    lines = ok(raw, "UID SEARCH RETURN (MIN MAX COUNT ALL) ALL")
    expect_match(lines[0], r"^\* ESEARCH \(TAG \"t\d+\"\) UID .*COUNT \d+")


def cap_searchres(raw):
    ok(raw, "SELECT INBOX")
    ok(raw, "SEARCH RETURN (SAVE) ALL")
    ok(raw, "FETCH $ (FLAGS)")


def cap_within(raw):
    ok(raw, "SELECT INBOX")
    ok(raw, "SEARCH YOUNGER 1000")


def cap_idle(raw):
    ok(raw, "SELECT INBOX")
    raw.send(b"i IDLE\r\n")
    expect(raw.line()[:1], b"+")
    raw.send(b"DONE\r\n")
    expect_match(raw.tagged("i")[-1], "^i OK")


def cap_enable(raw):
    expect_match("\n".join(ok(raw, "ENABLE X-UNKNOWN")), "ENABLED|OK")


def cap_status_deleted(raw):
    expect_match(ok(raw, "STATUS INBOX (DELETED)")[0], r"DELETED \d+")


def cap_condstore(raw):
    """RFC 7162 3.1.8, 3.1.4.1"""
    text = "\n".join(ok(raw, "SELECT INBOX (CONDSTORE)"))
    expect_match(text, r"\* OK \[HIGHESTMODSEQ [1-9]\d*\]")
    ok(raw, "FETCH 1:* (FLAGS) (CHANGEDSINCE 1)")


def cap_qresync(raw):
    """What Roundcube does with its cache on, in this order."""
    expect_match(ok(raw, "ENABLE QRESYNC")[0], r"^\* ENABLED .*QRESYNC")
    text = "\n".join(ok(raw, "SELECT INBOX"))
    modseq = re.search(r"HIGHESTMODSEQ (\d+)", text).group(1)
    lines = ok(raw, f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq} VANISHED)")
    expect(lines[:-1], [])
    expect_match(ok(raw, "STATUS INBOX (HIGHESTMODSEQ)")[0],
                 rf"HIGHESTMODSEQ {modseq}\)")
    uidvalidity = re.search(r"UIDVALIDITY (\d+)", text).group(1)
    text = "\n".join(ok(raw, f"SELECT INBOX (QRESYNC ({uidvalidity} "
                             f"{modseq}))"))
    expect_match(text, r"\* OK \[CLOSED\]")


def cap_savedate(raw):
    ok(raw, "SELECT INBOX")
    ok(raw, "FETCH 1:* (SAVEDATE)")
    ok(raw, "SEARCH SAVEDATESUPPORTED SAVEDSINCE 1-Jan-2020")


def cap_objectid(raw):
    """RFC 8474: the same names by each way."""
    made = re.search(r"\[MAILBOXID \((\S+)\)\]",
                     ok(raw, "CREATE objectid")[-1]).group(1)
    expect_match("\n".join(ok(raw, "SELECT objectid")),
                 rf"\[MAILBOXID \({made}\)\]")
    expect_match(ok(raw, "STATUS objectid (MAILBOXID)")[0],
                 rf"\(MAILBOXID \({made}\)\)")
    ok(raw, "SELECT INBOX")
    ok(raw, "FETCH 1:* (EMAILID THREADID)")
    ok(raw, "SEARCH NOT EMAILID M1 NOT THREADID T1")
    ok(raw, "DELETE objectid")


def cap_imap4rev1(raw):
    ok(raw, "NOOP")


def cap_imap4rev2(raw):
    """RFC 9051 E: nothing of it before ENABLE; then ESEARCH, LIST with SELECT,
    UTF-8 names, no RECENT in any place, CLOSED."""
    ask(raw, "DELETE Rev2")
    ok(raw, "CREATE Rev2")
    append(raw, "Rev2", message()[1])
    text = "\n".join(ok(raw, "SELECT Rev2"))
    expect_match(text, r"\* \d+ RECENT$")
    expect_true("* LIST" not in text, text)
    expect_match(ok(raw, "SEARCH ALL")[0], r"^\* SEARCH 1$")
    expect_match(ok(raw, "ENABLE IMAP4rev2")[0], r"^\* ENABLED IMAP4rev2$")
    text = "\n".join(ok(raw, "SELECT Rev2"))
    expect_match(text, r"^\* OK \[CLOSED\]")
    expect_match(text, r'^\* LIST \(.*\) "/" Rev2$')
    for item in ("FLAGS (", "1 EXISTS", "OK [PERMANENTFLAGS ",
                 "OK [UIDNEXT ", "OK [UIDVALIDITY "):
        expect_true(f"* {item}" in text, item)
    append(raw, "Rev2", message()[1])
    text += "\n".join(ok(raw, "NOOP") + ok(raw, "FETCH 1:2 (FLAGS)"))
    for gone in ("RECENT", "Recent", "[UNSEEN"):
        expect_true(gone not in text, f"{gone}: {text}")
    expect_match(ok(raw, "SEARCH ALL")[0],
                 r'^\* ESEARCH \(TAG "t\d+"\) ALL 1:2$')
    expect_match(ok(raw, "UID SEARCH SEEN")[0],
                 r'^\* ESEARCH \(TAG "t\d+"\) UID$')
    ok(raw, "SEARCH RETURN (SAVE) ALL")
    ok(raw, "FETCH $ (FLAGS)")
    expect_match(ok(raw, "STATUS Rev2 (MESSAGES DELETED SIZE)")[0],
                 r"MESSAGES 2 SIZE \d+ DELETED 0\)")
    ask(raw, 'DELETE "Caf\u00e9"')
    ok(raw, 'CREATE "Caf\u00e9"')
    expect_true('"Caf\u00e9"' in ok(raw, 'LIST "" "Caf\u00e9"')[0], "LIST")
    expect_match("\n".join(ok(raw, 'SELECT "Caf\u00e9"')),
                 '^\\* LIST \\(\\) "/" "Caf\u00e9"$')


def cap_appendlimit(raw):
    """RFC 7889 2, 4: what passes the limit is NO [TOOBIG]."""
    line = ok(raw, "CAPABILITY")[0]
    limit = int(re.search(r"APPENDLIMIT=(\d+)", line).group(1))
    expect_match(ask(raw, f"APPEND INBOX {{{limit + 1}}}")[-1],
                 r"^t\d+ NO \[TOOBIG\]")


def cap_tested_elsewhere(raw):
    """imap_append.py, imap_compress.py: the examples of the RFC."""


def cap_none(raw):
    """Told before a login only."""


def cap_thread(raw):
    ok(raw, "SELECT INBOX")
    expect_match(ok(raw, "UID THREAD REFERENCES UTF-8 ALL")[0],
                 r"^\* THREAD")


def cap_thread_ordered(raw):
    ok(raw, "SELECT INBOX")
    expect_match(ok(raw, "THREAD ORDEREDSUBJECT UTF-8 ALL")[0],
                 r"^\* THREAD")


def cap_thread_refs(raw):
    ok(raw, "SELECT INBOX")
    expect_match(ok(raw, "UID THREAD REFS US-ASCII ALL")[0],
                 r"^\* THREAD")


def cap_partial(raw):
    """RFC 9394"""
    ok(raw, "SELECT INBOX")
    expect_match(ok(raw, "UID SEARCH RETURN (PARTIAL -1:-10) ALL")[0],
                 r"^\* ESEARCH .*UID PARTIAL \(-1:-10 ")
    ok(raw, "UID FETCH 1:* (UID) (PARTIAL -1:-2)")


def cap_i18nlevel(raw):
    """RFC 5255 4.3: i;unicode-casemap, where fullwidth a is A."""
    append(raw, "Drafts", message("=?utf-8?q?=EF=BD=81bc_=CE=A3?=",
                                  "x\r\n")[1])
    ok(raw, "SELECT Drafts")
    text = "ABC \u03c2".encode()
    raw.send(b"i SEARCH CHARSET UTF-8 SUBJECT {%d}\r\n" % len(text))
    expect(raw.line()[:1], b"+")
    raw.send(text + b"\r\n")
    expect_match(raw.tagged("i")[0], r"^\* SEARCH .*\d")


CAPABILITIES = {
    "IMAP4REV1": cap_imap4rev1, "IMAP4REV2": cap_imap4rev2, "LITERAL+": cap_literal_plus,
    "SASL-IR": cap_sasl_ir, "ID": cap_id, "NAMESPACE": cap_namespace,
    "UIDPLUS": cap_uidplus, "MOVE": cap_move, "UNSELECT": cap_unselect,
    "CHILDREN": cap_children, "LIST-EXTENDED": cap_list_extended,
    "LIST-STATUS": cap_list_status, "SPECIAL-USE": cap_special_use,
    "CREATE-SPECIAL-USE": cap_create_special_use, "QUOTA": cap_quota,
    "QUOTA=RES-STORAGE": cap_quota_res_storage,
    "QUOTA=RES-MESSAGE": cap_quota_res_message,
    "UTF8=ACCEPT": cap_utf8_accept, "STATUS=SIZE": cap_status_size, "SORT": cap_sort,
    "SORT=DISPLAY": cap_sort_display, "ESORT": cap_esort,
    "ESEARCH": cap_esearch, "SEARCHRES": cap_searchres,
    "WITHIN": cap_within, "IDLE": cap_idle, "ENABLE": cap_enable,
    "STATUS=DELETED": cap_status_deleted, "CONDSTORE": cap_condstore,
    "QRESYNC": cap_qresync, "SAVEDATE": cap_savedate,
    "OBJECTID": cap_objectid,
    "MULTIAPPEND": cap_tested_elsewhere, "CATENATE": cap_tested_elsewhere,
    "COMPRESS=DEFLATE": cap_tested_elsewhere,
    "REPLACE": cap_tested_elsewhere, "BINARY": cap_tested_elsewhere,
    "THREAD=REFERENCES": cap_thread,
    "THREAD=ORDEREDSUBJECT": cap_thread_ordered,
    "THREAD=REFS": cap_thread_refs, "PARTIAL": cap_partial,
    "I18NLEVEL=1": cap_i18nlevel, "AUTH=PLAIN": cap_none,
    "METADATA": cap_metadata, "PREVIEW": cap_preview,
    "INPROGRESS": cap_tested_elsewhere, "NOTIFY": cap_tested_elsewhere,
    "LIST-METADATA": cap_list_metadata,
    "AUTH=LOGIN": cap_none, "STARTTLS": cap_none,
}
ROUNDCUBE = {"IMAP4REV1", "LITERAL+", "SASL-IR", "ID", "NAMESPACE",
             "UIDPLUS", "MOVE", "UNSELECT", "CHILDREN", "LIST-EXTENDED",
             "LIST-STATUS", "SPECIAL-USE", "CREATE-SPECIAL-USE", "QUOTA",
             "STATUS=SIZE", "SORT", "SORT=DISPLAY", "ESEARCH", "IDLE",
             "ENABLE", "CONDSTORE", "QRESYNC", "METADATA"}


@scenario
def capabilities_are_honest(lab):
    with session(lab) as raw:
        line = ok(raw, "CAPABILITY")[0]
    told = {word.upper() for word in line.split()[2:]}
    told_base = {w.split("=")[0] if w.startswith("APPENDLIMIT") else w
                 for w in told}
    for missing in sorted(ROUNDCUBE - told_base):
        raise Failed(f"{missing} is not announced: {line}")
    faults = []
    for name in sorted(told_base):
        check = CAPABILITIES.get(name)
        if name == "APPENDLIMIT":
            check = cap_appendlimit
        if check is None:
            faults.append(f"{name} is announced, but no test knows it")
            continue
        with session(lab) as raw:
            try:
                check(raw)
            except (Failed, IndexError) as error:
                faults.append(f"{name}: {error}")
    expect(faults, [], "announced and not whole")


@scenario
def greeting_and_login_tell_the_same(lab):
    """Roundcube trusts the list that comes with the login."""
    with lab.mta1.raw("imap") as raw:
        raw.line()
        raw.tagged("a", "STARTTLS")
        raw.start_tls(lab.mta1.tls())
        line = raw.tagged("b", f"LOGIN {USER1} password123")[-1]
        told = re.search(r"\[CAPABILITY ([^\]]+)\]", line)
        expect_true(told, line)
        asked = raw.tagged("c", "CAPABILITY")[0]
        expect(set(told.group(1).split()), set(asked.split()[2:]))


@scenario
def authenticate_mechanisms(lab):
    plain = base64.b64encode(f"\0{USER1}\0password123".encode()).decode()
    for command, rest in (
            (f"AUTHENTICATE PLAIN {plain}", []),
            ("AUTHENTICATE PLAIN", [plain]),
            ("AUTHENTICATE LOGIN",
             [base64.b64encode(x.encode()).decode()
              for x in (USER1, "password123")])):
        with lab.mta1.raw("imap") as raw:
            raw.line()
            raw.tagged("a", "STARTTLS")
            raw.start_tls(lab.mta1.tls())
            raw.send(f"b {command}\r\n".encode())
            for text in rest:
                expect(raw.line()[:1], b"+", command)
                raw.send(text.encode() + b"\r\n")
            expect_match(raw.tagged("b")[-1], "^b OK", command)


@scenario
def names_in_every_spelling(lab):
    """Modified UTF-7, spaces, quotes; and what is refused (I09)."""
    with session(lab) as raw:
        sep = separator(raw)
        for name in ('"Entw&APw-rfe &- mehr"', '"a b"', '"quo\\"te"',
                     f'"deep{sep}er{sep}est"'):
            ask(raw, f"DELETE {name}")
            ok(raw, f"CREATE {name}")
            ok(raw, f"SUBSCRIBE {name}")
            expect_true(any(name.strip('"')[:4] in x for x in
                            ok(raw, f"LIST \"\" {name}")), name)
            ok(raw, f"STATUS {name} (MESSAGES)")
            ok(raw, f"UNSUBSCRIBE {name}")
            ok(raw, f"DELETE {name}")
        for name in ('".."', '"a/../../b"', '"&Jjo"', '"."', '""',
                     '"&AC8-"', '"' + "x" * 300 + '"', '"inbox"',
                     '"&AAA-"', f'"a{sep}{sep}b"'):
            expect_match(ask(raw, f"CREATE {name}")[-1], r"^t\d+ (NO|BAD)",
                         name)
        ok(raw, "SELECT iNbOx")


@scenario
def hostile_commands_do_no_harm(lab):
    """I01 to I05: bounded answers, and the server lives."""
    with session(lab) as raw:
        ok(raw, "SELECT INBOX")
        for command in (
                "SEARCH " + "NOT " * 5000 + "ALL",
                "SEARCH " + "(" * 3000 + "ALL" + ")" * 3000,
                "FETCH 1 (BODY[" + "1." * 3000 + "1])",
                "FETCH 0 FLAGS", "FETCH 4294967296 FLAGS",
                "UID FETCH 4294967295:4294967294 FLAGS",
                'LIST "" "' + "%*" * 500 + '"',
                "STORE 1 +FLAGS (" + "k" * 500 + ")",
                "APPEND INBOX {99999999999999999999}",
                "APPEND INBOX {-1}", "XYZZY", "FETCH", "SELECT",
                "FETCH 1 (BODY[]<4294967295.4294967295>)"):
            began = given()
            try:
                lines = ask(raw, command)
            except (Failed, OSError):
                raw.close()
                raw = session(lab)
                ok(raw, "SELECT INBOX")
                continue
            expect_true(given() - began < 2, command[:60])
            expect_match(lines[-1], r"^(t\d+|\*) (OK|NO|BAD|BYE)",
                         command[:60])
    with lab.mta1.raw("imap") as raw:
        raw.line()
        raw.send(b"a LOGIN {1000000}\r\n")
        expect_true(not raw.line().startswith(b"+"),
                    "a megabyte before the login")
    expect_true(lab.mta1.is_ready(), "the host lives")


@scenario
def two_sessions_see_each_other(lab):
    with fresh(lab, "Shared", 3) as a, session(lab) as b:
        ok(b, "SELECT Shared")
        ok(a, "STORE 2 +FLAGS (\\Flagged)")
        expect_match("\n".join(ok(b, "NOOP")), r"\* 2 FETCH .*\\Flagged")
        ok(a, "STORE 1 +FLAGS (\\Deleted)")
        expect_match("\n".join(ok(a, "EXPUNGE")), r"\* 1 EXPUNGE")
        # Sequence numbers must not move within FETCH, STORE and SEARCH.
        # RFC 2180 section 4.1: answer from memory, or NO.
        lines = ask(b, "FETCH 1:3 (UID)")
        expect_match(lines[-1], r"^t\d+ (OK|NO \[EXPUNGEISSUED\])")
        expect_true(not any("EXPUNGE" in x for x in lines), f"{lines}")
        expect_match("\n".join(ok(b, "NOOP")), r"\* 1 EXPUNGE")
        append(a, "Shared", message()[1])
        expect_match("\n".join(ok(b, "NOOP")), r"\* 3 EXISTS")


@scenario
def search_finds_what_python_finds(lab):
    subjects = ["alpha", "Beta", "gamma beta", "=?utf-8?q?Gr=C3=BC=C3=9Fe?="]
    with fresh(lab, "Search") as raw:
        for subject in subjects:
            append(raw, "Search", message(subject, f"text of {subject}\r\n")
                   [1])
        ok(raw, "NOOP")
        for key, want in (("SUBJECT beta", [2, 3]), ("BODY alpha", [1]),
                          ("NOT SUBJECT beta", [1, 4]),
                          ("OR SUBJECT alpha SUBJECT gamma", [1, 3]),
                          ("TEXT nothere", []), ("SEEN", []),
                          ("2:3 UNSEEN", [2, 3]), ("LARGER 1", [1, 2, 3, 4]),
                          ("SINCE 1-Jan-2000", [1, 2, 3, 4]),
                          ("HEADER Subject gamma", [3]),
                          ("SENTON 31-Jan-2026", [1, 2, 3, 4]),
                          ("UID 1:* SUBJECT alpha", [1])):
            lines = ok(raw, f"SEARCH {key}")
            got = [int(x) for line in lines if line.startswith("* SEARCH")
                   for x in line.split()[2:]]
            expect(got, want, key)
        text = "Grüße".encode()
        raw.send(b"u SEARCH CHARSET UTF-8 SUBJECT {%d}\r\n" % len(text))
        expect(raw.line()[:1], b"+")
        raw.send(text + b"\r\n")
        expect(raw.tagged("u")[0], "* SEARCH 4", "encoded word")


@scenario
def uids_live_through_restarts(lab):
    """Same UIDs, UIDVALIDITY, flags after a stop and after kill -9."""
    with fresh(lab, "Stable", 5) as raw:
        ok(raw, "STORE 2 +FLAGS (\\Flagged $Label1)")
        ok(raw, "STORE 5 +FLAGS (\\Deleted)")
        ok(raw, "EXPUNGE")

    def look():
        with session(lab) as raw:
            lines = ok(raw, "SELECT Stable")
            uv = re.search(r"UIDVALIDITY (\d+)", "\n".join(lines)).group(1)
            after = re.search(r"UIDNEXT (\d+)", "\n".join(lines)).group(1)
            rows = [re.sub(r"\\Recent ?", "", x) for x in
                    ok(raw, "FETCH 1:* (UID FLAGS RFC822.SIZE)")[:-1]]
            return uv, int(after), rows
    before = look()
    expect(len(before[2]), 4)
    expect_true(before[1] >= 6, f"UIDNEXT {before[1]}")
    lab.mta1.stop()
    lab.mta1.start()
    expect(look(), before, "after a stop")
    lab.mta1.kill()
    lab.mta1.start()
    expect(look(), before, "after kill -9")
    with session(lab) as raw:
        line = append(raw, "Stable", message()[1])[-1]
        uid = int(re.search(r"APPENDUID \d+ (\d+)", line).group(1))
        expect_true(uid >= before[1], f"UID {uid} was given before")


@scenario
def delivered_mail_shows_without_reselect(lab):
    with session(lab, USER2) as raw:
        ok(raw, "SELECT INBOX")
        message_id, content = message(recipient=USER2)
        lab.mta1.submit(USER1, USER2, content)
        lab.mta1.wait_mail(USER2, message_id)

        def look():
            return any("EXISTS" in x for x in ok(raw, "NOOP"))
        wait_for("EXISTS", look, 3)


@scenario
def folders_that_others_named_in_utf_8(lab):
    """A tree of Dovecot with ":UTF-8": its directories are read, kept, and what
    is made beside them is written the same way. One that is no modified UTF-7
    can be read, too."""
    host = lab.mta1
    home = host.maildir(USER1)
    mark = re.compile("[&üäÄ]")

    def directories():
        return {name for name in os.listdir(home) if mark.search(name)}

    def plant(name):
        for part in ("", "cur", "new", "tmp"):
            os.mkdir(os.path.join(home, name, part))
            os.chown(os.path.join(home, name, part), owner.st_uid,
                     owner.st_gid)
        path = os.path.join(home, name, "cur", "1700000000.M1P1.x:2,S")
        with open(path, "wb") as file:
            file.write(f"Subject: {name}\n\nx\n".encode())
        os.chown(path, owner.st_uid, owner.st_gid)

    def has_one(raw, name):
        expect_true("* 1 EXISTS" in ok(raw, f"SELECT {name}"), name)

    host.imap(USER1).logout()  # makes them
    owner = os.stat(home)
    before = directories()
    for name in (".Entwürfe", ".Entwürfe.Ärger", ".R&D"):
        plant(name)
    with open(os.path.join(home, "subscriptions"), "a") as file:
        file.write("Entwürfe\tÄrger\n")
    with session(lab) as raw:
        names = {line.rsplit(" ", 1)[1] for line in ok(raw, 'LIST "" "*"')}
        for name in ("Entw&APw-rfe", "Entw&APw-rfe/&AMQ-rger", "R&-D"):
            expect_true(name in names, (name, names))
            has_one(raw, name)
        ok(raw, "SELECT INBOX")
        expect_match(ask(raw, "CREATE Entw&APw-rfe")[-1], "ALREADYEXISTS")
        ok(raw, "CREATE Entw&APw-rfe/gr&APw-n")
        ok(raw, "RENAME Entw&APw-rfe/&AMQ-rger Entw&APw-rfe/m&APw-de")
        ok(raw, "RENAME R&-D R&-E")
        expect(directories() - before, {".Entwürfe", ".Entwürfe.grün",
                                        ".Entwürfe.müde", ".R&E"})
        ok(raw, "SUBSCRIBE Entw&APw-rfe/gr&APw-n")
        expect_match("".join(ok(raw, 'LSUB "" "*"')),
                     "Entw&APw-rfe/gr&APw-n")
        with open(os.path.join(home, "subscriptions")) as file:
            expect_true("Entwürfe\tgrün\n" in file.read(), "as Dovecot has it")
        expect_match("".join(ok(raw, 'LSUB "" "*"')),
                     "Entw&APw-rfe/&AMQ-rger")
        ok(raw, "UNSUBSCRIBE Entw&APw-rfe/&AMQ-rger")
        ok(raw, "UNSUBSCRIBE Entw&APw-rfe/gr&APw-n")
        ok(raw, "RENAME Entw&APw-rfe Skizzen")
        expect(directories() - before, {".Skizzen.grün", ".Skizzen.müde",
                                        ".R&E"})
        has_one(raw, "Skizzen/m&APw-de")
        ok(raw, "SELECT INBOX")
        for name in ("Skizzen/gr&APw-n", "Skizzen/m&APw-de", "Skizzen", "R&-E"):
            ok(raw, f"DELETE {name}")
        ok(raw, "CREATE &AMQ-rger")
        expect(directories() - before, {".&AMQ-rger"})
        ok(raw, "DELETE &AMQ-rger")


if __name__ == "__main__":
    main(hosts=1)
