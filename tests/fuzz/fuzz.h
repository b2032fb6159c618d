/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What every fuzz target defines: libFuzzer's entry point, or that of replay.c. */

#include <stddef.h>
#include <stdint.h>

/* Parse @data; crash, abort() or leak if that shows a fault. Return: 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
