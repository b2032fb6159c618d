#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A lease of scope mailbox has all features of it and nobody beside; what others had queued runs first, what they ask for
later is refused with the holder's name, and other mailboxes of the function are not concerned."""

import sys

from doed_client import (COUNT, DISCOVERY, ECHO, STRANGER, Client, DoedError, configure, expect_error, frozen_device,
                         wait_until)

DEVICE = "0000:50:00.0"


def is_refused(client, mailbox):
    """Return: is it Leased? A call that is not, since the lease is not there yet, is given up soon."""
    try:
        client.exchange(mailbox, ECHO, b"ping", timeout_usec=100_000)
    except DoedError as error:
        return error.name == "Leased"
    return False


def main():
    configure(f"[Rule strangers]\nUser = {STRANGER}\nFeature = 1234:*\nVerdict = allow\n")
    client, other, stranger = Client(), Client(), Client(uid=STRANGER)
    client.reload()
    mailbox = client.find(COUNT, DEVICE)[0]
    second = next(path for path in client.find(ECHO, DEVICE) if path != mailbox)

    # queued before it was asked for: runs first
    with frozen_device(DEVICE):
        queued = [other.start_exchange(mailbox, ECHO, bytes([i] * 4)) for i in range(5)]
        wait_until("they are there", lambda: len(client.call(mailbox, "Mailbox1", "Jobs")) == len(queued))
        asked = client.start_lease(mailbox, ECHO, scope="mailbox")
        wait_until("nobody else gets in", lambda: is_refused(stranger, mailbox))
    lease = client.finish_lease(asked, ECHO)
    for i, serial in enumerate(queued):
        assert bytes(other.finish(serial)[0]) == bytes([i] * 4)

    assert client.get(lease.path, "Lease1", "Scope") == "mailbox"
    assert lease.exchange(b"ping") == b"ping"
    assert lease.exchange(bytes([1, 0, 0, 0]), COUNT) == bytes(4)
    assert len(lease.exchange(bytes(4), DISCOVERY)) == 4
    for each, feature in ((other, ECHO), (other, COUNT), (stranger, ECHO)):
        assert expect_error("Leased", each.exchange, mailbox, feature, b"ping").values["uid"] == 0
    expect_error("Leased", other.lease, mailbox, COUNT)
    assert stranger.exchange(second, ECHO, b"ping")[0] == b"ping"
    assert stranger.exchange(mailbox, DISCOVERY, bytes(4))[1]["cached"], "what is known is told all the same"
    expect_error("AccessDenied", stranger.lease, second, ECHO, scope="mailbox")
    expect_error("InvalidArgs", client.lease, second, ECHO, scope="house")

    lease.close()
    wait_until("it is over", lambda: not client.leases())
    assert stranger.exchange(mailbox, ECHO, b"ping")[0] == b"ping"

    # and while a feature of it is held by another, it is not to be had
    held = other.lease(mailbox, COUNT)
    expect_error("Leased", client.lease, mailbox, ECHO, scope="mailbox")
    held.close()


sys.exit(main())
