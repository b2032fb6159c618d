/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Exchanges as lines, of which none waits for the next one: what a column needs cannot be measured first. */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "client/monitor.h"

typedef struct MonitorView {
        FILE *stream; /* borrowed */
        bool has_color;
        size_t width;                        /* of the terminal, as it is now; 0: none, and nothing is cut */
        size_t n_mailbox;                    /* columns of the widest mailbox so far */
        size_t titled_width, titled_mailbox; /* what the last line of titles was for */
} MonitorView;

/* Below it what is less wanted is cut or left out. */
#define MONITOR_WIDE 140u

/* One line; before the first one, and when columns have moved, one of titles. @user: name of e->uid, or
 * NULL. */
void monitor_view_print(MonitorView *v, const MonitorExchange *e, const char *user);
/* The same as an object, a new reference. */
json_t *monitor_view_json(const MonitorExchange *e, const char *user);
