/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/failure.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "client/json.h"
#include "client/memory.h"
#include "client/text.h"
#include "client/units.h"

int failure_set(Failure *f, const char *name, const char *format, ...) {
        char *text = NULL;
        va_list args;
        int n;

        va_start(args, format);
        n = vasprintf(&text, format, args);
        va_end(args);
        memory_must(n < 0 ? NULL : text);

        failure_done(f);
        f->name = memory_copy(name);
        f->text = text;
        return failure_number(name);
}

void failure_set_values(Failure *f, json_t *values) {
        json_decref(f->values);
        f->values = values;
}

void failure_done(Failure *f) {
        free(f->name);
        free(f->text);
        json_decref(f->values);
        *f = (Failure){ 0 };
}

bool failure_is(const Failure *f, const char *name) {
        return f->name && strcmp(f->name, name) == 0;
}

/* Does @text name @word, not as a part of another word? */
static bool names_word(const char *text, const char *word) {
        size_t n = strlen(word);

        if (n == 0)
                return true;

        for (const char *p = text; (p = strstr(p, word)); p++)
                if ((p == text || !isalnum((unsigned char)p[-1])) && !isalnum((unsigned char)p[n]))
                        return true;
        return false;
}

/* A name without the unit that its value is shown with: "queued-usec" is "queued". */
static size_t label_bytes(const char *key) {
        static const char unit[] = "-usec";
        size_t n = strlen(key), n_unit = strlen(unit);

        return n > n_unit && strcmp(key + n - n_unit, unit) == 0 ? n - n_unit : n;
}

void failure_print(const Failure *f, FILE *stream) {
        _cleanup_free_ char *clean = text_clean(f->text);
        const char *before = " (", *key;
        json_t *value;

        fprintf(stream, "doectl: %s", clean);

        json_object_foreach(f->values, key, value) {
                _cleanup_free_ char *plain = json_to_text(value);
                _cleanup_free_ char *text = units_format_value(key, value);
                _cleanup_free_ char *pair = memory_format("%.*s: %s", (int)label_bytes(key), key, text);
                _cleanup_free_ char *clean_pair = text_clean(pair);

                if (names_word(f->text, plain) || names_word(f->text, text))
                        continue;

                fprintf(stream, "%s%s", before, clean_pair);
                before = ", ";
        }
        fputs(*before == ',' ? ")\n" : "\n", stream);
}

void failure_print_json(const Failure *f, FILE *stream) {
        _cleanup_json_ json_t *object = memory_must(json_object());
        const DoeError *e = doe_error_find_by_name(f->name);
        json_t *error = memory_must(json_object());

        json_put(object, "error", error);
        json_put(error, "name", json_from_text(f->name));
        if (e)
                json_put(error, "errno", json_from_text(strerrorname_np(e->error)));
        json_put(error, "exit-code", json_from_uint(failure_exit_code(f->name)));
        json_put(error, "message", json_from_text(f->text));
        json_put(error, "values", f->values ? json_incref(f->values) : json_object());
        json_print(stream, object);
}
