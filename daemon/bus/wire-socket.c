/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus/wire-socket.h"

#include <errno.h>
#include <sys/queue.h>

/* A peer that goes on sending while it is given up. */
#define DRAIN_MESSAGES_MAX 4096u

typedef struct Backlog {
        TAILQ_ENTRY(Backlog) entries;
        WireMessage message;
        uint8_t payload[];
} Backlog;

struct WireSocket {
        WireConnection *connection;
        struct event *read_event, *write_event, *again_timer;
        const WireSocketHandlers *handlers;
        void *userdata;
        int error; /* of sending; told at the next turn */
        TAILQ_HEAD(, Backlog) backlog;
        size_t n_backlog;
};

/* In the next turn of the loop: an event that is activated by hand would have its turn before everybody
 * else. */
static void wire_socket_read_again(WireSocket *s) {
        static const struct timeval now = {};

        evtimer_add(s->again_timer, &now);
}

static void wire_socket_fail(WireSocket *s, int error) {
        s->error = error;
        /* whoever sends is in the midst of something */
        wire_socket_read_again(s);
}

static void wire_socket_arm_write(WireSocket *s) {
        if (wire_connection_wants_write(s->connection))
                event_add(s->write_event, NULL);
}

/* Return: 0; -ENOBUFS: not now; -errno. */
static int wire_socket_send_now(WireSocket *s, const WireMessage *message) {
        int r = wire_connection_send(s->connection, message, -1);

        wire_socket_arm_write(s);
        return r;
}

static int wire_socket_keep(WireSocket *s, const WireMessage *message) {
        size_t n_bytes = message->type == WIRE_EXCHANGE ? message->exchange.n_bytes : 0;
        Backlog *b;

        if (s->n_backlog == WIRE_SOCKET_BACKLOG_MAX)
                return -ENOBUFS;
        b = malloc(sizeof(*b) + n_bytes);
        if (!b)
                return -ENOMEM;
        b->message = *message;
        if (n_bytes > 0) {
                memcpy(b->payload, message->exchange.payload, n_bytes);
                b->message.exchange.payload = b->payload;
        }
        TAILQ_INSERT_TAIL(&s->backlog, b, entries);
        s->n_backlog++;
        return 0;
}

static void wire_socket_drop_first(WireSocket *s) {
        Backlog *b = TAILQ_FIRST(&s->backlog);

        TAILQ_REMOVE(&s->backlog, b, entries);
        s->n_backlog--;
        free(b);
}

static void wire_socket_on_writable(evutil_socket_t fd, short events, void *userdata) {
        WireSocket *s = userdata;
        int r = wire_connection_flush(s->connection);

        while (r >= 0 && s->n_backlog > 0) {
                r = wire_socket_send_now(s, &TAILQ_FIRST(&s->backlog)->message);
                if (r >= 0)
                        wire_socket_drop_first(s);
        }
        if (r < 0 && r != -ENOBUFS)
                wire_socket_fail(s, r);
        else
                wire_socket_arm_write(s);
}

/* Return: 1: one was handled; 0: nothing is there; -errno. */
static int wire_socket_receive(WireSocket *s) {
        _cleanup_close_ int fd = -1;
        WireMessage message;
        int r = wire_connection_receive(s->connection, &message, &fd);

        if (r <= 0)
                return r;
        r = s->handlers->on_message(s->userdata, &message, &fd);
        return r < 0 ? r : 1;
}

static void wire_socket_on_readable(evutil_socket_t fd, short events, void *userdata) {
        WireSocket *s = userdata;
        int r = 1;

        for (unsigned i = 0; r > 0 && i < WIRE_SOCKET_MESSAGES_MAX; i++)
                r = wire_socket_receive(s);
        /* the connection may hold more that no descriptor will wake us for */
        if (r > 0)
                wire_socket_read_again(s);
        else if (r < 0 || s->error < 0)
                s->handlers->on_end(s->userdata, r < 0 ? r : s->error);
}

int wire_socket_new(struct event_base *base, WireConnection *connection, const WireSocketHandlers *handlers,
                    void *userdata, WireSocket **ret) {
        WireSocket *s = calloc(1, sizeof(*s));
        int fd = wire_connection_fd(connection);

        if (!s)
                return -ENOMEM;
        TAILQ_INIT(&s->backlog);
        s->handlers = handlers;
        s->userdata = userdata;
        s->read_event = event_new(base, fd, EV_READ | EV_PERSIST, wire_socket_on_readable, s);
        s->write_event = event_new(base, fd, EV_WRITE, wire_socket_on_writable, s);
        s->again_timer = evtimer_new(base, wire_socket_on_readable, s);
        if (!s->read_event || !s->write_event || !s->again_timer || event_add(s->read_event, NULL) < 0) {
                wire_socket_free(s);
                return -ENOMEM;
        }
        s->connection = connection;
        *ret = s;
        return 0;
}

WireSocket *wire_socket_free(WireSocket *s) {
        if (!s)
                return NULL;
        while (s->n_backlog > 0)
                wire_socket_drop_first(s);
        if (s->read_event)
                event_free(s->read_event);
        if (s->write_event)
                event_free(s->write_event);
        if (s->again_timer)
                event_free(s->again_timer);
        wire_connection_free(s->connection);
        free(s);
        return NULL;
}

bool wire_socket_has_room(const WireSocket *s) {
        return s->n_backlog == 0;
}

void wire_socket_send(WireSocket *s, const WireMessage *message) {
        int r = s->n_backlog > 0 ? -ENOBUFS : wire_socket_send_now(s, message);

        if (r == -ENOBUFS)
                r = wire_socket_keep(s, message);
        if (r < 0)
                wire_socket_fail(s, r);
}

void wire_socket_drain(WireSocket *s) {
        int r = 1;

        for (unsigned i = 0; r > 0 && i < DRAIN_MESSAGES_MAX; i++)
                r = wire_socket_receive(s);
}
