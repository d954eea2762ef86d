#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where mail goes: MX records, addresses, several next hops, fallback relays
(A4, D09, S21), and name servers that lie (D08)."""

import contextlib
import os
import random
import re
import socket
import struct
import threading

from frame import (Sink, expect, expect_match, expect_true, free_port, main,
                   message, scenario, wait_for)

USER1, USER3 = "user1@example1.local", "user3@example2.local"
A, CNAME, SOA, MX, AAAA = 1, 5, 6, 15, 28
PORT = free_port()  # of all sinks, each at an address of its own
state = {}


def wire_name(name):
    return b"".join(bytes([len(label)]) + label.encode()
                    for label in name.split(".") if label) + b"\0"


def record(owner, kind, data, ttl=60):
    return (wire_name(owner) + struct.pack("!HHiH", kind, 1, ttl, len(data))
            + data)


def a(owner, address):
    return record(owner, A, socket.inet_aton(address))


def mx(owner, preference, host):
    return record(owner, MX, struct.pack("!H", preference) + wire_name(host))


class NameServer:
    """Answers from `records` (lists of whole records by name and type), or by
    a function in `lies`: lies[name](query, question, is_tcp) -> octets, or
    None for silence."""

    def __init__(self):
        self.records, self.lies = {}, {}
        self.n_asked = 0
        while True:
            self.port = free_port()
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.bind(("127.0.0.1", self.port))
            self.tcp = socket.create_server(("127.0.0.1", self.port))
            break
        threading.Thread(target=self.serve_udp, daemon=True).start()
        threading.Thread(target=self.serve_tcp, daemon=True).start()

    def serve_udp(self):
        while True:
            query, peer = self.udp.recvfrom(4096)
            with contextlib.suppress(OSError, struct.error, IndexError):
                reply = self.answer(query, False)
                if reply is not None:
                    self.udp.sendto(reply, peer)

    def serve_tcp(self):
        while True:
            connection, _ = self.tcp.accept()
            threading.Thread(target=self.one_tcp, args=(connection,),
                             daemon=True).start()

    def one_tcp(self, connection):
        with contextlib.suppress(OSError, struct.error), connection:
            while True:
                head = connection.recv(2, socket.MSG_WAITALL)
                query = connection.recv(struct.unpack("!H", head)[0],
                                        socket.MSG_WAITALL)
                reply = self.answer(query, True)
                if reply is None:
                    return
                connection.sendall(struct.pack("!H", len(reply)) + reply)

    def answer(self, query, is_tcp):
        self.n_asked += 1
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
            at += 1 + query[at]
        name = ".".join(labels)
        kind = struct.unpack("!H", query[at + 1:at + 3])[0]
        question = query[12:at + 5]
        lie = self.lies.get(name)
        if lie:
            return lie(query, question, is_tcp)
        found = self.records.get((name, kind), [])
        alias = self.records.get((name, CNAME), [])
        if not found and alias:
            found = alias
        is_known = any(key[0] == name for key in self.records)
        reply = head(query, len(found), 0 if is_known else 3) + question
        body = b"".join(found)
        if not found:
            soa = record("test", SOA, wire_name("ns.test") * 2
                         + struct.pack("!5I", 1, 60, 60, 60, 1), 1)
            reply = (reply[:8] + struct.pack("!H", 1) + reply[10:]) + soa
        if not is_tcp and len(reply + body) > 512:
            return reply[:2] + struct.pack("!HHHHH", 0x8780, 1, 0, 0, 0) + \
                question
        return reply + body


def head(query, n_answers, code=0, flags=0x8580, ident=None):
    return (query[:2] if ident is None else ident) + struct.pack(
        "!HHHHH", flags | code, 1, n_answers, 0, 0)


class At(Sink):
    """A sink at an address of its own."""

    def __init__(self, address, **options):
        self.n_address = address
        super().__init__(**options)
        self.listener.shutdown(socket.SHUT_RDWR)  # ends its accept()
        self.listener.close()
        self.port = PORT
        self.listener = socket.create_server((address, PORT))
        threading.Thread(target=self.serve, daemon=True).start()


def setup(lab):
    server = state["dns"] = NameServer()
    zone = server.records
    for i in range(2, 10):
        zone[f"h{i}.test", A] = [a(f"h{i}.test", f"127.0.0.{i}")]
    # h2 and h3 listen; h4 says 450; nobody is at the others.
    state["h2"], state["h3"] = At("127.0.0.2"), At("127.0.0.3")
    state["h4"] = At("127.0.0.4", replies={"EHLO": "450 4.3.2 not now",
                                           "HELO": "450 4.3.2 not now"})
    state["h5"] = At("127.0.0.5", replies={"EHLO": "450 4.3.2 not now",
                                           "HELO": "450 4.3.2 not now"})

    def exchange(domain, *pairs):
        zone[domain, MX] = [mx(domain, p, host) for p, host in pairs]

    exchange("order.test", (20, "h3.test"), (10, "h9.test"))
    exchange("equal.test", (10, "h2.test"), (10, "h3.test"))
    exchange("null.test", (0, ""))
    exchange("self.test", (10, "mta1.example1.local"), (20, "h2.test"))
    exchange("less.test", (5, "h9.test"), (10, "mta1.example1.local"),
             (20, "h2.test"))
    zone["us.test", A] = [a("us.test", "127.0.0.1")]
    exchange("address.test", (10, "us.test"))
    exchange("literal.test", (10, "127.0.0.2"))
    zone["alias.test", CNAME] = [
        record("alias.test", CNAME, wire_name("h2.test")),
        a("h2.test", "127.0.0.2")]
    exchange("cname.test", (10, "alias.test"))
    zone["bare.test", A] = [a("bare.test", "127.0.0.2")]
    exchange("sessions.test", (1, "h4.test"), (2, "h5.test"), (3, "h2.test"))
    many = [(10, f"m{i}.many.test") for i in range(1000)]
    exchange("many.test", *many)
    for _, host in many:
        zone[host, A] = [a(host, "127.0.0.9")]
    exchange("dead.test", (10, "h9.test"))

    domains = [d for d, kind in zone if kind == MX] + ["bare.test"]
    bare = ("null.test", "self.test", "address.test", "literal.test")
    for host in lab.hosts:
        for domain in domains:
            hop = domain if domain in bare else f"{domain}:{PORT}"
            host.append("transport.cf", f"{domain} smtp:{hop}")
        host.environment["ESTAFETA_DNS_SERVERS"] = f"127.0.0.1@{server.port}"
    lab.mta1.append("transport.cf", f"several.test smtp:[127.0.0.9]:{PORT}, "
                    f"[127.0.0.2]:{PORT}")
    lab.mta2.append("main.cf",
                    f"smtp_fallback_relay = [127.0.0.3]:{PORT}\n"
                    "smtp_sasl_auth_enable = yes\n"
                    "smtp_sasl_security_options = noanonymous\n"
                    "smtp_sasl_password_maps = texthash:"
                    f"{lab.mta2.config}/sasl-password.cf\n")
    lab.mta2.append("sasl-password.cf", f"dead.test:{PORT} me:s3cr3t")
    os.chmod(os.path.join(lab.mta2.config, "sasl-password.cf"), 0o600)
    for i in range(len(LIES)):
        server.lies[f"lie{i}.test"] = LIES[i]
        lab.mta1.append("transport.cf", f"lie{i}.test "
                        f"smtp:lie{i}.test:{PORT}")
    server.lies["zz.test"] = lambda *_: None


def send(lab, domain, host=None, sender=USER1):
    """The log line about it."""
    host = host or lab.mta1
    mark = host.mark()
    ident, content = message(recipient=f"a@{domain}")
    host.submit(sender, f"a@{domain}", content)
    line = host.wait_log(rf"ev=delivery .* to=<a@{re.escape(domain)}> .*",
                         mark, 40).group(0)
    return ident, line


def has(sink, ident):
    return any(ident.encode() in content for _, _, content in sink.messages)


@scenario
def the_preferred_one_first(lab):
    ident, line = send(lab, "order.test")
    expect_match(line, "status=sent")
    expect_true(has(state["h3"], ident), "at the second")


@scenario
def equal_ones_at_random(lab):
    """RFC 5321 5.1."""
    where = set()
    for _ in range(40):
        ident, line = send(lab, "equal.test")
        expect_match(line, "status=sent")
        where.add("h2" if has(state["h2"], ident) else "h3")
        if len(where) == 2:
            return
    raise AssertionError("always the same")


@scenario
def null_mx(lab):
    """D09, RFC 7505."""
    _, line = send(lab, "null.test")
    expect_match(line, r"status=failed .*code=556 dsn=5\.1\.10")


@scenario
def never_to_ourselves(lab):
    """S21, D09: by name, by address; nor to those less preferred."""
    _, line = send(lab, "self.test")
    expect_match(line, r"status=failed .*dsn=5\.4\.6")
    _, line = send(lab, "address.test")
    expect_match(line, r"status=failed .*dsn=5\.4\.6")
    ident, line = send(lab, "less.test")
    expect_match(line, r"status=deferred")
    expect_true(not has(state["h2"], ident), "not at the less preferred")


@scenario
def exchanges_are_names(lab):
    """D09: an address in MX is refused, an alias is followed."""
    _, line = send(lab, "literal.test")
    expect_match(line, r"status=failed .*dsn=5\.4\.4")
    ident, line = send(lab, "cname.test")
    expect_match(line, "status=sent")
    expect_true(has(state["h2"], ident), "by the alias")
    ident, line = send(lab, "bare.test")  # no MX: the host itself
    expect_match(line, "status=sent")


@scenario
def a_thousand_exchanges(lab):
    """D09: smtp_mx_address_limit of them."""
    asked = state["dns"].n_asked
    _, line = send(lab, "many.test")
    expect_match(line, "status=deferred")
    expect_true(state["dns"].n_asked - asked < 30,
                f"{state['dns'].n_asked - asked} questions")


@scenario
def two_sessions_are_enough(lab):
    """smtp_mx_session_limit."""
    ident, line = send(lab, "sessions.test")
    expect_match(line, "status=deferred .*not.now")
    expect_true(not has(state["h2"], ident), "not a third")


@scenario
def several_next_hops(lab):
    ident, line = send(lab, "several.test")
    expect_match(line, "status=sent")
    expect_true(has(state["h2"], ident), "at the second")


@scenario
def fallback_relay(lab):
    """And the login of the next hop does not go there."""
    sink = state["h3"]
    sink.extensions = ["AUTH PLAIN"]
    before = len(sink.commands)
    ident, line = send(lab, "dead.test", lab.mta2, USER3)
    sink.extensions = []
    expect_match(line, "status=sent")
    expect_true(has(sink, ident), "at the fallback relay")
    expect([c for c in sink.commands[before:] if c.startswith("AUTH")], [],
           "logins")


# ---- name servers that lie ----

def reply(question, query, body, n=1, **options):
    return head(query, n, **options) + question + body


def owner_pointer(data, kind=MX, length=None, ttl=60):
    """A record whose owner is a pointer to the question."""
    return (b"\xc0\x0c" + struct.pack(
        "!HHiH", kind, 1, ttl, len(data) if length is None else length)
        + data)


GOOD = struct.pack("!H", 10) + wire_name("h2.test")
LIES = [
    # a pointer to itself, to each other, forward, into the header
    lambda q, n, t: reply(n, q, owner_pointer(
        b"\0\x0a\xc0" + bytes([12 + len(n) + 14]))),
    lambda q, n, t: reply(n, q, owner_pointer(b"\0\x0a\xc0\xff")),
    # (its third octet, which is no label; the first two are random)
    lambda q, n, t: reply(n, q, owner_pointer(b"\0\x0a\xc0\x02")),
    # RDLENGTH that lies, both ways
    lambda q, n, t: reply(n, q, owner_pointer(GOOD, length=2000)),
    lambda q, n, t: reply(n, q, owner_pointer(GOOD, length=3)),
    # MX of 0, 1 and 2 octets
    lambda q, n, t: reply(n, q, owner_pointer(b"")),
    lambda q, n, t: reply(n, q, owner_pointer(b"\0")),
    lambda q, n, t: reply(n, q, owner_pointer(b"\0\x0a")),
    # a label of 64, a name of 300
    lambda q, n, t: reply(n, q, owner_pointer(
        b"\0\x0a" + bytes([64]) + 64 * b"a" + b"\0")),
    lambda q, n, t: reply(n, q, owner_pointer(
        b"\0\x0a" + 5 * (bytes([60]) + 60 * b"a") + b"\0")),
    # another id, another question, none, more answers than there are
    lambda q, n, t: reply(n, q, owner_pointer(GOOD),
                          ident=bytes([q[0] ^ 1, q[1]])),
    lambda q, n, t: head(q, 1) + wire_name("other.test") + n[-4:]
    + mx("other.test", 10, "h2.test"),
    lambda q, n, t: q[:2] + struct.pack("!HHHHH", 0x8580, 0, 1, 0, 0)
    + mx("lie.test", 10, "h2.test"),
    lambda q, n, t: reply(n, q, owner_pointer(b"\0\x0a"), n=65535),
    # cut off, and nothing behind it
    lambda q, n, t: None if t else reply(n, q, b"", n=0, flags=0x8780),
    lambda q, n, t: q[:5],
    # aliases in a circle
    lambda q, n, t: reply(n, q, owner_pointer(b"\xc0\x0c", CNAME)),
]


@scenario
def lies_cost_patience_alone(lab):
    """D08: none is believed, none is the last word about mail."""
    host = lab.mta1
    mark = host.mark()
    with host.submission(USER1) as client:
        for i in range(len(LIES)):
            _, content = message()
            client.sendmail(USER1, [f"a@lie{i}.test"], content)

    def lines():
        return re.findall(r"ev=delivery .* to=<a@(lie\d+)\.test> .*",
                          host.log_since(mark))
    wait_for("all were tried", lambda: len(set(lines())) == len(LIES), 60)
    for line in re.findall(r"ev=delivery .* to=<a@lie\d+\.test> .*",
                           host.log_since(mark)):
        expect_match(line, r"status=deferred .*(name server|no address)")
    ident, line = send(lab, "order.test")
    expect_match(line, "status=sent", "the resolver lives")
    expect_true("ev=role.ended" not in host.log_since(mark), "no role died")


random.seed(1)
main(hosts=2, setup=setup, main_cf="""queue_run_delay = 3000s
minimal_backoff_time = 3000s
smtp_connection_cache_on_demand = no
smtp_connect_timeout = 3s
""")
