/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "client/doectl.h"
#include "client/json.h"
#include "client/query.h"
#include "client/table.h"
#include "client/units.h"

static const OptionRow options[] = {
        { 0, "uid", "UID", OPTION_U32, offsetof(Options, uid), "explain for this user, not for yourself" },
        { 0, "gid", "GID", OPTION_GIDS, 0, "a group of that user; may be repeated" },
        { 0 },
};

static void append_caller(Context *c, BusRequest *rq) {
        bus_begin_options(rq);
        if (c->options.uid.is_set)
                bus_append(rq, "{sv}", "uid", "u", (uint32_t)c->options.uid.value);
        if (c->options.n_gids > 0)
                bus_append_numbers(rq, "gids", c->options.gids, c->options.n_gids);
        bus_end_values(rq);
}

static const TableColumn columns[] = { { .title = NULL }, { .title = NULL } };

/* Opcodes are written in hex wherever they are documented. */
static char *format_value(const char *key, const json_t *value) {
        if (strcmp(key, "opcode") == 0 && json_is_integer(value))
                return memory_format("0x%02x", (unsigned)json_integer_value(value));
        return units_format_value(key, value);
}

static void print_table(Context *c, const json_t *values) {
        _cleanup_table_ Table *t = table_new(columns, ELEMENTS(columns));
        const char *key;
        json_t *value;

        json_object_foreach((json_t *)values, key, value) {
                _cleanup_free_ char *text = format_value(key, value);

                if (!*text)
                        continue;
                table_cell(t, "%s", key);
                table_cell(t, "%s", text);
        }
        table_print(t, c->output.stream, 0, 0, false);
}

static int run(Context *c) {
        _cleanup_json_ json_t *values = NULL;
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_query_ Query q = { 0 };
        BusRequest rq;
        int r;

        r = query_read(c, &q);
        if (r < 0)
                return r;

        rq = bus_request(&c->bus, DOED_PATH, DOED_INTERFACE_MANAGER, "Explain");
        bus_append(&rq, "oqy", q.target.path, q.vendor_id, q.type);
        bus_append_bytes(&rq, q.request, q.n_bytes);
        append_caller(c, &rq);
        r = target_call(&q.target, &c->bus, &rq, &reply, &c->failure);
        if (r < 0)
                return r;

        r = json_from_message(reply, &values);
        if (r <= 0)
                return bus_bad_reply(r, &c->failure);

        if (c->options.json)
                json_print(c->output.stream, values);
        else
                print_table(c, values);
        return 0;
}

const Verb verb_explain = {
        .name = "explain",
        .arguments = "MAILBOX FEATURE [HEX|@FILE|-]",
        .summary = "Tell whether a request would be allowed, and by which rule",
        .help = "Tell whether doed would let you, or another user, send a request, and why.\n"
                "Nothing is sent. The verdict is allow, deny, ask (polkit decides) or\n"
                "needs-lease. Those who may manage doed can ask for others:\n"
                "\n"
                "  doectl explain 3a:00.0 cma-spdm 10840000 --uid 1000 --gid 1000 --gid 110\n",
        .n_arguments_min = 2,
        .n_arguments_max = 3,
        .options = options,
        .run = run,
};
