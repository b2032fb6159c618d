/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What doed-pci keeps of leases for a doed that comes later: as daemon/pci/state.c and worker.c do it. */

#include "tests/simulation/simulation.h"

static SimRecord *find(SimDevice *dev, const uint8_t *digest) {
        for (size_t i = 0; i < ELEMENTS(dev->records); i++)
                if (dev->records[i].is_used &&
                    memcmp(dev->records[i].record.digest, digest, WIRE_DIGEST_BYTES) == 0)
                        return &dev->records[i];
        return NULL;
}

static bool is_over(const SimDevice *dev, const SimRecord *r) {
        return r->record.expires_usec != 0 && r->record.expires_usec <= dev->now_usec;
}

void records_put(SimDevice *dev, const WireRecord *record) {
        SimRecord *place = find(dev, record->digest);

        for (size_t i = 0; i < ELEMENTS(dev->records) && !place; i++)
                if (!dev->records[i].is_used || is_over(dev, &dev->records[i]))
                        place = &dev->records[i];
        if (place)
                *place = (SimRecord){ .is_used = true, .record = *record };
}

void records_drop(SimDevice *dev, const uint8_t *digest) {
        SimRecord *r = find(dev, digest);

        if (r)
                r->is_used = false;
}

void records_orphan(SimDevice *dev) {
        for (size_t i = 0; i < ELEMENTS(dev->records); i++)
                if (dev->records[i].is_used && dev->records[i].record.expires_usec == 0)
                        dev->records[i].record.expires_usec =
                                        dev->now_usec + dev->records[i].record.keep_usec;
}

void records_tell(SimDevice *dev) {
        for (size_t i = 0; i < ELEMENTS(dev->records); i++)
                if (dev->records[i].is_used && !is_over(dev, &dev->records[i]))
                        worker_send(dev, &(WireMessage){ .type = WIRE_PUT_RECORD,
                                                         .record = dev->records[i].record });
}
