/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One mailbox over a scripted device, in virtual time, and what it told. */

#include "daemon/pci/doe-mailbox.h"
#include "tests/unit/scripted-device.h"

#define MAX_JOBS 64u

extern ScriptedDevice *device;
extern DoeMailbox *mailbox;
extern char told[4096];              /* all of it as a line of words, such as "ready/42 started:1 done:1 " */
extern WireDone answers[MAX_JOBS];   /* by job id, without payload */
extern unsigned n_answers[MAX_JOBS]; /* recalls too */
extern uint8_t last_payload[64];
extern char last_foreign[WIRE_TEXT_MAX], last_aborted[WIRE_TEXT_MAX];
extern bool is_busy;
extern uint32_t writes_when_busy_rose;

/* Default settle time, epoch 41. */
void mailbox_setup(void);
/* Taken over, idle, in epoch 42, with an empty log. */
void mailbox_setup_ready(void);
void mailbox_teardown(void);

/* Another mailbox on the same device. */
void begin(const DoeMailboxSettings *settings);
void forget_told(void);
/* Sleep and dispatch as told, but not beyond @usec. */
void run_until(uint64_t usec);
void run_for(uint64_t usec);
/* Until only another call can wake it. */
void run_idle(void);

/* One dword (1, 2, 3, 4) to 1234:01, within 20 s. */
WireExchange echo_job(uint64_t job_id);
void submit(const WireExchange *job);
void submit_echo(uint64_t job_id);
/* Dispatch until the first job's request is written: the first dispatch only looks whether it may be. */
void start_job(void);

void assert_answer(uint64_t job_id, int error);
void assert_state(WireMailboxState state, uint64_t epoch);
