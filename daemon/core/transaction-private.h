/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* How the files of transaction.h say why a call failed. For them only. */

#include "daemon/core/transaction.h"

/* Answer a call of which no transaction was made. */
void fail_unmade(TransactionDone done, void *userdata, const Failure *failure);
/* @error: -ESHUTDOWN, -EROFS, -ENODEV for the state that the mailbox is in; anything else why nothing can be
 * queued. Return: @error. */
int fail_state(const Mailbox *mb, int error, Failure *ret);
/* Where the time of a call went that is over its deadline. @mb: NULL if none is known. @device_usec: of an
 * exchange that began. */
void fail_timed_out(const Transaction *t, const Mailbox *mb, uint64_t device_usec, uint64_t now_usec,
                    Failure *ret);
/* It is over its deadline: the errno of what it waited for. */
void transaction_explain_deadline(const Transaction *t, uint64_t now_usec, Failure *ret);
