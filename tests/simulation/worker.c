/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What daemon/pci/worker.c, slot.c and function.c do with the machines, in virtual time: a round of
 * commands, mailboxes and messages; the state that outlives it; the hold and its end a settle time later. */

#include <errno.h>
#include <inttypes.h>

#include "daemon/pci/exchange.h"
#include "tests/simulation/simulation.h"

#define MESSAGES_MAX 16u
#define INHIBIT_USEC (3 * USEC_PER_SEC) /* what runs may take so long to end */
/* a command waits for one burst at most: 5 ms, and the accesses that were under way */
#define COMMAND_LATE_USEC (EXCHANGE_BURST_USEC + 1500)

static void worker_round(Timer *timer, void *userdata, uint64_t now_usec);

static bool is_dead(const SimDevice *dev) {
        return dev->now_usec >= dev->sim->pci_dies_usec;
}

void worker_send(SimDevice *dev, const WireMessage *m) {
        if (dev->worker_generation != 0 && !is_dead(dev))
                link_send_up(dev, m, dev->now_usec);
}

static void send_mailbox(SimMailbox *mb) {
        WireMessage m = { .type = WIRE_MAILBOX,
                          .mailbox = { .offset = mb->offset,
                                       .state = doe_mailbox_state(mb->machine),
                                       .epoch = doe_mailbox_epoch(mb->machine) } };

        if (m.mailbox.state == WIRE_MAILBOX_INHIBITED)
                m.mailbox.lease_id = mb->inhibited_for;

        wire_text_set(m.mailbox.reason, sizeof(m.mailbox.reason), doe_mailbox_reason(mb->machine));
        worker_send(mb->device, &m);
}

static SimMailbox *mailbox_of(SimDevice *dev, const DoeMailbox *machine) {
        for (size_t i = 0; i < dev->n_mailboxes; i++)
                if (dev->mailboxes[i].machine == machine)
                        return &dev->mailboxes[i];
        sim_violation(dev->sim, NULL, "%s: a mailbox speaks that is not there", dev->address);
}

/* as slot.c keeps it */
static void mark(SimMailbox *mb) {
        WireMailboxState state = doe_mailbox_state(mb->machine);

        if (state == WIRE_MAILBOX_UNTOUCHED || state == WIRE_MAILBOX_READ_ONLY)
                return;
        mb->is_clean = state == WIRE_MAILBOX_READY && !mb->is_busy;
        if (mb->is_clean && mb->watch != WATCH_CLEAN)
                sim_violation(mb->device->sim, mb,
                              "marked as clean, but a request of ours was left behind (%d)", (int)mb->watch);
}

static uint32_t table_sequence(const SimDevice *dev) {
        size_t n_bytes;
        const uint8_t *table = model_table(dev->model, &n_bytes);

        return n_bytes >= 16 ? (uint32_t)table[12] | (uint32_t)table[13] << 8 | (uint32_t)table[14] << 16 |
                                               (uint32_t)table[15] << 24
                             : 0;
}

static void note_epoch(SimMailbox *mb) {
        uint64_t epoch = doe_mailbox_epoch(mb->machine);

        if (epoch < mb->last_epoch)
                sim_violation(mb->device->sim, mb, "epoch %" PRIu64 " after %" PRIu64, epoch,
                              mb->last_epoch);
        if (epoch > mb->last_epoch)
                mb->epoch_sequences[epoch % SIM_EPOCHS_MAX] = table_sequence(mb->device);
        mb->last_epoch = epoch;
}

static void on_state(void *userdata, DoeMailbox *machine) {
        SimDevice *dev = userdata;
        SimMailbox *mb = mailbox_of(dev, machine);

        if (is_dead(dev))
                return;
        sim_trace(mb, dev->now_usec, TRACE_STATE, doe_mailbox_state(machine), doe_mailbox_epoch(machine), 0,
                  doe_mailbox_reason(machine));
        note_epoch(mb);
        mb->saved_epoch = doe_mailbox_epoch(machine);
        mark(mb);
        send_mailbox(mb);
}

static void send_job(SimDevice *dev, WireType type, uint64_t job_id) {
        worker_send(dev, &(WireMessage){ .type = type, .job = { .job_id = job_id } });
}

static void on_started(void *userdata, DoeMailbox *machine, uint64_t job_id) {
        SimDevice *dev = userdata;
        SimMailbox *mb = mailbox_of(dev, machine);

        if (is_dead(dev))
                return;
        sim_trace(mb, dev->now_usec, TRACE_STARTED, job_id, 0, 0, NULL);
        if (mb->n_worker_jobs == 0 || mb->worker_jobs[0]->id != job_id)
                sim_violation(dev->sim, mb, "job %" PRIu64 " started, which is not the first", job_id);
        if (mb->is_winding_up)
                sim_violation(dev->sim, mb, "job %" PRIu64 " is begun while the kernel waits", job_id);
        mb->worker_jobs[0]->has_started = true;
        send_job(dev, WIRE_STARTED, job_id);
}

/* The worker has done with it. */
static void forget_job(SimMailbox *mb, SimJob *job) {
        unsigned i = 0;

        while (i < mb->n_worker_jobs && mb->worker_jobs[i] != job)
                i++;
        if (i == mb->n_worker_jobs)
                sim_violation(mb->device->sim, mb, "job %" PRIu64 " ends twice", job->id);
        for (mb->n_worker_jobs--; i < mb->n_worker_jobs; i++)
                mb->worker_jobs[i] = mb->worker_jobs[i + 1];
        job->worker_has = false;
        link_put_job(job);
}

static SimJob *job_that_ends(SimMailbox *mb, uint64_t job_id) {
        SimJob *job = watch_find_job(mb, job_id);

        if (!job || !job->worker_has)
                sim_violation(mb->device->sim, mb, "job %" PRIu64 " ends, which is not there", job_id);
        return job;
}

static void on_done(void *userdata, DoeMailbox *machine, const WireDone *done) {
        SimDevice *dev = userdata;
        SimMailbox *mb = mailbox_of(dev, machine);
        WireMessage m = { .type = WIRE_DONE, .done = *done };
        SimJob *job;

        if (is_dead(dev))
                return;
        sim_trace(mb, dev->now_usec, TRACE_DONE, done->job_id, (uint64_t)(int64_t)done->error, done->n_bytes,
                  done->evidence);
        job = job_that_ends(mb, done->job_id);
        watch_job_ended(mb, job, done);
        forget_job(mb, job);
        wire_text_set(m.done.evidence, sizeof(m.done.evidence), done->evidence);
        worker_send(dev, &m);
}

static void on_recalled(void *userdata, DoeMailbox *machine, uint64_t job_id) {
        SimDevice *dev = userdata;
        SimMailbox *mb = mailbox_of(dev, machine);
        SimJob *job;

        if (is_dead(dev))
                return;
        sim_trace(mb, dev->now_usec, TRACE_RECALLED, job_id, 0, 0, NULL);
        job = job_that_ends(mb, job_id);
        if (job->has_started)
                sim_violation(dev->sim, mb, "job %" PRIu64 " is recalled after it started", job_id);
        forget_job(mb, job);
        send_job(dev, WIRE_RECALLED, job_id);
}

static void send_note(SimMailbox *mb, WireType type, const char *text) {
        WireMessage m = { .type = type, .note = { .offset = mb->offset } };

        wire_text_set(m.note.text, sizeof(m.note.text), text);
        worker_send(mb->device, &m);
}

static void on_foreign(void *userdata, DoeMailbox *machine, const char *evidence) {
        SimMailbox *mb = mailbox_of(userdata, machine);

        sim_trace(mb, mb->device->now_usec, TRACE_FOREIGN, 0, 0, 0, evidence);
        send_note(mb, WIRE_FOREIGN, evidence);
}

static void on_aborted(void *userdata, DoeMailbox *machine, const char *reason) {
        send_note(mailbox_of(userdata, machine), WIRE_ABORTED, reason);
}

static void on_busy(void *userdata, DoeMailbox *machine, bool is_busy) {
        SimDevice *dev = userdata;
        SimMailbox *mb = mailbox_of(dev, machine);

        if (is_dead(dev))
                return;
        sim_trace(mb, dev->now_usec, TRACE_BUSY, is_busy, 0, 0, NULL);
        if (mb->is_busy == is_busy)
                sim_violation(dev->sim, mb, "said busy %d twice", is_busy);
        mb->is_busy = is_busy;
        mark(mb);
}

static const DoeMailboxObserver observer = {
        .on_state = on_state,
        .on_started = on_started,
        .on_done = on_done,
        .on_recalled = on_recalled,
        .on_foreign = on_foreign,
        .on_aborted = on_aborted,
        .on_busy = on_busy,
};

/* -------- commands -------- */

static void forget_jobs(SimMailbox *mb) {
        while (mb->n_worker_jobs > 0)
                forget_job(mb, mb->worker_jobs[0]);
}

static void drop_peer(SimDevice *dev) {
        if (dev->worker_generation == 0)
                return;
        link_drop(dev, &dev->down, dev->worker_generation);
        dev->worker_generation = 0;
        records_orphan(dev);
        for (size_t i = 0; i < dev->n_mailboxes; i++) {
                SimMailbox *mb = &dev->mailboxes[i];

                doe_mailbox_orphan(mb->machine);
                forget_jobs(mb);
                mb->due_usec = 0;
        }
}

static void hold(SimDevice *dev, const char *reason) {
        for (size_t i = 0; i < dev->n_mailboxes; i++) {
                SimMailbox *mb = &dev->mailboxes[i];

                /* it counts from when it was first put on hold; a second hold gives no second grace */
                if (!mb->is_held)
                        mb->held_usec = dev->now_usec;
                mb->is_held = true;
                mb->is_winding_up = false;
                doe_mailbox_hold(mb->machine, reason);
                mb->due_usec = 0;
        }
}

/* Held, as soon as nothing is under way. */
static void note_wound_up(SimMailbox *mb) {
        if (!mb->is_winding_up || doe_mailbox_is_winding_up(mb->machine))
                return;
        mb->is_winding_up = false;
        mb->is_held = true;
        mb->held_usec = mb->device->now_usec;
        sleep_note_held(mb->device->sim);
}

static void wind_up(SimDevice *dev, const char *reason, uint64_t until_usec) {
        for (size_t i = 0; i < dev->n_mailboxes; i++) {
                SimMailbox *mb = &dev->mailboxes[i];

                doe_mailbox_wind_up(mb->machine, reason, until_usec);
                mb->is_winding_up = !mb->is_held;
                note_wound_up(mb);
                mb->due_usec = 0;
        }
}

static void release(SimDevice *dev, uint64_t since_usec) {
        dev->kernel.is_excused = true;
        for (size_t i = 0; i < dev->n_mailboxes; i++) {
                SimMailbox *mb = &dev->mailboxes[i];

                mb->is_held = mb->is_winding_up = false;
                mb->is_clean = false;
                mb->watch = WATCH_UNKNOWN;
                doe_mailbox_release(mb->machine, since_usec, /* is_dirty= */ true);
                mb->due_usec = 0;
        }
}

static void run_command(SimDevice *dev, const SimCommand *c) {
        sim_trace_device(dev, TRACE_COMMAND, c->text);
        if (dev->now_usec > c->usec + COMMAND_LATE_USEC + 40 * dev->access_usec)
                sim_violation(dev->sim, &dev->mailboxes[0], "a command waited for %" PRIu64 " us",
                              dev->now_usec - c->usec);
        switch (c->kind) {
        case SIM_HOLD:
                hold(dev, c->text);
                break;
        case SIM_WIND_UP:
                wind_up(dev, c->text, c->number);
                break;
        case SIM_RELEASE:
                release(dev, c->number);
                break;
        case SIM_SUSPEND:
                wind_up(dev, c->text, c->number);
                sleep_note_held(dev->sim);
                break;
        case SIM_READ_ONLY:
                for (size_t i = 0; i < dev->n_mailboxes; i++) {
                        doe_mailbox_set_read_only(dev->mailboxes[i].machine, c->text);
                        dev->mailboxes[i].due_usec = 0;
                }
                break;
        case SIM_ATTACH:
                drop_peer(dev);
                dev->worker_generation = c->number;
                for (size_t i = 0; i < dev->n_mailboxes; i++)
                        send_mailbox(&dev->mailboxes[i]);
                records_tell(dev);
                break;
        case SIM_DETACH:
                drop_peer(dev);
                break;
        case SIM_REMOVE:
                for (size_t i = 0; i < dev->n_mailboxes; i++)
                        doe_mailbox_fail_all(dev->mailboxes[i].machine, -ENODEV, c->text);
                drop_peer(dev);
                break;
        }
}

static bool has_command(const SimDevice *dev) {
        const SimCommand *c = TAILQ_FIRST(&dev->commands);

        return c && c->usec <= dev->now_usec;
}

static void run_commands(SimDevice *dev) {
        while (has_command(dev)) {
                SimCommand *c = TAILQ_FIRST(&dev->commands);
                bool is_end = c->kind == SIM_REMOVE;

                TAILQ_REMOVE(&dev->commands, c, commands);
                run_command(dev, c);
                free(c);
                if (is_end) {
                        worker_end(dev);
                        return;
                }
        }
}

/* -------- messages -------- */

static void take_exchange(SimDevice *dev, const WireExchange *m) {
        for (size_t i = 0; i < dev->n_mailboxes; i++) {
                SimMailbox *mb = &dev->mailboxes[i];
                SimJob *job = mb->offset == m->offset ? watch_find_job(mb, m->job_id) : NULL;
                int r;

                if (!job)
                        continue;
                sim_trace(mb, dev->now_usec, TRACE_TAKEN, m->job_id, 0, 0, NULL);
                if (mb->n_worker_jobs == SIM_WORKER_JOBS_MAX)
                        sim_violation(dev->sim, mb, "a third job comes down: %" PRIu64, m->job_id);
                mb->worker_jobs[mb->n_worker_jobs++] = job;
                job->worker_has = true;
                job->is_on_way = false;
                r = doe_mailbox_submit(mb->machine, m);
                if (r < 0)
                        sim_violation(dev->sim, mb, "job %" PRIu64 " is not taken: %s", m->job_id,
                                      strerror(-r));
                mb->due_usec = 0;
                return;
        }
        sim_violation(dev->sim, &dev->mailboxes[0], "exchange %" PRIu64 " was never handed down", m->job_id);
}

static void act_on_job(SimDevice *dev, void (*act)(DoeMailbox *mb, uint64_t job_id), uint64_t job_id) {
        for (size_t i = 0; i < dev->n_mailboxes; i++) {
                act(dev->mailboxes[i].machine, job_id);
                dev->mailboxes[i].due_usec = 0;
        }
}

static void inhibit(SimDevice *dev, const WireInhibit *m) {
        for (size_t i = 0; i < dev->n_mailboxes; i++) {
                SimMailbox *mb = &dev->mailboxes[i];

                if (mb->offset != m->offset)
                        continue;
                mb->inhibited_for = m->lease_id;
                if (m->lease_id != 0)
                        doe_mailbox_inhibit(mb->machine, "handed to a tool", dev->now_usec + INHIBIT_USEC);
                else
                        doe_mailbox_end_inhibit(mb->machine);
                mb->due_usec = 0;
        }
}

static void take_message(SimDevice *dev, const WireMessage *m) {
        switch ((int)m->type) {
        case WIRE_EXCHANGE:
                take_exchange(dev, &m->exchange);
                return;
        case WIRE_RECALL:
                act_on_job(dev, doe_mailbox_recall, m->job.job_id);
                return;
        case WIRE_CANCEL:
                act_on_job(dev, doe_mailbox_cancel, m->job.job_id);
                return;
        case WIRE_RECOVER:
                for (size_t i = 0; i < dev->n_mailboxes; i++)
                        if (dev->mailboxes[i].offset == m->recover.offset) {
                                dev->mailboxes[i].recover_usec = dev->now_usec;
                                doe_mailbox_recover(dev->mailboxes[i].machine, m->recover.force);
                                dev->mailboxes[i].due_usec = 0;
                        }
                return;
        case WIRE_PUT_RECORD:
                records_put(dev, &m->record);
                return;
        case WIRE_DROP_RECORD:
                records_drop(dev, m->record.digest);
                return;
        case WIRE_INHIBIT:
                inhibit(dev, &m->inhibit);
                return;
        case WIRE_READ_KERNEL_CDAT:
                dev->kernel_read_job = m->job.job_id;
                sim_arm(dev->sim, &dev->kernel_read_timer, dev->now_usec + sim_between(dev->sim, 50, 30000));
                return;
        }
        sim_violation(dev->sim, NULL, "%s: a message of type %d comes down", dev->address, (int)m->type);
}

/* The first message that has come or will come through its present socket. */
static SimFrame *first_frame(SimDevice *dev) {
        SimFrame *f;

        if (dev->worker_generation == 0)
                return NULL;
        link_drop(dev, &dev->down, dev->worker_generation - 1);
        f = TAILQ_FIRST(&dev->down);
        return f && f->generation == dev->worker_generation ? f : NULL;
}

static void receive(SimDevice *dev) {
        SimFrame *f;

        for (unsigned i = 0; i < MESSAGES_MAX && (f = first_frame(dev)); i++) {
                WireMessage m;

                if (f->usec > dev->now_usec)
                        return;
                TAILQ_REMOVE(&dev->down, f, frames);
                if (wire_decode(f->bytes, f->n_bytes, &m) < 0)
                        sim_violation(dev->sim, NULL, "%s: a frame going down is malformed", dev->address);
                take_message(dev, &m);
                free(f->bytes);
                free(f);
        }
}

/* -------- the loop -------- */

/* An idle mailbox wants nothing, and one that is not clean is busy. */
static void check_rest(SimMailbox *mb) {
        Sim *sim = mb->device->sim;
        WireMailboxState state = doe_mailbox_state(mb->machine);

        if (state == WIRE_MAILBOX_READY && mb->n_worker_jobs == 0 && !mb->is_busy &&
            mb->due_usec != USEC_INFINITY)
                sim_violation(sim, mb, "an idle mailbox wants to be woken at %" PRIu64, mb->due_usec);
        if (state == WIRE_MAILBOX_READY && !mb->is_busy && mb->watch != WATCH_CLEAN)
                sim_violation(sim, mb, "at rest with something left behind (%d)", (int)mb->watch);
        if (state == WIRE_MAILBOX_READY && mb->n_worker_jobs > 0 && !mb->is_busy)
                sim_violation(sim, mb, "has jobs, but says it is not busy");
}

/* One mailbox in each round, so that it does not run further ahead of the world than one burst takes. */
static void dispatch(SimDevice *dev) {
        for (size_t i = 0; i < dev->n_mailboxes; i++) {
                SimMailbox *mb = &dev->mailboxes[dev->next_mailbox];

                dev->next_mailbox = (dev->next_mailbox + 1) % dev->n_mailboxes;
                if (mb->due_usec > dev->now_usec)
                        continue;
                mb->due_usec = doe_mailbox_dispatch(mb->machine);
                note_wound_up(mb);
                if (!is_dead(dev))
                        check_rest(mb);
                return;
        }
}

static void arm(SimDevice *dev) {
        uint64_t due_usec = USEC_INFINITY;

        for (size_t i = 0; i < dev->n_mailboxes; i++)
                due_usec = MIN_OF(due_usec, dev->mailboxes[i].due_usec);
        if (TAILQ_FIRST(&dev->commands))
                due_usec = MIN_OF(due_usec, TAILQ_FIRST(&dev->commands)->usec);
        if (first_frame(dev))
                due_usec = MIN_OF(due_usec, first_frame(dev)->usec);
        if (due_usec == USEC_INFINITY)
                timer_disarm(&dev->sim->events, &dev->worker_timer);
        else
                sim_arm(dev->sim, &dev->worker_timer, MAX_OF(due_usec, dev->now_usec));
}

static void worker_round(Timer *timer, void *userdata, uint64_t now_usec) {
        SimDevice *dev = userdata;

        if (!dev->is_served)
                return;
        dev->n_rounds++;
        dev->now_usec = MAX_OF(dev->now_usec, now_usec);
        if (is_dead(dev))
                return;
        run_commands(dev);
        if (!dev->is_served)
                return;
        dispatch(dev);
        if (is_dead(dev))
                return;
        receive(dev);
        check_device(dev);
        arm(dev);
}

void worker_wake(SimDevice *dev) {
        if (dev->is_served)
                arm(dev);
}

void worker_command(SimDevice *dev, SimCommandKind kind, const char *text, uint64_t number) {
        Sim *sim = dev->sim;
        SimCommand *c = calloc(1, sizeof(*c));

        if (!c)
                abort();
        c->kind = kind;
        c->text = text;
        c->number = number;
        c->usec = dev->command_usec = MAX_OF(dev->command_usec, sim->now_usec + sim_between(sim, 2, 60));
        TAILQ_INSERT_TAIL(&dev->commands, c, commands);
        worker_wake(dev);
}

static void on_settled(Timer *timer, void *userdata, uint64_t now_usec) {
        SimDevice *dev = userdata;

        if (dev->is_served && !dev->is_suspended)
                worker_command(dev, SIM_RELEASE, "the hold ends", dev->event_usec);
}

void worker_event(SimDevice *dev, const char *reason, uint64_t wait_until_usec) {
        if (!dev->is_served)
                return;
        dev->event_usec = dev->sim->now_usec;
        worker_command(dev, wait_until_usec > 0 ? SIM_WIND_UP : SIM_HOLD, reason, wait_until_usec);
        sim_arm(dev->sim, &dev->settle_timer, dev->event_usec + dev->settle_usec);
}

static void start_machine(SimMailbox *mb) {
        SimDevice *dev = mb->device;
        DoeMailboxSettings settings = { .settle_usec = dev->settle_usec,
                                        .epoch = mb->saved_epoch,
                                        .is_clean = mb->is_clean };

        if (mb->is_clean && mb->watch != WATCH_CLEAN)
                sim_violation(dev->sim, mb, "left as clean, but a request of ours is in there");
        if (!mb->is_clean)
                mb->watch = WATCH_UNKNOWN;
        mb->machine = doe_mailbox_new(&dev->config.config, mb->offset, &settings, &observer, dev);
        if (!mb->machine)
                abort();
        mb->is_busy = mb->is_held = mb->is_winding_up = false;
        mb->due_usec = 0;
}

void worker_start(SimDevice *dev) {
        dev->is_served = true;
        dev->kernel.is_excused = true; /* what it does just now was not announced to this one */
        dev->now_usec = MAX_OF(dev->now_usec, dev->sim->now_usec);
        dev->worker_timer = (Timer){ .fn = worker_round, .userdata = dev };
        dev->settle_timer = (Timer){ .fn = on_settled, .userdata = dev };
        for (size_t i = 0; i < dev->n_mailboxes; i++)
                start_machine(&dev->mailboxes[i]);
        arm(dev);
}

void worker_end(SimDevice *dev) {
        Sim *sim = dev->sim;
        SimCommand *c;

        if (!dev->is_served)
                return;
        timer_disarm(&sim->events, &dev->worker_timer);
        timer_disarm(&sim->events, &dev->settle_timer);
        timer_disarm(&sim->events, &dev->kernel_read_timer);
        dev->is_served = false;
        records_orphan(dev);
        if (dev->worker_generation != 0)
                link_drop(dev, &dev->down, dev->worker_generation);
        dev->worker_generation = 0;
        while ((c = TAILQ_FIRST(&dev->commands))) {
                TAILQ_REMOVE(&dev->commands, c, commands);
                free(c);
        }
        for (size_t i = 0; i < dev->n_mailboxes; i++) {
                SimMailbox *mb = &dev->mailboxes[i];

                forget_jobs(mb);
                mb->machine = doe_mailbox_free(mb->machine);
        }
}
