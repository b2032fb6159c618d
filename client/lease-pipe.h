/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The stream of a lease between two other descriptors: whole data objects go in and come out, and what the
 * stream says at its end is noted. */

#include <stdbool.h>

#include "client/failure.h"

/**
 * lease_pipe_run() - pass data objects on until the lease ends
 * @stream: of the lease
 * @input:  requests; its end ends the lease, once all are answered
 * @output: answers, and errors in their place
 *
 * Return: 0; -errno with @f set: by what doed says ended the lease, or what was wrong with @input or
 * @output.
 */
int lease_pipe_run(int stream, int input, int output, Failure *f);
