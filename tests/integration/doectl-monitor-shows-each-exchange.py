#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""doectl monitor: a line for an exchange, a timeout, an object of a lease, as each ends; as JSON, one object a line; on
terminals of 80 and of 160 columns, no line is wider and color is there; filters, --count, --for, and a summary after an
interrupt. An exchange under way at the end is told."""

import errno
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

from doed_client import (COUNT, ECHO, SPDM, WAIT_SEC, Client, be_patient, expect_error, inject, mailbox_name, run,
                         run_folder, wait_until)
from spdm_requester import GET_VERSION

DEVICE = "0000:50:00.0"
FAKE_SSH = """#!/bin/sh
shift 3
exec sh -c "$*"
"""


class Monitor:
    """doectl monitor, from when the capture is open."""

    def __init__(self, *arguments):
        n_before = n_captures()
        self.log = run_folder() / "monitor.out"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(["doectl", "monitor", *arguments], stdout=output, stderr=subprocess.PIPE,
                                            text=True)
        wait_until("it watches", lambda: n_captures() > n_before)

    def lines(self):
        return self.log.read_text().splitlines()

    def objects(self):
        return [json.loads(line) for line in self.lines()]

    def wait_for_lines(self, n):
        wait_until(f"{n} lines", lambda: len(self.lines()) >= n and self.log.read_text().endswith("\n"))

    def interrupt(self):
        """Return: what was said."""
        self.process.send_signal(signal.SIGINT)
        _output, said = self.process.communicate(timeout=WAIT_SEC)
        assert self.process.returncode == 0, f"{self.process.returncode}: {said}"
        return said


def n_captures():
    """How many have been opened so far, as doed's log tells."""
    return (pathlib.Path(os.environ["DOED_LOG_DIR"]) / "doed.log").read_text().count(") captures: ")


def pass_something(client, mailbox):
    """Four exchanges: two answered, one that fails, one whose device does not answer in time."""
    client.exchange(mailbox, ECHO, bytes(range(32)))
    stream = client.lease(mailbox, SPDM)
    stream.expect_answer(GET_VERSION)
    stream.close()
    wait_until("the lease is over", lambda: not client.leases())
    inject(mailbox_name(mailbox), "go feature=1234:01 count=1 set-error")
    expect_error("DeviceError", client.exchange, mailbox, ECHO, b"fail")
    inject(mailbox_name(mailbox), "go feature=1234:02 count=1 hang")
    expect_error("TimedOut", client.exchange, mailbox, COUNT, struct.pack("<I", 1), timeout_usec=300000)
    wait_until("it is back", lambda: client.state(mailbox) == "ready")


def as_json(client, mailbox):
    name = mailbox_name(mailbox)
    monitor = Monitor("--json", f"--mailbox={name}", "--feature=1234:01", "--feature=cma-spdm", "--feature=1234:02")
    pass_something(client, mailbox)
    monitor.wait_for_lines(4)
    echo, version, failed, hung = monitor.objects()
    for seen, feature in ((echo, "1234:01"), (version, "0001:01"), (failed, "1234:01"), (hung, "1234:02")):
        assert (seen["mailbox"], seen["feature"], seen["uid"]) == (name, feature, os.getuid()), seen
        assert 0 < seen["begun-usec"] <= seen["ended-usec"], seen
        assert seen["device-usec"] > 0 and "queue-usec" in seen, seen
    assert (echo["result"], echo["sent-bytes"], echo["received-bytes"]) == ("ok", 40, 40), echo
    assert (version["name"], version["opcode"], version["request"]) == ("cma-spdm", 0x84, "GET_VERSION"), version
    assert (failed["result"], failed["errno"]) == ("DeviceError", "EREMOTEIO") and "received-bytes" not in failed, failed
    assert hung["result"] != "ok" and hung["errno"] in errno.errorcode.values(), hung
    assert len({seen["exchange"] for seen in monitor.objects()}) == 4
    summary = json.loads(monitor.interrupt())
    assert summary == {"exchanges": 4, "mailboxes": 1, "failed": 2, "lost": 0}, summary


def as_text(client, mailbox):
    name = mailbox_name(mailbox)
    monitor = Monitor("--feature=1234:01")
    client.exchange(mailbox, ECHO, b"ping")
    monitor.wait_for_lines(2)
    # one that is not answered while we watch
    be_patient(client, ECHO)
    inject(name, "go feature=1234:01 count=1 hang")
    serial = client.start_exchange(mailbox, ECHO, b"wait", cookie=7)
    wait_until("it runs", lambda: any(job["state"][1] == "running" for job in client.call(mailbox, "Mailbox1", "Jobs")))
    said = monitor.interrupt()
    client.cancel(mailbox, 7)
    expect_error("Canceled", client.finish, serial)
    wait_until("it is back", lambda: client.state(mailbox) == "ready")
    titles, line, last = monitor.lines()
    assert titles.split() == ["TIME", "MAILBOX", "USER", "FEATURE", "REQUEST", "SENT", "RECEIVED", "QUEUE", "DEVICE",
                              "RESULT"], titles
    assert re.match(rf"\d\d:\d\d:\d\d\.\d{{6}} {re.escape(name)} +root +1234:01 +- +12 +12 +[\d.]+m?u?s +[\d.]+m?u?s ok *$",
                    line), line
    assert "no answer yet" in last and "\x1b" not in monitor.log.read_text(), last
    assert said == "1 exchange of 1 mailbox, 0 failed, 0 packets lost\n", said


def on_a_terminal(width):
    """Return: the lines of what doed remembers, on a terminal so wide, without and with its escape sequences."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("<HHHH", 24, width, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    with subprocess.Popen(["doectl", "monitor", "--recent"], stdout=slave, stderr=subprocess.PIPE,
                          env={**environment, "TERM": "xterm", "LC_ALL": "C.UTF-8"}) as monitor:
        os.close(slave)
        text = b""
        deadline = time.monotonic() + WAIT_SEC
        while b"DeviceError" not in text or b"1234:02" not in text:
            assert time.monotonic() < deadline, text
            if select.select([master], [], [], 0.1)[0]:
                text += os.read(master, 65536)
        monitor.send_signal(signal.SIGINT)
        monitor.wait(WAIT_SEC)
    os.close(master)
    text = text.decode()[:text.rindex(b"\r\n")]
    return re.sub(r"\x1b\[[0-9]*m", "", text).split("\r\n"), text


def on_terminals():
    for width, titles in ((80, "TIME MAILBOX USER REQUEST BYTES QUEUE DEVICE RESULT"),
                          (160, "TIME MAILBOX USER FEATURE REQUEST SENT RECEIVED QUEUE DEVICE RESULT")):
        lines, colored = on_a_terminal(width)
        assert lines[0].split() == titles.split(), lines[0]
        assert max(map(len, lines)) <= width, max(lines, key=len)
        assert "\x1b[31mDeviceError" in colored, colored
        for expected in ("GET_VERSION", "discover 1", "root", "50:00.0[150]"):
            assert any(expected in line for line in lines), f"{expected} is not in {lines}"


def with_bounds(client, mailbox):
    name = mailbox_name(mailbox)
    done = run("doectl", "monitor", "--recent", "--count=2", "--json", "--feature=discovery")
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 2, done
    assert all(json.loads(line)["name"] == "discovery" for line in done.stdout.splitlines())
    done = run("doectl", "monitor", "--for=0.2", "--uid=4711")
    assert done.returncode == 0 and done.stdout == "" and done.stderr.startswith("0 exchanges of 0 mailboxes"), done
    assert run("doectl", "monitor", "--mailbox=0000:99:00.0").returncode == 3
    folder = run_folder() / "bin"
    folder.mkdir()
    (folder / "ssh").write_text(FAKE_SSH)
    (folder / "ssh").chmod(0o755)
    done = run("doectl", "-H", "elsewhere", "monitor", "--recent", "--count=1", f"--mailbox={name}", "--json",
               env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"})
    assert done.returncode == 0 and "user" not in json.loads(done.stdout), done
    with subprocess.Popen(["doectl", "monitor", "--recent"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as monitor:
        assert monitor.stdout.readline()
        monitor.stdout.close()
        assert monitor.wait(WAIT_SEC) == 0, monitor.stderr.read()


def main():
    client = Client()
    mailbox = client.find(COUNT, DEVICE)[0]
    as_json(client, mailbox)
    as_text(client, mailbox)
    on_terminals()
    with_bounds(client, mailbox)


sys.exit(main())
