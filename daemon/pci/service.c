/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The main thread of doed-pci. It starts in this order: folders, socket, events of the host, READY=1, and
 * only then the first enumeration, so that a stuck device delays nobody. It never reads or writes
 * configuration space, and never waits for a worker. */

#include "daemon/pci/service.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <systemd/sd-daemon.h>

#include "daemon/pci/service-state.h"
#include "daemon/util/clock.h"
#include "daemon/util/log.h"

#define STOP_SEC 2 /* for workers to end; one that hangs in the kernel does not */

static Function *find_function(Service *s, const char *address) {
        Function *f;

        TAILQ_FOREACH (f, &s->functions, link)
                if (strcmp(f->info.address, address) == 0)
                        return f;
        return NULL;
}

/* What systemctl status shows. */
static void tell_status(Service *s) {
        char status[sizeof(s->status)];
        size_t n_functions = 0, n_mailboxes = 0;
        const Function *f;

        TAILQ_FOREACH (f, &s->functions, link) {
                n_functions++;
                n_mailboxes += f->info.n_mailboxes;
        }
        snprintf(status, sizeof(status), "STATUS=%s%zu mailboxes of %zu functions, %s",
                 s->is_enumerated ? "" : "Enumerating: ", n_mailboxes, n_functions,
                 s->peer_id != 0 ? "serving doed" : "no doed");
        if (strcmp(status, s->status) == 0)
                return;
        strcpy(s->status, status);
        (void)sd_notify(0, status);
}

/* What the peer is told. */

/* Tell of a function with a new socket to its worker. */
static void introduce(Service *s, Function *f) {
        WireMessage m = { .type = WIRE_DEVICE };
        int fds[2];

        if (s->peer_id == 0)
                return;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0) {
                log_full(LOG_ERR, f->info.address, "Cannot make a socket for doed: %m");
                return;
        }
        m.device = *function_describe(f);
        worker_attach(f->worker, fds[0], s->peer_id);
        control_send(s->control, &m, fds[1]);
        close(fds[1]);
}

static void tell_enumerated(Service *s) {
        control_send(s->control, &(WireMessage){ .type = WIRE_ENUMERATED }, -1);
}

void service_refresh(Service *s, Function *f) {
        WireMessage m = { .type = WIRE_DEVICE };

        if (function_refresh(f) <= 0)
                return;
        m.device = *function_describe(f);
        control_send(s->control, &m, -1);
}

static void refresh_all(Service *s) {
        Function *f;

        TAILQ_FOREACH (f, &s->functions, link)
                service_refresh(s, f);
}

static void on_settled(void *userdata, Function *f) {
        service_refresh(userdata, f);
}

static void on_peer_ready(void *userdata, uint64_t peer_id) {
        Service *s = userdata;
        WireMessage m = { .type = WIRE_HELLO, .hello = { .wire_version = WIRE_VERSION } };
        Function *f;

        wire_text_set(m.hello.program_version, sizeof(m.hello.program_version), s->settings->version);
        wire_text_set(m.hello.lockdown, sizeof(m.hello.lockdown), s->lockdown);
        s->peer_id = peer_id;
        control_send(s->control, &m, -1);
        TAILQ_FOREACH (f, &s->functions, link)
                introduce(s, f);
        if (s->is_enumerated)
                tell_enumerated(s);
        tell_status(s);
}

static void on_peer_gone(void *userdata) {
        Service *s = userdata;
        Function *f;

        service_resume(s);
        s->peer_id = 0;
        TAILQ_FOREACH (f, &s->functions, link)
                worker_detach(f->worker);
        if (!s->is_stopping)
                tell_status(s);
}

/* Functions come and go. */

static void add_function(Service *s, const HostFunction *info) {
        FunctionSettings settings = { .host = s->host,
                                      .base = s->base,
                                      .run = s->run,
                                      .reports = s->reports,
                                      .suspend_number = s->is_suspended ? s->suspend_number : 0,
                                      .on_settled = on_settled,
                                      .userdata = s };
        Function *f;
        int r;

        r = function_new(&settings, info, s->rules, &f);
        if (r < 0) {
                log_full(LOG_ERR, info->address, "Cannot serve it: %s", strerror(-r));
                return;
        }
        log_full(LOG_DEBUG, info->address, "%s, %u DOE mailbox%s", info->name, info->n_mailboxes,
                 info->n_mailboxes == 1 ? "" : "es");
        s->n_workers++;
        TAILQ_INSERT_TAIL(&s->functions, f, link);
        introduce(s, f);
}

static void remove_function(Service *s, Function *f) {
        WireMessage m = { .type = WIRE_DEVICE_REMOVED };

        log_full(LOG_DEBUG, f->info.address, "Gone");
        wire_text_set(m.text.text, sizeof(m.text.text), f->info.address);
        TAILQ_REMOVE(&s->functions, f, link);
        function_end(f, -ENODEV, "the device was removed");
        control_send(s->control, &m, -1);
        service_check_suspended(s);
}

static bool is_listed(const Function *f, const HostFunction *infos, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(f->info.address, infos[i].address) == 0 &&
                    strcmp(f->info.instance, infos[i].instance) == 0)
                        return true;
        return false;
}

static void enumerate(Service *s) {
        _cleanup_free_ HostFunction *infos = NULL;
        size_t n = 0;
        Function *f, *next;
        int r;

        r = s->host->ops->enumerate(s->host, &infos, &n);
        if (r < 0) {
                log_error("Cannot enumerate: %s", strerror(-r));
                return;
        }
        for (f = TAILQ_FIRST(&s->functions); f; f = next) {
                next = TAILQ_NEXT(f, link);
                if (!is_listed(f, infos, n))
                        remove_function(s, f);
        }
        for (size_t i = 0; i < n; i++)
                if (!find_function(s, infos[i].address))
                        add_function(s, &infos[i]);
}

static void on_enumeration(evutil_socket_t fd, short what, void *userdata) {
        Service *s = userdata;

        if (s->is_stopping)
                return;
        enumerate(s);
        s->is_enumerated = true;
        s->enumerated_usec = clock_monotonic_usec();
        tell_enumerated(s);
        tell_status(s);
}

/* Events of the host. */

static void read_lockdown(Service *s) {
        WireMessage m = { .type = WIRE_LOCKDOWN };
        char was[WIRE_ADDRESS_MAX];

        memcpy(was, s->lockdown, sizeof(was));
        s->host->ops->lockdown(s->host, s->lockdown);
        if (strcmp(was, s->lockdown) == 0)
                return;
        wire_text_set(m.text.text, sizeof(m.text.text), s->lockdown);
        control_send(s->control, &m, -1);
        refresh_all(s);
}

static void handle_function_event(Service *s, Function *f, const HostEvent *event) {
        if (event->kind == HOST_EVENT_AWAIT_HELD) {
                function_await_held(f, event->wait_until_usec);
                return;
        }
        if (event->kind != HOST_EVENT_VIEW)
                function_hold(f, event->reason, event->wait_until_usec);
        /* a bare hold comes before the kernel acts: there is nothing new to be seen yet */
        if (event->kind != HOST_EVENT_HOLD)
                service_refresh(s, f);
}

static void handle_event(Service *s, const HostEvent *event) {
        Function *f, *next;

        for (f = TAILQ_FIRST(&s->functions); f; f = next) {
                next = TAILQ_NEXT(f, link);
                if (!event->address[0] || strcmp(f->info.address, event->address) == 0)
                        handle_function_event(s, f, event);
        }
}

static void on_host_event(void *userdata, const HostEvent *event) {
        Service *s = userdata;
        Function *f;

        if (s->is_stopping)
                return;
        log_full(LOG_DEBUG, event->address[0] ? event->address : NULL, "Event: %s", event->reason);
        switch (event->kind) {
        case HOST_EVENT_ADD:
                handle_event(s, event);
                enumerate(s);
                break;
        case HOST_EVENT_REMOVE:
                f = find_function(s, event->address);
                if (f)
                        remove_function(s, f);
                break;
        case HOST_EVENT_BIND:
        case HOST_EVENT_RESET:
        case HOST_EVENT_HOLD:
        case HOST_EVENT_AWAIT_HELD:
        case HOST_EVENT_VIEW:
                handle_event(s, event);
                break;
        case HOST_EVENT_LOCKDOWN:
                read_lockdown(s);
                break;
        }
        tell_status(s);
}

/* Reports of the workers. */

static Function *find_by_worker(Service *s, const Worker *worker) {
        Function *f;

        TAILQ_FOREACH (f, &s->functions, link)
                if (f->worker == worker)
                        return f;
        return NULL;
}

static void answer_kernel_cdat(Service *s, Function *f, const WorkerReport *report) {
        uint8_t *table = NULL;
        size_t n_bytes = 0;
        int r = s->host->ops->read_kernel_cdat(s->host, f->info.address, &table, &n_bytes);

        if (r == 0 && n_bytes > WIRE_KERNEL_CDAT_MAX) {
                free(table);
                table = NULL;
                n_bytes = 0;
                r = -EMSGSIZE;
        }
        worker_answer_kernel_cdat(f->worker, report, r, table, n_bytes);
}

/* Usually lockdown, which cannot be lowered again; where it is not, only this function is meant. */
static void handle_refused_write(Service *s, Function *f) {
        read_lockdown(s);
        service_refresh(s, f);
        if (f->view.read_only[0] || f->refused[0])
                return;
        log_event(LOG_EVENT_WRITES_REFUSED, &(LogFields){ .subject = f->info.address },
                  "The kernel refuses to write its configuration space");
        function_refuse(f, "the kernel refuses writes to configuration space");
        service_refresh(s, f);
}

static void note_ide(Service *s, Function *f, const char *evidence) {
        if (evidence[0])
                log_event(LOG_EVENT_SPDM_OWNED,
                          &(LogFields){ .subject = f->info.address, .reason = evidence },
                          "%s: SPDM is left alone", evidence);
        wire_text_set(f->secure, sizeof(f->secure), evidence);
        service_refresh(s, f);
}

static void end_worker(Service *s, Worker *worker) {
        worker_free(worker);
        s->n_workers--;
        if (s->is_stopping && s->n_workers == 0)
                event_base_loopbreak(s->base);
}

static void handle_report(Service *s, const WorkerReport *report) {
        Function *f = find_by_worker(s, report->worker);

        switch (report->kind) {
        case WORKER_REPORT_KERNEL_CDAT:
                if (f)
                        answer_kernel_cdat(s, f, report);
                break;
        case WORKER_REPORT_PEER_LOST:
                /* of a function that is gone doed has closed it, as it should */
                if (f)
                        control_drop(s->control, report->peer_id, report->text);
                break;
        case WORKER_REPORT_WRITE_REFUSED:
                if (f)
                        handle_refused_write(s, f);
                break;
        case WORKER_REPORT_SUSPENDED:
                if (f)
                        f->suspended = report->job_id;
                service_check_suspended(s);
                break;
        case WORKER_REPORT_IDE:
                if (f)
                        note_ide(s, f, report->text);
                break;
        case WORKER_REPORT_ENDED:
                end_worker(s, report->worker);
                break;
        }
}

static void report_free(ChannelItem *item) {
        free(item);
}

static void on_reports(evutil_socket_t fd, short what, void *userdata) {
        Service *s = userdata;
        ChannelItem *item;

        while ((item = channel_take(s->reports))) {
                handle_report(s, (WorkerReport *)item);
                free(item);
        }
}

/* Start and stop. */

static void on_stop_timer(evutil_socket_t fd, short what, void *userdata) {
        Service *s = userdata;

        event_base_loopbreak(s->base);
}

static void on_signal(evutil_socket_t number, short what, void *userdata) {
        static const struct timeval stop_time = { .tv_sec = STOP_SEC };
        Service *s = userdata;
        Function *f;

        if (s->is_stopping)
                return;
        log_event(LOG_EVENT_STOPPING, NULL, "Stopping on %s", number == SIGTERM ? "SIGTERM" : "SIGINT");
        sd_notify(0, "STOPPING=1");
        s->is_stopping = true;
        while ((f = TAILQ_FIRST(&s->functions))) {
                TAILQ_REMOVE(&s->functions, f, link);
                function_end(f, -ECONNABORTED, "doed-pci stops");
        }
        if (s->n_workers == 0)
                event_base_loopbreak(s->base);
        evtimer_add(s->stop_timer, &stop_time);
}

static void on_hangup(evutil_socket_t number, short what, void *userdata) {
        Service *s = userdata;

        if (s->is_stopping)
                return;
        log_debug("SIGHUP: reading the configuration again");
        service_reload(s);
}

static int make_folders(Service *s) {
        static const char *const names[] = { "", "/lock", "/state" };
        char copy[PATH_MAX], path[PATH_MAX + 8];

        if (strlen(s->settings->wire_path) >= sizeof(copy))
                return -ENAMETOOLONG;
        strcpy(copy, s->settings->wire_path);
        snprintf(s->run, sizeof(s->run), "%s", dirname(copy));
        for (size_t i = 0; i < ELEMENTS(names); i++) {
                snprintf(path, sizeof(path), "%s%s", s->run, names[i]);
                if (mkdir(path, i == 0 ? 0755 : 0700) < 0 && errno != EEXIST) {
                        log_error("Cannot make %s: %m", path);
                        return -errno;
                }
        }
        return 0;
}

static int add_events(Service *s) {
        static const struct timeval at_once = {};

        s->report_event = event_new(s->base, channel_fd(s->reports), EV_READ | EV_PERSIST, on_reports, s);
        s->enumerate_event = evtimer_new(s->base, on_enumeration, s);
        s->stop_timer = evtimer_new(s->base, on_stop_timer, s);
        s->signal_events[0] = evsignal_new(s->base, SIGTERM, on_signal, s);
        s->signal_events[1] = evsignal_new(s->base, SIGINT, on_signal, s);
        s->signal_events[2] = evsignal_new(s->base, SIGHUP, on_hangup, s);
        if (!s->report_event || !s->enumerate_event || !s->stop_timer || !s->signal_events[0] ||
            !s->signal_events[1] || !s->signal_events[2])
                return -ENOMEM;
        event_add(s->report_event, NULL);
        event_add(s->signal_events[0], NULL);
        event_add(s->signal_events[1], NULL);
        event_add(s->signal_events[2], NULL);
        evtimer_add(s->enumerate_event, &at_once);
        return 0;
}

static int start(Service *s) {
        ControlSettings settings = { .path = s->settings->wire_path,
                                     .version = s->settings->version,
                                     .peer_uid = s->settings->peer_uid,
                                     .on_ready = on_peer_ready,
                                     .on_gone = on_peer_gone,
                                     .on_request = service_handle_request,
                                     .userdata = s };
        int r;

        r = make_folders(s);
        if (r < 0)
                return r;
        service_reload(s);
        if (!s->rules)
                return -ENOMEM;
        settings.base = s->base = event_base_new();
        if (!s->base)
                return -ENOMEM;
        r = channel_new(report_free, &s->reports);
        if (r < 0)
                return r;
        r = control_new(&settings, &s->control);
        if (r < 0) {
                log_error("Cannot listen on %s: %s", s->settings->wire_path, strerror(-r));
                return r;
        }
        s->host->ops->lockdown(s->host, s->lockdown);
        r = s->host->ops->watch(s->host, s->base, on_host_event, s);
        if (r < 0) {
                log_error("Cannot watch for events: %s", strerror(-r));
                return r;
        }
        return add_events(s);
}

static void event_drop(struct event *event) {
        if (event)
                event_free(event);
}

static void end(Service *s, int r) {
        s->control = control_free(s->control);
        if (s->n_workers > 0) {
                /* they may come back from the kernel at any time and find nothing gone */
                log_warning("%zu workers hang in the kernel, going without them", s->n_workers);
                _exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
        }
        s->host = s->host->ops->free(s->host);
        s->reports = channel_free(s->reports);
        event_drop(s->report_event);
        event_drop(s->enumerate_event);
        event_drop(s->stop_timer);
        event_drop(s->signal_events[0]);
        event_drop(s->signal_events[1]);
        event_drop(s->signal_events[2]);
        pci_rules_unref(s->rules);
        if (s->base)
                event_base_free(s->base);
}

int service_run(Host *host, const ServiceSettings *settings) {
        Service s = { .host = host, .settings = settings };
        int r;

        TAILQ_INIT(&s.functions);
        r = start(&s);
        if (r == 0) {
                sd_notify(0, "READY=1");
                log_event(LOG_EVENT_STARTED, NULL, "doed-pci %s waits for doed", settings->version);
                tell_status(&s);
                if (event_base_dispatch(s.base) < 0)
                        r = -EIO;
        }
        end(&s, r);
        return r;
}
