/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One emulated function out of the text of a scenario, in virtual time, and a client that drives its mailbox
 * register by register. */

#include <stddef.h>
#include <stdint.h>

#include "tests/emulator/model.h"
#include "tests/emulator/scenario.h"

typedef struct EmulatedFunction {
        Scenario *scenario;
        Model *model;
        uint64_t now_usec;
        uint16_t offset; /* of the mailbox that is driven: the first at first */
} EmulatedFunction;

/* "[device 0000:01:00.0]" and its first mailbox at 150 are begun: @mailbox are lines of it, and more
 * sections. */
void emulated_begin(EmulatedFunction *e, const char *mailbox);
void emulated_end(EmulatedFunction *e);

uint32_t emulated_read(EmulatedFunction *e, uint16_t reg);
void emulated_write(EmulatedFunction *e, uint16_t reg, uint32_t value);
/* Write a whole request, without GO. */
void emulated_send(EmulatedFunction *e, uint32_t feature, const uint32_t *payload, size_t n_dwords);
/* Let time pass until Status has one of @bits, for @usec at most. Return: Status. */
uint32_t emulated_wait(EmulatedFunction *e, uint32_t bits, uint64_t usec);
/* Pop dwords until Ready is clear. Return: how many. */
size_t emulated_drain(EmulatedFunction *e, uint32_t *ret, size_t n_max);
/* A whole exchange. Return: dwords of the response object; 0 if none came within a second. */
size_t emulated_exchange(EmulatedFunction *e, uint32_t feature, const uint32_t *payload, size_t n_dwords,
                         uint32_t *ret, size_t n_max);
