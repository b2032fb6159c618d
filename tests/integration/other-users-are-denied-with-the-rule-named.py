#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A user who is neither root nor in group doe sees everything, is denied what the table of the contract denies, and
is told which rule it was and what would help."""

import sys

from doed_client import (COMPLIANCE, DISCOVERY, ECHO, LOG_PATH, NOBODY, ROOT_PATH, SPDM, TABLE_ACCESS, Client,
                         DoedError, as_user)

READ_TABLE = bytes(4)
GET_VERSION = bytes([0x10, 0x84, 0, 0])


def outcome(call, *arguments, **options):
    try:
        call(*arguments, **options)
        return ("allowed", "", {})
    except DoedError as error:
        return (error.name, error.text, error.values)


def try_everything():
    """Run as another user. Return: what was tried -> how it ended."""
    client = Client()
    mailbox = client.find(TABLE_ACCESS)[0]
    spdm = client.find(SPDM)[0]
    device = client.get(mailbox, "Mailbox1", "Device")
    explain = (ROOT_PATH, "Manager1", "Explain", "oqyaya{sv}", mailbox, *ECHO, b"")
    return {
        "objects": outcome(client.objects),
        "property": outcome(client.get, mailbox, "Mailbox1", "State"),
        "log level": outcome(client.get, LOG_PATH, "org.freedesktop.LogControl1", "LogLevel"),
        "find": outcome(client.find, ECHO),
        "jobs": outcome(client.call, mailbox, "Mailbox1", "Jobs"),
        "faults": outcome(client.call, mailbox, "Mailbox1", "Faults"),
        "discovery": outcome(client.exchange, mailbox, DISCOVERY, bytes(4)),
        "explain for oneself": outcome(client.call, *explain, {}),
        "explain for another": outcome(client.call, *explain, {"uid": ("u", 0)}),
        "table access": outcome(client.exchange, mailbox, TABLE_ACCESS, READ_TABLE),
        "cdat": outcome(client.read_cdat, device),
        "fresh discovery": outcome(client.exchange, mailbox, DISCOVERY, bytes(4), fresh=True),
        "spdm": outcome(client.exchange, spdm, SPDM, GET_VERSION),
        "unknown feature": outcome(client.exchange, mailbox, ECHO, b"ping"),
        "compliance": outcome(client.exchange, mailbox, COMPLIANCE, bytes(4)),
        "discover": outcome(client.call, mailbox, "Mailbox1", "Discover", "a{sv}", {}),
        "recover": outcome(client.call, mailbox, "Mailbox1", "Recover", "a{sv}", {}),
        "rescan": outcome(client.call, ROOT_PATH, "Manager1", "Rescan"),
    }


ALLOWED = {"objects", "property", "log level", "find", "jobs", "faults", "discovery", "explain for oneself"}


def main():
    for what, (name, text, values) in as_user(NOBODY, try_everything).items():
        if what in ALLOWED:
            assert name == "allowed", f"{what}: {name}: {text}"
            continue
        assert name == "AccessDenied", f"{what}: {name}: {text}"
        assert values.get("rule") and values["rule"] in text, f"{what}: the rule is not named: {text} {values}"
        assert values.get("source"), f"{what}: {values}"
        print(f"{what}: {text}")
    root = Client()
    mailbox = root.find(TABLE_ACCESS)[0]
    root.exchange(mailbox, TABLE_ACCESS, READ_TABLE)
    root.exchange(root.find(ECHO)[0], ECHO, b"ping")


sys.exit(main())
