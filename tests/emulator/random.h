/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Numbers that look random and are the same for the same seed, on every machine (splitmix64). */

#include <stdint.h>

typedef struct Random {
        uint64_t state;
} Random;

static inline uint64_t random_next(Random *random) {
        uint64_t z = (random->state += UINT64_C(0x9e3779b97f4a7c15));

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

/* Uniform enough over @min..@max, both included. */
static inline uint64_t random_between(Random *random, uint64_t min, uint64_t max) {
        return max <= min ? min : min + random_next(random) % (max - min + 1);
}
