/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

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

DEFINE_SUITE("cdat-reader", a_hundred_callers_cost_one_read, single_handles_are_answered_from_the_same_walk,
             a_table_that_changes_under_the_walk_is_read_again, a_table_that_changes_each_time_is_given_up,
             a_malformed_table_is_not_kept, a_new_epoch_ends_the_table,
             where_the_kernel_has_the_table_it_comes_from_there,
             a_kernel_read_that_the_link_lost_is_asked_again, a_call_before_discovery_waits_for_it,
             a_flight_that_nobody_waits_for_ends_after_its_exchange)
