/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/libdoe/client-private.h"
#include "client/libdoe/name.h"

/* @bus moves to the client, whatever happens; @r: how it was opened. */
static int new_on_bus(sd_bus *bus, int r, struct doe_client **ret) {
        struct doe_client *c;

        if (r < 0)
                sd_bus_unref(bus);
        if (r == -ENOMEM || r == -EINVAL)
                return r;
        if (r < 0)
                return -EHOSTDOWN;

        c = calloc(1, sizeof(*c));
        if (!c) {
                sd_bus_close_unref(bus);
                return -ENOMEM;
        }

        c->bus = bus;
        *ret = c;
        return 0;
}

int doe_client_new(struct doe_client **ret) {
        sd_bus *bus = NULL;
        int r = sd_bus_open_system(&bus);

        return new_on_bus(bus, r, ret);
}

int doe_client_new_address(const char *address, struct doe_client **ret) {
        sd_bus *bus = NULL;
        int r = address ? sd_bus_new(&bus) : -EINVAL;

        if (r >= 0)
                r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        return new_on_bus(bus, r, ret);
}

int doe_client_new_host(const char *host, struct doe_client **ret) {
        sd_bus *bus = NULL;
        int r = host ? sd_bus_open_system_remote(&bus, host) : -EINVAL;

        return new_on_bus(bus, r, ret);
}

const char *doe_version(void) {
        return DOED_VERSION;
}

struct doe_client *doe_client_free(struct doe_client *c) {
        if (!c)
                return NULL;

        if (c->n_inside > 0) {
                c->is_freed = true;
                sd_bus_close(c->bus); /* whoever waits further out waits no longer */
                return NULL;
        }

        exchanges_free(c);
        watch_free(c);
        sd_bus_close_unref(c->bus);
        client_begin(c);
        free(c);
        return NULL;
}

void client_enter(struct doe_client *c) {
        c->n_inside++;
}

bool client_leave(struct doe_client *c) {
        const bool is_freed = c->is_freed;

        c->n_inside--;
        if (is_freed && c->n_inside == 0)
                doe_client_free(c);
        return !is_freed;
}

int doe_client_set_interactive(struct doe_client *c, bool may_ask) {
        client_begin(c);
        return client_fail_errno(c, sd_bus_set_allow_interactive_authorization(c->bus, may_ask));
}

const char *doe_client_error_name(const struct doe_client *c) {
        return c->error_name;
}

const char *doe_client_error_text(const struct doe_client *c) {
        return c->error_text ?: c->error_name ?: "";
}

const struct doe_values *doe_client_error_values(const struct doe_client *c) {
        return &c->error_values;
}

void client_begin(struct doe_client *c) {
        free(c->error_name);
        free(c->error_text);
        c->error_name = c->error_text = NULL;
        values_done(&c->error_values);
}

int client_fail(struct doe_client *c, const char *name, const char *format, ...) {
        char *text = NULL;
        va_list args;

        va_start(args, format);
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        va_end(args);

        client_begin(c);
        c->error_name = strdup(name);
        c->error_text = text;
        return c->error_name ? failure_number(name) : -ENOMEM;
}

int client_fail_errno(struct doe_client *c, int error) {
        switch (error) {
        case -ENOTCONN:
        case -ECONNRESET:
        case -ECONNREFUSED:
        case -EPIPE:
        case -EHOSTDOWN:
                return client_fail(c, FAILURE_SERVICE_UNKNOWN, "The connection to the bus has ended");
        case -ENOMEM:
                return client_fail(c, DBUS_ERROR_PREFIX "NoMemory", "Out of memory");
        case -EDEADLK:
                (void)client_fail(c, FAILURE_FAILED, "A callback must not wait for doed");
                return -EDEADLK;
        case -EALREADY:
                (void)client_fail(c, FAILURE_FAILED, "There is one already");
                return -EALREADY;
        case -EINVAL:
                return client_fail(c, FAILURE_INVALID_ARGS, "Invalid arguments");
        case -ETIMEDOUT:
                return client_fail(c, FAILURE_SERVICE_UNKNOWN,
                                   "The bus took the connection, but does not answer");
        default:
                return error >= 0 ? 0 : client_fail(c, FAILURE_FAILED, "%s", strerror(-error));
        }
}

int client_fail_reply(struct doe_client *c, const BusCall *call) {
        _cleanup_free_ char *text = NULL;
        const char *name;
        int r;

        if (bus_error_read(c->bus, call, &name, &text) < 0)
                return client_fail_errno(c, -ENOMEM);

        r = client_fail(c, name, "%s", text);
        /* what cannot be read of the values does not change the failure */
        if (bus_error_enter_values(call->reply))
                (void)values_read(&c->error_values, call->reply);
        return r;
}

int client_fail_type(struct doe_client *c) {
        return client_fail(c, FAILURE_FAILED, "doed's reply is not of the type that its interface says");
}

static uint64_t bounded(uint64_t timeout_usec) {
        return timeout_usec < TIMEOUT_USEC_MAX ? timeout_usec : TIMEOUT_USEC_MAX;
}

uint64_t client_patience_usec(uint64_t timeout_usec) {
        return (timeout_usec > 0 ? bounded(timeout_usec) : PATIENCE_USEC_DEFAULT) + BUS_TIMEOUT_USEC_GRACE;
}

void client_end_options(BusRequest *rq, uint64_t timeout_usec) {
        if (timeout_usec > 0)
                bus_append(rq, "{sv}", "timeout-usec", "t", bounded(timeout_usec));
        bus_end_values(rq);
}

/* As client_fail_errno(), of a wait that failed. */
static int fail_wait(struct doe_client *c, const BusCall *call, int error) {
        _cleanup_free_ char *text = NULL;
        const char *name;

        if (error == -ENOMEM || bus_wait_error(c->bus, call, error, &name, &text) < 0)
                return client_fail_errno(c, -ENOMEM);
        return client_fail(c, name, "%s", text);
}

int client_wait_ready(struct doe_client *c, uint64_t timeout_usec) {
        const uint64_t patience_usec = client_patience_usec(timeout_usec);
        const BusCall call = { .patience_usec = patience_usec < BUS_HELLO_USEC_MAX ? patience_usec
                                                                                   : BUS_HELLO_USEC_MAX };
        int r;

        client_enter(c);
        r = bus_wait_ready(c->bus, bus_now_usec() + call.patience_usec);
        if (!client_leave(c))
                return -ECANCELED;
        client_begin(c);
        return r < 0 ? fail_wait(c, &call, r) : 0;
}

int client_call(struct doe_client *c, BusRequest *rq, uint64_t timeout_usec, sd_bus_message **ret_reply) {
        _cleanup_message_ sd_bus_message *message = rq->message;
        BusCall call = { .patience_usec = client_patience_usec(timeout_usec) };
        int r;

        rq->message = NULL;
        if (rq->error < 0)
                return client_fail_errno(c, rq->error);
        if (c->n_callbacks > 0)
                return client_fail_errno(c, -EDEADLK);

        client_enter(c);
        r = bus_call_wait(c->bus, message, &call, NULL);
        if (!client_leave(c)) {
                sd_bus_message_unref(call.reply);
                return -ECANCELED;
        }
        client_begin(c); /* callbacks that ran meanwhile may have failed */
        if (r < 0)
                r = fail_wait(c, &call, r);
        else if (sd_bus_message_is_method_error(call.reply, NULL))
                r = client_fail_reply(c, &call);

        if (r >= 0 && ret_reply)
                *ret_reply = call.reply;
        else
                sd_bus_message_unref(call.reply);
        return r;
}

int client_mailbox_path(struct doe_client *c, const char *name, char **ret) {
        int r = name_to_mailbox_path(name, ret);

        if (r == -EINVAL)
                return client_fail(c, FAILURE_INVALID_ARGS,
                                   "\"%s\" is not the name of a mailbox, such as 0000:3a:00.0[160]",
                                   name ?: "");
        return client_fail_errno(c, r);
}

int client_device_path(struct doe_client *c, const char *name, char **ret) {
        int r = name_to_device_path(name, ret);

        if (r == -EINVAL)
                return client_fail(c, FAILURE_INVALID_ARGS,
                                   "\"%s\" is not the name of a device, such as 0000:3a:00.0", name ?: "");
        return client_fail_errno(c, r);
}

int client_check_reserved(struct doe_client *c, const uint64_t *reserved, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (reserved[i] != 0)
                        return client_fail(c, FAILURE_INVALID_ARGS, "Reserved options must be zero");
        return 0;
}
