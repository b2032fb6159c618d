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
        const Lease *lease;           /* that it is of; NULL: it is over */
        LeaseConnections connections; /* of that; while it is open it knows better */
        bool is_told;                 /* to doed-pci, or by it */
        bool is_dropped;              /* cannot be resumed; kept in case that doed-pci has not heard of it */
        TAILQ_ENTRY(LeaseTrace) traces;
};

static void make_digest(const uint8_t token[LEASE_TOKEN_BYTES], uint8_t ret[LEASE_DIGEST_BYTES]) {
        struct sha256_ctx context;

        sha256_init(&context);
        sha256_update(&context, LEASE_TOKEN_BYTES, token);
        sha256_digest(&context, LEASE_DIGEST_BYTES, ret);
}

/* -------- keeping -------- */

static void trace_put(const LeaseBook *book, LeaseTrace *trace) {
        Manager *m = book->device->manager;

        if (!m->has_link || !book->device->is_linked)
                return;
        if (m->link->put_record(m->link_userdata, book->device, &trace->record))
                trace->is_told = true;
}

static void trace_forget(LeaseBook *book, LeaseTrace *trace) {
        TAILQ_REMOVE(&book->traces, trace, traces);
        book->n_traces--;
        free(trace);
}

static void trace_tell_dropped(const LeaseBook *book, const LeaseTrace *trace) {
        Manager *m = book->device->manager;

        if (trace->is_told && m->has_link && book->device->is_linked)
                m->link->drop_record(m->link_userdata, book->device, trace->record.digest);
}

/* A doed-pci that is away may tell of it when it is back, and one that is there may just be about to. */
static void trace_drop(LeaseBook *book, LeaseTrace *trace) {
        trace_tell_dropped(book, trace);
        trace->lease = NULL;
        trace->is_dropped = true;
        if (!trace->is_told)
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

static size_t count_traces(const LeaseBook *book, uid_t uid) {
        const LeaseTrace *trace;
        size_t n = 0;

        TAILQ_FOREACH (trace, &book->traces, traces)
                n += !trace->is_dropped && trace->record.uid == uid;
        return n;
}

/* The one that is worth least to somebody else than @uid: one that is dropped, else the oldest of who has
 * most, and rather of @uid itself. NULL: all are of open leases. */
static LeaseTrace *find_victim(const LeaseBook *book, uid_t uid) {
        LeaseTrace *trace, *victim = NULL;
        size_t weight, victim_weight = 0;

        TAILQ_FOREACH (trace, &book->traces, traces) {
                if (trace->is_dropped)
                        return trace;
                if (trace->lease)
                        continue;
                weight = 2 * count_traces(book, trace->record.uid) + (trace->record.uid == uid);
                if (weight > victim_weight) {
                        victim = trace;
                        victim_weight = weight;
                }
        }
        return victim;
}

/* Room for one more of @uid. */
static bool lease_book_make_room(LeaseBook *book, uid_t uid) {
        LeaseTrace *victim;

        if (book->n_traces < TRACES_MAX)
                return true;
        victim = find_victim(book, uid);
        if (!victim)
                return false;
        if (!victim->is_dropped)
                trace_tell_dropped(book, victim);
        trace_forget(book, victim);
        return true;
}

/* NULL: no room, no memory; then that lease cannot be resumed. */
static LeaseTrace *trace_new(LeaseBook *book, const LeaseRecord *record, const Lease *lease) {
        LeaseTrace *trace = lease_book_make_room(book, record->uid) ? calloc(1, sizeof(*trace)) : NULL;

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
        return !lease->is_spdm || lease_has_connections(&lease->inside->alive);
}

/* Of the epoch in which it is. */
static bool lease_has_session(const Lease *lease) {
        return lease->is_session && lease_has_connections(&lease->inside->alive);
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
                if (trace && !trace->is_dropped)
                        trace_drop(book, trace);
        }
        lease->manager->random_bytes(lease->token, sizeof(lease->token));
        make_digest(lease->token, record.digest);
        /* 0000:00 is no feature, and stands for all of the mailbox */
        if (lease->scope == LEASE_SCOPE_FEATURE) {
                record.vendor_id = lease->vendor_id;
                record.type = lease->type;
        }
        record.is_session = lease_has_session(lease);
        record.epoch = lease->mailbox->epoch;
        trace = trace_new(book, &record, lease);
        if (trace && lease_is_resumable(lease))
                trace_put(book, trace);
}

void lease_record_update(Lease *lease) {
        LeaseTrace *trace = trace_find_of(lease);

        if (!trace || !lease_is_resumable(lease))
                return;
        trace->record.is_session = lease_has_session(lease);
        trace->record.epoch = lease->mailbox->epoch;
        trace_put(lease->device->lease_book, trace);
}

void lease_record_reset(Lease *lease, const Mailbox *mb) {
        /* one responder stands behind all mailboxes */
        bool is_of_spdm = lease_reaches_spdm(lease) && mailbox_offers_spdm(mb);

        if (lease->mailbox != mb && !is_of_spdm)
                return;
        lease->inside->alive = (LeaseConnections){};
        lease_record_update(lease);
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
        trace->connections = lease->inside->alive;
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
        if (!trace || trace->is_dropped || trace->record.uid != lease->uid)
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

/* That its token stands for; NULL: none. */
static LeaseTrace *trace_find_resumed(const Lease *lease) {
        uint8_t digest[LEASE_DIGEST_BYTES];

        make_digest(lease->inside->resumes, digest);
        return trace_find(lease->device->lease_book, digest);
}

int lease_check_resume(const Lease *lease, uint64_t now_usec, Failure *ret) {
        const char *reason = trace_explain(trace_find_resumed(lease), lease, now_usec);

        if (!reason)
                return 0;
        failure_set(ret, -ESRCH, "The lease cannot be resumed: %s", reason);
        failure_add_string(ret, "reason", reason);
        return ret->error;
}

void lease_resume(Lease *lease) {
        const LeaseTrace *trace = trace_find_resumed(lease);

        lease->is_session = trace->record.is_session;
        lease->inside->begun = lease->inside->alive = trace->connections;
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
        if (trace && trace->is_dropped) {
                trace_tell_dropped(book, trace);
                return;
        }
        if (record->expires_usec && now_usec >= record->expires_usec)
                return;
        if (!trace) {
                trace = trace_new(book, record, NULL);
                if (!trace)
                        return;
                /* a lease of a whole mailbox may never have spoken SPDM */
                if (record->is_session || lease_feature_is_spdm(record->vendor_id, record->type))
                        lease_assume_connections(&trace->connections);
        }
        trace->is_told = true;
        trace->record = *record;
        if (!record->expires_usec)
                trace->record.expires_usec = usec_add(now_usec, d->manager->config->limits.resume_usec);
}

/* May the lease have spoken to the responder of the function? @if_unknown: while nobody knows what its
 * mailbox offers. */
static bool trace_reaches_spdm(const LeaseTrace *trace, const Device *d, bool if_unknown) {
        const LeaseRecord *r = &trace->record;
        const Mailbox *mb = device_find_mailbox(d, r->offset);

        if (r->vendor_id != 0 || r->type != 0)
                return lease_feature_is_spdm(r->vendor_id, r->type);
        return mb && (mb->features_source == FEATURES_UNKNOWN ? if_unknown : mailbox_offers_spdm(mb));
}

/* Does an object of that feature at @mb end what the record stands for? */
static bool trace_is_disturbed(const LeaseTrace *trace, const Mailbox *mb, uint16_t vendor_id,
                               uint8_t type) {
        const LeaseRecord *r = &trace->record;

        if (lease_feature_is_spdm(vendor_id, type) && trace_reaches_spdm(trace, mb->device, true))
                return true;
        return r->offset == mb->offset &&
               ((r->vendor_id == 0 && r->type == 0) || (r->vendor_id == vendor_id && r->type == type));
}

void leases_on_handed_down(const Mailbox *mb, uint16_t vendor_id, uint8_t type) {
        LeaseBook *book = mb->device->lease_book;
        LeaseTrace *trace, *next;

        for (trace = TAILQ_FIRST(&book->traces); trace; trace = next) {
                next = TAILQ_NEXT(trace, traces);
                if (!trace->lease && !trace->is_dropped && trace_is_disturbed(trace, mb, vendor_id, type))
                        trace_drop(book, trace);
        }
}

void lease_records_forget_epoch(Mailbox *mb) {
        LeaseBook *book = mb->device->lease_book;
        LeaseTrace *trace, *next;

        for (trace = TAILQ_FIRST(&book->traces); trace; trace = next) {
                const LeaseRecord *r = &trace->record;
                bool is_spdm = trace_reaches_spdm(trace, mb->device, false) && mailbox_offers_spdm(mb);

                next = TAILQ_NEXT(trace, traces);
                /* a doed that has just started hears of the epoch and of its records in any order */
                if (!trace->lease && !trace->is_dropped &&
                    (r->offset == mb->offset ? r->epoch != mb->epoch : is_spdm))
                        trace_drop(book, trace);
        }
}
