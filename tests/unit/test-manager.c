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

START_TEST(while_suspended_nothing_is_handed_down_and_afterwards_all_goes_on) {
        Fixture *f = fixture_new();
        Answer before, during;
        size_t n_sent;

        fixture_echo(f, f->root, "1111", NULL, &before);
        manager_suspend(f->m, true, f->now_usec);
        manager_suspend(f->m, true, f->now_usec);
        ck_assert_uint_eq(f->n_suspends, 1);
        ck_assert(f->is_suspended);
        n_sent = f->n_sent;
        fixture_echo(f, f->root, "2222", NULL, &during);
        ck_assert_uint_eq(f->n_suspended, 0);
        fixture_state(f, MAILBOX_KERNEL, "the host goes to sleep");
        manager_report_suspended(f->m, true, f->now_usec);
        manager_report_suspended(f->m, true, f->now_usec);
        ck_assert_uint_eq(f->n_suspended, 1);
        ck_assert_uint_eq(f->n_sent, n_sent);

        manager_suspend(f->m, false, f->now_usec);
        ck_assert(!f->is_suspended);
        mailbox_report_state(f->mb, MAILBOX_STARTING, 2, "", f->now_usec);
        fixture_ready(f, 2);
        fixture_serve(f);
        ck_assert_int_eq(before.error, 0);
        ck_assert_int_eq(during.error, 0);
        fixture_free(f);
}
END_TEST

START_TEST(a_resume_before_doed_pci_noticed_goes_on_at_once) {
        Fixture *f = fixture_new();
        Answer a;

        manager_suspend(f->m, true, f->now_usec);
        fixture_echo(f, f->root, "abcd", NULL, &a);
        ck_assert(!fixture_has_pending(f));
        manager_suspend(f->m, false, f->now_usec);
        /* late, and of the order before */
        manager_report_suspended(f->m, true, f->now_usec);
        ck_assert_uint_eq(f->n_suspended, 0);
        fixture_serve(f);
        ck_assert_int_eq(a.error, 0);
        ck_assert_uint_eq(a.n_times, 1);
        fixture_free(f);
}
END_TEST

START_TEST(without_doed_pci_the_host_may_sleep_at_once) {
        Fixture *f = fixture_new();

        manager_link_lost(f->m, "killed", f->now_usec);
        manager_suspend(f->m, true, f->now_usec);
        ck_assert_uint_eq(f->n_suspends, 0);
        ck_assert_uint_eq(f->n_suspended, 1);
        /* one that comes is told so, and its answer is no news */
        manager_link_up(f->m, "none", f->now_usec);
        ck_assert_uint_eq(f->n_suspends, 1);
        ck_assert(f->is_suspended);
        manager_report_suspended(f->m, true, f->now_usec);
        ck_assert_uint_eq(f->n_suspended, 1);
        fixture_free(f);
}
END_TEST

START_TEST(doed_pci_that_dies_while_the_host_waits_for_it_lets_it_sleep) {
        Fixture *f = fixture_new();

        manager_suspend(f->m, true, f->now_usec);
        ck_assert_uint_eq(f->n_suspended, 0);
        manager_link_lost(f->m, "killed", f->now_usec);
        ck_assert_uint_eq(f->n_suspended, 1);
        manager_suspend(f->m, false, f->now_usec);
        manager_suspend(f->m, true, f->now_usec);
        ck_assert_uint_eq(f->n_suspended, 2);
        fixture_free(f);
}
END_TEST

START_TEST(a_new_configuration_leaves_what_waits_alone_and_counts_for_what_comes) {
        static const char *const no_folders[] = { NULL };
        const ConfigPlaces places = { .folders = no_folders };
        Fixture *f = fixture_new();
        Answer queued[3], refused;
        Config *config;

        ck_assert_int_eq(config_load(&places, &config), 0);
        config->limits.calls_max_per_client = 1;
        fixture_state(f, MAILBOX_WAITING, "somebody");
        for (size_t i = 0; i < ELEMENTS(queued); i++)
                fixture_echo(f, f->root, "abcd", NULL, &queued[i]);
        manager_set_config(f->m, config);
        ck_assert_ptr_eq(f->m->policy.limits, &config->limits);
        fixture_echo(f, f->root, "abcd", NULL, &refused);
        ck_assert_int_eq(refused.error, -EDQUOT);
        fixture_ready(f, 1);
        fixture_serve(f);
        for (size_t i = 0; i < ELEMENTS(queued); i++)
                ck_assert_int_eq(queued[i].error, 0);
        fixture_free(f);
}
END_TEST

START_TEST(clients_of_a_uid_share_one_account) {
        Fixture *f = fixture_new();
        Answer a, b;

        ck_assert_ptr_eq(f->root->account, f->other->account);
        ck_assert_ptr_ne(f->root->account, f->agent->account);
        fixture_echo(f, f->root, "abcd", NULL, &a);
        fixture_echo(f, f->other, "abcdefgh", NULL, &b);
        ck_assert_uint_eq(f->root->account->n_bytes_waiting, 12);
        client_free(f->other);
        ck_assert_uint_eq(f->root->account->n_bytes_waiting, 4);
        fixture_serve(f);
        ck_assert_uint_eq(f->root->account->n_bytes_waiting, 0);
        fixture_free(f);
}
END_TEST

DEFINE_SUITE("manager", calls_wait_for_the_first_enumeration,
             devices_that_a_new_doed_pci_does_not_know_are_gone,
             another_instance_at_the_same_address_is_another_device, find_gives_the_best_first,
             rescan_is_answered_when_the_enumeration_is_over_or_the_link_is_lost,
             every_limit_has_a_name_of_its_own,
             while_suspended_nothing_is_handed_down_and_afterwards_all_goes_on,
             a_resume_before_doed_pci_noticed_goes_on_at_once, without_doed_pci_the_host_may_sleep_at_once,
             doed_pci_that_dies_while_the_host_waits_for_it_lets_it_sleep,
             a_new_configuration_leaves_what_waits_alone_and_counts_for_what_comes,
             clients_of_a_uid_share_one_account)
