/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What must hold between any two events, and at the end. */

#include <inttypes.h>

#include "daemon/core/cdat-reader.h"
#include "daemon/core/discovery.h"
#include "daemon/core/lease-private.h"
#include "daemon/core/transaction.h"
#include "tests/simulation/simulation.h"

static bool is_same_state(const Mailbox *mb, WireMailboxState state) {
        switch (state) {
        case WIRE_MAILBOX_UNTOUCHED:
                return mb->state == MAILBOX_UNTOUCHED;
        case WIRE_MAILBOX_STARTING:
                return mb->state == MAILBOX_STARTING && !mb->is_reported_ready;
        case WIRE_MAILBOX_READY:
                return mailbox_is_ready(mb) || (mb->state == MAILBOX_STARTING && mb->is_reported_ready) ||
                       (mb->state == MAILBOX_RECOVERING && recovery_is_resting(&mb->recovery));
        case WIRE_MAILBOX_WAITING:
                return mb->state == MAILBOX_WAITING;
        case WIRE_MAILBOX_RECOVERING:
                return mb->state == MAILBOX_RECOVERING;
        case WIRE_MAILBOX_KERNEL:
                return mb->state == MAILBOX_KERNEL;
        case WIRE_MAILBOX_READ_ONLY:
                return mb->state == MAILBOX_READ_ONLY;
        case WIRE_MAILBOX_INHIBITED:
                return mb->state == MAILBOX_INHIBITED;
        case WIRE_MAILBOX_DEAD:
                return mb->state == MAILBOX_DEAD;
        }
        return false;
}

static unsigned count_jobs(const Mailbox *mb) {
        return (mb->running != NULL) + (mb->staged != NULL);
}

/* What the core decides by itself. */
static void check_core(SimMailbox *sm, const Mailbox *mb) {
        Sim *sim = sm->device->sim;

        if (mb->staged && !mb->running)
                sim_violation(sim, sm, "a job is staged behind nothing");
        if (mailbox_is_ready(mb) && (mb->state == MAILBOX_BUSY) != (mb->running != NULL))
                sim_violation(sim, sm, "idle or busy: %s with%s job", mailbox_state_to_string(mb->state),
                              mb->running ? "" : "out");
        if (mailbox_is_ready(mb) && mb->device->is_linked && mb->scheduler.n_jobs > 0 && !mb->staged &&
            !mb->manager->is_suspended && !leases_hold_back(mb))
                sim_violation(sim, sm, "%zu jobs wait for nothing", mb->scheduler.n_jobs);
        if (mb->state == MAILBOX_STARTING && mb->is_reported_ready && !mb->discovery->is_running)
                sim_violation(sim, sm, "waits for a discovery that does not run");
        if (mb->state == MAILBOX_DEAD && mb->scheduler.n_jobs > 0)
                sim_violation(sim, sm, "%zu jobs wait for a dead mailbox", mb->scheduler.n_jobs);
        if (mb->state == MAILBOX_DEAD && mb->device->is_linked &&
            !timer_is_armed(&mb->recovery.retry_timer) && sim->now_usec > sm->asked_usec + USEC_PER_SEC)
                sim_violation(sim, sm, "dead, and nobody will try again");
}

/* All messages have arrived: both sides must be of one opinion. */
static void check_agreement(SimMailbox *sm, const Mailbox *mb) {
        Sim *sim = sm->device->sim;

        if (!is_same_state(mb, doe_mailbox_state(sm->machine)))
                sim_violation(sim, sm, "the core says %s, the worker %s", mailbox_state_to_string(mb->state),
                              wire_mailbox_state_to_string(doe_mailbox_state(sm->machine)));
        if (mb->epoch != doe_mailbox_epoch(sm->machine))
                sim_violation(sim, sm, "the core is in epoch %" PRIu64 ", the worker in %" PRIu64, mb->epoch,
                              doe_mailbox_epoch(sm->machine));
        if (count_jobs(mb) != sm->n_worker_jobs)
                sim_violation(sim, sm, "the core has %u jobs with the worker, which has %u", count_jobs(mb),
                              sm->n_worker_jobs);
}

static bool has_arrived(const SimDevice *dev) {
        return dev->is_served && dev->core_generation != 0 &&
               dev->core_generation == dev->worker_generation && TAILQ_EMPTY(&dev->up) &&
               TAILQ_EMPTY(&dev->down) && TAILQ_EMPTY(&dev->commands) &&
               dev->now_usec <= dev->sim->now_usec && dev->now_usec < dev->sim->pci_dies_usec;
}

void check_device(SimDevice *dev) {
        Sim *sim = dev->sim;
        Device *d = sim->manager ? manager_find_device(sim->manager, dev->address) : NULL;

        for (size_t i = 0; d && i < dev->n_mailboxes; i++) {
                Mailbox *mb = device_find_mailbox(d, dev->mailboxes[i].offset);

                check_core(&dev->mailboxes[i], mb);
                if (has_arrived(dev))
                        check_agreement(&dev->mailboxes[i], mb);
        }
}

static void check_counters(SimMailbox *sm, const Mailbox *mb) {
        Sim *sim = sm->device->sim;
        CounterTotals totals = counters_sum(&mb->counters);

        if (totals.n_exchanges != sm->n_exchanges || mb->n_aborts != sm->n_aborts ||
            mb->n_foreign != sm->n_foreign)
                sim_violation(sim, sm,
                              "counted %" PRIu64 " exchanges, %" PRIu64 " aborts, %" PRIu64
                              " foreign; there were %" PRIu64 ", %" PRIu64 ", %" PRIu64,
                              totals.n_exchanges, mb->n_aborts, mb->n_foreign, sm->n_exchanges, sm->n_aborts,
                              sm->n_foreign);
        if (totals.n_timeouts > totals.n_failures || totals.n_failures > totals.n_exchanges)
                sim_violation(sim, sm,
                              "%" PRIu64 " timeouts of %" PRIu64 " failures of %" PRIu64 " exchanges",
                              totals.n_timeouts, totals.n_failures, totals.n_exchanges);
}

static size_t count_lease_timers(const Device *d) {
        size_t n = 0;
        const Lease *l;

        TAILQ_FOREACH (l, &d->leases, leases)
                n += timer_is_armed(&l->timer) + timer_is_armed(&l->inside->request_timer);
        return n + timer_is_armed(&d->lease_book->timer);
}

/* Each timer belongs to a call that waits, to a lease, or to a mailbox that is to be tried again. */
void check_manager(Sim *sim) {
        const Manager *m = sim->manager;
        size_t n_timers = clients_count_open(sim);
        SimClient *client;

        if (!m)
                return;
        for (size_t i = 0; i < sim->n_devices; i++) {
                SimDevice *dev = &sim->devices[i];
                Device *d = manager_find_device(m, dev->address);

                check_device(dev);
                n_timers += d ? count_lease_timers(d) : 0;
                for (size_t j = 0; d && j < dev->n_mailboxes; j++) {
                        const Mailbox *mb = device_find_mailbox(d, dev->mailboxes[j].offset);

                        check_counters(&dev->mailboxes[j], mb);
                        n_timers += timer_is_armed(&mb->recovery.retry_timer) +
                                    timer_is_armed(&mb->recovery.rest_timer);
                }
        }
        if (m->timers.n_timers != n_timers)
                sim_violation(sim, NULL, "%zu timers are armed, %zu have a reason", m->timers.n_timers,
                              n_timers);
        for (size_t i = 0; i < sim->n_clients; i++) {
                client = &sim->clients[i];
                if (client->client && client->client->n_transactions != client->n_calls)
                        sim_violation(sim, NULL, "client %" PRIu64 " has %zu calls, it made %u",
                                      client->number, client->client->n_transactions, client->n_calls);
        }
}

static void check_mailbox_end(SimMailbox *sm, const Mailbox *mb) {
        Sim *sim = sm->device->sim;

        if (mb->state != MAILBOX_IDLE)
                sim_violation(sim, sm, "in the end it is %s: %s", mailbox_state_to_string(mb->state),
                              mb->state_reason);
        if (mailbox_queue_length(mb) > 0 || count_jobs(mb) > 0)
                sim_violation(sim, sm, "in the end there are jobs");
        if (mb->features_source != FEATURES_DISCOVERY && mb->discovery->failure.error == 0)
                sim_violation(sim, sm, "in the end its features are not known");
        for (size_t i = 0; i < SIM_JOBS_MAX; i++)
                if (sm->jobs[i].id != 0)
                        sim_violation(sim, sm, "in the end job %" PRIu64 " is somewhere", sm->jobs[i].id);
}

/* Nobody owes anything for what is over. */
static void check_accounts(Sim *sim) {
        const Account *a;

        LIST_FOREACH (a, &sim->manager->accounts, accounts)
                if (a->n_bytes_waiting > 0 || a->n_leases > 0 || a->n_waiters > 0)
                        sim_violation(sim, NULL,
                                      "in the end uid %u has %" PRIu64 " bytes, %" PRIu64 " leases, %" PRIu64
                                      " waiters",
                                      a->uid, a->n_bytes_waiting, a->n_leases, a->n_waiters);
}

/* Nothing is under way any more, nobody waits, nothing wants to be woken. */
void check_end(Sim *sim) {
        check_manager(sim);
        check_accounts(sim);
        if (clients_count_open(sim) > 0)
                sim_violation(sim, NULL, "in the end %zu calls are open", clients_count_open(sim));
        if (sim->events.n_timers > 0 || sim->manager->timers.n_timers > 0)
                sim_violation(sim, NULL, "in the end %zu and %zu timers are armed", sim->events.n_timers,
                              sim->manager->timers.n_timers);
        for (size_t i = 0; i < sim->n_devices; i++) {
                SimDevice *dev = &sim->devices[i];
                Device *d = manager_find_device(sim->manager, dev->address);

                if (!d || !dev->is_served)
                        sim_violation(sim, &dev->mailboxes[0], "in the end it is not there");
                if (!has_arrived(dev))
                        sim_violation(sim, &dev->mailboxes[0], "in the end messages are on their way");
                for (size_t j = 0; j < dev->n_mailboxes; j++)
                        check_mailbox_end(&dev->mailboxes[j],
                                          device_find_mailbox(d, dev->mailboxes[j].offset));
        }
}
