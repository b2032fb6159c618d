#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""With nothing to do, neither daemon makes a system call in 10 s; a watchdog's ping would be the exception."""

import os
import pathlib
import re
import subprocess
import sys
import time

from doed_client import SKIPPED, Client, pid_of, wait_until

WATCH_SEC = 10
# attaching and detaching interrupt each thread's wait once
MARGIN_SEC = 1
SETTLED = {"ready", "read-only", "kernel", "dead"}


def trace(name):
    log = pathlib.Path(os.environ["DOED_RUN"]) / f"{name}.strace"
    return log, subprocess.Popen(["strace", "-f", "-ttt", "-o", log, "-p", str(pid_of(name))], stderr=subprocess.PIPE)


def calls_between(log, since, until):
    """Lines of the trace with a call that began or ended in that time."""
    for line in log.read_text().splitlines():
        match = re.match(r"(?:\d+\s+)?(\d+\.\d+) (.*)", line)
        if match and since < float(match[1]) < until and not match[2].startswith(("+++", "---")):
            yield line


def main():
    client = Client()
    wait_until("every mailbox is settled", lambda: all(
        mailbox["org.doed.Mailbox1"]["State"] in SETTLED
        for path, mailbox in client.objects().items() if "/mailbox/" in path))
    client.close()
    time.sleep(MARGIN_SEC)  # the end of our own connection wakes doed

    traces = {name: trace(name) for name in ("doed", "doed-pci")}
    since = time.time() + MARGIN_SEC
    time.sleep(WATCH_SEC + 2 * MARGIN_SEC)
    until = since + WATCH_SEC
    for name, (log, strace) in traces.items():
        if strace.poll() is not None:
            print(f"skipped: strace may not attach: {strace.stderr.read().decode()}")
            return SKIPPED
        strace.terminate()
        strace.wait()
        calls = list(calls_between(log, since, until))
        assert not calls, f"{name} woke up:\n" + "\n".join(calls[:40])
    return 0


sys.exit(main())
