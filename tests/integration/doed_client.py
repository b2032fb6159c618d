# SPDX-License-Identifier: GPL-2.0-or-later
"""What the integration tests share: a client of the bus on jeepney that can have several calls under way, the
emulator's control socket, the pid files of tests/with-doed, and waiting for conditions."""

import contextlib
import json
import os
import pathlib
import pickle
import random
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback

from jeepney import DBusAddress, HeaderFields, MessageType, new_method_call
from jeepney.bus_messages import MatchRule, message_bus
from jeepney.io.blocking import open_dbus_connection

NAME = "org.doed"
ROOT_PATH = "/org/doed"
LOG_PATH = "/org/freedesktop/LogControl1"
PROPERTIES = "org.freedesktop.DBus.Properties"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"

# features: vendor, type
DISCOVERY = (0x0001, 0x00)
SPDM = (0x0001, 0x01)
TABLE_ACCESS = (0x1e98, 0x02)
COMPLIANCE = (0x1e98, 0x00)
ECHO = (0x1234, 0x01)
COUNT = (0x1234, 0x02)

NOBODY = 65534
SKIPPED = 77
WAIT_SEC = 20

# Replies leave within 100 ms of their time; the rest is for sanitized programs on a loaded machine.
REPLY_SLACK_SEC = 1.5


class DoedError(Exception):
    """An error reply: its name without prefix, its text, and the named values."""

    def __init__(self, name, text, values):
        super().__init__(f"{name}: {text}")
        self.full_name = name
        self.name = name.rsplit(".", 1)[1]
        self.text = text
        self.values = values


def unwrap(value):
    """Plain Python values of what jeepney hands over, where a variant is (signature, value). No structure of doed's
    interfaces is a pair that starts with a string."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
        return unwrap(value[1])
    if isinstance(value, dict):
        return {key: unwrap(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(unwrap, value))
    return value


class Client:
    """One connection to the private bus."""

    def __init__(self):
        self.connection = open_dbus_connection(bus="SYSTEM")
        self.replies = {}
        self.signals = []

    def close(self):
        self.connection.close()

    def start(self, path, interface, member, signature="", *arguments):
        """Send a call and do not wait. Return: what finish() takes."""
        if "." not in interface:
            interface = f"{NAME}.{interface}"
        address = DBusAddress(path, bus_name=NAME, interface=interface)
        message = new_method_call(address, member, signature or None, arguments)
        serial = next(self.connection.outgoing_serial)
        self.connection.send(message, serial=serial)
        return serial

    def receive(self, timeout_sec):
        message = self.connection.receive(timeout=timeout_sec)
        kind = message.header.message_type
        if kind in (MessageType.method_return, MessageType.error):
            serial = message.header.fields[HeaderFields.reply_serial]
            assert serial not in self.replies, f"call {serial} was answered twice"
            self.replies[serial] = message
        elif kind == MessageType.signal:
            self.signals.append(message)

    def is_answered(self, serial):
        with contextlib.suppress(TimeoutError):
            while serial not in self.replies:
                self.receive(0)
        return serial in self.replies

    def finish(self, serial, timeout_sec=60):
        """Wait for the one answer. Return: its arguments, a single one without its tuple. Raises DoedError."""
        deadline = time.monotonic() + timeout_sec
        while serial not in self.replies:
            self.receive(max(0, deadline - time.monotonic()))
        message = self.replies.pop(serial)
        if message.header.message_type == MessageType.error:
            text = message.body[0] if message.body else ""
            values = unwrap(message.body[1]) if len(message.body) > 1 else {}
            raise DoedError(message.header.fields[HeaderFields.error_name], text, values)
        return message.body[0] if len(message.body) == 1 else message.body

    def call(self, path, interface, member, signature="", *arguments):
        return self.finish(self.start(path, interface, member, signature, *arguments))

    def get(self, path, interface, name):
        if "." not in interface:
            interface = f"{NAME}.{interface}"
        return unwrap(self.call(path, PROPERTIES, "Get", "ss", interface, name))

    def objects(self):
        """Return: path -> interface -> property -> value, from GetManagedObjects."""
        objects = self.call(ROOT_PATH, OBJECT_MANAGER, "GetManagedObjects")
        return {path: {name: {key: unwrap(value) for key, value in properties.items()}
                       for name, properties in interfaces.items()} for path, interfaces in objects.items()}

    def find(self, feature, device=""):
        return self.call(ROOT_PATH, "Manager1", "Find", "sqya{sv}", device, *feature, {})

    def start_exchange(self, mailbox, feature, request, **options):
        return self.start(mailbox, "Mailbox1", "Exchange", "qyaya{sv}", *feature, bytes(request), variants(options))

    def exchange(self, mailbox, feature, request, **options):
        """Return: (response, details)."""
        response, details = self.finish(self.start_exchange(mailbox, feature, request, **options))
        return bytes(response), {key: unwrap(value) for key, value in details.items()}

    def read_cdat(self, device, **options):
        table, details = self.call(device, "Cdat1", "Read", "a{sv}", variants(options))
        return bytes(table), {key: unwrap(value) for key, value in details.items()}

    def cancel(self, mailbox, cookie):
        return self.call(mailbox, "Mailbox1", "Cancel", "t", cookie)

    def watch(self):
        """Collect the signals of doed in self.signals from now on."""
        rule = MatchRule(type="signal", sender=NAME)
        self.connection.send_and_get_reply(message_bus.AddMatch(rule))

    def wait_for_signal(self, member, path, matches=lambda *arguments: True, timeout_sec=WAIT_SEC):
        """Take the first such signal for whose arguments (without variants) matches() is true; earlier ones of others
        stay. Return: its arguments."""
        deadline = time.monotonic() + timeout_sec
        while True:
            for message in self.signals:
                fields = message.header.fields
                arguments = tuple(map(unwrap, message.body))
                if (fields[HeaderFields.member], fields[HeaderFields.path]) == (member, path) and matches(*arguments):
                    self.signals.remove(message)
                    return arguments
            self.receive(max(0, deadline - time.monotonic()))


OPTION_SIGNATURES = {
    "timeout_usec": "t", "priority": "s", "fresh": "b", "cookie": "t", "max_response": "u", "epoch": "t",
    "force": "b", "uid": "u", "gids": "au",
}


def variants(options):
    """Options as a{sv}: timeout_usec=5 becomes "timeout-usec": ("t", 5)."""
    return {name.replace("_", "-"): value if isinstance(value, tuple) else (OPTION_SIGNATURES[name], value)
            for name, value in options.items()}


def expect_error(name, call, *arguments, **options):
    """The call must fail in this way. Return: the DoedError."""
    try:
        answer = call(*arguments, **options)
    except DoedError as error:
        assert error.name == name, f"{name} was expected, and it was {error}"
        return error
    raise AssertionError(f"{name} was expected, and the answer was {str(answer)[:200]}")


def wait_until(what, condition, timeout_sec=WAIT_SEC):
    """Return: the first true value of condition()."""
    deadline = time.monotonic() + timeout_sec
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what}: not within {timeout_sec} s"
        time.sleep(0.02)


def wait_for_doed(timeout_sec=WAIT_SEC):
    """A new connection, once doed is on the bus and its first enumeration is over."""
    client = Client()

    def is_ready():
        try:
            return client.get(ROOT_PATH, "Manager1", "Ready")
        except DoedError as error:
            assert error.full_name.startswith("org.freedesktop.DBus.Error."), str(error)
            return False

    wait_until("doed is ready", is_ready, timeout_sec)
    return client


def device_path(address):
    return f"{ROOT_PATH}/device/" + address.replace(":", "_").replace(".", "_")


def mailbox_path(mailbox):
    """Of "0000:3a:00.0[160]"."""
    address, offset = mailbox.rstrip("]").split("[")
    return f"{device_path(address)}/mailbox/{offset}"


def mailbox_name(path):
    """The reverse of mailbox_path()."""
    device, offset = path.split("/device/")[1].split("/mailbox/")
    domain, bus, slot, function = device.split("_")
    return f"{domain}:{bus}:{slot}.{function}[{offset}]"


def control(command):
    """One command to the emulator (tests/emulator/README.md). Return: its answer without the last line end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as emulator:
        emulator.settimeout(WAIT_SEC)
        emulator.connect(os.environ["DOED_CONTROL"])
        emulator.sendall(f"{command}\n".encode())
        emulator.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: emulator.recv(65536), b"")).decode().rstrip("\n")
    assert answer.splitlines()[-1:] == ["ok"], f"{command}: {answer}"
    return answer


def inject(mailbox, fault):
    """A fault of that mailbox, as a row of a scenario."""
    control(f"fault {mailbox} {fault}")


def counters(mailbox):
    """Return: name -> number, of what the device model of that mailbox has seen."""
    pairs = (word.split("=") for word in control(f"counters {mailbox}").split() if "=" in word)
    return {name: int(number) for name, number in pairs}


def remove_device(address):
    control(f"remove {address}")


def add_device(address):
    control(f"add {address}")


def pid_of(name):
    return int((run_folder() / f"{name}.pid").read_text())


def run_folder():
    return pathlib.Path(os.environ["DOED_RUN"])


def kill(name, number=signal.SIGKILL):
    """Kill doed or doed-pci; tests/with-doed starts another. Return: the pid that it had."""
    pid = pid_of(name)
    os.kill(pid, number)
    return pid


@contextlib.contextmanager
def held(name):
    """While this holds, a doed or doed-pci that ends is not started again."""
    path = run_folder() / f"{name}.held"
    path.touch()
    try:
        yield
    finally:
        path.unlink()


@contextlib.contextmanager
def frozen(name):
    pid = pid_of(name)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def wire_frame(kind, body=b"", n_bytes=None):
    """A message between doed and doed-pci (daemon/wire/message.h), or one that lies about its length."""
    return struct.pack("<II", 8 + len(body) if n_bytes is None else n_bytes, kind) + body


def wire_hello(version, program_version="0"):
    texts = b"".join(struct.pack("<H", len(text)) + text.encode() for text in (program_version, "none"))
    return wire_frame(1, struct.pack("<I", version) + texts)


@contextlib.contextmanager
def false_doed_pci():
    """doed-pci is gone, and what is returned listens where doed looks for it."""
    path = os.environ["DOED_WIRE"]
    with held("doed-pci"):
        kill("doed-pci")
        wait_until("its socket is refusing", lambda: not is_listening(path))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(path)
            listener.listen()
            listener.settimeout(WAIT_SEC)
            yield listener
        os.unlink(path)


def is_listening(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(path) == 0


def as_user(uid, function):
    """Run function() in a child with that uid and no other group. Return: what it returned; raises what it raised."""
    if os.getuid() != 0:
        print("skipped: only root can call as somebody else")
        sys.exit(SKIPPED)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        with os.fdopen(writer, "wb") as result:
            pickle.dump(run_as(uid, function), result)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as result:
        value, error = pickle.load(result)
    os.waitpid(child, 0)
    assert error is None, error
    return value


def run_as(uid, function):
    try:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
        return function(), None
    except Exception:  # whatever it is, the parent shows it
        return None, traceback.format_exc()


def run(*command, timeout_sec=60, **options):
    """Return: the finished process, with its output as text."""
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=timeout_sec, check=False,
                          **options)


def doectl_json(*arguments):
    done = run("doectl", *arguments, "--json")
    assert done.returncode == 0, f"doectl {arguments}: {done.returncode}: {done.stderr}"
    return json.loads(done.stdout)


def random_payload(n_bytes_max=64):
    """A request that nobody else has sent: its answer belongs to nobody else."""
    return random.randbytes(4 * random.randint(2, n_bytes_max // 4))
