#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""An abort, whoever caused it, and a reset: the holder of a lease is told that its session may be gone; a request that was
lost is answered before. What it gets afterwards is of the new epoch."""

import sys

from doed_client import ECHO, SPDM, Client, control, counters, inject, mailbox_name, wait_until
from spdm_requester import GET_DIGESTS, GET_VERSION, Requester

DEVICE = "0000:52:00.0"


def expect_notice(lease):
    notice = lease.expect_error("ECONNRESET")
    assert notice.is_notice and not notice.ends, notice
    print(notice)


def main():
    client = Client()
    mailbox = client.find(SPDM, DEVICE)[0]
    name = mailbox_name(mailbox)
    lease = client.lease(mailbox, SPDM)
    requester = Requester(lease.expect_answer)
    requester.connect()
    epoch = client.epoch(mailbox)

    # another's exchange hangs
    inject(name, "go feature=1234:01 count=1 hang")
    client.start_exchange(mailbox, ECHO, b"hang")
    expect_notice(lease)
    assert client.epoch(mailbox) > epoch
    requester.connect()

    # its own does
    before = counters(name)["go"]
    inject(name, "go feature=0001:01 count=1 hang")
    lease.send(GET_DIGESTS)
    wait_until("it is under way", lambda: counters(name)["go"] > before)
    lost = lease.expect_error("ETIMEDOUT")
    assert not lost.ends and not lost.is_notice and not lost.is_not_sent, lost
    expect_notice(lease)
    requester.connect()

    # the device is reset under it
    epoch = client.epoch(mailbox)
    control(f"recover {DEVICE}")
    expect_notice(lease)
    assert client.epoch(mailbox) > epoch
    wait_until("it is ready again", lambda: client.state(mailbox) == "ready")
    lease.expect_answer(GET_VERSION)
    lease.close()


sys.exit(main())
