/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "client/doectl.h"
#include "client/hex.h"
#include "client/json.h"
#include "client/query.h"
#include "client/units.h"

static const OptionRow options[] = {
        { 0, "priority", "PRIORITY", OPTION_STRING, offsetof(Options, priority),
          "urgent, normal (default) or background" },
        { 0, "fresh", NULL, OPTION_BOOL, offsetof(Options, fresh), "ask the device, not the cache" },
        { 0, "max-response", "BYTES", OPTION_U32, offsetof(Options, max_response),
          "longest response to take, its header included" },
        { 0, "epoch", "EPOCH", OPTION_U64, offsetof(Options, epoch),
          "fail if the mailbox has left this epoch" },
        { 0, "raw", NULL, OPTION_BOOL, offsetof(Options, raw),
          "write the payload of the response as plain bytes" },
        { 0 },
};

static void append_options(Context *c, BusRequest *rq) {
        const Options *o = &c->options;

        bus_begin_options(rq);
        if (o->priority)
                bus_append(rq, "{sv}", "priority", "s", o->priority);
        if (o->fresh)
                bus_append(rq, "{sv}", "fresh", "b", 1);
        if (o->max_response.is_set)
                bus_append(rq, "{sv}", "max-response", "u", (uint32_t)o->max_response.value);
        if (o->epoch.is_set)
                bus_append(rq, "{sv}", "epoch", "t", o->epoch.value);
        bus_end_options(&c->bus, rq);
}

/* "4 bytes, from the cache, epoch 3" or "4 bytes, queued 12 us, device 1.2 ms, 1 attempt, epoch 3" */
static char *format_remark(size_t n_bytes, const json_t *details) {
        _cleanup_free_ char *queued = units_format_duration(json_uint(details, "queued-usec"));
        _cleanup_free_ char *device = units_format_duration(json_uint(details, "device-usec"));
        const uint64_t n_attempts = json_uint(details, "attempts");

        if (json_bool(details, "cached"))
                return memory_format("%zu bytes from the cache, epoch %" PRIu64, n_bytes,
                                     json_uint(details, "epoch"));
        return memory_format("%zu bytes, queued %s, device %s, %" PRIu64 " attempt%s, epoch %" PRIu64,
                             n_bytes, queued, device, n_attempts, n_attempts == 1 ? "" : "s",
                             json_uint(details, "epoch"));
}

static void print_json(Context *c, const Query *q, const void *bytes, size_t n_bytes, json_t *details) {
        _cleanup_json_ json_t *object = memory_must(json_object());

        json_put(object, "mailbox", json_from_text(q->target.name));
        json_put(object, "feature", json_from_text(q->feature));
        json_put(object, "response", json_from_bytes(bytes, n_bytes));
        json_put(object, "details", json_incref(details));
        json_print(c->output.stream, object);
}

static int print_reply(Context *c, const Query *q, sd_bus_message *reply) {
        _cleanup_json_ json_t *details = NULL;
        const void *bytes;
        size_t n_bytes;
        int r;

        r = sd_bus_message_read_array(reply, SD_BUS_TYPE_BYTE, &bytes, &n_bytes);
        if (r >= 0)
                r = json_from_message(reply, &details);
        if (r <= 0)
                return bus_bad_reply(r, &c->failure);

        if (c->options.json)
                print_json(c, q, bytes, n_bytes, details);
        else if (c->options.raw) {
                c->output.may_page = false;
                fwrite(bytes, 1, n_bytes, c->output.stream);
        } else
                hex_dump(c->output.stream, bytes, n_bytes);

        if (!c->options.json && isatty(STDERR_FILENO))
                c->remark = format_remark(n_bytes, details);
        return 0;
}

static int run(Context *c) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_query_ Query q = { 0 };
        BusRequest rq;
        int r;

        r = query_read(c, &q);
        if (r < 0)
                return r;

        rq = bus_request(&c->bus, q.target.path, DOED_INTERFACE_MAILBOX, "Exchange");
        bus_append(&rq, "qy", q.vendor_id, q.type);
        bus_append_bytes(&rq, q.request, q.n_bytes);
        append_options(c, &rq);
        r = target_call(&q.target, &c->bus, &rq, &reply, &c->failure);
        return r < 0 ? r : print_reply(c, &q, reply);
}

const Verb verb_exchange = {
        .name = "exchange",
        .arguments = "MAILBOX FEATURE [HEX|@FILE|-]",
        .summary = "Send one request and show its response",
        .help = "Send one data object to a mailbox and show the response to it. The payload of\n"
                "the request is given as hex, as a file, or on standard input (-), the latter\n"
                "two as plain bytes; without it, it is empty. doed adds the header, and zero\n"
                "bytes up to a multiple of 4. Bytes stand in the order in which they stand in\n"
                "the object: its dwords are little-endian. A device with several mailboxes\n"
                "stands for the one that offers the feature.\n"
                "\n"
                "  doectl exchange '0000:3a:00.0[160]' discovery 00000000\n"
                "  doectl exchange 3a:00.0 1e98:02 0000ffff --raw >entry\n",
        .n_arguments_min = 2,
        .n_arguments_max = 3,
        .options = options,
        .run = run,
};
