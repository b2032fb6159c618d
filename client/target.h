/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The object on the bus that an argument of the command line names. */

#include <jansson.h>

#include "client/bus.h"
#include "client/failure.h"

typedef struct Target {
        char *path;          /* owned */
        char *name;          /* owned: "0000:3a:00.0[160]" or "0000:3a:00.0" */
        json_t *description; /* owned: of tree_build(); NULL if doed was not asked */
} Target;

static inline void target_done(Target *t) {
        free(t->path);
        free(t->name);
        json_decref(t->description);
}
#define _cleanup_target_ __attribute__((cleanup(target_done)))

/**
 * target_find_mailbox() - a mailbox for one call
 * @feature: "1e98:02" or NULL; see match_mailbox()
 *
 * A whole name needs no question to doed: the path follows from it.
 *
 * Return: 0; -errno with @f set.
 */
int target_find_mailbox(Bus *b, const char *s, const char *feature, Target *ret, Failure *f);

/* A device, or with @may_be_mailbox also a mailbox; always described. Without it the name of a mailbox
 * stands for its device. */
int target_find_described(Bus *b, const char *s, bool may_be_mailbox, Target *ret, Failure *f);

/**
 * target_call() - bus_call() to @t
 *
 * What the bus says of objects and interfaces that are not there is said again in words of devices and
 * mailboxes.
 */
int target_call(const Target *t, Bus *b, BusRequest *rq, sd_bus_message **ret_reply, Failure *f);

/* The properties of the mailbox @t as they are now, by tree_properties(), with its name as "mailbox". */
int target_read_mailbox(const Target *t, Bus *b, json_t **ret, Failure *f);
