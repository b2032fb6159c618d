#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Explain gives the verdict, the rule, its source, class and opcode, for oneself and (for root) for others, and sends
nothing to the device."""

import sys

from doed_client import (COMPLIANCE, DISCOVERY, ECHO, NOBODY, ROOT_PATH, SPDM, TABLE_ACCESS, Client, DoedError, as_user,
                         unwrap)

# who, feature, request, verdict, class
CASES = [
    (0, DISCOVERY, bytes(4), "allow", "read"),
    (NOBODY, DISCOVERY, bytes(4), "allow", "read"),
    (0, TABLE_ACCESS, bytes(4), "allow", "read"),
    (NOBODY, TABLE_ACCESS, bytes(4), "deny", "read"),
    (0, SPDM, bytes([0x10, 0x84, 0, 0]), "needs-lease", "connection"),
    (NOBODY, SPDM, bytes([0x10, 0x84, 0, 0]), "deny", "connection"),
    (0, SPDM, bytes([0x12, 0xe4, 0, 0]), "needs-lease", "session"),
    (0, SPDM, bytes([0x12, 0xed, 0, 0]), "deny", "destructive"),
    (0, COMPLIANCE, bytes(4), "allow", "read-sensitive"),
    (0, COMPLIANCE, bytes([3, 0, 0, 0]), "deny", "destructive"),
    (0, ECHO, b"ping", "allow", "unknown"),
    (NOBODY, ECHO, b"ping", "deny", "unknown"),
]


def explain(client, mailbox, feature, request, caller):
    return unwrap(client.call(ROOT_PATH, "Manager1", "Explain", "oqyaya{sv}", mailbox, *feature, request, caller))


def explain_as_nobody(mailbox, caller):
    try:
        return explain(Client(), mailbox, ECHO, b"ping", caller)["verdict"]
    except DoedError as error:
        return error.name


def main():
    client = Client()
    for uid, feature, request, verdict, kind in CASES:
        mailbox = client.find(feature)[0]
        before = client.get(mailbox, "Mailbox1", "Exchanges")
        caller = {"uid": ("u", uid), "gids": ("au", [uid])}
        answer = explain(client, mailbox, feature, request, caller)
        what = f"uid {uid}, {feature[0]:04x}:{feature[1]:02x}, {request.hex()}: {answer}"
        assert answer["verdict"] == verdict, what
        assert answer["class"] == kind, what
        assert answer["rule"] and answer["source"] and answer["state"], what
        assert client.get(mailbox, "Mailbox1", "Exchanges") == before
        if uid == 0:
            assert explain(client, mailbox, feature, request, {}) == answer, what

    mailbox = client.find(ECHO)[0]
    assert as_user(NOBODY, lambda: explain_as_nobody(mailbox, {})) == "deny"
    assert as_user(NOBODY, lambda: explain_as_nobody(mailbox, {"uid": ("u", 0)})) == "AccessDenied"


sys.exit(main())
