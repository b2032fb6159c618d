/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Text from clients, devices and files, which may be anything, made fit for one line in a log, for a message
 * and for the bus: whole UTF-8 characters (RFC 3629), and neither C0, DEL nor C1 among them. */

#include <stdbool.h>
#include <stddef.h>

/* Are these @n_bytes such text? */
bool text_is_good(const char *s, size_t n_bytes);

/**
 * text_set() - copy a string into a field
 * @size: of the field; what does not fit is cut off, never within a character, and "..." says so
 *
 * Each byte that is part of no character, or of a control character, becomes "?".
 */
void text_set(char *field, size_t size, const char *s);
