#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kill -9 of doed-pci in mid-exchange: that call answers Aborted, others meanwhile Unavailable or nothing worse, and
once it is back the next exchange succeeds, in a new epoch. (The emulated devices die with doed-pci-emulated, and what
comes back are others.)"""

import os
import sys

from doed_client import (ECHO, Client, DoedError, expect_error, inject, kill, mailbox_name, pid_of,
                         random_payload, wait_until)

MEANWHILE = {"Unavailable"} if "DOED_SYSFS" in os.environ else {"Unavailable", "Gone", "UnknownObject"}


def main():
    client = Client()
    mailbox = client.find(ECHO)[0]
    request = random_payload()
    response, details = client.exchange(mailbox, ECHO, request)
    assert response == request

    inject(mailbox_name(mailbox), "go feature=1234:01 count=1 late 900ms")
    running = client.start_exchange(mailbox, ECHO, request)
    wait_until("the exchange is under way", lambda: any(
        job["state"][1] == "running" for job in Client().call(mailbox, "Mailbox1", "Jobs")))
    pid = kill("doed-pci")
    expect_error("Aborted", client.finish, running)

    def exchange_again():
        try:
            return client.exchange(mailbox, ECHO, request)
        except DoedError as error:
            assert error.name in MEANWHILE, str(error)
            return None

    response, after = wait_until("an exchange with the next doed-pci", exchange_again)
    assert response == request
    assert pid_of("doed-pci") != pid
    assert after["epoch"] > details["epoch"], f"{details} before, {after} after"


sys.exit(main())
