/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/access.h"

#include <errno.h>
#include <string.h>

#include "daemon/util/clock.h"
#include "protocols/registers.h"

void access_init(Access *a, ConfigSpace *config, uint16_t cap_offset) {
        *a = (Access){ .config = config, .cap_offset = cap_offset };
        a->now_usec = config->now_usec(config);
}

uint64_t access_now(Access *a) {
        a->now_usec = a->config->now_usec(a->config);
        return a->now_usec;
}

static void access_sample(Access *a, uint64_t since_usec) {
        uint64_t took_usec = usec_sub(access_now(a), since_usec);

        a->samples_usec[a->next_sample] = took_usec < UINT32_MAX ? (uint32_t)took_usec : UINT32_MAX;
        a->next_sample = (a->next_sample + 1) % ACCESS_SAMPLES;
        if (a->n_samples < ACCESS_SAMPLES)
                a->n_samples++;
}

int access_read(Access *a, uint16_t reg, uint32_t *ret) {
        uint64_t since_usec = access_now(a);
        int r;

        r = a->config->read32(a->config, (uint16_t)(a->cap_offset + reg), ret);
        access_sample(a, since_usec);
        return r;
}

int access_write(Access *a, uint16_t reg, uint32_t value) {
        uint64_t since_usec = access_now(a);
        int r;

        r = a->config->write32(a->config, (uint16_t)(a->cap_offset + reg), value);
        access_sample(a, since_usec);
        return r;
}

int access_read_status(Access *a, uint32_t *ret) {
        uint32_t status;
        int r;

        r = access_read(a, DOE_REG_STATUS, &status);
        if (r < 0)
                return r;
        if (status == DOE_STATUS_ALL_ONES)
                return -ENODEV;

        *ret = status;
        return 0;
}

uint32_t access_median_usec(const Access *a) {
        uint32_t sorted[ACCESS_SAMPLES];

        for (unsigned i = 0; i < a->n_samples; i++) {
                unsigned j = i;

                for (; j > 0 && sorted[j - 1] > a->samples_usec[i]; j--)
                        sorted[j] = sorted[j - 1];
                sorted[j] = a->samples_usec[i];
        }
        return a->n_samples > 0 ? sorted[a->n_samples / 2] : 0;
}

bool access_is_slow(const Access *a) {
        /* a few samples say little: the first access to a sleeping device also wakes it */
        return a->n_samples == ACCESS_SAMPLES && access_median_usec(a) > ACCESS_SLOW_USEC;
}
