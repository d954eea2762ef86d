# SPDX-License-Identifier: MIT
"""The grammar of what an IMAP server may say: RFC 9051 section 9, RFC 3501
section 9 for IMAP4rev1, and the ABNF of the extensions that we announce. Strict:
one space where one is, no word that no RFC gives, each item once.

    check(text, literals, mode)

text is one whole response without its last CRLF; a literal in it is "{n}" CRLF,
and its octets are the next in `literals`. It returns what it is, as a Said, or
raises Wrong. imap_watch.py feeds it from a connection."""

import re


class Wrong(Exception):
    """No RFC allows that response."""


class Mode:
    """What the client has switched on: it changes the grammar."""

    def __init__(self, is_utf8=False, is_rev2=False):
        self.is_utf8, self.is_rev2 = is_utf8, is_rev2


class Said:
    """word: FETCH, EXISTS, OK, "+" ... tag: None of untagged ones. number: of
    EXISTS and so on. code, values: of a condition. items: of FETCH, of STATUS,
    of ESEARCH and so on."""

    def __init__(self, word, tag=None, number=None, code=None, items=None):
        self.word, self.tag, self.number = word, tag, number
        self.code, self.items, self.values = code, items or {}, None


TAG = re.compile(rb"[!#$&',\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+")
ATOM = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+")
ASTRING = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+")
QUOTED_7 = re.compile(rb'"((?:[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\x7f]'
                      rb'|\\["\\])*)"')
QUOTED_8 = re.compile(rb'"((?:[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\xff]'
                      rb'|\\["\\])*)"')
LITERAL = re.compile(rb"(~?)\{(0|[1-9]\d*)\}\r\n")
NUMBER = re.compile(rb"0|[1-9]\d*")
FLAG = re.compile(rb"\\?[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+")
SET = re.compile(rb"[1-9]\d*(?::[1-9]\d*)?(?:,[1-9]\d*(?::[1-9]\d*)?)*")
OBJECT_ID = re.compile(rb"[A-Za-z0-9_-]{1,255}")
DATE = re.compile(rb'"(?: [1-9]|[0-3]\d)-(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|'
                  rb'Sep|Oct|Nov|Dec)-\d{4} \d\d:\d\d:\d\d [+-]\d{4}"')
TEXT_7 = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7f]+")
SECTION = re.compile(
    rb"\[(?:(?:[1-9]\d*(?:\.[1-9]\d*)*)(?:\.(?=[A-Z]))?)?"
    rb"(?:(?<=\.)MIME|HEADER\.FIELDS(?:\.NOT)? (?=\()|HEADER|TEXT)?")
PART = re.compile(rb"\[(?:[1-9]\d*(?:\.[1-9]\d*)*)?\]")
STATES = (b"\\NONEXISTENT", b"\\NOSELECT", b"\\MARKED", b"\\UNMARKED")
LIST_ATTRIBUTES = STATES + (
    b"\\NOINFERIORS", b"\\SUBSCRIBED", b"\\REMOTE", b"\\HASCHILDREN",
    b"\\HASNOCHILDREN", b"\\ALL", b"\\ARCHIVE", b"\\DRAFTS", b"\\FLAGGED",
    b"\\JUNK", b"\\SENT", b"\\TRASH")
SYSTEM_FLAGS = (b"\\ANSWERED", b"\\FLAGGED", b"\\DELETED", b"\\SEEN",
                b"\\DRAFT")
PREVIEW_MAX = 256  # RFC 8970 3.2, characters
EVENTS = (b"MESSAGENEW", b"MESSAGEEXPUNGE", b"FLAGCHANGE", b"ANNOTATIONCHANGE",
          b"MAILBOXNAME", b"SUBSCRIPTIONCHANGE", b"MAILBOXMETADATACHANGE",
          b"SERVERMETADATACHANGE")
# Response codes without arguments: RFC 9051 7.1, 5530, 3516, 4315, 5182, 4469,
# 7162, 6154, 4978, 5465.
BARE_CODES = frozenset((
    "ALERT", "PARSE", "READ-ONLY", "READ-WRITE", "TRYCREATE", "UIDNOTSTICKY",
    "UNAVAILABLE", "AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED",
    "PRIVACYREQUIRED", "CONTACTADMIN", "NOPERM", "INUSE", "EXPUNGEISSUED",
    "CORRUPTION", "SERVERBUG", "CLIENTBUG", "CANNOT", "LIMIT", "OVERQUOTA",
    "ALREADYEXISTS", "NONEXISTENT", "NOTSAVED", "HASCHILDREN", "CLOSED",
    "UNKNOWN-CTE", "NOMODSEQ", "TOOBIG", "USEATTR", "COMPRESSIONACTIVE",
    "NOTIFICATIONOVERFLOW"))


def need(claim, what):
    if not claim:
        raise Wrong(what)


def members(text):
    """How many numbers a set names."""
    n = 0
    for part in text.split(b","):
        ends = [int(end) for end in part.split(b":")]
        n += abs(ends[-1] - ends[0]) + 1
    return n


def numbers(text):
    """What a set names; it may be long, but not absurd."""
    need(members(text) <= 1 << 22, "a set of millions")
    found = []
    for part in text.split(b","):
        ends = sorted(int(end) for end in part.split(b":"))
        found += range(ends[0], ends[-1] + 1)
    return found


def mailbox_utf7(name):
    """RFC 3501 5.1.3: only what is not printable is in base64, in one run, and
    with no bit left over."""
    for run in re.findall(rb"&([^-]*-?)", name):
        need(run.endswith(b"-"), f"an open & in {name!r}")
        if run == b"-":
            continue
        need(re.fullmatch(rb"[A-Za-z0-9+,]+-", run), f"base64 of {name!r}")
        bits = n = 0
        units = []
        for octet in run[:-1]:
            bits = bits << 6 | BASE64.index(octet)
            n += 6
            if n >= 16:
                n -= 16
                units.append(bits >> n)
                bits &= (1 << n) - 1
        need(n < 6 and bits == 0, f"bits left over in {name!r}")
        text = b"".join(u.to_bytes(2, "big") for u in units)
        try:
            decoded = text.decode("utf-16-be")
        except UnicodeDecodeError:
            raise Wrong(f"surrogates in {name!r}") from None
        need(not any(" " <= c <= "~" for c in decoded),
             f"ASCII in base64: {name!r}")
    need(not re.search(rb"&[^-]+-&[^-]", name), f"two runs in one: {name!r}")


BASE64 = (b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,")


class Reader:
    def __init__(self, text, literals, mode):
        self.text, self.literals, self.mode = text, list(literals), mode
        self.at = 0

    # -- tokens

    def fail(self, what):
        shown = self.text[max(0, self.at - 40):self.at + 60]
        raise Wrong(f"{what} at octet {self.at}: {shown!r}")

    def is_end(self):
        return self.at == len(self.text)

    def end(self):
        if not self.is_end():
            self.fail("more than the grammar has")
        if self.literals:
            self.fail("a literal that nothing names")

    def next_is(self, octets):
        return self.text.startswith(octets, self.at)

    def take(self, octets):
        if not self.next_is(octets):
            return False
        self.at += len(octets)
        return True

    def demand(self, octets):
        if not self.take(octets):
            self.fail(f"not {octets!r}")

    def space(self):
        self.demand(b" ")

    def match(self, pattern, what):
        found = pattern.match(self.text, self.at)
        if not found:
            self.fail(f"no {what}")
        self.at = found.end()
        return found

    def word(self):
        return self.match(ATOM, "atom")[0].upper()

    def number(self, most=2 ** 32 - 1, least=0):
        n = int(self.match(NUMBER, "number")[0])
        if not least <= n <= most:
            self.fail(f"{n} is not in {least} to {most}")
        return n

    def nz_number(self):
        return self.number(least=1)

    def number64(self):
        return self.number(2 ** 63 - 1)

    def modseq(self, least=1):
        return self.number(2 ** 63 - 1, least)

    def uid_set(self):
        found = self.match(SET, "set")[0]
        need(all(int(n) < 2 ** 32 for n in re.split(rb"[,:]", found)),
             f"over 32 bits: {found!r}")
        return found

    def nil(self):
        return self.take(b"NIL")

    def quoted(self):
        pattern = QUOTED_8 if self.mode.is_utf8 else QUOTED_7
        found = self.match(pattern, "quoted string")[1]
        if not found.isascii():
            try:
                found.decode()
            except UnicodeDecodeError:
                self.fail("a quoted string that is no UTF-8")
        return re.sub(rb"\\(.)", rb"\1", found)

    def literal(self, may_be_8=False):
        head = self.match(LITERAL, "string")
        octets = self.literals.pop(0)
        if head[1] and not may_be_8:
            self.fail("a literal8")
        if not head[1] and b"\0" in octets:
            self.fail("NUL in a literal")
        if int(head[2]) >= 2 ** 63:
            self.fail("over 63 bits")
        return octets

    def string(self):
        return self.quoted() if self.next_is(b'"') else self.literal()

    def nstring(self):
        return None if self.nil() else self.string()

    def astring(self):
        if self.next_is(b'"') or self.next_is(b"{"):
            return self.string()
        return self.match(ASTRING, "astring")[0]

    def mailbox(self):
        name = self.astring()
        if self.mode.is_utf8:
            try:
                name.decode()
            except UnicodeDecodeError:
                self.fail("a mailbox that is no UTF-8")
        else:
            if not name.isascii():
                self.fail("8 bit in a mailbox")
            mailbox_utf7(name)
        if re.search(rb"[\x00-\x1f\x7f]", name):
            self.fail("a control in a mailbox")
        if name.upper() == b"INBOX" and name != b"INBOX":
            self.fail("INBOX in another case")
        return name

    def listed(self, item, may_be_empty=False):
        """ "(" item *(SP item) ")" """
        self.demand(b"(")
        found = []
        if may_be_empty and self.take(b")"):
            return found
        found.append(item())
        while not self.take(b")"):
            self.space()
            found.append(item())
        return found

    def pairs(self, name, value_of, may_be_empty=False):
        """ "(" name SP value ... ")", each name once """
        found = {}

        def item():
            key = name()
            if key in found:
                self.fail(f"{key!r} twice")
            self.space()
            found[key] = value_of(key)

        self.listed(item, may_be_empty)
        return found

    def flag(self, may_be_recent=False, may_be_star=False):
        if may_be_star and self.take(b"\\*"):
            return b"\\*"
        found = self.match(FLAG, "flag")[0]
        upper = found.upper()
        if upper == b"\\RECENT" and (not may_be_recent or self.mode.is_rev2):
            self.fail("\\Recent")
        if (found.startswith(b"\\") and upper != b"\\RECENT"
                and upper not in SYSTEM_FLAGS):
            self.fail("a system flag of no RFC")
        return upper

    def flags(self, **allowed):
        found = self.listed(lambda: self.flag(**allowed), True)
        if len(found) != len(set(found)):
            self.fail("a flag twice")
        return found

    # -- conditions

    def resp_text(self, said):
        if self.take(b"["):
            self.code(said)
            self.demand(b"]")
            self.space()
        text = self.text[self.at:]
        self.at = len(self.text)
        if not self.mode.is_utf8 and not TEXT_7.fullmatch(text):
            raise Wrong(f"text: {self.text!r}")
        if not text or re.search(rb"[\0\r\n]", text):
            raise Wrong(f"text: {self.text!r}")

    def code(self, said):
        found = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z^_`a-z|}~]+")
        said.code = name = self.match(found, "code")[0].upper().decode()
        if name in BARE_CODES:
            return
        rule = getattr(self, "code_" + name.lower().replace("-", "_"), None)
        if rule is None:
            self.fail(f"a code of no RFC: {name}")
        said.values = rule()

    def code_badcharset(self):
        if self.take(b" "):
            self.listed(self.astring)

    def code_capability(self):
        return self.capabilities()

    def code_permanentflags(self):
        self.space()
        return self.flags(may_be_star=True)

    def one_nz(self):
        self.space()
        return self.nz_number()

    code_uidnext = code_uidvalidity = code_unseen = one_nz

    def code_appenduid(self):
        self.space()
        self.nz_number()
        self.space()
        return members(self.uid_set())

    def code_copyuid(self):
        self.space()
        self.nz_number()
        self.space()
        source = self.uid_set()
        self.space()
        need(members(source) == members(self.uid_set()), "COPYUID's sets")

    def code_highestmodseq(self):
        self.space()
        return self.modseq()

    def code_modified(self):
        self.space()
        return self.uid_set()

    def code_badurl(self):
        self.space()
        self.match(re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x5c\x5e-\x7f]+"), "URL")

    def code_metadata(self):
        self.space()
        name = self.word()
        if name in (b"LONGENTRIES", b"MAXSIZE"):
            self.space()
            self.number()
        elif name not in (b"TOOMANY", b"NOPRIVATE"):
            self.fail("a METADATA code")

    def code_badevent(self):
        self.space()
        need(set(self.listed(self.word)) <= set(EVENTS), "events")

    def code_mailboxid(self):
        self.space()
        return self.listed(lambda: self.match(OBJECT_ID, "objectid")[0])[0]

    def code_inprogress(self):
        if not self.take(b" "):
            return
        self.demand(b"(")
        if not self.nil():
            self.quoted()
        self.space()
        if self.nil():
            self.space()
            self.demand(b"NIL")
        else:
            self.number()
            self.space()
            if not self.nil():
                self.nz_number()
        self.demand(b")")

    # -- untagged data

    def capabilities(self):
        found = []
        while self.take(b" "):
            found.append(self.word())
        if b"IMAP4REV1" not in found and b"IMAP4REV2" not in found:
            self.fail("no IMAP4rev1 and no IMAP4rev2")
        if len(found) != len(set(found)):
            self.fail("a capability twice")
        return found

    def data_capability(self, said):
        said.items = self.capabilities()

    def data_enabled(self, said):
        said.items = []
        while self.take(b" "):
            said.items.append(self.word())

    def data_flags(self, said):
        self.space()
        said.items = self.flags()

    def data_list(self, said):
        self.space()
        attributes = [a.upper() for a in self.listed(
            lambda: self.match(FLAG, "attribute")[0], True)]
        self.attributes(attributes)
        self.space()
        self.delimiter()
        self.space()
        said.items["name"] = self.mailbox()
        if self.take(b" "):
            found = self.pairs(lambda: self.astring().upper(), self.extended)
            said.items["extended"] = found

    data_lsub = data_list

    def attributes(self, found):
        need(len(found) == len(set(found)), f"an attribute twice: {found}")
        need(all(a in LIST_ATTRIBUTES for a in found), f"attributes: {found}")
        states = [a for a in found if a in STATES]
        need(len(states) < 2, f"more than one of {states}")
        need(not {b"\\HASCHILDREN", b"\\HASNOCHILDREN"} <= set(found)
             and not {b"\\HASCHILDREN", b"\\NOINFERIORS"} <= set(found),
             f"attributes deny each other: {found}")

    def delimiter(self):
        if not self.nil():
            need(len(self.quoted()) == 1, "a delimiter is one character")

    def extended(self, name):
        if name == b"CHILDINFO":
            return self.listed(self.quoted)
        if name == b"OLDNAME":
            found = self.listed(self.mailbox)
            need(len(found) == 1, "OLDNAME has one name")
            return found
        return self.fail("an item of LIST that no RFC gives")

    def data_search(self, said):
        said.items = []
        while self.take(b" "):
            if self.take(b"(MODSEQ "):
                self.modseq()
                self.demand(b")")
                return
            said.items.append(self.nz_number())
        need(len(said.items) == len(set(said.items)), "a number twice")

    data_sort = data_search

    def data_thread(self, said):
        if self.take(b" "):
            self.thread_list()
            while not self.is_end():
                self.thread_list()

    def thread_list(self, depth=0):
        need(depth < 500, "deep")
        self.demand(b"(")
        n_members = n_nested = 0
        if not self.next_is(b"("):
            self.nz_number()
            n_members = 1
            while self.take(b" ") and not self.next_is(b"("):
                self.nz_number()
            if self.next_is(b"(") and self.text[self.at - 1:self.at] != b" ":
                self.fail("no space before what is nested")
        while self.next_is(b"("):
            self.thread_list(depth + 1)
            n_nested += 1
        if n_nested == 1 or n_members + n_nested == 0:
            self.fail("thread-nested has two at least")
        self.demand(b")")

    def data_esearch(self, said):
        if self.take(b" (TAG "):
            said.items["tag"] = self.string()
            self.demand(b")")
        if self.take(b" UID"):
            said.items["uid"] = True
        while self.take(b" "):
            name = self.word()
            need(name not in said.items, f"{name!r} twice")
            self.space()
            if name in (b"MIN", b"MAX"):
                said.items[name] = self.nz_number()
            elif name == b"COUNT":
                said.items[name] = self.number()
            elif name == b"ALL":
                said.items[name] = self.uid_set()
            elif name == b"MODSEQ":
                said.items[name] = self.modseq()
            elif name == b"PARTIAL":
                self.demand(b"(")
                self.match(re.compile(rb"-?[1-9]\d*:-?[1-9]\d*"), "range")
                self.space()
                said.items[name] = None if self.nil() else self.uid_set()
                self.demand(b")")
            else:
                self.fail("a return of no RFC")

    def data_status(self, said):
        self.space()
        said.items["name"] = self.mailbox()
        self.space()
        said.items["values"] = self.pairs(self.word, self.status, True)

    def status(self, name):
        if name in (b"MESSAGES", b"UNSEEN", b"DELETED"):
            return self.number()
        if name == b"RECENT":  # only who asks gets it, also with rev2
            return self.number()
        if name in (b"UIDNEXT", b"UIDVALIDITY"):
            return self.nz_number()
        if name in (b"SIZE", b"DELETED-STORAGE"):
            return self.number64()
        if name == b"HIGHESTMODSEQ":
            return self.modseq(0)
        if name == b"APPENDLIMIT":
            return None if self.nil() else self.number()
        if name == b"MAILBOXID":
            return self.listed(lambda: self.match(OBJECT_ID, "objectid")[0])
        return self.fail("an item of STATUS that no RFC gives")

    def data_namespace(self, said):
        for _ in range(3):
            self.space()
            if self.nil():
                continue
            self.demand(b"(")
            while not self.take(b")"):
                self.demand(b"(")
                self.string()
                self.space()
                self.delimiter()
                self.demand(b")")

    def data_vanished(self, said):
        self.space()
        said.items["earlier"] = self.take(b"(EARLIER) ")
        said.items["uids"] = self.uid_set()

    def data_id(self, said):
        self.space()
        if not self.nil():
            found = self.pairs(self.string, lambda _: self.nstring(), True)
            need(len(found) <= 30, "RFC 2971 3.3: 30 pairs at most")

    def data_quota(self, said):
        self.space()
        self.astring()
        self.space()

        def resource():
            name = self.word()
            self.space()
            self.number64()
            self.space()
            self.number64()
            return name

        found = self.listed(resource, True)
        need(len(found) == len(set(found)), "a resource twice")

    def data_quotaroot(self, said):
        self.space()
        self.mailbox()
        while self.take(b" "):
            self.astring()

    def data_metadata(self, said):
        self.space()
        if self.take(b'""'):
            said.items["name"] = b""
        else:
            said.items["name"] = self.mailbox()
        self.space()
        if self.next_is(b"("):
            # Whoever asks for one twice, or with what is above, has it twice.
            self.listed(lambda: (self.entry(), self.space(), self.value()))
            return
        self.entry()
        while self.take(b" "):
            self.entry()

    def entry(self):
        name = self.astring()
        need(re.fullmatch(rb"(?i)/(private|shared)"
                          rb"(/[^/*%\x00-\x1f\x80-\xff]+)+", name),
             f"no entry: {name!r}")
        return name

    def value(self):
        if self.next_is(b"~{"):
            return self.literal(True)
        return self.nstring()

    # -- messages

    def data_fetch(self, said):
        self.space()
        found = said.items

        def item():
            name = self.match(re.compile(rb"[A-Z0-9.]+"), "item")[0]
            if name in (b"BODY", b"BINARY", b"BINARY.SIZE") \
                    and self.next_is(b"["):
                name += self.section(name)
            # BODY[]<0.1> and BODY[]<0.2> have the same name.
            if name in found and not name.endswith((b"]", b">")):
                self.fail(f"{name!r} twice")
            self.space()
            found[name] = self.fetched(name)

        self.listed(item)

    def section(self, name):
        start = self.at
        if name != b"BODY":
            self.match(PART, "section")
        else:
            self.match(SECTION, "section")
            if self.next_is(b"("):
                self.listed(self.astring)
            self.demand(b"]")
        if name != b"BINARY.SIZE" and self.take(b"<"):
            self.number64()
            self.demand(b">")
        return self.text[start:self.at]

    def fetched(self, name):
        if name == b"FLAGS":
            return self.flags(may_be_recent=True)
        if name in (b"INTERNALDATE", b"SAVEDATE"):
            if name == b"SAVEDATE" and self.nil():
                return None
            return self.match(DATE, "date-time")[0]
        if name == b"UID":
            return self.nz_number()
        if name == b"RFC822.SIZE":
            return self.number64()
        if name == b"MODSEQ":
            return self.listed(self.modseq)
        if name in (b"EMAILID", b"THREADID"):
            if name == b"THREADID" and self.nil():
                return None
            return self.listed(lambda: self.match(OBJECT_ID, "objectid")[0])
        if name == b"ENVELOPE":
            return self.envelope()
        if name in (b"BODY", b"BODYSTRUCTURE"):
            return self.body(name == b"BODYSTRUCTURE")
        if name == b"PREVIEW":
            return self.preview()
        if name.startswith(b"BINARY.SIZE["):
            return self.number()
        if name.startswith(b"BINARY["):
            return self.value()
        if name.startswith(b"BODY[") or name in (
                b"RFC822", b"RFC822.HEADER", b"RFC822.TEXT"):
            return self.nstring()
        return self.fail("an item of FETCH that no RFC gives")

    def preview(self):
        text = self.nstring()
        if text is not None:
            try:
                need(len(text.decode()) <= PREVIEW_MAX, "PREVIEW is long")
            except UnicodeDecodeError:
                self.fail("PREVIEW is no UTF-8")
        return text

    def envelope(self):
        self.demand(b"(")
        self.nstring()
        self.space()
        self.nstring()
        lists = []
        for _ in range(6):
            self.space()
            lists.append(self.addresses())
        need(lists[0] is None or (lists[1] and lists[2]),
             "RFC 9051 7.5.2: Sender and Reply-To default to From")
        for _ in range(2):
            self.space()
            self.nstring()
        self.demand(b")")

    def addresses(self):
        if self.nil():
            return None
        self.demand(b"(")
        found, is_group = [], False
        while not self.take(b")"):
            self.demand(b"(")
            fields = [self.nstring()]
            for _ in range(3):
                self.space()
                fields.append(self.nstring())
            self.demand(b")")
            found.append(fields)
            if fields[3] is None:
                need(is_group == (fields[2] is None), f"groups: {found}")
                is_group = not is_group
        need(found, "an empty list of addresses")
        need(not is_group, "a group does not end")
        return found

    def body(self, is_structure, depth=0):
        need(depth < 200, "deep")
        self.demand(b"(")
        if self.next_is(b"("):
            while self.next_is(b"("):
                self.body(is_structure, depth + 1)
            self.space()
            self.string()
            if self.next_is(b" "):
                self.space()
                need(is_structure, "extension data in BODY")
                self.params()
                self.body_ext()
            self.demand(b")")
            return
        kind = self.string().upper()
        self.space()
        subtype = self.string().upper()
        self.space()
        self.params()
        for _ in range(2):
            self.space()
            self.nstring()
        self.space()
        self.string()
        self.space()
        self.number()
        # 3501 knows no message/global; 9051 gives it the same form.
        if kind == b"MESSAGE" and (subtype == b"RFC822" or (
                subtype == b"GLOBAL" and self.next_is(b" ("))):
            self.space()
            self.envelope()
            self.space()
            self.body(is_structure, depth + 1)
            self.space()
            self.number64()
        elif kind == b"TEXT":
            self.space()
            self.number64()
        if self.next_is(b" "):
            self.space()
            need(is_structure, "extension data in BODY")
            self.nstring()
            self.body_ext()
        self.demand(b")")

    def params(self):
        if self.nil():
            return
        # Names may come twice: what the mail has is told.
        self.listed(lambda: (self.string(), self.space(), self.string()))

    def body_ext(self):
        """Disposition, language, location, extensions."""
        if not self.take(b" "):
            return
        if not self.nil():
            self.demand(b"(")
            self.string()
            self.space()
            self.params()
            self.demand(b")")
        if not self.take(b" "):
            return
        if self.next_is(b"("):
            self.listed(self.string)
        else:
            self.nstring()
        if self.take(b" "):
            self.nstring()

    # -- whole responses

    def response(self):
        if self.take(b"+"):
            return self.continuation()
        if not self.take(b"* "):
            tag = self.match(TAG, "tag")[0]
            self.space()
            said = Said(self.word().decode(), tag)
            need(said.word in ("OK", "NO", "BAD"), f"{self.text[:80]!r}")
            self.space()
            self.resp_text(said)
            return said
        if self.text[self.at:self.at + 1].isdigit():
            return self.numbered()
        said = Said(self.word().decode())
        if said.word in ("OK", "NO", "BAD", "BYE", "PREAUTH"):
            self.space()
            self.resp_text(said)
            return said
        rule = getattr(self, "data_" + said.word.lower(), None)
        if rule is None or said.word == "FETCH":
            self.fail("a response of no RFC")
        rule(said)
        self.end()
        return said

    def continuation(self):
        said = Said("+")
        self.space()
        if re.fullmatch(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|"
                        rb"[A-Za-z0-9+/]{3}=)?", self.text[self.at:]):
            return said
        self.resp_text(said)
        return said

    def numbered(self):
        number = self.number()
        self.space()
        said = Said(self.word().decode(), number=number)
        if said.word == "RECENT":
            need(not self.mode.is_rev2, "RECENT")
        elif said.word == "FETCH":
            need(number > 0, "message 0")
            self.data_fetch(said)
        elif said.word == "EXPUNGE":
            need(number > 0, "message 0")
        elif said.word != "EXISTS":
            self.fail("a response of no RFC")
        self.end()
        return said


def check(text, literals=(), mode=None):
    return Reader(text, literals, mode or Mode()).response()
