#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""doed holds a delay inhibitor of logind, lets it go once all functions are left alone, and takes another one when the
host is awake again. A logind that is not there, comes late or goes away costs nobody anything. Its part is played by
this test."""

import contextlib
import os
import select
import sys

from jeepney import DBusAddress, HeaderFields, MessageType, new_error, new_method_return, new_signal
from jeepney.bus_messages import message_bus

from doed_client import ECHO, WAIT_SEC, Client, DoedError, expect_error, kill, wait_for_doed, wait_until

LOGIND = "org.freedesktop.login1"
MANAGER = DBusAddress("/org/freedesktop/login1", interface="org.freedesktop.login1.Manager")


class Logind(Client):
    def __init__(self):
        super().__init__()
        self.is_preparing = False
        self.connection.send_and_get_reply(message_bus.RequestName(LOGIND))

    def next_call(self, timeout=WAIT_SEC):
        """Return: the next call but those for its one property, which it answers."""
        while True:
            message = self.connection.receive(timeout=timeout)
            if message.header.message_type != MessageType.method_call:
                continue
            if message.header.fields[HeaderFields.member] != "Get":
                return message
            assert message.body[1] == "PreparingForSleep", message.body
            self.connection.send(new_method_return(message, "v", (("b", self.is_preparing),)))

    def next_inhibit(self):
        message = self.next_call()
        assert message.header.fields[HeaderFields.member] == "Inhibit"
        what, who, why, mode = message.body
        assert (what, who, mode) == ("sleep", "doed", "delay") and why, message.body
        return message

    def hand_out(self):
        """Answer the next call of Inhibit. Return: what ends when the inhibitor is closed."""
        reader, writer = os.pipe()
        message = self.next_inhibit()
        self.connection.send(new_method_return(message, "h", (writer,)))
        os.close(writer)
        return reader

    def prepare(self, is_start):
        self.is_preparing = is_start
        self.connection.send(new_signal(MANAGER, "PrepareForSleep", "b", (is_start,)))

    def expect_no_inhibit(self, sec=0.3):
        with contextlib.suppress(TimeoutError):
            raise AssertionError(self.next_call(timeout=sec))


def is_released(reader, timeout_sec=0.0):
    readable, _, _ = select.select([reader], [], [], timeout_sec)
    return bool(readable) and os.read(reader, 1) == b""


def main():
    client = Client()
    mailbox = client.find(ECHO)[0]
    assert client.exchange(mailbox, ECHO, b"ping")[0] == b"ping"  # without any logind

    logind = Logind()
    inhibitor = logind.hand_out()
    assert not is_released(inhibitor)
    epoch = client.epoch(mailbox)
    for _ in range(2):
        logind.prepare(True)
        assert is_released(inhibitor, WAIT_SEC), "the inhibitor is held although nothing is under way"
        os.close(inhibitor)
        logind.expect_no_inhibit()
        error = expect_error("KernelOwned", client.exchange, mailbox, ECHO, b"ping", timeout_usec=200_000)
        assert "sleep" in error.values["evidence"], error.values
        logind.prepare(False)
        inhibitor = logind.hand_out()
        assert client.exchange(mailbox, ECHO, b"ping")[0] == b"ping"
        assert client.epoch(mailbox) > epoch, "a device may forget everything while the host sleeps"
        epoch = client.epoch(mailbox)

    # an exchange that is under way is finished, or aborted, before
    waiting = [client.start_exchange(mailbox, ECHO, bytes(4)) for _ in range(20)]
    logind.prepare(True)
    assert is_released(inhibitor, WAIT_SEC)
    os.close(inhibitor)
    logind.prepare(False)
    inhibitor = logind.hand_out()
    for serial in waiting:
        with contextlib.suppress(DoedError):
            client.finish(serial)

    # another doed has an inhibitor of its own
    kill("doed")
    assert is_released(inhibitor, WAIT_SEC)
    os.close(inhibitor)
    inhibitor = logind.hand_out()
    client = wait_for_doed()

    # one that comes while the host sleeps touches nothing, and takes over again after it
    epoch = client.epoch(mailbox)
    logind.prepare(True)
    assert is_released(inhibitor, WAIT_SEC)
    os.close(inhibitor)
    kill("doed")
    inhibitor = logind.hand_out()
    wait_until("the new one sees that the host goes to sleep",
               lambda: logind.expect_no_inhibit(0.05) or is_released(inhibitor))
    os.close(inhibitor)
    client = wait_for_doed()
    expect_error("KernelOwned", client.exchange, mailbox, ECHO, b"ping", timeout_usec=200_000)
    logind.prepare(False)
    inhibitor = logind.hand_out()
    assert client.exchange(mailbox, ECHO, b"ping")[0] == b"ping"
    assert client.epoch(mailbox) > epoch
    epoch = client.epoch(mailbox)
    logind.prepare(False)  # whose beginning was missed
    wait_until("it is taken over again", lambda: client.epoch(mailbox) > epoch and client.state(mailbox) == "ready")

    # gone, and back: in mid-sleep, refusing, and well
    logind.prepare(True)
    assert is_released(inhibitor, WAIT_SEC)
    os.close(inhibitor)
    logind.close()
    assert client.exchange(mailbox, ECHO, b"ping")[0] == b"ping"
    logind = Logind()
    message = logind.next_inhibit()
    logind.connection.send(new_error(message, "org.freedesktop.DBus.Error.AccessDenied", "s", ("no",)))
    logind.prepare(True)
    wait_until("the mailbox is left alone", lambda: client.state(mailbox) == "kernel")
    logind.prepare(False)
    inhibitor = logind.hand_out()
    assert client.exchange(mailbox, ECHO, b"ping")[0] == b"ping"
    logind.close()
    assert is_released(inhibitor, WAIT_SEC), "an inhibitor of a logind that is gone is worth nothing"


sys.exit(main())
