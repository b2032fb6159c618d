/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The inside of a client: its connection, its last failure, and what is under way. */

#include <stdarg.h>

#include "client/libdoe/call.h"
#include "client/libdoe/libdoe.h"
#include "client/libdoe/values.h"

#define TIMEOUT_USEC_MAX      UINT64_C(86400000000) /* a day: more than doed grants anybody */
#define PATIENCE_USEC_DEFAULT UINT64_C(600000000)   /* with doed's own timeout, which we do not know */

typedef struct Exchange Exchange;
typedef struct Watch Watch;

struct doe_client {
        sd_bus *bus;
        unsigned n_callbacks; /* of the user's that run now, one inside the other */
        unsigned n_inside;    /* functions that may call callbacks, likewise */
        bool is_freed;        /* by a callback: it ends with the outermost of those functions */
        uint64_t last_cookie;
        Exchange *exchanges; /* under way */
        Watch *watch;        /* NULL without */
        char *error_name;    /* NULL: nothing failed */
        char *error_text;
        struct doe_values error_values;
};

/* Begin a function of @c: forget the last failure. */
void client_begin(struct doe_client *c);

/* Say what failed. Return: the errno that goes with @name. */
int client_fail(struct doe_client *c, const char *name, const char *format, ...)
                __attribute__((format(printf, 3, 4)));
/* Say it of an errno of this library or of sd-bus; returns one that libdoe.h lists. */
int client_fail_errno(struct doe_client *c, int error);
/* Take over what an error reply says; returns its errno. */
int client_fail_reply(struct doe_client *c, const BusCall *call);
/* doed's reply was not of the type that its interface says. */
int client_fail_type(struct doe_client *c);

/* Around what may call callbacks. client_leave() returns false if one of them freed @c: then @c is gone, or
 * will be when the outermost such function ends, and nothing may touch it any more. */
void client_enter(struct doe_client *c);
bool client_leave(struct doe_client *c);

/* How long to wait for doed at most, where it keeps @timeout_usec of the public functions itself; 0: the one
 * that its configuration says. */
uint64_t client_patience_usec(uint64_t timeout_usec);

/* Adds "timeout-usec" unless it is 0, and ends the options. */
void client_end_options(BusRequest *rq, uint64_t timeout_usec);

/* Wait until the bus has taken the connection in. Return: 0; -errno with the failure set, after which @c is
 * not to be touched. */
int client_wait_ready(struct doe_client *c, uint64_t timeout_usec);

/**
 * client_call() - send @rq and wait for its answer
 * @rq:           consumed, whatever happens
 * @timeout_usec: as the caller of the public function gave it
 * @ret_reply:    new reference; may be NULL
 *
 * Return: 0; -errno with the failure set; -ECANCELED if a callback freed @c, which is not to be touched
 * then.
 */
int client_call(struct doe_client *c, BusRequest *rq, uint64_t timeout_usec, sd_bus_message **ret_reply);

/* Paths of what the user named; newly allocated. Return: 0; -errno with the failure set. */
int client_mailbox_path(struct doe_client *c, const char *name, char **ret);
int client_device_path(struct doe_client *c, const char *name, char **ret);

/* Ask for the list again, if that is due. */
void watch_process(struct doe_client *c);
/* CLOCK_MONOTONIC of that; DOE_FOREVER_USEC for none. */
uint64_t watch_deadline_usec(const struct doe_client *c);

/* Is every byte of @reserved zero? Else -EINVAL with the failure set. */
int client_check_reserved(struct doe_client *c, const uint64_t *reserved, size_t n);

/* Of a function whose options are NULL. */
extern const struct doe_call_options client_call_defaults;
/* @may_force: the function knows force. Else -EINVAL with the failure set. */
int client_check_call(struct doe_client *c, const struct doe_call_options *options, bool may_force);

void exchanges_free(struct doe_client *c);
void watch_free(struct doe_client *c);

/* Details and options of Exchange and of Cdat1.Read. */
void exchange_append_options(BusRequest *rq, const struct doe_options *options);
int exchange_read_reply(sd_bus_message *reply, const void **ret_bytes, size_t *ret_n_bytes,
                        struct doe_details *ret_details);
/* Copies of what exchange_read_reply() finds; returns -errno with the failure set. */
int exchange_take_reply(struct doe_client *c, sd_bus_message *reply, uint8_t **ret_bytes,
                        size_t *ret_n_bytes, struct doe_details *ret_details);
