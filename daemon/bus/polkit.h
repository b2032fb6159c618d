/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Asks polkit whether a caller may do what the rules leave to it. Asynchronous: the loop never waits.
 * Whatever goes wrong is a no. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-bus.h>

#include "daemon/util/cleanup.h"

#define POLKIT_WHY_MAX 192u

/* Questions under way: the stock bus lets a connection wait for 128 replies, and doed has others to ask. */
#define POLKIT_QUESTIONS_MAX         64u
#define POLKIT_QUESTIONS_MAX_PER_UID 16u

/* As dbus/org.doed.policy defines them. */
typedef enum PolkitAction {
        POLKIT_EXCHANGE, /* org.doed.exchange */
        POLKIT_LEASE,    /* org.doed.lease */
        POLKIT_MANAGE,   /* org.doed.manage */
        POLKIT_CAPTURE,  /* org.doed.capture */
} PolkitAction;
#define N_POLKIT_ACTIONS (POLKIT_CAPTURE + 1)

typedef struct Polkit Polkit;
typedef struct PolkitQuestion PolkitQuestion;

/* Strings are copied. */
typedef struct PolkitSubject {
        const char *name; /* unique bus name of who is judged */
        uid_t uid;
        bool may_interact;                   /* it is ready to wait for its user to say who he is */
        const char *device, *feature, *rule; /* for polkit's rules; NULL: not known */
} PolkitSubject;

/* The question is gone. @why: for people, of a no; "" of a yes. */
typedef void (*PolkitAnswer)(void *userdata, bool is_granted, const char *why);

/* @bus: borrowed. Return: 0; -ENOMEM. */
int polkit_new(sd_bus *bus, Polkit **ret);
/* No question may be left. */
Polkit *polkit_free(Polkit *p);
DEFINE_CLEANUP(Polkit *, polkit_free);

/* "org.doed.manage". */
const char *polkit_action_to_string(PolkitAction action);
/* Return: -EINVAL if there is no such action. */
int polkit_action_from_string(const char *s);

/**
 * polkit_ask() - may @subject do @action?
 * @timeout_usec: then it is a no
 * @answer: called once, from the bus' dispatch, unless polkit_cancel() was before it
 *
 * Return: 0; -EDQUOT if too many questions are under way, of all or of that uid; -ENOMEM; -errno of the bus.
 */
int polkit_ask(Polkit *p, PolkitAction action, const PolkitSubject *subject, uint64_t timeout_usec,
               PolkitAnswer answer, void *userdata, PolkitQuestion **ret);
/* Nobody waits for the answer any more; a dialog that is open is closed. NULL is none. Returns NULL. */
PolkitQuestion *polkit_cancel(PolkitQuestion *q);
