#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""METADATA (RFC 5464) and LIST-METADATA (RFC 9590): the RFCs' examples, what
stays, what is refused. Rows A15, I11, I14, F (our own files)."""

import os
import re
import signal

from frame import expect, expect_match, expect_true, main, scenario, wait_for
from frame_imap import USER1, USER2, ask, fresh, ok, session


def values(raw, command):
    """{entry: value or None} of the untagged METADATA responses."""
    found = {}
    for line in ok(raw, command)[:-1]:
        expect_match(line, r"^\* METADATA ", command)
        body = re.search(r"\((.*)\)$", line, re.S).group(1)
        for entry, quoted, nil in re.findall(
                r'(\S+) (?:"((?:[^"\\]|\\.)*)"|(NIL))', body):
            found[entry] = None if nil else re.sub(r"\\(.)", r"\1", quoted)
    return found


def send_literal(raw, before, content, after=b""):
    raw.send(b"l " + before + b" {%d+}\r\n" % len(content) + content + after
             + b"\r\n")
    return raw.tagged("l")


@scenario
def examples_of_the_rfc(lab):
    """RFC 5464 4.2, 4.3, and 5: the examples, one after the other."""
    raw = fresh(lab, "meta")
    with raw:
        expect(values(raw, "GETMETADATA meta /private/comment"),
               {"/private/comment": None}, "nothing yet")
        ok(raw, 'SETMETADATA meta (/private/comment "My own comment" '
           '/shared/comment "Shared \\"comment\\"")')
        expect(values(raw, 'GETMETADATA "meta" (/shared/comment '
                           "/private/comment)"),
               {"/shared/comment": 'Shared "comment"',
                "/private/comment": "My own comment"})
        expect(values(raw, "GETMETADATA meta /PRIVATE/Comment"),
               {"/PRIVATE/Comment": "My own comment"}, "no regard to case")
        expect_match(send_literal(raw, b"SETMETADATA meta (/private/comment",
                                  b"My new comment across\r\ntwo lines.",
                                  b")")[-1], "^l OK")
        raw.send(b"g GETMETADATA meta /private/comment\r\n")
        expect(raw.line(), b"* METADATA meta (/private/comment {33}")
        expect(raw.read(33), b"My new comment across\r\ntwo lines.")
        expect(raw.line(), b")")
        expect_match(raw.line().decode(), "^g OK")
        ok(raw, "SETMETADATA meta (/private/comment NIL)")
        expect(values(raw, "GETMETADATA meta /private/comment"),
               {"/private/comment": None}, "removed")


@scenario
def depth_and_size(lab):
    """RFC 5464 4.2.1, 4.2.2."""
    raw = fresh(lab, "depth")
    with raw:
        ok(raw, 'SETMETADATA depth (/private/filters/values/small "SMALLER '
           '5000" /private/filters/values/boss "FROM x" '
           '/private/filters/values/boss/more "deep")')
        names = "/private/filters/values"
        expect(values(raw, f"GETMETADATA depth {names}"), {names: None})
        for options in (f"(DEPTH 1) depth {names}",
                        f"depth (DEPTH 1) ({names})"):
            expect(values(raw, f"GETMETADATA {options}"),
                   {f"{names}/small": "SMALLER 5000",
                    f"{names}/boss": "FROM x"}, options)
        expect(len(values(raw, f"GETMETADATA (DEPTH infinity) depth {names}")),
               3, "infinity")
        lines = ok(raw, f"GETMETADATA (MAXSIZE 6 DEPTH infinity) depth "
                        "/private")
        expect_match(lines[-1], r"OK \[METADATA LONGENTRIES 12\]")
        expect_match(lines[0], r"boss \"FROM x\" .*more \"deep\"")


@scenario
def each_entry_is_told_once(lab):
    """RFC 5464 4.4.1, however often it is asked for: by its name, in another
    case, and by what stands above it."""
    raw = fresh(lab, "once")
    with raw:
        ok(raw, 'SETMETADATA once (/private/x "over" /private/x/y "under")')
        for asked in ("(DEPTH infinity) once (/private/x/y /private/x)",
                      "once (/private/x /PRIVATE/X/y /private/x/Y /private/x "
                      "/private/none /private/NONE)"):
            line = ok(raw, f"GETMETADATA {asked}")[0].lower()
            for text in (' /private/x/y "under"', '/private/x "over"'):
                expect(line.count(text.strip()), 1, f"{asked}: {line}")
            expect(line.count("/private/none nil"), asked.count("/none"),
                   line)


@scenario
def the_server_has_some(lab):
    raw = session(lab)
    with raw:
        expect(values(raw, 'GETMETADATA "" (/shared/admin /shared/comment)'),
               {"/shared/admin": "mailto:postmaster@example1.local",
                "/shared/comment": None})
        ok(raw, 'SETMETADATA "" (/private/vendor/x/colour "red")')
        expect(values(raw, 'GETMETADATA "" /private/vendor/x/colour'),
               {"/private/vendor/x/colour": "red"})
        expect(values(raw, "GETMETADATA INBOX /private/vendor/x/colour"),
               {"/private/vendor/x/colour": None}, "INBOX is another")
        expect_match(ask(raw, 'SETMETADATA "" (/shared/comment "x")')[-1],
                     r"NO \[NOPERM\]")
    with session(lab, USER2) as raw:
        expect(values(raw, 'GETMETADATA "" /private/vendor/x/colour'),
               {"/private/vendor/x/colour": None}, "another user")


@scenario
def what_is_refused(lab):
    """I11, I01: bounds, and all or nothing."""
    raw = fresh(lab, "bounds")
    with raw:
        expect_match(ask(raw, "GETMETADATA nowhere /private/a")[-1],
                     r"NO \[NONEXISTENT\]")
        expect_match(ask(raw, 'SETMETADATA nowhere (/private/a "x")')[-1],
                     r"NO \[NONEXISTENT\]")
        for wrong in ("GETMETADATA bounds /other/a",
                      "GETMETADATA bounds /private/a/",
                      'GETMETADATA bounds "/private/*"',
                      "GETMETADATA (DEPTH 5) bounds /private",
                      'SETMETADATA bounds (/private "x")',
                      "SETMETADATA bounds (/private/a)"):
            expect_match(ask(raw, wrong)[-1], r"^t\d+ BAD", wrong)
        expect_match(send_literal(
            raw, b'SETMETADATA bounds (/private/a "x" /private/b',
            b"y" * 65537, b")")[-1], r"NO \[METADATA MAXSIZE 65536\]")
        expect(values(raw, "GETMETADATA bounds /private/a"),
               {"/private/a": None}, "all or nothing")
        expect_match(send_literal(raw, b"SETMETADATA bounds (/private/b",
                                  b"y" * 65536, b")")[-1], "^l OK")
        expect_match(send_literal(raw, b"SETMETADATA bounds (/private/nul "
                                  b"~{3+}\r\n\0\1\0 /private/c", b"z",
                                  b")")[-1], "^l OK")
        raw.send(b"g GETMETADATA bounds /private/nul\r\n")
        expect(raw.line(), b"* METADATA bounds (/private/nul ~{3}")
        expect(raw.read(3), b"\0\1\0")
        raw.tagged("g")
        many = " ".join(f'/private/n{i} "x"' for i in range(100))
        ok(raw, f"SETMETADATA bounds ({many})")
        many = " ".join(f'/private/m{i} "x"' for i in range(100))
        expect_match(ask(raw, f"SETMETADATA bounds ({many})")[-1],
                     r"NO \[METADATA TOOMANY\]")
        expect(values(raw, "GETMETADATA bounds /private/m0"),
               {"/private/m0": None}, "all or nothing")


@scenario
def they_stay_and_go_with_the_mailbox(lab):
    """A15: after kill -9; a RENAME takes them along, a DELETE ends them."""
    raw = fresh(lab, "stays")
    ask(raw, "DELETE moved")
    ok(raw, 'SETMETADATA stays (/private/comment "kept")')
    pid = next(p for p, role in lab.mta1.processes().items()
               if role == "mda/store")
    os.kill(pid, signal.SIGKILL)
    raw.close()
    wait_for("store is back", lambda: pid not in lab.mta1.processes()
             and "mda/store" in lab.mta1.processes().values())
    with session(lab) as raw:
        ok(raw, "RENAME stays moved")
        expect(values(raw, "GETMETADATA moved /private/comment"),
               {"/private/comment": "kept"}, "renamed")
        ok(raw, "DELETE moved")
        ok(raw, "CREATE moved")
        expect(values(raw, "GETMETADATA moved /private/comment"),
               {"/private/comment": None}, "another mailbox")


@scenario
def a_damaged_file_harms_nobody(lab):
    with fresh(lab, "torn", 1) as raw:
        ok(raw, 'SETMETADATA torn (/private/a "first" /private/b "second")')
        path = os.path.join(lab.mta1.maildir(USER1, ".torn"),
                            "estafeta-metadata")
        with open(path, "r+b") as file:
            octets = bytearray(file.read())
            octets[-1] ^= 1
            file.seek(0)
            file.write(octets)
        expect(values(raw, "GETMETADATA torn (/private/a /private/b)"),
               {"/private/a": "first", "/private/b": None})
        expect_true("store.metadata" in lab.mta1.log(), "it is told")
        with open(path, "wb") as file:
            file.write(os.urandom(1000))
        expect(values(raw, "GETMETADATA torn /private/a"),
               {"/private/a": None})
        ok(raw, 'SETMETADATA torn (/private/a "again")')
        expect(values(raw, "GETMETADATA torn /private/a"),
               {"/private/a": "again"})
        ok(raw, "FETCH 1 (FLAGS BODY[])")


@scenario
def special_uses_are_an_entry(lab):
    """RFC 6154 4: as Roundcube gives a folder another use."""
    def uses(raw):
        found = {}
        for line in ok(raw, 'LIST "" "*" RETURN (SPECIAL-USE)')[:-1]:
            name = line.split(" ")[-1]
            found[name] = [x for x in re.findall(r"\\\w+", line)
                           if "Children" not in x]
        return found
    with fresh(lab, "Mine") as raw:
        expect(values(raw, "GETMETADATA Sent /private/specialuse"),
               {"/private/specialuse": "\\Sent"})
        ok(raw, "SETMETADATA Sent (/private/specialuse NIL)")
        ok(raw, 'SETMETADATA Mine (/private/specialuse "\\\\Sent")')
        expect((uses(raw)["Sent"], uses(raw)["Mine"]), ([], ["\\Sent"]))
        expect(values(raw, "GETMETADATA (DEPTH infinity) Mine /private"),
               {"/private/specialuse": "\\Sent"})
        expect_match(ask(raw, 'SETMETADATA Mine (/private/specialuse '
                              '"\\\\Flying")')[-1], r"NO \[USEATTR\]")
        expect_match(ask(raw, 'SETMETADATA INBOX (/private/specialuse '
                              '"\\\\Sent")')[-1], r"NO \[USEATTR\]")
        ok(raw, "SETMETADATA Mine (/private/specialuse NIL)")
        ok(raw, 'SETMETADATA Sent (/private/specialuse "\\\\Sent")')
        expect((uses(raw)["Sent"], uses(raw)["Mine"]), (["\\Sent"], []))


@scenario
def list_tells_them(lab):
    """RFC 9590 3: a METADATA response for each mailbox, NIL for what is not."""
    with fresh(lab, "coloured") as raw:
        name = "/shared/vendor/cmu/cyrus-imapd/color"
        ok(raw, f'SETMETADATA coloured ({name} "#b71c1c")')
        lines = ok(raw, f'LIST "" "*" RETURN (METADATA ("{name}"))')
        listed = [x.split('"/" ')[1] for x in lines
                  if x.startswith("* LIST")]
        told = [x.split(" ")[2] for x in lines if x.startswith("* METADATA")]
        expect(told, listed, "one for each")
        expect_true(f'* METADATA coloured ({name} "#b71c1c")' in lines, lines)
        expect_true(f"* METADATA INBOX ({name} NIL)" in lines, lines)
        lines = ok(raw, 'LIST "" Sent RETURN (STATUS (MESSAGES) METADATA '
                        "(/private/specialuse))")
        expect(lines[-2], '* METADATA Sent (/private/specialuse "\\\\Sent")')
        expect_match(ask(raw, 'LIST "" "*" RETURN (METADATA /private/a)')[-1],
                     "BAD")


@scenario
def a_full_mailbox_takes_no_more(lab):
    """A30."""
    with fresh(lab, "full", 1) as raw:
        lab.mta1.write_config("quotas.cf", f"{USER1}:1k\n")

        def is_over():
            with session(lab) as other:
                return re.search(r"STORAGE \d+ 1[ )]", "".join(
                    ok(other, "GETQUOTAROOT INBOX")))
        wait_for("the quota is in force", is_over)
        big = b"x" * 2000
        expect_match(send_literal(raw, b"SETMETADATA full (/private/a", big,
                                  b")")[-1], r"NO \[OVERQUOTA\]")
        ok(raw, "SETMETADATA full (/private/none NIL)")
        lab.mta1.write_config("quotas.cf", "\n")


if __name__ == "__main__":
    main(hosts=1)
