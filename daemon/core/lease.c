/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The life of a lease: asked for, granted, opened, ended, closed, and what happens to it meanwhile. */

#include "daemon/core/lease.h"

#include <errno.h>
#include <inttypes.h>

#include "daemon/core/lease-private.h"
#include "daemon/util/clock.h"
#include "daemon/util/text.h"

static bool lease_is_spdm_owned(const Lease *lease) {
        return lease->is_spdm && *lease->device->spdm_owner && !lease->inside->effects.kernel_override;
}

/* -------- closing -------- */

/* Let the registers be taken over again. */
static void lease_release_registers(Lease *lease) {
        Manager *m = lease->manager;

        if (lease->inside->is_inhibit_sent && m->has_link && lease->device->is_linked)
                m->link->inhibit(m->link_userdata, lease->mailbox, /* lease_id= */ 0);
        lease->device->lease_book->has_released |= lease->inside->is_inhibit_sent;
        lease->inside->is_inhibit_sent = false;
}

static void lease_uncount(Lease *lease) {
        LeaseInside *in = lease->inside;

        in->account->n_leases -= in->is_counted_open;
        in->account->n_waiters -= in->is_counted_waiter;
        in->is_counted_open = in->is_counted_waiter = false;
}

/* Nothing of it is left but its memory. */
static void lease_close(Lease *lease, uint64_t now_usec) {
        LeaseBook *book = lease->device->lease_book;
        Manager *m = lease->manager;

        lease_drop_requests(lease);
        lease_clock_stop(lease);
        lease_release_registers(lease);
        lease_record_close(lease, now_usec);
        lease_uncount(lease);
        if (lease->inside->is_told)
                m->observer->lease_closed(m->observer_userdata, lease);
        TAILQ_REMOVE(&lease->device->leases, lease, leases);
        TAILQ_INSERT_TAIL(&book->closed, lease, leases);
        lease->state = LEASE_ENDING;
        lease->inside->is_closed = true;
        lease_book_wake(book);
}

void lease_refuse(Lease *lease, const Failure *failure, uint64_t now_usec) {
        Transaction *t = TAKE_PTR(lease->transaction);

        t->lease = NULL;
        lease_close(lease, now_usec);
        transaction_fail(t, failure);
}

void lease_abandon(Lease *lease) {
        lease->transaction = NULL;
        /* of one that is not open nothing is kept, so the time does not matter */
        lease_close(lease, 0);
}

/* -------- opening -------- */

/* Open ones stand before the waiters. */
static void lease_move_to_holders(Lease *lease) {
        struct LeaseList *list = &lease->device->leases;
        Lease *other;

        TAILQ_REMOVE(list, lease, leases);
        TAILQ_FOREACH (other, list, leases)
                if (!lease_is_holder(other)) {
                        TAILQ_INSERT_BEFORE(other, lease, leases);
                        return;
                }
        TAILQ_INSERT_TAIL(list, lease, leases);
}

void lease_grant(Lease *lease, uint64_t now_usec) {
        LeaseInside *in = lease->inside;
        Failure failure;

        lease_uncount(lease);
        if (account_check_lease(in->account, &in->effects, &failure) < 0) {
                lease_refuse(lease, &failure, now_usec);
                return;
        }
        in->account->n_leases++;
        in->is_counted_open = true;
        lease_move_to_holders(lease);
        lease->state = LEASE_OPENING;
        lease_book_note_granted(lease->device->lease_book, lease->uid);
}

/* Has doed-pci let the registers go? */
static bool lease_has_registers(Lease *lease) {
        Manager *m = lease->manager;

        if (!lease->inside->is_inhibit_sent) {
                lease->inside->is_inhibit_sent = true;
                m->link->inhibit(m->link_userdata, lease->mailbox, lease->id);
        }
        /* what is left of an older one does not count: it is being taken back */
        return lease->mailbox->state == MAILBOX_INHIBITED && lease->mailbox->handed_to == lease->id;
}

/* What may have changed since it was asked for. Return: 0; a negative errno. */
static int lease_check_ready(Lease *lease, uint64_t now_usec, Failure *ret) {
        int r;

        if (lease->scope == LEASE_SCOPE_REGISTERS)
                return 0;
        if ((lease->vendor_id || lease->type) &&
            !mailbox_may_offer(lease->mailbox, lease->vendor_id, lease->type))
                return lease_fail_not_offered(lease->mailbox, lease->vendor_id, lease->type, ret);
        if (lease_is_spdm_owned(lease))
                return lease_fail_spdm_owner(lease->device, ret);
        if (!lease->inside->has_token)
                return 0;
        r = lease_check_resume(lease, now_usec, ret);
        if (r == 0)
                lease_resume(lease);
        return r;
}

static void lease_open(Lease *lease, uint64_t now_usec) {
        Manager *m = lease->manager;
        Transaction *t = TAKE_PTR(lease->transaction);
        TransactionResult result = { .lease = lease, .epoch = lease->mailbox->epoch };

        t->lease = NULL;
        lease->state = LEASE_OPEN;
        lease->since_usec = now_usec;
        lease->since_realtime_usec = m->realtime_usec();
        lease->opened_epoch = lease->mailbox->epoch;
        lease_record_open(lease, now_usec);
        lease_clock_start(lease, now_usec);
        lease->inside->is_told = true;
        m->observer->lease_opened(m->observer_userdata, lease);
        transaction_succeed(t, &result, now_usec);
}

/* Nothing new begins there: who holds the mailbox up is asked to let go of what has not begun. But what
 * waits for a take-over would be handed down again at once, and ends with that. */
static void lease_take_back_calls(Lease *lease) {
        Mailbox *mb = lease->mailbox;

        if (lease->inside->is_recall_sent || mb->state == MAILBOX_UNTOUCHED || mb->state == MAILBOX_STARTING)
                return;
        lease->inside->is_recall_sent = true;
        mailbox_take_back(mb);
}

/* A tool is needed just where calls cannot run any more: while they cannot, they wait until it is done. But
 * it would disturb what the kernel has under way. */
static bool lease_must_wait(Lease *lease) {
        Mailbox *mb = lease->mailbox;

        if (lease->scope != LEASE_SCOPE_REGISTERS)
                return lease_has_calls_before(lease);
        if (mb->state == MAILBOX_KERNEL)
                return true;
        if (mailbox_is_ready(mb)) {
                lease->inside->is_recall_sent = false;
                /* what it holds back since is not before it */
                return !lease->inside->is_inhibit_sent && lease_has_calls_before(lease);
        }
        if (mailbox_is_busy(mb))
                lease_take_back_calls(lease);
        return mailbox_is_busy(mb);
}

void lease_try_open(Lease *lease, uint64_t now_usec) {
        const Manager *m = lease->manager;
        Failure failure = {};

        if (m->is_suspended || !m->has_link || !lease->device->is_linked || lease_must_wait(lease))
                return;
        if (lease->scope == LEASE_SCOPE_REGISTERS ? !lease_has_registers(lease)
                                                  : !mailbox_is_ready(lease->mailbox))
                return;
        if (lease_check_ready(lease, now_usec, &failure) < 0)
                lease_refuse(lease, &failure, now_usec);
        else
                lease_open(lease, now_usec);
}

/* -------- asking -------- */

/* Who it is for: the client may leave. */
static int lease_copy_holder(Lease *lease, const Client *c) {
        lease->uid = c->uid;
        lease->pid = c->pid;
        lease->holder = strdup(c->name);
        lease->unit = c->unit ? strdup(c->unit) : NULL;
        lease->inside->account = account_ref(c->manager, c->uid);
        if (!lease->holder || (c->unit && !lease->unit) || !lease->inside->account)
                return -ENOMEM;
        if (c->n_gids == 0)
                return 0;
        lease->gids = calloc(c->n_gids, sizeof(*lease->gids));
        if (!lease->gids)
                return -ENOMEM;
        memcpy(lease->gids, c->gids, c->n_gids * sizeof(*lease->gids));
        lease->n_gids = c->n_gids;
        return 0;
}

static void lease_copy_options(Lease *lease, const LeaseOptions *o, const PolicyDecision *decision) {
        const Limits *l = &lease->manager->config->limits;
        LeaseInside *in = lease->inside;

        lease->scope = o->scope;
        lease->idle_usec = o->idle_usec;
        lease->max_usec = o->max_usec;
        lease->request_usec = o->request_usec ?: l->lease_request_usec;
        text_set(lease->why, sizeof(lease->why), o->why ?: "");
        in->has_own_idle = o->idle_usec != 0;
        in->has_own_max = o->max_usec != 0;
        in->is_forced = o->scope == LEASE_SCOPE_REGISTERS && o->force;
        in->has_token = o->scope != LEASE_SCOPE_REGISTERS && o->has_token;
        memcpy(in->resumes, o->token, sizeof(in->resumes));
        in->effects = decision->effects;
        if (decision->verdict == POLICY_ASK)
                snprintf(in->granted_rule, sizeof(in->granted_rule), "%s", decision->rule);
        in->effects.rate_rule = NULL; /* a reload takes it away */
        if (o->scope == LEASE_SCOPE_REGISTERS) {
                in->effects.leases_max = l->leases_max_per_uid; /* no rule speaks of it */
                in->effects.waiters_max = l->waiters_max_per_uid;
        }
}

/* In no list yet. NULL on no memory. */
static Lease *lease_new(Client *c, Mailbox *mb, uint16_t vendor_id, uint8_t type,
                        const LeaseOptions *options, const PolicyDecision *decision) {
        Lease *lease = calloc(1, sizeof(*lease));
        LeaseInside *in = calloc(1, sizeof(*in));

        if (!lease || !in) {
                free(lease);
                free(in);
                return NULL;
        }
        lease->inside = in;
        lease->manager = c->manager;
        lease->device = mb->device;
        lease->mailbox = mb;
        lease->vendor_id = vendor_id;
        lease->type = type;
        lease->id = ++c->manager->last_lease_id;
        lease->state = LEASE_WAITING;
        lease->expires_usec = USEC_INFINITY;
        lease->since_realtime_usec = c->manager->realtime_usec();
        lease->timer = (Timer){ .fn = lease_on_timer, .userdata = lease };
        in->request_timer = (Timer){ .fn = lease_on_request_timer, .userdata = lease };
        in->passed.mailbox = mb;
        TAILQ_INIT(&in->requests);
        lease_copy_options(lease, options, decision);
        lease->is_spdm = lease->scope == LEASE_SCOPE_FEATURE && lease_feature_is_spdm(vendor_id, type);
        if (lease_copy_holder(lease, c) < 0) {
                TAILQ_INSERT_TAIL(&mb->device->lease_book->closed, lease, leases);
                lease_book_wake(mb->device->lease_book);
                return NULL;
        }
        return lease;
}

/* What is known at once to be in vain. Return: 0; a negative errno. */
static int lease_check_asked(const Lease *lease, uint64_t now_usec, Failure *ret) {
        const Mailbox *mb = lease->mailbox;
        int r = lease_check_state(mb, lease->scope, ret);

        if (r < 0)
                return r;
        if (lease->scope != LEASE_SCOPE_REGISTERS && (lease->vendor_id || lease->type) &&
            !mailbox_may_offer(mb, lease->vendor_id, lease->type))
                return lease_fail_not_offered(mb, lease->vendor_id, lease->type, ret);
        if (lease_is_spdm_owned(lease))
                return lease_fail_spdm_owner(lease->device, ret);
        /* before, records may be missing that doed-pci still tells of */
        if (lease->inside->has_token && mailbox_is_ready(mb))
                return lease_check_resume(lease, now_usec, ret);
        return 0;
}

/* Would it be granted once those were ended that are in its way? Return: 0; -EDQUOT with @ret filled. */
static int lease_check_force(const Lease *lease, Failure *ret) {
        const LeaseInside *in = lease->inside;
        const Lease *other;
        uint64_t n_ending = 0;
        int r;

        TAILQ_FOREACH (other, &lease->device->leases, leases)
                n_ending += other->inside->is_counted_open && other->inside->account == in->account &&
                            leases_conflict(other, lease);
        in->account->n_leases -= n_ending;
        r = account_check_lease(in->account, &in->effects, ret);
        in->account->n_leases += n_ending;
        if (r == 0 && lease_find_obstacle(lease))
                r = account_check_waiter(in->account, &in->effects, ret);
        return r;
}

static void leases_end_conflicting(const Lease *lease, uint64_t now_usec) {
        const Device *d = lease->device;
        Lease *other;

        for (other = lease_find_after(d, 0); other; other = lease_find_after(d, other->id)) {
                if (lease_is_holder(other) && leases_conflict(other, lease))
                        lease_end(other, -EADDRINUSE, "The registers are handed to a tool by force",
                                  now_usec);
        }
}

/* May it stand among the waiters, if it must? Return: 0; a negative errno. */
static int lease_check_wait(Lease *lease, bool may_wait, const Client *c, Failure *ret) {
        const Lease *obstacle = lease_find_obstacle(lease);
        LeaseInside *in = lease->inside;
        int r;

        if (!obstacle)
                return 0;
        if (!may_wait && !in->is_forced)
                return lease_fail_held(obstacle, c, ret);
        r = account_check_waiter(in->account, &in->effects, ret);
        if (r < 0)
                return r;
        in->account->n_waiters++;
        in->is_counted_waiter = true;
        return 0;
}

static void lease_begin(Lease *lease, const LeaseOptions *options, uint64_t now_usec) {
        const Client *c = lease->transaction->client;
        Device *d = lease->device;
        Failure failure = {};
        Lease *other;
        int r = lease_check_asked(lease, now_usec, &failure);

        if (r == 0 && lease->inside->is_forced)
                r = lease_check_force(lease, &failure);
        if (r == 0 && lease->inside->is_forced)
                leases_end_conflicting(lease, now_usec);
        if (r == 0)
                r = lease_check_wait(lease, options->wait, c, &failure);
        TAILQ_INSERT_TAIL(&lease->device->leases, lease, leases);
        if (r < 0) {
                lease_refuse(lease, &failure, now_usec);
                return;
        }
        lease_book_turn(d->lease_book, now_usec); /* it may be over after this */
        TAILQ_FOREACH (other, &d->leases, leases)
                lease_clock_update(other, now_usec);
}

void lease_ask(Client *c, Mailbox *mb, uint16_t vendor_id, uint8_t type, const LeaseOptions *lease_options,
               const PolicyDecision *decision, const TransactionOptions *options, uint64_t now_usec,
               TransactionDone done, void *userdata) {
        TransactionOptions bounded = *options;
        Transaction *t;
        Failure failure;

        if (!bounded.timeout_usec)
                bounded.timeout_usec = c->manager->config->limits.timeout_default_usec;
        if (decision->effects.timeout_max_usec)
                bounded.timeout_usec = MIN_OF(bounded.timeout_usec, decision->effects.timeout_max_usec);
        t = transaction_new(TRANSACTION_LEASE, c, NULL, 0, &bounded, now_usec, done, userdata);
        if (!t)
                return;
        t->mailbox = mb;
        t->vendor_id = vendor_id;
        t->type = type;
        t->lease = lease_new(c, mb, vendor_id, type, lease_options, decision);
        if (!t->lease) {
                failure_set(&failure, -ENOMEM, "Out of memory");
                transaction_fail(t, &failure);
                return;
        }
        t->lease->transaction = t;
        lease_begin(t->lease, lease_options, now_usec);
}

/* -------- ending -------- */

static void lease_end_stream(Lease *lease) {
        const LeaseStreamOps *stream = TAKE_PTR(lease->stream);

        if (stream)
                stream->end(lease->stream_userdata);
}

void lease_settle(Lease *lease, uint64_t now_usec) {
        LeaseInside *in = lease->inside;

        if (in->is_closed || in->job || !TAILQ_EMPTY(&in->requests))
                return;
        if (lease->state == LEASE_OPEN && in->is_finishing)
                lease->state = LEASE_ENDING;
        if (lease->state != LEASE_ENDING)
                return;
        lease_clock_stop(lease);
        if (in->end_error)
                lease_send_error(lease, in->end_error, LEASE_ERROR_ENDS, in->end_text);
        lease_end_stream(lease);
        if (!lease_is_drained(lease))
                return;
        if (in->needs_halt && !in->is_halted && !in->halt && lease->mailbox->state != MAILBOX_GONE)
                lease_halt(lease, now_usec);
        if (!in->halt)
                lease_close(lease, now_usec);
}

/* doed stops: nothing that is still to come of it will be seen. */
static void lease_end_at_once(Lease *lease, const char *text) {
        LeaseInside *in = lease->inside;

        if (in->job) {
                lease_withdraw(lease);
                lease_send_error(lease, -ECONNABORTED, 0, text);
                lease_pop(lease);
        }
        in->draining_id = 0;
        if (in->halt)
                in->halt->userdata = NULL;
        in->is_halted |= in->halt != NULL;
        in->halt = NULL;
}

void lease_end(Lease *lease, int error, const char *text, uint64_t now_usec) {
        LeaseInside *in = lease->inside;
        Failure failure;

        if (lease->transaction) {
                failure_set(&failure, error, "%s", text);
                lease_refuse(lease, &failure, now_usec);
                return;
        }
        if (lease->state == LEASE_OPEN) {
                lease->state = LEASE_ENDING;
                in->end_error = error;
                snprintf(in->end_text, sizeof(in->end_text), "%s", text);
                lease_clock_stop(lease);
        }
        if (in->job && in->job->state == JOB_QUEUED)
                lease_withdraw(lease);
        if (lease->manager->is_stopping)
                lease_end_at_once(lease, text);
        lease_pump(lease, now_usec);
}

void lease_hang_up(Lease *lease, uint64_t now_usec) {
        lease_drop_requests(lease);
        lease->state = LEASE_ENDING;
        lease->inside->end_error = 0;
        lease_settle(lease, now_usec);
}

void leases_end_all(Manager *m, int error, const char *text, uint64_t now_usec) {
        Lease *lease;
        Device *d;

        TAILQ_FOREACH (d, &m->devices, devices)
                for (lease = lease_find_after(d, 0); lease; lease = lease_find_after(d, lease->id)) {
                        /* calls that wait are answered otherwise, or go on waiting */
                        if (!lease->transaction)
                                lease_end(lease, error, text, now_usec);
                }
}

bool leases_hold_back(const Mailbox *mb) {
        const Lease *lease;

        TAILQ_FOREACH (lease, &mb->device->leases, leases)
                if (lease->mailbox == mb && lease->inside->is_inhibit_sent)
                        return true;
        return false;
}

bool lease_is_told(const Lease *lease) {
        return lease->inside->is_told;
}

const char *lease_end_reason(const Lease *lease) {
        return lease->inside->end_text;
}

Lease *manager_find_lease(const Manager *m, uint64_t id) {
        const Device *d;
        Lease *lease;

        TAILQ_FOREACH (d, &m->devices, devices)
                TAILQ_FOREACH (lease, &d->leases, leases)
                        if (lease->id == id && lease_is_told(lease))
                                return lease;
        return NULL;
}

/* -------- what happens to the mailbox -------- */

/* Its mailbox became something in which it cannot go on. */
static void lease_on_lost(Lease *lease, const Failure *failure, uint64_t now_usec) {
        if (lease->transaction)
                lease_refuse(lease, failure, now_usec);
        else if (lease->state == LEASE_OPEN)
                lease_end(lease, failure->error, failure->text, now_usec);
}

static void lease_on_state(Lease *lease, const Mailbox *mb, uint64_t now_usec) {
        Failure failure = {};

        if (lease->mailbox == mb) {
                if (lease_check_state(mb, lease->scope, &failure) == 0 && mb->state == MAILBOX_INHIBITED &&
                    lease->state == LEASE_OPEN && lease->scope != LEASE_SCOPE_REGISTERS)
                        failure_set(&failure, -EADDRINUSE, "The registers of %s were handed to a tool",
                                    mb->name);
                if (failure.error < 0)
                        lease_on_lost(lease, &failure, now_usec);
                else if (lease->state == LEASE_OPEN && lease->scope == LEASE_SCOPE_REGISTERS &&
                         lease->manager->has_link && lease->device->is_linked)
                        (void)lease_has_registers(
                                        lease); /* a doed-pci that has just started knows of no tool */
        }
        if (lease->state == LEASE_ENDING && mb->state == MAILBOX_GONE)
                lease_settle(lease, now_usec);
}

void leases_on_mailbox_state(Mailbox *mb, uint64_t now_usec) {
        Device *d = mb->device;
        Lease *lease;

        for (lease = lease_find_after(d, 0); lease; lease = lease_find_after(d, lease->id))
                lease_on_state(lease, mb, now_usec);
        if (!TAILQ_EMPTY(&d->leases))
                lease_book_wake(d->lease_book);
}

static void lease_on_epoch(Lease *lease, const Mailbox *mb, const char *text) {
        LeaseInside *in = lease->inside;

        in->is_in_chunks = false;
        /* its own answer comes first, if it may have been lost with the old epoch */
        if (in->job && in->passed.mailbox == mb && in->job->state != JOB_QUEUED) {
                in->has_notice = true;
                snprintf(in->notice, sizeof(in->notice), "%s", text);
        } else
                lease_send_error(lease, -ECONNRESET, LEASE_ERROR_NOTICE, text);
}

void leases_on_epoch(Mailbox *mb, const char *reason, uint64_t now_usec) {
        char text[FAILURE_TEXT_MAX];
        Lease *lease;

        lease_records_forget_epoch(mb);
        snprintf(text, sizeof(text), "%s is in epoch %" PRIu64 ": the device may have forgotten%s%s",
                 mb->name, mb->epoch, *reason ? ": " : "", reason);
        TAILQ_FOREACH (lease, &mb->device->leases, leases) {
                if (lease->state != LEASE_OPEN || lease->scope == LEASE_SCOPE_REGISTERS)
                        continue;
                lease_record_reset(lease, mb);
                if (lease_touches(lease, mb))
                        lease_on_epoch(lease, mb, text);
        }
}

void leases_on_job_ended(Mailbox *mb) {
        Lease *lease;

        TAILQ_FOREACH (lease, &mb->device->leases, leases) {
                /* another doed-pci must be told again */
                if (!mb->manager->has_link && lease->mailbox == mb)
                        lease->inside->is_inhibit_sent = false;
                if (lease->state == LEASE_OPENING || lease->inside->draining_id)
                        lease_book_wake(mb->device->lease_book);
        }
}

void leases_on_recover(Mailbox *mb, uint64_t now_usec) {
        const Device *d = mb->device;
        Lease *lease;

        for (lease = lease_find_after(d, 0); lease; lease = lease_find_after(d, lease->id)) {
                if (lease->state == LEASE_OPEN && lease_touches(lease, mb))
                        lease_end(lease, -ECONNABORTED, "The mailbox is recovered by force", now_usec);
        }
}
