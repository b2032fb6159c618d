/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <string.h>

#include "client/cdat-names.h"
#include "client/cdat-view.h"
#include "client/json.h"
#include "client/memory.h"
#include "protocols/cdat.h"

static void put_uint(json_t *object, const char *key, uint64_t value) {
        json_put(object, key, json_from_uint(value));
}

/* Leaves out what has no name. */
static void put_name(json_t *object, const char *key, const char *name) {
        if (name)
                json_put(object, key, json_from_text(name));
}

static void append(json_t *array, json_t *value) {
        memory_must(json_array_append_new(array, memory_must(value)) == 0 ? array : NULL);
}

/* { "raw", and "picoseconds" or "megabytes-per-second" } */
static json_t *value_object(uint8_t data_type, uint64_t base_unit, uint16_t entry) {
        json_t *object = memory_must(json_object());
        uint64_t value;

        put_uint(object, "raw", entry);
        if (cdat_data_type_to_string(data_type) && cdat_value(base_unit, entry, &value) > 0)
                put_uint(object,
                         cdat_data_type_is_latency(data_type) ? "picoseconds" : "megabytes-per-second",
                         value);
        return object;
}

static void put_dsmas(json_t *object, const CdatEntry *e) {
        json_t *names = memory_must(json_array());

        for (unsigned bit = 0; bit < 8; bit++)
                if (e->dsmas.flags & 1u << bit && cdat_name_dsmas_flag(bit))
                        append(names, json_string(cdat_name_dsmas_flag(bit)));

        put_uint(object, "handle", e->dsmas.handle);
        put_uint(object, "flags", e->dsmas.flags);
        json_put(object, "flag-names", names);
        put_uint(object, "dpa-base", e->dsmas.dpa_base);
        put_uint(object, "dpa-bytes", e->dsmas.dpa_bytes);
}

static void put_dslbis(json_t *object, const CdatEntry *e) {
        json_t *values = memory_must(json_array());

        for (size_t i = 0; i < ELEMENTS(e->dslbis.values); i++)
                append(values, value_object(e->dslbis.data_type, e->dslbis.base_unit, e->dslbis.values[i]));

        put_uint(object, "handle", e->dslbis.handle);
        put_uint(object, "flags", e->dslbis.flags);
        put_name(object, "hierarchy", cdat_name_hierarchy(e->dslbis.flags));
        put_uint(object, "data-type", e->dslbis.data_type);
        put_name(object, "data-type-name", cdat_data_type_to_string(e->dslbis.data_type));
        put_uint(object, "base-unit", e->dslbis.base_unit);
        json_put(object, "values", values);
}

static void put_dsmscis(json_t *object, const CdatEntry *e) {
        const uint32_t a = e->dsmscis.attributes;

        put_uint(object, "handle", e->dsmscis.dsmas_handle);
        put_uint(object, "cache-bytes", e->dsmscis.cache_bytes);
        put_uint(object, "attributes", a);
        put_uint(object, "levels", cdat_cache_levels(a));
        put_uint(object, "level", cdat_cache_level(a));
        put_name(object, "associativity", cdat_name_associativity(a));
        put_name(object, "write-policy", cdat_name_write_policy(a));
        put_uint(object, "line-bytes", cdat_cache_line_bytes(a));
}

static void put_dsis(json_t *object, const CdatEntry *e) {
        put_uint(object, "handle", e->dsis.handle);
        put_uint(object, "flags", e->dsis.flags);
        json_put(object, "memory-attached", json_boolean(e->dsis.flags & 1u));
}

static void put_dsemts(json_t *object, const CdatEntry *e) {
        put_uint(object, "handle", e->dsemts.dsmas_handle);
        put_uint(object, "dpa-offset", e->dsemts.dpa_offset);
        put_uint(object, "dpa-bytes", e->dsemts.dpa_bytes);
        put_uint(object, "efi-type", e->dsemts.efi_type);
        put_name(object, "efi-type-name", cdat_name_efi_type(e->dsemts.efi_type));
}

static void put_sslbis(json_t *object, const CdatEntry *e) {
        json_t *pairs = memory_must(json_array());
        CdatSslbisEntry pair;

        for (size_t i = 0; cdat_sslbis_get(e, i, &pair) >= 0; i++) {
                json_t *p = value_object(e->sslbis.data_type, e->sslbis.base_unit, pair.value);

                put_uint(p, "port-x", pair.port_x);
                put_uint(p, "port-y", pair.port_y);
                append(pairs, p);
        }

        put_uint(object, "data-type", e->sslbis.data_type);
        put_name(object, "data-type-name", cdat_data_type_to_string(e->sslbis.data_type));
        put_uint(object, "base-unit", e->sslbis.base_unit);
        json_put(object, "pairs", pairs);
}

static void (*const put_decoded[N_CDAT_TYPES])(json_t *, const CdatEntry *) = {
        [CDAT_DSMAS] = put_dsmas, [CDAT_DSLBIS] = put_dslbis, [CDAT_DSMSCIS] = put_dsmscis,
        [CDAT_DSIS] = put_dsis,   [CDAT_DSEMTS] = put_dsemts, [CDAT_SSLBIS] = put_sslbis,
};

static json_t *entry_object(const CdatEntry *e, const uint8_t *table) {
        json_t *object = memory_must(json_object());

        put_uint(object, "type", e->type);
        put_name(object, "type-name", cdat_type_to_string(e->type));
        put_uint(object, "offset", e->offset);
        put_uint(object, "length", e->n_bytes);
        json_put(object, "raw", json_from_bytes(table + e->offset, e->n_bytes));
        if (e->is_known && e->type < N_CDAT_TYPES)
                put_decoded[e->type](object, e);
        return object;
}

json_t *cdat_view_json(const uint8_t *table, size_t n_bytes) {
        json_t *object = memory_must(json_object()), *entries = memory_must(json_array());
        size_t offset = CDAT_HEADER_BYTES;
        CdatHeader header = { 0 };
        CdatEntry e;

        if (cdat_header_decode(table, n_bytes, &header) >= 0) {
                put_uint(object, "length", header.n_bytes);
                put_uint(object, "revision", header.revision);
                put_uint(object, "checksum", header.checksum);
                put_uint(object, "sequence", header.sequence);
        }

        while (cdat_next(table, n_bytes, &offset, &e) > 0)
                append(entries, entry_object(&e, table));
        json_put(object, "entries", entries);
        return object;
}
