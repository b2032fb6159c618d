# SPDX-License-Identifier: GPL-2.0-or-later
# the register-level machines, in virtual time
foreach(test exchange exchange-limits)
  doed_test(test-${test} SOURCES test-${test}.c exchange-fixture.c scripted-device.c LIBS doed_machines
            LABELS unit)
endforeach()
foreach(test doe-mailbox doe-mailbox-failures doe-mailbox-inhibit doe-mailbox-yields)
  doed_test(test-${test} SOURCES test-${test}.c mailbox-fixture.c scripted-device.c LIBS doed_machines
            LABELS unit)
endforeach()
doed_test(test-ide LIBS doed_machines LABELS unit)
doed_test(test-poll LIBS doed_machines LABELS unit)
