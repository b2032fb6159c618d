/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/emulator/cdat-builder.h"

#include <errno.h>

#include "protocols/cdat.h"
#include "tests/emulator/fault.h"
#include "tests/emulator/number.h"

#define OFFSET_REVISION 4u
#define OFFSET_CHECKSUM 5u
#define OFFSET_SEQUENCE 12u
#define FIELDS_MAX      6u
#define LENGTH_OFFSET   2u /* of an entry's u16 length */

static const char *const data_types[] = { "access-latency",   "read-latency",   "write-latency",
                                          "access-bandwidth", "read-bandwidth", "write-bandwidth" };
static const char *const flag_names[] = { [2] = "non-volatile", [3] = "shareable", [6] = "read-only" };

/* One name of a row: where its value goes. The widths follow CDAT r1.03. */
typedef struct Field {
        const char *name;
        uint8_t offset, n_bytes; /* within the entry; n_bytes 0: a list, see write_list() */
} Field;

static const struct {
        const char *name, *help;
        uint8_t type;
        uint8_t n_bytes; /* subheader included; of lists: up to where they begin */
        Field fields[FIELDS_MAX];
} structures[] = {
        { "dsmas",
          "`handle= flags= base= bytes=`; flags: `non-volatile`, `shareable`, `read-only`, joined by a "
          "vertical bar",
          CDAT_DSMAS,
          24,
          { { "handle", 4, 1 }, { "flags", 5, 1 }, { "base", 8, 8 }, { "bytes", 16, 8 } } },
        { "dslbis",
          "`handle= flags= type= unit= values=A,B,C`; types: `access-latency`, `read-latency`, "
          "`write-latency`, "
          "`access-bandwidth`, `read-bandwidth`, `write-bandwidth`",
          CDAT_DSLBIS,
          24,
          { { "handle", 4, 1 },
            { "flags", 5, 1 },
            { "type", 6, 1 },
            { "unit", 8, 8 },
            { "values", 16, 0 } } },
        { "dsmscis",
          "`handle= bytes= attributes=`",
          CDAT_DSMSCIS,
          20,
          { { "handle", 4, 1 }, { "bytes", 8, 8 }, { "attributes", 16, 4 } } },
        { "dsis", "`flags= handle=`", CDAT_DSIS, 8, { { "flags", 4, 1 }, { "handle", 5, 1 } } },
        { "dsemts",
          "`handle= type= offset= bytes=`",
          CDAT_DSEMTS,
          24,
          { { "handle", 4, 1 }, { "type", 5, 1 }, { "offset", 8, 8 }, { "bytes", 16, 8 } } },
        { "sslbis",
          "`type= unit= entries=X:Y:VALUE,...`; ports: a number, `any`, `upstream`",
          CDAT_SSLBIS,
          16,
          { { "type", 4, 1 }, { "unit", 8, 8 }, { "entries", 16, 0 } } },
};

int cdat_builder_init(CdatBuilder *b) {
        *b = (CdatBuilder){ .bytes = calloc(1, CDAT_BUILDER_BYTES_MAX), .revision = 1 };
        if (!b->bytes)
                return -ENOMEM;
        b->writer = DOE_WRITER(b->bytes, CDAT_BUILDER_BYTES_MAX);
        doe_write_zeros(&b->writer, CDAT_HEADER_BYTES);
        return 0;
}

void cdat_builder_done(CdatBuilder *b) {
        free(b->bytes);
        *b = (CdatBuilder){ 0 };
}

static int parse_flags(char *s, uint64_t *ret) {
        uint64_t flags = 0;
        char *flag;

        if (*s >= '0' && *s <= '9')
                return number_parse(s, UINT8_MAX, ret);
        while ((flag = strsep(&s, "|"))) {
                int i = word_find(flag, flag_names, ELEMENTS(flag_names));

                if (i < 0)
                        return i;
                flags |= 1u << i;
        }
        *ret = flags;
        return 0;
}

/* The value of a field of fixed width. */
static int parse_value(const Field *field, char *s, uint64_t *ret) {
        int i = strcmp(field->name, "type") == 0 ? word_find(s, data_types, ELEMENTS(data_types)) : -EINVAL;

        if (i >= 0) {
                *ret = (uint64_t)i;
                return 0;
        }
        if (strcmp(field->name, "flags") == 0)
                return parse_flags(s, ret);
        return number_parse(s, field->n_bytes == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * field->n_bytes) - 1,
                            ret);
}

static int parse_port(const char *s, uint64_t *ret) {
        *ret = CDAT_SSLBIS_PORT_ANY;
        if (strcmp(s, "any") == 0)
                return 0;
        *ret = CDAT_SSLBIS_PORT_UPSTREAM;
        if (strcmp(s, "upstream") == 0)
                return 0;
        return number_parse(s, UINT16_MAX, ret);
}

/* DSLBIS: three values in the place that is there. */
static int write_values(uint8_t *entry, size_t offset, char *s) {
        uint64_t value;
        char *word;

        for (size_t i = 0; (word = strsep(&s, ",")); i++) {
                if (i == 3 || number_parse(word, UINT16_MAX, &value) < 0)
                        return -EINVAL;
                entry[offset + 2 * i] = (uint8_t)value;
                entry[offset + 2 * i + 1] = (uint8_t)(value >> 8);
        }
        return 0;
}

/* SSLBIS: any number of entries behind the fixed part. */
static int write_entries(DoeWriter *w, char *s) {
        uint64_t x, y, value;
        char *word;

        while ((word = strsep(&s, ","))) {
                char *port_x = strsep(&word, ":"), *port_y = strsep(&word, ":");

                if (!port_y || !word || parse_port(port_x, &x) < 0 || parse_port(port_y, &y) < 0 ||
                    number_parse(word, UINT16_MAX, &value) < 0)
                        return -EINVAL;
                doe_write_le16(w, (uint16_t)x);
                doe_write_le16(w, (uint16_t)y);
                doe_write_le16(w, (uint16_t)value);
                doe_write_le16(w, 0);
        }
        return 0;
}

static int add_field(CdatBuilder *b, uint8_t *entry, const Field *field, char *s) {
        uint64_t value;

        if (field->n_bytes == 0)
                return strcmp(field->name, "values") == 0 ? write_values(entry, field->offset, s)
                                                          : write_entries(&b->writer, s);
        if (parse_value(field, s, &value) < 0)
                return -EINVAL;
        for (size_t i = 0; i < field->n_bytes; i++)
                entry[field->offset + i] = (uint8_t)(value >> 8 * i);
        return 0;
}

static const Field *find_field(const Field fields[FIELDS_MAX], const char *name) {
        for (size_t i = 0; i < FIELDS_MAX && fields[i].name; i++)
                if (strcmp(fields[i].name, name) == 0)
                        return &fields[i];
        return NULL;
}

static int add_row(CdatBuilder *b, size_t structure, char *row, char *error) {
        size_t start = b->writer.n_written, n_bytes;
        uint8_t *entry = b->bytes + start;
        char *word;

        doe_write_zeros(&b->writer, structures[structure].n_bytes);
        if (b->writer.error < 0)
                goto full;
        entry[0] = structures[structure].type;
        while ((word = word_next(&row))) {
                char *value = strchr(word, '=');
                const Field *field;

                if (value)
                        *value++ = '\0';
                field = find_field(structures[structure].fields, word);
                if (!field || !value || add_field(b, entry, field, value) < 0) {
                        snprintf(error, FAULT_ERROR_MAX, "'%.60s' is wrong in %s", word,
                                 structures[structure].name);
                        return -EINVAL;
                }
        }
        n_bytes = b->writer.n_written - start;
        if (b->writer.error < 0 || n_bytes > UINT16_MAX)
                goto full;
        entry[LENGTH_OFFSET] = (uint8_t)n_bytes;
        entry[LENGTH_OFFSET + 1] = (uint8_t)(n_bytes >> 8);
        b->last_entry = start;
        return 0;
full:
        snprintf(error, FAULT_ERROR_MAX, "the table or the entry is too long");
        return -EINVAL;
}

int cdat_builder_add(CdatBuilder *b, const char *kind, const char *row, char *error) {
        for (size_t i = 0; i < ELEMENTS(structures); i++)
                if (strcmp(kind, structures[i].name) == 0) {
                        _cleanup_free_ char *copy = strdup(row);

                        return copy ? add_row(b, i, copy, error) : -ENOMEM;
                }
        return -ENOENT;
}

size_t cdat_builder_finish(CdatBuilder *b) {
        size_t n_bytes = b->writer.n_written;
        uint8_t sum = 0;

        doe_store_le32(b->bytes, (uint32_t)n_bytes + (b->damage == CDAT_WRONG_LENGTH ? 8 : 0));
        b->bytes[OFFSET_REVISION] = b->revision;
        b->bytes[OFFSET_CHECKSUM] = 0;
        doe_store_le32(b->bytes + OFFSET_SEQUENCE, b->sequence);
        if (b->damage == CDAT_WRONG_ENTRY && b->last_entry > 0)
                b->bytes[b->last_entry + LENGTH_OFFSET] -= 4;
        for (size_t i = 0; i < n_bytes; i++)
                sum += b->bytes[i];
        b->bytes[OFFSET_CHECKSUM] = (uint8_t)-sum + (b->damage == CDAT_WRONG_CHECKSUM ? 1 : 0);
        return n_bytes;
}

const char *cdat_builder_get(size_t i, const char **ret_help) {
        if (i >= ELEMENTS(structures))
                return NULL;
        *ret_help = structures[i].help;
        return structures[i].name;
}
