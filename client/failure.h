/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Why a command failed: the error's name on the bus, its text and its named values, and the exit code that
 * goes with it. What fails in doectl itself uses the same names, so that there is one way to report. */

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "client/libdoe/call.h"

typedef struct Failure {
        char *name;     /* owned; NULL: nothing failed */
        char *text;     /* owned */
        json_t *values; /* owned object, or NULL */
} Failure;

/* Replaces what was there. Return: a negative errno, for `return failure_set(...)`. */
int failure_set(Failure *f, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* @values: an object or NULL; ownership moves to @f. */
void failure_set_values(Failure *f, json_t *values);
void failure_done(Failure *f);

/* True if this is what failed. */
bool failure_is(const Failure *f, const char *name);

/* For people, in one line: the text, then those values that it does not name already. */
void failure_print(const Failure *f, FILE *stream);
/* For programs: one JSON object {"error": {...}}. */
void failure_print_json(const Failure *f, FILE *stream);
