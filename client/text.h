/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Text as it stands on a terminal: clean, and cut to a width. All strings returned are newly allocated,
 * owned by the caller, never NULL. */

#include <stddef.h>

/* Control characters, which a terminal would obey, replaced by '?'. */
char *text_clean(const char *s);

/* Characters of a UTF-8 string; each is taken to be one column wide. */
size_t text_width(const char *s);

/* At most @width columns, with an ellipsis at the end if that cuts something off. */
char *text_elide(const char *s, size_t width);

/* A list "a,b,c" in at most @width columns: as many elements as fit, then "+N" for the others. If not even
 * one fits it is elided like any text. */
char *text_elide_list(const char *list, size_t width);

/* Changes that make @b of @a: one character inserted, removed, replaced, or two neighbors swapped. For words
 * of up to 31 characters; longer ones are SIZE_MAX apart. */
size_t text_distance(const char *a, const char *b);
