#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A compliance test runs within a lease of the whole mailbox only, and only where a rule allows it; however that lease
ends, the test is halted before anybody else gets in."""

import struct
import sys

from doed_client import (COMPLIANCE, ECHO, STRANGER, Client, configure, counters, expect_error, mailbox_name,
                         other_process, run_folder, wait_until)

DEVICE = "0000:51:00.0"
STATUS, HALT, TEST = (bytes([code, 0, 0, 0]) for code in (1, 2, 7))


def running(status):
    """The tests that run, of a response to STATUS."""
    return struct.unpack_from("<I", status, 4)[0]


def status(client, mailbox):
    return running(client.exchange(mailbox, COMPLIANCE, STATUS)[0])


def start_test(client, mailbox):
    lease = client.lease(mailbox, COMPLIANCE, scope="mailbox", wait=True)  # the end of the last one is seen a little later
    lease.expect_answer(TEST)
    assert running(lease.expect_answer(STATUS)) == 1 << TEST[0]
    return lease


def main():
    client = Client()
    mailbox = client.find(COMPLIANCE, DEVICE)[0]
    assert status(client, mailbox) == 0
    error = expect_error("AccessDenied", client.exchange, mailbox, COMPLIANCE, TEST)
    print(error)
    lease = client.lease(mailbox, COMPLIANCE, scope="mailbox")
    denied = lease.exchange(TEST)
    assert denied.name == "EACCES" and denied.is_not_sent and not denied.ends, denied
    lease.close()

    configure("[Rule compliance]\nUser = root\nFeature = 1e98:00\nOpcode = 03-0e\nVerdict = allow\n")
    client.reload()
    expect_error("NeedsLease", client.exchange, mailbox, COMPLIANCE, TEST)
    error = expect_error("AccessDenied", Client(uid=STRANGER).exchange, mailbox, COMPLIANCE, STATUS)
    assert error.values["rule"].startswith("default-"), error.values

    for end in (lambda lease: lease.close(), lambda lease: client.revoke(lease.path)):
        lease = start_test(client, mailbox)
        waiting = client.start_lease(mailbox, ECHO, scope="mailbox", wait=True)
        end(lease)
        successor = client.finish_lease(waiting, ECHO)
        assert running(successor.exchange(STATUS, COMPLIANCE)) == 0, "the next holder found the test running"
        successor.close()
        lease.close()

    before = counters(mailbox_name(mailbox))["exchanges"]
    with other_process(lambda: start_test(Client(), mailbox)):
        wait_until("the other's test runs", lambda: counters(mailbox_name(mailbox))["exchanges"] >= before + 2)
    wait_until("its lease is over", lambda: not client.leases())
    assert status(client, mailbox) == 0
    log = (run_folder().parent / "log/doed.log").read_text()
    assert "halt" in log.lower(), "the journal does not tell of it"


sys.exit(main())
