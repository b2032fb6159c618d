/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/lease-fixture.h"

#include <check.h>

#include "daemon/config/loader.h"

static const char rules_of_all[] = "[Rule people]\n"
                                   "User=2001 2002\n"
                                   "Feature=0001:01 0001:03\n"
                                   "Class=connection\n"
                                   "Verdict=allow\n"
                                   "[Rule people-echo]\n"
                                   "User=2001 2002\n"
                                   "Feature=1234:01 1234:02\n"
                                   "Verdict=allow\n";

/* -------- the stream -------- */

static void holder_send(void *userdata, const uint8_t *object, size_t n_bytes) {
        Holder *h = userdata;
        GotObject *got = &h->objects[h->n_objects++];
        DoeReader r = DOE_READER(object, n_bytes);
        uint32_t dw0 = doe_read_le32(&r), dw1 = doe_read_le32(&r);

        ck_assert_uint_lt(h->n_objects, HOLDER_OBJECTS_MAX);
        ck_assert_uint_eq(h->n_ends, 0);
        *got = (GotObject){};
        ck_assert_int_eq(doe_object_header_decode(dw0, dw1, &got->header), 0);
        ck_assert_uint_eq(4 * (size_t)got->header.n_dwords, n_bytes);
        ck_assert(!got->header.reserved_set);
        got->n_bytes = r.n_left;
        ck_assert_uint_le(got->n_bytes, sizeof(got->payload));
        if (r.n_left > 0)
                memcpy(got->payload, r.p, r.n_left);
        if (got->header.vendor_id != LEASE_ERROR_VENDOR || got->header.type != LEASE_ERROR_TYPE)
                return;
        got->error = (int)doe_read_le32(&r);
        got->flags = doe_read_le32(&r);
        memcpy(got->text, r.p, r.n_left);
}

static void holder_resume(void *userdata) {
        ((Holder *)userdata)->n_resumes++;
}

static void holder_end(void *userdata) {
        Holder *h = userdata;

        h->n_ends++;
        ck_assert_uint_eq(h->n_ends, 1);
        h->lease = NULL;
}

static const LeaseStreamOps holder_ops = {
        .send = holder_send,
        .resume = holder_resume,
        .end = holder_end,
};

/* -------- setting up -------- */

static Config *make_config(const char *rules) {
        ConfigLoader l;
        Config *config = NULL;

        ck_assert_int_eq(loader_init(&l), 0);
        if (rules)
                ck_assert_int_eq(loader_read(&l, "test.conf", rules, strlen(rules)), 0);
        ck_assert_int_eq(loader_read(&l, "people.conf", rules_of_all, strlen(rules_of_all)), 0);
        ck_assert_int_eq(loader_finish(&l, &config), 0);
        loader_done(&l);
        return config;
}

static void report_device(LeaseFixture *f) {
        static const struct DeviceMailboxInfo mailboxes[] = { { A_OFFSET, 2 }, { B_OFFSET, 2 } };
        const DeviceInfo info = { .address = FIXTURE_ADDRESS,
                                  .instance = "1",
                                  .name = "A device",
                                  .driver = "",
                                  .access = "read-write",
                                  .cxl_memory = "",
                                  .cxl_port = "",
                                  .spdm_owner = "",
                                  .mailboxes = mailboxes,
                                  .n_mailboxes = ELEMENTS(mailboxes) };
        Device *d;

        manager_link_up(f->f->m, "none", f->f->now_usec);
        ck_assert_int_eq(manager_report_device(f->f->m, &info, f->f->now_usec, &d), 0);
        manager_report_enumerated(f->f->m, f->f->now_usec);
        f->a = d->mailboxes[0];
        f->b = d->mailboxes[1];
}

LeaseFixture *lease_fixture_new_silent(const char *rules) {
        LeaseFixture *f = calloc(1, sizeof(*f));
        Manager *m;

        ck_assert_ptr_nonnull(f);
        f->f = fixture_new_configured(make_config(rules));
        m = f->f->m;
        f->root = f->f->root;
        ck_assert_int_eq(client_new(m, ":1.21", 2001, NULL, 0, &f->alice), 0);
        ck_assert_int_eq(client_new(m, ":1.22", 2001, NULL, 0, &f->al), 0);
        ck_assert_int_eq(client_new(m, ":1.23", 2002, NULL, 0, &f->bob), 0);
        ck_assert_int_eq(client_new(m, ":1.24", 2003, NULL, 0, &f->eve), 0);
        f->alice->pid = 4711;
        f->alice->unit = strdup("agent.service");
        report_device(f);
        return f;
}

void mailbox_come_up(LeaseFixture *f, Mailbox *mb, uint64_t epoch) {
        static const DoeDiscoveryEntry of_a[] = {
                { .vendor_id = 0x0001, .type = 0x00 },
                { .vendor_id = 0x0001, .type = 0x01 },
                { .vendor_id = 0x0001, .type = 0x03, .has_limits = true, .connection_id_max = 2 },
                { .vendor_id = 0x1e98, .type = 0x00 },
                { .vendor_id = 0x1234, .type = 0x01, .has_limits = true, .n_dwords_max = 16 },
                { .vendor_id = 0x1234, .type = 0x02 },
        };
        static const DoeDiscoveryEntry of_b[] = {
                { .vendor_id = 0x0001, .type = 0x00 },
                { .vendor_id = 0x0001, .type = 0x02 },
                { .vendor_id = 0x1234, .type = 0x01 },
        };
        const DoeDiscoveryEntry *entries = mb == f->a ? of_a : of_b;
        size_t n = mb == f->a ? ELEMENTS(of_a) : ELEMENTS(of_b);
        uint8_t response[DOE_DISCOVERY_RESPONSE_BYTES_MAX];

        mailbox_report_state(mb, MAILBOX_IDLE, epoch, "", f->f->now_usec);
        while (mb->running && mb->running->vendor_id == DOE_VENDOR_PCI_SIG &&
               mb->running->type == DOE_TYPE_DISCOVERY) {
                uint8_t index = mb->running->payload[0];
                size_t n_bytes = doe_discovery_response_encode(
                                &entries[index], index + 1u < n ? (uint8_t)(index + 1) : 0, response);

                answer(f, mb, response, n_bytes);
        }
        ck_assert_uint_eq(mb->n_features, n);
        pass(f, 0);
}

LeaseFixture *lease_fixture_new(const char *rules) {
        LeaseFixture *f = lease_fixture_new_silent(rules);

        mailbox_come_up(f, f->a, 1);
        mailbox_come_up(f, f->b, 1);
        return f;
}

LeaseFixture *lease_fixture_free(LeaseFixture *f) {
        fixture_free(f->f);
        free(f);
        return NULL;
}

/* -------- asking -------- */

static void on_answer(void *userdata, const TransactionResult *result) {
        Holder *h = userdata;

        h->n_answers++;
        if (result->failure) {
                h->error = result->failure->error;
                h->n_values = result->failure->n_values;
                memcpy(h->text, result->failure->text, sizeof(h->text));
                memcpy(h->values, result->failure->values, sizeof(h->values));
                return;
        }
        h->error = 0;
        h->lease = result->lease;
        h->epoch = result->epoch;
        memcpy(h->token, result->lease->token, sizeof(h->token));
        lease_attach(h->lease, &holder_ops, h, 0);
}

LeaseOptions lease_options(LeaseScope scope) {
        return (LeaseOptions){ .scope = scope };
}

void ask_for(LeaseFixture *f, Client *c, Mailbox *mb, uint16_t vendor_id, uint8_t type,
             const LeaseOptions *options, uint64_t timeout_usec, Holder *ret) {
        const TransactionOptions call = { .timeout_usec = timeout_usec };
        PolicyDecision decision;

        *ret = (Holder){};
        fixture_judge(f->f, c, vendor_id, type, NULL, 0, /* in_lease= */ true, &decision);
        lease_ask(c, mb, vendor_id, type, options, &decision, &call, f->f->now_usec, on_answer, ret);
}

void ask(LeaseFixture *f, Client *c, Mailbox *mb, uint16_t vendor_id, uint8_t type,
         const LeaseOptions *options, Holder *ret) {
        ask_for(f, c, mb, vendor_id, type, options, 500 * USEC_PER_SEC, ret);
}

void hold(LeaseFixture *f, Client *c, Mailbox *mb, uint16_t vendor_id, uint8_t type, Holder *ret) {
        const LeaseOptions options = lease_options(LEASE_SCOPE_FEATURE);

        ask(f, c, mb, vendor_id, type, &options, ret);
        ck_assert_int_eq(ret->error, 0);
        ck_assert_ptr_nonnull(ret->lease);
}

void wait_for(LeaseFixture *f, Client *c, Mailbox *mb, uint16_t vendor_id, uint8_t type, Holder *ret) {
        const LeaseOptions options = { .scope = LEASE_SCOPE_FEATURE, .wait = true };

        ask(f, c, mb, vendor_id, type, &options, ret);
}

static const FailureValue *find_value(const Holder *h, const char *name) {
        for (unsigned i = 0; i < h->n_values; i++)
                if (strcmp(h->values[i].name, name) == 0)
                        return &h->values[i];
        return NULL;
}

bool holder_has_value(const Holder *h, const char *name) {
        return find_value(h, name);
}

uint64_t holder_value(const Holder *h, const char *name) {
        const FailureValue *value = find_value(h, name);

        ck_assert_ptr_nonnull(value);
        return value->number;
}

/* -------- talking -------- */

void say_header(LeaseFixture *f, Holder *h, const DoeObjectHeader *header, const void *payload,
                size_t n_bytes) {
        ck_assert_ptr_nonnull(h->lease);
        lease_receive(h->lease, header, payload, n_bytes, f->f->now_usec);
}

void say(LeaseFixture *f, Holder *h, uint16_t vendor_id, uint8_t type, const void *payload, size_t n_bytes) {
        const DoeObjectHeader header = { .vendor_id = vendor_id,
                                         .type = type,
                                         .n_dwords = doe_object_dwords(n_bytes) };

        say_header(f, h, &header, payload, n_bytes);
}

void say_spdm(LeaseFixture *f, Holder *h, uint8_t code) {
        const uint8_t message[] = { 0x12, code, 0, 0 };

        say(f, h, SPDM, message, sizeof(message));
}

void say_hello(LeaseFixture *f, Holder *h) {
        say_spdm(f, h, SPDM_CODE_GET_VERSION);
        answer_spdm(f, h->lease->mailbox, 0x04);
        ck_assert_int_eq(last_object(h)->error, 0);
}

const GotObject *last_object(const Holder *h) {
        ck_assert_uint_gt(h->n_objects, 0);
        return &h->objects[h->n_objects - 1];
}

void expect_error(const Holder *h, int error, uint32_t flags) {
        const GotObject *got = last_object(h);

        ck_assert_msg(got->error == error && got->flags == flags, "got %d flags %x: %s", got->error,
                      got->flags, got->text);
}

void expect_nothing_after(const Holder *h, size_t n_objects) {
        ck_assert_uint_eq(h->n_objects, n_objects);
}

/* -------- the device -------- */

const Job *running_job(const Mailbox *mb) {
        ck_assert_ptr_nonnull(mb->running);
        return mb->running;
}

void start(LeaseFixture *f, Mailbox *mb) {
        mailbox_report_started(mb, running_job(mb)->id, f->f->now_usec);
}

void answer(LeaseFixture *f, Mailbox *mb, const void *payload, size_t n_bytes) {
        const JobResult result = { .started_usec = f->f->now_usec,
                                   .ended_usec = f->f->now_usec,
                                   .epoch = mb->epoch,
                                   .evidence = "",
                                   .payload = payload,
                                   .n_bytes = n_bytes };

        start(f, mb);
        mailbox_report_done(mb, running_job(mb)->id, &result, f->f->now_usec);
}

void answer_echo(LeaseFixture *f, Mailbox *mb) {
        uint8_t payload[64];
        size_t n_bytes = running_job(mb)->n_bytes;

        ck_assert_uint_le(n_bytes, sizeof(payload));
        memcpy(payload, mb->running->payload, n_bytes);
        answer(f, mb, payload, n_bytes);
}

void answer_spdm(LeaseFixture *f, Mailbox *mb, uint8_t code) {
        const uint8_t message[] = { 0x12, code, 0, 0 };

        answer(f, mb, message, sizeof(message));
}

void fail_job(LeaseFixture *f, Mailbox *mb, int error, bool not_started, const char *evidence) {
        const JobResult result = { .error = error,
                                   .not_started = not_started,
                                   .started_usec = not_started ? 0 : f->f->now_usec,
                                   .ended_usec = not_started ? 0 : f->f->now_usec,
                                   .evidence = evidence };

        if (!not_started)
                start(f, mb);
        mailbox_report_done(mb, running_job(mb)->id, &result, f->f->now_usec);
}

void pass(LeaseFixture *f, uint64_t usec) {
        fixture_advance(f->f, usec);
}
