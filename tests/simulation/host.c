/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The lives of both daemons: doed is a Manager that may vanish, doed-pci the workers of all devices, which
 * die together; and the control socket between them, on which devices come and go. */

#include <errno.h>
#include <inttypes.h>

#include "daemon/core/transaction.h"
#include "tests/simulation/simulation.h"

/* -------- what the core publishes -------- */

static void on_manager_changed(void *userdata, unsigned properties) {
}

static void on_device_added(void *userdata, Device *d) {
}

static void on_device_removed(void *userdata, Device *d) {
}

static void on_device_changed(void *userdata, Device *d, unsigned properties) {
}

SimMailbox *sim_find_mailbox(Sim *sim, const Mailbox *mb) {
        for (size_t i = 0; i < sim->n_devices; i++)
                for (size_t j = 0; j < sim->devices[i].n_mailboxes; j++)
                        if (strcmp(sim->devices[i].mailboxes[j].name, mb->name) == 0)
                                return &sim->devices[i].mailboxes[j];
        sim_violation(sim, NULL, "no mailbox %s", mb->name);
}

static void on_mailbox_changed(void *userdata, Mailbox *mb, unsigned properties) {
        Sim *sim = userdata;

        if (properties & (MAILBOX_PROPERTY_STATE | MAILBOX_PROPERTY_EPOCH))
                sim_trace(sim_find_mailbox(sim, mb), sim->now_usec, TRACE_CORE_STATE, mb->state, mb->epoch,
                          0, mailbox_state_to_string(mb->state));
}

static void on_note(void *userdata, Mailbox *mb, const char *text) {
}

static void on_denied(void *userdata, const Lease *lease, const DoeObjectHeader *header,
                      const PolicyDecision *decision, const char *why) {
}

static void on_destructive(void *userdata, const Lease *lease, const LeaseDestructive *sent) {
}

static void on_halting(void *userdata, const Lease *lease) {
}

static const Observer observer = {
        .suspended = sleep_on_suspended,
        .lease_opened = leases_on_opened,
        .lease_closed = leases_on_closed,
        .lease_changed = leases_on_changed,
        .lease_denied = on_denied,
        .lease_destructive = on_destructive,
        .lease_halting = on_halting,
        .mailbox_not_halted = on_note,
        .manager_changed = on_manager_changed,
        .device_added = on_device_added,
        .device_removed = on_device_removed,
        .device_changed = on_device_changed,
        .mailbox_changed = on_mailbox_changed,
        .mailbox_aborted = on_note,
        .mailbox_foreign = on_note,
};

/* -------- the control socket -------- */

static void describe(const SimDevice *dev, WireDevice *ret) {
        *ret = (WireDevice){ .vendor_id = dev->settings.vendor_id,
                             .device_id = dev->settings.device_id,
                             .class_code = dev->settings.class_code,
                             .numa_node = -1,
                             .has_kernel_cdat = dev->has_kernel_cdat,
                             .n_mailboxes = (uint16_t)dev->n_mailboxes };
        wire_text_set(ret->address, sizeof(ret->address), dev->address);
        snprintf(ret->instance, sizeof(ret->instance), "%u", dev->instance);
        wire_text_set(ret->name, sizeof(ret->name), "A device");
        wire_text_set(ret->access, sizeof(ret->access), "read-write");
        wire_text_set(ret->driver, sizeof(ret->driver), dev->has_kernel_cdat ? "cxl_pci" : "");
        for (size_t i = 0; i < dev->n_mailboxes; i++)
                ret->mailboxes[i] = (WireMailboxInfo){ dev->mailboxes[i].offset,
                                                       dev->mailboxes[i].settings->cap_version };
}

static void queue_control(Sim *sim, SimControlKind kind, SimDevice *dev, uint64_t generation) {
        SimControl *c = calloc(1, sizeof(*c));

        if (!c)
                abort();
        c->kind = kind;
        c->device = dev;
        c->generation = generation;
        if (kind == SIM_DEVICE) {
                WireMessage m = { .type = WIRE_DEVICE };

                describe(dev, &m.device);
                if (wire_encode(&m, &c->frame, &c->n_frame_bytes) < 0)
                        sim_violation(sim, NULL, "%s cannot be described", dev->address);
        }
        c->usec = sim->control_usec = MAX_OF(sim->control_usec, sim->now_usec + sim_latency_usec(sim));
        TAILQ_INSERT_TAIL(&sim->controls, c, controls);
        sim_arm(sim, &sim->control_timer, TAILQ_FIRST(&sim->controls)->usec);
}

void host_tell(Sim *sim, SimControlKind kind, SimDevice *dev) {
        if (sim->is_connected)
                queue_control(sim, kind, dev, 0);
}

/* With a new socket, whose other end the worker gets. */
static void introduce(SimDevice *dev) {
        if (!dev->sim->is_connected || !dev->is_served)
                return;
        queue_control(dev->sim, SIM_DEVICE, dev, ++dev->last_generation);
        worker_command(dev, SIM_ATTACH, "doed is here", dev->last_generation);
}

void host_refresh(SimDevice *dev) {
        if (dev->is_served)
                host_tell(dev->sim, SIM_DEVICE, dev);
}

static void report_device(Sim *sim, const SimControl *c) {
        struct DeviceMailboxInfo mailboxes[SIM_MAILBOXES_MAX];
        WireMessage m;
        DeviceInfo info;
        Device *d;

        if (wire_decode(c->frame, c->n_frame_bytes, &m) < 0)
                sim_violation(sim, NULL, "%s: its description is malformed", c->device->address);
        for (size_t i = 0; i < m.device.n_mailboxes; i++)
                mailboxes[i] = (struct DeviceMailboxInfo){ m.device.mailboxes[i].offset,
                                                           m.device.mailboxes[i].cap_version };
        info = (DeviceInfo){ .address = m.device.address,
                             .instance = m.device.instance,
                             .name = m.device.name,
                             .vendor_id = m.device.vendor_id,
                             .device_id = m.device.device_id,
                             .class_code = m.device.class_code,
                             .numa_node = m.device.numa_node,
                             .driver = m.device.driver,
                             .access = m.device.access,
                             .cxl_memory = "",
                             .cxl_port = "",
                             .spdm_owner = "",
                             .has_kernel_cdat = m.device.has_kernel_cdat,
                             .mailboxes = mailboxes,
                             .n_mailboxes = m.device.n_mailboxes };
        /* a new appearance at the same address: the counters begin anew */
        d = manager_find_device(sim->manager, info.address);
        if (!d || !device_is_same(d, &info))
                for (size_t i = 0; i < c->device->n_mailboxes; i++)
                        c->device->mailboxes[i].n_exchanges = c->device->mailboxes[i].n_aborts =
                                        c->device->mailboxes[i].n_foreign = 0;
        if (c->generation != 0)
                link_disconnect(c->device);
        if (manager_report_device(sim->manager, &info, sim->now_usec, &d) < 0)
                sim_violation(sim, NULL, "%s: not reported", info.address);
        if (c->generation != 0)
                link_connect(c->device, c->generation);
}

/* The jobs that run are lost, and count as exchanges. */
static void note_lost_jobs(Sim *sim) {
        for (size_t i = 0; i < sim->n_devices; i++) {
                SimDevice *dev = &sim->devices[i];
                Device *d = manager_find_device(sim->manager, dev->address);

                for (size_t j = 0; d && d->is_linked && j < dev->n_mailboxes; j++) {
                        const Mailbox *mb = device_find_mailbox(d, dev->mailboxes[j].offset);

                        dev->mailboxes[j].n_exchanges += (mb->running && mb->running->state == JOB_RUNNING) +
                                                         (mb->staged && mb->staged->state == JOB_RUNNING);
                }
        }
}

static void lose_link(Sim *sim) {
        sim->troubled_usec = USEC_INFINITY;
        for (size_t i = 0; i < sim->n_devices; i++)
                link_deliver_all(&sim->devices[i]);
        note_lost_jobs(sim);
        for (size_t i = 0; i < sim->n_devices; i++)
                link_disconnect(&sim->devices[i]);
        manager_link_lost(sim->manager, "it closed the connection", sim->now_usec);
}

static void remove_device(Sim *sim, SimDevice *dev) {
        link_deliver_all(dev);
        link_disconnect(dev);
        manager_report_device_removed(sim->manager, dev->address, sim->now_usec);
}

static void run_control(Sim *sim, const SimControl *c) {
        switch (c->kind) {
        case SIM_LINK_UP:
                sim->troubled_usec = timer_is_armed(&sim->sleep_timer)
                                                     ? USEC_INFINITY
                                                     : MAX_OF(sim->now_usec, sim->awake_usec);
                manager_link_up(sim->manager, "none", sim->now_usec);
                break;
        case SIM_DEVICE:
                report_device(sim, c);
                break;
        case SIM_REMOVED:
                remove_device(sim, c->device);
                break;
        case SIM_ENUMERATED:
                manager_report_enumerated(sim->manager, sim->now_usec);
                break;
        case SIM_LINK_LOST:
                lose_link(sim);
                break;
        case SIM_SUSPENDED:
                manager_report_suspended(sim->manager, true, sim->now_usec);
                break;
        }
}

static void control_free(SimControl *c) {
        free(c->frame);
        free(c);
}

static void on_control(Timer *timer, void *userdata, uint64_t now_usec) {
        Sim *sim = userdata;
        SimControl *c;

        while ((c = TAILQ_FIRST(&sim->controls)) && c->usec <= now_usec) {
                TAILQ_REMOVE(&sim->controls, c, controls);
                run_control(sim, c);
                control_free(c);
                check_manager(sim);
        }
        if (c)
                sim_arm(sim, &sim->control_timer, c->usec);
}

static void drop_controls(Sim *sim) {
        SimControl *c;

        while ((c = TAILQ_FIRST(&sim->controls))) {
                TAILQ_REMOVE(&sim->controls, c, controls);
                control_free(c);
        }
        timer_disarm(&sim->events, &sim->control_timer);
}

/* -------- the daemons -------- */

/* Both are there and find each other. */
static void connect_daemons(Sim *sim) {
        if (!sim->manager || !sim->has_pci || sim->is_connected)
                return;
        sim->is_connected = true;
        queue_control(sim, SIM_LINK_UP, NULL, 0);
        for (size_t i = 0; i < sim->n_devices; i++)
                introduce(&sim->devices[i]);
        queue_control(sim, SIM_ENUMERATED, NULL, 0);
}

/* Tokens that no other one of this process has; nobody guesses here. */
static void random_bytes(uint8_t *bytes, size_t n_bytes) {
        static uint64_t n_made;
        Random random = { .state = ++n_made };

        for (size_t i = 0; i < n_bytes; i++)
                bytes[i] = (uint8_t)random_next(&random);
}

static uint64_t no_realtime(void) {
        return 1;
}

void host_start_doed(Sim *sim) {
        static const Policy policy = { .owner_uid = 990, .has_group = true, .group_gid = 700 };

        static const char *const no_folders[] = { NULL };
        static const ConfigPlaces nowhere = { .folders = no_folders };
        Config *config;

        if (config_load(&nowhere, &config) < 0 ||
            manager_new(&observer, sim, &sim_link, sim, &policy, config, &sim->manager) < 0)
                abort();
        sim->manager->random_bytes = random_bytes;
        sim->manager->realtime_usec = no_realtime;
        sim_forget_numbers(&sim->used_jobs);
        sim_forget_numbers(&sim->used_leases);
        for (size_t i = 0; i < sim->n_devices; i++)
                for (size_t j = 0; j < sim->devices[i].n_mailboxes; j++) {
                        fairness_forget(&sim->devices[i].mailboxes[j]);
                        sim->devices[i].mailboxes[j].n_exchanges = sim->devices[i].mailboxes[j].n_aborts =
                                        sim->devices[i].mailboxes[j].n_foreign = 0;
                }
        clients_connect(sim);
        connect_daemons(sim);
}

static void on_doed(Timer *timer, void *userdata, uint64_t now_usec) {
        host_start_doed(userdata);
}

/* In order: every call is answered. Else it is killed: nobody answers, and what it had sent arrives. */
void host_kill_doed(Sim *sim, bool in_order) {
        if (!sim->manager)
                return;
        sim->statistics.n_doed_deaths++;
        sim->troubled_usec = USEC_INFINITY;
        if (in_order)
                manager_stop(sim->manager, "it was asked to", sim->now_usec);
        for (size_t i = 0; i < sim->n_devices; i++) {
                link_disconnect(&sim->devices[i]);
                if (sim->is_connected && sim->devices[i].is_served)
                        worker_command(&sim->devices[i], SIM_DETACH, "doed is gone", 0);
        }
        sim->is_connected = false;
        drop_controls(sim);
        clients_lose(sim);
        leases_lose(sim);
        sleep_disturb(sim);
        timer_disarm(&sim->events, &sim->sleep_timer);
        sim->manager = manager_free(sim->manager);
        sim_arm(sim, &sim->doed_timer, sim->now_usec + sim_between(sim, 1000, 2 * USEC_PER_SEC));
}

void host_start_pci(Sim *sim) {
        sim->has_pci = true;
        sim->pci_dies_usec = USEC_INFINITY;
        for (size_t i = 0; i < sim->n_devices; i++)
                if (sim->devices[i].is_present) {
                        worker_start(&sim->devices[i]);
                        sleep_start(&sim->devices[i]);
                }
        connect_daemons(sim);
}

/* At the time that was set before: until then its workers went on, and not a single access longer. */
static void on_pci(Timer *timer, void *userdata, uint64_t now_usec) {
        Sim *sim = userdata;

        if (!sim->has_pci) {
                host_start_pci(sim);
                return;
        }
        sim->has_pci = false;
        sim->troubled_usec = USEC_INFINITY;
        sleep_disturb(sim);
        for (size_t i = 0; i < sim->n_devices; i++)
                worker_end(&sim->devices[i]);
        if (sim->is_connected)
                queue_control(sim, SIM_LINK_LOST, NULL, 0);
        sim->is_connected = false;
        sim_arm(sim, &sim->pci_timer, now_usec + sim_between(sim, 10000, 3 * USEC_PER_SEC));
}

void host_kill_pci_at(Sim *sim, uint64_t usec) {
        sim->pci_dies_after_go = false;
        sim->pci_dies_usec = usec;
        sim_arm(sim, &sim->pci_timer, MAX_OF(usec, sim->now_usec));
}

void host_kill_pci(Sim *sim) {
        if (!sim->has_pci || timer_is_armed(&sim->pci_timer))
                return;
        sim->statistics.n_pci_deaths++;
        sim->troubled_usec = USEC_INFINITY;
        host_kill_pci_at(sim, sim->now_usec + sim_between(sim, 0, 10000));
        sim->pci_dies_after_go = sim_chance(sim, 500000);
}

/* -------- devices -------- */

static void power_up(SimDevice *dev) {
        Sim *sim = dev->sim;

        model_free(dev->model);
        if (model_new(&dev->settings, watch_access_usec(dev, sim->now_usec), &dev->model) < 0)
                sim_violation(sim, NULL, "%s: no model", dev->address);
        dev->instance++;
        dev->has_kernel_cdat = false;
        dev->is_write_refused = false;
        dev->spdm_lineage = 0;
        memset(dev->records, 0, sizeof(dev->records));
        for (size_t i = 0; i < dev->n_mailboxes; i++) {
                SimMailbox *mb = &dev->mailboxes[i];

                mb->model = model_get_mailbox(dev->model, i);
                mb->is_clean = false; /* of another instance */
                mb->watch = WATCH_UNKNOWN;
                mb->n_faults_seen = 0;
                mb->is_discovery_tainted = false;
        }
}

void host_add_device(SimDevice *dev) {
        Sim *sim = dev->sim;

        if (dev->is_present || dev->is_served)
                return;
        power_up(dev);
        dev->is_present = true;
        if (!sim->has_pci)
                return;
        worker_start(dev);
        sleep_start(dev);
        introduce(dev);
}

void host_remove_device(SimDevice *dev) {
        Sim *sim = dev->sim;

        if (!dev->is_present || (sim->has_pci && timer_is_armed(&sim->pci_timer)))
                return;
        sim_trace_device(dev, TRACE_WORLD, "removed");
        sim->statistics.n_removals++;
        kernel_cancel(dev);
        dev->is_present = false;
        if (dev->is_served) {
                host_tell(sim, SIM_REMOVED, dev);
                worker_command(dev, SIM_REMOVE, "the device was removed", 0);
        }
        /* the model goes only when the device comes back: until then it answers all-ones */
}

static void answer_kernel_read(Timer *timer, void *userdata, uint64_t now_usec) {
        SimDevice *dev = userdata;
        WireMessage m = { .type = WIRE_DONE, .done = { .job_id = dev->kernel_read_job } };

        if (!dev->is_served)
                return;
        if (dev->has_kernel_cdat) {
                m.done.payload = dev->table;
                m.done.n_bytes = dev->n_table_bytes;
        } else {
                m.done.error = -ENODATA;
                wire_text_set(m.done.evidence, sizeof(m.done.evidence), "the kernel holds no CDAT of it");
        }
        worker_send(dev, &m);
}

static void init_device(Sim *sim, SimDevice *dev, size_t i) {
        dev->sim = sim;
        scenario_make_device(sim, dev, i);
        TAILQ_INIT(&dev->commands);
        TAILQ_INIT(&dev->down);
        TAILQ_INIT(&dev->up);
        dev->up_timer = (Timer){ .fn = link_on_up, .userdata = dev };
        dev->kernel_read_timer = (Timer){ .fn = answer_kernel_read, .userdata = dev };
        watch_init(dev);
        kernel_init(dev);
        for (size_t j = 0; j < dev->n_mailboxes; j++) {
                SimMailbox *mb = &dev->mailboxes[j];

                mb->device = dev;
                mb->settings = &dev->mailbox_settings[j];
                mb->offset = mb->settings->offset;
                snprintf(mb->name, sizeof(mb->name), "%s[%x]", dev->address, mb->offset);
        }
        power_up(dev);
        dev->is_present = true;
}

void host_init(Sim *sim) {
        TAILQ_INIT(&sim->controls);
        TAILQ_INIT(&sim->leases);
        sim->control_timer = (Timer){ .fn = on_control, .userdata = sim };
        sim->pci_timer = (Timer){ .fn = on_pci, .userdata = sim };
        sim->doed_timer = (Timer){ .fn = on_doed, .userdata = sim };
        sim->n_devices = sim->options.n_devices;
        sim->devices = calloc(sim->n_devices, sizeof(*sim->devices));
        if (!sim->devices)
                abort();
        for (size_t i = 0; i < sim->n_devices; i++)
                init_device(sim, &sim->devices[i], i);
}

void host_done(Sim *sim) {
        drop_controls(sim);
        for (size_t i = 0; i < sim->n_devices; i++) {
                SimDevice *dev = &sim->devices[i];

                kernel_cancel(dev);
                worker_end(dev);
                link_drop(dev, &dev->down, USEC_INFINITY);
                link_drop(dev, &dev->up, USEC_INFINITY);
                timer_disarm(&sim->events, &dev->up_timer);
                model_free(dev->model);
                free(dev->table);
        }
        free(sim->devices);
        sim_forget_numbers(&sim->used_jobs);
        sim_forget_numbers(&sim->used_leases);
}
