/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/monitor-fifo.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "daemon/util/cleanup.h"
#include "daemon/util/log.h"

struct MonitorFifo {
        int fd;
        struct event *event;
        UeventHandler handler;
        void *userdata;
        char line[MONITOR_FIFO_LINE_MAX];
        size_t n_bytes;
        bool is_skipping; /* the rest of a line that is too long */
};
DEFINE_CLEANUP(MonitorFifo *, monitor_fifo_free);

static void handle_line(MonitorFifo *m, char *line) {
        Uevent event;

        if (uevent_parse(line, &event) == 0)
                m->handler(m->userdata, &event);
        else
                log_warning("A line of the uevents FIFO is no event, ignoring");
}

static void handle_lines(MonitorFifo *m) {
        char *begin = m->line, *end;

        while ((end = memchr(begin, '\n', m->n_bytes - (size_t)(begin - m->line)))) {
                *end = '\0';
                if (!m->is_skipping)
                        handle_line(m, begin);
                m->is_skipping = false;
                begin = end + 1;
        }
        m->n_bytes -= (size_t)(begin - m->line);
        memmove(m->line, begin, m->n_bytes);
        if (m->n_bytes == sizeof(m->line)) {
                m->n_bytes = 0;
                m->is_skipping = true;
        }
}

static void on_readable(evutil_socket_t fd, short what, void *userdata) {
        MonitorFifo *m = userdata;
        ssize_t n;

        while ((n = read(fd, m->line + m->n_bytes, sizeof(m->line) - m->n_bytes)) > 0) {
                m->n_bytes += (size_t)n;
                handle_lines(m);
        }
}

int monitor_fifo_new(const char *path, struct event_base *base, UeventHandler handler, void *userdata,
                     MonitorFifo **ret) {
        _cleanup_(monitor_fifo_freep) MonitorFifo *m = calloc(1, sizeof(*m));
        struct stat st;

        if (!m)
                return -ENOMEM;
        /* for writing too, so that it does not end with its last writer */
        m->fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (m->fd < 0 || fstat(m->fd, &st) < 0)
                return -errno;
        if (!S_ISFIFO(st.st_mode))
                return -EINVAL;
        m->handler = handler;
        m->userdata = userdata;
        m->event = event_new(base, m->fd, EV_READ | EV_PERSIST, on_readable, m);
        if (!m->event)
                return -ENOMEM;
        event_add(m->event, NULL);
        *ret = TAKE_PTR(m);
        return 0;
}

MonitorFifo *monitor_fifo_free(MonitorFifo *m) {
        if (!m)
                return NULL;
        if (m->event)
                event_free(m->event);
        if (m->fd >= 0)
                close(m->fd);
        free(m);
        return NULL;
}
