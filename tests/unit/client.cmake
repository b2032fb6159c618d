# SPDX-License-Identifier: GPL-2.0-or-later
doed_test(test-errors LIBS doe_dbus LABELS unit)
foreach(module capture-stream doctor failure hex json match monitor options request table text tree units)
  doed_test(test-client-${module} LIBS doectl_parts LABELS unit)
endforeach()
doed_test(test-client-cdat-view SOURCES test-client-cdat-view.c sample-cdat.c LIBS doectl_parts LABELS unit)
doed_test(test-client-doctor-host SOURCES test-client-doctor-host.c temporary-tree.c LIBS doectl_parts LABELS unit)

foreach(module call client lease-stream name)
  doed_test(test-libdoe-${module} LIBS doe_objects LABELS unit)
endforeach()
add_test(NAME check-libdoe COMMAND /usr/bin/python3 ${CMAKE_CURRENT_SOURCE_DIR}/check-libdoe.py $<TARGET_FILE:doe>)
set_tests_properties(check-libdoe PROPERTIES LABELS unit TIMEOUT 60 SKIP_RETURN_CODE 77)
