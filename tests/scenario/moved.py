#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A next hop that was made anew has another address under its old name."""

import socket
import struct
import threading

from frame import Sink, expect, free_port, main, message, scenario, wait_for

TTL_S = 600  # what Docker's name server gives
TYPE_A = 1

addresses = {}  # name: the address that it has now
questions = []


def name_of(packet):
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode().lower())
        at += 1 + packet[at]
    return ".".join(labels), at + 1


def answer(packet):
    """RFC 1035: one A record for a known name, else that there is none."""
    name, end = name_of(packet)
    kind = struct.unpack(">H", packet[end:end + 2])[0]
    questions.append((name, kind))
    address = addresses.get(name)
    rcode = 0 if address else 3
    records = b""
    if address and kind == TYPE_A:
        records = (b"\xc0\x0c" + struct.pack(">HHIH", TYPE_A, 1, TTL_S, 4)
                   + socket.inet_aton(address))
    return (packet[:2] + struct.pack(">HHHHH", 0x8180 | rcode, 1,
                                     bool(records), 0, 0)
            + packet[12:end + 4] + records)


def serve(server):
    while True:
        packet, client = server.recvfrom(4096)
        server.sendto(answer(packet), client)


@scenario
def mail_follows_the_name_at_once(lab):
    host = lab.mta1
    with Sink() as sink:
        addresses["peer"] = "127.0.0.9"  # where nobody listens
        host.append("transport.cf", f"moved.example smtp:[peer]:{sink.port}")
        wait_for("the route is in force",
                 lambda: "[peer]" in host.ctl("route", "explain",
                                              "x@moved.example").stdout)
        mark = host.mark()
        _, content = message(recipient="x@moved.example")
        host.submit("user1@example1.local", "x@moved.example", content)
        host.wait_log(r"status=deferred .*x@moved\.example", mark)
        addresses["peer"] = "127.0.0.1"
        # As an operator would: again and again, until it has gone.
        wait_for("the message at the new address",
                 lambda: host.flush() or sink.messages, 4)
        expect(len(sink.messages), 1, "it came once")
    host.wait_queue_empty()


def use_name_server(lab):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    port = free_port()
    server.bind(("127.0.0.1", port))
    threading.Thread(target=serve, args=(server,), daemon=True).start()
    lab.mta1.environment["ESTAFETA_DNS_SERVERS"] = f"127.0.0.1@{port}"


main(setup=use_name_server)
