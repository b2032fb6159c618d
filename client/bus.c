/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/bus.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/json.h"

#define PROGRESS_STEP_USEC UINT64_C(1000000)

/* One call under way. */
typedef struct Call {
        sd_bus_message *reply; /* owned; NULL until it came */
        uint64_t started_usec;
        uint64_t timeout_usec;
        bool has_shown;
} Call;

static uint64_t now_usec(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

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
        b->bus = sd_bus_flush_close_unref(b->bus);
}

BusRequest bus_request(Bus *b, const char *path, const char *interface, const char *member) {
        BusRequest rq = { 0 };
        int r = sd_bus_message_new_method_call(b->bus, &rq.message, DOED_BUS_NAME, path, interface, member);

        rq.error = r < 0 ? r : 0;
        return rq;
}

static void latch(BusRequest *rq, int r) {
        if (r < 0 && rq->error == 0)
                rq->error = r;
}

void bus_append(BusRequest *rq, const char *types, ...) {
        va_list args;

        if (rq->error < 0)
                return;

        va_start(args, types);
        latch(rq, sd_bus_message_appendv(rq->message, types, args));
        va_end(args);
}

void bus_append_bytes(BusRequest *rq, const void *bytes, size_t n_bytes) {
        if (rq->error == 0)
                latch(rq, sd_bus_message_append_array(rq->message, SD_BUS_TYPE_BYTE, bytes, n_bytes));
}

static int append_numbers(sd_bus_message *m, const char *name, const uint32_t *numbers, size_t n) {
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_DICT_ENTRY, "sv");
        if (r < 0)
                return r;

        r = sd_bus_message_append_basic(m, SD_BUS_TYPE_STRING, name);
        if (r < 0)
                return r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_VARIANT, "au");
        if (r < 0)
                return r;

        r = sd_bus_message_append_array(m, SD_BUS_TYPE_UINT32, numbers, n * sizeof(numbers[0]));
        if (r < 0)
                return r;

        r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

void bus_append_numbers(BusRequest *rq, const char *name, const uint32_t *numbers, size_t n) {
        if (rq->error == 0)
                latch(rq, append_numbers(rq->message, name, numbers, n));
}

void bus_begin_options(BusRequest *rq) {
        if (rq->error == 0)
                latch(rq, sd_bus_message_open_container(rq->message, SD_BUS_TYPE_ARRAY, "{sv}"));
}

void bus_end_values(BusRequest *rq) {
        if (rq->error == 0)
                latch(rq, sd_bus_message_close_container(rq->message));
}

void bus_end_options(Bus *b, BusRequest *rq) {
        if (b->timeout_usec > 0)
                bus_append(rq, "{sv}", "timeout-usec", "t", b->timeout_usec);
        bus_end_values(rq);
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Call *call = userdata;

        call->reply = sd_bus_message_ref(m);
        return 1;
}

static void show_progress(Call *call) {
        call->has_shown = true;
        fprintf(stderr, "\rWaiting for doed, %u s", (unsigned)((now_usec() - call->started_usec) / 1000000));
        fflush(stderr);
}

static void clear_progress(Call *call) {
        if (call->has_shown)
                fputs("\r\x1b[K", stderr);
}

/* sd-bus ends the wait with an error reply of its own when the call's time is over or the connection breaks.
 */
static int wait_reply(Bus *b, Call *call) {
        const uint64_t step_usec = b->shows_progress ? PROGRESS_STEP_USEC : UINT64_MAX;
        int r;

        while (!call->reply) {
                r = sd_bus_process(b->bus, NULL);
                if (r < 0)
                        return r;
                if (r > 0)
                        continue;

                r = sd_bus_wait(b->bus, step_usec);
                if (r < 0 && r != -EINTR)
                        return r;
                if (r == 0 && b->shows_progress)
                        show_progress(call);
        }
        return 0;
}

/* The a{sv} behind the text of an error reply that doed made; NULL where there is none. */
static json_t *read_error_values(sd_bus_message *reply) {
        json_t *values = NULL;

        if (sd_bus_message_rewind(reply, true) < 0 || !sd_bus_message_has_signature(reply, "sa{sv}") ||
            sd_bus_message_skip(reply, "s") < 0)
                return NULL;

        return json_from_message(reply, &values) > 0 ? values : NULL;
}

/* "NoReply" says three things: doectl's own patience is over, the bus went away, or doed did. */
static int take_no_reply(const Bus *b, const Call *call, const sd_bus_error *error, Failure *f) {
        if (now_usec() - call->started_usec >= call->timeout_usec)
                return failure_set(f, FAILURE_TIMED_OUT, "doed did not answer within %u s",
                                   (unsigned)(call->timeout_usec / 1000000));
        if (sd_bus_is_open(b->bus) <= 0)
                return failure_set(f, FAILURE_SERVICE_UNKNOWN,
                                   "The connection to the bus ended before doed answered");

        return failure_set(f, FAILURE_SERVICE_UNKNOWN, "doed went away before it answered: %s",
                           error->message ?: error->name);
}

static int take_error(const Bus *b, const Call *call, Failure *f) {
        const sd_bus_error *error = sd_bus_message_get_error(call->reply);
        int r;

        if (sd_bus_error_has_names(error, DBUS_ERROR_PREFIX "NoReply", DBUS_ERROR_PREFIX "Timeout"))
                return take_no_reply(b, call, error, f);

        if (failure_exit_code(error->name) == DOE_EXIT_UNAVAILABLE &&
            strncmp(error->name, DOED_ERROR_PREFIX, strlen(DOED_ERROR_PREFIX)) != 0)
                r = failure_set(f, error->name, "doed is not on the bus: %s", error->message ?: error->name);
        else
                r = failure_set(f, error->name, "%s",
                                error->message && *error->message ? error->message : error->name);
        failure_set_values(f, read_error_values(call->reply));
        return r;
}

static int call_wait(Bus *b, sd_bus_message *message, Call *call) {
        sd_bus_slot *slot = NULL;
        int r;

        r = sd_bus_call_async(b->bus, &slot, message, on_reply, call, call->timeout_usec);
        if (r < 0)
                return r;

        r = wait_reply(b, call);
        clear_progress(call);
        sd_bus_slot_unref(slot);
        return r;
}

int bus_call(Bus *b, BusRequest *rq, sd_bus_message **ret_reply, Failure *f) {
        _cleanup_message_ sd_bus_message *message = rq->message;
        Call call = {
                .started_usec = now_usec(),
                .timeout_usec = (b->timeout_usec ?: BUS_TIMEOUT_USEC_DEFAULT) + BUS_TIMEOUT_USEC_GRACE,
        };
        int r;

        rq->message = NULL;
        if (rq->error < 0)
                return failure_set(f, FAILURE_INVALID_ARGS, "Cannot put this into a D-Bus message: %s",
                                   strerror(-rq->error));

        r = call_wait(b, message, &call);
        if (r < 0)
                r = failure_set(f, FAILURE_SERVICE_UNKNOWN, "Lost the bus: %s", strerror(-r));
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
