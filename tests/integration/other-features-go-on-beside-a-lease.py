#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Between the exchanges of a feature's lease the other features of its mailbox are there for everybody: calls of others
get their turns while the holder keeps the device as busy as it can, and the holder's conversation does not suffer."""

import sys
import threading

from doed_client import ECHO, SPDM, Client, random_payload
from spdm_requester import GET_DIGESTS, Requester

DEVICE = "0000:50:00.0"
N_EXCHANGES = 40
N_UNDER_WAY = 8


class Talker(threading.Thread):
    """Keeps eight requests of a session under way until it is told to stop."""

    def __init__(self, mailbox):
        super().__init__()
        self.mailbox = mailbox
        self.is_talking = threading.Event()
        self.may_end = threading.Event()
        self.n_answers = 0
        self.wrong = None

    def run(self):
        stream = Client().lease(self.mailbox, SPDM)
        Requester(stream.expect_answer).connect()
        first = stream.expect_answer(GET_DIGESTS)
        for _ in range(N_UNDER_WAY):
            stream.send(GET_DIGESTS)
        while not self.may_end.is_set() and self.wrong is None:
            answer = stream.receive()
            if answer != first:
                self.wrong = answer
            self.n_answers += 1
            if self.n_answers > N_UNDER_WAY:
                self.is_talking.set()
            stream.send(GET_DIGESTS)
        stream.close()


def main():
    client = Client()
    mailbox = client.find(SPDM, DEVICE)[0]
    aborts = client.get(mailbox, "Mailbox1", "AbortCount")
    talker = Talker(mailbox)
    talker.start()
    assert talker.is_talking.wait(60)
    before = talker.n_answers
    for _ in range(N_EXCHANGES):
        request = random_payload()
        assert client.exchange(mailbox, ECHO, request)[0] == request
    after = talker.n_answers
    talker.may_end.set()
    talker.join()
    assert talker.wrong is None, talker.wrong
    assert after > before, "the holder stood still"
    assert client.get(mailbox, "Mailbox1", "AbortCount") == aborts
    print(f"{after - before} exchanges of the lease beside {N_EXCHANGES} of another client")


sys.exit(main())
