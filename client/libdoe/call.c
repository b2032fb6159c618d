/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/libdoe/call.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

typedef struct BusError {
        const char *name;
        int error;
        DoeExit exit_code;
} BusError;

/* What the bus and sd-bus say by themselves. A name that ends in '.' stands for all below it. */
/* clang-format off */
static const BusError bus_errors[] = {
        { FAILURE_SERVICE_UNKNOWN, EHOSTDOWN, DOE_EXIT_UNAVAILABLE },
        { DBUS_ERROR_PREFIX "NameHasNoOwner", EHOSTDOWN, DOE_EXIT_UNAVAILABLE },
        { DBUS_ERROR_PREFIX "Disconnected", EHOSTDOWN, DOE_EXIT_UNAVAILABLE },
        { DBUS_ERROR_PREFIX "NoServer", EHOSTDOWN, DOE_EXIT_UNAVAILABLE },
        { DBUS_ERROR_PREFIX "FileNotFound", EHOSTDOWN, DOE_EXIT_UNAVAILABLE },
        { DBUS_ERROR_PREFIX "Spawn.", EHOSTDOWN, DOE_EXIT_UNAVAILABLE },
        { "org.freedesktop.systemd1.", EHOSTDOWN, DOE_EXIT_UNAVAILABLE }, /* activation failed */
        { FAILURE_UNKNOWN_OBJECT, ENOENT, DOE_EXIT_NOT_FOUND },
        { FAILURE_UNKNOWN_METHOD, EOPNOTSUPP, DOE_EXIT_NOT_FOUND },
        { DBUS_ERROR_PREFIX "UnknownInterface", EOPNOTSUPP, DOE_EXIT_NOT_FOUND },
        { DBUS_ERROR_PREFIX "UnknownProperty", EOPNOTSUPP, DOE_EXIT_NOT_FOUND },
        { DBUS_ERROR_PREFIX "LimitsExceeded", EDQUOT, DOE_EXIT_BUSY },
        { DBUS_ERROR_PREFIX "NotSupported", EOPNOTSUPP, DOE_EXIT_FAILED },
        { DBUS_ERROR_PREFIX "NoMemory", ENOMEM, DOE_EXIT_FAILED },
};
/* clang-format on */

static const BusError *find_bus_error(const char *name) {
        for (size_t i = 0; i < ELEMENTS(bus_errors); i++) {
                size_t n = strlen(bus_errors[i].name);
                bool is_prefix = bus_errors[i].name[n - 1] == '.';

                if (is_prefix ? strncmp(name, bus_errors[i].name, n) == 0
                              : strcmp(name, bus_errors[i].name) == 0)
                        return &bus_errors[i];
        }
        return NULL;
}

DoeExit failure_exit_code(const char *name) {
        const DoeError *e = doe_error_find_by_name(name);
        const BusError *bus = e ? NULL : find_bus_error(name);

        if (e)
                return e->exit_code;
        return bus ? bus->exit_code : DOE_EXIT_FAILED;
}

int failure_number(const char *name) {
        const DoeError *e = doe_error_find_by_name(name);
        const BusError *bus = e ? NULL : find_bus_error(name);

        if (e)
                return -e->error;
        return bus ? -bus->error : -EIO;
}

uint64_t bus_now_usec(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

BusRequest bus_request_new(sd_bus *bus, const char *path, const char *interface, const char *member) {
        BusRequest rq = { 0 };
        int r = sd_bus_message_new_method_call(bus, &rq.message, DOED_BUS_NAME, path, interface, member);

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

static int append_array_option(sd_bus_message *m, const char *name, char type, const void *items,
                               size_t n_bytes) {
        const char signature[] = { SD_BUS_TYPE_ARRAY, type, '\0' };
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_DICT_ENTRY, "sv");
        if (r < 0)
                return r;

        r = sd_bus_message_append_basic(m, SD_BUS_TYPE_STRING, name);
        if (r < 0)
                return r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_VARIANT, signature);
        if (r < 0)
                return r;

        r = sd_bus_message_append_array(m, type, items, n_bytes);
        if (r < 0)
                return r;

        r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

void bus_append_bytes_option(BusRequest *rq, const char *name, const void *bytes, size_t n_bytes) {
        if (rq->error == 0)
                latch(rq, append_array_option(rq->message, name, SD_BUS_TYPE_BYTE, bytes, n_bytes));
}

void bus_append_numbers(BusRequest *rq, const char *name, const uint32_t *numbers, size_t n) {
        if (rq->error == 0)
                latch(rq, append_array_option(rq->message, name, SD_BUS_TYPE_UINT32, numbers,
                                              n * sizeof(numbers[0])));
}

void bus_begin_options(BusRequest *rq) {
        if (rq->error == 0)
                latch(rq, sd_bus_message_open_container(rq->message, SD_BUS_TYPE_ARRAY, "{sv}"));
}

void bus_end_values(BusRequest *rq) {
        if (rq->error == 0)
                latch(rq, sd_bus_message_close_container(rq->message));
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        BusCall *call = userdata;

        call->reply = sd_bus_message_ref(m);
        return 1;
}

/* One turn. Before the bus has said hello sd-bus keeps no time of a call, and takes 90 s for the hello:
 * hence the deadline of one's own. Return: > 0 if something was done, 0 if @step_usec passed or something
 * came. */
static int turn(sd_bus *bus, uint64_t deadline_usec, uint64_t step_usec) {
        uint64_t left_usec;
        int r = sd_bus_process(bus, NULL);

        if (r != 0)
                return r;

        left_usec = bus_now_usec();
        left_usec = deadline_usec > left_usec ? deadline_usec - left_usec : 0;
        r = sd_bus_wait(bus, left_usec < step_usec ? left_usec : step_usec);
        return r == -EINTR ? 1 : r;
}

int bus_wait_ready(sd_bus *bus, uint64_t deadline_usec) {
        int r;

        while ((r = sd_bus_is_ready(bus)) == 0) {
                if (bus_now_usec() >= deadline_usec)
                        return -ETIMEDOUT;
                r = turn(bus, deadline_usec, UINT64_MAX);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : 0;
}

static int wait_reply(sd_bus *bus, BusCall *call, BusProgress progress) {
        const uint64_t step_usec = progress ? BUS_PROGRESS_STEP_USEC : UINT64_MAX;
        uint64_t now_usec, told_usec = call->started_usec;
        int r;

        while (!call->reply) {
                const bool is_ready = sd_bus_is_ready(bus) != 0;
                const uint64_t patience_usec = is_ready || call->patience_usec < BUS_HELLO_USEC_MAX
                                                               ? call->patience_usec
                                                               : BUS_HELLO_USEC_MAX;

                r = turn(bus, call->started_usec + patience_usec, step_usec);
                if (r < 0)
                        return r;

                now_usec = bus_now_usec();
                if (!call->reply && now_usec - call->started_usec >= patience_usec)
                        return -ETIMEDOUT;
                if (!call->reply && progress && now_usec - told_usec >= BUS_PROGRESS_STEP_USEC) {
                        progress(now_usec - call->started_usec);
                        told_usec = now_usec;
                }
        }
        return 0;
}

int bus_call_wait(sd_bus *bus, sd_bus_message *message, BusCall *call, BusProgress progress) {
        sd_bus_slot *slot = NULL;
        int r;

        call->reply = NULL;
        call->started_usec = bus_now_usec();
        r = sd_bus_call_async(bus, &slot, message, on_reply, call, call->patience_usec);
        if (r < 0)
                return r;

        r = wait_reply(bus, call, progress);
        sd_bus_slot_unref(slot);
        return r;
}

static char *patience_text(const BusCall *call) {
        char *text;

        return asprintf(&text, "doed did not answer within %u s",
                        (unsigned)(call->patience_usec / 1000000)) < 0
                               ? NULL
                               : text;
}

int bus_wait_error(sd_bus *bus, const BusCall *call, int error, const char **ret_name, char **ret_text) {
        *ret_name = error == -ETIMEDOUT ? FAILURE_TIMED_OUT : FAILURE_SERVICE_UNKNOWN;
        if (error == -ETIMEDOUT && sd_bus_is_ready(bus) > 0)
                *ret_text = patience_text(call);
        else if (error == -ETIMEDOUT)
                *ret_text = strdup("The bus took the connection, but does not answer");
        else if (asprintf(ret_text, "The connection to the bus has ended: %s", strerror(-error)) < 0)
                *ret_text = NULL;
        return *ret_text ? 0 : -ENOMEM;
}

/* "NoReply" says three things: the caller's own patience is over, the bus went away, or doed did. */
static char *no_reply_text(sd_bus *bus, const BusCall *call, const char *message, const char **ret_name) {
        char *text = NULL;

        if (bus_now_usec() - call->started_usec >= call->patience_usec) {
                *ret_name = FAILURE_TIMED_OUT;
                return patience_text(call);
        }

        *ret_name = FAILURE_SERVICE_UNKNOWN;
        if (sd_bus_is_open(bus) <= 0)
                return strdup("The connection to the bus ended before doed answered");
        return asprintf(&text, "doed went away before it answered: %s", message) < 0 ? NULL : text;
}

int bus_error_read(sd_bus *bus, const BusCall *call, const char **ret_name, char **ret_text) {
        const sd_bus_error *error = sd_bus_message_get_error(call->reply);
        const char *message = error->message && *error->message ? error->message : error->name;
        const char *name = error->name;
        char *text = NULL;

        if (sd_bus_error_has_names(error, DBUS_ERROR_PREFIX "NoReply", DBUS_ERROR_PREFIX "Timeout"))
                text = no_reply_text(bus, call, message, &name);
        else if (failure_exit_code(name) == DOE_EXIT_UNAVAILABLE && !doe_error_find_by_name(name))
                text = asprintf(&text, "doed is not on the bus: %s", message) < 0 ? NULL : text;
        else
                text = strdup(message);
        if (!text)
                return -ENOMEM;

        *ret_name = name;
        *ret_text = text;
        return 0;
}

bool bus_error_enter_values(sd_bus_message *reply) {
        return sd_bus_message_rewind(reply, true) >= 0 && sd_bus_message_has_signature(reply, "sa{sv}") &&
               sd_bus_message_skip(reply, "s") >= 0;
}
