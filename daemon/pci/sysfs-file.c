/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/sysfs-file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>

int sysfs_path(char *buf, const char *format, ...) {
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(buf, PATH_MAX, format, ap);
        va_end(ap);
        return n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

int sysfs_read_line(const char *path, char *buf, size_t size) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = read(fd, buf, size - 1);
        if (n < 0)
                return -errno;
        buf[n] = '\0';
        buf[strcspn(buf, "\n")] = '\0';
        return 0;
}

int sysfs_write(const char *path, const char *text) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

bool sysfs_exists(const char *path) {
        return access(path, F_OK) == 0;
}

int sysfs_link_name(const char *path, char *buf, size_t size) {
        char target[PATH_MAX];
        ssize_t n = readlink(path, target, sizeof(target) - 1);
        const char *name;

        if (n < 0)
                return -errno;
        target[n] = '\0';
        name = strrchr(target, '/');
        snprintf(buf, size, "%s", name ? name + 1 : target);
        return 0;
}
