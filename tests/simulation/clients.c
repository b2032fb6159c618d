/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Clients of several users that come, call, change their minds and go. */

#include <errno.h>
#include <inttypes.h>

#include "daemon/core/transaction.h"
#include "protocols/discovery.h"
#include "protocols/feature.h"
#include "protocols/table-access.h"
#include "tests/simulation/simulation.h"

#define PARALLEL_MAX 6u
#define PROBE_USEC   (200 * USEC_PER_SEC) /* an endless discovery chain has 256 entries */

static const unsigned kind_weights[N_SIM_CALL_KINDS] = {
        [CALL_ECHO] = 692,    [CALL_COUNT] = 90,  [CALL_INDEX] = 60, [CALL_HANDLE] = 70, [CALL_TABLE] = 50,
        [CALL_DISCOVER] = 20, [CALL_RECOVER] = 6, [CALL_RESCAN] = 4, [CALL_LEASE] = 6,   [CALL_INHIBIT] = 2,
};

/* -------- calls -------- */

SimCall *clients_find_call(Sim *sim, uint64_t number) {
        SimCall *call = number > 0 ? &sim->calls[number % sim->n_call_places] : NULL;

        return call && call->number == number ? call : NULL;
}

SimCall *clients_call_of_job(const Job *job) {
        return job->client && job->userdata ? ((const Transaction *)job->userdata)->userdata : NULL;
}

static void on_late(Timer *timer, void *userdata, uint64_t now_usec) {
        SimCall *call = userdata;

        sim_violation(call->client->sim, call->mailbox,
                      "call %" PRIu64 " of kind %d is not answered %" PRIu64 " us after its deadline",
                      call->number, (int)call->kind, now_usec - call->deadline_usec);
}

/* There are four times as many places as calls; the number finds the place. */
static SimCall *take_call(SimClient *client) {
        Sim *sim = client->sim;
        SimCall *call;

        do
                call = &sim->calls[++sim->n_calls_made % sim->n_call_places];
        while (call->number != 0);
        *call = (SimCall){ .number = sim->n_calls_made, .client = client, .issued_usec = sim->now_usec };
        call->late_timer = (Timer){ .fn = on_late, .userdata = call };
        TAILQ_INSERT_TAIL(&client->calls, call, calls);
        client->n_calls++;
        sim->statistics.n_calls++;
        return call;
}

static void drop_call(SimCall *call) {
        SimClient *client = call->client;

        timer_disarm(&client->sim->events, &call->late_timer);
        TAILQ_REMOVE(&client->calls, call, calls);
        client->n_calls--;
        if (call->lease)
                leases_refused(call->lease, -ECANCELED);
        call->number = 0;
}

static void on_answer(void *userdata, const TransactionResult *result) {
        SimCall *call = userdata;
        SimLease *sl = call->lease;

        if (call->number == 0)
                abort(); /* answered twice, or after it was given up */
        answer_check(call, result);
        call->lease = NULL;
        drop_call(call);
        if (!sl)
                return;
        sl->is_asking = false;
        if (result->failure)
                leases_refused(sl, result->failure->error);
        else
                leases_opened(sl, result->lease);
}

static SimCallKind pick_kind(Sim *sim) {
        uint64_t n = sim_between(sim, 0, 999);

        for (int i = 0; i < N_SIM_CALL_KINDS; i++) {
                if (n < kind_weights[i])
                        return (SimCallKind)i;
                n -= kind_weights[i];
        }
        return CALL_ECHO;
}

/* From a millisecond to 20 s, short ones as often as long ones. */
static uint64_t pick_timeout(Sim *sim) {
        static const uint64_t scales_usec[] = { 1000, 10000, 100000, 1000000, 5000000, 20000000, 20000000 };

        return sim_between(sim, 1000, scales_usec[sim_between(sim, 0, ELEMENTS(scales_usec) - 1)]);
}

static JobPriority pick_priority(Sim *sim) {
        uint64_t n = sim_between(sim, 0, 99);

        return n < 10 ? JOB_URGENT : n < 65 ? JOB_NORMAL : JOB_BACKGROUND;
}

static size_t pick_bytes(Sim *sim) {
        uint64_t n = sim_between(sim, 0, 99999);

        if (n < 5)
                return DOE_PAYLOAD_BYTES_MAX;
        if (n < 300)
                return sim_between(sim, 8, 16384);
        return n < 8000 ? sim_between(sim, 8, 1024) : sim_between(sim, 8, 40);
}

static TransactionOptions pick_options(SimCall *call, const Mailbox *mb) {
        Sim *sim = call->client->sim;
        TransactionOptions o = { .timeout_usec = pick_timeout(sim),
                                 .priority = pick_priority(sim),
                                 .fresh = sim_chance(sim, 100000),
                                 .has_cookie = sim_chance(sim, 300000),
                                 .cookie = call->number };

        /* an answer that is too large for its caller costs an abort */
        if (sim_chance(sim, 20000) && call->kind == CALL_ECHO && !call->device->is_calm) {
                o.has_max_response = true;
                o.max_response_bytes = (uint32_t)sim_between(sim, 8, 64);
        }
        if (call->n_bytes > 16384) {
                o.has_max_response = sim_chance(sim, 700000);
                o.max_response_bytes = DOE_OBJECT_BYTES_MAX;
        }
        if (mb && sim_chance(sim, 50000)) {
                o.has_epoch = true;
                o.epoch = sim_chance(sim, 900000) ? mb->epoch : mb->epoch + 1;
        }
        if (sim_chance(sim, 100000))
                o.timeout_usec = 0;
        call->cookie = o.has_cookie ? o.cookie : 0;
        call->epoch = o.has_epoch ? o.epoch : 0;
        call->is_fresh = o.fresh;
        call->has_bound = o.has_max_response;
        call->deadline_usec = sim->now_usec +
                              (o.timeout_usec ?: sim->manager->config->limits.timeout_default_usec);
        sim_arm(sim, &call->late_timer, call->deadline_usec + SIM_ANSWER_USEC);
        return o;
}

/* Of a call that must succeed. */
static TransactionOptions make_probe_options(SimCall *call) {
        Sim *sim = call->client->sim;

        call->cookie = call->epoch = 0;
        call->is_fresh = call->has_bound = false;
        call->deadline_usec = sim->now_usec + PROBE_USEC;
        sim_arm(sim, &call->late_timer, call->deadline_usec + SIM_ANSWER_USEC);
        return (TransactionOptions){ .priority = JOB_NORMAL, .timeout_usec = PROBE_USEC };
}

/* Everybody may everything here but in a lease: that is what the rules' own tests are for. */
static void judge(const Client *c, Mailbox *mb, uint16_t vendor_id, uint8_t type, const uint8_t *request,
                  size_t n_bytes, PolicyDecision *ret) {
        const PolicyCaller caller = { .uid = c->uid, .gids = c->gids, .n_gids = c->n_gids };
        DoeJudgement judgement;

        doe_feature_judge(vendor_id, type, request, n_bytes, &judgement);
        policy_judge_request(&c->manager->policy, &caller,
                             &(PolicyRequest){ .device = mb->device,
                                               .vendor_id = vendor_id,
                                               .type = type,
                                               .judgement = &judgement },
                             ret);
        ret->effects.priority_max = JOB_URGENT;
}

static void exchange(SimCall *call, Mailbox *mb, uint16_t vendor_id, uint8_t type, const uint8_t *request,
                     size_t n_bytes) {
        Sim *sim = call->client->sim;
        TransactionOptions o = pick_options(call, mb);
        PolicyDecision decision;

        if (call->is_probe)
                o = make_probe_options(call);
        sim_trace(call->mailbox, sim->now_usec, TRACE_CALL, call->number, call->kind,
                  call->deadline_usec - sim->now_usec, job_priority_to_string(o.priority));
        judge(call->client->client, mb, vendor_id, type, request, n_bytes, &decision);
        transaction_exchange(call->client->client, mb, vendor_id, type, request, n_bytes, &decision, &o,
                             sim->now_usec, on_answer, call);
}

static void call_echo(SimCall *call, Mailbox *mb) {
        _cleanup_free_ uint8_t *request = NULL;

        call->n_bytes = call->is_probe ? 40 : pick_bytes(call->client->sim);
        request = malloc(call->n_bytes + 4);
        if (!request)
                abort();
        answer_make_echo(call, request);
        exchange(call, mb, 0x1234, 0x01, request, call->n_bytes);
}

static void call_with_dword(SimCall *call, Mailbox *mb) {
        Sim *sim = call->client->sim;
        SimDevice *dev = call->device;
        uint8_t request[4];

        switch ((int)call->kind) {
        case CALL_COUNT:
                call->value = (uint32_t)sim_between(sim, 0, sim_chance(sim, 10000) ? 30000 : 60);
                request[0] = (uint8_t)call->value;
                request[1] = (uint8_t)(call->value >> 8);
                request[2] = request[3] = 0;
                exchange(call, mb, 0x1234, 0x02, request, sizeof(request));
                return;
        case CALL_INDEX:
                call->value = (uint32_t)sim_between(sim, 0, call->mailbox->settings->n_features);
                doe_discovery_request_encode((uint8_t)call->value,
                                             doe_discovery_version(call->mailbox->settings->cap_version),
                                             request);
                exchange(call, mb, DOE_VENDOR_PCI_SIG, DOE_TYPE_DISCOVERY, request, sizeof(request));
                return;
        default:
                call->value = (uint32_t)sim_between(sim, 0, dev->n_table_bytes / 16);
                table_access_request_encode((uint16_t)call->value, request);
                exchange(call, mb, DOE_VENDOR_CXL, DOE_TYPE_CXL_TABLE_ACCESS, request, sizeof(request));
                return;
        }
}

static void call_other(SimCall *call, Device *d, Mailbox *mb) {
        Sim *sim = call->client->sim;
        TransactionOptions o = pick_options(call, NULL);
        Client *c = call->client->client;

        if (call->is_probe)
                o = make_probe_options(call);
        sim_trace(call->mailbox ?: &call->device->mailboxes[0], sim->now_usec, TRACE_CALL, call->number,
                  call->kind, call->deadline_usec - sim->now_usec, NULL);
        switch ((int)call->kind) {
        case CALL_TABLE:
                transaction_cdat(c, d, &o, sim->now_usec, on_answer, call);
                return;
        case CALL_DISCOVER:
                transaction_discover(c, mb, &o, sim->now_usec, on_answer, call);
                return;
        case CALL_RECOVER:
                o.force = sim_chance(sim, 300000) && !call->device->is_calm;
                transaction_recover(c, mb, &o, sim->now_usec, on_answer, call);
                return;
        default:
                transaction_rescan(c, &o, sim->now_usec, on_answer, call);
                return;
        }
}

/* A feature of it at random, SPDM where it has that. */
static const ModelFeature *pick_feature(Sim *sim, const SimMailbox *sm) {
        const ModelMailboxSettings *s = sm->settings;

        return &s->features[sim_between(sim, 1, s->n_features - 1)];
}

static LeaseOptions pick_lease_options(Sim *sim, const SimLease *sl) {
        LeaseOptions o = { .scope = sl->scope, .wait = sim_chance(sim, 600000), .has_token = sl->has_token };

        memcpy(o.token, sl->token, sizeof(o.token));
        if (sim_chance(sim, 200000))
                o.idle_usec = sim_between(sim, 1000, 60 * USEC_PER_SEC);
        if (sim_chance(sim, 200000))
                o.request_usec = sim_between(sim, 1000, 30 * USEC_PER_SEC);
        if (sl->scope == LEASE_SCOPE_REGISTERS) {
                o.why = "a tool wants them";
                o.force = sim_chance(sim, 200000);
        }
        return o;
}

static void call_lease(SimCall *call, Mailbox *mb) {
        Sim *sim = call->client->sim;
        SimLease *sl = call->lease;
        TransactionOptions o = pick_options(call, mb);
        LeaseOptions lo = pick_lease_options(sim, sl);
        PolicyDecision decision;

        o.has_epoch = false;
        call->epoch = 0;
        sl->is_asking = true;
        sim_trace(call->mailbox, sim->now_usec, TRACE_CALL, call->number, call->kind,
                  call->deadline_usec - sim->now_usec, sl->has_token ? "resume" : NULL);
        judge(call->client->client, mb, sl->vendor_id, sl->type, NULL, 0, &decision);
        lease_ask(call->client->client, mb, sl->vendor_id, sl->type, &lo, &decision, &o, sim->now_usec,
                  on_answer, call);
}

static SimLease *make_lease(SimCall *call) {
        Sim *sim = call->client->sim;
        const ModelFeature *f = pick_feature(sim, call->mailbox);

        if (call->kind == CALL_INHIBIT)
                return leases_new(sim, call->mailbox, LEASE_SCOPE_REGISTERS, 0, 0);
        /* what is encrypted in no session is discarded, which takes a second and an abort */
        if (f->vendor_id == DOE_VENDOR_PCI_SIG && f->type == DOE_TYPE_SECURED_CMA_SPDM &&
            call->device->is_calm)
                return leases_new(sim, call->mailbox, LEASE_SCOPE_FEATURE, 0x1234, 1);
        if (f->kind == RESPONDER_TABLE_ACCESS || sim_chance(sim, 200000))
                return leases_new(sim, call->mailbox, LEASE_SCOPE_MAILBOX, 0x1234, 1);
        return leases_new(sim, call->mailbox, LEASE_SCOPE_FEATURE, f->vendor_id, f->type);
}

/* Of the same uid: the token is the uid's. */
bool clients_ask_lease(SimLease *sl) {
        Sim *sim = sl->sim;
        SimDevice *dev = sl->mailbox->device;
        Device *d = manager_find_device(sim->manager, dev->address);
        Mailbox *mb = d ? device_find_mailbox(d, sl->mailbox->offset) : NULL;
        SimCall *call;

        for (size_t i = 0; mb != NULL && i < sim->n_clients; i++) {
                SimClient *client = &sim->clients[i];

                if (!client->client || client->uid != sl->uid || client->n_calls >= client->n_parallel)
                        continue;
                call = take_call(client);
                call->kind = CALL_LEASE;
                call->device = dev;
                call->mailbox = sl->mailbox;
                call->lease = sl;
                call_lease(call, mb);
                return true;
        }
        return false;
}

static void issue(SimClient *client, SimDevice *dev, size_t mailbox, SimCallKind kind) {
        Sim *sim = client->sim;
        Device *d = manager_find_device(sim->manager, dev->address);
        Mailbox *mb = d ? device_find_mailbox(d, dev->mailboxes[mailbox].offset) : NULL;
        SimCall *call;

        /* D-Bus answers UnknownObject by itself */
        if (!mb)
                return;
        if (kind >= CALL_LEASE && client->uid >= 1000 && sim_chance(sim, 900000))
                return;
        if (kind == CALL_INHIBIT && dev->is_calm)
                return;
        call = take_call(client);
        call->kind = kind;
        call->is_probe = sim->is_draining;
        call->device = dev;
        call->mailbox = kind == CALL_TABLE || kind == CALL_RESCAN ? NULL : &dev->mailboxes[mailbox];
        if (kind == CALL_LEASE || kind == CALL_INHIBIT) {
                call->lease = make_lease(call);
                call_lease(call, mb);
        } else if (kind == CALL_ECHO)
                call_echo(call, mb);
        else if (kind == CALL_COUNT || kind == CALL_INDEX || kind == CALL_HANDLE)
                call_with_dword(call, mb);
        else
                call_other(call, d, mb);
        check_device(dev);
}

static void cancel_one(SimClient *client) {
        Sim *sim = client->sim;
        SimCall *call;
        Device *d;
        Mailbox *mb;

        TAILQ_FOREACH (call, &client->calls, calls)
                if (call->cookie != 0 && call->mailbox)
                        break;
        if (!call)
                return;
        d = manager_find_device(sim->manager, call->device->address);
        mb = d ? device_find_mailbox(d, call->mailbox->offset) : NULL;
        if (!mb)
                sim_violation(sim, call->mailbox, "call %" PRIu64 " waits for a mailbox that is gone",
                              call->number);
        call->is_canceled = true;
        if (transaction_cancel(client->client, mb, call->cookie, sim->now_usec) < 0)
                sim_violation(sim, call->mailbox, "call %" PRIu64 " has no cookie", call->number);
}

/* -------- clients -------- */

static void leave(SimClient *client) {
        client->client = client_free(client->client);
        while (TAILQ_FIRST(&client->calls)) {
                client->sim->statistics.n_abandoned++;
                drop_call(TAILQ_FIRST(&client->calls));
        }
}

/* Somebody new in its place. */
static void arrive(SimClient *client) {
        Sim *sim = client->sim;
        char name[32];

        client->number = ++sim->n_clients_made;
        client->uid = sim_uids[sim_between(sim, 0, SIM_UIDS - 1)];
        client->pace_usec = UINT64_C(1000) << sim_between(sim, 0, 10);
        client->n_parallel = (unsigned)sim_between(sim, 1, PARALLEL_MAX);
        client->n_calls_left = (unsigned)sim_between(sim, 1, 400);
        client->favorite = &sim->devices[sim_between(sim, 0, sim->n_devices - 1)];
        snprintf(name, sizeof(name), ":1.%" PRIu64, client->number);
        if (client_new(sim->manager, name, client->uid, NULL, 0, &client->client) < 0)
                abort();
}

static void act(SimClient *client) {
        Sim *sim = client->sim;
        SimDevice *dev = sim_chance(sim, 700000) ? client->favorite
                                                 : &sim->devices[sim_between(sim, 0, sim->n_devices - 1)];

        if (sim_chance(sim, 10000))
                cancel_one(client);
        if (client->n_calls >= client->n_parallel)
                return;
        issue(client, dev, sim_between(sim, 0, dev->n_mailboxes - 1), pick_kind(sim));
        if (--client->n_calls_left == 0)
                leave(client);
}

static void on_client(Timer *timer, void *userdata, uint64_t now_usec) {
        SimClient *client = userdata;
        Sim *sim = client->sim;
        uint64_t next_usec = now_usec + sim_between(sim, 1, 2 * client->pace_usec);

        if (sim->is_draining || !sim->manager)
                return;
        if (sim->is_asleep)
                next_usec = now_usec + USEC_PER_SEC;
        else if (now_usec < sim->quiet_usec)
                next_usec = sim->quiet_usec + sim_between(sim, 1, USEC_PER_SEC);
        else if (client->client)
                act(client);
        else
                arrive(client);
        sim_arm(sim, &client->timer, next_usec);
}

void clients_connect(Sim *sim) {
        for (size_t i = 0; i < sim->n_clients && !sim->is_draining; i++)
                sim_arm(sim, &sim->clients[i].timer, sim->now_usec + sim_between(sim, 1, 200000));
}

void clients_lose(Sim *sim) {
        for (size_t i = 0; i < sim->n_clients; i++) {
                timer_disarm(&sim->events, &sim->clients[i].timer);
                leave(&sim->clients[i]);
        }
}

size_t clients_count_open(const Sim *sim) {
        size_t n = 0;

        for (size_t i = 0; i < sim->n_clients; i++)
                n += sim->clients[i].n_calls;
        return n;
}

void clients_probe(Sim *sim, SimCallKind kind) {
        if (!sim->clients[0].client)
                arrive(&sim->clients[0]);
        for (size_t i = 0; i < sim->n_devices; i++)
                for (size_t j = 0; j < sim->devices[i].n_mailboxes; j++)
                        if (kind != CALL_TABLE || (j == 0 && sim->devices[i].n_table_bytes > 0))
                                issue(&sim->clients[0], &sim->devices[i], j, kind);
}

void clients_init(Sim *sim) {
        sim->n_clients = sim->options.n_clients;
        sim->clients = calloc(sim->n_clients, sizeof(*sim->clients));
        sim->n_call_places = 4 * PARALLEL_MAX * sim->n_clients + 4 * SIM_MAILBOXES_MAX * sim->n_devices;
        sim->calls = calloc(sim->n_call_places, sizeof(*sim->calls));
        if (!sim->clients || !sim->calls)
                abort();
        for (size_t i = 0; i < sim->n_clients; i++) {
                SimClient *client = &sim->clients[i];

                client->sim = sim;
                TAILQ_INIT(&client->calls);
                client->timer = (Timer){ .fn = on_client, .userdata = client };
        }
}

void clients_done(Sim *sim) {
        free(sim->clients);
        free(sim->calls);
}
