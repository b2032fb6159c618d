/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/emulator/sysfs.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>

#include "tests/emulator/sysfs-attribute.h"
#include "tests/emulator/sysfs-layout.h"

struct Sysfs {
        Platform *platform;
        const Scenario *scenario;
        const SysfsListener *listener;
        void *userdata;
        pthread_mutex_t lock; /* of the tree; not held while anything of the platform is called */
        SysfsLayout layout;
};

static _printf_(2, 3) void say(Sysfs *s, const char *format, ...) {
        char line[SYSFS_UEVENT_MAX];
        va_list ap;

        va_start(ap, format);
        vsnprintf(line, sizeof(line), format, ap);
        va_end(ap);
        s->listener->on_uevent(s->userdata, line);
}

static void say_cxl(Sysfs *s, const ScenarioDevice *d, const char *action) {
        char path[SYSFS_PATH_MAX];

        if (*d->cxl_memory)
                say(s, "%s /%s/%s cxl", action, sysfs_device_path(d, path), d->cxl_memory);
        if (*d->cxl_port)
                say(s, "%s /" SYSFS_CXL_ROOT "/%s cxl", action, d->cxl_port);
}

static void touch(Sysfs *s, const ScenarioDevice *d, const char *file) {
        char path[SYSFS_PATH_MAX * 2], device[SYSFS_PATH_MAX];

        snprintf(path, sizeof(path), "%s/%s", sysfs_device_path(d, device), file);
        s->listener->on_touch(s->userdata, path);
}

static void tell(Sysfs *s, const PlatformEvent *event, const PlatformView *view, bool is_tsm) {
        const ScenarioDevice *d = &s->scenario->devices[event->function];
        char path[SYSFS_PATH_MAX];

        sysfs_device_path(d, path);
        switch (event->kind) {
        case PLATFORM_ADDED:
                say(s, "add /%s pci PCI_CLASS=%X PCI_ID=%04X:%04X PCI_SLOT_NAME=%s", path,
                    d->model.class_code, d->model.vendor_id, d->model.device_id, d->address);
                break;
        case PLATFORM_REMOVED:
                say(s, "remove /%s pci PCI_SLOT_NAME=%s", path, d->address);
                break;
        case PLATFORM_BOUND:
                say(s, "bind /%s pci DRIVER=%s PCI_SLOT_NAME=%s", path, event->text, d->address);
                break;
        case PLATFORM_UNBOUND:
                say(s, "unbind /%s pci PCI_SLOT_NAME=%s", path, d->address);
                break;
        case PLATFORM_CXL_ADDED:
                say_cxl(s, d, "add");
                break;
        case PLATFORM_CXL_REMOVED:
                say_cxl(s, d, "remove");
                break;
        case PLATFORM_ERROR:
                say(s, "change /%s pci ERROR_EVENT=BEGIN_RECOVERY DEVICE_ONLINE=0 PCI_SLOT_NAME=%s", path,
                    d->address);
                break;
        case PLATFORM_RECOVERED:
                say(s, "change /%s pci ERROR_EVENT=SUCCESSFUL_RECOVERY DEVICE_ONLINE=1 PCI_SLOT_NAME=%s",
                    path, d->address);
                break;
        case PLATFORM_CHANGED:
                if (is_tsm)
                        say(s, "%s /devices/virtual/tsm/tsm0 tsm", view->has_tsm ? "add" : "remove");
                else if (view->has_tsm)
                        touch(s, d, "tsm/connect");
                break;
        case PLATFORM_LOCKDOWN:
                s->listener->on_touch(s->userdata, "kernel/security/lockdown");
                break;
        case PLATFORM_HELD: /* seen by who watches the files, or not at all */
        case PLATFORM_RESET:
                break;
        }
}

static void on_platform_event(void *userdata, const PlatformEvent *event) {
        Sysfs *s = userdata;
        PlatformView view;
        bool is_tsm;

        platform_get_view(s->platform, event->function, &view);
        pthread_mutex_lock(&s->lock);
        is_tsm = sysfs_layout_update(&s->layout, event, &view);
        pthread_mutex_unlock(&s->lock);
        tell(s, event, &view, is_tsm);
}

int sysfs_new(Platform *platform, const SysfsListener *listener, void *userdata, Sysfs **ret) {
        _cleanup_(sysfs_freep) Sysfs *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        *s = (Sysfs){ .platform = platform,
                      .scenario = platform_scenario(platform),
                      .listener = listener,
                      .userdata = userdata };
        pthread_mutex_init(&s->lock, NULL);
        r = sysfs_layout_init(&s->layout, platform);
        if (r < 0)
                return r;
        platform_observe(platform, on_platform_event, s);
        *ret = TAKE_PTR(s);
        return 0;
}

Sysfs *sysfs_free(Sysfs *s) {
        if (!s)
                return NULL;
        platform_observe(s->platform, NULL, NULL);
        tree_free(s->layout.tree);
        pthread_mutex_destroy(&s->lock);
        free(s);
        return NULL;
}

static void fill_stat(const TreeNode *node, struct stat *ret) {
        *ret = (struct stat){ .st_ino = node->ino,
                              .st_mode = node->mode,
                              .st_nlink = S_ISDIR(node->mode) ? 2 : 1,
                              .st_size = node->n_bytes };
        /* as sysfs: a page, however much there is to read */
        if (S_ISREG(node->mode) && node->n_bytes == 0 && node->kind != &sysfs_cdat_attribute)
                ret->st_size = SYSFS_FILE_MAX;
}

int sysfs_lookup(Sysfs *s, uint64_t parent, const char *name, struct stat *ret) {
        TreeNode *node;

        pthread_mutex_lock(&s->lock);
        node = tree_find(tree_get(s->layout.tree, parent), name);
        if (node)
                fill_stat(node, ret);
        pthread_mutex_unlock(&s->lock);
        return node ? 0 : -ENOENT;
}

int sysfs_stat(Sysfs *s, uint64_t ino, struct stat *ret) {
        TreeNode *node;

        pthread_mutex_lock(&s->lock);
        node = tree_get(s->layout.tree, ino);
        if (node)
                fill_stat(node, ret);
        pthread_mutex_unlock(&s->lock);
        return node ? 0 : -ENOENT;
}

int sysfs_readlink(Sysfs *s, uint64_t ino, char **ret) {
        TreeNode *node;
        char *target;

        pthread_mutex_lock(&s->lock);
        node = tree_get(s->layout.tree, ino);
        target = node && node->text ? strdup(node->text) : NULL;
        pthread_mutex_unlock(&s->lock);
        if (!target)
                return -ENOENT;
        *ret = target;
        return 0;
}

int sysfs_list(Sysfs *s, uint64_t ino,
               bool (*on_entry)(void *userdata, const char *name, const struct stat *st), void *userdata) {
        TreeNode *node;

        pthread_mutex_lock(&s->lock);
        node = tree_get(s->layout.tree, ino);
        for (TreeNode *child = node ? node->children : NULL; child; child = child->next) {
                struct stat st;

                fill_stat(child, &st);
                if (!on_entry(userdata, child->name, &st))
                        break;
        }
        pthread_mutex_unlock(&s->lock);
        return node ? 0 : -ENOENT;
}

/* What an access needs to know of a file, so that it can go on without the lock. */
static int find_file(Sysfs *s, uint64_t ino, SysfsFile *ret, char **ret_text) {
        TreeNode *node;
        int r = 0;

        pthread_mutex_lock(&s->lock);
        node = tree_get(s->layout.tree, ino);
        if (!node) {
                r = -ENODEV; /* removed while it was open */
        } else {
                *ret = (SysfsFile){ .platform = s->platform,
                                    .attribute = node->kind,
                                    .function = node->function,
                                    .instance = node->instance };
                if (node->parent)
                        snprintf(ret->folder, sizeof(ret->folder), "%s", node->parent->name);
                *ret_text = node->text ? strdup(node->text) : NULL;
                if (node->text && !*ret_text)
                        r = -ENOMEM;
        }
        pthread_mutex_unlock(&s->lock);
        return r;
}

static ssize_t read_text(const char *text, void *buf, size_t n_bytes, off_t offset) {
        size_t n_text = strlen(text);

        if (offset < 0 || (size_t)offset >= n_text)
                return 0;
        n_bytes = MIN_OF(n_bytes, n_text - (size_t)offset);
        memcpy(buf, text + offset, n_bytes);
        return (ssize_t)n_bytes;
}

ssize_t sysfs_read(Sysfs *s, uint64_t ino, void *buf, size_t n_bytes, off_t offset) {
        _cleanup_free_ char *text = NULL;
        char shown[SYSFS_FILE_MAX];
        SysfsFile file;
        int r;

        r = find_file(s, ino, &file, &text);
        if (r < 0)
                return r;
        if (text)
                return read_text(text, buf, n_bytes, offset);
        if (file.attribute && file.attribute->read)
                return file.attribute->read(&file, buf, n_bytes, offset);
        if (!file.attribute || !file.attribute->show)
                return -EIO;
        r = file.attribute->show(&file, shown, sizeof(shown));
        return r < 0 ? r : read_text(shown, buf, n_bytes, offset);
}

ssize_t sysfs_write(Sysfs *s, uint64_t ino, const void *buf, size_t n_bytes, off_t offset) {
        _cleanup_free_ char *text = NULL;
        char word[SYSFS_FILE_MAX];
        SysfsFile file;
        size_t n;
        int r;

        r = find_file(s, ino, &file, &text);
        if (r < 0)
                return r;
        if (file.attribute && file.attribute->write)
                return file.attribute->write(&file, buf, n_bytes, offset);
        if (!file.attribute || !file.attribute->store)
                return -EIO;
        n = MIN_OF(n_bytes, sizeof(word) - 1);
        memcpy(word, buf, n);
        word[n] = '\0';
        word[strcspn(word, "\n")] = '\0';
        r = file.attribute->store(&file, word);
        return r < 0 ? r : (ssize_t)n_bytes;
}
