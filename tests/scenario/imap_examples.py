#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the RFCs of IMAP's extensions show in their examples and demand in
their text, one extension after the other. Numbers differ where an example has
a mailbox of its own; the shape of the answer is the RFC's."""

import re

from frame import (Failed, expect, expect_match, expect_true, main, message,
                   scenario)
from frame_imap import append, ask, fresh, ok, session


def literal(octets):
    return b"{%d+}\r\n" % len(octets) + octets


def say(raw, *pieces):
    """One command; pieces of bytes go as literals that do not wait."""
    raw.send(b"x " + b"".join(
        piece.encode() if isinstance(piece, str) else literal(piece)
        for piece in pieces) + b"\r\n")
    return raw.tagged("x")


def untagged(lines, word):
    return [x for x in lines if x.split()[1:2] == [word]
            or x.split()[2:3] == [word]]


def value(lines, name):
    """The number behind a response code's name."""
    return int(re.search(rf"\[{name} (\d+)", "\n".join(lines)).group(1))


def listed(lines):
    """{name: (set of attributes, what is behind the name)}"""
    rows = {}
    for line in untagged(lines, "LIST"):
        attributes, name, more = re.match(
            r'\* LIST \(([^)]*)\) "/" ("[^"]*"|[^ ]+) ?(.*)$', line).groups()
        if name.strip('"') in rows:
            raise Failed(f"{name} is told twice: {lines}")
        rows[name.strip('"')] = (set(attributes.split()), more)
    return rows


@scenario
def rfc5182_no_empties_what_was_saved(lab):
    """RFC 5182 2.1: NO with SAVE leaves the empty set, BAD leaves what was; and
    neither does anything without SAVE."""
    with fresh(lab, "Saved", 4) as raw:
        for command in ("SEARCH RETURN (SAVE) CHARSET X-NONE ALL",
                        "SORT RETURN (SAVE) (DATE) X-NONE ALL",
                        "SEARCH RETURN (SAVE) " + "(" * 99 + "ALL"):
            ok(raw, "SEARCH RETURN (SAVE) 2:3")
            expect_match(ask(raw, command)[-1], r"^t\d+ NO", command[:50])
            expect(ok(raw, "SEARCH RETURN (COUNT) $")[0][-8:], " COUNT 0",
                   command[:50])
        for command, answer in (
                ("SEARCH CHARSET X-NONE ALL", "NO"),
                ("SEARCH RETURN (SAVE) NONSENSE", "BAD"),
                ("SEARCH RETURN (COUNT) SEEN", "OK")):
            ok(raw, "SEARCH RETURN (SAVE) 2:3")
            expect_match(ask(raw, command)[-1], rf"^t\d+ {answer}", command)
            expect(ok(raw, "SEARCH $")[0], "* SEARCH 2 3", command)


@scenario
def rfc7889_status_and_list_tell_the_limit(lab):
    """RFC 7889 3.1, 3.2."""
    with session(lab) as raw:
        limit = re.search(r"APPENDLIMIT=(\d+)",
                          ok(raw, "CAPABILITY")[0]).group(1)
        expect(ok(raw, "STATUS INBOX (APPENDLIMIT)")[0],
               f"* STATUS INBOX (APPENDLIMIT {limit})")
        lines = ok(raw, 'LIST "" % RETURN (STATUS (APPENDLIMIT MESSAGES))')
        for line in untagged(lines, "STATUS"):
            expect_match(line, rf"\(MESSAGES \d+ APPENDLIMIT {limit}\)$")


@scenario
def rfc6855_utf8_within_catenate(lab):
    """RFC 6855 4: cat-part takes it, too, after ENABLE and as a literal8 only.
    """
    mail = "Subject: r\u00e9sum\u00e9\r\n\r\nb\u00f6dy\r\n".encode()

    def part(mark=b"~"):
        return (b"x APPEND Eight CATENATE (TEXT " + literal(b"A: b\r\n")
                + b" UTF8 (" + mark + literal(mail) + b"))\r\n")

    with fresh(lab, "Eight") as raw:
        raw.send(part())
        expect_match(raw.tagged("x")[-1], "^x NO")
        ok(raw, "ENABLE UTF8=ACCEPT")
        raw.send(part(b""))
        expect_match(raw.tagged("x")[-1], "^x BAD")
        raw.send(part())
        expect_match(raw.tagged("x")[-1], r"^x OK \[APPENDUID \d+ 1\]")
        raw.send(b"f FETCH 1 BODY.PEEK[]\r\n")
        expect_match(raw.line(), r"BODY\[\] \{%d\}$" % (len(mail) + 6))
        expect(raw.read(len(mail) + 6), b"A: b\r\n" + mail)
        raw.tagged("f")


@scenario
def rfc4469_a_url_names_header_fields(lab):
    """RFC 5092's enc-section is any section-spec of FETCH."""
    content = (b"Subject: one\r\nFrom: a@b\r\nX-Long: a\r\n b\r\n"
               b"MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n"
               b"Subject: inner\r\nTo: c@d\r\n\r\ntext\r\n")
    cases = (("HEADER.FIELDS%20(SUBJECT%20x-long)",
              b"Subject: one\r\nX-Long: a\r\n b\r\n\r\n"),
             ("HEADER.FIELDS.NOT%20(Subject%20From%20%22X-Long%22%20"
              "Content-Type)", b"MIME-Version: 1.0\r\n\r\n"),
             ("1.HEADER.FIELDS%20(To)", b"To: c@d\r\n\r\n"),
             ("HEADER.FIELDS%20(Subject)/;PARTIAL=9.4", b"one\r"),
             ("1.TEXT", b"text\r\n"))
    with fresh(lab, "Fields") as raw:
        append(raw, "Fields", content)
        for section, want in cases:
            line = ok(raw, "APPEND Fields CATENATE (URL "
                      f'"/Fields/;UID=1/;SECTION={section}")')[-1]
            uid = re.search(r"APPENDUID \d+ (\d+)", line).group(1)
            raw.send(f"f UID FETCH {uid} BODY.PEEK[]\r\n".encode())
            expect_match(raw.line(), r"BODY\[\] \{%d\}$" % len(want), section)
            expect(raw.read(len(want)), want, section)
            raw.tagged("f")
        for section in ("HEADER.FIELDS", "HEADER.FIELDS%20()", "9.HEADER",
                        "HEADER.FIELDS%20(a)]%3C0.3%3E", "TEXT]"):
            url = f"/Fields/;UID=1/;SECTION={section}"
            expect_match(
                ask(raw, f'APPEND Fields CATENATE (URL "{url}")')[-1],
                r"^t\d+ NO \[BADURL ", section)


# ---- names ----

def plant(raw):
    """The mailboxes of RFC 5258 5."""
    for name in ("Fruit/Apple", "Fruit/Banana", "Fruit", "Tofu", "Vegetable",
                 "Vegetable/Broccoli", "Vegetable/Corn"):
        ask(raw, f"CREATE {name}")
    for name in ("Fruit/Banana", "Fruit/Peach", "Vegetable",
                 "Vegetable/Broccoli"):
        ok(raw, f"SUBSCRIBE {name}")


CHILD = '("CHILDINFO" ("SUBSCRIBED"))'


@scenario
def rfc5258_5_list_extended(lab):
    """Examples 1 to 4 and 7 to 9, and the rules of 3.1 and 3.5."""
    with session(lab) as raw:
        plant(raw)
        rows = listed(ok(raw, 'LIST (SUBSCRIBED) "" "*"'))
        for name, want in (("Fruit/Banana", {"\\Subscribed"}),
                           ("Fruit/Peach", {"\\Subscribed",
                                            "\\NonExistent"}),
                           ("Vegetable", {"\\Subscribed", "\\HasChildren"}),
                           ("Vegetable/Broccoli", {"\\Subscribed"})):
            expect(want - rows[name][0], set(), f"example 2: {name}")
        expect_true("Tofu" not in rows and "Fruit" not in rows, f"{rows}")

        rows = listed(ok(raw, 'LIST () "" "%" RETURN (CHILDREN)'))
        for name, has in (("Fruit", True), ("Tofu", False),
                          ("Vegetable", True)):
            expect(("\\HasChildren" in rows[name][0],
                    "\\HasNoChildren" in rows[name][0]), (has, not has), name)
        expect(rows, listed(ok(raw, 'LIST (REMOTE) "" "%" RETURN '
                                    '(CHILDREN)')), "example 4")

        rows = listed(ok(raw, 'LIST "" ("INBOX" "Drafts" "Sent/%" "Fruit/%" '
                              '"*Apple")'))
        expect(set(rows), {"INBOX", "Drafts", "Fruit/Apple", "Fruit/Banana"},
               "example 6: each once")

        rows = listed(ok(raw, 'LIST (SUBSCRIBED RECURSIVEMATCH) "" "%"'))
        expect(rows["Fruit"][1], CHILD, "example 8")
        expect_true("\\Subscribed" not in rows["Fruit"][0], rows["Fruit"])
        expect(rows["Vegetable"][1], CHILD, "example 8")
        expect_true("\\Subscribed" in rows["Vegetable"][0], rows["Vegetable"])
        expect_true("Tofu" not in rows, f"{rows}")

        # A parent is told whatever the pattern makes of the child.
        ok(raw, "SUBSCRIBE Gone/far/away")
        rows = listed(ok(raw, 'LIST (SUBSCRIBED RECURSIVEMATCH) "" "Gone%"'))
        expect("\\NonExistent" in rows["Gone"][0], True, "example 9")
        expect(rows["Gone"][1], CHILD, "example 9")
        ok(raw, "UNSUBSCRIBE Gone/far/away")

        expect_match(ask(raw, 'LIST (RECURSIVEMATCH) "" "*"')[-1], "BAD")
        expect_match(ask(raw, 'LIST (RECURSIVEMATCH REMOTE) "" "*"')[-1],
                     "BAD")
        expect_match(ask(raw, 'LIST (UNHEARDOF) "" "*"')[-1], "BAD")
        expect_match(ask(raw, 'LIST "" "*" RETURN (UNHEARDOF)')[-1], "BAD")


@scenario
def rfc3348_children(lab):
    """3: without any option, too; after the last child is gone, too."""
    with session(lab) as raw:
        plant(raw)
        rows = listed(ok(raw, 'LIST "" "%"'))
        expect_true("\\HasChildren" in rows["Fruit"][0], f"{rows}")
        expect_true("\\HasNoChildren" in rows["Tofu"][0], f"{rows}")
        ok(raw, "CREATE Tofu/soft")
        expect_true("\\HasChildren" in
                    listed(ok(raw, 'LIST "" Tofu'))["Tofu"][0], "a child")
        ok(raw, "DELETE Tofu/soft")
        expect_true("\\HasNoChildren" in
                    listed(ok(raw, 'LIST "" Tofu'))["Tofu"][0], "none")


@scenario
def rfc5819_3_list_status(lab):
    """Its examples: no STATUS of what is not there."""
    with session(lab) as raw:
        plant(raw)
        lines = ok(raw, 'LIST "" % RETURN (STATUS (MESSAGES UNSEEN))')
        expect({x.split()[2] for x in untagged(lines, "STATUS")},
               set(listed(lines)), "one each")
        lines = ok(raw, 'LIST (SUBSCRIBED RECURSIVEMATCH) "" % RETURN '
                        '(STATUS (MESSAGES))')
        ok(raw, "CREATE deep/er")
        lines = ok(raw, 'LIST "" (deep deep/%) RETURN (STATUS (MESSAGES))')
        expect(set(listed(lines)), {"deep", "deep/er"})
        expect(untagged(lines, "STATUS"), ["* STATUS deep/er (MESSAGES 0)"])
        lines = ok(raw, 'LIST (SUBSCRIBED) "" Fruit/* RETURN '
                        '(STATUS (MESSAGES))')
        expect(untagged(lines, "STATUS"),
               ["* STATUS Fruit/Banana (MESSAGES 0)"])


@scenario
def rfc6154_5_special_use(lab):
    """5.1 to 5.3."""
    with session(lab) as raw:
        rows = listed(ok(raw, 'LIST "" "%" RETURN (SPECIAL-USE)'))
        for name, use in (("Sent", "\\Sent"), ("Drafts", "\\Drafts"),
                          ("Trash", "\\Trash"), ("Junk", "\\Junk")):
            expect_true(use in rows[name][0], f"{name}: {rows}")
        rows = listed(ok(raw, 'LIST (SPECIAL-USE) "" "*"'))
        expect(all(attributes & {"\\Sent", "\\Drafts", "\\Trash", "\\Junk",
                                 "\\Archive"}
                   for attributes, _ in rows.values()), True, f"{rows}")
        ok(raw, "CREATE MySpecial (USE (\\Archive))")
        rows = listed(ok(raw, 'LIST "" MySpecial RETURN (SPECIAL-USE)'))
        expect_true("\\Archive" in rows["MySpecial"][0], f"{rows}")
        expect_match(ask(raw, "CREATE Everything (USE (\\All))")[-1],
                     r"^t\d+ NO \[USEATTR\]")
        expect(listed(ok(raw, 'LIST "" Everything')), {}, "not created")
        ok(raw, "DELETE MySpecial")
        ok(raw, "CREATE special/below (USE (\\Archive))")
        rows = listed(ok(raw, 'LIST (SPECIAL-USE RECURSIVEMATCH) "" "%"'))
        expect(rows["special"][1], '("CHILDINFO" ("SPECIAL-USE"))')
        expect(rows["Sent"][1], "")


@scenario
def rfc2342_2971_namespace_and_id(lab):
    with session(lab) as raw:
        expect(ok(raw, "NAMESPACE")[0], '* NAMESPACE (("" "/")) NIL NIL')
        for command in ('ID ("name" "sodr" "version" "19.34" "vendor" "Pink '
                        'Floyd Music Limited")', "ID NIL"):
            expect_match(ok(raw, command)[0], r'^\* ID \("name" "')
        expect_match(ask(raw, 'ID ("name")')[-1], "BAD")
        pairs = " ".join('"f" "v"' for _ in range(31))
        expect_match(ask(raw, f"ID ({pairs})")[-1], "BAD", "2971 3.3")


@scenario
def rfc5161_3_enable(lab):
    """3.1, 3.2: what is unknown is left out, and the response still comes."""
    with session(lab) as raw:
        expect(ok(raw, "ENABLE CONDSTORE X-GOOD-IDEA")[0],
               "* ENABLED CONDSTORE")
        expect(ok(raw, "ENABLE X-GOOD-IDEA")[0], "* ENABLED")
        expect_match(ask(raw, "ENABLE")[-1], "BAD")


@scenario
def rfc8474_4_object_ids(lab):
    """4.1 to 4.3, 5.1, 6: the same thing keeps its name, another has another."""
    with session(lab) as raw:
        made = re.search(r"MAILBOXID \((\S+)\)",
                         ok(raw, "CREATE ids")[-1]).group(1)
        expect_match(made, r"^[A-Za-z0-9_-]{1,255}$")
        ok(raw, "RENAME ids ids2")
        expect(ok(raw, "STATUS ids2 (MAILBOXID)")[0],
               f"* STATUS ids2 (MAILBOXID ({made}))")
        expect_true(made not in ok(raw, "CREATE ids")[-1], "another")
        for i in range(2):
            append(raw, "ids2", message(f"m {i}")[1])
        ok(raw, "SELECT ids2")
        names = [re.search(r"EMAILID \(([^)]+)\)", x).group(1)
                 for x in ok(raw, "FETCH 1:2 EMAILID")[:-1]]
        expect(len(set(names)), 2, "two messages")
        expect(ok(raw, f"SEARCH EMAILID {names[1]}")[0], "* SEARCH 2")
        expect(ok(raw, "FETCH 1 THREADID")[0], "* 1 FETCH (THREADID NIL)")
        expect(ok(raw, "SEARCH THREADID T64b478a75b7ea9")[0], "* SEARCH")
        ok(raw, "COPY 1 ids")
        ok(raw, "MOVE 1 ids")
        ok(raw, "SELECT ids")
        expect({re.search(r"EMAILID \(([^)]+)\)", x).group(1)
                for x in ok(raw, "FETCH 1:2 EMAILID")[:-1]}, {names[0]},
               "copied and moved")


# ---- searches ----

@scenario
def rfc4731_3_esearch(lab):
    """3.1, 3.2, 4: each option and their union; nothing found; the tag."""
    with fresh(lab, "Esearch", 5) as raw:
        ok(raw, "STORE 2,4 +FLAGS (\\Flagged)")
        for options, want in (
                ("MIN COUNT", "MIN 2 COUNT 2"), ("MAX", "MAX 4"),
                ("MIN MAX", "MIN 2 MAX 4"), ("", "ALL 2,4"),
                ("ALL", "ALL 2,4"), ("COUNT", "COUNT 2"),
                ("MIN MAX COUNT ALL", "MIN 2 MAX 4 COUNT 2 ALL 2,4")):
            raw.send(f"e SEARCH RETURN ({options}) FLAGGED\r\n".encode())
            expect(raw.tagged("e")[0], f'* ESEARCH (TAG "e") {want}', options)
        raw.send(b"e UID SEARCH RETURN (MIN MAX ALL COUNT) DELETED\r\n")
        expect(raw.tagged("e")[0], '* ESEARCH (TAG "e") UID COUNT 0')
        raw.send(b"e SEARCH RETURN () DELETED\r\n")
        expect(raw.tagged("e")[0], '* ESEARCH (TAG "e")')
        expect_match(ask(raw, "SEARCH RETURN (UNHEARDOF) ALL")[-1], "BAD")


@scenario
def rfc5182_2_saved_results(lab):
    """2.4's table, and examples 1 to 9."""
    with fresh(lab, "Results", 6) as raw:
        expect(len(ok(raw, "FETCH $ UID")), 1, "empty after SELECT")
        for options, want in (("SAVE", "2 4 6"), ("SAVE MIN", "2"),
                              ("SAVE MAX", "6"), ("SAVE MIN MAX", "2 6"),
                              ("SAVE COUNT", "2 4 6"),
                              ("SAVE MIN COUNT", "2 4 6"),
                              ("SAVE MAX ALL", "2 4 6")):
            lines = ok(raw, f"SEARCH RETURN ({options}) 2,4,6")
            expect(len(untagged(lines, "ESEARCH")), int(options != "SAVE"))
            expect(ok(raw, "SEARCH $")[0], f"* SEARCH {want}", options)
        ok(raw, "STORE $ +FLAGS (\\Seen)")
        ok(raw, "SEARCH RETURN (SAVE) SEEN")
        expect(ok(raw, "SEARCH UID $ SMALLER 1000000")[0], "* SEARCH 2 4 6")
        expect(ok(raw, "UID SEARCH OR $ 1")[0], "* SEARCH 1 2 4 6")
        expect_match(ok(raw, "COPY $ Trash")[-1], r"COPYUID \d+ 2,4,6 ")
        ok(raw, "STORE 4 +FLAGS (\\Deleted)")
        ok(raw, "EXPUNGE")
        expect(ok(raw, "UID SEARCH $")[0], "* SEARCH 2 6", "2.1: it left")
        ok(raw, "SEARCH RETURN (SAVE) $ UID 2")
        expect(ok(raw, "UID SEARCH $")[0], "* SEARCH 2", "of itself")
        expect_match(ok(raw, "MOVE $ Trash")[0], r"COPYUID \d+ 2 \d+\]")
        expect(ok(raw, "SEARCH $")[0], "* SEARCH")


@scenario
def rfc5267_3_esort(lab):
    """3.1: MIN is the first of the order, and ALL has the order."""
    with session(lab) as raw:
        ask(raw, "DELETE Esort")
        ok(raw, "CREATE Esort")
        for day in (3, 1, 4, 2):
            append(raw, "Esort", (f"Date: {day} Jan 2020 10:00:00 +0000\r\n"
                                  "Subject: x\r\n\r\nx\r\n").encode())
        ok(raw, "SELECT Esort")
        for command, want in (
                ("SORT RETURN (MIN MAX COUNT ALL) (DATE) UTF-8 ALL",
                 "MIN 2 MAX 3 COUNT 4 ALL 2,4,1,3"),
                ("UID SORT RETURN () (REVERSE DATE) UTF-8 ALL",
                 "UID ALL 3,1,4,2"),
                ("SORT RETURN (COUNT) (DATE) UTF-8 DELETED", "COUNT 0"),
                ("SORT RETURN (PARTIAL 2:3) (DATE) UTF-8 ALL",
                 "PARTIAL (2:3 4,1)"),
                ("SORT RETURN (PARTIAL -1:-2) (DATE) UTF-8 ALL",
                 "PARTIAL (-1:-2 1,3)")):
            raw.send(f"e {command}\r\n".encode())
            expect(raw.tagged("e")[0], f'* ESEARCH (TAG "e") {want}', command)
        ok(raw, "SORT RETURN (SAVE MAX) (DATE) UTF-8 ALL")
        expect(ok(raw, "SEARCH $")[0], "* SEARCH 3")


@scenario
def rfc9394_3_partial(lab):
    """3.1 to 3.4: ranges from both ends, what is beyond them, SAVE, MODSEQ, and
    FETCH, also with CHANGEDSINCE and VANISHED."""
    with fresh(lab, "Partial", 8) as raw:
        for options, want in (
                ("PARTIAL 1:3", "PARTIAL (1:3 1:3)"),
                ("PARTIAL 3:1", "PARTIAL (3:1 1:3)"),
                ("PARTIAL -1:-3", "PARTIAL (-1:-3 6:8)"),
                ("PARTIAL 7:100", "PARTIAL (7:100 7:8)"),
                ("PARTIAL 100:200", "PARTIAL (100:200 NIL)"),
                ("PARTIAL -100:-200", "PARTIAL (-100:-200 NIL)"),
                ("COUNT PARTIAL 2:2", "COUNT 8 PARTIAL (2:2 2)"),
                ("MIN MAX PARTIAL 2:2", "MIN 1 MAX 8 PARTIAL (2:2 2)")):
            raw.send(f"e SEARCH RETURN ({options}) ALL\r\n".encode())
            expect(raw.tagged("e")[0], f'* ESEARCH (TAG "e") {want}')
        for wrong in ("PARTIAL 0:3", "PARTIAL 1:-3", "PARTIAL 1", "PARTIAL",
                      "PARTIAL 1:*", "ALL PARTIAL 1:2",
                      "PARTIAL 1:2 PARTIAL 3:4"):
            expect_match(ask(raw, f"SEARCH RETURN ({wrong}) ALL")[-1], "BAD",
                         wrong)
        ok(raw, "SEARCH RETURN (SAVE PARTIAL -1:-2) ALL")
        expect(ok(raw, "SEARCH $")[0], "* SEARCH 7 8")
        for command, want in (("FETCH 2:8 UID (PARTIAL 1:2)", [2, 3]),
                              ("UID FETCH 1:* UID (PARTIAL -1:-2)", [7, 8]),
                              ("UID FETCH 20:30 UID (PARTIAL 1:2)", [])):
            expect([int(x.split()[1]) for x in ok(raw, command)[:-1]], want,
                   command)
        ok(raw, "ENABLE QRESYNC")
        since = value(ok(raw, "SELECT Partial"), "HIGHESTMODSEQ")
        ok(raw, "STORE 2,4,6,8 +FLAGS.SILENT (\\Flagged)")
        ok(raw, "STORE 1 +FLAGS.SILENT (\\Deleted)")
        ok(raw, "EXPUNGE")
        lines = ok(raw, "UID FETCH 1:* (FLAGS) (PARTIAL 2:3 CHANGEDSINCE "
                        f"{since} VANISHED)")
        expect(lines[0], "* VANISHED (EARLIER) 1")
        expect([re.search(r"UID (\d+)", x).group(1) for x in lines[1:-1]],
               ["4", "6"], "of those that changed")


@scenario
def rfc5032_8514_ages_and_savedates(lab):
    """RFC 5032 5; RFC 8514 4.1 to 4.3: a COPY has its own SAVEDATE."""
    with session(lab) as raw:
        ask(raw, "DELETE Aged")
        ok(raw, "CREATE Aged")
        append(raw, "Aged", message()[1], '"17-Jul-1996 02:44:25 -0700" ')
        append(raw, "Aged", message()[1])
        ok(raw, "SELECT Aged")
        for key, want in (("UNSEEN YOUNGER 259200", "* SEARCH 2"),
                          ("OLDER 259200", "* SEARCH 1"),
                          ("SAVEDATESUPPORTED", "* SEARCH 1 2"),
                          ("SAVEDBEFORE 1-Jan-2020", "* SEARCH"),
                          ("SAVEDSINCE 1-Jan-2020", "* SEARCH 1 2"),
                          ("NOT SAVEDON 17-Jul-1996", "* SEARCH 1 2")):
            expect(ok(raw, f"SEARCH {key}")[0], want, key)
        for wrong in ("YOUNGER 0", "OLDER -1", "YOUNGER", "SAVEDON today"):
            expect_match(ask(raw, f"SEARCH {wrong}")[-1], "BAD", wrong)
        expect_match(ok(raw, "FETCH 1 SAVEDATE")[0],
                     r'SAVEDATE "[ \d]\d-[A-Z][a-z]{2}-20\d\d [\d:]{8} ')


@scenario
def rfc5957_display_orders(lab):
    """SORT=DISPLAY: the name that is shown, else the address."""
    with session(lab) as raw:
        ask(raw, "DELETE Shown")
        ok(raw, "CREATE Shown")
        for sender in ('"Zed" <a@x>', "m@x", "=?utf-8?q?=C3=84my?= <z@x>",
                       "Bob <y@x>"):
            append(raw, "Shown", f"From: {sender}\r\n\r\nx\r\n".encode())
        ok(raw, "SELECT Shown")
        expect(ok(raw, "SORT (DISPLAYFROM) UTF-8 ALL")[0], "* SORT 3 4 2 1")
        expect(ok(raw, "SORT (FROM) UTF-8 ALL")[0], "* SORT 1 2 4 3")
        expect(ok(raw, "SORT (REVERSE DISPLAYFROM) UTF-8 ALL")[0],
               "* SORT 1 2 4 3")


# ---- changes ----

@scenario
def rfc6851_4315_move_and_expunge(lab):
    """RFC 6851 3.3, 4.3: COPYUID before the first EXPUNGE; RFC 4315 2.1."""
    with fresh(lab, "Moving", 6) as raw:
        lines = ok(raw, "MOVE 2:3,5 Trash")
        expect_match(lines[0], r"^\* OK \[COPYUID \d+ 2:3,5 \d+:\d+\]")
        expect(sorted(untagged(lines, "EXPUNGE")),
               sorted(["* 5 EXPUNGE", "* 3 EXPUNGE", "* 2 EXPUNGE"]))
        expect_true("COPYUID" not in lines[-1], lines[-1])
        expect_match(ask(raw, "MOVE 1 nowhere")[-1], r"NO \[TRYCREATE\]")
        ok(raw, "STORE 1:3 +FLAGS.SILENT (\\Deleted)")
        expect(untagged(ok(raw, "UID EXPUNGE 4:5"), "EXPUNGE"),
               ["* 2 EXPUNGE"], "only those")
        expect_match(ok(raw, "UID COPY 1,99 Trash")[-1],
                     r"\[COPYUID \d+ 1 \d+\]")
        expect_true("COPYUID" not in ok(raw, "UID COPY 99 Trash")[-1], "none")
        ok(raw, "UNSELECT")
        ok(raw, "SELECT Moving")
        expect(len(ok(raw, "FETCH 1:* UID")), 3, "RFC 3691: nothing expunged")
        ok(raw, "ENABLE QRESYNC")
        ok(raw, "SELECT Moving")
        lines = ok(raw, "UID MOVE 1 Trash")
        expect_match(lines[0], r"^\* OK \[COPYUID \d+ 1 \d+\]")
        expect(lines[1], "* VANISHED 1")


@scenario
def rfc7162_3_1_condstore(lab):
    """3.1.2 to 3.1.5: each enabling command is told the HIGHESTMODSEQ, and FETCH
    responses have MODSEQ from then on; MODIFIED."""
    with fresh(lab, "Mods", 4) as raw:
        lines = ok(raw, "STORE 1 +FLAGS (\\Seen)")
        expect_true("MODSEQ" not in lines[0], lines[0])
    for command in ("STATUS Mods (HIGHESTMODSEQ)", "FETCH 1 (MODSEQ)",
                    "FETCH 1 (FLAGS) (CHANGEDSINCE 1)", "SEARCH MODSEQ 1",
                    "STORE 1 (UNCHANGEDSINCE 1) +FLAGS (\\Draft)",
                    "ENABLE CONDSTORE", "SELECT Mods (CONDSTORE)",
                    "SORT (DATE) UTF-8 MODSEQ 1"):
        with session(lab) as raw:
            ok(raw, "SELECT Mods")
            expect_match("\n".join(ok(raw, command)), r"\[HIGHESTMODSEQ \d+",
                         command)
            expect_match(ok(raw, "STORE 2 +FLAGS (\\Answered)")[0],
                         r"MODSEQ \(\d+\)", command)
    with session(lab) as raw:
        since = value(ok(raw, "SELECT Mods (CONDSTORE)"), "HIGHESTMODSEQ")
        expect_match(ok(raw, "STORE 1 +FLAGS.SILENT ($MDNSent)")[-2],
                     r"^\* 1 FETCH \(UID \d+ MODSEQ \(\d+\)\)$|"
                     r"^\* 1 FETCH \(MODSEQ \(\d+\)\)$", "SILENT")
        lines = ok(raw, f"STORE 1:3 (UNCHANGEDSINCE {since}) +FLAGS.SILENT "
                        "(\\Flagged)")
        expect_match(lines[-1], r"\[MODIFIED 1\]")
        expect(len(untagged(lines, "FETCH")), 2, "those that were stored")
        lines = ok(raw, f"UID STORE 4 (UNCHANGEDSINCE 0) +FLAGS (\\Seen)")
        expect_match(lines[-1], r"\[MODIFIED 4\]")
        lines = ok(raw, f"FETCH 1:* (UID) (CHANGEDSINCE {since})")
        expect([x.split()[1] for x in lines[:-1]], ["1", "2", "3"])
        expect_true(all("MODSEQ (" in x for x in lines[:-1]), f"{lines}")
        line = ok(raw, f"SEARCH MODSEQ {since + 1}")[0]
        expect_match(line, r"^\* SEARCH 1 2 3 \(MODSEQ \d+\)$")
        expect(ok(raw, "SEARCH MODSEQ 9223372036854775807")[0], "* SEARCH")
        expect_match(ok(raw, 'SEARCH MODSEQ "/flags/\\\\draft" all 1')[0],
                     r"\(MODSEQ \d+\)$")
        highest = value([line.replace("(", "[").replace(")", "]")], "MODSEQ")
        raw.send(b"e SEARCH RETURN (MIN) MODSEQ 1\r\n")
        least = int(re.search(r"MODSEQ (\d+)", raw.tagged("e")[0]).group(1))
        raw.send(b"e SEARCH RETURN (MIN COUNT) MODSEQ 1\r\n")
        expect_match(raw.tagged("e")[0], rf"MODSEQ {highest}$", "RFC 4731 3.2")
        expect_true(least <= highest, "of MIN alone")
        for wrong in ("STORE 1 (UNCHANGEDSINCE x) FLAGS ()",
                      "STORE 1 (UNHEARDOF 1) FLAGS ()",
                      "FETCH 1 FLAGS (CHANGEDSINCE)",
                      "FETCH 1 FLAGS (VANISHED)",
                      "FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
                      "SEARCH MODSEQ 9223372036854775808"):
            expect_match(ask(raw, wrong)[-1], r"^t\d+ BAD", wrong)


@scenario
def rfc7162_3_2_qresync(lab):
    """3.2.5, 3.2.6, 3.2.10: what a client is told that comes back."""
    with fresh(lab, "Back", 8) as raw, session(lab) as other:
        expect_match(ask(raw, "SELECT Back (QRESYNC (1 1))")[-1], "BAD",
                     "before ENABLE")
        ok(raw, "ENABLE QRESYNC")
        lines = ok(raw, "SELECT Back")
        since, uidvalidity = (value(lines, "HIGHESTMODSEQ"),
                              value(lines, "UIDVALIDITY"))
        ok(other, "SELECT Back")
        ok(other, "STORE 2 +FLAGS (\\Flagged)")
        ok(other, "STORE 3,4,6 +FLAGS (\\Deleted)")
        ok(other, "EXPUNGE")
        lines = ok(raw, "NOOP")
        expect(untagged(lines, "VANISHED"), ["* VANISHED 3:4,6"])
        expect(untagged(lines, "EXPUNGE"), [])
        expect_match(untagged(lines, "FETCH")[0],
                     r"^\* 2 FETCH \(UID 2 FLAGS .*MODSEQ \(\d+\)\)$")

        def select(parameters):
            lines = ok(raw, f"SELECT Back (QRESYNC ({parameters}))")
            expect_match(lines[0], r"^\* OK \[CLOSED\]")
            return ([x for x in lines if "VANISHED" in x],
                    untagged(lines, "FETCH"))
        gone, changed = select(f"{uidvalidity} {since}")
        expect(gone, ["* VANISHED (EARLIER) 3:4,6"])
        expect(len(changed), 1)
        expect_match(changed[0], r"^\* 2 FETCH \(UID 2 FLAGS .*MODSEQ")
        expect(select(f"{uidvalidity} {since} 1:3")[0],
               ["* VANISHED (EARLIER) 3"], "known UIDs")
        expect(select(f"{uidvalidity} {since} 4:8")[1], [], "nor flags")
        gone, _ = select(f"{uidvalidity} 1 1:8 (1,2,5 1,2,8)")
        expect_true(any("6" in x or "3:" in x for x in gone), f"{gone}")
        expect(select(f"{uidvalidity + 1} {since}"), ([], []),
               "another UIDVALIDITY: as if it were not there")
        expect(select(f"{uidvalidity} 9000000000000000000"), ([], []))
        lines = ok(raw, f"UID FETCH 1:5 (UID) (CHANGEDSINCE {since} "
                        "VANISHED)")
        expect(lines[0], "* VANISHED (EARLIER) 3:4")
        for wrong in (f"{uidvalidity}", f"{uidvalidity} 0",
                      f"0 {since}", f"{uidvalidity} {since} 1:*",
                      f"{uidvalidity} {since} 1:8 (1,2 1)"):
            expect_match(ask(raw, f"SELECT Back (QRESYNC ({wrong}))")[-1],
                         r"^t\d+ BAD", wrong)
        ok(raw, "SELECT Back")
        ok(raw, "STORE 1 +FLAGS.SILENT (\\Deleted)")
        lines = ok(raw, "EXPUNGE")
        expect(lines[0], "* VANISHED 1")
        expect_match(lines[-1], r"OK \[HIGHESTMODSEQ \d+\]", "3.2.7")
        ok(raw, "STORE 1 +FLAGS.SILENT (\\Deleted)")
        expect_match(ok(raw, "CLOSE")[-1], r"^t\d+ OK \w",
                     "3.2.8: not here, since VANISHED was not told")


@scenario
def rfc7162_what_notify_fetches_of_new_mail(lab):
    """RFC 7162 3.1: after an enabling command every FETCH response that was not
    asked for has MODSEQ; all of NOTIFY have the UID (RFC 5465 5.2)."""
    asked = "NOTIFY SET (selected (MessageNew (FLAGS) MessageExpunge))"
    with fresh(lab, "Heard") as raw, session(lab) as other:
        for enable, want in (("NOOP", r"\(UID 1 FLAGS \([^)]*\)\)$"),
                             ("ENABLE CONDSTORE", r"UID 2.*MODSEQ \(\d+\)|"
                                                  r"MODSEQ \(\d+\).*UID 2"),
                             ("ENABLE QRESYNC", r"UID 3.*MODSEQ \(\d+\)|"
                                                r"MODSEQ \(\d+\).*UID 3")):
            ok(raw, enable)
            ok(raw, asked)
            append(other, "Heard", message()[1])
            line = raw.line()
            while b"FETCH" not in line:
                line = raw.line()
            expect_match(line, want, enable)


@scenario
def rfc9208_5_quota(lab):
    """4.1.1, 4.1.2, 5: roots, names of resources; RFC 8438's SIZE."""
    with fresh(lab, "Weighed", 2) as raw:
        lines = ok(raw, "GETQUOTAROOT INBOX")
        root = re.match(r'\* QUOTAROOT INBOX (".*")$', lines[0]).group(1)
        expect_match(lines[1], rf"^\* QUOTA {root} \(STORAGE \d+ \d+")
        expect(ok(raw, f"GETQUOTA {root}")[0], lines[1])
        expect_match(ask(raw, 'GETQUOTA "!partition/sda4"')[-1],
                     r"^t\d+ NO \[NONEXISTENT\]")
        expect(ok(raw, "GETQUOTAROOT nowhere")[0],  # 4.1.2: none needs be
               '* QUOTAROOT nowhere "User quota"')
        sizes = [int(re.search(r"SIZE (\d+)", x).group(1))
                 for x in ok(raw, "FETCH 1:2 RFC822.SIZE")[:-1]]
        ok(raw, "STORE 1 +FLAGS (\\Deleted)")
        expect(ok(raw, "STATUS Weighed (SIZE DELETED)")[0],
               f"* STATUS Weighed (SIZE {sum(sizes)} DELETED 1)")


@scenario
def rfc8970_3_preview(lab):
    """3.1, 3.2, 4: at most 200 characters, and what is no modifier."""
    with session(lab) as raw:
        ask(raw, "DELETE Seen-at-once")
        ok(raw, "CREATE Seen-at-once")
        append(raw, "Seen-at-once", b"Subject: x\r\n\r\n" + b"words " * 100)
        ok(raw, "SELECT Seen-at-once")
        for command in ("FETCH 1 (PREVIEW)", "FETCH 1 (UID PREVIEW (LAZY))"):
            text = re.search(r'PREVIEW "(.*?)"',
                             ok(raw, command)[0]).group(1)
            expect_true(180 <= len(text) <= 200 and
                        text.startswith("words words"), f"{text!r}")
        expect_match(ask(raw, "FETCH 1 PREVIEW (FUZZY)")[-1], "BAD", "8970 3")
        expect_true("\\Seen" not in ok(raw, "FETCH 1 FLAGS")[0], "nor \\Seen")


@scenario
def rfc7888_literals(lab):
    """LITERAL+ in every place that takes a string, also empty and in a row;
    what cannot be one is answered and the next command is found."""
    with session(lab) as raw:
        expect_match(say(raw, "LIST ", b"", " ", b"INBOX")[0], "INBOX$")
        expect_match(say(raw, "STATUS ", b"INBOX", " (MESSAGES)")[0],
                     r"^\* STATUS INBOX")
        expect_match(say(raw, "SELECT ", b"INBOX")[-1], "^x OK")
        expect_match(say(raw, "SEARCH SUBJECT ", b"a", " BODY ", b"b")[-1],
                     "^x OK")
        expect_match(say(raw, "FETCH 1 BODY.PEEK[HEADER.FIELDS (", b"To",
                         ")]")[-1], "^x (OK|BAD no message)")
        for wrong in (("FETCH ", b"1", " UID"), ("STORE 1 FLAGS (",
                                                 b"\\Seen", ")"),
                      ("SEARCH ", b"ALL"), ("LIST ", b"", " ", b"a\0b")):
            expect_match(say(raw, *wrong)[-1], "^x BAD", f"{wrong}")
        ok(raw, "NOOP")


@scenario
def rfc9051_6_3_6_names_that_are_renamed(lab):
    """RFC 9051 6.3.6: what is below moves along, INBOX stays and is empty."""
    with session(lab) as raw:
        for name in ("blurdybloop", "foo", "foo/bar", "zowie", "zowie/bar",
                     "sarasoon", "old-mail", "old-mail-1"):
            ask(raw, f"DELETE {name}")
        ok(raw, "CREATE blurdybloop")
        ok(raw, "CREATE foo")
        ok(raw, "CREATE foo/bar")
        ok(raw, "RENAME blurdybloop sarasoon")
        ok(raw, "RENAME foo zowie")
        expect(set(listed(ok(raw, 'LIST "" ("zowie*" "foo*" sarasoon)'))),
               {"zowie", "zowie/bar", "sarasoon"})
        append(raw, "INBOX", message()[1])
        # "above" is but a name; what is below it moves all the same.
        ok(raw, "CREATE above/middle/below")
        expect_match(ask(raw, "RENAME above above/middle/x")[-1], r"^t\d+ NO")
        ok(raw, "RENAME above/middle top/most")
        expect(listed(ok(raw, 'LIST "" ("above*" "top*")'))["top/most/below"],
               ({"\\HasNoChildren"}, ""))
        ok(raw, "RENAME top other")
        ok(raw, "DELETE other/most/below")
        expect_match(ask(raw, "RENAME other top")[-1],
                     r"^t\d+ NO \[NONEXISTENT\]")
        ok(raw, "CREATE INBOX/bar")
        ok(raw, "RENAME INBOX old-mail")
        expect(set(listed(ok(raw, 'LIST "" ("INBOX*" "old-mail*")'))),
               {"INBOX", "INBOX/bar", "old-mail"})
        expect_match(ok(raw, "STATUS INBOX (MESSAGES)")[0], "MESSAGES 0")
        ok(raw, "DELETE INBOX/bar")
        ok(raw, "DELETE old-mail")


@scenario
def rfc5530_codes_say_why(lab):
    """RFC 5530 3: the code of each refusal that can be made here."""
    with lab.mta1.raw("imap") as raw:
        raw.line()
        expect_match(ask(raw, "LOGIN user1@example1.local password123")[-1],
                     r"^t\d+ NO \[PRIVACYREQUIRED\]")
        raw.tagged("s", "STARTTLS")
        raw.start_tls(lab.mta1.tls())
        expect_match(ask(raw, "LOGIN user1@example1.local wrong")[-1],
                     r"^t\d+ NO \[AUTHENTICATIONFAILED\]")
    with fresh(lab, "Why", 2) as raw, session(lab) as other:
        for command, code in (
                ("CREATE Why", "ALREADYEXISTS"), ("CREATE a//b", "CANNOT"),
                ("RENAME Why INBOX", "ALREADYEXISTS"),
                ("DELETE INBOX", "CANNOT"), ("DELETE nowhere", "NONEXISTENT"),
                ("RENAME nowhere x", "NONEXISTENT"),
                ("STATUS nowhere (MESSAGES)", "NONEXISTENT"),
                ("COPY 1 nowhere", "TRYCREATE"),
                ("MOVE 1 nowhere", "TRYCREATE"),
                ("SEARCH CHARSET X-NONE ALL", "BADCHARSET"),
                ("SEARCH " + "NOT " * 999 + "ALL", "LIMIT"),
                ("GETQUOTA nowhere", "NONEXISTENT"),
                ('SETMETADATA "" (/shared/comment "x")', "NOPERM")):
            expect_match(ask(raw, command)[-1], rf"^t\d+ NO \[{code}[ \]]",
                         command[:40])
        ok(other, "SELECT Why")
        ok(other, "STORE 1 +FLAGS (\\Deleted)")
        ok(other, "EXPUNGE")
        lines = ask(raw, "STORE 1 +FLAGS (\\Seen)")
        expect_match(lines[-1], r"^t\d+ NO \[EXPUNGEISSUED\]")
        expect(untagged(lines, "EXPUNGE"), [], "not within STORE")
        expect("* 1 EXPUNGE" in ok(raw, "NOOP"), True)
        ok(raw, "EXAMINE Why")
        expect_match(ask(raw, "EXPUNGE")[-1], r"^t\d+ NO \[READ-ONLY\]")


if __name__ == "__main__":
    main(hosts=1)
