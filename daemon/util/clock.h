/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Time. Deadlines are absolute CLOCK_MONOTONIC microseconds; times that users see are CLOCK_REALTIME ones.
 */

#include <stdint.h>

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC  UINT64_C(1000000)
#define USEC_INFINITY UINT64_MAX

uint64_t clock_monotonic_usec(void);
uint64_t clock_realtime_usec(void);
/* Since boot, suspend included. */
uint64_t clock_boottime_usec(void);

/* Saturating: USEC_INFINITY stays what it is. */
static inline uint64_t usec_add(uint64_t a, uint64_t b) {
        return a > USEC_INFINITY - b ? USEC_INFINITY : a + b;
}
static inline uint64_t usec_sub(uint64_t a, uint64_t b) {
        return a == USEC_INFINITY ? a : a > b ? a - b : 0;
}
