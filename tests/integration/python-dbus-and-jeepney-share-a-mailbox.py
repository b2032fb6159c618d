#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A python3-dbus and a python3-jeepney client do 1,000 exchanges each at the same time on one mailbox: no answer is
lost, and none goes to the wrong one."""

import pathlib
import subprocess
import sys

from doed_client import ECHO, Client

CLIENTS = pathlib.Path(__file__).resolve().parent / "clients"
N_EXCHANGES = 1000


def main():
    client = Client()
    mailbox = client.find(ECHO)[0]
    before = client.get(mailbox, "Mailbox1", "Exchanges")
    children = [subprocess.Popen(["/usr/bin/python3", CLIENTS / name, mailbox, str(N_EXCHANGES)])
                for name in ("echo-with-python-dbus", "echo-with-jeepney")]
    statuses = [child.wait() for child in children]
    assert statuses == [0, 0], statuses
    done = client.get(mailbox, "Mailbox1", "Exchanges") - before
    assert done == 2 * N_EXCHANGES, f"{done} exchanges were made"
    assert client.get(mailbox, "Mailbox1", "Failures") == 0


sys.exit(main())
