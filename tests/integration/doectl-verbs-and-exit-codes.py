#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every verb of doectl, for people and as JSON, on real objects; and an exit code of its own for each kind of
failure, as the contract has them."""

import json
import os
import random
import shutil
import struct
import sys

from doed_client import (ECHO, NOBODY, TABLE_ACCESS, Client, as_user, control, doectl_json, held, inject,
                         kill, mailbox_name, run, wait_until)


def doectl(*arguments, code=0, **options):
    done = run("doectl", *arguments, **options)
    assert done.returncode == code, f"doectl {' '.join(map(str, arguments))}: exit {done.returncode} instead of {code}\n" \
                                    f"{done.stdout}{done.stderr}"
    if code:
        assert done.stderr.strip(), f"doectl {arguments} fails without a word"
        assert "\n" not in done.stderr.strip() or "Usage" in done.stderr, done.stderr
    return done.stdout


def lists_and_shows(client, mailbox, device):
    name, address = mailbox_name(mailbox), mailbox_name(mailbox).split("[")[0]
    listed = doectl("list")
    for path in client.objects():
        if "/mailbox/" in path:
            assert mailbox_name(path) in listed, f"{mailbox_name(path)} is not in\n{listed}"
    assert isinstance(doectl_json("list"), list)
    for what in (name, address):
        assert address in doectl("show", what)
        assert address in json.dumps(doectl_json("show", what))
    assert client.get(device, "Device1", "Name") in doectl("show", address)


def exchanges(mailbox):
    name = mailbox_name(mailbox)
    payload = random.randbytes(64)
    answer = doectl_json("exchange", name, "1234:01", payload.hex())
    assert answer["response"] == payload.hex() and answer["details"]["source"] == "mailbox", answer
    raw = run("doectl", "exchange", name, "1234:01", "-", "--raw", input=payload.hex()[:40])
    assert raw.returncode == 0 and raw.stdout == payload.hex()[:40], "text came back otherwise"
    file = os.path.join(os.environ["DOED_RUN"], "request")
    with open(file, "wb") as request:
        request.write(payload)
    assert doectl_json("exchange", name, "1234:01", f"@{file}")["response"] == payload.hex()
    assert doectl_json("exchange", name, "discovery", "00000000")["details"]["cached"]
    # one device read a second is shared by all callers
    wait_until("discovery is read afresh", lambda: not doectl_json(
        "exchange", name, "discovery", "00000000", "--fresh")["details"]["cached"])
    assert doectl("exchange", name, "1234:01", "00112233").strip()


def shows_the_cdat(client, device):
    address = client.get(device, "Device1", "Address")
    table, _details = client.read_cdat(device)
    shown = doectl("cdat", address)
    assert "ns" in shown and "GB/s" in shown, shown
    decoded = doectl_json("cdat", address)
    assert decoded["raw"] == table.hex()
    assert decoded["decoded"]["length"] == len(table) == struct.unpack_from("<I", table)[0]
    assert decoded["decoded"]["entries"]
    assert table.hex()[:8] in doectl("cdat", address, "--hex").replace(" ", "")


def other_verbs(client, mailbox):
    name = mailbox_name(mailbox)
    assert "1234:01" in doectl("discover", name)
    assert "ready" in doectl("recover", name)
    epoch = client.get(mailbox, "Mailbox1", "Epoch")
    assert "ready" in doectl("recover", name, "--force")
    assert client.get(mailbox, "Mailbox1", "Epoch") > epoch
    assert "allow" in doectl("explain", name, "1234:01", "00000000")
    assert doectl_json("explain", name, "1234:01", "00000000", "--uid", NOBODY)["verdict"] == "deny"
    for verb in ("list", "show", "exchange", "cdat", "discover", "recover", "explain"):
        assert verb in doectl("--help") and "Usage" in doectl(verb, "--help")
    assert doectl("--version").startswith("doectl ")


def denied_as_nobody(name):
    # the build folder may be where only root can read
    program = shutil.copy(shutil.which("doectl"), os.environ["DOED_RUN"])
    return as_user(NOBODY, lambda: run(program, "exchange", name, "1234:01", "00000000").returncode)


def exit_codes(client, mailbox):
    name = mailbox_name(mailbox)
    doectl(code=2)
    doectl("no-such-verb", code=2)
    doectl("list", "--no-such-option", code=2)
    doectl("exchange", name, "1234:01", "xyz", code=2)
    doectl("exchange", name, "1234:02", "64000000", "--max-response", "40", code=2)
    doectl("exchange", name, "4321:99", "00", code=3)
    doectl("show", "0000:ff:1f.7", code=3)
    if os.getuid() == 0:
        assert denied_as_nobody(name) == 4
    inject(name, "now count=1 foreign-exchange 6s")
    doectl("exchange", name, "1234:01", "00", "--timeout", "3", code=5)
    wait_until("the stranger is gone", lambda: client.get(mailbox, "Mailbox1", "State") == "ready")
    inject(name, "go feature=1234:01 count=1 late 900ms")
    doectl("exchange", name, "1234:01", "00", "--timeout", "0.3", code=6)
    inject(name, "go feature=1234:01 count=1 set-error")
    doectl("exchange", name, "1234:01", "00", code=1)
    control("lockdown integrity")
    wait_until("lockdown is seen", lambda: client.get("/org/doed", "Manager1", "Lockdown") == "integrity")
    doectl("exchange", name, "1234:01", "00", code=7)
    control("lockdown none")
    wait_until("lockdown is over", lambda: client.get(mailbox, "Mailbox1", "State") == "ready")
    with held("doed-pci"):
        kill("doed-pci")
        wait_until("doed has seen it go",
                   lambda: run("doectl", "exchange", name, "1234:01", "00", "--timeout", "1").returncode == 8)
    with held("doed"):
        kill("doed")
        wait_until("doed is gone", lambda: run("doectl", "list").returncode == 8)


def main():
    client = Client()
    mailbox = next(path for path in client.find(TABLE_ACCESS) if path in client.find(ECHO))
    device = client.get(mailbox, "Mailbox1", "Device")
    lists_and_shows(client, mailbox, device)
    exchanges(mailbox)
    shows_the_cdat(client, device)
    other_verbs(client, mailbox)
    exit_codes(client, mailbox)


sys.exit(main())
