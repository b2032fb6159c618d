/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The descriptor of a lease: whole data objects come in and go out, delimited by their own DW1. Knows bytes
 * and lengths; what an object means is the core's. A holder that never reads, floods, or sends half of an
 * object costs a bounded buffer, and nobody but itself any time. */

#include <event2/event.h>

#include "daemon/core/lease.h"
#include "daemon/util/cleanup.h"

/* Bytes of answers that the socket did not take: beyond, nothing more is read and nothing is run. */
#define LEASE_STREAM_OUTPUT_MAX 65536u
/* Bytes and objects that are taken in one turn of the loop: then others have theirs. */
#define LEASE_STREAM_TURN_BYTES   262144u
#define LEASE_STREAM_TURN_OBJECTS 64u
/* How long what was sent may wait for its reader once the lease is over. */
#define LEASE_STREAM_LINGER_USEC 5000000u

/* All streams, those included whose lease is over but whose last words are not read yet. */
typedef struct LeaseStreams LeaseStreams;

/* @base: borrowed. NULL on no memory. */
LeaseStreams *lease_streams_new(struct event_base *base);
/* Every lease must be over. What was sent to them is delivered as far as they read it within a second. */
LeaseStreams *lease_streams_free(LeaseStreams *streams);
DEFINE_CLEANUP(LeaseStreams *, lease_streams_free);

/* See now whose holders have closed them: who closes a lease and then calls must not find it still open,
 * although the call came on another descriptor. */
void lease_streams_notice(LeaseStreams *streams, const Device *d);

/**
 * lease_stream_open() - make the socketpair of an open lease and attach to it
 * @ret_fd: the holder's end, owned by the caller: blocking, close-on-exec
 *
 * The lease ends as soon as no copy of that end is left. One of scope REGISTERS is never read.
 *
 * Return: 0; -ENOMEM, -EMFILE, -ENFILE, with the lease as it was.
 */
int lease_stream_open(LeaseStreams *streams, Lease *lease, int *ret_fd);
