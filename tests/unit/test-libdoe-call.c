/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "client/libdoe/call.h"
#include "tests/unit/suite.h"

START_TEST(each_error_of_the_contract_keeps_its_errno) {
        const DoeError *e;

        for (size_t i = 0; (e = doe_error_get(i)); i++) {
                ck_assert_int_eq(failure_number(e->dbus_name), -e->error);
                ck_assert_int_eq((int)failure_exit_code(e->dbus_name), (int)e->exit_code);
        }
}
END_TEST

START_TEST(errors_of_the_bus_mean_what_they_mean_for_the_caller) {
        ck_assert_int_eq(failure_number("org.freedesktop.DBus.Error.ServiceUnknown"), -EHOSTDOWN);
        ck_assert_int_eq(failure_number("org.freedesktop.DBus.Error.Spawn.ChildExited"), -EHOSTDOWN);
        ck_assert_int_eq(failure_number("org.freedesktop.systemd1.NoSuchUnit"), -EHOSTDOWN);
        ck_assert_int_eq(failure_number("org.freedesktop.DBus.Error.UnknownObject"), -ENOENT);
        ck_assert_int_eq(failure_number("org.freedesktop.DBus.Error.UnknownMethod"), -EOPNOTSUPP);
        ck_assert_int_eq(failure_number("org.freedesktop.DBus.Error.LimitsExceeded"), -EDQUOT);
        ck_assert_int_eq(failure_number("com.example.Unheard"), -EIO);
}
END_TEST

DEFINE_SUITE("libdoe-call", each_error_of_the_contract_keeps_its_errno,
             errors_of_the_bus_mean_what_they_mean_for_the_caller)
