# SPDX-License-Identifier: GPL-2.0-or-later
"""lease-outlives.py MAILBOX TABLE COMMAND...: holds a lease of the mailbox, has another client wait for it, and runs the
command, which replaces doed. The lease ends with a reason, who waits is answered, and the lease is opened again in
the same epoch by its token."""

import subprocess
import sys
import time

from doed_client import TABLE_ACCESS, Client, DoedError, ErrorObject, mailbox_path, wait_for_doed, wait_until

FIRST_ENTRY = bytes([0, 0, 0, 0])


def expect_entry(lease, table):
    answer = lease.expect_answer(FIRST_ENTRY)
    assert answer[4:] == table[:16], f"{answer.hex()} is not the head of {table.hex()}"


def read_to_the_end(lease):
    """Return: what the stream said before its end."""
    said = []
    while True:
        last = lease.receive()
        if last is None:
            return said
        assert isinstance(last, ErrorObject), f"an answer to nothing: {last}"
        said.append(last)


def main():
    mailbox, command = mailbox_path(sys.argv[1]), sys.argv[3:]
    with open(sys.argv[2], "rb") as file:
        table = file.read()
    holder, waiter = Client(), Client()
    lease = holder.lease(mailbox, TABLE_ACCESS, scope="mailbox")
    expect_entry(lease, table)
    epoch = lease.details["epoch"]
    waiting = waiter.start_lease(mailbox, TABLE_ACCESS, scope="mailbox", wait=True, timeout_usec=300_000_000)
    wait_until("a client waits", lambda: holder.get(lease.path, "Lease1", "Waiters") == 1)

    started = time.monotonic()
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    print(result.stdout)
    assert result.returncode == 0, f"it exited with {result.returncode}"
    print(f"it took {time.monotonic() - started:.1f} s")

    said = read_to_the_end(lease)
    print(f"the lease said: {said}")
    assert said and said[-1].ends, "it ended without a reason"
    try:
        print(f"who waited got {waiter.finish(waiting)}")
        raise AssertionError("a lease of a doed that is gone")
    except DoedError as error:
        print(f"who waited was told: {error}")
        assert error.name == "Aborted", str(error)

    client = wait_for_doed(60)
    wait_until("the mailbox is ready", lambda: client.state(mailbox) == "ready", 60)
    resumed = client.lease(mailbox, TABLE_ACCESS, scope="mailbox", resume=bytes(lease.details["resume"]))
    assert resumed.details["epoch"] == epoch, f"epoch {epoch} before, {resumed.details['epoch']} now"
    expect_entry(resumed, table)
    print(f"resumed in epoch {epoch}")
    resumed.close()


main()
