/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "tests/unit/lease-fixture.h"
#include "tests/unit/suite.h"

START_TEST(requests_go_one_at_a_time_and_are_answered_in_order) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        say(f, &h, ECHO, "1111", 4);
        say(f, &h, ECHO, "2222", 4);
        say(f, &h, 0x4321, 0x01, "3333", 4);
        say(f, &h, ECHO, "4444", 4);
        ck_assert_ptr_null(f->a->staged);
        ck_assert_uint_eq(mailbox_queue_length(f->a), 0);
        expect_nothing_after(&h, 0);
        answer_echo(f, f->a);
        answer_echo(f, f->a);
        answer_echo(f, f->a);
        ck_assert_uint_eq(h.n_objects, 4);
        ck_assert_mem_eq(h.objects[0].payload, "1111", 4);
        ck_assert_mem_eq(h.objects[1].payload, "2222", 4);
        ck_assert_int_eq(h.objects[2].error, EACCES);
        ck_assert_mem_eq(h.objects[3].payload, "4444", 4);
        lease_fixture_free(f);
}
END_TEST

START_TEST(its_job_is_known_as_its_own) {
        LeaseFixture *f = lease_fixture_new("[Rule slow]\nFeature=1234:01\nDeviceTimeoutSec=3\n");
        const Job *job;
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        say(f, &h, ECHO, "1111", 4);
        job = running_job(f->a);
        ck_assert_ptr_eq(job->lease, h.lease);
        ck_assert_ptr_null(job->client);
        ck_assert_uint_eq(job->uid, 2001);
        ck_assert_uint_eq(job->priority, JOB_NORMAL);
        ck_assert_uint_eq(job->device_timeout_usec, 3 * USEC_PER_SEC);
        ck_assert_uint_eq(job->n_dwords_max, 16);
        ck_assert_uint_eq(job->deadline_usec, f->f->now_usec + 20 * USEC_PER_SEC);
        lease_fixture_free(f);
}
END_TEST

START_TEST(the_answer_has_the_header_of_its_request) {
        const DoeObjectHeader header = {
                .vendor_id = 0x0001, .type = 0x03, .connection_id = 2, .n_dwords = 3
        };
        static const uint8_t get_version[] = { 0x10, 0x84, 0, 0 };
        LeaseFixture *f = lease_fixture_new(NULL);
        const GotObject *got;
        Holder h;

        hold(f, f->alice, f->a, 0x0001, 0x03, &h);
        say_header(f, &h, &header, get_version, sizeof(get_version));
        ck_assert_uint_eq(running_job(f->a)->connection_id, 2);
        answer(f, f->a, "\x10\x04\0\0\x01\0\0\0", 8);
        got = last_object(&h);
        ck_assert_uint_eq(got->header.vendor_id, 0x0001);
        ck_assert_uint_eq(got->header.type, 0x03);
        ck_assert_uint_eq(got->header.connection_id, 2);
        ck_assert_uint_eq(got->header.n_dwords, 4);
        ck_assert_uint_eq(got->n_bytes, 8);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_malformed_header_is_answered_without_the_device) {
        static const struct {
                DoeObjectHeader header;
                int error;
        } rows[] = {
                { { .vendor_id = 0x1234, .type = 1, .n_dwords = 3, .reserved_set = true }, EBADMSG },
                { { .vendor_id = 0x1234, .type = 1, .n_dwords = 3, .connection_id = 1 }, EBADMSG },
                { { .vendor_id = 0x1234, .type = 2, .n_dwords = 3 }, EACCES },
                { { .vendor_id = 0x0001, .type = 0, .n_dwords = 3 }, EACCES },
                { { .vendor_id = 0xffff, .type = 0xff, .n_dwords = 3 }, EACCES },
        };
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                say_header(f, &h, &rows[i].header, "abcd", 4);
                expect_error(&h, rows[i].error, LEASE_ERROR_NOT_SENT);
                ck_assert_ptr_null(f->a->running);
        }
        say(f, &h, ECHO, "abcd", 4);
        answer_echo(f, f->a);
        ck_assert_int_eq(last_object(&h)->error, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_connection_id_beyond_the_discovered_maximum_is_refused) {
        const DoeObjectHeader header = {
                .vendor_id = 0x0001, .type = 0x03, .connection_id = 3, .n_dwords = 3
        };
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, 0x0001, 0x03, &h);
        say_header(f, &h, &header, "\x10\x84\0\0", 4);
        expect_error(&h, EBADMSG, LEASE_ERROR_NOT_SENT);
        ck_assert_ptr_nonnull(strstr(last_object(&h)->text, "maximum of 2"));
        lease_fixture_free(f);
}
END_TEST

START_TEST(an_object_that_is_too_large_is_answered_in_its_turn) {
        const DoeObjectHeader header = { .vendor_id = 0x1234, .type = 1, .n_dwords = 17 };
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        say(f, &h, ECHO, "abcd", 4);
        lease_receive_too_large(h.lease, &header, 68, f->f->now_usec);
        expect_nothing_after(&h, 0);
        answer_echo(f, f->a);
        ck_assert_uint_eq(h.n_objects, 2);
        expect_error(&h, EMSGSIZE, LEASE_ERROR_NOT_SENT);
        ck_assert_ptr_nonnull(strstr(last_object(&h)->text, "68"));
        lease_fixture_free(f);
}
END_TEST

START_TEST(what_one_feature_of_a_mailbox_lease_takes_is_checked_for_each) {
        const LeaseOptions options = lease_options(LEASE_SCOPE_MAILBOX);
        LeaseFixture *f = lease_fixture_new(NULL);
        uint8_t payload[60] = {};
        Holder h;

        ask(f, f->root, f->a, 0, 0, &options, &h);
        ck_assert_uint_eq(lease_object_bytes_max(h.lease), DOE_OBJECT_BYTES_MAX);
        say(f, &h, ECHO, payload, sizeof(payload));
        expect_error(&h, EMSGSIZE, LEASE_ERROR_NOT_SENT);
        say(f, &h, 0x1234, 0x02, payload, sizeof(payload));
        ck_assert_ptr_nonnull(f->a->running);
        lease_fixture_free(f);
}
END_TEST

START_TEST(what_policy_denies_is_refused_with_the_rule_and_the_stream_goes_on) {
        static const char rules[] =
                        "[Rule no-more]\nUser=2001\nFeature=0001:01\nOpcode=0x81\nVerdict=deny\n"
                        "[Rule ask-first]\nUser=2001\nFeature=0001:01\nOpcode=0x82\nVerdict=ask\n";
        LeaseFixture *f = lease_fixture_new(rules);
        Holder h;

        hold(f, f->alice, f->a, SPDM, &h);
        say_hello(f, &h);
        say_spdm(f, &h, 0x81);
        expect_error(&h, EACCES, LEASE_ERROR_NOT_SENT);
        ck_assert_ptr_nonnull(strstr(last_object(&h)->text, "no-more"));
        say_spdm(f, &h, 0x82);
        expect_error(&h, EACCES, LEASE_ERROR_NOT_SENT);
        ck_assert_ptr_null(f->a->running);
        say_spdm(f, &h, 0xe1);
        answer_spdm(f, f->a, 0x61);
        ck_assert_int_eq(last_object(&h)->error, 0);
        ck_assert_uint_eq(f->f->n_lease_denials, 2);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_rate_counts_for_requests_of_a_stream) {
        LeaseFixture *f = lease_fixture_new("[Rule rate]\nUser=2001\nFeature=1234:01\nRatePerSec=1\n");
        unsigned n_sent = 0;
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        for (unsigned i = 0; i < 10; i++) {
                say(f, &h, ECHO, "abcd", 4);
                if (f->a->running) {
                        answer_echo(f, f->a);
                        n_sent++;
                }
        }
        ck_assert_uint_ge(n_sent, 1);
        ck_assert_uint_lt(n_sent, 10);
        expect_error(&h, EDQUOT, LEASE_ERROR_NOT_SENT);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_failure_of_the_device_is_an_error_object) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        say(f, &h, ECHO, "abcd", 4);
        fail_job(f, f->a, -EREMOTEIO, false, "Error is set");
        expect_error(&h, EREMOTEIO, 0);
        ck_assert_ptr_nonnull(strstr(last_object(&h)->text, "Error is set"));
        say(f, &h, ECHO, "abcd", 4);
        fail_job(f, f->a, -EBUSY, true, "Busy");
        expect_error(&h, EBUSY, LEASE_ERROR_NOT_SENT);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_request_has_its_own_deadline_and_the_next_waits_until_it_has_drained) {
        const LeaseOptions options = { .scope = LEASE_SCOPE_FEATURE, .request_usec = 2 * USEC_PER_SEC };
        LeaseFixture *f = lease_fixture_new(NULL);
        uint64_t id;
        Holder h;

        ask(f, f->alice, f->a, ECHO, &options, &h);
        say(f, &h, ECHO, "1111", 4);
        start(f, f->a);
        id = running_job(f->a)->id;
        pass(f, USEC_PER_SEC);
        say(f, &h, ECHO, "2222", 4);
        pass(f, USEC_PER_SEC - 1);
        expect_nothing_after(&h, 0);
        pass(f, 1);
        expect_error(&h, ETIMEDOUT, 0);
        ck_assert_uint_eq(f->f->last_canceled, id);
        ck_assert_ptr_null(f->a->staged);
        answer_echo(f, f->a); /* late: nobody gets it */
        pass(f, 0);
        ck_assert_uint_eq(h.n_objects, 1);
        /* its time runs from its turn on */
        ck_assert_uint_eq(running_job(f->a)->deadline_usec, f->f->now_usec + 2 * USEC_PER_SEC);
        answer_echo(f, f->a);
        ck_assert_mem_eq(last_object(&h)->payload, "2222", 4);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_request_that_was_not_begun_in_time_says_what_it_waited_for) {
        static const struct {
                MailboxState state;
                int error;
        } rows[] = { { MAILBOX_KERNEL, EXDEV },
                     { MAILBOX_WAITING, EBUSY },
                     { MAILBOX_RECOVERING, ETIMEDOUT } };
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                mailbox_report_state(f->a, rows[i].state, 1, "evidence", f->f->now_usec);
                say(f, &h, ECHO, "1111", 4);
                pass(f, 20 * USEC_PER_SEC);
                expect_error(&h, rows[i].error, LEASE_ERROR_NOT_SENT);
                ck_assert_ptr_nonnull(strstr(last_object(&h)->text, "evidence"));
                ck_assert_uint_eq(mailbox_queue_length(f->a), 0);
        }
        manager_link_lost(f->f->m, "killed", f->f->now_usec);
        say(f, &h, ECHO, "1111", 4);
        pass(f, 20 * USEC_PER_SEC);
        expect_error(&h, EHOSTDOWN, LEASE_ERROR_NOT_SENT);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_flood_is_left_in_the_socket_and_read_on_when_there_is_room) {
        LeaseFixture *f = lease_fixture_new("[Limits]\nLeaseRequestsMax=2\n");
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        say(f, &h, ECHO, "1111", 4);
        ck_assert(lease_wants_more(h.lease));
        say(f, &h, ECHO, "2222", 4);
        ck_assert(!lease_wants_more(h.lease));
        ck_assert_uint_eq(h.n_resumes, 0);
        answer_echo(f, f->a);
        ck_assert_uint_eq(h.n_resumes, 1);
        ck_assert(lease_wants_more(h.lease));
        answer_echo(f, f->a);
        ck_assert_uint_eq(h.n_resumes, 1);
        lease_fixture_free(f);
}
END_TEST

START_TEST(bytes_under_way_are_bounded_and_charged_to_the_uid) {
        const size_t n_bytes = DOE_OBJECT_BYTES_MAX / 2;
        _cleanup_free_ uint8_t *payload = calloc(1, n_bytes);
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        ck_assert_ptr_nonnull(payload);
        hold(f, f->alice, f->a, 0x1234, 0x02, &h);
        say(f, &h, 0x1234, 0x02, payload, n_bytes);
        ck_assert(lease_wants_more(h.lease));
        say(f, &h, 0x1234, 0x02, payload, n_bytes);
        ck_assert(!lease_wants_more(h.lease));
        ck_assert_uint_eq(f->alice->account->n_bytes_waiting, 2 * n_bytes);
        answer(f, f->a, "abcd", 4);
        ck_assert(lease_wants_more(h.lease));
        answer(f, f->a, "abcd", 4);
        ck_assert_uint_eq(f->alice->account->n_bytes_waiting, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(nothing_runs_for_a_holder_that_does_not_read) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h, other;

        hold(f, f->alice, f->a, ECHO, &h);
        say(f, &h, ECHO, "1111", 4);
        lease_set_blocked(h.lease, true, f->f->now_usec);
        say(f, &h, ECHO, "2222", 4);
        answer_echo(f, f->a);
        ck_assert_ptr_null(f->a->running);
        /* others go on */
        hold(f, f->bob, f->a, 0x1234, 0x02, &other);
        say(f, &other, 0x1234, 0x02, "abcd", 4);
        answer_echo(f, f->a);
        lease_set_blocked(h.lease, false, f->f->now_usec);
        answer_echo(f, f->a);
        ck_assert_mem_eq(last_object(&h)->payload, "2222", 4);
        lease_fixture_free(f);
}
END_TEST

START_TEST(who_writes_no_more_gets_every_answer_and_then_the_end) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        say(f, &h, ECHO, "1111", 4);
        say(f, &h, ECHO, "2222", 4);
        lease_finish(h.lease, f->f->now_usec);
        ck_assert(!lease_wants_more(h.lease));
        ck_assert_uint_eq(h.n_ends, 0);
        answer_echo(f, f->a);
        answer_echo(f, f->a);
        ck_assert_uint_eq(h.n_ends, 1);
        ck_assert_uint_eq(h.n_objects, 2);
        ck_assert_mem_eq(last_object(&h)->payload, "2222", 4);
        pass(f, 0);
        ck_assert_uint_eq(f->f->n_leases_open, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(lost_framing_answers_what_came_before_and_ends_the_lease) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        say(f, &h, ECHO, "1111", 4);
        lease_framing_lost(h.lease, "length 1", f->f->now_usec);
        ck_assert_uint_eq(h.n_ends, 0);
        answer_echo(f, f->a);
        ck_assert_mem_eq(h.objects[0].payload, "1111", 4);
        expect_error(&h, EBADMSG, LEASE_ERROR_ENDS);
        ck_assert_str_eq(last_object(&h)->text, "length 1");
        ck_assert_uint_eq(h.n_ends, 1);
        lease_fixture_free(f);
}
END_TEST

START_TEST(an_error_object_is_padded_and_its_text_ends_with_a_whole_character) {
        static const struct {
                const char *text, *got;
                unsigned n_dwords;
        } rows[] = { { "abc", "abc", 5 },
                     { "abcd", "abcd", 5 },
                     { "abcde", "abcde", 6 },
                     { "", "", 4 },
                     { "abc\xc3\xa9", "abc\xc3\xa9", 6 },
                     { "abc\xe2\x82", "abc", 5 } };

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                LeaseFixture *f = lease_fixture_new(NULL);
                Holder h;

                hold(f, f->alice, f->a, ECHO, &h);
                lease_end(h.lease, -ECANCELED, rows[i].text, f->f->now_usec);
                expect_error(&h, ECANCELED, LEASE_ERROR_ENDS);
                ck_assert_str_eq(last_object(&h)->text, rows[i].got);
                ck_assert_uint_eq(last_object(&h)->header.n_dwords, rows[i].n_dwords);
                lease_fixture_free(f);
        }
}
END_TEST

DEFINE_SUITE("lease-requests", requests_go_one_at_a_time_and_are_answered_in_order,
             its_job_is_known_as_its_own, the_answer_has_the_header_of_its_request,
             a_malformed_header_is_answered_without_the_device,
             a_connection_id_beyond_the_discovered_maximum_is_refused,
             an_object_that_is_too_large_is_answered_in_its_turn,
             what_one_feature_of_a_mailbox_lease_takes_is_checked_for_each,
             what_policy_denies_is_refused_with_the_rule_and_the_stream_goes_on,
             a_rate_counts_for_requests_of_a_stream, a_failure_of_the_device_is_an_error_object,
             a_request_has_its_own_deadline_and_the_next_waits_until_it_has_drained,
             a_request_that_was_not_begun_in_time_says_what_it_waited_for,
             a_flood_is_left_in_the_socket_and_read_on_when_there_is_room,
             bytes_under_way_are_bounded_and_charged_to_the_uid,
             nothing_runs_for_a_holder_that_does_not_read,
             who_writes_no_more_gets_every_answer_and_then_the_end,
             lost_framing_answers_what_came_before_and_ends_the_lease,
             an_error_object_is_padded_and_its_text_ends_with_a_whole_character)
