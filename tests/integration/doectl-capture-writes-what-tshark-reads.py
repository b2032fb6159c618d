#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""doectl capture until it is interrupted, for a count, for a time, into a pipe that is closed, and over ssh: the file
is whole each time, its summary is right, and tshark shows with our dissector what passed. It refuses a terminal."""

import array
import errno
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios

from captures import REQUEST, Stream, read_file
from doed_client import (COUNT, ECHO, NOBODY, SPDM, TABLE_ACCESS, WAIT_SEC, Client, expect_error, inject, mailbox_name, run,
                         run_folder, wait_until)

DEVICE = "0000:50:00.0"
GET_VERSION = bytes([0x10, 0x84, 0, 0])
DISSECTOR = pathlib.Path(__file__).parents[2] / "client/wireshark/doe.lua"
FAKE_SSH = """#!/bin/sh
trap 'exit 255' INT
[ "$1 $2 $3" != "-xT -- interrupted" ] || {
    shift 3
    sh -c "$*"
    exit 255
}
[ "$1 $2 $3" = "-xT -- elsewhere" ] || exit 255
shift 3
exec sh -c "$*"
"""


class Doectl:
    """doectl capture, from when it captures."""

    def __init__(self, name, *arguments):
        self.file = run_folder() / name
        self.process = subprocess.Popen(["doectl", "capture", "-w", self.file, *arguments], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        # the first block comes with the descriptor
        wait_until("the capture begins", lambda: self.file.exists() and self.file.stat().st_size > 0)

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self):
        """Return: the file as it was read, and what was said on standard error."""
        output, said = self.process.communicate(timeout=WAIT_SEC)
        assert self.process.returncode == 0 and output == "", f"{self.process.returncode}: {said}{output}"
        return read_file(self.file), said


def pass_something(client, mailbox, expander):
    client.exchange(mailbox, ECHO, bytes(range(32)))
    client.call(client.get(expander, "Mailbox1", "Device"), "Cdat1", "Read", "a{sv}", {"fresh": ("b", True)})
    spdm = client.lease(mailbox, SPDM)
    spdm.expect_answer(GET_VERSION)
    spdm.close()
    wait_until("the lease is over", lambda: not client.leases())
    inject(mailbox_name(mailbox), "go feature=1234:01 count=1 set-error")
    expect_error("DeviceError", client.exchange, mailbox, ECHO, b"fail")


def has_failure(file):
    stream = Stream()
    stream.add(file.read_bytes())
    return any(packet.status == errno.EREMOTEIO for packet in stream.packets)


def until_interrupted(client, mailbox, expander):
    doectl = Doectl("interrupted.pcapng")
    pass_something(client, mailbox, expander)
    wait_until("all was written", lambda: has_failure(doectl.file))
    stream, said = doectl.interrupt()
    assert oct(doectl.file.stat().st_mode & 0o777) == "0o600"
    assert set(stream.interfaces) == {mailbox_name(mailbox), mailbox_name(expander)}, stream.interfaces
    assert {packet.feature for packet in stream.packets} >= {ECHO, SPDM, TABLE_ACCESS}
    words = re.match(r"(\d+) packets of 2 mailboxes, 0 lost, (\d+) bytes$", said.strip())
    assert words and int(words[1]) == len(stream.packets), said
    assert int(words[2]) == doectl.file.stat().st_size, said
    return doectl.file, stream


def by_tshark(file, stream, mailbox):
    if not shutil.which("tshark"):
        print("tshark is not installed: read by ourselves only")
        return
    fields = ["frame.interface_name", "frame.p2p_dir", "doe.feature", "_ws.col.Info", "doe.exchange", "frame.len"]
    done = run("tshark", "-X", f"lua_script:{DISSECTOR}", "-r", file, "-T", "fields", "-E", "separator=|",
               *(word for field in fields for word in ("-e", field)))
    assert done.returncode == 0 and "Lua" not in done.stderr, done.stderr
    rows = [line.split("|") for line in done.stdout.splitlines()]
    assert len(rows) == len(stream.packets), done.stdout
    for row, packet in zip(rows, stream.packets):
        assert row[0] == packet.mailbox, row
        assert row[1] == ("0" if packet.direction == REQUEST else "1"), row
        assert row[2] == ("%04x:%02x" % packet.feature if packet.feature else ""), row
        assert (int(row[4]), int(row[5])) == (packet.exchange, packet.n_original), row
    infos = [row[3] for row in rows]
    for expected in ("1234:01 request (32 bytes)", "CXL Table Access request: Read Entry, handle 0000 (4 bytes)",
                     "SPDM request: GET_VERSION (4 bytes)", "1234:01 failed: EREMOTEIO"):
        assert expected in infos, f"{expected} is not in\n{done.stdout}"
    for expected in ("CXL Table Access response: Entry CDAT header, ", "CXL Table Access response: Entry DSMAS, next",
                     "SPDM response: VERSION "):
        assert any(info.startswith(expected) for info in infos), f"{expected} is not in\n{done.stdout}"
    strict = run("tshark", "-X", f"lua_script:{DISSECTOR}", "-r", file, "-Y", "_ws.lua.error || _ws.malformed")
    assert strict.returncode == 0 and strict.stdout == "", strict.stdout + strict.stderr
    answered = run("tshark", "-X", f"lua_script:{DISSECTOR}", "-r", file, "-2", "-Y", "doe.response_in")
    assert len(answered.stdout.splitlines()) == len(rows) // 2, answered.stdout


def until_there_is_enough(client, mailbox):
    name = mailbox_name(mailbox)
    doectl = Doectl("counted.pcapng", "--count=3", f"--mailbox={name}", "--feature=1234:02", "--json")
    client.exchange(mailbox, ECHO, b"no")
    for _ in range(2):
        client.exchange(mailbox, COUNT, struct.pack("<I", 2))
    stream, said = doectl.wait()
    assert [packet.feature for packet in stream.packets] == [COUNT] * 3, stream.packets
    assert json.loads(said) == {"packets": 3, "mailboxes": 1, "lost": 0, "bytes": doectl.file.stat().st_size,
                                "cut": 0}, said
    stream, said = Doectl("timed.pcapng", "--for=0.3", "--uid=4711").wait()
    assert stream.packets == [] and said.startswith("0 packets of 0 mailboxes"), said
    stream, _said = Doectl("recent.pcapng", "--count=2", "--recent", f"--uid={os.getuid()}").wait()
    assert len(stream.packets) == 2


def larger_than_wireshark_reads(client, mailbox):
    doectl = Doectl("large.pcapng", "--count=4", f"--mailbox={mailbox_name(mailbox)}", "--feature=1234:02",
                    f"--snaplen={1 << 20}")
    for n_dwords in (100_000, 2):
        client.exchange(mailbox, COUNT, struct.pack("<I", n_dwords), max_response=1 << 20)
    stream, _said = doectl.wait()
    large = stream.packets[1]
    assert len(large.payload) == 262144 - 36 - 8 and large.n_original == 36 + 8 + 400_000, large.n_original
    if shutil.which("tshark"):
        done = run("tshark", "-X", f"lua_script:{DISSECTOR}", "-r", doectl.file)
        assert done.returncode == 0 and len(done.stdout.splitlines()) == 4, f"{done.stdout}{done.stderr}"


def into_a_pipe_that_is_closed():
    with subprocess.Popen(["doectl", "capture"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as doectl:
        assert doectl.stdout.read(4) == b"\x0a\x0d\x0d\x0a"
        doectl.stdout.close()
        assert doectl.wait(WAIT_SEC) == 0, doectl.stderr.read()


def into_a_pipe_that_nobody_reads(client, mailbox):
    """It ends at its time, or by a signal, and says that the last block is cut."""
    file = run_folder() / "fifo"
    os.mkfifo(file)
    for how in ("--for=2", "--for=600"):
        reader = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
        with subprocess.Popen(["doectl", "capture", "-w", file, "--snaplen=65536", how], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as doectl:
            wait_until("the capture begins", lambda: select.select([reader], [], [], 0)[0])
            for _ in range(8):
                client.exchange(mailbox, ECHO, bytes(32768))
            if how == "--for=600":
                wait_until("the pipe is full", lambda: unread(reader) > 40000)
                doectl.send_signal(signal.SIGTERM)
            said = doectl.communicate(timeout=WAIT_SEC)[1]
        assert doectl.returncode == 0 and "the last block is cut" in said, f"{doectl.returncode}: {said}"
        n_bytes = int(re.search(r"lost, (\d+) bytes", said)[1])
        assert n_bytes == unread(reader), f"{n_bytes} bytes, but {unread(reader)} can be read"
        os.close(reader)


def unread(descriptor):
    n_bytes = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, n_bytes)
    return n_bytes[0]


def file_is_its_owners_alone_and_kept_until_the_capture_begins():
    file = run_folder() / "before.pcapng"
    file.write_bytes(b"before")
    file.chmod(0o644)
    done = run("doectl", "capture", "-w", file, "--mailbox=0000:99:00.0")
    assert done.returncode == 3 and file.read_bytes() == b"before", done
    done = run("doectl", "capture", "-w", file, "--for=0.1")
    assert done.returncode == 0 and b"before" not in file.read_bytes(), done
    assert oct(file.stat().st_mode & 0o777) == "0o600"
    if os.getuid() == 0:
        os.chown(file, NOBODY, NOBODY)
        done = run("doectl", "capture", "-w", file, "--for=0.1")
        assert done.returncode == 1 and f"uid {NOBODY} owns it" in done.stderr, done


def not_onto_a_terminal():
    master, slave = pty.openpty()
    done = subprocess.run(["doectl", "capture"], stdin=slave, stdout=slave, stderr=subprocess.PIPE, text=True,
                          timeout=WAIT_SEC, check=False)
    assert done.returncode == 2 and "terminal" in done.stderr, f"{done.returncode}: {done.stderr}"
    os.close(master)
    os.close(slave)


def over_ssh(client, mailbox):
    folder = run_folder() / "bin"
    folder.mkdir()
    (folder / "ssh").write_text(FAKE_SSH)
    (folder / "ssh").chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    file, name = run_folder() / "remote.pcapng", mailbox_name(mailbox)

    def capture(host, *arguments):
        return run("doectl", "-H", host, "capture", "-w", file, *arguments, env=environment)

    done = capture("elsewhere", "--recent", "--count=4", f"--mailbox={name}", "--feature=1234:01", "--snaplen=4")
    assert done.returncode == 0 and done.stderr.startswith("4 packets of 1 mailbox, 0 lost"), done
    stream = read_file(file)
    assert [packet.feature for packet in stream.packets if packet.object] and stream.interfaces == [name]
    assert all(len(packet.payload) <= 4 for packet in stream.packets)
    assert capture("elsewhere", "--mailbox=no'such").returncode == 3
    assert file.read_bytes(), "it was emptied for nothing"
    with subprocess.Popen(["doectl", "-H", "interrupted", "capture", "-w", file.with_suffix(".2")], env=environment,
                          stderr=subprocess.PIPE, text=True, start_new_session=True) as doectl:
        wait_until("the capture begins",
                   lambda: file.with_suffix(".2").exists() and file.with_suffix(".2").stat().st_size > 0)
        os.killpg(doectl.pid, signal.SIGINT)
        said = doectl.communicate(timeout=WAIT_SEC)[1]
    assert doectl.returncode == 0 and "ssh" not in said and "packets of" in said, f"{doectl.returncode}: {said}"
    done = capture("nowhere", "--count=1")
    assert done.returncode == 8 and "255" in done.stderr, done


def main():
    client = Client()
    mailbox = client.find(COUNT, DEVICE)[0]
    expander = client.find(TABLE_ACCESS)[0]
    file, stream = until_interrupted(client, mailbox, expander)
    by_tshark(file, stream, mailbox)
    until_there_is_enough(client, mailbox)
    larger_than_wireshark_reads(client, mailbox)
    into_a_pipe_that_is_closed()
    into_a_pipe_that_nobody_reads(client, mailbox)
    file_is_its_owners_alone_and_kept_until_the_capture_begins()
    not_onto_a_terminal()
    over_ssh(client, mailbox)
    for wrong in (["--mailbox=0000:99:00.0"], ["--feature=no-such"], ["--snaplen=x"]):
        done = run("doectl", "capture", "-w", "/dev/null", *wrong)
        assert done.returncode in (2, 3) and done.stderr.strip(), f"{wrong}: {done}"


sys.exit(main())
