#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A hundred agents wait for doed and ask for the CDAT the moment that it is on the bus, before it knows any device: the
device is read once, and each of them has the table."""

import os
import sys

from doed_client import TABLE_ACCESS, Client, counters, held, kill, mailbox_name, wait_until

from jeepney.bus_messages import message_bus

N_AGENTS = 100


def is_on_the_bus(client):
    return client.connection.send_and_get_reply(message_bus.NameHasOwner("org.doed")).body[0]


def main():
    clients = [Client() for _ in range(N_AGENTS)]
    mailbox = clients[0].find(TABLE_ACCESS)[0]
    device = clients[0].get(mailbox, "Mailbox1", "Device")
    name = mailbox_name(mailbox)
    n_features = len(clients[0].get(mailbox, "Mailbox1", "Features"))
    with held("doed"), held("doed-pci"):
        kill("doed")
        kill("doed-pci")
        wait_until("doed is gone", lambda: not is_on_the_bus(clients[0]))
        before = counters(name)["go"] if "DOED_SYSFS" in os.environ else 0  # else they begin anew with doed-pci

    wait_until("doed is on the bus", lambda: is_on_the_bus(clients[0]), 30)
    calls = [client.start(device, "Cdat1", "Read", "a{sv}", {}) for client in clients]
    tables = [bytes(client.finish(serial)[0]) for client, serial in zip(clients, calls)]
    assert len(set(tables)) == 1, "different tables"
    n_entries = count_entries(tables[0])
    n_exchanges = counters(name)["go"] - before
    # discovery, the table's header, each of its entries, and its header again
    assert n_exchanges <= n_features + n_entries + 2, f"{n_exchanges}: {n_features} features, {n_entries} entries"
    print(f"{n_exchanges} exchanges for {N_AGENTS} agents: {n_features} of discovery, {n_entries} entries")


def count_entries(table):
    offset, n = 16, 0
    while offset < len(table):
        offset += int.from_bytes(table[offset + 2:offset + 4], "little")
        n += 1
    return n


sys.exit(main())
