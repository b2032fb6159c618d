# SPDX-License-Identifier: GPL-2.0-or-later
add_library(core_fixture STATIC core-fixture.c)
target_link_libraries(core_fixture PUBLIC doed_core doe_protocols PkgConfig::CHECK)
foreach(name IN ITEMS timer scheduler mailbox recovery transaction discovery-flight cdat-reader answer-cache manager metrics)
  doed_test(test-${name} LIBS core_fixture LABELS unit)
endforeach()
doed_test(test-capture SOURCES test-capture.c pcapng-reader.c LIBS core_fixture LABELS unit)
# thousands of orders of events
doed_test(test-mailbox-order LIBS core_fixture LABELS unit TIMEOUT 300)
