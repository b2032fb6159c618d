#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A hundred callers ask for the CDAT, for single entries of it, and at the same moment: the device is read once. Its
own counters say so."""

import struct
import sys

from doed_client import TABLE_ACCESS, Client, counters, mailbox_name, wait_until

N_CALLERS = 100
LAST_HANDLE = 0xffff


def table_by_entries(client, mailbox):
    """The table as a client of the protocol reads it, handle by handle."""
    table = b""
    handle = 0
    while handle != LAST_HANDLE:
        response, details = client.exchange(mailbox, TABLE_ACCESS, struct.pack("<BBH", 0, 0, handle))
        assert details["cached"], details
        handle = struct.unpack_from("<H", response, 2)[0]
        table += response[4:]
    return table


def main():
    clients = [Client() for _ in range(20)]
    mailbox = clients[0].find(TABLE_ACCESS)[0]
    device = clients[0].get(mailbox, "Mailbox1", "Device")
    name = mailbox_name(mailbox)

    # not known yet: all of them wait for one walk
    calls = [(clients[i % len(clients)], clients[i % len(clients)].start(device, "Cdat1", "Read", "a{sv}", {}))
             for i in range(N_CALLERS)]
    tables = {bytes(client.finish(serial)[0]) for client, serial in calls}
    assert len(tables) == 1, f"{len(tables)} different tables"
    table = tables.pop()
    length, = struct.unpack_from("<I", table)
    assert length == len(table) and sum(table) % 256 == 0
    n_entries = len(list(entries(table)))

    before = counters(name)
    assert before["go"] <= before_walk(clients[0], mailbox) + n_entries + 2, f"more than one walk: {before}"
    for _ in range(N_CALLERS):
        assert clients[0].read_cdat(device)[0] == table
    assert table_by_entries(clients[0], mailbox) == table
    assert counters(name)["go"] == before["go"], f"the device was read again: {before}, now {counters(name)}"

    # a fresh one goes to the device (all callers share one read a second), and the next hundred are served from that
    def read_afresh():
        assert clients[0].read_cdat(device, fresh=True)[0] == table
        return counters(name)["go"] > before["go"]

    wait_until("a fresh read goes to the device", read_afresh, 10)
    after = counters(name)
    for _ in range(N_CALLERS):
        clients[0].read_cdat(device)
    assert counters(name)["go"] == after["go"]
    print(f"{len(table)} bytes in {n_entries} entries, one walk for {N_CALLERS} callers at once and {N_CALLERS} more")


def entries(table):
    offset = 16
    while offset < len(table):
        length, = struct.unpack_from("<H", table, offset + 2)
        yield table[offset:offset + length]
        offset += length


def before_walk(client, mailbox):
    """What discovery alone has cost: one exchange for each feature."""
    return len(client.get(mailbox, "Mailbox1", "Features"))


sys.exit(main())
