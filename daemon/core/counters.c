/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/counters.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/util/cleanup.h"
#include "daemon/util/clock.h"
#include "dbus/errors.h"
#include "protocols/data-object.h"

/* From what a fast mailbox needs for one dword to what an abort and the longest queue cost. */
const uint64_t histogram_bounds_usec[HISTOGRAM_BOUNDS] = {
        100, 300, 1000, 3000, 10000, 30000, 100000, 300000, 1000000, 3000000, 10000000, 30000000,
};

void histogram_add(Histogram *h, uint64_t usec) {
        size_t i = 0;

        while (i < HISTOGRAM_BOUNDS && usec > histogram_bounds_usec[i])
                i++;
        h->n[i]++;
        h->sum_usec += usec;
}

uint64_t histogram_count(const Histogram *h) {
        uint64_t n = 0;

        for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
                n += h->n[i];
        return n;
}

/* -------- results -------- */

static size_t count_errors(void) {
        size_t n = 0;

        while (n < COUNTERS_RESULTS_MAX - 2 && doe_error_get(n))
                n++;
        return n;
}

size_t counters_result_index(int error) {
        size_t n = count_errors();

        if (error == 0)
                return 0;
        for (size_t i = 0; i < n; i++)
                if (doe_error_get(i)->error == -error)
                        return i + 1;
        return n + 1;
}

const char *counters_result_name(size_t i) {
        size_t n = count_errors();

        if (i == 0)
                return "ok";
        if (i <= n)
                return doe_error_get(i - 1)->name;
        return i == n + 1 ? "other" : NULL;
}

/* -------- features -------- */

static FeatureCounters *counters_find(Counters *c, uint16_t vendor_id, uint8_t type) {
        for (size_t i = 0; i < c->n_features; i++) {
                FeatureCounters *f = &c->features[i];

                if (f->is_rest || (f->vendor_id == vendor_id && f->type == type))
                        return f;
        }
        return NULL;
}

/* NULL on no memory. */
static FeatureCounters *counters_get(Counters *c, uint16_t vendor_id, uint8_t type) {
        FeatureCounters *found = counters_find(c, vendor_id, type), *grown;

        if (found)
                return found;
        grown = realloc(c->features, (c->n_features + 1) * sizeof(*grown));
        if (!grown)
                return NULL;
        c->features = grown;
        grown[c->n_features] = (FeatureCounters){ .vendor_id = vendor_id,
                                                  .type = type,
                                                  .is_rest = c->n_features == COUNTERS_FEATURES_MAX };
        return &grown[c->n_features++];
}

void counters_done(Counters *c) {
        free(c->features);
        *c = (Counters){};
}

CounterTotals counters_sum(const Counters *c) {
        size_t timed_out = counters_result_index(-ETIMEDOUT);
        CounterTotals t = {};

        for (size_t i = 0; i < c->n_features; i++) {
                const FeatureCounters *f = &c->features[i];

                t.n_exchanges += histogram_count(&f->device);
                t.n_failures += histogram_count(&f->device) - f->n_results[0];
                t.n_timeouts += f->n_results[timed_out];
                t.n_cache_hits += f->n_cache_hits;
                t.n_bytes_sent += f->n_bytes_sent;
                t.n_bytes_received += f->n_bytes_received;
        }
        return t;
}

void counters_add_exchange(Counters *c, const Job *job, const JobResult *result) {
        FeatureCounters *f = counters_get(c, job->vendor_id, job->type);

        if (!f)
                return;
        f->n_results[counters_result_index(result->error)]++;
        f->n_bytes_sent += 4 * (uint64_t)doe_object_dwords(job->n_bytes);
        if (result->error == 0)
                f->n_bytes_received += result->n_bytes + DOE_HEADER_BYTES;
        histogram_add(&f->queued, usec_sub(result->started_usec, job->submitted_usec));
        histogram_add(&f->device, usec_sub(result->ended_usec, result->started_usec));
}

void counters_add_cache_hit(Counters *c, uint16_t vendor_id, uint8_t type) {
        FeatureCounters *f = counters_get(c, vendor_id, type);

        if (f)
                f->n_cache_hits++;
}
