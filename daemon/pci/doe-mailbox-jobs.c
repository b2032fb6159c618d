/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the jobs of a mailbox start and end. Each is answered exactly once: it is removed and told in one
 * place, or recalled. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "daemon/pci/doe-mailbox-state.h"
#include "daemon/util/clock.h"

bool mailbox_is_exchanging(const DoeMailbox *mb) {
        switch (exchange_state(mb->exchange)) {
        case EXCHANGE_STARTING:
        case EXCHANGE_SENDING:
        case EXCHANGE_WAITING:
        case EXCHANGE_RECEIVING:
                return true;
        case EXCHANGE_IDLE:
        case EXCHANGE_ABORTING:
        case EXCHANGE_FAILED:
                break;
        }
        return false;
}

bool mailbox_has_started(const DoeMailbox *mb, unsigned index) {
        return index == 0 && mailbox_is_exchanging(mb) && exchange_state(mb->exchange) != EXCHANGE_STARTING;
}

static bool exchange_was_seen(ExchangeState state) {
        return state == EXCHANGE_WAITING || state == EXCHANGE_RECEIVING;
}

void mailbox_answer(DoeMailbox *mb, unsigned index, int error, const char *evidence,
                    const ExchangeResult *result) {
        const Job *job = &mb->jobs.jobs[index];
        bool has_started = mailbox_has_started(mb, index);
        WireDone done = {
                .job_id = job->request.job_id,
                .error = error,
                .not_started = result ? !result->was_seen
                                      : !(has_started && exchange_was_seen(exchange_state(mb->exchange))),
                .is_foreign = result && result->is_foreign,
                .started_usec = job->started_usec,
                .ended_usec = job->started_usec > 0 ? mb->config->now_usec(mb->config) : 0,
                .epoch = mb->epoch,
        };

        snprintf(done.evidence, sizeof(done.evidence), "%s", evidence);
        if (result && result->error == 0) {
                done.payload = result->payload;
                done.n_bytes = result->n_bytes;
        }
        jobs_remove(&mb->jobs, index);
        mb->observer->on_done(mb->userdata, mb, &done);
}

/* The first job's exchange has not written anything: it is as if it had not begun. */
static void mailbox_unstart(DoeMailbox *mb, unsigned index) {
        if (index == 0 && exchange_state(mb->exchange) == EXCHANGE_STARTING)
                exchange_forget(mb->exchange);
}

void mailbox_answer_all(DoeMailbox *mb, int error, const char *evidence) {
        /* the running one last: it is told by its place */
        while (mb->jobs.n_jobs > 0)
                mailbox_answer(mb, mb->jobs.n_jobs - 1, error, evidence, NULL);
}

void mailbox_expire_jobs(DoeMailbox *mb, uint64_t now_usec) {
        char evidence[WIRE_TEXT_MAX];

        for (unsigned i = mb->jobs.n_jobs; i-- > 0;) {
                if (mailbox_has_started(mb, i) || now_usec < mb->jobs.jobs[i].request.deadline_usec)
                        continue;
                mailbox_unstart(mb, i);
                snprintf(evidence, sizeof(evidence), "Not started in time, mailbox %s%s%.200s",
                         mailbox_state_name(mb->state), mb->reason[0] ? ": " : "", mb->reason);
                mailbox_answer(mb, i, -ETIMEDOUT, evidence, NULL);
        }
}

void mailbox_refuse_stale_jobs(DoeMailbox *mb) {
        char evidence[WIRE_TEXT_MAX];

        for (unsigned i = mb->jobs.n_jobs; i-- > 0;) {
                uint64_t epoch = mb->jobs.jobs[i].request.epoch;

                if (epoch == 0 || epoch == mb->epoch || mailbox_has_started(mb, i))
                        continue;
                mailbox_unstart(mb, i);
                snprintf(evidence, sizeof(evidence), "Epoch is %" PRIu64 ", not %" PRIu64, mb->epoch, epoch);
                mailbox_answer(mb, i, -ECONNABORTED, evidence, NULL);
        }
}

void mailbox_refuse_jobs(DoeMailbox *mb) {
        if (mailbox_is_exchanging(mb))
                return;
        if (mb->state == MAILBOX_DEAD)
                mailbox_answer_all(mb, -ESHUTDOWN, mb->reason);
        else if (mb->state == MAILBOX_READ_ONLY)
                mailbox_answer_all(mb, -EROFS, mb->reason);
        else if (mb->state == MAILBOX_INHIBITED)
                mailbox_answer_all(mb, -EADDRINUSE, mb->reason);
}

uint64_t mailbox_jobs_due_usec(const DoeMailbox *mb) {
        uint64_t due_usec = USEC_INFINITY;

        for (unsigned i = 0; i < mb->jobs.n_jobs; i++)
                if (!mailbox_has_started(mb, i))
                        due_usec = MIN_OF(due_usec, mb->jobs.jobs[i].request.deadline_usec);
        return due_usec;
}

void mailbox_start_job(DoeMailbox *mb) {
        const WireExchange *job = &mb->jobs.jobs[0].request;
        ExchangeRequest request = {
                .vendor_id = job->vendor_id,
                .type = job->type,
                .connection_id = job->connection_id,
                .payload = job->payload,
                .n_bytes = job->n_bytes,
                .n_dwords_max = job->n_dwords_max,
                .timeout_usec = job->timeout_usec,
                .busy_grace_usec = job->busy_grace_usec,
        };

        exchange_begin(mb->exchange, &request);
}

void mailbox_announce(DoeMailbox *mb) {
        Job *job = &mb->jobs.jobs[0];

        if (job->started_usec > 0)
                return;
        job->started_usec = MAX_OF(mb->config->now_usec(mb->config), UINT64_C(1));
        mb->observer->on_started(mb->userdata, mb, job->request.job_id);
}

/* Access errors have no meaning for those who wait. */
static int job_error(int error) {
        switch (error) {
        case -EPERM:
                return -EROFS;
        case -EIO:
                return -EREMOTEIO;
        case -ENOMEM:
                return -EMSGSIZE;
        default:
                return error;
        }
}

void mailbox_end_job(DoeMailbox *mb, const ExchangeResult *result) {
        if (result->was_written) {
                mailbox_announce(mb);
                mb->jobs.jobs[0].started_usec = MAX_OF(result->started_usec, UINT64_C(1));
        }

        /* a job of which nothing was written waits until the stranger, or the kernel, has gone */
        if (result->was_written || !result->is_foreign)
                mailbox_answer(mb, 0, job_error(result->error), result->evidence, result);
}

void doe_mailbox_set_min_gap(DoeMailbox *mb, uint64_t min_gap_usec) {
        mb->min_gap_usec = min_gap_usec;
}

int doe_mailbox_submit(DoeMailbox *mb, const WireExchange *job) {
        int r = jobs_add(&mb->jobs, job);

        if (r < 0)
                return r;
        mb->jobs.jobs[mb->jobs.n_jobs - 1].min_gap_usec = mb->min_gap_usec;
        /* it may be what the take-over waited for */
        if (mb->is_on_demand && mb->due_usec == USEC_INFINITY)
                mb->due_usec = 0;
        return 0;
}

void doe_mailbox_recall(DoeMailbox *mb, uint64_t job_id) {
        int index = jobs_find(&mb->jobs, job_id);

        /* one that was told as started may wait again, for the kernel or a stranger, but stays here */
        if (index < 0 || mb->jobs.jobs[index].started_usec > 0)
                return;
        mailbox_unstart(mb, (unsigned)index);
        jobs_remove(&mb->jobs, (unsigned)index);
        mb->observer->on_recalled(mb->userdata, mb, job_id);
}

void doe_mailbox_cancel(DoeMailbox *mb, uint64_t job_id) {
        int index = jobs_find(&mb->jobs, job_id);

        if (index < 0)
                return;
        if (mailbox_has_started(mb, (unsigned)index)) {
                exchange_abandon(mb->exchange);
                return;
        }
        mailbox_unstart(mb, (unsigned)index);
        mailbox_answer(mb, (unsigned)index, -ECANCELED, "Canceled before it started", NULL);
}
