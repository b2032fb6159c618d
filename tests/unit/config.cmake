# SPDX-License-Identifier: GPL-2.0-or-later
doed_test(test-value LIBS doed_config LABELS unit)
doed_test(test-limits LIBS doed_config LABELS unit)
doed_test(test-rule SOURCES test-rule.c config-fixture.c LIBS doed_config LABELS unit)
doed_test(test-config SOURCES test-config.c config-fixture.c LIBS doed_config LABELS unit)
doed_test(test-config-files SOURCES test-config-files.c config-fixture.c temporary-tree.c LIBS doed_config
          LABELS unit)
doed_test(test-policy SOURCES test-policy.c config-fixture.c LIBS doed_core LABELS unit)
doed_test(test-account SOURCES test-account.c config-fixture.c LIBS doed_core LABELS unit)
