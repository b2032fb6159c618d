/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "tests/unit/lease-fixture.h"
#include "tests/unit/suite.h"

/* One CHUNK_SEND of version 1.2. @code: of the message that a first one begins; -1: it holds only a byte. */
static void say_chunk(LeaseFixture *f, Holder *h, uint8_t handle, uint32_t sequence, bool is_last,
                      int code) {
        uint8_t buffer[32] = {};
        DoeWriter w = DOE_WRITER(buffer, sizeof(buffer));

        doe_write_u8(&w, 0x12);
        doe_write_u8(&w, SPDM_CODE_CHUNK_SEND);
        doe_write_u8(&w, is_last);
        doe_write_u8(&w, handle);
        doe_write_le32(&w, sequence);
        doe_write_le32(&w, code < 0 ? 1 : 4);
        if ((sequence & 0xffff) == 0)
                doe_write_le32(&w, 4096);
        doe_write_u8(&w, 0x12);
        doe_write_u8(&w, code < 0 ? 0 : (uint8_t)code);
        say(f, h, SPDM, buffer, 20);
}

static void expect_passes(LeaseFixture *f, Holder *h) {
        size_t n = h->n_objects;

        answer_spdm(f, f->a, 0x05);
        ck_assert_uint_eq(h->n_objects, n + 1);
        ck_assert_int_eq(last_object(h)->error, 0);
}

static void expect_refused(LeaseFixture *f, Holder *h) {
        ck_assert_ptr_null(f->a->running);
        expect_error(h, EACCES, LEASE_ERROR_NOT_SENT);
}

START_TEST(the_four_features_of_a_function_are_one_group_across_mailboxes) {
        const LeaseOptions options = lease_options(LEASE_SCOPE_FEATURE);
        static const uint8_t types[] = { 1, 3 };
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, other;

        hold(f, f->alice, f->a, SPDM, &h);
        for (size_t i = 0; i < ELEMENTS(types); i++) {
                ask(f, f->bob, f->a, 0x0001, types[i], &options, &other);
                ck_assert_int_eq(other.error, -EUSERS);
        }
        ask(f, f->root, f->b, SECURED, &options, &other);
        ck_assert_int_eq(other.error, -EUSERS);
        lease_fixture_free(f);
}
END_TEST

START_TEST(an_object_goes_to_the_mailbox_that_offers_its_feature_one_at_a_time) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->root, f->a, SPDM, &h);
        say_hello(f, &h);
        say_spdm(f, &h, 0xe1);
        say(f, &h, SECURED, "abcd", 4);
        ck_assert_ptr_null(f->b->running);
        answer_spdm(f, f->a, 0x61);
        ck_assert_uint_eq(running_job(f->b)->type, DOE_TYPE_SECURED_CMA_SPDM);
        answer_echo(f, f->b);
        ck_assert_uint_eq(last_object(&h)->header.type, DOE_TYPE_SECURED_CMA_SPDM);
        say(f, &h, 0x0001, 0x04, "abcd", 4);
        expect_error(&h, EPROTONOSUPPORT, LEASE_ERROR_NOT_SENT);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_get_version_of_anybody_else_is_refused_and_not_queued) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;
        Answer a;

        hold(f, f->alice, f->a, SPDM, &h);
        fixture_exchange(f->f, f->root, SPDM, "\x10\x84\0\0", 4, NULL, &a);
        ck_assert_int_eq(a.error, -EUSERS);
        ck_assert_uint_eq(mailbox_queue_length(f->a), 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(the_first_message_is_get_version) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->root, f->a, SPDM, &h);
        say_spdm(f, &h, 0xe1);
        expect_refused(f, &h);
        say(f, &h, SECURED, "abcd", 4);
        expect_refused(f, &h);
        say_chunk(f, &h, 1, 0, false, SPDM_CODE_GET_VERSION);
        expect_refused(f, &h);
        say_hello(f, &h);
        say_spdm(f, &h, 0xe1);
        ck_assert_ptr_nonnull(f->a->running);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_get_version_that_the_device_never_saw_does_not_count) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, SPDM, &h);
        say_spdm(f, &h, SPDM_CODE_GET_VERSION);
        fail_job(f, f->a, -EBUSY, true, "Busy");
        say_spdm(f, &h, 0xe1);
        expect_refused(f, &h);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_mailbox_lease_begins_spdm_with_get_version_too) {
        const LeaseOptions options = lease_options(LEASE_SCOPE_MAILBOX);
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, other;
        const LeaseOptions feature = lease_options(LEASE_SCOPE_FEATURE);

        ask(f, f->root, f->a, 0, 0, &options, &h);
        say_spdm(f, &h, 0xe1);
        expect_refused(f, &h);
        /* one responder stands behind both mailboxes */
        ask(f, f->root, f->b, SECURED, &feature, &other);
        ck_assert_int_eq(other.error, -EUSERS);
        lease_fixture_free(f);
}
END_TEST

START_TEST(codes_are_judged_by_their_class) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, SPDM, &h);
        say_hello(f, &h);
        say_spdm(f, &h, 0xe4); /* session: root */
        expect_refused(f, &h);
        say_spdm(f, &h, 0xee); /* destructive: nobody */
        expect_refused(f, &h);
        say(f, &h, SECURED, "abcd", 4);
        expect_error(&h, EACCES, LEASE_ERROR_NOT_SENT);
        ck_assert_uint_eq(f->f->n_lease_denials, 3);
        say_spdm(f, &h, 0xe0);
        expect_passes(f, &h);
        lease_fixture_free(f);
}
END_TEST

START_TEST(chunks_are_judged_by_the_message_that_they_carry) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, SPDM, &h);
        say_hello(f, &h);
        say_chunk(f, &h, 7, 0, false, 0xe0);
        expect_passes(f, &h);
        say_chunk(f, &h, 7, 1, false, 0);
        expect_passes(f, &h);
        say_chunk(f, &h, 8, 2, false, 0); /* another transfer, unknown to doed: root's */
        expect_refused(f, &h);
        say_chunk(f, &h, 7, 2, true, 0);
        expect_passes(f, &h);
        say_chunk(f, &h, 7, 3, true, 0); /* after the last */
        expect_refused(f, &h);
        lease_fixture_free(f);
}
END_TEST

START_TEST(later_chunks_of_a_refused_first_one_are_not_carried_by_an_older_transfer) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, SPDM, &h);
        say_hello(f, &h);
        say_chunk(f, &h, 7, 0, false, 0xee);
        expect_refused(f, &h);
        say_chunk(f, &h, 7, 1, true, 0);
        expect_refused(f, &h);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_first_chunk_that_hides_its_code_is_refused_even_to_root) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->root, f->a, SPDM, &h);
        say_hello(f, &h);
        say_chunk(f, &h, 7, 0, false, -1);
        expect_refused(f, &h);
        say_chunk(f, &h, 7, 0x10000, false, 0xe0); /* a first one to responders before 1.4 */
        expect_refused(f, &h);
        say(f, &h, SPDM, "\x12\x85\0\0", 4); /* too short to tell */
        expect_refused(f, &h);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_key_exchange_in_chunks_opens_a_session_with_its_last_one) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->root, f->a, SPDM, &h);
        say_hello(f, &h);
        say_chunk(f, &h, 1, 0, false, 0xe4);
        expect_passes(f, &h);
        ck_assert(!h.lease->is_session);
        say_chunk(f, &h, 1, 1, true, 0);
        expect_passes(f, &h);
        ck_assert(h.lease->is_session);
        lease_fixture_free(f);
}
END_TEST

START_TEST(only_a_get_version_that_was_answered_counts) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, SPDM, &h);
        say_spdm(f, &h, SPDM_CODE_GET_VERSION);
        fail_job(f, f->a, -ETIMEDOUT, false, "lost");
        say_spdm(f, &h, 0xe1);
        expect_refused(f, &h);
        say_spdm(f, &h, SPDM_CODE_GET_VERSION);
        answer_spdm(f, f->a, SPDM_CODE_ERROR);
        say_spdm(f, &h, 0xe1);
        expect_refused(f, &h);
        ck_assert_uint_eq(f->f->n_records_put, 0);
        say_hello(f, &h);
        say_spdm(f, &h, 0xe1);
        ck_assert_ptr_nonnull(f->a->running);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_staged_get_version_that_is_dropped_unseen_does_not_count) {
        const JobResult dropped = { .error = -ECANCELED, .not_started = true, .evidence = "" };
        LeaseOptions options = lease_options(LEASE_SCOPE_FEATURE);
        LeaseFixture *f = lease_fixture_new(NULL);
        uint64_t id;
        Holder h;
        Answer a;

        options.request_usec = 1000;
        fixture_exchange(f->f, f->root, 0x1234, 0x02, "abcd", 4, NULL, &a);
        ask(f, f->alice, f->a, SPDM, &options, &h);
        start(f, f->a);
        say_spdm(f, &h, SPDM_CODE_GET_VERSION);
        ck_assert_ptr_nonnull(f->a->staged);
        id = f->a->staged->id;
        pass(f, 1000);
        expect_error(&h, ETIMEDOUT, 0);
        answer_echo(f, f->a);
        mailbox_report_done(f->a, id, &dropped, f->f->now_usec);
        pass(f, 0);
        say_spdm(f, &h, 0xe1);
        expect_refused(f, &h);
        lease_fixture_free(f);
}
END_TEST

static void say_connected(LeaseFixture *f, Holder *h, uint16_t connection_id, uint8_t code) {
        const DoeObjectHeader header = {
                .vendor_id = 0x0001, .type = 0x03, .n_dwords = 3, .connection_id = connection_id
        };
        const uint8_t message[] = { 0x12, code, 0, 0 };

        say_header(f, h, &header, message, sizeof(message));
}

START_TEST(each_connection_begins_with_its_own_get_version) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder alice, bob;

        hold(f, f->alice, f->a, SPDM, &alice);
        say_connected(f, &alice, 1, SPDM_CODE_GET_VERSION);
        answer_spdm(f, f->a, SPDM_CODE_VERSION);
        say_connected(f, &alice, 1, 0xe1);
        expect_passes(f, &alice);
        say_connected(f, &alice, 2, 0xe1);
        expect_refused(f, &alice);
        say_spdm(f, &alice, 0xe1);
        expect_refused(f, &alice);
        lease_hang_up(alice.lease, f->f->now_usec);
        pass(f, 0);
        /* not where somebody else left it */
        hold(f, f->bob, f->a, SPDM, &bob);
        say_hello(f, &bob);
        say_connected(f, &bob, 1, 0xe0);
        expect_refused(f, &bob);
        say_connected(f, &bob, 0, 0xe0);
        expect_refused(f, &bob);
        lease_fixture_free(f);
}
END_TEST

START_TEST(what_a_rule_denies_by_its_code_does_not_pass_in_chunks) {
        LeaseFixture *f = lease_fixture_new("[Rule no]\nFeature=0001:01\nOpcode=82\nVerdict=deny\n"
                                            "[Rule all]\nUser=2002\nFeature=0001:01\nVerdict=allow\n");
        Holder h;

        hold(f, f->bob, f->a, SPDM, &h);
        say_hello(f, &h);
        say_spdm(f, &h, 0x82);
        expect_refused(f, &h);
        say_chunk(f, &h, 7, 0, false, 0x82);
        expect_refused(f, &h);
        say_chunk(f, &h, 7, 0, false, -1);
        expect_refused(f, &h);
        say_chunk(f, &h, 7, 1, true, 0);
        expect_refused(f, &h);
        say(f, &h, SPDM, "\x12\x85\0\0", 4);
        expect_refused(f, &h);
        say_chunk(f, &h, 7, 0, false, 0x81);
        expect_passes(f, &h);
        say_chunk(f, &h, 7, 1, true, 0);
        expect_passes(f, &h);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_session_that_the_device_took_its_time_for_is_one) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->root, f->a, SPDM, &h);
        say_hello(f, &h);
        say_spdm(f, &h, 0xe4);
        answer(f, f->a, "\x12\x7f\x42\0\1\xe4\1\1", 8);
        ck_assert(!h.lease->is_session);
        say_spdm(f, &h, SPDM_CODE_RESPOND_IF_READY);
        answer_spdm(f, f->a, SPDM_CODE_KEY_EXCHANGE_RSP);
        ck_assert(h.lease->is_session);
        lease_fixture_free(f);
}
END_TEST

DEFINE_SUITE("lease-spdm", the_four_features_of_a_function_are_one_group_across_mailboxes,
             an_object_goes_to_the_mailbox_that_offers_its_feature_one_at_a_time,
             a_get_version_of_anybody_else_is_refused_and_not_queued, the_first_message_is_get_version,
             a_get_version_that_the_device_never_saw_does_not_count,
             a_mailbox_lease_begins_spdm_with_get_version_too, codes_are_judged_by_their_class,
             chunks_are_judged_by_the_message_that_they_carry,
             later_chunks_of_a_refused_first_one_are_not_carried_by_an_older_transfer,
             a_first_chunk_that_hides_its_code_is_refused_even_to_root,
             a_key_exchange_in_chunks_opens_a_session_with_its_last_one,
             only_a_get_version_that_was_answered_counts,
             a_staged_get_version_that_is_dropped_unseen_does_not_count,
             each_connection_begins_with_its_own_get_version,
             what_a_rule_denies_by_its_code_does_not_pass_in_chunks,
             a_session_that_the_device_took_its_time_for_is_one)
