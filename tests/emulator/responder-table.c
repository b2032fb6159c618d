/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "protocols/cdat.h"
#include "protocols/cursor.h"
#include "protocols/table-access.h"
#include "tests/emulator/responder.h"

/* Where entry @handle stands: 0 is the table's header. The lengths are the table's own, so that a damaged
 * one is served as it is; what points beyond the table is cut. */
static int find_entry(const Responder *responder, uint16_t handle, size_t *ret_offset, size_t *ret_n_bytes) {
        size_t offset = 0, n_bytes = MIN_OF((size_t)CDAT_HEADER_BYTES, responder->n_table_bytes);

        for (uint16_t i = 0; i < handle; i++) {
                DoeReader r;

                offset += n_bytes;
                if (offset >= responder->n_table_bytes)
                        return -ENOENT;
                r = DOE_READER(responder->table + offset, responder->n_table_bytes - offset);
                doe_read_skip(&r, 2);
                n_bytes = doe_read_le16(&r);
                n_bytes = MAX_OF(n_bytes, (size_t)CDAT_SUBHEADER_BYTES); /* the walk must get on */
                n_bytes = MIN_OF(n_bytes, responder->n_table_bytes - offset);
        }
        *ret_offset = offset;
        *ret_n_bytes = n_bytes;
        return 0;
}

int responder_table_access(Responder *responder, const ResponderRequest *request, uint8_t **ret,
                           size_t *ret_n_bytes) {
        size_t offset, n_entry;
        uint16_t handle;
        DoeWriter w;

        if (!responder->table || responder->n_table_bytes == 0 ||
            table_access_request_decode(request->payload, request->n_bytes, &handle) < 0 ||
            find_entry(responder, handle, &offset, &n_entry) < 0)
                return 0;

        *ret = malloc(TABLE_ACCESS_HEADER_BYTES + n_entry);
        if (!*ret)
                return -ENOMEM;
        w = DOE_WRITER(*ret, TABLE_ACCESS_HEADER_BYTES + n_entry);
        doe_write_u8(&w, TABLE_ACCESS_CODE_READ);
        doe_write_u8(&w, TABLE_ACCESS_TYPE_CDAT);
        doe_write_le16(&w, offset + n_entry < responder->n_table_bytes ? (uint16_t)(handle + 1)
                                                                       : TABLE_ACCESS_HANDLE_LAST);
        doe_write_bytes(&w, responder->table + offset, n_entry);
        *ret_n_bytes = w.n_written;
        return 1;
}
