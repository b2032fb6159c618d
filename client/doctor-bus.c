/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Calls of its own instead of those of bus.c: each has a short end, starts nobody, and what fails is a fact
 * and no failure. Whoever is silent once is not asked again. */

#include <errno.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>

#include "client/bus.h"
#include "client/doctor-gather.h"
#include "client/json.h"
#include "client/tree.h"
#include "dbus/names.h"
#include "protocols/feature.h"

#define BUS_ADDRESS_DEFAULT "unix:path=/run/dbus/system_bus_socket"
#define FIND_USEC           UINT64_C(300000) /* for doed to say why it does not know its devices yet */

#define BUS            "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus"
#define SYSTEMD        "org.freedesktop.systemd1"
#define POLKIT         "org.freedesktop.PolicyKit1"
#define ACTION_PREFIX  "org.doed."
#define ACTION_OWNER   "org.freedesktop.policykit.owner"
#define OWNER_EXPECTED "unix-user:doed"

static void bus_closep(sd_bus **bus) {
        sd_bus_close_unref(*bus);
}

typedef struct Doctor {
        DoctorFacts *facts;
        sd_bus *bus;
} Doctor;

/* What came of one call. */
typedef struct Reply {
        DoctorAnswer answer;
        sd_bus_message *message; /* owned; NULL unless it was answered */
        char *name;              /* owned: of the error, or NULL */
        char *error;             /* owned; never NULL after ask() */
} Reply;

static void reply_done(Reply *r) {
        sd_bus_message_unref(r->message);
        free(r->name);
        free(r->error);
}
#define _cleanup_reply_ _cleanup_(reply_done)

static DoctorAnswer answer_of(const sd_bus_error *e, int r) {
        if (sd_bus_error_has_names(e, DBUS_ERROR_PREFIX "NoReply", DBUS_ERROR_PREFIX "Timeout") ||
            r == -ETIMEDOUT)
                return DOCTOR_SILENT;
        if (sd_bus_error_has_names(e, DBUS_ERROR_PREFIX "AccessDenied"))
                return DOCTOR_DENIED;
        if (sd_bus_error_has_names(e, DBUS_ERROR_PREFIX "ServiceUnknown",
                                   DBUS_ERROR_PREFIX "NameHasNoOwner"))
                return DOCTOR_ABSENT;
        return DOCTOR_FAILED;
}

/* Send @m, which is consumed. */
static void send(const Doctor *d, sd_bus_message *m, Reply *ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_message_set_auto_start(m, false);

        *ret = (Reply){ .answer = DOCTOR_ANSWERED };
        if (r >= 0)
                r = sd_bus_call(d->bus, m, d->facts->waited_usec, &error, &ret->message);
        sd_bus_message_unref(m);
        if (r < 0)
                ret->answer = answer_of(&error, r);
        ret->name = error.name ? memory_copy(error.name) : NULL;
        ret->error = memory_copy(r >= 0 ? "" : error.message ?: strerror(-r));
}

/* @types: of the arguments that follow, as sd_bus_message_append(3) has them. */
static void ask(const Doctor *d, const char *who, const char *path, const char *interface,
                const char *member, Reply *ret, const char *types, ...) {
        sd_bus_message *m = NULL;
        va_list args;
        int r = sd_bus_message_new_method_call(d->bus, &m, who, path, interface, member);

        va_start(args, types);
        if (r >= 0)
                r = sd_bus_message_appendv(m, types, args);
        va_end(args);
        if (r >= 0) {
                send(d, m, ret);
                return;
        }
        sd_bus_message_unref(m);
        *ret = (Reply){ .answer = DOCTOR_FAILED, .error = memory_copy(strerror(-r)) };
}

/* The first value of the reply; NULL if there is none. New reference. */
static json_t *take_value(const Reply *r) {
        json_t *value = NULL;

        return r->message && json_from_message(r->message, &value) > 0 ? value : NULL;
}

static const char *keep_text(DoctorFacts *f, const json_t *object, const char *key) {
        return doctor_keep(f, memory_copy(json_text(object, key)));
}

static const char *keep_error(DoctorFacts *f, const Reply *r) {
        return doctor_keep(f, memory_copy(r->error));
}

/* -------- the bus itself -------- */

static uint64_t monotonic_usec(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* A bus that is stuck takes connections and never says hello; sd-bus would wait much longer for it. */
static int wait_hello(Doctor *d) {
        const uint64_t deadline_usec = monotonic_usec() + d->facts->waited_usec;

        for (;;) {
                const uint64_t now_usec = monotonic_usec();
                int r = sd_bus_is_ready(d->bus);

                if (r != 0)
                        return r < 0 ? r : 0;
                if (now_usec >= deadline_usec)
                        return -ETIMEDOUT;
                r = sd_bus_process(d->bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(d->bus, deadline_usec - now_usec);
                if (r < 0 && r != -EINTR)
                        return r;
        }
}

static DoctorAnswer answer_of_connect(int r) {
        switch (-r) {
        case ENOENT:
                return DOCTOR_ABSENT;
        case ECONNREFUSED:
                return DOCTOR_REFUSED;
        case ETIMEDOUT:
                return DOCTOR_SILENT;
        case EACCES:
        case EPERM:
                return DOCTOR_DENIED;
        default:
                return DOCTOR_FAILED;
        }
}

static bool connect_bus(Doctor *d) {
        DoctorFacts *f = d->facts;
        int r;

        f->bus.is_of_environment = getenv("DBUS_SYSTEM_BUS_ADDRESS");
        f->bus.address = getenv("DBUS_SYSTEM_BUS_ADDRESS") ?: BUS_ADDRESS_DEFAULT;
        r = sd_bus_open_system(&d->bus);
        if (r >= 0)
                r = wait_hello(d);
        f->bus.answer = r < 0 ? answer_of_connect(r) : DOCTOR_ANSWERED;
        f->bus.error = r < 0 ? doctor_keep(f, memory_copy(strerror(-r))) : "";
        return r >= 0;
}

static bool has_name(const json_t *names, const char *name) {
        json_t *value;
        size_t i;

        json_array_foreach(names, i, value) {
                if (json_is_string(value) && strcmp(json_string_value(value), name) == 0)
                        return true;
        }
        return false;
}

/* Who is there, and who could be. Return: false if the bus does not answer. */
static bool gather_names(Doctor *d) {
        _cleanup_reply_ Reply owned = {}, activatable = {};
        _cleanup_json_ json_t *names = NULL, *startable = NULL;
        DoctorFacts *f = d->facts;

        ask(d, BUS, "ListNames", &owned, "");
        if (owned.answer == DOCTOR_ANSWERED)
                ask(d, BUS, "ListActivatableNames", &activatable, "");
        if (owned.answer != DOCTOR_ANSWERED || activatable.answer != DOCTOR_ANSWERED) {
                const Reply *wrong = owned.answer != DOCTOR_ANSWERED ? &owned : &activatable;

                f->bus.answer = wrong->answer;
                f->bus.error = keep_error(f, wrong);
                return false;
        }

        names = take_value(&owned);
        startable = take_value(&activatable);
        f->has_systemd = has_name(names, SYSTEMD);
        f->doed.is_on_bus = has_name(names, DOED_BUS_NAME);
        f->doed.is_activatable = has_name(startable, DOED_BUS_NAME);
        f->polkit.is_on_bus = has_name(names, POLKIT);
        f->polkit.is_activatable = has_name(startable, POLKIT);
        return true;
}

/* -------- systemd -------- */

static json_t *get_all(const Doctor *d, const char *who, const char *path, const char *interface,
                       Reply *reply) {
        ask(d, who, path, DBUS_INTERFACE_PROPERTIES, "GetAll", reply, "s", interface);
        return take_value(reply);
}

/* Return: false if systemd is silent. */
static bool gather_unit(Doctor *d, const char *name, const char *type_interface, DoctorUnit *ret) {
        _cleanup_reply_ Reply loaded = {}, general = {}, special = {};
        _cleanup_json_ json_t *path = NULL, *unit = NULL, *type = NULL;

        ask(d, SYSTEMD, "/org/freedesktop/systemd1", SYSTEMD ".Manager", "LoadUnit", &loaded, "s", name);
        path = take_value(&loaded);
        if (!json_is_string(path))
                return loaded.answer != DOCTOR_SILENT;

        unit = get_all(d, SYSTEMD, json_string_value(path), SYSTEMD ".Unit", &general);
        if (unit)
                type = get_all(d, SYSTEMD, json_string_value(path), type_interface, &special);
        ret->load = keep_text(d->facts, unit, "LoadState");
        ret->active = keep_text(d->facts, unit, "ActiveState");
        ret->sub = keep_text(d->facts, unit, "SubState");
        ret->result = keep_text(d->facts, type, "Result");
        return general.answer != DOCTOR_SILENT && special.answer != DOCTOR_SILENT;
}

static void gather_units(Doctor *d) {
        DoctorFacts *f = d->facts;

        (void)(gather_unit(d, "doed.service", SYSTEMD ".Service", &f->doed_unit) &&
               gather_unit(d, "doed-pci.socket", SYSTEMD ".Socket", &f->socket_unit) &&
               gather_unit(d, "doed-pci.service", SYSTEMD ".Service", &f->pci_unit));
}

/* -------- doed -------- */

static void gather_manager(Doctor *d) {
        _cleanup_reply_ Reply reply = {};
        _cleanup_json_ json_t *manager =
                        get_all(d, DOED_BUS_NAME, DOED_PATH, DOED_INTERFACE_MANAGER, &reply);
        DoctorFacts *f = d->facts;

        f->doed.answer = reply.answer;
        f->doed.error = keep_error(f, &reply);
        f->doed.version = keep_text(f, manager, "Version");
        f->doed.lockdown = keep_text(f, manager, "Lockdown");
        f->doed.is_ready = json_bool(manager, "Ready");
}

static void gather_uid(Doctor *d) {
        _cleanup_reply_ Reply reply = {};
        _cleanup_json_ json_t *uid = NULL;

        ask(d, BUS, "GetConnectionUnixUser", &reply, "s", DOED_BUS_NAME);
        uid = take_value(&reply);
        if (!json_is_integer(uid))
                return;
        d->facts->doed.has_uid = true;
        d->facts->doed.uid = (uint32_t)json_integer_value(uid);
}

static const char *mailbox_name(const DoctorFacts *f, const char *path) {
        json_t *device, *mailbox;
        size_t i, j;

        json_array_foreach(f->doed.devices, i, device) {
                json_array_foreach(json_object_get(device, "mailboxes"), j, mailbox) {
                        if (strcmp(json_text(mailbox, "path"), path) == 0)
                                return json_text(mailbox, "mailbox");
                }
        }
        return "";
}

static json_t *build_leases(const DoctorFacts *f, const json_t *objects) {
        json_t *leases = memory_must(json_array()), *interfaces;
        const char *path;

        json_object_foreach((json_t *)objects, path, interfaces) {
                const json_t *properties = json_object_get(interfaces, DOED_INTERFACE_LEASE);
                json_t *lease;

                if (!properties)
                        continue;
                lease = tree_properties(properties);
                json_put(lease, "path", json_from_text(path));
                json_put(lease, "mailbox", json_from_text(mailbox_name(f, json_text(lease, "mailbox"))));
                memory_must(json_array_append_new(leases, lease) == 0 ? leases : NULL);
        }
        return leases;
}

static void gather_objects(Doctor *d) {
        _cleanup_reply_ Reply reply = {};
        _cleanup_json_ json_t *objects = NULL;
        DoctorFacts *f = d->facts;

        ask(d, DOED_BUS_NAME, DOED_PATH, DBUS_INTERFACE_OBJECT_MANAGER, "GetManagedObjects", &reply, "");
        objects = take_value(&reply);
        f->doed.answer = reply.answer;
        f->doed.error = keep_error(f, &reply);
        if (!objects)
                return;
        f->doed.devices = tree_build(objects);
        f->doed.leases = build_leases(f, objects);
}

/* What doed would say to a request: nothing is sent. NULL if it is silent. New reference. */
static json_t *explain(Doctor *d, const char *mailbox, uint16_t vendor_id, uint8_t type) {
        _cleanup_reply_ Reply reply = {};

        ask(d, DOED_BUS_NAME, DOED_PATH, DOED_INTERFACE_MANAGER, "Explain", &reply, "oqyaya{sv}", mailbox,
            (unsigned)vendor_id, (unsigned)type, 4u, 0u, 0u, 0u, 0u, 0u);
        return take_value(&reply);
}

static bool is_error(const json_t *explanation, const char *name) {
        return strcmp(json_text(explanation, "obstacle"), name) == 0;
}

static bool offers_spdm(const json_t *mailbox) {
        json_t *feature;
        size_t i;

        json_array_foreach(json_object_get(mailbox, "features"), i, feature) {
                const DoeFeature *known = doe_feature_find((uint16_t)json_uint(feature, "vendor-id"),
                                                           (uint8_t)json_uint(feature, "type"));

                if (known && known->is_spdm)
                        return true;
        }
        return false;
}

/* Does another agent have SPDM of @device? Return: false if doed is silent. */
static bool gather_owner(Doctor *d, const json_t *device) {
        DoctorFacts *f = d->facts;
        json_t *mailbox;
        size_t i;

        json_array_foreach(json_object_get(device, "mailboxes"), i, mailbox) {
                _cleanup_json_ json_t *explanation = NULL;

                if (!offers_spdm(mailbox))
                        continue;
                explanation = explain(d, json_text(mailbox, "path"), DOE_VENDOR_PCI_SIG, DOE_TYPE_CMA_SPDM);
                if (!explanation)
                        return false;
                if (is_error(explanation, DOED_ERROR_PREFIX "KernelOwned"))
                        json_put(f->doed.owned, json_text(device, "address"),
                                 json_from_text(json_text(explanation, "evidence")));
                return true;
        }
        return true;
}

/* May the caller read CDAT, is doed-pci there, and who has SPDM? */
static void gather_explanations(Doctor *d) {
        DoctorFacts *f = d->facts;
        const json_t *mailboxes = json_object_get(json_array_get(f->doed.devices, 0), "mailboxes");
        const json_t *first = json_array_get(mailboxes, 0);
        _cleanup_json_ json_t *explanation = NULL;
        json_t *device;
        size_t i;

        f->doed.owned = memory_must(json_object());
        if (!first)
                return;
        explanation = explain(d, json_text(first, "path"), DOE_VENDOR_CXL, DOE_TYPE_CXL_TABLE_ACCESS);
        if (!explanation)
                return;
        f->doed.verdict = keep_text(f, explanation, "verdict");
        f->doed.rule = keep_text(f, explanation, "rule");
        f->doed.source = keep_text(f, explanation, "source");
        if (is_error(explanation, DOED_ERROR_PREFIX "Unavailable")) {
                f->doed.unavailable = keep_text(f, explanation, "evidence");
                return;
        }
        json_array_foreach(f->doed.devices, i, device) {
                if (!gather_owner(d, device))
                        return;
        }
}

/* Without devices nobody but Find tells that doed-pci is not there. */
static void gather_unready(Doctor *d) {
        _cleanup_reply_ Reply reply = {};
        DoctorFacts *f = d->facts;

        ask(d, DOED_BUS_NAME, DOED_PATH, DOED_INTERFACE_MANAGER, "Find", &reply, "sqya{sv}", "",
            (unsigned)DOE_VENDOR_PCI_SIG, (unsigned)DOE_TYPE_DISCOVERY, 1u, "timeout-usec", "t", FIND_USEC);
        if (reply.name && strcmp(reply.name, DOED_ERROR_PREFIX "Unavailable") == 0)
                f->doed.unavailable = keep_error(f, &reply);
}

static void gather_doed(Doctor *d) {
        DoctorFacts *f = d->facts;

        if (!f->doed.is_on_bus)
                return;
        gather_uid(d);
        gather_manager(d);
        if (f->doed.answer == DOCTOR_ANSWERED)
                gather_objects(d);
        if (f->doed.answer != DOCTOR_ANSWERED)
                return;
        if (f->doed.is_ready)
                gather_explanations(d);
        else
                gather_unready(d);
}

/* -------- polkit -------- */

/* (id, description, message, vendor, vendor's address, icon, 3 defaults, annotations) */
static void look_at_action(DoctorFacts *f, const json_t *action) {
        const char *id = json_string_value(json_array_get(action, 0)), *owner;

        if (!id || strncmp(id, ACTION_PREFIX, strlen(ACTION_PREFIX)) != 0)
                return;
        f->polkit.n_actions++;
        owner = json_text(json_array_get(action, 9), ACTION_OWNER);
        if (strcmp(owner, OWNER_EXPECTED) == 0)
                return;
        f->polkit.n_without_owner++;
        if (!*f->polkit.owner)
                f->polkit.owner = doctor_keep(f, memory_copy(owner));
}

static void gather_polkit(Doctor *d) {
        _cleanup_reply_ Reply reply = {};
        _cleanup_json_ json_t *actions = NULL;
        DoctorFacts *f = d->facts;
        json_t *action;
        size_t i;

        if (!f->polkit.is_on_bus)
                return;
        ask(d, POLKIT, "/org/freedesktop/PolicyKit1/Authority", POLKIT ".Authority", "EnumerateActions",
            &reply, "s", "");
        actions = take_value(&reply);
        f->polkit.answer = reply.answer;
        f->polkit.error = keep_error(f, &reply);
        json_array_foreach(actions, i, action) {
                look_at_action(f, action);
        }
}

void doctor_gather_bus(DoctorFacts *f) {
        _cleanup_(bus_closep) sd_bus *bus = NULL;
        Doctor d = { .facts = f };
        bool is_connected = connect_bus(&d);

        bus = d.bus;
        if (!is_connected || !gather_names(&d))
                return;
        if (f->has_systemd)
                gather_units(&d);
        gather_doed(&d);
        gather_polkit(&d);
}
