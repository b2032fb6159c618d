#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""doectl inhibit: while the command runs the mailbox is inhibited, with the command line as the reason, and afterwards it
is back. The command's status is passed on, and 125 says that doed has refused. A signal is passed on. Once the time is over,
somebody revokes it or doed dies, the command gets SIGTERM, and what has happened is said; if doectl is killed, the mailbox
stays away from doed for as long as the command lives."""

import os
import signal
import subprocess
import sys

from doed_client import ECHO, SPDM, WAIT_SEC, Client, expect_error, kill, mailbox_name, run, run_folder, wait_for_doed, \
    wait_until

DEVICE = "0000:50:00.0"
# until it is told to end, or not even then; a bound for when the test fails
UNTIL_TERM = "trap 'exit 9' TERM; echo $$; for i in $(seq 1000); do sleep 0.05; done"


class Tool:
    """A command that doectl inhibit runs, from when it runs."""

    def __init__(self, name, *options, script=UNTIL_TERM):
        self.process = subprocess.Popen(["doectl", "inhibit", name, *options, "--", "sh", "-c", script],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.pid = int(self.process.stdout.readline())

    def wait(self):
        """Return: exit code, what was said."""
        _output, said = self.process.communicate(timeout=WAIT_SEC)
        return self.process.returncode, said


def wait_ready(client, mailbox):
    wait_until("it is back", lambda: client.state(mailbox) == "ready")


def main():
    client = Client()
    mailbox = client.find(SPDM, DEVICE)[0]
    name = mailbox_name(mailbox)
    epoch = client.epoch(mailbox)

    script = f'doectl show --json "{name}" | grep \'"state"\'; exit $1'
    done = run("doectl", "inhibit", name, "--", "sh", "-c", script, "-", "17")
    assert done.returncode == 17 and "inhibited" in done.stdout and not done.stderr, done
    wait_ready(client, mailbox)
    assert client.epoch(mailbox) > epoch
    assert client.exchange(mailbox, ECHO, b"ping")[0] == b"ping"

    tool = Tool(name)
    hold, = client.leases()
    assert client.get(hold, "Lease1", "Why").startswith("sh -c trap"), client.get(hold, "Lease1", "Why")
    assert client.get(hold, "Lease1", "Scope") == "registers"
    expect_error("Inhibited", client.exchange, mailbox, ECHO, b"ping")
    done = run("doectl", "inhibit", name, "--", "touch", run_folder() / "touched")
    assert done.returncode == 125 and done.stderr and not (run_folder() / "touched").exists(), done
    tool.process.send_signal(signal.SIGTERM)
    assert tool.wait() == (9, ""), "SIGTERM reaches the command"
    wait_ready(client, mailbox)

    # its time is over; it is revoked; the command is told, and both is said
    code, said = Tool(name, "--max=0.5", "--why=a look").wait()
    assert code == 9 and name in said and "taken back" in said, (code, said)
    wait_ready(client, mailbox)
    tool = Tool(name, "--why=a look")
    hold, = client.leases()
    assert client.get(hold, "Lease1", "Why") == "a look"
    client.revoke(hold, "by a test")
    code, said = tool.wait()
    assert code == 9 and "by a test" in said, (code, said)
    wait_ready(client, mailbox)
    # one that does not listen goes on, and its status counts
    code, said = Tool(name, "--max=0.3", script="trap '' TERM; echo $$; read -r line <&3; sleep 0.3; exit 5").wait()
    assert code == 5 and "taken back" in said, (code, said)
    wait_ready(client, mailbox)

    # an open lease is in the way, unless it is ended by force
    stream = client.lease(mailbox, SPDM)
    assert run("doectl", "inhibit", name, "--", "true").returncode == 125
    assert run("doectl", "inhibit", name, "--force", "--", "true").returncode == 0
    stream.expect_end("EADDRINUSE")
    wait_ready(client, mailbox)
    assert run("doectl", "inhibit", name, "--", "no-such-command").returncode == 127
    assert run("doectl", "inhibit", name, "--", "sh", "-c", "kill -KILL $$").returncode == 128 + signal.SIGKILL
    assert run("doectl", "inhibit", name).returncode == 2
    wait_ready(client, mailbox)

    # two at the registers would be worse than none who says so
    tool = Tool(name)
    tool.process.kill()
    tool.process.wait(WAIT_SEC)
    assert client.state(mailbox) == "inhibited"
    os.kill(tool.pid, signal.SIGTERM)
    wait_ready(client, mailbox)
    tool.process.communicate()

    tool = Tool(name)
    kill("doed")
    code, said = tool.wait()
    assert code == 9 and "doed is gone" in said, (code, said)
    wait_ready(wait_for_doed(), mailbox)


sys.exit(main())
