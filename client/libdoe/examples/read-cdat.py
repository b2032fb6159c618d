#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Read the CDAT of each device that has one, with python3-dbus."""

import dbus

bus = dbus.SystemBus()
manager = dbus.Interface(bus.get_object("org.doed", "/org/doed"), "org.doed.Manager1")
# Find waits until doed has looked at all devices, GetManagedObjects does not
manager.Find("", dbus.UInt16(1), dbus.Byte(0), dbus.Dictionary(signature="sv"))
root = dbus.Interface(bus.get_object("org.doed", "/org/doed"), "org.freedesktop.DBus.ObjectManager")
for path, interfaces in sorted(root.GetManagedObjects().items()):
    if "org.doed.Cdat1" not in interfaces:
        continue
    device = dbus.Interface(bus.get_object("org.doed", path), "org.doed.Cdat1")
    try:
        table, details = device.Read({"timeout-usec": dbus.UInt64(5000000)}, byte_arrays=True, timeout=10)
        print(path, len(table), "bytes from the", details["source"], bytes(table[:16]).hex())
    except dbus.DBusException as error:
        print(path, error.get_dbus_name(), error.get_dbus_message())
