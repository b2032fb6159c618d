/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A doed-pci over fake devices, and the peer that a test is for it. */

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/wire/connection.h"
#include "tests/unit/fake-host.h"

#define PATIENCE_MSEC 10000
#define A             "0000:3a:00.0"
#define B             "0000:3a:00.1"

extern pid_t service_pid;
extern WireConnection *control, *device; /* of A */
extern WireMessage got;                  /* the last one received */
extern uint64_t last_job_id;

void service_setup(void);
void service_teardown(void);

void start(uint64_t settle_usec);
void say_hello(uint32_t version);
/* Until A is ready. Return: its epoch. */
uint64_t connect_until_ready(void);
void hang_up(void);

void say(WireConnection *c, const WireMessage *message);
/* Return: the descriptor that came with it, or -1. */
int receive(WireConnection *c);
void expect(WireConnection *c, WireType type);
void expect_end(WireConnection *c);
/* The next message must be of the device @address and bring a socket. */
WireConnection *receive_device(const char *address);
/* Of A. */
void await_state(WireMailboxState state);
/* Everything that the service was told before has been dealt with by its main thread. */
void await_sync(void);

/* A request to A of eight bytes, the first of which is @code. Return: its job. */
uint64_t submit_as(uint16_t offset, uint16_t vendor_id, uint8_t type, uint8_t code);
uint64_t submit(void);
void await_done(uint64_t job_id);
/* A request to A must come back as it was. */
void expect_answer(void);

void await(const atomic_uint *counter, unsigned value);
/* A is not pinned any more, which outlives the last access. */
void await_idle(void);
