/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "protocols/table-access.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "protocols/cdat.h"
#include "protocols/cursor.h"

void table_access_request_encode(uint16_t handle, uint8_t ret[TABLE_ACCESS_REQUEST_BYTES]) {
        DoeWriter w = DOE_WRITER(ret, TABLE_ACCESS_REQUEST_BYTES);

        doe_write_u8(&w, TABLE_ACCESS_CODE_READ);
        doe_write_u8(&w, TABLE_ACCESS_TYPE_CDAT);
        doe_write_le16(&w, handle);
}

int table_access_request_decode(const uint8_t *payload, size_t n_bytes, uint16_t *ret_handle) {
        DoeReader r = DOE_READER(payload, n_bytes);
        uint8_t code, table_type;
        uint16_t handle;

        code = doe_read_u8(&r);
        table_type = doe_read_u8(&r);
        handle = doe_read_le16(&r);
        if (r.error < 0 || r.n_left > 0)
                return -EBADMSG;
        if (code != TABLE_ACCESS_CODE_READ || table_type != TABLE_ACCESS_TYPE_CDAT)
                return -EBADMSG;

        *ret_handle = handle;
        return 0;
}

int table_access_response_decode(const uint8_t *payload, size_t n_bytes, TableAccessResponse *ret) {
        DoeReader r = DOE_READER(payload, n_bytes);
        TableAccessResponse response = { 0 };

        response.code = doe_read_u8(&r);
        response.table_type = doe_read_u8(&r);
        response.next_handle = doe_read_le16(&r);
        response.n_entry_bytes = r.n_left;
        response.entry = doe_read_bytes(&r, r.n_left);
        if (r.error < 0)
                return r.error;
        if (response.code != TABLE_ACCESS_CODE_READ || response.table_type != TABLE_ACCESS_TYPE_CDAT)
                return -EBADMSG;

        *ret = response;
        return 0;
}

void table_walk_init(TableWalk *walk) {
        *walk = (TableWalk){ 0 };
}

void table_walk_done(TableWalk *walk) {
        free(walk->table);
        free(walk->entries);
        table_walk_init(walk);
}

/* The error stays: a walk that has failed once takes nothing more. */
static int walk_fail(TableWalk *walk, const char *error) {
        walk->error = error;
        return -EBADMSG;
}

/* Grows by doubling with what has really come, never by what a header claims. NULL: no memory, @p untouched.
 */
static void *grow(void *p, size_t *n_allocated, size_t n_needed, size_t element_bytes) {
        size_t n = *n_allocated > 0 ? *n_allocated : 256;

        if (n_needed <= *n_allocated)
                return p;
        while (n < n_needed)
                n *= 2;
        p = reallocarray(p, n, element_bytes);
        if (p)
                *n_allocated = n;
        return p;
}

static int walk_append(TableWalk *walk, const TableAccessResponse *response) {
        TableAccessEntry *entries;
        uint8_t *table;

        table = grow(walk->table, &walk->n_allocated, walk->n_bytes + response->n_entry_bytes, 1);
        if (!table)
                return -ENOMEM;
        walk->table = table;
        entries = grow(walk->entries, &walk->n_entries_allocated, walk->n_entries + 1, sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        walk->entries = entries;

        entries[walk->n_entries++] = (TableAccessEntry){
                .handle = walk->handle,
                .next_handle = response->next_handle,
                .offset = (uint32_t)walk->n_bytes,
                .n_bytes = (uint32_t)response->n_entry_bytes,
        };
        memcpy(table + walk->n_bytes, response->entry, response->n_entry_bytes);
        walk->n_bytes += response->n_entry_bytes;
        return 0;
}

static int walk_check_header(TableWalk *walk, const TableAccessResponse *response) {
        CdatHeader header;

        if (response->n_entry_bytes != CDAT_HEADER_BYTES)
                return walk_fail(walk, "The first entry is not the 16-byte table header");
        if (cdat_header_decode(response->entry, response->n_entry_bytes, &header) < 0 ||
            header.n_bytes < CDAT_HEADER_BYTES)
                return walk_fail(walk, "The table length is below that of its header");
        if (header.n_bytes > CDAT_BYTES_MAX)
                return walk_fail(walk, "The table length is above 1 MiB");
        return 0;
}

static int walk_check_entry(TableWalk *walk, const TableAccessResponse *response) {
        DoeReader r = DOE_READER(response->entry, response->n_entry_bytes);
        CdatHeader header;
        uint16_t n_bytes;
        int k;

        if (walk->n_entries == 0)
                return walk_check_header(walk, response);

        doe_read_skip(&r, 2); /* type and a reserved byte */
        n_bytes = doe_read_le16(&r);
        if (r.error < 0)
                return walk_fail(walk, "An entry is shorter than its 4-byte header");
        if (n_bytes != response->n_entry_bytes)
                return walk_fail(walk, "An entry's length is not that of the response that carries it");

        k = cdat_header_decode(walk->table, walk->n_bytes, &header);
        if (k < 0)
                return k;
        if (n_bytes > header.n_bytes - walk->n_bytes)
                return walk_fail(walk, "The entries are longer than the table length in the header");
        return 0;
}

static const TableAccessEntry *walk_find(const TableWalk *walk, uint16_t handle) {
        for (size_t i = 0; i < walk->n_entries; i++)
                if (walk->entries[i].handle == handle)
                        return &walk->entries[i];
        return NULL;
}

static int walk_finish(TableWalk *walk) {
        const char *error;

        if (cdat_validate(walk->table, walk->n_bytes, &error) < 0)
                return walk_fail(walk, error);
        walk->handle = 0;
        return TABLE_WALK_CHECK;
}

int table_walk_take(TableWalk *walk, const uint8_t *payload, size_t n_bytes) {
        TableAccessResponse response;
        int r;

        if (walk->error)
                return -EBADMSG;
        if (table_access_response_decode(payload, n_bytes, &response) < 0)
                return walk_fail(walk, "The response is not one to a table read");
        r = walk_check_entry(walk, &response);
        if (r < 0)
                return r;
        r = walk_append(walk, &response);
        if (r < 0)
                return r;

        if (response.next_handle == TABLE_ACCESS_HANDLE_LAST)
                return walk_finish(walk);
        /* no handle twice, so a walk has at most CDAT_ENTRIES_MAX steps */
        if (walk_find(walk, response.next_handle))
                return walk_fail(walk, "An entry handle comes a second time");
        walk->handle = response.next_handle;
        return TABLE_WALK_MORE;
}

static bool is_same_header(const CdatHeader *a, const CdatHeader *b) {
        return a->n_bytes == b->n_bytes && a->checksum == b->checksum && a->sequence == b->sequence;
}

bool table_walk_has_header(const TableWalk *walk, const uint8_t *payload, size_t n_bytes) {
        TableAccessResponse response;
        CdatHeader own, now;

        return table_access_response_decode(payload, n_bytes, &response) >= 0 &&
               response.n_entry_bytes == CDAT_HEADER_BYTES &&
               cdat_header_decode(response.entry, response.n_entry_bytes, &now) >= 0 &&
               cdat_header_decode(walk->table, walk->n_bytes, &own) >= 0 && is_same_header(&own, &now);
}

int table_walk_confirm(TableWalk *walk, const uint8_t *payload, size_t n_bytes) {
        TableAccessResponse response;
        CdatHeader before, now;

        if (walk->error)
                return -EBADMSG;
        if (table_access_response_decode(payload, n_bytes, &response) < 0)
                return walk_fail(walk, "The response is not one to a table read");
        if (response.n_entry_bytes != CDAT_HEADER_BYTES ||
            cdat_header_decode(response.entry, response.n_entry_bytes, &now) < 0)
                return walk_fail(walk, "The first entry is not the 16-byte table header");
        if (cdat_header_decode(walk->table, walk->n_bytes, &before) < 0)
                return walk_fail(walk, "The table is shorter than its header");

        if (is_same_header(&before, &now))
                return TABLE_WALK_END;
        table_walk_done(walk);
        return TABLE_WALK_AGAIN;
}

static int walk_append_all(TableWalk *walk, const uint8_t *table, size_t n_bytes) {
        TableAccessResponse response = { .entry = table, .n_entry_bytes = CDAT_HEADER_BYTES };
        size_t offset = CDAT_HEADER_BYTES;

        for (;;) {
                CdatEntry entry;
                bool is_last = offset >= n_bytes;
                int r;

                if (!is_last && walk->n_entries + 1 >= CDAT_ENTRIES_MAX)
                        return walk_fail(walk, "The table has more entries than there are handles");
                walk->handle = (uint16_t)walk->n_entries;
                response.next_handle = is_last ? TABLE_ACCESS_HANDLE_LAST : (uint16_t)(walk->handle + 1);
                r = walk_append(walk, &response);
                if (r < 0)
                        return r;
                if (is_last)
                        return 0;

                response.entry = table + offset;
                r = cdat_next(table, n_bytes, &offset, &entry);
                if (r < 0)
                        return walk_fail(walk, "An entry's length is wrong");
                response.n_entry_bytes = entry.n_bytes;
        }
}

int table_walk_from_table(TableWalk *walk, const uint8_t *table, size_t n_bytes) {
        const char *error;
        int r;

        table_walk_init(walk);
        if (n_bytes > CDAT_BYTES_MAX)
                return walk_fail(walk, "The table length is above 1 MiB");
        if (cdat_validate(table, n_bytes, &error) < 0)
                return walk_fail(walk, error);

        r = walk_append_all(walk, table, n_bytes);
        if (r < 0) {
                error = walk->error;
                table_walk_done(walk);
                walk->error = error;
                return r;
        }
        walk->handle = 0;
        return 0;
}

int table_walk_answer(const TableWalk *walk, uint16_t handle, uint8_t **ret, size_t *ret_n_bytes) {
        const TableAccessEntry *entry;
        size_t n_padded;
        uint8_t *answer;
        DoeWriter w;

        entry = walk_find(walk, handle);
        if (!entry)
                return -ENOENT;
        /* whole dwords, as a mailbox would give it: a table from elsewhere may hold entries of any length */
        n_padded = (entry->n_bytes + (size_t)3) & ~(size_t)3;
        answer = malloc(TABLE_ACCESS_HEADER_BYTES + n_padded);
        if (!answer)
                return -ENOMEM;

        w = DOE_WRITER(answer, TABLE_ACCESS_HEADER_BYTES + n_padded);
        doe_write_u8(&w, TABLE_ACCESS_CODE_READ);
        doe_write_u8(&w, TABLE_ACCESS_TYPE_CDAT);
        doe_write_le16(&w, entry->next_handle);
        doe_write_bytes(&w, walk->table + entry->offset, entry->n_bytes);
        doe_write_zeros(&w, n_padded - entry->n_bytes);

        *ret = answer;
        *ret_n_bytes = w.n_written;
        return 0;
}
