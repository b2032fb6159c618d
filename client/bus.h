/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* doectl's connection to doed, and calls over it (client/libdoe/call.h) whose failures it can report. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "client/failure.h"
#include "client/libdoe/call.h"
#include "client/memory.h"

typedef struct Bus {
        sd_bus *bus;
        uint64_t timeout_usec; /* for doed, from its receipt of the call; 0: doed's default */
        bool shows_progress;   /* tell on standard error that something takes long */
} Bus;

/* @host: NULL for this machine, else for ssh as sd_bus_open_system_remote(3) takes it. Return: 0;
 * -errno with @f set. */
int bus_open(Bus *b, const char *host, Failure *f);
void bus_close(Bus *b);

/* Begin a call to org.doed. */
BusRequest bus_request(Bus *b, const char *path, const char *interface, const char *member);
/* Ends the a{sv} of options, after adding "timeout-usec". */
void bus_end_options(Bus *b, BusRequest *rq);

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
