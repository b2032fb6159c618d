/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/emulator/sysfs-attribute.h"

#include <errno.h>

#include "protocols/cursor.h"

/* As the kernel splits an access: up to a dword border, dwords, and the rest. */
static size_t piece(size_t offset, size_t n_bytes) {
        if (offset % 2 != 0 || n_bytes < 2)
                return 1;
        return offset % 4 != 0 || n_bytes < 4 ? 2 : 4;
}

static ssize_t config_read(const SysfsFile *f, uint8_t *buf, size_t n_bytes, off_t offset) {
        size_t n_done = 0;

        if (offset < 0 || offset >= (off_t)MODEL_CONFIG_BYTES)
                return 0;
        n_bytes = MIN_OF(n_bytes, MODEL_CONFIG_BYTES - (size_t)offset);
        while (n_done < n_bytes) {
                size_t at = (size_t)offset + n_done, n = piece(at, n_bytes - n_done);
                uint8_t bytes[4];
                uint32_t value;
                int r;

                r = platform_read(f->platform, f->function, f->instance, (uint16_t)at, n, &value);
                if (r < 0)
                        return r;
                doe_store_le32(bytes, value);
                memcpy(buf + n_done, bytes, n);
                n_done += n;
        }
        return (ssize_t)n_done;
}

static ssize_t config_write(const SysfsFile *f, const uint8_t *buf, size_t n_bytes, off_t offset) {
        size_t n_done = 0;

        if (offset < 0 || offset >= (off_t)MODEL_CONFIG_BYTES)
                return 0;
        n_bytes = MIN_OF(n_bytes, MODEL_CONFIG_BYTES - (size_t)offset);
        while (n_done < n_bytes) {
                size_t at = (size_t)offset + n_done, n = piece(at, n_bytes - n_done);
                uint8_t bytes[4] = { 0 };
                int r;

                memcpy(bytes, buf + n_done, n);
                r = platform_write(f->platform, f->function, f->instance, (uint16_t)at, n,
                                   doe_load_le32(bytes));
                if (r < 0)
                        return r;
                n_done += n;
        }
        return (ssize_t)n_done;
}

static ssize_t cdat_read(const SysfsFile *f, uint8_t *buf, size_t n_bytes, off_t offset) {
        _cleanup_free_ uint8_t *table = NULL;
        size_t n_table;
        int r;

        r = platform_read_kernel_cdat(f->platform, f->function, &table, &n_table);
        if (r == -ENODATA || (r >= 0 && (offset < 0 || (size_t)offset >= n_table)))
                return 0;
        if (r < 0)
                return r;
        n_bytes = MIN_OF(n_bytes, n_table - (size_t)offset);
        memcpy(buf, table + offset, n_bytes);
        return (ssize_t)n_bytes;
}

static bool is_one(const char *text) {
        return strcmp(text, "1") == 0;
}

static int remove_store(const SysfsFile *f, const char *text) {
        return is_one(text) ? platform_remove(f->platform, f->function) : -EINVAL;
}

static int reset_store(const SysfsFile *f, const char *text) {
        return is_one(text) ? platform_reset(f->platform, f->function) : -EINVAL;
}

static int rescan_store(const SysfsFile *f, const char *text) {
        if (!is_one(text))
                return -EINVAL;
        platform_rescan(f->platform);
        return 0;
}

static int find_function(const SysfsFile *f, const char *address) {
        int i = scenario_find(platform_scenario(f->platform), address);

        return i < 0 ? -ENODEV : i;
}

static int bind_store(const SysfsFile *f, const char *text) {
        int i = find_function(f, text);

        return i < 0 ? i : platform_bind(f->platform, (size_t)i, f->folder);
}

static int unbind_store(const SysfsFile *f, const char *text) {
        int i = find_function(f, text);
        PlatformView view;

        if (i < 0)
                return i;
        platform_get_view(f->platform, (size_t)i, &view);
        return strcmp(view.driver, f->folder) == 0 ? platform_unbind(f->platform, (size_t)i) : -ENODEV;
}

static int probe_store(const SysfsFile *f, const char *text) {
        int i = find_function(f, text);

        return i < 0 ? i
                     : platform_bind(f->platform, (size_t)i,
                                     platform_scenario(f->platform)->devices[i].driver);
}

static int control_show(const SysfsFile *f, char *buf, size_t n_buf) {
        PlatformView view;

        platform_get_view(f->platform, f->function, &view);
        return snprintf(buf, n_buf, "%s\n", view.is_power_on ? "on" : "auto");
}

static int control_store(const SysfsFile *f, const char *text) {
        bool is_on = strcmp(text, "on") == 0;

        if (!is_on && strcmp(text, "auto") != 0)
                return -EINVAL;
        platform_set_power(f->platform, f->function, is_on);
        return 0;
}

/* A read waits for the semaphore that a connect holds all the time that the TSM works. */
static int connect_show(const SysfsFile *f, char *buf, size_t n_buf) {
        PlatformView view;

        platform_wait_unheld(f->platform, f->function);
        platform_get_view(f->platform, f->function, &view);
        return snprintf(buf, n_buf, "%s%s", view.tsm, *view.tsm ? "\n" : "");
}

static int connect_store(const SysfsFile *f, const char *text) {
        return strncmp(text, "tsm", 3) == 0 ? platform_set_tsm(f->platform, f->function, text) : -EINVAL;
}

static int disconnect_store(const SysfsFile *f, const char *text) {
        PlatformView view;

        platform_get_view(f->platform, f->function, &view);
        return strcmp(text, view.tsm) == 0 ? platform_set_tsm(f->platform, f->function, "") : -EINVAL;
}

static int lockdown_show(const SysfsFile *f, char *buf, size_t n_buf) {
        ScenarioLockdown level = platform_lockdown(f->platform);
        size_t n = 0;

        for (int i = 0; i < N_SCENARIO_LOCKDOWNS; i++) {
                const char *name = scenario_lockdown_to_string((ScenarioLockdown)i);

                n += (size_t)snprintf(buf + n, n_buf - n, (ScenarioLockdown)i == level ? "%s[%s]" : "%s%s",
                                      i > 0 ? " " : "", name);
        }
        return snprintf(buf + n, n_buf - n, "\n");
}

static int lockdown_store(const SysfsFile *f, const char *text) {
        int level = scenario_lockdown_from_string(text);

        return level < 0 ? level
                         : platform_set_lockdown(f->platform, (ScenarioLockdown)level, /*may_lower=*/false);
}

const SysfsAttribute sysfs_device_attributes[] = {
        { "config", 0644, MODEL_CONFIG_BYTES, NULL, NULL, config_read, config_write },
        { "remove", 0220, 0, NULL, remove_store, NULL, NULL },
        { "rescan", 0220, 0, NULL, rescan_store, NULL, NULL },
        { "reset", 0200, 0, NULL, reset_store, NULL, NULL },
};
const size_t sysfs_n_device_attributes = ELEMENTS(sysfs_device_attributes);

const SysfsAttribute sysfs_power_attributes[] = {
        { "control", 0644, 0, control_show, control_store, NULL, NULL },
};
const size_t sysfs_n_power_attributes = ELEMENTS(sysfs_power_attributes);

const SysfsAttribute sysfs_tsm_attributes[] = {
        { "connect", 0644, 0, connect_show, connect_store, NULL, NULL },
        { "disconnect", 0200, 0, NULL, disconnect_store, NULL, NULL },
};
const size_t sysfs_n_tsm_attributes = ELEMENTS(sysfs_tsm_attributes);

const SysfsAttribute sysfs_driver_attributes[] = {
        { "bind", 0200, 0, NULL, bind_store, NULL, NULL },
        { "unbind", 0200, 0, NULL, unbind_store, NULL, NULL },
};
const size_t sysfs_n_driver_attributes = ELEMENTS(sysfs_driver_attributes);

const SysfsAttribute sysfs_bus_attributes[] = {
        { "rescan", 0200, 0, NULL, rescan_store, NULL, NULL },
        { "drivers_probe", 0200, 0, NULL, probe_store, NULL, NULL },
};
const size_t sysfs_n_bus_attributes = ELEMENTS(sysfs_bus_attributes);

const SysfsAttribute sysfs_cdat_attribute = { "CDAT", 0400, 0, NULL, NULL, cdat_read, NULL };
const SysfsAttribute sysfs_lockdown_attribute = { "lockdown",     0644, 0,   lockdown_show,
                                                  lockdown_store, NULL, NULL };
