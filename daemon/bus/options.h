/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The a{sv} of options that most methods take, read by a table of what the method knows. */

#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-bus.h>

#include "daemon/core/capture.h"
#include "daemon/core/failure.h"

typedef enum OptionType {
        OPTION_BOOL,      /* b, bool */
        OPTION_U32,       /* u, uint32_t */
        OPTION_U64,       /* t, uint64_t */
        OPTION_PRIORITY,  /* s, JobPriority */
        OPTION_U32S,      /* au, OptionU32s */
        OPTION_SCOPE,     /* s, LeaseScope: those that Mailbox1.Lease takes */
        OPTION_TOKEN,     /* ay, LEASE_TOKEN_BYTES bytes */
        OPTION_MAILBOXES, /* ao, OptionMailboxes */
        OPTION_FEATURES,  /* a(qy), OptionFeatures */
} OptionType;

/* Borrows from the message. */
typedef struct OptionU32s {
        const uint32_t *values;
        size_t n_values;
} OptionU32s;

/* Likewise. */
typedef struct OptionMailboxes {
        const char *paths[CAPTURE_FILTER_MAX];
        size_t n_paths;
} OptionMailboxes;

typedef struct OptionFeatures {
        CaptureFeature features[CAPTURE_FILTER_MAX];
        size_t n_features;
} OptionFeatures;

typedef struct OptionRow {
        const char *name; /* NULL ends the table */
        OptionType type;
        size_t offset;     /* where the value goes in the target */
        size_t has_offset; /* of a bool there that becomes true; 0: none */
} OptionRow;

/**
 * options_read() - read the a{sv} at which @m stands
 * @target: struct that the offsets of @rows mean; what was not given stays untouched
 * @ret_given: bit i is set if row i was given
 *
 * Return: 0; -EINVAL for an unknown option, a wrong type, one given twice, a value out of range:
 * @ret_failure then says what is allowed.
 */
int options_read(sd_bus_message *m, const OptionRow *rows, void *target, uint32_t *ret_given,
                 Failure *ret_failure);
