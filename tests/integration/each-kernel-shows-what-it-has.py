#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What doed knows without asking a device depends on the kernel: from 6.15 on the features of functions with one mailbox,
from 6.19 on whether a TSM may have a session. Everything else is the same on each of them. The argument is the kernel."""

import pathlib
import sys

from doed_client import (DISCOVERY, ECHO, SPDM, Client, configure, counters, device_path, expect_error, held, kill,
                         mailbox_path, wait_for_doed, wait_until)
from spdm_requester import GET_VERSION

ONE, TWO, HELD = "0000:60:00.0", "0000:61:00.0", "0000:62:00.0"


def without_touching(one, two, has_features):
    """What a doed that may write no register says of mailboxes."""
    configure("[Rule hands-off]\nTakeOver = never\n")
    with held("doed"), held("doed-pci"):
        for name in ("doed", "doed-pci"):
            pid = kill(name)
            wait_until(f"{name} is gone", lambda pid=pid: not pathlib.Path(f"/proc/{pid}").exists())
        before = counters(f"{ONE}[150]")["writes"]
    client = wait_for_doed()
    sources = [client.get(path, "Mailbox1", "FeaturesSource") for path in (one, two)]
    assert sources == ["kernel" if has_features else "unknown", "unknown"], sources
    if has_features:
        features = {(vendor, kind) for vendor, kind, _known in client.get(one, "Mailbox1", "Features")}
        assert features == {DISCOVERY, SPDM, ECHO}, features
    assert client.state(one) == "read-only", client.state(one)
    assert counters(f"{ONE}[150]")["writes"] == before, "a register was written"


def main():
    major, minor = map(int, sys.argv[1].split("."))
    has_features, has_tsm = (major, minor) >= (6, 15), (major, minor) >= (6, 19)
    client = Client()
    one = mailbox_path(f"{ONE}[150]")
    two = mailbox_path(f"{TWO}[190]")

    # features: the kernel's where they can only be one mailbox's, and the same whoever found them
    for path in (one, two, mailbox_path(f"{HELD}[160]")):
        client.exchange(path, DISCOVERY, bytes(4))
    for path, feature in ((one, SPDM), (one, ECHO), (two, SPDM), (mailbox_path(f"{HELD}[160]"), ECHO)):
        features = {(vendor, kind) for vendor, kind, _known in client.get(path, "Mailbox1", "Features")}
        assert feature in features and DISCOVERY in features, f"{path}: {features}"

    # CDAT: cxl has the device on each kernel
    table, details = client.read_cdat(device_path(HELD))
    assert table and details["source"] == "kernel", details

    # SPDM: the TSM's, where there may be one
    for path in (one, two):
        if has_tsm:
            error = expect_error("KernelOwned", client.lease, path, SPDM)
            assert "tsm" in error.text.lower(), error
        else:
            lease = client.lease(path, SPDM)
            lease.expect_answer(GET_VERSION)
            lease.close()
        # the rest of the mailbox goes on
        feature = ECHO if path == one else DISCOVERY
        assert client.exchange(path, feature, bytes(4), fresh=feature == DISCOVERY)[0]
    without_touching(one, two, has_features)


sys.exit(main())
