#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""timeout-usec counts from receipt: a call that waits behind others answers TimedOut in its time, says where the time
went, and never reaches the device."""

import sys
import time

from doed_client import ECHO, REPLY_SLACK_SEC, Client, counters, expect_error, inject, mailbox_name, wait_until


def main():
    client, other = Client(), Client()
    mailbox = client.find(ECHO)[0]
    name = mailbox_name(mailbox)
    inject(name, "go feature=1234:01 count=3 late 800ms")
    before = counters(name)["go"]
    first = [other.start_exchange(mailbox, ECHO, b"slow") for _ in range(3)]
    wait_until("the slow ones are there", lambda: len(client.call(mailbox, "Mailbox1", "Jobs")) == 3)

    started = time.monotonic()
    error = expect_error("TimedOut", client.exchange, mailbox, ECHO, b"late", timeout_usec=300_000)
    took = time.monotonic() - started
    assert 0.29 < took < 0.3 + REPLY_SLACK_SEC, f"{took:.2f} s"
    assert "queue" in error.text, str(error)

    assert [bytes(other.finish(serial)[0]) for serial in first] == [b"slow"] * 3
    assert client.exchange(mailbox, ECHO, b"next")[0] == b"next"
    assert counters(name)["go"] - before == 4, "the late one was sent nevertheless"

    # the same for a device that hangs, and then the abort and what follows go on without the caller
    inject(name, "go feature=1234:01 count=1 hang")
    started = time.monotonic()
    error = expect_error("TimedOut", client.exchange, mailbox, ECHO, b"hang", timeout_usec=400_000)
    took = time.monotonic() - started
    assert 0.39 < took < 0.4 + REPLY_SLACK_SEC, f"{took:.2f} s"
    assert "device" in error.text, str(error)
    assert client.exchange(mailbox, ECHO, b"good")[0] == b"good"


sys.exit(main())
