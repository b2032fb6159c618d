# SPDX-License-Identifier: GPL-2.0-or-later
"""What the integration tests share: a client of the bus on jeepney that can have several calls under way, streams of
leases, the emulator's control socket, the configuration and the pid files of tests/with-doed, and waiting for
conditions."""

import contextlib
import errno
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
SECURED_SPDM = (0x0001, 0x02)
TABLE_ACCESS = (0x1e98, 0x02)
COMPLIANCE = (0x1e98, 0x00)
ECHO = (0x1234, 0x01)
COUNT = (0x1234, 0x02)

NOBODY = 65534
STRANGER, WORKER = 1, 2  # in passwd, without which the bus lets nobody in, and used by nobody
SKIPPED = 77
WAIT_SEC = 20

CONNECT_SEC = 20  # jeepney's own second is not much on a loaded machine

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


@contextlib.contextmanager
def identity(uid, gids=()):
    """Whoever is asked by a socket that is connected meanwhile, hears of this uid and these groups."""
    if os.getuid() != 0:
        print("skipped: only root can call as somebody else")
        sys.exit(SKIPPED)
    groups = os.getgroups()
    os.setgroups(list(gids))
    os.setresgid(uid, uid, 0)
    os.setresuid(uid, uid, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)
        os.setgroups(groups)


class Client:
    """One connection to the private bus; with a uid as that user, who is in these groups besides the one of his own
    number."""

    def __init__(self, uid=None, gids=()):
        with identity(uid, gids) if uid is not None else contextlib.nullcontext():
            self.connection = open_dbus_connection(bus="SYSTEM", enable_fds=True, auth_timeout=CONNECT_SEC)
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

    def start_lease(self, mailbox, feature, **options):
        return self.start(mailbox, "Mailbox1", "Lease", "qya{sv}", *feature, variants(options))

    def finish_lease(self, serial, feature):
        """Return: the LeaseStream."""
        descriptor, path, details = self.finish(serial)
        return LeaseStream(descriptor.to_socket(), path, {key: unwrap(value) for key, value in details.items()}, feature)

    def lease(self, mailbox, feature, **options):
        return self.finish_lease(self.start_lease(mailbox, feature, **options), feature)

    def start_inhibit(self, mailbox, why="a test", **options):
        return self.start(mailbox, "Mailbox1", "Inhibit", "sa{sv}", why, variants(options))

    def finish_inhibit(self, serial):
        """Return: the descriptor as a socket, the path of the Lease1."""
        descriptor, path = self.finish(serial)
        return descriptor.to_socket(), path

    def inhibit(self, mailbox, why="a test", **options):
        return self.finish_inhibit(self.start_inhibit(mailbox, why, **options))

    def revoke(self, lease, why="a test"):
        return self.call(lease, "Lease1", "Revoke", "s", why)

    def reload(self):
        return self.call(ROOT_PATH, "Manager1", "Reload")

    def state(self, mailbox):
        return self.get(mailbox, "Mailbox1", "State")

    def epoch(self, mailbox):
        return self.get(mailbox, "Mailbox1", "Epoch")

    def leases(self):
        """Return: paths of all that are open."""
        return [path for path, interfaces in self.objects().items() if f"{NAME}.Lease1" in interfaces]

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
    "force": "b", "uid": "u", "gids": "au", "scope": "s", "wait": "b", "idle_usec": "t", "max_usec": "t",
    "request_usec": "t", "resume": "ay",
}


def variants(options):
    """Options as a{sv}: timeout_usec=5 becomes "timeout-usec": ("t", 5)."""
    return {name.replace("_", "-"): value if isinstance(value, tuple) else (OPTION_SIGNATURES[name], value)
            for name, value in options.items()}


class ErrorObject:
    """What the stream of a lease says instead of an answer."""

    FEATURE = (0xffff, 0xff)

    def __init__(self, payload):
        self.errno, flags = struct.unpack_from("<II", payload)
        self.name = errno.errorcode.get(self.errno, str(self.errno))
        self.ends = bool(flags & 1)
        self.is_not_sent = bool(flags & 2)
        self.is_notice = bool(flags & 4)
        self.text = payload[8:].rstrip(b"\0").decode()

    def __repr__(self):
        said = [word for word, is_so in (("ends", self.ends), ("not sent", self.is_not_sent), ("notice", self.is_notice))
                if is_so]
        return f"<{' '.join([self.name, *said])}: {self.text}>"


class LeaseStream:
    """The client's end of a lease: whole data objects, both ways."""

    def __init__(self, stream, path, details, feature):
        self.socket = stream
        self.path = path
        self.details = details
        self.feature = feature
        self.buffered = b""
        self.connection = 0  # of what was received last

    def close(self):
        self.socket.close()

    def send(self, payload, feature=None, connection=0):
        self.socket.settimeout(WAIT_SEC)
        self.socket.sendall(data_object(feature or self.feature, payload, connection))

    def receive(self, timeout_sec=60):
        """Return: the payload of the next answer, an ErrorObject, or None at the end of the stream."""
        deadline = time.monotonic() + timeout_sec
        head = self.read_exactly(8, deadline)
        if head is None:
            return None
        dw0, dw1 = struct.unpack("<II", head)
        self.connection = dw1 >> 18 & 0xfff
        payload = self.read_exactly(4 * ((dw1 & 0x3ffff) or 1 << 18) - 8, deadline)
        if (dw0 & 0xffff, dw0 >> 16 & 0xff) == ErrorObject.FEATURE:
            return ErrorObject(payload)
        return payload

    def read_exactly(self, n_bytes, deadline):
        while len(self.buffered) < n_bytes:
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            more = self.socket.recv(65536)
            if not more:
                assert not self.buffered, "the stream ends in the middle of an object"
                return None
            self.buffered += more
        taken, self.buffered = self.buffered[:n_bytes], self.buffered[n_bytes:]
        return taken

    def exchange(self, payload, feature=None, connection=0):
        """One request, and the answer to it, or the ErrorObject."""
        self.send(payload, feature, connection)
        return self.receive()

    def expect_answer(self, payload, feature=None, connection=0):
        answer = self.exchange(payload, feature, connection)
        assert isinstance(answer, bytes), f"an answer to {payload.hex()} was expected, and it was {answer}"
        assert self.connection == connection, f"an answer to connection {connection} is of {self.connection}"
        return answer

    def expect_error(self, name):
        """The next object must be this error. Return: it."""
        answer = self.receive()
        assert isinstance(answer, ErrorObject) and answer.name == name, f"{name} was expected, and it was {answer}"
        return answer

    def expect_end(self, name):
        """This error ends the lease, and EOF follows; notices may come before. Return: the last object."""
        last = self.receive()
        while isinstance(last, ErrorObject) and last.is_notice and not last.ends:
            last = self.receive()
        assert isinstance(last, ErrorObject) and last.name == name, f"{name} was expected, and it was {last}"
        assert last.ends, f"{last} does not say that it is the last"
        assert self.receive() is None, f"more after {last}"
        return last


def data_object(feature, payload, connection=0):
    payload = bytes(payload)
    payload += bytes(-len(payload) % 4)
    n_dwords = 2 + len(payload) // 4
    return struct.pack("<HBxI", *feature, n_dwords & 0x3ffff | connection << 18) + payload


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


def configure(text, name="test"):
    """A drop-in of the private doed's configuration; who wants it in force says reload(). Return: its path."""
    folder = pathlib.Path(os.environ["DOED_CONFIG"]) / "doed.conf.d"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.conf"
    path.write_text(text)
    return path


def be_patient(client, feature, name="patience"):
    """From now on a device may take a minute for each answer of that feature, so that a scenario can bring one that is
    under way into trouble, however slow the machine is."""
    configure(f"[Rule {name}]\nFeature = {feature[0]:04x}:{feature[1]:02x}\nDeviceTimeoutSec = 60\n", name)
    client.reload()


@contextlib.contextmanager
def frozen_device(address):
    """Accesses to its configuration space hang, so that what is asked of it waits for the end of this."""
    control(f"freeze {address}")
    try:
        yield
    finally:
        control(f"thaw {address}")


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


class Notifications:
    """What a service says to systemd."""

    def __init__(self):
        self.path = run_folder() / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(WAIT_SEC)

    def expect(self, start):
        """Read until a line starts so. Return: the rest of it."""
        while True:
            for line in self.socket.recv(4096).decode().splitlines():
                if line.startswith(start):
                    return line[len(start):]


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


@contextlib.contextmanager
def other_process(function):
    """A process that calls function(), keeps what it returns, and is killed at the end."""
    child = os.fork()
    if child == 0:
        try:
            kept = function()
            while kept:
                signal.pause()
        except Exception:  # whatever it is, the parent's wait for its effect will end
            traceback.print_exc()
        os._exit(1)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


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
