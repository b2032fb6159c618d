/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The payload of a request as the command line gives it. */

#include <stddef.h>
#include <stdint.h>

#include "client/failure.h"

/**
 * request_read() - hex digits, "@FILE" for the bytes of a file, or "-" for those of standard input
 * @s:          NULL: an empty payload
 * @ret_bytes:  newly allocated, owned by the caller
 *
 * Return: 0; -errno with @f set, also for more than a data object can hold.
 */
int request_read(const char *s, uint8_t **ret_bytes, size_t *ret_n_bytes, Failure *f);
