# SPDX-License-Identifier: GPL-2.0-or-later
doed_test(test-errors LIBS doe_dbus LABELS unit)
foreach(module failure hex json match options request table text tree units)
  doed_test(test-client-${module} LIBS doectl_parts LABELS unit)
endforeach()
doed_test(test-client-cdat-view SOURCES test-client-cdat-view.c sample-cdat.c LIBS doectl_parts LABELS unit)
