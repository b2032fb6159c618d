/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/libdoe/client-private.h"

static const char *const priorities[] = {
        [DOE_PRIORITY_DEFAULT] = NULL,
        [DOE_PRIORITY_URGENT] = "urgent",
        [DOE_PRIORITY_NORMAL] = "normal",
        [DOE_PRIORITY_BACKGROUND] = "background",
};

/* One that was started, until its callback was called. */
struct Exchange {
        struct doe_client *client;
        Exchange *next;
        uint64_t cookie;
        char *path;        /* of the mailbox; owned */
        sd_bus_slot *slot; /* owned; without it there will be no reply */
        BusCall call;      /* its reply is borrowed while the callback runs */
        doe_exchange_fn on_done;
        void *userdata;
};

static void exchange_free(Exchange *e) {
        sd_bus_slot_unref(e->slot);
        free(e->path);
        free(e);
}

void exchanges_free(struct doe_client *c) {
        while (c->exchanges) {
                Exchange *e = c->exchanges;

                c->exchanges = e->next;
                exchange_free(e);
        }
}

static Exchange **find_exchange(struct doe_client *c, uint64_t cookie) {
        Exchange **e = &c->exchanges;

        while (*e && (*e)->cookie != cookie)
                e = &(*e)->next;
        return e;
}

static int check_options(struct doe_client *c, const struct doe_options *options) {
        if (!options)
                return 0;
        if ((unsigned)options->priority >= ELEMENTS(priorities))
                return client_fail(c, FAILURE_INVALID_ARGS, "%u is no priority",
                                   (unsigned)options->priority);
        return client_check_reserved(c, options->reserved, ELEMENTS(options->reserved));
}

void exchange_append_options(BusRequest *rq, const struct doe_options *options) {
        if (options->fresh)
                bus_append(rq, "{sv}", "fresh", "b", 1);
        if (options->epoch > 0)
                bus_append(rq, "{sv}", "epoch", "t", options->epoch);
        if (options->max_response_bytes > 0)
                bus_append(rq, "{sv}", "max-response", "u", options->max_response_bytes);
        if (priorities[options->priority])
                bus_append(rq, "{sv}", "priority", "s", priorities[options->priority]);
}

/* @cookie: 0 for none. */
static BusRequest make_request(struct doe_client *c, const char *path, uint16_t vendor, uint8_t type,
                               const void *request, size_t n_bytes, const struct doe_options *options,
                               uint64_t cookie) {
        BusRequest rq = bus_request_new(c->bus, path, DOED_INTERFACE_MAILBOX, "Exchange");

        bus_append(&rq, "qy", vendor, type);
        bus_append_bytes(&rq, request, n_bytes);
        bus_begin_options(&rq);
        if (options)
                exchange_append_options(&rq, options);
        if (cookie > 0)
                bus_append(&rq, "{sv}", "cookie", "t", cookie);
        client_end_options(&rq, options ? options->timeout_usec : 0);
        return rq;
}

static enum doe_priority priority_from_string(const char *s) {
        for (unsigned i = 1; i < ELEMENTS(priorities); i++)
                if (strcmp(priorities[i], s) == 0)
                        return (enum doe_priority)i;
        return DOE_PRIORITY_DEFAULT;
}

static void details_from_values(const struct doe_values *v, struct doe_details *ret) {
        *ret = (struct doe_details){
                .queued_usec = values_number(v, "queued-usec"),
                .device_usec = values_number(v, "device-usec"),
                .epoch = values_number(v, "epoch"),
                .attempts = (uint32_t)values_number(v, "attempts"),
                .priority = priority_from_string(values_text(v, "priority")),
                .source = strcmp(values_text(v, "source"), "kernel") == 0 ? DOE_SOURCE_KERNEL
                                                                          : DOE_SOURCE_MAILBOX,
                .is_cached = values_number(v, "cached") != 0,
        };
}

int exchange_read_reply(sd_bus_message *reply, const void **ret_bytes, size_t *ret_n_bytes,
                        struct doe_details *ret_details) {
        struct doe_values values = { 0 };
        int r = sd_bus_message_read_array(reply, SD_BUS_TYPE_BYTE, ret_bytes, ret_n_bytes);

        if (r >= 0)
                r = values_read(&values, reply);
        if (r >= 0)
                details_from_values(&values, ret_details);
        values_done(&values);
        return r < 0 ? r : 0;
}

int exchange_take_reply(struct doe_client *c, sd_bus_message *reply, uint8_t **ret_bytes,
                        size_t *ret_n_bytes, struct doe_details *ret_details) {
        struct doe_details details;
        const void *bytes = NULL;
        size_t n_bytes = 0;
        uint8_t *copy;

        if (exchange_read_reply(reply, &bytes, &n_bytes, &details) < 0)
                return client_fail_type(c);

        copy = malloc(n_bytes + 1); /* never NULL for nothing */
        if (!copy)
                return client_fail_errno(c, -ENOMEM);
        if (n_bytes > 0)
                memcpy(copy, bytes, n_bytes);

        *ret_bytes = copy;
        *ret_n_bytes = n_bytes;
        if (ret_details)
                *ret_details = details;
        return 0;
}

int doe_client_exchange(struct doe_client *c, const char *mailbox, uint16_t vendor, uint8_t type,
                        const void *request, size_t n_bytes, const struct doe_options *options,
                        uint8_t **ret_response, size_t *ret_n_bytes, struct doe_details *ret_details) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = NULL;
        BusRequest rq;
        int r;

        client_begin(c);
        r = check_options(c, options);
        if (r < 0)
                return r;

        r = client_mailbox_path(c, mailbox, &path);
        if (r < 0)
                return r;

        rq = make_request(c, path, vendor, type, request, n_bytes, options, 0);
        r = client_call(c, &rq, options ? options->timeout_usec : 0, &reply);
        return r < 0 ? r : exchange_take_reply(c, reply, ret_response, ret_n_bytes, ret_details);
}

static void finish(Exchange *e, sd_bus_message *reply) {
        struct doe_client *c = e->client;
        struct doe_details details;
        const void *bytes = NULL;
        size_t n_bytes = 0;
        int r = 0;

        if (c->is_freed)
                return;

        client_begin(c);
        if (sd_bus_message_is_method_error(reply, NULL))
                r = client_fail_reply(c, &e->call);
        else if (exchange_read_reply(reply, &bytes, &n_bytes, &details) < 0)
                r = client_fail_type(c);

        c->n_callbacks++;
        if (r < 0)
                e->on_done(c, e->cookie, r, NULL, 0, NULL, e->userdata);
        else
                e->on_done(c, e->cookie, 0, bytes, n_bytes, &details, e->userdata);
        c->n_callbacks--;
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Exchange *e = userdata;
        Exchange **link = find_exchange(e->client, e->cookie);

        *link = e->next; /* over: no cookie to cancel from within its callback */
        e->call.reply = m;
        finish(e, m);
        exchange_free(e);
        return 1;
}

static int start(struct doe_client *c, Exchange *e, BusRequest *rq, uint64_t timeout_usec) {
        _cleanup_message_ sd_bus_message *message = rq->message;
        int r;

        rq->message = NULL;
        e->call = (BusCall){
                .started_usec = bus_now_usec(),
                .patience_usec = client_patience_usec(timeout_usec),
        };
        r = rq->error < 0 ? rq->error
                          : sd_bus_call_async(c->bus, &e->slot, message, on_reply, e, e->call.patience_usec);
        return client_fail_errno(c, r);
}

int doe_client_exchange_start(struct doe_client *c, const char *mailbox, uint16_t vendor, uint8_t type,
                              const void *request, size_t n_bytes, const struct doe_options *options,
                              doe_exchange_fn on_done, void *userdata, uint64_t *ret_cookie) {
        BusRequest rq;
        Exchange *e;
        int r;

        client_begin(c);
        r = on_done ? check_options(c, options) : client_fail_errno(c, -EINVAL);
        if (r < 0)
                return r;

        e = calloc(1, sizeof(*e));
        if (!e)
                return client_fail_errno(c, -ENOMEM);

        *e = (Exchange){
                .client = c, .on_done = on_done, .userdata = userdata, .cookie = c->last_cookie + 1
        };
        r = client_mailbox_path(c, mailbox, &e->path);
        if (r >= 0) {
                rq = make_request(c, e->path, vendor, type, request, n_bytes, options, e->cookie);
                r = start(c, e, &rq, options ? options->timeout_usec : 0);
        }
        if (r < 0) {
                exchange_free(e);
                return r;
        }

        c->last_cookie = e->cookie;
        e->next = c->exchanges;
        c->exchanges = e;
        if (ret_cookie)
                *ret_cookie = e->cookie;
        return 0;
}

int doe_client_cancel(struct doe_client *c, uint64_t cookie) {
        _cleanup_message_ sd_bus_message *message = NULL;
        const Exchange *e;
        BusRequest rq;
        int r;

        client_begin(c);
        e = *find_exchange(c, cookie);
        if (!e)
                return client_fail(c, DOED_ERROR_PREFIX "NotFound",
                                   "No exchange with cookie %llu is under way", (unsigned long long)cookie);

        rq = bus_request_new(c->bus, e->path, DOED_INTERFACE_MAILBOX, "Cancel");
        bus_append(&rq, "t", cookie);
        message = rq.message;
        /* what came of it is told by the exchange's own reply */
        r = rq.error < 0 ? rq.error : sd_bus_message_set_expect_reply(message, false);
        return client_fail_errno(c, r < 0 ? r : sd_bus_send(c->bus, message, NULL));
}
