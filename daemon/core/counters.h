/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What one mailbox did, by feature: exchanges by result, bytes, how long they waited and how long the device
 * took. Only ever counts up. What a device may offer is bounded, so the features are, too: those beyond
 * COUNTERS_FEATURES_MAX count together. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/core/job.h"

#define COUNTERS_FEATURES_MAX 32u
#define COUNTERS_RESULTS_MAX  32u /* one per error of dbus/errors.c, success, and what has no name */

#define HISTOGRAM_BOUNDS 12u

typedef struct Histogram {
        uint64_t n[HISTOGRAM_BOUNDS + 1]; /* [i]: at most histogram_bounds_usec[i], and more than the one
                                             before; the last: more than all */
        uint64_t sum_usec;
} Histogram;

extern const uint64_t histogram_bounds_usec[HISTOGRAM_BOUNDS]; /* rising */

void histogram_add(Histogram *h, uint64_t usec);
uint64_t histogram_count(const Histogram *h); /* of all */

typedef struct FeatureCounters {
        uint16_t vendor_id;
        uint8_t type;
        bool is_rest; /* all features that had no room */
        uint64_t n_results[COUNTERS_RESULTS_MAX];
        uint64_t n_bytes_sent, n_bytes_received; /* of whole objects */
        uint64_t n_cache_hits;
        Histogram queued, device; /* exchanges that began: from submission to GO, from GO to the end */
} FeatureCounters;

typedef struct Counters {
        FeatureCounters *features; /* owned, in the order of their first use; the rest last */
        size_t n_features;
} Counters;

/* Of all features. */
typedef struct CounterTotals {
        uint64_t n_exchanges, n_failures, n_timeouts, n_cache_hits;
        uint64_t n_bytes_sent, n_bytes_received;
} CounterTotals;

void counters_done(Counters *c);
CounterTotals counters_sum(const Counters *c);
/* One exchange that began has ended, so; on no memory it goes uncounted. */
void counters_add_exchange(Counters *c, const Job *job, const JobResult *result);
void counters_add_cache_hit(Counters *c, uint16_t vendor_id, uint8_t type);

/* Index into n_results of an error, 0 of success. */
size_t counters_result_index(int error);
/* What a result is called in metrics: "ok", "TimedOut", ..., "other"; NULL: there are no more. */
const char *counters_result_name(size_t i);
