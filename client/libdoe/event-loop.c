/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "client/libdoe/client-private.h"

#define MESSAGES_MAX                                                                                        \
        256u /* of one doe_client_process(), so that a flood does not keep its caller's other work waiting  \
              */

int doe_client_fd(struct doe_client *c) {
        int r;

        client_begin(c);
        r = sd_bus_get_fd(c->bus);
        return r < 0 ? client_fail_errno(c, r) : r;
}

int doe_client_events(struct doe_client *c) {
        int r;

        client_begin(c);
        r = sd_bus_get_events(c->bus);
        return r < 0 ? client_fail_errno(c, r) : r;
}

int doe_client_timeout_usec(struct doe_client *c, uint64_t *ret_usec) {
        uint64_t usec;
        int r;

        client_begin(c);
        r = sd_bus_get_timeout(c->bus, &usec);
        if (r < 0)
                return client_fail_errno(c, r);

        *ret_usec = usec < watch_deadline_usec(c) ? usec : watch_deadline_usec(c);
        return 0;
}

int doe_client_process(struct doe_client *c) {
        int r = 1;

        client_begin(c);
        if (c->n_callbacks > 0)
                return client_fail_errno(c, -EDEADLK);

        client_enter(c);
        for (unsigned i = 0; i < MESSAGES_MAX && r > 0; i++)
                r = sd_bus_process(c->bus, NULL);
        if (r >= 0)
                watch_process(c);
        if (!client_leave(c))
                return -ECANCELED;

        client_begin(c);
        return client_fail_errno(c, r);
}
