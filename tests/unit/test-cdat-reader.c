/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "daemon/core/lease.h"
#include "protocols/table-access.h"
#include "tests/unit/core-fixture.h"
#include "tests/unit/suite.h"

static uint8_t table[40], other_table[40];

static Fixture *new_with_table(void) {
        Fixture *f = fixture_new();

        f->n_table_bytes = fixture_make_table(table, 1);
        fixture_make_table(other_table, 2);
        f->table = table;
        return f;
}

static void answer_kernel(Fixture *f, int error, const uint8_t *bytes, size_t n_bytes) {
        const JobResult result = {
                .error = error, .evidence = "evidence", .payload = bytes, .n_bytes = n_bytes
        };

        device_report_kernel_cdat(f->device, f->kernel_job, &result, f->now_usec);
}

START_TEST(a_hundred_callers_cost_one_read) {
        Fixture *f = new_with_table();
        size_t n_before = f->n_sent;
        Answer a[100];

        for (size_t i = 0; i < 50; i++)
                fixture_cdat(f, f->root, false, &a[i]);
        fixture_serve(f);
        for (size_t i = 50; i < 100; i++)
                fixture_cdat(f, f->root, false, &a[i]);
        for (size_t i = 0; i < 100; i++) {
                ck_assert_uint_eq(a[i].n_times, 1);
                ck_assert_int_eq(a[i].error, 0);
                ck_assert_uint_eq(a[i].n_bytes, sizeof(table));
                ck_assert_mem_eq(a[i].payload, table, sizeof(table));
                ck_assert_int_eq(a[i].cached, i >= 50);
                ck_assert_str_eq(a[i].source, "mailbox");
        }
        /* header, DSMAS, and the header again to see that nothing changed */
        ck_assert_uint_eq(f->n_sent - n_before, 3);
        fixture_free(f);
}
END_TEST

START_TEST(single_handles_are_answered_from_the_same_walk) {
        Fixture *f = new_with_table();
        uint8_t request[4];
        Answer a;

        fixture_cdat(f, f->root, false, &a);
        fixture_serve(f);
        table_access_request_encode(1, request);
        fixture_exchange(f, f->root, 0x1e98, 0x02, request, sizeof(request), NULL, &a);
        ck_assert_int_eq(a.error, 0);
        ck_assert(a.cached);
        ck_assert_uint_eq(a.n_bytes, 4 + 24);
        ck_assert_mem_eq(a.payload, "\0\0\xff\xff", 4);
        ck_assert_mem_eq(a.payload + 4, table + 16, 24);
        table_access_request_encode(2, request);
        fixture_exchange(f, f->root, 0x1e98, 0x02, request, sizeof(request), NULL, &a);
        ck_assert_int_eq(a.error, -EINVAL);
        fixture_free(f);
}
END_TEST

START_TEST(a_table_that_changes_under_the_walk_is_read_again) {
        Fixture *f = new_with_table();
        uint8_t response[64] = { 0, 0, 1, 0 };
        Answer a;

        fixture_cdat(f, f->root, false, &a);
        memcpy(response + 4, other_table, 16);
        fixture_answer(f, fixture_pending(f)->id, response, 20);
        fixture_serve(f);
        ck_assert_int_eq(a.error, 0);
        ck_assert_mem_eq(a.payload, table, sizeof(table));
        fixture_free(f);
}
END_TEST

START_TEST(a_table_that_changes_each_time_is_given_up) {
        Fixture *f = new_with_table();
        Answer a;

        fixture_cdat(f, f->root, false, &a);
        for (unsigned i = 0; fixture_has_pending(f) && i < 100; i++) {
                uint8_t response[64] = { 0, 0, 1, 0 };

                if (fixture_pending(f)->payload[2] == 0) {
                        fixture_make_table(other_table, i);
                        memcpy(response + 4, other_table, 16);
                        fixture_answer(f, fixture_pending(f)->id, response, 20);
                } else {
                        memcpy(response, "\0\0\xff\xff", 4);
                        memcpy(response + 4, other_table + 16, 24);
                        fixture_answer(f, fixture_pending(f)->id, response, 28);
                }
        }
        ck_assert_uint_eq(a.n_times, 1);
        ck_assert_int_eq(a.error, -EBADMSG);
        fixture_free(f);
}
END_TEST

START_TEST(a_malformed_table_is_not_kept) {
        Fixture *f = new_with_table();
        Answer a;

        fixture_cdat(f, f->root, false, &a);
        fixture_answer(f, fixture_pending(f)->id, "\0\0\1\0garbage.", 12);
        ck_assert_int_eq(a.error, -EBADMSG);
        fixture_cdat(f, f->root, false, &a);
        fixture_serve(f);
        ck_assert_int_eq(a.error, 0);
        ck_assert(!a.cached);
        fixture_free(f);
}
END_TEST

START_TEST(a_new_epoch_ends_the_table) {
        Fixture *f = new_with_table();
        uint32_t length, sequence;
        const char *source;
        Answer a;

        fixture_cdat(f, f->root, false, &a);
        fixture_serve(f);
        device_get_cdat(f->device, &length, &sequence, &source);
        ck_assert_uint_eq(length, 40);
        ck_assert_uint_eq(sequence, 1);
        ck_assert_str_eq(source, "mailbox");
        fixture_ready(f, 2);
        fixture_serve(f);
        device_get_cdat(f->device, &length, &sequence, &source);
        ck_assert_uint_eq(length, 0);
        ck_assert_uint_eq(f->n_cdat_changes, 2);
        fixture_cdat(f, f->root, false, &a);
        ck_assert_uint_eq(a.n_times, 0);
        fixture_serve(f);
        ck_assert(!a.cached);
        fixture_free(f);
}
END_TEST

START_TEST(where_the_kernel_has_the_table_it_comes_from_there) {
        Fixture *f = new_with_table();
        size_t n_before = f->n_sent;
        Answer a, fresh;

        fixture_report_device(f, "1", true);
        fixture_cdat(f, f->root, false, &a);
        ck_assert_uint_eq(f->n_kernel_reads, 1);
        answer_kernel(f, 0, table, sizeof(table));
        ck_assert_int_eq(a.error, 0);
        ck_assert_str_eq(a.source, "kernel");
        ck_assert_mem_eq(a.payload, table, sizeof(table));
        fixture_cdat(f, f->root, false, &a);
        ck_assert(a.cached);
        ck_assert_uint_eq(f->n_kernel_reads, 1);
        ck_assert_uint_eq(f->n_sent, n_before);
        fixture_cdat(f, f->root, true, &fresh);
        ck_assert_int_eq(fresh.error, -EXDEV);

        fixture_report_device(f, "1", false);
        fixture_cdat(f, f->root, false, &a);
        fixture_serve(f);
        ck_assert_str_eq(a.source, "mailbox");
        fixture_free(f);
}
END_TEST

START_TEST(a_kernel_read_that_the_link_lost_is_asked_again) {
        Fixture *f = new_with_table();
        Answer a;

        fixture_report_device(f, "1", true);
        fixture_cdat(f, f->root, false, &a);
        manager_link_lost(f->m, "killed", f->now_usec);
        ck_assert_uint_eq(a.n_times, 0);
        fixture_report_device(f, "1", true);
        ck_assert_uint_eq(f->n_kernel_reads, 1); /* its socket is not up yet */
        fixture_state(f, MAILBOX_UNTOUCHED, "");
        ck_assert_uint_eq(f->n_kernel_reads, 2);
        answer_kernel(f, 0, table, sizeof(table));
        ck_assert_int_eq(a.error, 0);
        fixture_free(f);
}
END_TEST

START_TEST(a_call_before_discovery_waits_for_it) {
        Fixture *f = fixture_new_empty();
        Answer a;

        f->n_table_bytes = fixture_make_table(table, 1);
        f->table = table;
        fixture_report_device(f, "1", false);
        fixture_cdat(f, f->root, false, &a);
        ck_assert_uint_eq(a.n_times, 0);
        fixture_ready(f, 1);
        fixture_serve(f);
        ck_assert_int_eq(a.error, 0);
        fixture_free(f);
}
END_TEST

START_TEST(under_lockdown_nobody_waits_for_a_discovery_that_does_not_come) {
        Fixture *f = fixture_new_empty();
        Answer before, after;

        fixture_report_device(f, "1", false);
        fixture_cdat(f, f->root, false, &before);
        mailbox_report_state(f->mb, MAILBOX_READ_ONLY, 1, "lockdown", f->now_usec);
        fixture_cdat(f, f->root, false, &after);
        ck_assert_int_eq(before.error, -EROFS);
        ck_assert_int_eq(after.error, -EROFS);
        fixture_free(f);
}
END_TEST

START_TEST(a_flight_that_nobody_waits_for_ends_after_its_exchange) {
        Fixture *f = new_with_table();
        size_t n_before = f->n_sent;
        Answer a;

        fixture_cdat(f, f->other, false, &a);
        client_free(f->other);
        fixture_serve(f);
        ck_assert_uint_eq(f->n_sent - n_before, 1);
        fixture_cdat(f, f->root, false, &a);
        fixture_serve(f);
        ck_assert_int_eq(a.error, 0);
        fixture_free(f);
}
END_TEST

/* -------- an old table -------- */

static void grow_old(Fixture *f) {
        fixture_advance(f, limits_default.cdat_age_max_usec);
}

START_TEST(an_old_table_is_compared_with_its_header_and_answers_all) {
        Fixture *f = new_with_table();
        size_t n_before;
        Answer a[100];

        fixture_cdat(f, f->root, false, &a[0]);
        fixture_serve(f);
        grow_old(f);
        n_before = f->n_sent;
        for (size_t i = 0; i < ELEMENTS(a); i++)
                fixture_cdat(f, f->root, false, &a[i]);
        fixture_serve(f);
        ck_assert_uint_eq(f->n_sent - n_before, 1);
        for (size_t i = 0; i < ELEMENTS(a); i++) {
                ck_assert_uint_eq(a[i].n_times, 1);
                ck_assert_int_eq(a[i].error, 0);
                ck_assert(a[i].cached);
                ck_assert_mem_eq(a[i].payload, table, sizeof(table));
        }
        fixture_cdat(f, f->root, false, &a[0]);
        ck_assert(a[0].cached);
        ck_assert_uint_eq(f->n_sent - n_before, 1);
        fixture_free(f);
}
END_TEST

START_TEST(an_old_table_with_another_header_is_read_again_as_a_whole) {
        Fixture *f = new_with_table();
        size_t n_before;
        Answer a;

        fixture_cdat(f, f->root, false, &a);
        fixture_serve(f);
        grow_old(f);
        f->table = other_table;
        n_before = f->n_sent;
        fixture_cdat(f, f->root, false, &a);
        fixture_serve(f);
        ck_assert_int_eq(a.error, 0);
        ck_assert(!a.cached);
        ck_assert_mem_eq(a.payload, other_table, sizeof(other_table));
        /* the header that was another is the first of the three */
        ck_assert_uint_eq(f->n_sent - n_before, 3);
        fixture_free(f);
}
END_TEST

START_TEST(a_fresh_read_is_whole_even_behind_a_comparison) {
        Fixture *f = new_with_table();
        size_t n_before;
        Answer a, fresh;

        fixture_cdat(f, f->root, false, &a);
        fixture_serve(f);
        grow_old(f);
        n_before = f->n_sent;
        fixture_cdat(f, f->root, false, &a);
        fixture_cdat(f, f->root, true, &fresh);
        fixture_serve(f);
        ck_assert(a.cached);
        ck_assert_int_eq(fresh.error, 0);
        ck_assert(!fresh.cached);
        ck_assert_uint_eq(f->n_sent - n_before, 3);
        fixture_cdat(f, f->root, true, &fresh);
        ck_assert(fresh.cached);
        fixture_free(f);
}
END_TEST

START_TEST(while_a_fresh_read_runs_the_table_answers_others) {
        Fixture *f = new_with_table();
        Answer a, fresh;

        fixture_cdat(f, f->root, false, &a);
        fixture_serve(f);
        fixture_advance(f, USEC_PER_SEC);
        fixture_cdat(f, f->root, true, &fresh);
        ck_assert_uint_eq(fresh.n_times, 0);
        fixture_cdat(f, f->root, false, &a);
        ck_assert(a.cached);
        fixture_serve(f);
        ck_assert(!fresh.cached);
        fixture_free(f);
}
END_TEST

START_TEST(rules_may_let_a_table_grow_older_or_not_as_old) {
        const TransactionOptions young = { .has_cache = true, .cache_usec = 5 * USEC_PER_SEC };
        const TransactionOptions old = { .has_cache = true, .cache_usec = 1000 * USEC_PER_SEC };
        Fixture *f = new_with_table();
        size_t n_before;
        Answer a = {};

        fixture_cdat(f, f->root, false, &a);
        fixture_serve(f);
        grow_old(f);
        n_before = f->n_sent;
        a = (Answer){};
        transaction_cdat(f->root, f->device, &old, f->now_usec, fixture_on_answer(), &a);
        ck_assert(a.cached);
        ck_assert_uint_eq(f->n_sent, n_before);
        fixture_cdat(f, f->root, false, &a);
        fixture_serve(f);
        ck_assert_uint_eq(f->n_sent - n_before, 1);
        fixture_advance(f, 5 * USEC_PER_SEC);
        a = (Answer){};
        transaction_cdat(f->root, f->device, &young, f->now_usec, fixture_on_answer(), &a);
        ck_assert_uint_eq(a.n_times, 0);
        fixture_serve(f);
        ck_assert_uint_eq(f->n_sent - n_before, 2);
        fixture_free(f);
}
END_TEST

START_TEST(a_comparison_that_fails_says_so_and_is_tried_again) {
        Fixture *f = new_with_table();
        Answer a;

        fixture_cdat(f, f->root, false, &a);
        fixture_serve(f);
        grow_old(f);
        fixture_cdat(f, f->root, false, &a);
        fixture_fail(f, fixture_pending(f)->id, -EREMOTEIO, "the Error bit was set");
        ck_assert_int_eq(a.error, -EREMOTEIO);
        fixture_cdat(f, f->root, false, &a);
        ck_assert_uint_eq(a.n_times, 0);
        fixture_serve(f);
        ck_assert_int_eq(a.error, 0);
        fixture_free(f);
}
END_TEST

START_TEST(an_epoch_that_ends_during_a_comparison_means_a_whole_read) {
        Fixture *f = new_with_table();
        size_t n_before;
        Answer a;

        fixture_cdat(f, f->root, false, &a);
        fixture_serve(f);
        grow_old(f);
        fixture_cdat(f, f->root, false, &a);
        fixture_state(f, MAILBOX_RECOVERING, "aborting");
        n_before = f->n_sent;
        mailbox_report_done(f->mb, f->mb->running->id,
                            &(JobResult){ .error = -ECONNABORTED, .evidence = "reset", .not_started = true },
                            f->now_usec);
        fixture_ready(f, 2);
        fixture_serve(f);
        ck_assert_uint_eq(a.n_times, 1);
        if (a.error < 0) {
                fixture_cdat(f, f->root, false, &a);
                fixture_serve(f);
        }
        ck_assert_int_eq(a.error, 0);
        ck_assert(!a.cached);
        ck_assert_uint_eq(a.epoch, 2);
        ck_assert_uint_gt(f->n_sent, n_before);
        fixture_free(f);
}
END_TEST

START_TEST(the_kernels_copy_does_not_grow_old) {
        Fixture *f = new_with_table();
        Answer a;

        fixture_report_device(f, "1", true);
        fixture_cdat(f, f->root, false, &a);
        answer_kernel(f, 0, table, sizeof(table));
        grow_old(f);
        fixture_cdat(f, f->root, false, &a);
        ck_assert(a.cached);
        ck_assert_str_eq(a.source, "kernel");
        ck_assert_uint_eq(f->n_kernel_reads, 1);
        fixture_free(f);
}
END_TEST

/* -------- who owns it -------- */

static const char *source_of(const Fixture *f) {
        uint32_t length, sequence;
        const char *source;

        device_get_cdat(f->device, &length, &sequence, &source);
        return source;
}

START_TEST(source_follows_the_owner_whether_or_not_anything_was_read) {
        Fixture *f = new_with_table();
        Answer a;

        ck_assert_str_eq(source_of(f), "mailbox");
        fixture_report_device(f, "1", true);
        ck_assert_str_eq(source_of(f), "kernel");
        ck_assert_uint_eq(f->n_cdat_changes, 1);
        fixture_report_device(f, "1", true);
        ck_assert_uint_eq(f->n_cdat_changes, 1);
        fixture_cdat(f, f->root, false, &a);
        answer_kernel(f, 0, table, sizeof(table));
        ck_assert_uint_eq(f->n_cdat_changes, 2);
        fixture_report_device(f, "1", false);
        ck_assert_str_eq(source_of(f), "mailbox");
        ck_assert_uint_eq(f->n_cdat_changes, 3);
        fixture_free(f);
}
END_TEST

START_TEST(a_kernel_that_takes_over_in_mid_read_answers_itself) {
        Fixture *f = new_with_table();
        Answer a;

        fixture_cdat(f, f->root, false, &a);
        ck_assert(fixture_has_pending(f));
        fixture_report_device(f, "1", true);
        ck_assert_uint_eq(f->n_kernel_reads, 1);
        fixture_serve(f);
        ck_assert_uint_eq(a.n_times, 0);
        answer_kernel(f, 0, table, sizeof(table));
        ck_assert_int_eq(a.error, 0);
        ck_assert_str_eq(a.source, "kernel");
        fixture_free(f);
}
END_TEST

START_TEST(a_kernel_that_lets_go_in_mid_read_leaves_it_to_the_mailbox) {
        Fixture *f = new_with_table();
        Answer a;

        fixture_report_device(f, "1", true);
        fixture_cdat(f, f->root, false, &a);
        fixture_report_device(f, "1", false);
        answer_kernel(f, 0, other_table, sizeof(other_table)); /* too late */
        ck_assert_uint_eq(a.n_times, 0);
        fixture_serve(f);
        ck_assert_int_eq(a.error, 0);
        ck_assert_str_eq(a.source, "mailbox");
        ck_assert_mem_eq(a.payload, table, sizeof(table));
        fixture_free(f);
}
END_TEST

/* -------- leases -------- */

static void lease_send(void *userdata, const uint8_t *object, size_t n_bytes) {
}

static void lease_notify(void *userdata) {
}

static const LeaseStreamOps lease_ops = { .send = lease_send, .resume = lease_notify, .end = lease_notify };

static Lease *hold_mailbox(Fixture *f) {
        static const TransactionOptions options = { .priority = JOB_NORMAL };
        const LeaseOptions of_mailbox = { .scope = LEASE_SCOPE_MAILBOX };
        PolicyDecision decision;
        Answer a = {};

        fixture_judge(f, f->root, 0x1234, 0x01, "", 0, /* in_lease= */ true, &decision);
        lease_ask(f->root, f->mb, 0x1234, 0x01, &of_mailbox, &decision, &options, f->now_usec,
                  fixture_on_answer(), &a);
        fixture_advance(f, 0);
        ck_assert_int_eq(a.error, 0);
        ck_assert_ptr_nonnull(a.lease);
        lease_attach(a.lease, &lease_ops, NULL, f->now_usec);
        return a.lease;
}

START_TEST(under_a_mailbox_lease_a_young_table_answers_and_reads_are_leased) {
        Fixture *f = new_with_table();
        size_t n_before;
        Lease *lease;
        Answer a;

        f->m->config->limits.cdat_age_max_usec = 10 * USEC_PER_SEC; /* before the lease grows idle */
        fixture_cdat(f, f->other, false, &a);
        fixture_serve(f);
        lease = hold_mailbox(f);
        n_before = f->n_sent;
        fixture_cdat(f, f->other, false, &a);
        ck_assert_int_eq(a.error, 0);
        ck_assert(a.cached);
        fixture_advance(f, f->m->config->limits.cdat_age_max_usec);
        fixture_cdat(f, f->other, false, &a);
        ck_assert_int_eq(a.error, -EUSERS);
        fixture_cdat(f, f->other, true, &a);
        ck_assert_int_eq(a.error, -EUSERS);
        ck_assert_uint_eq(f->n_sent, n_before);
        lease_end(lease, -ECANCELED, "revoked", f->now_usec);
        fixture_advance(f, 0);
        fixture_cdat(f, f->other, false, &a);
        fixture_serve(f);
        ck_assert_int_eq(a.error, 0);
        fixture_free(f);
}
END_TEST

START_TEST(a_read_under_way_comes_to_its_end_before_a_mailbox_lease_opens) {
        static const TransactionOptions options = { .priority = JOB_NORMAL };
        const LeaseOptions of_mailbox = { .scope = LEASE_SCOPE_MAILBOX };
        Fixture *f = new_with_table();
        PolicyDecision decision;
        Answer a, lease = {};

        fixture_cdat(f, f->other, false, &a);
        fixture_judge(f, f->root, 0x1234, 0x01, "", 0, /* in_lease= */ true, &decision);
        lease_ask(f->root, f->mb, 0x1234, 0x01, &of_mailbox, &decision, &options, f->now_usec,
                  fixture_on_answer(), &lease);
        fixture_advance(f, 0);
        ck_assert_uint_eq(lease.n_times, 0);
        fixture_serve(f);
        ck_assert_int_eq(a.error, 0);
        fixture_advance(f, 0);
        ck_assert_uint_eq(lease.n_times, 1);
        ck_assert_int_eq(lease.error, 0);
        lease_attach(lease.lease, &lease_ops, NULL, f->now_usec);
        fixture_free(f);
}
END_TEST

DEFINE_SUITE("cdat-reader", a_hundred_callers_cost_one_read, single_handles_are_answered_from_the_same_walk,
             a_table_that_changes_under_the_walk_is_read_again, a_table_that_changes_each_time_is_given_up,
             a_malformed_table_is_not_kept, a_new_epoch_ends_the_table,
             where_the_kernel_has_the_table_it_comes_from_there,
             a_kernel_read_that_the_link_lost_is_asked_again, a_call_before_discovery_waits_for_it,
             under_lockdown_nobody_waits_for_a_discovery_that_does_not_come,
             a_flight_that_nobody_waits_for_ends_after_its_exchange,
             an_old_table_is_compared_with_its_header_and_answers_all,
             an_old_table_with_another_header_is_read_again_as_a_whole,
             a_fresh_read_is_whole_even_behind_a_comparison,
             while_a_fresh_read_runs_the_table_answers_others,
             rules_may_let_a_table_grow_older_or_not_as_old,
             a_comparison_that_fails_says_so_and_is_tried_again,
             an_epoch_that_ends_during_a_comparison_means_a_whole_read, the_kernels_copy_does_not_grow_old,
             source_follows_the_owner_whether_or_not_anything_was_read,
             a_kernel_that_takes_over_in_mid_read_answers_itself,
             a_kernel_that_lets_go_in_mid_read_leaves_it_to_the_mailbox,
             under_a_mailbox_lease_a_young_table_answers_and_reads_are_leased,
             a_read_under_way_comes_to_its_end_before_a_mailbox_lease_opens)
