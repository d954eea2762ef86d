#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Messages that come in by IMAP: several at once (RFC 3502), made of others
(RFC 4469), in place of another (RFC 8508), binary (RFC 3516)."""

import os
import re

from frame import (expect, expect_match, expect_true, main, scenario,
                   wait_for)
from frame_imap import USER1, ask, ok, session

BOX = "Arriving"


def fresh(lab):
    raw = session(lab)
    ask(raw, f"DELETE {BOX}")
    ok(raw, f"CREATE {BOX}")
    ok(raw, f"SELECT {BOX}")
    return raw


def send(raw, *pieces):
    """Text and literals (bytes) by turns; each literal waits for "+". The last
    line, where the command stopped."""
    for i, piece in enumerate(pieces):
        if isinstance(piece, str):
            following = pieces[i + 1] if i + 1 < len(pieces) else None
            mark = (f"{{{len(following)}}}" if following is not None else "")
            raw.send(f"{piece}{mark}\r\n".encode())
            if following is None:
                break
            line = raw.line()
            while line.startswith(b"* "):
                line = raw.line()
            if line[:1] != b"+":
                return line.decode()
        else:
            raw.send(piece)
    return raw.tagged(pieces[0].split()[0])[-1]


def bodies(raw, what="BODY.PEEK[]"):
    """All messages' octets, by their literals."""
    raw.send(f"b FETCH 1:* ({what})\r\n".encode())
    found = []
    while True:
        line = raw.line()
        if line.startswith(b"b "):
            expect_match(line, "^b OK")
            return found
        size = re.search(rb"\{(\d+)\}$", line.rstrip())
        if size:
            found.append(raw.read(int(size.group(1))))


def count(raw):
    text = "\n".join(ok(raw, f"STATUS {BOX} (MESSAGES)"))
    return int(re.search(r"MESSAGES (\d+)", text).group(1))


def mail(n):
    return f"Subject: number {n}\r\n\r\nbody {n}\r\n".encode()


@scenario
def multiappend_all_or_nothing(lab):
    """RFC 3502 6.3.11: its example, flags and dates of each, APPENDUID with a
    set; one refusal and none is there."""
    with fresh(lab) as raw:
        line = send(raw, f"a APPEND {BOX} (\\Seen) ", mail(1),
                    ' (\\Draft) " 7-Feb-1994 22:43:04 -0800" ', mail(2),
                    " ", mail(3), "")
        expect_match(line, r"^a OK \[APPENDUID \d+ 1:3\]")
        text = "\n".join(ok(raw, "FETCH 1:3 (FLAGS INTERNALDATE)"))
        expect_match(text, r"1 FETCH \(FLAGS \(.*\\Seen.*2 FETCH .*\\Draft")
        expect_match(text, r" 8-Feb-1994 06:43:04 \+0000| 7-Feb-1994")
        expect(bodies(raw), [mail(1), mail(2), mail(3)])
        # Without waiting, and the second has a flag that is none.
        raw.send(b"n APPEND %s {%d+}\r\n%s (\\Nonsense) {%d+}\r\n%s\r\n" % (
            BOX.encode(), len(mail(4)), mail(4), len(mail(5)), mail(5)))
        expect_match(raw.tagged("n")[-1], "^n BAD")
        expect(count(raw), 3)
        # The third is too large.
        line = send(raw, f"t APPEND {BOX} ", mail(4), " ", mail(5),
                    f" (\\Seen) {{{1 << 31}}}")
        expect_match(line, r"^t NO \[TOOBIG\]")
        expect(count(raw), 3)
        # The client ends it by a shape that is wrong: BAD and BYE.
        line = send(raw, f"w APPEND {BOX} ", mail(4), " ", mail(5), " x")
        expect_match(line, "^w BAD")
        expect(count(raw), 3)
        ok(raw, "NOOP")
        # A client that goes in the middle.
        raw.send(b"g APPEND %s {%d+}\r\n%s {%d+}\r\n%s {99}\r\n" % (
            BOX.encode(), len(mail(4)), mail(4), len(mail(5)), mail(5)))
        expect(raw.line()[:1], b"+")
    tmp = os.path.join(lab.mta1.maildir(USER1, "." + BOX), "tmp")
    wait_for("tmp/ is empty", lambda: not os.listdir(tmp))
    with session(lab) as raw:
        expect(count(raw), 3)


@scenario
def multiappend_of_a_hundred(lab):
    """Larger than what stands in memory, and no file is left in tmp/."""
    with fresh(lab) as raw:
        pieces = []
        for i in range(100):
            pieces += [b" {%d+}\r\n" % len(mail(i)), mail(i)]
        raw.send(b"h APPEND " + BOX.encode() + b"".join(pieces) + b"\r\n")
        expect_match(raw.tagged("h")[-1], r"^h OK \[APPENDUID \d+ 1:100\]")
        expect(count(raw), 100)
        expect(bodies(raw)[99], mail(99))


@scenario
def catenate_parts(lab):
    """RFC 4469 3 and 5: a forward made of what is there; BADURL."""
    text = b"\r\n--B\r\nContent-Type: text/plain\r\n\r\nnew words\r\n"
    with fresh(lab) as raw:
        first = (b"Subject: old\r\nMIME-Version: 1.0\r\nContent-Type: "
                 b"multipart/mixed; boundary=B\r\n\r\n--B\r\n\r\nold "
                 b"words\r\n--B--\r\n")
        line = send(raw, f"c APPEND {BOX} ", first, "")
        uidvalidity = re.search(r"APPENDUID (\d+)", line).group(1)
        url = f"/{BOX};UIDVALIDITY={uidvalidity}/;UID=1"
        line = send(raw, f'd APPEND {BOX} (\\Seen \\Draft) CATENATE (URL '
                    f'"{url}/;section=HEADER" TEXT ', text,
                    f' URL "{url}/;SECTION=1/;PARTIAL=4.5" TEXT ',
                    b"\r\n--B--\r\n", ")")
        expect_match(line, r"^d OK \[APPENDUID \d+ 2\]")
        head = first[:first.index(b"\r\n\r\n") + 4]
        expect(bodies(raw)[1], head + text + b"words" + b"\r\n--B--\r\n")
        # The selected mailbox, no literal at all, two messages.
        lines = ok(raw, f'APPEND {BOX} CATENATE (URL ";UID=1") CATENATE (URL '
                        f'{url})')
        expect_match(lines[-1], r"\[APPENDUID \d+ 3:4\]")
        expect(bodies(raw)[2:], [first, first])
        # A URL as a literal.
        line = send(raw, f"l APPEND {BOX} CATENATE (URL ", url.encode(), ")")
        expect_match(line, "^l OK")
        for bad in (f"/{BOX};UIDVALIDITY=7/;UID=1", f"/{BOX}/;UID=99",
                    "/Nowhere/;UID=1", f"{url}/;SECTION=1.5.9",
                    "imap://elsewhere/INBOX/;UID=1"):
            line = ask(raw, f'APPEND {BOX} CATENATE (URL "{bad}")')[-1]
            expect_match(line, r"^t\d+ NO \[BADURL " + re.escape(f'"{bad}"'))
        expect(count(raw), 5)


@scenario
def replace_one(lab):
    """RFC 8508 3: APPENDUID, EXISTS, EXPUNGE; nothing goes when it fails."""
    with fresh(lab) as raw:
        send(raw, f"p APPEND {BOX} ", mail(1), " ", mail(2), "")
        ok(raw, "NOOP")
        raw.send(b"r REPLACE 1 %s (\\Seen \\Draft) {%d+}\r\n%s\r\n" % (
            BOX.encode(), len(mail(3)), mail(3)))
        text = "\n".join(raw.tagged("r"))
        expect_match(text, r"^\* OK \[APPENDUID \d+ 3\]")
        expect_match(text, r"^\* 1 EXPUNGE")
        expect_match(text, "^r OK")
        expect(bodies(raw), [mail(2), mail(3)])
        line = send(raw, f"u UID REPLACE 2 {BOX} ", mail(4), "")
        expect_match(line, "^u OK")
        expect(bodies(raw), [mail(3), mail(4)])
        for command, want in ((f"REPLACE 9 {BOX}", "BAD"),
                              (f"UID REPLACE 99 {BOX}", "NO"),
                              (f"REPLACE 1:2 {BOX}", "BAD"),
                              ("REPLACE 1 Nowhere", r"NO \[TRYCREATE\]")):
            line = send(raw, f"x {command} ", mail(5), "")
            expect_match(line, f"^x {want}", command)
        expect(bodies(raw), [mail(3), mail(4)])
        ok(raw, f"EXAMINE {BOX}")
        line = send(raw, f"e REPLACE 1 {BOX} ", mail(5), "")
        expect_match(line, r"^e NO \[READ-ONLY\]")
        ok(raw, "UNSELECT")
        line = send(raw, f"f REPLACE 1 {BOX} ", mail(5), "")
        expect_match(line, "^f BAD")
        expect(count(raw), 2)


@scenario
def binary_parts(lab):
    """RFC 3516 4.2 to 4.4: decoded parts, sizes, partial, UNKNOWN-CTE."""
    with fresh(lab) as raw:
        content = (b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; "
                   b"boundary=B\r\n\r\n--B\r\nContent-Transfer-Encoding: "
                   b"base64\r\n\r\nAAECAwQFBgc=\r\n--B\r\n"
                   b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                   b"caf=C3=A9=\r\n!\r\n--B\r\nContent-Transfer-Encoding: "
                   b"x-uu\r\n\r\nx\r\n--B--\r\n")
        raw.send(b"a APPEND %s ~{%d+}\r\n%s\r\n" % (BOX.encode(),
                                                  len(content), content))
        expect_match(raw.tagged("a")[-1], "^a OK")
        raw.send(b"b FETCH 1 (BINARY.SIZE[1] BINARY.PEEK[1])\r\n")
        expect_match(raw.line(), r"BINARY.SIZE\[1\] 8 BINARY\[1\] ~\{8\}")
        expect(raw.read(8), bytes(range(8)))
        raw.tagged("b")
        expect_true("\\Seen" not in ok(raw, "FETCH 1 (FLAGS)")[0], "PEEK")
        raw.send(b"c FETCH 1 BINARY[1]<6.9>\r\n")
        expect_match(raw.line(), r"BINARY\[1\]<6> \{2\}")
        expect(raw.read(2), b"\6\7")
        raw.tagged("c")
        expect_true("\\Seen" in ok(raw, "FETCH 1 (FLAGS)")[0], "\\Seen")
        expect(bodies(raw, "BINARY.PEEK[2]"), ["caf\u00e9!".encode()])
        expect(bodies(raw, "BINARY.PEEK[]"), [content])
        expect(bodies(raw, "BINARY.PEEK[2]<5.99>"), [b"!"])
        expect_match(ask(raw, "FETCH 1 BINARY.PEEK[3]")[-1],
                     r"^t\d+ NO \[UNKNOWN-CTE\]")
        expect_match(ok(raw, "FETCH 1 BINARY.PEEK[4]")[0], r"BINARY\[4\] NIL")
        raw.send(b"n APPEND %s ~{3+}\r\na\0b\r\n" % BOX.encode())
        expect_match(raw.tagged("n")[-1], r"^n NO \[UNKNOWN-CTE\]")
        expect(count(raw), 1)


if __name__ == "__main__":
    main(hosts=1)
