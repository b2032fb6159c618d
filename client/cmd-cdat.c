/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "client/cdat-view.h"
#include "client/doectl.h"
#include "client/hex.h"
#include "client/json.h"
#include "client/target.h"
#include "client/units.h"
#include "protocols/cdat.h"

static const OptionRow options[] = {
        { 0, "fresh", NULL, OPTION_BOOL, offsetof(Options, fresh), "read it from the device again" },
        { 0, "raw", NULL, OPTION_BOOL, offsetof(Options, raw), "write the table as plain bytes" },
        { 0, "hex", NULL, OPTION_BOOL, offsetof(Options, hex), "show the table undecoded" },
        { 0 },
};

/* One table as doed gave it. */
typedef struct Cdat {
        const char *address; /* borrowed */
        const uint8_t *table;
        size_t n_bytes;
        json_t *details;
} Cdat;

static void print_header(Context *c, const Cdat *cdat) {
        _cleanup_free_ char *length = units_format_bytes(cdat->n_bytes);
        const char *source = json_text(cdat->details, "source");
        CdatHeader h = { 0 };

        cdat_header_decode(cdat->table, cdat->n_bytes, &h);
        fprintf(c->output.stream, "CDAT of %s: %s, revision %u, sequence %" PRIu32 "%s%s%s\n", cdat->address,
                length, h.revision, h.sequence, *source ? ", from the " : "", source,
                json_bool(cdat->details, "cached") ? ", cached" : "");
}

static void print_json(Context *c, const Cdat *cdat) {
        _cleanup_json_ json_t *object = memory_must(json_object());

        json_put(object, "address", json_from_text(cdat->address));
        json_put(object, "details", json_incref(cdat->details));
        json_put(object, "raw", json_from_bytes(cdat->table, cdat->n_bytes));
        json_put(object, "decoded", cdat_view_json(cdat->table, cdat->n_bytes));
        json_print(c->output.stream, object);
}

/* doed hands out valid tables only; the check here keeps the decoder honest whoever answers. */
static int print_decoded(Context *c, const Cdat *cdat) {
        const char *error = "";
        int r;

        r = cdat_validate(cdat->table, cdat->n_bytes, &error);
        if (r < 0)
                return failure_set(&c->failure, FAILURE_BAD_RESPONSE, "The CDAT of %s is malformed: %s",
                                   cdat->address, error);

        if (c->options.json)
                print_json(c, cdat);
        else {
                print_header(c, cdat);
                cdat_view_print(c->output.stream, cdat->table, cdat->n_bytes, c->output.width,
                                c->output.has_color);
        }
        return 0;
}

static int print(Context *c, const Cdat *cdat) {
        if (c->options.json || !(c->options.raw || c->options.hex))
                return print_decoded(c, cdat);

        if (c->options.raw) {
                c->output.may_page = false;
                fwrite(cdat->table, 1, cdat->n_bytes, c->output.stream);
        } else
                hex_dump(c->output.stream, cdat->table, cdat->n_bytes);
        return 0;
}

static int run(Context *c) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_json_ json_t *details = NULL;
        _cleanup_target_ Target t = { 0 };
        const void *table;
        BusRequest rq;
        size_t n_bytes;
        int r;

        r = target_find_described(&c->bus, c->arguments[0], false, &t, &c->failure);
        if (r < 0)
                return r;
        rq = bus_request(&c->bus, t.path, DOED_INTERFACE_CDAT, "Read");
        bus_begin_options(&rq);
        if (c->options.fresh)
                bus_append(&rq, "{sv}", "fresh", "b", 1);
        bus_end_options(&c->bus, &rq);
        r = target_call(&t, &c->bus, &rq, &reply, &c->failure);
        /* the interface is there for as long as one of its mailboxes may turn out to offer the table */
        if (r < 0 && failure_is(&c->failure, FAILURE_UNKNOWN_METHOD))
                return failure_set(&c->failure, DOED_ERROR_PREFIX "Unsupported",
                                   "%s has no CDAT: none of its mailboxes offers cxl-table-access", t.name);
        if (r < 0)
                return r;

        r = sd_bus_message_read_array(reply, SD_BUS_TYPE_BYTE, &table, &n_bytes);
        if (r >= 0)
                r = json_from_message(reply, &details);
        if (r <= 0)
                return bus_bad_reply(r, &c->failure);

        return print(c, &(Cdat){ t.name, table, n_bytes, details });
}

const Verb verb_cdat = {
        .name = "cdat",
        .arguments = "DEVICE",
        .summary = "Show what a CXL device says of its memory, decoded",
        .help = "Show the Coherent Device Attribute Table of a CXL device or switch, decoded:\n"
                "memory ranges with size and flags, latencies in ns, bandwidths in GB/s (1 GB/s\n"
                "is 1000 MB/s), memory side caches, and what a switch adds. doed reads it once\n"
                "and then answers from its cache; where the kernel holds the table, it comes\n"
                "from there. --json prints both the raw and the decoded values.\n"
                "\n"
                "  doectl cdat 3a:00.0\n"
                "  doectl cdat mem0 --raw >mem0.cdat\n",
        .n_arguments_min = 1,
        .n_arguments_max = 1,
        .options = options,
        .run = run,
};
