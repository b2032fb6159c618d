#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The running daemon shows what dbus/*.xml says, nothing more and nothing less, on every object; and the tree, the
managed objects and `busctl tree` agree on which objects there are."""

import pathlib
import sys
import xml.etree.ElementTree as ElementTree

from doed_client import ECHO, INTROSPECTABLE, LOG_PATH, NAME, OBJECT_MANAGER, ROOT_PATH, Client, run

CONTRACT = pathlib.Path(__file__).resolve().parents[2] / "dbus"
EMITS = "org.freedesktop.DBus.Property.EmitsChangedSignal"


def normalized(interface):
    """An interface as nested tuples, in which order matters for arguments only."""
    return tuple(sorted(describe(member) for member in interface if member.tag in ("method", "signal", "property")))


def describe(member):
    default_direction = "in" if member.tag == "method" else "out"
    arguments = tuple((argument.get("name"), argument.get("type"), argument.get("direction", default_direction))
                      for argument in member.iter("arg"))
    annotations = {annotation.get("name"): annotation.get("value") for annotation in member.iter("annotation")}
    if member.tag == "property":
        annotations.setdefault(EMITS, "true")
    ours = tuple(sorted((name, value) for name, value in annotations.items() if not name.endswith("systemd1.Privileged")))
    return (member.tag, member.get("name"), member.get("type") or "", member.get("access") or "", arguments, ours)


def contract():
    interfaces = {}
    for path in sorted(CONTRACT.glob("*.xml")):
        for interface in ElementTree.parse(path).getroot().iter("interface"):
            interfaces[interface.get("name")] = normalized(interface)
    return interfaces


def walk(client, path):
    """Yield (path, its introspection) for the object and all below it."""
    node = ElementTree.fromstring(client.call(path, INTROSPECTABLE, "Introspect"))
    yield path, node
    for child in node.findall("node"):
        yield from walk(client, f"{path}/{child.get('name')}")


def main():
    client = Client()
    lease = client.lease(client.find(ECHO)[0], ECHO)  # so that there is one
    expected = contract()
    seen = set()
    with_interfaces = {}
    for path, node in walk(client, ROOT_PATH):
        names = [interface.get("name") for interface in node.findall("interface")]
        with_interfaces[path] = {name for name in names if name.startswith(f"{NAME}.")}
        for interface in node.findall("interface"):
            name = interface.get("name")
            if name in expected:
                found = normalized(interface)
                assert found == expected[name], \
                    f"{name} at {path}: only there {set(found) - set(expected[name])}, " \
                    f"only in dbus/ {set(expected[name]) - set(found)}"
                seen.add(name)
            else:
                assert not name.startswith(f"{NAME}."), f"{name} at {path} is not in dbus/"
    assert OBJECT_MANAGER in {i.get("name") for i in dict(walk(client, ROOT_PATH))[ROOT_PATH].findall("interface")}

    managed = {path: {name for name in interfaces if name.startswith(f"{NAME}.")}
               for path, interfaces in client.objects().items()}
    in_tree = {path: names for path, names in with_interfaces.items() if names and path != ROOT_PATH}
    assert managed == in_tree, f"managed {managed}, in the tree {in_tree}"
    assert len(managed) > 4, managed

    log = ElementTree.fromstring(client.call(LOG_PATH, INTROSPECTABLE, "Introspect"))
    names = {interface.get("name") for interface in log.findall("interface")}
    assert "org.freedesktop.LogControl1" in names, names
    described = {name for name in expected if name.startswith(f"{NAME}.")}
    assert described == {name for name in seen if name.startswith(f"{NAME}.")}, f"never seen: {described - seen}"

    tree = run("busctl", "--system", "tree", "--list", NAME)
    listed = set(tree.stdout.split())
    assert tree.returncode == 0 and set(managed) <= listed, f"{tree.stdout}{tree.stderr}"
    lease.close()
    print(f"{len(seen)} interfaces on {len(managed)} objects are as dbus/ says")


sys.exit(main())
