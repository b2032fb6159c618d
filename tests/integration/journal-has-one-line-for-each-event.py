#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What an operator and an auditor want to know stands in the journal, once, with its message ID and fields: leases, denied
and destructive requests, what an administrator does, aborts, dead mailboxes, wrong rules. Whoever causes too many lines
is counted, by name, and hides nobody else's. The journal's part is played by this test: doed runs in a mount namespace
in which the journal's socket is ours."""

import array
import os
import pathlib
import queue
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading

from doed_client import (COMPLIANCE, ECHO, LOG_PATH, PROPERTIES, SKIPPED, SPDM, STRANGER, WAIT_SEC, Client,
                         configure, control, expect_error, held, inject, kill, mailbox_name, pid_of, run,
                         wait_for_doed, wait_until)

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
UNSHARE = ("unshare", "--mount", "--propagation", "private")
# as root of its own mounts; $1: the folder with our socket. /run may have no systemd at all.
START = """set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal
mount --bind "$1" /run/systemd/journal
shift
exec setpriv --pdeathsig KILL -- "$@"
"""
DEVICE, MAILBOX = "0000:51:00.0", "0000:51:00.0[160]"
GET_VERSION = bytes([0x10, 0x84, 0, 0])
TEST = bytes([7, 0, 0, 0])
CLIENT_BURST = 60
RULE = "[Rule compliance]\nUser = root\nFeature = 1e98:00\nOpcode = 03-0e\nVerdict = allow\n"


def message_ids():
    text = (ROOT / "daemon/util/log-events.h").read_text()
    return dict(re.findall(r'"([a-z-]+)", +"([0-9a-f]{32})"', text))


def parse(entry):
    """An entry of the native protocol. Return: field -> text."""
    fields = {}
    while entry:
        line, entry = entry.split(b"\n", 1)
        name, is_short, value = line.partition(b"=")
        if not is_short:
            n_bytes, = struct.unpack_from("<Q", entry)
            value, entry = entry[8:8 + n_bytes], entry[8 + n_bytes + 1:]
        assert name.decode() not in fields, f"{name} stands there twice"
        fields[name.decode()] = value.decode()
    return fields


class Journal:
    def __init__(self, folder):
        self.ids = message_ids()
        self.entries = queue.Queue()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind(f"{folder}/socket")
        # all the time, as journald does: a socket holds few entries, and who writes one more has to wait
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while True:
            entry, ancillary, _flags, _address = self.socket.recvmsg(1 << 18, socket.CMSG_SPACE(4))
            for _level, _kind, data in ancillary:  # what is too large for a datagram
                with open(array.array("i", data)[0], "rb") as file:
                    entry = os.pread(file.fileno(), 1 << 22, 0)
            self.entries.put(entry)

    def receive(self, timeout_sec):
        fields = parse(self.entries.get(timeout=timeout_sec))
        assert fields["SYSLOG_IDENTIFIER"] == "doed" and fields["PRIORITY"].isdigit(), fields
        assert "\n" not in fields["MESSAGE"], fields
        if "DOED_EVENT" in fields:
            assert fields["MESSAGE_ID"] == self.ids[fields["DOED_EVENT"]], fields
        return fields

    def expect(self, event, **wanted):
        """The next entry of @event that has these fields (of DOED_, in lower case). Return: its fields."""
        while True:
            fields = self.receive(WAIT_SEC)
            if fields.get("DOED_EVENT") == event and all(
                    fields.get(f"DOED_{name.upper()}") == str(value) for name, value in wanted.items()):
                print(fields)
                return fields

    def read_all(self):
        """What has come by now, or is on its way."""
        entries = []
        while True:
            try:
                entries.append(self.receive(0.3))
            except queue.Empty:
                return entries


class Doed:
    """One of our own, with the journal as its stderr."""

    def __init__(self, folder):
        self.stderr = pathlib.Path(folder, "stderr").open("ab")
        stat = os.fstat(self.stderr.fileno())
        environment = {**os.environ, "JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"}
        program = pathlib.Path(os.environ["DOED_BUILD"], "daemon/bus/doed")
        self.process = subprocess.Popen(
            [*UNSHARE, "sh", "-c", START, "sh", folder, program, "--wire", os.environ["DOED_WIRE"],
             "--config", os.environ["DOED_CONFIG"]], stderr=self.stderr, env=environment)

    def stop(self):
        self.process.terminate()
        assert self.process.wait(WAIT_SEC) == 0
        text = pathlib.Path(self.stderr.name).read_text()
        assert not text, text


def leases(client, journal):
    me = client.connection.unique_name
    spdm = client.find(SPDM)[0]
    lease = client.lease(spdm, SPDM)
    n = lease.path.rsplit("/", 1)[1]
    opened = journal.expect("lease-opened", lease=n)
    assert opened["DOED_MAILBOX"] == mailbox_name(spdm) and opened["DOED_FEATURE"] == "0001:01", opened
    assert (opened["DOED_CLIENT"], opened["DOED_UID"], opened["DOED_PID"]) == (me, "0", str(os.getpid())), opened
    assert opened["PRIORITY"] == "6" and opened["MESSAGE"].startswith(mailbox_name(spdm)), opened
    lease.expect_answer(GET_VERSION)
    client.revoke(lease.path)
    ended = journal.expect("lease-ended", lease=n)
    assert ended["DOED_REQUESTS"] == "1" and int(ended["DOED_DURATION_USEC"]) > 0, ended
    assert ended["DOED_REASON"] == "Revoked by uid 0: a test", ended
    hold, path = client.inhibit(spdm, why="set\npci\x7f")
    assert journal.expect("lease-opened", lease=path.rsplit("/", 1)[1])["DOED_REASON"] == "set?pci?"
    hold.close()
    assert journal.expect("lease-ended", lease=path.rsplit("/", 1)[1])["DOED_REASON"] == "its holder closed it"


def denied_requests(client, journal):
    mailbox = client.find(ECHO, DEVICE)[0]
    stranger = Client(uid=STRANGER)
    error = expect_error("AccessDenied", stranger.exchange, mailbox, ECHO, b"ping")
    fields = journal.expect("denied", uid=STRANGER)
    assert fields["DOED_RULE"] == f"{error.values['rule']} ({error.values['source']})", fields
    assert (fields["DOED_DEVICE"], fields["DOED_MAILBOX"]) == (DEVICE, MAILBOX), fields
    assert (fields["DOED_FEATURE"], fields["DOED_CALL"]) == ("1234:01", "Mailbox1.Exchange"), fields
    assert (fields["DOED_VERDICT"], fields["DOED_CLIENT"]) == ("deny", stranger.connection.unique_name), fields
    expect_error("AccessDenied", stranger.reload)
    assert journal.expect("denied", call="Manager1.Reload")["DOED_UID"] == str(STRANGER)

    # the flood of one is counted, and hides nobody else
    for _ in range(2 * CLIENT_BURST):
        expect_error("AccessDenied", stranger.exchange, mailbox, ECHO, b"ping")
    expect_error("AccessDenied", Client(uid=STRANGER + 1).exchange, mailbox, ECHO, b"ping")
    lines = [entry for entry in journal.read_all() if entry.get("DOED_EVENT") == "denied"]
    assert sum(entry["DOED_UID"] == str(STRANGER) for entry in lines) == CLIENT_BURST - 2, len(lines)
    assert sum(entry["DOED_UID"] == str(STRANGER + 1) for entry in lines) == 1


def destructive_requests(client, journal):
    mailbox = client.find(COMPLIANCE, DEVICE)[0]
    lease = client.lease(mailbox, COMPLIANCE, scope="mailbox")
    assert lease.exchange(TEST).name == "EACCES"
    fields = journal.expect("denied", feature="1e98:00")
    assert fields["DOED_OPCODE"] == "0x07" and fields["DOED_LEASE"] == lease.path.rsplit("/", 1)[1], fields
    configure(RULE)
    client.reload()
    journal.expect("managed", call="Manager1.Reload", uid=0)
    journal.expect("config-read")
    wait_until("doed-pci lends it, too", lambda: isinstance(lease.exchange(TEST), bytes))
    fields = journal.expect("destructive", feature="1e98:00", opcode="0x07", verdict="allow")
    assert fields["DOED_RULE"].startswith("compliance (") and fields["PRIORITY"] == "5", fields
    lease.close()
    journal.expect("compliance-halting", mailbox=MAILBOX)
    journal.expect("lease-ended", mailbox=MAILBOX)


def mailboxes(client, journal):
    mailbox = client.find(ECHO, DEVICE)[0]
    inject(MAILBOX, "go feature=1234:01 count=1 hang")
    inject(MAILBOX, "abort count=1 hang")
    expect_error("TimedOut", client.exchange, mailbox, ECHO, b"ping", timeout_usec=5_000_000)
    fields = journal.expect("mailbox-dead", mailbox=MAILBOX)
    assert fields["PRIORITY"] == "3" and fields["DOED_REASON"], fields
    control(f"clear {MAILBOX}")
    client.call(mailbox, "Mailbox1", "Recover", "a{sv}", {})
    journal.expect("mailbox-recovered", mailbox=MAILBOX)
    client.call(mailbox, "Mailbox1", "Recover", "a{sv}", {"force": ("b", True)})
    journal.expect("managed", mailbox=MAILBOX, call="Mailbox1.Recover", uid=0)
    assert journal.expect("aborted", mailbox=MAILBOX)["DOED_REASON"]
    control(f"remove {DEVICE}")
    journal.expect("device-removed", device=DEVICE)
    control(f"add {DEVICE}")
    fields = journal.expect("device-added", device=DEVICE)
    assert "DOED_MAILBOX" not in fields, fields


def daemons(client, journal):
    path = configure("[Rule wrong]\nVerdict = perhaps\n", "wrong")
    expect_error("InvalidArgs", client.reload)
    assert f"{path}:2" in journal.expect("config-wrong")["MESSAGE"]
    journal.expect("config-kept")
    path.unlink()
    kill("doed-pci")
    journal.expect("pci-lost")
    journal.expect("pci-connected")
    # LogControl1, as systemctl service-log-level and busctl speak it
    assert client.get(LOG_PATH, "org.freedesktop.LogControl1", "LogTarget") == "journal"
    client.call(LOG_PATH, PROPERTIES, "Set", "ssv", "org.freedesktop.LogControl1", "LogLevel", ("s", "err"))
    journal.expect("managed", call="LogControl1.LogLevel", uid=0)
    journal.read_all()
    lease = client.lease(client.find(SPDM)[0], SPDM)
    lease.close()
    wait_until("its lease is over", lambda: not client.leases())
    assert not journal.read_all(), "the level keeps it out"


def main():
    if os.getuid() != 0 or run(*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/run").returncode != 0:
        print("skipped: the journal's socket needs a mount namespace of its own, and none can be made here")
        return SKIPPED
    with tempfile.TemporaryDirectory() as folder, held("doed"):
        journal = Journal(folder)
        kill("doed", 15)
        wait_until("doed has ended", lambda: not pathlib.Path(f"/proc/{pid_of('doed')}").exists())
        doed = Doed(folder)
        client = wait_for_doed()
        journal.expect("started")
        journal.expect("pci-connected")
        journal.expect("device-added")
        for part in (leases, denied_requests, destructive_requests, mailboxes, daemons):
            part(client, journal)
        client.call(LOG_PATH, PROPERTIES, "Set", "ssv", "org.freedesktop.LogControl1", "LogLevel", ("s", "info"))
        doed.process.terminate()
        journal.expect("stopping")
        doed.stop()
    return 0


sys.exit(main())
