/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A test mode of the device must not outlive the lease of whoever chose it: compliance is halted. */

#include <errno.h>

#include "daemon/core/lease-private.h"
#include "daemon/util/clock.h"
#include "protocols/compliance.h"

/* Its time was over before the mailbox could take it, as when the kernel holds that for long. */
static bool must_halt_again(const Mailbox *mb, const JobResult *result) {
        Failure failure;

        return result->not_started && (result->error == -ETIMEDOUT || result->error == -EBUSY) &&
               lease_check_state(mb, LEASE_SCOPE_MAILBOX, &failure) == 0;
}

static void tell_not_halted(Mailbox *mb, const char *why) {
        const Manager *m = mb->manager;

        m->observer->mailbox_not_halted(m->observer_userdata, mb, why);
}

static void lease_on_halted(Job *job, const JobResult *result, uint64_t now_usec) {
        bool is_over = !must_halt_again(job->mailbox, result);
        Lease *lease = job->userdata;

        if (result->error < 0 && (is_over || !lease))
                tell_not_halted(job->mailbox, result->evidence);
        else if (result->error == 0 &&
                 !compliance_is_accepted(COMPLIANCE_CODE_HALT, result->payload, result->n_bytes))
                tell_not_halted(job->mailbox, "the device refuses");
        if (!lease)
                return; /* doed stops */
        lease->inside->halt = NULL;
        lease->inside->is_halted = is_over;
        lease_book_wake(lease->device->lease_book);
}

void lease_halt(Lease *lease, uint64_t now_usec) {
        const Manager *m = lease->manager;
        LeaseInside *in = lease->inside;
        const uint8_t request[4] = { COMPLIANCE_CODE_HALT, in->compliance_version };
        Job *job = NULL;
        int r;

        if (!in->is_halt_told)
                m->observer->lease_halting(m->observer_userdata, lease);
        in->is_halt_told = true;
        r = mailbox_submit_own(lease->mailbox, DOE_VENDOR_CXL, DOE_TYPE_CXL_COMPLIANCE, request,
                               sizeof(request), lease_on_halted, lease->manager->is_stopping ? NULL : lease,
                               now_usec, &job);
        if (r < 0)
                tell_not_halted(lease->mailbox, strerror(-r));
        if (r < 0 || lease->manager->is_stopping)
                in->is_halted = true;
        else if (!in->is_halted)
                in->halt = job;
}
