/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The input is a table. */

#include <stdlib.h>

#include "protocols/cdat.h"
#include "tests/fuzz/fuzz.h"

static void read_entry(const CdatEntry *entry) {
        CdatSslbisEntry port;
        uint64_t value;
        size_t i = 0;

        while (cdat_sslbis_get(entry, i, &port) == 0) {
                (void)cdat_value(entry->sslbis.base_unit, port.value, &value);
                i++;
        }
        if (i != (entry->type == CDAT_SSLBIS ? entry->sslbis.n_entries : 0))
                abort();
        if (entry->is_known != (cdat_type_to_string(entry->type) != NULL))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        size_t offset = CDAT_HEADER_BYTES;
        const char *error = NULL;
        CdatEntry entry;
        int r;

        while ((r = cdat_next(data, size, &offset, &entry)) > 0)
                read_entry(&entry);
        if (cdat_validate(data, size, &error) == 0) {
                if (r < 0 || offset != size || error)
                        abort();
        } else if (!error) {
                abort();
        }
        return 0;
}
