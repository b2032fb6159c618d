/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The methods of org.doed.Mailbox1 that have a file of their own. */

#include "daemon/bus/call.h"

#define ROW_TIMEOUT                                                                                         \
        { "timeout-usec", OPTION_U64, offsetof(BusCall, options.timeout_usec), 0 }

extern const BusMethod mailbox_exchange, mailbox_lease, mailbox_inhibit;
