/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Runtime PM: a function may go to sleep between two accesses to its mailbox, unless its power/control says
 * "on". The old value is kept in <run>/power/<address>, so that it is given back even after a crash. Any
 * thread, one at a time for each function. */

#include <stdbool.h>

/* Give back what a predecessor left in <run>/power. Return: 0; -EBUSY: somebody is between power_start() and
 * the end of its descriptor; another negative errno: the folder cannot be read. */
int power_restore(const char *sysfs, const char *run);
/* Make <run>/power, and give back what a predecessor left there. Return: a descriptor to keep for as long as
 * anything may be pinned, owned by the caller; -errno, logged: it is not known to others that we are here.
 */
int power_start(const char *sysfs, const char *run);

/* Failures are logged where they are none of a function that is gone. */
void power_pin(const char *sysfs, const char *run, const char *address);
void power_unpin(const char *sysfs, const char *run, const char *address);
