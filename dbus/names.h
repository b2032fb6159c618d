/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The names by which doed is found on the bus. */

#define DOED_BUS_NAME    "org.doed"
#define DOED_PATH        "/org/doed"
#define DOED_DEVICE_PATH "/org/doed/device" /* one object per device below it */
#define DOED_LEASE_PATH  "/org/doed/lease"  /* one object per open lease below it */

#define DOED_INTERFACE_MANAGER "org.doed.Manager1"
#define DOED_INTERFACE_DEVICE  "org.doed.Device1"
#define DOED_INTERFACE_MAILBOX "org.doed.Mailbox1"
#define DOED_INTERFACE_CDAT    "org.doed.Cdat1"
#define DOED_INTERFACE_LEASE   "org.doed.Lease1"

#define DOED_ERROR_PREFIX "org.doed.Error."
#define DBUS_ERROR_PREFIX "org.freedesktop.DBus.Error."

#define DBUS_INTERFACE_INTROSPECTABLE "org.freedesktop.DBus.Introspectable"
#define DBUS_INTERFACE_OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"
#define DBUS_INTERFACE_PEER           "org.freedesktop.DBus.Peer"
#define DBUS_INTERFACE_PROPERTIES     "org.freedesktop.DBus.Properties"
