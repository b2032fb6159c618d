/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/mailbox.h"

#include <assert.h>
#include <errno.h>

#include "daemon/core/cdat-reader.h"
#include "daemon/core/device.h"
#include "daemon/core/discovery.h"
#include "daemon/core/manager.h"
#include "daemon/core/transaction.h"
#include "daemon/util/clock.h"
#include "daemon/util/log.h"
#include "protocols/data-object.h"

/* A read of doed's own that has not begun by then: callers wait with deadlines of theirs. */
#define OWN_JOB_USEC (30 * USEC_PER_SEC)

#define S(state) (1u << MAILBOX_##state)
/* doed-pci may say any of these at any time, and ready means BUSY where a job waited there for it: what it
 * sees is not ours to forbid. */
#define REPORTED                                                                                            \
        (S(UNTOUCHED) | S(STARTING) | S(IDLE) | S(BUSY) | S(WAITING) | S(RECOVERING) | S(KERNEL) |          \
         S(READ_ONLY) | S(DEAD))

static const uint16_t mailbox_may_enter[N_MAILBOX_STATES] = {
        [MAILBOX_UNTOUCHED] = REPORTED | S(GONE), [MAILBOX_STARTING] = REPORTED | S(GONE),
        [MAILBOX_IDLE] = REPORTED | S(GONE),      [MAILBOX_BUSY] = REPORTED | S(GONE),
        [MAILBOX_WAITING] = REPORTED | S(GONE),   [MAILBOX_RECOVERING] = REPORTED | S(GONE),
        [MAILBOX_KERNEL] = REPORTED | S(GONE),    [MAILBOX_READ_ONLY] = REPORTED | S(GONE),
        [MAILBOX_DEAD] = REPORTED | S(GONE),      [MAILBOX_GONE] = 0, /* the object goes with it */
};

static const char *const state_names[N_MAILBOX_STATES] = {
        [MAILBOX_UNTOUCHED] = "untouched", [MAILBOX_STARTING] = "starting",
        [MAILBOX_IDLE] = "ready",          [MAILBOX_BUSY] = "ready",
        [MAILBOX_WAITING] = "waiting",     [MAILBOX_RECOVERING] = "recovering",
        [MAILBOX_KERNEL] = "kernel",       [MAILBOX_READ_ONLY] = "read-only",
        [MAILBOX_DEAD] = "dead",           [MAILBOX_GONE] = "gone",
};

static void mailbox_feed(Mailbox *mb, uint64_t now_usec);
static void mailbox_on_retry(Timer *timer, void *userdata, uint64_t now_usec);

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

int mailbox_new(Device *d, uint16_t offset, uint8_t cap_version, Mailbox **ret) {
        Mailbox *mb = calloc(1, sizeof(*mb));

        if (!mb)
                return -ENOMEM;
        mb->device = d;
        mb->manager = d->manager;
        mb->offset = offset;
        mb->cap_version = cap_version;
        snprintf(mb->name, sizeof(mb->name), "%s[%x]", d->address, offset);
        scheduler_init(&mb->scheduler);
        TAILQ_INIT(&mb->waiters);
        mb->retry_timer = (Timer){ .fn = mailbox_on_retry, .userdata = mb };
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
        timer_disarm(&mb->manager->timers, &mb->retry_timer);
        discovery_free(mb->discovery);
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

/* READY on the wire is three states here: what is with doed-pci, and whether features are known, tell them
 * apart. */
static MailboxState mailbox_ready_state(const Mailbox *mb) {
        if (mb->features_source == FEATURES_UNKNOWN &&
            (mb->discovery->is_running || discovery_is_due(mb->discovery)))
                return MAILBOX_STARTING;
        return mb->running ? MAILBOX_BUSY : MAILBOX_IDLE;
}

static void mailbox_refresh_ready(Mailbox *mb, uint64_t now_usec) {
        bool is_discovering = mb->state == MAILBOX_STARTING && mb->is_reported_ready;

        if (mailbox_is_ready(mb) || is_discovering)
                mailbox_enter(mb, mailbox_ready_state(mb),
                              mailbox_ready_state(mb) == MAILBOX_STARTING ? "discovery" : mb->ready_reason,
                              now_usec);
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

/* End one job that is in no list any more. */
static void job_finish(Job *job, const JobResult *result, uint64_t now_usec) {
        if (job->done)
                job->done(job, result, now_usec);
        job_free(job);
}

static void job_finish_unstarted(Job *job, int error, const char *evidence, uint64_t now_usec) {
        JobResult result = { .error = error, .not_started = true, .evidence = evidence };

        job_finish(job, &result, now_usec);
}

static void mailbox_fail_queue(Mailbox *mb, int error, const char *evidence, uint64_t now_usec) {
        Job *job;

        while ((job = scheduler_next(&mb->scheduler, NULL))) {
                scheduler_remove(&mb->scheduler, job);
                job_finish_unstarted(job, error, evidence, now_usec);
        }
}

int mailbox_submit(Mailbox *mb, Job *job, uint64_t now_usec) {
        int r;

        if (mb->state == MAILBOX_DEAD)
                return -ESHUTDOWN;
        if (mb->state == MAILBOX_READ_ONLY)
                return -EROFS;
        if (mb->state == MAILBOX_GONE)
                return -ENODEV;

        job->id = ++mb->manager->last_job_id;
        job->mailbox = mb;
        job->state = JOB_QUEUED;
        job->submitted_usec = now_usec;
        if (job->device_timeout_usec == 0)
                job->device_timeout_usec = mb->manager->limits.device_timeout_usec;
        r = scheduler_add(&mb->scheduler, job, /* at_front= */ false);
        if (r < 0)
                return r;
        mailbox_feed(mb, now_usec);
        return 0;
}

int mailbox_submit_own(Mailbox *mb, uint16_t vendor_id, uint8_t type, const uint8_t *request, size_t n_bytes,
                       JobDone done, void *userdata, uint64_t now_usec, Job **ret) {
        Job *job = job_new(vendor_id, type, request, n_bytes);
        int r;

        if (!job)
                return -ENOMEM;
        job->class = DOE_CLASS_READ;
        job->n_dwords_max = mailbox_response_bytes_max(mb, vendor_id, type) / 4;
        job->deadline_usec = usec_add(now_usec, OWN_JOB_USEC);
        job->done = done;
        job->userdata = userdata;
        *ret = job;
        r = mailbox_submit(mb, job, now_usec);
        if (r < 0)
                *ret = job_free(job);
        return r;
}

void mailbox_withdraw(Mailbox *mb, Job *job) {
        Manager *m = mb->manager;

        job->done = NULL;
        job->userdata = NULL;
        job->client = NULL; /* it may leave before the job does */
        if (job->state == JOB_QUEUED) {
                scheduler_remove(&mb->scheduler, job);
                job_free(job);
        } else
                m->link->cancel(m->link_userdata, mb, job->id);
}

static Job *mailbox_pick(const Mailbox *mb, uint64_t now_usec) {
        if (mb->state == MAILBOX_STARTING && mb->is_reported_ready)
                return scheduler_peek_own(&mb->scheduler);
        if (mailbox_is_ready(mb))
                return scheduler_peek(&mb->scheduler, &mb->manager->limits, now_usec);
        return NULL;
}

/* A job that waited until the features were known, and whose feature is not among them, never reaches the
 * device. */
static bool mailbox_refuses(const Mailbox *mb, const Job *job) {
        return !mailbox_may_offer(mb, job->vendor_id, job->type);
}

static void mailbox_hand_down(Mailbox *mb, Job *job) {
        Manager *m = mb->manager;

        job->state = JOB_STAGED;
        if (!mb->running)
                mb->running = job;
        else
                mb->staged = job;
        m->link->exchange(m->link_userdata, mb, job);
}

/* Hand down what is next while there is room, and ask a staged job back if a more urgent one waits behind
 * it. */
static void mailbox_feed(Mailbox *mb, uint64_t now_usec) {
        Manager *m = mb->manager;
        Job *job;

        while (m->has_link && mb->device->is_linked && !mb->staged && (job = mailbox_pick(mb, now_usec))) {
                scheduler_take(&mb->scheduler, job);
                if (mailbox_refuses(mb, job))
                        job_finish_unstarted(job, -EPROTONOSUPPORT, "discovery does not list it", now_usec);
                else
                        mailbox_hand_down(mb, job);
        }
        if (mb->staged && mb->staged->state == JOB_STAGED && !mb->is_recalling) {
                job = mailbox_pick(mb, now_usec);
                if (job && job->priority < mb->staged->priority) {
                        mb->is_recalling = true;
                        m->link->recall(m->link_userdata, mb, mb->staged->id);
                }
        }
        mailbox_refresh_ready(mb, now_usec);
}

static Job *mailbox_find_job(const Mailbox *mb, uint64_t job_id) {
        if (mb->running && mb->running->id == job_id)
                return mb->running;
        if (mb->staged && mb->staged->id == job_id)
                return mb->staged;
        return NULL;
}

/* It is not with doed-pci any more. */
static void mailbox_detach(Mailbox *mb, const Job *job) {
        if (job == mb->running)
                mb->running = mb->staged;
        mb->staged = NULL;
        mb->is_recalling = false;
}

/* Back to where it was, under a new number: the old one may still come up on the wire. */
static int mailbox_requeue(Mailbox *mb, Job *job) {
        job->id = ++mb->manager->last_job_id;
        job->state = JOB_QUEUED;
        job->started_usec = 0;
        return scheduler_add(&mb->scheduler, job, /* at_front= */ true);
}

void mailbox_report_started(Mailbox *mb, uint64_t job_id, uint64_t now_usec) {
        Job *job = mailbox_find_job(mb, job_id);

        if (!job || job->state != JOB_STAGED)
                return;
        job->state = JOB_RUNNING;
        job->started_usec = now_usec;
        job->n_attempts++;
}

void mailbox_report_recalled(Mailbox *mb, uint64_t job_id, uint64_t now_usec) {
        Job *job = mailbox_find_job(mb, job_id);

        if (!job || job->state != JOB_STAGED)
                return;
        mailbox_detach(mb, job);
        if (!job->done)
                job_free(job);
        else if (mailbox_requeue(mb, job) < 0)
                job_finish_unstarted(job, -ENOMEM, "out of memory", now_usec);
        mailbox_feed(mb, now_usec);
}

static const char *fault_kind(int error) {
        switch (-error) {
        case ETIMEDOUT:
                return "timeout";
        case EREMOTEIO:
                return "device-error";
        case EBADMSG:
                return "bad-response";
        case EMSGSIZE:
                return "too-large";
        case ECONNABORTED:
                return "lost";
        case ENODEV:
                return "no-answer-from-function";
        default:
                return "failure";
        }
}

static void mailbox_count(Mailbox *mb, const Job *job, const JobResult *result) {
        if (result->not_started)
                return;
        mb->n_exchanges++;
        mb->n_bytes_sent += 4 * (uint64_t)doe_object_dwords(job->n_bytes);
        if (result->error == 0) {
                mb->n_bytes_received += result->n_bytes + DOE_HEADER_BYTES;
                return;
        }
        mb->n_failures++;
        if (result->error == -ETIMEDOUT)
                mb->n_timeouts++;
        mailbox_add_fault(mb, fault_kind(result->error), result->evidence,
                          result->is_foreign ? "waiting" : "abort");
}

/* Lost to a reset or to somebody else's abort, and harmless to ask again. */
static bool mailbox_may_repeat(const Mailbox *mb, const Job *job, const JobResult *result,
                               uint64_t now_usec) {
        return result->error == -ECONNABORTED && job->class == DOE_CLASS_READ && job->done &&
               job->n_attempts < mb->manager->limits.attempts_max && now_usec < job->deadline_usec &&
               !mb->manager->is_stopping && mb->state != MAILBOX_GONE;
}

void mailbox_report_done(Mailbox *mb, uint64_t job_id, const JobResult *result, uint64_t now_usec) {
        Job *job = mailbox_find_job(mb, job_id);

        if (!job)
                return;
        mailbox_detach(mb, job);
        mailbox_count(mb, job, result);
        if (!mailbox_may_repeat(mb, job, result, now_usec) || mailbox_requeue(mb, job) < 0)
                job_finish(job, result, now_usec);
        mailbox_feed(mb, now_usec);
}

void mailbox_report_foreign(Mailbox *mb, const char *evidence, uint64_t now_usec) {
        Manager *m = mb->manager;

        mb->n_foreign++;
        mailbox_add_fault(mb, "foreign-activity", evidence, "waiting");
        m->observer->mailbox_foreign(m->observer_userdata, mb, evidence);
}

void mailbox_report_aborted(Mailbox *mb, const char *reason, uint64_t now_usec) {
        Manager *m = mb->manager;

        mb->n_aborts++;
        if (mb->state != MAILBOX_STARTING) /* a take-over is no fault */
                mailbox_add_fault(mb, "abort", reason, "abort");
        m->observer->mailbox_aborted(m->observer_userdata, mb, reason);
}

/* Everything that was read in an older epoch is void: the device may be another than it was. */
static void mailbox_take_epoch(Mailbox *mb, uint64_t epoch) {
        if (epoch == mb->epoch)
                return;
        mb->epoch = epoch;
        cdat_reader_invalidate(mb->device->cdat, mb);
        mailbox_publish(mb, MAILBOX_PROPERTY_EPOCH);
}

static void mailbox_became_ready(Mailbox *mb, uint64_t now_usec) {
        mb->n_retries = 0;
        discovery_refresh(mb->discovery, now_usec);
        mailbox_feed(mb, now_usec);
}

static void mailbox_became_dead(Mailbox *mb, uint64_t now_usec) {
        const Limits *l = &mb->manager->limits;
        uint64_t wait_usec = l->dead_retry_first_usec << MIN_OF(mb->n_retries, 16u);

        mailbox_add_fault(mb, "dead", mb->state_reason, "recovery is tried again later");
        mb->n_retries++;
        /* without memory for the timer it stays dead until somebody asks for recovery */
        (void)timer_arm(&mb->manager->timers, &mb->retry_timer,
                        usec_add(now_usec, MIN_OF(wait_usec, l->dead_retry_max_usec)));
        mailbox_fail_queue(mb, -ESHUTDOWN, mb->state_reason, now_usec);
}

static void mailbox_on_retry(Timer *timer, void *userdata, uint64_t now_usec) {
        Mailbox *mb = userdata;

        if (mb->state == MAILBOX_DEAD)
                mailbox_recover(mb, /* force= */ false);
}

void mailbox_report_state(Mailbox *mb, MailboxState state, uint64_t epoch, const char *reason,
                          uint64_t now_usec) {
        if (mb->state == MAILBOX_GONE || state == MAILBOX_GONE)
                return;

        mailbox_take_epoch(mb, epoch);
        if (state == MAILBOX_STARTING)
                discovery_forget_failure(mb->discovery);
        mb->is_reported_ready = state == MAILBOX_IDLE;
        if (state != MAILBOX_DEAD)
                timer_disarm(&mb->manager->timers, &mb->retry_timer);
        if (state == MAILBOX_IDLE)
                snprintf(mb->ready_reason, sizeof(mb->ready_reason), "%s", reason);
        mailbox_enter(mb, state == MAILBOX_IDLE ? mailbox_ready_state(mb) : state, reason, now_usec);

        if (state == MAILBOX_IDLE)
                mailbox_became_ready(mb, now_usec);
        else if (state == MAILBOX_DEAD)
                mailbox_became_dead(mb, now_usec);
        else if (state == MAILBOX_READ_ONLY)
                mailbox_fail_queue(mb, -EROFS, reason, now_usec);
        cdat_reader_refresh(mb->device->cdat, now_usec);
        transaction_on_mailbox_state(mb, now_usec);
}

void mailbox_discovery_ended(Mailbox *mb, uint64_t now_usec) {
        if (mb->state == MAILBOX_GONE)
                return;
        if (mb->is_reported_ready)
                discovery_refresh(mb->discovery, now_usec);
        mailbox_refresh_ready(mb, now_usec);
        mailbox_feed(mb, now_usec);
        cdat_reader_refresh(mb->device->cdat, now_usec);
}

void mailbox_report_link_lost(Mailbox *mb, const char *reason, uint64_t now_usec) {
        Job *jobs[] = { mb->staged, mb->running }; /* requeued at the front, so the first goes last */

        mb->running = mb->staged = NULL;
        mb->is_recalling = mb->is_reported_ready = false;
        timer_disarm(&mb->manager->timers, &mb->retry_timer);
        mailbox_enter(mb, MAILBOX_UNTOUCHED, reason, now_usec);
        for (size_t i = 0; i < ELEMENTS(jobs); i++) {
                Job *job = jobs[i];
                JobResult lost = { .error = -ECONNABORTED, .evidence = reason };

                if (!job)
                        continue;
                if (job->state == JOB_STAGED && !job->done) {
                        job_free(job);
                        continue;
                }
                if (job->state == JOB_RUNNING) {
                        lost.started_usec = job->started_usec;
                        lost.ended_usec = now_usec;
                        mailbox_count(mb, job, &lost);
                }
                if ((job->state == JOB_RUNNING && !mailbox_may_repeat(mb, job, &lost, now_usec)) ||
                    mailbox_requeue(mb, job) < 0)
                        job_finish(job, &lost, now_usec);
        }
}

void mailbox_report_gone(Mailbox *mb, uint64_t now_usec) {
        Job *jobs[] = { mb->running, mb->staged };
        Failure failure;

        mb->running = mb->staged = NULL;
        timer_disarm(&mb->manager->timers, &mb->retry_timer);
        mailbox_enter(mb, MAILBOX_GONE, "the device was removed", now_usec);
        for (size_t i = 0; i < ELEMENTS(jobs); i++)
                if (jobs[i])
                        job_finish_unstarted(jobs[i], -ENODEV, mb->state_reason, now_usec);
        mailbox_fail_queue(mb, -ENODEV, mb->state_reason, now_usec);
        failure_set(&failure, -ENODEV, "%s is gone: %s", mb->name, mb->state_reason);
        discovery_fail(mb->discovery, &failure);
        transaction_on_mailbox_state(mb, now_usec);
}

void mailbox_recover(Mailbox *mb, bool force) {
        Manager *m = mb->manager;

        m->link->recover(m->link_userdata, mb, force);
}
