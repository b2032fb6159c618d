#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A capture shows the exchanges of calls, of a lease, of doed itself, and those that fail or are aborted; a filter
takes its share of them and is told in the log; the recent past comes first where it is asked for; a rule withholds
what it names, from the past too; a mailbox that appears later becomes an interface then."""

import errno
import os
import pathlib
import re
import struct
import sys
import time

from captures import REQUEST, RESPONSE, WITHHELD, Capture
from doed_client import (COUNT, DISCOVERY, ECHO, SPDM, Client, add_device, configure, expect_error, inject,
                         mailbox_name, remove_device, wait_until)

DEVICE = "0000:50:00.0"
GET_VERSION = bytes([0x10, 0x84, 0, 0])


def pair(packets):
    """Return: the request and the response of the only exchange."""
    assert [packet.direction for packet in packets] == [REQUEST, RESPONSE], packets
    request, response = packets
    assert request.exchange == response.exchange and request.mailbox == response.mailbox, packets
    assert request.time <= response.time <= time.time() and response.time > time.time() - 600, packets
    assert request.device_usec == 0 and request.status == 0
    return request, response


def calls(client, mailbox):
    capture = Capture(client)
    payload = bytes(range(64))
    _answer, details = client.exchange(mailbox, ECHO, payload)
    request, response = pair(capture.wait_for(2))
    for packet in (request, response):
        assert packet.mailbox == mailbox_name(mailbox) and packet.uid == os.getuid(), packet
        assert packet.object == struct.pack("<HBxI", *ECHO, 18) + payload[:16], packet
        assert packet.n_original == 36 + 8 + 64, packet.n_original
    assert response.device_usec == details["device-usec"], (response.device_usec, details)
    whole = Capture(client, snaplen=("u", 1 << 20))
    client.exchange(mailbox, COUNT, struct.pack("<I", 3))
    request, response = pair(whole.wait_for(2))
    assert response.payload == struct.pack("<III", 0, 1, 2) and response.feature == COUNT
    pair(capture.wait_for(2))
    capture.close()
    whole.close()


def lease(client, mailbox):
    capture = Capture(client, features=("a(qy)", [SPDM]))
    client.exchange(mailbox, ECHO, b"ping")
    stream = client.lease(mailbox, SPDM)
    version = stream.expect_answer(GET_VERSION)
    request, response = pair(capture.wait_for(2))
    assert request.payload == GET_VERSION and response.payload == version[:16], (request, response)
    stream.close()
    wait_until("the lease is over", lambda: not client.leases())
    capture.close()


def failures(client, mailbox):
    capture = Capture(client, mailboxes=("ao", [mailbox]), features=("a(qy)", [ECHO]))
    name = mailbox_name(mailbox)
    inject(name, "go feature=1234:01 count=1 hang")
    expect_error("TimedOut", client.exchange, mailbox, ECHO, b"hang")
    _request, response = pair(capture.wait_for(2))
    assert response.status == errno.ETIMEDOUT and response.object == b"" and response.device_usec > 0, response
    wait_until("it is ready", lambda: client.state(mailbox) == "ready")
    inject(name, "go feature=1234:01 count=1 set-error")
    expect_error("DeviceError", client.exchange, mailbox, ECHO, b"fail")
    _request, response = pair(capture.wait_for(2))
    assert response.status == errno.EREMOTEIO, response
    wait_until("it is ready", lambda: client.state(mailbox) == "ready")
    capture.close()


def recent(client, mailbox):
    payloads = [bytes([i] * 4) for i in range(5)]
    for payload in payloads:
        client.exchange(mailbox, ECHO, payload)
    capture = Capture(client, recent=("b", True), features=("a(qy)", [ECHO]))
    client.exchange(mailbox, ECHO, b"last")
    packets = []
    while not packets or packets[-1].payload != b"last" or packets[-1].direction != RESPONSE:
        packets += capture.wait_for(1)
    responses = [packet for packet in packets if packet.direction == RESPONSE]
    assert [packet.payload for packet in responses[-6:]] == payloads + [b"last"], responses
    assert any(packet.status == errno.ETIMEDOUT for packet in responses), "the past has forgotten the failure"
    assert packets == sorted(packets, key=lambda packet: packet.time)
    capture.close()


def withheld(client, mailbox):
    configure("[Rule secret]\nFeature=1234:02\nRecord=no\n")
    client.reload()
    capture = Capture(client, features=("a(qy)", [COUNT]), snaplen=("u", 1024))
    client.exchange(mailbox, COUNT, struct.pack("<I", 7))
    live = capture.wait_for(2)
    past = Capture(client, features=("a(qy)", [COUNT]), snaplen=("u", 1024), recent=("b", True))
    for packet in live + [packet for packet in past.wait_for(2) if packet.exchange == live[0].exchange]:
        assert packet.flags == WITHHELD and packet.payload == b"", packet
        assert packet.feature == COUNT and len(packet.object) == 8, packet
    assert live[1].n_original == 36 + 8 + 4 * 7
    capture.close()
    past.close()
    configure("")
    client.reload()


def comes_later(client, mailbox):
    """Both with a filter that names it before it is there, and what doed reads of it by itself."""
    address = mailbox_name(mailbox).split("[")[0]
    remove_device(address)
    wait_until("the device is gone", lambda: mailbox not in client.objects())
    capture = Capture(client, mailboxes=("ao", [mailbox]))
    add_device(address)
    first = capture.wait_for(2)
    assert first[0].mailbox == mailbox_name(mailbox) and first[0].feature == DISCOVERY, first
    assert first[0].uid == os.getuid()  # that doed runs as
    capture.close()


def told(client):
    """The log names the filter: first the mailboxes, of which a list without end leaves room for features."""
    mailboxes = [f"/org/doed/device/0000_{bus:02x}_00_0/mailbox/150" for bus in range(64)]
    Capture(client, mailboxes=("ao", mailboxes), features=("a(qy)", [ECHO] * 64)).close()
    log = (pathlib.Path(os.environ["DOED_LOG_DIR"]) / "doed.log").read_text()
    names, features = re.findall(r"captures: 16 payload bytes, mailboxes (.*), features (.*)", log)[-1]
    for text, name in ((names, "0000:00:00.0[150]"), (features, "1234:01")):
        words, more = re.fullmatch(r"(.*), and (\d+) more", text).groups()
        assert words.split()[0] == name and len(words.split()) + int(more) == 64, text


def wrong_filters(client):
    def refused(**options):
        return expect_error("InvalidArgs", Capture, client, **options)

    assert "not the path" in refused(mailboxes=("ao", ["/org/doed"])).text
    assert "at most 64" in refused(mailboxes=("ao", ["/org/doed/device/0000_50_00_0/mailbox/150"] * 65)).text
    assert "at most 64" in refused(features=("a(qy)", [ECHO] * 65)).text
    assert "snaplen" in refused(snaplength=("u", 1)).values["allowed"]
    assert "u" in refused(snaplen=("t", 1)).values["allowed"]


def main():
    client = Client()
    mailbox = client.find(COUNT, DEVICE)[0]
    calls(client, mailbox)
    lease(client, mailbox)
    failures(client, mailbox)
    recent(client, mailbox)
    withheld(client, mailbox)
    comes_later(client, mailbox)
    told(client)
    wrong_filters(client)


sys.exit(main())
