/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/device.h"

#include <assert.h>
#include <errno.h>

#include "daemon/core/cdat-reader.h"
#include "daemon/core/lease.h"
#include "daemon/core/manager.h"
#include "protocols/feature.h"

static int compare_mailboxes(const void *a, const void *b) {
        const Mailbox *const *x = a, *const *y = b;

        return (*x)->offset < (*y)->offset ? -1 : (*x)->offset > (*y)->offset;
}

/* Replace *@field by a copy; says whether it differed. */
static int replace_string(char **field, const char *value) {
        char *copy;

        if (*field && strcmp(*field, value) == 0)
                return 0;
        copy = strdup(value);
        if (!copy)
                return -ENOMEM;
        free(*field);
        *field = copy;
        return 1;
}

Device *device_free(Device *d) {
        if (!d)
                return NULL;
        cdat_reader_free(d->cdat);
        lease_book_free(d->lease_book);
        for (size_t i = 0; i < d->n_mailboxes; i++)
                mailbox_free(d->mailboxes[i]);
        free(d->mailboxes);
        free(d->address);
        free(d->instance);
        free(d->name);
        free(d->driver);
        free(d->access);
        free(d->cxl_memory);
        free(d->cxl_port);
        free(d->spdm_owner);
        free(d);
        return NULL;
}

static int device_add_mailboxes(Device *d, const DeviceInfo *info) {
        d->mailboxes = calloc(info->n_mailboxes + 1, sizeof(*d->mailboxes));
        if (!d->mailboxes)
                return -ENOMEM;
        for (size_t i = 0; i < info->n_mailboxes; i++) {
                int r = mailbox_new(d, info->mailboxes[i].offset, info->mailboxes[i].cap_version,
                                    &d->mailboxes[d->n_mailboxes]);
                if (r < 0)
                        return r;
                d->n_mailboxes++;
        }
        qsort(d->mailboxes, d->n_mailboxes, sizeof(*d->mailboxes), compare_mailboxes);
        return 0;
}

int device_new(Manager *m, const DeviceInfo *info, Device **ret) {
        _cleanup_(device_freep) Device *d = calloc(1, sizeof(*d));
        unsigned changed;
        int r;

        if (!d)
                return -ENOMEM;
        TAILQ_INIT(&d->leases);
        d->manager = m;
        d->vendor_id = info->vendor_id;
        d->device_id = info->device_id;
        d->class_code = info->class_code;
        d->numa_node = info->numa_node;
        if (replace_string(&d->address, info->address) < 0 ||
            replace_string(&d->instance, info->instance) < 0 || replace_string(&d->name, info->name) < 0)
                return -ENOMEM;
        d->cdat = cdat_reader_new(d);
        d->lease_book = lease_book_new(d);
        if (!d->cdat || !d->lease_book)
                return -ENOMEM;
        r = device_add_mailboxes(d, info);
        if (r < 0)
                return r;
        r = device_update(d, info, &changed);
        if (r < 0)
                return r;
        d->had_cdat = device_has_cdat(d);
        *ret = TAKE_PTR(d);
        return 0;
}

int device_update(Device *d, const DeviceInfo *info, unsigned *ret_changed) {
        const struct {
                char **field;
                const char *value;
                unsigned property;
        } strings[] = {
                { &d->driver, info->driver, DEVICE_PROPERTY_DRIVER },
                { &d->access, info->access, DEVICE_PROPERTY_ACCESS },
                { &d->cxl_memory, info->cxl_memory, DEVICE_PROPERTY_CXL_MEMORY },
                { &d->cxl_port, info->cxl_port, DEVICE_PROPERTY_CXL_PORT },
                { &d->spdm_owner, info->spdm_owner, 0 },
        };
        unsigned changed = 0;

        for (size_t i = 0; i < ELEMENTS(strings); i++) {
                int r = replace_string(strings[i].field, strings[i].value);

                if (r < 0)
                        return r;
                if (r > 0)
                        changed |= strings[i].property;
        }
        d->has_kernel_cdat = info->has_kernel_cdat;
        if (info->has_kernel_features && d->n_mailboxes == 1) {
                int r = mailbox_set_kernel_features(d->mailboxes[0], info->kernel_features,
                                                    info->n_kernel_features);

                if (r < 0)
                        return r;
        }
        cdat_reader_invalidate(d->cdat, NULL);
        *ret_changed = changed;
        return 0;
}

bool device_is_same(const Device *d, const DeviceInfo *info) {
        if (strcmp(d->instance, info->instance) != 0 || d->vendor_id != info->vendor_id ||
            d->device_id != info->device_id || d->n_mailboxes != info->n_mailboxes)
                return false;
        for (size_t i = 0; i < info->n_mailboxes; i++)
                if (!device_find_mailbox(d, info->mailboxes[i].offset))
                        return false;
        return true;
}

Mailbox *device_find_mailbox(const Device *d, uint16_t offset) {
        for (size_t i = 0; i < d->n_mailboxes; i++)
                if (d->mailboxes[i]->offset == offset)
                        return d->mailboxes[i];
        return NULL;
}

Mailbox *device_find_cdat_mailbox(const Device *d) {
        for (size_t i = 0; i < d->n_mailboxes; i++)
                if (mailbox_find_feature(d->mailboxes[i], DOE_VENDOR_CXL, DOE_TYPE_CXL_TABLE_ACCESS))
                        return d->mailboxes[i];
        return NULL;
}

bool device_has_cdat(const Device *d) {
        return d->has_kernel_cdat || device_find_cdat_mailbox(d);
}

void device_refresh_cdat(Device *d) {
        Manager *m = d->manager;

        if (!d->is_published || device_has_cdat(d) == d->had_cdat)
                return;
        d->had_cdat = device_has_cdat(d);
        m->observer->device_changed(m->observer_userdata, d, DEVICE_PROPERTY_CDAT_EXISTS);
}

void device_report_kernel_cdat(Device *d, uint64_t job_id, const JobResult *result, uint64_t now_usec) {
        cdat_reader_report_kernel(d->cdat, job_id, result, now_usec);
}
