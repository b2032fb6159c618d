#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""However a lease ends while its holder still listens, the last object says why and EOF follows; and the next one can
have it. Closed by its holder, or left by a holder that died, it ends too."""

import contextlib
import signal
import sys

from doed_client import (ECHO, SPDM, Client, add_device, control, inject, kill, mailbox_name, other_process,
                         remove_device, wait_for_doed, wait_until)
from spdm_requester import GET_DIGESTS, GET_VERSION, Requester

DEVICE = "0000:50:00.0"
SECOND = 1_000_000


class Ends:
    """One method for each way to end."""

    def __init__(self):
        self.client = Client()
        self.mailbox = self.client.find(SPDM, DEVICE)[0]
        self.name = mailbox_name(self.mailbox)

    def lease(self):
        lease = self.client.lease(self.mailbox, SPDM)
        Requester(lease.expect_answer).connect()
        return lease

    def is_over(self):
        wait_until("the lease's object is gone", lambda: not self.client.leases())

    def close(self):
        self.lease().close()
        self.is_over()

    def death(self):
        with other_process(lambda: Client().lease(self.mailbox, SPDM, wait=True)):
            wait_until("the other holds it", self.client.leases)
        self.is_over()

    def drain(self):
        """Nobody ends it by force: what was asked is answered, then EOF."""
        lease = self.lease()
        for _ in range(5):
            lease.send(GET_DIGESTS)
        lease.socket.shutdown(1)
        for _ in range(5):
            assert isinstance(lease.receive(), bytes)
        assert lease.receive() is None
        self.is_over()

    def idle(self):
        print(self.client.lease(self.mailbox, SPDM, idle_usec=SECOND // 2).expect_end("ETIMEDOUT"))

    def total(self):
        lease = self.client.lease(self.mailbox, SPDM, max_usec=SECOND)
        answer = b""
        with contextlib.suppress(BrokenPipeError):
            while isinstance(answer, bytes):
                lease.send(GET_VERSION)
                answer = lease.receive()
        while isinstance(answer, bytes):
            answer = lease.receive()
        assert answer.name == "ETIMEDOUT" and answer.ends, answer
        assert lease.receive() is None

    def revoked(self):
        lease = self.lease()
        self.client.revoke(lease.path, "somebody needs it more")
        assert "somebody needs it more" in lease.expect_end("ECANCELED").text

    def recovered_by_force(self):
        lease = self.lease()
        self.client.call(self.mailbox, "Mailbox1", "Recover", "a{sv}", {"force": ("b", True)})
        print(lease.expect_end("ECONNABORTED"))
        wait_until("it is ready again", lambda: self.client.state(self.mailbox) == "ready")

    def locked_down(self):
        lease = self.lease()
        control("lockdown integrity")
        lease.expect_end("EROFS")
        control("lockdown none")
        wait_until("it is ready again", lambda: self.client.state(self.mailbox) == "ready")

    def dead(self):
        lease = self.lease()
        inject(self.name, "go feature=1234:01 count=1 hang")
        inject(self.name, "abort hang")
        self.client.start_exchange(self.mailbox, ECHO, b"hang")
        lease.expect_end("ESHUTDOWN")
        control(f"clear {self.name}")
        self.client.call(self.mailbox, "Mailbox1", "Recover", "a{sv}", {})
        wait_until("it is ready again", lambda: self.client.state(self.mailbox) == "ready")

    def gone(self):
        lease = self.lease()
        remove_device(DEVICE)
        lease.expect_end("ENODEV")
        add_device(DEVICE)
        wait_until("it is ready again", lambda: self.mailbox in self.client.objects()
                   and self.client.state(self.mailbox) == "ready")

    def stopped(self):
        lease = self.lease()
        kill("doed", signal.SIGTERM)
        lease.expect_end("ECONNABORTED")
        self.client = wait_for_doed()


def main():
    ends = Ends()
    for name in ("close", "death", "drain", "idle", "total", "revoked", "recovered_by_force", "locked_down", "dead", "gone",
                 "stopped"):
        print(name, flush=True)
        getattr(ends, name)()
        ends.close()


sys.exit(main())
