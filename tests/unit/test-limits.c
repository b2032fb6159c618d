/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/config/limits.h"

#include <errno.h>
#include <inttypes.h>

#include "daemon/util/clock.h"
#include "daemon/util/ini.h"
#include "tests/unit/suite.h"

static char error[INI_ERROR_MAX];

static int set(Limits *l, const char *name, const char *value) {
        int i = limits_find(name);

        ck_assert_msg(i >= 0, "%s", name);
        return limits_set(l, (size_t)i, value, error);
}

START_TEST(every_limit_is_found_by_its_name_and_its_default_is_allowed) {
        const char *name, *before = "";
        Limits l = limits_default;
        uint64_t value, again;
        char text[32];
        size_t i;

        for (i = 0; (name = limits_get(&limits_default, i, &value)); i++) {
                ck_assert_int_lt(strcmp(before, name), 0);
                ck_assert_int_eq(limits_find(name), (int)i);
                snprintf(text, sizeof(text), "%" PRIu64, value);
                ck_assert_msg(limits_set(&l, i, text, error) == 0, "%s", error);
                ck_assert_ptr_nonnull(limits_get(&l, i, &again));
                ck_assert_uint_eq(value, again);
                before = name;
        }
        ck_assert_uint_eq(i, N_LIMITS);
        ck_assert_int_eq(limits_find("QueueMin"), -1);
}
END_TEST

START_TEST(times_are_microseconds_or_spans) {
        Limits l = limits_default;

        ck_assert_int_eq(set(&l, "LeaseIdleUSec", "5s"), 0);
        ck_assert_uint_eq(l.lease_idle_usec, 5 * USEC_PER_SEC);
        ck_assert_int_eq(set(&l, "LeaseIdleUSec", "250000"), 0);
        ck_assert_uint_eq(l.lease_idle_usec, 250000);
        ck_assert_int_eq(set(&l, "QueueMax", "12"), 0);
        ck_assert_uint_eq(l.queue_max, 12);
}
END_TEST

START_TEST(a_bad_value_is_refused_with_what_is_allowed) {
        Limits l = limits_default;

        ck_assert_int_eq(set(&l, "QueueMax", "0"), -EINVAL);
        ck_assert_str_eq(error, "QueueMax=0 is not a number from 1 to 1000000");
        ck_assert_int_eq(set(&l, "QueueMax", "5s"), -EINVAL);
        ck_assert_int_eq(set(&l, "FaultsMax", "65"), -EINVAL);
        ck_assert_int_eq(set(&l, "ObjectBytesMax", "1048577"), -EINVAL);
        ck_assert_int_eq(set(&l, "LeaseIdleUSec", "-5s"), -EINVAL);
        ck_assert_int_eq(memcmp(&l, &limits_default, sizeof(l)), 0);
}
END_TEST

DEFINE_SUITE("limits", every_limit_is_found_by_its_name_and_its_default_is_allowed,
             times_are_microseconds_or_spans, a_bad_value_is_refused_with_what_is_allowed)
