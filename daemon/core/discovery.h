/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The flight that reads a mailbox's features, one at a time however many ask, and the answers it brought,
 * index by index. They hold for the epoch in which they were read. PCIe r6.1 6.30.1.1. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/core/client.h"
#include "daemon/core/failure.h"
#include "daemon/core/job.h"
#include "daemon/core/mailbox.h"
#include "protocols/discovery.h"

typedef struct DiscoveryAnswer {
        uint8_t n_bytes; /* 0: this index was not on the chain */
        uint8_t payload[DOE_DISCOVERY_RESPONSE_BYTES_MAX];
} DiscoveryAnswer;

struct Discovery {
        Mailbox *mailbox;
        struct TransactionList waiters;
        bool is_running;
        Job *job; /* borrowed: the mailbox's */
        uint64_t flight_epoch;
        unsigned n_restarts;
        uint64_t device_usec; /* of the flight */
        DoeDiscoveryWalk walk;
        DiscoveryAnswer flight_answers[DOE_DISCOVERY_ENTRIES_MAX];

        bool is_valid;
        uint64_t epoch, ended_usec;
        DiscoveryAnswer answers[DOE_DISCOVERY_ENTRIES_MAX];
        uint64_t failed_until_epoch; /* not tried again by itself up to this one */
        unsigned n_failures;         /* in a row, of the device's making */
        Failure failure;             /* of the last flight; error 0: it came through */
};

Discovery *discovery_new(Mailbox *mb); /* NULL on no memory */
Discovery *discovery_free(Discovery *d);

/* Not known in this epoch, and an attempt of doed's own is worthwhile. */
bool discovery_is_due(const Discovery *d);
/* The mailbox is ready in this epoch: read the features if they are not known in it, and an attempt is
 * worthwhile. */
void discovery_refresh(Discovery *d, uint64_t now_usec);

/**
 * discovery_ask() - Mailbox1.Discover, or Exchange on 0001:00
 * @t: answered at once out of the cache, or put among the waiters; a flight is started if none runs
 */
void discovery_ask(Discovery *d, Transaction *t, uint64_t now_usec);
/* Doed-pci takes the mailbox over, for whatever reason: what failed before says nothing any more. */
void discovery_forget_failure(Discovery *d);
/* Nobody can read anything any more: fail flight and waiters. */
void discovery_fail(Discovery *d, const Failure *failure);
