# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures of doed over the bus, and a reader of pcapng for as much of it as doed writes."""

import os
import select
import struct
import time

from doed_client import ROOT_PATH, WAIT_SEC, wait_until

SECTION, INTERFACE, PACKET = 0x0a0d0d0a, 1, 6
NAME, TSRESOL, FLAGS, DROPCOUNT = 2, 9, 2, 4
USER0 = 147
REQUEST, RESPONSE = 0, 1
HEADER = struct.Struct("<BBBBIIQQQ")
WITHHELD = 1


def options_of(body):
    """Return: code -> value."""
    options = {}
    while body:
        code, n_bytes = struct.unpack_from("<HH", body)
        if code == 0:
            break
        options[code] = body[4:4 + n_bytes]
        body = body[4 + (n_bytes + 3 & ~3):]
    return options


class Packet:
    def __init__(self, interfaces, body):
        number, high, low, n_captured, self.n_original = struct.unpack_from("<IIIII", body)
        data, options = body[20:20 + n_captured], options_of(body[20 + (n_captured + 3 & ~3):])
        self.mailbox = interfaces[number]
        self.time = (high << 32 | low) / 1e6
        self.lost = int.from_bytes(options.get(DROPCOUNT, b""), "little")
        (version, n_header, self.direction, self.flags, self.status, self.uid, self.queue_usec, self.device_usec,
         self.exchange) = HEADER.unpack_from(data)
        assert (version, n_header) == (1, HEADER.size), data[:2]
        assert int.from_bytes(options[FLAGS], "little") == (2 if self.direction == REQUEST else 1)
        self.object = data[n_header:]
        self.feature = struct.unpack_from("<HB", self.object) if self.object else None
        self.payload = self.object[8:]

    def __repr__(self):
        return f"<{self.mailbox} {'request' if self.direction == REQUEST else 'response'} {self.exchange} " \
               f"status {self.status} uid {self.uid} {self.object.hex()}>"


class Stream:
    """What came of a capture, parsed block by block as it comes."""

    def __init__(self):
        self.buffered = b""
        self.n_sections = 0
        self.interfaces = []
        self.packets = []

    def add(self, more):
        self.buffered += more
        while len(self.buffered) >= 12:
            kind, n_bytes = struct.unpack_from("<II", self.buffered)
            if len(self.buffered) < n_bytes:
                break
            block, self.buffered = self.buffered[:n_bytes], self.buffered[n_bytes:]
            assert struct.unpack("<I", block[-4:])[0] == n_bytes and n_bytes % 4 == 0
            self.take(kind, block[8:-4])

    def take(self, kind, body):
        assert (kind == SECTION) == (self.n_sections == 0), f"block {kind:#x} after {self.n_sections} sections"
        if kind == SECTION:
            assert struct.unpack_from("<IHHq", body) == (0x1a2b3c4d, 1, 0, -1)
            self.n_sections += 1
        elif kind == INTERFACE:
            options = options_of(body[8:])
            assert struct.unpack_from("<H", body)[0] == USER0 and options[TSRESOL] == b"\6"
            self.interfaces.append(options[NAME].decode())
        elif kind == PACKET:
            self.packets.append(Packet(self.interfaces, body))
        else:
            raise AssertionError(f"block {kind:#x}")


def read_file(path):
    stream = Stream()
    with open(path, "rb") as file:
        stream.add(file.read())
    assert not stream.buffered, f"{len(stream.buffered)} bytes of a block that is not whole"
    return stream


class Capture(Stream):
    """A capture of doed's: the filter as ("signature", value) by name."""

    def __init__(self, client, **options):
        super().__init__()
        self.fd = client.call(ROOT_PATH, "Manager1", "Capture", "a{sv}", options).to_raw_fd()
        self.is_over = False

    def close(self):
        os.close(self.fd)

    def read(self):
        """What there is now."""
        while not self.is_over and select.select([self.fd], [], [], 0)[0]:
            more = os.read(self.fd, 1 << 16)
            self.is_over = not more
            self.add(more)

    def wait_for(self, n_packets):
        """Return: so many packets and what else came with them; they are not kept."""
        def has_come():
            self.read()
            return len(self.packets) >= n_packets
        wait_until(f"{n_packets} packets", has_come)
        packets, self.packets = self.packets, []
        return packets

    def wait_for_end(self):
        deadline = time.monotonic() + WAIT_SEC
        while not self.is_over:
            assert time.monotonic() < deadline, "the capture does not end"
            select.select([self.fd], [], [], 0.1)
            self.read()
