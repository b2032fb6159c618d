/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Why a command failed: the error's name on the bus, its text and its named values, and the exit code that
 * goes with it. What fails in doectl itself uses the same names, so that there is one way to report. */

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "dbus/errors.h"
#include "dbus/names.h"

#define FAILURE_INVALID_ARGS    DBUS_ERROR_PREFIX "InvalidArgs"
#define FAILURE_UNKNOWN_OBJECT  DBUS_ERROR_PREFIX "UnknownObject"
#define FAILURE_UNKNOWN_METHOD  DBUS_ERROR_PREFIX "UnknownMethod"
#define FAILURE_SERVICE_UNKNOWN DBUS_ERROR_PREFIX "ServiceUnknown"
#define FAILURE_FAILED          DBUS_ERROR_PREFIX "Failed"
#define FAILURE_TIMED_OUT       DOED_ERROR_PREFIX "TimedOut"
#define FAILURE_BAD_RESPONSE    DOED_ERROR_PREFIX "BadResponse"

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

/* The contract's exit code for an error name of the bus; those that are not in its table fall into it by
 * what they mean for the caller. */
DoeExit failure_exit_code(const char *name);

/* For people, in one line: the text, then those values that it does not name already. */
void failure_print(const Failure *f, FILE *stream);
/* For programs: one JSON object {"error": {...}}. */
void failure_print_json(const Failure *f, FILE *stream);
