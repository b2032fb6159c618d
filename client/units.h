/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Numbers with their units, for people. All strings returned are newly allocated, owned by the caller, never
 * NULL. */

#include <jansson.h>
#include <stdint.h>

/* Exact: "256 MiB", "1.5 GiB", "4097 bytes". */
char *units_format_bytes(uint64_t n_bytes);
char *units_format_latency(uint64_t picoseconds); /* exact: "150 ns", "152.5 ns" */
char *units_format_bandwidth(uint64_t megabytes); /* a second, exact: "12.8 GB/s", "640 MB/s" */
char *units_format_duration(uint64_t usec);       /* three digits: "85 us", "1.52 ms", "20 s" */
char *units_format_time(uint64_t realtime_usec);  /* local time; "never" for 0 */

/* A value that D-Bus gave, by the unit that its name ends with ("-usec", "-bytes"); others as they are. */
char *units_format_value(const char *key, const json_t *value);
