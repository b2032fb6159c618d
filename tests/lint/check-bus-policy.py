#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Names in policies exist, and what exists is in a policy. Policy files have no compiler: a misspelled interface in one
denies nothing and allows nothing, silently. Checked are the bus policy against the interfaces, the polkit actions
against those that doed asks for, and the table of calls in daemon/core/policy.c against the methods of the interfaces
and the options that doed reads."""

import pathlib
import re
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
ACTION_DEFAULTS = {"allow_any": "no", "allow_inactive": "no", "allow_active": "auth_admin_keep"}
ACTION_OWNER = ("org.freedesktop.policykit.owner", "unix-user:doed")
# written by Properties.Set, and so not a method of an interface of ours
PROPERTIES_WRITTEN = {("LogControl1", "LogLevel")}
# rows for what a call asks in another way than by an option of that name: longer times, somebody else's lease
CIRCUMSTANCES = {("Mailbox1", "Lease", "limits"), ("Lease1", "Revoke", "other")}


def interfaces_of_xml(kinds):
    """Return: interface name -> names of its members of these kinds, from dbus/*.xml."""
    return {interface.get("name"): {member.get("name") for kind in kinds for member in interface.iter(kind)}
            for path in sorted(pathlib.Path("dbus").glob("*.xml"))
            for interface in xml.etree.ElementTree.parse(path).getroot().iter("interface")}


def bus_complaints(path, interfaces):
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


def action_complaints(path):
    root = xml.etree.ElementTree.parse(path).getroot()
    actions = {action.get("id"): action for action in root.iter("action")}
    asked = set(re.findall(r'"(org\.doed\.[a-z]+)"', pathlib.Path("daemon/bus/polkit.c").read_text()))
    for name in sorted(asked ^ actions.keys()):
        yield f"{path}: {name} is {'not there' if name in asked else 'not one that doed asks for'}"
    for source in sorted(pathlib.Path("daemon").rglob("*.c")):
        for name in re.findall(r'"(org\.doed\.[a-z]+)"', source.read_text()):
            if name not in actions:
                yield f"{source}: no action {name}"
    for name, action in actions.items():
        defaults = {item.tag: item.text for item in action.find("defaults")}
        owners = [(item.get("key"), item.text) for item in action.iter("annotate")]
        if defaults != ACTION_DEFAULTS:
            yield f"{path}: the defaults of {name} are {defaults}"
        if owners != [ACTION_OWNER]:
            yield f"{path}: the owner of {name} is {owners}"


def table_of_calls():
    """Return: (interface, member) -> options, as daemon/core/policy.c has them."""
    table = {}
    text = pathlib.Path("daemon/core/policy.c").read_text()
    rows = re.findall(r'\{\s*"(\w+)",\s*"(\w+)",\s*(?:NULL|"([^"]+)"),', text)
    for interface, member, option in rows:
        table.setdefault((interface, member), set())
        if option and (interface, member, option) not in CIRCUMSTANCES:
            table[interface, member].add(option.split("=")[0])
    return table


def methods_of_doed():
    """Return: (interface, member) -> options that it reads, from the BusMethods in daemon/bus."""
    methods = {}
    texts = [path.read_text() for path in sorted(pathlib.Path("daemon/bus").glob("*.[ch]"))]
    rows_by_macro = {name: rows for text in texts
                     for name, rows in re.findall(r"#define (\w+)[ \\\n]+(\{ \"[^\n]*\})", text)}
    for text in texts:
        for name, rows in rows_by_macro.items():
            text = re.sub(rf"\b{name}\b", lambda match, rows=rows: rows, text)
        tables = {name: set(re.findall(r'\{\s*"([^"]+)",\s*OPTION_', rows))
                  for name, rows in re.findall(r"OptionRow (\w+)\[\] = \{(.*?)\};", text, re.DOTALL)}
        for method in re.findall(r"BusMethod \w+ = \{(.*?)\};", text, re.DOTALL):
            fields = dict(re.findall(r'\.(\w+) = "?(\w+)"?', method))
            if "interface" in fields:
                methods[fields["interface"], fields["member"]] = tables.get(fields.get("options"), set())
    return methods


def table_complaints():
    table, methods = table_of_calls(), methods_of_doed()
    described = {(interface.removeprefix(f"{NAME}."), member) for interface, members in
                 interfaces_of_xml(["method"]).items() for member in members} | PROPERTIES_WRITTEN
    for what, names in (("the interface", described), ("the table of calls", table.keys()),
                        ("daemon/bus", methods.keys())):
        for interface, member in sorted((described | table.keys() | methods.keys()) - names):
            yield f"{interface}.{member} is not in {what}"
    for (interface, member), options in methods.items():
        for option in sorted(options ^ table.get((interface, member), options)):
            where = "the table of calls" if option in options else "daemon/bus"
            yield f"option {option} of {interface}.{member} is not in {where}"


def main():
    interfaces = OF_THE_BUS | interfaces_of_xml(["method", "signal"])
    policies = sorted(pathlib.Path("dbus").glob("*.conf"))
    actions = sorted(pathlib.Path("dbus").glob("*.policy"))
    found = [text for path in policies for text in bus_complaints(path, interfaces)]
    found += [text for path in actions for text in action_complaints(path)]
    found += table_complaints()
    print("\n".join(found + [f"{len(found)} complaints in {len(policies + actions)} policy files"]))
    return 1 if found or not policies or not actions else 0


if __name__ == "__main__":
    sys.exit(main())
