/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/simulation/simulation.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>

#define START_USEC     (1000 * USEC_PER_SEC) /* 0 means something else here and there */
#define DRAIN_MAX_USEC (600 * USEC_PER_SEC)

void sim_violation(Sim *sim, SimMailbox *mb, const char *format, ...) {
        va_list ap;

        fflush(stdout);
        fprintf(stderr, "VIOLATION seed %" PRIu64 " at %" PRIu64 " us%s%s: ", sim->options.seed,
                sim->now_usec, mb ? ", " : "", mb ? mb->name : "");
        va_start(ap, format);
        vfprintf(stderr, format, ap);
        va_end(ap);
        fputc('\n', stderr);
        if (mb) {
                fprintf(stderr, "worker at %" PRIu64 " us; the last events there:\n", mb->device->now_usec);
                trace_print(&mb->trace, mb->name, stderr);
        }
        fprintf(stderr,
                "again: simulate --seed %" PRIu64 " --exchanges %" PRIu64 " --devices %zu --clients %zu\n",
                sim->options.seed, sim->options.n_exchanges, sim->options.n_devices, sim->options.n_clients);
        fflush(stderr);
        _exit(1);
}

bool sim_use_number(SimNumbers *numbers, uint64_t number) {
        if (number >= numbers->n) {
                size_t n = MAX_OF((size_t)4096, 2 * (size_t)number);

                numbers->is_used = realloc(numbers->is_used, n);
                if (!numbers->is_used)
                        abort();
                memset(numbers->is_used + numbers->n, 0, n - numbers->n);
                numbers->n = n;
        }
        if (number == 0 || numbers->is_used[number])
                return false;
        numbers->is_used[number] = 1;
        return true;
}

void sim_forget_numbers(SimNumbers *numbers) {
        free(numbers->is_used);
        *numbers = (SimNumbers){};
}

void sim_arm(Sim *sim, Timer *timer, uint64_t usec) {
        if (timer_arm(&sim->events, timer, usec) < 0)
                abort();
}

void sim_trace(SimMailbox *mb, uint64_t usec, TraceKind kind, uint64_t a, uint64_t b, uint64_t c,
               const char *text) {
        trace_add(&mb->trace, usec, kind, a, b, c, text);
        if (mb->device->sim->options.is_verbose)
                trace_print_last(&mb->trace, mb->name, stdout);
}

void sim_trace_device(SimDevice *dev, TraceKind kind, const char *text) {
        for (size_t i = 0; i < dev->n_mailboxes; i++)
                sim_trace(&dev->mailboxes[i], MAX_OF(dev->now_usec, dev->sim->now_usec), kind, 0, 0, 0,
                          text);
}

uint64_t sim_latency_usec(Sim *sim) {
        uint64_t n = sim_between(sim, 0, 999);

        return n < 900   ? sim_between(sim, 3, 60)
               : n < 990 ? sim_between(sim, 60, 2000)
                         : sim_between(sim, 2000, 30000);
}

/* FNV-1a, by dwords */
uint64_t sim_hash_dword(uint64_t hash, uint32_t value) {
        return (hash ^ value) * UINT64_C(0x100000001b3);
}

/* One moment: false if nothing will ever happen again. */
static bool run_next(Sim *sim) {
        uint64_t core_usec = sim->manager ? manager_next_due(sim->manager) : USEC_INFINITY;
        uint64_t next_usec = MIN_OF(core_usec, timer_queue_next(&sim->events));

        if (next_usec == USEC_INFINITY)
                return false;
        sim->now_usec = MAX_OF(sim->now_usec, next_usec);
        if (core_usec <= next_usec)
                manager_dispatch(sim->manager, sim->now_usec);
        else
                timer_queue_dispatch(&sim->events, sim->now_usec);
        return true;
}

static void bring_back(Sim *sim) {
        for (size_t i = 0; i < sim->n_devices; i++)
                host_add_device(&sim->devices[i]);
}

/* No more calls and no more trouble: everything must come to rest, and then work. */
static void drain(Sim *sim) {
        /* a discovery that failed is not tried again by itself: the first probe asks for it */
        static const SimCallKind probes[] = { CALL_DISCOVER, CALL_ECHO, CALL_TABLE };
        uint64_t end_usec = sim->now_usec + DRAIN_MAX_USEC;

        sim->is_draining = true;
        /* a daemon that is away comes back first */
        while ((!sim->manager || !sim->has_pci || timer_is_armed(&sim->pci_timer)) && run_next(sim))
                continue;
        world_stop(sim);
        while (sim->now_usec < end_usec) {
                if (!run_next(sim))
                        break;
                bring_back(sim);
        }
        if (sim->now_usec >= end_usec)
                sim_violation(sim, NULL, "after %u s without calls there is still something to do",
                              (unsigned)(DRAIN_MAX_USEC / USEC_PER_SEC));
        check_end(sim);
        sim->now_usec += 2 * USEC_PER_SEC; /* what was read amid the trouble is not fresh any more */
        for (size_t i = 0; i < ELEMENTS(probes); i++) {
                clients_probe(sim, probes[i]);
                while (run_next(sim))
                        continue;
                check_end(sim);
        }
}

static void print_summary(const Sim *sim) {
        const SimStatistics *s = &sim->statistics;
        const struct {
                const char *name;
                uint64_t value;
        } rows[] = {
                { "calls", s->n_calls },
                { "ok", s->n_succeeded },
                { "cached", s->n_cached },
                { "failed", s->n_failed },
                { "left", s->n_abandoned },
                { "exchanges", s->n_gos },
                { "repeated", s->n_repeats },
                { "mixed", s->n_mixed },
                { "aborts", s->n_aborts },
                { "faults", s->n_faults },
                { "kernel", s->n_kernel_runs },
                { "safe", s->n_kernel_safe },
                { "raced", s->n_kernel_disturbed },
                { "spoiled", s->n_kernel_failed },
                { "leases", s->n_leases },
                { "resumed", s->n_resumed },
                { "requests", s->n_lease_requests },
                { "sleeps", s->n_sleeps },
                { "pci-deaths", s->n_pci_deaths },
                { "doed-deaths", s->n_doed_deaths },
                { "resets", s->n_resets },
                { "removals", s->n_removals },
                { "silences", s->n_quiets },
                { "seconds", (sim->now_usec - START_USEC) / USEC_PER_SEC },
        };

        printf("seed %" PRIu64 ":", sim->options.seed);
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                printf(" %s=%" PRIu64, rows[i].name, rows[i].value);
        for (int i = 0; i < (int)ELEMENTS(s->errors); i++)
                if (s->errors[i] > 0)
                        printf(" %s=%" PRIu64, strerrorname_np(i) ?: "?", s->errors[i]);
        printf("\n");
}

int sim_run(const SimOptions *options) {
        Sim *sim = calloc(1, sizeof(*sim));

        if (!sim)
                return -ENOMEM;
        sim->options = *options;
        sim->random = (Random){ .state = options->seed };
        sim->now_usec = START_USEC;
        sim->pci_dies_usec = USEC_INFINITY;
        host_init(sim);
        clients_init(sim);
        host_start_doed(sim);
        host_start_pci(sim);
        world_start(sim);
        while (sim->statistics.n_calls < options->n_exchanges && run_next(sim))
                continue;
        drain(sim);
        print_summary(sim);

        manager_stop(sim->manager, "the simulation is over", sim->now_usec);
        clients_lose(sim);
        for (size_t i = 0; i < sim->n_devices; i++)
                link_disconnect(&sim->devices[i]);
        leases_lose(sim);
        manager_free(sim->manager);
        leases_done(sim);
        clients_done(sim);
        host_done(sim);
        timer_queue_done(&sim->events);
        free(sim);
        return 0;
}
