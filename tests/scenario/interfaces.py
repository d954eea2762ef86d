#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""inet_interfaces and inet_protocols of main.cf: where mail is taken."""

import socket

from frame import Sink, Skipped, expect, expect_true, main, message, scenario

SMTP = ("smtp", "submission", "submissions")


def is_open(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as s:
        s.settimeout(3)
        return s.connect_ex((address, port)) == 0


def answers(host, service):
    """At which addresses of this machine."""
    return [address for address in ("127.0.0.1", "127.0.0.2", "::1")
            if is_open(address, host.ports[service])]


def restart(lab, text):
    host = lab.mta1
    host.stop()
    host.write_config("main.cf", ORIGINAL[0] + text)
    host.start()
    return host


def setup(lab):
    host = lab.mta1
    ORIGINAL.append(host.read_config("main.cf"))
    for service in (*SMTP, "imap"):
        host.environment[f"ESTAFETA_LISTEN_{service.upper()}"] = \
            f"*:{host.ports[service]}"


ORIGINAL = []


@scenario
def everywhere(lab):
    expect(answers(lab.mta1, "smtp"), ["127.0.0.1", "127.0.0.2", "::1"])


@scenario
def on_loopback_alone(lab):
    host = restart(lab, "inet_interfaces = loopback-only\n")
    for service in SMTP:
        expect(answers(host, service), ["127.0.0.1", "::1"], service)
    expect(answers(host, "imap"), ["127.0.0.1", "127.0.0.2", "::1"], "imap")


@scenario
def on_those_of_a_list(lab):
    """A name of /etc/hosts among them, and one that is nowhere."""
    host = restart(lab, "inet_interfaces = 127.0.0.1, 127.0.0.2,\n"
                   " no-such-host.invalid\n")
    for service in SMTP:
        expect(answers(host, service), ["127.0.0.1", "127.0.0.2"], service)
    expect_true("no-such-host.invalid" in host.ctl("lint").stdout, "lint")
    expect_true("no-such-host.invalid" in host.log(), "log")


@scenario
def an_address_that_is_written_out_stays(lab):
    host = lab.mta1
    host.environment["ESTAFETA_LISTEN_SUBMISSION"] = \
        f"127.0.0.1:{host.ports['submission']}"
    restart(lab, "inet_interfaces = 127.0.0.1 127.0.0.2\n")
    expect(answers(host, "submission"), ["127.0.0.1"])
    expect(answers(host, "smtp"), ["127.0.0.1", "127.0.0.2"])


@scenario
def ipv4_alone(lab):
    host = restart(lab, "inet_protocols = ipv4\n")
    expect(answers(host, "smtp"), ["127.0.0.1", "127.0.0.2"])


def own_address():
    """Of this machine, and not loopback; or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.200", 9))  # sends nothing
        except OSError:
            return None
        found = s.getsockname()[0]
    return None if found.startswith(("127.", "0.")) else found


@scenario
def mail_leaves_from_the_only_address(lab):
    """As smtp_bind_address(5) says of postconf(5)."""
    host, address, peers = lab.mta1, own_address(), []
    if address is None:
        raise Skipped("this machine has loopback alone")

    def note(connection, _, __):
        peers.append(connection.getpeername()[0])
        connection.sendall(b"250 sink.example\r\n")
    for service in (*SMTP, "imap"):
        del host.environment[f"ESTAFETA_LISTEN_{service.upper()}"]
    with Sink({"EHLO": note}) as sink:
        lab.route_to_sink(sink, "away.example")
        restart(lab, f"inet_interfaces = {address}\n")
        _, content = message(recipient="a@away.example")
        host.submit("user1@example1.local", "a@away.example", content)
        host.wait_queue_empty()
    expect(peers, [address])


if __name__ == "__main__":
    main(hosts=1, setup=setup)
