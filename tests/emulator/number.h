/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Numbers, times and lists as scenario files, fault rows and control commands write them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal, or hex with 0x; K, M and G multiply by powers of 1024. Return: 0; -EINVAL. */
int number_parse(const char *s, uint64_t max, uint64_t *ret);

/* Hex digits without 0x. Return: 0; -EINVAL. */
int number_parse_hex(const char *s, uint64_t max, uint64_t *ret);

/* "250" or "250us", "20ms", "2s", "forever" (USEC_INFINITY). Return: 0; -EINVAL. */
int number_parse_usec(const char *s, uint64_t *ret);

/* "yes" or "no". Return: 0; -EINVAL. */
int number_parse_bool(const char *s, bool *ret);

/**
 * word_next() - cut the next word off *@s, in place
 *
 * Return: the word, which ends in a zero byte now; NULL at the end.
 */
char *word_next(char **s);

/* Which of @n @names (NULL = gap) is @s? Return: its index; -EINVAL. */
int word_find(const char *s, const char *const *names, size_t n);
