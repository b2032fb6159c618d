/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/config-guard.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "daemon/util/clock.h"
#include "daemon/util/log.h"

#define OPEN_RETRY_USEC USEC_PER_SEC

static int guard_open(ConfigGuard *g) {
        uint64_t now_usec = clock_monotonic_usec();

        if (g->inner)
                return 0;
        if (now_usec < g->retry_usec)
                return g->error;
        g->error = g->host->ops->open_config(g->host, g->address, &g->inner);
        if (g->error < 0) {
                if (g->error != -ENODEV && g->error != -EPERM)
                        g->error = -EIO;
                g->inner = NULL;
                g->retry_usec = now_usec + OPEN_RETRY_USEC;
                log_full(LOG_DEBUG, g->address, "Cannot open the configuration space: %s",
                         strerror(-g->error));
        }
        return g->error;
}

static int guard_read32(ConfigSpace *config, uint16_t offset, uint32_t *ret) {
        ConfigGuard *g = (ConfigGuard *)config;
        int r = guard_open(g);

        return r < 0 ? r : g->inner->read32(g->inner, offset, ret);
}

static int guard_write32(ConfigSpace *config, uint16_t offset, uint32_t value) {
        ConfigGuard *g = (ConfigGuard *)config;
        int r = guard_open(g);

        if (r == 0)
                r = g->inner->write32(g->inner, offset, value);
        if (r == -EPERM)
                g->was_refused = true;
        return r;
}

static uint64_t guard_now_usec(ConfigSpace *config) {
        ConfigGuard *g = (ConfigGuard *)config;

        return g->inner ? g->inner->now_usec(g->inner) : clock_monotonic_usec();
}

static void guard_pause(ConfigSpace *config, uint64_t usec) {
        ConfigGuard *g = (ConfigGuard *)config;
        struct timespec ts = { .tv_sec = (time_t)(usec / USEC_PER_SEC),
                               .tv_nsec = (long)(usec % USEC_PER_SEC * 1000) };

        if (g->inner)
                g->inner->pause(g->inner, usec);
        else
                nanosleep(&ts, NULL);
}

void config_guard_init(ConfigGuard *g, Host *host, const char *address) {
        *g = (ConfigGuard){ .config = { .read32 = guard_read32,
                                        .write32 = guard_write32,
                                        .now_usec = guard_now_usec,
                                        .pause = guard_pause },
                            .host = host,
                            .address = address };
}

void config_guard_done(ConfigGuard *g) {
        if (g->inner)
                g->host->ops->close_config(g->host, g->inner);
        g->inner = NULL;
}
