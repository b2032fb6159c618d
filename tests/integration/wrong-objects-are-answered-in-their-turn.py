#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What is wrong with one object of a lease's stream is the answer to that object, and the stream goes on: another
feature, reserved bits, too large. Where framing is lost, at a length of 1 or in the middle of an object, the lease ends,
after all that was asked before has been answered. Half an object harms nobody."""

import struct
import sys

from doed_client import COUNT, ECHO, Client, counters, data_object, mailbox_name, wait_until

DEVICE = "0000:50:00.0"
SECOND = 1_000_000


def refused_objects(client, mailbox):
    lease = client.lease(mailbox, ECHO)
    before = counters(mailbox_name(mailbox))["go"]
    too_many = lease.details["max-object-bytes"] // 4
    wrong = [
        ("EACCES", data_object(COUNT, bytes(4))),
        ("EBADMSG", struct.pack("<II", 0x01000000 | ECHO[1] << 16 | ECHO[0], 3) + b"high"),
        ("EBADMSG", struct.pack("<II", ECHO[1] << 16 | ECHO[0], 3 | 1 << 30) + b"high"),
        ("EBADMSG", data_object(ECHO, b"zero", connection=5)),
    ]
    if too_many < 1 << 18:
        wrong.append(("EMSGSIZE", data_object(ECHO, bytes(4 * too_many))))
    stream = b"".join(data_object(ECHO, struct.pack("<I", i)) + odd for i, (_name, odd) in enumerate(wrong))
    lease.socket.settimeout(60)
    lease.socket.sendall(stream)
    for i, (name, _odd) in enumerate(wrong):
        answer = lease.receive()
        assert answer == struct.pack("<I", i), f"{i}: {answer}"
        error = lease.expect_error(name)
        assert error.is_not_sent and not error.ends and not error.is_notice and error.text, error
        print(error)
    assert counters(mailbox_name(mailbox))["go"] == before + len(wrong)
    lease.close()


def lost_framing(client, mailbox):
    lease = client.lease(mailbox, ECHO, wait=True)
    lease.socket.settimeout(60)
    lease.socket.sendall(data_object(ECHO, b"good") + struct.pack("<II", ECHO[1] << 16 | ECHO[0], 1) + b"more" * 100)
    assert lease.receive() == b"good"
    print(lease.expect_end("EBADMSG"))

    lease = client.lease(mailbox, ECHO)
    lease.socket.settimeout(60)
    lease.socket.sendall(data_object(ECHO, b"good") + data_object(ECHO, b"half an object")[:-8])
    lease.socket.shutdown(1)
    assert lease.receive() == b"good"
    print(lease.expect_end("EBADMSG"))


def half_an_object(client, mailbox):
    lease = client.lease(mailbox, ECHO)
    whole = data_object(ECHO, b"in pieces")
    for piece in (whole[:3], whole[3:8], whole[8:9], whole[9:]):
        lease.socket.sendall(piece)
        assert client.exchange(mailbox, COUNT, bytes([1, 0, 0, 0]))[0] == bytes(4)
    assert lease.receive()[:9] == b"in pieces"
    lease.close()
    wait_until("it is over", lambda: not client.leases())

    lease = client.lease(mailbox, ECHO, wait=True, idle_usec=SECOND)
    lease.socket.sendall(whole[:10])
    assert client.exchange(mailbox, COUNT, bytes([1, 0, 0, 0]))[0] == bytes(4)
    lease.expect_end("ETIMEDOUT")  # half an object is no request


def main():
    client = Client()
    mailbox = client.find(ECHO, DEVICE)[0]
    for part in (refused_objects, lost_framing, half_an_object):
        part(client, mailbox)
        wait_until("its lease is over", lambda: not client.leases())
    assert client.get(mailbox, "Mailbox1", "AbortCount") <= 1, "the take-over's"


sys.exit(main())
