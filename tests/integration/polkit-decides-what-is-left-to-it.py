#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the table of calls and a rule leave to polkit, a real polkitd decides by its rules, for callers of several uids
and groups: its yes and its no are what happens, and what doed itself allows or denies is not asked."""

import sys

from doed_client import (COUNT, DISCOVERY, ECHO, NOBODY, ROOT_PATH, SPDM, TABLE_ACCESS, Client, configure,
                         expect_error, unwrap)
from polkit_daemon import Polkitd, skip_unless_possible

DAEMON, BIN, GAMES, MAN_GROUP = 1, 2, 5, 12
VERSION = 0x04
GET_VERSION = bytes([0x10, 0x84, 0, 0])

RULES = """
[Rule echo-is-asked]
User=1 2 5
Feature=1234:01
Verdict=ask

[Rule lease-is-asked]
User=1 5
Feature=0001:01
Class=connection
Verdict=ask

[Rule group-may-count]
Group=12
Feature=1234:02
Verdict=allow
"""

POLKIT_RULES = """
polkit.addRule(function(action, subject) {
    if (action.id == "org.doed.manage" && subject.user == "daemon")
        return polkit.Result.YES;
    if (action.id == "org.doed.lease" && subject.isInGroup("games") && action.lookup("rule") == "lease-is-asked")
        return polkit.Result.YES;
    if (action.id == "org.doed.exchange" && subject.isInGroup("games") && action.lookup("feature") == "1234:01" &&
        action.lookup("device") == "0000:3a:00.0" && action.lookup("rule") == "echo-is-asked")
        return polkit.Result.YES;
});
"""


def rescan(client):
    return client.call(ROOT_PATH, "Manager1", "Rescan")


def recover(client, mailbox):
    return client.call(mailbox, "Mailbox1", "Recover", "a{sv}", {"force": ("b", True)})


def lease_mailbox(client, mailbox):
    client.lease(mailbox, SPDM, scope="mailbox").close()


def expect_refusal(action, rule, call, *arguments):
    error = expect_error("AccessDenied", call, *arguments)
    assert error.values["action"] == action and error.values["rule"] == rule, f"{error} {error.values}"
    assert action in error.text and error.values["polkit"] in error.text, error.text


def expect_denial(call, *arguments):
    """Of doed's own: nobody was asked."""
    error = expect_error("AccessDenied", call, *arguments)
    assert "polkit" not in error.values, f"{error} {error.values}"
    return error


def explain(client, mailbox, uid, feature):
    caller = {"uid": ("u", uid), "gids": ("au", [uid])}
    return unwrap(client.call(ROOT_PATH, "Manager1", "Explain", "oqyaya{sv}", mailbox, *feature, b"ping", caller))


def main():
    skip_unless_possible()
    configure(RULES)
    root = Client()
    root.reload()
    mailbox = root.find(ECHO, "0000:3a:00.0")[0]
    polkitd = Polkitd(POLKIT_RULES)
    daemon, binary, games, nobody = (Client(uid) for uid in (DAEMON, BIN, GAMES, NOBODY))
    man = Client(NOBODY, gids=[MAN_GROUP])

    # calls that the table leaves to polkit
    rescan(daemon)
    recover(daemon, mailbox)
    for client in (binary, games, nobody, man):
        expect_refusal("org.doed.manage", "default-manage", rescan, client)
        expect_refusal("org.doed.manage", "default-manage", recover, client, mailbox)
    assert explain(daemon, mailbox, BIN, ECHO)["verdict"] == "ask"
    expect_refusal("org.doed.manage", "default-explain-another", explain, binary, mailbox, BIN, ECHO)

    # an exchange that a rule leaves to polkit
    assert games.exchange(mailbox, ECHO, b"ping")[0] == b"ping"
    for client in (daemon, binary):
        expect_refusal("org.doed.exchange", "echo-is-asked", client.exchange, mailbox, ECHO, b"ping")
    other = [path for path in root.find(ECHO) if path != mailbox][0]
    expect_refusal("org.doed.exchange", "echo-is-asked", games.exchange, other, ECHO, b"ping")

    # a lease that a rule leaves to polkit, and mailbox leases that the table does
    spdm = root.find(SPDM)[0]
    expect_error("NeedsLease", games.exchange, spdm, SPDM, GET_VERSION)
    # what was granted is granted for the messages as well
    lease = games.lease(spdm, SPDM)
    assert lease.exchange(GET_VERSION)[1] == VERSION
    lease.close()
    expect_refusal("org.doed.lease", "lease-is-asked", daemon.lease, spdm, SPDM)
    expect_refusal("org.doed.manage", "default-lease-mailbox", lease_mailbox, games, spdm)

    # what nobody is asked about
    assert "default-deny" in expect_denial(nobody.exchange, mailbox, ECHO, b"ping").text
    expect_denial(games.exchange, mailbox, TABLE_ACCESS, bytes(4))
    expect_denial(games.exchange, mailbox, COUNT, bytes(4))
    man.exchange(mailbox, COUNT, bytes(4))
    nobody.exchange(mailbox, DISCOVERY, bytes(4))
    root.exchange(mailbox, ECHO, b"ping")
    rescan(root)

    # without it, what it decided is denied, and the rest goes on
    polkitd.kill()
    expect_refusal("org.doed.manage", "default-manage", rescan, daemon)
    expect_refusal("org.doed.exchange", "echo-is-asked", games.exchange, mailbox, ECHO, b"ping")
    man.exchange(mailbox, COUNT, bytes(4))
    polkitd = Polkitd(POLKIT_RULES)
    rescan(daemon)
    polkitd.kill()


sys.exit(main())
