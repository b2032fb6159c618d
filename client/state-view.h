/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* State and features of a mailbox, shown alike by all verbs. */

#include <jansson.h>

/* Color of a mailbox's state; NULL: none. */
const char *state_view_color(const char *state);

/* Names, or numbers where there is no name, "a,b,c"; discovery, which is everywhere, last. Newly allocated,
 * owned by the caller. */
char *state_view_format_features(const json_t *mailbox);

/* "0000:3a:00.0[160] is ready, epoch 3", with the state's reason if there is one. Newly allocated, owned by
 * the caller. */
char *state_view_format_state(const json_t *mailbox);
