#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every name that the bus policy mentions exists: policy files have no compiler, and a misspelled interface in
one denies nothing and allows nothing, silently."""

import pathlib
import sys
import xml.etree.ElementTree

OF_THE_BUS = {
    "org.freedesktop.DBus": {"Hello", "AddMatch", "RemoveMatch", "GetNameOwner", "RequestName", "ReleaseName"},
    "org.freedesktop.DBus.Introspectable": {"Introspect"},
    "org.freedesktop.DBus.ObjectManager": {"GetManagedObjects"},
    "org.freedesktop.DBus.Peer": {"Ping", "GetMachineId"},
    "org.freedesktop.DBus.Properties": {"Get", "GetAll", "Set"},
    "org.freedesktop.LogControl1": set(),
}
NAME = "org.doed"


def known_interfaces():
    """Return: interface name -> set of method and signal names, from dbus/*.xml."""
    interfaces = dict(OF_THE_BUS)
    for path in sorted(pathlib.Path("dbus").glob("*.xml")):
        for interface in xml.etree.ElementTree.parse(path).getroot().iter("interface"):
            members = {member.get("name") for kind in ("method", "signal") for member in interface.iter(kind)}
            interfaces[interface.get("name")] = members
    return interfaces


def complaints(path, interfaces):
    for rule in xml.etree.ElementTree.parse(path).getroot().iter():
        interface, member = rule.get("send_interface"), rule.get("send_member")
        if interface and interface not in interfaces:
            yield f"{path}: no interface {interface}"
        if member and not any(member in members for name, members in interfaces.items() if interface in (None, name)):
            yield f"{path}: no method {member}"
        # without a destination a rule opens every service of the bus
        if any(key.startswith("send_") for key in rule.keys()) and rule.get("send_destination") != NAME:
            yield f"{path}: a rule for sending without send_destination={NAME}"
        if rule.get("own") not in (None, NAME):
            yield f"{path}: owns {rule.get('own')}"


def main():
    interfaces = known_interfaces()
    policies = sorted(pathlib.Path("dbus").glob("*.conf"))
    found = [text for path in policies for text in complaints(path, interfaces)]
    print("\n".join(found + [f"{len(found)} complaints in {len(policies)} policy files"]))
    return 1 if found or not policies else 0


if __name__ == "__main__":
    sys.exit(main())
