/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "client/libdoe/call.h"
#include "client/libdoe/error-object.h"
#include "client/libdoe/lease-private.h"
#include "protocols/cursor.h"

#define POLL_MSEC_MAX     3600000 /* looks at the clock again after each */
#define IN_BYTES_AT_FIRST 4096u

_Static_assert(DOE_LEASE_ENDED == ERROR_OBJECT_ENDED && DOE_LEASE_NOT_SENT == ERROR_OBJECT_NOT_SENT &&
                               DOE_LEASE_NOTICE == ERROR_OBJECT_NOTICE,
               "libdoe.h gives the flags of the stream as they are");

static uint64_t deadline_of(uint64_t timeout_usec) {
        const uint64_t now_usec = bus_now_usec();

        return timeout_usec < DOE_FOREVER_USEC - now_usec ? now_usec + timeout_usec : DOE_FOREVER_USEC;
}

static void forget_error(struct doe_lease *l) {
        free(l->error_text);
        l->error_text = NULL;
        l->error_flags = 0;
}

int doe_lease_events(const struct doe_lease *l) {
        return POLLIN | (l->n_out_done < l->n_out ? POLLOUT : 0);
}

unsigned doe_lease_error_flags(const struct doe_lease *l) {
        return l->error_flags;
}

const char *doe_lease_error_text(const struct doe_lease *l) {
        return l->error_text ?: "";
}

/* Return: 0 when the socket is ready for @events, or has ended; -EAGAIN at the deadline. */
static int wait_ready(const struct doe_lease *l, int events, uint64_t deadline_usec) {
        struct pollfd p = { .fd = l->fd, .events = (short)events };

        for (;;) {
                const uint64_t now_usec = bus_now_usec();
                const uint64_t left_usec = deadline_usec > now_usec ? deadline_usec - now_usec : 0;
                const int msec = left_usec / 1000 < POLL_MSEC_MAX ? (int)((left_usec + 999) / 1000)
                                                                  : POLL_MSEC_MAX;
                const int r = poll(&p, 1, msec);

                if (r > 0)
                        return 0;
                if (r < 0 && errno != EINTR)
                        return -errno;
                if (r == 0 && left_usec / 1000 < POLL_MSEC_MAX)
                        return -EAGAIN;
        }
}

/* Give the socket what it takes. Return: 0 when nothing is left; -EAGAIN; -EPIPE. */
static int flush(struct doe_lease *l) {
        while (l->n_out_done < l->n_out) {
                const ssize_t n = send(l->fd, l->out + l->n_out_done, l->n_out - l->n_out_done,
                                       MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n >= 0)
                        l->n_out_done += (size_t)n;
                else if (errno != EINTR)
                        return errno == ECONNRESET ? -EPIPE : -errno;
        }

        free(l->out);
        l->out = NULL;
        l->n_out = l->n_out_done = 0;
        return 0;
}

static int flush_until(struct doe_lease *l, uint64_t deadline_usec) {
        int r;

        while ((r = flush(l)) == -EAGAIN) {
                r = wait_ready(l, POLLOUT, deadline_usec);
                if (r < 0)
                        return r;
        }
        return r;
}

/* @object is owned by this, whatever happens. */
static int send_object(struct doe_lease *l, uint8_t *object, size_t n_bytes, uint64_t deadline_usec) {
        int r = l->is_registers ? -EPIPE : flush_until(l, deadline_usec);

        if (r < 0) {
                free(object);
                return r;
        }

        l->out = object;
        l->n_out = n_bytes;
        r = flush_until(l, deadline_usec);
        if (r < 0 && (l->n_out_done == 0 || r != -EAGAIN)) {
                free(l->out);
                l->out = NULL;
                l->n_out = l->n_out_done = 0;
                return r;
        }

        l->n_sent++;
        return 0; /* once its beginning is sent its end must follow, or framing is lost */
}

int doe_lease_send(struct doe_lease *l, const void *object, size_t n_bytes, uint64_t timeout_usec) {
        DoeReader reader = DOE_READER(object, n_bytes);
        const uint32_t dw0 = doe_read_le32(&reader), dw1 = doe_read_le32(&reader);
        DoeObjectHeader header;
        uint8_t *copy;

        if (reader.error < 0 || doe_object_header_decode(dw0, dw1, &header) < 0 ||
            n_bytes != (size_t)header.n_dwords * 4)
                return -EINVAL;
        if (n_bytes > l->max_object_bytes)
                return -EMSGSIZE;

        copy = malloc(n_bytes);
        if (!copy)
                return -ENOMEM;

        memcpy(copy, object, n_bytes);
        return send_object(l, copy, n_bytes, deadline_of(timeout_usec));
}

static int reserve(struct doe_lease *l, size_t n_bytes) {
        uint8_t *in;

        if (n_bytes <= l->in_size)
                return 0;

        n_bytes = n_bytes > IN_BYTES_AT_FIRST ? n_bytes : IN_BYTES_AT_FIRST;
        in = realloc(l->in, n_bytes);
        if (!in)
                return -ENOMEM;

        l->in = in;
        l->in_size = n_bytes;
        return 0;
}

/* How many bytes the object has whose beginning is there; -EBADMSG. */
static int wanted_bytes(const struct doe_lease *l, size_t *ret) {
        DoeObjectHeader header;

        *ret = DOE_HEADER_BYTES;
        if (l->n_in < DOE_HEADER_BYTES)
                return 0;
        if (doe_object_header_decode(doe_load_le32(l->in), doe_load_le32(l->in + 4), &header) < 0)
                return -EBADMSG;

        *ret = (size_t)header.n_dwords * 4;
        return 0;
}

static int fail_end(struct doe_lease *l, int error, const char *text) {
        l->error_flags |= DOE_LEASE_ENDED;
        free(l->error_text);
        l->error_text = strdup(text);
        return error;
}

/* Take what has arrived of one object, never of the next, so that the descriptor's readiness is true.
 * Return: 0 when it is whole; -EAGAIN; -errno. */
static int fill(struct doe_lease *l) {
        size_t n_wanted;
        ssize_t n;
        int r;

        for (;;) {
                r = wanted_bytes(l, &n_wanted);
                if (r < 0)
                        return fail_end(l, r, "What came is no data object");
                if (l->n_in == n_wanted)
                        return 0;

                r = reserve(l, n_wanted);
                if (r < 0)
                        return r;

                n = recv(l->fd, l->in + l->n_in, n_wanted - l->n_in, MSG_DONTWAIT);
                if (n == 0 || (n < 0 && errno == ECONNRESET))
                        return fail_end(l, -EHOSTDOWN,
                                        "The stream ended without a word: doed died, or the lease was over");
                if (n > 0)
                        l->n_in += (size_t)n;
                else if (errno != EINTR)
                        return -errno;
        }
}

static void consume(struct doe_lease *l) {
        if (l->has_object)
                l->n_in = 0;
        l->has_object = false;
}

static int next_object(struct doe_lease *l, uint64_t deadline_usec) {
        int r;

        consume(l);
        while ((r = fill(l)) == -EAGAIN) {
                /* the rest of a request goes out meanwhile; if it cannot any more, what comes says why */
                const bool has_rest = flush(l) == -EAGAIN;

                r = wait_ready(l, POLLIN | (has_rest ? POLLOUT : 0), deadline_usec);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                l->has_object = true;
        return r;
}

/* What @said of an error object is the caller's to know. */
static void note_error(struct doe_lease *l, int r, const ErrorObject *said) {
        l->error_flags |= said->flags;
        if (r < 0) {
                free(l->error_text);
                l->error_text = strndup(said->text, said->n_text);
        }
}

/* One object, with what it means: 0, or the errno of an error object with @ret_said, which lives as long as
 * the object. @ret_is_answer: to a request. What has no object has noted its error itself. */
static int take_object(struct doe_lease *l, uint64_t deadline_usec, ErrorObject *ret_said,
                       bool *ret_is_answer) {
        int r;

        *ret_is_answer = false;
        *ret_said = (ErrorObject){ .text = "" };
        r = next_object(l, deadline_usec);
        if (r < 0)
                return r;

        r = error_object_decode(l->in, l->n_in, ret_said);
        *ret_is_answer = !(ret_said->flags & (DOE_LEASE_NOTICE | DOE_LEASE_ENDED));
        if (*ret_is_answer && l->n_answered < l->n_sent)
                l->n_answered++;
        return r > 0 ? -ret_said->error : r;
}

int doe_lease_receive(struct doe_lease *l, const uint8_t **ret_object, size_t *ret_n_bytes,
                      uint64_t timeout_usec) {
        ErrorObject said;
        bool is_answer;
        int r;

        forget_error(l);
        r = take_object(l, deadline_of(timeout_usec), &said, &is_answer);
        if (l->has_object)
                note_error(l, r, &said);
        if (r < 0)
                return r;

        *ret_object = l->in;
        *ret_n_bytes = l->n_in;
        return 0;
}

static int send_payload(struct doe_lease *l, uint16_t vendor, uint8_t type, const void *payload,
                        size_t n_bytes, uint64_t deadline_usec) {
        DoeObjectHeader header = { .vendor_id = vendor, .type = type };
        uint32_t dw0, dw1;
        uint8_t *object;

        if (n_bytes > DOE_PAYLOAD_BYTES_MAX)
                return -EMSGSIZE;
        header.n_dwords = doe_object_dwords(n_bytes);
        if ((size_t)header.n_dwords * 4 > l->max_object_bytes)
                return -EMSGSIZE;

        object = calloc(header.n_dwords, 4);
        if (!object)
                return -ENOMEM;

        doe_object_header_encode(&header, &dw0, &dw1);
        doe_store_le32(object, dw0);
        doe_store_le32(object + 4, dw1);
        if (n_bytes > 0)
                memcpy(object + DOE_HEADER_BYTES, payload, n_bytes);
        return send_object(l, object, (size_t)header.n_dwords * 4, deadline_usec);
}

/* Up to the answer of the last request: earlier answers are dropped with all that they say, notices noted.
 */
static int receive_last(struct doe_lease *l, uint64_t deadline_usec) {
        ErrorObject said;
        bool is_answer;
        int r;

        for (;;) {
                r = take_object(l, deadline_usec, &said, &is_answer);
                if (!l->has_object)
                        return r == -EAGAIN ? -ETIMEDOUT : r;
                if (is_answer && l->n_answered < l->n_sent)
                        continue;

                note_error(l, r, &said);
                if (is_answer || said.flags & DOE_LEASE_ENDED)
                        return r;
        }
}

/* Why the lease is over, to which nothing could be sent: what still comes answers other requests. */
static int receive_end(struct doe_lease *l, uint64_t deadline_usec) {
        ErrorObject said;
        bool is_answer;
        int r;

        for (;;) {
                r = take_object(l, deadline_usec, &said, &is_answer);
                if (!l->has_object)
                        return r == -EAGAIN ? -EPIPE : r;
                if (said.flags & DOE_LEASE_NOTICE || said.flags & DOE_LEASE_ENDED)
                        note_error(l, r, &said);
                if (said.flags & DOE_LEASE_ENDED)
                        return r;
        }
}

int doe_lease_exchange(struct doe_lease *l, uint16_t vendor, uint8_t type, const void *request,
                       size_t n_bytes, const uint8_t **ret_response, size_t *ret_n_bytes,
                       uint64_t timeout_usec) {
        const uint64_t deadline_usec = deadline_of(timeout_usec);
        int r;

        forget_error(l);
        if (timeout_usec == 0)
                return -EINVAL;

        r = send_payload(l, vendor, type, request, n_bytes, deadline_usec);
        if (r == -EPIPE && !l->is_registers)
                return receive_end(l, deadline_usec);
        if (r < 0)
                return r;

        r = receive_last(l, deadline_usec);
        if (r < 0)
                return r;
        if ((doe_load_le32(l->in) & 0xffffffu) != ((uint32_t)type << 16 | vendor))
                return -EBADMSG;

        *ret_response = l->in + DOE_HEADER_BYTES;
        *ret_n_bytes = l->n_in - DOE_HEADER_BYTES;
        return 0;
}
