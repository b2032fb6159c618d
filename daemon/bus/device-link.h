/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The socket of one device, whose other end its worker in doed-pci reads and writes. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <event2/event.h>

#include "daemon/core/device.h"
#include "daemon/core/job.h"
#include "daemon/core/lease.h"
#include "daemon/util/cleanup.h"
#include "daemon/wire/connection.h"

typedef struct DeviceLink DeviceLink;

typedef struct DeviceLinkHandlers {
        /* The worker closed its end: the device is lost. @dl may be freed. */
        void (*on_end)(void *userdata, DeviceLink *dl);
        /* It said something wrong. @dl may be freed. */
        void (*on_wrong)(void *userdata, DeviceLink *dl, int error);
} DeviceLinkHandlers;

/**
 * device_link_new() - speak of @d over @connection
 * @connection: taken over on success only
 * @d: its link_userdata points to the new link until that is freed
 *
 * Return: 0; -ENOMEM.
 */
int device_link_new(struct event_base *base, WireConnection *connection, Device *d,
                    const DeviceLinkHandlers *handlers, void *userdata, DeviceLink **ret);
/* What has come already is handled first, so that answers that were sent are not lost. */
DeviceLink *device_link_free(DeviceLink *dl);

const char *device_link_address(const DeviceLink *dl);

void device_link_exchange(DeviceLink *dl, const Mailbox *mb, const Job *job);
/* @type: WIRE_RECALL, WIRE_CANCEL or WIRE_READ_KERNEL_CDAT */
void device_link_send_job(DeviceLink *dl, WireType type, uint64_t job_id);
void device_link_recover(DeviceLink *dl, const Mailbox *mb, bool force);
void device_link_inhibit(DeviceLink *dl, const Mailbox *mb, uint64_t lease_id);
bool device_link_put_record(DeviceLink *dl, const LeaseRecord *record);
void device_link_drop_record(DeviceLink *dl, const uint8_t *digest);
