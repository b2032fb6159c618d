#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Reload, by the bus and by SIGHUP, puts new rules and limits in force, and keeps clients, queues and leases. A wrong
rule changes nothing, and is named by file and line; another error only keeps its default."""

import os
import pathlib
import signal
import sys

from doed_client import (ECHO, NOBODY, ROOT_PATH, SPDM, Client, configure, expect_error, pid_of, run, unwrap,
                         wait_until)

GOOD = """[Limits]
QueueMax={queue_max}

[Rule nobody-may-echo]
User=65534
Feature=1234:01
Verdict={verdict}
"""
WRONG = """# a comment
[Rule wrong]
User=65534
Feature=1234:01
Color=red
Verdict=allow
"""
GET_VERSION = bytes([0x10, 0x84, 0, 0])


def doed(*arguments):
    program = pathlib.Path(os.environ["DOED_BUILD"]) / "daemon/bus/doed"
    return run(program, "--config", os.environ["DOED_CONFIG"], *arguments)


def queue_max(client):
    return client.get(ROOT_PATH, "Manager1", "Limits")["QueueMax"]


def may_echo(client, mailbox):
    answer = client.call(ROOT_PATH, "Manager1", "Explain", "oqyaya{sv}", mailbox, *ECHO, b"", {})
    return unwrap(answer)["verdict"] == "allow"


def reload_by_bus(client, nobody, mailbox):
    configure(GOOD.format(queue_max=1000, verdict="allow"))
    assert not may_echo(nobody, mailbox)
    lease = client.lease(client.find(SPDM)[0], SPDM)
    lease.expect_answer(GET_VERSION)
    waiting = [client.start_exchange(mailbox, ECHO, bytes([i] * 4)) for i in range(100)]
    client.reload()
    client.reload()
    assert [bytes(client.finish(serial)[0])[0] for serial in waiting] == list(range(100))
    lease.expect_answer(GET_VERSION)
    lease.close()
    changed = client.wait_for_signal("PropertiesChanged", ROOT_PATH, lambda name, values, gone: "Limits" in values)
    assert changed[1]["Limits"]["QueueMax"] == queue_max(client) == 1000
    assert nobody.exchange(mailbox, ECHO, b"ping")[0] == b"ping"
    expect_error("AccessDenied", nobody.reload)


def wrong_rule_changes_nothing(client, nobody, mailbox, log):
    path = configure(WRONG, "wrong")
    error = expect_error("InvalidArgs", client.reload)
    assert f"{path}:5: " in error.text, error.text
    assert error.values["errors"] == 1 and f"{path}:5: " in error.values["error-1"], error.values
    assert may_echo(nobody, mailbox) and queue_max(client) == 1000
    n_bytes = log.stat().st_size
    os.kill(pid_of("doed"), signal.SIGHUP)
    wait_until("the error in the log", lambda: f"{path}:5: " in log.read_text()[n_bytes:])
    assert may_echo(nobody, mailbox) and queue_max(client) == 1000
    return path


def signal_reloads(client, nobody, mailbox):
    configure(GOOD.format(queue_max=2000, verdict="deny"))
    os.kill(pid_of("doed"), signal.SIGHUP)
    wait_until("the new limits", lambda: queue_max(client) == 2000)
    assert expect_error("AccessDenied", nobody.exchange, mailbox, ECHO, b"ping").values["rule"] == "nobody-may-echo"


def other_errors_keep_the_default(client):
    path = configure("[Limits]\nQueueMax=many\nNoSuchLimit=1\n", "zz-wrong-limit")
    client.reload()
    assert queue_max(client) == 2000
    checked = doed("--check-config")
    assert checked.returncode == 1, checked
    assert f"{path}:2: " in checked.stderr and f"{path}:3: " in checked.stderr, checked.stderr
    path.unlink()


def main():
    log = pathlib.Path(os.environ["DOED_LOG_DIR"]) / "doed.log"
    client, nobody = Client(), Client(NOBODY)
    client.watch()
    mailbox = client.find(ECHO)[0]
    checked = doed("--check-config")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", ""), checked

    reload_by_bus(client, nobody, mailbox)
    wrong_rule_changes_nothing(client, nobody, mailbox, log).unlink()
    signal_reloads(client, nobody, mailbox)
    other_errors_keep_the_default(client)


sys.exit(main())
