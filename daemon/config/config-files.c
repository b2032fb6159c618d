/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/config/config-files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "daemon/util/ini.h"

static const char *const folders_default[] = { "/etc/doed", "/run/doed", "/usr/lib/doed", NULL };

const ConfigPlaces config_places_default = { .folders = folders_default };

/* -------- one file -------- */

/* A link to /dev/null hides the file of that name in later folders. */
static bool is_null_device(const struct stat *st) {
        return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

static bool is_of_root(const struct stat *st) {
        return st->st_uid == 0 && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

/* Up to INI_BYTES_MAX bytes. Return: 0; -EFBIG; -errno. */
static int read_all(int fd, char **ret_text, size_t *ret_n_bytes) {
        _cleanup_free_ char *text = malloc(INI_BYTES_MAX + 1);
        size_t n_bytes = 0;
        ssize_t n;

        if (!text)
                return -ENOMEM;
        do {
                n = read(fd, text + n_bytes, INI_BYTES_MAX + 1 - n_bytes);
                if (n < 0 && errno != EINTR)
                        return -errno;
                n_bytes += n > 0 ? (size_t)n : 0;
        } while (n != 0 && n_bytes <= INI_BYTES_MAX);
        if (n_bytes > INI_BYTES_MAX)
                return -EFBIG;
        *ret_text = TAKE_PTR(text);
        *ret_n_bytes = n_bytes;
        return 0;
}

static int read_file(const char *path, bool only_of_root, ConfigLoader *l) {
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int fd = -EBADF;
        size_t n_bytes = 0;
        struct stat st;
        int r;

        /* a fifo must not make us wait */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 || fstat(fd, &st) < 0)
                return loader_fail_file(l, path, true, "cannot be read: %s", strerror(errno));
        if (is_null_device(&st))
                return 0;
        if (!S_ISREG(st.st_mode))
                return loader_fail_file(l, path, true, "is not a file");
        if (only_of_root && !is_of_root(&st))
                return loader_fail_file(l, path, false,
                                        "is not root's, or others may write it, ignoring it");
        r = read_all(fd, &text, &n_bytes);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return loader_fail_file(l, path, true, "cannot be read: %s", strerror(-r));
        return loader_read(l, path, text, n_bytes);
}

/* -------- the drop-ins -------- */

typedef struct DropIn {
        char *name, *path;
} DropIn;

typedef struct DropIns {
        DropIn files[DROP_INS_MAX];
        size_t n_files;
} DropIns;

static void drop_ins_done(DropIns *d) {
        for (size_t i = 0; i < d->n_files; i++) {
                free(d->files[i].name);
                free(d->files[i].path);
        }
}

static bool drop_ins_have(const DropIns *d, const char *name) {
        for (size_t i = 0; i < d->n_files; i++)
                if (strcmp(d->files[i].name, name) == 0)
                        return true;
        return false;
}

static bool is_drop_in(const char *name) {
        size_t n = strlen(name);

        return name[0] != '.' && n > strlen(".conf") && strcmp(name + n - strlen(".conf"), ".conf") == 0;
}

/* Return: 0; -ENOMEM; -EFBIG: there are too many. */
static int drop_ins_add(DropIns *d, const char *folder, const char *name) {
        DropIn *file = &d->files[d->n_files];

        if (!is_drop_in(name) || drop_ins_have(d, name))
                return 0;
        if (d->n_files >= DROP_INS_MAX)
                return -EFBIG;
        file->name = strdup(name);
        if (asprintf(&file->path, "%s/%s", folder, name) < 0)
                file->path = NULL;
        d->n_files++;
        return file->name && file->path ? 0 : -ENOMEM;
}

static int drop_ins_find(DropIns *d, const char *folder, ConfigLoader *l) {
        DIR *dir = opendir(folder);
        struct dirent *entry;
        int r = 0;

        if (!dir)
                return errno == ENOENT ? 0
                                       : loader_fail_file(l, folder, true, "cannot be read: %s",
                                                          strerror(errno));
        while (r >= 0 && (entry = readdir(dir)))
                r = drop_ins_add(d, folder, entry->d_name);
        closedir(dir);
        if (r == -EFBIG)
                return loader_fail_file(l, folder, true, "there are more than %u drop-ins", DROP_INS_MAX);
        return r;
}

static int compare(const void *a, const void *b) {
        return strcmp(((const DropIn *)a)->name, ((const DropIn *)b)->name);
}

static int read_drop_ins(DropIns *d, const ConfigPlaces *places, ConfigLoader *l) {
        int r = 0;

        for (const char *const *folder = places->folders; *folder && r >= 0; folder++) {
                _cleanup_free_ char *path = NULL;

                if (asprintf(&path, "%s/%s", *folder, CONFIG_DROP_INS) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                r = drop_ins_find(d, path, l);
        }
        qsort(d->files, d->n_files, sizeof(*d->files), compare);
        for (size_t i = 0; i < d->n_files && r >= 0; i++)
                r = read_file(d->files[i].path, places->only_of_root, l);
        return r;
}

int config_files_read(const ConfigPlaces *places, ConfigLoader *l) {
        _cleanup_free_ char *path = NULL;
        DropIns drop_ins = { .n_files = 0 };
        int r = 0;

        if (!places->folders[0])
                return 0;
        if (asprintf(&path, "%s/%s", places->folders[0], CONFIG_FILE) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        if (access(path, F_OK) == 0 || errno != ENOENT)
                r = read_file(path, places->only_of_root, l);
        if (r >= 0)
                r = read_drop_ins(&drop_ins, places, l);
        drop_ins_done(&drop_ins);
        return r;
}
