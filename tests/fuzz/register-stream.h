/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A mailbox whose every answer comes from the fuzz input, with a clock of its own. It aborts on what no
 * input may bring the machines to: other registers than their six, other Control values than GO and Abort
 * alone. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/pci/config-space.h"

#define REGISTER_STREAM_OFFSET 0x150u

typedef struct RegisterStream {
        ConfigSpace config; /* first */
        const uint8_t *data;
        size_t size;
        uint64_t now_usec;
        uint32_t dw0; /* that a well-behaved answer begins with */
        uint32_t n_writes, n_reads;
} RegisterStream;

void register_stream_init(RegisterStream *s, const uint8_t *data, size_t size);
/* 0 at its end */
uint8_t register_stream_byte(RegisterStream *s);
