/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/hex.h"
#include "client/memory.h"
#include "protocols/data-object.h"

static int refuse_length(Failure *f) {
        return failure_set(f, DOED_ERROR_PREFIX "TooLarge",
                           "The request exceeds the %u bytes of payload that a data object can hold",
                           DOE_PAYLOAD_BYTES_MAX);
}

static int read_stream(FILE *stream, const char *name, uint8_t **ret_bytes, size_t *ret_n_bytes,
                       Failure *f) {
        uint8_t *bytes = memory_must(malloc(DOE_PAYLOAD_BYTES_MAX + 1));
        size_t n_bytes = fread(bytes, 1, DOE_PAYLOAD_BYTES_MAX + 1, stream);

        if (ferror(stream)) {
                free(bytes);
                return failure_set(f, FAILURE_INVALID_ARGS, "Cannot read %s: %s", name, strerror(errno));
        }
        if (n_bytes > DOE_PAYLOAD_BYTES_MAX) {
                free(bytes);
                return refuse_length(f);
        }

        *ret_bytes = bytes;
        *ret_n_bytes = n_bytes;
        return 0;
}

static int read_file(const char *name, uint8_t **ret_bytes, size_t *ret_n_bytes, Failure *f) {
        _cleanup_file_ FILE *file = fopen(name, "re");

        if (!file)
                return failure_set(f, FAILURE_INVALID_ARGS, "Cannot open %s: %s", name, strerror(errno));
        return read_stream(file, name, ret_bytes, ret_n_bytes, f);
}

int request_read(const char *s, uint8_t **ret_bytes, size_t *ret_n_bytes, Failure *f) {
        _cleanup_free_ uint8_t *bytes = NULL;
        const char *where;
        size_t n_bytes;

        if (s && strcmp(s, "-") == 0)
                return read_stream(stdin, "standard input", ret_bytes, ret_n_bytes, f);
        if (s && *s == '@')
                return read_file(s + 1, ret_bytes, ret_n_bytes, f);

        if (hex_parse(s ?: "", &bytes, &n_bytes, &where) < 0)
                return failure_set(f, FAILURE_INVALID_ARGS,
                                   "The request is not hex: two digits make a byte, and there is \"%.8s\" "
                                   "at character %zu",
                                   where, (size_t)(where - s) + 1);
        if (n_bytes > DOE_PAYLOAD_BYTES_MAX)
                return refuse_length(f);

        *ret_bytes = bytes;
        bytes = NULL;
        *ret_n_bytes = n_bytes;
        return 0;
}
