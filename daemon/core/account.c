/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/account.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "daemon/core/manager.h"
#include "daemon/util/clock.h"

/* The tokens that one rule lets the uid take, one second's worth of them at most, as the time when there
 * will be that many again: the past means that there are. */
typedef struct Bucket {
        char rule[RULE_NAME_MAX];
        uint64_t full_usec;
} Bucket;

typedef struct AccountRates {
        Timer timer; /* of an account that nothing refers to: when all buckets are full */
        Bucket *buckets;
        size_t n_buckets;
} AccountRates;

/* -------- the account -------- */

static void account_forget_rates(Account *a) {
        if (!a->rates)
                return;
        timer_disarm(&a->manager->timers, &a->rates->timer);
        free(a->rates->buckets);
        free(a->rates);
        a->rates = NULL;
}

static void account_free(Account *a) {
        account_forget_rates(a);
        LIST_REMOVE(a, accounts);
        free(a);
}

Account *account_ref(Manager *m, uid_t uid) {
        Account *a;

        LIST_FOREACH (a, &m->accounts, accounts)
                if (a->uid == uid)
                        break;
        if (!a) {
                a = calloc(1, sizeof(*a));
                if (!a)
                        return NULL;
                a->manager = m;
                a->uid = uid;
                LIST_INSERT_HEAD(&m->accounts, a, accounts);
        }
        a->n_refs++;
        return a;
}

static void account_on_full(Timer *timer, void *userdata, uint64_t now_usec) {
        Account *a = userdata;

        if (a->n_refs == 0)
                account_free(a);
}

Account *account_unref(Account *a) {
        uint64_t full_usec = 0;

        if (!a || --a->n_refs > 0)
                return NULL;
        if (a->rates) {
                for (size_t i = 0; i < a->rates->n_buckets; i++)
                        full_usec = MAX_OF(full_usec, a->rates->buckets[i].full_usec);
                if (timer_arm(&a->manager->timers, &a->rates->timer, full_usec) >= 0)
                        return NULL;
        }
        account_free(a);
        return NULL;
}

void accounts_done(Manager *m) {
        Account *a = LIST_FIRST(&m->accounts);

        while (a) {
                Account *next = LIST_NEXT(a, accounts);

                if (a->n_refs == 0)
                        account_free(a);
                else
                        account_forget_rates(a);
                a = next;
        }
}

/* -------- rates -------- */

static Bucket *rates_find(AccountRates *rates, const char *rule) {
        for (size_t i = 0; i < rates->n_buckets; i++)
                if (strcmp(rates->buckets[i].rule, rule) == 0)
                        return &rates->buckets[i];
        return NULL;
}

/* Full ones say nothing that a missing one does not. */
static void rates_drop_full(AccountRates *rates, uint64_t now_usec) {
        size_t n = 0;

        for (size_t i = 0; i < rates->n_buckets; i++)
                if (rates->buckets[i].full_usec > now_usec)
                        rates->buckets[n++] = rates->buckets[i];
        rates->n_buckets = n;
}

/* The bucket of that rule, a full one if need be; NULL on no memory. */
static Bucket *account_get_bucket(Account *a, const char *rule, uint64_t now_usec) {
        AccountRates *rates = a->rates;
        Bucket *b, *grown;

        if (!rates) {
                rates = calloc(1, sizeof(*rates));
                if (!rates)
                        return NULL;
                rates->timer = (Timer){ .fn = account_on_full, .userdata = a };
                a->rates = rates;
        }
        b = rates_find(rates, rule);
        if (b)
                return b;
        rates_drop_full(rates, now_usec);
        grown = reallocarray(rates->buckets, rates->n_buckets + 1, sizeof(*grown));
        if (!grown)
                return NULL;
        rates->buckets = grown;
        b = &grown[rates->n_buckets++];
        *b = (Bucket){ .full_usec = 0 };
        snprintf(b->rule, sizeof(b->rule), "%s", rule);
        return b;
}

static int account_take_from_rate(Account *a, const PolicyEffects *effects, uint64_t now_usec,
                                  Failure *ret) {
        const char *rule = effects->rate_rule ? rule_name(effects->rate_rule) : "";
        Bucket *b = account_get_bucket(a, rule, now_usec);
        uint64_t full_usec;

        if (!b)
                return failure_set(ret, -ENOMEM, "Out of memory");
        full_usec = MAX_OF(b->full_usec, now_usec) + USEC_PER_SEC / effects->rate_per_sec;
        if (full_usec > now_usec + USEC_PER_SEC) {
                account_fail_quota("RatePerSec", effects->rate_per_sec, ret);
                failure_add_string(ret, "rule", rule);
                return ret->error;
        }
        b->full_usec = full_usec;
        return 0;
}

/* -------- quotas -------- */

int account_fail_quota(const char *limit, uint64_t value, Failure *ret) {
        failure_set(ret, -EDQUOT, "This would exceed the limit %s of %" PRIu64, limit, value);
        failure_add_string(ret, "limit", limit);
        failure_add_u64(ret, "value", value);
        return ret->error;
}

/* @n would be the new count. Named by the one of Limits and of the rule's key whose value it is. */
static int check(uint64_t n, uint64_t max, const char *limit, uint64_t limit_value, const char *key,
                 Failure *ret) {
        if (n <= max)
                return 0;
        return account_fail_quota(max == limit_value ? limit : key, max, ret);
}

int account_check_request(Account *a, const PolicyEffects *effects, size_t n_bytes, uint64_t now_usec,
                          Failure *ret) {
        int r = check(a->n_bytes_waiting + n_bytes, effects->bytes_max, "BytesMaxPerUid",
                      a->manager->config->limits.bytes_max_per_uid, "BytesMax", ret);

        if (r < 0 || effects->rate_per_sec == 0)
                return r;
        return account_take_from_rate(a, effects, now_usec, ret);
}

int account_check_lease(const Account *a, const PolicyEffects *effects, Failure *ret) {
        return check(a->n_leases + 1, effects->leases_max, "LeasesMaxPerUid",
                     a->manager->config->limits.leases_max_per_uid, "LeasesMax", ret);
}

int account_check_waiter(const Account *a, const PolicyEffects *effects, Failure *ret) {
        return check(a->n_waiters + 1, effects->waiters_max, "WaitersMaxPerUid",
                     a->manager->config->limits.waiters_max_per_uid, "WaitersMax", ret);
}
