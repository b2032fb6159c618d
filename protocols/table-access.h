/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* CXL table access, feature 1e98:02, CXL r3.0 8.1.11 (Table Access DOE): the messages that carry the CDAT,
 * and the walk over its entry handles. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_ACCESS_CODE_READ     0u
#define TABLE_ACCESS_TYPE_CDAT     0u
#define TABLE_ACCESS_HANDLE_LAST   0xffffu
#define TABLE_ACCESS_REQUEST_BYTES 4u
#define TABLE_ACCESS_HEADER_BYTES  4u /* of a response's payload, before the entry's bytes */
/* every CDAT length field is u16 per entry; the sum is bounded by this, to bound what a device can cost */
#define CDAT_BYTES_MAX   (1024u * 1024u)
#define CDAT_ENTRIES_MAX 65535u

typedef struct TableAccessResponse {
        uint8_t code;
        uint8_t table_type;
        uint16_t next_handle;
        const uint8_t *entry; /* borrowed from the payload */
        size_t n_entry_bytes;
} TableAccessResponse;

void table_access_request_encode(uint16_t handle, uint8_t ret[TABLE_ACCESS_REQUEST_BYTES]);
/* -EBADMSG unless it is exactly one dword that reads table type 0. */
int table_access_request_decode(const uint8_t *payload, size_t n_bytes, uint16_t *ret_handle);
/* -EBADMSG if shorter than its header, or of another code or table type. */
int table_access_response_decode(const uint8_t *payload, size_t n_bytes, TableAccessResponse *ret);

/* One entry as it came: its handle, the handle after it, and where its bytes stand in the table. */
typedef struct TableAccessEntry {
        uint16_t handle;
        uint16_t next_handle;
        uint32_t offset;
        uint32_t n_bytes;
} TableAccessEntry;

typedef enum TableWalkStep {
        TABLE_WALK_MORE,  /* ask for walk->handle */
        TABLE_WALK_CHECK, /* all entries are there: read handle 0 once more and give it to
                             table_walk_confirm() */
        TABLE_WALK_END,   /* the table is whole and valid */
        TABLE_WALK_AGAIN, /* it changed under the walk: start anew */
} TableWalkStep;

typedef struct TableWalk {
        uint16_t handle;
        uint8_t *table; /* owned */
        size_t n_bytes;
        size_t n_allocated;
        TableAccessEntry *entries; /* owned, sorted as they came; the first is the header */
        size_t n_entries;
        size_t n_entries_allocated;
        const char *error; /* which check failed, static; valid after -EBADMSG */
} TableWalk;

void table_walk_init(TableWalk *walk);
void table_walk_done(TableWalk *walk);
/* Return: TABLE_WALK_MORE or TABLE_WALK_CHECK; -EBADMSG (walk->error says why: first entry not the 16-byte
 * header, entry length not the response's, handle seen before, longer than the header says, checksum ...);
 * -ENOMEM. */
int table_walk_take(TableWalk *walk, const uint8_t *payload, size_t n_bytes);
/* Is the response @payload to a read of handle 0 the header of the whole table in @walk, by length, checksum
 * and sequence? Changes nothing, whatever came. */
bool table_walk_has_header(const TableWalk *walk, const uint8_t *payload, size_t n_bytes);
/* Return: TABLE_WALK_END; TABLE_WALK_AGAIN if length, checksum or sequence are others now; -EBADMSG. */
int table_walk_confirm(TableWalk *walk, const uint8_t *payload, size_t n_bytes);

/**
 * table_walk_from_table() - the walk that a device would have given for a whole, valid table
 *
 * For a table that came from elsewhere (the kernel's copy): handles are 0, 1, 2, ...
 *
 * Return: 0; -EBADMSG; -ENOMEM.
 */
int table_walk_from_table(TableWalk *walk, const uint8_t *table, size_t n_bytes);

/**
 * table_walk_answer() - the response payload for one handle, out of a whole walk
 * @ret: newly allocated, owned by the caller
 *
 * Return: 0; -ENOENT if the device gave no such handle; -ENOMEM.
 */
int table_walk_answer(const TableWalk *walk, uint16_t handle, uint8_t **ret, size_t *ret_n_bytes);
