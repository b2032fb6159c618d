/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/json.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "client/hex.h"

json_t *json_from_uint(uint64_t value) {
        char buf[24];

        if (value <= INT64_MAX)
                return memory_must(json_integer((json_int_t)value));

        snprintf(buf, sizeof(buf), "%" PRIu64, value);
        return memory_must(json_string(buf));
}

json_t *json_from_bytes(const void *bytes, size_t n_bytes) {
        _cleanup_free_ char *hex = hex_format(bytes, n_bytes);

        return memory_must(json_string(hex));
}

json_t *json_from_text(const char *s) {
        _cleanup_free_ char *copy = NULL;
        json_t *value = json_string(s);

        if (value)
                return value;

        copy = memory_copy(s);
        for (char *p = copy; *p; p++)
                if (!isascii((unsigned char)*p))
                        *p = '?';
        return memory_must(json_string(copy));
}

void json_put(json_t *object, const char *key, json_t *value) {
        memory_must(json_object_set_new(object, key, memory_must(value)) == 0 ? object : NULL);
}

static void append(json_t *array, json_t *value) {
        memory_must(json_array_append_new(array, memory_must(value)) == 0 ? array : NULL);
}

/* Room for any basic type but a descriptor, as sd_bus_message_read_basic() fills it. */
typedef union Basic {
        uint8_t y;
        int b;
        int16_t n;
        uint16_t q;
        int32_t i;
        uint32_t u;
        int64_t x;
        uint64_t t;
        double d;
        const char *s;
} Basic;

static json_t *json_from_basic(char type, const Basic *v) {
        switch (type) {
        case SD_BUS_TYPE_BYTE:
                return json_from_uint(v->y);
        case SD_BUS_TYPE_BOOLEAN:
                return json_boolean(v->b);
        case SD_BUS_TYPE_INT16:
                return memory_must(json_integer(v->n));
        case SD_BUS_TYPE_UINT16:
                return json_from_uint(v->q);
        case SD_BUS_TYPE_INT32:
                return memory_must(json_integer(v->i));
        case SD_BUS_TYPE_UINT32:
                return json_from_uint(v->u);
        case SD_BUS_TYPE_INT64:
                return memory_must(json_integer(v->x));
        case SD_BUS_TYPE_UINT64:
                return json_from_uint(v->t);
        case SD_BUS_TYPE_DOUBLE:
                return memory_must(json_real(v->d));
        default: /* string, path, signature */
                return json_from_text(v->s);
        }
}

static int read_basic(sd_bus_message *m, char type, json_t **ret) {
        Basic v;
        int r;

        r = sd_bus_message_read_basic(m, type, &v);
        if (r > 0)
                *ret = json_from_basic(type, &v);
        return r;
}

/* Means nothing outside this process. */
static int read_descriptor(sd_bus_message *m, json_t **ret) {
        int r = sd_bus_message_skip(m, "h");

        if (r < 0)
                return r;

        *ret = json_null();
        return 1;
}

static int read_bytes(sd_bus_message *m, json_t **ret) {
        const void *bytes;
        size_t n_bytes;
        int r;

        r = sd_bus_message_read_array(m, SD_BUS_TYPE_BYTE, &bytes, &n_bytes);
        if (r < 0)
                return r;

        *ret = json_from_bytes(bytes, n_bytes);
        return 1;
}

/* All values up to the end of the container that was entered. */
static int read_elements(sd_bus_message *m, json_t *array) {
        int r;

        for (;;) {
                json_t *value;

                r = json_from_message(m, &value);
                if (r <= 0)
                        return r;

                append(array, value);
        }
}

/* All entries of the dictionary that was entered; keys that are not strings are printed as text. */
static int read_entries(sd_bus_message *m, const char *entry, json_t *object) {
        int r;

        while ((r = sd_bus_message_enter_container(m, SD_BUS_TYPE_DICT_ENTRY, entry)) > 0) {
                _cleanup_json_ json_t *key = NULL;
                _cleanup_free_ char *text = NULL;
                json_t *value;

                r = json_from_message(m, &key);
                if (r <= 0)
                        return r < 0 ? r : -EBADMSG;

                r = json_from_message(m, &value);
                if (r <= 0)
                        return r < 0 ? r : -EBADMSG;

                text = json_to_text(key);
                json_put(object, text, value);

                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        return r;
}

/* "{sv}" -> "sv"; newly allocated */
static char *dict_entry_contents(const char *contents) {
        return memory_must(strndup(contents + 1, strlen(contents) - 2));
}

static int read_container(sd_bus_message *m, char type, const char *contents, json_t **ret) {
        const bool is_dict = type == SD_BUS_TYPE_ARRAY && contents[0] == SD_BUS_TYPE_DICT_ENTRY_BEGIN;
        _cleanup_json_ json_t *value = memory_must(is_dict ? json_object() : json_array());
        int r;

        r = sd_bus_message_enter_container(m, type, contents);
        if (r < 0)
                return r;

        if (is_dict) {
                _cleanup_free_ char *entry = dict_entry_contents(contents);

                r = read_entries(m, entry, value);
        } else
                r = read_elements(m, value);
        if (r < 0)
                return r;

        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;

        if (type == SD_BUS_TYPE_VARIANT && json_array_size(value) == 1)
                *ret = json_incref(json_array_get(value, 0));
        else
                *ret = json_incref(value);
        return 1;
}

int json_from_message(sd_bus_message *m, json_t **ret) {
        const char *contents;
        char type;
        int r;

        r = sd_bus_message_peek_type(m, &type, &contents);
        if (r <= 0)
                return r;

        if (type == SD_BUS_TYPE_ARRAY && contents[0] == SD_BUS_TYPE_BYTE)
                return read_bytes(m, ret);
        if (type == SD_BUS_TYPE_ARRAY || type == SD_BUS_TYPE_VARIANT || type == SD_BUS_TYPE_STRUCT)
                return read_container(m, type, contents, ret);
        if (type == SD_BUS_TYPE_UNIX_FD)
                return read_descriptor(m, ret);
        return read_basic(m, type, ret);
}

char *json_key_from_property(const char *property) {
        char *key = memory_must(malloc(2 * strlen(property) + 1)), *p = key;

        for (const char *s = property; *s; s++) {
                if (isupper((unsigned char)*s) && s != property)
                        *p++ = '-';
                *p++ = (char)tolower((unsigned char)*s);
        }
        *p = '\0';
        return key;
}

const char *json_text(const json_t *object, const char *key) {
        const char *s = json_string_value(json_object_get(object, key));

        return s ? s : "";
}

uint64_t json_uint(const json_t *object, const char *key) {
        json_int_t value = json_integer_value(json_object_get(object, key));

        return value > 0 ? (uint64_t)value : 0;
}

bool json_bool(const json_t *object, const char *key) {
        return json_is_true(json_object_get(object, key));
}

char *json_to_text(const json_t *value) {
        if (json_is_string(value))
                return memory_copy(json_string_value(value));
        if (json_is_boolean(value))
                return memory_copy(json_is_true(value) ? "yes" : "no");

        return memory_must(json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT));
}

void json_print(FILE *stream, const json_t *value) {
        json_dumpf(value, stream, JSON_ENCODE_ANY | JSON_INDENT(2));
        fputc('\n', stream);
}

void json_print_line(FILE *stream, const json_t *value) {
        json_dumpf(value, stream, JSON_ENCODE_ANY);
        fputc('\n', stream);
}
