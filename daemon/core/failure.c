/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/failure.h"

#include <stdarg.h>

int failure_set(Failure *f, int error, const char *format, ...) {
        va_list ap;

        f->error = error;
        f->n_values = 0;
        va_start(ap, format);
        vsnprintf(f->text, sizeof(f->text), format, ap);
        va_end(ap);
        return error;
}

static FailureValue *failure_add(Failure *f, const char *name, FailureValueType type) {
        FailureValue *v;

        if (f->n_values == FAILURE_VALUES_MAX)
                return NULL;
        v = &f->values[f->n_values++];
        *v = (FailureValue){ .name = name, .type = type };
        return v;
}

void failure_add_string(Failure *f, const char *name, const char *value) {
        FailureValue *v = failure_add(f, name, FAILURE_VALUE_STRING);

        if (v)
                snprintf(v->string, sizeof(v->string), "%s", value);
}

void failure_add_u64(Failure *f, const char *name, uint64_t value) {
        FailureValue *v = failure_add(f, name, FAILURE_VALUE_U64);

        if (v)
                v->number = value;
}
