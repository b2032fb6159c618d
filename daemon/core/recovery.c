/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/recovery.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "daemon/core/mailbox-private.h"
#include "daemon/core/manager.h"
#include "daemon/util/clock.h"

static const Limits *recovery_limits(const Recovery *r) {
        return &r->mailbox->manager->config->limits;
}

/* @first doubled @n_times, at most @max. */
static uint64_t backed_off_usec(uint64_t first_usec, uint64_t max_usec, unsigned n_times) {
        uint64_t usec = first_usec ?: 1;

        while (n_times-- > 0 && usec < max_usec)
                usec = MIN_OF(usec_add(usec, usec), max_usec);
        return usec;
}

static void recovery_on_retry(Timer *timer, void *userdata, uint64_t now_usec) {
        Recovery *r = userdata;

        mailbox_recover(r->mailbox, /* force= */ false, now_usec);
}

static void recovery_on_rested(Timer *timer, void *userdata, uint64_t now_usec) {
        Recovery *r = userdata;

        recovery_end_rest(r, now_usec);
        mailbox_rested(r->mailbox, now_usec);
}

void recovery_init(Recovery *r, Mailbox *mb) {
        *r = (Recovery){ .mailbox = mb };
        r->retry_timer = (Timer){ .fn = recovery_on_retry, .userdata = r };
        r->rest_timer = (Timer){ .fn = recovery_on_rested, .userdata = r };
}

void recovery_done(Recovery *r) {
        timer_disarm(&r->mailbox->manager->timers, &r->retry_timer);
        timer_disarm(&r->mailbox->manager->timers, &r->rest_timer);
}

bool recovery_is_resting(const Recovery *r) {
        return r->rest_until_usec > 0;
}

/* One that its caller gave up is cut short by doed-pci, which says nothing about the device unless it had
 * its time. */
static bool is_devices_fault(const Job *job, const JobResult *result) {
        if (result->is_foreign)
                return false;
        switch (-result->error) {
        case EREMOTEIO:
        case EBADMSG:
        case EMSGSIZE:
                return true;
        case ETIMEDOUT:
                return !result->not_started &&
                       (job->done ||
                        usec_sub(result->ended_usec, result->started_usec) >= job->device_timeout_usec);
        default:
                return false;
        }
}

void recovery_note_result(Recovery *r, const Job *job, const JobResult *result) {
        r->has_failed = is_devices_fault(job, result);
}

/* Of the last @n aborts, in time in which it did not rest. */
static bool recovery_is_flapping(const Recovery *r, uint64_t worked_usec) {
        const Limits *l = recovery_limits(r);
        uint64_t n_max = l->flap_failures_max;

        return r->n_failures >= n_max &&
               worked_usec - r->failures_usec[(r->n_failures - n_max) % RECOVERY_FAILURES_MAX] <=
                               l->flap_window_usec;
}

static void recovery_count_failure(Recovery *r, uint64_t worked_usec) {
        uint64_t last_usec = r->n_failures > 0
                                             ? r->failures_usec[(r->n_failures - 1) % RECOVERY_FAILURES_MAX]
                                             : worked_usec;

        if (worked_usec - last_usec > recovery_limits(r)->flap_window_usec) {
                r->n_failures = 0;
                r->n_rests = 0;
        }
        r->failures_usec[r->n_failures++ % RECOVERY_FAILURES_MAX] = worked_usec;
}

static void recovery_begin_rest(Recovery *r, uint64_t now_usec) {
        const Limits *l = recovery_limits(r);
        uint64_t rest_usec = backed_off_usec(l->flap_rest_first_usec, l->flap_rest_max_usec, r->n_rests);
        time_t until = (time_t)(usec_add(r->mailbox->manager->realtime_usec(), rest_usec) / USEC_PER_SEC);
        char when[32];
        struct tm tm;

        if (timer_arm(&r->mailbox->manager->timers, &r->rest_timer, usec_add(now_usec, rest_usec)) < 0)
                return;
        r->n_rests++;
        r->rest_since_usec = now_usec;
        r->rest_until_usec = usec_add(now_usec, rest_usec);
        if (!gmtime_r(&until, &tm) || strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
                snprintf(when, sizeof(when), "later");
        snprintf(r->reason, sizeof(r->reason),
                 "%" PRIu64 " aborts after failures within %" PRIu64
                 " s: it rests until %s, or until Recover is called",
                 l->flap_failures_max, l->flap_window_usec / USEC_PER_SEC, when);
        mailbox_add_fault(r->mailbox, "flapping", r->reason, "nothing is handed down meanwhile");
}

bool recovery_note_abort(Recovery *r, uint64_t now_usec) {
        uint64_t worked_usec = usec_sub(now_usec, r->rested_usec);

        if (!r->has_failed)
                return false;
        r->has_failed = false;
        if (recovery_is_resting(r))
                return false;
        recovery_count_failure(r, worked_usec);
        if (!recovery_is_flapping(r, worked_usec))
                return false;
        recovery_begin_rest(r, now_usec);
        return recovery_is_resting(r);
}

void recovery_note_dead(Recovery *r, uint64_t now_usec) {
        const Limits *l = recovery_limits(r);
        uint64_t wait_usec;

        if (usec_sub(now_usec, r->alive_since_usec) > l->flap_window_usec)
                r->n_retries = 0;
        wait_usec = backed_off_usec(l->dead_retry_first_usec, l->dead_retry_max_usec, r->n_retries++);
        r->is_dead = true;
        mailbox_add_fault(r->mailbox, "dead", r->mailbox->state_reason, "recovery is tried again later");
        /* without memory for the timer it stays dead until somebody asks for recovery */
        (void)timer_arm(&r->mailbox->manager->timers, &r->retry_timer, usec_add(now_usec, wait_usec));
}

void recovery_note_alive(Recovery *r, uint64_t now_usec) {
        if (!r->is_dead)
                return;
        r->is_dead = false;
        r->alive_since_usec = now_usec;
        timer_disarm(&r->mailbox->manager->timers, &r->retry_timer);
}

void recovery_forget(Recovery *r, uint64_t now_usec) {
        recovery_end_rest(r, now_usec);
        r->has_failed = false;
        r->n_failures = 0;
        r->n_rests = 0;
        r->n_retries = 0;
}

void recovery_end_rest(Recovery *r, uint64_t now_usec) {
        if (!recovery_is_resting(r))
                return;
        timer_disarm(&r->mailbox->manager->timers, &r->rest_timer);
        r->rested_usec += usec_sub(now_usec, r->rest_since_usec);
        r->rest_until_usec = 0;
}
