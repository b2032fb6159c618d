/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What happens to a host: the kernel, resets, hotplug, strangers with setpci, daemons that die, and long
 * times in which nothing happens at all. */

#include <inttypes.h>

#include "protocols/registers.h"
#include "tests/simulation/simulation.h"

/* until all that was asked before a silence has been answered, daemons are back, mailboxes have settled */
#define REST_USEC (120 * USEC_PER_SEC)

/* Any that is there, and that the world does not leave alone; NULL: none was found. */
static SimDevice *pick_device(Sim *sim) {
        for (unsigned i = 0; i < 8; i++) {
                SimDevice *dev = &sim->devices[sim_between(sim, 0, sim->n_devices - 1)];

                if (!dev->is_calm && dev->is_present)
                        return dev;
        }
        return NULL;
}

static void announce_kernel(Sim *sim, SimDevice *dev) {
        static const uint64_t leads_usec[] = { 100, 300, 1000, 8000, 100000 };

        kernel_begin(dev, KERNEL_ANNOUNCES, leads_usec[sim_between(sim, 0, ELEMENTS(leads_usec) - 1)],
                     sim_chance(sim, 500000));
}

static void let_kernel_wait(Sim *sim, SimDevice *dev) {
        kernel_begin(dev, KERNEL_WAITS, sim_chance(sim, 500000) ? 2500000 : sim_between(sim, 1000, 200000),
                     sim_chance(sim, 500000));
}

static void let_kernel_surprise(Sim *sim, SimDevice *dev) {
        kernel_begin(dev, KERNEL_UNANNOUNCED, 1, false);
}

static void reset(Sim *sim, SimDevice *dev) {
        sim_trace_device(dev, TRACE_WORLD, "reset");
        sim->statistics.n_resets++;
        dev->kernel.is_excused = true;
        model_reset(dev->model, watch_access_usec(dev, sim->now_usec));
        model_touch_table(dev->model);
        worker_event(dev, "reset", 0);
}

static void touch_table(Sim *sim, SimDevice *dev) {
        sim_trace_device(dev, TRACE_WORLD, "its table changes");
        dev->kernel.is_excused = true;
        model_touch_table(dev->model);
}

static void remove_device(Sim *sim, SimDevice *dev) {
        host_remove_device(dev);
}

static void unbind(Sim *sim, SimDevice *dev) {
        sim_trace_device(dev, TRACE_WORLD, "unbound");
        dev->has_kernel_cdat = false;
        worker_event(dev, "unbind of a driver", 0);
        host_refresh(dev);
}

static void refuse_writes(Sim *sim, SimDevice *dev) {
        sim_trace_device(dev, TRACE_WORLD,
                         dev->is_write_refused ? "writes are allowed" : "writes are refused");
        dev->is_write_refused = !dev->is_write_refused;
        if (dev->is_served)
                worker_command(dev, SIM_READ_ONLY, dev->is_write_refused ? "lockdown" : "", 0);
}

static SimMailbox *pick_mailbox(Sim *sim, SimDevice *dev) {
        return &dev->mailboxes[sim_between(sim, 0, dev->n_mailboxes - 1)];
}

static void abort_by_stranger(Sim *sim, SimDevice *dev) {
        SimMailbox *mb = pick_mailbox(sim, dev);

        sim_trace(mb, sim->now_usec, TRACE_WORLD, 0, 0, 0, "a stranger aborts");
        dev->kernel.is_excused = true;
        mb->n_kernel_accesses++;
        model_write(dev->model, watch_access_usec(dev, sim->now_usec),
                    (uint16_t)(mb->offset + DOE_REG_CONTROL), 4, DOE_CONTROL_ABORT);
}

static void exchange_by_stranger(Sim *sim, SimDevice *dev) {
        SimMailbox *mb = pick_mailbox(sim, dev);

        sim_trace(mb, sim->now_usec, TRACE_WORLD, 0, 0, 0, "a stranger runs an exchange");
        dev->kernel.is_excused = true;
        mb->n_kernel_accesses++;
        model_mailbox_begin_foreign(mb->model, watch_access_usec(dev, sim->now_usec),
                                    sim_between(sim, 10, 50000));
}

static void kill_pci(Sim *sim, SimDevice *dev) {
        host_kill_pci(sim);
}

static void kill_doed(Sim *sim, SimDevice *dev) {
        host_kill_doed(sim, sim_chance(sim, 400000));
}

static void be_quiet(Sim *sim, SimDevice *dev) {
        if (timer_is_armed(&sim->sleep_timer))
                return;
        leases_give_up(sim);
        sim->statistics.n_quiets++;
        sim->quiet_usec = sim->now_usec + sim_between(sim, 180, 1800) * USEC_PER_SEC;
}

/* All calls have been answered, and nobody makes any: a healthy device sleeps until the silence ends. */
static void watch_silence(Sim *sim) {
        for (size_t i = 0; i < sim->n_devices; i++)
                sim->devices[i].n_rounds_before = sim->devices[i].n_rounds;
}

static void check_silence(Sim *sim) {
        for (size_t i = 0; i < sim->n_devices; i++) {
                SimDevice *dev = &sim->devices[i];

                if (dev->is_calm && dev->n_rounds != dev->n_rounds_before && sim->has_pci && sim->manager)
                        sim_violation(sim, &dev->mailboxes[0], "woke %" PRIu64 " times in the silence",
                                      dev->n_rounds - dev->n_rounds_before);
        }
}

static const struct {
        unsigned weight;
        void (*happen)(Sim *sim, SimDevice *dev);
} happenings[] = {
        { 15, announce_kernel },
        { 15, let_kernel_wait },
        { 4, let_kernel_surprise },
        { 10, reset },
        { 6, touch_table },
        { 5, remove_device },
        { 8, unbind },
        { 3, refuse_writes },
        { 5, abort_by_stranger },
        { 6, exchange_by_stranger },
        { 2, kill_pci },
        { 2, kill_doed },
        { 1, be_quiet },
        { 1, sleep_begin },
};

static void happen(Sim *sim) {
        SimDevice *dev = pick_device(sim);
        uint64_t n = 0;

        if (!dev)
                return;
        for (size_t i = 0; i < ELEMENTS(happenings); i++)
                n += happenings[i].weight;
        n = sim_between(sim, 0, n - 1);
        for (size_t i = 0; i < ELEMENTS(happenings); i++) {
                if (n < happenings[i].weight) {
                        happenings[i].happen(sim, dev);
                        return;
                }
                n -= happenings[i].weight;
        }
}

/* The kernel notices what is unplugged; somebody plugs it in again, and unlocks what is locked. */
static void repair(Sim *sim) {
        for (size_t i = 0; i < sim->n_devices; i++) {
                SimDevice *dev = &sim->devices[i];

                if (dev->is_present && model_has_vanished(dev->model) && sim_chance(sim, 300000))
                        host_remove_device(dev);
                else if (!dev->is_present && sim_chance(sim, 300000))
                        host_add_device(dev);
                else if (dev->is_write_refused && sim_chance(sim, 200000))
                        refuse_writes(sim, dev);
        }
}

static void on_world(Timer *timer, void *userdata, uint64_t now_usec) {
        Sim *sim = userdata;

        if (sim->is_draining)
                return;
        if (sim->is_asleep) {
                sim_arm(sim, &sim->world_timer, now_usec + USEC_PER_SEC);
                return;
        }
        if (now_usec < sim->quiet_usec) {
                watch_silence(sim);
                sim_arm(sim, &sim->world_timer, sim->quiet_usec);
                return;
        }
        if (now_usec == sim->quiet_usec)
                check_silence(sim);
        repair(sim);
        happen(sim);
        check_manager(sim);
        sim_arm(sim, &sim->world_timer,
                now_usec + (sim->quiet_usec > now_usec ? REST_USEC : sim_between(sim, 1000, 80000)));
}

void world_start(Sim *sim) {
        sim->world_timer = (Timer){ .fn = on_world, .userdata = sim };
        sim_arm(sim, &sim->world_timer, sim->now_usec + USEC_PER_SEC);
}

/* From now on every device behaves, and everybody is there. */
void world_stop(Sim *sim) {
        timer_disarm(&sim->events, &sim->world_timer);
        sim->troubled_usec = sim->now_usec;
        for (size_t i = 0; i < sim->n_devices; i++) {
                SimDevice *dev = &sim->devices[i];

                for (size_t j = 0; j < dev->n_mailboxes; j++)
                        dev->mailboxes[j].model->faults.n_rows = dev->mailbox_settings[j].faults.n_rows = 0;
                if (dev->is_present && model_has_vanished(dev->model))
                        host_remove_device(dev);
                else if (dev->is_present)
                        reset(sim, dev);
                if (dev->is_write_refused)
                        refuse_writes(sim, dev);
        }
}
