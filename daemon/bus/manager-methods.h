/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The methods of org.doed.Manager1 that have a file of their own. */

#include "daemon/bus/call.h"

extern const BusMethod manager_capture;
