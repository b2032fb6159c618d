# SPDX-License-Identifier: GPL-2.0-or-later
"""What doectl doctor finds, and services on the bus that say what a test wants."""

import json
import os
import threading

from jeepney import HeaderFields, MessageType, new_error, new_method_return
from jeepney.bus_messages import message_bus

from doed_client import Client, run, wait_until

FINDING_KEYS = {"id", "severity", "what", "why", "do"}


def environment(**changes):
    """doctor runs doed to have the configuration checked."""
    return {**os.environ, "PATH": f"{os.environ['DOED_BUILD']}/daemon/bus:{os.environ['PATH']}", **changes}


def diagnose(*arguments, prefix=(), **changes):
    """Return: id -> the first finding of that id."""
    done = run(*prefix, "doectl", "doctor", "--json", *arguments, env=environment(**changes))
    assert done.returncode in (0, 1), f"doctor: exit {done.returncode}: {done.stderr}"
    all_found = json.loads(done.stdout)
    for finding in all_found:
        assert set(finding) == FINDING_KEYS and all(finding.values()), finding
    is_sick = any(finding["severity"] != "hint" for finding in all_found)
    assert done.returncode == int(is_sick), f"exit {done.returncode} with {all_found}"
    return {finding["id"]: finding for finding in reversed(all_found)}


def expect(identifier, *arguments, words=(), **options):
    """Wait until doctor finds this with these words in it, and print it. Return: the finding."""
    found = {}

    def is_found():
        found.clear()
        found.update(diagnose(*arguments, **options))
        text = " ".join(found.get(identifier, {}).values())
        return found.get(identifier) if all(word in text for word in words) else None

    try:
        finding = wait_until(f"{identifier} is found", is_found)
    except AssertionError:
        print(f"no {identifier} with {words} in {list(found.values())}")
        raise
    print(f"{finding['severity']} {identifier}: {finding['what']}; {finding['why']}; {finding['do']}")
    return finding


class Service:
    """A name on the bus whose calls are answered as @answers says: member, or (path, member, first argument) -> signature
    and values; all else is an error."""

    def __init__(self, name, answers, uid=None):
        self.answers = answers
        self.client = Client(uid) if uid is not None else Client()
        reply = self.client.connection.send_and_get_reply(message_bus.RequestName(name))
        assert reply.body == (1,), f"{name}: {reply.body}"
        self.is_over = False
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        connection = self.client.connection
        while not self.is_over:
            try:
                message = connection.receive(timeout=0.1)
            except TimeoutError:
                continue
            if message.header.message_type == MessageType.method_call:
                connection.send(self.answer(message))

    def answer(self, message):
        fields = message.header.fields
        member, first = fields[HeaderFields.member], message.body[0] if message.body else None
        found = self.answers.get((fields[HeaderFields.path], member, first)) or self.answers.get(member)
        if not found:
            return new_error(message, "org.freedesktop.DBus.Error.UnknownMethod", "s", ("This one is false",))
        signature, *values = found
        return new_method_return(message, signature, tuple(values))

    def close(self):
        self.is_over = True
        self.thread.join()
        self.client.close()
