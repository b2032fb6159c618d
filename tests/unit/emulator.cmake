# SPDX-License-Identifier: GPL-2.0-or-later
doed_test(test-ini LIBS doed_util LABELS unit)
doed_test(test-model SOURCES test-model.c emulated-function.c LIBS doe_emulator LABELS unit)
doed_test(test-scenario LIBS doe_emulator LABELS unit)
doed_test(test-control LIBS doe_emulator LABELS unit)
doed_test(test-sysfs LIBS doe_emulator LABELS unit)
doed_test(test-faults LIBS doe_emulator doed_machines LABELS unit)
target_compile_definitions(test-scenario PRIVATE SOURCE_DIR="${PROJECT_SOURCE_DIR}")
target_compile_definitions(test-faults PRIVATE SOURCE_DIR="${PROJECT_SOURCE_DIR}")
