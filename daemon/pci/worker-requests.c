/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What doed asks of a function's mailboxes, and the rules that doed-pci holds whatever doed asks. */

#include <errno.h>

#include "daemon/pci/worker-thread.h"
#include "daemon/util/clock.h"
#include "daemon/util/log.h"
#include "protocols/feature.h"
#include "protocols/spdm.h"

#define KERNEL_READS_MAX 8u /* on their way to the main thread */

/* The kernel may be at work on the function, which an access would wait for. */
static bool may_look(const Worker *w) {
        for (size_t i = 0; i < w->n_slots; i++)
                if (w->slots[i].is_held)
                        return false;
        return !w->is_suspended;
}

void worker_look_at_ide(Worker *w, uint64_t age_usec) {
        if (may_look(w) && ide_watch_look(&w->ide, age_usec))
                worker_report(w, WORKER_REPORT_IDE, 0, w->ide.evidence);
}

uint64_t worker_dispatch_ide(Worker *w) {
        if (!w->ide.evidence[0] || !may_look(w))
                return USEC_INFINITY;
        worker_look_at_ide(w, IDE_AGAIN_USEC);
        return w->ide.evidence[0] ? usec_add(w->ide.seen_usec, IDE_AGAIN_USEC) : USEC_INFINITY;
}

/* The beginning of a message in chunks, cut so short that nobody can tell what the message is. DSP0274 wants
 * larger chunks. Later ones pass: they carry nothing to a device that was not sent the first. */
static bool hides_its_code(const WireExchange *job) {
        SpdmChunk chunk;

        return spdm_chunk_send_decode(job->payload, job->n_bytes, &chunk) == 0 && chunk.is_first &&
               chunk.code < 0;
}

static int judge_spdm(Worker *w, const WireExchange *job, const DoeFeature *feature,
                      const RequestRules *rules, const char **ret_why) {
        if (feature->opcode_offset >= 0 && hides_its_code(job)) {
                *ret_why = "its first chunk does not show what it carries";
                return -EACCES;
        }
        if (rules->overrides_owner)
                return 0;
        if (rules->opcode == (int)SPDM_CODE_GET_VERSION)
                worker_look_at_ide(w, IDE_LOOK_USEC);
        *ret_why = w->spdm_owner[0] ? w->spdm_owner : w->ide.evidence;
        return **ret_why ? -EXDEV : 0;
}

/* Whatever doed asks. Return: 0, or the errno of the refusal and its reason. */
static int judge(Worker *w, const WireExchange *job, RequestRules *ret, const char **ret_why) {
        const DoeFeature *feature = doe_feature_find(job->vendor_id, job->type);

        pci_rules_judge_request(w->rules, &w->function, job, ret);
        if (ret->is_destructive && !ret->is_lent) {
                *ret_why = "no rule with Feature= and Opcode= in the configuration of root lends what is "
                           "destructive";
                return -EACCES;
        }
        return feature && feature->is_spdm ? judge_spdm(w, job, feature, ret, ret_why) : 0;
}

static void log_refused(const Slot *slot, const WireExchange *job, const RequestRules *rules,
                        const char *why) {
        LogFields fields = { .subject = slot->name, .verdict = "deny", .reason = why };
        char feature[DOE_FEATURE_STR_MAX], opcode[8];

        fields.feature = doe_feature_format(job->vendor_id, job->type, feature);
        if (rules->opcode >= 0) {
                snprintf(opcode, sizeof(opcode), "0x%02x", (unsigned)rules->opcode & 0xff);
                fields.opcode = opcode;
        }
        log_event(LOG_EVENT_REQUEST_REFUSED, &fields, "doed was refused %s%s%s: %s", feature,
                  fields.opcode ? " " : "", fields.opcode ?: "", why);
}

static void handle_exchange(Worker *w, const WireExchange *asked) {
        Slot *slot = worker_find_slot(w, asked->offset);
        WireExchange job = *asked;
        RequestRules rules;
        const char *why;
        int r;

        if (!slot) {
                worker_peer_refuse(&w->peer, job.job_id, -EINVAL, "no DOE capability at this offset");
                return;
        }
        r = judge(w, &job, &rules, &why);
        if (r == -EACCES)
                log_refused(slot, &job, &rules, why);
        if (r < 0) {
                worker_peer_refuse(&w->peer, job.job_id, r, why);
                return;
        }
        job.timeout_usec = MIN_OF(job.timeout_usec, rules.device_timeout_usec);
        doe_mailbox_set_min_gap(slot->mailbox, rules.min_gap_usec);
        r = doe_mailbox_submit(slot->mailbox, &job);
        if (r < 0)
                worker_peer_refuse(&w->peer, job.job_id, r, "the mailbox does not take the job");
        slot_wake(slot);
}

static void handle_inhibit(Worker *w, const WireInhibit *inhibit) {
        Slot *slot = worker_find_slot(w, inhibit->offset);
        bool was_inhibited;

        if (!slot)
                return;
        if (inhibit->lease_id == 0) {
                slot_end_inhibit(slot);
                return;
        }
        was_inhibited = doe_mailbox_state(slot->mailbox) == WIRE_MAILBOX_INHIBITED;
        slot_inhibit(slot, inhibit->lease_id, clock_monotonic_usec() + WIND_UP_USEC);
        /* the state is as it was, but for another lease */
        if (was_inhibited)
                worker_send_mailbox(w, slot->mailbox);
}

static void handle_put_record(Worker *w, const WireRecord *record) {
        if (worker_find_slot(w, record->offset) &&
            state_put_record(w->state, record, clock_monotonic_usec()) < 0)
                log_full(LOG_WARNING, w->function.address,
                         "No room for the record of a lease: it cannot be resumed");
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
        case WIRE_INHIBIT:
                handle_inhibit(w, &m->inhibit);
                break;
        case WIRE_PUT_RECORD:
                handle_put_record(w, &m->record);
                break;
        case WIRE_DROP_RECORD:
                state_drop_record(w->state, m->record.digest);
                break;
        case WIRE_HELLO:
        case WIRE_DEVICE:
        case WIRE_DEVICE_REMOVED:
        case WIRE_ENUMERATED:
        case WIRE_LOCKDOWN:
        case WIRE_RESCAN:
        case WIRE_RELOAD:
        case WIRE_SUSPEND:
        case WIRE_SUSPENDED:
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
