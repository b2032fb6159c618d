/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The forms of values in configuration files. No locale has a say in them. */

#include <stddef.h>
#include <stdint.h>

#define VALUE_SECONDS_STR_MAX 32u

/* Decimal digits alone. Return: 0; -EINVAL, also beyond 64 bits. */
int value_parse_u64(const char *s, uint64_t *ret);

/**
 * value_parse_usec() - a span of time: "5s", "500ms", "1min 30s", "0.5"
 * @unit_usec: of a number without a unit
 *
 * Units: us, ms, s, min, h, d, and systemd's longer names of them. At most six digits after the point count.
 *
 * Return: 0; -EINVAL, also for what is too long for 64 bits.
 */
int value_parse_usec(const char *s, uint64_t unit_usec, uint64_t *ret);

/* yes, no, true, false, on, off, 1, 0. Return: 1, 0; -EINVAL. */
int value_parse_bool(const char *s);

/* Index of @s in @n names; -EINVAL. */
int value_parse_name(const char *s, const char *const *names, size_t n_names);

/* Seconds, such that they are read as the same: "20", "0.25". Into @buf of VALUE_SECONDS_STR_MAX; returns
 * it. */
const char *value_format_seconds(uint64_t usec, char *buf);
