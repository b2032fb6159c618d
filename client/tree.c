/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/tree.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/json.h"
#include "dbus/names.h"
#include "protocols/feature.h"

/* (qya{sv}) -> { "feature": "1e98:02", "vendor-id": .., "type": .., and what the dictionary says }; of any
 * other shape: as it is */
static json_t *feature_object(json_t *value) {
        const json_t *vendor_id = json_array_get(value, 0), *type = json_array_get(value, 1);
        json_t *more = json_array_get(value, 2), *object;
        char name[DOE_FEATURE_STR_MAX];

        if (!json_is_integer(vendor_id) || !json_is_integer(type) || !json_is_object(more))
                return json_incref(value);

        object = memory_must(json_object());
        doe_feature_format((uint16_t)json_integer_value(vendor_id), (uint8_t)json_integer_value(type), name);
        json_put(object, "feature", json_from_text(name));
        json_put(object, "vendor-id", json_copy((json_t *)vendor_id));
        json_put(object, "type", json_copy((json_t *)type));
        memory_must(json_object_update_missing(object, more) == 0 ? object : NULL);
        return object;
}

static json_t *feature_objects(const json_t *features) {
        json_t *objects = memory_must(json_array()), *value;
        size_t i;

        json_array_foreach(features, i, value) {
                memory_must(json_array_append_new(objects, feature_object(value)) == 0 ? objects : NULL);
        }
        return objects;
}

json_t *tree_properties(const json_t *properties) {
        json_t *object = memory_must(json_object()), *value;
        const char *property;

        json_object_foreach((json_t *)properties, property, value) {
                _cleanup_free_ char *key = json_key_from_property(property);
                bool is_features = strcmp(key, "features") == 0 && json_is_array(value);

                json_put(object, key, is_features ? feature_objects(value) : json_incref(value));
        }
        return object;
}

/* "10000:00:00.0" comes after "ffff:00:00.0": only the domain's length varies. */
static int compare_devices(const void *a, const void *b) {
        const char *x = json_text(*(json_t *const *)a, "address"),
                   *y = json_text(*(json_t *const *)b, "address");
        size_t n_x = strlen(x), n_y = strlen(y);

        return n_x != n_y ? (n_x < n_y ? -1 : 1) : strcmp(x, y);
}

static int compare_mailboxes(const void *a, const void *b) {
        uint64_t x = json_uint(*(json_t *const *)a, "offset"), y = json_uint(*(json_t *const *)b, "offset");

        return x < y ? -1 : x > y;
}

/* A new array of the same elements in order. */
static json_t *sorted(const json_t *array, int (*compare)(const void *, const void *)) {
        const size_t n = json_array_size(array);
        _cleanup_free_ json_t **elements = memory_must(calloc(n + 1, sizeof(elements[0])));
        json_t *result = memory_must(json_array());

        for (size_t i = 0; i < n; i++)
                elements[i] = json_array_get(array, i);
        qsort(elements, n, sizeof(elements[0]), compare);
        for (size_t i = 0; i < n; i++)
                memory_must(json_array_append(result, elements[i]) == 0 ? result : NULL);
        return result;
}

static json_t *build_device(const char *path, const json_t *interfaces, const json_t *properties) {
        const json_t *cdat = json_object_get(interfaces, DOED_INTERFACE_CDAT);
        json_t *device = tree_properties(properties);

        json_put(device, "path", json_from_text(path));
        if (cdat)
                json_put(device, "cdat", tree_properties(cdat));
        json_put(device, "mailboxes", json_array());
        return device;
}

static json_t *find_device(const json_t *devices, const char *path) {
        json_t *device;
        size_t i;

        json_array_foreach(devices, i, device) {
                if (strcmp(json_text(device, "path"), path) == 0)
                        return device;
        }
        return NULL;
}

static void add_mailbox(const json_t *devices, const char *path, const json_t *properties) {
        json_t *mailbox = tree_properties(properties);
        const json_t *device = find_device(devices, json_text(mailbox, "device"));
        json_t *mailboxes = json_object_get(device, "mailboxes");
        _cleanup_free_ char *name = NULL;

        if (!device) { /* its device went while doed was listing */
                json_decref(mailbox);
                return;
        }

        name = memory_format("%s[%" PRIx64 "]", json_text(device, "address"), json_uint(mailbox, "offset"));
        json_put(mailbox, "mailbox", json_from_text(name));
        json_put(mailbox, "address", json_from_text(json_text(device, "address")));
        json_put(mailbox, "path", json_from_text(path));
        memory_must(json_array_append_new(mailboxes, mailbox) == 0 ? mailboxes : NULL);
}

json_t *tree_build(const json_t *objects) {
        _cleanup_json_ json_t *devices = memory_must(json_array());
        json_t *interfaces, *device, *result;
        const char *path;
        size_t i;

        json_object_foreach((json_t *)objects, path, interfaces) {
                const json_t *properties = json_object_get(interfaces, DOED_INTERFACE_DEVICE);

                if (properties)
                        memory_must(json_array_append_new(devices,
                                                          build_device(path, interfaces, properties)) == 0
                                                    ? devices
                                                    : NULL);
        }

        json_object_foreach((json_t *)objects, path, interfaces) {
                const json_t *properties = json_object_get(interfaces, DOED_INTERFACE_MAILBOX);

                if (properties)
                        add_mailbox(devices, path, properties);
        }

        result = sorted(devices, compare_devices);
        json_array_foreach(result, i, device) {
                json_put(device, "mailboxes",
                         sorted(json_object_get(device, "mailboxes"), compare_mailboxes));
        }
        return result;
}

static int load_is_ready(Bus *b, bool *ret, Failure *f) {
        BusRequest rq = bus_request(b, DOED_PATH, DBUS_INTERFACE_PROPERTIES, "Get");
        _cleanup_json_ json_t *value = NULL;
        int r;

        bus_append(&rq, "ss", DOED_INTERFACE_MANAGER, "Ready");
        r = bus_call_json(b, &rq, &value, f);
        if (r < 0)
                return r;

        *ret = json_is_true(value);
        return 0;
}

/* Find answers once the first enumeration is over. */
static int wait_ready(Bus *b, Failure *f) {
        BusRequest rq = bus_request(b, DOED_PATH, DOED_INTERFACE_MANAGER, "Find");

        bus_append(&rq, "sqy", "", DOE_VENDOR_PCI_SIG, DOE_TYPE_DISCOVERY);
        bus_begin_options(&rq);
        bus_end_options(b, &rq);
        return bus_call(b, &rq, NULL, f);
}

int tree_load(Bus *b, json_t **ret, bool *ret_is_whole, Failure *f) {
        _cleanup_json_ json_t *objects = NULL;
        bool is_whole = false;
        BusRequest rq;
        int r;

        r = load_is_ready(b, &is_whole, f);
        if (r < 0)
                return r;

        if (!is_whole) {
                r = wait_ready(b, f);
                if (r < 0 && !failure_is(f, FAILURE_TIMED_OUT))
                        return r;
                is_whole = r >= 0;
        }

        rq = bus_request(b, DOED_PATH, DBUS_INTERFACE_OBJECT_MANAGER, "GetManagedObjects");
        r = bus_call_json(b, &rq, &objects, f);
        if (r < 0)
                return r;

        *ret = tree_build(objects);
        *ret_is_whole = is_whole;
        return 0;
}
