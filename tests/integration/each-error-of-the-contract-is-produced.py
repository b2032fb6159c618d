#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every error that the contract names is produced here by what it is meant for, with its text and its named values."""

import sys

from doed_client import (COUNT, DISCOVERY, ECHO, NOBODY, ROOT_PATH, SPDM, Client, DoedError, as_user, configure,
                         control, device_path, expect_error, held, inject, kill, mailbox_name, remove_device, wait_until)

SECOND = 1_000_000
CXL_BOUND = "0000:3e:00.0"  # in the default scenario


class Stimuli:
    """One method for each error, named for it. Each returns the DoedError it got."""

    def __init__(self):
        self.client = Client()
        self.mailbox = self.client.find(ECHO)[0]
        self.name = mailbox_name(self.mailbox)

    def exchange_fails(self, error, feature=ECHO, request=b"ping", **options):
        return expect_error(error, self.client.exchange, self.mailbox, feature, request, **options)

    def after_fault(self, error, fault, **options):
        inject(self.name, fault)
        found = self.exchange_fails(error, **options)
        assert self.client.exchange(self.mailbox, ECHO, b"good")[0] == b"good", "the next exchange is not good"
        return found

    def unsupported(self):
        return self.exchange_fails("Unsupported", (0x4321, 0x99))

    def not_found(self):
        return expect_error("NotFound", self.client.cancel, self.mailbox, 4711)

    def needs_lease(self):
        return expect_error("NeedsLease", self.client.exchange, self.client.find(SPDM)[0], SPDM, bytes([0x10, 0x84, 0, 0]))

    def leased(self):
        lease = self.client.lease(self.mailbox, ECHO)
        found = self.exchange_fails("Leased")
        lease.close()
        wait_until("it is over", lambda: not self.client.leases())
        return found

    def inhibited(self):
        hold, _lease = self.client.inhibit(self.mailbox)
        found = self.exchange_fails("Inhibited")
        hold.close()
        wait_until("it is ready again", lambda: self.client.state(self.mailbox) == "ready")
        return found

    def quota(self):
        configure("[Limits]\nBytesMaxPerUid = 64\n")
        self.client.reload()
        found = self.exchange_fails("Quota", request=bytes(65))
        configure("")
        self.client.reload()
        return found

    def busy(self):
        wait_until("nothing of ours runs", lambda: not self.client.get(self.mailbox, "Mailbox1", "Busy"))
        inject(self.name, "now count=1 foreign-exchange 6s")
        return self.exchange_fails("Busy", timeout_usec=3 * SECOND)

    def timed_out(self):
        found = self.after_fault("TimedOut", "go feature=1234:01 count=1 discard")
        assert found.values["device-usec"] > found.values["queue-usec"], f"it says where the time went: {found.values}"
        return found

    def canceled(self):
        inject(self.name, "go feature=1234:01 count=1 late 900ms")
        serial = self.client.start_exchange(self.mailbox, ECHO, b"ping", cookie=5)
        wait_until("it is there", lambda: self.client.call(self.mailbox, "Mailbox1", "Jobs"))
        self.client.cancel(self.mailbox, 5)
        return expect_error("Canceled", self.client.finish, serial)

    def aborted(self):
        return self.exchange_fails("Aborted", epoch=1)

    def device_error(self):
        return self.after_fault("DeviceError", "go feature=1234:01 count=1 set-error")

    def bad_response(self):
        return self.after_fault("BadResponse", "go feature=1234:01 count=1 length 1")

    def too_large(self):
        found = expect_error("TooLarge", self.client.exchange, self.client.find(COUNT)[0], COUNT, (100).to_bytes(4, "little"),
                             max_response=40)
        assert found.values["length"] == 408, f"the length of the response is not named: {found}"
        return found

    def access_denied(self):
        def call():
            try:
                Client().exchange(self.mailbox, ECHO, b"ping")
                return None
            except DoedError as error:
                return error.full_name, error.text, error.values
        return DoedError(*as_user(NOBODY, call))

    def invalid_args(self):
        return self.exchange_fails("InvalidArgs", no_such=("b", True))

    def kernel_owned(self):
        """Of a table that the kernel holds there is nothing fresher."""
        device = device_path(CXL_BOUND)
        table, details = self.client.read_cdat(device)
        assert table and details["source"] == "kernel", details
        return expect_error("KernelOwned", self.client.read_cdat, device, fresh=True)

    def locked_down(self):
        control("lockdown integrity")
        wait_until("lockdown is seen", lambda: self.client.get(ROOT_PATH, "Manager1", "Lockdown") == "integrity")
        found = self.exchange_fails("LockedDown")
        assert self.client.exchange(self.mailbox, DISCOVERY, bytes(4)), "discovery is known"
        control("lockdown none")
        wait_until("lockdown is over", lambda: self.client.get(self.mailbox, "Mailbox1", "State") == "ready")
        return found

    def dead(self):
        inject(self.name, "go feature=1234:01 count=1 hang")
        inject(self.name, "abort count=1 hang")
        serials = [self.client.start_exchange(self.mailbox, ECHO, b"ping") for _ in range(3)]
        first = expect_error("TimedOut", self.client.finish, serials[0])
        assert "device" in first.text, first
        found = [expect_error("Dead", self.client.finish, serial) for serial in serials[1:]]
        assert self.client.get(self.mailbox, "Mailbox1", "State") == "dead"
        control(f"clear {self.name}")
        self.client.call(self.mailbox, "Mailbox1", "Recover", "a{sv}", {})
        assert self.client.exchange(self.mailbox, ECHO, b"back")[0] == b"back"
        return found[0]

    def gone(self):
        inject(self.name, "go feature=1234:01 count=1 late 900ms")
        serial = self.client.start_exchange(self.mailbox, ECHO, b"ping")
        wait_until("it is there", lambda: self.client.call(self.mailbox, "Mailbox1", "Jobs"))
        remove_device(self.name.split("[")[0])
        return expect_error("Gone", self.client.finish, serial)

    def unavailable(self):
        mailbox = self.client.find(DISCOVERY)[0]
        with held("doed-pci"):
            kill("doed-pci")
            return wait_until("doed has seen it go", lambda: self.unavailable_now(mailbox))

    def unavailable_now(self, mailbox):
        try:
            self.client.exchange(mailbox, DISCOVERY, bytes(4), fresh=True, timeout_usec=SECOND // 2)
        except DoedError as error:
            return error if error.name == "Unavailable" else None
        return None


def main():
    stimuli = Stimuli()
    order = ["unsupported", "not_found", "needs_lease", "leased", "inhibited", "quota", "timed_out", "device_error",
             "bad_response", "too_large", "canceled", "aborted", "access_denied", "invalid_args", "kernel_owned", "busy",
             "locked_down", "dead", "gone", "unavailable"]
    without_values = set()
    for name in order:
        error = getattr(stimuli, name)()
        assert error.text and not error.text.endswith("\n"), f"{name}: {error!r}"
        print(f"{error.full_name}: {error.text} {error.values}")
        if not error.values:
            without_values.add(name)
    assert not without_values, f"no named values: {without_values}"


sys.exit(main())
