/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Calls to doed over sd-bus, for libdoe and for doectl: making one, waiting for its reply, and what an error
 * reply means. Every call is asynchronous inside, since only so its error replies can be read whole, and has
 * its own end some seconds after the one that doed keeps. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "client/memory.h"
#include "dbus/errors.h"
#include "dbus/names.h"

#define BUS_TIMEOUT_USEC_DEFAULT UINT64_C(20000000) /* doed's own where a call names none */
#define BUS_TIMEOUT_USEC_GRACE   UINT64_C(5000000)  /* how much later the caller gives up by itself */

#define BUS_HELLO_USEC_MAX UINT64_C(25000000) /* for the bus to take a connection in */

#define FAILURE_INVALID_ARGS    DBUS_ERROR_PREFIX "InvalidArgs"
#define FAILURE_UNKNOWN_OBJECT  DBUS_ERROR_PREFIX "UnknownObject"
#define FAILURE_UNKNOWN_METHOD  DBUS_ERROR_PREFIX "UnknownMethod"
#define FAILURE_SERVICE_UNKNOWN DBUS_ERROR_PREFIX "ServiceUnknown"
#define FAILURE_FAILED          DBUS_ERROR_PREFIX "Failed"
#define FAILURE_TIMED_OUT       DOED_ERROR_PREFIX "TimedOut"
#define FAILURE_BAD_RESPONSE    DOED_ERROR_PREFIX "BadResponse"

static inline void bus_message_unrefp(sd_bus_message **m) {
        sd_bus_message_unref(*m);
}
#define _cleanup_message_ _cleanup_(bus_message_unrefp)

/* A method call in the making. Latches its first error, which whoever sends it then reports. */
typedef struct BusRequest {
        sd_bus_message *message; /* owned */
        int error;
} BusRequest;

/* Begin a call to org.doed. */
BusRequest bus_request_new(sd_bus *bus, const char *path, const char *interface, const char *member);
/* As sd_bus_message_append(3). */
void bus_append(BusRequest *rq, const char *types, ...);
void bus_append_bytes(BusRequest *rq, const void *bytes, size_t n_bytes);
/* One entry of an a{sv}: @name with "ay", or with "au". */
void bus_append_bytes_option(BusRequest *rq, const char *name, const void *bytes, size_t n_bytes);
void bus_append_numbers(BusRequest *rq, const char *name, const uint32_t *numbers, size_t n);
/* The a{sv} of options: begin, then bus_append(rq, "{sv}", name, type, value) for each, then end. */
void bus_begin_options(BusRequest *rq);
void bus_end_values(BusRequest *rq);

/* CLOCK_MONOTONIC. */
uint64_t bus_now_usec(void);

/* One call under way. */
typedef struct BusCall {
        sd_bus_message *reply; /* owned; NULL until it came */
        uint64_t started_usec;
        uint64_t patience_usec; /* after which the caller gives up */
} BusCall;

#define BUS_PROGRESS_STEP_USEC UINT64_C(1000000)

/* @waited_usec: since the call was sent. */
typedef void (*BusProgress)(uint64_t waited_usec);

/**
 * bus_call_wait() - send @message and wait for its reply, which may be an error
 * @call:     patience_usec is set; the rest is filled in
 * @progress: called after each BUS_PROGRESS_STEP_USEC; may be NULL
 *
 * The wait ends after @call->patience_usec, and after BUS_HELLO_USEC_MAX if the bus has not even said hello.
 *
 * Return: 0 with @call->reply; -ETIMEDOUT; -errno of sd-bus. bus_wait_error() has the words for both.
 */
int bus_call_wait(sd_bus *bus, sd_bus_message *message, BusCall *call, BusProgress progress);

/* Wait until the bus has taken the connection in; functions of sd-bus that need that wait 90 s for it.
 * Return: 0; -ETIMEDOUT; -errno of sd-bus. */
int bus_wait_ready(sd_bus *bus, uint64_t deadline_usec);

/* Why a wait failed with @error. @ret_name: static; @ret_text: newly allocated. Return: 0; -ENOMEM. */
int bus_wait_error(sd_bus *bus, const BusCall *call, int error, const char **ret_name, char **ret_text);

/* Read an error reply. @ret_name: static, or as long as the reply; @ret_text: newly allocated. The values
 * stand behind it: bus_error_enter_values(). Return: 0; -ENOMEM. */
int bus_error_read(sd_bus *bus, const BusCall *call, const char **ret_name, char **ret_text);
/* Go to the a{sv} of an error reply that doed made. Return: true if it is there. */
bool bus_error_enter_values(sd_bus_message *reply);

/* What the name of an error means: the contract's table, and for what the bus and sd-bus say by themselves
 * what it means for the caller. */
DoeExit failure_exit_code(const char *name);
int failure_number(const char *name); /* negative errno; -EIO for what is in neither */
