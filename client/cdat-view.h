/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A CDAT decoded: tables with units for people, and JSON with the raw and the decoded values. */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Both take a table that cdat_validate() found whole. */

/* @width, @has_color: as table_print() takes them. */
void cdat_view_print(FILE *stream, const uint8_t *table, size_t n_bytes, size_t width, bool has_color);

/* { "length", "revision", "checksum", "sequence", "entries": [...] }; new reference. */
json_t *cdat_view_json(const uint8_t *table, size_t n_bytes);

/* "non-volatile, shareable"; bits without a name as one hex number; "" for 0. Newly allocated, owned by the
 * caller. */
char *cdat_view_format_flags(uint8_t dsmas_flags);

/* What a base unit and an entry mean, with units; "not given", "too large". Newly allocated, owned by the
 * caller. */
char *cdat_view_format_value(uint8_t data_type, uint64_t base_unit, uint16_t entry);
