# SPDX-License-Identifier: GPL-2.0-or-later
"""A tool that drives the registers of a mailbox itself, through the config file of the fake sysfs tree, as if it were
alone."""

import os
import struct
import time

CONTROL, STATUS, WRITE, READ = 0x08, 0x0c, 0x10, 0x14
BUSY, ERROR, READY = 1 << 0, 1 << 2, 1 << 31
ABORT, GO = 1 << 0, 1 << 31


class RawMailbox:
    """Of "0000:3a:00.0[160]"."""

    def __init__(self, name, timeout_sec=20):
        address, offset = name.rstrip("]").split("[")
        self.offset = int(offset, 16)
        self.timeout_sec = timeout_sec
        path = os.path.join(os.environ["DOED_SYSFS"], "bus/pci/devices", address, "config")
        self.config = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def close(self):
        os.close(self.config)

    def read(self, register):
        return struct.unpack("<I", os.pread(self.config, 4, self.offset + register))[0]

    def write(self, register, value):
        os.pwrite(self.config, struct.pack("<I", value), self.offset + register)

    def wait(self, condition):
        deadline = time.monotonic() + self.timeout_sec
        while True:
            status = self.read(STATUS)
            if condition(status):
                return status
            assert time.monotonic() < deadline, f"Status stays {status:08x}"
            time.sleep(0.001)

    def abort(self):
        self.write(CONTROL, ABORT)
        self.wait(lambda status: not status & (BUSY | ERROR | READY))

    def exchange(self, feature, payload):
        """Return: the response's payload."""
        payload = bytes(payload) + bytes(-len(payload) % 4)
        self.wait(lambda status: not status & (BUSY | ERROR | READY))
        self.write(WRITE, feature[1] << 16 | feature[0])
        self.write(WRITE, 2 + len(payload) // 4)
        for dword, in struct.iter_unpack("<I", payload):
            self.write(WRITE, dword)
        self.write(CONTROL, GO)
        status = self.wait(lambda status: status & (READY | ERROR))
        assert status & READY, f"Status is {status:08x}"
        dwords = []
        while self.read(STATUS) & READY:
            dwords.append(self.read(READ))
            self.write(READ, 0)
        assert dwords[0] == feature[1] << 16 | feature[0] and dwords[1] == len(dwords), dwords[:2]
        return struct.pack(f"<{len(dwords) - 2}I", *dwords[2:])
