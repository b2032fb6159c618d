/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus/capture-pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>

#include "daemon/bus/audit.h"
#include "daemon/core/manager.h"
#include "daemon/util/clock.h"

#define STOP_USEC USEC_PER_SEC

typedef struct CapturePipe CapturePipe;
LIST_HEAD(CapturePipeList, CapturePipe);

struct CapturePipes {
        struct event_base *base;
        struct CapturePipeList list;
};

struct CapturePipe {
        Capture *capture;
        int fd;                  /* the writing end */
        struct event *end_event; /* a pipe that nobody reads any more is "readable" at this end */
        struct event *out_event; /* only while something waits */
        uint64_t since_usec;
        char *client, *unit; /* of who opened it, who may be gone; unit may be NULL */
        uint32_t pid;
        uid_t uid;
        char description[CAPTURE_DESCRIPTION_MAX];
        LIST_ENTRY(CapturePipe) pipes;
};

/* -------- memory -------- */

static void *undumped_map(size_t n_bytes) {
        void *p = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED)
                return NULL;
        if (madvise(p, n_bytes, MADV_DONTDUMP) < 0) {
                munmap(p, n_bytes);
                return NULL;
        }
        return p;
}

static void undumped_unmap(void *p, size_t n_bytes) {
        munmap(p, n_bytes);
}

const RecorderMemory capture_memory = { .map = undumped_map, .unmap = undumped_unmap };

/* -------- one pipe -------- */

static CapturePipe *capture_pipe_free(CapturePipe *p) {
        if (!p)
                return NULL;
        if (p->capture)
                recorder_close_capture(p->capture);
        if (p->end_event)
                event_free(p->end_event);
        if (p->out_event)
                event_free(p->out_event);
        if (p->fd >= 0)
                close(p->fd);
        LIST_REMOVE(p, pipes);
        free(p->client);
        free(p->unit);
        free(p);
        return NULL;
}

static void capture_pipe_end(CapturePipe *p, const char *why) {
        const AuditedCapture ended = {
                .uid = p->uid,
                .pid = p->pid,
                .client = p->client,
                .unit = p->unit,
                .filter = p->description,
                .duration_usec = usec_sub(clock_monotonic_usec(), p->since_usec),
                .n_packets = p->capture->n_packets,
                .n_dropped = p->capture->n_dropped,
        };

        audit_capture_closed(&ended, why);
        capture_pipe_free(p);
}

/* Write what goes. Return: 1: all of it; 0: some waits for its reader; -EPIPE: there is none any more. */
static int capture_pipe_flush(CapturePipe *p) {
        const uint8_t *bytes;
        size_t n_bytes;

        while ((n_bytes = capture_peek(p->capture, &bytes)) > 0) {
                ssize_t n = write(p->fd, bytes, n_bytes);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN ? 0 : -EPIPE;
                capture_consume(p->capture, (size_t)n);
        }
        return 1;
}

static void capture_pipe_on_writable(evutil_socket_t fd, short events, void *userdata) {
        CapturePipe *p = userdata;
        int r = capture_pipe_flush(p);

        if (r == 0)
                event_add(p->out_event, NULL);
        else if (r < 0)
                capture_pipe_end(p, "its reader closed it");
}

static void capture_pipe_on_end(evutil_socket_t fd, short events, void *userdata) {
        capture_pipe_end(userdata, "its reader closed it");
}

static void capture_pipe_on_wake(void *userdata) {
        CapturePipe *p = userdata;

        event_add(p->out_event, NULL);
}

static int capture_pipe_watch(CapturePipe *p, struct event_base *base) {
        p->end_event = event_new(base, p->fd, EV_READ, capture_pipe_on_end, p);
        p->out_event = event_new(base, p->fd, EV_WRITE, capture_pipe_on_writable, p);
        if (!p->end_event || !p->out_event || event_add(p->end_event, NULL) < 0 ||
            event_add(p->out_event, NULL) < 0)
                return -ENOMEM;
        return 0;
}

static int capture_pipe_make(CapturePipe *p, const Client *client, struct event_base *base, int *ret_fd) {
        int fds[2];

        p->client = strdup(client->name);
        p->unit = client->unit ? strdup(client->unit) : NULL;
        if (!p->client || (client->unit && !p->unit))
                return -ENOMEM;
        p->pid = client->pid;
        p->uid = client->uid;
        p->since_usec = clock_monotonic_usec();
        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        p->fd = fds[1];
        *ret_fd = fds[0];
        if (fcntl(p->fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        return capture_pipe_watch(p, base);
}

int capture_pipe_open(CapturePipes *pipes, const Client *client, const CaptureFilter *filter,
                      const char *description, int *ret_fd, Failure *ret_failure) {
        CapturePipe *p = calloc(1, sizeof(*p));
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!p)
                return failure_set(ret_failure, -ENOMEM, "Out of memory");
        p->fd = -EBADF;
        LIST_INSERT_HEAD(&pipes->list, p, pipes);
        snprintf(p->description, sizeof(p->description), "%s", description);
        r = capture_pipe_make(p, client, pipes->base, &fd);
        if (r < 0)
                failure_set(ret_failure, r, "A pipe cannot be made: %s", strerror(-r));
        else
                r = recorder_open_capture(client->manager->recorder, filter, capture_pipe_on_wake, p,
                                          &p->capture, ret_failure);
        if (r < 0) {
                capture_pipe_free(p);
                return r;
        }
        audit_capture_opened(client, p->description);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* -------- all of them -------- */

CapturePipes *capture_pipes_new(struct event_base *base) {
        CapturePipes *pipes = calloc(1, sizeof(*pipes));

        if (!pipes)
                return NULL;
        pipes->base = base;
        LIST_INIT(&pipes->list);
        return pipes;
}

/* Whole packets as far as its reader takes them in time. */
static void capture_pipe_deliver(CapturePipe *p, uint64_t deadline_usec) {
        while (capture_pipe_flush(p) == 0) {
                uint64_t left_usec = usec_sub(deadline_usec, clock_monotonic_usec());

                if (left_usec == 0)
                        return;
                (void)poll(&(struct pollfd){ .fd = p->fd, .events = POLLOUT }, 1,
                           (int)(left_usec / USEC_PER_MSEC) + 1);
        }
}

CapturePipes *capture_pipes_free(CapturePipes *pipes) {
        uint64_t deadline_usec = usec_add(clock_monotonic_usec(), STOP_USEC);

        if (!pipes)
                return NULL;
        while (!LIST_EMPTY(&pipes->list)) {
                capture_pipe_deliver(LIST_FIRST(&pipes->list), deadline_usec);
                capture_pipe_end(LIST_FIRST(&pipes->list), "doed stops");
        }
        free(pipes);
        return NULL;
}
