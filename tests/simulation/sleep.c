/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The host goes to sleep and wakes up again: logind tells doed, doed tells doed-pci, whose workers leave
 * everything alone; nothing is written until the host is awake. */

#include "tests/simulation/simulation.h"

#define LOGIND_USEC (5 * USEC_PER_SEC) /* it waits no longer */
/* from waking up until mailboxes have settled and were taken over */
#define AWAKE_USEC (20 * USEC_PER_SEC)

static void wake_up(Sim *sim) {
        sim->is_asleep = false;
        sim->awake_usec = sim->now_usec + AWAKE_USEC;
        if (sim->is_connected)
                sim->troubled_usec = sim->awake_usec;
        if (sim->manager)
                manager_suspend(sim->manager, false, sim->now_usec);
}

static void on_sleep(Timer *timer, void *userdata, uint64_t now_usec) {
        wake_up(userdata);
}

void sleep_begin(Sim *sim, SimDevice *dev) {
        if (!sim->manager || timer_is_armed(&sim->sleep_timer) || sim->is_draining)
                return;
        sim->statistics.n_sleeps++;
        sim->troubled_usec = USEC_INFINITY;
        sim->sleep_timer = (Timer){ .fn = on_sleep, .userdata = sim };
        sim_arm(sim, &sim->sleep_timer, sim->now_usec + LOGIND_USEC);
        manager_suspend(sim->manager, true, sim->now_usec);
}

static void lose_power(Sim *sim) {
        for (size_t i = 0; i < sim->n_devices; i++) {
                SimDevice *dev = &sim->devices[i];

                dev->kernel.is_excused = true;
                if (dev->is_present)
                        model_reset(dev->model, watch_access_usec(dev, sim->now_usec));
        }
}

void sleep_on_suspended(void *userdata) {
        Sim *sim = userdata;

        if (!timer_is_armed(&sim->sleep_timer))
                sim_violation(sim, NULL, "is ready to sleep, but nobody wants that");
        /* without doed-pci there is nobody to hold to it */
        sim->is_asleep = sim->is_connected;
        if (sim_chance(sim, 500000))
                lose_power(sim);
        sim_arm(sim, &sim->sleep_timer, sim->now_usec + sim_between(sim, 1000, 3 * USEC_PER_SEC));
}

static void suspend(SimDevice *dev, bool is_suspended) {
        if (!dev->is_served || dev->is_suspended == is_suspended)
                return;
        dev->is_suspended = is_suspended;
        /* waking up is an event as others are: the kernel may be busy with it as well */
        if (is_suspended)
                worker_command(dev, SIM_SUSPEND, "the host goes to sleep",
                               dev->sim->now_usec + LOGIND_USEC / 2);
        else
                worker_event(dev, "the host is awake", 0);
}

void sleep_start(SimDevice *dev) {
        dev->is_suspended = false;
        suspend(dev, dev->sim->wants_suspended);
}

void sleep_disturb(Sim *sim) {
        if (!sim->wants_suspended)
                return;
        sim->is_asleep = sim->wants_suspended = false;
        sim->awake_usec = sim->now_usec + AWAKE_USEC;
        for (size_t i = 0; i < sim->n_devices; i++)
                suspend(&sim->devices[i], false);
}

void host_suspend(Sim *sim, bool is_suspended) {
        sim->wants_suspended = is_suspended;
        sim->is_suspended_told = false;
        for (size_t i = 0; i < sim->n_devices; i++)
                suspend(&sim->devices[i], is_suspended);
        sleep_note_held(sim);
}

void sleep_note_held(Sim *sim) {
        if (!sim->wants_suspended || sim->is_suspended_told || !sim->is_connected)
                return;
        for (size_t i = 0; i < sim->n_devices; i++) {
                const SimDevice *dev = &sim->devices[i];

                for (size_t j = 0; dev->is_served && j < dev->n_mailboxes; j++)
                        if (!dev->is_suspended || !dev->mailboxes[j].is_held)
                                return;
        }
        sim->is_suspended_told = true;
        host_tell(sim, SIM_SUSPENDED, NULL);
}
