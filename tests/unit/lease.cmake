# SPDX-License-Identifier: GPL-2.0-or-later
add_library(lease_fixture STATIC lease-fixture.c)
target_link_libraries(lease_fixture PUBLIC core_fixture)
foreach(name IN ITEMS lease lease-clock lease-end lease-halt lease-inhibit lease-order lease-requests lease-resume lease-spdm lease-turns)
  doed_test(test-${name} LIBS lease_fixture LABELS unit)
endforeach()
doed_test(test-recorder SOURCES test-recorder.c pcapng-reader.c LIBS lease_fixture LABELS unit)
