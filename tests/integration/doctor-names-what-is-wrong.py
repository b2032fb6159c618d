#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""doectl doctor finds nothing wrong with a sound system, and then each thing that is made wrong, with its evidence, until it
is mended; also while doed is stuck or gone, and for one device alone."""

import contextlib
import os
import sys
import time

from doctor_findings import diagnose, environment, expect
from doed_client import (ECHO, NOBODY, ROOT_PATH, SPDM, Client, DoedError, as_user, configure, control, false_doed_pci,
                         frozen, held, inject, kill, mailbox_name, run, run_folder, wait_for_doed, wait_until, wire_hello)
from spdm_requester import GET_VERSION

ACCELERATOR, MEMORY, DRIVE = "0000:50:00.0", "0000:51:00.0", "0000:52:00.0"
SILENCE_SEC = 60  # far more than what doctor may take, and far less than for ever


def make_tree():
    """A sysfs without functions. Return: its path."""
    tree = run_folder() / "tree"
    (tree / "bus/pci/devices").mkdir(parents=True)
    return tree


def add_function(tree, address, kind, n_config_bytes, has_features=False):
    folder = tree / "bus/pci/devices" / address
    folder.mkdir()
    (folder / "class").write_text(f"0x{kind:06x}\n")
    (folder / "config").write_bytes(bytes(n_config_bytes))
    if has_features:
        (folder / "doe_features").mkdir()


def is_sound(tree):
    return set(diagnose("--sysfs", tree)) <= {"polkit-absent"}


def is_sound_again(tree):
    wait_until("nothing is wrong any more", lambda: is_sound(tree))


def sound_system_is_praised(tree):
    is_sound_again(tree)
    done = run("doectl", "doctor", "--sysfs", tree, "--config", os.environ["DOED_CONFIG"], env=environment())
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("Nothing is wrong"), done.stdout
    for words in ("is on the bus, and doed-pci behind it", "3 devices with 4 mailboxes: all ready",
                  "The configuration is right"):
        assert words in done.stdout, f"no {words!r} in\n{done.stdout}"
    assert "\x1b" not in done.stdout


def dead_mailbox(client, tree):
    mailbox = client.find(ECHO, MEMORY)[0]
    name = mailbox_name(mailbox)
    inject(name, "go feature=1234:01 count=1 hang")
    inject(name, "abort hang")
    client.start_exchange(mailbox, ECHO, b"dead", timeout_usec=100_000)
    finding = expect("mailbox-dead", "--sysfs", tree, words=[name])
    assert finding["severity"] == "error"
    assert "mailbox-dead" in diagnose("--sysfs", tree, name)
    assert "mailbox-dead" in diagnose("--sysfs", tree, "51:00")
    assert "mailbox-dead" not in diagnose("--sysfs", tree, DRIVE)
    control(f"clear {name}")
    assert f"doectl recover '{name}'" in finding["do"]
    done = run("doectl", "recover", name)
    assert done.returncode == 0, done.stderr
    is_sound_again(tree)


def mailbox_that_others_have(client, tree):
    mailbox = client.find(ECHO, MEMORY)[0]
    hold, lease = client.inhibit(mailbox, "a firmware update")
    expect("mailbox-inhibited", "--sysfs", tree, words=["a firmware update", lease])
    hold.close()
    is_sound_again(tree)
    control(f"hold {MEMORY} unbind")
    expect("mailbox-kernel", "--sysfs", tree, words=[MEMORY, "unbind"])
    control(f"release {MEMORY}")
    is_sound_again(tree)


def device_that_others_have(client, tree):
    control(f"tsm {ACCELERATOR} empty")
    expect("spdm-tsm", "--sysfs", tree, words=[ACCELERATOR, "tsm"])
    control(f"tsm {ACCELERATOR} absent")
    control(f"ide {DRIVE} secure")
    drive = client.find(SPDM, DRIVE)[0]

    def is_told():  # it is looked at when somebody wants to speak SPDM
        with contextlib.suppress(DoedError):
            lease = client.lease(drive, SPDM)
            lease.exchange(GET_VERSION)
            lease.close()
        return diagnose("--sysfs", tree).get("spdm-ide")

    print(wait_until("the secure stream is found", is_told))
    control(f"bind {MEMORY} vfio-pci")
    expect("vfio", "--sysfs", tree, words=[MEMORY, "vfio-pci"])
    assert diagnose("--sysfs", tree)["vfio"]["severity"] == "hint"
    control(f"unbind {MEMORY}")


def lockdown(tree):
    control("lockdown integrity")
    expect("lockdown", "--sysfs", tree, words=["integrity"])
    assert "read-only" not in diagnose("--sysfs", tree)
    control("lockdown none")
    wait_until("it is over", lambda: "lockdown" not in diagnose("--sysfs", tree))


def configuration(client, tree):
    path = configure("[Rule wrong]\nVerdict = maybe\n", "wrong")
    arguments = ("--sysfs", tree, "--config", os.environ["DOED_CONFIG"])
    expect("config-wrong", *arguments, words=[f"{path}:2"])
    path.unlink()
    path = configure(f"[Rule hands-off]\nDevice = {MEMORY}\nTakeOver = never\n", "never")
    client.reload()
    expect("never-taken-over", *arguments, words=[MEMORY, "hands-off", f"{path}:"])
    path.unlink()
    client.reload()
    wait_until("it is taken again", lambda: "never-taken-over" not in diagnose(*arguments))


def functions_that_doed_does_not_list(tree):
    add_function(tree, "0000:00:04.0", 0x050210, 256)
    expect("no-extended-config", "--sysfs", tree, words=["0000:00:04.0 is a CXL memory device", "MCFG"])
    add_function(tree, "0000:00:1f.0", 0x060100, 4096)
    assert "no-doe-capability" not in diagnose("--sysfs", tree)
    expect("no-doe-capability", "--sysfs", tree, "1f.0", words=["0000:00:1f.0"])
    add_function(tree, "0000:09:00.0", 0x010802, 4096, has_features=True)
    expect("not-listed", "--sysfs", tree, words=["0000:09:00.0", "Rescan"])
    expect("target-unknown", "--sysfs", tree, "77:00.0")
    expect("target-unknown", "--sysfs", tree, f"{MEMORY}[1a0]")
    done = run("doectl", "doctor", "--sysfs", tree, "00.0", env=environment())
    assert done.returncode == 2 and "may be" in done.stderr, done


def missing_doed_pci(tree):
    with held("doed-pci"):
        kill("doed-pci")
        expect("doed-pci-down", "--sysfs", tree, words=[os.environ["DOED_WIRE"]])
        # a doed that has never seen it knows no device, and is not ready
        kill("doed")
        wait_until("it is found by another doed, too",
                   lambda: {"doed-pci-down"} <= set(diagnose("--sysfs", tree)))
    wait_for_doed()
    with false_doed_pci() as listener:
        peer, _ = listener.accept()
        with peer:
            peer.sendall(wire_hello(77, "9.8.7"))
            expect("doed-pci-version", "--sysfs", tree, words=["9.8.7", "77"])
    client = wait_for_doed()
    wait_until("all is there again", lambda: client.find(ECHO, MEMORY))


def silent_doed(tree):
    with frozen("doed"):
        begun = time.monotonic()
        found = diagnose("--sysfs", tree)
        assert "doed-silent" in found, found
        assert time.monotonic() - begun < SILENCE_SEC
    wait_for_doed()


def missing_doed(tree):
    with held("doed"):
        kill("doed")
        expect("doed-not-installed", "--sysfs", tree)  # there is nothing of it on this private bus
    wait_for_doed()


def somebody_else(tree):
    found = as_user(NOBODY, lambda: diagnose("--sysfs", tree))
    assert "group-missing" in found or "group-not-member" in found, found


def main():
    client = Client()
    tree = make_tree()
    assert client.get(ROOT_PATH, "Manager1", "Ready")
    sound_system_is_praised(tree)
    dead_mailbox(client, tree)
    mailbox_that_others_have(client, tree)
    configuration(client, tree)
    lockdown(tree)
    somebody_else(tree)
    device_that_others_have(client, tree)
    functions_that_doed_does_not_list(tree)
    missing_doed_pci(tree)
    silent_doed(tree)
    missing_doed(tree)


sys.exit(main())
