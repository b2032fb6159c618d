/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One stream socket of the wire: frames in, frames out, descriptors with them, bounded buffers both ways.
 * Never blocks; whoever owns it polls its descriptor. One thread at a time. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/util/cleanup.h"
#include "daemon/wire/message.h"

/* What may wait to be sent to a peer that does not read: four whole objects. */
#define WIRE_SEND_BYTES_MAX (4u * WIRE_FRAME_MAX)

typedef struct WireConnection WireConnection;

/* Takes over @fd (made non-blocking and close-on-exec) on success only. Return: 0; -ENOMEM; -errno. */
int wire_connection_new(int fd, WireConnection **ret);
/* Connect to a Unix stream socket path. Return: 0; -errno of connect(). */
int wire_connection_connect(const char *path, WireConnection **ret);
WireConnection *wire_connection_free(WireConnection *c);
DEFINE_CLEANUP(WireConnection *, wire_connection_free);

int wire_connection_fd(const WireConnection *c); /* borrowed */
bool wire_connection_wants_write(const WireConnection *c);
size_t wire_connection_n_unsent(const WireConnection *c);

/**
 * wire_connection_send() - queue one message and send what goes
 * @fd: descriptor to go with it, or -1; duplicated by the kernel, stays the caller's
 *
 * Return: 0; -ENOBUFS if more than WIRE_SEND_BYTES_MAX would wait; -EPIPE and other errnos once the peer is
 * gone; -EINVAL; -ENOMEM.
 */
int wire_connection_send(WireConnection *c, const WireMessage *message, int fd);
/* Send what waits. Return: 0 (some may still wait); -errno. */
int wire_connection_flush(WireConnection *c);

/**
 * wire_connection_receive() - the next whole message
 * @ret: borrows from @c until the next call
 * @ret_fd: descriptor that came with it, owned by the caller, or -1
 *
 * Return: 1; 0: nothing whole is there yet; -ECONNRESET at the end of the stream; -EBADMSG; -ENOMEM; -errno.
 */
int wire_connection_receive(WireConnection *c, WireMessage *ret, int *ret_fd);
