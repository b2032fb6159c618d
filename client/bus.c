/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/bus.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "client/json.h"

int bus_open(Bus *b, const char *host, Failure *f) {
        int r = host ? sd_bus_open_system_remote(&b->bus, host) : sd_bus_open_system(&b->bus);

        if (r >= 0) {
                /* where somebody sits who can say who he is, polkit may ask him */
                (void)sd_bus_set_allow_interactive_authorization(b->bus, isatty(STDIN_FILENO));
                return 0;
        }
        if (host)
                return failure_set(f, FAILURE_SERVICE_UNKNOWN,
                                   "Cannot connect to the system bus of \"%s\": %s", host, strerror(-r));
        return failure_set(f, FAILURE_SERVICE_UNKNOWN, "Cannot connect to the system bus: %s", strerror(-r));
}

void bus_close(Bus *b) {
        b->bus = sd_bus_close_unref(b->bus); /* what was asked was answered: nothing to flush */
}

BusRequest bus_request(Bus *b, const char *path, const char *interface, const char *member) {
        return bus_request_new(b->bus, path, interface, member);
}

void bus_end_options(Bus *b, BusRequest *rq) {
        if (b->timeout_usec > 0)
                bus_append(rq, "{sv}", "timeout-usec", "t", b->timeout_usec);
        bus_end_values(rq);
}

static void show_progress(uint64_t waited_usec) {
        fprintf(stderr, "\rWaiting for doed, %u s", (unsigned)(waited_usec / 1000000));
        fflush(stderr);
}

static void clear_progress(const Bus *b, const BusCall *call) {
        if (b->shows_progress && bus_now_usec() - call->started_usec >= BUS_PROGRESS_STEP_USEC)
                fputs("\r\x1b[K", stderr);
}

/* The a{sv} behind the text of an error reply that doed made; NULL where there is none. */
static json_t *read_error_values(sd_bus_message *reply) {
        json_t *values = NULL;

        return bus_error_enter_values(reply) && json_from_message(reply, &values) > 0 ? values : NULL;
}

static int take_error(const Bus *b, const BusCall *call, Failure *f) {
        _cleanup_free_ char *text = NULL;
        const char *name;
        int r;

        memory_must(bus_error_read(b->bus, call, &name, &text) < 0 ? NULL : text);
        r = failure_set(f, name, "%s", text);
        failure_set_values(f, read_error_values(call->reply));
        return r;
}

static int take_wait_error(const Bus *b, const BusCall *call, int error, Failure *f) {
        _cleanup_free_ char *text = NULL;
        const char *name;

        memory_must(bus_wait_error(b->bus, call, error, &name, &text) < 0 ? NULL : text);
        return failure_set(f, name, "%s", text);
}

int bus_call(Bus *b, BusRequest *rq, sd_bus_message **ret_reply, Failure *f) {
        _cleanup_message_ sd_bus_message *message = rq->message;
        BusCall call = {
                .patience_usec = (b->timeout_usec ?: BUS_TIMEOUT_USEC_DEFAULT) + BUS_TIMEOUT_USEC_GRACE,
        };
        int r;

        rq->message = NULL;
        if (rq->error < 0)
                return failure_set(f, FAILURE_INVALID_ARGS, "Cannot put this into a D-Bus message: %s",
                                   strerror(-rq->error));

        r = bus_call_wait(b->bus, message, &call, b->shows_progress ? show_progress : NULL);
        clear_progress(b, &call);
        if (r < 0)
                r = take_wait_error(b, &call, r, f);
        else if (sd_bus_message_is_method_error(call.reply, NULL))
                r = take_error(b, &call, f);

        if (r >= 0 && ret_reply)
                *ret_reply = call.reply;
        else
                sd_bus_message_unref(call.reply);
        return r;
}

int bus_call_json(Bus *b, BusRequest *rq, json_t **ret, Failure *f) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        int r;

        r = bus_call(b, rq, &reply, f);
        if (r < 0)
                return r;

        r = json_from_message(reply, ret);
        return r > 0 ? 0 : bus_bad_reply(r, f);
}

int bus_bad_reply(int r, Failure *f) {
        return failure_set(f, FAILURE_FAILED, "doed's reply is not of the type that its interface says: %s",
                           strerror(r < 0 ? -r : EBADMSG));
}
