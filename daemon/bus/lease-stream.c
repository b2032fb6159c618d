/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Not a bufferevent: that stops watching a descriptor whose reading it has suspended, and so would learn of
 * a holder that closes it only much later. The descriptor is watched edge-triggered for its whole life
 * instead. An object of usual size costs one wake-up, one read and one write. */

#include "daemon/bus/lease-stream.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <event2/buffer.h>

#include "daemon/util/clock.h"

#define READ_BYTES_MIN 4096u
#define READ_BYTES_MAX 65536u
#define PIECES_MAX     8
#define STOP_USEC      USEC_PER_SEC
/* Of what a socket holds: no more can come by then. */
#define CLOSE_READS_MAX 1024u

typedef struct LeaseStream LeaseStream;
LIST_HEAD(LeaseStreamList, LeaseStream);

struct LeaseStreams {
        struct event_base *base;
        struct LeaseStreamList list;
};

struct LeaseStream {
        Lease *lease; /* NULL: it is over */
        int fd;
        bool is_watched_only;                 /* REGISTERS */
        struct event *event;                  /* something to read, or an end: edge-triggered */
        struct event *out_event;              /* only while output waits */
        struct event *wake_timer, *end_timer; /* the second once the lease is over */
        struct evbuffer *input;               /* at most one object and one read */
        struct evbuffer *output; /* at most the bound, one object, and errors of what was under way */
        uint32_t n_skip;         /* bytes of an object that is too large */
        bool may_read;           /* the socket may hold bytes, or an end, that no edge will tell of again */
        bool is_half_closed;     /* it writes no more: what is in the socket is the rest */
        bool is_at_end;          /* and that was read */
        bool is_finished;        /* nothing more is taken from it */
        bool is_hung_up;         /* nobody has the other end any more, or nobody can read from it */
        bool is_hang_up_told;    /* to the lease */
        bool is_blocked;         /* as the lease was told */
        LIST_ENTRY(LeaseStream) streams;
};

static LeaseStream *lease_stream_free(LeaseStream *s) {
        if (!s)
                return NULL;
        if (s->event)
                event_free(s->event);
        if (s->out_event)
                event_free(s->out_event);
        if (s->wake_timer)
                event_free(s->wake_timer);
        if (s->end_timer)
                event_free(s->end_timer);
        if (s->input)
                evbuffer_free(s->input);
        if (s->output)
                evbuffer_free(s->output);
        if (s->fd >= 0)
                close(s->fd);
        LIST_REMOVE(s, streams);
        free(s);
        return NULL;
}

/* In the next turn of the loop: whoever asks for it is in the midst of something, and an event that is
 * activated by hand would have its turn before everybody else. */
static void lease_stream_wake(LeaseStream *s) {
        static const struct timeval now = {};

        evtimer_add(s->wake_timer, &now);
}

/* -------- out -------- */

/* Send what goes. */
static void lease_stream_flush(LeaseStream *s) {
        struct evbuffer_iovec pieces[PIECES_MAX];
        ssize_t n = 0;

        while (n >= 0 && !s->is_hung_up && evbuffer_get_length(s->output) > 0) {
                int n_pieces = MIN_OF(evbuffer_peek(s->output, -1, NULL, pieces, PIECES_MAX), PIECES_MAX);
                struct msghdr message = { .msg_iov = (struct iovec *)pieces,
                                          .msg_iovlen = (size_t)n_pieces };

                n = sendmsg(s->fd, &message, MSG_NOSIGNAL);
                if (n > 0)
                        evbuffer_drain(s->output, (size_t)n);
                else if (errno != EAGAIN && errno != EINTR)
                        s->is_hung_up = true;
        }
        if (s->is_hung_up)
                evbuffer_drain(s->output, evbuffer_get_length(s->output));
        else if (evbuffer_get_length(s->output) > 0)
                event_add(s->out_event, NULL);
}

static void lease_stream_send(void *userdata, const uint8_t *object, size_t n_bytes) {
        LeaseStream *s = userdata;
        bool was_empty = evbuffer_get_length(s->output) == 0;

        if (s->is_hung_up)
                return;
        /* an answer that is lost would make the next one look like it */
        if (evbuffer_add(s->output, object, n_bytes) < 0)
                s->is_hung_up = true;
        if (was_empty)
                lease_stream_flush(s);
        if (s->is_hung_up || evbuffer_get_length(s->output) > LEASE_STREAM_OUTPUT_MAX)
                lease_stream_wake(s);
}

/* Once it is full, half of it must be read before it counts as empty. */
static bool lease_stream_is_full(const LeaseStream *s) {
        return evbuffer_get_length(s->output) > LEASE_STREAM_OUTPUT_MAX / (s->is_blocked ? 2 : 1);
}

/* -------- in -------- */

/* Bytes that what is begun still lacks. */
static size_t lease_stream_n_missing(const LeaseStream *s) {
        size_t n_have = evbuffer_get_length(s->input);
        uint32_t dwords[DOE_HEADER_DWORDS];
        DoeObjectHeader header;

        if (s->n_skip > 0)
                return s->n_skip;
        if (evbuffer_copyout(s->input, dwords, sizeof(dwords)) < (ssize_t)sizeof(dwords) ||
            doe_object_header_decode(le32toh(dwords[0]), le32toh(dwords[1]), &header) < 0)
                return DOE_HEADER_BYTES;
        return usec_sub(4 * (uint64_t)header.n_dwords, n_have);
}

/* Return: bytes that came; 0: none. */
static size_t lease_stream_read(LeaseStream *s) {
        size_t n_missing = MAX_OF(lease_stream_n_missing(s), (size_t)READ_BYTES_MIN);
        size_t n_wanted = MIN_OF(n_missing, (size_t)READ_BYTES_MAX);
        struct evbuffer_iovec piece;
        ssize_t n;

        if (evbuffer_reserve_space(s->input, (ev_ssize_t)n_wanted, &piece, 1) < 1) {
                s->is_hung_up = true;
                return 0;
        }
        n = recv(s->fd, piece.iov_base, n_wanted, 0);
        if (n < 0) {
                if (errno == EAGAIN)
                        s->may_read = false;
                else if (errno != EINTR)
                        s->is_hung_up = true;
                return 0;
        }
        piece.iov_len = (size_t)n;
        evbuffer_commit_space(s->input, &piece, 1);
        s->is_at_end = n == 0;
        /* less than was wanted has emptied the socket, and more of it makes a new edge; of the end that
         * stands behind the last bytes there was one already */
        if ((size_t)n < n_wanted)
                s->may_read = s->is_half_closed;
        return (size_t)n;
}

static bool lease_stream_skip(LeaseStream *s) {
        size_t n = MIN_OF((size_t)s->n_skip, evbuffer_get_length(s->input));

        evbuffer_drain(s->input, n);
        s->n_skip -= (uint32_t)n;
        return n > 0;
}

static void lease_stream_lose_framing(LeaseStream *s, const char *evidence, uint64_t now_usec) {
        s->is_finished = true;
        lease_framing_lost(s->lease, evidence, now_usec);
}

static void lease_stream_take_object(LeaseStream *s, const DoeObjectHeader *header, size_t n_bytes,
                                     uint64_t now_usec) {
        const uint8_t *object = evbuffer_pullup(s->input, (ev_ssize_t)n_bytes);

        if (object) {
                lease_receive(s->lease, header, object + DOE_HEADER_BYTES, n_bytes - DOE_HEADER_BYTES,
                              now_usec);
                evbuffer_drain(s->input, n_bytes);
        } else
                s->is_hung_up = true;
}

/* The next of what was read. Return: false: it is not whole yet. */
static bool lease_stream_take(LeaseStream *s, uint64_t now_usec) {
        size_t n_have = evbuffer_get_length(s->input), n_bytes;
        uint32_t dwords[DOE_HEADER_DWORDS];
        DoeObjectHeader header;

        if (s->n_skip > 0)
                return lease_stream_skip(s);
        if (evbuffer_copyout(s->input, dwords, sizeof(dwords)) < (ev_ssize_t)sizeof(dwords))
                return false;
        if (doe_object_header_decode(le32toh(dwords[0]), le32toh(dwords[1]), &header) < 0) {
                lease_stream_lose_framing(s, "An object gives its length as 1 dword", now_usec);
                return true;
        }
        n_bytes = 4 * (size_t)header.n_dwords;
        if (n_bytes > lease_object_bytes_max(s->lease)) {
                evbuffer_drain(s->input, sizeof(dwords));
                s->n_skip = (uint32_t)(n_bytes - sizeof(dwords));
                lease_receive_too_large(s->lease, &header, n_bytes, now_usec);
                return true;
        }
        if (n_have < n_bytes)
                return false;
        lease_stream_take_object(s, &header, n_bytes, now_usec);
        return true;
}

static bool lease_stream_wants_more(const LeaseStream *s) {
        return s->lease && !s->is_watched_only && !s->is_finished && !s->is_hung_up &&
               !lease_stream_is_full(s) && lease_wants_more(s->lease);
}

static void lease_stream_on_last(LeaseStream *s, uint64_t now_usec) {
        if (s->n_skip > 0 || evbuffer_get_length(s->input) > 0) {
                lease_stream_lose_framing(s, "The stream ends within an object", now_usec);
        } else {
                s->is_finished = true;
                lease_finish(s->lease, now_usec);
        }
}

static void lease_stream_receive(LeaseStream *s, uint64_t now_usec) {
        size_t n_bytes = 0;
        unsigned n_taken = 0;

        while (lease_stream_wants_more(s)) {
                if (n_taken == LEASE_STREAM_TURN_OBJECTS || n_bytes >= LEASE_STREAM_TURN_BYTES) {
                        lease_stream_wake(s);
                        return;
                }
                if (lease_stream_take(s, now_usec))
                        n_taken++;
                else if (s->is_at_end)
                        lease_stream_on_last(s, now_usec);
                else if (s->may_read)
                        n_bytes += lease_stream_read(s);
                else
                        return;
        }
}

/* -------- the end -------- */

/* Who still has the other end finds what was sent, and then the end. */
static LeaseStream *lease_stream_close(LeaseStream *s) {
        uint8_t buffer[READ_BYTES_MIN];

        /* a socket that is closed with bytes unread gives the other end an error instead of the end */
        (void)shutdown(s->fd, SHUT_RD);
        for (unsigned i = 0; i < CLOSE_READS_MAX && recv(s->fd, buffer, sizeof(buffer), 0) > 0; i++)
                ;
        return lease_stream_free(s);
}

static void lease_stream_end(void *userdata) {
        const struct timeval linger = { .tv_sec = LEASE_STREAM_LINGER_USEC / USEC_PER_SEC };
        LeaseStream *s = userdata;

        s->lease = NULL;
        evtimer_add(s->end_timer, &linger);
        lease_stream_wake(s);
}

static void lease_stream_resume(void *userdata) {
        lease_stream_wake(userdata);
}

static const LeaseStreamOps stream_ops = {
        .send = lease_stream_send,
        .resume = lease_stream_resume,
        .end = lease_stream_end,
};

/* -------- turns -------- */

/* May free @s. */
static void lease_stream_turn(LeaseStream *s) {
        uint64_t now_usec = clock_monotonic_usec();

        lease_stream_receive(s, now_usec);
        if (s->lease && lease_stream_is_full(s) != s->is_blocked) {
                s->is_blocked = !s->is_blocked;
                lease_set_blocked(s->lease, s->is_blocked, now_usec);
        }
        if (s->lease && s->is_hung_up && !s->is_hang_up_told) {
                s->is_hang_up_told = true;
                lease_hang_up(s->lease, now_usec);
        }
        if (!s->lease && (s->is_hung_up || evbuffer_get_length(s->output) == 0))
                lease_stream_close(s);
}

/* libevent does not tell the end of one side from that of both, and tells neither if the other end was
 * closed with answers unread. */
static void lease_stream_on_edge(evutil_socket_t fd, short events, void *userdata) {
        LeaseStream *s = userdata;
        struct pollfd p = { .fd = s->fd, .events = POLLRDHUP };

        s->may_read = true;
        if (poll(&p, 1, 0) > 0) {
                s->is_half_closed |= (p.revents & POLLRDHUP) != 0;
                s->is_hung_up |= (p.revents & (POLLHUP | POLLERR)) != 0;
        }
        lease_stream_turn(s);
}

/* One of that device whose holder has closed it, and whose lease does not know yet. */
static LeaseStream *find_hung_up(const LeaseStreams *streams, const Device *d) {
        LeaseStream *s;

        LIST_FOREACH (s, &streams->list, streams) {
                struct pollfd p = { .fd = s->fd };

                if (s->lease && s->lease->device == d && !s->is_hang_up_told && poll(&p, 1, 0) > 0 &&
                    p.revents & (POLLHUP | POLLERR))
                        return s;
        }
        return NULL;
}

void lease_streams_notice(LeaseStreams *streams, const Device *d) {
        LeaseStream *s;

        while ((s = find_hung_up(streams, d)))
                lease_stream_on_edge(s->fd, 0, s);
}

static void lease_stream_on_wake(evutil_socket_t fd, short events, void *userdata) {
        lease_stream_turn(userdata);
}

static void lease_stream_on_writable(evutil_socket_t fd, short events, void *userdata) {
        LeaseStream *s = userdata;

        lease_stream_flush(s);
        lease_stream_turn(s);
}

static void lease_stream_on_end_timer(evutil_socket_t fd, short events, void *userdata) {
        lease_stream_close(userdata);
}

/* -------- making them -------- */

static int lease_stream_new(LeaseStreams *streams, int fd, LeaseStream **ret) {
        struct event_base *base = streams->base;
        LeaseStream *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->fd = -1;
        LIST_INSERT_HEAD(&streams->list, s, streams);
        s->event = event_new(base, fd, EV_READ | EV_CLOSED | EV_ET | EV_PERSIST, lease_stream_on_edge, s);
        s->out_event = event_new(base, fd, EV_WRITE | EV_ET, lease_stream_on_writable, s);
        s->wake_timer = evtimer_new(base, lease_stream_on_wake, s);
        s->end_timer = evtimer_new(base, lease_stream_on_end_timer, s);
        s->input = evbuffer_new();
        s->output = evbuffer_new();
        if (!s->event || !s->out_event || !s->wake_timer || !s->end_timer || !s->input || !s->output ||
            event_add(s->event, NULL) < 0) {
                lease_stream_free(s);
                return -ENOMEM;
        }
        s->fd = fd;
        *ret = s;
        return 0;
}

int lease_stream_open(LeaseStreams *streams, Lease *lease, int *ret_fd) {
        _cleanup_close_ int ours = -1, theirs = -1;
        LeaseStream *s;
        int fds[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        ours = fds[0];
        theirs = fds[1];
        if (evutil_make_socket_nonblocking(ours) < 0)
                return -errno;
        r = lease_stream_new(streams, ours, &s);
        if (r < 0)
                return r;
        TAKE_FD(ours);
        s->lease = lease;
        s->is_watched_only = lease->scope == LEASE_SCOPE_REGISTERS;
        lease_attach(lease, &stream_ops, s, clock_monotonic_usec());
        *ret_fd = TAKE_FD(theirs);
        return 0;
}

LeaseStreams *lease_streams_new(struct event_base *base) {
        LeaseStreams *streams = calloc(1, sizeof(*streams));

        if (!streams)
                return NULL;
        streams->base = base;
        LIST_INIT(&streams->list);
        return streams;
}

static void lease_stream_deliver(LeaseStream *s, uint64_t deadline_usec) {
        struct pollfd p = { .fd = s->fd, .events = POLLOUT };

        lease_stream_flush(s);
        while (evbuffer_get_length(s->output) > 0) {
                uint64_t left_usec = usec_sub(deadline_usec, clock_monotonic_usec());

                if (left_usec == 0 ||
                    poll(&p, 1, (int)((left_usec + USEC_PER_MSEC - 1) / USEC_PER_MSEC)) < 0)
                        return;
                lease_stream_flush(s);
        }
}

LeaseStreams *lease_streams_free(LeaseStreams *streams) {
        uint64_t deadline_usec;
        LeaseStream *s;

        if (!streams)
                return NULL;
        deadline_usec = usec_add(clock_monotonic_usec(), STOP_USEC);
        while ((s = LIST_FIRST(&streams->list))) {
                lease_stream_deliver(s, deadline_usec);
                lease_stream_close(s);
        }
        free(streams);
        return NULL;
}
