#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Inhibit: doed finishes what runs, lets a mailbox's registers and lock go and touches neither until the descriptor is
closed, its time is over, or somebody revokes it; then it takes the mailbox over, whatever the tool has left there, in a
new epoch and with a fresh discovery. Other mailboxes never notice."""

import contextlib
import fcntl
import os
import sys

from doed_client import ECHO, SPDM, Client, counters, expect_error, frozen_device, mailbox_name, run_folder, wait_until
from raw_mailbox import GO, CONTROL, WRITE, RawMailbox

DEVICE = "0000:50:00.0"
SECOND = 1_000_000


@contextlib.contextmanager
def lock_of(name):
    """What tools that know of doed take before they touch a mailbox."""
    descriptor = os.open(run_folder() / "lock" / name, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def is_locked(name):
    try:
        with lock_of(name):
            return False
    except BlockingIOError:
        return True


def use_registers(name):
    """What a tool does, and how it leaves the mailbox."""
    before = counters(name)
    with lock_of(name), contextlib.closing(RawMailbox(name)) as raw:
        for i in range(10):
            assert raw.exchange(ECHO, bytes([i] * 4)) == bytes([i] * 4)
        after = counters(name)
        assert after["go"] == before["go"] + 10 and after["aborts"] == before["aborts"], f"{before}, {after}"
        # in mid-object, with an answer that nobody reads
        raw.write(WRITE, ECHO[1] << 16 | ECHO[0])
        raw.write(WRITE, 2)
        raw.write(CONTROL, GO)


def main():
    client, other = Client(), Client()
    mailbox = client.find(SPDM, DEVICE)[0]
    second = next(path for path in client.find(ECHO, DEVICE) if path != mailbox)
    name = mailbox_name(mailbox)
    epoch = client.epoch(mailbox)
    has_locks = "DOED_SYSFS" in os.environ

    # what runs and waits is finished first
    with frozen_device(DEVICE):
        queued = [other.start_exchange(mailbox, ECHO, bytes([i] * 4)) for i in range(3)]
        wait_until("they are there", lambda: len(client.call(mailbox, "Mailbox1", "Jobs")) == 3)
        asked = client.start_inhibit(mailbox, "a look at the registers")
    hold, lease = client.finish_inhibit(asked)
    for i, serial in enumerate(queued):
        assert bytes(other.finish(serial)[0]) == bytes([i] * 4)

    assert client.state(mailbox) == "inhibited"
    seen = client.objects()[lease]["org.doed.Lease1"]
    assert (seen["Scope"], seen["Why"], seen["Uid"]) == ("registers", "a look at the registers", 0), seen
    assert seen["ExpiresUsec"] > seen["SinceUsec"]
    assert expect_error("Inhibited", other.exchange, mailbox, ECHO, b"ping").values["uid"] == 0
    expect_error("Inhibited", other.lease, mailbox, SPDM)
    expect_error("Inhibited", other.inhibit, mailbox)
    assert other.exchange(second, ECHO, b"ping")[0] == b"ping"
    if has_locks:
        assert is_locked(mailbox_name(second)), "doed-pci locks what it drives"
        use_registers(name)
    before = counters(name)
    for _ in range(20):
        client.state(mailbox)
    assert {**counters(name)} == before, "doed has touched it"

    hold.close()
    wait_until("it is ready again", lambda: client.state(mailbox) == "ready")
    assert client.epoch(mailbox) > epoch and counters(name)["aborts"] > before["aborts"]
    assert client.exchange(mailbox, ECHO, b"ping")[0] == b"ping"
    assert not has_locks or is_locked(name)
    assert not client.leases()

    # its time is over; it is revoked: the tool sees the end of the descriptor
    hold, _lease = client.inhibit(mailbox, max_usec=SECOND // 2)
    hold.settimeout(60)
    hold.recv(1024)
    wait_until("it is ready again", lambda: client.state(mailbox) == "ready")
    second_hold, lease = client.inhibit(mailbox)
    client.revoke(lease)
    second_hold.settimeout(60)
    second_hold.recv(1024)
    wait_until("it is ready again", lambda: client.state(mailbox) == "ready")

    # an open lease is in the way, unless it is ended by force
    stream = other.lease(mailbox, SPDM)
    expect_error("Leased", client.inhibit, mailbox)
    hold, _lease = client.inhibit(mailbox, force=True)
    stream.expect_end("EADDRINUSE")
    hold.close()
    wait_until("it is ready again", lambda: client.state(mailbox) == "ready")
    assert client.exchange(mailbox, ECHO, b"ping")[0] == b"ping"


sys.exit(main())
