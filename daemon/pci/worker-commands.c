/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the main thread commands a worker: how it is put, and how it is carried out. */

#include <errno.h>

#include "daemon/pci/worker-thread.h"
#include "daemon/util/clock.h"
#include "daemon/util/log.h"

#define STOP_USEC (1500 * USEC_PER_MSEC) /* an abort may take its second */

typedef enum CommandKind {
        COMMAND_HOLD,
        COMMAND_RELEASE,
        COMMAND_READ_ONLY,
        COMMAND_VIEW,
        COMMAND_RULES,
        COMMAND_SUSPEND,
        COMMAND_RESUME,
        COMMAND_ATTACH,
        COMMAND_DETACH,
        COMMAND_KERNEL_CDAT,
        COMMAND_STOP,
} CommandKind;

typedef struct Command {
        ChannelItem item;
        CommandKind kind;
        char text[WIRE_TEXT_MAX];
        bool flag;
        int fd; /* COMMAND_ATTACH: owned */
        int error;
        uint64_t usec, peer_id;
        uint64_t job_id; /* COMMAND_HOLD, COMMAND_SUSPEND: its number */
        PciRules *rules; /* COMMAND_RULES: a reference */
        uint8_t *table;  /* COMMAND_KERNEL_CDAT: owned */
        size_t n_bytes;
} Command;

static void command_free(ChannelItem *item) {
        Command *command = (Command *)item;

        if (command->fd >= 0)
                close(command->fd);
        free(command->table);
        pci_rules_unref(command->rules);
        free(command);
}

/* On the worker's thread. */

static void send_records(Worker *w) {
        WireRecord records[WIRE_RECORDS_MAX];
        size_t n = state_get_records(w->state, clock_monotonic_usec(), records);

        for (size_t i = 0; i < n; i++) {
                WireMessage m = { .type = WIRE_PUT_RECORD, .record = records[i] };

                worker_peer_send(&w->peer, &m);
        }
}

static void attach(Worker *w, int fd, uint64_t peer_id) {
        worker_drop_peer(w);
        worker_peer_attach(&w->peer, fd, peer_id);
        for (size_t i = 0; i < w->n_slots; i++)
                worker_send_mailbox(w, w->slots[i].mailbox);
        send_records(w);
}

static void answer_kernel_cdat(Worker *w, const Command *c) {
        WireMessage m = { .type = WIRE_DONE,
                          .done = { .job_id = c->job_id,
                                    .error = c->error,
                                    .payload = c->table,
                                    .n_bytes = c->n_bytes } };

        if (c->peer_id != w->peer.id)
                return;
        w->n_kernel_reads--;
        wire_text_set(m.done.evidence, sizeof(m.done.evidence), c->text);
        worker_peer_send(&w->peer, &m);
}

static void stop(Worker *w, int error, const char *evidence) {
        w->is_stopping = true;
        w->stop_usec = error == -ENODEV ? 0 : clock_monotonic_usec() + STOP_USEC;
        for (size_t i = 0; i < w->n_slots; i++)
                doe_mailbox_fail_all(w->slots[i].mailbox, error, evidence);
        worker_drop_peer(w);
}

static void take_view(Worker *w, const Command *c) {
        memcpy(w->spdm_owner, c->text, sizeof(w->spdm_owner));
        w->has_kernel_cdat = c->flag;
        worker_look_at_ide(w, 0);
}

static void take_rules(Worker *w, Command *c) {
        pci_rules_unref(w->rules);
        w->rules = TAKE_PTR(c->rules);
        for (size_t i = 0; i < w->n_slots; i++) {
                doe_mailbox_set_take_over(w->slots[i].mailbox, c->usec, c->flag);
                slot_wake(&w->slots[i]);
        }
}

static void suspend(Worker *w, uint64_t number) {
        uint64_t until_usec = clock_monotonic_usec() + WIND_UP_USEC;

        w->is_suspended = true;
        for (size_t i = 0; i < w->n_slots; i++)
                slot_suspend(&w->slots[i], until_usec);
        w->n_suspend_seen = number;
}

static void resume(Worker *w) {
        w->is_suspended = false;
        w->n_suspend_told = w->n_suspend_seen;
        for (size_t i = 0; i < w->n_slots; i++)
                slot_resume(&w->slots[i]);
        worker_look_at_ide(w, 0);
}

static void run_command(Worker *w, Command *c) {
        switch (c->kind) {
        case COMMAND_HOLD:
                for (size_t i = 0; i < w->n_slots; i++)
                        slot_hold(&w->slots[i], c->text, c->usec);
                w->n_holds_seen = c->job_id;
                break;
        case COMMAND_RELEASE:
                for (size_t i = 0; i < w->n_slots; i++)
                        slot_release(&w->slots[i], c->usec, c->flag);
                break;
        case COMMAND_READ_ONLY:
                for (size_t i = 0; i < w->n_slots; i++) {
                        doe_mailbox_set_read_only(w->slots[i].mailbox, c->text);
                        slot_wake(&w->slots[i]);
                }
                break;
        case COMMAND_VIEW:
                take_view(w, c);
                break;
        case COMMAND_RULES:
                take_rules(w, c);
                break;
        case COMMAND_SUSPEND:
                suspend(w, c->job_id);
                break;
        case COMMAND_RESUME:
                resume(w);
                break;
        case COMMAND_ATTACH:
                attach(w, c->fd, c->peer_id);
                break;
        case COMMAND_DETACH:
                worker_drop_peer(w);
                break;
        case COMMAND_KERNEL_CDAT:
                answer_kernel_cdat(w, c);
                break;
        case COMMAND_STOP:
                stop(w, c->error, c->text);
                break;
        }
}

void worker_run_commands(Worker *w) {
        Command *c;

        while ((c = (Command *)channel_take(w->commands))) {
                run_command(w, c);
                if (c->kind == COMMAND_ATTACH)
                        c->fd = -EBADF;
                command_free(&c->item);
        }
}

/* On the main thread. */

static void command(Worker *w, Command c) {
        Command *copy = malloc(sizeof(*copy));

        if (!copy) {
                /* a lost hold would let it write while the kernel does */
                log_full(LOG_CRIT, w->function.address, "Out of memory");
                abort();
        }
        *copy = c;
        channel_push(w->commands, &copy->item);
}

static void command_text(Worker *w, Command c, const char *text) {
        snprintf(c.text, sizeof(c.text), "%s", text);
        command(w, c);
}

void worker_hold(Worker *w, const char *reason, uint64_t wait_until_usec) {
        command_text(w,
                     (Command){ .kind = COMMAND_HOLD,
                                .fd = -EBADF,
                                .usec = wait_until_usec,
                                .job_id = ++w->n_holds_asked },
                     reason);
}

bool worker_await_held(Worker *w, uint64_t until_usec) {
        const struct timespec until = { .tv_sec = (time_t)(until_usec / USEC_PER_SEC),
                                        .tv_nsec = (long)(until_usec % USEC_PER_SEC * 1000) };
        bool is_held;

        pthread_mutex_lock(&w->hold_mutex);
        while (!(is_held = w->n_holds_done >= w->n_holds_asked))
                if (pthread_cond_timedwait(&w->hold_cond, &w->hold_mutex, &until) != 0)
                        break;
        pthread_mutex_unlock(&w->hold_mutex);
        return is_held;
}

void worker_release(Worker *w, uint64_t since_usec, bool is_dirty) {
        command(w, (Command){ .kind = COMMAND_RELEASE, .fd = -EBADF, .usec = since_usec, .flag = is_dirty });
}

void worker_set_read_only(Worker *w, const char *reason) {
        command_text(w, (Command){ .kind = COMMAND_READ_ONLY, .fd = -EBADF }, reason);
}

void worker_set_view(Worker *w, const char *spdm_owner, bool has_kernel_cdat) {
        command_text(w, (Command){ .kind = COMMAND_VIEW, .fd = -EBADF, .flag = has_kernel_cdat },
                     spdm_owner);
}

void worker_set_rules(Worker *w, PciRules *rules, uint64_t settle_usec, bool is_on_demand) {
        command(w, (Command){ .kind = COMMAND_RULES,
                              .fd = -EBADF,
                              .rules = pci_rules_ref(rules),
                              .usec = settle_usec,
                              .flag = is_on_demand });
}

void worker_suspend(Worker *w, uint64_t number) {
        command(w, (Command){ .kind = COMMAND_SUSPEND, .fd = -EBADF, .job_id = number });
}

void worker_resume(Worker *w) {
        command(w, (Command){ .kind = COMMAND_RESUME, .fd = -EBADF });
}

void worker_attach(Worker *w, int fd, uint64_t peer_id) {
        command(w, (Command){ .kind = COMMAND_ATTACH, .fd = fd, .peer_id = peer_id });
}

void worker_detach(Worker *w) {
        command(w, (Command){ .kind = COMMAND_DETACH, .fd = -EBADF });
}

void worker_answer_kernel_cdat(Worker *w, const WorkerReport *request, int error, uint8_t *table,
                               size_t n_bytes) {
        command_text(w,
                     (Command){ .kind = COMMAND_KERNEL_CDAT,
                                .fd = -EBADF,
                                .error = error,
                                .peer_id = request->peer_id,
                                .job_id = request->job_id,
                                .table = table,
                                .n_bytes = n_bytes },
                     error < 0 ? strerror(-error) : "");
}

void worker_stop(Worker *w, int error, const char *evidence) {
        command_text(w, (Command){ .kind = COMMAND_STOP, .fd = -EBADF, .error = error }, evidence);
}

int worker_new_commands(Channel **ret) {
        return channel_new(command_free, ret);
}
