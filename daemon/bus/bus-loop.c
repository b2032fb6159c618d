/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus/bus-loop.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>

#include "daemon/util/clock.h"

struct BusLoop {
        sd_bus *bus;
        struct event *event;
        int events;        /* as armed last */
        uint64_t due_usec; /* likewise */
};

/* Waking up is all: the turn that follows dispatches. */
static void bus_loop_on_event(evutil_socket_t fd, short events, void *userdata) {
}

int bus_loop_new(sd_bus *bus, struct event_base *base, BusLoop **ret) {
        _cleanup_(bus_loop_freep) BusLoop *loop = calloc(1, sizeof(*loop));
        int fd = sd_bus_get_fd(bus);

        if (!loop)
                return -ENOMEM;
        if (fd < 0)
                return fd;
        loop->bus = bus;
        loop->event = event_new(base, fd, EV_READ, bus_loop_on_event, loop);
        if (!loop->event)
                return -ENOMEM;
        *ret = TAKE_PTR(loop);
        return 0;
}

BusLoop *bus_loop_free(BusLoop *loop) {
        if (loop && loop->event)
                event_free(loop->event);
        free(loop);
        return NULL;
}

int bus_loop_dispatch(BusLoop *loop) {
        for (unsigned i = 0; i < BUS_LOOP_MESSAGES_MAX; i++) {
                int r = sd_bus_process(loop->bus, NULL);

                if (r < 0)
                        return r;
                if (r == 0)
                        break;
        }
        return sd_bus_is_open(loop->bus) > 0 ? 0 : -ENOTCONN;
}

int bus_loop_arm(BusLoop *loop) {
        struct event_base *base = event_get_base(loop->event);
        uint64_t due_usec, wait_usec;
        struct timeval wait;
        int events = sd_bus_get_events(loop->bus), fd = sd_bus_get_fd(loop->bus), r;

        if (events < 0)
                return events;
        if (fd < 0)
                return fd;
        r = sd_bus_get_timeout(loop->bus, &due_usec);
        if (r < 0)
                return r;
        /* most turns change nothing, and the event stays as it is */
        if (events == loop->events && due_usec == USEC_INFINITY && loop->due_usec == USEC_INFINITY &&
            event_pending(loop->event, EV_READ | EV_WRITE, NULL))
                return 0;
        wait_usec = usec_sub(due_usec, clock_monotonic_usec());
        wait.tv_sec = (time_t)(wait_usec / USEC_PER_SEC);
        wait.tv_usec = (suseconds_t)(wait_usec % USEC_PER_SEC);

        event_del(loop->event);
        r = event_assign(loop->event, base, fd,
                         (short)(EV_PERSIST | (events & POLLIN ? EV_READ : 0) |
                                 (events & POLLOUT ? EV_WRITE : 0)),
                         bus_loop_on_event, loop);
        if (r < 0 || event_add(loop->event, due_usec == USEC_INFINITY ? NULL : &wait) < 0)
                return -EIO;
        loop->events = events;
        loop->due_usec = due_usec;
        return 0;
}
