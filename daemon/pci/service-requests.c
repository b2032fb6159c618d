/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the peer asks of doed-pci as a whole. */

#include "daemon/pci/service-state.h"
#include "daemon/util/clock.h"
#include "daemon/util/log.h"

#define RESCAN_USEC (100 * USEC_PER_MSEC) /* at most one enumeration in so long */

/* Suspend. Whoever asked for it ends it, by word or by being gone. */

static void tell_suspended(Service *s) {
        WireMessage m = { .type = WIRE_SUSPENDED, .turned = { .is_on = s->is_suspended } };

        control_send(s->control, &m, -1);
}

/* A function whose worker hangs in the kernel is not left alone yet, and it would be wrong to say so. */
void service_check_suspended(Service *s) {
        Function *f;

        if (!s->is_suspended || s->is_suspend_told)
                return;
        TAILQ_FOREACH (f, &s->functions, link)
                if (f->suspended < s->suspend_number)
                        return;
        log_debug("Every function is left alone: the host may go to sleep");
        s->is_suspend_told = true;
        tell_suspended(s);
}

static void suspend(Service *s) {
        Function *f;

        s->suspend_number++;
        s->is_suspended = true;
        s->is_suspend_told = false;
        TAILQ_FOREACH (f, &s->functions, link)
                function_suspend(f, s->suspend_number);
        service_check_suspended(s);
}

void service_resume(Service *s) {
        Function *f;

        if (!s->is_suspended)
                return;
        s->is_suspended = false;
        TAILQ_FOREACH (f, &s->functions, link)
                function_resume(f);
}

/* One enumeration answers all who ask before it, and no flood of them keeps the main thread from its other
 * work. */
static void rescan(Service *s) {
        uint64_t wait_usec = usec_sub(s->enumerated_usec + RESCAN_USEC, clock_monotonic_usec());
        const struct timeval wait = { .tv_usec = (suseconds_t)wait_usec };

        if (!event_pending(s->enumerate_event, EV_TIMEOUT, NULL))
                evtimer_add(s->enumerate_event, &wait);
}

void service_reload(Service *s) {
        const ConfigPlaces places = { .folders = s->settings->config_folders
                                                                 ?: (const char *const[]){ NULL },
                                      .only_of_root = geteuid() == 0 };
        PciRules *rules = pci_rules_load(&places, s->rules);
        Function *f;

        pci_rules_unref(s->rules);
        s->rules = rules;
        TAILQ_FOREACH (f, &s->functions, link) {
                function_set_rules(f, rules);
                service_refresh(s, f);
        }
}

bool service_handle_request(void *userdata, const WireMessage *m) {
        Service *s = userdata;

        if (m->type == WIRE_RESCAN) {
                rescan(s);
        } else if (m->type == WIRE_RELOAD) {
                service_reload(s);
        } else if (m->type == WIRE_SUSPEND && m->turned.is_on) {
                suspend(s);
        } else if (m->type == WIRE_SUSPEND) {
                service_resume(s);
                tell_suspended(s);
        } else {
                return false;
        }
        return true;
}
