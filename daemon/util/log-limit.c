/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/util/log-limit.h"

#include <stdio.h>
#include <string.h>

/* The slot of it; else one that is free; else the one that was silent for longest. */
static LogLimitSlot *find_slot(LogLimiter *l, unsigned kind, const char *subject) {
        LogLimitSlot *best = &l->slots[0];

        for (size_t i = 0; i < LOG_LIMIT_SLOTS; i++) {
                LogLimitSlot *s = &l->slots[i];

                if (s->n_let > 0 && s->kind == kind && strcmp(s->subject, subject) == 0)
                        return s;
                if (best->n_let > 0 && (s->n_let == 0 || s->last_usec < best->last_usec))
                        best = s;
        }
        return best;
}

static void take_left_out(LogLimitSlot *s, LogLeftOut *ret) {
        ret->kind = s->kind;
        ret->n_lines = s->n_dropped;
        memcpy(ret->subject, s->subject, sizeof(ret->subject));
        s->n_let = s->n_dropped = 0;
}

int log_limiter_pass(LogLimiter *l, unsigned kind, const char *subject, unsigned n_burst, uint64_t now_usec,
                     LogLeftOut *ret_left_out) {
        char key[LOG_LIMIT_SUBJECT_MAX];
        LogLimitSlot *s;

        snprintf(key, sizeof(key), "%s", subject);
        s = find_slot(l, kind, key);
        ret_left_out->n_lines = 0;
        if (s->n_let > 0 &&
            (s->kind != kind || strcmp(s->subject, key) != 0 || now_usec - s->since_usec >= LOG_LIMIT_USEC))
                take_left_out(s, ret_left_out);
        if (s->n_let == 0) {
                s->kind = kind;
                strcpy(s->subject, key);
                s->since_usec = now_usec;
        }
        s->last_usec = now_usec;
        if (s->n_let < n_burst) {
                s->n_let++;
                return 1;
        }
        s->n_dropped++;
        return 0;
}
