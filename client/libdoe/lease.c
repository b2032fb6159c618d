/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/libdoe/client-private.h"
#include "client/libdoe/lease-private.h"

int doe_lease_new_from_fd(int fd, size_t max_object_bytes, struct doe_lease **ret) {
        struct doe_lease *l;

        if (fd < 0)
                return -EINVAL;

        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
                return -errno;

        l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;

        l->fd = fd;
        l->max_object_bytes = max_object_bytes > 0 ? max_object_bytes : DOE_OBJECT_BYTES_MAX;
        *ret = l;
        return 0;
}

struct doe_lease *doe_lease_free(struct doe_lease *l) {
        if (!l)
                return NULL;

        close(l->fd);
        free(l->path);
        free(l->out);
        free(l->in);
        free(l->error_text);
        free(l);
        return NULL;
}

int doe_lease_fd(const struct doe_lease *l) {
        return l->fd;
}

const char *doe_lease_path(const struct doe_lease *l) {
        return l->path ?: "";
}

uint64_t doe_lease_epoch(const struct doe_lease *l) {
        return l->epoch;
}

const uint8_t *doe_lease_resume(const struct doe_lease *l) {
        return l->has_resume ? l->resume : NULL;
}

size_t doe_lease_max_object_bytes(const struct doe_lease *l) {
        return l->max_object_bytes;
}

/* A reply with a descriptor would be lost on the way, and doed would think that it had arrived. */
static int check_descriptors(struct doe_client *c, uint64_t timeout_usec) {
        int r;

        if (c->n_callbacks > 0)
                return client_fail_errno(c, -EDEADLK);

        r = client_wait_ready(c, timeout_usec);
        if (r < 0)
                return r;

        r = sd_bus_can_send(c->bus, SD_BUS_TYPE_UNIX_FD);
        if (r < 0)
                return client_fail_errno(c, r);
        if (r == 0)
                return client_fail(
                                c, DBUS_ERROR_PREFIX "NotSupported",
                                "A lease is a descriptor, and this connection to the bus cannot pass any: "
                                "run the program on the machine itself");
        return 0;
}

/* The details of Lease: epoch, resume, max-object-bytes. */
static int read_details(sd_bus_message *reply, struct doe_lease *l) {
        struct doe_values values = { 0 };
        const void *token;
        const char *name;
        size_t n;
        int r = sd_bus_message_enter_container(reply, SD_BUS_TYPE_ARRAY, "{sv}");

        while (r >= 0 && (r = sd_bus_message_enter_container(reply, SD_BUS_TYPE_DICT_ENTRY, "sv")) > 0) {
                r = sd_bus_message_read_basic(reply, SD_BUS_TYPE_STRING, &name);
                if (r >= 0 && strcmp(name, "resume") == 0) {
                        r = sd_bus_message_enter_container(reply, SD_BUS_TYPE_VARIANT, "ay");
                        if (r >= 0)
                                r = sd_bus_message_read_array(reply, SD_BUS_TYPE_BYTE, &token, &n);
                        l->has_resume = r >= 0 && n == sizeof(l->resume);
                        if (l->has_resume)
                                memcpy(l->resume, token, n);
                        if (r >= 0)
                                r = sd_bus_message_exit_container(reply);
                } else if (r >= 0)
                        r = values_read_variant(&values, reply, "", name);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }

        l->epoch = values_number(&values, "epoch");
        if (values_number(&values, "max-object-bytes") > 0)
                l->max_object_bytes = values_number(&values, "max-object-bytes");
        values_done(&values);
        return r;
}

/* What Lease and Inhibit answer; the latter has no details. */
static int take_lease(struct doe_client *c, sd_bus_message *reply, bool is_registers,
                      struct doe_lease **ret) {
        struct doe_lease *l = NULL;
        const char *path;
        int fd, r;

        r = sd_bus_message_read(reply, "ho", &fd, &path); /* the descriptor stays the message's */
        if (r <= 0)
                return client_fail_type(c);

        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return client_fail_errno(c, -errno);
        r = doe_lease_new_from_fd(fd, 0, &l);
        if (r < 0) {
                close(fd);
                return client_fail_errno(c, r);
        }

        l->is_registers = is_registers;
        l->path = strdup(path);
        if (!l->path)
                r = client_fail_errno(c, -ENOMEM);
        else if (!is_registers && read_details(reply, l) < 0)
                r = client_fail_type(c);
        if (r < 0)
                l = doe_lease_free(l);
        else
                *ret = l;
        return r;
}

static void append_usec(BusRequest *rq, const char *name, uint64_t usec) {
        if (usec > 0)
                bus_append(rq, "{sv}", name, "t", usec);
}

static BusRequest make_request(struct doe_client *c, const char *path, uint16_t vendor, uint8_t type,
                               const struct doe_lease_options *options) {
        BusRequest rq = bus_request_new(c->bus, path, DOED_INTERFACE_MAILBOX, "Lease");

        bus_append(&rq, "qy", vendor, type);
        bus_begin_options(&rq);
        append_usec(&rq, "idle-usec", options->idle_usec);
        append_usec(&rq, "max-usec", options->max_usec);
        append_usec(&rq, "request-usec", options->request_usec);
        if (options->scope == DOE_SCOPE_MAILBOX)
                bus_append(&rq, "{sv}", "scope", "s", "mailbox");
        if (options->wait)
                bus_append(&rq, "{sv}", "wait", "b", 1);
        if (options->resume)
                bus_append_bytes_option(&rq, "resume", options->resume, DOE_RESUME_BYTES);
        client_end_options(&rq, options->timeout_usec);
        return rq;
}

int doe_client_lease(struct doe_client *c, const char *mailbox, uint16_t vendor, uint8_t type,
                     const struct doe_lease_options *options, struct doe_lease **ret) {
        static const struct doe_lease_options defaults;
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = NULL;
        BusRequest rq;
        int r;

        client_begin(c);
        options = options ?: &defaults;
        r = client_check_reserved(c, options->reserved, ELEMENTS(options->reserved));
        if (r >= 0 && options->scope != DOE_SCOPE_FEATURE && options->scope != DOE_SCOPE_MAILBOX)
                r = client_fail(c, FAILURE_INVALID_ARGS, "%u is no scope", (unsigned)options->scope);
        if (r >= 0)
                r = client_mailbox_path(c, mailbox, &path);
        if (r >= 0)
                r = check_descriptors(c, options->timeout_usec);
        if (r < 0)
                return r;

        rq = make_request(c, path, vendor, type, options);
        r = client_call(c, &rq, options->timeout_usec, &reply);
        return r < 0 ? r : take_lease(c, reply, false, ret);
}

int doe_client_inhibit(struct doe_client *c, const char *mailbox, const char *why,
                       const struct doe_inhibit_options *options, struct doe_lease **ret) {
        static const struct doe_inhibit_options defaults;
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = NULL;
        BusRequest rq;
        int r;

        client_begin(c);
        options = options ?: &defaults;
        r = client_check_reserved(c, options->reserved, ELEMENTS(options->reserved));
        if (r >= 0)
                r = client_mailbox_path(c, mailbox, &path);
        if (r >= 0)
                r = check_descriptors(c, options->timeout_usec);
        if (r < 0)
                return r;

        rq = bus_request_new(c->bus, path, DOED_INTERFACE_MAILBOX, "Inhibit");
        bus_append(&rq, "s", why ?: "");
        bus_begin_options(&rq);
        append_usec(&rq, "max-usec", options->max_usec);
        if (options->force)
                bus_append(&rq, "{sv}", "force", "b", 1);
        client_end_options(&rq, options->timeout_usec);
        r = client_call(c, &rq, options->timeout_usec, &reply);
        return r < 0 ? r : take_lease(c, reply, true, ret);
}

int doe_client_revoke(struct doe_client *c, const char *path, const char *why) {
        BusRequest rq;

        client_begin(c);
        if (!path || !sd_bus_object_path_is_valid(path))
                return client_fail(c, FAILURE_INVALID_ARGS, "\"%s\" is not the path of a lease", path ?: "");

        rq = bus_request_new(c->bus, path, DOED_INTERFACE_LEASE, "Revoke");
        bus_append(&rq, "s", why ?: "");
        return client_call(c, &rq, BUS_TIMEOUT_USEC_DEFAULT, NULL);
}
