/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The connection to doed, and calls over it. Every call is asynchronous inside, since only so its error
 * replies can be read whole, and has its own end some seconds after the one that doed keeps. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "client/failure.h"
#include "client/memory.h"

#define BUS_TIMEOUT_USEC_DEFAULT UINT64_C(20000000) /* doed's own where a call names none */
#define BUS_TIMEOUT_USEC_GRACE   UINT64_C(5000000)  /* how much later doectl gives up by itself */

typedef struct Bus {
        sd_bus *bus;
        uint64_t timeout_usec; /* for doed, from its receipt of the call; 0: doed's default */
        bool shows_progress;   /* tell on standard error that something takes long */
} Bus;

/* A method call in the making. Latches its first error, which bus_call() then reports. */
typedef struct BusRequest {
        sd_bus_message *message;
        int error;
} BusRequest;

static inline void bus_message_unrefp(sd_bus_message **m) {
        sd_bus_message_unref(*m);
}
#define _cleanup_message_ _cleanup_(bus_message_unrefp)

/* @host: NULL for this machine, else for ssh as sd_bus_open_system_remote(3) takes it. Return: 0; -errno
 * with
 * @f set. */
int bus_open(Bus *b, const char *host, Failure *f);
void bus_close(Bus *b);

/* Begin a call to org.doed. */
BusRequest bus_request(Bus *b, const char *path, const char *interface, const char *member);
/* As sd_bus_message_append(3). */
void bus_append(BusRequest *rq, const char *types, ...);
void bus_append_bytes(BusRequest *rq, const void *bytes, size_t n_bytes);
/* One entry of an a{sv}: @name with "au". */
void bus_append_numbers(BusRequest *rq, const char *name, const uint32_t *numbers, size_t n);
/* The a{sv} of options: begin, then bus_append(rq, "{sv}", name, type, value) for each, then end, which adds
 * "timeout-usec". */
void bus_begin_options(BusRequest *rq);
void bus_end_options(Bus *b, BusRequest *rq);
/* As bus_end_options(), but nothing is added: for methods whose last argument is no set of options. */
void bus_end_values(BusRequest *rq);

/**
 * bus_call() - send @rq and wait for its answer
 * @rq:        consumed, whatever happens
 * @ret_reply: new reference; may be NULL
 *
 * Return: 0; -errno with @f holding name, text and values of the error reply.
 */
int bus_call(Bus *b, BusRequest *rq, sd_bus_message **ret_reply, Failure *f);

/* As bus_call(), and reads the first value of the reply as JSON. @ret: new reference. */
int bus_call_json(Bus *b, BusRequest *rq, json_t **ret, Failure *f);

/* doed's reply was not of the type that its interface says. Return: -errno, with @f set. */
int bus_bad_reply(int r, Failure *f);
