/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What a device does wrong, or others do to it, as rows of text: "POINT [selector=value]... ACTION
 * [argument]". This file knows the rows and when one applies; model-mailbox.c carries them out. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/emulator/random.h"

#define FAULTS_MAX      64u  /* rows of one mailbox */
#define FAULT_ERROR_MAX 160u /* bytes of an error text */

typedef enum FaultPoint {
        FAULT_AT_BOOT,  /* power-up, and the end of each reset */
        FAULT_AT_NOW,   /* the next access to a register of the mailbox, whatever it is */
        FAULT_AT_SEND,  /* a dword of the request arrives */
        FAULT_AT_GO,    /* the request is complete */
        FAULT_AT_READY, /* the response is about to be shown */
        FAULT_AT_READ,  /* a dword of the response is read for the first time */
        FAULT_AT_END,   /* the last dword was popped */
        FAULT_AT_ABORT, /* Abort was written */
} FaultPoint;
#define N_FAULT_POINTS (FAULT_AT_ABORT + 1)

typedef enum FaultAction {
        FAULT_STAY_BUSY,
        FAULT_LATE,
        FAULT_HANG,
        FAULT_DISCARD,
        FAULT_SET_ERROR,
        FAULT_LENGTH,
        FAULT_RESIZE,
        FAULT_FEATURE,
        FAULT_RESERVED,
        FAULT_GARBAGE,
        FAULT_ALL_ONES,
        FAULT_VANISH,
        FAULT_STEAL,
        FAULT_FOREIGN_ABORT,
        FAULT_FOREIGN_EXCHANGE,
        FAULT_FOREIGN_LEAVE,
        FAULT_RESET,
        FAULT_FORGET,
        FAULT_NOT_READY,
} FaultAction;
#define N_FAULT_ACTIONS (FAULT_NOT_READY + 1)

typedef struct Fault {
        FaultPoint point;
        FaultAction action;
        /* selectors; all that are given must hold */
        uint64_t nth;   /* this exchange of the mailbox only, counted from 1; 0: any */
        uint64_t every; /* each exchange whose number this divides; 0: any */
        bool has_feature;
        uint16_t vendor_id;
        uint8_t type;
        uint32_t dword;           /* of the object: 0 and 1 are its header; at send and read only */
        uint32_t probability_ppm; /* 1000000: always */
        uint64_t count;           /* as often at most; 0: no limit */
        /* argument of the action */
        uint64_t usec;
        uint32_t value;

        uint64_t n_fired;
} Fault;

typedef struct FaultSet {
        Fault rows[FAULTS_MAX];
        size_t n_rows;
} FaultSet;

/* Where an exchange stands when faults are looked for. */
typedef struct FaultMoment {
        FaultPoint point;
        uint64_t exchange; /* number of the exchange that is under way or comes next, from 1 */
        bool has_feature;
        uint16_t vendor_id;
        uint8_t type;
        uint32_t dword;
} FaultMoment;

/**
 * fault_parse() - read one row
 * @error: FAULT_ERROR_MAX bytes for what is wrong
 *
 * Return: 0; -EINVAL with @error written.
 */
int fault_parse(const char *row, Fault *ret, char *error);

/* Return: 0; -ENOSPC if FAULTS_MAX rows are there already. */
int fault_set_add(FaultSet *set, const Fault *fault);

/**
 * fault_set_next() - the next row that applies at @moment, counted as fired
 * @i: where to go on; 0 at first
 *
 * Return: borrowed from @set; NULL: no more.
 */
const Fault *fault_set_next(FaultSet *set, size_t *i, const FaultMoment *moment, Random *random);

/* The tables behind the syntax, for the documentation and its test. NULL past the end. */
const char *fault_point_get(size_t i, const char **ret_help);
const char *fault_action_get(size_t i, const char **ret_help);
const char *fault_selector_get(size_t i, const char **ret_help);
