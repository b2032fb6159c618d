#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A mailbox that fails again and again rests for a while between its aborts: callers are told in their time, the faults are
kept in bounds, the journal is not flooded, the other mailboxes go on, and once the device behaves everything is good."""

import sys

from doed_client import (ECHO, Client, DoedError, configure, control, counters, inject, mailbox_name, run_folder,
                         wait_until)

DEVICE, OTHER_DEVICE = "0000:50:00.0", "0000:51:00.0"
SECOND = 1_000_000
N_CALLS = 150


def main():
    configure("[Limits]\nFlapFailuresMax = 3\nFlapRestFirstUSec = 1s\nFlapRestMaxUSec = 2s\n")
    client, other = Client(), Client()
    client.reload()
    client.watch()
    mailbox, second = client.find(ECHO, DEVICE)[0], client.find(ECHO, OTHER_DEVICE)[0]
    name = mailbox_name(mailbox)
    before = counters(name)["aborts"]
    log = run_folder().parent / "log/doed.log"
    n_lines = len(log.read_text().splitlines())

    inject(name, "go feature=1234:01 set-error")
    calls = [client.start_exchange(mailbox, ECHO, b"flap", timeout_usec=4 * SECOND) for _ in range(N_CALLS)]
    wait_until("it rests", lambda: client.state(mailbox) == "recovering")
    print(client.get(mailbox, "Mailbox1", "StateReason"))
    for i in range(10):
        assert other.exchange(second, ECHO, bytes([i] * 4))[0] == bytes([i] * 4)
    outcomes = set()
    for serial in calls:
        try:
            client.finish(serial)
            raise AssertionError("it was answered")
        except DoedError as error:
            outcomes.add(error.name)
    assert "DeviceError" in outcomes and outcomes <= {"DeviceError", "TimedOut", "Aborted", "Busy", "Dead"}, outcomes
    n_aborts = counters(name)["aborts"] - before
    assert 3 <= n_aborts < N_CALLS / 3, f"{n_aborts} aborts for {N_CALLS} calls that fail"
    assert len(client.call(mailbox, "Mailbox1", "Faults")) <= 64
    assert len(log.read_text().splitlines()) - n_lines < N_CALLS, "the journal is flooded"

    control(f"clear {name}")
    assert client.exchange(mailbox, ECHO, b"good", timeout_usec=60 * SECOND)[0] == b"good"
    print(f"{n_aborts} aborts, outcomes {sorted(outcomes)}")


sys.exit(main())
