/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What a successor must know of a function: for each mailbox the last epoch in use and whether its registers
 * were left clean, and the records of its leases. A mapped file <run>/state/<address>, so that it is right
 * even after a kill -9. Belongs to one boot; a successor of another boot starts from nothing. One thread at
 * a time. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/util/cleanup.h"
#include "daemon/wire/message.h"

typedef struct State State;

/**
 * state_open() - map the file of one function, made if need be
 * @run: the folder that holds state/
 * @instance: of the device; epochs go on under another one, clean marks and records do not
 *
 * Return: 0; -ENOMEM; -errno.
 */
int state_open(const char *run, const char *address, const char *instance, State **ret);
State *state_close(State *s); /* the file stays */
DEFINE_CLEANUP(State *, state_close);

/* 0 and false for a mailbox that was never written. */
uint64_t state_epoch(const State *s, uint16_t offset);
bool state_is_clean(const State *s, uint16_t offset);
void state_set_epoch(State *s, uint16_t offset, uint64_t epoch);
void state_set_clean(State *s, uint16_t offset, bool is_clean);

/* Records of leases, WIRE_RECORDS_MAX of them. @now_usec: CLOCK_MONOTONIC. */

/**
 * state_put_record() - keep @record, or replace the one of the same digest
 *
 * Where no place is left, the one that expires first has to go.
 *
 * Return: 0; -ENOSPC if all of them are of open leases.
 */
int state_put_record(State *s, const WireRecord *record, uint64_t now_usec);
void state_drop_record(State *s, const uint8_t *digest);
/* Whoever had the leases is gone: from now on their records expire. */
void state_orphan_records(State *s, uint64_t now_usec);
/* Those that are of use, into an array of WIRE_RECORDS_MAX; others are dropped: expired ones, and those of
 * an epoch that their mailbox is no longer in. Return: how many. */
size_t state_get_records(State *s, uint64_t now_usec, WireRecord *ret);
