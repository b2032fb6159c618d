#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A doed-pci that speaks another version of the wire: doed does not talk to it, says so with both versions to whoever
asks, and goes on trying."""

import sys

from doed_client import DISCOVERY, ROOT_PATH, Client, DoedError, false_doed_pci, wait_for_doed, wait_until, wire_hello

FOREIGN = 77
FOREIGN_PROGRAM = "9.8.7"


def main():
    client = Client()
    mailbox = client.find(DISCOVERY)[0]
    ours = client.get(ROOT_PATH, "Manager1", "Version")

    def unavailable():
        try:
            client.exchange(mailbox, DISCOVERY, bytes(4), fresh=True, timeout_usec=500_000)
            return None
        except DoedError as error:
            return error if error.name == "Unavailable" and str(FOREIGN) in error.text else None

    with false_doed_pci() as listener:
        for _ in range(2):  # and again
            peer, _ = listener.accept()
            with peer:
                peer.sendall(wire_hello(FOREIGN, FOREIGN_PROGRAM))
                error = wait_until("Unavailable names the foreign version", unavailable)
                print(error)
                assert "version 1" in error.text or ours in error.text, f"ours is not named: {error}"
    assert wait_for_doed().get(ROOT_PATH, "Manager1", "Version") == ours
    wait_until("the true doed-pci is used again", lambda: unavailable_is_over(mailbox))


def unavailable_is_over(mailbox):
    try:
        return Client().exchange(mailbox, DISCOVERY, bytes(4), fresh=True)
    except DoedError as error:
        # the emulated devices went with their doed-pci
        assert error.name in ("Unavailable", "Gone", "UnknownObject"), str(error)
        return None


sys.exit(main())
