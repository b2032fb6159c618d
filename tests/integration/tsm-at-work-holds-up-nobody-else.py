#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A TSM connects a device, and as long as it works nobody gets an answer from any tsm/connect: functions without one go
on as if nothing were, SPDM is refused, the bus is served, and when it has ended its session is known."""

import sys
import time

from doed_client import (ECHO, ROOT_PATH, SPDM, Client, control, device_path, expect_error, mailbox_path, wait_until)

WITH_TSM, BESIDE, WITHOUT = "0000:60:00.0", "0000:61:00.0", "0000:62:00.0"
SECOND = 1_000_000


def main():
    client = Client()
    one, without = mailbox_path(f"{WITH_TSM}[150]"), mailbox_path(f"{WITHOUT}[160]")
    assert client.exchange(without, ECHO, b"ping")[0] == b"ping"
    control(f"connect {WITH_TSM}")
    # what makes doed-pci look at all of them again
    client.call(ROOT_PATH, "Manager1", "Rescan")
    control(f"bind {BESIDE} driver-of-a-test")

    deadline = time.monotonic() + 3
    n_exchanges = 0
    while time.monotonic() < deadline:
        assert client.exchange(without, ECHO, b"ping", timeout_usec=10 * SECOND)[0] == b"ping"
        client.get(one, "Mailbox1", "State")
        n_exchanges += 1
    assert n_exchanges > 2, f"{n_exchanges} exchanges in 3 s"
    error = expect_error("KernelOwned", client.lease, one, SPDM, timeout_usec=2 * SECOND)
    print(error)
    wait_until("the new driver is seen all the same",
               lambda: client.get(device_path(BESIDE), "Device1", "Driver") == "driver-of-a-test")

    control(f"tsm {WITH_TSM} tsm0")
    wait_until("the others are ready again", lambda: client.state(one) == "ready")
    assert client.exchange(one, ECHO, b"ping")[0] == b"ping"
    wait_until("its session is known", lambda: "tsm0" in expect_error("KernelOwned", client.lease, one, SPDM).text)
    print(f"{n_exchanges} exchanges while a TSM was at work")


sys.exit(main())
