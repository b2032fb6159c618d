#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who says wait gets the lease in his turn, by uid first; who does not wait any more, because his time is over or he
left, is not in the way."""

import sys

from doed_client import SPDM, STRANGER, Client, configure, expect_error, wait_until

DEVICE = "0000:50:00.0"
SECOND = 1_000_000


def main():
    configure(f"[Rule strangers]\nUser = {STRANGER}\nFeature = 0001:*\nClass = connection, session\nVerdict = allow\n")
    holder, greedy, other, hasty = Client(), Client(), Client(uid=STRANGER), Client()
    holder.reload()
    mailbox = holder.find(SPDM, DEVICE)[0]
    lease = holder.lease(mailbox, SPDM)

    def wait_for_waiters(n):
        wait_until(f"{n} wait", lambda: holder.get(lease.path, "Lease1", "Waiters") == n)

    impatient = hasty.start_lease(mailbox, SPDM, wait=True, timeout_usec=SECOND // 2)
    calls = []
    for client in (greedy, greedy, greedy, other):
        calls.append((client, client.start_lease(mailbox, SPDM, wait=True, timeout_usec=100 * SECOND)))
    leaving = Client()
    leaving.start_lease(mailbox, SPDM, wait=True, timeout_usec=100 * SECOND)

    expect_error("TimedOut", hasty.finish, impatient)
    wait_for_waiters(5)
    leaving.close()
    wait_for_waiters(4)
    assert not any(client.is_answered(serial) for client, serial in calls), "somebody got it while it was held"

    served = []
    lease.close()
    while calls:
        client, serial = wait_until("the next one is served", lambda: next(
            ((client, serial) for client, serial in calls if client.is_answered(serial)), None))
        served.append(calls.index((client, serial)))
        calls.remove((client, serial))
        lease = client.finish_lease(serial, SPDM)
        assert len(holder.leases()) == 1
        if calls:
            wait_for_waiters(len(calls))
        assert not any(client.is_answered(serial) for client, serial in calls), "two hold it at once"
        lease.close()
    # each index is that among those who still waited: the greedy one in its own order, the other not behind all of it
    assert served.index(max(served)) < 2, f"the other uid had to wait for all of the greedy one: {served}"


sys.exit(main())
