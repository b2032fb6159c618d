/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a command prints. It is kept until the command has succeeded, so that a failure leaves no half of a
 * table or of a payload behind, and so that it is known whether it needs a pager. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct Output {
        FILE *stream; /* where commands print to */
        char *buf;    /* owned: what @stream has collected */
        size_t n_bytes;
        size_t width;  /* of the terminal; 0: standard output is none, print as wide as it gets */
        size_t height; /* of the terminal; 0: none */
        bool has_color;
        bool may_page;
} Output;

/* Looks at standard output, $COLUMNS, $NO_COLOR and $TERM. */
void output_open(Output *o, bool may_page);

/* The terminal may have another size now. */
void output_measure(Output *o);

/**
 * output_close() - send everything to standard output
 *
 * Through $DOECTL_PAGER, $PAGER or less if it is longer than the terminal is high.
 *
 * Return: 0; -errno of the write.
 */
int output_close(Output *o);

/* Drop what was printed. Also fine after output_close(). */
void output_done(Output *o);
