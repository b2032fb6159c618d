/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/cdat-reader.h"

#include <errno.h>

#include "daemon/core/discovery.h"
#include "daemon/core/lease.h"
#include "daemon/core/manager.h"
#include "daemon/core/transaction.h"
#include "daemon/util/clock.h"
#include "protocols/cdat.h"

static void cdat_reader_ask_handle(CdatReader *reader, uint16_t handle, uint64_t now_usec);

CdatReader *cdat_reader_new(Device *d) {
        CdatReader *reader = calloc(1, sizeof(*reader));

        if (!reader)
                return NULL;
        reader->device = d;
        TAILQ_INIT(&reader->waiters);
        table_walk_init(&reader->walk);
        table_walk_init(&reader->table);
        return reader;
}

CdatReader *cdat_reader_free(CdatReader *reader) {
        if (!reader)
                return NULL;
        table_walk_done(&reader->walk);
        table_walk_done(&reader->table);
        free(reader);
        return NULL;
}

bool cdat_reader_has_table(const CdatReader *reader) {
        return reader->source != CDAT_FROM_NOWHERE;
}

static const char *cdat_source_to_string(CdatSource source) {
        switch (source) {
        case CDAT_FROM_NOWHERE:
                return "";
        case CDAT_FROM_MAILBOX:
                return "mailbox";
        case CDAT_FROM_KERNEL:
                return "kernel";
        }
        return "";
}

/* Where the table is read, whether it was or not. */
static CdatSource cdat_reader_owner(const CdatReader *reader) {
        if (reader->device->has_kernel_cdat)
                return CDAT_FROM_KERNEL;
        return device_find_cdat_mailbox(reader->device) ? CDAT_FROM_MAILBOX : CDAT_FROM_NOWHERE;
}

void device_get_cdat(const Device *d, uint32_t *ret_length, uint32_t *ret_sequence,
                     const char **ret_source) {
        *ret_length = cdat_reader_has_table(d->cdat) ? (uint32_t)d->cdat->table.n_bytes : 0;
        *ret_sequence = cdat_reader_has_table(d->cdat) ? d->cdat->sequence : 0;
        *ret_source = cdat_source_to_string(cdat_reader_owner(d->cdat));
}

static void cdat_reader_publish(CdatReader *reader) {
        Device *d = reader->device;
        Manager *m = d->manager;

        if (!d->is_published || !d->had_cdat || !device_has_cdat(d))
                return; /* it goes or comes as a whole */
        m->observer->device_changed(m->observer_userdata, d, DEVICE_PROPERTY_CDAT);
}

/* Answer one caller out of the stored table. */
static void cdat_reader_answer(CdatReader *reader, Transaction *t, bool cached, uint64_t now_usec) {
        TransactionResult result = { .cached = cached,
                                     .source = cdat_source_to_string(reader->source),
                                     .n_attempts = cached ? 0 : 1,
                                     .device_usec = cached ? 0 : reader->device_usec,
                                     .epoch = reader->epoch,
                                     .payload = reader->table.table,
                                     .n_bytes = reader->table.n_bytes };
        _cleanup_free_ uint8_t *answer = NULL;
        Failure failure;
        uint16_t handle;
        int r;

        if (cached && reader->table_mailbox)
                counters_add_cache_hit(&reader->table_mailbox->counters, DOE_VENDOR_CXL,
                                       DOE_TYPE_CXL_TABLE_ACCESS);
        if (t->kind == TRANSACTION_EXCHANGE) {
                r = table_access_request_decode(t->request, t->n_bytes, &handle);
                if (r >= 0)
                        r = table_walk_answer(&reader->table, handle, &answer, &result.n_bytes);
                if (r < 0) {
                        if (r == -ENOMEM)
                                failure_set(&failure, r, "Out of memory");
                        else
                                failure_set(&failure, -EINVAL,
                                            "The CDAT of %s has no entry handle %u; handles start at 0 and "
                                            "the next one stands in each answer",
                                            reader->device->address, handle);
                        transaction_fail(t, &failure);
                        return;
                }
                result.payload = answer;
        }
        transaction_succeed(t, &result, now_usec);
}

static void cdat_reader_end_flight(CdatReader *reader) {
        reader->flight = CDAT_FROM_NOWHERE;
        reader->mailbox = NULL;
        reader->job = NULL;
        reader->kernel_job_id = 0;
        reader->n_restarts = 0;
        reader->is_confirming = reader->is_revalidating = false;
        table_walk_done(&reader->walk);
        table_walk_init(&reader->walk);
}

/* What it was read from is not the owner any more, or there is nobody to read for. */
static void cdat_reader_drop_flight(CdatReader *reader) {
        Mailbox *mb = reader->mailbox;
        Job *job = reader->job;

        cdat_reader_end_flight(reader);
        if (job)
                mailbox_withdraw(mb, job);
}

void cdat_reader_fail(CdatReader *reader, const Failure *failure) {
        cdat_reader_drop_flight(reader);
        while (!TAILQ_EMPTY(&reader->waiters))
                transaction_fail(TAILQ_FIRST(&reader->waiters), failure);
}

/* The table in reader->walk is whole and valid: keep it and answer everybody. */
static void cdat_reader_take(CdatReader *reader, uint64_t now_usec) {
        CdatHeader header;

        table_walk_done(&reader->table);
        reader->table = reader->walk;
        table_walk_init(&reader->walk);
        reader->source = reader->flight;
        reader->table_mailbox = reader->mailbox;
        reader->epoch = reader->mailbox ? reader->mailbox->epoch : 0;
        reader->ended_usec = now_usec;
        reader->sequence = cdat_header_decode(reader->table.table, reader->table.n_bytes, &header) < 0
                                           ? 0
                                           : header.sequence;
        cdat_reader_end_flight(reader);
        cdat_reader_publish(reader);
        while (!TAILQ_EMPTY(&reader->waiters))
                cdat_reader_answer(reader, TAILQ_FIRST(&reader->waiters), /* cached= */ false, now_usec);
}

static bool cdat_reader_is_current(const CdatReader *reader) {
        switch (reader->source) {
        case CDAT_FROM_NOWHERE:
                return false;
        case CDAT_FROM_MAILBOX:
                return !reader->device->has_kernel_cdat && reader->epoch == reader->table_mailbox->epoch;
        case CDAT_FROM_KERNEL:
                return reader->device->has_kernel_cdat;
        }
        return false;
}

/* The table is still the device's: answer those who take one out of the cache. */
static void cdat_reader_confirm_table(CdatReader *reader, uint64_t now_usec) {
        Transaction *t, *next;

        reader->ended_usec = now_usec;
        reader->is_revalidating = false;
        for (t = TAILQ_FIRST(&reader->waiters); t; t = next) {
                next = TAILQ_NEXT(t, waiters);
                if (!t->options.fresh)
                        cdat_reader_answer(reader, t, /* cached= */ true, now_usec);
        }
}

/* Those for whom nothing may be read now, since somebody holds the feature, the mailbox or its registers,
 * are told so. */
static void cdat_reader_refuse_held(CdatReader *reader) {
        Transaction *t, *next;
        Failure failure;

        for (t = TAILQ_FIRST(&reader->waiters); t; t = next) {
                next = TAILQ_NEXT(t, waiters);
                if (leases_check(reader->mailbox, DOE_VENDOR_CXL, DOE_TYPE_CXL_TABLE_ACCESS, t->client,
                                 &failure) < 0)
                        transaction_fail(t, &failure);
        }
}

/* @error: what it is called if there is no end of it */
static void cdat_reader_restart(CdatReader *reader, int error, const char *why, uint64_t now_usec) {
        Failure failure;

        if (reader->n_restarts++ >= reader->device->manager->config->limits.cdat_restarts_max) {
                failure_set(&failure, error, "The CDAT of %s cannot be read in one piece: %s",
                            reader->device->address, why);
                cdat_reader_fail(reader, &failure);
                return;
        }
        table_walk_done(&reader->walk);
        table_walk_init(&reader->walk);
        reader->is_confirming = reader->is_revalidating = false;
        reader->flight_epoch = reader->mailbox->epoch;
        cdat_reader_refuse_held(reader);
        if (TAILQ_EMPTY(&reader->waiters))
                cdat_reader_end_flight(reader);
        else
                cdat_reader_ask_handle(reader, 0, now_usec);
}

static void cdat_reader_malformed(CdatReader *reader, const char *why) {
        Failure failure;

        failure_set(&failure, -EBADMSG, "The CDAT of %s is malformed: %s", reader->device->address, why);
        failure_add_string(&failure, "check", why);
        if (reader->mailbox)
                mailbox_add_fault(reader->mailbox, "bad-response", failure.text, "the table was not kept");
        cdat_reader_fail(reader, &failure);
}

/* One more answer of the device, in the epoch of the flight. */
static void cdat_reader_take_response(CdatReader *reader, const JobResult *result, uint64_t now_usec) {
        int r;

        if (reader->is_revalidating && cdat_reader_is_current(reader) &&
            table_walk_has_header(&reader->table, result->payload, result->n_bytes)) {
                cdat_reader_confirm_table(reader, now_usec);
                if (TAILQ_EMPTY(&reader->waiters)) {
                        cdat_reader_end_flight(reader);
                        return;
                }
        }
        /* the same answer is the first step of a walk: of another table, or for those who want it anew */
        reader->is_revalidating = false;
        r = reader->is_confirming ? table_walk_confirm(&reader->walk, result->payload, result->n_bytes)
                                  : table_walk_take(&reader->walk, result->payload, result->n_bytes);
        if (r < 0)
                cdat_reader_malformed(reader, r == -ENOMEM ? "out of memory" : reader->walk.error);
        else if (r == TABLE_WALK_MORE)
                cdat_reader_ask_handle(reader, reader->walk.handle, now_usec);
        else if (r == TABLE_WALK_AGAIN)
                cdat_reader_restart(reader, -EBADMSG,
                                    "length, checksum or sequence were others at the end each time",
                                    now_usec);
        else if (r == TABLE_WALK_END)
                cdat_reader_take(reader, now_usec);
        else {
                reader->is_confirming = true;
                cdat_reader_ask_handle(reader, 0, now_usec);
        }
}

static void cdat_reader_job_done(Job *job, const JobResult *result, uint64_t now_usec) {
        CdatReader *reader = job->userdata;
        Failure failure;

        reader->job = NULL;
        reader->device_usec += usec_sub(result->ended_usec, result->started_usec);
        if (result->error < 0) {
                failure_set(&failure, result->error, "Reading the CDAT of %s failed at handle %u: %s",
                            reader->device->address, reader->walk.handle, result->evidence);
                cdat_reader_fail(reader, &failure);
                return;
        }
        if (reader->walk.n_entries == 0) /* the flight may have waited for the take-over */
                reader->flight_epoch = result->epoch;
        if (reader->mailbox->epoch != reader->flight_epoch) {
                cdat_reader_restart(reader, -ECONNABORTED, "the mailbox was aborted or reset each time",
                                    now_usec);
                return;
        }
        /* what came is dropped with the flight if nobody waits for it any more */
        if (TAILQ_EMPTY(&reader->waiters)) {
                cdat_reader_end_flight(reader);
                return;
        }
        cdat_reader_take_response(reader, result, now_usec);
}

static void cdat_reader_ask_handle(CdatReader *reader, uint16_t handle, uint64_t now_usec) {
        uint8_t request[TABLE_ACCESS_REQUEST_BYTES];
        Mailbox *mb = reader->mailbox;
        Failure failure;
        int r;

        table_access_request_encode(handle, request);
        r = mailbox_submit_own(mb, DOE_VENDOR_CXL, DOE_TYPE_CXL_TABLE_ACCESS, request, sizeof(request),
                               cdat_reader_job_done, reader, now_usec, &reader->job);
        if (r < 0) {
                failure_set(&failure, r, "The CDAT of %s cannot be read: %s is %s: %s",
                            reader->device->address, mb->name, mailbox_state_to_string(mb->state),
                            mb->state_reason);
                cdat_reader_fail(reader, &failure);
        }
}

static void cdat_reader_start_kernel(CdatReader *reader) {
        Manager *m = reader->device->manager;

        reader->flight = CDAT_FROM_KERNEL;
        reader->kernel_job_id = ++m->last_job_id;
        m->link->read_kernel_cdat(m->link_userdata, reader->device, reader->kernel_job_id);
}

/* Are there mailboxes whose features may still turn out to be table access? */
static bool cdat_reader_may_hope(const CdatReader *reader) {
        const Device *d = reader->device;

        for (size_t i = 0; i < d->n_mailboxes; i++)
                if (d->mailboxes[i]->features_source == FEATURES_UNKNOWN &&
                    d->mailboxes[i]->state != MAILBOX_READ_ONLY && !mailbox_is_ready(d->mailboxes[i]))
                        return true;
        return false;
}

/* A mailbox whose discovery failed may well offer it. */
static void cdat_reader_explain_nowhere(const CdatReader *reader, Failure *ret) {
        const Device *d = reader->device;

        for (size_t i = 0; i < d->n_mailboxes; i++) {
                const Mailbox *mb = d->mailboxes[i];

                if (mb->features_source == FEATURES_UNKNOWN && mb->state == MAILBOX_READ_ONLY) {
                        failure_set(ret, -EROFS,
                                    "Where the CDAT of %s is read is not known: %s is read-only: %s",
                                    d->address, mb->name, mb->state_reason);
                        return;
                }
                if (mb->features_source != FEATURES_UNKNOWN || mb->discovery->failure.error == 0)
                        continue;
                failure_set(ret, mb->discovery->failure.error,
                            "Where the CDAT of %s is read is not known: %s", d->address,
                            mb->discovery->failure.text);
                return;
        }
        failure_set(ret, -EPROTONOSUPPORT, "No mailbox of %s offers CXL table access (1e98:02)", d->address);
}

static void cdat_reader_start_mailbox(CdatReader *reader, uint64_t now_usec) {
        /* from now on: whoever is refused may ask again at once */
        reader->flight = CDAT_FROM_MAILBOX;
        cdat_reader_refuse_held(reader);
        if (TAILQ_EMPTY(&reader->waiters)) {
                cdat_reader_end_flight(reader);
                return;
        }
        reader->flight_epoch = reader->mailbox->epoch;
        reader->is_revalidating = cdat_reader_is_current(reader);
        cdat_reader_ask_handle(reader, 0, now_usec);
}

void cdat_reader_refresh(CdatReader *reader, uint64_t now_usec) {
        Device *d = reader->device;
        Failure failure;

        if (reader->flight != CDAT_FROM_NOWHERE || TAILQ_EMPTY(&reader->waiters) || !d->is_linked)
                return;
        reader->device_usec = 0;
        if (d->has_kernel_cdat) {
                cdat_reader_start_kernel(reader);
                return;
        }
        reader->mailbox = device_find_cdat_mailbox(d);
        if (reader->mailbox) {
                cdat_reader_start_mailbox(reader, now_usec);
                return;
        }
        for (size_t i = 0; i < d->n_mailboxes; i++)
                mailbox_demand(d->mailboxes[i], now_usec);
        if (cdat_reader_may_hope(reader))
                return;
        cdat_reader_explain_nowhere(reader, &failure);
        cdat_reader_fail(reader, &failure);
}

/* How old may the table be that @t gets out of the cache? All callers share one read in fresh_interval_usec.
 */
static uint64_t cdat_reader_age_max(const CdatReader *reader, const Transaction *t) {
        const Limits *l = &reader->device->manager->config->limits;

        if (t->options.fresh)
                return l->fresh_interval_usec;
        if (reader->source == CDAT_FROM_KERNEL)
                return USEC_INFINITY;
        return MAX_OF(t->options.has_cache ? t->options.cache_usec : l->cdat_age_max_usec,
                      l->fresh_interval_usec);
}

static bool cdat_reader_may_answer(const CdatReader *reader, const Transaction *t, uint64_t now_usec) {
        if (!cdat_reader_is_current(reader))
                return false;
        /* one that is about to be known to be newer is better, and costs no more */
        if (reader->flight != CDAT_FROM_NOWHERE && t->options.fresh)
                return false;
        return now_usec < usec_add(reader->ended_usec, cdat_reader_age_max(reader, t));
}

static int fail_fresh_of_kernel(const Device *d, Failure *ret) {
        failure_set(ret, -EXDEV,
                    "The kernel holds the CDAT of %s (driver %s), and its copy is not updated at run time: "
                    "a "
                    "fresh read is not possible",
                    d->address, d->driver);
        failure_add_string(ret, "driver", d->driver);
        return ret->error;
}

void cdat_reader_ask(CdatReader *reader, Transaction *t, uint64_t now_usec) {
        Failure failure;

        if (t->options.fresh && reader->device->has_kernel_cdat) {
                fail_fresh_of_kernel(reader->device, &failure);
                transaction_fail(t, &failure);
        } else if (cdat_reader_may_answer(reader, t, now_usec)) {
                cdat_reader_answer(reader, t, /* cached= */ true, now_usec);
        } else {
                transaction_wait(t, &reader->waiters);
                cdat_reader_refresh(reader, now_usec);
        }
}

/* Is the flight of a source that is not the owner any more? */
static bool cdat_reader_flies_astray(const CdatReader *reader) {
        switch (reader->flight) {
        case CDAT_FROM_NOWHERE:
                return false;
        case CDAT_FROM_MAILBOX:
                return reader->device->has_kernel_cdat;
        case CDAT_FROM_KERNEL:
                return !reader->device->has_kernel_cdat;
        }
        return false;
}

void cdat_reader_invalidate(CdatReader *reader, const Mailbox *mb) {
        bool is_void = reader->source != CDAT_FROM_NOWHERE && !cdat_reader_is_current(reader) &&
                       (!mb || reader->table_mailbox == mb);

        /* its waiters stay, for the refresh that follows */
        if (cdat_reader_flies_astray(reader))
                cdat_reader_drop_flight(reader);
        if (is_void) {
                reader->source = CDAT_FROM_NOWHERE;
                reader->table_mailbox = NULL;
                table_walk_done(&reader->table);
                table_walk_init(&reader->table);
        }
        if (is_void || reader->was_kernels != reader->device->has_kernel_cdat)
                cdat_reader_publish(reader);
        reader->was_kernels = reader->device->has_kernel_cdat;
}

void cdat_reader_report_kernel(CdatReader *reader, uint64_t job_id, const JobResult *result,
                               uint64_t now_usec) {
        Failure failure;
        int r;

        if (reader->flight != CDAT_FROM_KERNEL || reader->kernel_job_id != job_id)
                return;
        if (result->error < 0) {
                failure_set(&failure, result->error == -ENODATA ? -EXDEV : result->error,
                            "The kernel's copy of the CDAT of %s cannot be read: %s",
                            reader->device->address, result->evidence);
                cdat_reader_fail(reader, &failure);
                return;
        }
        r = table_walk_from_table(&reader->walk, result->payload, result->n_bytes);
        if (r < 0)
                cdat_reader_malformed(reader, r == -ENOMEM ? "out of memory" : reader->walk.error);
        else
                cdat_reader_take(reader, now_usec);
}

void cdat_reader_link_lost(CdatReader *reader) {
        if (reader->flight == CDAT_FROM_KERNEL)
                cdat_reader_end_flight(reader);
}
