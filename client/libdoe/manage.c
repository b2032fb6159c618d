/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/libdoe/client-private.h"
#include "client/libdoe/name.h"

const struct doe_call_options client_call_defaults;

int client_check_call(struct doe_client *c, const struct doe_call_options *options, bool may_force) {
        if (options->force && !may_force)
                return client_fail(c, FAILURE_INVALID_ARGS, "There is nothing to force");
        return client_check_reserved(c, options->reserved, ELEMENTS(options->reserved));
}

static int call_mailbox(struct doe_client *c, const char *mailbox, const char *member, bool may_force,
                        const struct doe_call_options *options) {
        _cleanup_free_ char *path = NULL;
        BusRequest rq;
        int r;

        client_begin(c);
        options = options ?: &client_call_defaults;
        r = client_check_call(c, options, may_force);
        if (r >= 0)
                r = client_mailbox_path(c, mailbox, &path);
        if (r < 0)
                return r;

        rq = bus_request_new(c->bus, path, DOED_INTERFACE_MAILBOX, member);
        bus_begin_options(&rq);
        if (options->force)
                bus_append(&rq, "{sv}", "force", "b", 1);
        client_end_options(&rq, options->timeout_usec);
        return client_call(c, &rq, options->timeout_usec, NULL);
}

int doe_client_recover(struct doe_client *c, const char *mailbox, const struct doe_call_options *options) {
        return call_mailbox(c, mailbox, "Recover", true, options);
}

int doe_client_discover(struct doe_client *c, const char *mailbox, const struct doe_call_options *options) {
        return call_mailbox(c, mailbox, "Discover", false, options);
}

int doe_client_rescan(struct doe_client *c, const struct doe_call_options *options) {
        BusRequest rq;
        int r;

        client_begin(c);
        options = options ?: &client_call_defaults;
        r = client_check_call(c, options, false);
        if (r < 0)
                return r;

        rq = bus_request_new(c->bus, DOED_PATH, DOED_INTERFACE_MANAGER, "Rescan");
        return client_call(c, &rq, options->timeout_usec, NULL);
}

/* Of whom: oneself, unless the options name somebody. */
static void append_caller(BusRequest *rq, const struct doe_explain_options *options) {
        bus_begin_options(rq);
        if (options->uid)
                bus_append(rq, "{sv}", "uid", "u", *options->uid);
        if (options->n_gids > 0)
                bus_append_numbers(rq, "gids", options->gids, options->n_gids);
        bus_end_values(rq);
}

int doe_client_explain(struct doe_client *c, const char *mailbox, uint16_t vendor, uint8_t type,
                       const void *request, size_t n_bytes, const struct doe_explain_options *options,
                       struct doe_values **ret) {
        static const struct doe_explain_options defaults;
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = NULL;
        struct doe_values *values;
        BusRequest rq;
        int r;

        client_begin(c);
        options = options ?: &defaults;
        r = client_check_reserved(c, options->reserved, ELEMENTS(options->reserved));
        if (r >= 0)
                r = client_mailbox_path(c, mailbox, &path);
        if (r < 0)
                return r;

        rq = bus_request_new(c->bus, DOED_PATH, DOED_INTERFACE_MANAGER, "Explain");
        bus_append(&rq, "oqy", path, vendor, type);
        bus_append_bytes(&rq, request, n_bytes);
        append_caller(&rq, options);
        r = client_call(c, &rq, options->timeout_usec ?: BUS_TIMEOUT_USEC_DEFAULT, &reply);
        if (r < 0)
                return r;

        values = calloc(1, sizeof(*values));
        if (!values)
                return client_fail_errno(c, -ENOMEM);
        if (values_read(values, reply) < 0) {
                doe_values_free(values);
                return client_fail_type(c);
        }

        *ret = values;
        return 0;
}

static void free_names(char **names, size_t n) {
        for (size_t i = 0; i < n; i++)
                free(names[i]);
        free(names);
}

/* Names of the "ao" that comes next; each owned. Return: how many; -errno. */
static int read_names(sd_bus_message *reply, char ***ret) {
        char **names = NULL, **more;
        const char *path;
        size_t n = 0;
        int r = sd_bus_message_enter_container(reply, SD_BUS_TYPE_ARRAY, "o");

        while (r >= 0 && (r = sd_bus_message_read_basic(reply, SD_BUS_TYPE_OBJECT_PATH, &path)) > 0) {
                more = reallocarray(names, n + 1, sizeof(*names));
                r = more ? 0 : -ENOMEM;
                if (more) {
                        names = more;
                        r = name_from_path(path, &names[n]);
                }
                n += r >= 0;
        }
        if (r < 0) {
                free_names(names, n);
                return r;
        }

        *ret = names;
        return (int)n;
}

/* One allocation of the pointers and what they point to; NULL without memory. */
static char **pack_names(char *const *names, size_t n) {
        size_t n_bytes = (n + 1) * sizeof(char *);
        char **packed, *text;

        for (size_t i = 0; i < n; i++)
                n_bytes += strlen(names[i]) + 1;
        packed = malloc(n_bytes);
        if (!packed)
                return NULL;

        text = (char *)(packed + n + 1);
        for (size_t i = 0; i < n; i++) {
                packed[i] = text;
                text = stpcpy(text, names[i]) + 1;
        }
        packed[n] = NULL;
        return packed;
}

/* doed compares an address as it writes it; a glob stays what it is. -ENOMEM. */
static int fold_device(const char *device, char **ret) {
        _cleanup_free_ char *path = NULL;
        int r = name_to_device_path(device, &path);

        if (r == -EINVAL) {
                *ret = strdup(device ?: "");
                return *ret ? 0 : -ENOMEM;
        }
        return r < 0 ? r : name_from_path(path, ret);
}

static int take_names(struct doe_client *c, sd_bus_message *reply, char ***ret) {
        char **names = NULL, **packed;
        int n = read_names(reply, &names);

        if (n < 0)
                return n == -ENOMEM ? client_fail_errno(c, n) : client_fail_type(c);

        packed = pack_names(names, (size_t)n);
        free_names(names, (size_t)n);
        if (!packed)
                return client_fail_errno(c, -ENOMEM);

        *ret = packed;
        return n;
}

int doe_client_find(struct doe_client *c, const char *device, uint16_t vendor, uint8_t type,
                    const struct doe_call_options *options, char ***ret_mailboxes) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_free_ char *folded = NULL;
        BusRequest rq;
        int r;

        client_begin(c);
        options = options ?: &client_call_defaults;
        r = client_check_call(c, options, false);
        if (r >= 0)
                r = client_fail_errno(c, fold_device(device, &folded));
        if (r < 0)
                return r;

        rq = bus_request_new(c->bus, DOED_PATH, DOED_INTERFACE_MANAGER, "Find");
        bus_append(&rq, "sqy", folded, vendor, type);
        bus_begin_options(&rq);
        client_end_options(&rq, options->timeout_usec);
        r = client_call(c, &rq, options->timeout_usec, &reply);
        return r < 0 ? r : take_names(c, reply, ret_mailboxes);
}
