# SPDX-License-Identifier: MIT
"""A name server of the test's own (RFC 1035), for ESTAFETA_DNS_SERVERS."""

import socket
import struct
import threading

from frame import free_port

A, NS, CNAME, PTR, MX, TXT, AAAA = 1, 2, 5, 12, 15, 16, 28
SERVFAIL = 2


def name_of(packet):
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode().lower())
        at += 1 + packet[at]
    return ".".join(labels), at + 1


def wire_name(name):
    if name == ".":
        return b"\0"
    return b"".join(bytes([len(x)]) + x.encode()
                    for x in name.split(".")) + b"\0"


def record(kind, value):
    """value: text; bytes are RDATA as it is."""
    if isinstance(value, bytes):
        data = value
    elif kind == A:
        data = socket.inet_aton(value)
    elif kind == MX:
        data = struct.pack(">H", 10) + wire_name(value)
    elif kind == TXT:
        data = bytes([len(value)]) + value.encode()
    else:
        data = wire_name(value)
    return (b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(data)) + data)


class NameServer:
    """Answers from zone, {(name, type): values}; a name that is nowhere does
    not exist. Values: a list, SERVFAIL, or a function that makes of the query
    the packets to send."""

    def __init__(self, zone):
        self.zone = zone
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        port = free_port()
        self.socket.bind(("127.0.0.1", port))
        self.address = f"127.0.0.1@{port}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            packet, client = self.socket.recvfrom(4096)
            name, end = name_of(packet)
            kind = struct.unpack(">H", packet[end:end + 2])[0]
            values = self.zone.get((name, kind), [])
            packets = values(packet) if callable(values) \
                else [self.answer(packet, name, end, kind, values)]
            for made in packets:
                self.socket.sendto(made, client)

    def answer(self, packet, name, end, kind, values):
        exists = any(known == name for known, _ in self.zone)
        if values == SERVFAIL:
            rcode, values = SERVFAIL, []
        else:
            rcode = 0 if exists else 3
        records = b"".join(record(kind, value) for value in values)
        return (packet[:2]
                + struct.pack(">HHHHH", 0x8180 | rcode, 1, len(values), 0, 0)
                + packet[12:end + 4] + records)
