/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a lease can be resumed: what is kept of it under the digest of its token, here and, to outlive this
 * process, at doed-pci. */

#include <errno.h>

#include <nettle/sha2.h>

#include "daemon/core/lease-private.h"
#include "daemon/util/clock.h"

/* As many as doed-pci keeps per function. */
#define TRACES_MAX 32u

/* One that is or was. */
struct LeaseTrace {
        LeaseRecord record;
        const Lease *lease; /* that it is of; NULL: it is over */
        TAILQ_ENTRY(LeaseTrace) traces;
};

static void make_digest(const uint8_t token[LEASE_TOKEN_BYTES], uint8_t ret[LEASE_DIGEST_BYTES]) {
        struct sha256_ctx context;

        sha256_init(&context);
        sha256_update(&context, LEASE_TOKEN_BYTES, token);
        sha256_digest(&context, LEASE_DIGEST_BYTES, ret);
}

/* -------- keeping -------- */

static void trace_put(const LeaseBook *book, const LeaseTrace *trace) {
        Manager *m = book->device->manager;

        if (m->has_link && book->device->is_linked)
                m->link->put_record(m->link_userdata, book->device, &trace->record);
}

static void trace_forget(LeaseBook *book, LeaseTrace *trace) {
        TAILQ_REMOVE(&book->traces, trace, traces);
        book->n_traces--;
        free(trace);
}

static void trace_drop(LeaseBook *book, LeaseTrace *trace) {
        Manager *m = book->device->manager;

        if (m->has_link && book->device->is_linked)
                m->link->drop_record(m->link_userdata, book->device, trace->record.digest);
        trace_forget(book, trace);
}

void lease_traces_done(LeaseBook *book) {
        while (!TAILQ_EMPTY(&book->traces))
                trace_forget(book, TAILQ_FIRST(&book->traces));
}

static LeaseTrace *trace_find(const LeaseBook *book, const uint8_t digest[LEASE_DIGEST_BYTES]) {
        LeaseTrace *trace;

        TAILQ_FOREACH (trace, &book->traces, traces)
                if (memcmp(trace->record.digest, digest, LEASE_DIGEST_BYTES) == 0)
                        return trace;
        return NULL;
}

static LeaseTrace *trace_find_of(const Lease *lease) {
        LeaseTrace *trace;

        TAILQ_FOREACH (trace, &lease->device->lease_book->traces, traces)
                if (trace->lease == lease)
                        return trace;
        return NULL;
}

/* Room for one more: the oldest that is over goes. */
static bool lease_book_make_room(LeaseBook *book) {
        LeaseTrace *trace;

        if (book->n_traces < TRACES_MAX)
                return true;
        TAILQ_FOREACH (trace, &book->traces, traces)
                if (!trace->lease) {
                        trace_drop(book, trace);
                        return true;
                }
        return false;
}

/* NULL: no room, no memory; then that lease cannot be resumed. */
static LeaseTrace *trace_new(LeaseBook *book, const LeaseRecord *record, const Lease *lease) {
        LeaseTrace *trace = lease_book_make_room(book) ? calloc(1, sizeof(*trace)) : NULL;

        if (!trace)
                return NULL;
        trace->record = *record;
        trace->lease = lease;
        TAILQ_INSERT_TAIL(&book->traces, trace, traces);
        book->n_traces++;
        return trace;
}

/* -------- what a lease leaves -------- */

/* Of SPDM there is nothing to go on with before GET_VERSION, and an epoch may have ended it. */
static bool lease_is_resumable(const Lease *lease) {
        return !lease->is_spdm || (lease->inside->has_version && !lease->inside->is_reset);
}

void lease_record_open(Lease *lease, uint64_t now_usec) {
        LeaseBook *book = lease->device->lease_book;
        LeaseRecord record = { .uid = lease->uid, .offset = lease->mailbox->offset };
        LeaseTrace *trace;

        if (lease->scope == LEASE_SCOPE_REGISTERS)
                return;
        if (lease->inside->has_token) {
                make_digest(lease->inside->resumes, record.digest);
                trace = trace_find(book, record.digest);
                if (trace)
                        trace_drop(book, trace);
        }
        lease->manager->random_bytes(lease->token, sizeof(lease->token));
        make_digest(lease->token, record.digest);
        /* 0000:00 is no feature, and stands for all of the mailbox */
        if (lease->scope == LEASE_SCOPE_FEATURE) {
                record.vendor_id = lease->vendor_id;
                record.type = lease->type;
        }
        record.is_session = lease->is_session;
        record.epoch = lease->mailbox->epoch;
        trace = trace_new(book, &record, lease);
        if (trace && lease_is_resumable(lease))
                trace_put(book, trace);
}

void lease_record_update(Lease *lease) {
        LeaseTrace *trace = trace_find_of(lease);

        if (!trace || !lease_is_resumable(lease))
                return;
        trace->record.is_session = lease->is_session;
        trace->record.epoch = lease->mailbox->epoch;
        trace_put(lease->device->lease_book, trace);
}

void lease_record_close(Lease *lease, uint64_t now_usec) {
        LeaseBook *book = lease->device->lease_book;
        LeaseTrace *trace = trace_find_of(lease);

        if (!trace)
                return;
        trace->lease = NULL;
        /* halted: what it left in the device is not there any more */
        if (!lease_is_resumable(lease) || lease->inside->needs_halt ||
            lease->mailbox->state == MAILBOX_GONE) {
                trace_drop(book, trace);
                return;
        }
        trace->record.expires_usec = usec_add(now_usec, lease->manager->config->limits.resume_usec);
        trace_put(book, trace);
}

/* -------- going on -------- */

static bool trace_is_of_group(const LeaseTrace *trace, const Lease *lease) {
        const LeaseRecord *r = &trace->record;

        if (r->offset != lease->mailbox->offset)
                return false;
        if (lease->scope == LEASE_SCOPE_MAILBOX)
                return r->vendor_id == 0 && r->type == 0;
        return (lease->is_spdm && lease_feature_is_spdm(r->vendor_id, r->type)) ||
               (r->vendor_id == lease->vendor_id && r->type == lease->type);
}

/* NULL: it can be resumed. */
static const char *trace_explain(const LeaseTrace *trace, const Lease *lease, uint64_t now_usec) {
        /* whose it is, and that it exists, is nobody else's business */
        if (!trace || trace->record.uid != lease->uid)
                return "no lease of this token is known, or another has used its feature since";
        if (trace->lease)
                return "that lease is still open";
        if (!trace_is_of_group(trace, lease))
                return "the token is of another feature, scope or mailbox";
        if (now_usec >= trace->record.expires_usec)
                return "it ended too long ago";
        if (trace->record.epoch != lease->mailbox->epoch)
                return "the epoch is another: the device may have forgotten the session";
        return NULL;
}

int lease_check_resume(const Lease *lease, uint64_t now_usec, bool *ret_is_session, Failure *ret) {
        uint8_t digest[LEASE_DIGEST_BYTES];
        const LeaseTrace *trace;
        const char *reason;

        make_digest(lease->inside->resumes, digest);
        trace = trace_find(lease->device->lease_book, digest);
        reason = trace_explain(trace, lease, now_usec);
        if (!reason) {
                *ret_is_session = trace->record.is_session;
                return 0;
        }
        failure_set(ret, -ESRCH, "The lease cannot be resumed: %s", reason);
        failure_add_string(ret, "reason", reason);
        return ret->error;
}

void leases_report_record(Device *d, const LeaseRecord *record, uint64_t now_usec) {
        LeaseBook *book = d->lease_book;
        LeaseTrace *trace = trace_find(book, record->digest);

        /* of an open one nobody but this doed knows better: not doed-pci, which gave it an end when it lost
         * us */
        if (trace && trace->lease) {
                trace_put(book, trace);
                return;
        }
        if (record->expires_usec && now_usec >= record->expires_usec)
                return;
        if (!trace)
                trace = trace_new(book, record, NULL);
        if (!trace)
                return;
        trace->record = *record;
        if (!record->expires_usec)
                trace->record.expires_usec = usec_add(now_usec, d->manager->config->limits.resume_usec);
}

/* Does an object of that feature at @mb end what the record stands for? */
static bool trace_is_disturbed(const LeaseTrace *trace, const Mailbox *mb, uint16_t vendor_id,
                               uint8_t type) {
        const LeaseRecord *r = &trace->record;

        if (lease_feature_is_spdm(vendor_id, type) && lease_feature_is_spdm(r->vendor_id, r->type))
                return true;
        return r->offset == mb->offset &&
               ((r->vendor_id == 0 && r->type == 0) || (r->vendor_id == vendor_id && r->type == type));
}

void lease_records_forget(const Mailbox *mb, uint16_t vendor_id, uint8_t type) {
        LeaseBook *book = mb->device->lease_book;
        LeaseTrace *trace, *next;

        for (trace = TAILQ_FIRST(&book->traces); trace; trace = next) {
                next = TAILQ_NEXT(trace, traces);
                if (!trace->lease && trace_is_disturbed(trace, mb, vendor_id, type))
                        trace_drop(book, trace);
        }
}

void lease_records_forget_epoch(Mailbox *mb) {
        LeaseBook *book = mb->device->lease_book;
        LeaseTrace *trace, *next;

        for (trace = TAILQ_FIRST(&book->traces); trace; trace = next) {
                const LeaseRecord *r = &trace->record;
                bool is_spdm = lease_feature_is_spdm(r->vendor_id, r->type) && mailbox_offers_spdm(mb);

                next = TAILQ_NEXT(trace, traces);
                /* a doed that has just started hears of the epoch and of its records in any order */
                if (!trace->lease && (r->offset == mb->offset ? r->epoch != mb->epoch : is_spdm))
                        trace_drop(book, trace);
        }
}
