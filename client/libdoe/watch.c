/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/libdoe/client-private.h"
#include "client/libdoe/object.h"

#define LIST_TIMEOUT_USEC (BUS_TIMEOUT_USEC_DEFAULT + BUS_TIMEOUT_USEC_GRACE)
#define RETRY_USEC_MIN    UINT64_C(1000000)
#define RETRY_USEC_MAX    UINT64_C(60000000)

/* Signals are asked for first and the list then, so nothing is missed. What signals add before the list is
 * there is told at once; the list then tells the rest. */
struct Watch {
        struct doe_client *client;
        doe_event_fn on_event;
        void *userdata;
        struct doe_snapshot known;
        sd_bus_slot *signals, *owner; /* matches */
        bool has_matches;             /* and none was refused */
        sd_bus_slot *list;            /* the call for the list while it is under way */
        BusCall call;
        uint64_t retry_usec; /* CLOCK_MONOTONIC; DOE_FOREVER_USEC: not due */
        uint64_t pause_usec; /* before the last retry */
        bool is_lost;        /* and told so */
};

struct doe_event {
        enum doe_event_kind kind;
        const Object *object; /* NULL for none */
        const char *text;
};

enum doe_event_kind doe_event_kind(const struct doe_event *e) {
        return e->kind;
}

static const Object *of_kind(const struct doe_event *e, ObjectKind kind) {
        return e->object && e->object->kind == kind ? e->object : NULL;
}

const struct doe_device *doe_event_device(const struct doe_event *e) {
        return (const struct doe_device *)of_kind(e, OBJECT_DEVICE);
}

const struct doe_mailbox *doe_event_mailbox(const struct doe_event *e) {
        return (const struct doe_mailbox *)of_kind(e, OBJECT_MAILBOX);
}

const struct doe_lease_info *doe_event_lease(const struct doe_event *e) {
        return (const struct doe_lease_info *)of_kind(e, OBJECT_LEASE);
}

const char *doe_event_text(const struct doe_event *e) {
        return e->text;
}

static void tell(Watch *w, enum doe_event_kind kind, const Object *o, const char *text) {
        const struct doe_event event = { .kind = kind, .object = o, .text = text };

        if (w->client->is_freed)
                return;

        w->client->n_callbacks++;
        w->on_event(w->client, &event, w->userdata);
        w->client->n_callbacks--;
}

typedef enum Change {
        CHANGE_ADDED,
        CHANGE_CHANGED,
        CHANGE_REMOVED,
} Change;

static void tell_change(Watch *w, const Object *o, Change change) {
        static const enum doe_event_kind kinds[][CHANGE_REMOVED + 1] = {
                [OBJECT_DEVICE] = { DOE_EVENT_DEVICE_ADDED, DOE_EVENT_DEVICE_CHANGED,
                                    DOE_EVENT_DEVICE_REMOVED },
                [OBJECT_MAILBOX] = { DOE_EVENT_MAILBOX_ADDED, DOE_EVENT_MAILBOX_CHANGED,
                                     DOE_EVENT_MAILBOX_REMOVED },
                [OBJECT_LEASE] = { DOE_EVENT_LEASE_ADDED, DOE_EVENT_LEASE_CHANGED, DOE_EVENT_LEASE_REMOVED },
        };

        tell(w, kinds[o->kind][change], o, "");
}

static void remove_object(Watch *w, Object *o) {
        snapshot_remove(&w->known, o);
        tell_change(w, o, CHANGE_REMOVED);
        object_free(o);
}

/* Leases and mailboxes before the devices below which they are. @text may go with what callbacks do. */
static void lose_all(Watch *w, const char *text) {
        _cleanup_free_ char *copy = strdup(text);

        while (w->known.first) {
                Object *last = w->known.first;

                while (last->next)
                        last = last->next;
                remove_object(w, last);
        }
        if (!w->is_lost)
                tell(w, DOE_EVENT_LOST, NULL, copy ?: "");
        w->is_lost = true;
}

/* A doed that is not there tells by its coming that it is; any other is asked again. */
static void fail_list(Watch *w, int error) {
        struct doe_client *c = w->client;

        if (error != -EHOSTDOWN) {
                w->pause_usec = w->pause_usec == 0                   ? RETRY_USEC_MIN
                                : w->pause_usec < RETRY_USEC_MAX / 2 ? w->pause_usec * 2
                                                                     : RETRY_USEC_MAX;
                w->retry_usec = bus_now_usec() + w->pause_usec;
        }
        lose_all(w, doe_client_error_text(c));
}

/* One of the list, or one that has come; @m stands before it. */
static int take_object(Watch *w, sd_bus_message *m, bool is_list) {
        Object *o;
        int r = object_read_interfaces(&w->known, m, &o);

        if (r > 0) {
                snapshot_add(&w->known, o);
                tell_change(w, o, CHANGE_ADDED);
        } else if (r == 0 && o && !is_list)
                tell_change(w, o, CHANGE_CHANGED);
        return r;
}

static int take_list(Watch *w, sd_bus_message *m) {
        int r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "{oa{sa{sv}}}");

        while (r >= 0 && (r = sd_bus_message_enter_container(m, SD_BUS_TYPE_DICT_ENTRY, "oa{sa{sv}}")) > 0) {
                r = take_object(w, m, true);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r;
}

static int on_list(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Watch *w = userdata;
        struct doe_client *c = w->client;

        w->list = sd_bus_slot_unref(w->list);
        client_begin(c);
        w->call.reply = m;
        if (sd_bus_message_is_method_error(m, NULL))
                fail_list(w, client_fail_reply(c, &w->call));
        else if (take_list(w, m) < 0)
                fail_list(w, client_fail_type(c));
        else {
                w->is_lost = false;
                w->pause_usec = 0;
                tell(w, DOE_EVENT_LISTED, NULL, "");
        }
        return 1;
}

static int ask_list(Watch *w) {
        struct doe_client *c = w->client;
        BusRequest rq = bus_request_new(c->bus, DOED_PATH, DBUS_INTERFACE_OBJECT_MANAGER,
                                        "GetManagedObjects");
        _cleanup_message_ sd_bus_message *message = rq.message;

        w->retry_usec = DOE_FOREVER_USEC;
        if (rq.error < 0)
                return rq.error;

        w->list = sd_bus_slot_unref(w->list); /* an answer of the doed before */
        w->call = (BusCall){ .started_usec = bus_now_usec(), .patience_usec = LIST_TIMEOUT_USEC };
        return sd_bus_call_async(c->bus, &w->list, message, on_list, w, LIST_TIMEOUT_USEC);
}

static void ask_list_anew(Watch *w) {
        const int r = ask_list(w);

        if (r < 0)
                fail_list(w, client_fail_errno(w->client, r));
}

static int take_removed(Watch *w, sd_bus_message *m) {
        const char *path, *interface;
        bool has_changed = false;
        Object *o;
        int r = sd_bus_message_read_basic(m, SD_BUS_TYPE_OBJECT_PATH, &path);

        if (r < 0)
                return r;

        o = snapshot_find(&w->known, path);
        r = o ? sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "s") : 0;
        while (o && r >= 0 && (r = sd_bus_message_read_basic(m, SD_BUS_TYPE_STRING, &interface)) > 0)
                if (strcmp(interface, DOED_INTERFACE_DEVICE) == 0 ||
                    strcmp(interface, DOED_INTERFACE_MAILBOX) == 0 ||
                    strcmp(interface, DOED_INTERFACE_LEASE) == 0) {
                        remove_object(w, o);
                        return 0;
                } else if (object_drop_interface(o, interface))
                        has_changed = true;
        if (has_changed)
                tell_change(w, o, CHANGE_CHANGED);
        return r;
}

static int take_changed(Watch *w, sd_bus_message *m) {
        Object *o = snapshot_find(&w->known, sd_bus_message_get_path(m));
        const char *interface;
        int r;

        if (!o)
                return 0;

        r = sd_bus_message_read_basic(m, SD_BUS_TYPE_STRING, &interface);
        if (r >= 0)
                r = object_read_properties(o, interface, m);
        if (r >= 0)
                tell_change(w, o, CHANGE_CHANGED);
        return r;
}

static int take_notice(Watch *w, sd_bus_message *m, enum doe_event_kind kind) {
        const Object *o = snapshot_find(&w->known, sd_bus_message_get_path(m));
        const char *text;
        int r = sd_bus_message_read_basic(m, SD_BUS_TYPE_STRING, &text);

        if (r > 0 && o)
                tell(w, kind, o, text);
        return r;
}

/* A signal of another type than the interface says is passed over. */
static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Watch *w = userdata;

        client_begin(w->client);
        if (sd_bus_message_is_signal(m, DBUS_INTERFACE_OBJECT_MANAGER, "InterfacesAdded"))
                (void)take_object(w, m, false);
        else if (sd_bus_message_is_signal(m, DBUS_INTERFACE_OBJECT_MANAGER, "InterfacesRemoved"))
                (void)take_removed(w, m);
        else if (sd_bus_message_is_signal(m, DBUS_INTERFACE_PROPERTIES, "PropertiesChanged"))
                (void)take_changed(w, m);
        else if (sd_bus_message_is_signal(m, DOED_INTERFACE_MAILBOX, "Aborted"))
                (void)take_notice(w, m, DOE_EVENT_MAILBOX_ABORTED);
        else if (sd_bus_message_is_signal(m, DOED_INTERFACE_MAILBOX, "ForeignActivity"))
                (void)take_notice(w, m, DOE_EVENT_FOREIGN_ACTIVITY);
        return 0;
}

static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *name, *old_owner, *new_owner;
        Watch *w = userdata;

        if (sd_bus_message_read(m, "sss", &name, &old_owner, &new_owner) <= 0)
                return 0;

        client_begin(w->client);
        if (*old_owner)
                lose_all(w, "doed left the bus");
        w->pause_usec = 0;
        if (*new_owner && !w->client->is_freed)
                ask_list_anew(w);
        return 0;
}

/* Waiting for the bus to agree would have no bound, and without a function sd-bus would end the connection.
 */
static int on_match(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Watch *w = userdata;
        const BusCall call = { .reply = m,
                               .started_usec = bus_now_usec(),
                               .patience_usec = LIST_TIMEOUT_USEC };

        if (sd_bus_message_is_method_error(m, NULL)) {
                w->has_matches = false;
                client_begin(w->client);
                fail_list(w, client_fail_reply(w->client, &call));
        }
        return 1;
}

static int add_matches(Watch *w) {
        sd_bus *bus = w->client->bus;
        int r;

        w->owner = sd_bus_slot_unref(w->owner);
        w->signals = sd_bus_slot_unref(w->signals);
        r = sd_bus_add_match_async(bus, &w->owner,
                                   "type='signal',sender='org.freedesktop.DBus',"
                                   "interface='org.freedesktop.DBus',"
                                   "member='NameOwnerChanged',arg0='" DOED_BUS_NAME "'",
                                   on_owner, on_match, w);
        if (r >= 0)
                r = sd_bus_add_match_async(bus, &w->signals, "type='signal',sender='" DOED_BUS_NAME "'",
                                           on_signal, on_match, w);
        w->has_matches = r >= 0;
        return r;
}

uint64_t watch_deadline_usec(const struct doe_client *c) {
        return c->watch ? c->watch->retry_usec : DOE_FOREVER_USEC;
}

void watch_process(struct doe_client *c) {
        Watch *w = c->watch;
        int r;

        if (c->is_freed || bus_now_usec() < watch_deadline_usec(c))
                return;

        r = w->has_matches ? 0 : add_matches(w);
        if (r < 0)
                fail_list(w, client_fail_errno(c, r));
        else
                ask_list_anew(w);
}

void watch_free(struct doe_client *c) {
        Watch *w = c->watch;

        if (!w)
                return;

        sd_bus_slot_unref(w->signals);
        sd_bus_slot_unref(w->owner);
        sd_bus_slot_unref(w->list);
        snapshot_done(&w->known);
        free(w);
        c->watch = NULL;
}

int doe_client_watch(struct doe_client *c, doe_event_fn on_event, void *userdata) {
        Watch *w;
        int r;

        client_begin(c);
        if (c->watch || !on_event || c->n_callbacks > 0)
                return client_fail_errno(c, c->watch ? -EALREADY : !on_event ? -EINVAL : -EDEADLK);

        w = calloc(1, sizeof(*w));
        if (!w)
                return client_fail_errno(c, -ENOMEM);

        *w = (Watch){
                .client = c, .on_event = on_event, .userdata = userdata, .retry_usec = DOE_FOREVER_USEC
        };
        c->watch = w;
        r = add_matches(w);
        if (r >= 0)
                r = ask_list(w);
        if (r < 0) {
                watch_free(c);
                return client_fail_errno(c, r);
        }
        return 0;
}
