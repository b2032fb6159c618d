#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients that leave with calls running and queued: the running one drains, its answer is dropped, the queued ones
never start, and the next client gets its own answers."""

import sys

from doed_client import ECHO, Client, counters, inject, mailbox_name, random_payload, wait_until


def main():
    client = Client()
    mailbox = client.find(ECHO)[0]
    name = mailbox_name(mailbox)
    client.exchange(mailbox, ECHO, random_payload())
    before = counters(name)["go"]

    inject(name, "go feature=1234:01 count=1 late 500ms")
    leaving = [Client() for _ in range(4)]
    for other in leaving:
        for _ in range(4):
            other.start_exchange(mailbox, ECHO, random_payload())
    wait_until("all are queued", lambda: len(client.call(mailbox, "Mailbox1", "Jobs")) == 16)
    for other in leaving:
        other.close()

    for _ in range(20):
        request = random_payload()
        assert client.exchange(mailbox, ECHO, request)[0] == request
    assert client.call(mailbox, "Mailbox1", "Jobs") == []
    assert client.get(mailbox, "Mailbox1", "QueueLength") == 0
    assert client.get(mailbox, "Mailbox1", "State") == "ready"
    # the one that ran, perhaps the one that was staged behind it, and ours
    started = counters(name)["go"] - before
    assert 20 < started <= 22, f"{started} exchanges were started"


sys.exit(main())
