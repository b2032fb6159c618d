/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/target.h"

#include <string.h>

#include "client/json.h"
#include "client/match.h"
#include "client/memory.h"
#include "client/tree.h"
#include "dbus/names.h"

static void set(Target *t, const json_t *object, const char *name_key) {
        t->path = memory_copy(json_text(object, "path"));
        t->name = memory_copy(json_text(object, name_key));
        t->description = json_incref((json_t *)object);
}

static int load(Bus *b, json_t **ret, Failure *f) {
        bool is_whole;

        return tree_load(b, ret, &is_whole, f);
}

int target_find_mailbox(Bus *b, const char *s, const char *feature, Target *ret, Failure *f) {
        _cleanup_json_ json_t *devices = NULL;
        const json_t *mailbox;
        int r;

        ret->path = match_mailbox_path(s);
        if (ret->path) {
                ret->name = memory_copy(s);
                return 0;
        }

        r = load(b, &devices, f);
        if (r < 0)
                return r;

        r = match_mailbox(devices, s, feature, &mailbox, f);
        if (r >= 0)
                set(ret, mailbox, "mailbox");
        return r;
}

int target_find_described(Bus *b, const char *s, bool may_be_mailbox, Target *ret, Failure *f) {
        _cleanup_free_ char *device = memory_format("%.*s", (int)strcspn(s, "["), s);
        _cleanup_json_ json_t *devices = NULL;
        const json_t *object;
        int r;

        r = load(b, &devices, f);
        if (r < 0)
                return r;

        if (may_be_mailbox && match_is_mailbox(s)) {
                r = match_mailbox(devices, s, NULL, &object, f);
                if (r >= 0)
                        set(ret, object, "mailbox");
        } else {
                r = match_device(devices, device, &object, f);
                if (r >= 0)
                        set(ret, object, "address");
        }
        return r;
}

int target_call(const Target *t, Bus *b, BusRequest *rq, sd_bus_message **ret_reply, Failure *f) {
        int r = bus_call(b, rq, ret_reply, f);

        if (r < 0 && failure_is(f, FAILURE_UNKNOWN_OBJECT))
                return failure_set(f, FAILURE_UNKNOWN_OBJECT, "There is no %s %s",
                                   match_is_mailbox(t->name) ? "mailbox" : "device", t->name);
        return r;
}

int target_read_mailbox(const Target *t, Bus *b, json_t **ret, Failure *f) {
        BusRequest rq = bus_request(b, t->path, DBUS_INTERFACE_PROPERTIES, "GetAll");
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_json_ json_t *properties = NULL;
        int r;

        bus_append(&rq, "s", DOED_INTERFACE_MAILBOX);
        r = target_call(t, b, &rq, &reply, f);
        if (r < 0)
                return r;

        r = json_from_message(reply, &properties);
        if (r <= 0)
                return bus_bad_reply(r, f);

        *ret = tree_properties(properties);
        json_put(*ret, "mailbox", json_from_text(t->name));
        return 0;
}
