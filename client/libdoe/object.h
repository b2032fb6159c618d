/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One object that doed shows on the bus, a device, a mailbox or a lease, with its properties; and a sorted
 * list of them. */

#include <systemd/sd-bus.h>

#include "client/libdoe/values.h"

typedef enum ObjectKind {
        OBJECT_DEVICE,
        OBJECT_MAILBOX,
        OBJECT_LEASE,
} ObjectKind;

typedef struct Feature {
        uint16_t vendor;
        uint8_t type;
        struct doe_values values;
} Feature;

typedef struct Object {
        ObjectKind kind;
        char *path;
        char *name;   /* of a device or mailbox; of a lease, its mailbox's, "" until that is known */
        char *device; /* of a mailbox: the name of its device; else NULL */
        struct doe_values values;
        Feature *features;
        size_t n_features;
        bool has_cdat;
        struct Object *next;
} Object;

/* The same, under the names by which users know them. */
struct doe_device {
        Object object;
};
struct doe_mailbox {
        Object object;
};
struct doe_lease_info {
        Object object;
};

struct doe_snapshot {
        Object *first; /* devices, mailboxes and leases, each in their order; owned */
};

/* Its kind shows in its path. Return: 0; -EINVAL if it is none of the three; -ENOMEM. */
int object_new(const char *path, Object **ret);
Object *object_free(Object *o);

/* Read the a{sv} of properties of @interface that comes next in @m; those of interfaces that this library
 * does not know are skipped. -errno of sd-bus. */
int object_read_properties(Object *o, const char *interface, sd_bus_message *m);

/* Forget the properties of @interface, which is gone; that of org.doed.Cdat1 only, since an object ends with
 * any other. Return: true if there was something to forget. */
bool object_drop_interface(Object *o, const char *interface);

Object *snapshot_find(const struct doe_snapshot *s, const char *path);
/* Ownership moves to @s. */
void snapshot_add(struct doe_snapshot *s, Object *o);
/* Ownership moves to the caller. */
void snapshot_remove(struct doe_snapshot *s, Object *o);
void snapshot_done(struct doe_snapshot *s);

/**
 * object_read_interfaces() - read "oa{sa{sv}}", as in InterfacesAdded and GetManagedObjects
 * @s:       where it may be known already; then that is changed
 * @ret:     the known one, or a new one that is not in @s and is the caller's; NULL if it is none of the
 * three
 *
 * Return: 1 if it is new, 0 if not, -errno of sd-bus.
 */
int object_read_interfaces(const struct doe_snapshot *s, sd_bus_message *m, Object **ret);
