/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Error replies: the contract's name for the errno, the text, and the values as a{sv}. */

#include <systemd/sd-bus.h>

#include "daemon/core/failure.h"

/* Of a method on an object that is not there (any more); not in the table of errors, since only the bus
 * knows objects. */
#define FAULT_NO_OBJECT (-ENOENT)

/* Answer @call with @failure, unless it wants no answer. Return: 0; -errno, logged. */
int fault_reply(sd_bus_message *call, const Failure *failure);
