/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* How long the registers have shown the same: the one question behind settling and behind waiting for a
 * stranger to finish. Is told what was read; reads nothing. */

#include <stdbool.h>
#include <stdint.h>

/* Two reads further apart than this say nothing about the time between them. */
#define SETTLE_GAP_USEC 2500000u

typedef struct Settle {
        bool has_value;
        uint32_t status; /* Busy, Ready and Error only */
        uint32_t data;   /* Read Data while Ready: a stranger's drain shows in it and not in Status */
        uint64_t since_usec, seen_usec;
} Settle;

/* Forget what was seen. */
void settle_reset(Settle *s);
void settle_update(Settle *s, uint32_t status, uint32_t data, uint64_t now_usec);
/* Time between the first and the last read that showed what the last one showed. */
uint64_t settle_steady_usec(const Settle *s);
bool settle_is_clear(const Settle *s);
/* The clock went back by so much. */
void settle_rebase(Settle *s, uint64_t back_usec);
