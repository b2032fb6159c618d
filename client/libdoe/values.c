/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/libdoe/values.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/memory.h"

static void value_done(Value *value) {
        free(value->name);
        free(value->text);
}

void values_done(struct doe_values *v) {
        for (size_t i = 0; i < v->n; i++)
                value_done(&v->items[i]);
        free(v->items);
        *v = (struct doe_values){ 0 };
}

struct doe_values *doe_values_free(struct doe_values *v) {
        if (v)
                values_done(v);
        free(v);
        return NULL;
}

static Value *find(const struct doe_values *v, const char *name) {
        for (size_t i = 0; v && name && i < v->n; i++)
                if (strcmp(v->items[i].name, name) == 0)
                        return &v->items[i];
        return NULL;
}

/* @text moves to @v, whatever happens. */
static int put(struct doe_values *v, const char *name, char *text, uint64_t number) {
        Value *value = find(v, name), *items;
        char *copy;

        if (value) {
                free(value->text);
                value->text = text;
                value->number = number;
                return 0;
        }

        copy = strdup(name);
        items = copy ? reallocarray(v->items, v->n + 1, sizeof(*items)) : NULL;
        if (!items) {
                free(copy);
                free(text);
                return -ENOMEM;
        }

        v->items = items;
        items[v->n++] = (Value){ .name = copy, .text = text, .number = number };
        return 0;
}

int values_set_text(struct doe_values *v, const char *name, const char *text) {
        char *copy = strdup(text);

        return copy ? put(v, name, copy, 0) : -ENOMEM;
}

int values_set_number(struct doe_values *v, const char *name, uint64_t number) {
        return put(v, name, NULL, number);
}

void values_drop_prefix(struct doe_values *v, const char *prefix) {
        size_t n = 0;

        for (size_t i = 0; i < v->n; i++)
                if (strncmp(v->items[i].name, prefix, strlen(prefix)) == 0)
                        value_done(&v->items[i]);
                else
                        v->items[n++] = v->items[i];
        v->n = n;
}

static int read_text(struct doe_values *v, sd_bus_message *m, char type, const char *name) {
        const char *text;
        int r = sd_bus_message_read_basic(m, type, &text);

        return r < 0 ? r : values_set_text(v, name, text);
}

/* sd-bus reads each type into one of its own size. */
static int read_number(struct doe_values *v, sd_bus_message *m, char type, const char *name) {
        union {
                uint8_t y;
                int b;
                int16_t n;
                uint16_t q;
                int32_t i;
                uint32_t u;
                uint64_t t;
        } raw = { 0 };
        uint64_t number;
        int r = sd_bus_message_read_basic(m, type, &raw);

        if (r < 0)
                return r;

        switch (type) {
        case SD_BUS_TYPE_BYTE:
                number = raw.y;
                break;
        case SD_BUS_TYPE_BOOLEAN:
                number = raw.b != 0;
                break;
        case SD_BUS_TYPE_INT16:
                number = (uint64_t)(int64_t)raw.n;
                break;
        case SD_BUS_TYPE_UINT16:
                number = raw.q;
                break;
        case SD_BUS_TYPE_INT32:
                number = (uint64_t)(int64_t)raw.i;
                break;
        case SD_BUS_TYPE_UINT32:
                number = raw.u;
                break;
        default:
                number = raw.t;
        }
        return values_set_number(v, name, number);
}

static int read_named(struct doe_values *v, sd_bus_message *m, const char *contents, const char *name) {
        int r;

        if (strlen(contents) != 1 || !strchr("sogybnqiuxt", *contents))
                return sd_bus_message_skip(m, "v");

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_VARIANT, contents);
        if (r < 0)
                return r;

        r = strchr("sog", *contents) ? read_text(v, m, *contents, name) : read_number(v, m, *contents, name);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

int values_read_variant(struct doe_values *v, sd_bus_message *m, const char *prefix, const char *name) {
        _cleanup_free_ char *full = NULL;
        const char *contents;
        int r;

        r = sd_bus_message_peek_type(m, NULL, &contents);
        if (r < 0)
                return r;

        return asprintf(&full, "%s%s", prefix, name) < 0 ? -ENOMEM : read_named(v, m, contents, full);
}

int values_read(struct doe_values *v, sd_bus_message *m) {
        const char *name;
        int r;

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_enter_container(m, SD_BUS_TYPE_DICT_ENTRY, "sv")) > 0) {
                r = sd_bus_message_read_basic(m, SD_BUS_TYPE_STRING, &name);
                if (r < 0)
                        return r;

                r = values_read_variant(v, m, "", name);
                if (r < 0)
                        return r;

                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

const char *values_text(const struct doe_values *v, const char *name) {
        return doe_values_text(v, name) ?: "";
}

uint64_t values_number(const struct doe_values *v, const char *name) {
        uint64_t number = 0;

        (void)doe_values_number(v, name, &number);
        return number;
}

size_t doe_values_count(const struct doe_values *v) {
        return v ? v->n : 0;
}

const char *doe_values_name(const struct doe_values *v, size_t i) {
        return v && i < v->n ? v->items[i].name : NULL;
}

const char *doe_values_text(const struct doe_values *v, const char *name) {
        const Value *value = find(v, name);

        return value ? value->text : NULL;
}

int doe_values_number(const struct doe_values *v, const char *name, uint64_t *ret) {
        const Value *value = find(v, name);

        if (!value || value->text)
                return -ENOENT;

        *ret = value->number;
        return 0;
}
