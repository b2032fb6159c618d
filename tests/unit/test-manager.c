/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "tests/unit/core-fixture.h"
#include "tests/unit/suite.h"

static const struct DeviceMailboxInfo two_mailboxes[] = { { 0x200, 1 }, { 0x160, 1 } };

static Device *report(Fixture *f, const char *address, const char *instance) {
        const DeviceInfo info = { .address = address,
                                  .instance = instance,
                                  .name = "",
                                  .driver = "",
                                  .access = "read-write",
                                  .cxl_memory = "",
                                  .cxl_port = "",
                                  .spdm_owner = "",
                                  .mailboxes = two_mailboxes,
                                  .n_mailboxes = 2 };
        Device *d;

        ck_assert_int_eq(manager_report_device(f->m, &info, f->now_usec, &d), 0);
        return d;
}

START_TEST(calls_wait_for_the_first_enumeration) {
        const TransactionOptions options = { .timeout_usec = USEC_PER_SEC };
        Fixture *f = fixture_new_empty();
        Answer late = {}, in_time = {};

        transaction_wait_ready(f->root, &options, f->now_usec, fixture_on_answer(), &late);
        fixture_advance(f, USEC_PER_SEC);
        ck_assert_int_eq(late.error, -EHOSTDOWN);
        transaction_wait_ready(f->root, &options, f->now_usec, fixture_on_answer(), &in_time);
        manager_link_up(f->m, "none", f->now_usec);
        ck_assert_uint_eq(in_time.n_times, 0);
        manager_report_enumerated(f->m, f->now_usec);
        ck_assert_int_eq(in_time.error, 0);
        ck_assert_uint_eq(in_time.n_times, 1);
        fixture_free(f);
}
END_TEST

START_TEST(devices_that_a_new_doed_pci_does_not_know_are_gone) {
        Fixture *f = fixture_new_empty();

        manager_link_up(f->m, "none", f->now_usec);
        report(f, "0000:01:00.0", "1");
        report(f, "0000:02:00.0", "1");
        manager_report_enumerated(f->m, f->now_usec);
        manager_link_lost(f->m, "killed", f->now_usec);
        ck_assert_ptr_nonnull(manager_find_device(f->m, "0000:01:00.0"));
        manager_link_up(f->m, "none", f->now_usec);
        report(f, "0000:02:00.0", "1");
        manager_report_enumerated(f->m, f->now_usec);
        ck_assert_ptr_null(manager_find_device(f->m, "0000:01:00.0"));
        ck_assert_ptr_nonnull(manager_find_device(f->m, "0000:02:00.0"));
        ck_assert_uint_eq(f->n_removed, 1);
        fixture_free(f);
}
END_TEST

START_TEST(another_instance_at_the_same_address_is_another_device) {
        Fixture *f = fixture_new();
        Answer a;

        fixture_echo(f, f->root, "abcd", NULL, &a);
        fixture_report_device(f, "2", false);
        ck_assert_int_eq(a.error, -ENODEV);
        ck_assert_uint_eq(f->n_removed, 1);
        ck_assert_ptr_nonnull(f->device);
        ck_assert_str_eq(f->device->instance, "2");
        fixture_free(f);
}
END_TEST

START_TEST(find_gives_the_best_first) {
        static const DoeDiscoveryEntry entry = { .vendor_id = 0x1234, .type = 1 };
        Fixture *f = fixture_new_empty();
        Mailbox **found;
        Device *d[3];
        size_t n;

        manager_link_up(f->m, "none", f->now_usec);
        d[2] = report(f, "0000:03:00.0", "1");
        d[0] = report(f, "0000:01:00.0", "1");
        d[1] = report(f, "0000:02:00.0", "1");
        for (int i = 0; i < 3; i++)
                for (int k = 0; k < 2; k++) {
                        DoeDiscoveryEntry *features = malloc(sizeof(entry));

                        memcpy(features, &entry, sizeof(entry));
                        mailbox_set_features(d[i]->mailboxes[k], FEATURES_DISCOVERY, features, 1);
                }
        mailbox_report_state(d[0]->mailboxes[0], MAILBOX_DEAD, 1, "", f->now_usec);
        mailbox_report_state(d[2]->mailboxes[1], MAILBOX_IDLE, 0, "", f->now_usec);
        ck_assert_int_eq(manager_find(f->m, "", 0x1234, 1, &found, &n), 0);
        ck_assert_uint_eq(n, 6);
        ck_assert_ptr_eq(found[0], d[2]->mailboxes[1]);
        ck_assert_ptr_eq(found[1], d[0]->mailboxes[1]);
        ck_assert_uint_lt(d[0]->mailboxes[0]->offset, d[0]->mailboxes[1]->offset);
        ck_assert_ptr_eq(found[5], d[0]->mailboxes[0]);
        free(found);
        ck_assert_int_eq(manager_find(f->m, "*:02:*", 0x1234, 1, &found, &n), 0);
        ck_assert_uint_eq(n, 2);
        free(found);
        ck_assert_int_eq(manager_find(f->m, "", 0x4321, 1, &found, &n), 0);
        ck_assert_uint_eq(n, 0);
        free(found);
        fixture_free(f);
}
END_TEST

START_TEST(rescan_is_answered_when_the_enumeration_is_over_or_the_link_is_lost) {
        const TransactionOptions options = {};
        Fixture *f = fixture_new();
        Answer a = {}, b = {};

        transaction_rescan(f->root, &options, f->now_usec, fixture_on_answer(), &a);
        ck_assert_uint_eq(f->n_rescans, 1);
        ck_assert_uint_eq(a.n_times, 0);
        manager_report_enumerated(f->m, f->now_usec);
        ck_assert_int_eq(a.error, 0);
        ck_assert_uint_eq(a.n_times, 1);
        transaction_rescan(f->root, &options, f->now_usec, fixture_on_answer(), &b);
        manager_link_lost(f->m, "killed", f->now_usec);
        ck_assert_int_eq(b.error, -EHOSTDOWN);
        fixture_free(f);
}
END_TEST

START_TEST(every_limit_has_a_name_of_its_own) {
        const char *last = "", *name;
        uint64_t value;
        size_t i;

        for (i = 0; (name = limits_get(&limits_default, i, &value)); i++) {
                ck_assert_str_gt(name, last);
                ck_assert_uint_gt(value, 0);
                last = name;
        }
        ck_assert_uint_eq(i * sizeof(uint64_t), sizeof(Limits));
}
END_TEST

DEFINE_SUITE("manager", calls_wait_for_the_first_enumeration,
             devices_that_a_new_doed_pci_does_not_know_are_gone,
             another_instance_at_the_same_address_is_another_device, find_gives_the_best_first,
             rescan_is_answered_when_the_enumeration_is_over_or_the_link_is_lost,
             every_limit_has_a_name_of_its_own)
