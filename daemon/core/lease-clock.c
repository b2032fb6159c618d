/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a lease ends by itself: the idle clock, the clock of the whole, and the one that begins when somebody
 * waits. Which of them run depends on what was opened in it. */

#include <errno.h>
#include <inttypes.h>

#include "daemon/core/lease-private.h"
#include "daemon/util/clock.h"

/* How often the observer hears of another end: each exchange moves it. */
#define TELL_USEC USEC_PER_SEC

/* The defaults of its class, where nothing was asked. */
static void lease_clock_set_class(Lease *lease) {
        const Limits *l = &lease->manager->config->limits;
        bool is_registers = lease->scope == LEASE_SCOPE_REGISTERS;

        if (is_registers)
                lease->idle_usec = USEC_INFINITY; /* nobody sees what its holder does */
        else if (!lease->inside->has_own_idle)
                lease->idle_usec = lease->is_session ? l->session_idle_usec : l->lease_idle_usec;
        if (!lease->inside->has_own_max)
                lease->max_usec = is_registers        ? l->inhibit_max_usec
                                  : lease->is_session ? USEC_INFINITY
                                                      : l->lease_max_usec;
}

void lease_clock_start(Lease *lease, uint64_t now_usec) {
        LeaseInside *in = lease->inside;

        lease_clock_set_class(lease);
        in->idle_since_usec = now_usec;
        lease_clock_update(lease, now_usec);
        in->told_usec = now_usec;
        in->told_expires_usec = lease->expires_usec;
}

void lease_clock_set_session(Lease *lease) {
        lease->is_session = true;
        lease_clock_set_class(lease);
        lease_record_update(lease);
}

void lease_clock_extend(Lease *lease, uint64_t usec) {
        lease->inside->idle_extra_usec =
                        MIN_OF(usec, lease->manager->config->limits.lease_not_ready_max_usec);
}

static bool lease_is_outstanding(const Lease *lease) {
        const LeaseInside *in = lease->inside;

        return in->job || (!TAILQ_EMPTY(&in->requests) && !in->is_blocked);
}

static uint64_t lease_idle_end(const Lease *lease) {
        const LeaseInside *in = lease->inside;

        return usec_add(in->idle_since_usec, usec_add(lease->idle_usec, in->idle_extra_usec));
}

static uint64_t lease_waited_end(const Lease *lease) {
        const LeaseInside *in = lease->inside;

        if (!in->waited_since_usec || lease->is_session || lease->scope == LEASE_SCOPE_REGISTERS)
                return USEC_INFINITY;
        return usec_add(in->waited_since_usec, lease->manager->config->limits.lease_waited_usec);
}

static uint64_t lease_max_end(const Lease *lease) {
        return usec_add(lease->since_usec, lease->max_usec);
}

/* Tell the observer, now or when it may be told again. Return: when that is; USEC_INFINITY: it knows. */
static uint64_t lease_clock_tell(Lease *lease, uint64_t now_usec) {
        Manager *m = lease->manager;
        LeaseInside *in = lease->inside;

        if (!in->is_told || in->told_expires_usec == lease->expires_usec)
                return USEC_INFINITY;
        if (now_usec < usec_add(in->told_usec, TELL_USEC))
                return usec_add(in->told_usec, TELL_USEC);
        in->told_usec = now_usec;
        in->told_expires_usec = lease->expires_usec;
        m->observer->lease_changed(m->observer_userdata, lease);
        return USEC_INFINITY;
}

void lease_clock_update(Lease *lease, uint64_t now_usec) {
        LeaseInside *in = lease->inside;
        uint64_t tell_usec;

        if (lease->state != LEASE_OPEN)
                return;
        if (lease_is_outstanding(lease)) {
                in->idle_since_usec = USEC_INFINITY;
                in->idle_extra_usec = 0;
        } else if (in->idle_since_usec == USEC_INFINITY)
                in->idle_since_usec = now_usec;
        if (!lease_has_waiters(lease))
                in->waited_since_usec = 0;
        else if (!in->waited_since_usec)
                in->waited_since_usec = MAX_OF(now_usec, UINT64_C(1));

        lease->expires_usec = MIN_OF(lease_max_end(lease), lease_waited_end(lease));
        lease->expires_usec = MIN_OF(lease->expires_usec, lease_idle_end(lease));
        tell_usec = MIN_OF(lease_clock_tell(lease, now_usec), lease->expires_usec);
        if (tell_usec == USEC_INFINITY)
                timer_disarm(&lease->manager->timers, &lease->timer);
        else /* without memory the next request looks at the clocks again */
                (void)timer_arm(&lease->manager->timers, &lease->timer, tell_usec);
}

uint64_t lease_idle_usec(const Lease *lease, uint64_t now_usec) {
        uint64_t since_usec = lease->inside->idle_since_usec;

        return since_usec == USEC_INFINITY ? 0 : usec_sub(now_usec, since_usec);
}

void lease_clock_stop(Lease *lease) {
        lease->expires_usec = USEC_INFINITY;
        timer_disarm(&lease->manager->timers, &lease->timer);
}

static void lease_explain_end(const Lease *lease, uint64_t now_usec, char *ret, size_t size) {
        const LeaseInside *in = lease->inside;

        if (now_usec >= lease_max_end(lease))
                snprintf(ret, size, "The lease had its %" PRIu64 " s", lease->max_usec / USEC_PER_SEC);
        else if (now_usec >= lease_waited_end(lease))
                snprintf(ret, size, "Somebody has waited for the lease for %" PRIu64 " s",
                         (now_usec - in->waited_since_usec) / USEC_PER_SEC);
        else
                snprintf(ret, size, "The lease was idle for %" PRIu64 " s",
                         (now_usec - in->idle_since_usec) / USEC_PER_SEC);
}

void lease_on_timer(Timer *timer, void *userdata, uint64_t now_usec) {
        Lease *lease = userdata;
        char text[128];

        lease_clock_update(lease, now_usec);
        if (now_usec < lease->expires_usec)
                return;
        lease_explain_end(lease, now_usec, text, sizeof(text));
        lease_book_note_expired(lease->device->lease_book, lease->uid);
        lease_end(lease, -ETIMEDOUT, text, now_usec);
}
