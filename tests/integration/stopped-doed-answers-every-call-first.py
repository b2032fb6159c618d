#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""systemctl stop: every call that runs or waits is answered Aborted before doed leaves the bus, doed ends with 0, and
the next one adopts the mailboxes."""

import signal
import sys

from doed_client import ECHO, Client, expect_error, inject, kill, mailbox_name, pid_of, wait_for_doed, wait_until


def main():
    client, other = Client(), Client()
    mailbox = client.find(ECHO)[0]
    inject(mailbox_name(mailbox), "go feature=1234:01 count=1 late 900ms")
    calls = [(each, each.start_exchange(mailbox, ECHO, b"lost")) for _ in range(5) for each in (client, other)]
    wait_until("all are there", lambda: len(Client().call(mailbox, "Mailbox1", "Jobs")) == len(calls))
    pid = kill("doed", signal.SIGTERM)
    for each, serial in calls:
        expect_error("Aborted", each.finish, serial)

    wait_until("another doed", lambda: pid_of("doed") != pid)
    successor = wait_for_doed()
    assert successor.exchange(mailbox, ECHO, b"good")[0] == b"good"


sys.exit(main())
