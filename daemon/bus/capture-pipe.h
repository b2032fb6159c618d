/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The descriptors of captures: each is a pipe that its core's capture is written to as fast as it is read,
 * and no faster. Closing the reading end, by all who have a copy of it, ends the capture. */

#include <event2/event.h>

#include "daemon/core/client.h"
#include "daemon/core/recorder.h"
#include "daemon/util/cleanup.h"

#define CAPTURE_DESCRIPTION_MAX 512u /* of a filter, in words */

typedef struct CapturePipes CapturePipes;

/* Where the recorder and the captures of a doed that is on a bus keep what passes: no core dump has it. */
extern const RecorderMemory capture_memory;

/* @base: borrowed. NULL on no memory. */
CapturePipes *capture_pipes_new(struct event_base *base);
/* Ends all of them. What is in them already is delivered as far as it is read within a second. */
CapturePipes *capture_pipes_free(CapturePipes *pipes);
DEFINE_CLEANUP(CapturePipes *, capture_pipes_free);

/**
 * capture_pipe_open() - begin a capture
 * @client: who asked, for the log
 * @description: of @filter, for the log
 * @ret_fd: the reading end, owned by the caller: blocking, close-on-exec
 *
 * Return: 0; -EDQUOT, -ENOMEM, -EMFILE, -ENFILE, with @ret_failure filled.
 */
int capture_pipe_open(CapturePipes *pipes, const Client *client, const CaptureFilter *filter,
                      const char *description, int *ret_fd, Failure *ret_failure);
