#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Cancel ends the caller's own calls, whether they run or wait; nobody else's; and each call is answered once."""

import sys
import time

from doed_client import ECHO, REPLY_SLACK_SEC, Client, expect_error, inject, mailbox_name, random_payload, wait_until


def main():
    client, other = Client(), Client()
    mailbox = client.find(ECHO)[0]
    inject(mailbox_name(mailbox), "go feature=1234:01 count=1 late 900ms")
    running = client.start_exchange(mailbox, ECHO, random_payload(), cookie=1)
    wait_until("the first runs", lambda: other.call(mailbox, "Mailbox1", "Jobs"))
    queued = {cookie: client.start_exchange(mailbox, ECHO, random_payload(), cookie=cookie) for cookie in (2, 3, 4)}
    wait_until("all are there", lambda: len(other.call(mailbox, "Mailbox1", "Jobs")) == 4)

    started = time.monotonic()
    client.cancel(mailbox, 3)
    expect_error("Canceled", client.finish, queued[3])
    expect_error("InvalidArgs", client.exchange, mailbox, ECHO, b"twice", cookie=2)
    expect_error("NotFound", other.cancel, mailbox, 2)
    expect_error("NotFound", client.cancel, mailbox, 77)
    client.cancel(mailbox, 1)
    expect_error("Canceled", client.finish, running)
    took = time.monotonic() - started
    assert took < REPLY_SLACK_SEC, f"canceling took {took:.2f} s"

    expect_error("NotFound", client.cancel, mailbox, 1)
    for cookie in (2, 4):
        client.finish(queued[cookie])
    for _ in range(5):
        request = random_payload()
        assert client.exchange(mailbox, ECHO, request, cookie=1)[0] == request


sys.exit(main())
