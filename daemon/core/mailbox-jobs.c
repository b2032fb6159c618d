/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The queue of a mailbox: how jobs come in, are handed down, come back, and end. Each is answered exactly
 * once, or withdrawn. */

#include <errno.h>
#include <inttypes.h>

#include "daemon/core/device.h"
#include "daemon/core/discovery.h"
#include "daemon/core/lease.h"
#include "daemon/core/mailbox-private.h"
#include "daemon/core/manager.h"
#include "daemon/core/recorder.h"
#include "daemon/util/clock.h"
#include "protocols/data-object.h"

/* A read of doed's own that has not begun by then: callers wait with deadlines of theirs. */
#define OWN_JOB_USEC (30 * USEC_PER_SEC)

/* End one job that is in no list any more. */
static void job_finish(Job *job, const JobResult *result, uint64_t now_usec) {
        if (job->done)
                job->done(job, result, now_usec);
        job_free(job);
}

/* End one that was taken from the queue. */
static void mailbox_end_job(Mailbox *mb, Job *job, const JobResult *result, uint64_t now_usec) {
        scheduler_charge(&mb->scheduler, job, usec_sub(result->ended_usec, result->started_usec));
        job_finish(job, result, now_usec);
}

static void mailbox_end_unstarted(Mailbox *mb, Job *job, int error, const char *evidence,
                                  uint64_t now_usec) {
        JobResult result = { .error = error, .not_started = true, .evidence = evidence };

        mailbox_end_job(mb, job, &result, now_usec);
}

/* End one that waits. */
static void mailbox_end_waiting(Mailbox *mb, Job *job, int error, const char *evidence, uint64_t now_usec) {
        JobResult result = { .error = error, .not_started = true, .evidence = evidence };

        scheduler_remove(&mb->scheduler, job);
        job_finish(job, &result, now_usec);
}

/* -------- coming in -------- */

/* In these it would never run. */
static int submit_error(MailboxState state) {
        switch (state) {
        case MAILBOX_DEAD:
                return -ESHUTDOWN;
        case MAILBOX_READ_ONLY:
                return -EROFS;
        case MAILBOX_GONE:
                return -ENODEV;
        case MAILBOX_UNTOUCHED:
        case MAILBOX_STARTING:
        case MAILBOX_IDLE:
        case MAILBOX_BUSY:
        case MAILBOX_WAITING:
        case MAILBOX_RECOVERING:
        case MAILBOX_KERNEL:
        case MAILBOX_INHIBITED:
                break;
        }
        return 0;
}

int mailbox_submit(Mailbox *mb, Job *job, uint64_t now_usec) {
        const Limits *l = &mb->manager->config->limits;
        int r = submit_error(mb->state);

        if (r < 0)
                return r;
        job->id = ++mb->manager->last_job_id;
        job->mailbox = mb;
        job->state = JOB_QUEUED;
        job->submitted_usec = now_usec;
        if (job->device_timeout_usec == 0)
                job->device_timeout_usec = l->device_timeout_usec;
        if (job->busy_grace_usec == 0)
                job->busy_grace_usec = l->busy_grace_usec;
        r = scheduler_add(&mb->scheduler, job, /* at_front= */ false);
        if (r < 0)
                return r;
        mailbox_demand(mb, now_usec);
        mailbox_feed(mb, now_usec);
        return 0;
}

/* Its rules are those of root, whose reads they are. */
static void mailbox_judge_own(const Mailbox *mb, Job *job) {
        const Policy *policy = &mb->manager->policy;
        const PolicyCaller caller = { .uid = policy->owner_uid };
        DoeJudgement judgement;
        const PolicyRequest request = {
                .device = mb->device, .vendor_id = job->vendor_id, .type = job->type, .judgement = &judgement
        };
        PolicyDecision decision;

        doe_feature_judge(job->vendor_id, job->type, job->payload, job->n_bytes, &judgement);
        policy_judge_request(policy, &caller, &request, &decision);
        job->uid = caller.uid;
        job->is_withheld = !decision.effects.record;
}

int mailbox_submit_own(Mailbox *mb, uint16_t vendor_id, uint8_t type, const uint8_t *request, size_t n_bytes,
                       JobDone done, void *userdata, uint64_t now_usec, Job **ret) {
        Job *job = job_new(vendor_id, type, request, n_bytes);
        int r;

        if (!job)
                return -ENOMEM;
        job->class = DOE_CLASS_READ;
        mailbox_judge_own(mb, job);
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

void mailbox_set_priority(Mailbox *mb, Job *job, JobPriority priority, uint64_t now_usec) {
        if (scheduler_set_priority(&mb->scheduler, job, priority) == 0)
                mailbox_feed(mb, now_usec);
}

void mailbox_withdraw(Mailbox *mb, Job *job) {
        Manager *m = mb->manager;
        bool is_call = !job->lease;

        job->done = NULL;
        job->userdata = NULL;
        /* these may leave before the job does */
        job->client = NULL;
        job->lease = NULL;
        if (job->state == JOB_QUEUED) {
                scheduler_remove(&mb->scheduler, job);
                job_free(job);
                if (is_call)
                        leases_on_job_ended(mb);
        } else
                m->link->cancel(m->link_userdata, mb, job->id);
}

bool mailbox_has_calls(const Mailbox *mb, uint16_t vendor_id, uint8_t type, bool any_feature) {
        const Job *with_pci[] = { mb->running, mb->staged }, *job = NULL;

        for (size_t i = 0; i < ELEMENTS(with_pci); i++) {
                job = with_pci[i];
                if (job && !job->lease &&
                    (any_feature || (job->vendor_id == vendor_id && job->type == type)))
                        return true;
        }
        job = NULL;
        while ((job = scheduler_next(&mb->scheduler, job)))
                if (!job->lease && (any_feature || (job->vendor_id == vendor_id && job->type == type)))
                        return true;
        return false;
}

/* -------- going down -------- */

/* By a rule doed-pci takes it over once an exchange is there. */
static bool mailbox_is_on_demand(const Mailbox *mb) {
        const Device *d = mb->device;
        const RuleSubject subject = { .address = d->address,
                                      .vendor_id = d->vendor_id,
                                      .device_id = d->device_id };
        RuleOutcome outcome;

        if (mb->state != MAILBOX_UNTOUCHED || !d->is_linked)
                return false;
        rules_judge(mb->manager->config->rules, &subject, &outcome);
        return outcome.is_set[RULE_TAKE_OVER] && outcome.effects[RULE_TAKE_OVER] == RULE_TAKE_OVER_ON_DEMAND;
}

void mailbox_demand(Mailbox *mb, uint64_t now_usec) {
        if (mailbox_is_on_demand(mb))
                discovery_refresh(mb->discovery, now_usec);
}

/* One job waits there for the take-over, whatever epoch that brings; discovery first, if it must be. */
static Job *mailbox_pick_demand(const Mailbox *mb, uint64_t now_usec) {
        if (mb->running || !mailbox_is_on_demand(mb))
                return NULL;
        if (mb->features_source == FEATURES_UNKNOWN)
                return scheduler_peek_own(&mb->scheduler);
        return scheduler_peek(&mb->scheduler, &mb->manager->config->limits, now_usec);
}

static Job *mailbox_pick(const Mailbox *mb, uint64_t now_usec) {
        if (!mb->is_reported_ready)
                return mailbox_pick_demand(mb, now_usec);
        if (mb->state == MAILBOX_STARTING)
                return scheduler_peek_own(&mb->scheduler);
        if (mailbox_is_ready(mb))
                return scheduler_peek(&mb->scheduler, &mb->manager->config->limits, now_usec);
        return NULL;
}

static bool mailbox_may_hand_down(const Mailbox *mb) {
        const Manager *m = mb->manager;

        return m->has_link && !m->is_suspended && mb->device->is_linked && !mb->staged &&
               !leases_hold_back(mb);
}

static void mailbox_hand_down(Mailbox *mb, Job *job) {
        Manager *m = mb->manager;

        job->state = JOB_STAGED;
        if (!mb->running)
                mb->running = job;
        else
                mb->staged = job;
        if (job->client || job->lease)
                leases_on_handed_down(mb, job->vendor_id, job->type);
        m->link->exchange(m->link_userdata, mb, job);
}

static void mailbox_recall(Mailbox *mb, const Job *job) {
        Manager *m = mb->manager;

        if (job && job->state == JOB_STAGED && job->done)
                m->link->recall(m->link_userdata, mb, job->id);
}

void mailbox_take_back(Mailbox *mb) {
        mailbox_recall(mb, mb->running);
        if (!mb->is_recalling)
                mailbox_recall(mb, mb->staged);
        mb->is_recalling = mb->staged != NULL;
}

void mailbox_feed(Mailbox *mb, uint64_t now_usec) {
        Job *job;

        mailbox_refresh_ready(mb, now_usec);
        while (mailbox_may_hand_down(mb) && (job = mailbox_pick(mb, now_usec))) {
                scheduler_take(&mb->scheduler, job);
                if (mailbox_may_offer(mb, job->vendor_id, job->type)) {
                        mailbox_hand_down(mb, job);
                        continue;
                }
                /* it waited until the features were known, and its own is not among them */
                mailbox_end_unstarted(mb, job, -EPROTONOSUPPORT, "discovery does not list it", now_usec);
                leases_on_job_ended(mb);
        }
        if (mb->staged && mb->staged->state == JOB_STAGED && !mb->is_recalling) {
                job = mailbox_pick(mb, now_usec);
                if (job && job->priority < mb->staged->turn) {
                        mb->is_recalling = true;
                        mailbox_recall(mb, mb->staged);
                }
        }
        mailbox_refresh_ready(mb, now_usec);
}

/* -------- coming back -------- */

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
        recorder_note_request(mb->manager->recorder, job, mb->manager->realtime_usec());
}

void mailbox_report_recalled(Mailbox *mb, uint64_t job_id, uint64_t now_usec) {
        Job *job = mailbox_find_job(mb, job_id);

        if (!job || job->state != JOB_STAGED)
                return;
        mailbox_detach(mb, job);
        if (!job->done || mailbox_requeue(mb, job) < 0)
                mailbox_end_unstarted(mb, job, -ENOMEM, "out of memory", now_usec);
        leases_on_job_ended(mb);
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

/* What doed-pci had begun has ended. */
static void mailbox_note_end(Mailbox *mb, const Job *job, const JobResult *result) {
        if (result->not_started)
                return;
        recorder_note_response(mb->manager->recorder, job, result, mb->manager->realtime_usec());
        counters_add_exchange(&mb->counters, job, result);
        if (result->error < 0)
                mailbox_add_fault(mb, fault_kind(result->error), result->evidence,
                                  result->is_foreign ? "waiting" : "abort");
}

/* Lost to a reset or to somebody else's abort, and harmless to ask again. */
static bool mailbox_may_repeat(const Mailbox *mb, const Job *job, const JobResult *result,
                               uint64_t now_usec) {
        /* a tool got the registers before it began: it waits for them to come back */
        if (result->error == -EADDRINUSE && result->not_started)
                return job->done && now_usec < job->deadline_usec && !mb->manager->is_stopping &&
                       mb->state != MAILBOX_GONE;
        return result->error == -ECONNABORTED && job->class == DOE_CLASS_READ && job->done &&
               job->n_attempts < mb->manager->config->limits.attempts_max && now_usec < job->deadline_usec &&
               !mb->manager->is_stopping && mb->state != MAILBOX_GONE;
}

void mailbox_report_done(Mailbox *mb, uint64_t job_id, const JobResult *result, uint64_t now_usec) {
        Job *job = mailbox_find_job(mb, job_id);

        if (!job)
                return;
        mailbox_detach(mb, job);
        mailbox_note_end(mb, job, result);
        recovery_note_result(&mb->recovery, job, result);
        if (!mailbox_may_repeat(mb, job, result, now_usec) || mailbox_requeue(mb, job) < 0)
                mailbox_end_job(mb, job, result, now_usec);
        leases_on_job_ended(mb);
        mailbox_feed(mb, now_usec);
}

/* -------- ending all of them -------- */

void mailbox_fail_queue(Mailbox *mb, int error, const char *evidence, uint64_t now_usec) {
        Job *job;

        while ((job = scheduler_next(&mb->scheduler, NULL)))
                mailbox_end_waiting(mb, job, error, evidence, now_usec);
}

static Job *mailbox_find_stale(const Mailbox *mb) {
        Job *job = NULL;

        while ((job = scheduler_next(&mb->scheduler, job)))
                if (job->epoch != 0 && job->epoch != mb->epoch)
                        return job;
        return NULL;
}

void mailbox_fail_stale(Mailbox *mb, uint64_t now_usec) {
        char evidence[64];
        Job *job;

        snprintf(evidence, sizeof(evidence), "the epoch is %" PRIu64 " now", mb->epoch);
        /* from the start each time, since who is answered may change the queue */
        while ((job = mailbox_find_stale(mb)))
                mailbox_end_waiting(mb, job, -ECONNABORTED, evidence, now_usec);
}

/* All that is with doed-pci, the first one first; returns how many. */
static size_t mailbox_detach_all(Mailbox *mb, Job *ret[2]) {
        size_t n = 0;

        while (mb->running) {
                ret[n++] = mb->running;
                mailbox_detach(mb, mb->running);
        }
        return n;
}

static void mailbox_lose_job(Mailbox *mb, Job *job, const char *reason, uint64_t now_usec) {
        bool has_run = job->state == JOB_RUNNING;
        JobResult lost = { .error = -ECONNABORTED, .not_started = !has_run, .evidence = reason };

        if (has_run) {
                lost.started_usec = job->started_usec;
                lost.ended_usec = now_usec;
                mailbox_note_end(mb, job, &lost);
        }
        if (!job->done || (has_run && !mailbox_may_repeat(mb, job, &lost, now_usec)) ||
            mailbox_requeue(mb, job) < 0)
                mailbox_end_job(mb, job, &lost, now_usec);
}

void mailbox_lose_jobs(Mailbox *mb, const char *reason, uint64_t now_usec) {
        Job *jobs[2];
        size_t n = mailbox_detach_all(mb, jobs);

        /* requeued at the front, so the first goes last */
        while (n-- > 0)
                mailbox_lose_job(mb, jobs[n], reason, now_usec);
}

void mailbox_fail_jobs(Mailbox *mb, int error, const char *evidence, uint64_t now_usec) {
        Job *jobs[2];
        size_t n = mailbox_detach_all(mb, jobs);

        for (size_t i = 0; i < n; i++) {
                bool has_run = jobs[i]->state == JOB_RUNNING;
                JobResult failed = { .error = error,
                                     .not_started = !has_run,
                                     .started_usec = has_run ? jobs[i]->started_usec : 0,
                                     .ended_usec = has_run ? now_usec : 0,
                                     .evidence = evidence };

                if (has_run)
                        recorder_note_response(mb->manager->recorder, jobs[i], &failed,
                                               mb->manager->realtime_usec());
                mailbox_end_job(mb, jobs[i], &failed, now_usec);
        }
        mailbox_fail_queue(mb, error, evidence, now_usec);
}
