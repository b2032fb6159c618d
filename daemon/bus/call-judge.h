/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the table of calls and the rules say of a call, and what follows from it: go on, ask polkit, or the
 * reply that refuses. For call.c. */

#include "daemon/bus/call.h"

/* What polkit is to be asked, if it must; @rule is valid as in a PolicyDecision. */
typedef struct CallAsk {
        bool is_needed;
        PolkitAction action;
        const char *rule;
} CallAsk;

/* Both: 0: go on, once what @ask says is granted, which both add to; -EACCES, -ENOLCK with @ret_failure
 * filled. */

/* The call itself and each option that was given, by the table. */
int call_judge_table(const BusCall *call, CallAsk *ask, Failure *ret_failure);
/* What it asks for, by method->judge; fills call->decision. Fails as that does, too. */
int call_judge(BusCall *call, CallAsk *ask, Failure *ret_failure);
