#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The largest data object, 2^18 dwords with its header, as a request and as a response; and one dword more is
refused before any device sees it."""

import random
import sys

from doed_client import ECHO, Client, expect_error

OBJECT_BYTES_MAX = 1 << 20
HEADER_BYTES = 8


def main():
    client = Client()
    mailbox = client.find(ECHO)[0]
    request = random.randbytes(OBJECT_BYTES_MAX - HEADER_BYTES)
    response, details = client.exchange(mailbox, ECHO, request, max_response=OBJECT_BYTES_MAX, timeout_usec=150_000_000)
    assert response == request, f"{len(response)} bytes came back, and not those that were sent"
    print(f"2 x {len(request)} bytes in {details['device-usec'] / 1e6:.2f} s")

    exchanges = client.get(mailbox, "Mailbox1", "Exchanges")
    error = expect_error("TooLarge", client.exchange, mailbox, ECHO, request + bytes(4), max_response=OBJECT_BYTES_MAX)
    assert str(len(request) + 4) in error.text, error
    assert client.get(mailbox, "Mailbox1", "Exchanges") == exchanges


sys.exit(main())
