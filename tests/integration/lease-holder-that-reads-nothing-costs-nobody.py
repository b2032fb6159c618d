#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A holder that sends 150 requests and reads none of the answers: doed keeps a bounded part of them, the mailbox
works for others meanwhile, and when the holder reads at last, every answer is there, in order. A holder that sends
without end is not read without end."""

import socket
import struct
import sys

from doed_client import COUNT, ECHO, Client, counters, data_object, mailbox_name, wait_until

DEVICE = "0000:50:00.0"
N_REQUESTS = 150
N_DWORDS = 15000  # of each answer


def has_settled(name, seen):
    """The device works no more: twice the same count."""
    seen.append(counters(name)["exchanges"])
    return len(seen) > 25 and len(set(seen[-25:])) == 1


def read_nothing(client, mailbox):
    name = mailbox_name(mailbox)
    lease = client.lease(mailbox, COUNT)
    before = counters(name)["exchanges"]
    lease.socket.sendall(b"".join(data_object(COUNT, struct.pack("<I", N_DWORDS + i)) for i in range(N_REQUESTS)))
    wait_until("the lease stands still", lambda seen=[]: has_settled(name, seen), 60)
    n_done = counters(name)["exchanges"] - before
    assert 0 < n_done < N_REQUESTS, f"{n_done} of {N_REQUESTS} answers are kept for somebody who reads none"
    for i in range(5):
        assert client.exchange(mailbox, ECHO, bytes([i] * 8))[0] == bytes([i] * 8)
    for i in range(N_REQUESTS):
        answer = lease.receive()
        assert isinstance(answer, bytes) and len(answer) == 4 * (N_DWORDS + i), f"answer {i}: {str(answer)[:99]}"
    lease.close()
    print(f"{n_done} of {N_REQUESTS} answers of {4 * N_DWORDS} bytes were under way")


def flood(client, mailbox):
    """Send until nobody takes any more; the others get on; what was taken is answered."""
    lease = client.lease(mailbox, COUNT)
    one = data_object(COUNT, struct.pack("<I", N_DWORDS))
    lease.socket.setblocking(False)
    n_bytes = 0
    try:
        while n_bytes < 64 << 20:
            n_bytes += lease.socket.send(one * 1000)
        raise AssertionError(f"{n_bytes} bytes of requests were taken")
    except BlockingIOError:
        pass
    for i in range(5):
        assert client.exchange(mailbox, ECHO, bytes([i] * 8))[0] == bytes([i] * 8)
    for _ in range(10):
        assert len(lease.receive()) == 4 * N_DWORDS
    lease.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    lease.close()
    wait_until("its lease is over", lambda: not client.leases())
    print(f"{n_bytes} bytes of requests were taken")


def main():
    client = Client()
    mailbox = client.find(COUNT, DEVICE)[0]
    read_nothing(client, mailbox)
    wait_until("the first lease is over", lambda: not client.leases())
    flood(client, mailbox)
    assert client.exchange(mailbox, COUNT, struct.pack("<I", 3))[0] == struct.pack("<III", 0, 1, 2)


sys.exit(main())
