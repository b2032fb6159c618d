# SPDX-License-Identifier: GPL-2.0-or-later
"""An SPDM requester as the emulated responder needs one: messages of the right shape in the right order. How a message
gets to the device and back is a function: of a lease's stream, or of somebody who drives the registers."""

import struct

GET_VERSION = bytes([0x10, 0x84, 0, 0])
GET_DIGESTS = bytes([0x12, 0x81, 0, 0])
GET_MEASUREMENTS = bytes([0x12, 0xe0, 0, 0xff])
SET_CERTIFICATE = bytes([0x12, 0xee, 0, 0])
ERROR = 0x7f
NOT_READY = 0x42


class SpdmError(Exception):
    """The responder has lost the conversation, or is in another one."""


def capabilities(transfer_bytes=0):
    return struct.pack("<BBBBBBHIII", 0x12, 0xe1, 0, 0, 0, 0, 0, 0x200c6, transfer_bytes, 4096)


def algorithms():
    return bytes([0x12, 0xe3, 0, 0]) + bytes(28)


def certificate(offset, n_bytes):
    return struct.pack("<BBBBHH", 0x12, 0x82, 0, 0, offset, n_bytes)


def challenge(nonce):
    return bytes([0x12, 0x83, 0, 0]) + nonce.to_bytes(32, "little")


def key_exchange(requester_id):
    return struct.pack("<BBBBHH", 0x12, 0xe4, 0, 0, requester_id, 0) + bytes(128)


def finish():
    return bytes([0x12, 0xe5, 0, 0]) + bytes(32)


def chunks(message, n_chunk, handle=1):
    """CHUNK_SEND: the messages that carry a large one."""
    for sequence, offset in enumerate(range(0, len(message), n_chunk)):
        chunk = message[offset:offset + n_chunk]
        is_last = offset + n_chunk >= len(message)
        head = struct.pack("<BBBBHHI", 0x12, 0x85, is_last, handle, sequence, 0, len(chunk))
        yield head + (struct.pack("<I", len(message)) if sequence == 0 else b"") + chunk


class Requester:
    """One requester; send() takes a message and returns the responder's."""

    def __init__(self, send):
        self.send = send

    def ask(self, message):
        answer = self.send(message)
        if answer[1] != message[1] & 0x7f:
            raise SpdmError(f"{message[1]:02x} was answered by {answer[:8].hex()}")
        return answer

    def connect(self, transfer_bytes=0):
        self.ask(GET_VERSION)
        self.ask(capabilities(transfer_bytes))
        self.ask(algorithms())

    def open_session(self, requester_id):
        """Return: the ID of the session, as secured messages begin with it."""
        answer = self.ask(key_exchange(requester_id))
        responder_id, = struct.unpack_from("<H", answer, 4)
        self.ask(finish())
        return struct.pack("<HH", requester_id, responder_id)

    def converse(self, n_messages, requester_id):
        """So many messages in one conversation, in which each answer must be as the protocol wants it. A generator: what
        comes between two messages is up to who iterates."""
        digests = None
        for i in range(n_messages):
            if i == 0:
                self.ask(GET_VERSION)
            elif i == 1:
                self.ask(capabilities())
            elif i == 2:
                self.ask(algorithms())
            elif i % 3 == 0:
                answer = self.ask(GET_DIGESTS)
                if digests not in (None, answer):
                    raise SpdmError("the digests have changed")
                digests = answer
            elif i % 3 == 1:
                self.ask(certificate(i % 1000, 64))
            else:
                self.ask(challenge(requester_id << 16 | i))
            yield i
