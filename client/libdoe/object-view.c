/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the public header shows of a device, a mailbox and a lease. */
#include <errno.h>

#include "client/libdoe/object.h"

const char *doe_device_name(const struct doe_device *d) {
        return d->object.name;
}

const char *doe_device_path(const struct doe_device *d) {
        return d->object.path;
}

uint16_t doe_device_vendor_id(const struct doe_device *d) {
        return (uint16_t)values_number(&d->object.values, "VendorId");
}

uint16_t doe_device_device_id(const struct doe_device *d) {
        return (uint16_t)values_number(&d->object.values, "DeviceId");
}

uint32_t doe_device_class(const struct doe_device *d) {
        return (uint32_t)values_number(&d->object.values, "Class");
}

const char *doe_device_description(const struct doe_device *d) {
        return values_text(&d->object.values, "Name");
}

const char *doe_device_driver(const struct doe_device *d) {
        return values_text(&d->object.values, "Driver");
}

bool doe_device_has_cdat(const struct doe_device *d) {
        return d->object.has_cdat;
}

const struct doe_values *doe_device_values(const struct doe_device *d) {
        return &d->object.values;
}

const char *doe_mailbox_name(const struct doe_mailbox *mb) {
        return mb->object.name;
}

const char *doe_mailbox_path(const struct doe_mailbox *mb) {
        return mb->object.path;
}

const char *doe_mailbox_device(const struct doe_mailbox *mb) {
        return mb->object.device;
}

uint16_t doe_mailbox_offset(const struct doe_mailbox *mb) {
        return (uint16_t)values_number(&mb->object.values, "Offset");
}

const char *doe_mailbox_state(const struct doe_mailbox *mb) {
        return values_text(&mb->object.values, "State");
}

const char *doe_mailbox_state_reason(const struct doe_mailbox *mb) {
        return values_text(&mb->object.values, "StateReason");
}

uint64_t doe_mailbox_epoch(const struct doe_mailbox *mb) {
        return values_number(&mb->object.values, "Epoch");
}

const struct doe_values *doe_mailbox_values(const struct doe_mailbox *mb) {
        return &mb->object.values;
}

size_t doe_mailbox_n_features(const struct doe_mailbox *mb) {
        return mb->object.n_features;
}

int doe_mailbox_feature(const struct doe_mailbox *mb, size_t i, uint16_t *ret_vendor, uint8_t *ret_type) {
        if (i >= mb->object.n_features)
                return -ENOENT;

        *ret_vendor = mb->object.features[i].vendor;
        *ret_type = mb->object.features[i].type;
        return 0;
}

const struct doe_values *doe_mailbox_feature_values(const struct doe_mailbox *mb, size_t i) {
        return i < mb->object.n_features ? &mb->object.features[i].values : NULL;
}

bool doe_mailbox_has_feature(const struct doe_mailbox *mb, uint16_t vendor, uint8_t type) {
        for (size_t i = 0; i < mb->object.n_features; i++)
                if (mb->object.features[i].vendor == vendor && mb->object.features[i].type == type)
                        return true;
        return false;
}

const char *doe_lease_info_path(const struct doe_lease_info *l) {
        return l->object.path;
}

const char *doe_lease_info_mailbox(const struct doe_lease_info *l) {
        return l->object.name;
}

const char *doe_lease_info_scope(const struct doe_lease_info *l) {
        return values_text(&l->object.values, "Scope");
}

uint32_t doe_lease_info_uid(const struct doe_lease_info *l) {
        uint64_t uid = UINT32_MAX;

        (void)doe_values_number(&l->object.values, "Uid", &uid);
        return (uint32_t)uid;
}

const struct doe_values *doe_lease_info_values(const struct doe_lease_info *l) {
        return &l->object.values;
}
