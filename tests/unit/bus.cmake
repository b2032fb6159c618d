# SPDX-License-Identifier: GPL-2.0-or-later
doed_test(test-bus-loop LIBS doed_bus LABELS unit)
doed_test(test-options LIBS doed_bus LABELS unit)
doed_test(test-path LIBS doed_bus LABELS unit)
doed_test(test-wire-link LIBS doed_bus LABELS unit)
