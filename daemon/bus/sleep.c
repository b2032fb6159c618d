/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus/sleep.h"

#include <errno.h>
#include <fcntl.h>

#include "daemon/bus/daemon.h"
#include "daemon/util/clock.h"
#include "daemon/util/log.h"

#define LOGIND           "org.freedesktop.login1"
#define LOGIND_PATH      "/org/freedesktop/login1"
#define LOGIND_INTERFACE "org.freedesktop.login1.Manager"

#define MATCH_OWNER                                                                                         \
        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"                         \
        "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" LOGIND "'"
#define MATCH_PREPARE                                                                                       \
        "type='signal',sender='" LOGIND "',path='" LOGIND_PATH "',interface='" LOGIND_INTERFACE             \
        "',member='PrepareForSleep'"

struct Sleep {
        sd_bus *bus;
        Manager *manager;
        sd_bus_slot *owner_match, *prepare_match;
        sd_bus_slot *question; /* for an inhibitor, under way */
        sd_bus_slot *property; /* whether the host prepares already, under way */
        int inhibitor;         /* descriptor; negative: none */
        bool is_preparing;     /* from PrepareForSleep(true) to (false) */
        bool is_let_go;        /* in it: the functions are left alone, and the host may sleep */
};

static void sleep_release(Sleep *s) {
        if (s->inhibitor >= 0)
                close(s->inhibitor);
        s->inhibitor = -EBADF;
}

static int on_inhibited(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        Sleep *s = userdata;
        int fd;

        s->question = sd_bus_slot_unref(s->question);
        if (error) {
                log_debug("No inhibitor of logind: %s", error->message ?: error->name);
                return 0;
        }
        if (sd_bus_message_read(reply, "h", &fd) >= 0)
                s->inhibitor = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (s->inhibitor < 0)
                log_warning("The inhibitor of logind cannot be kept: the host may sleep in mid-exchange");
        /* it was asked for before the host began to prepare, and what it is for is done */
        if (s->is_let_go)
                sleep_release(s);
        return 0;
}

static void sleep_take(Sleep *s) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        if (s->inhibitor >= 0 || s->question)
                return;
        r = sd_bus_message_new_method_call(s->bus, &m, LOGIND, LOGIND_PATH, LOGIND_INTERFACE, "Inhibit");
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, false);
        if (r >= 0)
                r = sd_bus_message_append(m, "ssss", "sleep", "doed",
                                          "Exchanges with devices are finished first", "delay");
        if (r >= 0)
                r = sd_bus_call_async(s->bus, &s->question, m, on_inhibited, s, 0);
        if (r < 0)
                log_warning("Cannot ask logind for an inhibitor, ignoring: %s", strerror(-r));
}

static void sleep_prepare(Sleep *s) {
        log_event(LOG_EVENT_ASLEEP, NULL, "The host goes to sleep: leaving the mailboxes alone");
        s->is_preparing = true;
        manager_suspend(s->manager, true, clock_monotonic_usec());
}

static void sleep_wake(Sleep *s) {
        if (s->is_preparing) {
                log_event(LOG_EVENT_AWAKE, NULL, "The host is awake: taking the mailboxes over again");
                s->is_preparing = s->is_let_go = false;
                manager_suspend(s->manager, false, clock_monotonic_usec());
        }
        sleep_take(s);
}

static int on_prepare(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        Sleep *s = userdata;
        int is_start;

        if (sd_bus_message_read(m, "b", &is_start) < 0)
                return 0;
        if (is_start && !s->is_preparing) {
                sleep_prepare(s);
        } else if (!is_start) {
                /* it slept, and this doed was not told before: what the devices held may be lost all the
                 * same */
                if (!s->is_preparing)
                        sleep_prepare(s);
                sleep_wake(s);
        }
        return 0;
}

static int on_preparing(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        Sleep *s = userdata;
        int is_preparing;

        s->property = sd_bus_slot_unref(s->property);
        if (!sd_bus_message_is_method_error(reply, NULL) &&
            sd_bus_message_read(reply, "v", "b", &is_preparing) >= 0 && is_preparing && !s->is_preparing)
                sleep_prepare(s);
        return 0;
}

/* A doed, or a logind, that came amid the preparations has missed the signal. */
static void sleep_ask(Sleep *s) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        s->property = sd_bus_slot_unref(s->property);
        r = sd_bus_message_new_method_call(s->bus, &m, LOGIND, LOGIND_PATH,
                                           "org.freedesktop.DBus.Properties", "Get");
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, false);
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", LOGIND_INTERFACE, "PreparingForSleep");
        if (r >= 0)
                r = sd_bus_call_async(s->bus, &s->property, m, on_preparing, s, 0);
        if (r < 0)
                log_warning("Cannot ask logind whether the host goes to sleep, ignoring: %s", strerror(-r));
}

/* A logind that went away took its inhibitors with it, and tells of no awakening. */
static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const char *name, *old_owner, *new_owner;
        Sleep *s = userdata;

        if (sd_bus_message_read(m, "sss", &name, &old_owner, &new_owner) < 0)
                return 0;
        if (*old_owner) {
                sleep_release(s);
                s->question = sd_bus_slot_unref(s->question);
        }
        if (*new_owner || s->is_preparing)
                sleep_wake(s);
        if (*new_owner)
                sleep_ask(s);
        return 0;
}

static int on_match_installed(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);

        if (error)
                log_warning("The bus does not let doed see when the host sleeps, ignoring: %s",
                            error->message ?: error->name);
        return 0;
}

int sleep_new(sd_bus *bus, Manager *m, Sleep **ret) {
        _cleanup_(sleep_freep) Sleep *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->bus = bus;
        s->manager = m;
        s->inhibitor = -EBADF;
        r = sd_bus_add_match_async(bus, &s->owner_match, MATCH_OWNER, on_owner, on_match_installed, s);
        if (r >= 0)
                r = sd_bus_add_match_async(bus, &s->prepare_match, MATCH_PREPARE, on_prepare,
                                           on_match_installed, s);
        if (r < 0)
                return r;
        sleep_take(s);
        sleep_ask(s);
        *ret = TAKE_PTR(s);
        return 0;
}

Sleep *sleep_free(Sleep *s) {
        if (!s)
                return NULL;
        sd_bus_slot_unref(s->owner_match);
        sd_bus_slot_unref(s->prepare_match);
        sd_bus_slot_unref(s->question);
        sd_bus_slot_unref(s->property);
        sleep_release(s);
        free(s);
        return NULL;
}

void sleep_on_suspended(Daemon *d) {
        Sleep *s = d->sleep;

        if (!s || !s->is_preparing)
                return;
        s->is_let_go = true;
        sleep_release(s);
}
