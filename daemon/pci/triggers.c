/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/triggers.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sys/inotify.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "daemon/pci/gate.h"
#include "daemon/pci/sysfs-file.h"
#include "daemon/util/log.h"

#define OBJECT_MAX   64u
#define EVENTS_BYTES 8192u

typedef enum WatchKind {
        WATCH_FILE,
        WATCH_DRIVERS, /* a folder of drivers, for trees in which new entries can be seen coming */
} WatchKind;

typedef struct Watch {
        TAILQ_ENTRY(Watch) link;
        int wd;
        GatedFile *gated; /* NULL: opening does not wait */
        bool has_passed;  /* the open that inotify tells of next was told by the gate */
        char *path;
        dev_t device;
        ino_t inode;
        WatchKind watch_kind;
        TriggerKind kind;
        char object[OBJECT_MAX];
} Watch;

struct Triggers {
        int fd;
        char sysfs[PATH_MAX];
        TAILQ_HEAD(, Watch) watches;
        struct event *event;
        Gate *gate; /* NULL: opening does not wait */
        TriggerHandler handler;
        void *userdata;
};

typedef struct TriggerFile {
        const char *name;
        TriggerKind kind;
} TriggerFile;

/* Not bus/pci/rescan: the kernel leaves functions that it knows alone, and probes a new one before it tells
 * of it. */
static const TriggerFile bus_files[] = {
        { "bus/pci/drivers_probe", TRIGGER_BIND },
        { "bus/cxl/drivers_probe", TRIGGER_CXL },
        { "kernel/security/lockdown", TRIGGER_LOCKDOWN },
};
static const TriggerFile pci_driver_files[] = {
        { "bind", TRIGGER_BIND },
        { "new_id", TRIGGER_BIND },
        { "unbind", TRIGGER_UNBIND },
};
static const TriggerFile cxl_driver_files[] = {
        { "bind", TRIGGER_CXL },
        { "unbind", TRIGGER_CXL },
};
static const TriggerFile device_files[] = {
        { "remove", TRIGGER_REMOVE },           { "reset", TRIGGER_RESET },
        { "reset_subordinate", TRIGGER_RESET }, { "tsm/connect", TRIGGER_TSM },
        { "tsm/disconnect", TRIGGER_TSM },
};

static Watch *find_wd(Triggers *t, int wd) {
        Watch *w;

        TAILQ_FOREACH (w, &t->watches, link)
                if (w->wd == wd)
                        return w;
        return NULL;
}

static Watch *find_file(Triggers *t, const struct stat *st) {
        Watch *w;

        TAILQ_FOREACH (w, &t->watches, link)
                if (w->device == st->st_dev && w->inode == st->st_ino)
                        return w;
        return NULL;
}

static void drop_watch(Triggers *t, Watch *w) {
        TAILQ_REMOVE(&t->watches, w, link);
        gate_remove(w->gated);
        free(w->path);
        free(w);
}

static Watch *new_watch(Triggers *t, const char *path, const struct stat *st, const char *object) {
        Watch *w = calloc(1, sizeof(*w));

        if (!w)
                return NULL;
        w->wd = -1;
        w->device = st->st_dev;
        w->inode = st->st_ino;
        snprintf(w->object, sizeof(w->object), "%s", object);
        TAILQ_INSERT_TAIL(&t->watches, w, link);
        w->path = strdup(path);
        if (w->path)
                return w;
        drop_watch(t, w);
        return NULL;
}

/* From here on the kernel tells of it, or it is as if it had never been. */
static void begin_watch(Triggers *t, Watch *w, uint32_t mask) {
        w->wd = inotify_add_watch(t->fd, w->path, mask);
        if (w->wd >= 0)
                return;
        /* inotify asks for the right to read, which mode 0200 does not even give root without
         * CAP_DAC_OVERRIDE; the gate tells of all but an open that comes while another has the file open */
        if (errno == EACCES && w->gated)
                return;
        if (errno != ENOENT && errno != ENOTDIR)
                log_warning("Cannot watch %s, ignoring: %m", w->path);
        drop_watch(t, w);
}

/* Our own open of a gated file comes before inotify would tell of it. */
static void watch_file(Triggers *t, const char *path, TriggerKind kind, const char *object) {
        struct stat st;
        Watch *w;

        if (stat(path, &st) < 0 || find_file(t, &st) || !(w = new_watch(t, path, &st, object)))
                return;
        w->watch_kind = WATCH_FILE;
        w->kind = kind;
        if (t->gate && S_ISREG(st.st_mode) && st.st_mode & S_IWUSR && !(st.st_mode & S_IRWXO))
                (void)gate_add(t->gate, path, w, &w->gated);
        begin_watch(t, w, st.st_mode & S_IRWXO ? IN_CLOSE_WRITE : IN_OPEN);
}

static void watch_folder(Triggers *t, const char *path) {
        struct stat st;
        Watch *w;

        if (stat(path, &st) < 0 || find_file(t, &st) || !(w = new_watch(t, path, &st, "")))
                return;
        w->watch_kind = WATCH_DRIVERS;
        begin_watch(t, w, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
}

static void watch_files(Triggers *t, const char *folder, const TriggerFile *files, size_t n,
                        const char *object) {
        char path[PATH_MAX];

        for (size_t i = 0; i < n; i++)
                if (sysfs_path(path, "%s/%s", folder, files[i].name) == 0)
                        watch_file(t, path, files[i].kind, object);
}

static void watch_drivers_of(Triggers *t, const char *bus, const TriggerFile *files, size_t n) {
        char folder[PATH_MAX], path[PATH_MAX];
        struct dirent *entry;
        DIR *dir;

        if (sysfs_path(folder, "%s/bus/%s/drivers", t->sysfs, bus) < 0 || !(dir = opendir(folder)))
                return;
        watch_folder(t, folder);
        while ((entry = readdir(dir)))
                if (entry->d_name[0] != '.' && sysfs_path(path, "%s/%s", folder, entry->d_name) == 0)
                        watch_files(t, path, files, n, entry->d_name);
        closedir(dir);
}

/* A gated file is held open, and nobody tells of its end. */
static void drop_vanished(Triggers *t) {
        Watch *w, *next;
        struct stat st;

        for (w = TAILQ_FIRST(&t->watches); w; w = next) {
                next = TAILQ_NEXT(w, link);
                if (stat(w->path, &st) == 0 && st.st_dev == w->device && st.st_ino == w->inode)
                        continue;
                inotify_rm_watch(t->fd, w->wd);
                drop_watch(t, w);
        }
}

void triggers_watch_drivers(Triggers *t) {
        drop_vanished(t);
        watch_drivers_of(t, "pci", pci_driver_files, ELEMENTS(pci_driver_files));
        watch_drivers_of(t, "cxl", cxl_driver_files, ELEMENTS(cxl_driver_files));
}

void triggers_watch_device(Triggers *t, const char *address) {
        char path[PATH_MAX];

        if (sysfs_path(path, "%s/bus/pci/devices/%s", t->sysfs, address) == 0)
                watch_files(t, path, device_files, ELEMENTS(device_files), address);
}

void triggers_forget_device(Triggers *t, const char *address) {
        Watch *w, *next;

        for (w = TAILQ_FIRST(&t->watches); w; w = next) {
                next = TAILQ_NEXT(w, link);
                if (w->watch_kind != WATCH_FILE || strcmp(w->object, address) != 0)
                        continue;
                inotify_rm_watch(t->fd, w->wd);
                drop_watch(t, w);
        }
}

static void on_gate(void *userdata, void *cookie) {
        Triggers *t = userdata;
        Watch *w = cookie;

        w->has_passed = true;
        t->handler(t->userdata, w->kind, w->object, TRIGGER_WAITS);
}

static void handle_file_event(Triggers *t, Watch *w, uint32_t mask) {
        bool has_passed = w->has_passed;

        w->has_passed = false;
        if (!(mask & IN_OPEN))
                t->handler(t->userdata, w->kind, w->object, TRIGGER_AFTER);
        else if (!has_passed)
                t->handler(t->userdata, w->kind, w->object, TRIGGER_AHEAD);
}

static void handle_event(Triggers *t, const struct inotify_event *event) {
        Watch *w;

        if (event->mask & IN_Q_OVERFLOW) {
                /* any of them may have been meant */
                t->handler(t->userdata, TRIGGER_LOST, "", TRIGGER_AHEAD);
                t->handler(t->userdata, TRIGGER_LOCKDOWN, "", TRIGGER_AFTER);
                return;
        }
        w = find_wd(t, event->wd);
        if (!w)
                return;
        if (event->mask & IN_IGNORED)
                drop_watch(t, w);
        else if (w->watch_kind == WATCH_DRIVERS)
                triggers_watch_drivers(t);
        else
                handle_file_event(t, w, event->mask);
}

static void on_readable(evutil_socket_t fd, short what, void *userdata) {
        _Alignas(struct inotify_event) char events[EVENTS_BYTES];
        ssize_t n = read(fd, events, sizeof(events));

        for (ssize_t i = 0; i < n;) {
                const struct inotify_event *event = (const struct inotify_event *)(events + i);

                handle_event(userdata, event);
                i += (ssize_t)(sizeof(*event) + event->len);
        }
}

int triggers_new(const char *sysfs, bool may_wait, struct event_base *base, TriggerHandler handler,
                 void *userdata, Triggers **ret) {
        _cleanup_(triggers_freep) Triggers *t = calloc(1, sizeof(*t));
        int r;

        if (!t)
                return -ENOMEM;
        TAILQ_INIT(&t->watches);
        t->handler = handler;
        t->userdata = userdata;
        snprintf(t->sysfs, sizeof(t->sysfs), "%s", sysfs);
        t->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (t->fd < 0)
                return -errno;
        t->event = event_new(base, t->fd, EV_READ | EV_PERSIST, on_readable, t);
        if (!t->event)
                return -ENOMEM;
        event_add(t->event, NULL);
        r = may_wait ? gate_new(base, on_gate, t, &t->gate) : 0;
        if (r < 0)
                log_warning("Root cannot be made to wait until a mailbox is left, going on with notice "
                            "only: %s",
                            strerror(-r));
        watch_files(t, sysfs, bus_files, ELEMENTS(bus_files), "");
        triggers_watch_drivers(t);
        *ret = TAKE_PTR(t);
        return 0;
}

Triggers *triggers_free(Triggers *t) {
        Watch *w;

        if (!t)
                return NULL;
        while ((w = TAILQ_FIRST(&t->watches)))
                drop_watch(t, w);
        gate_free(t->gate);
        if (t->event)
                event_free(t->event);
        if (t->fd >= 0)
                close(t->fd);
        free(t);
        return NULL;
}
