#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the RFCs of IMAP's extensions show in their examples and demand in
their text, one extension after the other. Numbers differ where an example has
a mailbox of its own; the shape of the answer is the RFC's."""

import re

from frame import expect, expect_match, expect_true, main, message, scenario
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


if __name__ == "__main__":
    main(hosts=1)
