# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the checks of libdoe-checks.c, and stands between them and the bus."""

import contextlib
import os
import socket
import subprocess
import threading

from doed_client import run_folder


def build_folder():
    return os.environ["DOED_BUILD"]


def check(name, steps=(), address=None):
    """@steps: what is done, one after the other, when the check asks for it; @address: another bus."""
    program = f"{build_folder()}/tests/integration/libdoe-checks"
    environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": address} if address else os.environ
    with subprocess.Popen([program, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          env=environment) as process:
        for step in steps:
            asked = process.stdout.readline()
            assert asked, f"{name} ended before it asked for all that it was to ask for"
            step()
            process.stdin.write("done\n")
            process.stdin.flush()
        rest = process.stdout.read()
        assert process.wait() == 0 and not rest, f"{name}: {rest or 'failed'}"


class Relay:
    """A way to the bus for one connection, as ssh makes it: through systemd-stdio-bridge, by pipes that take no
    descriptors. It can be cut."""

    def __init__(self):
        path = run_folder() / "relay"
        self.address = f"unix:path={path}"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen()
        self.client = None
        self.bridge = subprocess.Popen(["systemd-stdio-bridge", f"--bus-path={os.environ['DBUS_SYSTEM_BUS_ADDRESS']}"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        threading.Thread(target=self.serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.cut()
        self.bridge.wait()
        self.listener.close()
        os.unlink(self.address.partition("=")[2])

    def serve(self):
        self.client, _address = self.listener.accept()
        threading.Thread(target=self.pump, args=(self.bridge.stdout.read, self.client.sendall), daemon=True).start()
        self.pump(self.client.recv, self.bridge.stdin.write)

    @staticmethod
    def pump(read, write):
        with contextlib.suppress(OSError):
            while data := read(65536):
                while data:
                    data = data[write(data) or len(data):]

    def cut(self):
        self.bridge.kill()
        if self.client:
            with contextlib.suppress(OSError):
                self.client.shutdown(socket.SHUT_RDWR)
