#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the RFCs of IMAP demand of a server and a client can see, in our words.

Each block is one demand, with its section, and a dialogue that would show it
broken. It begins with "box" selected, which has three messages of UIDs 1 to 3; the
second is \\Deleted, the third \\Answered.

    COMMAND | answer [| +must be told] [| -must not be told] ...

answer begins the tagged line behind its tag; the others are regular expressions.
{{text}} is a literal. "2: " is said by a second connection, which has nothing
selected."""

import re

from frame import Failed, expect_true, main, scenario
from frame_imap import play, session

DEMANDS = r"""
= 9051 6.3.2: a SELECT that fails leaves no mailbox, and CLOSED is told
SELECT nowhere | NO | +OK \[CLOSED\]
FETCH 1 UID | BAD
= 9051 6.3.2: SELECT closes without removing what is \Deleted
SELECT INBOX | OK | -EXPUNGE
2: STATUS box (MESSAGES) | OK | +MESSAGES 3
= 9051 6.3.3: EXAMINE changes nothing: no flag, not \Recent, and promises none
2: CREATE ex | OK
2: APPEND ex {{Subject: x}} | OK
EXAMINE ex | OK \[READ-ONLY\] | +PERMANENTFLAGS \(\)
FETCH 1 BODY[] | OK | -\\Seen
STORE 1 +FLAGS (\Seen) | NO
EXPUNGE | NO
2: SELECT ex | OK \[READ-WRITE\] | +1 RECENT
2: FETCH 1 FLAGS | OK | +\(\\Recent\)
UNSELECT | OK
2: DELETE ex | OK
= 9051 6.3.4: INBOX cannot be made; a name that ends with the separator can
CREATE INBOX | NO
CREATE inbox | NO
CREATE c/ | OK
LIST "" c* | OK | + c$
CREATE c | NO
DELETE c | OK
= 9051 6.3.4: names above come into being
CREATE p/q/r | OK
LIST "" p* | OK | + p$ | + p/q$ | + p/q/r$
DELETE p/q/r | OK
LIST "" p* | OK | -p
= 9051 6.3.4: a name that comes back has a greater UIDVALIDITY, or greater UIDs
CREATE back | OK
2: STATUS back (UIDVALIDITY) | OK | =validity UIDVALIDITY (\d+)
DELETE back | OK
CREATE back | OK
2: STATUS back (UIDVALIDITY) | OK | >validity UIDVALIDITY (\d+)
DELETE back | OK
= 9051 6.3.5: what is below stays; what is but a name above others stays, too
CREATE d | OK
CREATE d/e | OK
DELETE d | OK
LIST "" d* | OK | +\\Noselect.* d$ | + d/e$
SELECT d | NO
DELETE d | NO
DELETE d/e | OK
DELETE nowhere | NO
DELETE INBOX | NO
= 9051 6.3.6: no name is overwritten
CREATE r | OK
RENAME box r | NO
RENAME nowhere s | NO
RENAME r INBOX | NO
STATUS r (MESSAGES) | OK | +MESSAGES 0
DELETE r | OK
= 9051 6.3.7: a subscription outlives its mailbox
CREATE s | OK
SUBSCRIBE s | OK
DELETE s | OK
LSUB "" s | OK | + s$
LIST (SUBSCRIBED) "" s | OK | +\\NonExistent.* s$
UNSUBSCRIBE s | OK
LSUB "" s | OK | - s$
= 9051 6.3.9: "" asks for the separator; INBOX has no case; % stops at it
LIST "" "" | OK | +LIST \(\\Noselect\) "/" ""$
LIST "" iNbOx | OK | + INBOX$
CREATE l/m | OK
LIST "" % | OK | - l/m$
LIST l/ % | OK | + l/m$
LIST "" "l%" | OK | - l/m$
LIST "" "l*" | OK | + l/m$
DELETE l/m | OK
= 9051 6.3.9, 5258 3: a name that many patterns fit is told once
LIST "" (INBOX I* %) | OK | +INBOX | -INBOX.*INBOX
= 5258 3.4, 5819 2: no STATUS of what cannot be selected
CREATE t/u | OK
LIST "" t RETURN (STATUS (MESSAGES)) | OK | + t$ | -STATUS
SUBSCRIBE t/gone | OK
LIST (SUBSCRIBED) "" t/* RETURN (STATUS (MESSAGES)) | OK | +t/gone | -STATUS
UNSUBSCRIBE t/gone | OK
DELETE t/u | OK
= 9051 6.3.11: STATUS selects nothing and takes no \Recent
2: CREATE st | OK
2: APPEND st {{Subject: x}} | OK
STATUS st (MESSAGES RECENT) | OK | +MESSAGES 1
FETCH 3 UID | OK | +UID 3
2: SELECT st | OK | +1 RECENT
2: DELETE st | OK
= 9051 6.3.12: APPEND makes no mailbox, and says so
APPEND nowhere {{Subject: x}} | NO \[TRYCREATE\]
STATUS nowhere (MESSAGES) | NO
= 9051 6.3.12: what cannot be stored whole is not there
APPEND box (\Seen) "31-Foo-2000 00:00:00 +0000" {{Subject: x}} | BAD
APPEND box {{Subject: x}} nonsense | BAD
2: STATUS box (MESSAGES) | OK | +MESSAGES 3
= 9051 6.3.12: flags and date are those that were given; whoever selected it is told
APPEND box (\Draft k) " 2-Jan-2001 03:04:05 +0000" {{Subject: x}} | OK \[APPENDUID \d+ 4\] | +4 EXISTS
FETCH 4 (FLAGS INTERNALDATE) | OK | +\\Draft | +\bk\b | +" 2-Jan-2001 03:04:05 \+0000"
= 9051 6.4.1: CLOSE tells no EXPUNGE
CLOSE | OK | -EXPUNGE
STATUS box (MESSAGES) | OK | +MESSAGES 2
= 9051 6.4.1: CLOSE of what was opened by EXAMINE removes nothing
EXAMINE box | OK
CLOSE | OK
STATUS box (MESSAGES) | OK | +MESSAGES 3
= 9051 6.4.2: UNSELECT removes nothing
UNSELECT | OK
STATUS box (MESSAGES) | OK | +MESSAGES 3
= 9051 6.4.3: EXPUNGE removes what is \Deleted and moves the numbers
EXPUNGE | OK | +2 EXPUNGE | -[13] EXPUNGE
FETCH 2 UID | OK | +UID 3
FETCH 3 UID | BAD
= 9051 6.4.5: PEEK, HEADER and sizes leave \Seen; the others set and tell it
FETCH 1 (BODY.PEEK[] RFC822.HEADER RFC822.SIZE BINARY.PEEK[1] BINARY.SIZE[1]) | OK | -\\Seen
FETCH 1 FLAGS | OK | -\\Seen
FETCH 1 BODY[HEADER.FIELDS (From)] | OK | +FLAGS.*\\Seen
FETCH 3 BINARY[1] | OK | +FLAGS.*\\Seen
FETCH 2 RFC822.TEXT | OK | +FLAGS.*\\Seen
= 9051 6.4.5: part of a section has its first octet alone in the name; none is ""
FETCH 1 BODY.PEEK[TEXT]<2.3> | OK | +BODY\[TEXT\]<2> \{3\}
FETCH 1 BODY.PEEK[TEXT]<2.99999> | OK | +BODY\[TEXT\]<2> \{5\}
FETCH 1 BODY.PEEK[TEXT]<7.1> | OK | +BODY\[TEXT\]<7> (""|\{0\})
FETCH 1 BODY.PEEK[TEXT]<5000000000.6000000000> | OK | +BODY\[TEXT\]<5000000000> (""|\{0\})
= 9051 6.4.6: .SILENT is silent; a flag without \ can be any; \Recent cannot be had
STORE 1 +FLAGS.SILENT (\Seen) | OK | -FETCH
FETCH 1 FLAGS | OK | +\\Seen
STORE 1 -FLAGS (\Recent) | OK|NO|BAD | -FLAGS \(\)
STORE 1 FLAGS (x) | OK | -FETCH.*\\Seen
= 9051 6.4.7: COPY keeps flags and date; what fails copies nothing
CREATE to | OK
COPY 3 to | OK \[COPYUID \d+ 3 1\]
2: EXAMINE to | OK
2: FETCH 1 (FLAGS INTERNALDATE) | OK | +\\Answered | +" 3-Jan-2001
COPY 1:3 nowhere | NO \[TRYCREATE\]
STATUS nowhere (MESSAGES) | NO
COPY 1,9 to | BAD|NO
STATUS to (MESSAGES) | OK | +MESSAGES 1
2: UNSELECT | OK
DELETE to | OK
= 9051 6.4.9: a UID of nothing is no error; the last is always within n:*
UID FETCH 99 FLAGS | OK | -FETCH
UID STORE 99 +FLAGS (\Seen) | OK | -FETCH
UID COPY 99 box | OK | -EXISTS
UID FETCH 99:* FLAGS | OK | +\* 3 FETCH \(.*UID 3
UID FETCH *:1 UID | OK | +UID 1 | +UID 2 | +UID 3
= 9051 6.4.4: date searches know no zone; "" fits whoever has the field
APPEND box {{Date: Fri, 1 Mar 2024 23:30:00 -0800}} | OK
SEARCH SENTON 1-Mar-2024 | OK | +SEARCH 4$
SEARCH SENTON 2-Mar-2024 | OK | +SEARCH$
SEARCH HEADER Date "" | OK | +SEARCH 4$
SEARCH CHARSET X-NONE ALL | NO \[BADCHARSET
= 9051 7.5.1: numbers do not move below FETCH, STORE and SEARCH; then they do
2: SELECT box | OK
2: EXPUNGE | OK
SEARCH ALL | OK | -EXPUNGE
FETCH 3 UID | OK | +\* 3 FETCH \(UID 3\) | -EXPUNGE
STORE 3 +FLAGS (\Seen) | OK | +\* 3 FETCH | -EXPUNGE
NOOP | OK | +2 EXPUNGE
FETCH 2 UID | OK | +UID 3
= 4315 2.1: UID EXPUNGE takes what is \Deleted and in the set
UID EXPUNGE 1,3 | OK | -EXPUNGE
UID EXPUNGE 1:2 | OK | +2 EXPUNGE
= 4315 3: no COPYUID when nothing was copied
UID COPY 99 box | OK | -COPYUID
UID MOVE 99 INBOX | OK | -COPYUID
= 4731 3.1: what fits nothing has no MIN, MAX, ALL, but a COUNT; ALL is meant by ()
SEARCH RETURN (MIN MAX ALL COUNT) SUBJECT nothing | OK | +COUNT 0 | -MIN|MAX|ALL
SEARCH RETURN () UNDELETED | OK | +ESEARCH \(TAG "x"\) ALL 1,3
UID SEARCH RETURN (MAX) ALL | OK | +ESEARCH \(TAG "x"\) UID MAX 3
= 5161 3.1: what is not known is passed over
ENABLE X-NOTHING | OK | +ENABLED$
= 5182 2.1: SAVE alone tells nothing; EXPUNGE takes from it; SELECT empties it
SEARCH RETURN (SAVE) 2:3 | OK | -SEARCH
EXPUNGE | OK
UID SEARCH RETURN (ALL) $ | OK | +ALL 3$
SELECT box | OK
SEARCH RETURN (COUNT) $ | OK | +COUNT 0
= 6154 3: a use that cannot be is refused, and nothing made
CREATE uses (USE (\All)) | NO \[USEATTR\]
STATUS uses (MESSAGES) | NO
= 6851 3.3, 4.3: MOVE tells COPYUID before EXPUNGE, keeps flags, takes no \Deleted along
CREATE mv | OK
MOVE 3 mv | OK | +OK \[COPYUID \d+ 3 1\].*3 EXPUNGE | -[12] EXPUNGE
2: EXAMINE mv | OK
2: FETCH 1 FLAGS | OK | +\\Answered
MOVE 1 nowhere | NO \[TRYCREATE\] | -EXPUNGE
EXAMINE box | OK
MOVE 1 mv | NO | -EXPUNGE
2: UNSELECT | OK
DELETE mv | OK
= 6855 3: no controls, and no separators of lines, in names
CREATE "&AAE-" | NO
CREATE "&AIU-" | NO
CREATE "&ICg-" | NO
CREATE "&ICk-" | NO
CREATE "&AH8-" | NO
= 3501 5.1.3: one way to write a name
CREATE "&AGE-" | NO
CREATE "&AOk" | NO
CREATE "&AOk-&AOk-" | NO
CREATE "&2D0-" | NO
= 7162 3.1.3: UNCHANGEDSINCE 0 fits none; who failed is named; MODSEQ also if .SILENT
STORE 1:2 (UNCHANGEDSINCE 0) +FLAGS (\Seen) | OK \[MODIFIED 1:2\]|NO \[MODIFIED 1:2\]
FETCH 1:2 FLAGS | OK | -\\Seen
STORE 1 (UNCHANGEDSINCE 9223372036854775807) +FLAGS.SILENT (\Seen) | OK | +1 FETCH \(.*MODSEQ \(\d+\) | -FLAGS
= 7162 3.1.5, 3.1.10: whoever asks with MODSEQ is told the highest of what fits
SEARCH MODSEQ 1 SUBJECT nothing | OK | +SEARCH$
FETCH 1 (MODSEQ) | OK | =one MODSEQ \((\d+)\)
SEARCH MODSEQ 1 1 | OK | +SEARCH 1 \(MODSEQ \d+\)$
SEARCH RETURN (MIN) MODSEQ 1 1:2 | OK | +MIN 1 MODSEQ | ~one MODSEQ (\d+)
STORE 2 +FLAGS (new) | OK | =two MODSEQ \((\d+)\)
SEARCH RETURN (MIN) MODSEQ 1 1:2 | OK | ~one MODSEQ (\d+)
SEARCH RETURN (MIN MAX) MODSEQ 1 1:2 | OK | ~two MODSEQ (\d+)
SEARCH RETURN (COUNT) MODSEQ 1 1:2 | OK | ~two MODSEQ (\d+)
SEARCH RETURN (ALL) MODSEQ 1 1 | OK | ~one MODSEQ (\d+)
= 7162 3.2.5, 3.2.6: QRESYNC and VANISHED need ENABLE
UID FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED) | BAD
SELECT box (QRESYNC (1 1)) | BAD
= 7162 3.2.6, 3.2.7, 3.2.10: VANISHED for EXPUNGE, before FETCH, with HIGHESTMODSEQ
ENABLE QRESYNC | OK | +ENABLED QRESYNC
FETCH 1 UID | OK
EXPUNGE | OK \[HIGHESTMODSEQ \d+\] | +VANISHED 2 | -EXPUNGE
UID FETCH 1:* FLAGS (CHANGEDSINCE 1 VANISHED) | OK | +VANISHED \(EARLIER\) 2\n.*FETCH.*FETCH
FETCH 1:* FLAGS (CHANGEDSINCE 1 VANISHED) | BAD
CLOSE | OK | -HIGHESTMODSEQ
= 7888 4: a literal of no octets is an empty string
STATUS {{}} (MESSAGES) | NO
STATUS {{+}} (MESSAGES) | NO
SEARCH SUBJECT {{}} | OK
= 8474 4, 5: MAILBOXID goes with RENAME, not with a new one; EMAILID with COPY
CREATE id | OK
STATUS id (MAILBOXID) | OK | =box MAILBOXID \((\S+)\)
RENAME id id2 | OK
STATUS id2 (MAILBOXID) | OK | ~box MAILBOXID \((\S+)\)
DELETE id2 | OK
CREATE id2 | OK
STATUS id2 (MAILBOXID) | OK | !box MAILBOXID \((\S+)\)
FETCH 1 EMAILID | OK | =mail EMAILID \((\S+)\)
COPY 1 id2 | OK
SELECT id2 | OK
FETCH 1 EMAILID | OK | ~mail EMAILID \((\S+)\)
DELETE id2 | OK
= 8508 3: REPLACE wants one message, and a mailbox; else all stays
REPLACE 1:2 box {{Subject: x}} | BAD
REPLACE 1 nowhere {{Subject: x}} | NO \[TRYCREATE\]
UID REPLACE 99 box {{Subject: x}} | NO
2: STATUS box (MESSAGES) | OK | +MESSAGES 3
REPLACE 1 box (\Seen) {{Subject: x}} | OK | +APPENDUID \d+ 4\].*1 EXPUNGE
FETCH 3 (UID FLAGS) | OK | +UID 4 | +\\Seen
= 8514 3: SAVEDATE is that of the mailbox, INTERNALDATE that of the message
COPY 3 box | OK
FETCH 4 (SAVEDATE INTERNALDATE) | OK | +INTERNALDATE " 3-Jan-2001 | -SAVEDATE " 3-Jan-2001
= 8970 3: PREVIEW changes no flag
FETCH 1 PREVIEW | OK | +PREVIEW "text | -\\Seen
= 9208 4.1: a mailbox need not be there to have a root; a root must be
GETQUOTAROOT nowhere | OK | +QUOTAROOT nowhere "
GETQUOTA "no such root" | NO
= 9394 3.1: ranges from both ends, in rising order, and NIL for none
SEARCH RETURN (PARTIAL 1:2) ALL | OK | +PARTIAL \(1:2 1:2\)
SEARCH RETURN (PARTIAL -1:-2) ALL | OK | +PARTIAL \(-1:-2 2:3\)
SEARCH RETURN (PARTIAL 7:9) ALL | OK | +PARTIAL \(7:9 NIL\)
UID FETCH 1:* FLAGS (PARTIAL -1:-1) | OK | +UID 3 | -UID [12]
= 4978 3: what is no mechanism is BAD
COMPRESS NOTHING | BAD
= 5464 4.2: what is too long is not told, but how long it is
SETMETADATA box (/private/comment {{longer than that}}) | OK
GETMETADATA (MAXSIZE 4) box /private/comment | OK \[METADATA LONGENTRIES 16\] | -longer
GETMETADATA box /private/COMMENT | OK | +(?i)/private/comment "longer than that"
SETMETADATA box (/private/comment NIL) | OK
GETMETADATA box /private/comment | OK | -longer
= 2971 3.1: nothing is told of who sends NIL but who we are
ID NIL | OK | +ID (NIL|\()
= 9051 6.2.3, 6.2.1: who is logged in cannot log in, nor begin TLS
LOGIN a b | BAD
AUTHENTICATE PLAIN | BAD
STARTTLS | BAD
= 9051 E, 6.4.4.4: rev2 answers SEARCH with ESEARCH, and knows no \Recent
ENABLE IMAP4rev2 | OK | +ENABLED IMAP4rev2
SEARCH ALL | OK | +ESEARCH \(TAG "x"\) ALL 1:3 | -\* SEARCH
UID SEARCH SUBJECT nothing | OK | +ESEARCH \(TAG "x"\) UID$
SELECT box | OK | +LIST \(.*\) "/" box$ | -RECENT
FETCH 1:3 FLAGS | OK | -Recent
"""
LETTER = ("From: a@example.org\r\nSubject: one\r\nContent-Type: text/plain\r\n"
          "\r\ntext\r\n.")


def fill(raw):
    """A new "box"."""
    play(raw, "DELETE box")
    play(raw, "CREATE box")
    text = "{{+" + LETTER + "}}"
    date = '" 3-Jan-2001 12:00:00 +0000"'
    lines = play(raw, f"APPEND box () {date} {text} (\\Deleted) {date} {text} "
                      f"(\\Answered) {date} {text}")
    expect_true(lines[-1].startswith("x OK"), f"{lines}")
    play(raw, "SELECT box")


def judge(claims, lines, values):
    """What the answer lacks; "" is nothing. values: what = has taken."""
    told = "\n".join(lines[:-1]) + "\n" if lines[:-1] else ""
    whole = told + lines[-1]
    answer, *claims = claims
    if not re.match(f"x (?:{answer})", lines[-1]):
        return f"not {answer}"
    for claim in claims:
        kind, rest = claim[0], claim[1:]
        if kind == "+":
            is_so = re.search(rest, whole, re.M | re.S)
        elif kind == "-":
            is_so = not re.search(rest, whole, re.M)
        else:
            name, pattern = rest.split(" ", 1)
            match = re.search(pattern, whole)
            value = match and match[1]
            is_so = {"=": lambda: value, "~": lambda: value == values[name],
                     "!": lambda: value and value != values[name],
                     ">": lambda: value and int(value) > int(values[name])
                     }[kind]()
            values.setdefault(name, value)
        if not is_so:
            return f"not {claim}"
    return ""


class Pair:
    """The two connections; a block that switches something on has its own."""

    def __init__(self, lab):
        self.lab, self.open = lab, {}

    def __getitem__(self, n):
        if n not in self.open:
            self.open[n] = session(self.lab)
        return self.open[n]

    def close(self):
        for raw in self.open.values():
            raw.close()
        self.open = {}


def dialogue(pair, steps):
    """Raises where the demand is broken."""
    values = {}
    if 2 in pair.open:  # whoever has a mailbox that goes is told BYE
        play(pair[2], "UNSELECT")
    fill(pair[1])
    for step in steps:
        command, *claims = step.split(" | ")
        n = 2 if command.startswith("2: ") else 1
        command = command.removeprefix("2: ")
        lines = play(pair[n], command)
        wrong = judge(claims, lines, values)
        if wrong:
            raise Failed(f"{command}: {wrong}: {lines}")


@scenario
def each_demand_is_met(lab):
    broken, pair = [], Pair(lab)
    for block in re.split(r"(?m)^= ", DEMANDS)[1:]:
        name, *steps = block.strip("\n").split("\n")
        try:
            dialogue(pair, steps)
        except Failed as failed:
            broken.append(f"{name}\n        {failed}")
        if re.search("ENABLE|MODSEQ|SINCE|SAVE", block):
            pair.close()
    pair.close()
    expect_true(not broken, "\n    ".join(["broken:", *broken]))


if __name__ == "__main__":
    main(hosts=1)
