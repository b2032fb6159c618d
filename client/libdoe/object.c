/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/libdoe/object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/libdoe/name.h"
#include "client/memory.h"
#include "dbus/names.h"

#define CDAT_PREFIX "Cdat" /* no property of org.doed.Device1 begins so */

static void features_free(Object *o) {
        for (size_t i = 0; i < o->n_features; i++)
                values_done(&o->features[i].values);
        free(o->features);
        o->features = NULL;
        o->n_features = 0;
}

Object *object_free(Object *o) {
        if (!o)
                return NULL;

        features_free(o);
        values_done(&o->values);
        free(o->path);
        free(o->name);
        free(o->device);
        free(o);
        return NULL;
}

/* By its path. */
static int set_names(Object *o) {
        static const char lease_prefix[] = DOED_LEASE_PATH "/";
        const char *bracket;
        int r;

        if (strncmp(o->path, lease_prefix, strlen(lease_prefix)) == 0) {
                o->kind = OBJECT_LEASE;
                o->name = strdup("");
                return o->name ? 0 : -ENOMEM;
        }

        r = name_from_path(o->path, &o->name);
        if (r < 0)
                return r;

        bracket = strchr(o->name, '[');
        o->kind = bracket ? OBJECT_MAILBOX : OBJECT_DEVICE;
        if (!bracket)
                return 0;

        o->device = strndup(o->name, (size_t)(bracket - o->name));
        return o->device ? 0 : -ENOMEM;
}

int object_new(const char *path, Object **ret) {
        Object *o = calloc(1, sizeof(*o));
        int r;

        if (!o)
                return -ENOMEM;

        o->path = strdup(path);
        r = o->path ? set_names(o) : -ENOMEM;
        if (r < 0) {
                object_free(o);
                return r;
        }

        *ret = o;
        return 0;
}

static int add_feature(Object *o, sd_bus_message *m) {
        Feature feature = { 0 }, *features;
        int r;

        r = sd_bus_message_read(m, "qy", &feature.vendor, &feature.type);
        if (r < 0)
                return r;

        features = reallocarray(o->features, o->n_features + 1, sizeof(feature));
        if (!features)
                return -ENOMEM;

        o->features = features;
        features[o->n_features++] = feature;
        return values_read(&features[o->n_features - 1].values, m);
}

static int read_features(Object *o, sd_bus_message *m) {
        int r;

        features_free(o);
        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_VARIANT, "a(qya{sv})");
        if (r < 0)
                return r;

        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "(qya{sv})");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_enter_container(m, SD_BUS_TYPE_STRUCT, "qya{sv}")) > 0) {
                r = add_feature(o, m);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_property(Object *o, sd_bus_message *m, const char *prefix) {
        const char *name;
        int r = sd_bus_message_read_basic(m, SD_BUS_TYPE_STRING, &name);

        if (r < 0)
                return r;
        if (o->kind == OBJECT_MAILBOX && strcmp(name, "Features") == 0)
                return read_features(o, m);
        return values_read_variant(&o->values, m, prefix, name);
}

/* A lease goes by the name of its mailbox. */
static int name_lease(Object *o) {
        char *name;
        int r = name_from_path(values_text(&o->values, "Mailbox"), &name);

        if (r < 0)
                return r == -ENOMEM ? r : 0;

        free(o->name);
        o->name = name;
        return 0;
}

int object_read_properties(Object *o, const char *interface, sd_bus_message *m) {
        static const char *const own[] = {
                [OBJECT_DEVICE] = DOED_INTERFACE_DEVICE,
                [OBJECT_MAILBOX] = DOED_INTERFACE_MAILBOX,
                [OBJECT_LEASE] = DOED_INTERFACE_LEASE,
        };
        const bool is_cdat = strcmp(interface, DOED_INTERFACE_CDAT) == 0;
        int r;

        if (!is_cdat && strcmp(interface, own[o->kind]) != 0)
                return sd_bus_message_skip(m, "a{sv}");

        o->has_cdat = o->has_cdat || is_cdat;
        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_enter_container(m, SD_BUS_TYPE_DICT_ENTRY, "sv")) > 0) {
                r = read_property(o, m, is_cdat ? CDAT_PREFIX : "");
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r >= 0 && o->kind == OBJECT_LEASE ? name_lease(o) : r;
}

bool object_drop_interface(Object *o, const char *interface) {
        if (!o->has_cdat || strcmp(interface, DOED_INTERFACE_CDAT) != 0)
                return false;

        o->has_cdat = false;
        values_drop_prefix(&o->values, CDAT_PREFIX);
        return true;
}

int object_read_interfaces(const struct doe_snapshot *s, sd_bus_message *m, Object **ret) {
        Object *known, *o;
        const char *path, *interface;
        int r;

        r = sd_bus_message_read_basic(m, SD_BUS_TYPE_OBJECT_PATH, &path);
        if (r < 0)
                return r;

        known = snapshot_find(s, path);
        o = known;
        if (!o)
                r = object_new(path, &o);
        if (r == -EINVAL) {
                *ret = NULL;
                return sd_bus_message_skip(m, "a{sa{sv}}");
        }
        if (r >= 0)
                r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "{sa{sv}}");

        while (r >= 0 && (r = sd_bus_message_enter_container(m, SD_BUS_TYPE_DICT_ENTRY, "sa{sv}")) > 0) {
                r = sd_bus_message_read_basic(m, SD_BUS_TYPE_STRING, &interface);
                if (r >= 0)
                        r = object_read_properties(o, interface, m);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0) {
                if (!known)
                        object_free(o);
                return r;
        }

        *ret = o;
        return !known;
}
