#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hold a lease of SPDM and ask the responder for its versions, with python3-dbus: hold-lease.py [DEVICE]"""

import socket
import struct
import sys

import dbus

SPDM = (dbus.UInt16(0x0001), dbus.Byte(0x01))

bus = dbus.SystemBus()
manager = dbus.Interface(bus.get_object("org.doed", "/org/doed"), "org.doed.Manager1")
device = sys.argv[1] if len(sys.argv) > 1 else ""
mailboxes = manager.Find(device, *SPDM, dbus.Dictionary(signature="sv"))
if not mailboxes:
    sys.exit("No mailbox offers SPDM")

mailbox = dbus.Interface(bus.get_object("org.doed", mailboxes[0]), "org.doed.Mailbox1")
fd, lease, details = mailbox.Lease(*SPDM, {"wait": True})
with socket.socket(fileno=fd.take()) as stream:
    stream.sendall(struct.pack("<HBBIBBBB", 0x0001, 0x01, 0, 3, 0x10, 0x84, 0, 0))
    vendor, kind, _reserved, dwords = struct.unpack("<HBBI", stream.recv(8, socket.MSG_WAITALL))
    payload = stream.recv(4 * dwords - 8, socket.MSG_WAITALL)
if (vendor, kind) == (0xffff, 0xff):
    sys.exit(payload[8:].rstrip(b"\0").decode())
print(mailboxes[0], lease, "epoch", details["epoch"], "answers", payload.hex())
