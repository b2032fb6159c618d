#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules in files: by user, group, device, feature and opcode, in the order of their files; read again without losing a
client or a lease; a wrong one leaves the old set in force, and says where it is wrong; at the start it denies. Denials
and explanations name the rule and its line."""

import os
import pathlib
import signal
import sys
import tempfile

from doed_client import (COUNT, ECHO, ROOT_PATH, SPDM, STRANGER, WORKER, Client, configure, expect_error, kill, pid_of,
                         run, unwrap, wait_for_doed, wait_until)

GROUP = 54321
FIRST, SECOND = "0000:50:00.0", "0000:51:00.0"
DOED = os.path.join(os.environ["DOED_BUILD"], "daemon/bus/doed")

RULES = f"""# who may what
[Rule echo-of-first]
User = {STRANGER}
Device = {FIRST}
Feature = 1234:01
Verdict = allow

[Rule members]
Group = {GROUP}
Feature = 1234:*
Verdict = allow

[Rule no-certificates]
Feature = cma-spdm
Opcode = GET_CERTIFICATE
Verdict = deny
"""


def line_of(text, path):
    """Where @text begins in that file, as errors say it."""
    return f"{path}:{path.read_text().splitlines().index(text) + 1}"


def explain(client, mailbox, feature, request, **caller):
    options = {"uid": ("u", caller["uid"]), "gids": ("au", caller.get("gids", []))} if caller else {}
    return unwrap(client.call(ROOT_PATH, "Manager1", "Explain", "oqyaya{sv}", mailbox, *feature, request, options))


def rules_decide(root, path):
    echo = [root.find(ECHO, device)[0] for device in (FIRST, SECOND)]
    count = root.find(COUNT, FIRST)[0]
    stranger, member = Client(uid=STRANGER), Client(uid=WORKER, gids=[GROUP])
    assert stranger.exchange(echo[0], ECHO, b"ping")[0] == b"ping"
    error = expect_error("AccessDenied", stranger.exchange, echo[1], ECHO, b"ping")
    assert error.values["rule"].startswith("default-") and error.values["source"], error.values
    expect_error("AccessDenied", stranger.exchange, count, COUNT, bytes(4))
    for mailbox in echo:
        assert member.exchange(mailbox, ECHO, b"ping")[0] == b"ping"
    assert member.exchange(count, COUNT, bytes([1, 0, 0, 0]))[0] == bytes(4)

    for caller, mailbox, rule in ((STRANGER, echo[0], "echo-of-first"), (WORKER, echo[1], "members")):
        found = explain(root, mailbox, ECHO, b"ping", uid=caller, gids=[GROUP] if rule == "members" else [])
        assert (found["verdict"], found["rule"]) == ("allow", rule), found
        assert found["source"] == line_of(f"[Rule {rule}]", path), found
    spdm = root.find(SPDM, FIRST)[0]
    found = explain(root, spdm, SPDM, bytes([0x12, 0x82, 0, 0]))
    assert (found["verdict"], found["rule"]) == ("deny", "no-certificates"), found
    lease = root.lease(spdm, SPDM)
    lease.expect_answer(bytes([0x10, 0x84, 0, 0]))
    denied = lease.exchange(bytes([0x12, 0x82, 0, 0]))
    assert denied.name == "EACCES" and "no-certificates" in denied.text and str(path) in denied.text, denied
    return stranger, echo[0], lease


def files_are_read_again(root, stranger, mailbox, lease):
    """The name of a file decides the order; nobody loses anything."""
    earlier = configure(f"[Rule not-today]\nUser = {STRANGER}\nFeature = 1234:*\nVerdict = deny\n", "10-earlier")
    root.reload()
    error = expect_error("AccessDenied", stranger.exchange, mailbox, ECHO, b"ping")
    assert error.values["rule"] == "not-today" and error.values["source"] == f"{earlier}:1", error.values
    assert "not-today" in error.text and f"{earlier}:1" in error.text, error.text
    lease.expect_answer(bytes([0x10, 0x84, 0, 0]))

    earlier.unlink()
    os.kill(pid_of("doed"), signal.SIGHUP)
    wait_until("the file is forgotten",
               lambda: explain(root, mailbox, ECHO, b"", uid=STRANGER)["verdict"] == "allow")
    assert stranger.exchange(mailbox, ECHO, b"ping")[0] == b"ping"


def a_wrong_rule(root, stranger, mailbox, lease):
    wrong = configure(f"[Rule odd]\nUser = {STRANGER}\nVerdict = perhaps\n", "05-wrong")
    error = expect_error("InvalidArgs", root.reload)
    assert f"{wrong}:3" in error.text, error.text
    assert stranger.exchange(mailbox, ECHO, b"ping")[0] == b"ping", "the old set is in force"
    assert lease.path in root.leases()
    check = run(DOED, "--check-config", "--config", os.environ["DOED_CONFIG"])
    assert check.returncode != 0 and f"{wrong}:3" in check.stdout + check.stderr, check

    # at the start there is no old set
    pid = kill("doed", signal.SIGTERM)
    wait_until("another doed", lambda: pid_of("doed") != pid)
    root = wait_for_doed()
    error = expect_error("AccessDenied", Client(uid=STRANGER).exchange, mailbox, ECHO, b"ping")
    assert error.values["rule"] == "odd", error.values
    wrong.unlink()
    root.reload()
    assert Client(uid=STRANGER).exchange(mailbox, ECHO, b"ping")[0] == b"ping"


def the_dump_says_it_all(root):
    configure("[Limits]\nQueueMax = 77\n", "limits")
    root.reload()
    assert root.get(ROOT_PATH, "Manager1", "Limits")["QueueMax"] == 77
    check = run(DOED, "--check-config", "--config", os.environ["DOED_CONFIG"])
    assert check.returncode == 0, check
    dump = run(DOED, "--dump-config", "--config", os.environ["DOED_CONFIG"])
    assert dump.returncode == 0, dump
    for what in ("[Rule echo-of-first]", "QueueMax", "default-deny", "QueueMaxPerUid"):
        assert what in dump.stdout, f"{what} is not in the dump"
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "doed.conf").write_text(dump.stdout)
        again = run(DOED, "--dump-config", "--config", folder)
        assert again.returncode == 0, again
        assert settings(again.stdout) == settings(dump.stdout), "what is dumped is not what was read"


def settings(dump):
    """Its lines without comments, which say where they come from."""
    return [line for line in dump.splitlines() if line and not line.startswith("#")]


def main():
    root = Client()
    path = configure(RULES, "50-rules")
    root.reload()
    stranger, mailbox, lease = rules_decide(root, path)
    files_are_read_again(root, stranger, mailbox, lease)
    the_dump_says_it_all(root)
    a_wrong_rule(root, stranger, mailbox, lease)


sys.exit(main())
