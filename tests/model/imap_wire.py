# SPDX-License-Identifier: MIT
"""A client of IMAP that shares no code with the server: octets cut as one likes,
and the responses of RFC 9051 section 9 read strictly. tests/model/imap_state.py
and tests/interop/imapstress judge what they say."""

import re
import select
import socket

import imap_watch
from imap_grammar import Wrong

ANSWER_S = 30


class Ended(Exception):
    """The server has closed the connection."""


TAGGED = re.compile(rb"([A-Za-z0-9.]+) (OK|NO|BAD) (?:\[([^\]]*)\] )?(.*)",
                    re.S)
CONDITION = re.compile(rb"\* (OK|NO|BAD|BYE|PREAUTH) (?:\[([^\]]*)\] )?(.*)",
                       re.S)
NUMBER = re.compile(rb"\* (\d+) (EXISTS|EXPUNGE|RECENT|FETCH)(?: (.*))?", re.S)
NAMED = re.compile(rb"\* ([A-Z]+)(?: (.*))?", re.S)
LITERAL_END = re.compile(rb"(~?)\{(\d+)\}$")
TOKEN = re.compile(
    rb'(?P<space> )|(?P<open>\()|(?P<close>\))'
    rb'|"(?P<quoted>(?:[^"\\\r\n]|\\["\\])*)"'
    rb'|~?\{(?P<literal>\d+)\}\r\n'
    rb'|(?P<atom>(?:BODY|BINARY)[A-Z.]*\[[^\]]*\](?:<\d+>)?'
    rb'|\\?[^ ()"{\r\n]+)')


class Response:
    """kind: "tagged", "+", the word of a condition (OK ... BYE), or the name of
    the data. number: of EXISTS and so on. code: of a condition, without the
    brackets. data: parsed, or the text."""

    __slots__ = ("kind", "number", "code", "data", "tag", "raw")

    def __init__(self, kind, raw, number=0, code=b"", data=b"", tag=b""):
        self.kind, self.raw, self.number = kind, raw, number
        self.code, self.data, self.tag = code, data, tag


def values(text):
    """Nested lists of octets; NIL is None; one space between any two."""
    stack, at, may_follow = [[]], 0, True
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise Wrong(f"no token at {text[at:at + 40]!r}")
        at, kind = match.end(), match.lastgroup
        if kind == "space":
            if may_follow or at == len(text):
                raise Wrong(f"a space too many: {text[:at][-40:]!r}")
            may_follow = True
            continue
        # "(a)(b)" is the form of addresses and parts: no space between.
        if kind == "open":
            if not may_follow and text[at - 2:at - 1] != b")":
                raise Wrong(f"no space before: {text[:at][-40:]!r}")
            stack.append([])
            may_follow = True
            continue
        if kind == "close":
            done = stack.pop()
            if not stack:
                raise Wrong("a closing parenthesis too many")
            stack[-1].append(done)
            may_follow = False
            continue
        if not may_follow:
            raise Wrong(f"no space before: {text[:at][-40:]!r}")
        may_follow = False
        if kind == "literal":
            n = int(match["literal"])
            stack[-1].append(text[at:at + n])
            at += n
        elif kind == "quoted":
            stack[-1].append(re.sub(rb"\\(.)", rb"\1", match["quoted"])
                             if b"\\" in match["quoted"] else match["quoted"])
        else:
            atom = match["atom"]
            stack[-1].append(None if atom == b"NIL" else atom)
    if len(stack) != 1:
        raise Wrong("a parenthesis stays open")
    return stack[0]


def pairs(items):
    if len(items) % 2:
        raise Wrong(f"not pairs: {items!r}")
    return dict(zip(items[::2], items[1::2]))


def numbers(text):
    """The members of a set "1,4:7", in its order."""
    found = []
    for part in text.split(b","):
        match = re.fullmatch(rb"([1-9]\d*)(?::([1-9]\d*))?", part)
        if not match:
            raise Wrong(f"no set: {text!r}")
        first = int(match[1])
        last = int(match[2] or first)
        step = 1 if first <= last else -1
        found += range(first, last + step, step)
    return found


def as_set(wanted):
    """The shortest text for numbers."""
    out, wanted = [], sorted(wanted)
    i = 0
    while i < len(wanted):
        j = i
        while j + 1 < len(wanted) and wanted[j + 1] == wanted[j] + 1:
            j += 1
        out.append(f"{wanted[i]}:{wanted[j]}" if j > i else f"{wanted[i]}")
        i = j + 1
    return ",".join(out)


def parse(raw):
    match = NUMBER.fullmatch(raw)
    if match:
        number, kind = int(match[1]), match[2].decode()
        if (kind == "FETCH") != (match[3] is not None):
            raise Wrong(f"not a response: {raw[:80]!r}")
        if kind != "FETCH":
            return Response(kind, raw, number)
        items = values(match[3])
        if len(items) != 1 or not isinstance(items[0], list):
            raise Wrong(f"FETCH without a list: {raw[:80]!r}")
        return Response(kind, raw, number, data=pairs(items[0]))
    match = CONDITION.fullmatch(raw)
    if match:
        return Response(match[1].decode(), raw, code=match[2] or b"",
                        data=match[3])
    match = NAMED.fullmatch(raw)
    if match:
        return Response(match[1].decode(), raw, data=match[2] or b"")
    if raw.startswith(b"+"):
        return Response("+", raw, data=raw[2:])
    match = TAGGED.fullmatch(raw)
    if match:
        return Response("tagged", raw, code=match[3] or b"",
                        data=match[2].decode(), tag=match[1])
    raise Wrong(f"not a response: {raw[:200]!r}")


class Connection:
    """Blocking. on_line(mark, octets) hears all that is said; is_watched: by
    imap_watch.py, too."""

    def __init__(self, port, on_line=None, source="127.0.0.1", wait_s=ANSWER_S,
                 is_watched=True):
        self.socket = socket.create_connection(("127.0.0.1", port), wait_s,
                                               (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.wait_s, self.rest, self.at = wait_s, b"", 0
        self.on_line = on_line or (lambda mark, octets: None)
        self.watch = imap_watch.Watch() if is_watched else None

    def close(self):
        self.socket.close()

    def send(self, octets, rng=None):
        """With rng in one write, in pieces, or octet by octet."""
        self.on_line("C", octets)
        if self.watch:
            self.watch.sent(octets)
        style = rng.random() if rng else 1
        if style < 0.1 and len(octets) < 300:
            pieces = [octets[i:i + 1] for i in range(len(octets))]
        elif style < 0.3:
            cuts = sorted({0, len(octets), *(rng.randrange(len(octets) + 1)
                                             for _ in range(3))})
            pieces = [octets[a:b] for a, b in zip(cuts, cuts[1:])]
        else:
            pieces = [octets]
        try:
            for piece in pieces:
                self.socket.sendall(piece)
        except OSError as error:
            raise Ended(str(error)) from None

    def more(self, timeout_s):
        ready, _, _ = select.select([self.socket], [], [], timeout_s)
        if not ready:
            raise TimeoutError(f"nothing came in {timeout_s} s")
        try:
            octets = self.socket.recv(65536)
        except OSError as error:
            raise Ended(str(error)) from None
        if not octets:
            raise Ended("closed")
        if self.watch:
            self.watch.received(octets)
            if imap_watch.faults:
                raise Wrong(imap_watch.faults[0])
        self.rest = self.rest[self.at:] + octets
        self.at = 0

    def response(self, timeout_s=None):
        """The next one, whole; TimeoutError leaves what has come so far."""
        wait_s = self.wait_s if timeout_s is None else timeout_s
        scan = 0
        while True:
            end = self.rest.find(b"\r\n", self.at + scan)
            if end >= 0:
                match = LITERAL_END.search(self.rest, max(
                    self.at + scan, end - 24), end)
                if not match:
                    break
                scan = end + 2 + int(match[2]) - self.at
                if self.at + scan <= len(self.rest):
                    continue
            self.more(wait_s)
        raw = self.rest[self.at:end]
        self.at = end + 2
        self.on_line("S", raw)
        if b"\n" in raw and b"{" not in raw:
            raise Wrong(f"LF in a line: {raw[:100]!r}")
        return parse(raw)

    def ask(self, tag, command):
        """(untagged ones, the tagged one)"""
        self.send(tag + b" " + command + b"\r\n")
        return self.until(tag)

    def until(self, tag):
        found = []
        while True:
            response = self.response()
            if response.kind == "tagged":
                if response.tag != tag:
                    raise Wrong(f"tag {response.tag!r}, want {tag!r}")
                return found, response
            found.append(response)
