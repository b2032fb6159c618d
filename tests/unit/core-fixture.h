/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The core on a bench: a link that keeps what it is asked, answers given by hand or by a small well-behaved
 * device, and time that moves only when a test says so. */

#include "daemon/core/cdat-reader.h"
#include "daemon/core/discovery.h"
#include "daemon/core/lease.h"
#include "daemon/core/manager.h"
#include "daemon/core/transaction.h"
#include "daemon/util/clock.h"

#define FIXTURE_ADDRESS  "0000:3a:00.0"
#define FIXTURE_OFFSET   0x160u
#define FIXTURE_SENT_MAX 2048u

/* One exchange that was handed down. */
typedef struct SentJob {
        uint64_t id;
        uint16_t vendor_id;
        uint8_t type;
        uint8_t payload[64];
        size_t n_bytes;
        JobPriority priority;
} SentJob;

/* One call's answer. */
typedef struct Answer {
        unsigned n_times; /* that it was answered */
        int error;
        char text[FAILURE_TEXT_MAX];
        unsigned n_values;
        FailureValue values[FAILURE_VALUES_MAX];
        uint8_t payload[4096];
        size_t n_bytes;
        bool cached;
        char source[16];
        uint32_t n_attempts;
        uint64_t epoch, queued_usec, device_usec;
        JobPriority priority;
        Lease *lease; /* borrowed: it lives on its own */
} Answer;

typedef struct Fixture {
        Manager *m;
        Device *device;
        Mailbox *mb;
        Client *root, *other; /* two connections of root */
        Client *agent;        /* uid 1000, no group */
        uint64_t now_usec;
        size_t n_sent;
        SentJob sent[FIXTURE_SENT_MAX];
        unsigned n_recalls, n_cancels, n_recovers, n_kernel_reads, n_rescans;
        uint64_t last_recalled, last_canceled, kernel_job;
        unsigned n_inhibits, n_suspends, n_records_put, n_records_dropped;
        uint64_t inhibited_for; /* lease, as the link was told last */
        bool is_inhibited, is_suspended;
        LeaseRecord record; /* likewise */
        uint8_t dropped_digest[LEASE_DIGEST_BYTES];
        unsigned n_suspended, n_leases_opened, n_leases_open, n_lease_changes;
        unsigned n_lease_denials, n_destructive, n_halting, n_not_halted;
        unsigned n_state_changes, n_feature_changes, n_removed, n_aborted, n_foreign, n_cdat_changes;
        const DoeDiscoveryEntry
                        *features; /* that it discovers; all but discovery and table access is echoed */
        size_t n_features;
        const uint8_t *table; /* the CDAT it serves by itself */
        size_t n_table_bytes;
} Fixture;

/* A device with one mailbox, reported and ready in epoch 1, discovered (0001:00, 1e98:02, 1234:01). */
Fixture *fixture_new(void);
/* The same, nothing reported yet. */
Fixture *fixture_new_empty(void);
/* Nothing reported yet, with that configuration; takes it over. */
Fixture *fixture_new_configured(Config *config);
Fixture *fixture_free(Fixture *f);

void fixture_report_device(Fixture *f, const char *instance, bool has_kernel_cdat);
void fixture_ready(Fixture *f, uint64_t epoch);
void fixture_state(Fixture *f, MailboxState state, const char *reason);
void fixture_advance(Fixture *f, uint64_t usec);

/* The exchange handed down that has not been answered, oldest first; asserts that there is one. */
const SentJob *fixture_pending(Fixture *f);
bool fixture_has_pending(const Fixture *f);
void fixture_started(Fixture *f, uint64_t id);
/* Started and answered. */
void fixture_answer(Fixture *f, uint64_t id, const void *payload, size_t n_bytes);
void fixture_fail(Fixture *f, uint64_t id, int error, const char *evidence);
/* Let the well-behaved device answer all that is pending, and what follows from it. */
void fixture_serve(Fixture *f);

/* What policy says of a request of that client on the fixture's device. */
void fixture_judge(const Fixture *f, const Client *c, uint16_t vendor_id, uint8_t type, const void *request,
                   size_t n_bytes, bool in_lease, PolicyDecision *ret);

/* Calls, judged as root's whoever makes them; @ret collects the answer and must live until it came. */
void fixture_echo(Fixture *f, Client *c, const char *text, const TransactionOptions *options, Answer *ret);
void fixture_exchange(Fixture *f, Client *c, uint16_t vendor_id, uint8_t type, const void *request,
                      size_t n_bytes, const TransactionOptions *options, Answer *ret);
void fixture_cdat(Fixture *f, Client *c, bool fresh, Answer *ret);
TransactionDone fixture_on_answer(void);

/* A valid table with one DSMAS, with that sequence number; returns its size (40). */
size_t fixture_make_table(uint8_t table[40], uint32_t sequence);
