#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""doed-pci started as its units start it: it serves the listening socket that was passed, tells how it is, leaves the
socket where it is when it stops, and the next one serves a doed that connected meanwhile. A socket of another place is
refused."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

from doed_client import ECHO, WAIT_SEC, Client, DoedError, Notifications, held, kill, pid_of, random_payload, wait_until

# the unit's TimeoutStopSec=, and what a loaded machine may add
STOP_SEC = 5 + 2
# passes descriptor $1 as systemd does, and nothing else
PASS = 'fd=$1; shift; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@" 3<&"$fd" {fd}<&-'


def listen(path):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    return listener


def start(command, listener, notifications):
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", "/bin/bash", "-c", PASS, "bash",
                             str(listener.fileno()), *command],
                            pass_fds=[listener.fileno()], env={**os.environ, "NOTIFY_SOCKET": str(notifications.path)})


def expect_end(child, status):
    assert child.wait(WAIT_SEC) == status, f"doed-pci ended with {child.returncode}"


def serve_and_stop(command, listener, notifications):
    """One life of doed-pci. Whoever connects before it is served."""
    child = start(command, listener, notifications)
    notifications.expect("READY=1")
    while not notifications.expect("STATUS=").endswith("serving doed"):
        pass
    request = random_payload()
    client = Client()

    def exchange():
        with contextlib.suppress(DoedError):  # not all has been told to doed yet
            return client.exchange(client.find(ECHO)[0], ECHO, request)[0]

    assert wait_until("an exchange", exchange) == request
    client.close()
    started = time.monotonic()
    child.terminate()
    notifications.expect("STOPPING=1")
    expect_end(child, 0)
    assert time.monotonic() - started < STOP_SEC
    assert os.path.exists(os.environ["DOED_WIRE"]), "it has removed a socket that is not its own"


def main():
    wire = pathlib.Path(os.environ["DOED_WIRE"])
    command = pathlib.Path(f"/proc/{pid_of('doed-pci')}/cmdline").read_bytes().decode().split("\0")[:-1]
    with held("doed-pci"):
        kill("doed-pci", signal.SIGTERM)
        wait_until("its own socket is gone", lambda: not wire.exists())
        notifications = Notifications()
        with listen(wire) as listener:
            serve_and_stop(command, listener, notifications)
            serve_and_stop(command, listener, notifications)
        wire.unlink()
        with listen(wire.with_suffix(".other")) as elsewhere:
            expect_end(start(command, elsewhere, notifications), 1)
        assert not wire.exists(), "it listens although systemd passed something else"


sys.exit(main())
