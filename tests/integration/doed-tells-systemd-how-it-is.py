#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""doed started as its unit starts it: it says when it is ready, what it serves, that its loop goes on, and that it stops,
which a device that hangs and a doed-pci that is frozen do not hold up."""

import os
import pathlib
import signal
import subprocess
import sys
import time

from doed_client import (ECHO, WAIT_SEC, Client, Notifications, expect_error, frozen, held, inject, kill, mailbox_name,
                         pid_of, random_payload, wait_for_doed, wait_until)

WATCHDOG_USEC = 200_000
# the unit's TimeoutStopSec=, and what a loaded machine may add
STOP_SEC = 5 + 2


def start(command, notifications):
    environment = {**os.environ, "NOTIFY_SOCKET": str(notifications.path), "WATCHDOG_USEC": str(WATCHDOG_USEC)}
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *command], env=environment)


def stop(child, notifications):
    started = time.monotonic()
    child.terminate()
    notifications.expect("STOPPING=1")
    assert child.wait(WAIT_SEC) == 0, f"doed ended with {child.returncode}"
    took = time.monotonic() - started
    assert took < STOP_SEC, f"doed took {took:.1f} s to stop"


def main():
    command = pathlib.Path(f"/proc/{pid_of('doed')}/cmdline").read_bytes().decode().split("\0")[:-1]
    with held("doed"):
        kill("doed", signal.SIGTERM)
        wait_until("doed has ended", lambda: not pathlib.Path(f"/proc/{pid_of('doed')}/exe").exists())
        notifications = Notifications()
        child = start(command, notifications)
        notifications.expect("READY=1")
        while "mailboxes of" not in notifications.expect("STATUS="):
            pass
        for _ in range(3):
            notifications.expect("WATCHDOG=1")

        wait_for_doed()
        client = Client()
        mailbox = client.find(ECHO)[0]
        inject(mailbox_name(mailbox), "go feature=1234:01 count=1 late 60s")
        running = client.start_exchange(mailbox, ECHO, random_payload())
        wait_until("the exchange is under way", lambda: any(
            job["state"][1] == "running" for job in Client().call(mailbox, "Mailbox1", "Jobs")))
        with frozen("doed-pci"):
            notifications.expect("WATCHDOG=1")
            stop(child, notifications)
        expect_error("Aborted", client.finish, running)


sys.exit(main())
