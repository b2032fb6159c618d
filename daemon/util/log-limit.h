/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* How many lines of one kind about one subject may be logged: whoever can cause lines, a device or a client,
 * must not fill the journal, nor hide among its own lines what others did. */

#include <stdint.h>

#define LOG_LIMIT_SUBJECT_MAX 48u
#define LOG_LIMIT_SLOTS       256u /* kinds times subjects at a time; then the longest silent one gives way */
#define LOG_LIMIT_USEC        UINT64_C(60000000)

/* A minute of one kind and subject; n_let is 0 in one that is not used. */
typedef struct LogLimitSlot {
        unsigned kind;
        char subject[LOG_LIMIT_SUBJECT_MAX];
        uint64_t since_usec, last_usec;
        unsigned n_let, n_dropped;
} LogLimitSlot;

typedef struct LogLimiter {
        LogLimitSlot slots[LOG_LIMIT_SLOTS];
} LogLimiter;

/* Lines that were left out and have not been told of. */
typedef struct LogLeftOut {
        unsigned kind, n_lines; /* 0 lines: none */
        char subject[LOG_LIMIT_SUBJECT_MAX];
} LogLeftOut;

/**
 * log_limiter_pass() - may a line of @kind about @subject be logged?
 * @n_burst: so many in each minute from the first on
 * @ret_left_out: to be told of before it; usually of the same kind and subject, else of one that is
 * forgotten
 *
 * Return: 1; 0: it is left out.
 */
int log_limiter_pass(LogLimiter *l, unsigned kind, const char *subject, unsigned n_burst, uint64_t now_usec,
                     LogLeftOut *ret_left_out);
