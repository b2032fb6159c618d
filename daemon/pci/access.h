/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The six registers of one DOE capability, each access timed: all configuration accesses of a host share one
 * kernel lock that is taken with interrupts off, so a device that stretches its accesses has to be noticed
 * and spared. Knows nothing of what the registers mean, but that all-ones in Status means that nobody
 * answered. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/pci/config-space.h"

#define ACCESS_SAMPLES   16u
#define ACCESS_SLOW_USEC 50u /* median of so many: the mailbox counts as slow */

typedef struct Access {
        ConfigSpace *config; /* borrowed */
        uint16_t cap_offset;
        uint8_t n_samples, next_sample;
        uint32_t samples_usec[ACCESS_SAMPLES];
        uint64_t now_usec; /* the clock as it was last read */
} Access;

void access_init(Access *a, ConfigSpace *config, uint16_t cap_offset);

/* Reads the clock. */
uint64_t access_now(Access *a);

/* @reg: DOE_REG_*. Return: 0; -ENODEV, -EPERM, -EIO as the ConfigSpace says. @a->now_usec is current then.
 */
int access_read(Access *a, uint16_t reg, uint32_t *ret);
int access_write(Access *a, uint16_t reg, uint32_t value);

/* As access_read() of Status; -ENODEV also for all-ones, since no device has all of its bits set. */
int access_read_status(Access *a, uint32_t *ret);

/* Median of the last accesses, 0 before the first one. */
uint32_t access_median_usec(const Access *a);
bool access_is_slow(const Access *a);
