/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/settle.h"

#include "daemon/util/clock.h"
#include "protocols/registers.h"

#define SETTLE_BITS (DOE_STATUS_BUSY | DOE_STATUS_ERROR | DOE_STATUS_READY)

void settle_reset(Settle *s) {
        *s = (Settle){};
}

void settle_update(Settle *s, uint32_t status, uint32_t data, uint64_t now_usec) {
        bool is_same = s->has_value && s->status == (status & SETTLE_BITS) && s->data == data;

        if (!is_same || usec_sub(now_usec, s->seen_usec) > SETTLE_GAP_USEC)
                s->since_usec = now_usec;
        s->has_value = true;
        s->status = status & SETTLE_BITS;
        s->data = data;
        s->seen_usec = now_usec;
}

uint64_t settle_steady_usec(const Settle *s) {
        return usec_sub(s->seen_usec, s->since_usec);
}

bool settle_is_clear(const Settle *s) {
        return s->has_value && s->status == 0;
}

void settle_rebase(Settle *s, uint64_t back_usec) {
        s->since_usec = usec_sub(s->since_usec, back_usec);
        s->seen_usec = usec_sub(s->seen_usec, back_usec);
}
