/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Manager1.Metrics: everything that is counted, in Prometheus' text format 0.0.4. It names devices and
 * features, and nobody who uses them, since everybody may read it. */

#include <stddef.h>

typedef struct Manager Manager;

/**
 * metrics_format() - all metrics as they are now
 * @version: of doed
 * @ret: newly allocated, owned by the caller; UTF-8, lines end in newlines
 *
 * Return: 0; -ENOMEM.
 */
int metrics_format(const Manager *m, const char *version, char **ret);
