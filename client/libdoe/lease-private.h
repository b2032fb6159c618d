/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The inside of a lease: its stream, and the objects that are halfway through it. */

#include "client/libdoe/libdoe.h"
#include "protocols/data-object.h"

struct doe_lease {
        int fd;     /* owned */
        char *path; /* owned; NULL if not known */
        uint64_t epoch;
        uint8_t resume[DOE_RESUME_BYTES];
        bool has_resume;
        bool is_registers; /* nothing can be sent */
        size_t max_object_bytes;

        uint64_t n_sent, n_answered; /* requests */

        uint8_t *out; /* the end of an object that the socket did not take yet */
        size_t n_out, n_out_done;

        uint8_t *in; /* the beginning of the next object */
        size_t n_in, in_size;
        bool has_object; /* all of it is there, and is the caller's until the next function */

        unsigned error_flags;
        char *error_text; /* owned; NULL for none */
};
