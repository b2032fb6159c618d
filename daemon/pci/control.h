/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The listening socket and the one doed that is served on it: who may connect, the two Hellos, and the
 * control connection after them. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <event2/event.h>

#include "daemon/util/cleanup.h"
#include "daemon/wire/message.h"

typedef struct Control Control;

typedef struct ControlSettings {
        struct event_base *base;
        const char *path; /* where to listen; a socket that systemd passed must be this one */
        const char *version;
        uid_t peer_uid; /* who may connect beside root and our own uid */
        /* the peer's Hello came and is right: ours is to be sent, and the rest. @peer_id is never 0. */
        void (*on_ready)(void *userdata, uint64_t peer_id);
        void (*on_gone)(void *userdata);
        /* Return: whether it belongs on a control connection, from doed, after the Hellos. */
        bool (*on_request)(void *userdata, const WireMessage *m);
        void *userdata;
} ControlSettings;

/* Return: 0; -EADDRINUSE if another doed-pci listens there; -ENOTSOCK if what systemd passed is not one
 * listening stream socket at the path; -ENOMEM; -errno. */
int control_new(const ControlSettings *settings, Control **ret);
Control *control_free(Control *c);
DEFINE_CLEANUP(Control *, control_free);

/* Nothing is sent where nobody is. @fd: goes with it, or -1; stays the caller's. */
void control_send(Control *c, const WireMessage *message, int fd);
/* End the connection with the peer @peer_id, if it is still the one. */
void control_drop(Control *c, uint64_t peer_id, const char *why);
