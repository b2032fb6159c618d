/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "daemon/util/clock.h"
#include "protocols/feature.h"
#include "tests/emulator/platform-private.h"

/* Each change goes the same way: the state under its locks, and then the events, all under ->change. */

static bool is_cxl_driver(const char *driver) {
        return strcmp(driver, "cxl_pci") == 0;
}

void platform_emit(Platform *p, PlatformEventKind kind, size_t function, const char *text) {
        PlatformEvent event = { .kind = kind, .function = function };

        snprintf(event.text, sizeof(event.text), "%s", text);
        if (p->observer)
                p->observer(p->userdata, &event);
}

void platform_set_driver(Platform *p, size_t function, const char *driver) {
        Function *f = &p->functions[function];

        snprintf(f->view.driver, sizeof(f->view.driver), "%s", driver);
        /* the port of a switch belongs to its parent's probe; the file stands there with any driver */
        f->view.has_cxl = *driver && (*f->device->cxl_port || *f->device->cxl_memory) &&
                          (is_cxl_driver(driver) || f->device->model.kind == MODEL_CXL_SWITCH);
        f->view.has_kernel_cdat = f->view.has_cxl && f->device->kernel_cdat;
        f->view.is_kernel_cdat_empty = f->device->n_kernel_cdat_bytes == 0;
}

/* The kernel uses mailboxes for a while: each of them at add, that with the CDAT at bind. Return: false if
 * somebody was in its way. */
static bool probe(Function *f, bool is_bind) {
        uint64_t usec = f->device->probe_usec, n_lost = 0, n_lost_before = 0;
        ModelMailbox *mb, *cdat;

        if (usec == 0)
                return true;
        pthread_mutex_lock(&f->lock);
        cdat = f->model ? model_find_feature(f->model, DOE_VENDOR_CXL, DOE_TYPE_CXL_TABLE_ACCESS) : NULL;
        for (size_t i = 0; f->model && (mb = model_get_mailbox(f->model, i)); i++)
                if (!is_bind || mb == cdat) {
                        n_lost_before += mb->counters.foreign_lost;
                        model_mailbox_begin_foreign(mb, clock_monotonic_usec(), usec);
                }
        pthread_mutex_unlock(&f->lock);
        platform_spend(usec);
        pthread_mutex_lock(&f->lock);
        for (size_t i = 0; f->model && (mb = model_get_mailbox(f->model, i)); i++)
                if (!is_bind || mb == cdat)
                        n_lost += mb->counters.foreign_lost;
        pthread_mutex_unlock(&f->lock);
        return n_lost == n_lost_before;
}

static int bind_driver(Platform *p, size_t function, const char *driver) {
        Function *f = &p->functions[function];
        char reason[PLATFORM_REASON_MAX];
        bool has_probed;

        if (!f->view.is_present)
                return -ENODEV;
        if (*f->view.driver)
                return -EBUSY;
        snprintf(reason, sizeof(reason), "bind of %s", driver);
        platform_emit(p, PLATFORM_HELD, function, reason);
        has_probed = is_cxl_driver(driver) ? probe(f, true) : true;

        pthread_mutex_lock(&p->lock);
        platform_set_driver(p, function, driver);
        if (!has_probed)
                f->view.is_kernel_cdat_empty = true;
        pthread_mutex_unlock(&p->lock);
        platform_emit(p, PLATFORM_BOUND, function, driver);
        if (f->view.has_cxl)
                platform_emit(p, PLATFORM_CXL_ADDED, function, "");
        return 0;
}

static int unbind_driver(Platform *p, size_t function) {
        Function *f = &p->functions[function];
        char driver[SCENARIO_NAME_MAX], reason[PLATFORM_REASON_MAX];
        bool had_cxl = f->view.has_cxl;

        if (!f->view.is_present || !*f->view.driver)
                return -ENODEV;
        snprintf(driver, sizeof(driver), "%s", f->view.driver);
        snprintf(reason, sizeof(reason), "unbind of %s", driver);
        platform_emit(p, PLATFORM_HELD, function, reason);
        pthread_mutex_lock(&p->lock);
        platform_set_driver(p, function, "");
        pthread_mutex_unlock(&p->lock);
        if (had_cxl)
                platform_emit(p, PLATFORM_CXL_REMOVED, function, "");
        platform_emit(p, PLATFORM_UNBOUND, function, driver);
        return 0;
}

int platform_power_up(Platform *p, size_t function) {
        Function *f = &p->functions[function];
        Model *model;
        int r;

        r = model_new(&f->device->model, clock_monotonic_usec(), &model);
        if (r < 0)
                return r;
        pthread_mutex_lock(&f->lock);
        f->model = model;
        f->instance = ++p->n_instances;
        pthread_mutex_unlock(&f->lock);

        pthread_mutex_lock(&p->lock);
        f->view = (PlatformView){ .is_present = true,
                                  .instance = f->instance,
                                  .has_tsm = f->device->has_tsm };
        snprintf(f->view.tsm, sizeof(f->view.tsm), "%s", f->device->tsm);
        pthread_mutex_unlock(&p->lock);
        return 0;
}

static int add_function(Platform *p, size_t function) {
        Function *f = &p->functions[function];
        int r;

        if (f->view.is_present)
                return -EEXIST;
        r = platform_power_up(p, function);
        if (r < 0)
                return r;
        platform_emit(p, PLATFORM_ADDED, function, "");
        if (p->scenario->kernel != KERNEL_6_1)
                probe(f, false);
        return *f->device->driver ? bind_driver(p, function, f->device->driver) : 0;
}

static int remove_function(Platform *p, size_t function) {
        Function *f = &p->functions[function];
        Model *model;

        if (!f->view.is_present)
                return -ENODEV;
        if (*f->view.driver)
                unbind_driver(p, function);
        pthread_mutex_lock(&p->lock);
        f->view.is_present = false;
        f->view.held[0] = '\0';
        pthread_cond_broadcast(&p->unheld);
        pthread_mutex_unlock(&p->lock);

        pthread_mutex_lock(&f->lock);
        model = TAKE_PTR(f->model);
        f->instance = 0;
        pthread_cond_broadcast(&f->thawed); /* who waits there finds it gone */
        pthread_mutex_unlock(&f->lock);
        model_free(model);
        platform_emit(p, PLATFORM_REMOVED, function, "");
        return 0;
}

int platform_add(Platform *p, size_t function) {
        int r;

        pthread_mutex_lock(&p->change);
        r = add_function(p, function);
        pthread_mutex_unlock(&p->change);
        return r;
}

int platform_remove(Platform *p, size_t function) {
        int r;

        pthread_mutex_lock(&p->change);
        r = remove_function(p, function);
        pthread_mutex_unlock(&p->change);
        return r;
}

int platform_bind(Platform *p, size_t function, const char *driver) {
        int r;

        pthread_mutex_lock(&p->change);
        r = bind_driver(p, function, driver);
        pthread_mutex_unlock(&p->change);
        return r;
}

int platform_unbind(Platform *p, size_t function) {
        int r;

        pthread_mutex_lock(&p->change);
        r = unbind_driver(p, function);
        pthread_mutex_unlock(&p->change);
        return r;
}

static int reset_model(Function *f) {
        bool is_there;

        pthread_mutex_lock(&f->lock);
        is_there = f->model;
        if (is_there)
                model_reset(f->model, clock_monotonic_usec());
        pthread_mutex_unlock(&f->lock);
        return is_there ? 0 : -ENODEV;
}

int platform_reset(Platform *p, size_t function) {
        int r;

        pthread_mutex_lock(&p->change);
        platform_emit(p, PLATFORM_HELD, function, "reset");
        r = reset_model(&p->functions[function]);
        if (r >= 0)
                platform_emit(p, PLATFORM_RESET, function, "reset");
        pthread_mutex_unlock(&p->change);
        return r;
}

int platform_recover(Platform *p, size_t function) {
        int r = -ENODEV;

        pthread_mutex_lock(&p->change);
        if (p->functions[function].view.is_present) {
                platform_emit(p, PLATFORM_ERROR, function, "error recovery");
                r = reset_model(&p->functions[function]);
                platform_emit(p, PLATFORM_RECOVERED, function, "error recovery");
        }
        pthread_mutex_unlock(&p->change);
        return r;
}

void platform_rescan(Platform *p) {
        for (size_t i = 0; i < p->scenario->n_devices; i++)
                platform_add(p, i);
}

int platform_hold(Platform *p, size_t function, const char *reason) {
        Function *f = &p->functions[function];
        bool is_present;

        pthread_mutex_lock(&p->change);
        pthread_mutex_lock(&p->lock);
        is_present = f->view.is_present;
        if (is_present)
                snprintf(f->view.held, sizeof(f->view.held), "%s", reason);
        pthread_cond_broadcast(&p->unheld);
        pthread_mutex_unlock(&p->lock);
        if (is_present)
                platform_emit(p, *reason ? PLATFORM_HELD : PLATFORM_CHANGED, function, reason);
        pthread_mutex_unlock(&p->change);
        return is_present ? 0 : -ENODEV;
}

void platform_wait_unheld(Platform *p, size_t function) {
        pthread_mutex_lock(&p->lock);
        while (p->is_tsm_at_work || *p->functions[function].view.held)
                pthread_cond_wait(&p->unheld, &p->lock);
        pthread_mutex_unlock(&p->lock);
}

int platform_begin_connect(Platform *p, size_t function) {
        bool is_present;

        pthread_mutex_lock(&p->lock);
        is_present = p->functions[function].view.is_present;
        p->is_tsm_at_work = p->is_tsm_at_work || is_present;
        pthread_mutex_unlock(&p->lock);
        return is_present ? 0 : -ENODEV;
}

int platform_set_tsm(Platform *p, size_t function, const char *content) {
        Function *f = &p->functions[function];
        bool is_present;

        pthread_mutex_lock(&p->change);
        pthread_mutex_lock(&p->lock);
        is_present = f->view.is_present;
        f->view.has_tsm = content;
        snprintf(f->view.tsm, sizeof(f->view.tsm), "%s", content ?: "");
        p->is_tsm_at_work = false;
        pthread_cond_broadcast(&p->unheld);
        pthread_mutex_unlock(&p->lock);
        if (is_present)
                platform_emit(p, PLATFORM_CHANGED, function, "tsm");
        pthread_mutex_unlock(&p->change);
        return is_present ? 0 : -ENODEV;
}

int platform_set_lockdown(Platform *p, ScenarioLockdown lockdown, bool may_lower) {
        int r = 0;

        pthread_mutex_lock(&p->change);
        pthread_mutex_lock(&p->lock);
        if (lockdown < p->lockdown && !may_lower)
                r = -EPERM;
        else
                p->lockdown = lockdown;
        pthread_mutex_unlock(&p->lock);
        if (r >= 0)
                platform_emit(p, PLATFORM_LOCKDOWN, 0, scenario_lockdown_to_string(lockdown));
        pthread_mutex_unlock(&p->change);
        return r;
}
