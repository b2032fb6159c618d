/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/util/clock.h"

#include <time.h>

static uint64_t clock_usec(clockid_t id) {
        struct timespec ts;

        if (clock_gettime(id, &ts) < 0)
                return 0;
        return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t clock_monotonic_usec(void) {
        return clock_usec(CLOCK_MONOTONIC);
}

uint64_t clock_realtime_usec(void) {
        return clock_usec(CLOCK_REALTIME);
}

uint64_t clock_boottime_usec(void) {
        return clock_usec(CLOCK_BOOTTIME);
}
