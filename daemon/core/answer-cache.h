/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Of one mailbox: requests whose rules let their answers be kept (Cache=), and whose class is read or
 * unknown. Identical ones under way are one exchange, each caller with its own timeout, Cancel and
 * max-response; the answers are kept until they are too old, the epoch changes, or others need the room.
 * Who may have an answer was judged before, for each caller. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/core/client.h"
#include "daemon/core/job.h"
#include "daemon/core/mailbox.h"
#include "daemon/core/policy.h"

typedef struct AnswerCache AnswerCache;
typedef struct AnswerFlight AnswerFlight;

/* May the answer be shared and kept? */
bool answer_cache_may_hold(const PolicyDecision *decision);
/* Answer @t out of the cache. False: nothing in it will do, and @t is as it was. */
bool answer_cache_answer(Transaction *t, const PolicyDecision *decision, uint64_t now_usec);
/**
 * answer_cache_ask() - let @t wait for an exchange that is under way already, or start one
 * @job: the one that @t would be alone; ownership moves in any case
 *
 * Return: 0, and @t is answered later, or has been; as mailbox_submit(), -ENOMEM: @t is as it was.
 */
int answer_cache_ask(Transaction *t, const PolicyDecision *decision, Job *job, uint64_t now_usec);
/* @t, out of the flight's list already, waits no more. The last one takes the exchange with it. */
void answer_flight_leave(AnswerFlight *flight, const Transaction *t);
const Job *answer_flight_get_job(const AnswerFlight *flight); /* NULL: it has ended */

/* Another epoch: forget all answers. NULL is none. */
void answer_cache_clear(AnswerCache *cache);
/* No flight may be under way. */
AnswerCache *answer_cache_free(AnswerCache *cache);
