#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A message that policy denies is an error object in its turn, whether it comes whole or in chunks; the device does not
see it, and the conversation goes on. Chunks of what is allowed pass. A rule can allow it."""

import struct
import sys

from doed_client import SPDM, STRANGER, Client, ErrorObject, configure, counters, mailbox_name, wait_until
from spdm_requester import GET_DIGESTS, GET_VERSION, SET_CERTIFICATE, Requester, challenge, chunks

DEVICE = "0000:50:00.0"
LARGE_CERTIFICATE = SET_CERTIFICATE + bytes(300)
LOST_CHUNK = struct.pack("<BBBBHHI", 0x12, 0x85, 0, 3, 1, 0, 4) + bytes(4)  # a later one, whose first was never sent
STRANGERS = f"[Rule strangers]\nUser = {STRANGER}\nFeature = 0001:*\nClass = connection\nVerdict = allow\n"


def expect_denied(lease, message):
    error = lease.exchange(message)
    assert isinstance(error, ErrorObject) and error.name == "EACCES", f"{message[:4].hex()}: {error}"
    assert error.is_not_sent and not error.ends and not error.is_notice, error
    return error


def deny(client, mailbox):
    """What neither of them may send, later chunks of it included."""
    name = mailbox_name(mailbox)
    lease = client.lease(mailbox, SPDM)
    requester = Requester(lease.expect_answer)

    print(expect_denied(lease, GET_DIGESTS))  # before GET_VERSION
    requester.connect()
    before = counters(name)["go"]
    error = expect_denied(lease, SET_CERTIFICATE)
    assert "default-" in error.text, f"the rule is not named: {error}"
    first, *later = chunks(LARGE_CERTIFICATE, 100)
    expect_denied(lease, first)
    expect_denied(lease, next(chunks(first, len(first))))
    assert counters(name)["go"] == before, "the device has seen one of them"
    return lease, requester, [*later, LOST_CHUNK]


def main():
    configure(STRANGERS)
    client = Client()
    client.reload()
    mailbox = client.find(SPDM, DEVICE)[0]
    lease, requester, later = deny(Client(uid=STRANGER), mailbox)
    for chunk in later:
        expect_denied(lease, chunk)
    requester.ask(GET_DIGESTS)
    lease.close()
    wait_until("it is over", lambda: not client.leases())

    lease, requester, later = deny(client, mailbox)
    for chunk in later:
        expect_denied(lease, chunk)
    for chunk in chunks(challenge(3), 20):
        requester.ask(chunk)
    requester.ask(GET_DIGESTS)

    configure(f"{STRANGERS}[Rule provisioning]\nUser = root\nFeature = 0001:01\nOpcode = SET_CERTIFICATE\n"
              "Verdict = allow\n")
    client.reload()
    assert client.leases() == [lease.path], "a reload ends no lease"
    requester.ask(SET_CERTIFICATE)
    acknowledged = [requester.ask(chunk) for chunk in chunks(LARGE_CERTIFICATE, 100)]
    assert acknowledged[-1][6:8] == bytes([0x12, 0x6e]), acknowledged[-1].hex()
    requester.ask(GET_VERSION)
    lease.close()


sys.exit(main())
