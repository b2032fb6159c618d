/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/core/manager.h"

#include <assert.h>
#include <errno.h>
#include <fnmatch.h>
#include <sys/random.h>

#include "daemon/core/cdat-reader.h"
#include "daemon/core/discovery.h"
#include "daemon/core/lease.h"
#include "daemon/core/recorder.h"
#include "daemon/core/transaction.h"
#include "daemon/util/clock.h"

static void random_bytes(uint8_t *bytes, size_t n_bytes) {
        /* as many as a token has come whole, or the kernel has no randomness at all yet and this waits */
        while (getrandom(bytes, n_bytes, 0) != (ssize_t)n_bytes)
                ;
}

void manager_set_config(Manager *m, Config *config) {
        config_free(m->config);
        m->config = config;
        m->policy.rules = config->rules;
        m->policy.limits = &config->limits;
        recorder_set_limits(m->recorder, &config->limits);
}

int manager_new(const Observer *observer, void *observer_userdata, const Link *link, void *link_userdata,
                const Policy *policy, Config *config, Manager **ret) {
        Manager *m = calloc(1, sizeof(*m));

        if (!m)
                return -ENOMEM;
        m->recorder = recorder_new();
        if (!m->recorder) {
                free(m);
                return -ENOMEM;
        }
        m->observer = observer;
        m->observer_userdata = observer_userdata;
        m->link = link;
        m->link_userdata = link_userdata;
        m->policy = *policy;
        manager_set_config(m, config);
        m->realtime_usec = clock_realtime_usec;
        m->random_bytes = random_bytes;
        m->link_lost_realtime_usec = clock_realtime_usec();
        snprintf(m->link_reason, sizeof(m->link_reason), "doed-pci was not there yet");
        snprintf(m->lockdown, sizeof(m->lockdown), "unknown");
        TAILQ_INIT(&m->devices);
        TAILQ_INIT(&m->waiting);
        LIST_INIT(&m->clients);
        LIST_INIT(&m->accounts);
        *ret = m;
        return 0;
}

static void manager_remove_device(Manager *m, Device *d, uint64_t now_usec) {
        Failure failure;

        for (size_t i = 0; i < d->n_mailboxes; i++)
                mailbox_report_gone(d->mailboxes[i], now_usec);
        failure_set(&failure, -ENODEV, "%s is gone: the device was removed", d->address);
        cdat_reader_fail(d->cdat, &failure);
        if (d->is_published)
                m->observer->device_removed(m->observer_userdata, d);
        TAILQ_REMOVE(&m->devices, d, devices);
        device_free(d);
}

Manager *manager_free(Manager *m) {
        if (!m)
                return NULL;
        while (!LIST_EMPTY(&m->clients))
                client_free(LIST_FIRST(&m->clients));
        assert(TAILQ_EMPTY(&m->waiting));
        while (!TAILQ_EMPTY(&m->devices)) {
                TAILQ_FIRST(&m->devices)->is_published = false; /* nobody is left to be told */
                manager_remove_device(m, TAILQ_FIRST(&m->devices), 0);
        }
        accounts_done(m);
        timer_queue_done(&m->timers);
        recorder_free(m->recorder);
        config_free(m->config);
        free(m);
        return NULL;
}

void manager_stop(Manager *m, const char *reason, uint64_t now_usec) {
        Failure failure;
        Client *c;

        m->is_stopping = true;
        leases_end_all(m, -ECONNABORTED, reason, now_usec);
        failure_set(&failure, -ECONNABORTED, "doed stops: %s", reason);
        failure_add_string(&failure, "reason", reason);
        LIST_FOREACH (c, &m->clients, clients)
                while (!TAILQ_EMPTY(&c->transactions))
                        transaction_fail(TAILQ_FIRST(&c->transactions), &failure);
}

uint64_t manager_next_due(const Manager *m) {
        return timer_queue_next(&m->timers);
}

void manager_dispatch(Manager *m, uint64_t now_usec) {
        timer_queue_dispatch(&m->timers, now_usec);
}

Device *manager_find_device(const Manager *m, const char *address) {
        Device *d;

        TAILQ_FOREACH (d, &m->devices, devices)
                if (strcmp(d->address, address) == 0)
                        return d;
        return NULL;
}

static void manager_publish(Manager *m, unsigned properties) {
        m->observer->manager_changed(m->observer_userdata, properties);
}

void manager_report_lockdown(Manager *m, const char *lockdown) {
        if (strcmp(m->lockdown, lockdown) == 0)
                return;
        snprintf(m->lockdown, sizeof(m->lockdown), "%s", lockdown);
        manager_publish(m, MANAGER_PROPERTY_LOCKDOWN);
}

/* Once for each time that it is told to. */
static void manager_tell_suspended(Manager *m) {
        if (!m->is_suspended || m->is_suspended_told)
                return;
        m->is_suspended_told = true;
        m->observer->suspended(m->observer_userdata);
}

void manager_link_up(Manager *m, const char *lockdown, uint64_t now_usec) {
        m->has_link = true;
        m->link_lost_realtime_usec = 0;
        m->link_reason[0] = '\0';
        manager_report_lockdown(m, lockdown);
        if (m->is_suspended)
                m->link->suspend(m->link_userdata, true);
}

void manager_link_lost(Manager *m, const char *reason, uint64_t now_usec) {
        Device *d;

        if (m->has_link)
                m->link_lost_realtime_usec = m->realtime_usec();
        m->has_link = false;
        snprintf(m->link_reason, sizeof(m->link_reason), "%s", reason);
        TAILQ_FOREACH (d, &m->devices, devices) {
                if (!d->is_linked)
                        continue;
                d->is_linked = false;
                for (size_t i = 0; i < d->n_mailboxes; i++)
                        mailbox_report_link_lost(d->mailboxes[i], reason, now_usec);
                cdat_reader_link_lost(d->cdat);
        }
        transaction_on_link_lost(m, now_usec);
        /* nobody is left to write anything */
        manager_tell_suspended(m);
}

static void manager_resume(Manager *m, uint64_t now_usec) {
        Device *d;

        m->is_suspended_told = false;
        TAILQ_FOREACH (d, &m->devices, devices)
                for (size_t i = 0; i < d->n_mailboxes; i++) {
                        mailbox_resume(d->mailboxes[i], now_usec);
                        leases_on_mailbox_state(d->mailboxes[i], now_usec);
                }
}

void manager_suspend(Manager *m, bool is_suspended, uint64_t now_usec) {
        if (m->is_suspended == is_suspended)
                return;
        m->is_suspended = is_suspended;
        if (is_suspended)
                leases_end_all(m, -ECONNABORTED, "the host goes to sleep", now_usec);
        if (m->has_link)
                m->link->suspend(m->link_userdata, is_suspended);
        else
                manager_tell_suspended(m);
        if (!is_suspended)
                manager_resume(m, now_usec);
}

void manager_report_suspended(Manager *m, bool is_suspended, uint64_t now_usec) {
        /* what it says of an earlier order is not meant any more */
        if (is_suspended)
                manager_tell_suspended(m);
}

static void manager_insert_device(Manager *m, Device *d) {
        Device *other;

        TAILQ_FOREACH (other, &m->devices, devices)
                if (strcmp(other->address, d->address) > 0) {
                        TAILQ_INSERT_BEFORE(other, d, devices);
                        return;
                }
        TAILQ_INSERT_TAIL(&m->devices, d, devices);
}

static int manager_add_device(Manager *m, const DeviceInfo *info, Device **ret) {
        Device *d;
        int r = device_new(m, info, &d);

        if (r < 0)
                return r;
        d->is_linked = true;
        manager_insert_device(m, d);
        d->is_published = true;
        m->observer->device_added(m->observer_userdata, d);
        *ret = d;
        return 0;
}

int manager_report_device(Manager *m, const DeviceInfo *info, uint64_t now_usec, Device **ret) {
        Device *d = manager_find_device(m, info->address);
        unsigned changed = 0;
        bool was_linked;
        int r;

        if (d && !device_is_same(d, info)) {
                manager_remove_device(m, d, now_usec);
                d = NULL;
        }
        if (!d)
                return manager_add_device(m, info, ret);

        was_linked = d->is_linked;
        d->is_linked = true;
        r = device_update(d, info, &changed);
        if (r < 0)
                return r;
        if (changed)
                m->observer->device_changed(m->observer_userdata, d, changed);
        device_refresh_cdat(d);
        /* what comes back cannot be asked yet: its mailboxes report first */
        if (was_linked)
                cdat_reader_refresh(d->cdat, now_usec);
        *ret = d;
        return 0;
}

void manager_report_device_removed(Manager *m, const char *address, uint64_t now_usec) {
        Device *d = manager_find_device(m, address);

        if (d)
                manager_remove_device(m, d, now_usec);
}

void manager_report_enumerated(Manager *m, uint64_t now_usec) {
        Device *d, *next;

        for (d = TAILQ_FIRST(&m->devices); d; d = next) {
                next = TAILQ_NEXT(d, devices);
                if (!d->is_linked)
                        manager_remove_device(m, d, now_usec);
        }
        if (!m->is_ready) {
                m->is_ready = true;
                manager_publish(m, MANAGER_PROPERTY_READY);
        }
        transaction_on_enumerated(m, now_usec);
}

/* What Find sorts by; smaller is better. */
static int find_rank(const Mailbox *mb, uint16_t vendor_id, uint8_t type) {
        int offers = mailbox_find_feature(mb, vendor_id, type) ? 0 : 4;

        if (mb->state == MAILBOX_DEAD)
                return offers + 2;
        return offers + (mailbox_is_ready(mb) ? 0 : 1);
}

int manager_find(const Manager *m, const char *device, uint16_t vendor_id, uint8_t type, Mailbox ***ret,
                 size_t *ret_n) {
        Mailbox **found;
        size_t n_all = 0, n = 0;
        const Device *d;

        TAILQ_FOREACH (d, &m->devices, devices)
                n_all += d->n_mailboxes;
        found = calloc(n_all + 1, sizeof(Mailbox *));
        if (!found)
                return -ENOMEM;
        /* devices and mailboxes are in order already: one walk for each rank keeps it */
        for (int rank = 0; rank <= 6; rank++)
                TAILQ_FOREACH (d, &m->devices, devices) {
                        if (*device && fnmatch(device, d->address, 0) != 0)
                                continue;
                        for (size_t i = 0; i < d->n_mailboxes; i++)
                                if (mailbox_may_offer(d->mailboxes[i], vendor_id, type) &&
                                    find_rank(d->mailboxes[i], vendor_id, type) == rank)
                                        found[n++] = d->mailboxes[i];
                }
        *ret = found;
        *ret_n = n;
        return 0;
}
