/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the stream of a lease says instead of an answer, for libdoe and for doectl. */

#include <stddef.h>
#include <stdint.h>

#define ERROR_OBJECT_ENDED    1u /* the lease is over */
#define ERROR_OBJECT_NOT_SENT 2u /* the device never saw the request */
#define ERROR_OBJECT_NOTICE   4u /* it answers no request */

typedef struct ErrorObject {
        int error;        /* positive errno */
        uint32_t flags;   /* those that are known */
        const char *text; /* borrowed from the object; no zero byte at its end */
        size_t n_text;
} ErrorObject;

/**
 * error_object_decode() - read one data object of a lease's stream
 * @object: whole, header included
 *
 * Return: 1 with @ret; 0: it is an answer; -EBADMSG: an error object that is malformed, with @ret all zero
 * but for the flags that could be read.
 */
int error_object_decode(const uint8_t *object, size_t n_bytes, ErrorObject *ret);
