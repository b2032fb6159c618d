/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Runtime PM: a function may go to sleep between two accesses to its mailbox, unless its power/control says
 * "on". The old value is kept in <run>/power/<address>, so that it is given back even after a crash. Any
 * thread, one at a time for each function. */

#include <stdbool.h>

/* Make <run>/power and give back what a predecessor left there. */
void power_start(const char *sysfs, const char *run);

/* Failures are logged where they are none of a function that is gone. */
void power_pin(const char *sysfs, const char *run, const char *address);
void power_unpin(const char *sysfs, const char *run, const char *address);
