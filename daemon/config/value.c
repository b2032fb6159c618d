/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/config/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>

#include "daemon/util/cleanup.h"
#include "daemon/util/clock.h"

#define FRACTION_DIGITS 6u

static const struct {
        const char *name;
        uint64_t usec;
} units[] = {
        { "us", 1 },
        { "usec", 1 },
        { "ms", USEC_PER_MSEC },
        { "msec", USEC_PER_MSEC },
        { "s", USEC_PER_SEC },
        { "sec", USEC_PER_SEC },
        { "second", USEC_PER_SEC },
        { "seconds", USEC_PER_SEC },
        { "m", 60 * USEC_PER_SEC },
        { "min", 60 * USEC_PER_SEC },
        { "minute", 60 * USEC_PER_SEC },
        { "minutes", 60 * USEC_PER_SEC },
        { "h", 3600 * USEC_PER_SEC },
        { "hr", 3600 * USEC_PER_SEC },
        { "hour", 3600 * USEC_PER_SEC },
        { "hours", 3600 * USEC_PER_SEC },
        { "d", 24 * 3600 * USEC_PER_SEC },
        { "day", 24 * 3600 * USEC_PER_SEC },
        { "days", 24 * 3600 * USEC_PER_SEC },
};

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

/* Digits at *@s, which moves past them. */
static int read_digits(const char **s, uint64_t *ret) {
        uint64_t v = 0;

        if (!is_digit(**s))
                return -EINVAL;
        for (; is_digit(**s); (*s)++)
                if (__builtin_mul_overflow(v, UINT64_C(10), &v) ||
                    __builtin_add_overflow(v, (uint64_t)(**s - '0'), &v))
                        return -EINVAL;
        *ret = v;
        return 0;
}

int value_parse_u64(const char *s, uint64_t *ret) {
        uint64_t v;

        if (read_digits(&s, &v) < 0 || *s)
                return -EINVAL;
        *ret = v;
        return 0;
}

/* What stands after a point, in millionths. */
static int read_fraction(const char **s, uint64_t *ret) {
        uint64_t v = 0, weight = 100000;

        if (!is_digit(**s))
                return -EINVAL;
        for (unsigned i = 0; is_digit(**s); i++, (*s)++) {
                if (i >= FRACTION_DIGITS)
                        continue;
                v += weight * (uint64_t)(**s - '0');
                weight /= 10;
        }
        *ret = v;
        return 0;
}

/* The unit at *@s, or @unit_usec if there is none. */
static int read_unit(const char **s, uint64_t unit_usec, uint64_t *ret) {
        size_t n;

        *s += strspn(*s, " \t");
        n = strcspn(*s, " \t0123456789");
        if (n == 0) {
                *ret = unit_usec;
                return 0;
        }
        for (size_t i = 0; i < ELEMENTS(units); i++)
                if (strlen(units[i].name) == n && strncmp(units[i].name, *s, n) == 0) {
                        *s += n;
                        *ret = units[i].usec;
                        return 0;
                }
        return -EINVAL;
}

static int read_span(const char **s, uint64_t default_unit_usec, uint64_t *ret) {
        uint64_t whole, fraction = 0, unit_usec, usec;
        int r;

        r = read_digits(s, &whole);
        if (r >= 0 && **s == '.') {
                (*s)++;
                r = read_fraction(s, &fraction);
        }
        if (r >= 0)
                r = read_unit(s, default_unit_usec, &unit_usec);
        if (r < 0)
                return r;
        /* a fraction is below 1e6 and no unit longer than a day: this cannot overflow */
        if (__builtin_mul_overflow(whole, unit_usec, &usec) ||
            __builtin_add_overflow(usec, fraction * unit_usec / 1000000, ret))
                return -EINVAL;
        return 0;
}

int value_parse_usec(const char *s, uint64_t unit_usec, uint64_t *ret) {
        uint64_t sum = 0, span;

        do {
                if (read_span(&s, unit_usec, &span) < 0 || __builtin_add_overflow(sum, span, &sum))
                        return -EINVAL;
                s += strspn(s, " \t");
        } while (*s);
        *ret = sum;
        return 0;
}

int value_parse_bool(const char *s) {
        static const char *const names[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };
        int i = value_parse_name(s, names, ELEMENTS(names));

        return i < 0 ? i : i % 2;
}

int value_parse_name(const char *s, const char *const *names, size_t n_names) {
        for (size_t i = 0; i < n_names; i++)
                if (strcmp(names[i], s) == 0)
                        return (int)i;
        return -EINVAL;
}

const char *value_format_seconds(uint64_t usec, char *buf) {
        int n = snprintf(buf, VALUE_SECONDS_STR_MAX, "%" PRIu64 ".%06" PRIu64, usec / USEC_PER_SEC,
                         usec % USEC_PER_SEC);

        while (buf[n - 1] == '0')
                n--;
        if (buf[n - 1] == '.')
                n--;
        buf[n] = '\0';
        return buf;
}
