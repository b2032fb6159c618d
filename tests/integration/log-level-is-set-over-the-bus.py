#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""org.freedesktop.LogControl1 raises the log level while doed runs, and only for root."""

import os
import pathlib
import sys

from doed_client import DISCOVERY, LOG_PATH, NOBODY, PROPERTIES, Client, DoedError, as_user, expect_error, wait_until

LOG_CONTROL = "org.freedesktop.LogControl1"


def set_level(client, level):
    client.call(LOG_PATH, PROPERTIES, "Set", "ssv", LOG_CONTROL, "LogLevel", ("s", level))


def set_level_as_nobody():
    try:
        set_level(Client(), "debug")
        return "allowed"
    except DoedError as error:
        return error.name


def main():
    client = Client()
    log = pathlib.Path(os.environ["DOED_LOG_DIR"]) / "doed.log"
    assert client.get(LOG_PATH, LOG_CONTROL, "LogLevel") == "info"
    assert client.get(LOG_PATH, LOG_CONTROL, "SyslogIdentifier") == "doed"
    assert client.get(LOG_PATH, LOG_CONTROL, "LogTarget") == "console"

    set_level(client, "debug")
    assert client.get(LOG_PATH, LOG_CONTROL, "LogLevel") == "debug"
    n_bytes = log.stat().st_size
    mailbox = client.find(DISCOVERY)[0]
    client.call(mailbox, "Mailbox1", "Recover", "a{sv}", {"force": ("b", True)})
    wait_until("debug lines in the log", lambda: log.stat().st_size > n_bytes)

    expect_error("InvalidArgs", set_level, client, "loud")
    set_level(client, "warning")
    n_bytes = log.stat().st_size
    client.call(mailbox, "Mailbox1", "Discover", "a{sv}", {})
    assert log.stat().st_size == n_bytes, log.read_text()[n_bytes:]
    assert as_user(NOBODY, set_level_as_nobody) == "AccessDenied"
    assert client.get(LOG_PATH, LOG_CONTROL, "LogLevel") == "warning"


sys.exit(main())
