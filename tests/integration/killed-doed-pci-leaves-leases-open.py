#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kill -9 of doed-pci while leases are held. On the sysfs tree the devices outlive it: an idle lease goes on as if nothing
had been, session and epoch included; of one in mid-exchange the request is lost, then the new epoch is told, and it
goes on too. The emulated doed-pci takes its devices with it: there the leases end, and say so."""

import os
import sys

from doed_client import (ECHO, SECURED_SPDM, SPDM, Client, be_patient, counters, inject, kill, mailbox_name, pid_of,
                         wait_until)
from spdm_requester import GET_VERSION, Requester

DEVICE, OTHER_DEVICE = "0000:50:00.0", "0000:51:00.0"


def main():
    client = Client()
    mailbox, other = client.find(SPDM, DEVICE)[0], client.find(ECHO, OTHER_DEVICE)[0]
    idle, busy = client.lease(mailbox, SPDM), client.lease(other, ECHO)
    requester = Requester(idle.expect_answer)
    requester.connect()
    session = requester.open_session(1)
    doed_pid = pid_of("doed")
    epoch, other_epoch = client.epoch(mailbox), client.epoch(other)

    name = mailbox_name(other)
    before = counters(name)["go"]
    be_patient(client, ECHO)
    inject(name, "go feature=1234:01 count=1 late 30s")
    busy.send(b"lost")
    wait_until("it is under way", lambda: counters(name)["go"] > before)
    kill("doed-pci")

    if "DOED_SYSFS" not in os.environ:
        assert busy.expect_error("ECONNABORTED").ends is False
        busy.expect_end("ENODEV")
        idle.expect_end("ENODEV")
        wait_until("another one", lambda: client.state(mailbox) == "ready")
        client.lease(mailbox, SPDM).expect_answer(GET_VERSION)
        return

    lost = busy.expect_error("ECONNABORTED")
    assert not lost.ends and not lost.is_notice, lost
    notice = busy.expect_error("ECONNRESET")
    assert notice.is_notice and not notice.ends, notice
    assert busy.exchange(b"good") == b"good"
    assert client.epoch(other) > other_epoch

    wait_until("both are there again", lambda: client.state(mailbox) == "ready")
    assert idle.expect_answer(session + b"alive?  ", SECURED_SPDM) == session + b"alive?  "
    assert client.epoch(mailbox) == epoch
    assert len(client.leases()) == 2 and pid_of("doed") == doed_pid


sys.exit(main())
