/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Within one priority the device's time is shared by uid: of two uids that both wait all the time, neither
 * gets more than a few exchanges ahead of the other. Seen from outside, at each decision of the core. */

#include <inttypes.h>

#include "daemon/core/scheduler.h"
#include "tests/simulation/simulation.h"

/* so many of the longest exchanges that were seen there */
#define LEAD_MAX 8u

const uid_t sim_uids[SIM_UIDS] = { 0, 990, 1000, 1001, 1002 };

static unsigned uid_index(uid_t uid) {
        unsigned i = 0;

        while (i + 1 < SIM_UIDS && sim_uids[i] != uid)
                i++;
        return i;
}

static bool has_owner(const Job *job) {
        return job->client || job->lease;
}

/* Who still waits at that priority, behind the job that was picked. */
static unsigned waiting_uids(const Mailbox *mb, JobPriority priority) {
        const Job *job = NULL;
        unsigned mask = 0;

        while ((job = scheduler_next(&mb->scheduler, job)))
                if (job->priority == priority && has_owner(job))
                        mask |= 1u << uid_index(job->uid);
        return mask;
}

static void check_lead(SimMailbox *sm, const SimShare *share, unsigned waiting) {
        for (unsigned i = 0; i < SIM_UIDS; i++) {
                uint64_t own_usec = share->used_usec[waiting] - share->mark_usec[waiting][waiting];
                uint64_t other_usec = share->used_usec[i] - share->mark_usec[waiting][i];

                if (other_usec > own_usec + LEAD_MAX * sm->longest_usec)
                        sim_violation(sm->device->sim, sm,
                                      "uid %u has waited while uid %u used %" PRIu64 " us, itself %" PRIu64
                                      "; the longest exchange took %" PRIu64,
                                      sim_uids[waiting], sim_uids[i], other_usec, own_usec,
                                      sm->longest_usec);
        }
}

void fairness_note_pick(SimMailbox *sm, const Job *job) {
        SimShare *share = &sm->shares[job->priority];
        unsigned mask;

        if (!has_owner(job))
                return;
        mask = waiting_uids(job->mailbox, job->priority);
        for (unsigned i = 0; i < SIM_UIDS; i++) {
                bool waits = mask & (1u << i);

                if (waits && !(share->waiting & (1u << i)))
                        memcpy(share->mark_usec[i], share->used_usec, sizeof(share->used_usec));
                else if (waits)
                        check_lead(sm, share, i);
        }
        share->waiting = mask;
}

void fairness_note_done(SimMailbox *sm, const SimJob *job, uint64_t device_usec) {
        if (!job || !job->has_owner)
                return;
        sm->longest_usec = MAX_OF(sm->longest_usec, device_usec);
        sm->shares[job->priority].used_usec[uid_index(job->uid)] += device_usec;
}

void fairness_forget(SimMailbox *sm) {
        memset(sm->shares, 0, sizeof(sm->shares));
}
