#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The file server behind the fake sysfs tree stops, and with it every config access, in the kernel, where no signal
reaches: the bus goes on being served, calls end by their timeout, and all is well when it goes on."""

import sys
import time

from doed_client import ECHO, REPLY_SLACK_SEC, Client, DoedError, expect_error, frozen, random_payload, wait_until


def main():
    client = Client()
    mailbox = client.find(ECHO)[0]
    request = random_payload()
    assert client.exchange(mailbox, ECHO, request)[0] == request

    with frozen("doe-sysfs"):
        stuck = client.start_exchange(mailbox, ECHO, request, timeout_usec=3_000_000)
        for _ in range(20):
            started = time.monotonic()
            assert mailbox in client.objects()
            assert client.get(mailbox, "Mailbox1", "State")
            assert client.find(ECHO)[0]
            took = time.monotonic() - started
            assert took < REPLY_SLACK_SEC, f"the bus took {took:.2f} s"
        started = time.monotonic()
        expect_error("TimedOut", client.exchange, mailbox, ECHO, request, timeout_usec=500_000)
        assert time.monotonic() - started < 0.5 + REPLY_SLACK_SEC
        expect_error("TimedOut", client.finish, stuck)

    def exchange_again():
        try:
            return client.exchange(mailbox, ECHO, request)[0]
        except DoedError as error:
            assert error.name in ("TimedOut", "Busy", "Dead", "Aborted", "Gone"), str(error)
            return None

    assert wait_until("the mailbox works again", exchange_again, 60) == request


sys.exit(main())
