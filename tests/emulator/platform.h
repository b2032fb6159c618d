/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The emulated system as it runs: functions that come and go, their drivers, what the kernel holds, and
 * access to their configuration space in real time. Behind doe-sysfs and doed-pci-emulated, which differ in
 * how they show it. Thread-safe: accesses to different functions run in parallel; changes come one after the
 * other, and the observer hears of them in that order, on the thread that made them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/util/cleanup.h"
#include "tests/emulator/model-mailbox.h"
#include "tests/emulator/scenario.h"

#define PLATFORM_ALL        SIZE_MAX
#define PLATFORM_REASON_MAX 96u
/* from a surprise removal to the kernel's removal of the function: longer than doed-pci needs to see it */
#define PLATFORM_NOTICE_USEC 20000u

typedef struct Platform Platform;

typedef enum PlatformEventKind {
        PLATFORM_ADDED,
        PLATFORM_REMOVED,
        PLATFORM_HELD, /* the kernel is about to act on it */
        PLATFORM_BOUND,
        PLATFORM_UNBOUND,
        PLATFORM_CXL_ADDED, /* its memory device and port */
        PLATFORM_CXL_REMOVED,
        PLATFORM_RESET, /* by the reset file: no uevent tells of it */
        PLATFORM_ERROR, /* error recovery begins */
        PLATFORM_RECOVERED,
        PLATFORM_CHANGED,  /* something else that a view shows */
        PLATFORM_LOCKDOWN, /* no function */
} PlatformEventKind;

typedef struct PlatformEvent {
        PlatformEventKind kind;
        size_t function;
        char text[PLATFORM_REASON_MAX]; /* the driver's name; else why, for people */
} PlatformEvent;

/* May read the platform, but not change it. */
typedef void (*PlatformObserver)(void *userdata, const PlatformEvent *event);

/* One function as it is now. */
typedef struct PlatformView {
        bool is_present;
        uint64_t instance; /* another one at each appearance */
        char driver[SCENARIO_NAME_MAX];
        bool has_cxl;              /* its memory device and port are there */
        bool has_kernel_cdat;      /* the port has a CDAT file ... */
        bool is_kernel_cdat_empty; /* ... in which the kernel could not fill in anything */
        bool has_tsm;
        char tsm[SCENARIO_NAME_MAX];    /* tsm/connect */
        char held[PLATFORM_REASON_MAX]; /* the kernel acts on it now */
        bool is_power_on;               /* power/control is "on" */
} PlatformView;

/* @scenario: borrowed, outlives it. Return: 0; -ENOMEM; -errno. */
int platform_new(const Scenario *scenario, Platform **ret);
/* No access may be under way. */
Platform *platform_free(Platform *p);
DEFINE_CLEANUP(Platform *, platform_free);
/* At most one; NULL ends it. Waits for a change that is under way. */
void platform_observe(Platform *p, PlatformObserver observer, void *userdata);

const Scenario *platform_scenario(const Platform *p);
ScenarioLockdown platform_lockdown(Platform *p);
void platform_get_view(Platform *p, size_t function, PlatformView *ret);

/**
 * platform_read() - read configuration space
 * @instance: of the function when it was opened
 *
 * Takes the scenario's access time, and as long as the function is frozen.
 *
 * Return: 0; -ENODEV: this appearance of the function is over.
 */
int platform_read(Platform *p, size_t function, uint64_t instance, uint16_t offset, size_t n_bytes,
                  uint32_t *ret);
/* Return: 0; -ENODEV; -EPERM under lockdown. */
int platform_write(Platform *p, size_t function, uint64_t instance, uint16_t offset, size_t n_bytes,
                   uint32_t value);
/* @ret: newly allocated, owned by the caller. Return: 0; -ENODATA: no such file, or empty; -ENOMEM. */
int platform_read_kernel_cdat(Platform *p, size_t function, uint8_t **ret, size_t *ret_n_bytes);
void platform_set_power(Platform *p, size_t function, bool is_on);

/* Let real time pass. */
void platform_spend(uint64_t usec);

/* What the kernel or a person does. Return: 0; -EEXIST, -ENODEV: it is there already, it is not there. */
int platform_add(Platform *p, size_t function);
int platform_remove(Platform *p, size_t function);
int platform_bind(Platform *p, size_t function, const char *driver); /* -EBUSY if one is bound */
int platform_unbind(Platform *p, size_t function);
int platform_reset(Platform *p, size_t function);
int platform_recover(Platform *p, size_t function); /* error recovery, with a reset in it */
/* Functions that are away come back. */
void platform_rescan(Platform *p);
/* @reason: "" ends it. The kernel acts on the function as long as it is not empty. */
int platform_hold(Platform *p, size_t function, const char *reason);
/* Wait until no TSM works and platform_hold() has ended, or the function or the platform has. */
void platform_wait_unheld(Platform *p, size_t function);
/* A TSM begins to connect @function: who reads the tsm/connect of any function waits until
 * platform_set_tsm(). Nothing announces it. Return: 0; -ENODEV. */
int platform_begin_connect(Platform *p, size_t function);
/* @content: of tsm/connect; NULL: no tsm/ folder. Ends what a TSM has begun. */
int platform_set_tsm(Platform *p, size_t function, const char *content);
/* Return: -EPERM for a lower level, as the kernel answers, unless @may_lower. */
int platform_set_lockdown(Platform *p, ScenarioLockdown lockdown, bool may_lower);
/* Accesses of @function, or of PLATFORM_ALL, wait until it is thawed. */
void platform_freeze(Platform *p, size_t function, bool is_frozen);
/* Nothing waits any more, and nothing will: the program ends. */
void platform_end(Platform *p);

/* Of one mailbox, or with offset 0 of the function's first. Return: 0; -ENODEV; -ENXIO: no such mailbox. */
int platform_add_fault(Platform *p, size_t function, uint16_t offset, const Fault *fault); /* also -ENOSPC */
int platform_clear_faults(Platform *p, size_t function, uint16_t offset);
int platform_get_counters(Platform *p, size_t function, uint16_t offset, ModelCounters *ret);
int platform_touch_table(Platform *p, size_t function);
/* Also -ENXIO: no IDE capability. Nothing announces it. */
int platform_set_ide(Platform *p, size_t function, bool is_secure);
