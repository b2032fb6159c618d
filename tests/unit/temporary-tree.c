/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/temporary-tree.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocols/cursor.h"

#define CONFIG_BYTES 4096
#define CONTENT_MAX  4096

char tree_root[TREE_PATH_MAX];

void tree_make(void) {
        strcpy(tree_root, "/tmp/doed-test-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(tree_root));
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
        return remove(path);
}

static void remove_tree(const char *path) {
        nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void tree_remove(void) {
        remove_tree(tree_root);
}

const char *tree_path(const char *name) {
        static char paths[8][2 * TREE_PATH_MAX];
        static unsigned next;
        char *path = paths[next++ % 8];

        snprintf(path, sizeof(paths[0]), "%s/%s", tree_root, name);
        return path;
}

void tree_mkdir(const char *name) {
        char path[2 * TREE_PATH_MAX];

        snprintf(path, sizeof(path), "%s/%s/", tree_root, name);
        for (char *p = path + strlen(tree_root) + 1; (p = strchr(p, '/')); p++) {
                *p = '\0';
                ck_assert_msg(mkdir(path, 0755) == 0 || errno == EEXIST, "mkdir %s", path);
                *p = '/';
        }
}

static void make_parent(const char *name) {
        char parent[TREE_PATH_MAX];

        snprintf(parent, sizeof(parent), "%s", name);
        if (strrchr(parent, '/')) {
                *strrchr(parent, '/') = '\0';
                tree_mkdir(parent);
        }
}

void tree_write_bytes(const char *name, const void *bytes, size_t n_bytes) {
        int fd;

        make_parent(name);
        fd = open(tree_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        ck_assert_msg(fd >= 0, "open %s", tree_path(name));
        ck_assert_int_eq(write(fd, bytes, n_bytes), (ssize_t)n_bytes);
        close(fd);
}

void tree_write(const char *name, const char *text) {
        tree_write_bytes(name, text, strlen(text));
}

void tree_chmod(const char *name, mode_t mode) {
        ck_assert_int_eq(chmod(tree_path(name), mode), 0);
}

void tree_link(const char *name, const char *target) {
        make_parent(name);
        unlink(tree_path(name));
        ck_assert_int_eq(symlink(tree_path(target), tree_path(name)), 0);
}

void tree_fifo(const char *name) {
        make_parent(name);
        ck_assert_int_eq(mkfifo(tree_path(name), 0600), 0);
}

void tree_unlink(const char *name) {
        remove_tree(tree_path(name));
}

const char *tree_read(const char *name) {
        static char content[CONTENT_MAX];
        int fd = open(tree_path(name), O_RDONLY | O_CLOEXEC);
        ssize_t n = 0;

        if (fd >= 0) {
                n = read(fd, content, sizeof(content) - 1);
                close(fd);
        }
        content[n > 0 ? n : 0] = '\0';
        return content;
}

static void write_config(const char *folder, const TreeCapability *caps, size_t n_caps) {
        uint8_t config[CONFIG_BYTES] = {};
        char name[TREE_PATH_MAX];

        doe_store_le32(config, 0x0d938086);
        doe_store_le32(config + 0x04, 0x00100000); /* Status: there is a list of capabilities */
        doe_store_le32(config + 0x08, 0x05021000);
        config[0x34] = 0x40;
        doe_store_le32(config + 0x40, 0x00020010); /* PCI Express */
        for (size_t i = 0; i < n_caps; i++)
                doe_store_le32(config + caps[i].offset,
                               (uint32_t)caps[i].next << 20 | (uint32_t)caps[i].version << 16 | caps[i].id);
        snprintf(name, sizeof(name), "%s/config", folder);
        tree_write_bytes(name, config, sizeof(config));
}

void tree_add_function(const char *address, const TreeCapability *caps, size_t n_caps) {
        static const char *const files[][2] = { { "vendor", "0x8086\n" },  { "device", "0x0d93\n" },
                                                { "class", "0x050210\n" }, { "irq", "0\n" },
                                                { "numa_node", "1\n" },    { "power/control", "auto\n" } };
        char folder[TREE_PATH_MAX / 2], name[TREE_PATH_MAX];

        snprintf(folder, sizeof(folder), "devices/pci0000:00/%s", address);
        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
                snprintf(name, sizeof(name), "%s/%s", folder, files[i][0]);
                tree_write(name, files[i][1]);
        }
        write_config(folder, caps, n_caps);
        snprintf(name, sizeof(name), "bus/pci/devices/%s", address);
        tree_link(name, folder);
}

pid_t tree_open_in_child(const char *name, int tell_fd) {
        pid_t child = fork();

        ck_assert_int_ge(child, 0);
        if (child > 0)
                return child;
        if (open(tree_path(name), O_WRONLY | O_CLOEXEC) < 0 || (tell_fd >= 0 && write(tell_fd, "", 1) != 1))
                _exit(1);
        _exit(0);
}
