/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "client/libdoe/client-private.h"

/* Only what Cdat1.Read has. */
static int check_options(struct doe_client *c, const struct doe_options *options) {
        if (options && (options->epoch > 0 || options->max_response_bytes > 0 || options->priority != 0))
                return client_fail(c, FAILURE_INVALID_ARGS,
                                   "A table is read with timeout_usec and fresh only");
        return options ? client_check_reserved(c, options->reserved, ELEMENTS(options->reserved)) : 0;
}

int doe_client_read_cdat(struct doe_client *c, const char *device, const struct doe_options *options,
                         uint8_t **ret_table, size_t *ret_n_bytes, struct doe_details *ret_details) {
        const uint64_t timeout_usec = options ? options->timeout_usec : 0;
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = NULL;
        BusRequest rq;
        int r;

        client_begin(c);
        r = check_options(c, options);
        if (r < 0)
                return r;

        r = client_device_path(c, device, &path);
        if (r < 0)
                return r;

        rq = bus_request_new(c->bus, path, DOED_INTERFACE_CDAT, "Read");
        bus_begin_options(&rq);
        if (options)
                exchange_append_options(&rq, options);
        client_end_options(&rq, timeout_usec);
        r = client_call(c, &rq, timeout_usec, &reply);
        if (r == -EOPNOTSUPP) {
                (void)client_fail(c, FAILURE_UNKNOWN_OBJECT, "%s has no CDAT", device);
                return -ENOENT;
        }
        return r < 0 ? r : exchange_take_reply(c, reply, ret_table, ret_n_bytes, ret_details);
}
