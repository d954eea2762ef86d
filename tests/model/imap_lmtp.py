# SPDX-License-Identifier: MIT
"""A client of LMTP (RFC 2033) for imap_model.py: deliveries to its users."""

import socket

from imap_state import hold


class Lmtp:
    """What mta/out says to the mda."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")
        self.reply("220")
        self.ask("LHLO model.example", "250")

    def reply(self, code):
        while True:
            line = self.file.readline()
            hold(line.startswith(code.encode()), lambda: f"LMTP: {line!r}")
            if line[3:4] == b" ":
                return

    def ask(self, line, code):
        self.socket.sendall(line.encode() + b"\r\n")
        self.reply(code)

    def deliver(self, user, octets):
        self.ask("MAIL FROM:<>", "250")
        self.ask(f"RCPT TO:<{user}>", "250")
        self.ask("DATA", "354")
        self.socket.sendall(octets.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        self.reply("250")
