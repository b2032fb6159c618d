/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What doed asks of a function's mailboxes, and the rules that doed-pci holds whatever doed asks. */

#include <errno.h>

#include "daemon/pci/worker-thread.h"
#include "protocols/feature.h"

#define KERNEL_READS_MAX 8u /* on their way to the main thread */

/* The rules that hold whatever doed asks. Return: 0, or the errno of the refusal and its reason. */
static int judge(const Worker *w, const WireExchange *job, const char **ret_why) {
        const DoeFeature *feature = doe_feature_find(job->vendor_id, job->type);
        DoeJudgement judgement;

        doe_feature_judge(job->vendor_id, job->type, job->payload, job->n_bytes, &judgement);
        if (judgement.class == DOE_CLASS_DESTRUCTIVE) {
                *ret_why = "doed-pci does not pass destructive requests";
                return -EACCES;
        }
        if (feature && feature->is_spdm && w->spdm_owner[0]) {
                *ret_why = w->spdm_owner;
                return -EXDEV;
        }
        return 0;
}

static void handle_exchange(Worker *w, const WireExchange *job) {
        Slot *slot = worker_find_slot(w, job->offset);
        const char *why;
        int r;

        if (!slot) {
                worker_peer_refuse(&w->peer, job->job_id, -EINVAL, "no DOE capability at this offset");
                return;
        }
        r = judge(w, job, &why);
        if (r < 0) {
                worker_peer_refuse(&w->peer, job->job_id, r, why);
                return;
        }
        r = doe_mailbox_submit(slot->mailbox, job);
        if (r < 0)
                worker_peer_refuse(&w->peer, job->job_id, r, "the mailbox does not take the job");
        slot_wake(slot);
}

static void handle_recover(Worker *w, const WireRecover *recover) {
        Slot *slot = worker_find_slot(w, recover->offset);

        if (!slot)
                return;
        doe_mailbox_recover(slot->mailbox, recover->force);
        slot_wake(slot);
}

static void handle_read_kernel_cdat(Worker *w, uint64_t job_id) {
        if (!w->has_kernel_cdat) {
                worker_peer_refuse(&w->peer, job_id, -ENODATA, "the kernel holds no CDAT of it");
                return;
        }
        if (w->n_kernel_reads >= KERNEL_READS_MAX) {
                worker_peer_refuse(&w->peer, job_id, -EDQUOT, "too many reads of the kernel's CDAT");
                return;
        }
        w->n_kernel_reads++;
        worker_report(w, WORKER_REPORT_KERNEL_CDAT, job_id, "");
}

/* Only the id is given, and a mailbox leaves alone what it does not know. */
static void handle_job(Worker *w, void (*act)(DoeMailbox *mb, uint64_t job_id), uint64_t job_id) {
        for (size_t i = 0; i < w->n_slots; i++) {
                act(w->slots[i].mailbox, job_id);
                slot_wake(&w->slots[i]);
        }
}

void worker_handle_message(Worker *w, const WireMessage *m) {
        switch (m->type) {
        case WIRE_EXCHANGE:
                handle_exchange(w, &m->exchange);
                break;
        case WIRE_RECALL:
                handle_job(w, doe_mailbox_recall, m->job.job_id);
                break;
        case WIRE_CANCEL:
                handle_job(w, doe_mailbox_cancel, m->job.job_id);
                break;
        case WIRE_RECOVER:
                handle_recover(w, &m->recover);
                break;
        case WIRE_READ_KERNEL_CDAT:
                handle_read_kernel_cdat(w, m->job.job_id);
                break;
        case WIRE_HELLO:
        case WIRE_DEVICE:
        case WIRE_DEVICE_REMOVED:
        case WIRE_ENUMERATED:
        case WIRE_LOCKDOWN:
        case WIRE_RESCAN:
        case WIRE_MAILBOX:
        case WIRE_STARTED:
        case WIRE_DONE:
        case WIRE_RECALLED:
        case WIRE_FOREIGN:
        case WIRE_ABORTED:
                worker_peer_lose(&w->peer, "sent a message that is not for a device socket");
                break;
        }
}
