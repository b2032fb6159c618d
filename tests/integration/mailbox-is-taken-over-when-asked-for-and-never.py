#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""TakeOver=on-demand: nothing is written to a mailbox until somebody wants an exchange, discovery or the table of it;
then it is taken over, and the call is answered. TakeOver=never: nothing is written at all, and calls are told by which
rule."""

import sys

from doed_client import (ECHO, TABLE_ACCESS, Client, configure, counters, device_path, expect_error, kill,
                         mailbox_path, unwrap, wait_until)

ON_DEMAND, TABLE, NEVER = "0000:3a:00.0[160]", "0000:3c:00.0[1a8]", "0000:3d:00.0[150]"
RULES = """[Rule when-asked-for]
Device = 0000:3a:00.0, 0000:3c:00.0
TakeOver = on-demand

[Rule hands-off]
Device = 0000:3d:00.0
TakeOver = never
"""


def restart(client):
    """With new devices, and the rules read before any of them is seen."""
    instance = client.get(device_path("0000:3a:00.0"), "Device1", "Instance")
    kill("doed-pci")
    wait_until("other devices are there",
               lambda: client.get(device_path("0000:3a:00.0"), "Device1", "Instance") != instance)
    wait_until("the others are ready", lambda: client.get(mailbox_path("0000:3b:00.0[d00]"), "Mailbox1", "State") ==
               "ready")


def untouched(name):
    seen = counters(name)
    return seen["go"] == 0 and seen["aborts"] == 0


def main():
    client = Client()
    configure(RULES)
    client.reload()
    restart(client)
    for name in (ON_DEMAND, TABLE):
        assert client.get(mailbox_path(name), "Mailbox1", "State") == "untouched"
        assert untouched(name), name
    assert client.get(mailbox_path(NEVER), "Mailbox1", "State") == "read-only"

    assert client.exchange(mailbox_path(ON_DEMAND), ECHO, b"ping")[0] == b"ping"
    assert client.get(mailbox_path(ON_DEMAND), "Mailbox1", "State") == "ready"
    table = unwrap(client.call(device_path("0000:3c:00.0"), "Cdat1", "Read", "a{sv}", {}))
    assert len(table[0]) >= 16 and client.find(TABLE_ACCESS, "0000:3c:00.0") == [mailbox_path(TABLE)]

    error = expect_error("LockedDown", client.exchange, mailbox_path(NEVER), ECHO, b"ping")
    assert "hands-off" in error.text, error.text
    assert untouched(NEVER)


sys.exit(main())
