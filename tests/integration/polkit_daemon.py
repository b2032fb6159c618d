# SPDX-License-Identifier: GPL-2.0-or-later
"""The real polkitd on the private bus. It runs in a mount namespace of its own, in which it sees our actions and a
test's rules instead of the host's."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys

from jeepney import DBusAddress, new_method_call

from doed_client import SKIPPED, Client, run, run_folder, wait_until

PROGRAM = "/usr/lib/polkit-1/polkitd"
POLKIT = "org.freedesktop.PolicyKit1"
UNSHARE = ("unshare", "--mount", "--propagation", "private")
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

# as root of its own mounts; $1: our folder
START = f"""set -e
mount --bind "$1/actions" /usr/share/polkit-1/actions
mount --bind "$1/empty" /usr/share/polkit-1/rules.d
mount --bind "$1/rules.d" /etc/polkit-1/rules.d
exec {PROGRAM} --no-debug
"""


def has_owner(client, name):
    bus = DBusAddress("/org/freedesktop/DBus", bus_name="org.freedesktop.DBus", interface="org.freedesktop.DBus")
    return client.connection.send_and_get_reply(new_method_call(bus, "NameHasOwner", "s", (name,))).body[0]


def skip_unless_possible():
    if not os.access(PROGRAM, os.X_OK):
        print(f"skipped: there is no {PROGRAM}")
        sys.exit(SKIPPED)
    if os.getuid() != 0 or run(*UNSHARE, "true").returncode != 0:
        print("skipped: polkitd needs a mount namespace of its own, and none can be made here")
        sys.exit(SKIPPED)


class Polkitd:
    """One polkitd, from its start on."""

    def __init__(self, rules):
        """@rules: JavaScript, what stands in a file of /etc/polkit-1/rules.d."""
        self.client = Client()
        folder = run_folder() / "polkit"
        for name in ("actions", "rules.d", "empty"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "dbus/org.doed.policy", folder / "actions")
        (folder / "rules.d/50-test.rules").write_text(rules)
        self.process = subprocess.Popen([*UNSHARE, "sh", "-c", START, "sh", folder])
        wait_until("polkitd is on the bus", lambda: has_owner(self.client, POLKIT))

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()
        wait_until("polkitd has left the bus", lambda: not has_owner(self.client, POLKIT))
        self.client.close()
