/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Leases on a bench: a function with two mailboxes on the core's bench, holders whose streams are written
 * down, and a device that answers when a test says so.
 *
 *   a  0001:01, 0001:03 (connection IDs up to 2), 1e98:00, 1234:01 (objects of 16 dwords), 1234:02
 *   b  0001:02, 1234:01 */

#include "protocols/cursor.h"
#include "protocols/spdm.h"
#include "tests/unit/core-fixture.h"

#define HOLDER_OBJECTS_MAX 24u

#define A_OFFSET 0x160u
#define B_OFFSET 0x180u
#define ECHO     0x1234, 0x01
#define SPDM     0x0001, 0x01
#define SECURED  0x0001, 0x02

/* One object as a holder got it. */
typedef struct GotObject {
        DoeObjectHeader header;
        uint8_t payload[640];
        size_t n_bytes;
        int error; /* of an error object; 0: it is none */
        uint32_t flags;
        char text[FAILURE_TEXT_MAX + 1];
} GotObject;

typedef struct Holder {
        unsigned n_answers;
        int error; /* of the call */
        char text[FAILURE_TEXT_MAX];
        unsigned n_values;
        FailureValue values[FAILURE_VALUES_MAX];
        uint64_t epoch;
        uint8_t token[LEASE_TOKEN_BYTES];
        Lease *lease; /* NULL once it is over */
        GotObject objects[HOLDER_OBJECTS_MAX];
        size_t n_objects;
        unsigned n_ends, n_resumes;
} Holder;

typedef struct LeaseFixture {
        Fixture *f;
        Mailbox *a, *b;
        Client *root;       /* uid 0 */
        Client *alice, *al; /* two connections of uid 2001; the rules let it open SPDM connections */
        Client *bob;        /* uid 2002, likewise */
        Client *eve;        /* uid 2003: nothing is allowed to her */
} LeaseFixture;

/* Both mailboxes ready in epoch 1. @rules: go before the shipped ones; NULL: none. */
LeaseFixture *lease_fixture_new(const char *rules);
/* Neither has reported yet. */
LeaseFixture *lease_fixture_new_silent(const char *rules);
LeaseFixture *lease_fixture_free(LeaseFixture *f);
/* Report a mailbox ready, and its features. */
void mailbox_come_up(LeaseFixture *f, Mailbox *mb, uint64_t epoch);

/* Options of a lease of that scope, everything else default. */
LeaseOptions lease_options(LeaseScope scope);
void ask(LeaseFixture *f, Client *c, Mailbox *mb, uint16_t vendor_id, uint8_t type,
         const LeaseOptions *options, Holder *ret);
/* The same with a timeout. */
void ask_for(LeaseFixture *f, Client *c, Mailbox *mb, uint16_t vendor_id, uint8_t type,
             const LeaseOptions *options, uint64_t timeout_usec, Holder *ret);
/* A lease of the feature, at once; asserts that it is open. */
void hold(LeaseFixture *f, Client *c, Mailbox *mb, uint16_t vendor_id, uint8_t type, Holder *ret);
/* One that waits. */
void wait_for(LeaseFixture *f, Client *c, Mailbox *mb, uint16_t vendor_id, uint8_t type, Holder *ret);
uint64_t holder_value(const Holder *h, const char *name); /* asserts that it is there */
bool holder_has_value(const Holder *h, const char *name);

/* What a holder writes. */
void say(LeaseFixture *f, Holder *h, uint16_t vendor_id, uint8_t type, const void *payload, size_t n_bytes);
void say_header(LeaseFixture *f, Holder *h, const DoeObjectHeader *header, const void *payload,
                size_t n_bytes);
/* An SPDM message 1.2 of four bytes. */
void say_spdm(LeaseFixture *f, Holder *h, uint8_t code);
/* GET_VERSION, answered. */
void say_hello(LeaseFixture *f, Holder *h);
/* What it got last; asserts that there is one. */
const GotObject *last_object(const Holder *h);
/* Asserts that the last object is that error with those flags. */
void expect_error(const Holder *h, int error, uint32_t flags);
/* Asserts that it got nothing since. */
void expect_nothing_after(const Holder *h, size_t n_objects);

/* What the device does with what runs in @mb; asserts that something does. */
const Job *running_job(const Mailbox *mb);
void start(LeaseFixture *f, Mailbox *mb);
void answer(LeaseFixture *f, Mailbox *mb, const void *payload, size_t n_bytes);
/* With the request itself. */
void answer_echo(LeaseFixture *f, Mailbox *mb);
void answer_spdm(LeaseFixture *f, Mailbox *mb, uint8_t code);
void fail_job(LeaseFixture *f, Mailbox *mb, int error, bool not_started, const char *evidence);

/* Time passes. 0: what is due. */
void pass(LeaseFixture *f, uint64_t usec);
