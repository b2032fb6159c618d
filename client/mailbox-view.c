/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/mailbox-view.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "client/json.h"
#include "client/memory.h"
#include "client/state-view.h"
#include "client/table.h"
#include "client/units.h"

#define INDENT 2u

/* "Label  value" lines of one object: those that are made on purpose, then all properties that none of them
 * has used, since doed may have more than this program knows. */
typedef struct Fields {
        const json_t *object;
        Table *table;
        json_t *used; /* keys, as an object of nulls */
} Fields;

static const char *color_field(const char *cell) {
        return state_view_color(cell);
}

static const TableColumn field_columns[] = { { .title = NULL }, { .title = NULL, .color = color_field } };

static Fields fields_new(const json_t *object) {
        return (Fields){
                .object = object,
                .table = table_new(field_columns, ELEMENTS(field_columns)),
                .used = memory_must(json_object()),
        };
}

static void fields_use(Fields *f, const char *key) {
        json_put(f->used, key, json_null());
}

static void field(Fields *f, const char *label, const char *format, ...)
                __attribute__((format(printf, 3, 4)));

static void field(Fields *f, const char *label, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list args;
        int n;

        va_start(args, format);
        n = vasprintf(&text, format, args);
        va_end(args);
        memory_must(n < 0 ? NULL : text);

        table_cell(f->table, "%s", label);
        table_cell(f->table, "%s", text);
}

/* The string at @key, if there is one. */
static void field_text(Fields *f, const char *label, const char *key) {
        fields_use(f, key);
        if (json_object_get(f->object, key))
                field(f, label, "%s", json_text(f->object, key));
}

static void field_rest(Fields *f) {
        const char *key;
        json_t *value;

        json_object_foreach((json_t *)f->object, key, value) {
                _cleanup_free_ char *text = NULL;

                if (json_object_get(f->used, key))
                        continue;
                text = units_format_value(key, value);
                field(f, key, "%s", text);
        }
}

static void fields_print(Fields *f, Output *o) {
        table_print(f->table, o->stream, INDENT, 0, o->has_color);
        f->table = table_free(f->table);
        json_decref(f->used);
}

static uint64_t use_uint(Fields *f, const char *key) {
        fields_use(f, key);
        return json_uint(f->object, key);
}

static void field_cdat(Fields *f) {
        const json_t *cdat = json_object_get(f->object, "cdat");
        _cleanup_free_ char *length = units_format_bytes(json_uint(cdat, "length"));

        fields_use(f, "cdat");
        if (cdat && json_uint(cdat, "length") > 0)
                field(f, "CDAT", "%s, sequence %" PRIu64 ", from the %s", length,
                      json_uint(cdat, "sequence"), json_text(cdat, "source"));
        else if (cdat)
                field(f, "CDAT", "offered, not read yet");
}

static void field_cxl(Fields *f) {
        const char *memory = json_text(f->object, "cxl-memory"), *port = json_text(f->object, "cxl-port");

        fields_use(f, "cxl-memory");
        fields_use(f, "cxl-port");
        if (*memory || *port)
                field(f, "CXL", "%s%s%s", memory, *memory && *port ? ", " : "", port);
}

void device_view_print(Output *o, const json_t *device) {
        Fields f = fields_new(device);
        const json_t *node = json_object_get(device, "numa-node");

        fprintf(o->stream, "Device %s\n", json_text(device, "address"));
        fields_use(&f, "address");
        fields_use(&f, "mailboxes");
        fields_use(&f, "numa-node");

        field_text(&f, "Name", "name");
        field(&f, "IDs", "%04" PRIx64 ":%04" PRIx64 ", class %06" PRIx64, use_uint(&f, "vendor-id"),
              use_uint(&f, "device-id"), use_uint(&f, "class"));
        field_text(&f, "Driver", "driver");
        field_text(&f, "Access", "access");
        if (json_integer_value(node) >= 0)
                field(&f, "NUMA node", "%" JSON_INTEGER_FORMAT, json_integer_value(node));
        field_cxl(&f);
        field_cdat(&f);
        field_text(&f, "Instance", "instance");
        field_text(&f, "Object", "path");
        field_rest(&f);
        fields_print(&f, o);
}

static void field_activity(Fields *f) {
        uint64_t n = use_uint(f, "queue-length");
        bool is_busy = json_bool(f->object, "busy");

        fields_use(f, "busy");
        field(f, "Now", "%s, %" PRIu64 " waiting", is_busy ? "exchanging" : "idle", n);
}

static void field_counters(Fields *f) {
        _cleanup_free_ char *sent = units_format_bytes(use_uint(f, "bytes-sent"));
        _cleanup_free_ char *received = units_format_bytes(use_uint(f, "bytes-received"));

        field(f, "Exchanges", "%" PRIu64 ", %" PRIu64 " failed, %" PRIu64 " timed out",
              use_uint(f, "exchanges"), use_uint(f, "failures"), use_uint(f, "timeouts"));
        field(f, "Cache hits", "%" PRIu64, use_uint(f, "cache-hits"));
        field(f, "Aborts", "%" PRIu64, use_uint(f, "abort-count"));
        field(f, "Foreign activity", "%" PRIu64, use_uint(f, "foreign-activity-count"));
        field(f, "Traffic", "%s sent, %s received", sent, received);
}

static void print_fields(Output *o, const json_t *mailbox) {
        Fields f = fields_new(mailbox);
        static const char *const elsewhere[] = { "mailbox", "address", "device",         "features",
                                                 "jobs",    "faults",  "features-source" };

        for (size_t i = 0; i < ELEMENTS(elsewhere); i++)
                fields_use(&f, elsewhere[i]);

        field_text(&f, "State", "state");
        fields_use(&f, "state-reason");
        if (*json_text(mailbox, "state-reason"))
                field_text(&f, "Reason", "state-reason");
        field(&f, "Epoch", "%" PRIu64, use_uint(&f, "epoch"));
        field_activity(&f);
        field_counters(&f);
        field(&f, "Capability", "version %" PRIu64 " at 0x%" PRIx64, use_uint(&f, "capability-version"),
              use_uint(&f, "offset"));
        field_text(&f, "Object", "path");
        field_rest(&f);
        fields_print(&f, o);
}

static const TableColumn feature_columns[] = {
        { .title = "FEATURE" },
        { .title = "NAME" },
        { .title = "CLASS" },
        { .title = "MORE", .shrink = TABLE_ELIDE, .width_min = 10 },
};

/* What doed says of a feature beyond its name and class, "max-bytes 64 KiB, max-connection-id 3". */
static char *format_more(const json_t *feature) {
        static const char *const own[] = { "feature", "vendor-id", "type", "name", "class" };
        char *list = memory_copy("");
        const char *key;
        json_t *value;

        json_object_foreach((json_t *)feature, key, value) {
                _cleanup_free_ char *text = units_format_value(key, value);
                bool is_own = false;
                char *longer;

                for (size_t i = 0; i < ELEMENTS(own); i++)
                        is_own = is_own || strcmp(key, own[i]) == 0;
                if (is_own)
                        continue;

                longer = memory_format("%s%s%s %s", list, *list ? ", " : "", key, text);
                free(list);
                list = longer;
        }
        return list;
}

static bool features_have_more(const json_t *features) {
        json_t *feature;
        size_t i;

        json_array_foreach(features, i, feature) {
                _cleanup_free_ char *more = format_more(feature);

                if (*more)
                        return true;
        }
        return false;
}

static void print_features(Output *o, const json_t *mailbox) {
        const json_t *features = json_object_get(mailbox, "features");
        const bool has_more = features_have_more(features);
        _cleanup_table_ Table *t = table_new(feature_columns, ELEMENTS(feature_columns) - !has_more);
        json_t *feature;
        size_t i;

        json_array_foreach(features, i, feature) {
                _cleanup_free_ char *more = format_more(feature);

                table_cell(t, "%s", json_text(feature, "feature"));
                table_cell(t, "%s", json_text(feature, "name"));
                table_cell(t, "%s", json_text(feature, "class"));
                if (has_more)
                        table_cell(t, "%s", more);
        }

        if (table_n_rows(t) == 0) {
                fprintf(o->stream, "  Features not known yet\n");
                return;
        }
        fprintf(o->stream, "  Features (source: %s)\n", json_text(mailbox, "features-source"));
        table_print(t, o->stream, 2 * INDENT, o->width, o->has_color);
}

static const TableColumn job_columns[] = {
        { .title = "SINCE" },   { .title = "STATE" },
        { .title = "FEATURE" }, { .title = "PRIORITY" },
        { .title = "UID" },     { .title = "UNIT", .shrink = TABLE_ELIDE, .width_min = 8 },
};
static const char *const job_keys[] = { "since-usec", "state", "feature", "priority", "uid", "unit" };

static const TableColumn fault_columns[] = {
        { .title = "TIME" },
        { .title = "KIND" },
        { .title = "ACTION", .shrink = TABLE_ELIDE, .width_min = 10 },
        { .title = "EVIDENCE", .shrink = TABLE_ELIDE, .width_min = 20 },
};
static const char *const fault_keys[] = { "time-usec", "kind", "action", "evidence" };

/* The dictionaries of @rows as a table: @keys are what its columns show. */
static void print_rows(Output *o, const char *title, const json_t *rows, const TableColumn *columns,
                       const char *const *keys, size_t n_columns) {
        _cleanup_table_ Table *t = table_new(columns, n_columns);
        json_t *row;
        size_t i;

        json_array_foreach(rows, i, row) {
                for (size_t c = 0; c < n_columns; c++) {
                        const json_t *value = json_object_get(row, keys[c]);
                        _cleanup_free_ char *text =
                                        value ? units_format_value(keys[c], value) : memory_copy("");

                        table_cell(t, "%s", text);
                }
        }

        if (table_n_rows(t) == 0)
                return;
        fprintf(o->stream, "  %s\n", title);
        table_print(t, o->stream, 2 * INDENT, o->width, o->has_color);
}

void mailbox_view_print(Output *o, const json_t *mailbox) {
        fprintf(o->stream, "Mailbox %s\n", json_text(mailbox, "mailbox"));
        print_fields(o, mailbox);
        print_features(o, mailbox);
        print_rows(o, "Jobs", json_object_get(mailbox, "jobs"), job_columns, job_keys,
                   ELEMENTS(job_columns));
        print_rows(o, "Faults", json_object_get(mailbox, "faults"), fault_columns, fault_keys,
                   ELEMENTS(fault_columns));
}
