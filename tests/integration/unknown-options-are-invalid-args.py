#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every method with options refuses one that it does not know, by name, and one of the wrong type."""

import sys

from doed_client import DISCOVERY, ROOT_PATH, TABLE_ACCESS, Client, expect_error

UNKNOWN = {"no-such-option": ("b", True)}
WRONG_TYPE = {"timeout-usec": ("s", "soon")}


def main():
    client = Client()
    mailbox = client.find(TABLE_ACCESS)[0]
    device = client.get(mailbox, "Mailbox1", "Device")
    calls = [
        (ROOT_PATH, "Manager1", "Find", "sqya{sv}", "", *DISCOVERY),
        (mailbox, "Mailbox1", "Exchange", "qyaya{sv}", *DISCOVERY, bytes(4)),
        (mailbox, "Mailbox1", "Recover", "a{sv}"),
        (mailbox, "Mailbox1", "Discover", "a{sv}"),
        (device, "Cdat1", "Read", "a{sv}"),
    ]
    for call in calls:
        error = expect_error("InvalidArgs", client.call, *call, UNKNOWN)
        assert "no-such-option" in error.text, f"{call}: {error}"
        expect_error("InvalidArgs", client.call, *call, WRONG_TYPE)
        client.call(*call, {"timeout-usec": ("t", 10_000_000)})

    expect_error("InvalidArgs", client.exchange, mailbox, DISCOVERY, bytes(4), priority="immediately")
    caller = {"no-such-key": ("u", 1)}
    expect_error("InvalidArgs", client.call, ROOT_PATH, "Manager1", "Explain", "oqyaya{sv}", mailbox, *DISCOVERY, b"",
                 caller)


sys.exit(main())
