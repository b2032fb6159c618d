#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""While somebody holds a feature, others are told Leased, and by whom: the uid to all, the process to those who may see
it. SPDM is one lease for all mailboxes of a function. The lease is an object on the bus until its stream is closed."""

import os
import sys

from doed_client import ROOT_PATH, SPDM, STRANGER, Client, configure, device_path, expect_error, wait_until
from spdm_requester import GET_VERSION

SPDM_CONNECTION = (0x0001, 0x03)
DEVICE, OTHER_DEVICE = "0000:50:00.0", "0000:52:00.0"


def main():
    configure(f"[Rule strangers]\nUser = {STRANGER}\nFeature = 0001:*\nClass = connection, session\nVerdict = allow\n")
    root, stranger = Client(), Client(uid=STRANGER)
    root.reload()
    root.watch()
    mailbox, other = root.find(SPDM, DEVICE)[0], root.find(SPDM_CONNECTION, DEVICE)[0]
    assert mailbox != other

    lease = root.lease(mailbox, SPDM)
    assert len(bytes(lease.details["resume"])) == 16 and lease.details["max-object-bytes"] >= 64, lease.details
    assert lease.details["epoch"] == root.epoch(mailbox)
    for where in (mailbox, other):
        feature = SPDM if where == mailbox else SPDM_CONNECTION
        error = expect_error("Leased", stranger.lease, where, feature)
        assert error.values["uid"] == 0 and "since-usec" in error.values, error.values
        assert "pid" not in error.values, "a stranger is told the process"
        error = expect_error("Leased", root.lease, where, feature)
        assert error.values["pid"] == os.getpid(), error.values
    expect_error("NeedsLease", stranger.exchange, mailbox, SPDM, GET_VERSION)
    stranger.lease(root.find(SPDM, OTHER_DEVICE)[0], SPDM).close()

    seen = stranger.objects()[lease.path]["org.doed.Lease1"]
    assert (seen["Mailbox"], seen["Vendor"], seen["Type"]) == (mailbox, *SPDM), seen
    assert (seen["Scope"], seen["Uid"], seen["Holder"]) == ("feature", 0, root.connection.unique_name), seen
    assert 0 < seen["SinceUsec"] < seen["ExpiresUsec"] and seen["IdleUsec"] > 0 and seen["Waiters"] == 0, seen

    lease.expect_answer(GET_VERSION)
    lease.close()
    root.wait_for_signal("InterfacesRemoved", ROOT_PATH, lambda path, _names: path == lease.path)
    expect_error("UnknownObject", root.get, lease.path, "Lease1", "Uid")
    successor = stranger.lease(mailbox, SPDM, wait=True)
    assert successor.path != lease.path
    assert expect_error("Leased", root.lease, mailbox, SPDM).values["uid"] == STRANGER

    # who asked may leave the bus: the lease is the stream's
    stranger.close()
    successor.expect_answer(GET_VERSION)
    assert root.leases() == [successor.path]
    successor.close()
    wait_until("it is over", lambda: not root.leases())
    assert device_path(DEVICE) in root.objects()


sys.exit(main())
