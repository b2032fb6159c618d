/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/account.h"

#include <errno.h>

#include "daemon/core/manager.h"
#include "daemon/util/clock.h"
#include "tests/unit/config-fixture.h"
#include "tests/unit/suite.h"

#define NOW (100 * USEC_PER_SEC)

static Manager manager;

static void set_up(const char *text) {
        manager = (Manager){ .config = fixture_load(text) };
        LIST_INIT(&manager.accounts);
}

static void tear_down(void) {
        accounts_done(&manager);
        ck_assert(LIST_EMPTY(&manager.accounts));
        timer_queue_done(&manager.timers);
        config_free(manager.config);
}

static PolicyEffects effects_of_defaults(void) {
        return (PolicyEffects){ .bytes_max = limits_default.bytes_max_per_uid,
                                .leases_max = limits_default.leases_max_per_uid,
                                .waiters_max = limits_default.waiters_max_per_uid };
}

static void assert_quota(const Failure *f, const char *limit, uint64_t value) {
        ck_assert_int_eq(f->error, -EDQUOT);
        ck_assert_str_eq(f->values[0].name, "limit");
        ck_assert_str_eq(f->values[0].string, limit);
        ck_assert_str_eq(f->values[1].name, "value");
        ck_assert_uint_eq(f->values[1].number, value);
        ck_assert_ptr_nonnull(strstr(f->text, limit));
}

START_TEST(a_uid_has_one_account_while_something_refers_to_it) {
        Account *a, *b;

        set_up("");
        a = account_ref(&manager, 1000);
        ck_assert_ptr_eq(account_ref(&manager, 1000), a);
        b = account_ref(&manager, 1001);
        ck_assert_ptr_ne(a, b);
        account_unref(b);
        account_unref(a);
        ck_assert_ptr_eq(LIST_FIRST(&manager.accounts), a);
        account_unref(a);
        ck_assert(LIST_EMPTY(&manager.accounts));
        ck_assert_ptr_null(account_unref(NULL));
        tear_down();
}
END_TEST

START_TEST(bytes_of_all_clients_count) {
        PolicyEffects e = effects_of_defaults();
        Account *a;
        Failure f;

        set_up("");
        a = account_ref(&manager, 1000);
        a->n_bytes_waiting = e.bytes_max - 100;
        ck_assert_int_eq(account_check_request(a, &e, 100, NOW, &f), 0);
        ck_assert_int_eq(account_check_request(a, &e, 101, NOW, &f), -EDQUOT);
        assert_quota(&f, "BytesMaxPerUid", e.bytes_max);
        e.bytes_max = 4096;
        a->n_bytes_waiting = 4000;
        ck_assert_int_eq(account_check_request(a, &e, 100, NOW, &f), -EDQUOT);
        assert_quota(&f, "BytesMax", 4096);
        account_unref(a);
        tear_down();
}
END_TEST

START_TEST(leases_and_waiters_are_counted_apart) {
        PolicyEffects e = effects_of_defaults();
        Account *a;
        Failure f;

        set_up("");
        a = account_ref(&manager, 1000);
        a->n_leases = e.leases_max - 1;
        a->n_waiters = e.waiters_max;
        ck_assert_int_eq(account_check_lease(a, &e, &f), 0);
        ck_assert_int_eq(account_check_waiter(a, &e, &f), -EDQUOT);
        assert_quota(&f, "WaitersMaxPerUid", e.waiters_max);
        a->n_leases++;
        ck_assert_int_eq(account_check_lease(a, &e, &f), -EDQUOT);
        assert_quota(&f, "LeasesMaxPerUid", e.leases_max);
        e.leases_max = 0;
        a->n_leases = 0;
        ck_assert_int_eq(account_check_lease(a, &e, &f), -EDQUOT);
        assert_quota(&f, "LeasesMax", 0);
        account_unref(a);
        tear_down();
}
END_TEST

/* Of so many requests at once, how many pass. */
static unsigned pass(Account *a, const PolicyEffects *e, unsigned n, uint64_t now_usec) {
        unsigned n_passed = 0;
        Failure f;

        for (unsigned i = 0; i < n; i++)
                n_passed += account_check_request(a, e, 4, now_usec, &f) == 0;
        return n_passed;
}

START_TEST(a_rate_lets_one_seconds_worth_pass_at_once_and_then_as_time_goes) {
        PolicyEffects e = effects_of_defaults();
        Account *a;
        Failure f;

        set_up("[Rule slow]\nRatePerSec=10\n");
        e.rate_rule = rules_find(manager.config->rules, "slow");
        e.rate_per_sec = 10;
        a = account_ref(&manager, 1000);
        ck_assert_uint_eq(pass(a, &e, 30, NOW), 10);
        ck_assert_int_eq(account_check_request(a, &e, 4, NOW, &f), -EDQUOT);
        assert_quota(&f, "RatePerSec", 10);
        ck_assert_str_eq(f.values[2].name, "rule");
        ck_assert_str_eq(f.values[2].string, "slow");
        ck_assert_uint_eq(pass(a, &e, 30, NOW + 99999), 0);
        ck_assert_uint_eq(pass(a, &e, 30, NOW + 100000), 1);
        ck_assert_uint_eq(pass(a, &e, 30, NOW + 600000), 5);
        ck_assert_uint_eq(pass(a, &e, 30, NOW + 60 * USEC_PER_SEC), 10);
        account_unref(a);
        tear_down();
}
END_TEST

START_TEST(each_rule_and_each_uid_has_a_rate_of_its_own) {
        PolicyEffects one = effects_of_defaults(), other = effects_of_defaults();
        Account *a, *b;

        set_up("[Rule one]\nRatePerSec=1\n[Rule other]\nRatePerSec=2\n");
        one.rate_rule = rules_find(manager.config->rules, "one");
        one.rate_per_sec = 1;
        other.rate_rule = rules_find(manager.config->rules, "other");
        other.rate_per_sec = 2;
        a = account_ref(&manager, 1000);
        b = account_ref(&manager, 1001);
        ck_assert_uint_eq(pass(a, &one, 5, NOW), 1);
        ck_assert_uint_eq(pass(a, &other, 5, NOW), 2);
        ck_assert_uint_eq(pass(b, &one, 5, NOW), 1);
        account_unref(a);
        account_unref(b);
        tear_down();
}
END_TEST

START_TEST(what_was_refused_takes_nothing_from_the_rate) {
        PolicyEffects e = effects_of_defaults();
        Account *a;
        Failure f;

        set_up("");
        e.rate_per_sec = 1;
        a = account_ref(&manager, 1000);
        ck_assert_int_eq(account_check_request(a, &e, e.bytes_max + 1, NOW, &f), -EDQUOT);
        assert_quota(&f, "BytesMaxPerUid", e.bytes_max);
        ck_assert_uint_eq(pass(a, &e, 1, NOW), 1);
        account_unref(a);
        tear_down();
}
END_TEST

START_TEST(coming_back_does_not_fill_the_rate) {
        PolicyEffects e = effects_of_defaults();
        Account *a;

        set_up("");
        e.rate_per_sec = 5;
        a = account_ref(&manager, 1000);
        ck_assert_uint_eq(pass(a, &e, 9, NOW), 5);
        account_unref(a);
        timer_queue_dispatch(&manager.timers, NOW + 999999);
        ck_assert_ptr_eq(account_ref(&manager, 1000), a);
        ck_assert_uint_eq(pass(a, &e, 9, NOW), 0);
        /* it is referred to when its time is over, and then no more */
        timer_queue_dispatch(&manager.timers, NOW + USEC_PER_SEC);
        ck_assert_ptr_eq(LIST_FIRST(&manager.accounts), a);
        account_unref(a);
        timer_queue_dispatch(&manager.timers, NOW + USEC_PER_SEC);
        ck_assert(LIST_EMPTY(&manager.accounts));
        tear_down();
}
END_TEST

DEFINE_SUITE("account", a_uid_has_one_account_while_something_refers_to_it, bytes_of_all_clients_count,
             leases_and_waiters_are_counted_apart,
             a_rate_lets_one_seconds_worth_pass_at_once_and_then_as_time_goes,
             each_rule_and_each_uid_has_a_rate_of_its_own, what_was_refused_takes_nothing_from_the_rate,
             coming_back_does_not_fill_the_rate)
