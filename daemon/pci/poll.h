/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* When to look at Status next. The first polls of a wait come microseconds apart, later ones in proportion
 * to how long it has lasted, and where the feature's earlier exchanges say when its answer comes, the polls
 * gather there. A slow mailbox is polled seldom, whatever the wait. Decides only; touches no register. */

#include <stdint.h>

#include "daemon/pci/access.h"

#define POLL_FIRST_USEC        2u
#define POLL_MAX_USEC          4000u
#define POLL_FAST_USEC         1000u /* polls closer than this ... */
#define POLL_FAST_MAX          64u   /* ... are limited to so many in one exchange */
#define POLL_SLOW_USEC         10000u
#define POLL_SLOW_DUTY_PERCENT 5u
#define POLL_SLOW_MAX_USEC     1000000u /* a device is never forgotten for longer than this */
#define POLL_FEATURES          16u      /* whose times are remembered; a mailbox seldom has more */

typedef struct PollHistory {
        struct {
                uint16_t vendor_id;
                uint8_t type;
                uint64_t usec; /* from GO to Ready, smoothed; 0: empty */
        } features[POLL_FEATURES];
        unsigned next; /* the one to be replaced */
} PollHistory;

typedef struct PollPlan {
        uint64_t since_usec;    /* when the wait began */
        uint64_t expected_usec; /* how long it will last, 0: not known */
        unsigned n_fast;
} PollPlan;

/* 0 if not known */
uint64_t poll_history_get(const PollHistory *history, uint16_t vendor_id, uint8_t type);
void poll_history_learn(PollHistory *history, uint16_t vendor_id, uint8_t type, uint64_t usec);

/* The least time between two looks at this mailbox of @n_accesses each: 0 unless it is slow. */
uint64_t poll_spacing_usec(const Access *access, unsigned n_accesses);

/* How long to wait now, at least a microsecond. Counts polls closer than 1 ms. */
uint64_t poll_delay_usec(PollPlan *plan, const Access *access, uint64_t now_usec);
