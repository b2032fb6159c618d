/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus/wire-link.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>

#include "daemon/bus/device-link.h"
#include "daemon/bus/path.h"
#include "daemon/bus/wire-socket.h"
#include "daemon/util/clock.h"
#include "daemon/util/log.h"

struct WireLink {
        struct event_base *base;
        const char *path;
        void (*on_replaced)(void *userdata);
        void *userdata;
        Manager *manager; /* NULL until started */
        WireSocket *control;
        bool is_up;               /* the hellos were exchanged */
        struct event *timer;      /* connect again; or how long the peer may take for its hello */
        uint64_t retry_usec;      /* the next wait before that */
        char peer[WIRE_NAME_MAX]; /* version of a doed-pci that speaks another wire */
        uint32_t peer_wire_version;
        char logged_reason[MAILBOX_TEXT_MAX]; /* once for each */
};

static void wire_link_arm(WireLink *l, uint64_t wait_usec) {
        const struct timeval wait = { .tv_sec = (time_t)(wait_usec / USEC_PER_SEC),
                                      .tv_usec = (suseconds_t)(wait_usec % USEC_PER_SEC) };

        evtimer_add(l->timer, &wait);
}

/* Everything that came from this connection goes with it; what its devices had answered is heard first. */
static void wire_link_close(WireLink *l) {
        Device *d;

        if (l->manager)
                TAILQ_FOREACH (d, &l->manager->devices, devices)
                        device_link_free(d->link_userdata);
        l->control = wire_socket_free(l->control);
        l->is_up = false;
}

static void wire_link_lose(WireLink *l, LogEvent event, const char *format, ...) _printf_(3, 4);
static void wire_link_lose(WireLink *l, LogEvent event, const char *format, ...) {
        char reason[MAILBOX_TEXT_MAX];
        va_list ap;

        va_start(ap, format);
        vsnprintf(reason, sizeof(reason), format, ap);
        va_end(ap);
        if (strcmp(reason, l->logged_reason) != 0)
                log_event(event, &(LogFields){ .reason = reason }, "Without doed-pci: %s", reason);
        strcpy(l->logged_reason, reason);

        wire_link_close(l);
        manager_link_lost(l->manager, reason, clock_monotonic_usec());
        wire_link_arm(l, l->retry_usec);
        l->retry_usec = MIN_OF(2 * l->retry_usec, (uint64_t)WIRE_LINK_RETRY_MAX_USEC);
}

/* The kernel says so of an executable whose file has been removed, as a package manager's rename does. */
static bool own_executable_is_replaced(void) {
        static const char suffix[] = " (deleted)";
        char path[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", path, sizeof(path));

        return n >= (ssize_t)strlen(suffix) &&
               memcmp(path + n - strlen(suffix), suffix, strlen(suffix)) == 0;
}

/* -------- devices -------- */

static void log_removed(const char *address, const char *why) {
        log_event(LOG_EVENT_DEVICE_REMOVED, &(LogFields){ .subject = address, .reason = why }, "%s", why);
}

static void on_device_end(void *userdata, DeviceLink *dl) {
        WireLink *l = userdata;
        char address[WIRE_ADDRESS_MAX];

        snprintf(address, sizeof(address), "%s", device_link_address(dl));
        log_removed(address, "doed-pci lost it");
        device_link_free(dl);
        manager_report_device_removed(l->manager, address, clock_monotonic_usec());
}

static void on_device_wrong(void *userdata, DeviceLink *dl, int error) {
        WireLink *l = userdata;

        wire_link_lose(l, LOG_EVENT_PCI_LOST, "what it said of %s cannot be: %s", device_link_address(dl),
                       strerror(-error));
}

static const DeviceLinkHandlers device_handlers = {
        .on_end = on_device_end,
        .on_wrong = on_device_wrong,
};

static int report_device(WireLink *l, const WireDevice *m, Device **ret) {
        struct DeviceMailboxInfo mailboxes[WIRE_MAILBOXES_MAX];
        DoeDiscoveryEntry features[WIRE_FEATURES_MAX] = {};
        DeviceInfo info = { .address = m->address,
                            .instance = m->instance,
                            .name = m->name,
                            .vendor_id = m->vendor_id,
                            .device_id = m->device_id,
                            .class_code = m->class_code,
                            .numa_node = m->numa_node,
                            .driver = m->driver,
                            .access = m->access,
                            .cxl_memory = m->cxl_memory,
                            .cxl_port = m->cxl_port,
                            .spdm_owner = m->spdm_owner,
                            .has_kernel_cdat = m->has_kernel_cdat,
                            .has_kernel_features = m->has_kernel_features,
                            .kernel_features = features,
                            .n_kernel_features = m->n_features,
                            .mailboxes = mailboxes,
                            .n_mailboxes = m->n_mailboxes };

        for (size_t i = 0; i < m->n_features; i++) {
                features[i].vendor_id = m->features[i].vendor_id;
                features[i].type = m->features[i].type;
        }
        for (size_t i = 0; i < m->n_mailboxes; i++) {
                mailboxes[i].offset = m->mailboxes[i].offset;
                mailboxes[i].cap_version = m->mailboxes[i].cap_version;
        }
        return manager_report_device(l->manager, &info, clock_monotonic_usec(), ret);
}

static bool is_same_device(const Device *d, const WireDevice *m) {
        if (strcmp(d->instance, m->instance) != 0 || d->vendor_id != m->vendor_id ||
            d->device_id != m->device_id || d->n_mailboxes != m->n_mailboxes)
                return false;
        for (size_t i = 0; i < m->n_mailboxes; i++)
                if (!device_find_mailbox(d, m->mailboxes[i].offset))
                        return false;
        return true;
}

/* It appeared, with the socket on which its worker speaks of it. */
static int on_device_appeared(WireLink *l, const WireDevice *m, int *fd) {
        _cleanup_(wire_connection_freep) WireConnection *connection = NULL;
        Device *d = manager_find_device(l->manager, m->address);
        DeviceLink *dl;
        int r;

        if (d)
                device_link_free(d->link_userdata);
        r = wire_connection_new(*fd, &connection);
        if (r < 0)
                return r;
        TAKE_FD(*fd);
        r = report_device(l, m, &d);
        if (r < 0)
                return r;
        r = device_link_new(l->base, connection, d, &device_handlers, l, &dl);
        if (r >= 0)
                TAKE_PTR(connection);
        return r;
}

static int on_device(WireLink *l, const WireDevice *m, int *fd) {
        Device *d = manager_find_device(l->manager, m->address);

        if (!path_is_address(m->address))
                return -EBADMSG;
        if (*fd >= 0)
                return on_device_appeared(l, m, fd);
        if (!d || !d->link_userdata) {
                log_full(LOG_DEBUG, m->address, "Changed after its socket had ended, ignoring");
                return 0;
        }
        if (!is_same_device(d, m))
                return -EBADMSG;
        return report_device(l, m, &d);
}

static int on_device_removed(WireLink *l, const WireText *m) {
        Device *d = manager_find_device(l->manager, m->text);

        if (!d)
                return 0;
        device_link_free(d->link_userdata);
        log_removed(m->text, "Removed");
        manager_report_device_removed(l->manager, m->text, clock_monotonic_usec());
        return 0;
}

/* -------- the control socket -------- */

static int on_hello(WireLink *l, const WireHello *m) {
        if (l->is_up)
                return -EBADMSG;
        if (m->wire_version != WIRE_VERSION) {
                snprintf(l->peer, sizeof(l->peer), "%s", m->program_version);
                l->peer_wire_version = m->wire_version;
                return -EPROTO;
        }
        event_del(l->timer);
        l->is_up = true;
        l->retry_usec = WIRE_LINK_RETRY_FIRST_USEC;
        l->logged_reason[0] = '\0';
        log_event(LOG_EVENT_PCI_CONNECTED, NULL, "Connected to doed-pci %s", m->program_version);
        manager_link_up(l->manager, m->lockdown, clock_monotonic_usec());
        return 0;
}

static int wire_link_on_message(void *userdata, const WireMessage *m, int *fd) {
        WireLink *l = userdata;

        if ((!l->is_up && m->type != WIRE_HELLO) || (*fd >= 0 && m->type != WIRE_DEVICE))
                return -EBADMSG;
        switch (m->type) {
        case WIRE_HELLO:
                return on_hello(l, &m->hello);
        case WIRE_DEVICE:
                return on_device(l, &m->device, fd);
        case WIRE_DEVICE_REMOVED:
                return on_device_removed(l, &m->text);
        case WIRE_ENUMERATED:
                manager_report_enumerated(l->manager, clock_monotonic_usec());
                return 0;
        case WIRE_LOCKDOWN:
                manager_report_lockdown(l->manager, m->text.text);
                return 0;
        case WIRE_SUSPENDED:
                manager_report_suspended(l->manager, m->turned.is_on, clock_monotonic_usec());
                return 0;
        case WIRE_RESCAN:
        case WIRE_RELOAD:
        case WIRE_SUSPEND:
        case WIRE_MAILBOX:
        case WIRE_EXCHANGE:
        case WIRE_RECALL:
        case WIRE_CANCEL:
        case WIRE_RECOVER:
        case WIRE_READ_KERNEL_CDAT:
        case WIRE_STARTED:
        case WIRE_DONE:
        case WIRE_RECALLED:
        case WIRE_FOREIGN:
        case WIRE_ABORTED:
        case WIRE_INHIBIT:
        case WIRE_PUT_RECORD:
        case WIRE_DROP_RECORD:
                return -EBADMSG;
        }
        return -EBADMSG;
}

static void wire_link_on_end(void *userdata, int error) {
        WireLink *l = userdata;

        switch (-error) {
        case EPROTO:
                l->retry_usec = WIRE_LINK_RETRY_MAX_USEC;
                wire_link_lose(l, LOG_EVENT_PCI_VERSION,
                               "doed-pci %s speaks version %u of the wire, doed " DOED_VERSION " version %u",
                               l->peer, l->peer_wire_version, WIRE_VERSION);
                if (own_executable_is_replaced())
                        l->on_replaced(l->userdata);
                break;
        case EBADMSG:
                wire_link_lose(l, LOG_EVENT_PCI_LOST, "it sent a malformed message");
                break;
        case ECONNRESET:
        case EPIPE:
                wire_link_lose(l, LOG_EVENT_PCI_LOST, "it closed the connection");
                break;
        default:
                wire_link_lose(l, LOG_EVENT_PCI_LOST, "the connection broke: %s", strerror(-error));
        }
}

static const WireSocketHandlers control_handlers = {
        .on_message = wire_link_on_message,
        .on_end = wire_link_on_end,
};

static int wire_link_connect(WireLink *l) {
        static const WireMessage hello = { .type = WIRE_HELLO,
                                           .hello = { .wire_version = WIRE_VERSION,
                                                      .program_version = DOED_VERSION } };
        _cleanup_(wire_connection_freep) WireConnection *connection = NULL;
        int r = wire_connection_connect(l->path, &connection);

        if (r < 0)
                return r;
        r = wire_socket_new(l->base, connection, &control_handlers, l, &l->control);
        if (r < 0)
                return r;
        TAKE_PTR(connection);
        wire_socket_send(l->control, &hello);
        wire_link_arm(l, WIRE_LINK_HELLO_USEC);
        return 0;
}

static void wire_link_on_timer(evutil_socket_t fd, short events, void *userdata) {
        WireLink *l = userdata;
        int r;

        if (l->control) {
                wire_link_lose(l, LOG_EVENT_PCI_LOST, "it did not say hello within %u s",
                               (unsigned)(WIRE_LINK_HELLO_USEC / USEC_PER_SEC));
                return;
        }
        r = wire_link_connect(l);
        if (r == -ENOENT || r == -ECONNREFUSED)
                wire_link_lose(l, LOG_EVENT_PCI_LOST, "nobody listens on %s", l->path);
        else if (r < 0)
                wire_link_lose(l, LOG_EVENT_PCI_LOST, "cannot connect to %s: %s", l->path, strerror(-r));
}

/* -------- what the core asks -------- */

static void link_exchange(void *userdata, Mailbox *mb, const Job *job) {
        if (mb->device->link_userdata)
                device_link_exchange(mb->device->link_userdata, mb, job);
}

static void link_recall(void *userdata, Mailbox *mb, uint64_t job_id) {
        if (mb->device->link_userdata)
                device_link_send_job(mb->device->link_userdata, WIRE_RECALL, job_id);
}

static void link_cancel(void *userdata, Mailbox *mb, uint64_t job_id) {
        if (mb->device->link_userdata)
                device_link_send_job(mb->device->link_userdata, WIRE_CANCEL, job_id);
}

static void link_recover(void *userdata, Mailbox *mb, bool force) {
        if (mb->device->link_userdata)
                device_link_recover(mb->device->link_userdata, mb, force);
}

static void link_read_kernel_cdat(void *userdata, Device *d, uint64_t job_id) {
        if (d->link_userdata)
                device_link_send_job(d->link_userdata, WIRE_READ_KERNEL_CDAT, job_id);
}

static void wire_link_send(WireLink *l, const WireMessage *m) {
        if (l->is_up)
                wire_socket_send(l->control, m);
}

static void link_rescan(void *userdata) {
        wire_link_send(userdata, &(WireMessage){ .type = WIRE_RESCAN });
}

static void link_suspend(void *userdata, bool is_suspended) {
        wire_link_send(userdata,
                       &(WireMessage){ .type = WIRE_SUSPEND, .turned = { .is_on = is_suspended } });
}

static void link_inhibit(void *userdata, Mailbox *mb, uint64_t lease_id) {
        if (mb->device->link_userdata)
                device_link_inhibit(mb->device->link_userdata, mb, lease_id);
}

static bool link_put_record(void *userdata, Device *d, const LeaseRecord *record) {
        return d->link_userdata && device_link_put_record(d->link_userdata, record);
}

static void link_drop_record(void *userdata, Device *d, const uint8_t *digest) {
        if (d->link_userdata)
                device_link_drop_record(d->link_userdata, digest);
}

const Link wire_link_ops = {
        .exchange = link_exchange,
        .recall = link_recall,
        .cancel = link_cancel,
        .recover = link_recover,
        .read_kernel_cdat = link_read_kernel_cdat,
        .rescan = link_rescan,
        .suspend = link_suspend,
        .inhibit = link_inhibit,
        .put_record = link_put_record,
        .drop_record = link_drop_record,
};

int wire_link_new(struct event_base *base, const char *path, void (*on_replaced)(void *userdata),
                  void *userdata, WireLink **ret) {
        WireLink *l = calloc(1, sizeof(*l));

        if (!l)
                return -ENOMEM;
        l->base = base;
        l->path = path;
        l->on_replaced = on_replaced;
        l->userdata = userdata;
        l->retry_usec = WIRE_LINK_RETRY_FIRST_USEC;
        l->timer = evtimer_new(base, wire_link_on_timer, l);
        if (!l->timer) {
                wire_link_free(l);
                return -ENOMEM;
        }
        *ret = l;
        return 0;
}

WireLink *wire_link_free(WireLink *l) {
        if (!l)
                return NULL;
        wire_link_close(l);
        if (l->timer)
                event_free(l->timer);
        free(l);
        return NULL;
}

void wire_link_start(WireLink *l, Manager *m) {
        l->manager = m;
        wire_link_arm(l, 0);
}

void wire_link_reload(WireLink *l) {
        wire_link_send(l, &(WireMessage){ .type = WIRE_RELOAD });
}
