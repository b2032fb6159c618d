/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "tests/unit/lease-fixture.h"
#include "tests/unit/suite.h"

#define RESUME_USEC (600 * USEC_PER_SEC)

static void resume_as(LeaseFixture *f, Client *c, Mailbox *mb, uint16_t vendor_id, uint8_t type,
                      const uint8_t *token, Holder *ret) {
        LeaseOptions options = lease_options(LEASE_SCOPE_FEATURE);

        options.has_token = true;
        memcpy(options.token, token, sizeof(options.token));
        ask(f, c, mb, vendor_id, type, &options, ret);
}

/* An SPDM lease of alice that has begun and was closed. */
static void hold_and_close(LeaseFixture *f, Holder *h) {
        hold(f, f->alice, f->a, SPDM, h);
        say_hello(f, h);
        lease_hang_up(h->lease, f->f->now_usec);
        pass(f, 0);
}

static void expect_refused(LeaseFixture *f, const Holder *old, Client *c, Mailbox *mb, uint16_t vendor_id,
                           uint8_t type, const char *reason) {
        Holder h;

        resume_as(f, c, mb, vendor_id, type, old->token, &h);
        ck_assert_int_eq(h.error, -ESRCH);
        ck_assert_msg(strstr(h.text, reason), "%s", h.text);
}

START_TEST(a_token_goes_on_without_a_new_get_version) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder old, h;

        hold_and_close(f, &old);
        pass(f, RESUME_USEC - 1);
        resume_as(f, f->al, f->a, SPDM, old.token, &h);
        ck_assert_int_eq(h.error, 0);
        ck_assert_mem_ne(h.token, old.token, LEASE_TOKEN_BYTES);
        say_spdm(f, &h, 0xe1);
        answer_spdm(f, f->a, 0x61);
        ck_assert_int_eq(last_object(&h)->error, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_token_is_good_once) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder old, h;

        hold_and_close(f, &old);
        resume_as(f, f->alice, f->a, SPDM, old.token, &h);
        lease_hang_up(h.lease, f->f->now_usec);
        pass(f, 0);
        expect_refused(f, &old, f->alice, f->a, SPDM, "no lease of this token");
        resume_as(f, f->alice, f->a, SPDM, h.token, &old);
        ck_assert_int_eq(old.error, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(ten_minutes_after_its_end_it_is_too_late) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder old;

        hold_and_close(f, &old);
        pass(f, RESUME_USEC);
        expect_refused(f, &old, f->alice, f->a, SPDM, "too long ago");
        lease_fixture_free(f);
}
END_TEST

START_TEST(another_uid_cannot_resume_it_nor_learn_that_it_exists) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder old;

        hold_and_close(f, &old);
        expect_refused(f, &old, f->bob, f->a, SPDM, "no lease of this token");
        lease_fixture_free(f);
}
END_TEST

START_TEST(another_mailbox_or_feature_cannot_resume_it_but_the_group_can) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder old, h;

        hold_and_close(f, &old);
        expect_refused(f, &old, f->alice, f->a, ECHO, "another feature");
        expect_refused(f, &old, f->alice, f->b, SECURED, "another feature");
        resume_as(f, f->alice, f->a, 0x0001, 0x03, old.token, &h);
        ck_assert_int_eq(h.error, 0);
        lease_fixture_free(f);
}
END_TEST

START_TEST(an_open_lease_cannot_be_resumed) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, SPDM, &h);
        expect_refused(f, &h, f->alice, f->a, SPDM, "still open");
        lease_fixture_free(f);
}
END_TEST

START_TEST(an_epoch_since_then_ends_it) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder old;

        hold_and_close(f, &old);
        mailbox_report_state(f->a, MAILBOX_IDLE, 2, "reset", f->f->now_usec);
        mailbox_come_up(f, f->a, 2);
        expect_refused(f, &old, f->alice, f->a, SPDM, "no lease of this token");
        lease_fixture_free(f);
}
END_TEST

START_TEST(a_record_of_an_older_epoch_that_doed_pci_kept_resumes_nothing) {
        LeaseFixture *f = lease_fixture_new(NULL);
        LeaseRecord record;
        Holder h;

        hold(f, f->alice, f->a, ECHO, &h);
        record = f->f->record;
        lease_hang_up(h.lease, f->f->now_usec);
        pass(f, 0);
        lease_fixture_free(f);

        f = lease_fixture_new(NULL);
        mailbox_come_up(f, f->a, 2);
        record.expires_usec = f->f->now_usec + RESUME_USEC;
        leases_report_record(f->a->device, &record, f->f->now_usec);
        expect_refused(f, &h, f->alice, f->a, ECHO, "the epoch is another");
        lease_fixture_free(f);
}
END_TEST

START_TEST(an_epoch_while_it_was_open_needs_another_get_version) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h[2], again;

        for (unsigned i = 0; i < 2; i++) {
                hold(f, f->alice, f->a, SPDM, &h[i]);
                say_hello(f, &h[i]);
                mailbox_come_up(f, f->a, 2 + i);
                if (i == 1)
                        say_hello(f, &h[i]);
                lease_hang_up(h[i].lease, f->f->now_usec);
                pass(f, 0);
                resume_as(f, f->alice, f->a, SPDM, h[i].token, &again);
                ck_assert_int_eq(again.error, i == 0 ? -ESRCH : 0);
        }
        lease_fixture_free(f);
}
END_TEST

START_TEST(an_object_of_its_group_by_another_lease_ends_it) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder old, other;

        hold_and_close(f, &old);
        hold(f, f->bob, f->a, SPDM, &other);
        ck_assert_uint_eq(f->f->n_records_dropped, 0); /* nothing was sent yet */
        say_spdm(f, &other, SPDM_CODE_GET_VERSION);
        ck_assert_uint_eq(f->f->n_records_dropped, 1);
        answer_spdm(f, f->a, 0x04);
        lease_hang_up(other.lease, f->f->now_usec);
        pass(f, 0);
        expect_refused(f, &old, f->alice, f->a, SPDM, "no lease of this token");
        lease_fixture_free(f);
}
END_TEST

START_TEST(an_exchange_of_its_feature_ends_it_and_one_of_another_does_not) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder old, h;
        Answer a;

        hold(f, f->alice, f->a, ECHO, &old);
        lease_hang_up(old.lease, f->f->now_usec);
        pass(f, 0);
        fixture_exchange(f->f, f->root, 0x1234, 0x02, "abcd", 4, NULL, &a);
        answer_echo(f, f->a);
        resume_as(f, f->alice, f->a, ECHO, old.token, &h);
        ck_assert_int_eq(h.error, 0);
        lease_hang_up(h.lease, f->f->now_usec);
        pass(f, 0);
        fixture_exchange(f->f, f->root, ECHO, "abcd", 4, NULL, &a);
        answer_echo(f, f->a);
        expect_refused(f, &h, f->alice, f->a, ECHO, "no lease of this token");
        lease_fixture_free(f);
}
END_TEST

START_TEST(an_spdm_lease_that_has_sent_nothing_leaves_nothing_to_resume) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder h;

        hold(f, f->alice, f->a, SPDM, &h);
        lease_hang_up(h.lease, f->f->now_usec);
        pass(f, 0);
        ck_assert_uint_eq(f->f->n_records_put, 0);
        expect_refused(f, &h, f->alice, f->a, SPDM, "no lease of this token");
        lease_fixture_free(f);
}
END_TEST

START_TEST(doed_pci_keeps_the_digest_and_never_the_token) {
        /* SHA-256 of sixteen zero bytes */
        static const uint8_t digest_of_zeros[] = { 0x37, 0x47, 0x08, 0xff, 0xf7, 0x71, 0x9d, 0xd5,
                                                   0x97, 0x9e, 0xc8, 0x75, 0xd5, 0x6c, 0xd2, 0x28,
                                                   0x6f, 0x6d, 0x3c, 0xf7, 0xec, 0x31, 0x7a, 0x3b,
                                                   0x25, 0x63, 0x2a, 0xab, 0x28, 0xec, 0x37, 0xbb };
        static const uint8_t zeros[LEASE_TOKEN_BYTES];
        const LeaseRecord record = { .uid = 2001,
                                     .offset = A_OFFSET,
                                     .vendor_id = 0x1234,
                                     .type = 1,
                                     .epoch = 1,
                                     .expires_usec = RESUME_USEC };
        LeaseFixture *f = lease_fixture_new(NULL);
        LeaseRecord told = record;
        Holder h;

        memcpy(told.digest, digest_of_zeros, sizeof(told.digest));
        leases_report_record(f->a->device, &told, f->f->now_usec);
        resume_as(f, f->alice, f->a, ECHO, zeros, &h);
        ck_assert_int_eq(h.error, 0);
        ck_assert_mem_eq(f->f->dropped_digest, digest_of_zeros, sizeof(digest_of_zeros));
        lease_fixture_free(f);
}
END_TEST

START_TEST(the_record_follows_the_lease) {
        LeaseFixture *f = lease_fixture_new(NULL);
        const LeaseRecord *record = &f->f->record;
        Holder h;

        hold(f, f->root, f->a, SPDM, &h);
        say_hello(f, &h);
        ck_assert_uint_eq(f->f->n_records_put, 1);
        ck_assert_uint_eq(record->expires_usec, 0);
        ck_assert_uint_eq(record->offset, A_OFFSET);
        ck_assert_uint_eq(record->epoch, 1);
        ck_assert(!record->is_session);
        say_spdm(f, &h, 0xe4);
        answer_spdm(f, f->a, 0x64);
        ck_assert(record->is_session);
        lease_hang_up(h.lease, f->f->now_usec);
        ck_assert_uint_eq(record->expires_usec, f->f->now_usec + RESUME_USEC);
        lease_fixture_free(f);
}
END_TEST

/* As after kill -9: the record comes from doed-pci, with the mailbox and before its features are known. */
START_TEST(a_new_doed_resumes_a_session_of_the_one_that_died) {
        LeaseFixture *f = lease_fixture_new(NULL), *next;
        LeaseRecord record;
        uint8_t token[LEASE_TOKEN_BYTES];
        Holder old, h;

        hold(f, f->root, f->a, SPDM, &old);
        say_hello(f, &old);
        say_spdm(f, &old, 0xe4);
        answer_spdm(f, f->a, 0x64);
        record = f->f->record;
        memcpy(token, old.token, sizeof(token));
        lease_fixture_free(f);

        next = lease_fixture_new_silent(NULL);
        resume_as(next, next->root, next->a, SPDM, token, &h);
        mailbox_report_state(next->a, MAILBOX_IDLE, 1, "", next->f->now_usec);
        record.expires_usec = next->f->now_usec + RESUME_USEC;
        leases_report_record(next->a->device, &record, next->f->now_usec);
        mailbox_come_up(next, next->a, 1);
        mailbox_come_up(next, next->b, 1);
        ck_assert_int_eq(h.error, 0);
        ck_assert(h.lease->is_session);
        ck_assert_uint_eq(h.lease->idle_usec, 600 * USEC_PER_SEC);
        say(next, &h, SECURED, "abcd", 4);
        answer_echo(next, next->b);
        ck_assert_int_eq(last_object(&h)->error, 0);
        lease_fixture_free(next);
}
END_TEST

START_TEST(records_are_bounded_and_the_oldest_goes) {
        LeaseFixture *f = lease_fixture_new(NULL);
        LeaseRecord record = { .uid = 2001,
                               .offset = A_OFFSET,
                               .vendor_id = 0x4321,
                               .type = 1,
                               .epoch = 1,
                               .expires_usec = RESUME_USEC };

        for (unsigned i = 0; i < 40; i++) {
                record.digest[0] = (uint8_t)i;
                leases_report_record(f->a->device, &record, f->f->now_usec);
        }
        ck_assert_uint_eq(f->f->n_records_dropped, 8);
        ck_assert_uint_eq(f->f->dropped_digest[0], 7);
        lease_fixture_free(f);
}
END_TEST

/* A lease of the whole mailbox that root held and closed. */
static void hold_all_and_close(LeaseFixture *f, Mailbox *mb, bool with_version, Holder *h) {
        const LeaseOptions options = lease_options(LEASE_SCOPE_MAILBOX);

        ask(f, f->root, mb, 0, 0, &options, h);
        ck_assert_ptr_nonnull(h->lease);
        if (with_version)
                say_hello(f, h);
        lease_hang_up(h->lease, f->f->now_usec);
        pass(f, 0);
}

static void resume_all(LeaseFixture *f, Mailbox *mb, const Holder *old, Holder *ret) {
        LeaseOptions options = lease_options(LEASE_SCOPE_MAILBOX);

        options.has_token = true;
        memcpy(options.token, old->token, sizeof(options.token));
        ask(f, f->root, mb, 0, 0, &options, ret);
}

START_TEST(a_mailbox_lease_goes_on_in_no_connection_that_it_had_not_begun) {
        for (unsigned with_version = 0; with_version < 2; with_version++) {
                LeaseFixture *f = lease_fixture_new(NULL);
                Holder alice, old, h;

                hold_and_close(f, &alice);
                hold_all_and_close(f, f->a, with_version, &old);
                resume_all(f, f->a, &old, &h);
                ck_assert_int_eq(h.error, 0);
                say_spdm(f, &h, 0xe1);
                if (with_version)
                        ck_assert_ptr_nonnull(f->a->running);
                else
                        expect_error(&h, EACCES, LEASE_ERROR_NOT_SENT);
                lease_fixture_free(f);
        }
}
END_TEST

START_TEST(a_new_doed_knows_of_a_mailbox_lease_only_whether_it_had_a_session) {
        for (unsigned is_session = 0; is_session < 2; is_session++) {
                LeaseFixture *f = lease_fixture_new(NULL);
                LeaseRecord record;
                Holder old, h;

                hold_all_and_close(f, f->a, true, &old);
                record = f->f->record;
                ck_assert(!record.is_session);
                record.is_session = is_session;
                lease_fixture_free(f);

                f = lease_fixture_new(NULL);
                leases_report_record(f->a->device, &record, f->f->now_usec);
                resume_all(f, f->a, &old, &h);
                ck_assert_int_eq(h.error, 0);
                say_spdm(f, &h, 0xe1);
                ck_assert_int_eq(f->a->running != NULL, is_session);
                lease_fixture_free(f);
        }
}
END_TEST

START_TEST(spdm_of_another_mailbox_ends_what_a_mailbox_lease_left) {
        for (unsigned by_epoch = 0; by_epoch < 2; by_epoch++) {
                LeaseFixture *f = lease_fixture_new(NULL);
                Holder old, other, h;

                hold_all_and_close(f, f->b, /* with_version= */ false, &old);
                if (by_epoch)
                        mailbox_come_up(f, f->a, 2);
                else
                        hold_and_close(f, &other);
                resume_all(f, f->b, &old, &h);
                ck_assert_int_eq(h.error, -ESRCH);
                lease_fixture_free(f);
        }
}
END_TEST

START_TEST(an_epoch_of_the_responder_while_a_mailbox_lease_is_open_needs_another_get_version) {
        const LeaseOptions options = lease_options(LEASE_SCOPE_MAILBOX);
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder old, h;

        ask(f, f->root, f->a, 0, 0, &options, &old);
        say_hello(f, &old);
        mailbox_come_up(f, f->b, 2);
        lease_hang_up(old.lease, f->f->now_usec);
        pass(f, 0);
        resume_all(f, f->a, &old, &h);
        ck_assert_int_eq(h.error, 0);
        say_spdm(f, &h, 0xe1);
        expect_error(&h, EACCES, LEASE_ERROR_NOT_SENT);
        lease_fixture_free(f);
}
END_TEST

static void say_in_one(LeaseFixture *f, Holder *h, uint8_t code) {
        static const DoeObjectHeader header = {
                .vendor_id = 0x0001, .type = 0x03, .n_dwords = 3, .connection_id = 1
        };
        const uint8_t message[] = { 0x12, code, 0, 0 };

        say_header(f, h, &header, message, sizeof(message));
}

START_TEST(connections_go_on_that_were_begun_and_after_a_restart_the_first_ones) {
        LeaseFixture *f = lease_fixture_new(NULL);
        LeaseRecord record;
        Holder old, h;

        hold(f, f->alice, f->a, SPDM, &old);
        say_in_one(f, &old, SPDM_CODE_GET_VERSION);
        answer_spdm(f, f->a, SPDM_CODE_VERSION);
        lease_hang_up(old.lease, f->f->now_usec);
        pass(f, 0);
        record = f->f->record;
        resume_as(f, f->alice, f->a, SPDM, old.token, &h);
        say_spdm(f, &h, 0xe1);
        expect_error(&h, EACCES, LEASE_ERROR_NOT_SENT);
        say_in_one(f, &h, 0xe1);
        ck_assert_ptr_nonnull(f->a->running);
        lease_fixture_free(f);

        f = lease_fixture_new(NULL);
        leases_report_record(f->a->device, &record, f->f->now_usec);
        resume_as(f, f->alice, f->a, SPDM, old.token, &h);
        say_in_one(f, &h, 0xe1);
        expect_error(&h, EACCES, LEASE_ERROR_NOT_SENT);
        say_spdm(f, &h, 0xe1);
        ck_assert_ptr_nonnull(f->a->running);
        lease_fixture_free(f);
}
END_TEST

/* doed-pci is back, and tells of its records before or after its mailboxes. */
static void come_back(LeaseFixture *f, const LeaseRecord *record, bool is_record_first) {
        manager_link_up(f->f->m, "none", f->f->now_usec);
        f->a->device->is_linked = true;
        if (is_record_first)
                leases_report_record(f->a->device, record, f->f->now_usec);
        mailbox_report_state(f->a, MAILBOX_IDLE, 1, "", f->f->now_usec);
        mailbox_report_state(f->b, MAILBOX_IDLE, 1, "", f->f->now_usec);
        if (!is_record_first)
                leases_report_record(f->a->device, record, f->f->now_usec);
        pass(f, 0);
}

START_TEST(what_was_lost_while_doed_pci_was_away_stays_lost) {
        for (unsigned i = 0; i < 4; i++) {
                LeaseFixture *f = lease_fixture_new(NULL);
                bool is_drained_before = i & 2;
                Holder alice, bob;
                LeaseRecord record;

                hold_and_close(f, &alice);
                record = f->f->record;
                hold(f, f->bob, f->a, SPDM, &bob);
                if (is_drained_before)
                        say_hello(f, &bob);
                manager_link_lost(f->f->m, "upgrade", f->f->now_usec);
                if (!is_drained_before)
                        say_spdm(f, &bob, SPDM_CODE_GET_VERSION);
                come_back(f, &record, i & 1);
                if (!is_drained_before)
                        answer_spdm(f, f->a, SPDM_CODE_VERSION);
                ck_assert_uint_ge(f->f->n_records_dropped, 1);
                ck_assert_mem_eq(f->f->dropped_digest, record.digest, sizeof(record.digest));
                lease_hang_up(bob.lease, f->f->now_usec);
                pass(f, 0);
                expect_refused(f, &alice, f->alice, f->a, SPDM, "no lease of this token");
                lease_fixture_free(f);
        }
}
END_TEST

START_TEST(an_epoch_while_doed_pci_was_away_stays_counted) {
        LeaseFixture *f = lease_fixture_new(NULL);
        LeaseRecord record;
        Holder old;

        hold_and_close(f, &old);
        record = f->f->record;
        manager_link_lost(f->f->m, "upgrade", f->f->now_usec);
        mailbox_come_up(f, f->b, 2); /* the same responder; heard before the link is up */
        come_back(f, &record, false);
        expect_refused(f, &old, f->alice, f->a, SPDM, "no lease of this token");
        lease_fixture_free(f);
}
END_TEST

START_TEST(no_uid_drives_out_what_another_can_resume) {
        LeaseFixture *f = lease_fixture_new(NULL);
        Holder old, h;

        hold_and_close(f, &old);
        for (unsigned i = 0; i < 40; i++) {
                hold(f, f->bob, f->a, ECHO, &h);
                lease_hang_up(h.lease, f->f->now_usec);
                pass(f, 0);
        }
        resume_as(f, f->alice, f->a, SPDM, old.token, &h);
        ck_assert_int_eq(h.error, 0);
        lease_fixture_free(f);
}
END_TEST

DEFINE_SUITE("lease-resume", a_token_goes_on_without_a_new_get_version, a_token_is_good_once,
             ten_minutes_after_its_end_it_is_too_late, another_uid_cannot_resume_it_nor_learn_that_it_exists,
             another_mailbox_or_feature_cannot_resume_it_but_the_group_can, an_open_lease_cannot_be_resumed,
             an_epoch_since_then_ends_it, a_record_of_an_older_epoch_that_doed_pci_kept_resumes_nothing,
             an_epoch_while_it_was_open_needs_another_get_version,
             an_object_of_its_group_by_another_lease_ends_it,
             an_exchange_of_its_feature_ends_it_and_one_of_another_does_not,
             an_spdm_lease_that_has_sent_nothing_leaves_nothing_to_resume,
             doed_pci_keeps_the_digest_and_never_the_token, the_record_follows_the_lease,
             a_new_doed_resumes_a_session_of_the_one_that_died, records_are_bounded_and_the_oldest_goes,
             a_mailbox_lease_goes_on_in_no_connection_that_it_had_not_begun,
             a_new_doed_knows_of_a_mailbox_lease_only_whether_it_had_a_session,
             spdm_of_another_mailbox_ends_what_a_mailbox_lease_left,
             an_epoch_of_the_responder_while_a_mailbox_lease_is_open_needs_another_get_version,
             connections_go_on_that_were_begun_and_after_a_restart_the_first_ones,
             what_was_lost_while_doed_pci_was_away_stays_lost,
             an_epoch_while_doed_pci_was_away_stays_counted, no_uid_drives_out_what_another_can_resume)
