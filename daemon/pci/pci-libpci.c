/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/pci-libpci.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "daemon/pci/libpci-access.h"
#include "daemon/util/clock.h"
#include "protocols/cursor.h"

#define SPIN_USEC 50u /* a sleep takes about as long to come back */

typedef struct LibpciConfig {
        ConfigSpace config;
        struct pci_access *access;
        struct pci_dev *dev;
} LibpciConfig;

typedef struct Transfer {
        LibpciConfig *c;
        uint16_t offset;
        uint32_t value;
} Transfer;

/* The library's dword functions return all-ones for a failure; this one tells. */
static int transfer_in(void *arg) {
        Transfer *t = arg;
        uint8_t bytes[sizeof(uint32_t)];

        errno = 0;
        if (!pci_read_block(t->c->dev, t->offset, bytes, sizeof(bytes)))
                return libpci_error(errno);
        t->value = doe_load_le32(bytes);
        return 0;
}

static int transfer_out(void *arg) {
        Transfer *t = arg;

        errno = 0;
        return pci_write_long(t->c->dev, t->offset, t->value) ? 0 : libpci_error(errno);
}

static int read32(ConfigSpace *config, uint16_t offset, uint32_t *ret) {
        Transfer t = { .c = (LibpciConfig *)config, .offset = offset };
        int r = libpci_call(transfer_in, &t);

        if (r == 0)
                *ret = t.value;
        return r;
}

static int write32(ConfigSpace *config, uint16_t offset, uint32_t value) {
        Transfer t = { .c = (LibpciConfig *)config, .offset = offset, .value = value };

        return libpci_call(transfer_out, &t);
}

static uint64_t now_usec(ConfigSpace *config) {
        return clock_monotonic_usec();
}

static void pause_usec(ConfigSpace *config, uint64_t usec) {
        uint64_t end_usec = usec_add(clock_monotonic_usec(), usec);
        struct timespec ts = { .tv_sec = (time_t)(usec / USEC_PER_SEC),
                               .tv_nsec = (long)(usec % USEC_PER_SEC * 1000) };

        if (usec > SPIN_USEC) {
                nanosleep(&ts, NULL);
                return;
        }
        while (clock_monotonic_usec() < end_usec)
                ;
}

/* The first read opens the file, and so tells whether the rest can work. */
static int try_read(LibpciConfig *c) {
        uint32_t value;

        return read32(&c->config, PCI_VENDOR_ID, &value);
}

int pci_libpci_open(const char *sysfs, const char *address, ConfigSpace **ret) {
        LibpciConfig *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        c->config = (ConfigSpace){
                .read32 = read32, .write32 = write32, .now_usec = now_usec, .pause = pause_usec
        };
        r = libpci_access_new(sysfs, &c->access);
        if (r == 0) {
                c->dev = libpci_get_dev(c->access, address);
                r = c->dev ? try_read(c) : -EINVAL;
        }
        if (r < 0) {
                pci_libpci_close(&c->config);
                return r;
        }
        *ret = &c->config;
        return 0;
}

void pci_libpci_close(ConfigSpace *config) {
        LibpciConfig *c = (LibpciConfig *)config;

        if (c->dev)
                pci_free_dev(c->dev);
        libpci_access_free(c->access);
        free(c);
}
