#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A rule with Cache= lets doed answer a request like one before out of its memory: for whoever may ask, until the answer
is too old, the epoch changes, or somebody wants it fresh. Identical requests at the same time are one exchange."""

import sys

from doed_client import (ECHO, STRANGER, WORKER, Client, configure, counters, expect_error, inject, mailbox_name,
                         wait_until)

DEVICE = "0000:50:00.0"
RULE = f"""[Limits]
FreshIntervalUSec = 0

[Rule remembered]
User = root, {STRANGER}
Feature = 1234:01
Cache = %s
Verdict = allow
"""


def main():
    client, stranger = Client(), Client(uid=STRANGER)
    mailbox = client.find(ECHO, DEVICE)[0]
    name = mailbox_name(mailbox)

    def is_cached(request, who=client, **options):
        """Return: what the details say, which must be what the device's counter says."""
        before = counters(name)["go"]
        response, details = who.exchange(mailbox, ECHO, request, **options)
        assert response == request, response
        assert details["cached"] == (counters(name)["go"] == before), details
        return details["cached"]

    assert not is_cached(b"same") and not is_cached(b"same"), "without a rule nothing is"
    configure(RULE % "3600")
    client.reload()
    assert not is_cached(b"same") and is_cached(b"same") and is_cached(b"same", who=stranger)
    assert not is_cached(b"else") and is_cached(b"else")
    assert not is_cached(b"same", fresh=True) and is_cached(b"same")
    expect_error("AccessDenied", Client(uid=WORKER).exchange, mailbox, ECHO, b"same")
    assert client.get(mailbox, "Mailbox1", "CacheHits") >= 4

    # at the same time
    inject(name, "go feature=1234:01 count=1 late 500ms")
    before = counters(name)["go"]
    calls = [(each, each.start_exchange(mailbox, ECHO, b"once")) for each in (client, stranger) for _ in range(10)]
    for each, serial in calls:
        assert bytes(each.finish(serial)[0]) == b"once"
    assert counters(name)["go"] == before + 1, "more than one exchange"

    # what is wrong is not kept; what the device may have forgotten neither
    inject(name, "go feature=1234:01 count=1 length 1")
    expect_error("BadResponse", client.exchange, mailbox, ECHO, b"fail")
    wait_until("it is ready again", lambda: client.state(mailbox) == "ready")
    assert not is_cached(b"fail") and not is_cached(b"same"), "an answer of before the abort"
    configure(RULE % "no")
    client.reload()
    assert not is_cached(b"same")


sys.exit(main())
