/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The way up from the core: what it tells whoever publishes it. Called in the midst of the core's work: an
 * observer reads what it needs and calls nothing back. */

#include <stdbool.h>

typedef struct Device Device;
typedef struct DoeObjectHeader DoeObjectHeader;
typedef struct Lease Lease;
typedef struct LeaseDestructive LeaseDestructive;
typedef struct Mailbox Mailbox;
typedef struct PolicyDecision PolicyDecision;

/* Properties that emit, as bits. */
typedef enum MailboxProperty {
        MAILBOX_PROPERTY_STATE = 1 << 0,
        MAILBOX_PROPERTY_STATE_REASON = 1 << 1,
        MAILBOX_PROPERTY_EPOCH = 1 << 2,
        MAILBOX_PROPERTY_FEATURES = 1 << 3,
        MAILBOX_PROPERTY_FEATURES_SOURCE = 1 << 4,
} MailboxProperty;

typedef enum DeviceProperty {
        DEVICE_PROPERTY_DRIVER = 1 << 0,
        DEVICE_PROPERTY_ACCESS = 1 << 1,
        DEVICE_PROPERTY_CXL_MEMORY = 1 << 2,
        DEVICE_PROPERTY_CXL_PORT = 1 << 3,
        DEVICE_PROPERTY_CDAT = 1 << 4,        /* Cdat1.Length, Sequence, Source */
        DEVICE_PROPERTY_CDAT_EXISTS = 1 << 5, /* the interface Cdat1 came or went: device_has_cdat() */
} DeviceProperty;

typedef enum ManagerProperty {
        MANAGER_PROPERTY_READY = 1 << 0,
        MANAGER_PROPERTY_LOCKDOWN = 1 << 1,
} ManagerProperty;

typedef struct Observer {
        /* Every function is left alone: the host may sleep. */
        void (*suspended)(void *userdata);
        void (*manager_changed)(void *userdata, unsigned properties);
        void (*device_added)(void *userdata, Device *d);   /* with all its mailboxes */
        void (*device_removed)(void *userdata, Device *d); /* still whole; freed after the call */
        void (*device_changed)(void *userdata, Device *d, unsigned properties);
        void (*mailbox_changed)(void *userdata, Mailbox *mb, unsigned properties);
        void (*lease_opened)(void *userdata, Lease *lease);
        void (*lease_closed)(void *userdata, Lease *lease);  /* still whole; freed after the call */
        void (*lease_changed)(void *userdata, Lease *lease); /* ExpiresUsec */
        /* An object of its holder that was not sent. @decision: NULL: no rule decided that, @why says it. */
        void (*lease_denied)(void *userdata, const Lease *lease, const DoeObjectHeader *header,
                             const PolicyDecision *decision, const char *why);
        /* One that was, or may have been, although it may change what others rely on. */
        void (*lease_destructive)(void *userdata, const Lease *lease, const LeaseDestructive *sent);
        void (*lease_halting)(void *userdata, const Lease *lease); /* compliance, as it ends */
        void (*mailbox_not_halted)(void *userdata, Mailbox *mb, const char *why);
        void (*mailbox_aborted)(void *userdata, Mailbox *mb, const char *reason);
        void (*mailbox_foreign)(void *userdata, Mailbox *mb, const char *evidence);
} Observer;
