/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A WireConnection under libevent: reads a bounded number of messages each time, and keeps what the
 * connection's own buffer does not take. */

#include <stdbool.h>

#include <event2/event.h>

#include "daemon/util/cleanup.h"
#include "daemon/wire/connection.h"

#define WIRE_SOCKET_MESSAGES_MAX 64u   /* of one wake-up: then others have theirs */
#define WIRE_SOCKET_BACKLOG_MAX  4096u /* messages; a device has at most two jobs per mailbox under way */

typedef struct WireSocket WireSocket;

typedef struct WireSocketHandlers {
        /* @fd: came with it, or -1; to keep it, take it by TAKE_FD(*fd). Return: 0; negative errno if it is
         * wrong, which ends the connection. */
        int (*on_message)(void *userdata, const WireMessage *message, int *fd);
        /* It ended, or was found wrong: every message before that has been handled. May free the socket. */
        void (*on_end)(void *userdata, int error);
} WireSocketHandlers;

/* Takes over @connection on success only. Return: 0; -ENOMEM. */
int wire_socket_new(struct event_base *base, WireConnection *connection, const WireSocketHandlers *handlers,
                    void *userdata, WireSocket **ret);
WireSocket *wire_socket_free(WireSocket *s);
DEFINE_CLEANUP(WireSocket *, wire_socket_free);

/* Nothing waits to be sent. */
bool wire_socket_has_room(const WireSocket *s);
/* Queue one message; its payload is copied. What goes wrong is told by on_end later. */
void wire_socket_send(WireSocket *s, const WireMessage *message);
/* Handle all that has come already, and ignore what is wrong: before the socket is given up. */
void wire_socket_drain(WireSocket *s);
