/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The input is a device's responses in turn, each after two bytes that say its length; and it is a table. */

#include <errno.h>
#include <stdlib.h>

#include "protocols/cursor.h"
#include "protocols/table-access.h"
#include "tests/fuzz/fuzz.h"

static int take_all(TableWalk *walk, DoeReader *r) {
        int step = TABLE_WALK_MORE;

        while (step == TABLE_WALK_MORE && r->n_left > 0) {
                DoeReader response = doe_read_sub(r, doe_read_le16(r));

                step = table_walk_take(walk, response.p, response.n_left);
        }
        return step == TABLE_WALK_CHECK ? table_walk_confirm(walk, r->p, r->n_left) : step;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        DoeReader r = DOE_READER(data, size);
        TableWalk walk, whole;
        int step;

        table_walk_init(&walk);
        step = take_all(&walk, &r);
        if ((step == -EBADMSG) != (walk.error != NULL) || walk.n_bytes > size)
                abort();
        (void)table_walk_from_table(&whole, data, size);
        table_walk_done(&whole);
        /* a table that a device gave is one that could have come as a whole */
        if (step == TABLE_WALK_END && table_walk_from_table(&whole, walk.table, walk.n_bytes) < 0)
                abort();
        table_walk_done(&whole);
        table_walk_done(&walk);
        return 0;
}
