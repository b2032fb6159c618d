#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Somebody else uses the mailbox while it is idle: doed does not abort the stranger's exchange, waits until it is over
within the caller's time, gives the caller its own answer and no other, and tells what it saw."""

import sys

from doed_client import ECHO, Client, counters, inject, mailbox_name, random_payload, wait_until


def main():
    client = Client()
    client.watch()
    mailbox = client.find(ECHO)[0]
    name = mailbox_name(mailbox)
    client.exchange(mailbox, ECHO, b"here")
    before = counters(name)
    count = client.get(mailbox, "Mailbox1", "ForeignActivityCount")
    epoch = client.get(mailbox, "Mailbox1", "Epoch")

    inject(name, "now count=1 foreign-exchange 3s")
    requests = [random_payload() for _ in range(5)]
    calls = [client.start_exchange(mailbox, ECHO, request) for request in requests]
    evidence, = client.wait_for_signal("ForeignActivity", mailbox)
    client.wait_for_signal("PropertiesChanged", mailbox, lambda _name, changed, _gone: changed.get("State") == "waiting")
    for request, serial in zip(requests, calls):
        assert bytes(client.finish(serial)[0]) == request, "an answer of the stranger"

    after = counters(name)
    assert after["foreign"] == before["foreign"] + 1, after
    assert after["foreign-lost"] == before["foreign-lost"], "the stranger's exchange was destroyed"
    assert after["aborts"] == before["aborts"], "an abort is what doed exists to prevent"
    assert client.get(mailbox, "Mailbox1", "ForeignActivityCount") > count
    assert client.get(mailbox, "Mailbox1", "Epoch") == epoch
    assert client.get(mailbox, "Mailbox1", "State") == "ready"
    print(evidence)

    # a hang is another matter: that one is aborted, and told
    inject(name, "go feature=1234:01 count=1 hang")
    client.start_exchange(mailbox, ECHO, b"hang")
    print(*client.wait_for_signal("Aborted", mailbox))
    wait_until("a new epoch", lambda: client.get(mailbox, "Mailbox1", "Epoch") > epoch)
    kinds = [fault["kind"][1] for fault in client.call(mailbox, "Mailbox1", "Faults")]
    assert len(kinds) >= 2, kinds
    print(kinds)


sys.exit(main())
