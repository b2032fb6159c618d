/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/poll.h"

#include "daemon/util/cleanup.h"
#include "daemon/util/clock.h"

uint64_t poll_history_get(const PollHistory *history, uint16_t vendor_id, uint8_t type) {
        for (unsigned i = 0; i < POLL_FEATURES; i++)
                if (history->features[i].vendor_id == vendor_id && history->features[i].type == type)
                        return history->features[i].usec;
        return 0;
}

void poll_history_learn(PollHistory *history, uint16_t vendor_id, uint8_t type, uint64_t usec) {
        unsigned i;

        usec = MAX_OF(usec, (uint64_t)1);
        for (i = 0; i < POLL_FEATURES; i++)
                if (history->features[i].usec > 0 && history->features[i].vendor_id == vendor_id &&
                    history->features[i].type == type) {
                        /* a fifth of the new one, four fifths of the old ones */
                        history->features[i].usec += usec / 4;
                        history->features[i].usec -= history->features[i].usec / 5;
                        history->features[i].usec = MAX_OF(history->features[i].usec, (uint64_t)1);
                        return;
                }

        i = history->next;
        history->next = (history->next + 1) % POLL_FEATURES;
        history->features[i].vendor_id = vendor_id;
        history->features[i].type = type;
        history->features[i].usec = usec;
}

uint64_t poll_spacing_usec(const Access *access, unsigned n_accesses) {
        uint64_t usec;

        if (!access_is_slow(access))
                return 0;

        usec = (uint64_t)access_median_usec(access) * n_accesses;
        usec = usec * (100 - POLL_SLOW_DUTY_PERCENT) / POLL_SLOW_DUTY_PERCENT;
        usec = MAX_OF(usec, (uint64_t)POLL_SLOW_USEC);
        return MIN_OF(usec, (uint64_t)POLL_SLOW_MAX_USEC);
}

/* Without limits: before the expected end straight to it, around it in small steps, else in proportion. */
static uint64_t poll_wish_usec(const PollPlan *plan, uint64_t elapsed_usec) {
        uint64_t early_usec = plan->expected_usec - plan->expected_usec / 4;
        uint64_t late_usec = plan->expected_usec + plan->expected_usec / 4;

        if (elapsed_usec < early_usec)
                return early_usec - elapsed_usec;
        if (elapsed_usec < late_usec)
                return plan->expected_usec / 16;
        return elapsed_usec / 4;
}

uint64_t poll_delay_usec(PollPlan *plan, const Access *access, uint64_t now_usec) {
        uint64_t usec = poll_wish_usec(plan, usec_sub(now_usec, plan->since_usec));

        usec = MAX_OF(usec, (uint64_t)POLL_FIRST_USEC);
        usec = MIN_OF(usec, (uint64_t)POLL_MAX_USEC);
        if (usec < POLL_FAST_USEC) {
                if (plan->n_fast < POLL_FAST_MAX)
                        plan->n_fast++;
                else
                        usec = POLL_FAST_USEC;
        }
        return MAX_OF(usec, poll_spacing_usec(access, 1));
}
