#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""libdoe: kill -9 of doed while an exchange is under way. It fails, the watch says that all is lost, and the same client
goes on once doed is back. Where the connection to the bus itself ends, everything fails from then on. A bus that
says nothing is given up in time."""

import contextlib
import os
import socket
import subprocess
import sys

from doed_client import counters, held, inject, kill, run_folder, wait_until
from libdoe_checks import Relay, build_folder, check


MAILBOX = "0000:3a:00.0[160]"


def kill_in_the_middle():
    wait_until("the exchange hangs", lambda: counters(MAILBOX)["faults"] == 1)
    kill("doed")


def check_stuck_bus():
    """One that takes connections and says nothing: sd-bus by itself waits 90 s for it."""
    path = str(run_folder() / "stuck")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        answer = subprocess.run([f"{build_folder()}/client/doectl", "list", "--timeout=1"], stderr=subprocess.PIPE,
                                text=True, timeout=60, check=False,
                                env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={path}"})
    assert answer.returncode != 0 and "bus" in answer.stderr, answer


def main():
    inject(MAILBOX, "go feature=1234:01 count=1 hang")
    with contextlib.ExitStack() as hold:
        hold.enter_context(held("doed"))
        check("killed", steps=[kill_in_the_middle, hold.close])

    with Relay() as relay:
        check("bus-gone", steps=[relay.cut], address=relay.address)
    check_stuck_bus()


sys.exit(main())
