/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The core: all devices and clients, and the way in for everything that happens. Pure: no I/O, no thread, no
 * clock. Start: manager_new(); then the link reports devices; manager_dispatch() runs what time makes due.
 * Stop: manager_stop() answers every call with -ECONNABORTED; then manager_free(). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/config/config.h"
#include "daemon/core/account.h"
#include "daemon/core/client.h"
#include "daemon/core/device.h"
#include "daemon/core/link.h"
#include "daemon/core/observer.h"
#include "daemon/core/policy.h"
#include "daemon/util/timer.h"

typedef struct Recorder Recorder;

TAILQ_HEAD(DeviceList, Device);
LIST_HEAD(ClientList, Client);

struct Manager {
        const Link *link;
        void *link_userdata;
        const Observer *observer;
        void *observer_userdata;
        Config *config; /* owned; in force */
        Policy policy;
        TimerQueue timers;
        struct DeviceList devices;
        struct ClientList clients;
        struct AccountList accounts;
        Recorder *recorder;             /* owned */
        struct TransactionList waiting; /* calls that wait for the first enumeration, or a rescan */
        bool is_ready;
        bool is_stopping;
        bool has_link;
        uint64_t link_lost_realtime_usec; /* since when there is none */
        char link_reason[MAILBOX_TEXT_MAX];
        char lockdown[32];
        bool is_suspended;      /* nothing is handed down */
        bool is_suspended_told; /* the observer knows that nothing is under way any more */
        uint64_t last_job_id, last_lease_id;
        uint64_t (*realtime_usec)(void);                      /* for what users see; replaced in tests */
        void (*random_bytes)(uint8_t *bytes, size_t n_bytes); /* for tokens; replaced in tests */
};

/* @observer, @link: borrowed. @config: taken over, on success only; @policy's rules and limits are set from
 * it. Return: 0; -ENOMEM. */
int manager_new(const Observer *observer, void *observer_userdata, const Link *link, void *link_userdata,
                const Policy *policy, Config *config, Manager **ret);
/* All calls must be done: manager_stop() first, then the clients are freed here. */
Manager *manager_free(Manager *m);
DEFINE_CLEANUP(Manager *, manager_free);

/* Replace what is in force: what is queued, open and running goes on; what comes is judged by the new rules.
 * Takes over @config. */
void manager_set_config(Manager *m, Config *config);

/* Answer every call with @reason and take no more. */
void manager_stop(Manager *m, const char *reason, uint64_t now_usec);

uint64_t manager_next_due(const Manager *m); /* absolute CLOCK_MONOTONIC; USEC_INFINITY: nothing */
void manager_dispatch(Manager *m, uint64_t now_usec);

Device *manager_find_device(const Manager *m, const char *address); /* NULL: none */

/* What the link says. */
void manager_link_up(Manager *m, const char *lockdown, uint64_t now_usec);
void manager_link_lost(Manager *m, const char *reason, uint64_t now_usec);
/* A device appeared, or what the kernel says of it changed. One that is known by address but has another
 * instance or other mailboxes replaces the old one. Return: 0; -ENOMEM; -EINVAL. */
int manager_report_device(Manager *m, const DeviceInfo *info, uint64_t now_usec, Device **ret);
void manager_report_device_removed(Manager *m, const char *address, uint64_t now_usec);
void manager_report_enumerated(Manager *m,
                               uint64_t now_usec); /* devices not reported since the link came up are gone */
/* The host is about to sleep: leases end, what runs is finished or aborted; or it is awake again. */
void manager_suspend(Manager *m, bool is_suspended, uint64_t now_usec);
void manager_report_suspended(Manager *m, bool is_suspended, uint64_t now_usec);
void manager_report_lockdown(Manager *m, const char *lockdown);

/**
 * manager_find() - Manager1.Find
 * @device: address, glob, or "" for all
 * @ret: newly allocated array of borrowed mailboxes, best first: offers it and ready, other states, dead
 * last
 *
 * Return: 0; -ENOMEM.
 */
int manager_find(const Manager *m, const char *device, uint16_t vendor_id, uint8_t type, Mailbox ***ret,
                 size_t *ret_n);
