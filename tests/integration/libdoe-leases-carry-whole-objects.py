#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""libdoe: a lease carries SPDM both ways, says its errors, outlives its client, is resumed, is revoked; the holder is
told of a reset; and a mailbox is handed over and taken back."""

import sys

from doed_client import control
from libdoe_checks import check


def main():
    check("lease")
    check("notice", steps=[lambda: control("recover 0000:50:00.0")])
    check("inhibit")


sys.exit(main())
