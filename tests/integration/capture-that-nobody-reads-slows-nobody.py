#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A reader that does not read loses whole packets, as many as it is told once it reads again, and no exchange is
missed by it. The ninth capture is refused with the limit's name; closing one makes room, even one that was never
read; what waits when doed stops is delivered whole, after every lease had its end, and with how what ran
ended; no core dump would hold any of it."""

import errno
import os
import pathlib
import signal
import sys

from captures import Capture
from doed_client import (COUNT, ECHO, SPDM, Client, DoedError, expect_error, inject, kill, mailbox_name, pid_of,
                         wait_for_doed, wait_until)

DEVICE = "0000:50:00.0"
N_CAPTURES = 8
PAYLOAD = bytes(32768)
N_EXCHANGES = 60  # 4 MiB both ways: more than is kept, with what the pipe holds


def count(client, mailbox):
    return client.get(mailbox, "Mailbox1", "Exchanges")


def loses_whole_packets(client, mailbox):
    capture = Capture(client, mailboxes=("ao", [mailbox]), snaplen=("u", len(PAYLOAD)))
    before = count(client, mailbox)
    for i in range(N_EXCHANGES):
        payload = i.to_bytes(4, "little") + PAYLOAD[4:]
        assert client.exchange(mailbox, ECHO, payload)[0] == payload
    assert count(client, mailbox) - before == N_EXCHANGES
    # a last one after all was read tells the loss before it
    seen = []

    def is_drained():
        capture.read()
        seen.append(len(capture.packets))
        return len(seen) > 10 and len(set(seen[-10:])) == 1

    wait_until("nothing more comes", is_drained)
    kept = list(capture.packets)
    assert 0 < len(kept) < 2 * N_EXCHANGES, f"{len(kept)} of {2 * N_EXCHANGES} packets"
    for packet in kept:
        assert len(packet.payload) == len(PAYLOAD), packet.n_original
    assert sum(packet.lost for packet in kept) == 0, "the first ones are kept"
    capture.packets = []
    client.exchange(mailbox, ECHO, b"more")
    more = capture.wait_for(2)
    assert more[0].lost == 2 * N_EXCHANGES - len(kept) and more[1].lost == 0, (more[0].lost, len(kept))
    print(f"{len(kept)} packets were kept, {more[0].lost} were lost")
    capture.close()


def ends_when_closed(client, mailbox):
    # doed learns a moment later that those before are closed
    captures = [wait_until("there is room", lambda: try_to_open(client)) for _ in range(N_CAPTURES)]
    error = expect_error("Quota", Capture, client)
    assert error.values["limit"] == "CapturesMax" and error.values["value"] == N_CAPTURES, error.values
    for _ in range(3):
        captures.pop().close()
        # of one that is never written to, doed learns all the same
        captures.append(wait_until("there is room", lambda: try_to_open(client)))
    client.exchange(mailbox, ECHO, b"ping")
    for capture in captures:
        capture.wait_for(2)
        capture.close()


def try_to_open(client):
    try:
        return Capture(client)
    except DoedError as error:
        assert error.name == "Quota", str(error)
        return None


def undumped_kib():
    """Of doed: memory that a core dump leaves out."""
    n_kib = size = 0
    for line in pathlib.Path(f"/proc/{pid_of('doed')}/smaps").read_text().splitlines():
        words = line.split()
        if words[0] == "Size:":
            size = int(words[1])
        elif words[0] == "VmFlags:" and "dd" in words:
            n_kib += size
    return n_kib


def is_in_no_core_dump(client):
    """While no other capture comes or goes."""
    before = undumped_kib()
    capture = Capture(client)
    n_bytes = dict(client.get("/org/doed", "Manager1", "Limits"))["CaptureBytesMax"]
    assert undumped_kib() - before >= n_bytes // 1024, f"{before} KiB, then {undumped_kib()} KiB"
    capture.close()


def is_delivered_at_the_end(client, mailbox):
    capture = Capture(client, mailboxes=("ao", [mailbox]), features=("a(qy)", [ECHO]), snaplen=("u", len(PAYLOAD)))
    for _ in range(10):
        client.exchange(mailbox, ECHO, PAYLOAD)
    lease = client.lease(mailbox, SPDM)
    inject(mailbox_name(mailbox), "go feature=1234:01 count=1 late 900ms")
    serial = client.start_exchange(mailbox, ECHO, b"lost")
    wait_until("it runs", lambda: client.call(mailbox, "Mailbox1", "Jobs"))
    kill("doed", signal.SIGTERM)
    expect_error("Aborted", client.finish, serial)
    # a capture that is not read yet holds back neither
    print(lease.expect_end("ECONNABORTED"))
    capture.wait_for_end()
    assert len(capture.packets) == 22 and not capture.buffered, f"{len(capture.packets)} packets"
    assert capture.packets[-1].status == errno.ECONNABORTED, capture.packets[-1]
    os.close(capture.fd)


def main():
    client = Client()
    mailbox = client.find(COUNT, DEVICE)[0]
    is_in_no_core_dump(client)
    loses_whole_packets(client, mailbox)
    ends_when_closed(client, mailbox)
    is_delivered_at_the_end(client, mailbox)
    client = wait_for_doed()
    Capture(client).close()


sys.exit(main())
