/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The Host of the shipped doed-pci: functions from libpci, what the kernel says of them from sysfs, and
 * events from uevents and from the files by which root makes the kernel act. What else may be stuck, nothing
 * here waits for a configuration space or a TSM. */

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "daemon/pci/host-libpci.h"
#include "daemon/pci/host.h"
#include "daemon/pci/kernel-view.h"
#include "daemon/pci/monitor-fifo.h"
#include "daemon/pci/monitor-udev.h"
#include "daemon/pci/pci-libpci.h"
#include "daemon/pci/power.h"
#include "daemon/pci/sysfs-file.h"
#include "daemon/pci/triggers.h"
#include "daemon/pci/tsm-probe.h"
#include "daemon/util/clock.h"
#include "daemon/util/log.h"

#define FUNCTIONS_MAX  65536u
#define BOOT_ID_DIGITS 8

/* Every PCI function that was read once, also those without a mailbox: none is read twice. */
typedef struct Known {
        TAILQ_ENTRY(Known) link;
        uint64_t inode;
        bool is_listed; /* in the enumeration under way */
        bool is_late;   /* its configuration space has not answered yet */
        HostFunction function;
        char *real; /* path of its folder: the bridges above it */
        char driver[WIRE_ADDRESS_MAX * 2], cxl_memory[WIRE_ADDRESS_MAX], cxl_port[WIRE_ADDRESS_MAX];
} Known;

typedef struct HostSysfs {
        Host host;
        char sysfs[PATH_MAX], run[PATH_MAX];
        char boot_id[BOOT_ID_DIGITS + 1];
        int power_fd; /* of power_start() */
        TAILQ_HEAD(, Known) known;
        Channel *late;
        struct event *late_event;
        TsmProbe *tsm_probe;
        Triggers *triggers;
        MonitorUdev *monitor_udev;
        MonitorFifo *monitor_fifo;
        HostEventHandler handler;
        void *userdata;
} HostSysfs;

static _printf_(4, 5) void emit(HostSysfs *h, HostEventKind kind, const char *address, const char *format,
                                ...) {
        HostEvent event = { .kind = kind };
        va_list ap;

        snprintf(event.address, sizeof(event.address), "%s", address);
        va_start(ap, format);
        vsnprintf(event.reason, sizeof(event.reason), format, ap);
        va_end(ap);
        h->handler(h->userdata, &event);
}

/* Enumeration. */

static Known *find_known(HostSysfs *h, const char *address) {
        Known *k;

        TAILQ_FOREACH (k, &h->known, link)
                if (strcmp(k->function.address, address) == 0)
                        return k;
        return NULL;
}

static void forget(HostSysfs *h, Known *k) {
        if (h->triggers)
                triggers_forget_device(h->triggers, k->function.address);
        if (h->tsm_probe)
                tsm_probe_forget(h->tsm_probe, k->function.address);
        TAILQ_REMOVE(&h->known, k, link);
        free(k->real);
        free(k);
}

static void watch_known(HostSysfs *h, const Known *k) {
        _cleanup_free_ char *path = k->real ? strdup(k->real) : NULL;
        char *rest = path, *component;

        if (!h->triggers || !path)
                return;
        while ((component = strsep(&rest, "/")))
                if (wire_address_is_valid(component))
                        triggers_watch_device(h->triggers, component);
}

/* What a scan found out. */
static void learn(HostSysfs *h, Known *k, const ScanItem *item) {
        char path[PATH_MAX];

        k->is_late = false;
        k->function = item->function;
        snprintf(k->function.instance, sizeof(k->function.instance), "%s-%llu", h->boot_id,
                 (unsigned long long)item->inode);
        if (k->function.n_mailboxes == 0 || k->real)
                return;
        if (sysfs_path(path, "%s/bus/pci/devices/%s", h->sysfs, item->address) == 0)
                k->real = realpath(path, NULL);
        watch_known(h, k);
}

static void add_known(HostSysfs *h, const ScanItem *item) {
        Known *k;

        if (item->error < 0 && item->error != -EINPROGRESS) {
                log_full(LOG_DEBUG, item->address, "Cannot be read, ignoring: %s", strerror(-item->error));
                return;
        }
        k = calloc(1, sizeof(*k));
        if (!k)
                return;
        k->inode = item->inode;
        k->is_listed = true;
        TAILQ_INSERT_TAIL(&h->known, k, link);
        if (item->error == 0) {
                learn(h, k, item);
        } else {
                k->is_late = true;
                snprintf(k->function.address, sizeof(k->function.address), "%s", item->address);
        }
}

/* The folder of a device is never given the inode of an earlier one within a boot. Return: 1 if the function
 * at @name is not known, and then in @ret. */
static int look_up(HostSysfs *h, const char *name, ScanItem *ret) {
        char path[PATH_MAX];
        struct stat st;
        Known *k;

        if (!wire_address_is_valid(name) || sysfs_path(path, "%s/bus/pci/devices/%s", h->sysfs, name) < 0 ||
            stat(path, &st) < 0)
                return 0;
        k = find_known(h, name);
        if (k && k->inode == st.st_ino) {
                k->is_listed = true;
                return 0;
        }
        *ret = (ScanItem){ .inode = st.st_ino };
        wire_text_set(ret->address, sizeof(ret->address), name);
        return 1;
}

/* List the functions that are not known, and mark those that are. */
static int list_new(HostSysfs *h, ScanItem **ret, size_t *ret_n) {
        ScanItem *items = NULL, *larger;
        char path[PATH_MAX];
        struct dirent *entry;
        size_t n = 0;
        DIR *dir;

        if (sysfs_path(path, "%s/bus/pci/devices", h->sysfs) < 0 || !(dir = opendir(path)))
                return -errno;
        while (n < FUNCTIONS_MAX && (entry = readdir(dir))) {
                larger = realloc(items, (n + 1) * sizeof(*items));
                if (!larger)
                        break;
                items = larger;
                n += (size_t)look_up(h, entry->d_name, &items[n]);
        }
        closedir(dir);
        *ret = items;
        *ret_n = n;
        return 0;
}

static void forget_unlisted(HostSysfs *h) {
        Known *k, *next;

        for (k = TAILQ_FIRST(&h->known); k; k = next) {
                next = TAILQ_NEXT(k, link);
                if (!k->is_listed)
                        forget(h, k);
        }
}

static int compare_addresses(const void *a, const void *b) {
        return strcmp(((const HostFunction *)a)->address, ((const HostFunction *)b)->address);
}

static int collect(HostSysfs *h, HostFunction **ret, size_t *ret_n) {
        HostFunction *functions;
        size_t n = 0;
        Known *k;

        TAILQ_FOREACH (k, &h->known, link)
                n += k->function.n_mailboxes > 0;
        functions = calloc(n + 1, sizeof(*functions));
        if (!functions)
                return -ENOMEM;
        n = 0;
        TAILQ_FOREACH (k, &h->known, link)
                if (k->function.n_mailboxes > 0)
                        functions[n++] = k->function;
        /* readdir() has no order */
        qsort(functions, n, sizeof(*functions), compare_addresses);
        *ret = functions;
        *ret_n = n;
        return 0;
}

static int host_enumerate(Host *host, HostFunction **ret, size_t *ret_n) {
        HostSysfs *h = (HostSysfs *)host;
        _cleanup_free_ ScanItem *items = NULL;
        size_t n = 0;
        Known *k;
        int r;

        TAILQ_FOREACH (k, &h->known, link)
                k->is_listed = false;
        r = list_new(h, &items, &n);
        if (r < 0)
                return r;
        forget_unlisted(h);
        r = libpci_scan(h->sysfs, items, n, h->late);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                add_known(h, &items[i]);
        return collect(h, ret, ret_n);
}

static void on_late(evutil_socket_t fd, short what, void *userdata) {
        HostSysfs *h = userdata;
        ChannelItem *taken;

        while ((taken = channel_take(h->late))) {
                _cleanup_free_ ScanItem *item = (ScanItem *)taken;
                Known *k = find_known(h, item->address);

                if (!k || !k->is_late || k->inode != item->inode)
                        continue;
                if (item->error < 0) {
                        forget(h, k);
                        continue;
                }
                learn(h, k, item);
                emit(h, HOST_EVENT_ADD, item->address, "its configuration space answers at last");
        }
}

/* What the kernel says. */

static void add_tsm(HostSysfs *h, const char *address, HostView *view) {
        char path[PATH_MAX];
        const char *session;

        if (!h->tsm_probe || !kernel_view_tsm_file(h->sysfs, address, path))
                return;
        tsm_probe_request(h->tsm_probe, address, path);
        session = tsm_probe_get(h->tsm_probe, address);
        if (session[0])
                snprintf(view->spdm_owner, sizeof(view->spdm_owner),
                         "the kernel has an SPDM session with it: %s", session);
        if (tsm_probe_is_at_work(h->tsm_probe))
                snprintf(view->held, sizeof(view->held), "a TSM is at work");
}

static int host_view(Host *host, const char *address, HostView *ret) {
        HostSysfs *h = (HostSysfs *)host;
        Known *k = find_known(h, address);
        int r;

        if (!k)
                return -ENODEV;
        r = kernel_view_read(h->sysfs, address, ret);
        if (r < 0)
                return r;
        add_tsm(h, address, ret);
        snprintf(k->driver, sizeof(k->driver), "%s", ret->driver);
        snprintf(k->cxl_memory, sizeof(k->cxl_memory), "%s", ret->cxl_memory);
        snprintf(k->cxl_port, sizeof(k->cxl_port), "%s", ret->cxl_port);
        /* tsm/ comes later than the rest */
        watch_known(h, k);
        return 0;
}

static void on_tsm_change(void *userdata) {
        emit(userdata, HOST_EVENT_VIEW, "", "a TSM has begun or ended something");
}

static int host_read_kernel_cdat(Host *host, const char *address, uint8_t **ret, size_t *ret_n_bytes) {
        HostSysfs *h = (HostSysfs *)host;

        return kernel_view_read_cdat(h->sysfs, address, ret, ret_n_bytes);
}

static void host_lockdown(Host *host, char *buf) {
        kernel_view_lockdown(((HostSysfs *)host)->sysfs, buf);
}

/* Uevents. */

static void on_pci_uevent(HostSysfs *h, const Uevent *event, const char *address) {
        Known *k = find_known(h, address);

        if (strcmp(event->action, "add") == 0) {
                emit(h, HOST_EVENT_ADD, address, "the kernel has added it");
        } else if (strcmp(event->action, "remove") == 0) {
                if (k)
                        forget(h, k);
                emit(h, HOST_EVENT_REMOVE, address, "the kernel has removed it");
        } else if (strcmp(event->action, "bind") == 0 || strcmp(event->action, "unbind") == 0) {
                emit(h, HOST_EVENT_BIND, address, "%s of %s", event->action,
                     event->driver[0] ? event->driver
                     : k              ? k->driver
                                      : "a driver");
        } else if (strcmp(event->action, "change") == 0) {
                if (event->error_event[0])
                        emit(h, HOST_EVENT_RESET, address, "error recovery: %s", event->error_event);
                else
                        emit(h, HOST_EVENT_VIEW, address, "the kernel has changed it");
        }
}

/* An endpoint is not below its function; while it is there, its uport leads to it. */
static bool find_by_cxl_name(HostSysfs *h, const char *name, char *address) {
        char path[PATH_MAX], real[PATH_MAX];
        Uevent event = {};
        Known *k;

        TAILQ_FOREACH (k, &h->known, link)
                if (strcmp(k->cxl_memory, name) == 0 || strcmp(k->cxl_port, name) == 0) {
                        snprintf(address, WIRE_ADDRESS_MAX, "%s", k->function.address);
                        return true;
                }
        if (sysfs_path(path, "%s/bus/cxl/devices/%s/uport", h->sysfs, name) < 0 || !realpath(path, real) ||
            strlen(real) >= sizeof(event.devpath))
                return false;
        strcpy(event.devpath, real);
        return uevent_address(&event, address);
}

static void on_cxl_uevent(HostSysfs *h, const Uevent *event) {
        const char *name = uevent_name(event);
        char address[WIRE_ADDRESS_MAX];

        if (strcmp(event->action, "change") == 0 ||
            (strncmp(name, "mem", 3) != 0 && strncmp(name, "endpoint", 8) != 0 &&
             strncmp(name, "port", 4) != 0))
                return;
        if (uevent_address(event, address) || find_by_cxl_name(h, name, address))
                emit(h, HOST_EVENT_BIND, address, "%s of %s", event->action, name);
        else
                emit(h, HOST_EVENT_VIEW, "", "%s of %s", event->action, name);
}

static void on_uevent(void *userdata, const Uevent *event) {
        HostSysfs *h = userdata;
        char address[WIRE_ADDRESS_MAX];

        if (!event)
                emit(h, HOST_EVENT_ADD, "", "uevents were lost");
        else if (strcmp(event->subsystem, "pci") == 0 && uevent_address(event, address) &&
                 strcmp(uevent_name(event), address) == 0)
                on_pci_uevent(h, event, address);
        else if (strcmp(event->subsystem, "cxl") == 0)
                on_cxl_uevent(h, event);
        else if (strcmp(event->subsystem, "tsm") == 0)
                emit(h, HOST_EVENT_VIEW, "", "%s of %s", event->action, uevent_name(event));
        else if (strcmp(event->subsystem, "drivers") == 0)
                triggers_watch_drivers(h->triggers);
}

/* Triggers. */

/* A trigger tells in advance which function it is for, or has been written already. */
static void read_driver(HostSysfs *h, const Known *k, char *buf, size_t size) {
        char path[PATH_MAX];

        if (sysfs_path(path, "%s/bus/pci/devices/%s/driver", h->sysfs, k->function.address) < 0 ||
            sysfs_link_name(path, buf, size) < 0)
                buf[0] = '\0';
}

static bool is_below(const Known *k, const char *address) {
        const char *at = k->real ? strstr(k->real, address) : NULL;
        size_t n = strlen(address);

        return at && at > k->real && at[-1] == '/' && (at[n] == '/' || at[n] == '\0');
}

static bool is_same_device(const Known *k, const char *address) {
        return strncmp(k->function.address, address, strcspn(address, ".") + 1) == 0;
}

static bool is_meant(HostSysfs *h, const Known *k, TriggerKind kind, const char *object) {
        char driver[WIRE_ADDRESS_MAX * 2];

        switch (kind) {
        case TRIGGER_BIND:
                read_driver(h, k, driver, sizeof(driver));
                return !driver[0] || !k->driver[0];
        case TRIGGER_UNBIND:
                read_driver(h, k, driver, sizeof(driver));
                return strcmp(driver, object) == 0 || strcmp(k->driver, object) == 0;
        case TRIGGER_CXL:
                return k->cxl_memory[0] || k->cxl_port[0] || strncmp(k->driver, "cxl", 3) == 0;
        case TRIGGER_REMOVE:
        case TRIGGER_RESET:
                return is_below(k, object);
        case TRIGGER_TSM:
                return is_same_device(k, object);
        case TRIGGER_LOST:
        case TRIGGER_LOCKDOWN:
                return true;
        }
        return true;
}

static const char *const trigger_names[] = {
        [TRIGGER_BIND] = "a driver binds",
        [TRIGGER_UNBIND] = "its driver is unbound",
        [TRIGGER_CXL] = "cxl binds or unbinds",
        [TRIGGER_LOST] = "something that could not be told of in time",
        [TRIGGER_REMOVE] = "it is removed",
        [TRIGGER_RESET] = "it is reset",
        [TRIGGER_TSM] = "a TSM connects or disconnects",
        [TRIGGER_LOCKDOWN] = "lockdown is set",
};

static HostEventKind trigger_event(TriggerKind kind, TriggerTime when) {
        if (when != TRIGGER_AFTER)
                return HOST_EVENT_HOLD;
        return kind == TRIGGER_RESET ? HOST_EVENT_RESET : HOST_EVENT_BIND;
}

/* Tell it of every function that is meant. */
static void tell_of_trigger(HostSysfs *h, TriggerKind kind, const char *object, HostEvent *event) {
        Known *k, *next;

        for (k = TAILQ_FIRST(&h->known); k; k = next) {
                next = TAILQ_NEXT(k, link);
                if (k->function.n_mailboxes == 0 || !is_meant(h, k, kind, object))
                        continue;
                wire_text_set(event->address, sizeof(event->address), k->function.address);
                h->handler(h->userdata, event);
        }
}

static void on_trigger(void *userdata, TriggerKind kind, const char *object, TriggerTime when) {
        HostSysfs *h = userdata;
        HostEvent event = { .kind = trigger_event(kind, when) };

        if (kind == TRIGGER_LOCKDOWN) {
                emit(h, HOST_EVENT_LOCKDOWN, "", "%s", trigger_names[kind]);
                return;
        }
        snprintf(event.reason, sizeof(event.reason), "%s%s%s", trigger_names[kind], object[0] ? ": " : "",
                 object);
        if (when == TRIGGER_WAITS)
                event.wait_until_usec = clock_monotonic_usec() + TRIGGER_WAIT_USEC;
        tell_of_trigger(h, kind, object, &event);
        if (when != TRIGGER_WAITS)
                return;
        /* all of them were asked before one is waited for */
        event.kind = HOST_EVENT_AWAIT_HELD;
        tell_of_trigger(h, kind, object, &event);
}

/* Access, on the workers' threads. */

static int host_open_config(Host *host, const char *address, ConfigSpace **ret) {
        return pci_libpci_open(((HostSysfs *)host)->sysfs, address, ret);
}

static void host_close_config(Host *host, ConfigSpace *config) {
        pci_libpci_close(config);
}

static void host_power_pin(Host *host, const char *address, bool is_pinned) {
        HostSysfs *h = (HostSysfs *)host;

        if (is_pinned)
                power_pin(h->sysfs, h->run, address);
        else
                power_unpin(h->sysfs, h->run, address);
}

/* Start and end. */

static int start_monitor(HostSysfs *h, struct event_base *base) {
        char path[PATH_MAX];
        int r;

        if (strcmp(h->sysfs, "/sys") == 0)
                return monitor_udev_new(base, on_uevent, h, &h->monitor_udev);
        r = sysfs_path(path, "%s/uevents", h->sysfs);
        if (r < 0)
                return r;
        r = monitor_fifo_new(path, base, on_uevent, h, &h->monitor_fifo);
        if (r == -ENOENT) {
                log_warning("There is no %s, going on without uevents", path);
                return 0;
        }
        return r;
}

static int host_watch(Host *host, struct event_base *base, HostEventHandler handler, void *userdata) {
        HostSysfs *h = (HostSysfs *)host;
        int r;

        h->handler = handler;
        h->userdata = userdata;
        h->power_fd = power_start(h->sysfs, h->run);
        r = start_monitor(h, base);
        if (r < 0)
                return r;
        r = tsm_probe_new(base, on_tsm_change, h, &h->tsm_probe);
        if (r < 0)
                return r;
        r = triggers_new(h->sysfs, /* may_wait= */ true, base, on_trigger, h, &h->triggers);
        if (r < 0)
                return r;
        h->late_event = event_new(base, channel_fd(h->late), EV_READ | EV_PERSIST, on_late, h);
        if (!h->late_event)
                return -ENOMEM;
        event_add(h->late_event, NULL);
        return 0;
}

static Host *host_free(Host *host) {
        HostSysfs *h = (HostSysfs *)host;
        Known *k;

        while ((k = TAILQ_FIRST(&h->known)))
                forget(h, k);
        if (h->late_event)
                event_free(h->late_event);
        monitor_udev_free(h->monitor_udev);
        monitor_fifo_free(h->monitor_fifo);
        triggers_free(h->triggers);
        tsm_probe_free(h->tsm_probe);
        /* a scan that hangs will push to it, should it come back before the process has ended */
        if (libpci_scan_late() == 0)
                channel_free(h->late);
        if (h->power_fd >= 0)
                close(h->power_fd);
        free(h);
        return NULL;
}

static const HostOps host_ops = {
        .enumerate = host_enumerate,
        .view = host_view,
        .open_config = host_open_config,
        .close_config = host_close_config,
        .power_pin = host_power_pin,
        .read_kernel_cdat = host_read_kernel_cdat,
        .lockdown = host_lockdown,
        .watch = host_watch,
        .free = host_free,
};

static void late_free(ChannelItem *item) {
        free(item);
}

int host_sysfs_new(const char *sysfs, const char *run, uint64_t settle_usec, Host **ret) {
        _cleanup_free_ HostSysfs *h = calloc(1, sizeof(*h));
        char line[64] = "";
        int r;

        if (!h)
                return -ENOMEM;
        if (!realpath(sysfs, h->sysfs))
                return -errno;
        if (strlen(run) >= sizeof(h->run))
                return -ENAMETOOLONG;
        strcpy(h->run, run);
        (void)sysfs_read_line("/proc/sys/kernel/random/boot_id", line, sizeof(line));
        snprintf(h->boot_id, sizeof(h->boot_id), "%s", line);
        h->host.ops = &host_ops;
        h->host.settle_usec = settle_usec;
        h->power_fd = -1;
        TAILQ_INIT(&h->known);
        r = channel_new(late_free, &h->late);
        if (r < 0)
                return r;
        *ret = &TAKE_PTR(h)->host;
        return 0;
}
