#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Within one lease a requester may use the connections that the device offers, each with its ID: their conversations and
sessions do not touch each other, answers carry the ID of the request, and an ID beyond the last one is refused."""

import sys

from doed_client import SPDM, Client
from spdm_requester import GET_VERSION, Requester

DEVICE = "0000:50:00.0"
SPDM_CONNECTION, SECURED_CONNECTION = (0x0001, 0x03), (0x0001, 0x04)
CONNECTIONS = (0, 1, 3)
N_MESSAGES = 50


def main():
    client = Client()
    mailbox = client.find(SPDM_CONNECTION, DEVICE)[0]
    lease = client.lease(mailbox, SPDM_CONNECTION)
    known = next(known for vendor, kind, known in client.get(mailbox, "Mailbox1", "Features")
                 if (vendor, kind) == SPDM_CONNECTION)
    assert known["max-connection-id"] == 3, known

    lease.expect_answer(GET_VERSION)
    requesters = {i: Requester(lambda message, i=i: lease.expect_answer(message, SPDM_CONNECTION, i))
                  for i in CONNECTIONS}
    for _turn in zip(*(requester.converse(N_MESSAGES, i) for i, requester in requesters.items())):
        pass
    sessions = {i: requester.open_session(i) for i, requester in requesters.items()}
    for i, session in sessions.items():
        assert lease.expect_answer(session + b"secret  ", SECURED_CONNECTION, i) == session + b"secret  "
    requesters[1].ask(GET_VERSION)
    for i in (0, 3):
        assert lease.expect_answer(sessions[i] + b"alive?  ", SECURED_CONNECTION, i) == sessions[i] + b"alive?  "

    for feature in (SPDM_CONNECTION, SECURED_CONNECTION):
        error = lease.exchange(sessions[0] + b"nobody  ", feature, 4)
        assert error.name == "EBADMSG" and error.is_not_sent and not error.ends, error
    lease.expect_answer(GET_VERSION, SPDM)  # the group's other mailbox
    lease.close()


sys.exit(main())
