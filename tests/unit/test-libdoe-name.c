/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "client/libdoe/name.h"
#include "tests/unit/suite.h"

#define DEVICE  "/org/doed/device/0000_3a_00_0"
#define MAILBOX DEVICE "/mailbox/160"

static void expect(int (*convert)(const char *, char **), const char *from, const char *to) {
        char *s = NULL;

        ck_assert_int_eq(convert(from, &s), to ? 0 : -EINVAL);
        ck_assert_pstr_eq(s, to);
        free(s);
}

START_TEST(names_and_paths_become_paths) {
        expect(name_to_device_path, "0000:3a:00.0", DEVICE);
        expect(name_to_device_path, "0000:3A:00.0", DEVICE);
        expect(name_to_device_path, DEVICE, DEVICE);
        expect(name_to_mailbox_path, "0000:3a:00.0[160]", MAILBOX);
        expect(name_to_mailbox_path, "10000:01:1f.7[d00]", "/org/doed/device/10000_01_1f_7/mailbox/d00");
        expect(name_to_mailbox_path, MAILBOX, MAILBOX);
}
END_TEST

START_TEST(what_is_neither_is_refused) {
        static const char *const devices[] = {
                NULL, "", "3a:00.0", "0000:3a:00.8", "0000:3a:00.0 ", MAILBOX, "/", "0000:3a:00.0[160]"
        };
        static const char *const mailboxes[] = {
                NULL,
                "",
                "0000:3a:00.0",
                "0000:3a:00.0[]",
                "0000:3a:00.0[160",
                "0000:3a:00.0[160]]",
                "0000:3a:00.0[16g]",
                "0000:3a:00.0[00160]",
                DEVICE,
                DEVICE "/mailbox/",
                DEVICE "/mailbox/160/1",
                DEVICE "/mailbox/..",
                "0000:3a:00.0[1600000000000000000000000000000000000000000000]",
        };

        for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
                expect(name_to_device_path, devices[i], NULL);
        for (size_t i = 0; i < sizeof(mailboxes) / sizeof(mailboxes[0]); i++)
                expect(name_to_mailbox_path, mailboxes[i], NULL);
}
END_TEST

START_TEST(paths_become_names) {
        expect(name_from_path, DEVICE, "0000:3a:00.0");
        expect(name_from_path, MAILBOX, "0000:3a:00.0[160]");
        expect(name_from_path, "/org/doed/device/10000_01_1f_7/mailbox/d00", "10000:01:1f.7[d00]");
        expect(name_from_path, "/org/doed/lease/7", NULL);
        expect(name_from_path, "/", NULL);
}
END_TEST

DEFINE_SUITE("libdoe-name", names_and_paths_become_paths, what_is_neither_is_refused, paths_become_names)
