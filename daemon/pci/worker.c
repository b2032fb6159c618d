/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/worker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#include "daemon/pci/worker-thread.h"
#include "daemon/util/clock.h"
#include "daemon/util/log.h"

#define STACK_BYTES       (512u * 1024u)
#define LAST_MESSAGES_MAX 4096u
#define MESSAGES_MAX      16u /* read in one round, so that exchanges go on under a flood */
#define SPIN_USEC         50u /* a shorter wait is not worth giving the CPU away */
#define UNPIN_USEC        (100 * USEC_PER_MSEC) /* a busy mailbox is not to toggle runtime PM */
#define POLL_TIMEOUT_USEC (3600 * USEC_PER_SEC) /* keeps a far due time within what ppoll() takes */

void worker_report(Worker *w, WorkerReportKind kind, uint64_t job_id, const char *text) {
        WorkerReport *report = calloc(1, sizeof(*report));

        if (!report) {
                /* a lost report would be waited for for ever */
                log_full(LOG_CRIT, w->function.address, "Out of memory");
                abort();
        }
        report->kind = kind;
        report->worker = w;
        report->peer_id = w->peer.id;
        report->job_id = job_id;
        wire_text_set(report->text, sizeof(report->text), text);
        channel_push(w->reports, &report->item);
}

Slot *worker_find_slot(Worker *w, uint16_t offset) {
        for (size_t i = 0; i < w->n_slots; i++)
                if (w->slots[i].offset == offset)
                        return &w->slots[i];
        return NULL;
}

/* What the mailboxes tell goes to the peer, and into the state file. */

void worker_send_mailbox(Worker *w, DoeMailbox *mb) {
        WireMessage m = { .type = WIRE_MAILBOX,
                          .mailbox = { .offset = doe_mailbox_offset(mb),
                                       .state = doe_mailbox_state(mb),
                                       .epoch = doe_mailbox_epoch(mb) } };

        if (m.mailbox.state == WIRE_MAILBOX_INHIBITED)
                m.mailbox.lease_id = worker_find_slot(w, m.mailbox.offset)->inhibited_for;
        wire_text_set(m.mailbox.reason, sizeof(m.mailbox.reason), doe_mailbox_reason(mb));
        worker_peer_send(&w->peer, &m);
}

static void on_state(void *userdata, DoeMailbox *mb) {
        Worker *w = userdata;
        Slot *slot = worker_find_slot(w, doe_mailbox_offset(mb));

        log_full(LOG_DEBUG, slot->name, "%s, epoch %llu%s%s",
                 wire_mailbox_state_to_string(doe_mailbox_state(mb)),
                 (unsigned long long)doe_mailbox_epoch(mb), *doe_mailbox_reason(mb) ? ": " : "",
                 doe_mailbox_reason(mb));
        slot_note_state(slot);
        worker_send_mailbox(w, mb);
}

static void send_job(Worker *w, WireType type, uint64_t job_id) {
        WireMessage m = { .type = type, .job = { .job_id = job_id } };

        worker_peer_send(&w->peer, &m);
}

static void on_started(void *userdata, DoeMailbox *mb, uint64_t job_id) {
        send_job(userdata, WIRE_STARTED, job_id);
}

static void on_recalled(void *userdata, DoeMailbox *mb, uint64_t job_id) {
        send_job(userdata, WIRE_RECALLED, job_id);
}

static void on_done(void *userdata, DoeMailbox *mb, const WireDone *done) {
        Worker *w = userdata;
        WireMessage m = { .type = WIRE_DONE, .done = *done };

        wire_text_set(m.done.evidence, sizeof(m.done.evidence), done->evidence);
        worker_peer_send(&w->peer, &m);
}

static void send_note(Worker *w, WireType type, DoeMailbox *mb, const char *text) {
        WireMessage m = { .type = type, .note = { .offset = doe_mailbox_offset(mb) } };

        wire_text_set(m.note.text, sizeof(m.note.text), text);
        worker_peer_send(&w->peer, &m);
}

static void on_foreign(void *userdata, DoeMailbox *mb, const char *evidence) {
        send_note(userdata, WIRE_FOREIGN, mb, evidence);
}

static void on_aborted(void *userdata, DoeMailbox *mb, const char *reason) {
        send_note(userdata, WIRE_ABORTED, mb, reason);
}

static void on_busy(void *userdata, DoeMailbox *mb, bool is_busy) {
        Worker *w = userdata;
        bool any = false;

        slot_note_busy(worker_find_slot(w, doe_mailbox_offset(mb)), is_busy);
        for (size_t i = 0; i < w->n_slots; i++)
                any = any || w->slots[i].is_busy;
        w->unpin_usec = any || !w->is_pinned ? USEC_INFINITY : clock_monotonic_usec() + UNPIN_USEC;
        if (any && !w->is_pinned) {
                w->is_pinned = true;
                w->host->ops->power_pin(w->host, w->function.address, true);
        }
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

static bool is_of_record(const WireMessage *m) {
        return m->type == WIRE_PUT_RECORD || m->type == WIRE_DROP_RECORD;
}

/* That it is gone is often known before what it said last is read. Of that the records of leases count:
 * their holders have been answered, and may come back with the tokens. */
static void hear_last_words(Worker *w) {
        WireMessage m;

        for (unsigned i = 0; i < LAST_MESSAGES_MAX && worker_peer_receive(&w->peer, &m); i++)
                if (is_of_record(&m))
                        worker_handle_message(w, &m);
}

void worker_drop_peer(Worker *w) {
        if (w->peer.id == 0)
                return;
        hear_last_words(w);
        worker_peer_drop(&w->peer);
        w->has_more = false;
        w->n_kernel_reads = 0;
        for (size_t i = 0; i < w->n_slots; i++) {
                doe_mailbox_orphan(w->slots[i].mailbox);
                slot_end_inhibit(&w->slots[i]);
                slot_wake(&w->slots[i]);
        }
        state_orphan_records(w->state, clock_monotonic_usec());
}

/* The loop. */

/* What the main thread commanded before it told the peer of it comes before what the peer asks then. */
static void receive(Worker *w) {
        uint64_t peer_id = w->peer.id;
        WireMessage m;

        w->has_more = false;
        for (unsigned i = 0; i < MESSAGES_MAX && worker_peer_receive(&w->peer, &m); i++) {
                /* no command may take a record with the peer that sent it */
                if (!is_of_record(&m))
                        worker_run_commands(w);
                if (w->peer.id != peer_id)
                        return; /* and the message with it */
                worker_handle_message(w, &m);
                w->has_more = i + 1 == MESSAGES_MAX;
        }
}

static uint64_t dispatch(Worker *w) {
        uint64_t now_usec = w->config.config.now_usec(&w->config.config), due_usec = USEC_INFINITY;

        for (size_t i = 0; i < w->n_slots; i++) {
                /* a hold is to be seen before anything more is written */
                if (channel_has_items(w->commands))
                        return 0;
                due_usec = MIN_OF(due_usec, slot_dispatch(&w->slots[i], now_usec));
        }
        if (w->unpin_usec <= now_usec) {
                w->is_pinned = false;
                w->unpin_usec = USEC_INFINITY;
                w->host->ops->power_pin(w->host, w->function.address, false);
        }
        if (w->config.was_refused) {
                w->config.was_refused = false;
                worker_report(w, WORKER_REPORT_WRITE_REFUSED, 0, "");
        }
        due_usec = MIN_OF(due_usec, worker_dispatch_ide(w));
        return MIN_OF(due_usec, w->unpin_usec);
}

/* Nothing is written any more: whoever waits for that may go on. */
static void confirm_hold(Worker *w) {
        if (w->n_holds_done == w->n_holds_seen)
                return;
        for (size_t i = 0; i < w->n_slots; i++)
                if (doe_mailbox_is_winding_up(w->slots[i].mailbox))
                        return;
        pthread_mutex_lock(&w->hold_mutex);
        w->n_holds_done = w->n_holds_seen;
        pthread_cond_signal(&w->hold_cond);
        pthread_mutex_unlock(&w->hold_mutex);
}

/* Nothing is written any more until the host is awake again. */
static void confirm_suspended(Worker *w) {
        if (w->n_suspend_told == w->n_suspend_seen)
                return;
        for (size_t i = 0; i < w->n_slots; i++)
                if (doe_mailbox_is_winding_up(w->slots[i].mailbox))
                        return;
        w->n_suspend_told = w->n_suspend_seen;
        worker_report(w, WORKER_REPORT_SUSPENDED, w->n_suspend_seen, "");
}

static void wait_for(Worker *w, uint64_t due_usec) {
        struct pollfd fds[] = { { .fd = channel_fd(w->commands), .events = POLLIN },
                                { .fd = worker_peer_fd(&w->peer), .events = worker_peer_events(&w->peer) } };
        uint64_t wait_usec = usec_sub(due_usec, w->config.config.now_usec(&w->config.config));
        bool is_long = due_usec == USEC_INFINITY && !w->peer.lost[0] && !w->has_more;
        struct timespec ts;

        /* poll() does not see what was received already */
        if (w->peer.lost[0] || w->has_more)
                wait_usec = 0;
        if (wait_usec > 0 && wait_usec < SPIN_USEC) {
                w->config.config.pause(&w->config.config, wait_usec);
                wait_usec = 0;
        }
        wait_usec = MIN_OF(wait_usec, POLL_TIMEOUT_USEC);
        ts = (struct timespec){ .tv_sec = (time_t)(wait_usec / USEC_PER_SEC),
                                .tv_nsec = (long)(wait_usec % USEC_PER_SEC * 1000) };
        if (ppoll(fds, ELEMENTS(fds), is_long ? NULL : &ts, NULL) < 0)
                return;
        if (fds[1].revents & POLLOUT)
                worker_peer_flush(&w->peer);
        if (fds[1].revents & ~POLLOUT || w->has_more)
                receive(w);
}

static bool is_over(const Worker *w) {
        if (!w->is_stopping)
                return false;
        if (clock_monotonic_usec() >= w->stop_usec)
                return true;
        for (size_t i = 0; i < w->n_slots; i++)
                if (w->slots[i].is_busy)
                        return false;
        return true;
}

static int start_slots(Worker *w) {
        SlotSettings settings = { .run = w->run,
                                  .address = w->function.address,
                                  .settle_usec = w->settle_usec,
                                  .is_on_demand = w->is_on_demand,
                                  .observer = &observer,
                                  .userdata = w };
        int r;

        while (w->n_slots < w->function.n_mailboxes) {
                settings.info = w->function.mailboxes[w->n_slots];
                r = slot_init(&w->slots[w->n_slots], &w->config.config, w->state, &settings);
                if (r < 0)
                        return r;
                slot_start(&w->slots[w->n_slots++]);
        }
        return 0;
}

static void end(Worker *w) {
        worker_peer_drop(&w->peer);
        for (size_t i = 0; i < w->n_slots; i++)
                slot_done(&w->slots[i]);
        if (w->is_pinned)
                w->host->ops->power_pin(w->host, w->function.address, false);
        ide_watch_done(&w->ide);
        config_guard_done(&w->config);
        w->state = state_close(w->state);
        worker_report(w, WORKER_REPORT_ENDED, 0, "");
}

static void *worker_main(void *arg) {
        Worker *w = arg;
        uint64_t due_usec;

        /* polls come when they are due, not bundled with others' some 50 us later */
        prctl(PR_SET_TIMERSLACK, 1);
        pthread_setname_np(pthread_self(), w->function.address);
        config_guard_init(&w->config, w->host, w->function.address);
        ide_watch_init(&w->ide, w->host, w->function.address, &w->config.config);
        if (start_slots(w) < 0)
                log_full(LOG_ERR, w->function.address, "Out of memory, not all of its mailboxes are served");
        while (!is_over(w)) {
                worker_run_commands(w);
                due_usec = dispatch(w);
                confirm_hold(w);
                confirm_suspended(w);
                if (w->is_stopping)
                        due_usec = MIN_OF(due_usec, w->stop_usec);
                if (!is_over(w))
                        wait_for(w, due_usec);
                if (w->peer.lost[0]) {
                        worker_report(w, WORKER_REPORT_PEER_LOST, 0, w->peer.lost);
                        worker_drop_peer(w);
                }
        }
        end(w);
        return NULL;
}

/* The main thread's side. */

static int start_thread(Worker *w) {
        sigset_t all, old;
        pthread_attr_t attributes;
        int r;

        /* signals are the main thread's business */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, STACK_BYTES);
        r = pthread_create(&w->thread, &attributes, worker_main, w);
        pthread_attr_destroy(&attributes);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        return -r;
}

static Worker *worker_discard(Worker *w) {
        pthread_cond_destroy(&w->hold_cond);
        pthread_mutex_destroy(&w->hold_mutex);
        channel_free(w->commands);
        pci_rules_unref(w->rules);
        state_close(w->state);
        free(w);
        return NULL;
}
DEFINE_CLEANUP(Worker *, worker_discard);

static void init_hold(Worker *w) {
        pthread_condattr_t attributes;

        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&w->hold_cond, &attributes);
        pthread_condattr_destroy(&attributes);
        pthread_mutex_init(&w->hold_mutex, NULL);
}

int worker_new(const WorkerSettings *settings, Worker **ret) {
        _cleanup_(worker_discardp) Worker *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;
        init_hold(w);
        w->host = settings->host;
        w->function = *settings->function;
        w->run = settings->run;
        w->rules = pci_rules_ref(settings->rules);
        w->settle_usec = settings->settle_usec;
        w->is_on_demand = settings->is_on_demand;
        w->reports = settings->reports;
        w->unpin_usec = USEC_INFINITY;
        r = worker_new_commands(&w->commands);
        if (r < 0)
                return r;
        r = state_open(w->run, w->function.address, w->function.instance, &w->state);
        if (r < 0)
                return r;
        /* nobody has had the leases since its predecessor ended */
        state_orphan_records(w->state, clock_monotonic_usec());
        if (settings->read_only[0])
                worker_set_read_only(w, settings->read_only);
        if (settings->held[0])
                worker_hold(w, settings->held, 0);
        if (settings->suspend_number > 0)
                worker_suspend(w, settings->suspend_number);
        /* after what may keep it from looking at the function */
        worker_set_view(w, settings->spdm_owner, settings->has_kernel_cdat);
        r = start_thread(w);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(w);
        return 0;
}

Worker *worker_free(Worker *w) {
        pthread_join(w->thread, NULL);
        return worker_discard(w);
}
