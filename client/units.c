/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/units.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "client/json.h"
#include "client/memory.h"

/* A "-usec" value from here on is a point of CLOCK_REALTIME (2001), below it a duration (of under 31 years).
 */
#define TIME_POINT_USEC_MIN UINT64_C(1000000000000000)

/* @value / 10^@n_decimals without trailing zeros, and the unit. */
static char *format_decimal(uint64_t value, unsigned n_decimals, const char *unit) {
        uint64_t scale = 1;

        for (unsigned i = 0; i < n_decimals; i++)
                scale *= 10;
        for (; n_decimals > 0 && value % 10 == 0; n_decimals--) {
                value /= 10;
                scale /= 10;
        }

        if (n_decimals == 0)
                return memory_format("%" PRIu64 " %s", value, unit);
        return memory_format("%" PRIu64 ".%0*" PRIu64 " %s", value / scale, (int)n_decimals, value % scale,
                             unit);
}

char *units_format_bytes(uint64_t n_bytes) {
        static const char *const names[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };

        for (size_t i = ELEMENTS(names); i > 0; i--) {
                uint64_t unit = UINT64_C(1) << (10 * i);

                /* two decimals at most, and those must be the whole truth: only multiples of 1/4 have them
                 */
                if (n_bytes >= unit && n_bytes % (unit / 4) == 0) {
                        uint64_t quarters = n_bytes / (unit / 4);

                        return format_decimal(quarters * 25, 2, names[i - 1]);
                }
        }
        return memory_format("%" PRIu64 " %s", n_bytes, n_bytes == 1 ? "byte" : "bytes");
}

char *units_format_latency(uint64_t picoseconds) {
        return format_decimal(picoseconds, 3, "ns");
}

char *units_format_bandwidth(uint64_t megabytes) {
        return megabytes >= 1000 ? format_decimal(megabytes, 3, "GB/s")
                                 : format_decimal(megabytes, 0, "MB/s");
}

char *units_format_duration(uint64_t usec) {
        const char *unit = usec >= 1000000 ? "s" : "ms";
        const uint64_t scale = usec >= 1000000 ? 1000000 : 1000;
        unsigned n_decimals = 2;
        uint64_t step;

        if (usec < 1000)
                return format_decimal(usec, 0, "us");

        if (usec / scale >= 100)
                n_decimals = 0;
        else if (usec / scale >= 10)
                n_decimals = 1;

        step = scale;
        for (unsigned i = 0; i < n_decimals; i++)
                step /= 10;
        return format_decimal(usec / step, n_decimals, unit);
}

char *units_format_time(uint64_t realtime_usec) {
        const time_t t = (time_t)(realtime_usec / 1000000);
        struct tm tm;
        char buf[64];

        if (realtime_usec == 0)
                return memory_copy("never");
        if (!localtime_r(&t, &tm) || strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M:%S", &tm) == 0)
                return memory_format("%" PRIu64 " us", realtime_usec);

        return memory_format("%s.%03u", buf, (unsigned)(realtime_usec / 1000 % 1000));
}

static bool ends_with(const char *s, const char *end) {
        size_t n = strlen(s), n_end = strlen(end);

        return n >= n_end && strcmp(s + n - n_end, end) == 0;
}

char *units_format_value(const char *key, const json_t *value) {
        uint64_t n;

        if (!json_is_integer(value) || json_integer_value(value) < 0)
                return json_to_text(value);

        n = (uint64_t)json_integer_value(value);
        if (ends_with(key, "-usec"))
                return n >= TIME_POINT_USEC_MIN ? units_format_time(n) : units_format_duration(n);
        if (ends_with(key, "-bytes"))
                return units_format_bytes(n);
        return json_to_text(value);
}
