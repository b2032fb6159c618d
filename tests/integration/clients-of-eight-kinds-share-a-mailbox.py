#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Eight clients that have nothing in common but the bus use one mailbox at once, and each gets its own answers."""

import pathlib
import subprocess
import sys

from doed_client import ECHO, Client

CLIENTS = pathlib.Path(__file__).resolve().parent / "clients"
N_EXCHANGES = {"busctl": 20, "gdbus": 20, "doectl": 20}  # a process for each exchange
N_EXCHANGES_OF_LIBRARIES = 100


def main():
    client = Client()
    mailbox = client.find(ECHO)[0]
    children = {}
    for path in sorted(CLIENTS.glob("echo-with-*")):
        n_wanted = N_EXCHANGES.get(path.name.removeprefix("echo-with-"), N_EXCHANGES_OF_LIBRARIES)
        children[path.name] = subprocess.Popen([path, mailbox, str(n_wanted)])
    statuses = {name: child.wait() for name, child in children.items()}
    assert len(statuses) == 8 and not any(statuses.values()), statuses
    assert client.get(mailbox, "Mailbox1", "Failures") == 0


sys.exit(main())
