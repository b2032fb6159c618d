/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* doed's metrics over HTTP, for Prometheus. In a process of its own, so that doed never opens a network
 * socket. Answers GET and HEAD of /metrics, one at a time, each with a fresh question to doed. */

#include "client/bus.h"
#include "client/failure.h"

/**
 * metrics_server_run() - serve until SIGTERM or SIGINT
 * @address: "ADDRESS:PORT" or "[ADDRESS]:PORT"; NULL: the sockets that systemd passes
 * @b:       open; opened again when doed's bus comes back
 *
 * Return: 0; -errno with @f set.
 */
int metrics_server_run(Bus *b, const char *address, Failure *f);

/* Manager1.Metrics. @ret: newly allocated, owned by the caller. Return: 0; -errno with @f set. */
int metrics_read(Bus *b, char **ret, Failure *f);
