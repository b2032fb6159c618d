#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""libdoe: fifty exchanges at once through one descriptor, each with its own answer, while another client in the same
process waits for one of its own; cancel; errors as errno, text and values; and a bus without descriptors, over which
leases are refused before doed is asked."""

import sys

from doed_client import Client
from libdoe_checks import Relay, check


def main():
    for name in ("many", "cancel", "errors"):
        check(name)

    with Relay() as relay:
        check("bridge", address=relay.address)
    assert not Client().leases()


sys.exit(main())
