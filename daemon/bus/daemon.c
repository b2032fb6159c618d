/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Start: the configuration; the core; the bus; the objects on it; the name; READY=1; then, in the loop,
 * doed-pci, so that no device can delay the start. Each turn of the loop: what the bus has, what time made
 * due, arm, sleep. Stop: answer everything, give up the name, answer what came until then; deliver captures.
 */

#include "daemon/bus/daemon.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>

#include <systemd/sd-daemon.h>

#include "daemon/bus/call.h"
#include "daemon/bus/objects.h"
#include "daemon/bus/publisher.h"
#include "daemon/core/recorder.h"
#include "daemon/util/clock.h"
#include "daemon/util/log.h"
#include "dbus/names.h"

#define CLIENT_GROUP     "doe"
#define BUS_CALL_USEC    (5 * USEC_PER_SEC) /* our own calls: the bus itself, systemd */
#define STOP_USEC        (2 * USEC_PER_SEC)
#define GROUP_BUFFER_MAX 65536u

static struct timeval usec_to_timeval(uint64_t usec) {
        return (struct timeval){ .tv_sec = (time_t)(usec / USEC_PER_SEC),
                                 .tv_usec = (suseconds_t)(usec % USEC_PER_SEC) };
}

static void daemon_on_due(evutil_socket_t fd, short events, void *userdata) {
        Daemon *d = userdata;

        d->armed_usec = USEC_INFINITY;
}

static void daemon_on_watchdog(evutil_socket_t fd, short events, void *userdata) {
        Daemon *d = userdata;

        d->is_ping_due = true;
}

static void daemon_on_signal(evutil_socket_t number, short events, void *userdata) {
        log_event(LOG_EVENT_STOPPING, NULL, "Stopping on SIG%s", sigabbrev_np((int)number));
        daemon_exit(userdata, 0);
}

static void daemon_on_reload_signal(evutil_socket_t number, short events, void *userdata) {
        Failure failure;

        (void)daemon_reload(userdata, &failure);
}

static void daemon_on_replaced(void *userdata) {
        log_event(LOG_EVENT_REPLACED, NULL, "Stopping, since another version has been installed");
        daemon_exit(userdata, 0);
}

void daemon_exit(Daemon *d, int error) {
        d->is_exiting = true;
        d->exit_error = error;
}

static int daemon_make_watchdog(Daemon *d) {
        uint64_t usec;
        struct timeval interval;

        if (sd_watchdog_enabled(false, &usec) <= 0)
                return 0;
        interval = usec_to_timeval(usec / 2);
        d->watchdog_timer = event_new(d->base, -1, EV_PERSIST, daemon_on_watchdog, d);
        return d->watchdog_timer && event_add(d->watchdog_timer, &interval) >= 0 ? 0 : -ENOMEM;
}

static int daemon_make_loop(Daemon *d) {
        const int signals[] = { SIGTERM, SIGINT };

        d->base = event_base_new();
        if (!d->base)
                return -ENOMEM;
        d->lease_streams = lease_streams_new(d->base);
        if (!d->lease_streams)
                return -ENOMEM;
        d->capture_pipes = capture_pipes_new(d->base);
        if (!d->capture_pipes)
                return -ENOMEM;
        d->due_timer = evtimer_new(d->base, daemon_on_due, d);
        if (!d->due_timer)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTS(signals); i++) {
                d->stop_signals[i] = evsignal_new(d->base, signals[i], daemon_on_signal, d);
                if (!d->stop_signals[i] || event_add(d->stop_signals[i], NULL) < 0)
                        return -ENOMEM;
        }
        d->reload_signal = evsignal_new(d->base, SIGHUP, daemon_on_reload_signal, d);
        if (!d->reload_signal || event_add(d->reload_signal, NULL) < 0)
                return -ENOMEM;
        return daemon_make_watchdog(d);
}

/* -------- configuration -------- */

/* Clients of which the table of calls says more than of everybody are in group "doe". */
static void find_client_group(Policy *policy) {
        _cleanup_free_ char *buffer = malloc(GROUP_BUFFER_MAX);
        struct group group, *found = NULL;

        policy->has_group = buffer &&
                            getgrnam_r(CLIENT_GROUP, &group, buffer, GROUP_BUFFER_MAX, &found) == 0 && found;
        if (policy->has_group)
                policy->group_gid = found->gr_gid;
        else
                log_info("There is no group \"%s\": the shipped rules that name it allow only root",
                         CLIENT_GROUP);
}

static void log_config_errors(const Config *config) {
        for (size_t i = 0; i < config->n_errors; i++)
                log_event(LOG_EVENT_CONFIG_WRONG, NULL, "%s", config->errors[i]);
        if (config->n_more_errors > 0)
                log_event(LOG_EVENT_CONFIG_WRONG, NULL, "%zu more errors in the configuration",
                          config->n_more_errors);
}

static int fail_wrong_rule(const Config *config, Failure *ret) {
        static const char *const names[] = { "error-1", "error-2", "error-3", "error-4",
                                             "error-5", "error-6", "error-7", "error-8" };
        size_t n_errors = config->n_errors + config->n_more_errors, n_told = 0, n;

        failure_set(ret, -EINVAL, "The configuration stays as it was, since a rule is wrong");
        n = strlen(ret->text);
        /* whole ones, with room for how many are left */
        while (n_told < config->n_errors && n + strlen(config->errors[n_told]) + 32 < sizeof(ret->text))
                n += (size_t)snprintf(ret->text + n, sizeof(ret->text) - n, "; %s",
                                      config->errors[n_told++]);
        if (n_told < n_errors)
                snprintf(ret->text + n, sizeof(ret->text) - n, "; and %zu more", n_errors - n_told);
        failure_add_u64(ret, "errors", n_errors);
        for (size_t i = 0; i < MIN_OF(config->n_errors, ELEMENTS(names)); i++)
                failure_add_string(ret, names[i], config->errors[i]);
        return ret->error;
}

static void daemon_use_log_level(const Config *config) {
        if (config->log_level >= 0)
                log_set_max_level(config->log_level);
}

int daemon_reload(Daemon *d, Failure *ret_failure) {
        _cleanup_(config_freep) Config *config = NULL;
        int r = config_load(d->places, &config);

        if (r < 0)
                return failure_set(ret_failure, r, "The configuration cannot be read: %s", strerror(-r));
        if (config->has_wrong_rule) {
                log_config_errors(config);
                log_event(LOG_EVENT_CONFIG_KEPT, NULL,
                          "The configuration stays as it was, since a rule is wrong");
                return fail_wrong_rule(config, ret_failure);
        }
        log_config_errors(config);
        daemon_use_log_level(config);
        find_client_group(&d->manager->policy);
        manager_set_config(d->manager, TAKE_PTR(config));
        wire_link_reload(d->link);
        manager_object_emit_limits(d);
        log_event(LOG_EVENT_CONFIG_READ, NULL, "The configuration has been read again");
        return 0;
}

static int daemon_make_core(Daemon *d, const char *wire_path) {
        _cleanup_(config_freep) Config *config = NULL;
        Policy policy = { .owner_uid = getuid() }; /* who counts as root */
        int r = config_load(d->places, &config);

        if (r < 0)
                return r;
        log_config_errors(config);
        if (config->has_wrong_rule)
                log_error("Each rule with an error denies what it matches, until it is corrected");
        daemon_use_log_level(config);
        find_client_group(&policy);
        r = wire_link_new(d->base, wire_path, daemon_on_replaced, d, &d->link);
        if (r < 0)
                return r;
        r = manager_new(&publisher_observer, d, &wire_link_ops, d->link, &policy, config, &d->manager);
        if (r < 0)
                return r;
        TAKE_PTR(config);
        d->manager->recorder->memory = &capture_memory;
        /* a path of a lease is never used again, by a later doed neither */
        d->manager->last_lease_id = clock_boottime_usec();
        return 0;
}

/* -------- start -------- */

static int daemon_connect(Daemon *d) {
        int r = sd_bus_open_system_with_description(&d->bus, "doed");

        if (r < 0) {
                log_error("Cannot connect to the system bus: %s", strerror(-r));
                return r;
        }
        r = sd_bus_set_method_call_timeout(d->bus, BUS_CALL_USEC);
        if (r >= 0)
                r = objects_add(d);
        if (r >= 0)
                r = credentials_new(d->bus, d->manager, &call_credentials_handlers, d, &d->credentials);
        if (r >= 0)
                r = polkit_new(d->bus, &d->polkit);
        if (r >= 0)
                r = sleep_new(d->bus, d->manager, &d->sleep);
        if (r >= 0)
                r = bus_loop_new(d->bus, d->base, &d->bus_loop);
        if (r < 0) {
                log_error("Cannot set up the bus: %s", strerror(-r));
                return r;
        }
        r = sd_bus_request_name(d->bus, DOED_BUS_NAME, 0);
        if (r < 0)
                log_error("Cannot become %s on the bus: %s", DOED_BUS_NAME, strerror(-r));
        return r < 0 ? r : 0;
}

int daemon_new(const char *wire_path, const ConfigPlaces *places, Daemon **ret) {
        _cleanup_(daemon_freep) Daemon *d = calloc(1, sizeof(*d));
        int r;

        if (!d)
                return -ENOMEM;
        d->armed_usec = USEC_INFINITY;
        d->places = places;
        r = daemon_make_loop(d);
        if (r >= 0)
                r = daemon_make_core(d, wire_path);
        if (r >= 0)
                r = daemon_connect(d);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(d);
        return 0;
}

static void free_event(struct event *e) {
        if (e)
                event_free(e);
}

Daemon *daemon_free(Daemon *d) {
        if (!d)
                return NULL;
        wire_link_free(d->link);
        credentials_free(d->credentials);
        polkit_free(d->polkit);
        sleep_free(d->sleep);
        manager_free(d->manager);
        lease_streams_free(d->lease_streams);
        bus_loop_free(d->bus_loop);
        sd_bus_close_unref(d->bus);
        /* last of all that has a reader: no answer waits for those of captures */
        capture_pipes_free(d->capture_pipes);
        free_event(d->due_timer);
        free_event(d->watchdog_timer);
        free_event(d->reload_signal);
        for (size_t i = 0; i < ELEMENTS(d->stop_signals); i++)
                free_event(d->stop_signals[i]);
        if (d->base)
                event_base_free(d->base);
        free(d->metrics);
        free(d);
        return NULL;
}

/* -------- one turn -------- */

/* What systemctl status shows. */
static void daemon_tell_status(Daemon *d) {
        const Manager *m = d->manager;
        char status[sizeof(d->status)];
        size_t n_devices = 0, n_mailboxes = 0;
        const Device *device;

        TAILQ_FOREACH (device, &m->devices, devices) {
                n_devices++;
                n_mailboxes += device->n_mailboxes;
        }
        if (m->has_link)
                snprintf(status, sizeof(status), "STATUS=%s%zu mailboxes of %zu devices",
                         m->is_ready ? "" : "Enumerating: ", n_mailboxes, n_devices);
        else
                snprintf(status, sizeof(status), "STATUS=No doed-pci: %.200s", m->link_reason);
        if (strcmp(status, d->status) == 0)
                return;
        strcpy(d->status, status);
        (void)sd_notify(false, status);
}

static int daemon_arm(Daemon *d) {
        uint64_t due_usec = manager_next_due(d->manager);

        if (due_usec != d->armed_usec) {
                struct timeval wait = usec_to_timeval(usec_sub(due_usec, clock_monotonic_usec()));

                evtimer_del(d->due_timer);
                if (due_usec != USEC_INFINITY && evtimer_add(d->due_timer, &wait) < 0)
                        return -EIO;
                d->armed_usec = due_usec;
        }
        return bus_loop_arm(d->bus_loop);
}

static int daemon_turn(Daemon *d) {
        int r = bus_loop_dispatch(d->bus_loop);

        if (r < 0) {
                log_event(LOG_EVENT_BUS_LOST, NULL, "The bus went away: %s", strerror(-r));
                return r;
        }
        manager_dispatch(d->manager, clock_monotonic_usec());
        daemon_tell_status(d);
        /* only here, where both the bus and the core have had their turn */
        if (d->is_ping_due)
                (void)sd_notify(false, "WATCHDOG=1");
        d->is_ping_due = false;
        r = daemon_arm(d);
        if (r < 0) {
                log_error("Cannot arm the event loop: %s", strerror(-r));
                return r;
        }
        return event_base_loop(d->base, EVLOOP_ONCE) < 0 ? -EIO : 0;
}

/* -------- the end -------- */

static int daemon_on_released(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        *(bool *)userdata = true;
        return 0;
}

/* Once the bus has confirmed that the name is given up, no call is on its way to us any more. */
static void daemon_leave_bus(Daemon *d) {
        uint64_t deadline_usec = usec_add(clock_monotonic_usec(), STOP_USEC);
        bool is_released = false;
        sd_bus_slot *slot = NULL;
        int r = sd_bus_release_name_async(d->bus, &slot, DOED_BUS_NAME, daemon_on_released, &is_released);

        while (r >= 0 && clock_monotonic_usec() < deadline_usec) {
                int events;

                r = sd_bus_process(d->bus, NULL);
                if (r != 0)
                        continue;
                events = sd_bus_get_events(d->bus);
                if (events < 0 || (is_released && !(events & POLLOUT)))
                        break;
                (void)poll(&(struct pollfd){ .fd = sd_bus_get_fd(d->bus), .events = (short)events }, 1,
                           (int)(usec_sub(deadline_usec, clock_monotonic_usec()) / USEC_PER_MSEC));
        }
        sd_bus_slot_unref(slot);
        sd_bus_close(d->bus);
}

int daemon_run(Daemon *d) {
        int r = 0;

        (void)sd_notify(false, "READY=1");
        log_event(LOG_EVENT_STARTED, NULL, "doed %s is on the bus", DOED_VERSION);
        wire_link_start(d->link, d->manager);
        while (r >= 0 && !d->is_exiting)
                r = daemon_turn(d);

        (void)sd_notify(false, "STOPPING=1");
        manager_stop(d->manager, r < 0 ? "the bus went away" : "it was asked to", clock_monotonic_usec());
        call_stop_all(d, "doed stops");
        if (r >= 0)
                daemon_leave_bus(d);
        /* what still runs ends here for captures */
        manager_link_lost(d->manager, "doed stops", clock_monotonic_usec());
        return r < 0 ? r : d->exit_error;
}
