/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/worker-peer.h"

#include <errno.h>
#include <poll.h>

static void lose_with(WorkerPeer *p, const char *what, int error) {
        char why[WIRE_TEXT_MAX];

        snprintf(why, sizeof(why), "%s: %s", what, strerror(-error));
        worker_peer_lose(p, why);
}

static void lose_send(WorkerPeer *p, int error) {
        p->is_closed = error == -EPIPE || error == -ECONNRESET;
        lose_with(p, "cannot send", error);
}

void worker_peer_attach(WorkerPeer *p, int fd, uint64_t id) {
        int r;

        worker_peer_drop(p);
        p->id = id;
        r = wire_connection_new(fd, &p->connection);
        if (r < 0) {
                close(fd);
                lose_with(p, "cannot use its socket", r);
        }
}

void worker_peer_drop(WorkerPeer *p) {
        wire_connection_free(p->connection);
        *p = (WorkerPeer){};
}

void worker_peer_lose(WorkerPeer *p, const char *why) {
        if (!p->lost[0])
                wire_text_set(p->lost, sizeof(p->lost), why);
}

void worker_peer_send(WorkerPeer *p, const WireMessage *message) {
        int r;

        if (!p->connection || p->lost[0])
                return;
        r = wire_connection_send(p->connection, message, -1);
        if (r < 0)
                lose_send(p, r);
}

void worker_peer_refuse(WorkerPeer *p, uint64_t job_id, int error, const char *evidence) {
        WireMessage m = { .type = WIRE_DONE,
                          .done = { .job_id = job_id, .error = error, .not_started = true } };

        wire_text_set(m.done.evidence, sizeof(m.done.evidence), evidence);
        worker_peer_send(p, &m);
}

int worker_peer_fd(const WorkerPeer *p) {
        return p->connection ? wire_connection_fd(p->connection) : -1;
}

short worker_peer_events(const WorkerPeer *p) {
        if (!p->connection)
                return 0;
        return wire_connection_wants_write(p->connection) ? POLLIN | POLLOUT : POLLIN;
}

bool worker_peer_receive(WorkerPeer *p, WireMessage *ret) {
        int fd = -1, r;

        /* what it sent before it closed the socket is there to be read all the same */
        if (!p->connection || (p->lost[0] && !p->is_closed))
                return false;
        r = wire_connection_receive(p->connection, ret, &fd);
        if (r < 0)
                lose_with(p, "cannot receive", r);
        if (fd >= 0) {
                close(fd);
                worker_peer_lose(p, "sent a descriptor");
                return false;
        }
        return r > 0;
}

void worker_peer_flush(WorkerPeer *p) {
        int r = p->connection ? wire_connection_flush(p->connection) : 0;

        if (r < 0)
                lose_send(p, r);
}
