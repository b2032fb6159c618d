/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Arguments that several verbs take, and calls that several verbs make. */

#include "client/doectl.h"
#include "client/target.h"
#include "protocols/feature.h"

/* MAILBOX FEATURE [HEX|@FILE|-] */
typedef struct Query {
        Target target;
        uint16_t vendor_id;
        uint8_t type;
        char feature[DOE_FEATURE_STR_MAX];
        uint8_t *request; /* owned */
        size_t n_bytes;
} Query;

static inline void query_done(Query *q) {
        target_done(&q->target);
        free(q->request);
}
#define _cleanup_query_ __attribute__((cleanup(query_done)))

/* Read the first two arguments, and no more. Return: 0; -errno with c->failure set. */
int query_find(Context *c, Query *ret);
/* Read the three arguments. Return: 0; -errno with c->failure set. */
int query_read(Context *c, Query *ret);

/**
 * query_act() - call @member of the mailbox that the first argument names, then read what became of it
 * @ret: as target_read_mailbox() gives it
 *
 * Options: --force and --timeout where they were given. Return: 0; -errno with c->failure set.
 */
int query_act(Context *c, const char *member, json_t **ret);
