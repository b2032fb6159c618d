/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The files of sysfs by which root makes the kernel act on a function. Their opening comes before the kernel
 * acts: it is made to wait for us where that can be done (gate.h), else only told by inotify. Only files
 * that others cannot open are watched for that: any user could hold doed off with the rest, which count when
 * they have been written and closed. */

#include <stdbool.h>

#include <event2/event.h>

#include "daemon/util/cleanup.h"

typedef enum TriggerKind {
        TRIGGER_BIND,   /* bind or new_id of a driver, drivers_probe: some function without a driver */
        TRIGGER_UNBIND, /* @object: the driver that is to let go */
        TRIGGER_CXL,    /* bind, unbind or drivers_probe of the cxl bus: some cxl object */
        TRIGGER_LOST,   /* more at once than could be told */
        TRIGGER_REMOVE, /* @object: the function, or a bridge above it */
        TRIGGER_RESET,  /* as above */
        TRIGGER_TSM,    /* @object: the function that is connected or disconnected */
        TRIGGER_LOCKDOWN,
} TriggerKind;

/* For so long at most root is kept waiting. */
#define TRIGGER_WAIT_USEC 100000u

typedef enum TriggerTime {
        TRIGGER_WAITS, /* the kernel acts when the handler has returned */
        TRIGGER_AHEAD, /* the kernel has not acted yet, but does not wait */
        TRIGGER_AFTER, /* it has acted */
} TriggerTime;

/* @object: "", or as above; borrowed for the call. */
typedef void (*TriggerHandler)(void *userdata, TriggerKind kind, const char *object, TriggerTime when);

typedef struct Triggers Triggers;

/* Watch what is there of the buses. @may_wait: gate what can be gated. Return: 0; -ENOMEM; -errno of
 * inotify. */
int triggers_new(const char *sysfs, bool may_wait, struct event_base *base, TriggerHandler handler,
                 void *userdata, Triggers **ret);
Triggers *triggers_free(Triggers *t);
DEFINE_CLEANUP(Triggers *, triggers_free);

/* Watch the drivers that have come since. */
void triggers_watch_drivers(Triggers *t);
/* Watch one function or bridge; what is watched already stays as it is. */
void triggers_watch_device(Triggers *t, const char *address);
void triggers_forget_device(Triggers *t, const char *address);
