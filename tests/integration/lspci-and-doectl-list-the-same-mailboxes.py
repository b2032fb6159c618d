#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's lspci, on the same fake sysfs tree, sees the DOE capabilities that doectl lists."""

import os
import re
import sys

from doed_client import doectl_json, mailbox_name, run, Client


def seen_by_lspci():
    listing = run("lspci", "-A", "linux-sysfs", "-O", f"sysfs.path={os.environ['DOED_SYSFS']}/bus/pci", "-D", "-vvv")
    assert listing.returncode == 0, listing.stderr
    found = set()
    for function in re.split(r"\n(?=[0-9a-f]{4,}:)", listing.stdout):
        address = function.split(maxsplit=1)[0]
        for offset in re.findall(r"Capabilities: \[([0-9a-f]+) v\d+\] Data Object Exchange", function):
            found.add(f"{address}[{offset}]")
    return found


def listed_by_doectl(value):
    """All mailbox names anywhere in the JSON of doectl list."""
    text = str(value)
    return set(re.findall(r"[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\[[0-9a-f]+\]", text))


def main():
    lspci = seen_by_lspci()
    doectl = listed_by_doectl(doectl_json("list"))
    on_bus = {mailbox_name(path) for path in Client().objects() if "/mailbox/" in path}
    assert lspci == doectl == on_bus, f"lspci {sorted(lspci)}, doectl {sorted(doectl)}, bus {sorted(on_bus)}"
    assert len(lspci) > 3, lspci
    print(f"{len(lspci)} mailboxes: {' '.join(sorted(lspci))}")


sys.exit(main())
