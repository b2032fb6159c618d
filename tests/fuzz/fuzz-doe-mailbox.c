/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The input: what is asked of the mailbox, and in between what its registers say. Whatever that is, each job
 * ends once, nothing is written while the kernel holds the function, and nothing read either while a tool
 * has it. */

#include <stdlib.h>

#include "daemon/pci/doe-mailbox.h"
#include "daemon/pci/exchange.h"
#include "daemon/util/clock.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/register-stream.h"

#define DISPATCHES_MAX 100000u

typedef struct Fuzz {
        RegisterStream stream;
        DoeMailbox *mailbox;
        uint64_t last_epoch;
        uint64_t held_usec; /* end of the grace of the last hold */
        uint8_t n_jobs;
        uint8_t is_open[256]; /* by job id */
} Fuzz;

static void on_state(void *userdata, DoeMailbox *mb) {
        Fuzz *f = userdata;

        if (doe_mailbox_epoch(mb) < f->last_epoch)
                abort();
        f->last_epoch = doe_mailbox_epoch(mb);
}

static void on_started(void *userdata, DoeMailbox *mb, uint64_t job_id) {
        if (!((Fuzz *)userdata)->is_open[job_id])
                abort();
}

static void on_recalled(void *userdata, DoeMailbox *mb, uint64_t job_id) {
        on_started(userdata, mb, job_id);
        ((Fuzz *)userdata)->is_open[job_id] = 0;
}

static void on_done(void *userdata, DoeMailbox *mb, const WireDone *done) {
        if (done->error > 0 || (done->n_bytes > 0 && !done->payload))
                abort();
        on_recalled(userdata, mb, done->job_id);
}

static void on_text(void *userdata, DoeMailbox *mb, const char *text) {
}

static void on_busy(void *userdata, DoeMailbox *mb, bool is_busy) {
}

static const DoeMailboxObserver observer = {
        on_state, on_started, on_done, on_recalled, on_text, on_text, on_busy,
};

static void fuzz_submit(Fuzz *f, uint8_t how) {
        static const uint8_t payload[1024];
        WireExchange job = {
                .job_id = f->n_jobs + 1u,
                .vendor_id = 0x1234,
                .type = 1,
                .deadline_usec = f->stream.now_usec + ((uint64_t)how << 20),
                .n_dwords_max = 300,
                .epoch = how & 1 ? 0 : doe_mailbox_epoch(f->mailbox),
                .payload = payload,
                .n_bytes = how & 2 ? 4 : sizeof(payload),
        };

        if (f->n_jobs == 255)
                return;
        f->is_open[job.job_id] = 1;
        if (doe_mailbox_submit(f->mailbox, &job) < 0)
                f->is_open[job.job_id] = 0;
        else
                f->n_jobs++;
}

static bool is_inhibited(const Fuzz *f) {
        return doe_mailbox_state(f->mailbox) == WIRE_MAILBOX_INHIBITED;
}

static bool is_held(const Fuzz *f) {
        return doe_mailbox_state(f->mailbox) == WIRE_MAILBOX_KERNEL && f->stream.now_usec > f->held_usec;
}

/* Waits in the clock of the stream. @n_looks: 0 until nothing is due. */
static void fuzz_dispatch(Fuzz *f, unsigned n_looks) {
        for (unsigned n = 0; n < (n_looks ?: DISPATCHES_MAX); n++) {
                bool was_held = is_held(f), was_inhibited = is_inhibited(f);
                uint32_t n_writes = f->stream.n_writes, n_reads = f->stream.n_reads;
                uint64_t due_usec = doe_mailbox_dispatch(f->mailbox);

                if (was_held && is_held(f) && f->stream.n_writes != n_writes)
                        abort();
                if (was_inhibited && (f->stream.n_writes != n_writes || f->stream.n_reads != n_reads))
                        abort();
                if (due_usec == USEC_INFINITY)
                        return;
                f->stream.now_usec = MAX_OF(f->stream.now_usec, due_usec);
        }
        if (n_looks == 0)
                abort();
}

static void fuzz_set_clock_back(Fuzz *f, uint64_t usec) {
        f->held_usec = usec_sub(f->held_usec, usec);
        f->stream.now_usec = usec_sub(f->stream.now_usec, usec);
}

/* A drain that is about to end may go on for so long. */
static void fuzz_start_grace(Fuzz *f) {
        if (doe_mailbox_state(f->mailbox) != WIRE_MAILBOX_KERNEL)
                f->held_usec = f->stream.now_usec + EXCHANGE_HELD_GRACE_USEC;
}

/* What the host or a tool asks for, each for a while: sleep is a hold that is announced. */
static void fuzz_leave_alone(Fuzz *f, uint8_t how) {
        uint64_t until_usec = f->stream.now_usec + ((uint64_t)(how >> 2) << 19);

        switch (how & 3) {
        case 0:
                doe_mailbox_inhibit(f->mailbox, "inhibit", until_usec);
                break;
        case 1:
                doe_mailbox_end_inhibit(f->mailbox);
                fuzz_start_grace(f);
                break;
        case 2:
                doe_mailbox_wind_up(f->mailbox, "wind up", until_usec);
                f->held_usec = MAX_OF(f->held_usec, until_usec + EXCHANGE_HELD_GRACE_USEC);
                break;
        default:
                doe_mailbox_set_take_over(f->mailbox, 1000, how & 4);
                doe_mailbox_set_min_gap(f->mailbox, (uint64_t)(how & 8) << 10);
        }
}

static void fuzz_act(Fuzz *f, uint8_t byte) {
        uint64_t job_id = f->n_jobs - (uint64_t)(byte >> 7);

        switch (byte & 0xf) {
        case 0:
        case 1:
        case 2:
        case 3:
                fuzz_submit(f, byte >> 4);
                break;
        case 4:
                doe_mailbox_recall(f->mailbox, job_id);
                break;
        case 5:
                doe_mailbox_cancel(f->mailbox, job_id);
                break;
        case 6:
                doe_mailbox_recover(f->mailbox, byte & 0x80);
                break;
        case 7:
                fuzz_start_grace(f);
                doe_mailbox_hold(f->mailbox, "hold");
                break;
        case 8:
                fuzz_start_grace(f);
                doe_mailbox_release(f->mailbox, f->stream.now_usec, byte & 0x80);
                break;
        case 9:
                doe_mailbox_set_read_only(f->mailbox, byte & 0x80 ? "read-only" : "");
                break;
        case 10:
                doe_mailbox_fail_all(f->mailbox, -1, "all");
                break;
        case 11:
                fuzz_set_clock_back(f, (uint64_t)(byte >> 4) << 15);
                break;
        case 12:
                f->stream.now_usec += (uint64_t)(byte >> 4) << 20;
                break;
        case 14:
                fuzz_leave_alone(f, byte >> 4);
                break;
        default:
                fuzz_dispatch(f, (byte >> 4) + 1u);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Fuzz f = {};
        DoeMailboxSettings settings = {};
        uint8_t byte;

        register_stream_init(&f.stream, data, size);
        byte = register_stream_byte(&f.stream);
        settings.epoch = f.last_epoch = byte & 3;
        settings.is_clean = byte & 4;
        settings.is_on_demand = byte & 8;
        settings.settle_usec = (uint64_t)(byte >> 4) << 16;
        f.mailbox = doe_mailbox_new(&f.stream.config, REGISTER_STREAM_OFFSET, &settings, &observer, &f);
        if (!f.mailbox)
                return 0;

        while (f.stream.size > 0) {
                fuzz_act(&f, register_stream_byte(&f.stream));
                fuzz_dispatch(&f, 1);
        }
        fuzz_dispatch(&f, 0);
        doe_mailbox_fail_all(f.mailbox, -1, "end");
        for (unsigned i = 0; i < 256; i++)
                if (f.is_open[i])
                        abort();
        doe_mailbox_free(f.mailbox);
        return 0;
}
