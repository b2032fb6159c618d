/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/triggers.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sys/inotify.h>
#include <sys/queue.h>
#include <sys/stat.h>

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
        WatchKind watch_kind;
        TriggerKind kind;
        char object[OBJECT_MAX];
} Watch;

struct Triggers {
        int fd;
        char sysfs[PATH_MAX];
        TAILQ_HEAD(, Watch) watches;
        struct event *event;
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

static void add_watch(Triggers *t, const char *path, uint32_t mask, const Watch *like) {
        int wd = inotify_add_watch(t->fd, path, mask);
        Watch *w;

        if (wd < 0) {
                if (errno != ENOENT && errno != ENOTDIR)
                        log_warning("Cannot watch %s, ignoring: %m", path);
                return;
        }
        /* the same file gives the same descriptor */
        w = find_wd(t, wd);
        if (w)
                return;
        w = malloc(sizeof(*w));
        if (!w) {
                inotify_rm_watch(t->fd, wd);
                return;
        }
        *w = *like;
        w->wd = wd;
        TAILQ_INSERT_TAIL(&t->watches, w, link);
}

static void watch_file(Triggers *t, const char *path, TriggerKind kind, const char *object) {
        Watch like = { .watch_kind = WATCH_FILE, .kind = kind };
        struct stat st;

        if (stat(path, &st) < 0)
                return;
        snprintf(like.object, sizeof(like.object), "%s", object);
        add_watch(t, path, st.st_mode & S_IRWXO ? IN_CLOSE_WRITE : IN_OPEN, &like);
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
        add_watch(t, folder, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR, &(Watch){ .watch_kind = WATCH_DRIVERS });
        while ((entry = readdir(dir)))
                if (entry->d_name[0] != '.' && sysfs_path(path, "%s/%s", folder, entry->d_name) == 0)
                        watch_files(t, path, files, n, entry->d_name);
        closedir(dir);
}

void triggers_watch_drivers(Triggers *t) {
        watch_drivers_of(t, "pci", pci_driver_files, ELEMENTS(pci_driver_files));
        watch_drivers_of(t, "cxl", cxl_driver_files, ELEMENTS(cxl_driver_files));
}

void triggers_watch_device(Triggers *t, const char *address) {
        char path[PATH_MAX];

        if (sysfs_path(path, "%s/bus/pci/devices/%s", t->sysfs, address) == 0)
                watch_files(t, path, device_files, ELEMENTS(device_files), address);
}

static void drop_watch(Triggers *t, Watch *w) {
        TAILQ_REMOVE(&t->watches, w, link);
        free(w);
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

static void handle_event(Triggers *t, const struct inotify_event *event) {
        Watch *w;

        if (event->mask & IN_Q_OVERFLOW) {
                /* any of them may have been meant */
                t->handler(t->userdata, TRIGGER_LOST, "", true);
                t->handler(t->userdata, TRIGGER_LOCKDOWN, "", false);
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
                t->handler(t->userdata, w->kind, w->object, event->mask & IN_OPEN);
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

int triggers_new(const char *sysfs, struct event_base *base, TriggerHandler handler, void *userdata,
                 Triggers **ret) {
        _cleanup_(triggers_freep) Triggers *t = calloc(1, sizeof(*t));

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
        if (t->event)
                event_free(t->event);
        if (t->fd >= 0)
                close(t->fd);
        free(t);
        return NULL;
}
