#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""While an IDE stream of a function is secure, somebody's SPDM session stands behind its keys: SPDM is KernelOwned, and
the evidence says so, until a rule lends it out."""

import sys

from doed_client import SPDM, Client, DoedError, ErrorObject, add_device, configure, control, remove_device, wait_until
from spdm_requester import GET_VERSION

DEVICE = "0000:52:00.0"


def refusal(client, mailbox):
    """Return: the error of Lease; None if it is granted."""
    try:
        client.lease(mailbox, SPDM).close()
    except DoedError as error:
        return error
    wait_until("it is over", lambda: not client.leases())
    return None


def leases(client, mailbox):
    """Return: the error's name, or "" if it is to be had."""
    try:
        lease = client.lease(mailbox, SPDM)
    except DoedError as error:
        return error.name
    answer = lease.exchange(GET_VERSION)
    lease.close()
    wait_until("it is over", lambda: not client.leases())
    return "KernelOwned" if isinstance(answer, ErrorObject) and answer.name == "EXDEV" else ""


def main():
    client = Client()
    mailbox = client.find(SPDM, DEVICE)[0]
    assert leases(client, mailbox) == ""
    control(f"ide {DEVICE} secure")
    wait_until("it is the kernel's", lambda: leases(client, mailbox) == "KernelOwned")
    error = wait_until("doed knows it, too", lambda: refusal(client, mailbox))
    assert error.name == "KernelOwned" and "IDE" in error.text, error
    print(error)

    configure(f"[Rule lend]\nDevice = {DEVICE}\nFeature = 0001:*\nKernelOverride = yes\n")
    client.reload()
    wait_until("both daemons lend it", lambda: leases(client, mailbox) == "")
    configure("")
    client.reload()
    wait_until("it is the kernel's again", lambda: leases(client, mailbox) == "KernelOwned")

    # that the stream ends is seen once a minute; a device that is pulled out takes its keys with it
    control(f"ide {DEVICE} insecure")
    remove_device(DEVICE)
    wait_until("it is gone", lambda: mailbox not in client.objects())
    add_device(DEVICE)
    wait_until("it is there again", lambda: mailbox in client.objects() and client.state(mailbox) == "ready")
    assert leases(client, mailbox) == ""


sys.exit(main())
