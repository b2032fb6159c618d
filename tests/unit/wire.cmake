# SPDX-License-Identifier: GPL-2.0-or-later
doed_test(test-wire-message LIBS doed_wire LABELS unit)
doed_test(test-wire-connection LIBS doed_wire LABELS unit)
