#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""While polkit is asked, doed serves everybody else. What waits for it ends like any other call: by its timeout, by
Cancel, with its client, with its device, with doed; it counts in limits, and new rules hold for it."""

import contextlib
import signal
import sys
import time

from doed_client import (DISCOVERY, ECHO, REPLY_SLACK_SEC, ROOT_PATH, Client, add_device, configure, device_path,
                         expect_error, kill, mailbox_path, remove_device, wait_for_doed, wait_until)
from polkit_daemon import Polkitd, skip_unless_possible

DAEMON, GAMES = 1, 5
N_QUESTIONS_PER_UID = 16
DEVICE = "0000:3a:00.0"

RULES = """
[Rule echo-is-asked]
User=1 5
Feature=1234:01
Verdict=ask
"""

POLKIT_RULES = """
polkit.addRule(function(action, subject) {
    return polkit.Result.YES;
});
"""


@contextlib.contextmanager
def frozen(polkitd):
    polkitd.freeze()
    try:
        yield
    finally:
        polkitd.thaw()


def start_recover(client, mailbox, timeout_sec):
    return client.start(mailbox, "Mailbox1", "Recover", "a{sv}", {"timeout-usec": ("t", int(timeout_sec * 1e6))})


def seconds_of(function, *arguments):
    before = time.monotonic()
    function(*arguments)
    return time.monotonic() - before


def expect_others_served(root, client, mailbox):
    def ask_everything():
        client.find(DISCOVERY)
        client.call(mailbox, "Mailbox1", "Jobs")
        client.exchange(mailbox, DISCOVERY, bytes(4))
        root.exchange(mailbox, ECHO, b"ping")
        root.objects()

    assert seconds_of(ask_everything) < 5 * REPLY_SLACK_SEC


def timeout_denies(polkitd, root, client, mailbox):
    with frozen(polkitd):
        before = time.monotonic()
        serial = start_recover(client, mailbox, 3)
        expect_others_served(root, client, mailbox)
        error = expect_error("AccessDenied", client.finish, serial)
        assert 3 <= time.monotonic() - before < 3 + REPLY_SLACK_SEC, time.monotonic() - before
        assert error.values["action"] == "org.doed.manage" and error.values["polkit"], error.values
    client.finish(start_recover(client, mailbox, 20))


def killed_denies(polkitd, client, mailbox):
    polkitd.freeze()
    serial = start_recover(client, mailbox, 60)
    expect_error("NotFound", client.cancel, mailbox, 1)  # so the other one was received
    polkitd.kill()
    assert seconds_of(expect_error, "AccessDenied", client.finish, serial) < 5 * REPLY_SLACK_SEC


def cancel_ends(polkitd, client, mailbox):
    with frozen(polkitd):
        serial = client.start_exchange(mailbox, ECHO, b"ping", cookie=7)
        expect_error("InvalidArgs", client.exchange, mailbox, ECHO, b"ping", cookie=7)
        client.cancel(mailbox, 7)
        expect_error("Canceled", client.finish, serial)
        expect_error("NotFound", client.cancel, mailbox, 7)


def limit_holds_until_the_client_leaves(polkitd, mailbox):
    with frozen(polkitd):
        client = Client(DAEMON)
        serials = [start_recover(client, mailbox, 60) for _ in range(N_QUESTIONS_PER_UID)]
        error = expect_error("AccessDenied", client.finish, start_recover(client, mailbox, 60))
        assert "too many" in error.text, error.text
        assert not any(client.is_answered(serial) for serial in serials)
        games = Client(GAMES)
        waiting = games.start_exchange(mailbox, ECHO, b"ping")
        client.close()
        other = Client(DAEMON)

        def is_asked_again():
            """Not refused at once: the questions of the client that left are gone."""
            serial = start_recover(other, mailbox, 0.3)
            return "too many" not in expect_error("AccessDenied", other.finish, serial).text

        wait_until("the limit is free again", is_asked_again)
    assert games.finish(waiting)[0] == b"ping"


def new_rules_hold(polkitd, root, client, mailbox):
    with frozen(polkitd):
        serial = client.start_exchange(mailbox, ECHO, b"ping")
        expect_error("NotFound", client.cancel, mailbox, 1)
        configure(RULES.replace("ask", "deny").replace("echo-is-denyed", "echo-is-denied"))
        root.reload()
    error = expect_error("AccessDenied", client.finish, serial)
    assert error.values["rule"] == "echo-is-denied", error.values
    configure(RULES)
    root.reload()


def removed_device_ends(polkitd, root, client, mailbox):
    with frozen(polkitd):
        serial = client.start_exchange(mailbox, ECHO, b"ping")
        expect_error("NotFound", client.cancel, mailbox, 1)
        remove_device(DEVICE)
        expect_error("Gone", client.finish, serial)
    add_device(DEVICE)
    wait_until("the device is back", lambda: device_path(DEVICE) in root.objects())
    wait_until("its mailbox is ready", lambda: root.state(mailbox) == "ready")


def stop_ends(polkitd, client, mailbox):
    with frozen(polkitd):
        serials = [start_recover(client, mailbox, 60), client.start(ROOT_PATH, "Manager1", "Rescan")]
        expect_error("NotFound", client.cancel, mailbox, 1)
        kill("doed", signal.SIGTERM)
        for serial in serials:
            expect_error("Aborted", client.finish, serial)
        wait_for_doed()


def main():
    skip_unless_possible()
    configure(RULES)
    root = Client()
    root.reload()
    mailbox = mailbox_path(f"{DEVICE}[160]")
    polkitd = Polkitd(POLKIT_RULES)
    client = Client(DAEMON)
    assert client.exchange(mailbox, ECHO, b"ping")[0] == b"ping"
    timeout_denies(polkitd, root, client, mailbox)
    cancel_ends(polkitd, client, mailbox)
    limit_holds_until_the_client_leaves(polkitd, mailbox)
    new_rules_hold(polkitd, root, client, mailbox)
    removed_device_ends(polkitd, root, client, mailbox)
    assert client.exchange(mailbox, ECHO, b"ping")[0] == b"ping"
    stop_ends(polkitd, client, mailbox)
    killed_denies(polkitd, client, mailbox)


sys.exit(main())
