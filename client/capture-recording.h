/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A capture while it is under way: its blocks, one after the other, to whoever wants them, until that has
 * enough, the time is over, a signal comes, or the source ends. */

#include <signal.h>

#include "client/capture-source.h"
#include "client/capture-stream.h"

typedef struct Recording {
        /* The source is there: make @fd, and what it needs. NULL: @fd is set. Return: 0; -errno with
         * c->failure set. */
        int (*on_open)(Context *c, struct Recording *rec);
        /* One more block is there, borrowed. Return: 0; 1: this was the last that is wanted; -errno: it
         * cannot be written, and why if c->failure is not set. */
        int (*on_block)(struct Recording *rec, const uint8_t *block, size_t n_bytes);
        void *userdata;
        int fd; /* where it goes to: once nobody reads that any more, it is over; borrowed */

        CaptureStream stream; /* for its counters */
        CaptureSource source;
        uint64_t deadline_usec; /* CLOCK_MONOTONIC; 0: none */
        bool has_enough;        /* on_block() says so */
        bool is_over;           /* the source has ended, not we */
        sigset_t mask;          /* of the time that is waited */
        size_t n_unwritten;     /* bytes of the last block that recording_write() gave up */
} Recording;

/**
 * recording_run() - capture as the options of @c say
 * @rec: what stands before @c stream is set; to be released by capture_stream_done(&rec->stream)
 *
 * SIGINT, SIGTERM and SIGHUP end it from here on, SIGPIPE does nothing.
 *
 * Return: 0, and c->exit_code is set where a doectl on another machine has failed; -errno with c->failure
 * set.
 */
int recording_run(Context *c, Recording *rec);
/**
 * recording_write() - write all of these to rec->fd, for on_block()
 *
 * A reader that takes nothing holds it up until the time is over, or a signal comes; rec->n_unwritten tells
 * what is left then.
 *
 * Return: 0; 1: given up; -errno.
 */
int recording_write(Recording *rec, const uint8_t *bytes, size_t n_bytes);
/* It came to nothing by @error, a negative errno. Return: -errno with c->failure set. */
int recording_fail(Context *c, int error);
