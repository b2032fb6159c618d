/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/core-fixture.h"

#include <check.h>

#include "protocols/cdat.h"
#include "protocols/table-access.h"

/* -------- the way down -------- */

static void link_exchange(void *userdata, Mailbox *mb, const Job *job) {
        Fixture *f = userdata;
        SentJob *s = &f->sent[f->n_sent++];

        for (SentJob *other = f->sent; other < s; other++)
                ck_assert_uint_ne(other->id, job->id);
        ck_assert(f->m->has_link && !f->m->is_suspended &&
                  (mb->is_reported_ready || mb->state == MAILBOX_UNTOUCHED)); /* there on demand */
        ck_assert(!recovery_is_resting(&mb->recovery));
        ck_assert_uint_lt(f->n_sent, FIXTURE_SENT_MAX);
        *s = (SentJob){ .id = job->id,
                        .vendor_id = job->vendor_id,
                        .type = job->type,
                        .n_bytes = job->n_bytes,
                        .priority = job->priority };
        memcpy(s->payload, job->payload, MIN_OF(job->n_bytes, sizeof(s->payload)));
}

static void link_recall(void *userdata, Mailbox *mb, uint64_t job_id) {
        Fixture *f = userdata;

        f->n_recalls++;
        f->last_recalled = job_id;
}

static void link_cancel(void *userdata, Mailbox *mb, uint64_t job_id) {
        Fixture *f = userdata;

        f->n_cancels++;
        f->last_canceled = job_id;
}

static void link_recover(void *userdata, Mailbox *mb, bool force) {
        ((Fixture *)userdata)->n_recovers++;
}

static void link_read_kernel_cdat(void *userdata, Device *d, uint64_t job_id) {
        Fixture *f = userdata;

        f->n_kernel_reads++;
        f->kernel_job = job_id;
}

static void link_rescan(void *userdata) {
        ((Fixture *)userdata)->n_rescans++;
}

static void link_inhibit(void *userdata, Mailbox *mb, uint64_t lease_id) {
        Fixture *f = userdata;

        f->n_inhibits++;
        f->is_inhibited = lease_id != 0;
        f->inhibited_for = lease_id;
}

static void link_suspend(void *userdata, bool is_suspended) {
        Fixture *f = userdata;

        f->n_suspends++;
        f->is_suspended = is_suspended;
}

static bool link_put_record(void *userdata, Device *d, const LeaseRecord *record) {
        Fixture *f = userdata;

        f->n_records_put++;
        f->record = *record;
        return true;
}

static void link_drop_record(void *userdata, Device *d, const uint8_t *digest) {
        Fixture *f = userdata;

        f->n_records_dropped++;
        memcpy(f->dropped_digest, digest, sizeof(f->dropped_digest));
}

static const Link fixture_link = {
        .exchange = link_exchange,
        .recall = link_recall,
        .cancel = link_cancel,
        .recover = link_recover,
        .read_kernel_cdat = link_read_kernel_cdat,
        .rescan = link_rescan,
        .inhibit = link_inhibit,
        .suspend = link_suspend,
        .put_record = link_put_record,
        .drop_record = link_drop_record,
};

/* -------- the way up -------- */

static void on_manager_changed(void *userdata, unsigned properties) {
}

static void on_device_added(void *userdata, Device *d) {
        Fixture *f = userdata;

        f->device = d;
        f->mb = d->mailboxes[0];
}

static void on_device_removed(void *userdata, Device *d) {
        Fixture *f = userdata;

        f->n_removed++;
        f->device = NULL;
        f->mb = NULL;
}

static void on_device_changed(void *userdata, Device *d, unsigned properties) {
        Fixture *f = userdata;

        f->n_cdat_changes += (properties & DEVICE_PROPERTY_CDAT) != 0;
}

static void on_mailbox_changed(void *userdata, Mailbox *mb, unsigned properties) {
        Fixture *f = userdata;

        f->n_state_changes += (properties & MAILBOX_PROPERTY_STATE) != 0;
        f->n_feature_changes += (properties & MAILBOX_PROPERTY_FEATURES) != 0;
}

static void on_mailbox_aborted(void *userdata, Mailbox *mb, const char *reason) {
        ((Fixture *)userdata)->n_aborted++;
}

static void on_mailbox_foreign(void *userdata, Mailbox *mb, const char *evidence) {
        ((Fixture *)userdata)->n_foreign++;
}

static void on_suspended(void *userdata) {
        ((Fixture *)userdata)->n_suspended++;
}

static void on_lease_opened(void *userdata, Lease *lease) {
        Fixture *f = userdata;

        f->n_leases_opened++;
        f->n_leases_open++;
}

static void on_lease_closed(void *userdata, Lease *lease) {
        ((Fixture *)userdata)->n_leases_open--;
}

static void on_lease_changed(void *userdata, Lease *lease) {
        ((Fixture *)userdata)->n_lease_changes++;
}

static void on_lease_denied(void *userdata, const Lease *lease, const DoeObjectHeader *header,
                            const PolicyDecision *decision, const char *why) {
        ck_assert(*why);
        ((Fixture *)userdata)->n_lease_denials++;
}

static void on_lease_destructive(void *userdata, const Lease *lease, const LeaseDestructive *sent) {
        ((Fixture *)userdata)->n_destructive++;
}

static void on_lease_halting(void *userdata, const Lease *lease) {
        ((Fixture *)userdata)->n_halting++;
}

static void on_mailbox_not_halted(void *userdata, Mailbox *mb, const char *why) {
        ((Fixture *)userdata)->n_not_halted++;
}

static const Observer fixture_observer = {
        .suspended = on_suspended,
        .manager_changed = on_manager_changed,
        .device_added = on_device_added,
        .device_removed = on_device_removed,
        .device_changed = on_device_changed,
        .mailbox_changed = on_mailbox_changed,
        .lease_opened = on_lease_opened,
        .lease_closed = on_lease_closed,
        .lease_changed = on_lease_changed,
        .lease_denied = on_lease_denied,
        .lease_destructive = on_lease_destructive,
        .lease_halting = on_lease_halting,
        .mailbox_not_halted = on_mailbox_not_halted,
        .mailbox_aborted = on_mailbox_aborted,
        .mailbox_foreign = on_mailbox_foreign,
};

/* -------- setting up -------- */

Fixture *fixture_new_empty(void) {
        static const char *const no_folders[] = { NULL };
        const ConfigPlaces places = { .folders = no_folders };
        Config *config;

        ck_assert_int_eq(config_load(&places, &config), 0);
        return fixture_new_configured(config);
}

Fixture *fixture_new_configured(Config *config) {
        static const DoeDiscoveryEntry features[] = {
                { .vendor_id = 0x0001, .type = 0x00 },
                { .vendor_id = 0x1e98, .type = 0x02 },
                { .vendor_id = 0x1234, .type = 0x01 },
        };
        static const gid_t no_groups[] = { 1000 };
        const Policy policy = { .owner_uid = 990, .has_group = true, .group_gid = 700 };
        Fixture *f = calloc(1, sizeof(*f));

        ck_assert_ptr_nonnull(f);
        f->now_usec = USEC_PER_SEC;
        ck_assert_int_eq(manager_new(&fixture_observer, f, &fixture_link, f, &policy, config, &f->m), 0);
        ck_assert_int_eq(client_new(f->m, ":1.1", 0, NULL, 0, &f->root), 0);
        ck_assert_int_eq(client_new(f->m, ":1.2", 0, NULL, 0, &f->other), 0);
        ck_assert_int_eq(client_new(f->m, ":1.3", 1000, no_groups, 1, &f->agent), 0);
        f->features = features;
        f->n_features = ELEMENTS(features);
        return f;
}

Fixture *fixture_new(void) {
        Fixture *f = fixture_new_empty();

        fixture_report_device(f, "1", false);
        fixture_ready(f, 1);
        fixture_serve(f);
        ck_assert_int_eq(f->mb->state, MAILBOX_IDLE);
        ck_assert_uint_eq(f->mb->n_features, 3);
        return f;
}

Fixture *fixture_free(Fixture *f) {
        manager_stop(f->m, "the test is over", f->now_usec);
        manager_free(f->m);
        free(f);
        return NULL;
}

void fixture_report_device(Fixture *f, const char *instance, bool has_kernel_cdat) {
        static const struct DeviceMailboxInfo mailboxes[] = { { FIXTURE_OFFSET, 1 } };
        const DeviceInfo info = { .address = FIXTURE_ADDRESS,
                                  .instance = instance,
                                  .name = "A device",
                                  .vendor_id = 0x1e98,
                                  .device_id = 0xd0e0,
                                  .class_code = 0x050210,
                                  .driver = has_kernel_cdat ? "cxl_pci" : "",
                                  .access = "read-write",
                                  .cxl_memory = "",
                                  .cxl_port = "",
                                  .spdm_owner = "",
                                  .has_kernel_cdat = has_kernel_cdat,
                                  .mailboxes = mailboxes,
                                  .n_mailboxes = 1 };
        Device *d;

        if (!f->m->has_link)
                manager_link_up(f->m, "none", f->now_usec);
        ck_assert_int_eq(manager_report_device(f->m, &info, f->now_usec, &d), 0);
        manager_report_enumerated(f->m, f->now_usec);
}

void fixture_ready(Fixture *f, uint64_t epoch) {
        mailbox_report_state(f->mb, MAILBOX_IDLE, epoch, "", f->now_usec);
}

void fixture_state(Fixture *f, MailboxState state, const char *reason) {
        mailbox_report_state(f->mb, state, f->mb->epoch, reason, f->now_usec);
}

void fixture_advance(Fixture *f, uint64_t usec) {
        uint64_t end_usec = f->now_usec + usec;

        while (manager_next_due(f->m) <= end_usec) {
                f->now_usec = MAX_OF(f->now_usec, manager_next_due(f->m));
                manager_dispatch(f->m, f->now_usec);
        }
        f->now_usec = end_usec;
}

/* -------- answering -------- */

static bool is_pending(const Fixture *f, uint64_t id) {
        return f->mb &&
               ((f->mb->running && f->mb->running->id == id) || (f->mb->staged && f->mb->staged->id == id));
}

static const SentJob *find_pending(const Fixture *f) {
        for (size_t i = 0; i < f->n_sent; i++)
                if (is_pending(f, f->sent[i].id))
                        return &f->sent[i];
        return NULL;
}

bool fixture_has_pending(const Fixture *f) {
        return find_pending(f);
}

const SentJob *fixture_pending(Fixture *f) {
        const SentJob *s = find_pending(f);

        ck_assert_ptr_nonnull(s);
        return s;
}

void fixture_started(Fixture *f, uint64_t id) {
        mailbox_report_started(f->mb, id, f->now_usec);
}

static void report_done(Fixture *f, uint64_t id, JobResult *result) {
        fixture_started(f, id);
        result->started_usec = f->now_usec;
        result->ended_usec = f->now_usec;
        result->epoch = f->mb->epoch;
        mailbox_report_done(f->mb, id, result, f->now_usec);
}

void fixture_answer(Fixture *f, uint64_t id, const void *payload, size_t n_bytes) {
        JobResult result = { .payload = payload, .n_bytes = n_bytes, .evidence = "" };

        report_done(f, id, &result);
}

void fixture_fail(Fixture *f, uint64_t id, int error, const char *evidence) {
        JobResult result = { .error = error, .evidence = evidence };

        report_done(f, id, &result);
}

static size_t serve_discovery(const Fixture *f, const SentJob *s, uint8_t *response) {
        uint8_t index = s->payload[0];

        ck_assert_uint_lt(index, f->n_features);
        return doe_discovery_response_encode(&f->features[index],
                                             index + 1u < f->n_features ? (uint8_t)(index + 1) : 0,
                                             response);
}

/* Two entries: the header and one DSMAS. */
static size_t serve_table(const Fixture *f, const SentJob *s, uint8_t *response) {
        DoeWriter w = DOE_WRITER(response, 64);
        uint16_t handle;

        ck_assert_int_eq(table_access_request_decode(s->payload, s->n_bytes, &handle), 0);
        ck_assert_uint_lt(handle, 2);
        doe_write_u8(&w, TABLE_ACCESS_CODE_READ);
        doe_write_u8(&w, TABLE_ACCESS_TYPE_CDAT);
        doe_write_le16(&w, handle == 0 ? 1 : TABLE_ACCESS_HANDLE_LAST);
        if (handle == 0)
                doe_write_bytes(&w, f->table, CDAT_HEADER_BYTES);
        else
                doe_write_bytes(&w, f->table + CDAT_HEADER_BYTES, f->n_table_bytes - CDAT_HEADER_BYTES);
        return w.n_written;
}

void fixture_serve(Fixture *f) {
        const SentJob *s;

        while ((s = find_pending(f))) {
                SentJob job = *s;
                uint8_t response[64];
                size_t n_bytes;

                if (job.vendor_id == 0x0001)
                        n_bytes = serve_discovery(f, &job, response);
                else if (job.vendor_id == 0x1e98)
                        n_bytes = serve_table(f, &job, response);
                else {
                        n_bytes = job.n_bytes;
                        memcpy(response, job.payload, n_bytes);
                }
                fixture_answer(f, job.id, response, n_bytes);
        }
}

/* -------- calling -------- */

static void on_answer(void *userdata, const TransactionResult *result) {
        Answer *a = userdata;

        a->n_times++;
        if (result->failure) {
                a->error = result->failure->error;
                snprintf(a->text, sizeof(a->text), "%s", result->failure->text);
                a->n_values = result->failure->n_values;
                memcpy(a->values, result->failure->values, sizeof(a->values));
                return;
        }
        a->error = 0;
        ck_assert_uint_le(result->n_bytes, sizeof(a->payload));
        a->n_bytes = result->n_bytes;
        if (result->n_bytes > 0)
                memcpy(a->payload, result->payload, result->n_bytes);
        a->cached = result->cached;
        snprintf(a->source, sizeof(a->source), "%s", result->source ?: "");
        a->n_attempts = result->n_attempts;
        a->epoch = result->epoch;
        a->priority = result->priority;
        a->lease = result->lease;
        a->queued_usec = result->queued_usec;
        a->device_usec = result->device_usec;
}

TransactionDone fixture_on_answer(void) {
        return on_answer;
}

void fixture_judge(const Fixture *f, const Client *c, uint16_t vendor_id, uint8_t type, const void *request,
                   size_t n_bytes, bool in_lease, PolicyDecision *ret) {
        const PolicyCaller caller = { .uid = c->uid, .gids = c->gids, .n_gids = c->n_gids };
        DoeJudgement judgement;
        const PolicyRequest what = { .device = f->device,
                                     .vendor_id = vendor_id,
                                     .type = type,
                                     .judgement = &judgement,
                                     .in_lease = in_lease };

        doe_feature_judge(vendor_id, type, request, n_bytes, &judgement);
        policy_judge_request(&f->m->policy, &caller, &what, ret);
}

void fixture_exchange(Fixture *f, Client *c, uint16_t vendor_id, uint8_t type, const void *request,
                      size_t n_bytes, const TransactionOptions *options, Answer *ret) {
        static const TransactionOptions defaults = { .priority = JOB_NORMAL };
        PolicyDecision decision;

        *ret = (Answer){};
        fixture_judge(f, f->root, vendor_id, type, request, n_bytes, /* in_lease= */ false, &decision);
        transaction_exchange(c, f->mb, vendor_id, type, request, n_bytes, &decision, options ?: &defaults,
                             f->now_usec, on_answer, ret);
}

void fixture_echo(Fixture *f, Client *c, const char *text, const TransactionOptions *options, Answer *ret) {
        fixture_exchange(f, c, 0x1234, 0x01, text, strlen(text), options, ret);
}

void fixture_cdat(Fixture *f, Client *c, bool fresh, Answer *ret) {
        const TransactionOptions options = { .priority = JOB_NORMAL, .fresh = fresh };

        *ret = (Answer){};
        transaction_cdat(c, f->device, &options, f->now_usec, on_answer, ret);
}

size_t fixture_make_table(uint8_t table[40], uint32_t sequence) {
        DoeWriter w = DOE_WRITER(table, 40);
        uint8_t sum = 0;

        doe_write_le32(&w, 40);
        doe_write_u8(&w, 1);
        doe_write_u8(&w, 0);
        doe_write_zeros(&w, 6);
        doe_write_le32(&w, sequence);
        doe_write_u8(&w, CDAT_DSMAS);
        doe_write_u8(&w, 0);
        doe_write_le16(&w, 24);
        doe_write_u8(&w, 0);
        doe_write_u8(&w, 0);
        doe_write_le16(&w, 0);
        doe_write_le64(&w, 0);
        doe_write_le64(&w, 0x10000000);
        for (size_t i = 0; i < 40; i++)
                sum = (uint8_t)(sum + table[i]);
        table[5] = (uint8_t)-sum;
        return 40;
}
