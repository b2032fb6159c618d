#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A device is pulled out while a call runs and others wait: each answers Gone, the state says gone, the objects go,
later calls are for an unknown object; and the device that comes back is another instance."""

import sys

from doed_client import (ECHO, ROOT_PATH, Client, add_device, expect_error, inject, mailbox_name, remove_device,
                         wait_until)


def main():
    client = Client()
    client.watch()
    mailbox = client.find(ECHO)[0]
    device = client.get(mailbox, "Mailbox1", "Device")
    address = client.get(device, "Device1", "Address")
    instance = client.get(device, "Device1", "Instance")
    client.exchange(mailbox, ECHO, b"here")

    inject(mailbox_name(mailbox), "go feature=1234:01 count=1 late 900ms")
    calls = [client.start_exchange(mailbox, ECHO, b"lost") for _ in range(3)]
    wait_until("all are there", lambda: len(client.call(mailbox, "Mailbox1", "Jobs")) == 3)
    remove_device(address)
    for serial in calls:
        expect_error("Gone", client.finish, serial)
    client.wait_for_signal("PropertiesChanged", mailbox, lambda _name, changed, _gone: changed.get("State") == "gone")
    for path in (mailbox, device):
        client.wait_for_signal("InterfacesRemoved", ROOT_PATH, lambda removed, _names, path=path: removed == path)
    expect_error("UnknownObject", client.exchange, mailbox, ECHO, b"gone")
    assert mailbox not in client.objects() and device not in client.objects()

    add_device(address)
    for path in (device, mailbox):
        client.wait_for_signal("InterfacesAdded", ROOT_PATH, lambda added, _names, path=path: added == path)
    assert client.exchange(mailbox, ECHO, b"back")[0] == b"back"
    assert client.get(device, "Device1", "Instance") != instance


sys.exit(main())
