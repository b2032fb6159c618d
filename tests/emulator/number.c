/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/emulator/number.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/util/clock.h"

static int digits_parse(const char *s, int base, uint64_t *ret, const char **ret_rest) {
        unsigned long long value;
        char *end;

        if (!isxdigit((unsigned char)*s)) /* strtoull() would take a sign and blanks */
                return -EINVAL;
        errno = 0;
        value = strtoull(s, &end, base);
        if (errno != 0 || end == s)
                return -EINVAL;
        *ret = value;
        *ret_rest = end;
        return 0;
}

int number_parse(const char *s, uint64_t max, uint64_t *ret) {
        static const char suffixes[] = "KMG";
        bool is_hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
        const char *rest, *suffix;
        unsigned shift = 0;
        uint64_t value;
        int r;

        r = is_hex ? digits_parse(s + 2, 16, &value, &rest) : digits_parse(s, 10, &value, &rest);
        if (r < 0)
                return r;
        if (*rest) {
                suffix = strchr(suffixes, *rest);
                if (!suffix || rest[1])
                        return -EINVAL;
                shift = 10 * (unsigned)(suffix - suffixes + 1);
        }
        if (value > max >> shift)
                return -EINVAL;
        *ret = value << shift;
        return 0;
}

int number_parse_hex(const char *s, uint64_t max, uint64_t *ret) {
        const char *rest;
        uint64_t value;
        int r;

        r = digits_parse(s, 16, &value, &rest);
        if (r < 0 || *rest || (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) || value > max)
                return -EINVAL;
        *ret = value;
        return 0;
}

int number_parse_usec(const char *s, uint64_t *ret) {
        static const struct {
                const char *name;
                uint64_t usec;
        } units[] = { { "", 1 }, { "us", 1 }, { "ms", USEC_PER_MSEC }, { "s", USEC_PER_SEC } };
        const char *rest;
        uint64_t value;
        int r;

        if (strcmp(s, "forever") == 0) {
                *ret = USEC_INFINITY;
                return 0;
        }
        r = digits_parse(s, 10, &value, &rest);
        if (r < 0)
                return r;
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
                if (strcmp(rest, units[i].name) == 0) {
                        if (value > UINT64_MAX / 2 / units[i].usec)
                                return -EINVAL;
                        *ret = value * units[i].usec;
                        return 0;
                }
        return -EINVAL;
}

int number_parse_bool(const char *s, bool *ret) {
        static const char *const names[] = { "no", "yes" };
        int i = word_find(s, names, 2);

        if (i < 0)
                return i;
        *ret = i == 1;
        return 0;
}

char *word_next(char **s) {
        char *word = *s + strspn(*s, " \t");

        if (!*word) {
                *s = word;
                return NULL;
        }
        *s = word + strcspn(word, " \t");
        if (**s)
                *(*s)++ = '\0';
        return word;
}

int word_find(const char *s, const char *const *names, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (names[i] && strcmp(s, names[i]) == 0)
                        return (int)i;
        return -EINVAL;
}
