/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The flight recorder: what went to the devices and came back, the newest of it within a bound, and the
 * captures that want to know what goes on. An exchange is two packets: its request once doed-pci has begun
 * it, and its response or the error that it ended with. One that never reached a device is none; an answer
 * out of a cache is none; each attempt counts as one of its own.
 *
 * Of an exchange that a rule says Record=no of, neither the recorder nor any capture ever holds the payload:
 * the packets are there, with the header of the object and its whole length. */

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "daemon/config/limits.h"
#include "daemon/core/capture.h"
#include "daemon/core/failure.h"
#include "daemon/core/job.h"

LIST_HEAD(CaptureList, Capture);

/* Where recorder and captures keep what they hold: pages that are not touched cost nothing. */
struct RecorderMemory {
        void *(*map)(size_t n_bytes); /* NULL on no memory */
        void (*unmap)(void *p, size_t n_bytes);
};

struct Recorder {
        const Limits *limits;         /* borrowed: those in force */
        const RecorderMemory *memory; /* the heap; replaced by who knows better, before the first packet */
        ByteRing past;                /* packets, whole; no memory until the first */
        struct CaptureList captures;
        size_t n_captures;
};

/* NULL on no memory. */
Recorder *recorder_new(void);
/* Captures that are left take nothing more, and are to be closed as ever. */
Recorder *recorder_free(Recorder *r);
/* They are others now. Where RecorderBytesMax differs, the past is forgotten. */
void recorder_set_limits(Recorder *r, const Limits *limits);

/* doed-pci has begun @job. */
void recorder_note_request(Recorder *r, const Job *job, uint64_t realtime_usec);
/* What it had begun has ended so. */
void recorder_note_response(Recorder *r, const Job *job, const JobResult *result, uint64_t realtime_usec);

/**
 * recorder_open_capture() - begin a capture
 * @wake: called whenever there is something to read again; there is at once, without it
 * @ret:  ended by recorder_close_capture()
 *
 * Return: 0; -EDQUOT (CapturesMax), -ENOMEM, with @ret_failure filled.
 */
int recorder_open_capture(Recorder *r, const CaptureFilter *filter, CaptureWake wake, void *userdata,
                          Capture **ret, Failure *ret_failure);
/* Returns NULL. */
Capture *recorder_close_capture(Capture *c);
