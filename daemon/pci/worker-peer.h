/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The device socket as its worker has it: there or not, and once anything is wrong with it, lost as a whole,
 * so that what goes out needs no check at each place. On the worker's thread. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/wire/connection.h"

typedef struct WorkerPeer {
        WireConnection *connection; /* NULL: nobody is there */
        uint64_t id;
        char lost[WIRE_TEXT_MAX]; /* why it has to go, or "" */
        bool is_closed;           /* it has closed its socket */
} WorkerPeer;

/* Takes @fd over; a peer that was there is dropped first. */
void worker_peer_attach(WorkerPeer *p, int fd, uint64_t id);
void worker_peer_drop(WorkerPeer *p);
/* The first reason stays. */
void worker_peer_lose(WorkerPeer *p, const char *why);

/* Nothing is sent where nobody is. */
void worker_peer_send(WorkerPeer *p, const WireMessage *message);
/* Answer a job that did not get as far as a mailbox. */
void worker_peer_refuse(WorkerPeer *p, uint64_t job_id, int error, const char *evidence);

/* For poll(): descriptor, or -1, and what to wait for. */
int worker_peer_fd(const WorkerPeer *p);
short worker_peer_events(const WorkerPeer *p);
/* The next message, as wire_connection_receive(). Return: whether there is one. */
bool worker_peer_receive(WorkerPeer *p, WireMessage *ret);
void worker_peer_flush(WorkerPeer *p);
