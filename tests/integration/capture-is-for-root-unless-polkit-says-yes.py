#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Only root captures without asking; anybody else is denied where there is no polkit, and told which rule it was and
which action would help."""

import sys

from captures import Capture
from doed_client import NOBODY, Client, DoedError, as_user


def try_to_capture():
    try:
        Capture(Client(), recent=("b", True))
        return ("allowed", "", {})
    except DoedError as error:
        return (error.name, error.text, error.values)


def main():
    name, text, values = as_user(NOBODY, try_to_capture)
    assert name == "AccessDenied", f"{name}: {text}"
    assert values["rule"] == "default-capture" and values["action"] == "org.doed.capture", values
    assert "default-capture" in text and "org.doed.capture" in text, text
    Capture(Client()).close()


sys.exit(main())
