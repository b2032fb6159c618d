/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Why a call failed: an errno of the contract, a sentence for people, and named values for programs. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/util/cleanup.h"

#define FAILURE_TEXT_MAX   512u
#define FAILURE_VALUES_MAX 12u

typedef enum FailureValueType {
        FAILURE_VALUE_STRING,
        FAILURE_VALUE_U64,
} FailureValueType;

typedef struct FailureValue {
        const char *name; /* static, lower-case-with-dashes */
        FailureValueType type;
        uint64_t number;
        char string[192];
} FailureValue;

typedef struct Failure {
        int error; /* negative errno; 0: no failure */
        char text[FAILURE_TEXT_MAX];
        unsigned n_values;
        FailureValue values[FAILURE_VALUES_MAX];
} Failure;

/* Sets error and text, drops all values; returns @error. */
int failure_set(Failure *f, int error, const char *format, ...) _printf_(3, 4);
/* Each adds one value; beyond FAILURE_VALUES_MAX it is dropped. @name is static. */
void failure_add_string(Failure *f, const char *name, const char *value);
void failure_add_u64(Failure *f, const char *name, uint64_t value);
