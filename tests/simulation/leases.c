/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Holders of leases: they ask, wait, send objects of all sorts, stop reading, go away, come back with their
 * tokens; and the rule that there is one holder at most. Whether an answer is right is lease-answers.c's. */

#include <errno.h>
#include <inttypes.h>

#include "daemon/core/lease.h"
#include "protocols/data-object.h"
#include "protocols/feature.h"
#include "tests/simulation/simulation.h"

#define CODE_GET_VERSION     0x84
#define CODE_SET_CERTIFICATE 0xee
#define CODE_KEY_EXCHANGE    0xe4
#define RESUME_LATEST_USEC   (900 * USEC_PER_SEC)

static void on_holder(Timer *timer, void *userdata, uint64_t now_usec);

/* -------- one holder at most -------- */

static bool covers_mailbox(const Lease *l, const Mailbox *mb) {
        return l->scope != LEASE_SCOPE_FEATURE && l->mailbox == mb;
}

static bool is_spdm(uint16_t vendor_id, uint8_t type) {
        const DoeFeature *f = doe_feature_find(vendor_id, type);

        return f && f->is_spdm;
}

bool leases_covers(const Lease *l, const Mailbox *mb, uint16_t vendor_id, uint8_t type) {
        if (covers_mailbox(l, mb))
                return true;
        if (l->scope == LEASE_SCOPE_FEATURE && l->is_spdm && l->device == mb->device &&
            is_spdm(vendor_id, type))
                return true;
        return l->mailbox == mb && l->scope == LEASE_SCOPE_FEATURE && l->vendor_id == vendor_id &&
               l->type == type;
}

/* As far as its discovery told, and tells all the time. */
static bool offers_spdm(Sim *sim, const Mailbox *mb) {
        if (sim_find_mailbox(sim, mb)->is_discovery_tainted)
                return false;
        for (size_t i = 0; i < mb->n_features; i++)
                if (is_spdm(mb->features[i].vendor_id, mb->features[i].type))
                        return true;
        return false;
}

static SimDevice *device_of(Sim *sim, const Lease *l) {
        return sim_find_mailbox(sim, l->mailbox)->device;
}

/* Do they contain one thing that both hold? */
static bool conflicts(Sim *sim, const Lease *a, const Lease *b) {
        const SimDevice *dev = device_of(sim, a);

        for (size_t i = 0; i < dev->n_mailboxes; i++) {
                const Mailbox *mb = device_find_mailbox(a->device, dev->mailboxes[i].offset);

                if (!covers_mailbox(a, mb))
                        continue;
                if (b->scope == LEASE_SCOPE_FEATURE && b->is_spdm ? offers_spdm(sim, mb) : b->mailbox == mb)
                        return true;
        }
        return a->scope == LEASE_SCOPE_FEATURE && leases_covers(b, a->mailbox, a->vendor_id, a->type);
}

static bool is_holding(const Lease *l) {
        return l->state == LEASE_OPEN || l->state == LEASE_ENDING;
}

void leases_on_opened(void *userdata, Lease *lease) {
        Sim *sim = userdata;
        SimMailbox *sm = sim_find_mailbox(sim, lease->mailbox);
        Lease *other;

        sim_trace(sm, sim->now_usec, TRACE_LEASE, lease->id, lease->scope, lease->uid, "opened");
        if (!sim_use_number(&sim->used_leases, lease->id))
                sim_violation(sim, sm, "lease number %" PRIu64 " is used twice", lease->id);
        sim->statistics.n_leases++;
        TAILQ_FOREACH (other, &lease->device->leases, leases)
                if (other != lease && is_holding(other) &&
                    (conflicts(sim, lease, other) || conflicts(sim, other, lease)))
                        sim_violation(sim, sm, "lease %" PRIu64 " is opened beside lease %" PRIu64,
                                      lease->id, other->id);
        if (lease->scope == LEASE_SCOPE_REGISTERS)
                sm->is_handed_out = true;
}

void leases_on_closed(void *userdata, Lease *lease) {
        Sim *sim = userdata;
        SimMailbox *sm = sim_find_mailbox(sim, lease->mailbox);

        sim_trace(sm, sim->now_usec, TRACE_LEASE, lease->id, lease->scope, lease->uid, "closed");
        if (lease->scope == LEASE_SCOPE_REGISTERS)
                sm->is_handed_out = false;
        /* whatever the tool has left there */
        if (lease->scope == LEASE_SCOPE_REGISTERS)
                sm->watch = WATCH_UNKNOWN;
}

void leases_on_changed(void *userdata, Lease *lease) {
}

void leases_check_job(SimMailbox *sm, const Job *job) {
        const Mailbox *mb = job->mailbox;
        const Lease *l;

        if (!job->client && !job->lease)
                return;
        TAILQ_FOREACH (l, &mb->device->leases, leases)
                if (is_holding(l) && l != job->lease && leases_covers(l, mb, job->vendor_id, job->type))
                        sim_violation(sm->device->sim, sm,
                                      "job %" PRIu64 " of %04x:%02x is handed down beside lease %" PRIu64,
                                      job->id, job->vendor_id, job->type, l->id);
}

bool leases_may_refuse(const Device *d, const Mailbox *mb, uint16_t vendor_id, uint8_t type) {
        const Lease *l;

        TAILQ_FOREACH (l, &d->leases, leases)
                if (!mb || (l->state != LEASE_WAITING && leases_covers(l, mb, vendor_id, type)))
                        return true;
        return false;
}

/* -------- holders -------- */

static void drop_requests(SimLease *sl) {
        SimLeaseRequest *r;

        while ((r = TAILQ_FIRST(&sl->requests))) {
                TAILQ_REMOVE(&sl->requests, r, requests);
                free(r);
        }
        sl->n_requests = 0;
}

static void leases_part(SimLease *sl);

static void free_holder(SimLease *sl) {
        drop_requests(sl);
        timer_disarm(&sl->sim->events, &sl->timer);
        timer_disarm(&sl->sim->events, &sl->late_timer);
        TAILQ_REMOVE(&sl->sim->leases, sl, leases);
        free(sl);
}

/* The head of its requests is another one: the clock of each request begins when it is its turn. */
static void watch_head(SimLease *sl) {
        if (TAILQ_EMPTY(&sl->requests) || sl->is_blocked || !sl->lease)
                timer_disarm(&sl->sim->events, &sl->late_timer);
        else
                sim_arm(sl->sim, &sl->late_timer,
                        sl->sim->now_usec + sl->lease->request_usec + SIM_ANSWER_USEC);
}

static void on_late(Timer *timer, void *userdata, uint64_t now_usec) {
        SimLease *sl = userdata;

        sim_violation(sl->sim, sl->mailbox,
                      "request %" PRIu64 " of lease %" PRIu64 " is not answered in time",
                      TAILQ_FIRST(&sl->requests)->number, sl->id);
}

static void on_send(void *userdata, const uint8_t *object, size_t n_bytes) {
        SimLease *sl = userdata;

        if (sl->has_left)
                return;
        lease_answer_check(sl, object, n_bytes);
        watch_head(sl);
}

static void on_resume(void *userdata) {
        SimLease *sl = userdata;

        if (!sl->has_left && !sl->is_finished)
                sim_arm(sl->sim, &sl->timer, sl->sim->now_usec + sim_between(sl->sim, 1, 1000));
}

/* It comes back with its token, sooner or later, or never. */
static void on_end(void *userdata) {
        SimLease *sl = userdata;

        sl->lease = NULL;
        timer_disarm(&sl->sim->events, &sl->late_timer);
        if (sl->has_left) {
                leases_part(sl);
                return;
        }
        /* who has ended it by itself needs no last word */
        if (!sl->has_last && !sl->has_shut_down)
                sim_violation(sl->sim, sl->mailbox, "lease %" PRIu64 " ends without a last object", sl->id);
        if (!TAILQ_EMPTY(&sl->requests))
                sim_violation(sl->sim, sl->mailbox, "lease %" PRIu64 " ends with %u requests unanswered",
                              sl->id, sl->n_requests);
        leases_part(sl);
}

static const LeaseStreamOps stream_ops = { .send = on_send, .resume = on_resume, .end = on_end };

static void leases_part(SimLease *sl) {
        Sim *sim = sl->sim;

        drop_requests(sl);
        timer_disarm(&sim->events, &sl->late_timer);
        sl->lease = NULL;
        if (sl->scope == LEASE_SCOPE_REGISTERS || sim->is_draining || sim_chance(sim, 400000)) {
                free_holder(sl);
                return;
        }
        sl->parted_usec = sim->now_usec;
        /* at once as often as late */
        sim_arm(sim, &sl->timer, sim->now_usec + (UINT64_C(1000) << sim_between(sim, 0, 16)));
}

SimLease *leases_new(Sim *sim, SimMailbox *sm, LeaseScope scope, uint16_t vendor_id, uint8_t type) {
        SimLease *sl = calloc(1, sizeof(*sl));

        if (!sl)
                abort();
        sl->sim = sim;
        sl->mailbox = sm;
        sl->scope = scope;
        sl->vendor_id = vendor_id;
        sl->type = type;
        sl->lineage = ++sim->n_lineages;
        sl->timer = (Timer){ .fn = on_holder, .userdata = sl };
        sl->late_timer = (Timer){ .fn = on_late, .userdata = sl };
        TAILQ_INIT(&sl->requests);
        TAILQ_INSERT_TAIL(&sim->leases, sl, leases);
        return sl;
}

/* The device remembers its session only if nothing came in between. */
static void check_resumed(const SimLease *sl, const Lease *lease) {
        const SimDevice *dev = sl->mailbox->device;

        if (lease->mailbox->epoch != sl->epoch)
                sim_violation(sl->sim, sl->mailbox, "resumed in epoch %" PRIu64 ", it ended in %" PRIu64,
                              lease->mailbox->epoch, sl->epoch);
        if (lease->is_spdm && dev->spdm_lineage != sl->lineage && dev->spdm_lineage != 0)
                sim_violation(sl->sim, sl->mailbox, "resumed, but another one has spoken SPDM since");
        if (lease->uid != sl->uid)
                sim_violation(sl->sim, sl->mailbox, "resumed by uid %u, it was uid %u's", lease->uid,
                              sl->uid);
}

void leases_opened(SimLease *sl, Lease *lease) {
        Sim *sim = sl->sim;

        if (lease->state != LEASE_OPEN)
                sim_violation(sim, sl->mailbox, "a lease in state %d is handed out", (int)lease->state);
        sl->is_resumed = sl->has_token;
        if (sl->has_token) {
                check_resumed(sl, lease);
                sim->statistics.n_resumed++;
        }
        sl->lease = lease;
        sl->id = lease->id;
        sl->uid = lease->uid;
        sl->epoch = lease->mailbox->epoch;
        sl->is_finished = sl->has_shut_down = sl->is_blocked = sl->has_last = sl->has_left = false;
        sl->has_version = sl->is_resumed;
        memcpy(sl->token, lease->token, sizeof(sl->token));
        sl->has_token = true;
        sl->n_left = (unsigned)sim_between(sim, 0, sl->scope == LEASE_SCOPE_REGISTERS ? 5 : 60);
        sl->pace_usec = UINT64_C(100) << sim_between(sim, 0, 8);
        lease_attach(lease, &stream_ops, sl, sim->now_usec);
        sim_arm(sim, &sl->timer, sim->now_usec + sim_between(sim, 1, 2 * sl->pace_usec));
}

void leases_refused(SimLease *sl, int error) {
        sl->is_asking = false;
        /* who has a token tries again, unless it is told that it is worth nothing any more */
        if (sl->has_token && error != -ESRCH && !sl->sim->is_draining)
                sim_arm(sl->sim, &sl->timer, sl->sim->now_usec + sim_between(sl->sim, 1000, USEC_PER_SEC));
        else
                free_holder(sl);
}

/* Nobody hears what a dying doed still says. */
static void hear(void *userdata, const uint8_t *object, size_t n_bytes) {
}

static void hear_nothing(void *userdata) {
}

void leases_lose(Sim *sim) {
        static const LeaseStreamOps deaf = { .send = hear, .resume = hear_nothing, .end = hear_nothing };
        SimLease *sl, *next;

        for (sl = TAILQ_FIRST(&sim->leases); sl; sl = next) {
                next = TAILQ_NEXT(sl, leases);
                sl->is_asking = false;
                if (sl->lease)
                        lease_attach(sl->lease, &deaf, NULL, sim->now_usec);
                if (sl->lease || sl->has_left)
                        leases_part(sl);
        }
        for (size_t i = 0; i < sim->n_devices; i++)
                for (size_t j = 0; j < sim->devices[i].n_mailboxes; j++)
                        sim->devices[i].mailboxes[j].is_handed_out = false;
}

/* -------- what a holder sends -------- */

static void send(SimLease *sl, uint16_t vendor_id, uint8_t type, const uint8_t *payload, size_t n_bytes,
                 SimLeaseExpectation expectation) {
        Sim *sim = sl->sim;
        SimLeaseRequest *r = calloc(1, sizeof(*r));
        DoeObjectHeader header = { .vendor_id = vendor_id,
                                   .type = type,
                                   .n_dwords = doe_object_dwords(n_bytes),
                                   .reserved_set = expectation == EXPECT_BAD_MESSAGE };

        if (!r)
                abort();
        r->number = ++sim->n_lease_requests;
        r->vendor_id = vendor_id;
        r->type = type;
        r->expectation = expectation;
        r->request_hash = SIM_HASH_START;
        for (size_t i = 0; i < n_bytes; i += 4)
                r->request_hash = sim_hash_dword(r->request_hash, sim_load_le32(payload + i));
        TAILQ_INSERT_TAIL(&sl->requests, r, requests);
        sim_trace(sl->mailbox, sim->now_usec, TRACE_LEASE, sl->id, r->number, type, "sends");
        sim->statistics.n_lease_requests++;
        if (sl->n_requests++ == 0)
                watch_head(sl);
        lease_receive(sl->lease, &header, payload, n_bytes, sim->now_usec);
}

/* By the shipped rules, with no group doe on this host. */
static bool is_trusted(const SimLease *sl) {
        return sl->uid == 0 || sl->uid == 990;
}

static void send_echo(SimLease *sl) {
        uint8_t type = sl->scope == LEASE_SCOPE_FEATURE ? sl->type : 1;
        size_t n_bytes = 4 * sim_between(sl->sim, 1, 16);
        bool is_count = type == 2;
        uint8_t payload[64] = { (uint8_t)sim_between(sl->sim, 0, 60) };

        if (is_count)
                n_bytes = 4;
        for (size_t i = 0; i < n_bytes && !is_count; i++)
                payload[i] = (uint8_t)random_next(&sl->sim->random);
        send(sl, 0x1234, type, payload, n_bytes,
             !is_trusted(sl) ? EXPECT_DENIED
             : is_count      ? EXPECT_ANY
                             : EXPECT_ECHO);
}

/* The first is GET_VERSION; then whatever a requester may want to know, and what nobody may do. */
static void send_spdm(SimLease *sl) {
        static const uint8_t codes[] = { 0x81, 0xe1, 0xe3, 0x82, CODE_KEY_EXCHANGE, CODE_GET_VERSION };
        Sim *sim = sl->sim;
        uint8_t type = sl->type, payload[40] = { 0x12, codes[sim_between(sim, 0, ELEMENTS(codes) - 1)] };
        SimLeaseExpectation expectation = EXPECT_ANY;

        if (!sl->has_version && sim_chance(sim, 900000))
                payload[1] = CODE_GET_VERSION;
        else if (sim_chance(sim, 50000))
                payload[1] = CODE_SET_CERTIFICATE;
        /* encrypted or not, the connection begins in the clear */
        if (payload[1] == CODE_GET_VERSION) {
                payload[0] = 0x10;
                type = DOE_TYPE_CMA_SPDM;
        }
        if (!is_trusted(sl) || (payload[1] == CODE_SET_CERTIFICATE && type == DOE_TYPE_CMA_SPDM) ||
            (!sl->has_version && payload[1] != CODE_GET_VERSION))
                expectation = EXPECT_DENIED;
        if (payload[1] == CODE_GET_VERSION)
                sl->has_version = true;
        send(sl, DOE_VENDOR_PCI_SIG, type, payload, sizeof(payload), expectation);
}

static void send_stray(SimLease *sl) {
        static const uint8_t zeros[8];

        if (sim_chance(sl->sim, 500000))
                send(sl, 0x4321, 0x77, zeros, sizeof(zeros), EXPECT_DENIED);
        else
                send(sl, sl->vendor_id, sl->type, zeros, sizeof(zeros), EXPECT_BAD_MESSAGE);
}

static void send_one(SimLease *sl) {
        if (sim_chance(sl->sim, 40000) && sl->scope == LEASE_SCOPE_FEATURE)
                send_stray(sl);
        else if (is_spdm(sl->vendor_id, sl->type))
                send_spdm(sl);
        else
                send_echo(sl);
}

/* -------- what a holder does -------- */

static void hang_up(SimLease *sl) {
        Lease *lease = sl->lease;

        sl->has_left = true;
        sl->lease = NULL;
        drop_requests(sl);
        timer_disarm(&sl->sim->events, &sl->late_timer);
        timer_disarm(&sl->sim->events, &sl->timer);
        lease_hang_up(lease, sl->sim->now_usec);
}

static void finish(SimLease *sl) {
        sl->is_finished = sl->has_shut_down = true;
        lease_finish(sl->lease, sl->sim->now_usec);
}

static void change_reading(SimLease *sl) {
        sl->is_blocked = !sl->is_blocked;
        lease_set_blocked(sl->lease, sl->is_blocked, sl->sim->now_usec);
        watch_head(sl);
}

static void lose_framing(SimLease *sl) {
        sl->is_finished = true;
        lease_framing_lost(sl->lease, "a header of length 1", sl->sim->now_usec);
}

static void be_revoked(SimLease *sl) {
        sl->is_finished = true;
        lease_end(sl->lease, -ECANCELED, "revoked by root: the simulation wants it", sl->sim->now_usec);
}

/* A tool at the registers, which leaves them as tools do. */
static void use_registers(SimLease *sl) {
        SimMailbox *sm = sl->mailbox;

        sm->device->kernel.is_excused = true;
        sm->n_kernel_accesses++;
        if (sim_chance(sl->sim, 500000))
                model_mailbox_begin_foreign(sm->model, watch_access_usec(sm->device, sl->sim->now_usec),
                                            sim_between(sl->sim, 10, 50000));
}

static void act(SimLease *sl) {
        Sim *sim = sl->sim;

        if (sl->n_left == 0 || sim->is_draining) {
                if (sim_chance(sim, 500000) || sl->scope == LEASE_SCOPE_REGISTERS)
                        hang_up(sl);
                else
                        finish(sl);
                return;
        }
        sl->n_left--;
        if (sl->scope == LEASE_SCOPE_REGISTERS)
                use_registers(sl);
        else if (sim_chance(sim, 5000))
                lose_framing(sl);
        else if (sim_chance(sim, 5000))
                be_revoked(sl);
        else if (sl->is_blocked || sim_chance(sim, 20000))
                change_reading(sl);
        else if (lease_wants_more(sl->lease))
                send_one(sl);
}

/* Come back: with the token if it still has it. */
static void ask_again(SimLease *sl) {
        Sim *sim = sl->sim;

        if (sim->is_draining || sim->now_usec > sl->parted_usec + RESUME_LATEST_USEC) {
                free_holder(sl);
                return;
        }
        if (sim->now_usec < sim->quiet_usec || !sim->manager || !clients_ask_lease(sl)) {
                sim_arm(sim, &sl->timer,
                        MAX_OF(sim->now_usec, sim->quiet_usec) + sim_between(sim, 1000, 5 * USEC_PER_SEC));
                return;
        }
}

static void on_holder(Timer *timer, void *userdata, uint64_t now_usec) {
        SimLease *sl = userdata;
        Sim *sim = sl->sim;
        SimMailbox *sm = sl->mailbox;
        uint64_t pace_usec = sl->pace_usec;

        if (sl->is_asking)
                return;
        if (!sl->lease) {
                ask_again(sl);
                return;
        }
        /* now and then a holder falls asleep: its clocks must not */
        if (sim_chance(sim, 3000))
                pace_usec = 400 * USEC_PER_SEC;
        if (!sl->is_finished) {
                sim_arm(sim, &sl->timer,
                        now_usec + (sim->is_draining ? 1000 : sim_between(sim, 1, 2 * pace_usec)));
                act(sl); /* may free it */
        }
        check_device(sm->device);
}

void leases_give_up(Sim *sim) {
        SimLease *sl;

        TAILQ_FOREACH (sl, &sim->leases, leases)
                if (sl->lease && !sl->is_finished) {
                        sl->n_left = 0;
                        sim_arm(sim, &sl->timer, sim->now_usec + sim_between(sim, 1, USEC_PER_SEC));
                }
}

void leases_done(Sim *sim) {
        while (!TAILQ_EMPTY(&sim->leases))
                free_holder(TAILQ_FIRST(&sim->leases));
}
