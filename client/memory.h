/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Ownership of locals, and allocation for a program that has nothing to go on with when memory is out: it
 * then ends with DOE_EXIT_FAILED. */

#include <stdio.h>
#include <stdlib.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

static inline void freep(void *p) {
        free(*(void **)p);
}

static inline void fclosep(FILE **f) {
        if (*f)
                fclose(*f);
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_file_ _cleanup_(fclosep)

#define ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

/* @p, which is not NULL after this. */
void *memory_must(void *p);

/* Both return newly allocated memory, owned by the caller, never NULL. */
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *memory_copy(const char *s);
