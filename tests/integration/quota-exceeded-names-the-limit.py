#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each quota answers Quota with the name and the value of the limit that was reached, by rule or for all, and concerns
nobody but the uid that has reached it."""

import sys

from doed_client import (ECHO, SPDM, STRANGER, WORKER, Client, DoedError, configure, expect_error, frozen_device,
                         wait_until)

DEVICE, OTHER_DEVICE = "0000:50:00.0", "0000:52:00.0"

RULES = f"""
[Rule queue]
User = {STRANGER}
Feature = 1234:01
QueueMaxPerUid = 3
BytesMax = 4096
Verdict = allow

[Rule rate]
User = {WORKER}
Feature = 1234:01
RatePerSec = 2
Verdict = allow

[Rule leases]
User = {STRANGER}
Feature = 0001:*
Class = connection
LeasesMax = 1
WaitersMax = 1
Verdict = allow
"""


def expect_quota(limit, value, call, *arguments, **options):
    error = expect_error("Quota", call, *arguments, **options)
    assert (error.values["limit"], error.values["value"]) == (limit, value), error.values
    assert limit in error.text and str(value) in error.text, error.text
    print(error.text)


def queue(root, mailbox):
    clients = [Client(uid=STRANGER) for _ in range(2)]
    with frozen_device(DEVICE):
        calls = fill_queue(root, clients, mailbox)
    for client, serial in calls:
        client.finish(serial)
    assert clients[1].exchange(mailbox, ECHO, b"more")[0] == b"more"
    expect_quota("BytesMax", 4096, clients[0].exchange, mailbox, ECHO, bytes(8192))


def fill_queue(root, clients, mailbox):
    """Up to the limit, and show that it is one. Return: (client, serial) of each call."""
    running = root.start_exchange(mailbox, ECHO, b"slow")
    wait_until("it is there", lambda: root.call(mailbox, "Mailbox1", "Jobs"))
    # beside the one that runs another may stand ready, and waits no more
    calls = [(client, client.start_exchange(mailbox, ECHO, b"wait")) for client in clients * 2]
    wait_until("they are there", lambda: len(root.call(mailbox, "Mailbox1", "Jobs")) == 5)
    expect_quota("QueueMaxPerUid", 3, clients[1].exchange, mailbox, ECHO, b"more")
    also = root.start_exchange(mailbox, ECHO, b"root")
    return [*calls, (root, running), (root, also)]


def rate(mailbox):
    client = Client(uid=WORKER)
    calls = [client.start_exchange(mailbox, ECHO, b"ping") for _ in range(12)]
    refused = []
    for serial in calls:
        try:
            client.finish(serial)
        except DoedError as error:
            refused.append(error)
    assert 1 <= len(refused) <= 10, f"{len(refused)} of 12 at once were refused"
    assert all(error.name == "Quota" and error.values["limit"] == "RatePerSec" and error.values["value"] == 2
               for error in refused), refused
    print(refused[0].text)


def leases(root, mailbox, other):
    client = Client(uid=STRANGER)
    lease = client.lease(mailbox, SPDM)
    expect_quota("LeasesMax", 1, client.lease, other, SPDM)
    held = root.lease(other, SPDM)
    lease.close()
    wait_until("it is over", lambda: len(root.leases()) == 1)
    waiting = client.start_lease(other, SPDM, wait=True)
    wait_until("it waits", lambda: root.get(held.path, "Lease1", "Waiters") == 1)
    expect_quota("WaitersMax", 1, client.lease, other, SPDM, wait=True)
    held.close()
    client.finish_lease(waiting, SPDM).close()


def main():
    configure(RULES)
    root = Client()
    root.reload()
    mailbox = root.find(SPDM, DEVICE)[0]
    queue(root, mailbox)
    rate(mailbox)
    leases(root, mailbox, root.find(SPDM, OTHER_DEVICE)[0])


sys.exit(main())
