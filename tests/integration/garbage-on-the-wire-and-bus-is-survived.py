#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing that a client of the bus, or whoever stands at the other end of the wire, sends ends either daemon."""

import os
import random
import socket
import sys
import time

from doed_client import (DISCOVERY, ECHO, ROOT_PATH, Client, DoedError, expect_error, false_doed_pci, pid_of, wait_until,
                         wire_frame, wire_hello)

HELLO = 1
WIRE_VERSION = 2
RECONNECTING_SEC = 20  # doed tries again once a second
N_MESSAGES = 300


def garbage_on_the_bus(client, mailbox):
    calls = [
        (mailbox, "Mailbox1", "Exchange", "s", "nonsense"),
        (mailbox, "Mailbox1", "Exchange", "qyaya{sv}", 0xffff, 0xff, b"", {"": ("s", "")}),
        (mailbox, "Mailbox1", "Exchange", "qyaya{sv}", *ECHO, b"", {"timeout-usec": ("a{sv}", {})}),
        (mailbox, "Mailbox1", "Exchange", "qyaya{sv}", *ECHO, b"", {"epoch": ("t", 2**64 - 1)}),
        (mailbox, "Mailbox1", "NoSuchMethod"),
        (mailbox, "NoSuchInterface1", "Exchange"),
        (f"{ROOT_PATH}/device/nonsense/mailbox/zzz", "Mailbox1", "Exchange", "qyaya{sv}", *ECHO, b"", {}),
        (f"{ROOT_PATH}/device/0000_3a_00_0/mailbox/fffff", "Mailbox1", "Exchange", "qyaya{sv}", *ECHO, b"", {}),
        (ROOT_PATH, "Manager1", "Find", "sqya{sv}", "[" * 4000, 0, 0, {}),
        (ROOT_PATH, "Manager1", "Find", "sqya{sv}", "*" * 200, 0, 0, {}),
        (ROOT_PATH, "Manager1", "Explain", "oqyaya{sv}", "/not/ours", 0, 0, b"", {}),
        (ROOT_PATH, "Manager1", "Explain", "oqyaya{sv}", mailbox, 0, 0, bytes(70000), {"gids": ("au", [1] * 5000)}),
    ]
    for call in calls:
        try:
            client.call(*call)
        except DoedError:
            pass
    for _ in range(N_MESSAGES):
        payload = random.randbytes(random.randint(0, 5))
        try:
            client.exchange(mailbox, (random.randrange(65536), random.randrange(256)), payload, timeout_usec=1)
        except DoedError:
            pass


def garbage_to_doed_pci():
    """Strangers at its socket: one connection is doed's, and these get nowhere."""
    for _ in range(20):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stranger:
            stranger.connect(os.environ["DOED_WIRE"])
            try:
                stranger.sendall(random.randbytes(random.randint(1, 5000)))
            except (BrokenPipeError, ConnectionResetError):
                pass


def answers_of_a_false_peer():
    yield b""
    yield random.randbytes(4096)
    yield wire_frame(HELLO, n_bytes=2**31)
    yield wire_frame(HELLO, n_bytes=3)
    yield wire_frame(999)
    yield wire_hello(WIRE_VERSION) + random.randbytes(64)
    for kind in range(56):
        yield wire_hello(WIRE_VERSION) + wire_frame(kind, random.randbytes(random.randint(0, 600)))


def garbage_to_doed(client):
    deadline = time.monotonic() + RECONNECTING_SEC
    n_answers = 0
    with false_doed_pci() as listener:
        for answer in answers_of_a_false_peer():
            peer, _ = listener.accept()
            with peer:
                peer.sendall(answer)
            assert client.get(ROOT_PATH, "Manager1", "Version")
            n_answers += 1
            if time.monotonic() > deadline:
                break
    print(f"{n_answers} false answers")


def refused(client, mailbox):
    try:
        client.exchange(mailbox, ECHO, b"ping", timeout_usec=200_000)
        return False
    except DoedError:
        return True


def main():
    client = Client()
    mailbox = client.find(ECHO)[0]
    pids = pid_of("doed"), pid_of("doed-pci")

    garbage_on_the_bus(client, mailbox)
    garbage_to_doed_pci()
    assert client.exchange(mailbox, ECHO, b"ping")[0] == b"ping"
    assert pids == (pid_of("doed"), pid_of("doed-pci"))

    garbage_to_doed(client)
    wait_until("the true doed-pci is back", lambda: not refused(client, mailbox))
    assert pid_of("doed") == pids[0]
    assert expect_error("InvalidArgs", client.exchange, mailbox, DISCOVERY, bytes(4), priority="never")


sys.exit(main())
