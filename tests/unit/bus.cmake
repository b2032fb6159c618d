# SPDX-License-Identifier: GPL-2.0-or-later
doed_test(test-bus-loop LIBS doed_bus LABELS unit)
doed_test(test-options LIBS doed_bus LABELS unit)
doed_test(test-path LIBS doed_bus LABELS unit)
doed_test(test-polkit LIBS doed_bus LABELS unit)
doed_test(test-transaction-asking LIBS core_fixture LABELS unit)
doed_test(test-wire-link LIBS doed_bus LABELS unit)
# against a scripted lease, not the core's
doed_test(test-lease-stream SOURCES test-lease-stream.c ${PROJECT_SOURCE_DIR}/daemon/bus/lease-stream.c
          LIBS doed_util doe_protocols PkgConfig::EVENT LABELS unit)
