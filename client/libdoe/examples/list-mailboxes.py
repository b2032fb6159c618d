#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""List all mailboxes, their state and features, with python3-jeepney."""

from jeepney import DBusAddress, new_method_call
from jeepney.io.blocking import open_dbus_connection

manager = DBusAddress("/org/doed", "org.doed", "org.doed.Manager1")
objects = DBusAddress("/org/doed", "org.doed", "org.freedesktop.DBus.ObjectManager")
with open_dbus_connection(bus="SYSTEM") as connection:
    # Find waits until doed has looked at all devices, GetManagedObjects does not
    connection.send_and_get_reply(new_method_call(manager, "Find", "sqya{sv}", ("", 1, 0, {})))
    reply = connection.send_and_get_reply(new_method_call(objects, "GetManagedObjects"))

for path, interfaces in sorted(reply.body[0].items()):
    if "org.doed.Mailbox1" in interfaces:
        mailbox = {name: value for name, (_type, value) in interfaces["org.doed.Mailbox1"].items()}
        features = [f"{vendor:04x}:{kind:02x}" for vendor, kind, _details in mailbox["Features"]]
        print(path, mailbox["State"], *features)
