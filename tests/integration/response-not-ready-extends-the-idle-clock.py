#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A responder that says ResponseNotReady may take the time that it asks for: the idle clock of the lease waits as much
longer, a minute at most and never past the total. Nobody else may ask meanwhile, and RESPOND_IF_READY gets the answer."""

import sys

from doed_client import SPDM, Client, expect_error, inject, mailbox_name, wait_until
from spdm_requester import ERROR, GET_DIGESTS, NOT_READY, Requester

DEVICE = "0000:50:00.0"
SECOND = 1_000_000
IDLE_SEC = 100
TOTAL_SEC = 250


def not_ready(lease, name, exponent):
    """Return: the request to send when the time has passed."""
    inject(name, f"go feature=0001:01 count=1 not-ready {exponent}")
    answer = lease.expect_answer(GET_DIGESTS)
    assert (answer[1], answer[2], answer[4]) == (ERROR, NOT_READY, exponent), answer.hex()
    return bytes([0x12, 0xff, answer[5], answer[6]])


def main():
    client = Client()
    mailbox = client.find(SPDM, DEVICE)[0]
    name = mailbox_name(mailbox)
    lease = client.lease(mailbox, SPDM, idle_usec=IDLE_SEC * SECOND, max_usec=TOTAL_SEC * SECOND)
    since = client.get(lease.path, "Lease1", "SinceUsec")

    def ends_sec():
        """When it will end, in seconds from now on, as its clocks stand."""
        return (client.get(lease.path, "Lease1", "ExpiresUsec") - since) / SECOND

    requester = Requester(lease.expect_answer)
    requester.connect()
    usual = ends_sec()
    assert usual >= IDLE_SEC, usual
    again = not_ready(lease, name, 25)  # 33.5 s
    wait_until("the clock waits longer", lambda: usual + 33 < ends_sec(), 20)
    assert ends_sec() < usual + 34 + 40, ends_sec()  # 40 s are enough for any machine to come this far
    expect_error("Leased", Client().lease, mailbox, SPDM)
    answer = lease.expect_answer(again)
    assert answer[1] == GET_DIGESTS[1] & 0x7f, answer.hex()

    again = not_ready(lease, name, 30)  # 1074 s: too much
    wait_until("as long as it may", lambda: ends_sec() > usual + 59, 20)
    assert ends_sec() < usual + 61 + 60, ends_sec()
    lease.expect_answer(again)
    lease.close()

    wait_until("it is over", lambda: not client.leases())
    lease = client.lease(mailbox, SPDM, wait=True, idle_usec=IDLE_SEC * SECOND, max_usec=(IDLE_SEC + 20) * SECOND)
    since = client.get(lease.path, "Lease1", "SinceUsec")
    Requester(lease.expect_answer).connect()
    not_ready(lease, name, 27)
    assert ends_sec() <= IDLE_SEC + 20 + 1, ends_sec()
    lease.close()


sys.exit(main())
