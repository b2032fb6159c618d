/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Bytes as hex digits, for people to write and to read. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/**
 * hex_parse() - read pairs of hex digits
 * @s:          any case; blanks, ':', ',', '-' and '_' may stand between bytes, "0x" before a group of them
 * @ret_bytes:  newly allocated, owned by the caller; not NULL even if there are none
 * @ret_where:  on failure the first character that is not right; may be NULL
 *
 * Bytes stand in the order in which they are written: "0x12345678" is 12 34 56 78.
 *
 * Return: 0; -EINVAL.
 */
int hex_parse(const char *s, uint8_t **ret_bytes, size_t *ret_n_bytes, const char **ret_where);

/* Lower-case digits without separators; newly allocated, owned by the caller, never NULL. */
char *hex_format(const void *bytes, size_t n_bytes);

/* 16 bytes a line, with the offset before and the printable characters behind. */
void hex_dump(FILE *stream, const uint8_t *bytes, size_t n_bytes);
