/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Everything that can happen to leases, in any order, from one seed: whatever it is, each call is answered
 * once, each request too, nobody shares what is exclusive, and nothing is left in the end. */

#include <errno.h>

#include "tests/unit/lease-fixture.h"
#include "tests/unit/suite.h"

#define N_HOLDERS 12u
#define N_STEPS   5000u
#define N_SEEDS   40u

typedef struct Order {
        LeaseFixture *f;
        uint64_t seed;
        Holder holders[N_HOLDERS];
        bool is_asked[N_HOLDERS];
        uint64_t n_said[N_HOLDERS];
} Order;

static unsigned pick(Order *o, unsigned n) {
        o->seed = o->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (unsigned)(o->seed >> 33) % n;
}

/* Answers to what it said: everything but notices and last objects. */
static void check_answers(const Order *o, unsigned i) {
        const Holder *h = &o->holders[i];
        uint64_t n = 0;

        for (size_t j = 0; j < h->n_objects; j++)
                n += !(h->objects[j].error &&
                       (h->objects[j].flags & (LEASE_ERROR_ENDS | LEASE_ERROR_NOTICE)));
        ck_assert_uint_le(n, o->n_said[i]);
        ck_assert_uint_le(h->n_answers, 1);
        /* it was not hung up, so nothing of it may be lost */
        if (h->n_ends && h->n_objects > 0 && h->objects[h->n_objects - 1].flags & LEASE_ERROR_ENDS)
                ck_assert_uint_eq(n, o->n_said[i]);
}

static void step_ask(Order *o) {
        static const struct {
                uint16_t vendor_id;
                uint8_t type;
        } features[] = { { ECHO }, { 0x1234, 0x02 }, { SPDM }, { 0, 0 } };
        LeaseFixture *f = o->f;
        Client *const clients[] = { f->root, f->alice, f->bob };
        unsigned i = pick(o, N_HOLDERS), feature = pick(o, ELEMENTS(features));
        LeaseOptions options = lease_options((LeaseScope)pick(o, 3));

        if (o->is_asked[i] && (o->holders[i].n_answers == 0 || o->holders[i].lease))
                return;
        check_answers(o, i);
        if (options.scope == LEASE_SCOPE_FEATURE && feature == 3)
                feature = 0;
        options.wait = pick(o, 4) > 0;
        options.force = pick(o, 8) == 0;
        o->is_asked[i] = true;
        o->n_said[i] = 0;
        ask_for(f, clients[pick(o, 3)], f->a, features[feature].vendor_id, features[feature].type, &options,
                (1 + pick(o, 20)) * USEC_PER_SEC, &o->holders[i]);
}

static void step_holder(Order *o) {
        LeaseFixture *f = o->f;
        unsigned i = pick(o, N_HOLDERS);
        Holder *h = &o->holders[i];

        if (!h->lease || h->n_objects + 6 > HOLDER_OBJECTS_MAX) {
                if (h->lease)
                        lease_hang_up(h->lease, f->f->now_usec);
                return;
        }
        switch (pick(o, 10)) {
        case 0:
                lease_hang_up(h->lease, f->f->now_usec);
                break;
        case 1:
                lease_end(h->lease, -ECANCELED, "Revoked", f->f->now_usec);
                break;
        case 2:
                lease_finish(h->lease, f->f->now_usec);
                break;
        case 3:
                lease_framing_lost(h->lease, "length 1", f->f->now_usec);
                break;
        case 4:
                lease_set_blocked(h->lease, pick(o, 2), f->f->now_usec);
                break;
        default:
                if (!lease_wants_more(h->lease) || h->lease->scope == LEASE_SCOPE_REGISTERS)
                        break;
                o->n_said[i]++;
                if (h->lease->is_spdm)
                        say_spdm(f, h, pick(o, 2) ? SPDM_CODE_GET_VERSION : 0xe1);
                else
                        say(f, h, 0x1234, (uint8_t)(1 + pick(o, 3)), "abcd", 4);
        }
}

static void step_device(Order *o) {
        LeaseFixture *f = o->f;
        Mailbox *mb = pick(o, 4) ? f->a : f->b;

        if (!mb->running)
                return;
        switch (pick(o, 6)) {
        case 0:
                start(f, mb);
                break;
        case 1:
                fail_job(f, mb, -ECONNABORTED, false, "lost");
                break;
        case 2:
                fail_job(f, mb, -ETIMEDOUT, true, "late");
                break;
        default:
                answer_spdm(f, mb, 0x04);
        }
}

static void come_back(LeaseFixture *f) {
        if (!f->f->m->has_link) {
                manager_link_up(f->f->m, "none", f->f->now_usec);
                f->a->device->is_linked = true;
        }
        mailbox_report_state(f->a, MAILBOX_IDLE, f->a->epoch, "", f->f->now_usec);
        mailbox_report_state(f->b, MAILBOX_IDLE, f->b->epoch, "", f->f->now_usec);
}

static void step_mailbox(Order *o) {
        static const MailboxState states[] = { MAILBOX_WAITING, MAILBOX_KERNEL, MAILBOX_RECOVERING,
                                               MAILBOX_DEAD, MAILBOX_READ_ONLY };
        LeaseFixture *f = o->f;

        switch (pick(o, 16)) {
        case 0:
                mailbox_report_state(f->a, states[pick(o, ELEMENTS(states))], f->a->epoch, "why",
                                     f->f->now_usec);
                break;
        case 1:
                mailbox_report_state(f->a, MAILBOX_RECOVERING, f->a->epoch + 1, "abort", f->f->now_usec);
                break;
        case 2:
                manager_link_lost(f->f->m, "killed", f->f->now_usec);
                break;
        case 3:
                leases_on_recover(f->a, f->f->now_usec);
                break;
        default:
                if (f->f->is_inhibited && f->f->m->has_link) {
                        mailbox_report_handed_to(f->a, f->f->inhibited_for);
                        mailbox_report_state(f->a, MAILBOX_INHIBITED, f->a->epoch, "", f->f->now_usec);
                } else
                        come_back(f);
        }
}

static void check_exclusive(const Order *o) {
        const Lease *x, *y;

        TAILQ_FOREACH (x, &o->f->a->device->leases, leases)
                TAILQ_FOREACH (y, &o->f->a->device->leases, leases) {
                        if (x == y || x->state != LEASE_OPEN || y->state != LEASE_OPEN)
                                continue;
                        ck_assert(x->scope == LEASE_SCOPE_FEATURE && y->scope == LEASE_SCOPE_FEATURE);
                        ck_assert(!x->is_spdm || !y->is_spdm);
                        ck_assert(x->vendor_id != y->vendor_id || x->type != y->type);
                }
}

static void run(uint64_t seed) {
        static void (*const steps[])(Order *) = { step_ask, step_holder, step_holder, step_device,
                                                  step_device };
        _cleanup_free_ Order *o = calloc(1, sizeof(*o));

        ck_assert_ptr_nonnull(o);
        o->f = lease_fixture_new(NULL);
        o->seed = seed;
        for (unsigned i = 0; i < N_STEPS; i++) {
                if (pick(o, 12) == 0)
                        step_mailbox(o);
                else
                        steps[pick(o, ELEMENTS(steps))](o);
                if (pick(o, 3))
                        pass(o->f, pick(o, 10) ? 0 : pick(o, 5) * USEC_PER_SEC);
                check_exclusive(o);
                if (o->f->f->n_sent > FIXTURE_SENT_MAX - 8)
                        o->f->f->n_sent = 0; /* nobody asks the bench what it was sent */
        }
        ck_assert_uint_gt(o->f->f->n_leases_opened, 50);
        manager_report_device_removed(o->f->f->m, FIXTURE_ADDRESS, o->f->f->now_usec);
        ck_assert_uint_eq(o->f->f->n_leases_open, 0);
        for (unsigned i = 0; i < N_HOLDERS; i++) {
                check_answers(o, i);
                ck_assert_uint_eq(o->holders[i].n_answers, o->is_asked[i]);
                ck_assert_ptr_null(o->holders[i].lease);
        }
        for (Account *a = LIST_FIRST(&o->f->f->m->accounts); a; a = LIST_NEXT(a, accounts)) {
                ck_assert_uint_eq(a->n_leases, 0);
                ck_assert_uint_eq(a->n_waiters, 0);
                ck_assert_uint_eq(a->n_bytes_waiting, 0);
        }
        lease_fixture_free(o->f);
}

START_TEST(any_order_of_events_leaves_each_call_and_request_answered_once_and_nothing_behind) {
        for (uint64_t seed = 1; seed <= N_SEEDS; seed++)
                run(seed);
}
END_TEST

DEFINE_SUITE("lease-order",
             any_order_of_events_leaves_each_call_and_request_answered_once_and_nothing_behind)
