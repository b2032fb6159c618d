/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/wire/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "protocols/cursor.h"

#define RECEIVE_BYTES_MIN 8192u
#define RECEIVE_BYTES_MAX 65536u /* a buffer above this is given back once it is empty */

/* A frame is completed before the next one's first byte can bring a descriptor: one of each may be here. */
#define RECEIVE_FDS_MAX 2u

/* Set in the type of a frame whose first byte carries a descriptor: the kernel may hand bytes of several
 * frames over in one piece, and only this tells to which of them the descriptor belongs. */
#define FRAME_HAS_FD 0x80000000u
#define FRAME_TYPE   4u /* where the type stands */

typedef struct Unsent {
        TAILQ_ENTRY(Unsent) link;
        uint8_t *frame;
        size_t n_bytes, n_sent;
        int fd; /* ours, until the first byte has gone; or -EBADF */
} Unsent;

struct WireConnection {
        int fd;
        int error; /* of sending, once and for ever: a part of a frame may have gone */
        TAILQ_HEAD(, Unsent) unsent;
        size_t n_unsent;
        uint8_t *received;
        size_t n_allocated, begin, end; /* unread bytes are [begin, end) */
        int fds[RECEIVE_FDS_MAX];
        size_t n_fds;
};

static Unsent *unsent_free(Unsent *u) {
        if (u->fd >= 0)
                close(u->fd);
        free(u->frame);
        free(u);
        return NULL;
}
DEFINE_CLEANUP(Unsent *, unsent_free);

int wire_connection_new(int fd, WireConnection **ret) {
        WireConnection *c;
        int flags = fcntl(fd, F_GETFL);

        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
                return -errno;
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->fd = fd;
        TAILQ_INIT(&c->unsent);
        *ret = c;
        return 0;
}

int wire_connection_connect(const char *path, WireConnection **ret) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); /* a full backlog is -EAGAIN */
        if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        r = wire_connection_new(fd, ret);
        if (r < 0)
                return r;
        TAKE_FD(fd);
        return 0;
}

WireConnection *wire_connection_free(WireConnection *c) {
        Unsent *u;

        if (!c)
                return NULL;
        while ((u = TAILQ_FIRST(&c->unsent))) {
                TAILQ_REMOVE(&c->unsent, u, link);
                unsent_free(u);
        }
        for (size_t i = 0; i < c->n_fds; i++)
                close(c->fds[i]);
        close(c->fd);
        free(c->received);
        free(c);
        return NULL;
}

int wire_connection_fd(const WireConnection *c) {
        return c->fd;
}

bool wire_connection_wants_write(const WireConnection *c) {
        return c->n_unsent > 0 && c->error == 0;
}

size_t wire_connection_n_unsent(const WireConnection *c) {
        return c->n_unsent;
}

/* Return: bytes that went; -EAGAIN; -errno. */
static ssize_t send_some(WireConnection *c, Unsent *u) {
        struct iovec iov = { .iov_base = u->frame + u->n_sent, .iov_len = u->n_bytes - u->n_sent };
        union {
                struct cmsghdr header;
                uint8_t space[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
        ssize_t n;

        if (u->fd >= 0) {
                msg.msg_control = &control;
                msg.msg_controllen = sizeof(control);
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(&control.header), &u->fd, sizeof(int));
        }
        do
                n = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : n;
}

int wire_connection_flush(WireConnection *c) {
        Unsent *u;

        while (c->error == 0 && (u = TAILQ_FIRST(&c->unsent))) {
                ssize_t n = send_some(c, u);

                if (n == -EAGAIN)
                        break;
                if (n < 0) {
                        c->error = (int)n;
                        break;
                }
                if (u->fd >= 0) {
                        close(u->fd);
                        u->fd = -EBADF;
                }
                u->n_sent += (size_t)n;
                c->n_unsent -= (size_t)n;
                if (u->n_sent == u->n_bytes) {
                        TAILQ_REMOVE(&c->unsent, u, link);
                        unsent_free(u);
                }
        }
        return c->error;
}

int wire_connection_send(WireConnection *c, const WireMessage *message, int fd) {
        _cleanup_(unsent_freep) Unsent *u = NULL;
        int r;

        if (c->error < 0)
                return c->error;
        u = calloc(1, sizeof(*u));
        if (!u)
                return -ENOMEM;
        u->fd = -EBADF;
        r = wire_encode(message, &u->frame, &u->n_bytes);
        if (r < 0)
                return r;
        if (c->n_unsent + u->n_bytes > WIRE_SEND_BYTES_MAX)
                return -ENOBUFS;
        if (fd >= 0) {
                u->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
                if (u->fd < 0)
                        return -errno;
                doe_store_le32(u->frame + FRAME_TYPE, message->type | FRAME_HAS_FD);
        }
        c->n_unsent += u->n_bytes;
        TAILQ_INSERT_TAIL(&c->unsent, u, link);
        TAKE_PTR(u);
        return wire_connection_flush(c);
}

/* Make room for a whole frame of @n_bytes that starts at begin, and for more where it is cheap. */
static int reserve(WireConnection *c, size_t n_bytes) {
        size_t n_wanted = MAX_OF(n_bytes, (size_t)RECEIVE_BYTES_MIN);
        uint8_t *larger;

        if (c->begin > 0) {
                memmove(c->received, c->received + c->begin, c->end - c->begin);
                c->end -= c->begin;
                c->begin = 0;
        }
        if (c->n_allocated >= n_wanted)
                return 0;
        larger = realloc(c->received, n_wanted);
        if (!larger)
                return -ENOMEM;
        c->received = larger;
        c->n_allocated = n_wanted;
        return 0;
}

static int take_fds(WireConnection *c, struct msghdr *msg) {
        int r = msg->msg_flags & MSG_CTRUNC ? -EBADMSG : 0;

        for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
                if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
                        continue;
                for (size_t i = 0; i < (h->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
                        if (c->n_fds < RECEIVE_FDS_MAX) {
                                c->fds[c->n_fds++] = fd;
                        } else {
                                close(fd);
                                r = -EBADMSG;
                        }
                }
        }
        return r;
}

/* Return: 1: something came; 0: nothing is there; -ECONNRESET; -EBADMSG; -errno. */
static int receive_some(WireConnection *c) {
        struct iovec iov = { .iov_base = c->received + c->end, .iov_len = c->n_allocated - c->end };
        union {
                struct cmsghdr header;
                uint8_t space[CMSG_SPACE(RECEIVE_FDS_MAX * sizeof(int))];
        } control;
        struct msghdr msg = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
        };
        ssize_t n;
        int r;

        do
                n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == EAGAIN ? 0 : -errno;
        r = take_fds(c, &msg);
        if (r < 0)
                return r;
        c->end += (size_t)n;
        return n > 0 ? 1 : -ECONNRESET;
}

/* A frame stands whole at begin. */
static int decode_frame(WireConnection *c, size_t n_bytes, WireMessage *ret, int *ret_fd) {
        uint8_t *frame = c->received + c->begin;
        uint32_t type = doe_load_le32(frame + FRAME_TYPE);
        bool has_fd = type & FRAME_HAS_FD;
        int r;

        if (has_fd && c->n_fds == 0)
                return -EBADMSG;
        doe_store_le32(frame + FRAME_TYPE, type & ~FRAME_HAS_FD);
        r = wire_decode(frame, n_bytes, ret);
        if (r < 0)
                return r;
        c->begin += n_bytes;
        *ret_fd = -1;
        if (has_fd) {
                *ret_fd = c->fds[0];
                c->n_fds--;
                memmove(c->fds, c->fds + 1, c->n_fds * sizeof(int));
        }
        return 1;
}

static void give_back_memory(WireConnection *c) {
        if (c->begin < c->end)
                return;
        c->begin = c->end = 0;
        if (c->n_allocated > RECEIVE_BYTES_MAX) {
                free(c->received);
                c->received = NULL;
                c->n_allocated = 0;
        }
}

int wire_connection_receive(WireConnection *c, WireMessage *ret, int *ret_fd) {
        size_t n_bytes;
        int r;

        give_back_memory(c);
        for (;;) {
                n_bytes = WIRE_FRAME_HEADER;
                if (c->end - c->begin >= WIRE_FRAME_HEADER) {
                        n_bytes = doe_load_le32(c->received + c->begin);
                        if (n_bytes < WIRE_FRAME_HEADER || n_bytes > WIRE_FRAME_MAX)
                                return -EBADMSG;
                        if (c->end - c->begin >= n_bytes)
                                return decode_frame(c, n_bytes, ret, ret_fd);
                }
                r = reserve(c, n_bytes);
                if (r < 0)
                        return r;
                r = receive_some(c);
                if (r <= 0)
                        return r;
        }
}
