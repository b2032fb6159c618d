/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Tells the bus what the core tells: objects that come and go, properties that change, signals. */

#include "daemon/core/observer.h"

/* What the core is given; its userdata is the Daemon. */
extern const Observer publisher_observer;
