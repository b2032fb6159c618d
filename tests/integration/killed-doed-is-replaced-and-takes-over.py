#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kill -9 of doed in mid-exchange: doed-pci aborts what ran, and the next doed takes over the mailbox; the dead one's
late answer reaches nobody."""

import sys

from doed_client import (ECHO, Client, DoedError, inject, kill, mailbox_name, pid_of, random_payload, wait_for_doed,
                         wait_until)


def main():
    client = Client()
    mailbox = client.find(ECHO)[0]
    pci_pid = pid_of("doed-pci")
    _response, details = client.exchange(mailbox, ECHO, random_payload())

    inject(mailbox_name(mailbox), "go feature=1234:01 count=1 late 900ms")
    running = client.start_exchange(mailbox, ECHO, random_payload())
    wait_until("the exchange is under way", lambda: any(
        job["state"][1] == "running" for job in Client().call(mailbox, "Mailbox1", "Jobs")))
    pid = kill("doed")
    try:
        client.finish(running)
        raise AssertionError("a dead doed has answered")
    except DoedError as error:
        assert error.full_name == "org.freedesktop.DBus.Error.NoReply", str(error)

    successor = wait_for_doed()
    assert pid_of("doed") != pid
    assert pid_of("doed-pci") == pci_pid, "doed-pci went with it"
    for _ in range(10):
        request = random_payload()
        response, after = successor.exchange(mailbox, ECHO, request)
        assert response == request, "an answer of before"
    assert after["epoch"] > details["epoch"], f"what ran was aborted: {details} before, {after} after"


sys.exit(main())
