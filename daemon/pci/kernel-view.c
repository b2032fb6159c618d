/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/kernel-view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include "daemon/pci/sysfs-file.h"
#include "protocols/feature.h"

#define LINE_MAX_BYTES  256u
#define MANAGERS_MAX    4u
#define CDAT_READ_BYTES 65536u

static void closedirp(DIR **dir) {
        if (*dir)
                closedir(*dir);
}
#define _cleanup_closedir_ _cleanup_(closedirp)

static const char *base_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

/* cxl: memN lies in the function's folder; an endpointN leads to a memN by its uport, a switch's portN to
 * the function itself. */

static bool is_memory_of(const char *path, const char *address) {
        char parent[PATH_MAX];

        if (strncmp(base_name(path), "mem", 3) != 0)
                return false;
        snprintf(parent, sizeof(parent), "%.*s", (int)(base_name(path) - path - 1), path);
        return strcmp(base_name(parent), address) == 0;
}

static void look_at_cxl(const char *sysfs, const char *name, const char *address, HostView *view) {
        char path[PATH_MAX], real[PATH_MAX];

        if (strncmp(name, "mem", 3) == 0) {
                if (sysfs_path(path, "%s/bus/cxl/devices/%s", sysfs, name) == 0 && realpath(path, real) &&
                    is_memory_of(real, address))
                        wire_text_set(view->cxl_memory, sizeof(view->cxl_memory), name);
                return;
        }
        if (strncmp(name, "endpoint", 8) != 0 && strncmp(name, "port", 4) != 0)
                return;
        if (sysfs_path(path, "%s/bus/cxl/devices/%s/uport", sysfs, name) == 0 && realpath(path, real) &&
            (is_memory_of(real, address) || strcmp(base_name(real), address) == 0))
                wire_text_set(view->cxl_port, sizeof(view->cxl_port), name);
}

static int open_cdat(const char *sysfs, const char *cxl_port) {
        char path[PATH_MAX];
        int fd;

        if (!cxl_port[0] || sysfs_path(path, "%s/bus/cxl/devices/%s/CDAT", sysfs, cxl_port) < 0)
                return -ENODATA;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? -ENODATA : -errno;
        return fd;
}

/* An empty file says that the kernel could not read the table: then nobody holds it. */
static bool has_cdat(const char *sysfs, const char *cxl_port) {
        _cleanup_close_ int fd = open_cdat(sysfs, cxl_port);
        char byte;

        return fd >= 0 && read(fd, &byte, 1) == 1;
}

static void read_cxl(const char *sysfs, const char *address, HostView *view) {
        _cleanup_closedir_ DIR *dir = NULL;
        char path[PATH_MAX];
        struct dirent *entry;

        if (sysfs_path(path, "%s/bus/cxl/devices", sysfs) < 0 || !(dir = opendir(path)))
                return;
        while ((entry = readdir(dir)))
                look_at_cxl(sysfs, entry->d_name, address, view);
        view->has_kernel_cdat = has_cdat(sysfs, view->cxl_port);
}

static void read_features(const char *device, HostView *view) {
        _cleanup_closedir_ DIR *dir = NULL;
        char path[PATH_MAX];
        struct dirent *entry;

        if (sysfs_path(path, "%s/doe_features", device) < 0 || !(dir = opendir(path)))
                return;
        view->has_kernel_features = true;
        while (view->n_features < WIRE_FEATURES_MAX && (entry = readdir(dir))) {
                WireFeature *feature = &view->features[view->n_features];

                if (strcmp(entry->d_name, "doe_discovery") == 0)
                        *feature = (WireFeature){ DOE_VENDOR_PCI_SIG, DOE_TYPE_DISCOVERY };
                else if (sscanf(entry->d_name, "%4hx:%2hhx", &feature->vendor_id, &feature->type) != 2)
                        continue;
                view->n_features++;
        }
}

static int compare_features(const void *a, const void *b) {
        const WireFeature *x = a, *y = b;

        return x->vendor_id != y->vendor_id ? x->vendor_id - y->vendor_id : x->type - y->type;
}

/* Who may speak SPDM with it for the kernel: the function itself, function 0 of its device, and the same two
 * for the physical function of a virtual one. Return: how many. */
static size_t list_managers(const char *sysfs, const char *address, char managers[][WIRE_ADDRESS_MAX]) {
        char path[PATH_MAX], physical[WIRE_ADDRESS_MAX];
        size_t n = 0;

        snprintf(managers[n++], WIRE_ADDRESS_MAX, "%s", address);
        if (sysfs_path(path, "%s/bus/pci/devices/%s/physfn", sysfs, address) == 0 &&
            sysfs_link_name(path, physical, sizeof(physical)) == 0 && wire_address_is_valid(physical))
                snprintf(managers[n++], WIRE_ADDRESS_MAX, "%s", physical);
        for (size_t i = n; i-- > 0;) {
                snprintf(managers[n], WIRE_ADDRESS_MAX, "%s", managers[i]);
                managers[n][strlen(managers[n]) - 1] = '0';
                n++;
        }
        return n;
}

#define TSM_FOLDER "tsm" /* all that a function has of it whose sessions another one holds */

static bool find_tsm(const char *sysfs, const char *address, char *ret_path, const char **ret_what) {
        static const char *const names[] = { "tsm/connect", "authenticated", TSM_FOLDER };
        char managers[MANAGERS_MAX][WIRE_ADDRESS_MAX], path[PATH_MAX];
        size_t n = list_managers(sysfs, address, managers);

        for (size_t i = 0; i < ELEMENTS(names); i++)
                for (size_t j = 0; j < n; j++)
                        if (sysfs_path(path, "%s/bus/pci/devices/%s/%s", sysfs, managers[j], names[i]) ==
                                            0 &&
                            sysfs_exists(path)) {
                                strcpy(ret_path, path);
                                *ret_what = names[i];
                                return true;
                        }
        return false;
}

bool kernel_view_tsm_file(const char *sysfs, const char *address, char *path) {
        const char *what;

        return find_tsm(sysfs, address, path, &what) && strcmp(what, TSM_FOLDER) != 0;
}

/* A function that is lent to a virtual machine may be in a session with that. */
static void read_spdm_owner(const char *sysfs, const char *address, HostView *view) {
        char path[PATH_MAX];
        const char *what;

        if (find_tsm(sysfs, address, path, &what))
                snprintf(view->spdm_owner, sizeof(view->spdm_owner),
                         "the kernel has %s for it: a TSM may have an SPDM session", what);
        else if (strncmp(view->driver, "vfio", 4) == 0)
                snprintf(view->spdm_owner, sizeof(view->spdm_owner),
                         "it is bound to %s: a virtual machine may have an SPDM session", view->driver);
}

static void read_lockdown(const char *sysfs, HostView *view) {
        char level[WIRE_ADDRESS_MAX];

        kernel_view_lockdown(sysfs, level);
        if (strcmp(level, "integrity") == 0 || strcmp(level, "confidentiality") == 0)
                snprintf(view->read_only, sizeof(view->read_only), "kernel lockdown is %s", level);
}

int kernel_view_read(const char *sysfs, const char *address, HostView *ret) {
        char device[PATH_MAX], path[PATH_MAX], line[LINE_MAX_BYTES];
        HostView view = { .numa_node = -1 };
        int r;

        r = sysfs_path(device, "%s/bus/pci/devices/%s", sysfs, address);
        if (r < 0)
                return r;
        if (!sysfs_exists(device))
                return -ENODEV;
        if (sysfs_path(path, "%s/numa_node", device) == 0 && sysfs_read_line(path, line, sizeof(line)) == 0)
                view.numa_node = (int32_t)strtol(line, NULL, 10);
        if (sysfs_path(path, "%s/driver", device) == 0)
                (void)sysfs_link_name(path, view.driver, sizeof(view.driver));
        read_cxl(sysfs, address, &view);
        read_features(device, &view);
        /* a folder has no order, and an other order is no change */
        qsort(view.features, view.n_features, sizeof(view.features[0]), compare_features);
        read_spdm_owner(sysfs, address, &view);
        read_lockdown(sysfs, &view);
        *ret = view;
        return 0;
}

/* Without securityfs the file is missing, too: then a write tells. */
void kernel_view_lockdown(const char *sysfs, char *buf) {
        char path[PATH_MAX], line[LINE_MAX_BYTES], *level;

        snprintf(buf, WIRE_ADDRESS_MAX, "unknown");
        if (sysfs_path(path, "%s/kernel/security/lockdown", sysfs) < 0 ||
            sysfs_read_line(path, line, sizeof(line)) < 0)
                return;
        level = strchr(line, '[');
        if (!level)
                return;
        level[strcspn(level, "]")] = '\0';
        if (strcmp(level + 1, "none") == 0 || strcmp(level + 1, "integrity") == 0 ||
            strcmp(level + 1, "confidentiality") == 0)
                snprintf(buf, WIRE_ADDRESS_MAX, "%s", level + 1);
}

static int read_all(int fd, uint8_t **ret, size_t *ret_n_bytes) {
        _cleanup_free_ uint8_t *table = NULL;
        size_t n_bytes = 0, n_allocated = 0;
        ssize_t n;

        do {
                if (n_bytes == n_allocated) {
                        uint8_t *larger;

                        if (n_bytes >= WIRE_KERNEL_CDAT_MAX)
                                return -EMSGSIZE;
                        n_allocated += CDAT_READ_BYTES;
                        larger = realloc(table, n_allocated);
                        if (!larger)
                                return -ENOMEM;
                        table = larger;
                }
                n = read(fd, table + n_bytes, n_allocated - n_bytes);
                if (n < 0)
                        return -errno;
                n_bytes += (size_t)n;
        } while (n > 0);
        if (n_bytes == 0)
                return -ENODATA;
        *ret = TAKE_PTR(table);
        *ret_n_bytes = n_bytes;
        return 0;
}

int kernel_view_read_cdat(const char *sysfs, const char *address, uint8_t **ret, size_t *ret_n_bytes) {
        _cleanup_close_ int fd = -EBADF;
        HostView view = {};

        read_cxl(sysfs, address, &view);
        fd = open_cdat(sysfs, view.cxl_port);
        if (fd < 0)
                return fd;
        return read_all(fd, ret, ret_n_bytes);
}
