/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The input is a device's responses in turn, each after a byte that says its length. */

#include <stdlib.h>

#include "protocols/cursor.h"
#include "protocols/discovery.h"
#include "tests/fuzz/fuzz.h"

static void check_entries(const DoeDiscoveryWalk *walk) {
        for (size_t i = 0; i < walk->n_entries; i++)
                for (size_t k = 0; k < i; k++)
                        if (walk->entries[i].vendor_id == walk->entries[k].vendor_id &&
                            walk->entries[i].type == walk->entries[k].type)
                                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        DoeReader r = DOE_READER(data, size);
        size_t n_steps = 0;
        DoeDiscoveryWalk walk;
        int step = DOE_DISCOVERY_MORE;

        doe_discovery_walk_init(&walk);
        while (step == DOE_DISCOVERY_MORE && r.n_left > 0) {
                DoeReader response = doe_read_sub(&r, doe_read_u8(&r));

                if (++n_steps > DOE_DISCOVERY_ENTRIES_MAX)
                        abort();
                step = doe_discovery_walk_take(&walk, response.p, response.n_left);
        }
        if (walk.n_entries > n_steps)
                abort();
        check_entries(&walk);
        return 0;
}
