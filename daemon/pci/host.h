/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The seam below doed-pci's main thread: what functions there are, what the kernel says of them, what
 * happens to them, and access to their configuration space. host-sysfs.c answers from libpci, sysfs, udev
 * and inotify; the emulator from a scenario. All calls but open_config(), close_config() and power_pin()
 * come from the main thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <event2/event.h>

#include "daemon/pci/config-space.h"
#include "daemon/wire/message.h"

/* One function that has at least one DOE capability: what never changes while it is there. */
typedef struct HostFunction {
        char address[WIRE_ADDRESS_MAX];
        char instance[WIRE_NAME_MAX];
        uint16_t vendor_id, device_id;
        uint32_t class_code;
        char name[WIRE_NAME_MAX];
        uint16_t n_mailboxes;
        WireMailboxInfo mailboxes[WIRE_MAILBOXES_MAX];
} HostFunction;

/* What the kernel says of it now. */
typedef struct HostView {
        int32_t numa_node;
        char driver[WIRE_ADDRESS_MAX * 2];
        char read_only[WIRE_TEXT_MAX]; /* why writes are not to be, or "" */
        char cxl_memory[WIRE_ADDRESS_MAX], cxl_port[WIRE_ADDRESS_MAX];
        char spdm_owner[WIRE_TEXT_MAX];
        char held[WIRE_TEXT_MAX]; /* the kernel or a TSM works on it right now: why, or "" */
        bool has_kernel_cdat;
        bool has_kernel_features;
        uint16_t n_features;
        WireFeature features[WIRE_FEATURES_MAX];
} HostView;

typedef enum HostEventKind {
        HOST_EVENT_ADD,        /* a function appeared */
        HOST_EVENT_REMOVE,     /* it is gone */
        HOST_EVENT_BIND,       /* a driver was bound or unbound, a cxl object of it came or went */
        HOST_EVENT_RESET,      /* error recovery or reset: the mailbox may have lost its state */
        HOST_EVENT_HOLD,       /* the kernel is about to act on it: stop writing now, or soon if it waits */
        HOST_EVENT_AWAIT_HELD, /* return when it is left alone, or at wait_until_usec: then the kernel acts
                                */
        HOST_EVENT_VIEW,       /* something that a view shows has changed */
        HOST_EVENT_LOCKDOWN,   /* lockdown level changed; no address */
} HostEventKind;

typedef struct HostEvent {
        HostEventKind kind;
        char address[WIRE_ADDRESS_MAX]; /* "": all functions */
        char reason[WIRE_TEXT_MAX];     /* "bind of cxl_pci", for people */
        uint64_t wait_until_usec; /* CLOCK_MONOTONIC: the kernel waits for us until then; 0: it does not */
} HostEvent;

typedef void (*HostEventHandler)(void *userdata, const HostEvent *event);

typedef struct Host Host;

typedef struct HostOps {
        /* All functions with a DOE capability. @ret: array owned by the caller. Return: 0; -errno. */
        int (*enumerate)(Host *host, HostFunction **ret, size_t *ret_n);
        /* Return: 0; -ENODEV. */
        int (*view)(Host *host, const char *address, HostView *ret);
        /* Called on the worker's own thread, once. @ret is owned by the caller until close_config(). */
        int (*open_config)(Host *host, const char *address, ConfigSpace **ret);
        void (*close_config)(Host *host, ConfigSpace *config);
        /* Runtime PM: keep the function awake. Called on the worker's thread; must not fail loudly. */
        void (*power_pin)(Host *host, const char *address, bool is_pinned);
        /* The kernel's copy of the CDAT. @ret owned by the caller. Return: 0; -ENODATA; -ENODEV; -errno. */
        int (*read_kernel_cdat)(Host *host, const char *address, uint8_t **ret, size_t *ret_n_bytes);
        /* "none", "integrity", "confidentiality" or "unknown" into @buf of WIRE_ADDRESS_MAX bytes. */
        void (*lockdown)(Host *host, char *buf);
        /* Start to deliver events on @base. Return: 0; -errno. */
        int (*watch)(Host *host, struct event_base *base, HostEventHandler handler, void *userdata);
        Host *(*free)(Host *host);
} HostOps;

/* Implementations embed this as their first member. */
struct Host {
        const HostOps *ops;
        uint64_t settle_usec; /* quiet time before take-over */
};

/**
 * host_sysfs_new() - the real one
 * @sysfs: "/sys" or a fake tree, whose uevents then come as lines from the FIFO <sysfs>/uevents
 * @run: folder for what must outlive the process
 * @settle_usec: USEC_INFINITY for the defaults
 *
 * Return: 0; -ENOMEM; -errno of @sysfs.
 */
int host_sysfs_new(const char *sysfs, const char *run, uint64_t settle_usec, Host **ret);
