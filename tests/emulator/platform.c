/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/emulator/platform.h"

#include <errno.h>
#include <time.h>

#include "daemon/util/clock.h"
#include "tests/emulator/platform-private.h"

/* waits shorter than this are spun away: a sleep would take longer than what it stands for */
#define SPIN_USEC 60u

void platform_spend(uint64_t usec) {
        uint64_t until_usec = clock_monotonic_usec() + usec;
        struct timespec until = { .tv_sec = (time_t)(until_usec / USEC_PER_SEC),
                                  .tv_nsec = (long)(until_usec % USEC_PER_SEC) * 1000 };

        if (usec >= SPIN_USEC)
                while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
                        ;
        else
                while (usec > 0 && clock_monotonic_usec() < until_usec)
                        ;
}

/* The kernel's side of a surprise removal: some time after the function fell silent. */
static void *notice_vanished(void *userdata) {
        Platform *p = userdata;

        pthread_mutex_lock(&p->notice_lock);
        while (!p->is_ending) {
                if (!p->has_vanished) {
                        pthread_cond_wait(&p->notice, &p->notice_lock);
                        continue;
                }
                p->has_vanished = false;
                pthread_mutex_unlock(&p->notice_lock);
                platform_spend(PLATFORM_NOTICE_USEC);
                for (size_t i = 0; i < p->scenario->n_devices; i++) {
                        bool is_gone;

                        pthread_mutex_lock(&p->notice_lock);
                        is_gone = p->vanished[i];
                        p->vanished[i] = false;
                        pthread_mutex_unlock(&p->notice_lock);
                        if (is_gone)
                                platform_remove(p, i);
                }
                pthread_mutex_lock(&p->notice_lock);
        }
        pthread_mutex_unlock(&p->notice_lock);
        return NULL;
}

static void note_vanished(Platform *p, size_t function) {
        pthread_mutex_lock(&p->notice_lock);
        p->vanished[function] = p->has_vanished = true;
        pthread_cond_signal(&p->notice);
        pthread_mutex_unlock(&p->notice_lock);
}

int platform_new(const Scenario *scenario, Platform **ret) {
        _cleanup_free_ Platform *p = calloc(1, sizeof(*p));
        _cleanup_free_ Function *functions =
                        calloc(MAX_OF(scenario->n_devices, (size_t)1), sizeof(*functions));
        _cleanup_free_ bool *vanished = calloc(MAX_OF(scenario->n_devices, (size_t)1), sizeof(*vanished));
        int r = 0;

        if (!p || !functions || !vanished)
                return -ENOMEM;
        *p = (Platform){ .scenario = scenario,
                         .functions = functions,
                         .vanished = vanished,
                         .lockdown = scenario->lockdown };
        pthread_mutex_init(&p->change, NULL);
        pthread_mutex_init(&p->lock, NULL);
        pthread_cond_init(&p->unheld, NULL);
        pthread_mutex_init(&p->notice_lock, NULL);
        pthread_cond_init(&p->notice, NULL);
        for (size_t i = 0; i < scenario->n_devices; i++) {
                Function *f = &functions[i];

                f->device = &scenario->devices[i];
                pthread_mutex_init(&f->lock, NULL);
                pthread_cond_init(&f->thawed, NULL);
                if (f->device->is_absent || r < 0)
                        continue;
                r = platform_power_up(p, i);
                platform_set_driver(p, i,
                                    f->device->driver); /* bound before anybody looked: no probe, no event */
        }
        if (r >= 0)
                r = -pthread_create(&p->notice_thread, NULL, notice_vanished, p);
        if (r < 0) {
                for (size_t i = 0; i < scenario->n_devices; i++)
                        model_free(functions[i].model);
                return r;
        }
        TAKE_PTR(functions);
        TAKE_PTR(vanished);
        *ret = TAKE_PTR(p);
        return 0;
}

void platform_end(Platform *p) {
        pthread_mutex_lock(&p->notice_lock);
        p->is_ending = true;
        pthread_cond_signal(&p->notice);
        pthread_mutex_unlock(&p->notice_lock);
        platform_freeze(p, PLATFORM_ALL, false);
        pthread_mutex_lock(&p->lock);
        for (size_t i = 0; i < p->scenario->n_devices; i++)
                p->functions[i].view.held[0] = '\0';
        p->is_tsm_at_work = false;
        pthread_cond_broadcast(&p->unheld);
        pthread_mutex_unlock(&p->lock);
}

Platform *platform_free(Platform *p) {
        if (!p)
                return NULL;
        platform_end(p);
        pthread_join(p->notice_thread, NULL);
        for (size_t i = 0; i < p->scenario->n_devices; i++) {
                model_free(p->functions[i].model);
                pthread_mutex_destroy(&p->functions[i].lock);
                pthread_cond_destroy(&p->functions[i].thawed);
        }
        pthread_mutex_destroy(&p->change);
        pthread_mutex_destroy(&p->lock);
        pthread_cond_destroy(&p->unheld);
        pthread_mutex_destroy(&p->notice_lock);
        pthread_cond_destroy(&p->notice);
        free(p->functions);
        free(p->vanished);
        free(p);
        return NULL;
}

void platform_observe(Platform *p, PlatformObserver observer, void *userdata) {
        pthread_mutex_lock(&p->change);
        p->observer = observer;
        p->userdata = userdata;
        pthread_mutex_unlock(&p->change);
}

const Scenario *platform_scenario(const Platform *p) {
        return p->scenario;
}

ScenarioLockdown platform_lockdown(Platform *p) {
        ScenarioLockdown lockdown;

        pthread_mutex_lock(&p->lock);
        lockdown = p->lockdown;
        pthread_mutex_unlock(&p->lock);
        return lockdown;
}

void platform_get_view(Platform *p, size_t function, PlatformView *ret) {
        pthread_mutex_lock(&p->lock);
        *ret = p->functions[function].view;
        pthread_mutex_unlock(&p->lock);
}

/* Wait until the access may be made, and let it take its time. Return with the function's lock held: true
 * if that appearance of it is still there. */
static bool begin_access(Function *f, uint64_t instance) {
        pthread_mutex_lock(&f->lock);
        while (f->is_frozen && f->instance == instance)
                pthread_cond_wait(&f->thawed, &f->lock);
        platform_spend(f->device->access_usec);
        return f->model && f->instance == instance;
}

static void end_access(Platform *p, Function *f, bool had_vanished) {
        bool vanishes = f->model && model_has_vanished(f->model) && !had_vanished;

        pthread_mutex_unlock(&f->lock);
        if (vanishes)
                note_vanished(p, (size_t)(f - p->functions));
}

int platform_read(Platform *p, size_t function, uint64_t instance, uint16_t offset, size_t n_bytes,
                  uint32_t *ret) {
        Function *f = &p->functions[function];
        bool is_there = begin_access(f, instance), had_vanished = false;

        if (is_there) {
                had_vanished = model_has_vanished(f->model);
                *ret = model_read(f->model, clock_monotonic_usec(), offset, n_bytes);
        }
        end_access(p, f, had_vanished);
        return is_there ? 0 : -ENODEV;
}

int platform_write(Platform *p, size_t function, uint64_t instance, uint16_t offset, size_t n_bytes,
                   uint32_t value) {
        Function *f = &p->functions[function];
        bool is_there, had_vanished = false;

        if (platform_lockdown(p) != LOCKDOWN_NONE)
                return -EPERM;
        is_there = begin_access(f, instance);
        if (is_there) {
                had_vanished = model_has_vanished(f->model);
                model_write(f->model, clock_monotonic_usec(), offset, n_bytes, value);
        }
        end_access(p, f, had_vanished);
        return is_there ? 0 : -ENODEV;
}

int platform_read_kernel_cdat(Platform *p, size_t function, uint8_t **ret, size_t *ret_n_bytes) {
        const ScenarioDevice *d = p->functions[function].device;
        PlatformView view;

        platform_get_view(p, function, &view);
        if (!view.is_present || !view.has_kernel_cdat || view.is_kernel_cdat_empty)
                return -ENODATA;
        *ret = malloc(d->n_kernel_cdat_bytes);
        if (!*ret)
                return -ENOMEM;
        memcpy(*ret, d->kernel_cdat, d->n_kernel_cdat_bytes);
        *ret_n_bytes = d->n_kernel_cdat_bytes;
        return 0;
}

void platform_set_power(Platform *p, size_t function, bool is_on) {
        pthread_mutex_lock(&p->lock);
        p->functions[function].view.is_power_on = is_on;
        pthread_mutex_unlock(&p->lock);
}

void platform_freeze(Platform *p, size_t function, bool is_frozen) {
        for (size_t i = 0; i < p->scenario->n_devices; i++) {
                Function *f = &p->functions[i];

                if (function != PLATFORM_ALL && function != i)
                        continue;
                pthread_mutex_lock(&f->lock);
                f->is_frozen = is_frozen;
                pthread_cond_broadcast(&f->thawed);
                pthread_mutex_unlock(&f->lock);
        }
}

/* With the function's lock held. */
static int find_mailbox(Function *f, uint16_t offset, ModelMailbox **ret) {
        if (!f->model)
                return -ENODEV;
        *ret = offset == 0 ? model_get_mailbox(f->model, 0) : model_find_mailbox(f->model, offset);
        return *ret ? 0 : -ENXIO;
}

int platform_add_fault(Platform *p, size_t function, uint16_t offset, const Fault *fault) {
        Function *f = &p->functions[function];
        ModelMailbox *mb;
        int r;

        pthread_mutex_lock(&f->lock);
        r = find_mailbox(f, offset, &mb);
        if (r >= 0)
                r = fault_set_add(&mb->faults, fault);
        pthread_mutex_unlock(&f->lock);
        return r;
}

int platform_clear_faults(Platform *p, size_t function, uint16_t offset) {
        Function *f = &p->functions[function];
        ModelMailbox *mb;
        int r;

        pthread_mutex_lock(&f->lock);
        r = find_mailbox(f, offset, &mb);
        if (r >= 0)
                mb->faults.n_rows = 0;
        pthread_mutex_unlock(&f->lock);
        return r;
}

int platform_get_counters(Platform *p, size_t function, uint16_t offset, ModelCounters *ret) {
        Function *f = &p->functions[function];
        ModelMailbox *mb;
        int r;

        pthread_mutex_lock(&f->lock);
        r = find_mailbox(f, offset, &mb);
        if (r >= 0)
                *ret = mb->counters;
        pthread_mutex_unlock(&f->lock);
        return r;
}

int platform_touch_table(Platform *p, size_t function) {
        Function *f = &p->functions[function];
        int r = -ENODEV;

        pthread_mutex_lock(&f->lock);
        if (f->model) {
                model_touch_table(f->model);
                r = 0;
        }
        pthread_mutex_unlock(&f->lock);
        return r;
}

int platform_set_ide(Platform *p, size_t function, bool is_secure) {
        Function *f = &p->functions[function];
        int r = -ENODEV;

        pthread_mutex_lock(&f->lock);
        if (f->model)
                r = model_set_ide(f->model, is_secure);
        pthread_mutex_unlock(&f->lock);
        return r;
}
