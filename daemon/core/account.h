/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What one uid has under way, all its clients and leases together: what the limits per uid count. There is
 * one as long as something refers to it, and for as long as its rates remember, so that nobody gets around
 * them by coming back as another client. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "daemon/core/failure.h"
#include "daemon/core/policy.h"

typedef struct Manager Manager;
typedef struct Account Account;
LIST_HEAD(AccountList, Account);

struct Account {
        Manager *manager;
        uid_t uid;
        unsigned n_refs;
        uint64_t n_bytes_waiting; /* request bytes of calls that are not answered */
        uint64_t n_leases, n_waiters;
        uint64_t n_cache_bytes;     /* of answers that it caused to be kept */
        struct AccountRates *rates; /* account.c's */
        LIST_ENTRY(Account) accounts;
};

/* The uid's, made if need be; NULL on no memory. */
Account *account_ref(Manager *m, uid_t uid);
Account *account_unref(Account *a);
/* Forget all rates, and with them the accounts that nothing refers to any more; before the timers go. */
void accounts_done(Manager *m);

/**
 * account_check_request() - one more request of @n_bytes?
 *
 * Takes one from the rate if so: in any second so many, at once or spread. Each rule counts for itself, by
 * its name, so that a reload forgives nothing.
 *
 * Return: 0; -EDQUOT, @ret naming limit and value; -ENOMEM.
 */
int account_check_request(Account *a, const PolicyEffects *effects, size_t n_bytes, uint64_t now_usec,
                          Failure *ret);
/* One more open lease, one more waiting one? Return: 0; -EDQUOT as above. */
int account_check_lease(const Account *a, const PolicyEffects *effects, Failure *ret);
int account_check_waiter(const Account *a, const PolicyEffects *effects, Failure *ret);
/* -EDQUOT with the text and values of the contract. @limit: as in Limits, or the rule's key. */
int account_fail_quota(const char *limit, uint64_t value, Failure *ret);
