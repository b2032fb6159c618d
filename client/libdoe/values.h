/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Named values, as errors, explanations and properties have them: text and numbers. What is neither is left
 * out. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "client/libdoe/libdoe.h"

typedef struct Value {
        char *name; /* owned */
        char *text; /* owned; NULL: a number */
        uint64_t number;
} Value;

struct doe_values {
        Value *items;
        size_t n;
};

void values_done(struct doe_values *v);
/* Set or replace. @text is copied. -ENOMEM. */
int values_set_text(struct doe_values *v, const char *name, const char *text);
int values_set_number(struct doe_values *v, const char *name, uint64_t number);

/* Remove all whose names begin so. */
void values_drop_prefix(struct doe_values *v, const char *prefix);

/* Read the variant that comes next in @m under @prefix and @name; -errno of sd-bus. */
int values_read_variant(struct doe_values *v, sd_bus_message *m, const char *prefix, const char *name);
/* Read the a{sv} that comes next in @m; -errno of sd-bus. */
int values_read(struct doe_values *v, sd_bus_message *m);

/* "" or 0 where there is none. */
const char *values_text(const struct doe_values *v, const char *name);
uint64_t values_number(const struct doe_values *v, const char *name);
