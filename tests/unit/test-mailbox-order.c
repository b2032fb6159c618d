/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whatever happens to a mailbox, and in whatever order, every call is answered once, with its own answer or
 * an error that can be, and afterwards the mailbox works. */

#include <errno.h>

#include "tests/unit/core-fixture.h"
#include "tests/unit/suite.h"

#define CALLS_MAX 16u

/* One that was asked for, and its stream if it was opened. */
typedef struct Held {
        Fixture *f;
        unsigned n_asked, n_answers, n_opened, n_ends;
        Lease *lease; /* NULL: not open */
} Held;

typedef struct World {
        Fixture *f;
        Held feature, registers;
        unsigned n_instances, n_calls;
        Answer calls[CALLS_MAX];
        char requests[CALLS_MAX][8]; /* "" of a CDAT read */
        unsigned n_lease_jobs, n_lease_answers;
        Lease lease; /* an address; nothing of it is looked at */
} World;

static bool can_report(const World *w) {
        return w->f->mb && w->f->device->is_linked;
}

/* -------- calls -------- */

static void call_echo(World *w, Client *c) {
        unsigned i = w->n_calls++;

        ck_assert_uint_lt(i, CALLS_MAX);
        snprintf(w->requests[i], sizeof(w->requests[i]), "%04u", i);
        fixture_echo(w->f, c, w->requests[i], NULL, &w->calls[i]);
}

static void call_cdat(World *w) {
        ck_assert_uint_lt(w->n_calls, CALLS_MAX);
        fixture_cdat(w->f, w->f->root, /* fresh= */ true, &w->calls[w->n_calls++]);
}

static void on_lease_job(Job *job, const JobResult *result, uint64_t now_usec) {
        ((World *)job->userdata)->n_lease_answers++;
}

static void submit_lease_job(World *w) {
        Job *job = job_new(0x1234, 0x01, (const uint8_t *)"ls..", 4);

        job->lease = &w->lease;
        job->uid = 1000;
        job->n_dwords_max = 16;
        job->deadline_usec = usec_add(w->f->now_usec, 10 * USEC_PER_SEC);
        job->done = on_lease_job;
        job->userdata = w;
        if (mailbox_submit(w->f->mb, job, w->f->now_usec) == 0)
                w->n_lease_jobs++;
        else
                job_free(job);
}

/* -------- leases -------- */

static void on_send(void *userdata, const uint8_t *object, size_t n_bytes) {
}

static void on_wants_more(void *userdata) {
}

static void on_end(void *userdata) {
        Held *held = userdata;

        held->n_ends++;
        held->lease = NULL;
}

static const LeaseStreamOps stream_ops = { .send = on_send, .resume = on_wants_more, .end = on_end };

static void on_lease(void *userdata, const TransactionResult *result) {
        Held *held = userdata;

        held->n_answers++;
        if (result->failure)
                return;
        held->n_opened++;
        held->lease = result->lease;
        lease_attach(result->lease, &stream_ops, held, held->f->now_usec);
}

static void ask_lease(World *w, Held *held, const LeaseOptions *options) {
        const TransactionOptions defaults = { .priority = JOB_NORMAL };
        PolicyDecision decision;

        if (!w->f->mb || held->n_asked > held->n_answers || held->lease)
                return;
        held->f = w->f;
        held->n_asked++;
        fixture_judge(w->f, w->f->root, 0x1234, 0x01, "abcd", 4, /* in_lease= */ true, &decision);
        lease_ask(w->f->root, w->f->mb, 0x1234, 0x01, options, &decision, &defaults, w->f->now_usec,
                  on_lease, held);
}

static void send_request(World *w) {
        const DoeObjectHeader header = { .vendor_id = 0x1234, .type = 0x01, .n_dwords = 3 };

        if (w->feature.lease && lease_wants_more(w->feature.lease))
                lease_receive(w->feature.lease, &header, (const uint8_t *)"lslsls", 4, w->f->now_usec);
}

static void hang_up(World *w, Held *held) {
        if (held->lease)
                lease_hang_up(held->lease, w->f->now_usec);
        held->lease = NULL;
}

/* -------- events -------- */

static void report(World *w, MailboxState state, bool raises_epoch) {
        Fixture *f = w->f;

        if (!can_report(w))
                return;
        mailbox_report_handed_to(f->mb, state == MAILBOX_INHIBITED ? f->inhibited_for : 0);
        mailbox_report_state(f->mb, state, f->mb->epoch + raises_epoch, "evidence", f->now_usec);
}

/* What doed-pci has in a state in which it keeps nothing. */
static void refuse_pending(World *w, int error) {
        while (can_report(w) && fixture_has_pending(w->f))
                fixture_fail(w->f, fixture_pending(w->f)->id, error, "evidence");
}

static void on_ready(World *w) {
        report(w, MAILBOX_IDLE, true);
}

static void on_ready_as_before(World *w) {
        report(w, MAILBOX_IDLE, false);
}

static void on_starting(World *w) {
        report(w, MAILBOX_STARTING, true);
        if (can_report(w))
                mailbox_report_aborted(w->f->mb, "take-over", w->f->now_usec);
}

static void on_kernel(World *w) {
        report(w, MAILBOX_KERNEL, false);
}

static void on_inhibited(World *w) {
        report(w, MAILBOX_INHIBITED, false);
}

static void on_read_only(World *w) {
        refuse_pending(w, -EROFS);
        report(w, MAILBOX_READ_ONLY, false);
        refuse_pending(w, -EROFS);
}

static void on_dead(World *w) {
        report(w, MAILBOX_DEAD, false);
        refuse_pending(w, -ESHUTDOWN);
}

static void on_failure(World *w) {
        if (!can_report(w) || !fixture_has_pending(w->f))
                return;
        fixture_fail(w->f, fixture_pending(w->f)->id, -ETIMEDOUT, "evidence");
        report(w, MAILBOX_RECOVERING, true);
        mailbox_report_aborted(w->f->mb, "evidence", w->f->now_usec);
}

static void on_lost_exchange(World *w) {
        if (can_report(w) && fixture_has_pending(w->f))
                fixture_fail(w->f, fixture_pending(w->f)->id, -ECONNABORTED, "evidence");
}

static void on_recalled(World *w) {
        if (can_report(w) && w->f->mb->staged)
                mailbox_report_recalled(w->f->mb, w->f->mb->staged->id, w->f->now_usec);
}

static void on_link_lost(World *w) {
        if (w->f->m->has_link)
                manager_link_lost(w->f->m, "it was killed", w->f->now_usec);
}

static void on_link_up(World *w) {
        char instance[16];

        snprintf(instance, sizeof(instance), "%u", w->n_instances);
        if (!w->f->m->has_link || !w->f->mb)
                fixture_report_device(w->f, instance, false);
}

static void on_removed(World *w) {
        if (!w->f->mb || !w->f->m->has_link)
                return;
        manager_report_device_removed(w->f->m, FIXTURE_ADDRESS, w->f->now_usec);
        w->n_instances++;
}

static void on_driver_bound(World *w) {
        char instance[16];

        snprintf(instance, sizeof(instance), "%u", w->n_instances);
        if (w->f->mb && w->f->m->has_link)
                fixture_report_device(w->f, instance, /* has_kernel_cdat= */ w->n_calls % 2);
}

static void on_suspend(World *w) {
        manager_suspend(w->f->m, true, w->f->now_usec);
        if (w->f->m->has_link)
                manager_report_suspended(w->f->m, true, w->f->now_usec);
}

static void on_resume(World *w) {
        manager_suspend(w->f->m, false, w->f->now_usec);
}

static void on_call(World *w) {
        if (!w->f->mb)
                return;
        call_echo(w, w->f->other);
        call_cdat(w);
        submit_lease_job(w);
}

static void on_lease_asked(World *w) {
        ask_lease(w, &w->feature, &(LeaseOptions){ .scope = LEASE_SCOPE_FEATURE, .wait = true });
        send_request(w);
}

static void on_inhibit_asked(World *w) {
        ask_lease(w, &w->registers, &(LeaseOptions){ .scope = LEASE_SCOPE_REGISTERS, .force = true });
}

static void on_time(World *w) {
        fixture_advance(w->f, 11 * USEC_PER_SEC);
}

static const struct {
        const char *name;
        void (*fn)(World *w);
} events[] = {
        { "ready", on_ready },
        { "ready as before", on_ready_as_before },
        { "kernel", on_kernel },
        { "inhibited", on_inhibited },
        { "read-only", on_read_only },
        { "dead", on_dead },
        { "failure", on_failure },
        { "lost exchange", on_lost_exchange },
        { "recalled", on_recalled },
        { "link lost", on_link_lost },
        { "link up", on_link_up },
        { "removed", on_removed },
        { "driver bound", on_driver_bound },
        { "suspend", on_suspend },
        { "resume", on_resume },
        { "call", on_call },
        { "lease", on_lease_asked },
        { "inhibit", on_inhibit_asked },
        { "time", on_time },
};

/* -------- one order -------- */

static bool is_possible(int error) {
        static const int errors[] = { 0,      -ECONNABORTED, -ENODEV, -ESHUTDOWN,  -EROFS,     -ETIMEDOUT,
                                      -EXDEV, -EBUSY,        -EIO,    -EADDRINUSE, -EHOSTDOWN, -EUSERS };

        for (size_t i = 0; i < ELEMENTS(errors); i++)
                if (error == errors[i])
                        return true;
        return false;
}

static void serve_all(World *w) {
        Fixture *f = w->f;

        fixture_serve(f);
        if (f->kernel_job) {
                const JobResult table = { .payload = f->table, .n_bytes = f->n_table_bytes, .evidence = "" };

                device_report_kernel_cdat(f->device, f->kernel_job, &table, f->now_usec);
        }
}

/* All is well in the end, and stays so for longer than any call waits. */
static void calm_down(World *w) {
        hang_up(w, &w->registers);
        on_resume(w);
        on_link_up(w);
        on_starting(w);
        on_ready(w);
        serve_all(w);
        fixture_advance(w->f, 30 * USEC_PER_SEC);
        serve_all(w);
        hang_up(w, &w->registers);
        hang_up(w, &w->feature);
        on_starting(w);
        on_ready(w);
        serve_all(w);
        fixture_advance(w->f, USEC_PER_SEC);
}

static void check_lease(const Held *held, const char *order, const char *which) {
        ck_assert_msg(held->n_answers == held->n_asked, "%s: %s lease: %u of %u calls", order, which,
                      held->n_answers, held->n_asked);
        ck_assert_msg(held->n_ends <= held->n_opened, "%s: %s lease: %u ends", order, which, held->n_ends);
}

static void check_order(World *w, const char *order) {
        Fixture *f = w->f;
        Answer last;

        for (unsigned i = 0; i < w->n_calls; i++) {
                ck_assert_msg(w->calls[i].n_times == 1, "%s: call %u was answered %u times", order, i,
                              w->calls[i].n_times);
                ck_assert_msg(is_possible(w->calls[i].error), "%s: call %u: %d, %s", order, i,
                              w->calls[i].error, w->calls[i].text);
                if (w->calls[i].error == 0 && *w->requests[i])
                        ck_assert_mem_eq(w->calls[i].payload, w->requests[i], 4);
        }
        ck_assert_msg(w->n_lease_answers == w->n_lease_jobs, "%s: %u of %u jobs of the lease", order,
                      w->n_lease_answers, w->n_lease_jobs);
        check_lease(&w->feature, order, "feature");
        check_lease(&w->registers, order, "registers");
        ck_assert_msg(f->n_leases_open == 0, "%s: %u leases are left", order, f->n_leases_open);
        ck_assert_uint_eq(f->root->account->n_leases + f->root->account->n_waiters, 0);
        ck_assert_msg(f->mb->state == MAILBOX_IDLE && !f->mb->running && !f->mb->staged, "%s: %s", order,
                      mailbox_state_to_string(f->mb->state));
        ck_assert_uint_eq(mailbox_queue_length(f->mb), 0);
        ck_assert_uint_eq(f->root->account->n_bytes_waiting, 0);
        fixture_echo(f, f->root, "last", NULL, &last);
        fixture_serve(f);
        ck_assert_msg(last.error == 0 && last.n_times == 1, "%s: %s", order, last.text);
}

static void run_order(const size_t *order, size_t n_events) {
        static uint8_t table[40];
        World w = { .n_instances = 1 };
        char text[128] = "";

        w.f = fixture_new();
        w.f->n_table_bytes = fixture_make_table(table, 1);
        w.f->table = table;
        call_echo(&w, w.f->root);
        fixture_started(w.f, fixture_pending(w.f)->id);
        call_echo(&w, w.f->other);
        submit_lease_job(&w);
        call_cdat(&w);
        for (size_t i = 0; i < n_events; i++) {
                size_t n = strlen(text);

                snprintf(text + n, sizeof(text) - n, "%s%s", n > 0 ? ", " : "", events[order[i]].name);
                events[order[i]].fn(&w);
        }
        calm_down(&w);
        check_order(&w, text);
        fixture_free(w.f);
}

START_TEST(every_order_of_three_events_ends_well) {
        for (size_t a = 0; a < ELEMENTS(events); a++)
                for (size_t b = 0; b < ELEMENTS(events); b++)
                        for (size_t c = 0; c < ELEMENTS(events); c++)
                                run_order((const size_t[]){ a, b, c }, 3);
}
END_TEST

DEFINE_SUITE("mailbox-order", every_order_of_three_events_ends_well)
