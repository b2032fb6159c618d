/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/cdat-view.h"

#include <inttypes.h>
#include <string.h>

#include "client/cdat-names.h"
#include "client/hex.h"
#include "client/memory.h"
#include "client/table.h"
#include "client/units.h"
#include "protocols/cdat.h"

/* One kind of entry: its table, and how an entry becomes rows of it. */
typedef struct Section {
        uint8_t type;
        const char *title;
        const TableColumn *columns;
        size_t n_columns;
        void (*add)(Table *t, const CdatEntry *e);
} Section;

char *cdat_view_format_flags(uint8_t dsmas_flags) {
        char *text = memory_copy("");
        uint8_t unnamed = 0;

        for (unsigned bit = 0; bit < 8; bit++) {
                const char *name = cdat_name_dsmas_flag(bit);
                char *longer;

                if (!(dsmas_flags & 1u << bit))
                        continue;
                if (!name) {
                        unnamed |= (uint8_t)(1u << bit);
                        continue;
                }
                longer = memory_format("%s%s%s", text, *text ? ", " : "", name);
                free(text);
                text = longer;
        }

        if (unnamed) {
                char *longer = memory_format("%s%s0x%02x", text, *text ? ", " : "", unnamed);

                free(text);
                text = longer;
        }
        return text;
}

char *cdat_view_format_value(uint8_t data_type, uint64_t base_unit, uint16_t entry) {
        uint64_t value = 0;
        int r = cdat_value(base_unit, entry, &value);

        if (r == 0)
                return memory_copy("not given");
        if (r < 0)
                return memory_format("too large: %" PRIu16 " x %" PRIu64, entry, base_unit);
        if (!cdat_data_type_to_string(data_type))
                return memory_format("%" PRIu64, value);
        return cdat_data_type_is_latency(data_type) ? units_format_latency(value)
                                                    : units_format_bandwidth(value);
}

static void cell_take(Table *t, char *s) {
        table_cell(t, "%s", s);
        free(s);
}

static void cell_data_type(Table *t, uint8_t data_type) {
        const char *name = cdat_data_type_to_string(data_type);

        if (name)
                table_cell(t, "%s", name);
        else
                table_cell(t, "data type %u", data_type);
}

/* A number's name, or the number. */
static void cell_named(Table *t, const char *name, unsigned number) {
        if (name)
                table_cell(t, "%s", name);
        else
                table_cell(t, "%u", number);
}

static const TableColumn dsmas_columns[] = {
        { .title = "HANDLE" },
        { .title = "DPA BASE" },
        { .title = "SIZE" },
        { .title = "FLAGS", .shrink = TABLE_ELIDE, .width_min = 12 },
};

static void add_dsmas(Table *t, const CdatEntry *e) {
        table_cell(t, "%u", e->dsmas.handle);
        table_cell(t, "0x%016" PRIx64, e->dsmas.dpa_base);
        cell_take(t, units_format_bytes(e->dsmas.dpa_bytes));
        cell_take(t, cdat_view_format_flags(e->dsmas.flags));
}

static const TableColumn dslbis_columns[] = {
        { .title = "HANDLE" },
        { .title = "OF" },
        { .title = "WHAT" },
        { .title = "VALUE" },
};

/* The three values of HMAT's entries: the second and third are given by few, and are shown where they are.
 */
static void add_dslbis(Table *t, const CdatEntry *e) {
        char *text = cdat_view_format_value(e->dslbis.data_type, e->dslbis.base_unit, e->dslbis.values[0]);

        for (size_t i = 1; i < ELEMENTS(e->dslbis.values); i++) {
                _cleanup_free_ char *before = text, *next = NULL;

                if (e->dslbis.values[i] == 0 || e->dslbis.values[i] == UINT16_MAX) {
                        before = NULL;
                        continue;
                }
                next = cdat_view_format_value(e->dslbis.data_type, e->dslbis.base_unit, e->dslbis.values[i]);
                text = memory_format("%s, %s", before, next);
        }

        table_cell(t, "%u", e->dslbis.handle);
        cell_named(t, cdat_name_hierarchy(e->dslbis.flags), e->dslbis.flags);
        cell_data_type(t, e->dslbis.data_type);
        cell_take(t, text);
}

static const TableColumn dsmscis_columns[] = {
        { .title = "HANDLE" },        { .title = "SIZE" },         { .title = "LEVEL" },
        { .title = "ASSOCIATIVITY" }, { .title = "WRITE POLICY" }, { .title = "LINE" },
};

static void add_dsmscis(Table *t, const CdatEntry *e) {
        const uint32_t a = e->dsmscis.attributes;

        table_cell(t, "%u", e->dsmscis.dsmas_handle);
        cell_take(t, units_format_bytes(e->dsmscis.cache_bytes));
        table_cell(t, "%u of %u", cdat_cache_level(a), cdat_cache_levels(a));
        cell_named(t, cdat_name_associativity(a), a >> 8 & 0xfu);
        cell_named(t, cdat_name_write_policy(a), a >> 12 & 0xfu);
        cell_take(t, units_format_bytes(cdat_cache_line_bytes(a)));
}

static const TableColumn dsis_columns[] = {
        { .title = "HANDLE" },
        { .title = "MEMORY" },
};

static void add_dsis(Table *t, const CdatEntry *e) {
        table_cell(t, "%u", e->dsis.handle);
        table_cell(t, "%s", e->dsis.flags & 1u ? "attached" : "none");
}

static const TableColumn dsemts_columns[] = {
        { .title = "HANDLE" },
        { .title = "DPA OFFSET" },
        { .title = "SIZE" },
        { .title = "EFI TYPE" },
};

static void add_dsemts(Table *t, const CdatEntry *e) {
        table_cell(t, "%u", e->dsemts.dsmas_handle);
        table_cell(t, "0x%016" PRIx64, e->dsemts.dpa_offset);
        cell_take(t, units_format_bytes(e->dsemts.dpa_bytes));
        cell_named(t, cdat_name_efi_type(e->dsemts.efi_type), e->dsemts.efi_type);
}

static const TableColumn sslbis_columns[] = {
        { .title = "PORT X" },
        { .title = "PORT Y" },
        { .title = "WHAT" },
        { .title = "VALUE" },
};

static void cell_port(Table *t, uint16_t port) {
        if (port == CDAT_SSLBIS_PORT_ANY)
                table_cell(t, "any");
        else if (port == CDAT_SSLBIS_PORT_UPSTREAM)
                table_cell(t, "upstream");
        else
                table_cell(t, "%u", port);
}

static void add_sslbis(Table *t, const CdatEntry *e) {
        CdatSslbisEntry pair;

        for (size_t i = 0; cdat_sslbis_get(e, i, &pair) >= 0; i++) {
                cell_port(t, pair.port_x);
                cell_port(t, pair.port_y);
                cell_data_type(t, e->sslbis.data_type);
                cell_take(t, cdat_view_format_value(e->sslbis.data_type, e->sslbis.base_unit, pair.value));
        }
}

static const TableColumn unknown_columns[] = {
        { .title = "TYPE" },
        { .title = "OFFSET" },
        { .title = "BYTES" },
        { .title = "CONTENT", .shrink = TABLE_ELIDE, .width_min = 16 },
};

static void add_unknown(Table *t, const CdatEntry *e) {
        table_cell(t, "%u", e->type);
        table_cell(t, "0x%" PRIx32, e->offset);
        table_cell(t, "%u", e->n_bytes);
        cell_take(t, hex_format(e->body, e->n_bytes - CDAT_SUBHEADER_BYTES));
}

static const Section sections[] = {
        { CDAT_DSMAS, "Memory ranges (DSMAS)", dsmas_columns, ELEMENTS(dsmas_columns), add_dsmas },
        { CDAT_DSLBIS, "Latency and bandwidth (DSLBIS)", dslbis_columns, ELEMENTS(dslbis_columns),
          add_dslbis },
        { CDAT_DSMSCIS, "Memory side caches (DSMSCIS)", dsmscis_columns, ELEMENTS(dsmscis_columns),
          add_dsmscis },
        { CDAT_DSIS, "Initiators (DSIS)", dsis_columns, ELEMENTS(dsis_columns), add_dsis },
        { CDAT_DSEMTS, "Use of the memory (DSEMTS)", dsemts_columns, ELEMENTS(dsemts_columns), add_dsemts },
        { CDAT_SSLBIS, "Latency and bandwidth of the switch (SSLBIS)", sslbis_columns,
          ELEMENTS(sslbis_columns), add_sslbis },
};

static const Section unknown_section = { 0xff, "Entries of types that doectl does not know", unknown_columns,
                                         ELEMENTS(unknown_columns), add_unknown };

static void print_section(FILE *stream, const Section *s, const uint8_t *table, size_t n_bytes, size_t width,
                          bool has_color) {
        _cleanup_table_ Table *t = table_new(s->columns, s->n_columns);
        size_t offset = CDAT_HEADER_BYTES;
        CdatEntry e;

        while (cdat_next(table, n_bytes, &offset, &e) > 0)
                if (s == &unknown_section ? !e.is_known : e.is_known && e.type == s->type)
                        s->add(t, &e);

        if (table_n_rows(t) > 0) {
                fprintf(stream, "\n%s\n", s->title);
                table_print(t, stream, 2, width, has_color);
        }
}

void cdat_view_print(FILE *stream, const uint8_t *table, size_t n_bytes, size_t width, bool has_color) {
        for (size_t i = 0; i < ELEMENTS(sections); i++)
                print_section(stream, &sections[i], table, n_bytes, width, has_color);
        print_section(stream, &unknown_section, table, n_bytes, width, has_color);
}
