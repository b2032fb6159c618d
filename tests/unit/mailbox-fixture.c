/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/mailbox-fixture.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>

#include "daemon/util/clock.h"

ScriptedDevice *device;
DoeMailbox *mailbox;
char told[4096];
WireDone answers[MAX_JOBS];
unsigned n_answers[MAX_JOBS];
uint8_t last_payload[64];
char last_foreign[WIRE_TEXT_MAX], last_aborted[WIRE_TEXT_MAX];
bool is_busy;
uint32_t writes_when_busy_rose;
static const uint8_t one_dword[4] = { 1, 2, 3, 4 };

static void _printf_(1, 2) tell(const char *format, ...) {
        size_t n = strlen(told);
        va_list ap;

        va_start(ap, format);
        vsnprintf(told + n, sizeof(told) - n, format, ap);
        va_end(ap);
}

static const char *const state_names[N_WIRE_MAILBOX_STATES] = {
        [WIRE_MAILBOX_UNTOUCHED] = "untouched",
        [WIRE_MAILBOX_STARTING] = "starting",
        [WIRE_MAILBOX_READY] = "ready",
        [WIRE_MAILBOX_WAITING] = "waiting",
        [WIRE_MAILBOX_RECOVERING] = "recovering",
        [WIRE_MAILBOX_KERNEL] = "kernel",
        [WIRE_MAILBOX_READ_ONLY] = "read-only",
        [WIRE_MAILBOX_INHIBITED] = "inhibited",
        [WIRE_MAILBOX_DEAD] = "dead",
};

static void on_state(void *userdata, DoeMailbox *mb) {
        tell("%s/%lu ", state_names[doe_mailbox_state(mb)], (unsigned long)doe_mailbox_epoch(mb));
}

static void on_started(void *userdata, DoeMailbox *mb, uint64_t job_id) {
        ck_assert_uint_eq(n_answers[job_id], 0);
        tell("started:%lu ", (unsigned long)job_id);
}

static void on_done(void *userdata, DoeMailbox *mb, const WireDone *done) {
        ck_assert_uint_lt(done->job_id, MAX_JOBS);
        n_answers[done->job_id]++;
        answers[done->job_id] = *done;
        answers[done->job_id].payload = NULL;
        memcpy(last_payload, done->payload ?: last_payload, MIN_OF(done->n_bytes, sizeof(last_payload)));
        tell("done:%lu ", (unsigned long)done->job_id);
}

static void on_recalled(void *userdata, DoeMailbox *mb, uint64_t job_id) {
        n_answers[job_id]++;
        tell("recalled:%lu ", (unsigned long)job_id);
}

static void on_foreign(void *userdata, DoeMailbox *mb, const char *evidence) {
        snprintf(last_foreign, sizeof(last_foreign), "%s", evidence);
        tell("foreign ");
}

static void on_aborted(void *userdata, DoeMailbox *mb, const char *reason) {
        snprintf(last_aborted, sizeof(last_aborted), "%s", reason);
        tell("aborted ");
}

static void on_busy(void *userdata, DoeMailbox *mb, bool busy) {
        ck_assert(busy != is_busy);
        is_busy = busy;
        if (busy)
                writes_when_busy_rose = device->n_writes;
}

static const DoeMailboxObserver observer = {
        on_state, on_started, on_done, on_recalled, on_foreign, on_aborted, on_busy,
};

void forget_told(void) {
        told[0] = '\0';
}

void begin(const DoeMailboxSettings *settings) {
        doe_mailbox_free(mailbox);
        is_busy = false;
        forget_told();
        mailbox = doe_mailbox_new(&device->config, SCRIPTED_OFFSET, settings, &observer, NULL);
        ck_assert_ptr_nonnull(mailbox);
}

/* Sleep and dispatch as told, but not beyond @usec. */
void run_until(uint64_t usec) {
        for (unsigned n = 0; n < 200000; n++) {
                uint64_t due_usec = doe_mailbox_dispatch(mailbox);

                if (due_usec >= usec) {
                        scripted_sleep_until(device, usec);
                        return;
                }
                scripted_sleep_until(device, due_usec);
        }
        ck_abort_msg("spins");
}

void run_for(uint64_t usec) {
        run_until(device->now_usec + usec);
}

/* Until only another call can wake it. */
void run_idle(void) {
        for (unsigned n = 0; n < 200000; n++) {
                uint64_t due_usec = doe_mailbox_dispatch(mailbox);

                if (due_usec == USEC_INFINITY)
                        return;
                scripted_sleep_until(device, due_usec);
        }
        ck_abort_msg("never idle");
}

void mailbox_setup(void) {
        device = scripted_new();
        memset(n_answers, 0, sizeof(n_answers));
        memset(answers, 0, sizeof(answers));
        begin(&(DoeMailboxSettings){ .settle_usec = DOE_MAILBOX_SETTLE_USEC, .epoch = 41 });
}

/* Taken over, idle, in epoch 42, with an empty log. */
void mailbox_setup_ready(void) {
        mailbox_setup();
        run_idle();
        ck_assert_int_eq(doe_mailbox_state(mailbox), WIRE_MAILBOX_READY);
        forget_told();
        scripted_clear_log(device);
}

void mailbox_teardown(void) {
        mailbox = doe_mailbox_free(mailbox);
        device = scripted_free(device);
}

WireExchange echo_job(uint64_t job_id) {
        return (WireExchange){
                .job_id = job_id,
                .offset = SCRIPTED_OFFSET,
                .vendor_id = 0x1234,
                .type = 1,
                .deadline_usec = device->now_usec + 20 * USEC_PER_SEC,
                .n_dwords_max = 16,
                .payload = one_dword,
                .n_bytes = sizeof(one_dword),
        };
}

void submit(const WireExchange *job) {
        ck_assert_int_eq(doe_mailbox_submit(mailbox, job), 0);
}

void submit_echo(uint64_t job_id) {
        WireExchange job = echo_job(job_id);

        submit(&job);
}

void start_job(void) {
        doe_mailbox_dispatch(mailbox);
        doe_mailbox_dispatch(mailbox);
}

void assert_answer(uint64_t job_id, int error) {
        ck_assert_uint_eq(n_answers[job_id], 1);
        ck_assert_msg(answers[job_id].error == error, "job %lu: %d, not %d: %s", (unsigned long)job_id,
                      answers[job_id].error, error, answers[job_id].evidence);
}

void assert_state(WireMailboxState state, uint64_t epoch) {
        ck_assert_str_eq(state_names[doe_mailbox_state(mailbox)], state_names[state]);
        ck_assert_uint_eq(doe_mailbox_epoch(mailbox), epoch);
}
