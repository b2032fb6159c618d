/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/doe-mailbox.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "daemon/pci/doe-mailbox-state.h"
#include "daemon/util/clock.h"
#include "daemon/util/log.h"

#define S(state) (1u << MAILBOX_##state)
#define OTHERS   (S(HELD) | S(READ_ONLY) | S(INHIBITED)) /* what others ask for comes at any time */
static const uint16_t mailbox_may_enter[N_MAILBOX_STATES] = {
        [MAILBOX_SETTLING] = OTHERS | S(SETTLING) | S(STARTING) | S(READY) | S(GONE),
        [MAILBOX_HELD] = OTHERS | S(RESETTLING),
        [MAILBOX_RESETTLING] = OTHERS | S(SETTLING) | S(STARTING) | S(READY) | S(GONE),
        [MAILBOX_STARTING] = OTHERS | S(READY) | S(GONE) | S(DEAD),
        [MAILBOX_READY] = OTHERS | S(YIELDING) | S(RECOVERING) | S(GONE),
        [MAILBOX_YIELDING] = OTHERS | S(READY) | S(RECOVERING) | S(GONE),
        [MAILBOX_RECOVERING] = OTHERS | S(RECOVERING) | S(READY) | S(GONE) | S(DEAD),
        [MAILBOX_GONE] = OTHERS | S(RECOVERING) | S(DEAD),
        [MAILBOX_READ_ONLY] = OTHERS | S(SETTLING) | S(RESETTLING),
        [MAILBOX_INHIBITED] = S(HELD) | S(READ_ONLY) | S(SETTLING),
        [MAILBOX_DEAD] = OTHERS | S(RECOVERING),
};
#undef OTHERS
#undef S

static const struct {
        const char *name;
        WireMailboxState wire;
} mailbox_states[N_MAILBOX_STATES] = {
        [MAILBOX_SETTLING] = { "settling", WIRE_MAILBOX_UNTOUCHED },
        [MAILBOX_HELD] = { "held", WIRE_MAILBOX_KERNEL },
        [MAILBOX_RESETTLING] = { "resettling", WIRE_MAILBOX_KERNEL },
        [MAILBOX_STARTING] = { "starting", WIRE_MAILBOX_STARTING },
        [MAILBOX_READY] = { "ready", WIRE_MAILBOX_READY },
        [MAILBOX_YIELDING] = { "yielding", WIRE_MAILBOX_WAITING },
        [MAILBOX_RECOVERING] = { "recovering", WIRE_MAILBOX_RECOVERING },
        [MAILBOX_GONE] = { "gone", WIRE_MAILBOX_RECOVERING },
        [MAILBOX_READ_ONLY] = { "read-only", WIRE_MAILBOX_READ_ONLY },
        [MAILBOX_INHIBITED] = { "inhibited", WIRE_MAILBOX_INHIBITED },
        [MAILBOX_DEAD] = { "dead", WIRE_MAILBOX_DEAD },
};

const char *mailbox_state_name(MailboxState state) {
        return mailbox_states[state].name;
}

void mailbox_enter(DoeMailbox *mb, MailboxState next, const char *format, ...) {
        char reason[WIRE_TEXT_MAX];
        va_list ap;

        assert(mailbox_may_enter[mb->state] & (1u << next));
        va_start(ap, format);
        vsnprintf(reason, sizeof(reason), format, ap);
        va_end(ap);
        log_debug("%s: mailbox %s -> %s: %s", mb->name, mailbox_states[mb->state].name,
                  mailbox_states[next].name, reason);

        mb->state = next;
        memcpy(mb->reason, reason, sizeof(reason));
        mb->due_usec = 0;
        settle_reset(&mb->settle);
        mb->observer->on_state(mb->userdata, mb);
}

DoeMailbox *doe_mailbox_new(ConfigSpace *config, uint16_t cap_offset, const DoeMailboxSettings *settings,
                            const DoeMailboxObserver *observer, void *userdata) {
        _cleanup_(doe_mailbox_freep) DoeMailbox *mb = NULL;

        mb = calloc(1, sizeof(*mb));
        if (!mb)
                return NULL;

        mb->config = config;
        mb->cap_offset = cap_offset;
        mb->settle_usec = settings->settle_usec;
        mb->is_on_demand = settings->is_on_demand;
        mb->epoch = settings->epoch;
        mb->needs_takeover = !settings->is_clean || settings->epoch == 0;
        mb->observer = observer;
        mb->userdata = userdata;
        mb->seen_usec = config->now_usec(config);
        mb->quiet_usec = usec_add(mb->seen_usec, mb->settle_usec);
        snprintf(mb->name, sizeof(mb->name), "[%x]", cap_offset);
        mb->exchange = exchange_new(config, cap_offset);
        if (!mb->exchange)
                return NULL;

        return TAKE_PTR(mb);
}

DoeMailbox *doe_mailbox_free(DoeMailbox *mb) {
        if (!mb)
                return NULL;

        jobs_done(&mb->jobs);
        exchange_free(mb->exchange);
        free(mb);
        return NULL;
}

uint16_t doe_mailbox_offset(const DoeMailbox *mb) {
        return mb->cap_offset;
}

WireMailboxState doe_mailbox_state(const DoeMailbox *mb) {
        return mailbox_states[mb->state].wire;
}

const char *doe_mailbox_reason(const DoeMailbox *mb) {
        return mb->reason;
}

uint64_t doe_mailbox_epoch(const DoeMailbox *mb) {
        return mb->epoch;
}

void doe_mailbox_raise_epoch(DoeMailbox *mb, uint64_t epoch) {
        mb->epoch = MAX_OF(mb->epoch, epoch);
}

bool mailbox_is_driving(const DoeMailbox *mb) {
        return mailbox_is_exchanging(mb) || exchange_state(mb->exchange) == EXCHANGE_ABORTING;
}

static bool mailbox_wants_busy(const DoeMailbox *mb) {
        switch (mb->state) {
        case MAILBOX_READY:
                return mb->jobs.n_jobs > 0 || exchange_state(mb->exchange) != EXCHANGE_IDLE;
        case MAILBOX_STARTING:
        case MAILBOX_YIELDING:
        case MAILBOX_RECOVERING:
        case MAILBOX_GONE:
        case MAILBOX_DEAD:
                return true;
        case MAILBOX_SETTLING:
        case MAILBOX_HELD:
        case MAILBOX_RESETTLING:
        case MAILBOX_READ_ONLY:
                break;
        case MAILBOX_INHIBITED: /* whatever it was left as is the tool's now */
                return false;
        }
        return exchange_state(mb->exchange) != EXCHANGE_IDLE;
}

static void mailbox_set_busy(DoeMailbox *mb, bool is_busy) {
        if (mb->is_busy == is_busy)
                return;
        mb->is_busy = is_busy;
        mb->observer->on_busy(mb->userdata, mb, is_busy);
}

/* moves */

void mailbox_begin_abort(DoeMailbox *mb, MailboxState next, const char *format, ...) {
        char reason[WIRE_TEXT_MAX];
        va_list ap;

        va_start(ap, format);
        vsnprintf(reason, sizeof(reason), format, ap);
        va_end(ap);

        mb->epoch++;
        mailbox_set_busy(mb, true);
        exchange_begin_abort(mb->exchange);
        mailbox_enter(mb, next, "%s", reason);
        mb->observer->on_aborted(mb->userdata, mb, reason);
}

static void mailbox_enter_ready(DoeMailbox *mb) {
        mb->needs_takeover = false;
        mb->was_ours = true;
        mb->gone_usec = 0;
        mailbox_enter(mb, MAILBOX_READY, "%s", "");
}

static void mailbox_enter_gone(DoeMailbox *mb, uint64_t now_usec, const char *evidence) {
        if (mb->gone_usec == 0) {
                mb->gone_usec = usec_add(now_usec, DOE_MAILBOX_GONE_DEAD_USEC);
                mb->gone_delay_usec = DOE_MAILBOX_GONE_FIRST_USEC;
        }
        mb->needs_takeover = true;
        mailbox_enter(mb, MAILBOX_GONE, "%s", evidence);
        mb->due_usec = usec_add(now_usec, mb->gone_delay_usec);
}

static void mailbox_enter_read_only(DoeMailbox *mb) {
        if (mb->state != MAILBOX_READ_ONLY)
                mailbox_enter(mb, MAILBOX_READ_ONLY, "Configuration writes are refused");
}

static void mailbox_enter_dead(DoeMailbox *mb, const char *evidence) {
        mb->gone_usec = 0;
        mb->needs_takeover = true;
        mailbox_enter(mb, MAILBOX_DEAD, "%s", evidence);
        mailbox_answer_all(mb, -ESHUTDOWN, evidence);
}

static void mailbox_yield(DoeMailbox *mb, const char *evidence) {
        mailbox_enter(mb, MAILBOX_YIELDING, "%s", evidence);
        mb->observer->on_foreign(mb->userdata, mb, evidence);
}

void mailbox_drop_exchange(DoeMailbox *mb, const char *why) {
        if (!mailbox_is_exchanging(mb))
                return;
        if (mb->state == MAILBOX_READY && exchange_state(mb->exchange) != EXCHANGE_STARTING)
                mailbox_begin_abort(mb, MAILBOX_RECOVERING, "%s", why);
        else
                exchange_forget(mb->exchange);
}

static void mailbox_after_exchange(DoeMailbox *mb, const ExchangeResult *result) {
        if (result->error == 0)
                return;
        if (result->error == -EPERM)
                mailbox_enter_read_only(mb);
        if (mb->state != MAILBOX_READY)
                return;

        if (result->is_foreign)
                mailbox_yield(mb, result->evidence);
        else if (result->error == -ENODEV || result->error == -EIO)
                mailbox_enter_gone(mb, result->ended_usec, result->evidence);
        else
                mailbox_begin_abort(mb, MAILBOX_RECOVERING, "%s", result->evidence);
}

static void mailbox_abort_ended(DoeMailbox *mb, const ExchangeResult *result) {
        bool is_expected = mb->state == MAILBOX_STARTING || mb->state == MAILBOX_RECOVERING;

        if (result->error == -EPERM)
                mailbox_enter_read_only(mb);
        else if (result->error == 0 && is_expected)
                mailbox_enter_ready(mb);
        else if (result->error == -ESHUTDOWN && is_expected)
                mailbox_enter_dead(mb, result->evidence);
        else if (result->error < 0 && is_expected)
                mailbox_enter_gone(mb, result->ended_usec, result->evidence);
}

/* Due: only while it goes on. */
static uint64_t mailbox_drive(DoeMailbox *mb) {
        bool is_abort = exchange_state(mb->exchange) == EXCHANGE_ABORTING;
        ExchangeResult result;
        uint64_t due_usec;
        int r;

        r = exchange_dispatch(mb->exchange, &due_usec, &result);
        if (r == 0) {
                if (mailbox_has_started(mb, 0))
                        mailbox_announce(mb);
                return due_usec;
        }

        mb->ended_usec = result.ended_usec;
        if (is_abort)
                mailbox_abort_ended(mb, &result);
        else {
                mailbox_end_job(mb, &result);
                mailbox_after_exchange(mb, &result);
        }
        return due_usec;
}

/* looking at the registers */

static int mailbox_look(DoeMailbox *mb, uint64_t now_usec, uint64_t again_usec) {
        uint32_t status, data;
        int r;

        r = exchange_peek(mb->exchange, &status, &data);
        if (r < 0)
                return r;

        settle_update(&mb->settle, status, data, now_usec);
        mb->due_usec = usec_add(now_usec, MAX_OF(again_usec, exchange_peek_spacing_usec(mb->exchange)));
        return 0;
}

/* Two clear reads, or one other value that somebody left behind. */
static bool mailbox_is_settled(const DoeMailbox *mb) {
        uint64_t steady_usec = settle_steady_usec(&mb->settle);

        return steady_usec >= (settle_is_clear(&mb->settle) ? DOE_MAILBOX_SETTLE_READS_USEC
                                                            : DOE_MAILBOX_SETTLE_STUCK_USEC);
}

/* Left alone until somebody asks for an exchange. */
static void mailbox_rest(DoeMailbox *mb) {
        if (mb->state != MAILBOX_SETTLING || !mb->reason[0])
                mailbox_enter(mb, MAILBOX_SETTLING, "Taken over on demand");
        mb->due_usec = USEC_INFINITY;
}

static void mailbox_step_settle(DoeMailbox *mb, uint64_t now_usec) {
        bool needs_abort = mb->needs_takeover || exchange_state(mb->exchange) == EXCHANGE_FAILED;

        if (now_usec < mb->quiet_usec) {
                mb->due_usec = mb->quiet_usec;
                return;
        }
        if (mb->was_ours && !needs_abort) {
                mailbox_enter_ready(mb);
                return;
        }
        if (mb->is_on_demand && mb->jobs.n_jobs == 0) {
                mailbox_rest(mb);
                return;
        }
        if (mailbox_look(mb, now_usec, DOE_MAILBOX_SETTLE_READS_USEC) < 0) {
                mailbox_enter_gone(mb, now_usec, "Nobody answers (Status)");
                return;
        }
        if (!mailbox_is_settled(mb))
                return;

        if (needs_abort || !settle_is_clear(&mb->settle))
                mailbox_begin_abort(mb, MAILBOX_STARTING, "Take-over: Status %08" PRIx32, mb->settle.status);
        else
                mailbox_enter_ready(mb);
}

static void mailbox_step_yield(DoeMailbox *mb, uint64_t now_usec) {
        bool is_long = settle_steady_usec(&mb->settle) >= DOE_MAILBOX_STUCK_USEC;

        if (mailbox_look(mb, now_usec, is_long ? DOE_MAILBOX_LOOK_LONG_USEC : DOE_MAILBOX_LOOK_USEC) < 0) {
                mailbox_enter_gone(mb, now_usec, "Nobody answers (Status)");
                return;
        }

        if (settle_is_clear(&mb->settle)) {
                if (settle_steady_usec(&mb->settle) < DOE_MAILBOX_CLEAR_USEC)
                        return;
                /* our own request went in before the stranger's answer came: its answer may still come too
                 */
                if (exchange_state(mb->exchange) == EXCHANGE_FAILED)
                        mailbox_begin_abort(mb, MAILBOX_RECOVERING, "After foreign activity");
                else
                        mailbox_enter_ready(mb);
        } else if (settle_steady_usec(&mb->settle) >= DOE_MAILBOX_STUCK_USEC && now_usec >= mb->stuck_usec) {
                mb->stuck_usec = usec_add(now_usec, DOE_MAILBOX_STUCK_AGAIN_USEC);
                mailbox_begin_abort(mb, MAILBOX_RECOVERING,
                                    "Foreign activity does not end: Status %08" PRIx32, mb->settle.status);
        }
}

/* A function that answers again was reset, and may be busy for a while: it has to settle too. */
static void mailbox_step_gone(DoeMailbox *mb, uint64_t now_usec) {
        if (mailbox_look(mb, now_usec, DOE_MAILBOX_SETTLE_READS_USEC) >= 0) {
                if (mailbox_is_settled(mb))
                        mailbox_begin_abort(mb, MAILBOX_RECOVERING, "It answers again: Status %08" PRIx32,
                                            mb->settle.status);
                return;
        }

        settle_reset(&mb->settle);
        if (now_usec >= mb->gone_usec) {
                mailbox_enter_dead(mb, "Nobody answered for a minute");
                return;
        }
        mb->gone_delay_usec = MIN_OF(2 * mb->gone_delay_usec, (uint64_t)DOE_MAILBOX_GONE_MAX_USEC);
        mb->due_usec = MIN_OF(usec_add(now_usec, mb->gone_delay_usec), mb->gone_usec);
}

static uint64_t mailbox_due_usec(const DoeMailbox *mb) {
        switch (mb->state) {
        case MAILBOX_READY:
                if (mb->jobs.n_jobs == 0)
                        return USEC_INFINITY;
                return usec_add(mb->ended_usec, mb->jobs.jobs[0].min_gap_usec);
        case MAILBOX_READ_ONLY:
        case MAILBOX_INHIBITED:
        case MAILBOX_DEAD:
                return mb->jobs.n_jobs > 0 ? 0 : USEC_INFINITY;
        case MAILBOX_SETTLING:
        case MAILBOX_RESETTLING:
        case MAILBOX_YIELDING:
        case MAILBOX_GONE:
                return mb->due_usec;
        case MAILBOX_STARTING:
        case MAILBOX_RECOVERING:
                return 0;
        case MAILBOX_HELD:
                break;
        }
        return USEC_INFINITY;
}

static void mailbox_step(DoeMailbox *mb, uint64_t now_usec) {
        if (now_usec < mailbox_due_usec(mb))
                return;

        switch (mb->state) {
        case MAILBOX_SETTLING:
        case MAILBOX_RESETTLING:
                mailbox_step_settle(mb, now_usec);
                break;
        case MAILBOX_READY:
                mailbox_start_job(mb);
                break;
        case MAILBOX_YIELDING:
                mailbox_step_yield(mb, now_usec);
                break;
        case MAILBOX_GONE:
                mailbox_step_gone(mb, now_usec);
                break;
        case MAILBOX_STARTING: /* the abort drives these */
        case MAILBOX_RECOVERING:
        case MAILBOX_HELD: /* these wait for others */
        case MAILBOX_READ_ONLY:
        case MAILBOX_INHIBITED:
        case MAILBOX_DEAD:
                break;
        }
}

uint64_t mailbox_follow_clock(DoeMailbox *mb) {
        uint64_t now_usec = mb->config->now_usec(mb->config);
        uint64_t back_usec = usec_sub(mb->seen_usec, now_usec);

        if (back_usec > 0) {
                mb->due_usec = usec_sub(mb->due_usec, back_usec);
                mb->quiet_usec = usec_sub(mb->quiet_usec, back_usec);
                mb->stuck_usec = usec_sub(mb->stuck_usec, back_usec);
                mb->ended_usec = usec_sub(mb->ended_usec, back_usec);
                if (mb->gone_usec > 0)
                        mb->gone_usec = MAX_OF(usec_sub(mb->gone_usec, back_usec), UINT64_C(1));
                if (mb->wind_up_usec > 0)
                        mb->wind_up_usec = MAX_OF(usec_sub(mb->wind_up_usec, back_usec), UINT64_C(1));
                if (mb->inhibit_usec > 0)
                        mb->inhibit_usec = MAX_OF(usec_sub(mb->inhibit_usec, back_usec), UINT64_C(1));
                settle_rebase(&mb->settle, back_usec);
        }
        mb->seen_usec = now_usec;
        return now_usec;
}

uint64_t doe_mailbox_dispatch(DoeMailbox *mb) {
        uint64_t now_usec = mailbox_follow_clock(mb), due_usec;

        mailbox_step_wind_up(mb, now_usec);
        mailbox_expire_jobs(mb, now_usec);
        mailbox_refuse_stale_jobs(mb);
        mailbox_refuse_jobs(mb);
        if (mailbox_wants_busy(mb))
                mailbox_set_busy(mb, true);

        if (!mailbox_is_driving(mb))
                mailbox_step(mb, now_usec);
        due_usec = mailbox_is_driving(mb) ? mailbox_drive(mb) : 0;
        mailbox_step_wind_up(mb, now_usec);
        if (!mailbox_is_driving(mb))
                due_usec = mailbox_due_usec(mb);
        if (mb->wind_up_usec > 0)
                due_usec = MIN_OF(due_usec, mb->wind_up_usec);
        if (mb->inhibit_usec > 0)
                due_usec = MIN_OF(due_usec, mb->inhibit_usec);

        mailbox_set_busy(mb, mailbox_wants_busy(mb));
        return MIN_OF(due_usec, mailbox_jobs_due_usec(mb));
}
