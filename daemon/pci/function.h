/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One function as the main thread keeps it: what it is, what the kernel says of it now, whether it is on
 * hold for the kernel, and its worker. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <event2/event.h>

#include "daemon/pci/host.h"
#include "daemon/pci/worker.h"
#include "daemon/wire/message.h"

/* A function that is first seen so early after boot is enumerated and bound at the same time. */
#define FUNCTION_BOOT_USEC (120 * USEC_PER_SEC)

typedef struct Function Function;

typedef struct FunctionSettings {
        Host *host;
        struct event_base *base;
        const char *run;         /* borrowed, outlives the function */
        uint64_t suspend_number; /* as of function_suspend(); 0: the host is awake */
        Channel *reports;        /* of its worker */
        /* it has settled: look at its view again */
        void (*on_settled)(void *userdata, Function *f);
        void *userdata;
} FunctionSettings;

struct Function {
        TAILQ_ENTRY(Function) link;
        FunctionSettings settings;
        HostFunction info;
        HostView view;
        char refused[WIRE_TEXT_MAX]; /* why writes fail although the view allows them, or "" */
        TakeOverRules take_over;
        char secure[WIRE_TEXT_MAX]; /* evidence of IDE, as the worker sees it, or "" */
        uint64_t suspended;         /* number of the last suspension that has taken effect */
        WireDevice told;            /* as it was last described to be told */
        Worker *worker;
        uint64_t settle_usec;
        bool is_held;
        uint64_t event_usec; /* of its appearance, or of the last event that put it on hold */
        struct event *settle_timer;
};

/* Starts its worker, which goes by @rules. Return: 0; -ENOMEM; -ENODEV; -errno. */
int function_new(const FunctionSettings *settings, const HostFunction *info, PciRules *rules,
                 Function **ret);
/* Stops its worker, which goes on alone until it has reported its end: every job answers @error with
 * @evidence. */
void function_end(Function *f, int error, const char *evidence);

/* The kernel acts on it, or is about to: nothing is written until it has settled. @wait_until_usec: the
 * kernel waits for us until then, so that what runs can be ended cleanly; 0: it does not. */
void function_hold(Function *f, const char *reason, uint64_t wait_until_usec);
/* Return when nothing is written any more, or at @until_usec. */
void function_await_held(Function *f, uint64_t until_usec);

/* Ask the host what the kernel says of it now, and tell the worker. Return: 1: the description has changed;
 * 0; -ENODEV. */
int function_refresh(Function *f);
/* The kernel refused a write: read-only until it has settled again after an event. */
void function_refuse(Function *f, const char *reason);

/* Other rules are in force. */
void function_set_rules(Function *f, PciRules *rules);
/* The host goes to sleep: nothing is written once the worker has reported that. @number: never 0. */
void function_suspend(Function *f, uint64_t number);
void function_resume(Function *f);

/* What a peer is told of it; valid until the next refresh. */
const WireDevice *function_describe(Function *f);
