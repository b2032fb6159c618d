#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Where doed is not there or cannot be reached, doectl doctor says why: no bus, a bus that refuses, is stuck or denies, a
unit that failed or is masked, a false doed, polkit without our actions, a session older than its group."""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

from doctor_findings import Service, diagnose, environment, expect
from doed_client import NAME, NOBODY, STRANGER, is_listening, run, wait_until

SYSTEMD, UNITS = "org.freedesktop.systemd1", "/org/freedesktop/systemd1"
POLKIT = "org.freedesktop.PolicyKit1"
SILENCE_SEC = 60  # far more than what doctor may take, and far less than for ever

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={folder}/bus</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{folder}/services</servicedir>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    {rules}
  </policy>
</busconfig>
"""


@contextlib.contextmanager
def bus(activatable=True, rules=""):
    """A bus without doed, for all that is done meanwhile."""
    with tempfile.TemporaryDirectory(prefix="doed-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        (folder / "services").mkdir()
        if activatable:
            (folder / "services/org.doed.service").write_text(
                "[D-BUS Service]\nName=org.doed\nExec=/bin/false\nUser=root\nSystemdService=doed.service\n")
        (folder / "bus.conf").write_text(BUS_CONFIG.format(folder=folder, rules=rules))
        with subprocess.Popen(["dbus-daemon", f"--config-file={folder}/bus.conf", "--nofork", "--nopidfile"]) as process:
            wait_until("the bus listens", lambda: is_listening(str(folder / "bus")))
            os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={folder}/bus"
            try:
                yield
            finally:
                process.kill()


def without_a_bus():
    with tempfile.TemporaryDirectory(prefix="doed-") as folder:
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={folder}/bus"
        expect("bus-absent", words=[f"{folder}/bus", "unset DBUS_SYSTEM_BUS_ADDRESS"])
        expect("bus-refused", words=["rubbish", "unset"], DBUS_SYSTEM_BUS_ADDRESS="rubbish")
        expect("bus-failed", words=["cannot be reached", "unset"], DBUS_SYSTEM_BUS_ADDRESS="unix:rubbish")
        expect("sysfs-missing", "--sysfs", f"{folder}/none", words=[f"{folder}/none/bus/pci/devices"])
        done = run("doectl", "doctor", env=environment())
        assert done.returncode == 1 and done.stdout.startswith("1 error"), done
        done = run("doectl", "doctor", "--host", "elsewhere")
        assert done.returncode == 2 and "ssh elsewhere doectl doctor" in done.stderr, done
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(f"{folder}/bus")
            expect("bus-refused", words=["refused"])
            listener.listen()
            begun = time.monotonic()
            expect("bus-silent", words=["within 2 s"])
            assert time.monotonic() - begun < SILENCE_SEC


def unit_answers(load, active, sub, result):
    """What systemd1 says of the units of doed, all alike."""
    answers = {}
    for number, name in enumerate(("doed.service", "doed-pci.service", "doed-pci.socket")):
        path = f"{UNITS}/unit/{number}"
        answers[UNITS, "LoadUnit", name] = ("o", path)
        answers[path, "GetAll", f"{SYSTEMD}.Unit"] = (
            "a{sv}", {"LoadState": ("s", load), "ActiveState": ("s", active), "SubState": ("s", sub)})
        for kind in ("Service", "Socket"):
            answers[path, "GetAll", f"{SYSTEMD}.{kind}"] = ("a{sv}", {"Result": ("s", result)})
    return answers


@contextlib.contextmanager
def service(name, answers, uid=None):
    served = Service(name, answers, uid)
    try:
        yield
    finally:
        served.close()


def unit_that_is_not_up():
    with bus():
        expect("doed-without-systemd")
        for identifier, answers, words in (
                ("doed-failed", unit_answers("loaded", "failed", "failed", "watchdog"), ["failed", "watchdog"]),
                ("doed-failed", unit_answers("loaded", "activating", "auto-restart", "exit-code"), ["exit-code"]),
                ("doed-masked", unit_answers("masked", "inactive", "dead", "success"), ["unmask"]),
                ("doed-not-running", unit_answers("loaded", "inactive", "dead", "success"), ["inactive (dead)"])):
            with service(SYSTEMD, answers):
                expect(identifier, words=words)
    with bus(activatable=False):
        with service(SYSTEMD, unit_answers("loaded", "inactive", "dead", "success")):
            expect("doed-not-activatable")
        with service(SYSTEMD, unit_answers("not-found", "inactive", "dead", "success")):
            expect("doed-not-installed", words=["no doed.service"])


def bus_that_denies():
    with bus(rules=f'<deny send_destination="{NAME}"/>'), service(NAME, {}):
        expect("bus-policy-denies", words=["grep -rs org.doed"])


def false_doed():
    with bus(), service(NAME, {}):
        expect("doed-wrong", words=["This one is false"])
    with bus(), service(NAME, {
            "GetAll": ("a{sv}", {"Version": ("s", "99.1"), "Ready": ("b", True), "Lockdown": ("s", "none")}),
            "GetManagedObjects": ("a{oa{sa{sv}}}", {})}):
        expect("version-differs", words=["99.1"])
        assert "no-mailboxes" in diagnose() and diagnose()["no-mailboxes"]["severity"] == "hint"
        with service(SYSTEMD, unit_answers("loaded", "inactive", "dead", "success")):
            expect("doed-pci-down", words=["doed-pci.socket is inactive"])


def action(identifier, annotations):
    return (identifier, "", "", "", "", "", 0, 0, 0, annotations)


def polkit_that_does_not_let_doed_ask():
    # of doed, which is somebody without privilege here
    sound = {"GetAll": ("a{sv}", {"Version": ("s", "1"), "Ready": ("b", True), "Lockdown": ("s", "none")}),
             "GetManagedObjects": ("a{oa{sa{sv}}}", {})}
    owner = "org.freedesktop.policykit.owner"
    actions = "a(ssssssuuua{ss})"
    with bus(), service(NAME, sound, STRANGER):
        expect("polkit-absent")
        with service(POLKIT, {"EnumerateActions": (actions, [action("org.other", {})])}):
            expect("polkit-actions-missing")
        with service(POLKIT, {"EnumerateActions": (actions, [action("org.doed.manage", {})])}):
            expect("polkit-owner", words=["1 of 1 actions"])
        with service(POLKIT, {"EnumerateActions": (actions, [action("org.doed.manage", {owner: "unix-user:x"})])}):
            expect("polkit-owner", words=["unix-user:x"])
        with service(POLKIT, {}):
            expect("polkit-silent")
        with service(POLKIT, {"EnumerateActions": (actions, [action("org.doed.manage", {owner: "unix-user:doed"})])}):
            assert not [name for name in diagnose() if name.startswith("polkit")], diagnose()


def session_older_than_its_group():
    """As a user who is in the group by /etc/group, but not with this process."""
    unshare = ("unshare", "--mount", "--propagation", "private")
    if os.getuid() != 0 or run(*unshare, "true").returncode != 0:
        print("not tried: the group, which needs a mount namespace of its own")
        return
    with tempfile.TemporaryDirectory(prefix="doed-") as folder:
        user = run("id", "-un", NOBODY).stdout.strip()
        groups = pathlib.Path("/etc/group").read_text().splitlines()
        kept = [line for line in groups if not line.startswith("doe:")]
        file = pathlib.Path(folder) / "group"
        for members, identifier in ((user, "group-relogin"), ("", "group-not-member")):
            file.write_text("\n".join(kept + [f"doe:x:54321:{members}"]) + "\n")
            script = f'mount --bind {file} /etc/group && exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups "$@"'
            expect(identifier, prefix=(*unshare, "sh", "-c", script, "sh"), words=[user])


def main():
    without_a_bus()
    unit_that_is_not_up()
    bus_that_denies()
    false_doed()
    polkit_that_does_not_let_doed_ask()
    with bus():
        session_older_than_its_group()


sys.exit(main())
