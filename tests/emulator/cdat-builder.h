/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Makes a CDAT out of rows of text, whole or damaged on purpose. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/util/cleanup.h"
#include "protocols/cursor.h"

#define CDAT_BUILDER_BYTES_MAX (1024u * 1024u)

typedef enum CdatDamage {
        CDAT_SOUND,
        CDAT_WRONG_CHECKSUM,
        CDAT_WRONG_LENGTH, /* the header says 8 bytes more than there are */
        CDAT_WRONG_ENTRY,  /* the last entry says 4 bytes less than it has */
} CdatDamage;
#define N_CDAT_DAMAGES (CDAT_WRONG_ENTRY + 1)

typedef struct CdatBuilder {
        uint8_t *bytes; /* owned */
        DoeWriter writer;
        size_t last_entry; /* offset */
        uint8_t revision;
        uint32_t sequence;
        CdatDamage damage;
} CdatBuilder;

/* Return: 0; -ENOMEM. */
int cdat_builder_init(CdatBuilder *builder);
void cdat_builder_done(CdatBuilder *builder);

/**
 * cdat_builder_add() - one structure
 * @kind: "dsmas", "dslbis", "dsmscis", "dsis", "dsemts", "sslbis"
 * @row: "name=value ..."; what is not named is 0
 * @error: FAULT_ERROR_MAX bytes
 *
 * Return: 0; -ENOENT if @kind is none; -EINVAL with @error written; -ENOMEM.
 */
int cdat_builder_add(CdatBuilder *builder, const char *kind, const char *row, char *error);

/* Length, revision, checksum and sequence are filled in, or spoiled as ->damage says.
 * Return: bytes of the table, which stays the builder's. */
size_t cdat_builder_finish(CdatBuilder *builder);

/* For the documentation and its test: names and rows. NULL past the end. */
const char *cdat_builder_get(size_t i, const char **ret_help);
