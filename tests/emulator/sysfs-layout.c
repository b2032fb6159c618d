/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/emulator/sysfs-layout.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "tests/emulator/sysfs-attribute.h"
#include "tests/emulator/sysfs.h"

static _printf_(4, 5) void add_file(SysfsLayout *l, TreeNode *parent, const char *name, const char *format,
                                    ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n < 0 || !tree_add(l->tree, parent, name, S_IFREG | 0444, text))
                l->has_failed = true;
}

static _printf_(4, 5) void add_link(SysfsLayout *l, TreeNode *parent, const char *name, const char *format,
                                    ...) {
        char target[SYSFS_PATH_MAX];
        va_list ap;

        va_start(ap, format);
        vsnprintf(target, sizeof(target), format, ap);
        va_end(ap);
        if (!tree_add(l->tree, parent, name, S_IFLNK | 0777, target))
                l->has_failed = true;
}

static TreeNode *add_folder(SysfsLayout *l, TreeNode *parent, const char *name) {
        TreeNode *node = tree_add(l->tree, parent, name, S_IFDIR | 0755, NULL);

        l->has_failed = l->has_failed || !node;
        return node;
}

static TreeNode *add_attribute(SysfsLayout *l, TreeNode *parent, const SysfsAttribute *attribute) {
        TreeNode *node = tree_add(l->tree, parent, attribute->name, S_IFREG | attribute->mode, NULL);

        if (node) {
                node->kind = attribute;
                node->n_bytes = attribute->n_bytes;
        }
        l->has_failed = l->has_failed || !node;
        return node;
}

static void add_attributes(SysfsLayout *l, TreeNode *parent, const SysfsAttribute *attributes, size_t n) {
        for (size_t i = 0; i < n; i++)
                add_attribute(l, parent, &attributes[i]);
}

const char *sysfs_device_path(const ScenarioDevice *d, char *buf) {
        snprintf(buf, SYSFS_PATH_MAX, "devices/pci%04x:%02x/%s", d->domain, d->bus, d->address);
        return buf;
}

static TreeNode *find_device(SysfsLayout *l, size_t function) {
        char path[SYSFS_PATH_MAX];

        return tree_find_path(l->tree, sysfs_device_path(&l->scenario->devices[function], path));
}

static void add_identity(SysfsLayout *l, TreeNode *dir, const ScenarioDevice *d) {
        const ModelSettings *m = &d->model;
        char modalias[SYSFS_PATH_MAX];

        snprintf(modalias, sizeof(modalias), "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X", m->vendor_id,
                 m->device_id, m->subsystem_vendor_id, m->subsystem_device_id, m->class_code >> 16,
                 m->class_code >> 8 & 0xff, m->class_code & 0xff);
        add_file(l, dir, "vendor", "0x%04x\n", m->vendor_id);
        add_file(l, dir, "device", "0x%04x\n", m->device_id);
        add_file(l, dir, "subsystem_vendor", "0x%04x\n", m->subsystem_vendor_id);
        add_file(l, dir, "subsystem_device", "0x%04x\n", m->subsystem_device_id);
        add_file(l, dir, "class", "0x%06x\n", m->class_code);
        add_file(l, dir, "revision", "0x%02x\n", m->revision);
        add_file(l, dir, "modalias", "%s\n", modalias);
        add_file(l, dir, "irq", "0\n");
        add_file(l, dir, "numa_node", "%d\n", d->numa_node);
        add_file(l, dir, "power_state", "D0\n");
        add_file(l, dir, "uevent", "PCI_CLASS=%X\nPCI_ID=%04X:%04X\nPCI_SLOT_NAME=%s\nMODALIAS=%s\n",
                 m->class_code, m->vendor_id, m->device_id, d->address, modalias);
}

/* One line for each region; nothing is mapped here. */
static void add_resource(SysfsLayout *l, TreeNode *dir, const ScenarioDevice *d) {
        static const char line[] = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
        size_t n_lines = d->model.kind == MODEL_CXL_SWITCH ? 13 : 7;
        char text[13 * (sizeof(line) - 1) + 1];

        for (size_t i = 0; i < n_lines; i++)
                memcpy(text + i * (sizeof(line) - 1), line, sizeof(line));
        add_file(l, dir, "resource", "%s", text);
}

static void add_features(SysfsLayout *l, TreeNode *dir, const ScenarioDevice *d) {
        TreeNode *folder = d->has_doe_features ? add_folder(l, dir, "doe_features") : NULL;

        for (size_t i = 0; folder && i < d->n_features; i++) {
                char name[16];

                snprintf(name, sizeof(name), "%04x:%02x", d->features[i].vendor_id, d->features[i].type);
                add_file(l, folder, strcmp(name, "0001:00") == 0 ? "doe_discovery" : name, "%s\n", name);
        }
}

static void add_tsm(SysfsLayout *l, TreeNode *dir) {
        TreeNode *folder = add_folder(l, dir, "tsm");

        add_attributes(l, folder, sysfs_tsm_attributes, sysfs_n_tsm_attributes);
}

static TreeNode *make_driver_folder(SysfsLayout *l, const char *driver) {
        char path[SYSFS_PATH_MAX];
        TreeNode *folder;

        snprintf(path, sizeof(path), "bus/pci/drivers/%s", driver);
        folder = tree_make_path(l->tree, path);
        l->has_failed = l->has_failed || !folder;
        if (!tree_find(folder, "bind")) {
                add_attributes(l, folder, sysfs_driver_attributes, sysfs_n_driver_attributes);
                add_link(l, folder, "module", "../../../../module/%s", driver);
                snprintf(path, sizeof(path), "module/%s", driver);
                l->has_failed = l->has_failed || !tree_make_path(l->tree, path);
        }
        return folder;
}

static void add_driver(SysfsLayout *l, size_t function, const char *driver) {
        const ScenarioDevice *d = &l->scenario->devices[function];
        TreeNode *folder = make_driver_folder(l, driver);
        char path[SYSFS_PATH_MAX];

        add_link(l, folder, d->address, "../../../../%s", sysfs_device_path(d, path));
        add_link(l, find_device(l, function), "driver", "../../../bus/pci/drivers/%s", driver);
}

static void remove_driver(SysfsLayout *l, size_t function, const char *driver) {
        char path[SYSFS_PATH_MAX];

        snprintf(path, sizeof(path), "bus/pci/drivers/%s/%s", driver,
                 l->scenario->devices[function].address);
        tree_remove(l->tree, tree_find_path(l->tree, path));
        tree_remove(l->tree, tree_find(find_device(l, function), "driver"));
}

static void add_cxl_memory(SysfsLayout *l, size_t function, const char *device) {
        const ScenarioDevice *d = &l->scenario->devices[function];
        TreeNode *folder = add_folder(l, find_device(l, function), d->cxl_memory);

        add_link(l, folder, "subsystem", "../../../../bus/cxl");
        add_file(l, folder, "serial", "0x%llx\n", (unsigned long long)d->model.serial);
        add_file(l, folder, "numa_node", "%d\n", d->numa_node);
        add_link(l, tree_make_path(l->tree, "bus/cxl/devices"), d->cxl_memory, "../../../%s/%s", device,
                 d->cxl_memory);
}

static void add_cxl_port(SysfsLayout *l, size_t function, const char *device, const PlatformView *view) {
        const ScenarioDevice *d = &l->scenario->devices[function];
        TreeNode *folder = add_folder(l, tree_make_path(l->tree, SYSFS_CXL_ROOT), d->cxl_port), *cdat;

        add_link(l, folder, "subsystem", "../../../../../../bus/cxl");
        add_link(l, folder, "uport", "../../../../../%s%s%s", device + strlen("devices/"),
                 *d->cxl_memory ? "/" : "", d->cxl_memory);
        if (folder && view->has_kernel_cdat) {
                folder->function = function;
                folder->instance = view->instance;
                cdat = add_attribute(l, folder, &sysfs_cdat_attribute);
                if (cdat)
                        cdat->n_bytes = view->is_kernel_cdat_empty ? 0 : (off_t)d->n_kernel_cdat_bytes;
        }
        add_link(l, tree_make_path(l->tree, "bus/cxl/devices"), d->cxl_port,
                 "../../../" SYSFS_CXL_ROOT "/%s", d->cxl_port);
}

static void add_cxl(SysfsLayout *l, size_t function, const PlatformView *view) {
        const ScenarioDevice *d = &l->scenario->devices[function];
        char device[SYSFS_PATH_MAX];

        sysfs_device_path(d, device);
        if (*d->cxl_memory)
                add_cxl_memory(l, function, device);
        if (*d->cxl_port)
                add_cxl_port(l, function, device, view);
}

static void remove_below(SysfsLayout *l, const char *folder, const char *name) {
        if (*name)
                tree_remove(l->tree, tree_find(tree_find_path(l->tree, folder), name));
}

static void remove_cxl(SysfsLayout *l, size_t function) {
        const ScenarioDevice *d = &l->scenario->devices[function];

        remove_below(l, "bus/cxl/devices", d->cxl_memory);
        remove_below(l, "bus/cxl/devices", d->cxl_port);
        remove_below(l, SYSFS_CXL_ROOT, d->cxl_port);
        if (*d->cxl_memory)
                tree_remove(l->tree, tree_find(find_device(l, function), d->cxl_memory));
}

static void add_device(SysfsLayout *l, size_t function, const PlatformView *view) {
        const ScenarioDevice *d = &l->scenario->devices[function];
        char path[SYSFS_PATH_MAX];
        TreeNode *dir = tree_make_path(l->tree, sysfs_device_path(d, path)), *power;

        if (!dir) {
                l->has_failed = true;
                return;
        }
        dir->function = function;
        dir->instance = view->instance;
        add_identity(l, dir, d);
        add_resource(l, dir, d);
        add_link(l, dir, "subsystem", "../../../bus/pci");
        add_attributes(l, dir, sysfs_device_attributes, sysfs_n_device_attributes);
        power = add_folder(l, dir, "power");
        add_attributes(l, power, sysfs_power_attributes, sysfs_n_power_attributes);
        add_file(l, power, "runtime_status", "active\n");
        add_features(l, dir, d);
        if (view->has_tsm)
                add_tsm(l, dir);
        add_link(l, tree_make_path(l->tree, "bus/pci/devices"), d->address, "../../../%s", path);
}

static void remove_device(SysfsLayout *l, size_t function) {
        remove_below(l, "bus/pci/devices", l->scenario->devices[function].address);
        tree_remove(l->tree, find_device(l, function));
}

/* Return: whether a tsm/ folder came or went. */
static bool update_tsm(SysfsLayout *l, size_t function, const PlatformView *view) {
        TreeNode *dir = find_device(l, function), *tsm = tree_find(dir, "tsm");

        if (!dir || view->has_tsm == (tsm != NULL))
                return false;
        if (tsm)
                tree_remove(l->tree, tsm);
        else
                add_tsm(l, dir);
        return true;
}

bool sysfs_layout_update(SysfsLayout *l, const PlatformEvent *event, const PlatformView *view) {
        switch (event->kind) {
        case PLATFORM_ADDED:
                add_device(l, event->function, view);
                break;
        case PLATFORM_REMOVED:
                remove_device(l, event->function);
                break;
        case PLATFORM_BOUND:
                add_driver(l, event->function, event->text);
                break;
        case PLATFORM_UNBOUND:
                remove_driver(l, event->function, event->text);
                break;
        case PLATFORM_CXL_ADDED:
                add_cxl(l, event->function, view);
                break;
        case PLATFORM_CXL_REMOVED:
                remove_cxl(l, event->function);
                break;
        case PLATFORM_CHANGED:
                return update_tsm(l, event->function, view);
        case PLATFORM_HELD:
        case PLATFORM_RESET:
        case PLATFORM_ERROR:
        case PLATFORM_RECOVERED:
        case PLATFORM_LOCKDOWN:
                break;
        }
        return false;
}

static void add_fixed(SysfsLayout *l) {
        TreeNode *pci = tree_make_path(l->tree, "bus/pci");
        TreeNode *security = tree_make_path(l->tree, "kernel/security");

        add_attributes(l, pci, sysfs_bus_attributes, sysfs_n_bus_attributes);
        add_attribute(l, security, &sysfs_lockdown_attribute);
        l->has_failed = l->has_failed || !tree_make_path(l->tree, "bus/pci/devices") ||
                        !tree_make_path(l->tree, "bus/pci/drivers") ||
                        !tree_make_path(l->tree, "bus/pci/slots") ||
                        !tree_make_path(l->tree, "bus/cxl/devices") ||
                        !tree_make_path(l->tree, SYSFS_CXL_ROOT) || !tree_make_path(l->tree, "module") ||
                        !tree_add(l->tree, tree_root(l->tree), SYSFS_UEVENTS_FIFO, S_IFIFO | 0600, NULL);
}

int sysfs_layout_init(SysfsLayout *l, Platform *platform) {
        *l = (SysfsLayout){ .scenario = platform_scenario(platform), .tree = tree_new() };
        if (!l->tree)
                return -ENOMEM;
        add_fixed(l);
        for (size_t i = 0; i < l->scenario->n_devices; i++) {
                PlatformView view;

                if (*l->scenario->devices[i].driver)
                        make_driver_folder(l, l->scenario->devices[i].driver);
                platform_get_view(platform, i, &view);
                if (!view.is_present)
                        continue;
                add_device(l, i, &view);
                if (*view.driver)
                        add_driver(l, i, view.driver);
                if (view.has_cxl)
                        add_cxl(l, i, &view);
        }
        return l->has_failed ? -ENOMEM : 0;
}
