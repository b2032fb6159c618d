#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A client with forty calls waiting does not keep another one waiting for all of them: they take turns."""

import sys

from doed_client import ECHO, Client, inject, mailbox_name, wait_until

N_GREEDY = 40
N_MODEST = 4


def main():
    greedy, modest = Client(), Client()
    mailbox = greedy.find(ECHO)[0]
    inject(mailbox_name(mailbox), f"go feature=1234:01 count={N_GREEDY + N_MODEST} late 20ms")
    first = [greedy.start_exchange(mailbox, ECHO, i.to_bytes(4, "little")) for i in range(N_GREEDY)]
    wait_until("all are queued", lambda: len(modest.call(mailbox, "Mailbox1", "Jobs")) > N_GREEDY / 2)
    second = [modest.start_exchange(mailbox, ECHO, i.to_bytes(4, "big")) for i in range(N_MODEST)]
    for i, serial in enumerate(second):
        assert bytes(modest.finish(serial)[0]) == i.to_bytes(4, "big")
    n_waiting = sum(not greedy.is_answered(serial) for serial in first)
    assert n_waiting > N_GREEDY / 4, f"only {n_waiting} of {N_GREEDY} were still waiting"
    for i, serial in enumerate(first):
        assert bytes(greedy.finish(serial)[0]) == i.to_bytes(4, "little")
    print(f"{n_waiting} of {N_GREEDY} were still waiting when all {N_MODEST} of the other were answered")


sys.exit(main())
