/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One PCI function with its mailboxes and its CDAT. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "daemon/core/mailbox.h"
#include "protocols/discovery.h"

typedef struct CdatReader CdatReader;
typedef struct Lease Lease;
typedef struct LeaseBook LeaseBook;

TAILQ_HEAD(LeaseList, Lease);

/* What doed-pci says of a function. Strings are copied. */
typedef struct DeviceInfo {
        const char *address, *instance, *name;
        uint16_t vendor_id, device_id;
        uint32_t class_code;
        int32_t numa_node;
        const char *driver, *access, *cxl_memory, *cxl_port;
        const char *spdm_owner; /* evidence, or "" */
        bool has_kernel_cdat, has_kernel_features;
        const DoeDiscoveryEntry *kernel_features;
        size_t n_kernel_features;
        size_t n_mailboxes;
        const struct DeviceMailboxInfo {
                uint16_t offset;
                uint8_t cap_version;
        } * mailboxes;
} DeviceInfo;

struct Device {
        Manager *manager;
        char *address, *instance, *name;
        uint16_t vendor_id, device_id;
        uint32_t class_code;
        int32_t numa_node;
        char *driver, *access, *cxl_memory, *cxl_port, *spdm_owner;
        bool has_kernel_cdat;
        bool is_linked;      /* doed-pci serves it now */
        bool is_published;   /* the observer was told of it */
        bool had_cdat;       /* as published last */
        Mailbox **mailboxes; /* by rising offset */
        size_t n_mailboxes;
        CdatReader *cdat;            /* the flight that reads the table, and the table; never NULL */
        TAILQ_ENTRY(Device) devices; /* by rising address */
        struct LeaseList leases;     /* open ones, then the waiters in their order */
        LeaseBook *lease_book;       /* who was served when, and what can be resumed; never NULL */
        void *userdata;              /* the observer's */
        void *link_userdata;         /* the link's */
};

/* For the manager: not linked, not published. Return: 0; -ENOMEM. */
int device_new(Manager *m, const DeviceInfo *info, Device **ret);
Device *device_free(Device *d);
DEFINE_CLEANUP(Device *, device_free);
/* What may change of it. @ret_changed: DeviceProperty bits. Return: 0; -ENOMEM. */
int device_update(Device *d, const DeviceInfo *info, unsigned *ret_changed);
/* Is it the same appearance of the same function? */
bool device_is_same(const Device *d, const DeviceInfo *info);

Mailbox *device_find_mailbox(const Device *d, uint16_t offset); /* NULL: none */
/* Its mailbox that offers table access; NULL: none does. */
Mailbox *device_find_cdat_mailbox(const Device *d);
/* Does org.doed.Cdat1 stand on it? */
bool device_has_cdat(const Device *d);
/* Length, sequence and source ("mailbox", "kernel", "") of the table as read last; all zero before. */
void device_get_cdat(const Device *d, uint32_t *ret_length, uint32_t *ret_sequence, const char **ret_source);
/* The kernel's table, or why not: answers link->read_kernel_cdat(). */
void device_report_kernel_cdat(Device *d, uint64_t job_id, const JobResult *result, uint64_t now_usec);
/* Publish Cdat1's coming or going, if so. */
void device_refresh_cdat(Device *d);
