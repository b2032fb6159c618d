/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/capture-recording.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES 65536u
/* What is in the pipe when it ends belongs to the capture; beyond, doed would go on filling it. */
#define LAST_READS_MAX 32u

static volatile sig_atomic_t is_interrupted;

static void on_signal(int number) {
        is_interrupted = 1;
}

/* Only within ppoll(2), so that none is missed. */
static void catch_signals(sigset_t *ret_mask) {
        static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
        const struct sigaction action = { .sa_handler = on_signal };
        sigset_t blocked;

        sigemptyset(&blocked);
        for (size_t i = 0; i < ELEMENTS(numbers); i++) {
                sigaction(numbers[i], &action, NULL);
                sigaddset(&blocked, numbers[i]);
        }
        sigprocmask(SIG_BLOCK, &blocked, ret_mask);
        for (size_t i = 0; i < ELEMENTS(numbers); i++)
                sigdelset(ret_mask, numbers[i]);
        signal(SIGPIPE, SIG_IGN);
}

static bool is_due(const Recording *rec) {
        return is_interrupted || (rec->deadline_usec > 0 && bus_now_usec() >= rec->deadline_usec);
}

/* Once it is due, only a look. Return: 1: there is something; 0: it is due, and there is nothing; -errno. */
static int wait_for(const Recording *rec, struct pollfd *fds, nfds_t n_fds) {
        for (;;) {
                const bool was_due = is_due(rec);
                const uint64_t now = bus_now_usec();
                struct timespec left = { 0 };
                int r;

                if (!was_due && rec->deadline_usec > now) {
                        left.tv_sec = (time_t)((rec->deadline_usec - now) / 1000000);
                        left.tv_nsec = (long)((rec->deadline_usec - now) % 1000000 * 1000);
                }
                r = ppoll(fds, n_fds, was_due || rec->deadline_usec > 0 ? &left : NULL, &rec->mask);
                if (r < 0 && errno != EINTR)
                        return -errno;
                if (r > 0 || (r == 0 && was_due))
                        return r;
        }
}

/* A pipe that is ready takes so many without a wait; a file never waits. */
static size_t bytes_at_once(int fd, size_t n_bytes) {
        struct stat st;

        return n_bytes > PIPE_BUF && !(fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) ? PIPE_BUF : n_bytes;
}

int recording_write(Recording *rec, const uint8_t *bytes, size_t n_bytes) {
        rec->n_unwritten = n_bytes;
        while (rec->n_unwritten > 0) {
                struct pollfd pollfd = { .fd = rec->fd, .events = POLLOUT };
                int r = wait_for(rec, &pollfd, 1);
                ssize_t n;

                if (r <= 0)
                        return r < 0 ? r : 1;
                n = write(rec->fd, bytes + n_bytes - rec->n_unwritten,
                          bytes_at_once(rec->fd, rec->n_unwritten));
                if (n < 0 && errno != EINTR && errno != EAGAIN)
                        return -errno;
                rec->n_unwritten -= n > 0 ? (size_t)n : 0;
        }
        return 0;
}

/* Return: 0; -EBADMSG; -errno of on_block(). */
static int pass_on(Recording *rec) {
        const uint8_t *block;
        int n = 0, r = 0;

        while (r == 0 && (n = capture_stream_take(&rec->stream, &block)) > 0)
                r = rec->on_block(rec, block, (size_t)n);
        rec->has_enough = r > 0;
        return r < 0 ? r : n < 0 ? n : 0;
}

/* Return: 1: there was something; 0: there is nothing now; negative: as pass_on(). */
static int read_some(Recording *rec) {
        uint8_t bytes[READ_BYTES];
        ssize_t n = read(rec->source.fd, bytes, sizeof(bytes));
        int r;

        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        rec->is_over = n == 0;
        if (n == 0)
                return 0;
        capture_stream_add(&rec->stream, bytes, (size_t)n);
        r = pass_on(rec);
        return r < 0 ? r : 1;
}

/* Return: 1: go on; 0: it is time to end; -errno. */
static int wait_for_more(const Recording *rec) {
        /* nothing but an end is looked for at the output: then nobody reads it any more */
        struct pollfd fds[] = { { .fd = rec->source.fd, .events = POLLIN }, { .fd = rec->fd } };
        int r;

        if (is_due(rec))
                return 0;
        r = wait_for(rec, fds, ELEMENTS(fds));
        return r <= 0 ? r : !(fds[1].revents & (POLLERR | POLLHUP));
}

/* Return: 0; negative: as pass_on(). */
static int record(Recording *rec) {
        int r = 1;

        while (r >= 0 && !rec->is_over && !rec->has_enough) {
                r = wait_for_more(rec);
                if (r <= 0)
                        break;
                r = read_some(rec);
        }
        for (size_t i = 0; r == 0 && !rec->is_over && !rec->has_enough && i < LAST_READS_MAX; i++)
                if ((r = read_some(rec)) <= 0)
                        break;
                else
                        r = 0;
        /* whoever reads it has seen enough */
        return r == -EPIPE ? 0 : r < 0 ? r : 0;
}

int recording_fail(Context *c, int error) {
        return failure_set(&c->failure, FAILURE_FAILED, "Cannot write the capture: %s", strerror(-error));
}

static int explain_end(Context *c, const Recording *rec, int error, int ssh_code) {
        if (error < 0 && c->failure.name)
                return error;
        if (error == -EBADMSG)
                return failure_set(&c->failure, FAILURE_FAILED, "What comes is no capture");
        if (error < 0)
                return recording_fail(c, error);
        if (rec->is_over && !c->options.host)
                return failure_set(&c->failure, DOED_ERROR_PREFIX "Unavailable",
                                   "doed has ended the capture; what came until then is complete");
        /* what has ended us has ended ssh, too, where both are of one terminal */
        if (is_interrupted)
                return 0;
        if (rec->is_over && ssh_code > DOE_EXIT_UNAVAILABLE)
                return failure_set(&c->failure, DOED_ERROR_PREFIX "Unavailable",
                                   "ssh to %s or doectl there ended with exit code %d", c->options.host,
                                   ssh_code);
        /* doectl there has said why */
        c->exit_code = ssh_code;
        return 0;
}

int recording_run(Context *c, Recording *rec) {
        int r = capture_source_open(c, &rec->source);

        if (r < 0)
                return r;
        r = rec->on_open ? rec->on_open(c, rec) : 0;
        if (r < 0) {
                capture_source_close(&rec->source, false);
                return r;
        }
        catch_signals(&rec->mask);
        if (c->options.for_usec > 0)
                rec->deadline_usec = bus_now_usec() + c->options.for_usec;
        r = record(rec);
        return explain_end(c, rec, r, capture_source_close(&rec->source, rec->is_over));
}
