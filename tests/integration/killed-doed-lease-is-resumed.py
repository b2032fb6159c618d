#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kill -9 of doed while a lease with a secured session is held and idle: the stream ends without a word, the holder opens
it again with its token, in the same epoch, and the device's session is still alive. The token is its uid's, and good for
one lease; where another one has used the feature since, it is good for nothing."""

import os
import sys

from doed_client import (SECURED_SPDM, SPDM, STRANGER, Client, DoedError, configure, counters, kill, mailbox_name,
                         pid_of, wait_for_doed, wait_until)
from spdm_requester import GET_DIGESTS, GET_VERSION, Requester

DEVICE = "0000:50:00.0"


def open_session(client, mailbox):
    """Return: the lease, the ID of its session."""
    lease = client.lease(mailbox, SPDM)
    requester = Requester(lease.expect_answer)
    requester.connect()
    session = requester.open_session(0x1234)
    assert lease.expect_answer(session + b"secret  ", SECURED_SPDM) == session + b"secret  "
    return lease, session


def refusal(client, mailbox, **options):
    try:
        client.lease(mailbox, SPDM, **options).close()
    except DoedError as error:
        return error
    raise AssertionError("it was resumed")


def main():
    rule = f"[Rule strangers]\nUser = {STRANGER}\nFeature = 0001:*\nClass = connection, session\nVerdict = allow\n"
    configure(rule)
    client = Client()
    client.reload()
    mailbox = client.find(SPDM, DEVICE)[0]
    lease, session = open_session(client, mailbox)
    before = counters(mailbox_name(mailbox))

    pci_pid = pid_of("doed-pci")
    kill("doed")
    assert lease.receive() is None, "nobody was left to say a word"
    client = wait_for_doed()
    assert pid_of("doed-pci") == pci_pid
    assert not client.leases()

    token = bytes(lease.details["resume"])
    print(refusal(Client(uid=STRANGER), mailbox, resume=token))
    print(refusal(client, mailbox, resume=os.urandom(16)))
    resumed = client.lease(mailbox, SPDM, resume=token)
    assert resumed.details["epoch"] == lease.details["epoch"], f"{lease.details}, {resumed.details}"
    assert resumed.expect_answer(session + b"alive?  ", SECURED_SPDM) == session + b"alive?  "
    resumed.expect_answer(GET_DIGESTS)
    after = counters(mailbox_name(mailbox))
    assert after["aborts"] == before["aborts"] and after["discarded"] == before["discarded"], f"{before}, {after}"

    # a holder that closes and comes back, too; and its old token is used up
    token, old = bytes(resumed.details["resume"]), token
    assert token != old
    resumed.close()
    wait_until("it is over", lambda: not client.leases())
    print(refusal(client, mailbox, resume=old))
    resumed = client.lease(mailbox, SPDM, resume=token, wait=True)
    assert resumed.expect_answer(session + b"alive?  ", SECURED_SPDM) == session + b"alive?  "
    token = bytes(resumed.details["resume"])
    resumed.close()
    wait_until("it is over", lambda: not client.leases())

    # somebody else was there
    other = Client(uid=STRANGER).lease(mailbox, SPDM, wait=True)
    other.expect_answer(GET_VERSION)
    other.close()
    wait_until("it is over", lambda: not client.leases())
    print(refusal(client, mailbox, resume=token))


sys.exit(main())
