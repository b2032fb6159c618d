/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/core/counters.h"
#include "daemon/core/lease.h"
#include "daemon/core/manager.h"
#include "daemon/util/cleanup.h"
#include "daemon/util/clock.h"

#define LABELS_MAX 128u

typedef struct MetricsContext {
        FILE *stream;
        const Manager *manager;
        const char *name; /* of the family that is being written */
        const char *version;
} MetricsContext;

/* One name with all its samples. One of the three is set: it is called once, for each mailbox, or for each
 * feature that a mailbox used. */
typedef struct MetricFamily {
        const char *name, *type, *help;
        void (*once)(const MetricsContext *c);
        void (*mailbox)(const MetricsContext *c, const Mailbox *mb);
        void (*feature)(const MetricsContext *c, const char *labels, const FeatureCounters *f);
} MetricFamily;

static void write_number(const MetricsContext *c, uint64_t value) {
        fprintf(c->stream, "%s %" PRIu64 "\n", c->name, value);
}

static void write_of_mailbox(const MetricsContext *c, const Mailbox *mb, uint64_t value) {
        fprintf(c->stream, "%s{mailbox=\"%s\"} %" PRIu64 "\n", c->name, mb->name, value);
}

static void write_of_feature(const MetricsContext *c, const char *labels, uint64_t value) {
        fprintf(c->stream, "%s{%s} %" PRIu64 "\n", c->name, labels, value);
}

/* Exact: whole microseconds as seconds. */
static void write_seconds(FILE *stream, uint64_t usec) {
        fprintf(stream, "%" PRIu64 ".%06" PRIu64, usec / USEC_PER_SEC, usec % USEC_PER_SEC);
}

/* -------- of doed -------- */

static void write_build_info(const MetricsContext *c) {
        fprintf(c->stream, "%s{version=\"%s\"} 1\n", c->name, c->version);
}

static void write_link_up(const MetricsContext *c) {
        write_number(c, c->manager->has_link);
}

static void write_ready(const MetricsContext *c) {
        write_number(c, c->manager->is_ready);
}

static void write_locked_down(const MetricsContext *c) {
        const char *lockdown = c->manager->lockdown;

        write_number(c, *lockdown && strcmp(lockdown, "none") != 0);
}

static void write_devices(const MetricsContext *c) {
        const Device *d;
        uint64_t n = 0;

        TAILQ_FOREACH (d, &c->manager->devices, devices)
                n++;
        write_number(c, n);
}

static void write_clients(const MetricsContext *c) {
        const Client *client;
        uint64_t n = 0;

        LIST_FOREACH (client, &c->manager->clients, clients)
                n++;
        write_number(c, n);
}

static void write_quota(const MetricsContext *c, const char *limit, uint64_t value) {
        fprintf(c->stream, "%s{limit=\"%s\"} %" PRIu64 "\n", c->name, limit, value);
}

static void write_limits(const MetricsContext *c) {
        const Limits *limits = &c->manager->config->limits;
        const char *name;
        uint64_t value;

        for (size_t i = 0; (name = limits_get(limits, i, &value)); i++)
                write_quota(c, name, value);
}

/* What the uid that has the most of it has: how far the limit is from being felt, without naming anybody. */
static void write_used(const MetricsContext *c) {
        uint64_t n_bytes = 0, n_leases = 0, n_waiters = 0, n_cache_bytes = 0;
        const Account *a;

        LIST_FOREACH (a, &c->manager->accounts, accounts) {
                n_bytes = MAX_OF(n_bytes, a->n_bytes_waiting);
                n_leases = MAX_OF(n_leases, a->n_leases);
                n_waiters = MAX_OF(n_waiters, a->n_waiters);
                n_cache_bytes = MAX_OF(n_cache_bytes, a->n_cache_bytes);
        }
        write_quota(c, "BytesMaxPerUid", n_bytes);
        write_quota(c, "LeasesMaxPerUid", n_leases);
        write_quota(c, "WaitersMaxPerUid", n_waiters);
        write_quota(c, "CacheBytesMaxPerUid", n_cache_bytes);
}

/* -------- of a mailbox -------- */

static void write_state(const MetricsContext *c, const Mailbox *mb) {
        const char *current = mailbox_state_to_string(mb->state);

        for (size_t i = 0; i < N_MAILBOX_STATES; i++)
                if (i != MAILBOX_BUSY) /* to clients it is the same as idle: ready */
                        fprintf(c->stream, "%s{mailbox=\"%s\",state=\"%s\"} %d\n", c->name, mb->name,
                                mailbox_state_to_string((MailboxState)i),
                                current == mailbox_state_to_string((MailboxState)i));
}

static void write_busy(const MetricsContext *c, const Mailbox *mb) {
        write_of_mailbox(c, mb, mailbox_is_busy(mb));
}

static void write_queue(const MetricsContext *c, const Mailbox *mb) {
        write_of_mailbox(c, mb, mailbox_queue_length(mb));
}

static void write_epoch(const MetricsContext *c, const Mailbox *mb) {
        write_of_mailbox(c, mb, mb->epoch);
}

static void write_aborts(const MetricsContext *c, const Mailbox *mb) {
        write_of_mailbox(c, mb, mb->n_aborts);
}

static void write_foreign(const MetricsContext *c, const Mailbox *mb) {
        write_of_mailbox(c, mb, mb->n_foreign);
}

static void write_faults(const MetricsContext *c, const Mailbox *mb) {
        write_of_mailbox(c, mb, mb->n_faults);
}

static void write_leases(const MetricsContext *c, const Mailbox *mb) {
        const LeaseScope scopes[] = { LEASE_SCOPE_FEATURE, LEASE_SCOPE_MAILBOX, LEASE_SCOPE_REGISTERS };
        const Lease *lease;

        for (size_t i = 0; i < ELEMENTS(scopes); i++) {
                uint64_t n = 0;

                TAILQ_FOREACH (lease, &mb->device->leases, leases)
                        n += lease->mailbox == mb && lease->scope == scopes[i] && lease_is_told(lease);
                fprintf(c->stream, "%s{mailbox=\"%s\",scope=\"%s\"} %" PRIu64 "\n", c->name, mb->name,
                        lease_scope_to_string(scopes[i]), n);
        }
}

static void write_lease_waiters(const MetricsContext *c, const Mailbox *mb) {
        const Lease *lease;
        uint64_t n = 0;

        TAILQ_FOREACH (lease, &mb->device->leases, leases)
                n += lease->mailbox == mb && lease->state == LEASE_WAITING;
        write_of_mailbox(c, mb, n);
}

/* -------- of a feature -------- */

static void write_exchanges(const MetricsContext *c, const char *labels, const FeatureCounters *f) {
        const char *name;

        for (size_t i = 0; (name = counters_result_name(i)); i++)
                if (i == 0 || f->n_results[i] > 0) /* few results ever come up */
                        fprintf(c->stream, "%s{%s,result=\"%s\"} %" PRIu64 "\n", c->name, labels, name,
                                f->n_results[i]);
}

static void write_sent(const MetricsContext *c, const char *labels, const FeatureCounters *f) {
        write_of_feature(c, labels, f->n_bytes_sent);
}

static void write_received(const MetricsContext *c, const char *labels, const FeatureCounters *f) {
        write_of_feature(c, labels, f->n_bytes_received);
}

static void write_cache_hits(const MetricsContext *c, const char *labels, const FeatureCounters *f) {
        write_of_feature(c, labels, f->n_cache_hits);
}

static void write_histogram(const MetricsContext *c, const char *labels, const Histogram *h) {
        uint64_t n = 0;

        if (histogram_count(h) == 0) /* only ever answered from the cache */
                return;
        for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
                n += h->n[i];
                fprintf(c->stream, "%s_bucket{%s,le=\"%g\"} %" PRIu64 "\n", c->name, labels,
                        (double)histogram_bounds_usec[i] / (double)USEC_PER_SEC, n);
        }
        fprintf(c->stream, "%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", c->name, labels, histogram_count(h));
        fprintf(c->stream, "%s_sum{%s} ", c->name, labels);
        write_seconds(c->stream, h->sum_usec);
        fprintf(c->stream, "\n%s_count{%s} %" PRIu64 "\n", c->name, labels, histogram_count(h));
}

static void write_queued(const MetricsContext *c, const char *labels, const FeatureCounters *f) {
        write_histogram(c, labels, &f->queued);
}

static void write_device(const MetricsContext *c, const char *labels, const FeatureCounters *f) {
        write_histogram(c, labels, &f->device);
}

static const MetricFamily families[] = {
        { "doed_build_info", "gauge", "Always 1; its label is the version of doed.",
          .once = write_build_info },
        { "doed_link_up", "gauge", "Whether doed-pci is there.", .once = write_link_up },
        { "doed_ready", "gauge", "Whether the first enumeration is over.", .once = write_ready },
        { "doed_locked_down", "gauge", "Whether kernel lockdown forbids exchanges.",
          .once = write_locked_down },
        { "doed_devices", "gauge", "PCI functions with DOE mailboxes.", .once = write_devices },
        { "doed_clients", "gauge", "Bus connections that have called and are still there.",
          .once = write_clients },
        { "doed_limit", "gauge", "Limits in force, as in Manager1.Limits.", .once = write_limits },
        { "doed_limit_used_max", "gauge", "What the uid that uses most of a limit per uid uses of it.",
          .once = write_used },
        { "doed_mailbox_state", "gauge", "1 for the state that the mailbox is in.", .mailbox = write_state },
        { "doed_mailbox_busy", "gauge", "Whether an exchange is with the device.", .mailbox = write_busy },
        { "doed_mailbox_queue_length", "gauge", "Requests that wait for their turn.",
          .mailbox = write_queue },
        { "doed_mailbox_epoch", "gauge", "Rises whenever the device may have forgotten something.",
          .mailbox = write_epoch },
        { "doed_aborts_total", "counter", "Aborts of the mailbox.", .mailbox = write_aborts },
        { "doed_foreign_activity_total", "counter", "Times that somebody else was seen at the registers.",
          .mailbox = write_foreign },
        { "doed_faults_total", "counter", "Faults, as Mailbox1.Faults tells of the last of them.",
          .mailbox = write_faults },
        { "doed_leases", "gauge", "Open leases.", .mailbox = write_leases },
        { "doed_lease_waiters", "gauge", "Leases that wait for others to end.",
          .mailbox = write_lease_waiters },
        { "doed_exchanges_total", "counter", "Exchanges that began, by how they ended.",
          .feature = write_exchanges },
        { "doed_sent_bytes_total", "counter", "Bytes of request objects, header included.",
          .feature = write_sent },
        { "doed_received_bytes_total", "counter", "Bytes of response objects, header included.",
          .feature = write_received },
        { "doed_cache_hits_total", "counter", "Calls that were answered without the device.",
          .feature = write_cache_hits },
        { "doed_exchange_queue_seconds", "histogram", "From the request's receipt until it began.",
          .feature = write_queued },
        { "doed_exchange_device_seconds", "histogram", "From its begin until its end, at the device.",
          .feature = write_device },
};

static void write_features(const MetricsContext *c, const MetricFamily *family, const Mailbox *mb) {
        for (size_t i = 0; i < mb->counters.n_features; i++) {
                const FeatureCounters *f = &mb->counters.features[i];
                const DoeFeature *known = doe_feature_find(f->vendor_id, f->type);
                char number[DOE_FEATURE_STR_MAX], labels[LABELS_MAX];
                const char *name = known ? known->name : doe_feature_format(f->vendor_id, f->type, number);

                snprintf(labels, sizeof(labels), "mailbox=\"%s\",feature=\"%s\"", mb->name,
                         f->is_rest ? "other" : name);
                family->feature(c, labels, f);
        }
}

static void write_family(MetricsContext *c, const MetricFamily *family) {
        const Device *d;

        c->name = family->name;
        fprintf(c->stream, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
                family->type);
        if (family->once) {
                family->once(c);
                return;
        }
        TAILQ_FOREACH (d, &c->manager->devices, devices)
                for (size_t i = 0; i < d->n_mailboxes; i++) {
                        if (family->mailbox)
                                family->mailbox(c, d->mailboxes[i]);
                        else
                                write_features(c, family, d->mailboxes[i]);
                }
}

int metrics_format(const Manager *m, const char *version, char **ret) {
        MetricsContext c = { .manager = m, .version = version };
        _cleanup_free_ char *text = NULL;
        size_t n_bytes;
        bool has_failed;

        c.stream = open_memstream(&text, &n_bytes);
        if (!c.stream)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTS(families); i++)
                write_family(&c, &families[i]);
        has_failed = ferror(c.stream);
        if (fclose(c.stream) != 0 || has_failed)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}
