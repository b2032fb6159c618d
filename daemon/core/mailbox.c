/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/mailbox.h"

#include <assert.h>
#include <errno.h>

#include "daemon/core/answer-cache.h"
#include "daemon/core/cdat-reader.h"
#include "daemon/core/device.h"
#include "daemon/core/discovery.h"
#include "daemon/core/lease.h"
#include "daemon/core/mailbox-private.h"
#include "daemon/core/manager.h"
#include "daemon/core/transaction.h"
#include "daemon/util/clock.h"
#include "daemon/util/log.h"
#include "protocols/data-object.h"

#define S(state) (1u << MAILBOX_##state)
/* doed-pci may say any of these at any time, and ready means BUSY where a job waited there for it: what it
 * sees is not ours to forbid. */
#define REPORTED                                                                                            \
        (S(UNTOUCHED) | S(STARTING) | S(IDLE) | S(BUSY) | S(WAITING) | S(RECOVERING) | S(KERNEL) |          \
         S(READ_ONLY) | S(INHIBITED) | S(DEAD))

static const uint16_t mailbox_may_enter[N_MAILBOX_STATES] = {
        [MAILBOX_UNTOUCHED] = REPORTED | S(GONE),
        [MAILBOX_STARTING] = REPORTED | S(GONE),
        [MAILBOX_IDLE] = REPORTED | S(GONE),
        [MAILBOX_BUSY] = REPORTED | S(GONE),
        [MAILBOX_WAITING] = REPORTED | S(GONE),
        [MAILBOX_RECOVERING] = REPORTED | S(GONE),
        [MAILBOX_KERNEL] = REPORTED | S(GONE),
        [MAILBOX_READ_ONLY] = REPORTED | S(GONE),
        [MAILBOX_INHIBITED] = REPORTED | S(GONE),
        [MAILBOX_DEAD] = REPORTED | S(GONE),
        [MAILBOX_GONE] = 0, /* the object goes with it */
};

static const char *const state_names[N_MAILBOX_STATES] = {
        [MAILBOX_UNTOUCHED] = "untouched", [MAILBOX_STARTING] = "starting",
        [MAILBOX_IDLE] = "ready",          [MAILBOX_BUSY] = "ready",
        [MAILBOX_WAITING] = "waiting",     [MAILBOX_RECOVERING] = "recovering",
        [MAILBOX_KERNEL] = "kernel",       [MAILBOX_READ_ONLY] = "read-only",
        [MAILBOX_INHIBITED] = "inhibited", [MAILBOX_DEAD] = "dead",
        [MAILBOX_GONE] = "gone",
};

const char *mailbox_state_to_string(MailboxState state) {
        return state_names[state];
}

const char *features_source_to_string(FeaturesSource source) {
        switch (source) {
        case FEATURES_UNKNOWN:
                return "unknown";
        case FEATURES_DISCOVERY:
                return "discovery";
        case FEATURES_KERNEL:
                return "kernel";
        }
        return "unknown";
}

void mailbox_format_name(const char *address, uint16_t offset, char *buf) {
        snprintf(buf, MAILBOX_NAME_MAX, "%s[%x]", address, offset);
}

int mailbox_new(Device *d, uint16_t offset, uint8_t cap_version, Mailbox **ret) {
        Mailbox *mb = calloc(1, sizeof(*mb));

        if (!mb)
                return -ENOMEM;
        mb->device = d;
        mb->manager = d->manager;
        mb->offset = offset;
        mb->cap_version = cap_version;
        mailbox_format_name(d->address, offset, mb->name);
        scheduler_init(&mb->scheduler);
        TAILQ_INIT(&mb->waiters);
        recovery_init(&mb->recovery, mb);
        mb->discovery = discovery_new(mb);
        if (!mb->discovery) {
                mailbox_free(mb);
                return -ENOMEM;
        }
        *ret = mb;
        return 0;
}

Mailbox *mailbox_free(Mailbox *mb) {
        if (!mb)
                return NULL;
        assert(mb->scheduler.n_jobs == 0 && !mb->running && !mb->staged && TAILQ_EMPTY(&mb->waiters));
        recovery_done(&mb->recovery);
        scheduler_done(&mb->scheduler);
        answer_cache_free(mb->answers);
        discovery_free(mb->discovery);
        counters_done(&mb->counters);
        free(mb->features);
        free(mb->faults);
        free(mb);
        return NULL;
}

bool mailbox_is_ready(const Mailbox *mb) {
        return mb->state == MAILBOX_IDLE || mb->state == MAILBOX_BUSY;
}

bool mailbox_is_busy(const Mailbox *mb) {
        return mb->running != NULL;
}

size_t mailbox_queue_length(const Mailbox *mb) {
        return mb->scheduler.n_jobs;
}

const DoeDiscoveryEntry *mailbox_find_feature(const Mailbox *mb, uint16_t vendor_id, uint8_t type) {
        for (size_t i = 0; i < mb->n_features; i++)
                if (mb->features[i].vendor_id == vendor_id && mb->features[i].type == type)
                        return &mb->features[i];
        return NULL;
}

bool mailbox_may_offer(const Mailbox *mb, uint16_t vendor_id, uint8_t type) {
        return mb->features_source == FEATURES_UNKNOWN ||
               (vendor_id == DOE_VENDOR_PCI_SIG && type == DOE_TYPE_DISCOVERY) ||
               mailbox_find_feature(mb, vendor_id, type);
}

uint32_t mailbox_response_bytes_max(const Mailbox *mb, uint16_t vendor_id, uint8_t type) {
        const DoeDiscoveryEntry *f = mailbox_find_feature(mb, vendor_id, type);

        if (f && f->has_limits)
                return 4 * (f->n_dwords_max ?: DOE_OBJECT_DWORDS_MAX);
        return doe_feature_response_bytes_max(vendor_id, type);
}

static void mailbox_publish(Mailbox *mb, unsigned properties) {
        Manager *m = mb->manager;

        if (properties)
                m->observer->mailbox_changed(m->observer_userdata, mb, properties);
}

/* The one place that writes the state. @reason: "" for none. */
static void mailbox_enter(Mailbox *mb, MailboxState next, const char *reason, uint64_t now_usec) {
        unsigned changed = 0;

        assert(mb->state == next || mailbox_may_enter[mb->state] & (1u << next));
        if (strcmp(mailbox_state_to_string(mb->state), mailbox_state_to_string(next)) != 0) {
                log_full(LOG_DEBUG, mb->name, "%s -> %s%s%s", mailbox_state_to_string(mb->state),
                         mailbox_state_to_string(next), *reason ? ": " : "", reason);
                changed |= MAILBOX_PROPERTY_STATE;
        }
        if (strcmp(mb->state_reason, reason) != 0) {
                snprintf(mb->state_reason, sizeof(mb->state_reason), "%s", reason);
                changed |= MAILBOX_PROPERTY_STATE_REASON;
        }
        if (next == MAILBOX_RECOVERING && mb->state != MAILBOX_RECOVERING)
                mb->recovering_since_usec = now_usec;
        mb->state = next;
        mailbox_publish(mb, changed);
}

/* READY on the wire is four states here: rest, whether features are known, and what is with doed-pci tell
 * them apart. */
static MailboxState mailbox_ready_state(const Mailbox *mb) {
        if (recovery_is_resting(&mb->recovery))
                return MAILBOX_RECOVERING;
        if (mb->features_source == FEATURES_UNKNOWN &&
            (mb->discovery->is_running || discovery_is_due(mb->discovery)))
                return MAILBOX_STARTING;
        return mb->running ? MAILBOX_BUSY : MAILBOX_IDLE;
}

static const char *mailbox_ready_reason(const Mailbox *mb, MailboxState state) {
        if (state == MAILBOX_RECOVERING)
                return mb->recovery.reason;
        return state == MAILBOX_STARTING ? "discovery" : mb->reported_reason;
}

void mailbox_refresh_ready(Mailbox *mb, uint64_t now_usec) {
        MailboxState state = mailbox_ready_state(mb);

        if (mb->is_reported_ready)
                mailbox_enter(mb, state, mailbox_ready_reason(mb, state), now_usec);
}

void mailbox_add_fault(Mailbox *mb, const char *kind, const char *evidence, const char *action) {
        MailboxFault *f;

        /* most mailboxes never need it */
        if (!mb->faults)
                mb->faults = calloc(MAILBOX_FAULTS_MAX, sizeof(*mb->faults));
        if (!mb->faults)
                return;
        f = &mb->faults[mb->n_faults++ % MAILBOX_FAULTS_MAX];
        f->realtime_usec = mb->manager->realtime_usec();
        f->kind = kind;
        f->action = action;
        snprintf(f->evidence, sizeof(f->evidence), "%s", evidence);
}

static void mailbox_replace_features(Mailbox *mb, FeaturesSource source, DoeDiscoveryEntry *features,
                                     size_t n_features) {
        unsigned changed = 0;

        if (mb->features_source != source)
                changed |= MAILBOX_PROPERTY_FEATURES_SOURCE;
        if (mb->n_features != n_features ||
            (n_features > 0 && memcmp(mb->features, features, n_features * sizeof(*features)) != 0))
                changed |= MAILBOX_PROPERTY_FEATURES;
        free(mb->features);
        mb->features = features;
        mb->n_features = n_features;
        mb->features_source = source;
        mailbox_publish(mb, changed);
        device_refresh_cdat(mb->device);
}

int mailbox_set_kernel_features(Mailbox *mb, const DoeDiscoveryEntry *features, size_t n_features) {
        DoeDiscoveryEntry *copy;

        if (mb->features_source == FEATURES_DISCOVERY)
                return 0;
        copy = calloc(MAX_OF(n_features, (size_t)1), sizeof(*copy));
        if (!copy)
                return -ENOMEM;
        if (n_features > 0)
                memcpy(copy, features, n_features * sizeof(*copy));
        mailbox_replace_features(mb, FEATURES_KERNEL, copy, n_features);
        return 0;
}

void mailbox_set_features(Mailbox *mb, FeaturesSource source, DoeDiscoveryEntry *features,
                          size_t n_features) {
        mailbox_replace_features(mb, source, features, n_features);
}

void mailbox_report_foreign(Mailbox *mb, const char *evidence, uint64_t now_usec) {
        Manager *m = mb->manager;

        mb->n_foreign++;
        mailbox_add_fault(mb, "foreign-activity", evidence, "waiting");
        m->observer->mailbox_foreign(m->observer_userdata, mb, evidence);
}

void mailbox_report_aborted(Mailbox *mb, const char *reason, uint64_t now_usec) {
        Manager *m = mb->manager;
        bool is_take_over = mb->state == MAILBOX_STARTING; /* which is no fault */

        mb->n_aborts++;
        if (!is_take_over)
                mailbox_add_fault(mb, "abort", reason, "abort");
        if (!is_take_over && recovery_note_abort(&mb->recovery, now_usec)) {
                mailbox_enter(mb, MAILBOX_RECOVERING, mb->recovery.reason, now_usec);
                mailbox_take_back(mb);
        }
        m->observer->mailbox_aborted(m->observer_userdata, mb, reason);
}

/* Everything that was read in an older epoch is void: the device may be another than it was. */
static void mailbox_take_epoch(Mailbox *mb, uint64_t epoch, const char *reason, uint64_t now_usec) {
        if (epoch == mb->epoch)
                return;
        mb->epoch = epoch;
        cdat_reader_invalidate(mb->device->cdat, mb);
        answer_cache_clear(mb->answers);
        mailbox_publish(mb, MAILBOX_PROPERTY_EPOCH);
        mailbox_fail_stale(mb, now_usec);
        leases_on_epoch(mb, reason, now_usec);
}

/* Who waits for a state looks again. */
static void mailbox_tell_state(Mailbox *mb, uint64_t now_usec) {
        cdat_reader_refresh(mb->device->cdat, now_usec);
        transaction_on_mailbox_state(mb, now_usec);
        leases_on_mailbox_state(mb, now_usec);
}

/* What a state brings with it, once it is entered. */
static void mailbox_act_on_state(Mailbox *mb, uint64_t now_usec) {
        if (mb->is_reported_ready) {
                discovery_refresh(mb->discovery, now_usec);
                mailbox_feed(mb, now_usec);
        } else if (mb->state == MAILBOX_DEAD) {
                recovery_note_dead(&mb->recovery, now_usec);
                mailbox_fail_queue(mb, -ESHUTDOWN, mb->state_reason, now_usec);
        } else if (mb->state == MAILBOX_READ_ONLY)
                mailbox_fail_queue(mb, -EROFS, mb->state_reason, now_usec);
}

void mailbox_report_handed_to(Mailbox *mb, uint64_t lease_id) {
        mb->handed_to = lease_id;
}

void mailbox_report_state(Mailbox *mb, MailboxState state, uint64_t epoch, const char *reason,
                          uint64_t now_usec) {
        if (mb->state == MAILBOX_GONE || state == MAILBOX_GONE)
                return;

        mailbox_take_epoch(mb, epoch, reason, now_usec);
        if (state == MAILBOX_STARTING) {
                discovery_forget_failure(mb->discovery);
                recovery_forget(&mb->recovery, now_usec);
        }
        if (state != MAILBOX_DEAD)
                recovery_note_alive(&mb->recovery, now_usec);
        mb->is_reported_ready = state == MAILBOX_IDLE;
        snprintf(mb->reported_reason, sizeof(mb->reported_reason), "%s", reason);
        if (mb->is_reported_ready)
                mailbox_refresh_ready(mb, now_usec);
        else
                mailbox_enter(mb, state, reason, now_usec);
        mailbox_act_on_state(mb, now_usec);
        mailbox_tell_state(mb, now_usec);
}

void mailbox_discovery_ended(Mailbox *mb, uint64_t now_usec) {
        if (mb->state == MAILBOX_GONE)
                return;
        if (mb->is_reported_ready)
                discovery_refresh(mb->discovery, now_usec);
        mailbox_feed(mb, now_usec);
        cdat_reader_refresh(mb->device->cdat, now_usec);
}

void mailbox_rested(Mailbox *mb, uint64_t now_usec) {
        if (mb->state == MAILBOX_RECOVERING && !mb->is_reported_ready) /* the abort goes on */
                mailbox_enter(mb, mb->state, mb->reported_reason, now_usec);
        mailbox_feed(mb, now_usec);
        mailbox_tell_state(mb, now_usec);
}

void mailbox_report_link_lost(Mailbox *mb, const char *reason, uint64_t now_usec) {
        mb->is_reported_ready = false;
        recovery_note_alive(&mb->recovery, now_usec);
        mailbox_enter(mb, MAILBOX_UNTOUCHED, reason, now_usec);
        mailbox_lose_jobs(mb, reason, now_usec);
        leases_on_job_ended(mb);
}

void mailbox_report_gone(Mailbox *mb, uint64_t now_usec) {
        Failure failure;

        mb->is_reported_ready = false;
        mailbox_enter(mb, MAILBOX_GONE, "the device was removed", now_usec);
        mailbox_fail_jobs(mb, -ENODEV, mb->state_reason, now_usec);
        failure_set(&failure, -ENODEV, "%s is gone: %s", mb->name, mb->state_reason);
        discovery_fail(mb->discovery, &failure);
        transaction_on_mailbox_state(mb, now_usec);
        leases_on_mailbox_state(mb, now_usec);
}

void mailbox_resume(Mailbox *mb, uint64_t now_usec) {
        mailbox_feed(mb, now_usec);
}

void mailbox_recover(Mailbox *mb, bool force, uint64_t now_usec) {
        Manager *m = mb->manager;
        bool is_resting = recovery_is_resting(&mb->recovery);

        recovery_end_rest(&mb->recovery, now_usec);
        m->link->recover(m->link_userdata, mb, force);
        if (is_resting)
                mailbox_rested(mb, now_usec);
}
