/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The kernel beside us: abort, discovery and CDAT of every mailbox of a function, through the same
 * registers, access by access between ours. Once it was announced in time nobody may disturb it. */

#include <inttypes.h>

#include "daemon/pci/exchange.h"
#include "protocols/data-object.h"
#include "protocols/discovery.h"
#include "protocols/feature.h"
#include "protocols/registers.h"
#include "protocols/table-access.h"
#include "tests/simulation/simulation.h"

#define POLL_USEC      2000u
#define BUSY_POLL_USEC 20u
#define REQUESTS_MAX   256u /* of one mailbox's discovery */
#define ANSWER_DWORDS  512u

static SimMailbox *mailbox_at_work(SimDevice *dev) {
        return &dev->mailboxes[dev->kernel.mailbox];
}

static uint64_t count_faults(const SimDevice *dev) {
        uint64_t n = 0;

        for (size_t i = 0; i < dev->n_mailboxes; i++)
                n += dev->mailboxes[i].model->counters.faults;
        return n;
}

static uint32_t read_register(SimDevice *dev, uint16_t reg) {
        Kernel *k = &dev->kernel;
        SimMailbox *mb = mailbox_at_work(dev);
        uint32_t value = model_read(dev->model, watch_access_usec(dev, k->due_usec),
                                    (uint16_t)(mb->offset + reg), 4);

        mb->n_kernel_accesses++;
        k->due_usec += dev->access_usec;
        k->saw_all_ones = k->saw_all_ones || (reg == DOE_REG_STATUS && value == DOE_STATUS_ALL_ONES);
        return value;
}

static void write_register(SimDevice *dev, uint16_t reg, uint32_t value) {
        Kernel *k = &dev->kernel;
        SimMailbox *mb = mailbox_at_work(dev);

        model_write(dev->model, watch_access_usec(dev, k->due_usec), (uint16_t)(mb->offset + reg), 4, value);
        mb->n_kernel_accesses++;
        k->due_usec += dev->access_usec;
}

/* Busy for a reason of its own, which no abort ends. */
static bool is_stuck(const SimDevice *dev) {
        for (size_t i = 0; i < dev->n_mailboxes; i++)
                if (dev->mailboxes[i].model->boot_busy_until_usec >= dev->kernel.began_usec)
                        return true;
        return false;
}

static bool is_held(const SimDevice *dev) {
        for (size_t i = 0; dev->is_served && i < dev->n_mailboxes; i++)
                if (!dev->mailboxes[i].is_held)
                        return false;
        return true;
}

/* Announced, seen by the worker, and the grace is over; or confirmed. */
static bool is_protected(SimDevice *dev) {
        const Kernel *k = &dev->kernel;

        if (!k->is_announced || k->is_excused || !is_held(dev))
                return false;
        for (size_t i = 0; dev->is_served && !k->is_confirmed && i < dev->n_mailboxes; i++)
                if (k->due_usec <=
                    dev->mailboxes[i].held_usec + EXCHANGE_HELD_GRACE_USEC + 4 * dev->access_usec)
                        return false;
        return true;
}

static void enter(SimDevice *dev, KernelPhase phase) {
        dev->kernel.phase = phase;
        sim_trace(mailbox_at_work(dev), dev->kernel.due_usec, TRACE_KERNEL, phase, dev->kernel.mailbox,
                  dev->kernel.next, NULL);
}

static void go_to_next_mailbox(SimDevice *dev) {
        Kernel *k = &dev->kernel;

        if (k->mailbox + 1 == dev->n_mailboxes) {
                enter(dev, KERNEL_DONE);
                return;
        }
        k->mailbox++;
        enter(dev, KERNEL_ABORT);
}

static void fail(SimDevice *dev, const char *why) {
        Kernel *k = &dev->kernel;
        SimMailbox *mb = mailbox_at_work(dev);
        Sim *sim = dev->sim;
        bool has_misbehaved = count_faults(dev) != k->n_faults || is_stuck(dev) || k->saw_all_ones;

        if (!has_misbehaved && is_protected(dev))
                sim_violation(sim, mb, "the kernel was disturbed while it held the mailbox: %s (request %u)",
                              why, k->n_requests);
        k->has_failed = true;
        if (has_misbehaved)
                sim->statistics.n_kernel_failed++;
        else
                sim->statistics.n_kernel_disturbed++;
        sim_trace(mb, k->due_usec, TRACE_WORLD, 0, 0, 0, why);
        write_register(dev, DOE_REG_CONTROL, DOE_CONTROL_ABORT);
        go_to_next_mailbox(dev);
}

static void step_announced(SimDevice *dev) {
        Kernel *k = &dev->kernel;

        k->is_confirmed = k->wait_until_usec > 0 && is_held(dev);
        if (k->is_confirmed || k->due_usec >= k->wait_until_usec)
                enter(dev, KERNEL_ABORT);
        else
                k->due_usec += 100;
}

static void step_abort(SimDevice *dev) {
        Kernel *k = &dev->kernel;

        if (!is_protected(dev))
                k->is_excused = true;
        write_register(dev, DOE_REG_CONTROL, DOE_CONTROL_ABORT);
        k->deadline_usec = k->due_usec + DOE_TIMEOUT_USEC;
        enter(dev, KERNEL_ABORT_WAIT);
}

static void prepare_request(SimDevice *dev, uint16_t next) {
        Kernel *k = &dev->kernel;

        k->next = next;
        k->deadline_usec = k->due_usec + DOE_TIMEOUT_USEC;
        k->n_requests++;
        enter(dev, KERNEL_SEND);
}

static void step_abort_wait(SimDevice *dev) {
        Kernel *k = &dev->kernel;

        if (!(read_register(dev, DOE_REG_STATUS) & (DOE_STATUS_ERROR | DOE_STATUS_BUSY))) {
                k->is_reading_table = false;
                k->n_requests = 0;
                prepare_request(dev, 0);
        } else if (k->due_usec >= k->deadline_usec)
                fail(dev, "its abort timed out");
        else
                k->due_usec += POLL_USEC;
}

static void make_request(SimDevice *dev, uint8_t payload[4], uint32_t *ret_dw0) {
        Kernel *k = &dev->kernel;

        if (k->is_reading_table) {
                table_access_request_encode(k->next, payload);
                *ret_dw0 = DOE_TYPE_CXL_TABLE_ACCESS << 16 | DOE_VENDOR_CXL;
        } else {
                doe_discovery_request_encode(
                                (uint8_t)k->next,
                                doe_discovery_version(mailbox_at_work(dev)->settings->cap_version), payload);
                *ret_dw0 = DOE_TYPE_DISCOVERY << 16 | DOE_VENDOR_PCI_SIG;
        }
}

static uint32_t load_le32(const uint8_t *p) {
        return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void step_send(SimDevice *dev) {
        Kernel *k = &dev->kernel;
        uint32_t status = read_register(dev, DOE_REG_STATUS), dw0;
        uint8_t payload[4];

        if (status & DOE_STATUS_BUSY) {
                if (k->due_usec >= k->deadline_usec)
                        fail(dev, "busy before its request");
                k->due_usec += BUSY_POLL_USEC;
                return;
        }
        if (status & DOE_STATUS_ERROR) {
                fail(dev, "error before its request");
                return;
        }
        make_request(dev, payload, &dw0);
        write_register(dev, DOE_REG_WRITE, dw0);
        write_register(dev, DOE_REG_WRITE, 3);
        write_register(dev, DOE_REG_WRITE, load_le32(payload));
        write_register(dev, DOE_REG_CONTROL, DOE_CONTROL_GO);
        k->deadline_usec = k->due_usec + DOE_TIMEOUT_USEC;
        enter(dev, KERNEL_POLL);
}

/* Return: dwords of the object, 0: it is wrong. */
static uint32_t drain(SimDevice *dev, uint32_t *ret) {
        uint32_t n_dwords = 2;

        for (uint32_t i = 0; i < n_dwords; i++) {
                uint32_t value = read_register(dev, DOE_REG_READ);

                if (i == 1)
                        n_dwords = value & (DOE_OBJECT_DWORDS_MAX - 1);
                if (n_dwords < 2 || n_dwords > ANSWER_DWORDS)
                        return 0;
                ret[i] = value;
                write_register(dev, DOE_REG_READ, 0);
        }
        return read_register(dev, DOE_REG_STATUS) & (DOE_STATUS_ERROR | DOE_STATUS_READY) ? 0 : n_dwords;
}

static const ModelFeature *find_feature(const SimMailbox *mb, uint32_t dw0) {
        for (size_t i = 0; i < mb->settings->n_features; i++)
                if (((uint32_t)mb->settings->features[i].type << 16 | mb->settings->features[i].vendor_id) ==
                    dw0)
                        return &mb->settings->features[i];
        return NULL;
}

/* Is it what the device has to answer? */
static bool is_right(SimDevice *dev, const uint32_t *answer, uint32_t n_dwords) {
        SimMailbox *mb = mailbox_at_work(dev);
        uint8_t payload[4];
        uint32_t dw0;
        ResponderRequest request = { mb->settings, NULL, payload, sizeof(payload), 0 };
        _cleanup_free_ uint8_t *expected = NULL;
        size_t n_bytes = 0;

        make_request(dev, payload, &dw0);
        request.feature = find_feature(mb, dw0);
        if (!request.feature || responder_answer(mb->model->responder, &request, &expected, &n_bytes) <= 0)
                return false;
        if (answer[0] != dw0 || n_dwords != 2 + (n_bytes + 3) / 4)
                return false;
        for (uint32_t i = 0; i < n_bytes / 4; i++)
                if (answer[2 + i] != load_le32(expected + 4 * i))
                        return false;
        return true;
}

/* The next index or handle, or the next mailbox. */
static void go_on(SimDevice *dev, uint32_t dword) {
        Kernel *k = &dev->kernel;
        uint16_t next = (uint16_t)(k->is_reading_table ? dword >> 16 : dword >> 24);

        if (k->is_reading_table && next == TABLE_ACCESS_HANDLE_LAST) {
                go_to_next_mailbox(dev);
        } else if (!k->is_reading_table && (next == 0 || k->n_requests >= REQUESTS_MAX)) {
                if (!find_feature(mailbox_at_work(dev), DOE_TYPE_CXL_TABLE_ACCESS << 16 | DOE_VENDOR_CXL)) {
                        go_to_next_mailbox(dev);
                        return;
                }
                k->is_reading_table = true;
                prepare_request(dev, 0);
        } else
                prepare_request(dev, next);
}

static void step_poll(SimDevice *dev) {
        Kernel *k = &dev->kernel;
        uint32_t status = read_register(dev, DOE_REG_STATUS), n_dwords;
        uint32_t answer[ANSWER_DWORDS];

        if (status & DOE_STATUS_ERROR) {
                fail(dev, "error after its request");
        } else if (status & DOE_STATUS_READY) {
                n_dwords = drain(dev, answer);
                if (n_dwords >= 3 && is_right(dev, answer, n_dwords))
                        go_on(dev, answer[2]);
                else
                        fail(dev, "its answer is wrong");
        } else if (k->due_usec >= k->deadline_usec)
                fail(dev, "no answer within a second");
        else
                k->due_usec += POLL_USEC;
}

static void step(SimDevice *dev) {
        switch (dev->kernel.phase) {
        case KERNEL_ANNOUNCED:
                step_announced(dev);
                break;
        case KERNEL_ABORT:
                step_abort(dev);
                break;
        case KERNEL_ABORT_WAIT:
                step_abort_wait(dev);
                break;
        case KERNEL_SEND:
                step_send(dev);
                break;
        case KERNEL_POLL:
                step_poll(dev);
                break;
        case KERNEL_IDLE:
        case KERNEL_DONE:
                break;
        }
}

static bool is_at_work(const Kernel *k) {
        return k->phase != KERNEL_IDLE && k->phase != KERNEL_DONE;
}

void kernel_catch_up(SimDevice *dev, uint64_t usec) {
        Kernel *k = &dev->kernel;

        if (!is_at_work(k) || k->due_usec > usec)
                return;
        while (is_at_work(k) && k->due_usec <= usec) {
                k->due_usec = MAX_OF(k->due_usec, dev->model_usec);
                step(dev);
        }
        sim_arm(dev->sim, &k->timer, MAX_OF(k->due_usec, dev->sim->now_usec));
}

/* It has bound its driver, or has looked and gone. */
static void end(SimDevice *dev) {
        Kernel *k = &dev->kernel;

        k->phase = KERNEL_IDLE;
        dev->sim->statistics.n_kernel_safe += k->is_announced && !k->is_excused && !k->has_failed;
        if (!k->is_announced)
                return;
        dev->has_kernel_cdat = k->wants_bind && !k->has_failed && dev->n_table_bytes > 0;
        worker_event(dev, "bind of a driver", 0);
        host_refresh(dev);
}

static void on_kernel(Timer *timer, void *userdata, uint64_t now_usec) {
        SimDevice *dev = userdata;

        kernel_catch_up(dev, now_usec);
        if (dev->kernel.phase == KERNEL_DONE && dev->kernel.due_usec <= now_usec)
                end(dev);
}

void kernel_init(SimDevice *dev) {
        dev->kernel.timer = (Timer){ .fn = on_kernel, .userdata = dev };
}

void kernel_begin(SimDevice *dev, KernelManner manner, uint64_t lead_usec, bool wants_bind) {
        static const char *const what[] = { [KERNEL_UNANNOUNCED] = "the kernel comes unannounced",
                                            [KERNEL_ANNOUNCES] = "the kernel comes",
                                            [KERNEL_WAITS] = "the kernel waits" };
        Sim *sim = dev->sim;
        uint64_t until_usec = manner == KERNEL_WAITS ? sim->now_usec + lead_usec : 0;

        if (dev->kernel.phase != KERNEL_IDLE || !dev->is_present)
                return;
        sim_trace_device(dev, TRACE_WORLD, what[manner]);
        sim->statistics.n_kernel_runs++;
        dev->kernel = (Kernel){ .phase = KERNEL_ANNOUNCED,
                                .timer = dev->kernel.timer,
                                .began_usec = sim->now_usec,
                                .due_usec = sim->now_usec + (manner == KERNEL_WAITS ? 100 : lead_usec),
                                .wait_until_usec = until_usec,
                                .is_announced = manner != KERNEL_UNANNOUNCED,
                                .wants_bind = wants_bind,
                                .n_faults = count_faults(dev) };
        if (dev->kernel.is_announced)
                worker_event(dev, "bind of a driver is about to begin", until_usec);
        sim_arm(sim, &dev->kernel.timer, dev->kernel.due_usec);
}

void kernel_cancel(SimDevice *dev) {
        timer_disarm(&dev->sim->events, &dev->kernel.timer);
        dev->kernel.phase = KERNEL_IDLE;
}
