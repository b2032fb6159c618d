#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Two SPDM requesters that do not know of each other each have a conversation of 200 messages with one responder, at the
same time: with leases both succeed. Without one nothing passes; and where they drive the registers themselves, one
object at a time and with no fault on the way, one conversation ends the other."""

import os
import sys
import threading

from doed_client import SPDM, Client, ErrorObject, counters, expect_error, mailbox_name, wait_until
from raw_mailbox import RawMailbox
from spdm_requester import GET_VERSION, Requester, SpdmError

N_MESSAGES = 200
DEVICE = "0000:50:00.0"


def converse(mailbox, requester_id, barrier, outcomes):
    """Ask for the lease when the other does; then talk."""
    client = Client()
    barrier.wait()
    stream = client.lease(mailbox, SPDM, wait=True)

    def send(message):
        answer = stream.exchange(message)
        if isinstance(answer, ErrorObject):
            raise SpdmError(str(answer))
        return answer

    outcomes[requester_id] = sum(1 for _ in Requester(send).converse(N_MESSAGES, requester_id))
    stream.close()


def with_leases(mailbox):
    barrier, outcomes = threading.Barrier(2), {}
    threads = [threading.Thread(target=converse, args=(mailbox, i, barrier, outcomes)) for i in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == {1: N_MESSAGES, 2: N_MESSAGES}, f"messages that went well: {outcomes}"


def at_the_registers(name):
    """Both, object by object in turns. Return: how many messages went well until one of them lost its conversation."""
    raw = RawMailbox(name)
    requesters = [Requester(lambda message: raw.exchange(SPDM, message)).converse(N_MESSAGES, i) for i in (1, 2)]
    n_messages = 0
    try:
        for _turn in zip(*requesters):
            n_messages += 2
    except SpdmError as error:
        print(f"without leases: {error}, after {n_messages} messages")
    finally:
        raw.close()
    return n_messages


def main():
    client = Client()
    mailbox = client.find(SPDM, DEVICE)[0]
    name = mailbox_name(mailbox)
    before = counters(name)
    with_leases(mailbox)
    after = counters(name)
    assert after["exchanges"] - before["exchanges"] == 2 * N_MESSAGES, f"{before}, {after}"
    assert after["aborts"] == before["aborts"], after

    expect_error("NeedsLease", client.exchange, mailbox, SPDM, GET_VERSION)
    if "DOED_SYSFS" in os.environ:
        wait_until("the last lease is over", lambda: not client.leases())
        hold, _path = client.inhibit(mailbox)
        assert at_the_registers(name) < N_MESSAGES
        hold.close()


sys.exit(main())
