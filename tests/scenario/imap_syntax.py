#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is legal by the ABNF of RFC 3501, 9051 and the extensions, however odd, is
taken; what no ABNF has, and what a MUST forbids, is BAD. And the checker that all
scenarios of IMAP listen with (tests/model/imap_watch.py) refuses what it should."""

import re

from frame import expect, expect_match, expect_true, main, message, scenario
from frame_imap import append, ask, fresh, play
from imap_watch import Watch, faults

MAIL = (b"From: A Person <a@example.org>\r\nTo: b@example.org\r\n"
        b"Subject: one\r\nDate: Fri, 1 Mar 2024 10:00:00 +0000\r\n"
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n"
        b"\r\n--x\r\n\r\nfirst\r\n--x\r\nContent-Type: message/rfc822\r\n\r\n"
        b"Subject: inner\r\n\r\ninner body\r\n--x--\r\n")

# {{text}} is a literal that waits for its "+", {{+text}} one that does not.
LEGAL = r"""
fEtCh 1 fAsT
FETCH 1 ALL
FETCH 1 FULL
FETCH 1 FLAGS
FETCH 1 (FLAGS)
FETCH * UID
FETCH *:* UID
FETCH *:1 UID
FETCH 2,4:3,1 UID
FETCH 1,1,1 UID
FETCH 01:002 UID
UID FETCH 1:* UID
UID FETCH 999999 FLAGS
UID FETCH 4294967295 FLAGS
UID FETCH 999999:* FLAGS
uid fetch 1 (uid FLAGS)
FETCH 1 (UID UID)
FETCH 1 BODY[HEADER.FIELDS ("quoted" atom {{From}} "a \" b")]
FETCH 1 BODY[HEADER.FIELDS ({{+To}} {{+}})]
FETCH 1 body.peek[header.fields.not (to)]
FETCH 1 (BODY[HEADER.FIELDS (To From)] BODY[HEADER.FIELDS (From To)])
FETCH 1 BODY[]<0.1>
FETCH 1 BODY[]<99999.1>
FETCH 1 BODY[]<0.4294967295>
FETCH 1 BODY[]<0.9223372036854775807>
FETCH 1 BODY[]<9223372036854775807.9223372036854775807>
FETCH 1 BODY.PEEK[2.HEADER]<1.3>
FETCH 1 BODY[1.MIME]
FETCH 1 BODY[2.1]
FETCH 1 BODY[2.TEXT]
FETCH 1 BODY[2.HEADER.FIELDS (Subject)]
FETCH 1 BODY[9.9.9]
FETCH 1 (BODY[] BODY[TEXT] BODY[HEADER] BODY[1] BODY[1]<0.2> BODY[1]<2.2>)
FETCH 1 (RFC822 RFC822.HEADER RFC822.TEXT RFC822.SIZE)
FETCH 1 (BODY BODYSTRUCTURE ENVELOPE INTERNALDATE)
FETCH 1 BINARY[]
FETCH 1 BINARY.PEEK[1]<0.2>
FETCH 1 BINARY.SIZE[1]
FETCH 1 BINARY.SIZE[]
FETCH 1 (EMAILID THREADID SAVEDATE PREVIEW)
FETCH 1 (PREVIEW (LAZY))
FETCH 1 PREVIEW (LAZY)
FETCH 1 MODSEQ
FETCH 1 FLAGS (CHANGEDSINCE 1)
FETCH 1 (FLAGS) (changedsince 9223372036854775807)
STORE 1 FLAGS ()
STORE 1 FLAGS \Seen
STORE 1 +FLAGS \Seen \Draft
STORE 1 -flags.silent (\sEEn)
STORE 1 flags.SILENT ($Forwarded $MDNSent [gmail)
STORE 1 (UNCHANGEDSINCE 0) +FLAGS.SILENT (\Flagged)
STORE 1:2 FLAGS (a-keyword:with=other/chars!#$&'+,-.<>?@^_`|}~)
UID STORE 999999 +FLAGS (\Seen)
SEARCH ALL
sEaRcH aLl
SEARCH CHARSET UTF-8 ALL
SEARCH CHARSET "utf-8" SUBJECT {{+é}}
SEARCH CHARSET {{us-ascii}} ALL
SEARCH RETURN () ALL
search return (all min max count) all
SEARCH RETURN (COUNT) CHARSET UTF-8 ALL
SEARCH RETURN (SAVE) ALL
SEARCH $
SEARCH UID $
FETCH $ UID
UID FETCH $ FLAGS
SEARCH RETURN (PARTIAL -1:-5) ALL
SEARCH RETURN (PARTIAL 1:2 COUNT) ALL
SEARCH 1:*
SEARCH *
SEARCH UID *
SEARCH UID 1:*,4
SEARCH (SEEN) (UNSEEN)
SEARCH ((ALL))
SEARCH (ALL (NOT (SEEN)))
SEARCH NOT NOT ALL
SEARCH OR SEEN OR UNSEEN OR NEW OLD
SEARCH RECENT
SEARCH BEFORE 1-Jan-2030
SEARCH BEFORE "1-Jan-2030"
SEARCH ON 01-jAN-2030
SEARCH SENTSINCE "01-Feb-1994" SENTBEFORE 9-Dec-2099
SEARCH SENTON 29-Feb-2024 SINCE 1-Jan-1970
SEARCH LARGER 0 SMALLER 4294967295
SEARCH LARGER 4294967296
SEARCH SMALLER 9223372036854775807
SEARCH KEYWORD $x UNKEYWORD y
SEARCH HEADER "Subject" ""
SEARCH HEADER {{Subject}} {{}}
SEARCH HEADER subject {{+one}}
SEARCH SUBJECT {{}}
SEARCH TEXT "" BODY ""
SEARCH FROM a TO b CC c BCC d
SEARCH FROM NIL
SEARCH MODSEQ 0
SEARCH MODSEQ "/flags/\\draft" all 1
SEARCH MODSEQ "/flags/\\Seen" priv 1
SEARCH MODSEQ "/flags/$x" shared 1
SEARCH EMAILID M0000 THREADID T0
SEARCH SAVEDBEFORE 1-Jan-2030 SAVEDSINCE 1-Jan-2000 SAVEDON 1-Jan-2001
SEARCH SAVEDATESUPPORTED
SEARCH OLDER 1 YOUNGER 4294967295
SORT (DATE) UTF-8 ALL
sort (reverse date SUBJECT reverse From size to cc arrival) us-ascii all
SORT (DISPLAYFROM DISPLAYTO) "UTF-8" ALL
SORT RETURN (COUNT) (DATE) US-ASCII ALL
UID SORT RETURN () (SIZE) UTF-8 1:*
THREAD references us-ascii ALL
UID THREAD ORDEREDSUBJECT UTF-8 SUBJECT one
LIST "" ""
LIST {{}} {{*}}
LIST {{+}} {{+}}
LIST "" %
LIST INBOX ""
LIST "" inbox
LIST "" (INBOX "Sent*" %)
LIST "" ("" "*")
LIST () "" "*"
LIST "" "*" RETURN ()
LIST (SUBSCRIBED) "" "*"
list (subscribed recursivematch) "" * return (children subscribed special-use)
LIST (REMOTE) "" "*"
LIST (SPECIAL-USE) "" "*"
LIST (SUBSCRIBED REMOTE SPECIAL-USE) "" "*"
LIST "" "*" RETURN (STATUS (MESSAGES UIDNEXT) CHILDREN)
LIST "" "*" RETURN (STATUS (SIZE DELETED HIGHESTMODSEQ MAILBOXID APPENDLIMIT))
LIST "" "*" RETURN (METADATA (/private/comment))
LIST "" Sent]
LSUB "" *
LSUB "" ""
STATUS {{INBOX}} (messages)
STATUS "iNBOX" (UIDNEXT UIDVALIDITY UNSEEN RECENT)
STATUS {{+INBOX}} (SIZE DELETED DELETED-STORAGE HIGHESTMODSEQ)
ENABLE X-UNKNOWN
ENABLE condstore CONDSTORE
ID NIL
ID ()
ID ("name" NIL)
ID ({{name}} {{+x}} "" "")
id nil
NAMESPACE
CHECK
NOOP
CAPABILITY
GETQUOTAROOT inbox
GETQUOTAROOT {{INBOX}}
GETMETADATA INBOX /private/comment
GETMETADATA INBOX "/private/comment"
GETMETADATA (DEPTH 1) "" (/private/comment /shared/comment)
GETMETADATA (MAXSIZE 10 DEPTH infinity) INBOX ({{/private/comment}})
SETMETADATA INBOX (/private/comment {{x y}})
SETMETADATA INBOX (/private/comment ~{{+x}})
SETMETADATA INBOX (/PRIVATE/COMMENT "a" /private/other NIL)
SETMETADATA INBOX (/private/comment NIL)
NOTIFY NONE
notify set (selected (messagenew (uid) messageexpunge))
NOTIFY SET STATUS (INBOXES (MessageNew MessageExpunge))
NOTIFY SET (PERSONAL NONE)
NOTIFY SET (MAILBOXES INBOX (MessageNew MessageExpunge))
NOTIFY SET (SUBTREE ("INBOX" {{Odd}}) (MessageNew MessageExpunge FlagChange))
NOTIFY NONE
COPY 1 {{Odd}}
UID COPY 999999 Odd
UID MOVE 999999 Odd
UID EXPUNGE 999999
SUBSCRIBE {{Odd}}
UNSUBSCRIBE "Odd"
SUBSCRIBE inbox
UNSUBSCRIBE INBOX
COPY *:* Odd
SELECT {{Odd}}
SELECT Odd (CONDSTORE)
examine "Odd" (condstore)
SELECT {{+Odd}}
"""

ILLEGAL = r"""
FETCH 1
FETCH 1 ()
FETCH 1 (FLAGS
FETCH 1 FLAGS)
FETCH 1 FLAGS UID
FETCH 1 (FLAGS  UID)
FETCH 1  FLAGS
FETCH 0 FLAGS
FETCH 1: FLAGS
FETCH :1 FLAGS
FETCH 1, FLAGS
FETCH 4294967296 FLAGS
UID FETCH 0 FLAGS
FETCH 1 NONSENSE
FETCH 1 BODY[MIME]
FETCH 1 BODY[0]
FETCH 1 BODY[1.]
FETCH 1 BODY[.1]
FETCH 1 BODY[HEADER.FIELDS]
FETCH 1 BODY[HEADER.FIELDS ()]
FETCH 1 BODY[HEADER.FIELDS (a]
FETCH 1 BODY[]<0>
FETCH 1 BODY[]<0.0>
FETCH 1 BODY[]<0.1
FETCH 1 BODY[
FETCH 1 BINARY[TEXT]
FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)
UID FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)
FETCH 1 FLAGS (VANISHED)
FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775808)
STORE 1 FLAGS
STORE 1 FLAGS (\*)
STORE 1 FLAGS (\Nonsense)
STORE 1 FLAGS (a  b)
STORE 1 FLAGS ("a")
STORE 1 FLAG (a)
STORE 1 +FLAGS (a(b))
STORE 1 (UNCHANGEDSINCE) FLAGS (a)
SEARCH
SEARCH NOT
SEARCH OR ALL
SEARCH ()
SEARCH (ALL
SEARCH ALL)
SEARCH NONSENSE
SEARCH BEFORE 32-Jan-2020
SEARCH BEFORE 1-Foo-2020
SEARCH BEFORE 1-Jan-20
SEARCH BEFORE " 1-Jan-2020"
SEARCH LARGER -1
SEARCH LARGER 9223372036854775808
SEARCH LARGER a
SEARCH UID 0
SEARCH HEADER Subject
SEARCH RETURN ALL
SEARCH RETURN (NONSENSE) ALL
SEARCH RETURN (PARTIAL 1:2 ALL) ALL
SEARCH RETURN (PARTIAL 0:2) ALL
SEARCH RETURN (PARTIAL 1:-2) ALL
SEARCH OLDER 0
SORT () UTF-8 ALL
SORT (REVERSE) UTF-8 ALL
SORT (REVERSE REVERSE DATE) UTF-8 ALL
SORT (NONSENSE) UTF-8 ALL
SORT (DATE) UTF-8
THREAD NONSENSE UTF-8 ALL
THREAD REFERENCES UTF-8
LIST
LIST ""
LIST "" *  
LIST "" ()
LIST (NONSENSE) "" *
LIST (RECURSIVEMATCH) "" *
LIST (REMOTE RECURSIVEMATCH) "" *
LIST "" * RETURN
LIST "" * RETURN (NONSENSE)
LIST "" * RETURN (STATUS)
LIST "" * RETURN (STATUS ())
LSUB "" (a b)
STATUS INBOX
STATUS INBOX MESSAGES
STATUS INBOX (NONSENSE)
STATUS INBOX (MESSAGES) x
CREATE a b
CREATE a ()
DELETE a b
RENAME a
RENAME a b c
COPY 1
COPY 1 a b
EXPUNGE 1
UID EXPUNGE
UID NOOP
UID SELECT INBOX
UID
CLOSE x
NOOP x
CAPABILITY x
LOGOUT x
LOGIN a b
AUTHENTICATE PLAIN
STARTTLS
ENABLE
ENABLE ()
ID
ID ("name")
ID (name "x")
ID (NIL "x")
IDLE x
NAMESPACE x
UNAUTHENTICATE
GETMETADATA INBOX
GETMETADATA INBOX /nonsense/x
GETMETADATA INBOX /private/a*
GETMETADATA INBOX /private/
GETMETADATA INBOX ()
GETMETADATA (DEPTH 2) INBOX /private/a
SETMETADATA INBOX ()
SETMETADATA INBOX (/private/a)
SETMETADATA INBOX /private/a "x"
SETMETADATA INBOX (/private/a atom)
NOTIFY
NOTIFY SET
NOTIFY SET (SELECTED (MessageNew))
NOTIFY SET (PERSONAL (MessageNew))
NOTIFY SET (SELECTED (FlagChange))
NOTIFY SET (PERSONAL (FlagChange))
NOTIFY SET (SELECTED-DELAYED NONE) (SELECTED NONE)
APPEND INBOX
APPEND INBOX "text"
APPEND INBOX (\Seen) (\Draft) {{x}}
APPEND INBOX "01-Jan-2000 00:00:00" {{+x}}
APPEND INBOX "01-Jan-2000 25:00:00 +0000" {{+x}}
APPEND INBOX "31-Foo-2000 00:00:00 +0000" {{+x}}
COMPRESS
COMPRESS DEFLATE x
"""

# What a server said, and what is wrong with it: octets, or after what the client
# has sent. "C: " and "S: " lines; \\x.. are octets.
REFUSED = (
    ("8 bit in a quoted string", r'S: * LIST () "/" "\xc3\xa9"'),
    ("NUL in a quoted string", r'S: * LIST () "/" "a\x00"'),
    ("NUL in a literal", r'S: * LIST () "/" {1}', r"S: \x00"),
    ("LF in a line", r"S: * OK a\x0ab"),
    ("CR in a quoted string", r'S: * LIST () "/" "a\x0db"'),
    ("a bad escape", r'S: * LIST () "/" "a\x5cb"'),
    ("two spaces", r"S: * LIST ()  NIL a"),
    ("a trailing space", r"S: * SEARCH 1 "),
    ("a space in a list", r"S: * FLAGS (\x5cSeen )"),
    ("no text", r"S: * OK "),
    ("a code without its text", r"S: * OK [ALERT]"),
    ("an unknown code", r"S: * OK [WHATEVER] x"),
    ("8 bit in text", r"S: * OK \xc3\xa9"),
    ("UIDVALIDITY 0", r"S: * OK [UIDVALIDITY 0] x"),
    ("UIDNEXT over 32 bits", r"S: * OK [UIDNEXT 4294967296] x"),
    ("COPYUID of two sizes", r"S: * OK [COPYUID 1 1:3 1:2] x"),
    ("a set with *", r"S: * OK [MODIFIED 1:*] x"),
    ("no IMAP4rev1", r"S: * CAPABILITY IDLE"),
    ("an open &", r"S: * LIST () NIL a&b"),
    ("ASCII in modified UTF-7", r"S: * LIST () NIL &AGE-"),
    ("bits left over", r"S: * LIST () NIL &Jjp-"),
    ("half a surrogate", r"S: * LIST () NIL &2AA-"),
    ("two states", r"S: * LIST (\x5cNoselect \x5cMarked) NIL a"),
    ("children and none",
     r"S: * LIST (\x5cHasChildren \x5cHasNoChildren) NIL a"),
    ("inbox in small letters", r'S: * LIST () "/" inbox'),
    ("0 in SEARCH", r"S: * SEARCH 0"),
    ("one alone is not nested", r"S: * THREAD (1 (2))"),
    ("COUNT twice", "C: a SEARCH RETURN (COUNT) ALL",
     'S: * ESEARCH (TAG "a") COUNT 1 COUNT 1'),
    ("ALL of nothing", "C: a SEARCH RETURN (ALL) ALL",
     'S: * ESEARCH (TAG "a") ALL ""'),
    ("an unknown item of STATUS", r"S: * STATUS a (SOME 1)"),
    ("NIL is no string", r"S: * ID (NIL NIL)"),
    ("an entry of nobody", r'S: * METADATA a (/none/x NIL)'),
    ("message 0", r"S: * 0 FETCH (FLAGS ())"),
    ("an empty FETCH", r"S: * 1 FETCH ()"),
    ("an item twice", r"S: * 1 FETCH (UID 1 UID 1)"),
    ("UID 0", r"S: * 1 FETCH (UID 0)"),
    ("an atom for a body", r"S: * 1 FETCH (BODY[] abc)"),
    ("a day without its space",
     r'S: * 1 FETCH (INTERNALDATE "1-Jan-2000 00:00:00 +0000")'),
    ("an envelope of nine",
     r"S: * 1 FETCH (ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL))"),
    ("From without Sender", r'S: * 1 FETCH (ENVELOPE (NIL NIL ((NIL NIL "a" '
     r'"b")) NIL NIL NIL NIL NIL NIL NIL))'),
    ("an empty list of addresses", r"S: * 1 FETCH (ENVELOPE (NIL NIL () NIL NIL"
     r" NIL NIL NIL NIL NIL))"),
    ("a group that stays open", r"S: * 1 FETCH (ENVELOPE (NIL NIL NIL NIL NIL "
     r'((NIL NIL "g" NIL)) NIL NIL NIL NIL))'),
    ("text without its lines",
     r'S: * 1 FETCH (BODY ("TEXT" "PLAIN" NIL NIL NIL "7BIT" 3))'),
    ("BODY with what only BODYSTRUCTURE has",
     r'S: * 1 FETCH (BODY ("TEXT" "PLAIN" NIL NIL NIL "7BIT" 3 1 NIL))'),
    ("a multipart without a part", r'S: * 1 FETCH (BODY ("MIXED"))'),
    ("params in the place of NIL",
     r'S: * 1 FETCH (BODY ("TEXT" "PLAIN" () NIL NIL "7BIT" 3 1))'),
    ("MODSEQ 0", r"S: * 1 FETCH (MODSEQ (0))"),
    ("\\Recent is no flag of a mailbox", r"S: * FLAGS (\x5cRecent)"),
    ("a tag of nobody", "S: a1 OK x"),
    ("a tag twice", "C: a1 NOOP", "S: a1 OK x", "S: a1 OK x"),
    ("nobody waits", "S: + go"),
    ("no data", "C: a1 CAPABILITY", "S: a1 OK x"),
    ("no BYE", "C: a1 LOGOUT", "S: a1 OK x"),
    ("EXISTS of no mailbox", "C: a NOOP", "S: * 1 EXISTS"),
    ("EXPUNGE beyond the last", "SELECT", "C: a NOOP", "S: * 3 EXPUNGE"),
    ("EXPUNGE within FETCH", "SELECT", "C: a FETCH 1 UID", "S: * 1 EXPUNGE"),
    ("a UID that changes", "SELECT", "C: a NOOP", "S: * 1 FETCH (UID 4)",
     "S: * 1 FETCH (UID 5)"),
    ("a number that moves without EXPUNGE", "SELECT", "C: a NOOP",
     "S: * 1 FETCH (UID 4)", "S: * 2 FETCH (UID 6)", "S: * 1 EXPUNGE",
     "S: * 1 FETCH (UID 4)"),
    ("UIDs that fall", "SELECT", "C: a NOOP", "S: * 1 FETCH (UID 4)",
     "S: * 2 FETCH (UID 3)"),
    ("EXPUNGE that was to be delayed", "SELECT",
     "C: n NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge))",
     "S: n OK x", "S: * 1 EXPUNGE"),
    ("EXPUNGE within CLOSE", "SELECT", "C: a CLOSE", "S: * 1 EXPUNGE"),
    ("EXPUNGE of its own accord", "SELECT", "S: * 1 EXPUNGE"),
    ("fewer without EXPUNGE", "SELECT", "C: a NOOP", "S: * 1 EXISTS"),
    ("FETCH before EXISTS", "SELECT", "C: a NOOP", "S: * 3 FETCH (FLAGS ())"),
    ("no UID in UID FETCH", "SELECT", "C: a UID FETCH 1 FLAGS",
     "S: * 1 FETCH (FLAGS ())"),
    ("EXAMINE is read-only", "C: a EXAMINE x", "S: * FLAGS ()",
     "S: * 0 EXISTS", "S: * 0 RECENT", "S: * OK [UIDVALIDITY 1] x",
     "S: * OK [UIDNEXT 1] x", "S: * OK [PERMANENTFLAGS ()] x",
     "S: * OK [MAILBOXID (x)] x", "S: * OK [NOMODSEQ] x",
     "S: a OK [READ-WRITE] x"),
    ("SELECT owes FLAGS", "C: a SELECT x", "S: * 0 EXISTS",
     "S: a OK [READ-WRITE] x"),
    ("EXPUNGE after QRESYNC", "C: e ENABLE QRESYNC", "S: * ENABLED QRESYNC",
     "S: e OK x", "SELECT", "C: a NOOP", "S: * 1 EXPUNGE"),
    ("MODSEQ is missing", "C: e ENABLE CONDSTORE", "S: * ENABLED CONDSTORE",
     "S: e OK x", "SELECT", "C: a NOOP", "S: * 1 FETCH (FLAGS ())"),
    ("the tag of another", "SELECT", "C: a SEARCH RETURN () ALL",
     'S: * ESEARCH (TAG "b")'),
    ("RECENT in rev2", "C: e ENABLE IMAP4rev2", "S: * ENABLED IMAP4rev2",
     "S: e OK x", "S: * 0 RECENT"),
    ("SEARCH in rev2", "C: e ENABLE IMAP4rev2", "S: * ENABLED IMAP4rev2",
     "S: e OK x", "C: a SEARCH ALL", "S: * SEARCH 1"),
)
SELECT = ("C: s SELECT box", r"S: * FLAGS (\x5cSeen)", "S: * 2 EXISTS",
          "S: * 0 RECENT", "S: * OK [UIDVALIDITY 1] x", "S: * OK [UIDNEXT 3] x",
          "S: * OK [PERMANENTFLAGS ()] x", "S: * OK [MAILBOXID (M1)] x",
          r'S: * LIST () "/" box', "S: * OK [HIGHESTMODSEQ 5] x",
          "S: s OK [READ-WRITE] x")
# RFC 9051, 5256, 4731, 7162, 9394, 9208, 5464, 9585: shapes of their examples.
ACCEPTED = (
    ("C: a NOOP", "S: a OK NOOP completed"),
    ("C: a IDLE", "S: + idling", "C: DONE", "S: a OK x"),
    ("C: a AUTHENTICATE PLAIN", "S: + ", "C: AGEAYg==", "S: a NO x"),
    ("C: a LOGIN {1}", "S: + go", "C: u {1}", "S: + ", "C: p", "S: a OK x"),
    ("C: a SELECT {99}", "S: a NO [LIMIT] x", "C: b NOOP", "S: b OK x"),
    ("C: a APPEND x {1+}", "C: y {9}", "S: a NO x", "C: b NOOP", "S: b OK x"),
    (r'S: * LIST (\x5cHasChildren) "/" Foo ("CHILDINFO" ("SUBSCRIBED"))',),
    (r'S: * LIST () "/" &bUuL1Q-',), (r'S: * LIST () "/" a&-b',),
    ("C: e ENABLE UTF8=ACCEPT", "S: * ENABLED UTF8=ACCEPT", "S: e OK x",
     r'S: * LIST () "/" "\xc3\xa9"'),
    (r"S: * THREAD (2)(3 6 (4 23)(44 7 96))((1)(2))",), ("S: * THREAD",),
    ("SELECT", "C: A282 SEARCH RETURN (MIN COUNT ALL) ALL",
     'S: * ESEARCH (TAG "A282") MIN 1 COUNT 2 ALL 1,2:2', "S: A282 OK x"),
    ("C: A01 UID SEARCH RETURN (PARTIAL -1:-100) UID 9",
     'S: * ESEARCH (TAG "A01") UID PARTIAL (-1:-100 NIL)', "S: A01 OK x"),
    ("C: e ENABLE QRESYNC", "S: * ENABLED QRESYNC", "S: e OK x", "SELECT",
     "C: a NOOP", "S: * 1 FETCH (UID 4)", "S: * 2 FETCH (UID 6)",
     "S: * VANISHED 4", "S: * 1 FETCH (UID 6)", "S: * 3 EXISTS", "S: a OK x"),
    ("SELECT", "C: n NOTIFY SET (SELECTED (MessageNew MessageExpunge))",
     "S: n OK x", "S: * 1 EXPUNGE"),
    ("SELECT", "C: a SEARCH MODSEQ 1", "S: * SEARCH 1 2 (MODSEQ 917162500)",
     "S: a OK x"),
    ("SELECT", "C: a SEARCH ALL", "S: * SEARCH", "S: a OK x"),
    ("S: * NAMESPACE ((\"\" \"/\")) NIL NIL",),
    ('S: * METADATA INBOX (/private/comment "x" /shared/comment NIL)',),
    ('S: * METADATA "" /shared/comment',),
    ('S: * OK [INPROGRESS ("A001" 454 1000)] x',),
    ('S: * QUOTA "" (STORAGE 10 512)',), ("S: * OK [BADCHARSET] x",),
    (r'S: * 12 FETCH (BODY[TEXT]<0> {3}', "S: a)b BODY[1.2.MIME] NIL)"),
)


def listen(lines):
    """What the checker says of a dialogue; "" is nothing."""
    watch = Watch()
    watch.received(b"* OK hello\r\n")
    steps = [step for line in lines
             for step in (SELECT if line == "SELECT" else (line,))]
    if "SELECT" in lines or not any(step[:2] == "C:" for step in steps):
        watch.is_selected, watch.n_least, watch.n_most = True, 2, 99
        watch.uids = [None] * 99
    for step in steps:
        octets = re.sub(r"\\x(..)", lambda m: chr(int(m[1], 16)),
                        step[3:]).encode("latin-1") + b"\r\n"
        (watch.sent if step[0] == "C" else watch.received)(octets)
    found = faults.pop() if faults else ""
    faults.clear()
    return found


@scenario
def the_checker_tells_right_from_wrong(lab):
    """Without a server."""
    for lines in ACCEPTED:
        expect(listen(lines), "", f"{lines}")
    for name, *lines in REFUSED:
        expect_true(listen(lines), f"goes through: {name}: {lines}")


@scenario
def what_is_legal_is_taken(lab):
    found = []
    with fresh(lab, "Odd") as raw:
        append(raw, "Odd", MAIL)
        for i in range(3):
            append(raw, "Odd", message(f"number {i}")[1])
        for command in LEGAL.strip("\n").split("\n"):
            last = play(raw, command)[-1]
            if not last.startswith("x OK"):
                found.append(f"{command}: {last}")
    expect_true(not found, "\n    ".join(["legal, and not taken:", *found]))


@scenario
def what_is_illegal_is_bad(lab):
    found = []
    with fresh(lab, "Bad") as raw:
        append(raw, "Bad", MAIL)
        for command in ILLEGAL.strip("\n").split("\n"):
            last = play(raw, command)[-1]
            if not last.startswith("x BAD"):
                found.append(f"{command}: {last}")
            expect_match(ask(raw, "FETCH 1 UID")[-1], r"^t\d+ OK", command)
    expect_true(not found, "\n    ".join(["illegal, and not BAD:", *found]))


if __name__ == "__main__":
    main(hosts=1)
