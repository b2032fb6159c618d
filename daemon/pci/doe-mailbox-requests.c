/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What others ask of a mailbox: to be recovered, to be left to the kernel or to a tool, not to be written.
 * What keeps us from the registers is kept as a set; the state shows the first of it: inhibited, read-only,
 * held. */

#include <errno.h>
#include <stdio.h>

#include "daemon/pci/doe-mailbox-state.h"
#include "daemon/util/clock.h"

void doe_mailbox_set_take_over(DoeMailbox *mb, uint64_t settle_usec, bool is_on_demand) {
        mb->settle_usec = settle_usec;
        mb->is_on_demand = is_on_demand;
        if (mb->due_usec == USEC_INFINITY)
                mb->due_usec = 0;
}

static void mailbox_recover_by_force(DoeMailbox *mb) {
        static const char why[] = "Recovery was asked for";

        if (mailbox_is_exchanging(mb) && exchange_state(mb->exchange) != EXCHANGE_STARTING)
                mailbox_answer(mb, 0, -ECONNABORTED, why, NULL);
        mailbox_begin_abort(mb, MAILBOX_RECOVERING, "%s", why);
}

void doe_mailbox_recover(DoeMailbox *mb, bool force) {
        uint64_t now_usec = mailbox_follow_clock(mb);

        switch (mb->state) {
        case MAILBOX_DEAD:
                mailbox_recover_by_force(mb);
                break;
        case MAILBOX_GONE:
                mb->gone_usec = usec_add(now_usec, DOE_MAILBOX_GONE_DEAD_USEC);
                mb->gone_delay_usec = DOE_MAILBOX_GONE_FIRST_USEC;
                mb->due_usec = now_usec;
                break;
        case MAILBOX_READY:
        case MAILBOX_YIELDING:
        case MAILBOX_RECOVERING:
                if (force)
                        mailbox_recover_by_force(mb);
                break;
        case MAILBOX_SETTLING: /* not ours */
        case MAILBOX_HELD:
        case MAILBOX_RESETTLING:
        case MAILBOX_READ_ONLY:
        case MAILBOX_INHIBITED:
        case MAILBOX_STARTING: /* under way */
                break;
        }
}

static void mailbox_set_hold_reason(DoeMailbox *mb, const char *reason) {
        if (reason != mb->hold_reason)
                snprintf(mb->hold_reason, sizeof(mb->hold_reason), "%s", reason);
}

void doe_mailbox_hold(DoeMailbox *mb, const char *reason) {
        mailbox_set_hold_reason(mb, reason);
        mb->wind_up_usec = 0;
        mb->is_held = true;
        mb->gone_usec = 0;
        exchange_hold(mb->exchange);
        if (mb->state != MAILBOX_READ_ONLY && mb->state != MAILBOX_INHIBITED)
                mailbox_enter(mb, MAILBOX_HELD, "%s", mb->hold_reason);
}

/* Return: when it must have ended; 0: nothing is under way. */
static uint64_t mailbox_hurry(DoeMailbox *mb, uint64_t until_usec) {
        if (exchange_state(mb->exchange) == EXCHANGE_STARTING)
                exchange_forget(mb->exchange);
        if (!mailbox_is_driving(mb))
                return 0;
        exchange_hurry(mb->exchange, until_usec);
        return MAX_OF(until_usec, UINT64_C(1));
}

void doe_mailbox_wind_up(DoeMailbox *mb, const char *reason, uint64_t until_usec) {
        mb->wind_up_usec = mailbox_hurry(mb, until_usec);
        if (mb->wind_up_usec == 0)
                doe_mailbox_hold(mb, reason);
        else
                mailbox_set_hold_reason(mb, reason);
}

/* What still runs could not be ended in time. */
static void mailbox_enter_inhibited(DoeMailbox *mb) {
        mb->inhibit_usec = 0;
        mb->is_held = mb->is_held || mb->wind_up_usec > 0;
        mb->wind_up_usec = 0;
        mb->gone_usec = 0;
        mb->needs_takeover = true;
        if (mailbox_has_started(mb, 0))
                mailbox_answer(mb, 0, -ECONNABORTED, mb->inhibit_reason, NULL);
        mailbox_answer_all(mb, -EADDRINUSE, mb->inhibit_reason);
        exchange_forget(mb->exchange);
        mailbox_enter(mb, MAILBOX_INHIBITED, "%s", mb->inhibit_reason);
}

void doe_mailbox_inhibit(DoeMailbox *mb, const char *reason, uint64_t until_usec) {
        if (mb->is_inhibited)
                return;
        mb->is_inhibited = true;
        snprintf(mb->inhibit_reason, sizeof(mb->inhibit_reason), "%s", reason);
        mb->inhibit_usec = mailbox_hurry(mb, until_usec);
        if (mb->inhibit_usec == 0)
                mailbox_enter_inhibited(mb);
}

void doe_mailbox_end_inhibit(DoeMailbox *mb) {
        mb->is_inhibited = false;
        mb->inhibit_usec = 0;
        if (mb->state != MAILBOX_INHIBITED)
                return;
        if (mb->read_only[0])
                mailbox_enter(mb, MAILBOX_READ_ONLY, "%s", mb->read_only);
        else if (mb->is_held)
                mailbox_enter(mb, MAILBOX_HELD, "%s", mb->hold_reason);
        else
                mailbox_enter(mb, MAILBOX_SETTLING, "%s", "");
}

void mailbox_step_wind_up(DoeMailbox *mb, uint64_t now_usec) {
        bool is_driving = mailbox_is_driving(mb);

        if (mb->inhibit_usec > 0 && (!is_driving || now_usec >= mb->inhibit_usec))
                mailbox_enter_inhibited(mb);
        if (mb->wind_up_usec > 0 && (!is_driving || now_usec >= mb->wind_up_usec))
                doe_mailbox_hold(mb, mb->hold_reason);
}

bool doe_mailbox_is_winding_up(const DoeMailbox *mb) {
        return mb->wind_up_usec > 0 || mb->inhibit_usec > 0;
}

void doe_mailbox_release(DoeMailbox *mb, uint64_t since_usec, bool is_dirty) {
        bool is_settling = mb->state == MAILBOX_SETTLING || mb->state == MAILBOX_RESETTLING;

        if (!mb->is_held && !is_dirty)
                return;
        if (!mb->is_held && !is_settling)
                doe_mailbox_hold(mb, "The kernel has acted on the function");

        mb->is_held = false;
        mb->needs_takeover = mb->needs_takeover || is_dirty;
        mb->quiet_usec = usec_add(since_usec, mb->settle_usec);
        mb->due_usec = 0;
        settle_reset(&mb->settle);
        if (mb->state == MAILBOX_HELD) {
                char reason[WIRE_TEXT_MAX];

                memcpy(reason, mb->reason, sizeof(reason));
                mailbox_enter(mb, MAILBOX_RESETTLING, "%s", reason);
        }
}

void doe_mailbox_set_read_only(DoeMailbox *mb, const char *reason) {
        snprintf(mb->read_only, sizeof(mb->read_only), "%s", reason);
        if (mb->state == MAILBOX_INHIBITED)
                return;
        if (reason[0]) {
                /* what runs cannot end, since even a pop is a write; nor may it go on once writes are
                 * allowed */
                mailbox_answer_all(mb, -EROFS, reason);
                exchange_forget(mb->exchange);
                mailbox_enter(mb, MAILBOX_READ_ONLY, "%s", reason);
                return;
        }
        if (mb->state != MAILBOX_READ_ONLY)
                return;

        mb->quiet_usec = usec_add(mailbox_follow_clock(mb), mb->settle_usec);
        if (mb->is_held)
                mailbox_enter(mb, MAILBOX_HELD, "%s", mb->hold_reason);
        else if (mb->needs_takeover)
                mailbox_enter(mb, MAILBOX_SETTLING, "%s", "");
        else
                mailbox_enter(mb, MAILBOX_RESETTLING, "%s", "");
}

void doe_mailbox_fail_all(DoeMailbox *mb, int error, const char *evidence) {
        mailbox_answer_all(mb, error, evidence);
        mailbox_drop_exchange(mb, evidence);
}

void doe_mailbox_orphan(DoeMailbox *mb) {
        while (mb->jobs.n_jobs > 0)
                jobs_remove(&mb->jobs, 0);
        mailbox_drop_exchange(mb, "Nobody waits for the answer any more");
}
