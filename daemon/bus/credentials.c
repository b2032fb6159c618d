/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus/credentials.h"

#include <errno.h>

#include "daemon/util/log.h"

#define N_BUCKETS 256u

#define BUS_DRIVER      "org.freedesktop.DBus"
#define BUS_DRIVER_PATH "/org/freedesktop/DBus"
#define SYSTEMD         "org.freedesktop.systemd1"
#define SYSTEMD_PATH    "/org/freedesktop/systemd1"

/* Only names that go: whoever has come is of interest once it calls. */
#define MATCH_LEAVERS                                                                                       \
        "type='signal',sender='" BUS_DRIVER "',path='" BUS_DRIVER_PATH "',interface='" BUS_DRIVER           \
        "',member='NameOwnerChanged',arg2=''"

LIST_HEAD(CallerList, Caller);

struct Credentials {
        sd_bus *bus;
        Manager *manager;
        const CredentialsHandlers *handlers;
        void *userdata;
        sd_bus_slot *match;
        struct CallerList buckets[N_BUCKETS];
};

/* What the bus says of a connection; groups borrow from its message. */
typedef struct Answer {
        bool has_uid;
        uint32_t uid, pid;
        const uint32_t *gids;
        size_t n_gids;
} Answer;

/* Unique names are ":1.N": what differs stands at the end. */
static struct CallerList *find_bucket(Credentials *c, const char *name) {
        unsigned hash = 0;

        for (; *name; name++)
                hash = hash * 31 + (unsigned char)*name;
        return &c->buckets[hash % N_BUCKETS];
}

Caller *credentials_find(Credentials *c, const char *name) {
        Caller *caller;

        LIST_FOREACH (caller, find_bucket(c, name), callers)
                if (strcmp(caller->name, name) == 0)
                        return caller;
        return NULL;
}

static Caller *caller_free(Caller *caller) {
        if (!caller)
                return NULL;
        sd_bus_slot_unref(caller->slot);
        client_free(caller->client);
        LIST_REMOVE(caller, callers);
        free(caller);
        return NULL;
}

static int on_unit(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        Caller *caller = userdata;
        const char *path;

        caller->slot = sd_bus_slot_unref(caller->slot);
        /* no systemd, or not one of its processes: then it has none to show */
        if (!sd_bus_message_is_method_error(reply, NULL) && sd_bus_message_read(reply, "o", &path) >= 0)
                (void)sd_bus_path_decode(path, SYSTEMD_PATH "/unit", &caller->client->unit);
        return 0;
}

/* For people only: nothing is decided by it, and nothing waits for it. */
static void ask_unit(Caller *caller, uint32_t pid) {
        sd_bus *bus = caller->credentials->bus;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

        if (pid == 0 || sd_bus_message_new_method_call(bus, &m, SYSTEMD, SYSTEMD_PATH, SYSTEMD ".Manager",
                                                       "GetUnitByPID") < 0)
                return;
        (void)sd_bus_message_set_auto_start(m, false);
        if (sd_bus_message_append(m, "u", pid) >= 0)
                (void)sd_bus_call_async(bus, &caller->slot, m, on_unit, caller, 0);
}

static int read_value(sd_bus_message *reply, const char *name, Answer *ret) {
        const void *gids;
        size_t n_bytes;
        int r;

        if (strcmp(name, "UnixUserID") == 0) {
                r = sd_bus_message_read(reply, "v", "u", &ret->uid);
                ret->has_uid = r >= 0;
                return r;
        }
        if (strcmp(name, "ProcessID") == 0)
                return sd_bus_message_read(reply, "v", "u", &ret->pid);
        if (strcmp(name, "UnixGroupIDs") != 0)
                return sd_bus_message_skip(reply, "v");

        r = sd_bus_message_enter_container(reply, 'v', "au");
        if (r >= 0)
                r = sd_bus_message_read_array(reply, 'u', &gids, &n_bytes);
        if (r < 0)
                return r;
        ret->gids = gids;
        ret->n_gids = n_bytes / sizeof(*ret->gids);
        return sd_bus_message_exit_container(reply);
}

/* Return: 0; -ENODATA without a uid; -errno. */
static int read_answer(sd_bus_message *reply, Answer *ret) {
        const char *name;
        int r;

        if (sd_bus_message_is_method_error(reply, NULL))
                return -sd_bus_message_get_errno(reply);
        r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                r = sd_bus_message_read(reply, "s", &name);
                if (r >= 0)
                        r = read_value(reply, name, ret);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        if (r < 0)
                return r;
        return ret->has_uid ? 0 : -ENODATA;
}

static int on_credentials(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        Caller *caller = userdata;
        Credentials *c = caller->credentials;
        Answer answer = {};
        int r = read_answer(reply, &answer);

        caller->slot = sd_bus_slot_unref(caller->slot);
        if (r >= 0)
                r = client_new(c->manager, caller->name, answer.uid, answer.gids, answer.n_gids,
                               &caller->client);
        if (r < 0) {
                log_debug("Who %s is cannot be known: %s", caller->name, strerror(-r));
                c->handlers->on_known(c->userdata, caller);
                caller_free(caller);
                return 0;
        }
        caller->client->pid = answer.pid;
        ask_unit(caller, answer.pid);
        c->handlers->on_known(c->userdata, caller);
        return 0;
}

static int on_left(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        Credentials *c = userdata;
        const char *name;
        Caller *caller;

        if (sd_bus_message_read(m, "s", &name) < 0)
                return 0;
        caller = credentials_find(c, name);
        if (!caller)
                return 0;
        caller->client = client_free(caller->client);
        c->handlers->on_gone(c->userdata, caller);
        caller_free(caller);
        return 0;
}

static int on_match_installed(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        Credentials *c = userdata;

        if (sd_bus_message_is_method_error(reply, NULL))
                c->handlers->on_broken(c->userdata, sd_bus_message_get_error(reply)->message);
        return 0;
}

int credentials_new(sd_bus *bus, Manager *m, const CredentialsHandlers *handlers, void *userdata,
                    Credentials **ret) {
        _cleanup_(credentials_freep) Credentials *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        c->bus = bus;
        c->manager = m;
        c->handlers = handlers;
        c->userdata = userdata;
        for (size_t i = 0; i < N_BUCKETS; i++)
                LIST_INIT(&c->buckets[i]);
        r = sd_bus_add_match_async(bus, &c->match, MATCH_LEAVERS, on_left, on_match_installed, c);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

Credentials *credentials_free(Credentials *c) {
        if (!c)
                return NULL;
        sd_bus_slot_unref(c->match);
        for (size_t i = 0; i < N_BUCKETS; i++)
                while (!LIST_EMPTY(&c->buckets[i]))
                        caller_free(LIST_FIRST(&c->buckets[i]));
        free(c);
        return NULL;
}

int credentials_get(Credentials *c, const char *name, Caller **ret) {
        Caller *caller = credentials_find(c, name);
        int r;

        if (!caller) {
                caller = calloc(1, sizeof(*caller) + strlen(name) + 1);
                if (!caller)
                        return -ENOMEM;
                caller->credentials = c;
                TAILQ_INIT(&caller->calls);
                strcpy(caller->name, name);
                LIST_INSERT_HEAD(find_bucket(c, name), caller, callers);
                r = sd_bus_call_method_async(c->bus, &caller->slot, BUS_DRIVER, BUS_DRIVER_PATH, BUS_DRIVER,
                                             "GetConnectionCredentials", on_credentials, caller, "s", name);
                if (r < 0) {
                        caller_free(caller);
                        return r;
                }
        }
        *ret = caller;
        return 0;
}

Caller *credentials_next(const Credentials *c, const Caller *caller) {
        size_t i = 0;

        if (caller) {
                if (LIST_NEXT(caller, callers))
                        return LIST_NEXT(caller, callers);
                i = (size_t)(find_bucket((Credentials *)c, caller->name) - c->buckets) + 1;
        }
        for (; i < N_BUCKETS; i++)
                if (!LIST_EMPTY(&c->buckets[i]))
                        return LIST_FIRST(&c->buckets[i]);
        return NULL;
}
