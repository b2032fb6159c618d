/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/host-libpci.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "daemon/pci/libpci-access.h"
#include "daemon/util/clock.h"
#include "daemon/util/log.h"
#include "protocols/cursor.h"
#include "protocols/registers.h"

#define WAITS_MAX 20u /* of SCAN_PATIENCE_USEC, on a machine that is slow to start a thread */

/* One scan, shared with the threads that work on it; the last one frees it. */
typedef struct Batch {
        pthread_mutex_t mutex;
        pthread_cond_t progress;
        unsigned n_references;
        char sysfs[PATH_MAX];
        Channel *late;
        ScanItem *items;
        bool *is_late;
        size_t n_items, next, n_done;
        bool is_reading;  /* the thread whose turn it is reads function next - 1 */
        unsigned turn;    /* rises when a thread is left alone with its function */
        unsigned n_waits; /* for a thread that has not begun, or looks up a name */
} Batch;

static atomic_uint n_late_threads;

unsigned libpci_scan_late(void) {
        return atomic_load(&n_late_threads);
}

/* One function. */

typedef struct Reading {
        struct pci_access *access;
        struct pci_dev *dev;
        HostFunction *function;
} Reading;

static int read_dword(struct pci_dev *dev, unsigned offset, uint32_t *ret) {
        uint8_t bytes[sizeof(uint32_t)];

        errno = 0;
        if (!pci_read_block(dev, (int)offset, bytes, sizeof(bytes)))
                return libpci_error(errno);
        *ret = doe_load_le32(bytes);
        return 0;
}

/* The library walks the chain, and ends at an offset that comes again. */
static void collect_mailboxes(struct pci_dev *dev, HostFunction *function) {
        for (struct pci_cap *cap = dev->first_cap; cap; cap = cap->next) {
                WireMailboxInfo *info = &function->mailboxes[function->n_mailboxes];
                uint32_t header = 0;

                if (cap->type != PCI_CAP_EXTENDED || cap->id != DOE_EXT_CAP_ID ||
                    cap->addr < WIRE_OFFSET_MIN || cap->addr > WIRE_OFFSET_MAX || cap->addr % 4 != 0)
                        continue;
                if (function->n_mailboxes == WIRE_MAILBOXES_MAX) {
                        log_full(LOG_WARNING, function->address, "More than %u DOE capabilities, ignoring",
                                 WIRE_MAILBOXES_MAX);
                        return;
                }
                if (read_dword(dev, cap->addr, &header) < 0 || (header & 0xffff) != DOE_EXT_CAP_ID)
                        continue;
                info->offset = (uint16_t)cap->addr;
                info->cap_version = DOE_HEADER_VERSION(header);
                function->n_mailboxes++;
        }
}

static int read_function(void *arg) {
        Reading *reading = arg;
        HostFunction *function = reading->function;
        struct pci_dev *dev;
        uint32_t id = 0;
        int r;

        dev = reading->dev = libpci_get_dev(reading->access, function->address);
        if (!dev)
                return -EINVAL;
        r = read_dword(dev, PCI_VENDOR_ID, &id);
        if (r < 0)
                return r;
        if (id == UINT32_MAX)
                return -EAGAIN;
        pci_fill_info(dev, PCI_FILL_IDENT | PCI_FILL_CLASS | PCI_FILL_CLASS_EXT | PCI_FILL_CAPS |
                                           PCI_FILL_EXT_CAPS);
        function->vendor_id = dev->vendor_id;
        function->device_id = dev->device_id;
        function->class_code = (uint32_t)dev->device_class << 8 | dev->prog_if;
        collect_mailboxes(dev, function);
        return 0;
}

static int name_function(void *arg) {
        Reading *reading = arg;
        HostFunction *function = reading->function;
        char buf[4 * WIRE_NAME_MAX], *name;

        name = pci_lookup_name(reading->access, buf, sizeof(buf),
                               PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE | PCI_LOOKUP_NO_HWDB,
                               function->vendor_id, function->device_id);
        wire_text_set(function->name, sizeof(function->name), name);
        return 0;
}

static int free_dev(void *arg) {
        pci_free_dev(arg);
        return 0;
}

static void scan_item(struct pci_access *access, ScanItem *item) {
        Reading reading = { .access = access, .function = &item->function };

        item->function = (HostFunction){};
        memcpy(item->function.address, item->address, sizeof(item->address));
        item->error = libpci_call(read_function, &reading);
        if (reading.dev)
                libpci_call(free_dev, reading.dev);
}

/* The first name takes as long as the whole list of names, which says nothing about the function. */
static void name_item(struct pci_access *access, ScanItem *item) {
        Reading reading = { .access = access, .function = &item->function };

        if (item->error >= 0 && item->function.n_mailboxes > 0)
                libpci_call(name_function, &reading);
}

/* All of them. */

static void batch_unref(Batch *b) {
        unsigned n_left;

        pthread_mutex_lock(&b->mutex);
        n_left = --b->n_references;
        pthread_mutex_unlock(&b->mutex);
        if (n_left > 0)
                return;
        pthread_cond_destroy(&b->progress);
        pthread_mutex_destroy(&b->mutex);
        free(b->items);
        free(b->is_late);
        free(b);
}
DEFINE_CLEANUP(Batch *, batch_unref);

static void push_late(Batch *b, const ScanItem *item) {
        ScanItem *copy = malloc(sizeof(*copy));

        if (copy) {
                *copy = *item;
                channel_push(b->late, &copy->item);
        }
        atomic_fetch_sub(&n_late_threads, 1);
}

/* Scan one function after the other, until there is none left or another thread has taken over. */
static void scan_items(Batch *b, struct pci_access *access) {
        ScanItem item;
        unsigned turn;
        bool is_late;

        pthread_mutex_lock(&b->mutex);
        turn = b->turn;
        while (turn == b->turn && b->next < b->n_items) {
                size_t i = b->next++;

                item = b->items[i];
                b->is_reading = true;
                pthread_mutex_unlock(&b->mutex);
                scan_item(access, &item);
                pthread_mutex_lock(&b->mutex);
                is_late = b->is_late[i];
                if (!is_late)
                        b->is_reading = false;
                pthread_mutex_unlock(&b->mutex);
                name_item(access, &item);
                if (is_late) {
                        push_late(b, &item);
                        return;
                }
                pthread_mutex_lock(&b->mutex);
                b->items[i] = item;
                b->n_done++;
                pthread_cond_signal(&b->progress);
        }
        pthread_mutex_unlock(&b->mutex);
}

static void *scan_main(void *arg) {
        _cleanup_(batch_unrefp) Batch *b = arg;
        struct pci_access *access;
        int r;

        r = libpci_access_new(b->sysfs, &access);
        if (r < 0) {
                log_error("Cannot use libpci: %s", strerror(-r));
                return NULL;
        }
        scan_items(b, access);
        /* with it go some 2 MiB of names */
        libpci_access_free(access);
        malloc_trim(0);
        return NULL;
}

static int start_thread(Batch *b) {
        sigset_t all, old;
        pthread_attr_t attributes;
        pthread_t thread;
        int r;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        b->n_references++;
        r = pthread_create(&thread, &attributes, scan_main, b);
        if (r != 0)
                b->n_references--;
        pthread_attr_destroy(&attributes);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        return -r;
}

static void deadline_in(uint64_t usec, struct timespec *ret) {
        uint64_t at_usec = clock_monotonic_usec() + usec;

        *ret = (struct timespec){ .tv_sec = (time_t)(at_usec / USEC_PER_SEC),
                                  .tv_nsec = (long)(at_usec % USEC_PER_SEC * 1000) };
}

/* If the thread hangs in the function before next, leave it there. Return: whether to wait on. */
static bool leave_behind(Batch *b) {
        size_t i;

        if (!b->is_reading)
                return ++b->n_waits < WAITS_MAX;
        i = b->next - 1;
        log_event(LOG_EVENT_CONFIG_SPACE_HANGS, &(LogFields){ .subject = b->items[i].address },
                  "Its configuration space does not answer, going on");
        b->is_late[i] = true;
        b->is_reading = false;
        b->items[i].error = -EINPROGRESS;
        b->n_done++;
        b->turn++;
        atomic_fetch_add(&n_late_threads, 1);
        return b->n_done < b->n_items && libpci_scan_late() < SCAN_LATE_MAX && start_thread(b) == 0;
}

static void wait_for_items(Batch *b) {
        struct timespec deadline;
        size_t n_done;

        while (b->n_done < b->n_items) {
                n_done = b->n_done;
                deadline_in(SCAN_PATIENCE_USEC, &deadline);
                while (b->n_done == n_done &&
                       pthread_cond_timedwait(&b->progress, &b->mutex, &deadline) != ETIMEDOUT)
                        ;
                if (b->n_done == n_done && !leave_behind(b))
                        return;
        }
}

static int batch_new(const char *sysfs, const ScanItem *items, size_t n, Channel *late, Batch **ret) {
        pthread_condattr_t attributes;
        Batch *b = calloc(1, sizeof(*b));

        if (!b)
                return -ENOMEM;
        b->n_references = 1;
        pthread_mutex_init(&b->mutex, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&b->progress, &attributes);
        pthread_condattr_destroy(&attributes);
        b->items = calloc(n, sizeof(*items));
        b->is_late = calloc(n, sizeof(bool));
        if (!b->items || !b->is_late) {
                batch_unref(b);
                return -ENOMEM;
        }
        memcpy(b->items, items, n * sizeof(*items));
        for (size_t i = 0; i < n; i++)
                b->items[i].error = -EAGAIN;
        b->n_items = n;
        b->late = late;
        snprintf(b->sysfs, sizeof(b->sysfs), "%s", sysfs);
        *ret = b;
        return 0;
}

int libpci_scan(const char *sysfs, ScanItem *items, size_t n, Channel *late) {
        _cleanup_(batch_unrefp) Batch *b = NULL;
        int r;

        if (n == 0)
                return 0;
        r = batch_new(sysfs, items, n, late, &b);
        if (r < 0)
                return r;
        pthread_mutex_lock(&b->mutex);
        r = start_thread(b);
        if (r == 0) {
                wait_for_items(b);
                memcpy(items, b->items, n * sizeof(*items));
        }
        pthread_mutex_unlock(&b->mutex);
        return r;
}
