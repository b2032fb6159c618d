#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The device goes while a lease of it is held, another is waited for, and calls are under way: each gets its one answer
and every object goes; what comes back is another device, on which no old token opens anything. A driver that is bound
meanwhile holds everything up, and the holder is told of the new epoch."""

import sys

from doed_client import (ECHO, ROOT_PATH, SPDM, Client, DoedError, add_device, be_patient, control, counters,
                         device_path, expect_error, inject, mailbox_name, remove_device, wait_until)
from spdm_requester import GET_DIGESTS, GET_VERSION, Requester

DEVICE = "0000:52:00.0"


def bind_and_unbind(client, mailbox, lease):
    """The kernel's own use of the device, announced by its drivers."""
    epoch = client.epoch(mailbox)
    control(f"bind {DEVICE} driver-of-a-test")
    wait_until("the driver is seen", lambda: client.get(device_path(DEVICE), "Device1", "Driver") == "driver-of-a-test")
    notice = lease.expect_error("ECONNRESET")
    assert notice.is_notice and not notice.ends, notice
    wait_until("it is ready again", lambda: client.state(mailbox) == "ready")
    assert client.epoch(mailbox) > epoch
    Requester(lease.expect_answer).connect()
    control(f"unbind {DEVICE}")
    assert lease.expect_error("ECONNRESET").is_notice
    wait_until("it is ready again", lambda: client.state(mailbox) == "ready")
    Requester(lease.expect_answer).connect()


def main():
    client, other = Client(), Client()
    client.watch()
    mailbox = client.find(SPDM, DEVICE)[0]
    lease = client.lease(mailbox, SPDM)
    Requester(lease.expect_answer).connect()
    bind_and_unbind(client, mailbox, lease)

    name = mailbox_name(mailbox)
    waiting = other.start_lease(mailbox, SPDM, wait=True)
    wait_until("the other waits", lambda: client.get(lease.path, "Lease1", "Waiters") == 1)
    be_patient(client, SPDM)
    before = counters(name)["go"]
    inject(name, "go feature=0001:01 count=1 late 30s")
    lease.send(GET_DIGESTS)
    lease.send(GET_DIGESTS)
    wait_until("it is under way", lambda: counters(name)["go"] > before)
    calls = [other.start_exchange(mailbox, ECHO, b"lost") for _ in range(3)]
    wait_until("all are there", lambda: len([job for job in client.call(mailbox, "Mailbox1", "Jobs")
                                             if job["feature"][1] == "1234:01"]) == len(calls))
    remove_device(DEVICE)
    for serial in calls:
        expect_error("Gone", other.finish, serial)
    expect_error("Gone", other.finish, waiting)
    n_lost = 0
    while n_lost < 2:
        answer = lease.receive()
        assert answer.is_notice or (answer.name == "ENODEV" and not answer.ends), answer
        n_lost += not answer.is_notice
    lease.expect_end("ENODEV")
    for path in (lease.path, mailbox):
        client.wait_for_signal("InterfacesRemoved", ROOT_PATH, lambda removed, _names, path=path: removed == path)
    assert not client.leases()

    add_device(DEVICE)
    client.wait_for_signal("InterfacesAdded", ROOT_PATH, lambda added, _names: added == mailbox)
    try:
        client.lease(mailbox, SPDM, resume=bytes(lease.details["resume"]))
        raise AssertionError("a lease of another device was resumed")
    except DoedError as error:
        print(error)
    successor = client.lease(mailbox, SPDM)
    successor.expect_answer(GET_VERSION)
    successor.close()


sys.exit(main())
