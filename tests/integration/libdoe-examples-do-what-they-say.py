#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The examples of libdoe, in C and in Python: the table that is read is doed's, the inventory tells of a device that goes
and comes back, SPDM passes through the transport."""

import pathlib
import subprocess
import sys

from doed_client import Client, add_device, device_path, remove_device
from libdoe_checks import build_folder

EXAMPLES = pathlib.Path(__file__).resolve().parent.parent.parent / "client/libdoe/examples"
DEVICE = "0000:3a:00.0"
N_LINES_MAX = 40


def run(*command):
    """Return: what it says, a list of lines."""
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    return answer.stdout.splitlines()


def example(name):
    return f"{build_folder()}/client/libdoe/examples/{name}"


def read_until(stream, *wanted):
    """The next lines, up to the one that begins so and has these words."""
    for line in stream:
        if line.startswith(wanted[0]) and all(word in line for word in wanted):
            return
    raise AssertionError(f"the inventory ended without {wanted}")


def check_inventory():
    with subprocess.Popen([example("inventory-agent")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as agent:
        read_until(agent.stdout, "added device", f"{DEVICE} ", "has CDAT")
        read_until(agent.stdout, "added mailbox", f"{DEVICE}[160]", "ready", "1e98:02")
        read_until(agent.stdout, "listed")
        remove_device(DEVICE)
        read_until(agent.stdout, "removed mailbox", f"{DEVICE}[160]")
        read_until(agent.stdout, "removed device", DEVICE)
        add_device(DEVICE)
        read_until(agent.stdout, "added device", DEVICE)
        read_until(agent.stdout, "added mailbox", f"{DEVICE}[160]")
        read_until(agent.stdout, "changed mailbox", f"{DEVICE}[160]", "ready", "1e98:02")
        agent.stdin.close()
        agent.stdout.read()
        assert agent.wait() == 0


def main():
    table, _details = Client().read_cdat(device_path(DEVICE))
    assert f" {len(table)} bytes, revision 1" in run(example("cdat-reader"), DEVICE)[0]
    version, capabilities = run(example("attestation-transport"), "0000:3a:00.1")
    assert version.startswith("version: 1004") and capabilities.startswith("capabilities: 1261"), capabilities
    check_inventory()

    lines = run("/usr/bin/python3", EXAMPLES / "list-mailboxes.py")
    assert any(line.endswith("0000_3a_00_0/mailbox/160 ready 0001:00 1e98:02 1e98:00 1234:01 1234:02") for line in lines)
    lines = run("/usr/bin/python3", EXAMPLES / "read-cdat.py")
    assert f"{device_path(DEVICE)} {len(table)} bytes from the mailbox {table[:16].hex()}" in lines, lines
    assert "answers 1004" in run("/usr/bin/python3", EXAMPLES / "hold-lease.py", "0000:3a:00.1")[0]
    for script in EXAMPLES.glob("*.py"):
        assert len(script.read_text().splitlines()) < N_LINES_MAX, f"{script.name} is not short"


sys.exit(main())
