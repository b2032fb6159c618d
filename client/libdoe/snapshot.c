/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/libdoe/client-private.h"
#include "client/libdoe/object.h"

Object *snapshot_find(const struct doe_snapshot *s, const char *path) {
        for (Object *o = s->first; o; o = o->next)
                if (strcmp(o->path, path) == 0)
                        return o;
        return NULL;
}

/* Kind, then address, then offset: longer domains and offsets are larger numbers. */
static int compare(const Object *a, const Object *b) {
        const char *pa = a->device ?: a->path, *pb = b->device ?: b->path;
        size_t na, nb;

        if (a->kind != b->kind)
                return (int)a->kind - (int)b->kind;

        na = strlen(pa), nb = strlen(pb);
        if (na != nb || strcmp(pa, pb) != 0)
                return na != nb ? (na < nb ? -1 : 1) : strcmp(pa, pb);

        na = strlen(a->path), nb = strlen(b->path);
        return na != nb ? (na < nb ? -1 : 1) : strcmp(a->path, b->path);
}

void snapshot_add(struct doe_snapshot *s, Object *o) {
        Object **link = &s->first;

        while (*link && compare(*link, o) < 0)
                link = &(*link)->next;
        o->next = *link;
        *link = o;
}

void snapshot_remove(struct doe_snapshot *s, Object *o) {
        Object **link = &s->first;

        while (*link && *link != o)
                link = &(*link)->next;
        if (*link)
                *link = o->next;
        o->next = NULL;
}

void snapshot_done(struct doe_snapshot *s) {
        while (s->first) {
                Object *o = s->first;

                s->first = o->next;
                object_free(o);
        }
}

struct doe_snapshot *doe_snapshot_free(struct doe_snapshot *s) {
        if (s)
                snapshot_done(s);
        free(s);
        return NULL;
}

static int read_objects(struct doe_snapshot *s, sd_bus_message *reply) {
        Object *o;
        int r = sd_bus_message_enter_container(reply, SD_BUS_TYPE_ARRAY, "{oa{sa{sv}}}");

        while (r >= 0 &&
               (r = sd_bus_message_enter_container(reply, SD_BUS_TYPE_DICT_ENTRY, "oa{sa{sv}}")) > 0) {
                r = object_read_interfaces(s, reply, &o);
                if (r > 0)
                        snapshot_add(s, o);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        return r;
}

/* Find waits until doed has looked at all devices, GetManagedObjects does not. */
static int wait_enumerated(struct doe_client *c, uint64_t timeout_usec) {
        BusRequest rq = bus_request_new(c->bus, DOED_PATH, DOED_INTERFACE_MANAGER, "Find");

        bus_append(&rq, "sqy", "", 0x0001, 0x00);
        bus_begin_options(&rq);
        client_end_options(&rq, timeout_usec);
        return client_call(c, &rq, timeout_usec, NULL);
}

int doe_client_enumerate(struct doe_client *c, const struct doe_call_options *options,
                         struct doe_snapshot **ret) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        struct doe_snapshot *s;
        BusRequest rq;
        int r;

        client_begin(c);
        options = options ?: &client_call_defaults;
        r = client_check_call(c, options, false);
        if (r >= 0)
                r = wait_enumerated(c, options->timeout_usec);
        if (r < 0)
                return r;

        rq = bus_request_new(c->bus, DOED_PATH, DBUS_INTERFACE_OBJECT_MANAGER, "GetManagedObjects");
        r = client_call(c, &rq, BUS_TIMEOUT_USEC_DEFAULT, &reply);
        if (r < 0)
                return r;

        s = calloc(1, sizeof(*s));
        if (!s)
                return client_fail_errno(c, -ENOMEM);
        r = read_objects(s, reply);
        if (r < 0) {
                doe_snapshot_free(s);
                return r == -ENOMEM ? client_fail_errno(c, r) : client_fail_type(c);
        }

        *ret = s;
        return 0;
}

static const Object *next(const struct doe_snapshot *s, ObjectKind kind, const Object *after) {
        const Object *o = after ? after->next : s->first;

        while (o && o->kind != kind)
                o = o->next;
        return o;
}

const struct doe_device *doe_snapshot_next_device(const struct doe_snapshot *s,
                                                  const struct doe_device *after) {
        return (const struct doe_device *)next(s, OBJECT_DEVICE, after ? &after->object : NULL);
}

const struct doe_mailbox *doe_snapshot_next_mailbox(const struct doe_snapshot *s,
                                                    const struct doe_mailbox *after) {
        return (const struct doe_mailbox *)next(s, OBJECT_MAILBOX, after ? &after->object : NULL);
}

const struct doe_lease_info *doe_snapshot_next_lease(const struct doe_snapshot *s,
                                                     const struct doe_lease_info *after) {
        return (const struct doe_lease_info *)next(s, OBJECT_LEASE, after ? &after->object : NULL);
}
