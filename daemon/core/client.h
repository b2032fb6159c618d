/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One caller: a connection to the bus, who it is, and what it has under way. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "daemon/util/cleanup.h"

typedef struct Account Account;
typedef struct Client Client;
typedef struct Manager Manager;
typedef struct Transaction Transaction;

TAILQ_HEAD(TransactionList, Transaction);

struct Client {
        Manager *manager;
        char *name;   /* unique bus name, for people and tests */
        char *unit;   /* systemd unit, for people only; may be NULL */
        uint32_t pid; /* for people only; 0: not known */
        uid_t uid;
        Account *account; /* of its uid; shared with the uid's other clients and leases */
        gid_t *gids;
        size_t n_gids;
        struct TransactionList transactions; /* all that are not done yet */
        size_t n_transactions;
        uint64_t n_bytes_waiting; /* request bytes of those */
        LIST_ENTRY(Client) clients;
};

/**
 * client_new() - somebody who may call
 * @gids: all groups, primary included; copied
 *
 * Return: 0; -ENOMEM.
 */
int client_new(Manager *m, const char *name, uid_t uid, const gid_t *gids, size_t n_gids, Client **ret);
/* It left the bus: what waits is dropped unanswered (there is nobody to answer), what runs drains. */
Client *client_free(Client *c);
DEFINE_CLEANUP(Client *, client_free);
