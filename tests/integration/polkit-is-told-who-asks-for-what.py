#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""polkit hears which connection wants which action of which device, may ask its user only if the call allows that, and
is told when nobody waits for its answer any more. An authority of our own takes the place of polkitd."""

import pwd
import sys

from jeepney import HeaderFields, MessageFlag, MessageType, new_error, new_method_return
from jeepney.bus_messages import message_bus

from doed_client import ECHO, NAME, ROOT_PATH, SKIPPED, Client, configure, expect_error, unwrap, variants

GAMES = 5
ALLOW_USER_INTERACTION = 1
RULES = """
[Rule echo-is-asked]
User=5
Feature=1234:01
Verdict=ask
"""


class Authority(Client):
    def __init__(self, uid):
        super().__init__(uid)
        self.connection.send_and_get_reply(message_bus.RequestName("org.freedesktop.PolicyKit1"))

    def next_call(self, member):
        while True:
            message = self.connection.receive(timeout=20)
            fields = message.header.fields
            if message.header.message_type == MessageType.method_call and fields[HeaderFields.member] == member:
                return message

    def answer(self, question, is_authorized=False, is_challenge=False):
        self.connection.send(new_method_return(question, "(bba{ss})", ((is_authorized, is_challenge, {}),)))

    def fail(self, question):
        self.connection.send(new_error(question, "org.freedesktop.PolicyKit1.Error.Failed", "s", ("it has failed",)))


def start_exchange(client, mailbox, flags):
    """As Client.start_exchange(), with these flags of the message."""
    send = client.connection.send

    def send_with_flags(message, serial):
        message.header.flags = flags
        send(message, serial=serial)

    client.connection.send = send_with_flags
    serial = client.start(mailbox, "Mailbox1", "Exchange", "qyaya{sv}", *ECHO, b"ping", variants({"cookie": 1}))
    client.connection.send = send
    return serial


def check_question(question, client, action, details, flags):
    subject, asked_action, asked_details, asked_flags, cancellation = question.body
    assert subject[0] == "system-bus-name", subject
    assert unwrap(subject[1]) == {"name": client.connection.unique_name}, subject
    assert (asked_action, asked_details, asked_flags) == (action, details, flags), question.body
    assert cancellation.startswith("doed-")
    return cancellation


def main():
    try:
        uid = pwd.getpwnam("polkitd").pw_uid
    except KeyError:
        print("skipped: there is no user polkitd, who alone may be polkit on the bus")
        sys.exit(SKIPPED)
    configure(RULES)
    root = Client()
    root.reload()
    mailbox = root.find(ECHO, "0000:3a:00.0")[0]
    authority = Authority(uid)
    client = Client(GAMES)
    details = {"device": "0000:3a:00.0", "feature": "1234:01", "rule": "echo-is-asked"}

    seen = set()
    for flags, expected in ((MessageFlag(0), 0), (MessageFlag.allow_interactive_authorization, ALLOW_USER_INTERACTION)):
        serial = start_exchange(client, mailbox, flags)
        question = authority.next_call("CheckAuthorization")
        seen.add(check_question(question, client, "org.doed.exchange", details, expected))
        authority.answer(question, is_authorized=True)
        assert bytes(client.finish(serial)[0]) == b"ping"

    serial = start_exchange(client, mailbox, MessageFlag(0))
    authority.answer(authority.next_call("CheckAuthorization"), is_challenge=True)
    assert "authentication" in expect_error("AccessDenied", client.finish, serial).values["polkit"]
    serial = start_exchange(client, mailbox, MessageFlag(0))
    authority.fail(authority.next_call("CheckAuthorization"))
    assert expect_error("AccessDenied", client.finish, serial).values["polkit"] == "it has failed"

    for end in ("cancel", "timeout", "leave"):
        options = {"timeout_usec": 500_000} if end == "timeout" else {"cookie": 2}
        serial = client.start_exchange(mailbox, ECHO, b"ping", **options)
        question = authority.next_call("CheckAuthorization")
        cancellation = check_question(question, client, "org.doed.exchange", details, 0)
        assert cancellation not in seen
        seen.add(cancellation)
        if end == "cancel":
            client.cancel(mailbox, 2)
            expect_error("Canceled", client.finish, serial)
        elif end == "timeout":
            expect_error("AccessDenied", client.finish, serial)
        else:
            client.close()
        assert authority.next_call("CancelCheckAuthorization").body == (cancellation,)

    client = Client(GAMES)
    serial = client.start(ROOT_PATH, "Manager1", "Rescan")
    question = authority.next_call("CheckAuthorization")
    check_question(question, client, f"{NAME}.manage", {"rule": "default-manage"}, 0)
    authority.answer(question)
    expect_error("AccessDenied", client.finish, serial)


sys.exit(main())
