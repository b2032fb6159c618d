#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""doectl lease: a command speaks SPDM over its descriptor 3 and its status is passed on, 125 says that doed has refused; a
signal reaches the command; requests and answers go through pipes and files, up to the end of the input; a token resumes a
lease; what ends one is told and is the exit code. It refuses a terminal, half an object is not sent, and over ssh it is the
same."""

import errno
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys

from doed_client import ECHO, SPDM, WAIT_SEC, Client, ErrorObject, data_object, kill, mailbox_name, run, run_folder, \
    wait_for_doed, wait_until
from spdm_requester import GET_DIGESTS, GET_VERSION, SET_CERTIFICATE, algorithms, capabilities

DEVICE = "0000:50:00.0"
AGENT = """
import os, socket, struct, sys
stream = socket.socket(fileno=3)
stream.sendall(struct.pack("<HBBIBBBB", 1, 1, 0, 3, 0x10, 0x84, 0, 0))
header = stream.recv(8, socket.MSG_WAITALL)
answer = stream.recv(4 * struct.unpack("<HBBI", header)[3] - 8, socket.MSG_WAITALL)
print(answer.hex(), sys.stdin.read())
sys.exit(23)
"""
FAKE_SSH = """#!/bin/sh
[ "$1 $2 $3" = "-xT -- elsewhere" ] || exit 255
shift 3
exec sh -c "$*"
"""


def objects_of(answers):
    """Return: the payload of each answer, or its ErrorObject."""
    objects = []
    while answers:
        vendor, kind, dw1 = struct.unpack_from("<HBxI", answers)
        n_bytes = 4 * (dw1 & 0x3ffff)
        payload, answers = answers[8:n_bytes], answers[n_bytes:]
        objects.append(ErrorObject(payload) if (vendor, kind) == ErrorObject.FEATURE else payload)
    return objects


def through_pipes(name, requests, *options):
    """Return: exit code, what was answered, what was said."""
    done = subprocess.run(["doectl", "lease", name, "cma-spdm", *options], input=requests, capture_output=True,
                          timeout=60, check=False)
    return done.returncode, objects_of(done.stdout), done.stderr.decode()


def spdm(*messages):
    return b"".join(data_object(SPDM, message) for message in messages)


def with_a_command(name):
    done = run("doectl", "lease", name, "cma-spdm", "--", sys.executable, "-c", AGENT, input="what stdin says")
    assert done.returncode == 23, done
    answer, _, said = done.stdout.partition(" ")
    assert answer.startswith("1004") and said.strip() == "what stdin says", done.stdout
    assert re.match(rf"Leased 0001:01 of {re.escape(name)}: /org/doed/lease/\d+, epoch \d+, resume [0-9a-f]{{32}}\n$",
                    done.stderr), done.stderr
    done = run("doectl", "lease", name, "cma-spdm", "--quiet", "--", "true")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done
    assert run("doectl", "lease", name, "cma-spdm", "--", "no-such-command").returncode == 127
    assert run("doectl", "lease", name, "cma-spdm", "--", "/").returncode == 126


def refused(client, mailbox, name):
    stream = client.lease(mailbox, SPDM)
    done = run("doectl", "lease", name, "cma-spdm", "--", "touch", run_folder() / "touched")
    assert done.returncode == 125 and "uid 0" in done.stderr.replace(": ", " "), done
    done = run("doectl", "lease", name, "cma-spdm", "--json", "--", "true")
    assert done.returncode == 125 and json.loads(done.stderr)["error"]["name"] == "org.doed.Error.Leased", done
    assert run("doectl", "lease", name, "cma-spdm", stdin=subprocess.DEVNULL).returncode == 5
    waiting = subprocess.Popen(["doectl", "lease", name, "cma-spdm", "--wait", "--", "true"])
    wait_until("it waits", lambda: client.get(stream.path, "Lease1", "Waiters") == 1)
    stream.close()
    assert waiting.wait(WAIT_SEC) == 0
    for wrong in (["--scope=all"], ["--resume=xyz"], ["--resume=00"]):
        done = run("doectl", "lease", name, "cma-spdm", *wrong, "--", "touch", run_folder() / "touched")
        assert done.returncode == 125 and done.stderr, done
    assert run("doectl", "lease", "0000:99:00.0", "cma-spdm", "--", "true").returncode == 125
    assert not (run_folder() / "touched").exists()


def signalled(client, name):
    """The command is doectl's own process, and has its signals."""
    command = ["doectl", "lease", name, "cma-spdm", "--quiet", "--", "sh", "-c",
               "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout.read(6) == b"ready\n"
        assert len(client.leases()) == 1
        child.send_signal(signal.SIGTERM)
        assert child.wait(WAIT_SEC) == 9
    wait_until("the lease is over", lambda: not client.leases())


def with_pipes(client, mailbox, name):
    code, answers, said = through_pipes(name, spdm(GET_VERSION, capabilities(), SET_CERTIFICATE, algorithms(), GET_DIGESTS))
    assert code == 0 and len(answers) == 5, (code, answers, said)
    assert [answer[1] for answer in answers if isinstance(answer, bytes)] == [0x04, 0x61, 0x63, 0x01], answers
    assert answers[2].name == "EACCES" and answers[2].is_not_sent, answers[2]
    wait_until("the lease is over", lambda: not client.leases())
    code, answers, _said = through_pipes(name, b"")
    assert (code, answers) == (0, [])
    code, answers, _said = through_pipes(name, spdm(GET_VERSION) + data_object(ECHO, b"ping"), "--scope=mailbox")
    assert code == 0 and len(answers) == 2, answers
    # half an object is not sent; the length of 1 is doed's to refuse
    sent = client.get(mailbox, "Mailbox1", "BytesSent")
    code, answers, said = through_pipes(name, spdm(GET_VERSION) + spdm(GET_DIGESTS)[:10])
    assert code == 2 and len(answers) == 1 and "within a data object" in said, (code, answers, said)
    assert client.get(mailbox, "Mailbox1", "BytesSent") == sent + len(spdm(GET_VERSION))
    code, answers, said = through_pipes(name, spdm(GET_VERSION) + struct.pack("<HBxI", *SPDM, 1))
    assert code == 1 and answers[-1].name == "EBADMSG" and answers[-1].ends, (code, answers, said)


def resumed(name):
    code, _answers, said = through_pipes(name, spdm(GET_VERSION, capabilities(), algorithms()), "--json")
    details = json.loads(said)["details"]
    assert code == 0 and details["max-object-bytes"] > 0 and details["epoch"] > 0, said
    code, answers, _said = through_pipes(name, spdm(GET_DIGESTS), "--resume=" + details["resume"])
    assert code == 0 and answers[0][1] == 0x01, answers
    code, answers, _said = through_pipes(name, spdm(GET_DIGESTS))
    assert code == 0 and isinstance(answers[0], ErrorObject), answers


class Open:
    """A lease through pipes that stays open, its first request answered."""

    def __init__(self, name, *options):
        self.process = subprocess.Popen(["doectl", "lease", name, "cma-spdm", "--quiet", *options], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.process.stdin.write(spdm(GET_VERSION))
        self.process.stdin.flush()
        self.head = self.process.stdout.read(8)

    def wait(self):
        """Return: exit code, the answers, what was said; the input is still open."""
        rest = self.process.stdout.read()
        code = self.process.wait(WAIT_SEC)
        said = self.process.stderr.read().decode()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()
        return code, objects_of(self.head + rest), said


def ended(client, name):
    lease = Open(name)
    client.revoke(client.leases()[0], "for a test")
    code, answers, said = lease.wait()
    assert code != 0 and answers[-1].ends and "for a test" in said, (code, answers, said)
    code, answers, said = Open(name, "--idle=0.3").wait()
    assert code == 6 and answers[-1].errno == errno.ETIMEDOUT and "has ended" in said, (code, answers, said)
    lease = Open(name)
    kill("doed")
    code, answers, said = lease.wait()
    assert code == 8 and len(answers) == 1 and "doed" in said, (code, answers, said)
    # who reads no more ends it
    client = wait_for_doed()
    lease = Open(name)
    lease.process.stdout.close()
    assert lease.process.wait(WAIT_SEC) == 1
    wait_until("the lease is over", lambda: not client.leases())
    lease.process.stdin.close()
    lease.process.stderr.close()


def on_a_terminal(name):
    master, slave = pty.openpty()
    for streams in ({"stdin": slave, "stdout": subprocess.DEVNULL}, {"stdin": subprocess.DEVNULL, "stdout": slave}):
        done = subprocess.run(["doectl", "lease", name, "cma-spdm"], stderr=subprocess.PIPE, text=True, timeout=WAIT_SEC,
                              check=False, **streams)
        assert done.returncode == 2 and "terminal" in done.stderr, done
    os.close(master)
    os.close(slave)


def over_ssh(name):
    folder = run_folder() / "bin"
    folder.mkdir()
    (folder / "ssh").write_text(FAKE_SSH)
    (folder / "ssh").chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(["doectl", "-H", "elsewhere", "lease", name, "cma-spdm", "--idle=20.5"], input=spdm(GET_VERSION),
                          capture_output=True, timeout=60, check=False, env=environment)
    assert done.returncode == 0 and len(objects_of(done.stdout)) == 1 and b"Leased" in done.stderr, done
    done = run("doectl", "-H", "elsewhere", "lease", name, "cma-spdm", "--quiet", "--", "sh", "-c", "echo \"it's $1\"; exit 4",
               "-", "a  b", env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (4, "it's a  b\n", ""), done
    assert run("doectl", "-H", "nowhere", "lease", name, "cma-spdm", "--", "true", env=environment).returncode == 125
    done = run("doectl", "-H", "nowhere", "lease", name, "cma-spdm", env=environment, stdin=subprocess.DEVNULL)
    assert done.returncode == 8 and "ssh to nowhere" in done.stderr, done


def main():
    client = Client()
    mailbox = client.find(SPDM, DEVICE)[0]
    name = mailbox_name(mailbox)
    with_a_command(name)
    wait_until("the lease is over", lambda: not client.leases())
    refused(client, mailbox, name)
    signalled(client, name)
    with_pipes(client, mailbox, name)
    resumed(name)
    on_a_terminal(name)
    over_ssh(name)
    ended(client, name)


sys.exit(main())
