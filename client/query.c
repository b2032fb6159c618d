/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/query.h"

#include "client/match.h"
#include "client/request.h"

int query_find(Context *c, Query *ret) {
        int r;

        r = match_feature(c->arguments[1], &ret->vendor_id, &ret->type, &c->failure);
        if (r < 0)
                return r;

        doe_feature_format(ret->vendor_id, ret->type, ret->feature);
        return target_find_mailbox(&c->bus, c->arguments[0], ret->feature, &ret->target, &c->failure);
}

int query_read(Context *c, Query *ret) {
        const char *payload = c->n_arguments > 2 ? c->arguments[2] : NULL;
        int r;

        r = request_read(payload, &ret->request, &ret->n_bytes, &c->failure);
        return r < 0 ? r : query_find(c, ret);
}

int query_act(Context *c, const char *member, json_t **ret) {
        _cleanup_target_ Target t = { 0 };
        BusRequest rq;
        int r;

        r = target_find_mailbox(&c->bus, c->arguments[0], NULL, &t, &c->failure);
        if (r < 0)
                return r;

        rq = bus_request(&c->bus, t.path, DOED_INTERFACE_MAILBOX, member);
        bus_begin_options(&rq);
        if (c->options.force)
                bus_append(&rq, "{sv}", "force", "b", 1);
        bus_end_options(&c->bus, &rq);
        r = target_call(&t, &c->bus, &rq, NULL, &c->failure);
        if (r < 0)
                return r;

        return target_read_mailbox(&t, &c->bus, ret, &c->failure);
}
