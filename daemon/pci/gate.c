/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/queue.h>
#include <sys/signalfd.h>

#include "daemon/util/log.h"

/* A lease cannot be had while somebody has the file open: tried again after so long, then less and less
 * often. */
#define RETRY_FIRST_MSEC 100u
#define RETRY_MAX_MSEC   2000u /* what is opened meanwhile goes unseen where inotify may not look */

struct GatedFile {
        LIST_ENTRY(GatedFile) link;
        Gate *gate;
        int fd;
        bool is_leased;
        void *cookie;
};

struct Gate {
        LIST_HEAD(, GatedFile) files;
        int fd; /* signals */
        struct event *event, *retry;
        unsigned retry_msec;
        GateHandler handler;
        void *userdata;
};

static int gate_signal(void) {
        return SIGRTMIN;
}

static void retry_later(Gate *g) {
        const struct timeval later = { .tv_sec = g->retry_msec / 1000,
                                       .tv_usec = (suseconds_t)(g->retry_msec % 1000) * 1000 };

        if (event_pending(g->retry, EV_TIMEOUT, NULL))
                return;
        event_add(g->retry, &later);
        g->retry_msec = MIN_OF(2 * g->retry_msec, RETRY_MAX_MSEC);
}

/* Somebody opened one, and will close it soon. */
static void retry_soon(Gate *g) {
        g->retry_msec = RETRY_FIRST_MSEC;
        event_del(g->retry);
        retry_later(g);
}

static int take_lease(GatedFile *file) {
        if (fcntl(file->fd, F_SETLEASE, F_WRLCK) == 0)
                file->is_leased = true;
        else if (errno == EAGAIN)
                retry_later(file->gate);
        else
                return -errno;
        return 0;
}

static void open_gate(GatedFile *file) {
        file->gate->handler(file->gate->userdata, file->cookie);
        file->is_leased = false;
        if (fcntl(file->fd, F_SETLEASE, F_UNLCK) < 0)
                log_warning("Cannot let somebody pass who waits for us: %m");
        retry_soon(file->gate);
}

static void on_retry(evutil_socket_t fd, short what, void *userdata) {
        Gate *g = userdata;
        GatedFile *file;

        LIST_FOREACH (file, &g->files, link)
                if (!file->is_leased)
                        (void)take_lease(file);
}

/* A signal may stand for more than one: the leases that are to be given up tell which files are meant. */
static void on_signal(evutil_socket_t fd, short what, void *userdata) {
        struct signalfd_siginfo info;
        Gate *g = userdata;
        GatedFile *file;

        while (read(fd, &info, sizeof(info)) == sizeof(info))
                LIST_FOREACH (file, &g->files, link)
                        if (file->is_leased && fcntl(file->fd, F_GETLEASE) != F_WRLCK)
                                open_gate(file);
}

int gate_new(struct event_base *base, GateHandler handler, void *userdata, Gate **ret) {
        _cleanup_(gate_freep) Gate *g = calloc(1, sizeof(*g));
        sigset_t signals;

        if (!g)
                return -ENOMEM;
        LIST_INIT(&g->files);
        g->retry_msec = RETRY_FIRST_MSEC;
        g->handler = handler;
        g->userdata = userdata;
        /* SIGIO comes where the queue of the other is full; either ends a process that does not block it */
        sigemptyset(&signals);
        sigaddset(&signals, gate_signal());
        sigaddset(&signals, SIGIO);
        pthread_sigmask(SIG_BLOCK, &signals, NULL);
        g->fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
        if (g->fd < 0)
                return -errno;
        g->event = event_new(base, g->fd, EV_READ | EV_PERSIST, on_signal, g);
        g->retry = evtimer_new(base, on_retry, g);
        if (!g->event || !g->retry)
                return -ENOMEM;
        event_add(g->event, NULL);
        *ret = TAKE_PTR(g);
        return 0;
}

Gate *gate_free(Gate *g) {
        if (!g)
                return NULL;
        if (g->event)
                event_free(g->event);
        if (g->retry)
                event_free(g->retry);
        if (g->fd >= 0)
                close(g->fd);
        free(g);
        return NULL;
}

int gate_add(Gate *g, const char *path, void *cookie, GatedFile **ret) {
        /* to this thread alone, since it is the one that has them blocked for sure */
        const struct f_owner_ex owner = { .type = F_OWNER_TID, .pid = gettid() };
        GatedFile *file = calloc(1, sizeof(*file));
        int r;

        if (!file)
                return -ENOMEM;
        file->gate = g;
        file->cookie = cookie;
        LIST_INSERT_HEAD(&g->files, file, link);
        /* an open for writing does nothing to such a file, and some of them cannot be read */
        file->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (file->fd < 0 || fcntl(file->fd, F_SETSIG, gate_signal()) < 0 ||
            fcntl(file->fd, F_SETOWN_EX, &owner) < 0)
                r = -errno;
        else
                r = take_lease(file);
        if (r < 0) {
                gate_remove(file);
                return r;
        }
        *ret = file;
        return 0;
}

GatedFile *gate_remove(GatedFile *file) {
        if (!file)
                return NULL;
        LIST_REMOVE(file, link);
        if (file->fd >= 0)
                close(file->fd); /* and with it the lease */
        free(file);
        return NULL;
}
