# SPDX-License-Identifier: GPL-2.0-or-later
doed_test(test-ini LIBS doed_util LABELS unit)
add_library(emulated_function STATIC emulated-function.c)
target_link_libraries(emulated_function PUBLIC doe_emulator PkgConfig::CHECK)
doed_test(test-model LIBS emulated_function LABELS unit)
doed_test(test-scenario LIBS doe_emulator LABELS unit)
target_compile_definitions(test-scenario PRIVATE SOURCE_DIR="${PROJECT_SOURCE_DIR}")
doed_test(test-control LIBS doe_emulator LABELS unit)
