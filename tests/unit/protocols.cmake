# SPDX-License-Identifier: GPL-2.0-or-later
foreach(module compliance cursor data-object discovery feature pcapng registers spdm)
  doed_test(test-${module} LIBS doe_protocols LABELS unit)
endforeach()
foreach(module cdat table-access)
  doed_test(test-${module} SOURCES test-${module}.c sample-cdat.c LIBS doe_protocols LABELS unit)
endforeach()
