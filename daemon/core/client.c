/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/client.h"

#include <errno.h>

#include "daemon/core/manager.h"
#include "daemon/core/transaction.h"

int client_new(Manager *m, const char *name, uid_t uid, const gid_t *gids, size_t n_gids, Client **ret) {
        _cleanup_(client_freep) Client *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;
        TAILQ_INIT(&c->transactions);
        c->manager = m;
        c->uid = uid;
        c->account = account_ref(m, uid);
        LIST_INSERT_HEAD(&m->clients, c, clients);
        c->name = strdup(name);
        if (!c->name || !c->account)
                return -ENOMEM;
        if (n_gids > 0) {
                c->gids = calloc(n_gids, sizeof(*c->gids));
                if (!c->gids)
                        return -ENOMEM;
                memcpy(c->gids, gids, n_gids * sizeof(*c->gids));
                c->n_gids = n_gids;
        }
        *ret = TAKE_PTR(c);
        return 0;
}

Client *client_free(Client *c) {
        if (!c)
                return NULL;
        while (!TAILQ_EMPTY(&c->transactions))
                transaction_abandon(TAILQ_FIRST(&c->transactions));
        LIST_REMOVE(c, clients);
        account_unref(c->account);
        free(c->name);
        free(c->unit);
        free(c->gids);
        free(c);
        return NULL;
}
