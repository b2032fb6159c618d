/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "tests/unit/core-fixture.h"
#include "tests/unit/suite.h"

static void ask_index(Fixture *f, uint8_t index, bool fresh, Answer *ret) {
        const TransactionOptions options = { .priority = JOB_NORMAL, .fresh = fresh };
        const uint8_t request[4] = { index, 0, 0, 0 };

        fixture_exchange(f, f->root, 0x0001, 0x00, request, sizeof(request), &options, ret);
}

START_TEST(a_mailbox_is_starting_until_its_features_are_known_and_no_client_passes_before) {
        Fixture *f = fixture_new_empty();
        Answer early;

        fixture_report_device(f, "1", false);
        fixture_echo(f, f->root, "abcd", NULL, &early);
        fixture_ready(f, 1);
        ck_assert_int_eq(f->mb->state, MAILBOX_STARTING);
        ck_assert_uint_eq(fixture_pending(f)->vendor_id, 0x0001);
        fixture_serve(f);
        ck_assert_int_eq(f->mb->state, MAILBOX_IDLE);
        ck_assert_int_eq(f->mb->features_source, FEATURES_DISCOVERY);
        ck_assert_int_eq(early.error, 0);
        ck_assert_uint_eq(f->n_feature_changes, 1);
        fixture_free(f);
}
END_TEST

START_TEST(a_call_that_waited_for_discovery_and_is_not_offered_never_reaches_the_device) {
        Fixture *f = fixture_new_empty();
        Answer early;

        fixture_report_device(f, "1", false);
        fixture_exchange(f, f->root, 0x4321, 0x01, "abcd", 4, NULL, &early);
        fixture_ready(f, 1);
        fixture_serve(f);
        ck_assert_int_eq(early.error, -EPROTONOSUPPORT);
        for (size_t i = 0; i < f->n_sent; i++)
                ck_assert_uint_ne(f->sent[i].vendor_id, 0x4321);
        fixture_free(f);
}
END_TEST

START_TEST(discovery_is_answered_from_the_cache) {
        Fixture *f = fixture_new();
        size_t n_before = f->n_sent;
        Answer a;

        for (int i = 0; i < 100; i++) {
                ask_index(f, 1, false, &a);
                ck_assert_int_eq(a.error, 0);
                ck_assert(a.cached);
                ck_assert_mem_eq(a.payload, "\x98\x1e\x02\x02", 4);
        }
        ck_assert_uint_eq(f->n_sent, n_before);
        ck_assert_uint_eq(counters_sum(&f->mb->counters).n_cache_hits, 100);
        fixture_free(f);
}
END_TEST

START_TEST(an_index_off_the_chain_is_refused_without_the_device) {
        Fixture *f = fixture_new();
        size_t n_before = f->n_sent;
        Answer a;

        ask_index(f, 9, false, &a);
        ck_assert_int_eq(a.error, -EINVAL);
        ck_assert_uint_eq(f->n_sent, n_before);
        fixture_free(f);
}
END_TEST

START_TEST(a_new_epoch_reads_the_features_again) {
        Fixture *f = fixture_new();
        size_t n_before = f->n_sent;
        Answer a;

        fixture_state(f, MAILBOX_RECOVERING, "");
        fixture_ready(f, 2);
        ask_index(f, 0, false, &a);
        ck_assert_uint_eq(a.n_times, 0);
        ck_assert_int_eq(f->mb->state, MAILBOX_BUSY);
        fixture_serve(f);
        ck_assert_int_eq(a.error, 0);
        ck_assert(!a.cached);
        ck_assert_uint_eq(f->n_sent - n_before, 3);
        ck_assert_uint_eq(f->n_feature_changes, 1);
        fixture_free(f);
}
END_TEST

START_TEST(a_device_that_hangs_on_discovery_is_not_asked_for_ever) {
        Fixture *f = fixture_new_empty();
        Answer a;

        fixture_report_device(f, "1", false);
        fixture_ready(f, 1);
        for (uint64_t epoch = 2; epoch < 10; epoch++) {
                if (fixture_has_pending(f))
                        fixture_fail(f, fixture_pending(f)->id, -ETIMEDOUT, "no answer");
                fixture_state(f, MAILBOX_RECOVERING, "");
                fixture_ready(f, 2);
        }
        ck_assert_uint_eq(f->n_sent, 2); /* and once more */
        ck_assert_int_eq(f->mb->state, MAILBOX_IDLE);
        ck_assert_int_eq(f->mb->features_source, FEATURES_UNKNOWN);
        /* what it offers is not known, so it is tried */
        fixture_echo(f, f->root, "abcd", NULL, &a);
        fixture_serve(f);
        ck_assert_int_eq(a.error, 0);
        fixture_free(f);
}
END_TEST

START_TEST(fresh_callers_share_one_read_a_second) {
        Fixture *f = fixture_new();
        Answer a;
        size_t n_before;

        fixture_advance(f, 2 * USEC_PER_SEC);
        n_before = f->n_sent;
        for (int i = 0; i < 50; i++) {
                ask_index(f, 0, true, &a);
                fixture_serve(f);
                ck_assert_int_eq(a.error, 0);
                fixture_advance(f, 10 * USEC_PER_MSEC);
        }
        ck_assert_uint_eq(f->n_sent - n_before, 3);
        fixture_free(f);
}
END_TEST

START_TEST(features_that_the_kernel_publishes_need_no_read) {
        static const DoeDiscoveryEntry features[] = { { .vendor_id = 0x0001, .type = 0 },
                                                      { .vendor_id = 0x1e98, .type = 2 } };
        static const struct DeviceMailboxInfo mailboxes[] = { { FIXTURE_OFFSET, 1 } };
        const DeviceInfo info = { .address = FIXTURE_ADDRESS,
                                  .instance = "1",
                                  .name = "",
                                  .driver = "",
                                  .access = "read-write",
                                  .cxl_memory = "",
                                  .cxl_port = "",
                                  .spdm_owner = "",
                                  .has_kernel_features = true,
                                  .kernel_features = features,
                                  .n_kernel_features = 2,
                                  .mailboxes = mailboxes,
                                  .n_mailboxes = 1 };
        Fixture *f = fixture_new_empty();
        Device *d;

        manager_link_up(f->m, "none", f->now_usec);
        ck_assert_int_eq(manager_report_device(f->m, &info, f->now_usec, &d), 0);
        ck_assert_int_eq(f->mb->features_source, FEATURES_KERNEL);
        ck_assert(device_has_cdat(d));
        fixture_ready(f, 1);
        ck_assert_int_eq(f->mb->state, MAILBOX_IDLE);
        ck_assert_uint_eq(f->n_sent, 0);
        fixture_free(f);
}
END_TEST

START_TEST(discovery_lost_twice_to_somebody_else_is_tried_again) {
        Fixture *f = fixture_new_empty();

        fixture_report_device(f, "1", false);
        fixture_ready(f, 1);
        fixture_fail(f, fixture_pending(f)->id, -ECONNABORTED, "the kernel");
        fixture_fail(f, fixture_pending(f)->id, -ECONNABORTED, "the kernel");
        fixture_serve(f);
        ck_assert_int_eq(f->mb->state, MAILBOX_IDLE);
        ck_assert_uint_eq(f->mb->n_features, 3);
        fixture_free(f);
}
END_TEST

DEFINE_SUITE("discovery-flight",
             a_mailbox_is_starting_until_its_features_are_known_and_no_client_passes_before,
             a_call_that_waited_for_discovery_and_is_not_offered_never_reaches_the_device,
             discovery_is_answered_from_the_cache, an_index_off_the_chain_is_refused_without_the_device,
             a_new_epoch_reads_the_features_again, a_device_that_hangs_on_discovery_is_not_asked_for_ever,
             fresh_callers_share_one_read_a_second, features_that_the_kernel_publishes_need_no_read,
             discovery_lost_twice_to_somebody_else_is_tried_again)
