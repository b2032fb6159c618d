/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/lease-pipe.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/libdoe/error-object.h"
#include "client/memory.h"
#include "protocols/cursor.h"
#include "protocols/data-object.h"

#define BYTES_AT_FIRST 4096u

/* One direction: an object is collected, then given away, and so on. */
typedef struct Flow {
        int from, to;
        bool to_is_stream;
        bool has_ended; /* nothing is read any more */
        bool is_whole;  /* what is there goes out */
        uint8_t *bytes; /* owned */
        size_t n_bytes, n_written, n_allocated;
} Flow;

typedef struct LeasePipe {
        Flow in, out;
        size_t n_requests, n_answers;
        bool is_shut; /* the requests are over, and doed knows */
} LeasePipe;

/* Of the object whose beginning is there. -EBADMSG: no object is so short. */
static int wanted_bytes(const Flow *flow, size_t *ret) {
        DoeObjectHeader header;

        *ret = DOE_HEADER_BYTES;
        if (flow->n_bytes < DOE_HEADER_BYTES)
                return 0;
        if (doe_object_header_decode(doe_load_le32(flow->bytes), doe_load_le32(flow->bytes + 4), &header) <
            0)
                return -EBADMSG;
        *ret = (size_t)header.n_dwords * 4;
        return 0;
}

static void reserve(Flow *flow, size_t n_bytes) {
        if (n_bytes <= flow->n_allocated)
                return;
        flow->n_allocated = n_bytes > BYTES_AT_FIRST ? n_bytes : BYTES_AT_FIRST;
        flow->bytes = memory_must(realloc(flow->bytes, flow->n_allocated));
}

/* The other end is ready: one read. Return: 0; -EBADMSG: framing is lost; -errno. */
static int fill(Flow *flow) {
        size_t n_wanted;
        ssize_t n;
        int r;

        (void)wanted_bytes(flow, &n_wanted);
        reserve(flow, n_wanted);
        n = read(flow->from, flow->bytes + flow->n_bytes, n_wanted - flow->n_bytes);
        if (n < 0 && errno != ECONNRESET)
                return errno == EINTR || errno == EAGAIN ? 0 : -errno;
        if (n <= 0) {
                flow->has_ended = true;
                return 0;
        }
        flow->n_bytes += (size_t)n;
        r = wanted_bytes(flow, &n_wanted);
        flow->is_whole = r < 0 || flow->n_bytes == n_wanted;
        return r;
}

/* The other end takes something: PIPE_BUF is what it then takes at least. Return: 0; -errno. */
static int drain(Flow *flow) {
        const uint8_t *bytes = flow->bytes + flow->n_written;
        const size_t n_left = flow->n_bytes - flow->n_written;
        const ssize_t n = flow->to_is_stream ? send(flow->to, bytes, n_left, MSG_NOSIGNAL | MSG_DONTWAIT)
                                             : write(flow->to, bytes, n_left < PIPE_BUF ? n_left : PIPE_BUF);

        if (n < 0)
                return errno == EINTR || errno == EAGAIN ? 0 : -errno;
        flow->n_written += (size_t)n;
        if (flow->n_written == flow->n_bytes) {
                flow->n_written = flow->n_bytes = 0;
                flow->is_whole = false;
        }
        return 0;
}

static int refuse_input(const Flow *in, Failure *f) {
        return failure_set(f, FAILURE_INVALID_ARGS,
                           "Standard input ended within a data object, after %zu bytes of it: that was not "
                           "sent",
                           in->n_bytes);
}

/* The lease may be over already: then what comes says why, and requests have nowhere to go. */
static int move_requests(LeasePipe *p, short from_events, short to_events, Failure *f) {
        Flow *in = &p->in;
        int r = 0;

        if (from_events && !in->is_whole) {
                r = fill(in);
                if (r == -EBADMSG) /* doed says what is wrong with it */
                        in->has_ended = true;
                else if (r < 0)
                        return failure_set(f, FAILURE_INVALID_ARGS, "Cannot read standard input: %s",
                                           strerror(-r));
                if (in->is_whole)
                        p->n_requests++;
        } else if (to_events && in->is_whole && drain(in) < 0) {
                in->has_ended = true;
                in->is_whole = false;
                in->n_bytes = 0;
                p->is_shut = true;
        }
        if (!in->has_ended || in->is_whole || p->is_shut)
                return 0;
        p->is_shut = true;
        shutdown(in->to, SHUT_WR);
        return in->n_bytes > 0 ? refuse_input(in, f) : 0;
}

/* Another object has come. */
static void note_answer(LeasePipe *p, Failure *f) {
        ErrorObject said;
        const DoeError *known;
        int r = error_object_decode(p->out.bytes, p->out.n_bytes, &said);

        if (r == 0 || !(said.flags & (ERROR_OBJECT_ENDED | ERROR_OBJECT_NOTICE)))
                p->n_answers++;
        if (!(said.flags & ERROR_OBJECT_ENDED))
                return;
        known = doe_error_find_by_errno(said.error);
        failure_set(f, known ? known->dbus_name : FAILURE_FAILED, "The lease has ended: %.*s",
                    (int)said.n_text, said.text);
}

static int move_answers(LeasePipe *p, short from_events, short to_events, Failure *f) {
        Flow *out = &p->out;
        int r = 0;

        if (from_events && !out->is_whole) {
                r = fill(out);
                if (r < 0)
                        return failure_set(f, FAILURE_BAD_RESPONSE, "What comes is no data object");
                if (out->is_whole)
                        note_answer(p, f);
        } else if (to_events && out->is_whole) {
                r = drain(out);
                if (r < 0)
                        return failure_set(f, FAILURE_FAILED, "Cannot write to standard output: %s",
                                           strerror(-r));
        }
        return 0;
}

/* Return: 0; -errno with @f set: the streams cannot go on. */
static int move(LeasePipe *p, Failure *f) {
        struct pollfd fds[] = {
                { .fd = p->in.has_ended || p->in.is_whole ? -1 : p->in.from, .events = POLLIN },
                { .fd = p->in.is_whole ? p->in.to : -1, .events = POLLOUT },
                { .fd = p->out.is_whole ? -1 : p->out.from, .events = POLLIN },
                /* also whether somebody still reads it */
                { .fd = p->out.to, .events = p->out.is_whole ? POLLOUT : 0 },
        };
        int r;

        if (poll(fds, ELEMENTS(fds), -1) < 0)
                return errno == EINTR ? 0
                                      : failure_set(f, FAILURE_FAILED, "Cannot poll: %s", strerror(errno));
        if (fds[3].revents & (POLLERR | POLLHUP | POLLNVAL))
                return failure_set(f, FAILURE_FAILED, "Nobody reads standard output any more");
        r = move_requests(p, fds[0].revents, fds[1].revents, f);
        if (r < 0 && !p->is_shut)
                return r;
        return move_answers(p, fds[2].revents, fds[3].revents, f);
}

int lease_pipe_run(int stream, int input, int output, Failure *f) {
        LeasePipe p = {
                .in = { .from = input, .to = stream, .to_is_stream = true },
                .out = { .from = stream, .to = output },
        };
        int r = 0;

        while (r >= 0 && (!p.out.has_ended || p.out.is_whole))
                r = move(&p, f);
        /* what the lease ended with, or what was wrong with the input, may have been noted on the way */
        if (r >= 0 && !f->name && (!p.is_shut || p.n_answers < p.n_requests || p.out.n_bytes > 0))
                failure_set(f, DOED_ERROR_PREFIX "Unavailable", "doed has gone, and the lease with it");
        free(p.in.bytes);
        free(p.out.bytes);
        return f->name ? failure_number(f->name) : 0;
}
