/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/power.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "daemon/pci/sysfs-file.h"
#include "daemon/util/log.h"
#include "daemon/wire/message.h"

#define VALUE_MAX 16u /* "auto" or "on" */

static int control_path(char *buf, const char *sysfs, const char *address) {
        return sysfs_path(buf, "%s/bus/pci/devices/%s/power/control", sysfs, address);
}

static int kept_path(char *buf, const char *run, const char *address) {
        return sysfs_path(buf, "%s/power/%s", run, address);
}

static int keep(const char *path, const char *value) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0)
                return -errno;
        return write(fd, value, strlen(value)) < 0 ? -errno : 0;
}

void power_pin(const char *sysfs, const char *run, const char *address) {
        char control[PATH_MAX], kept[PATH_MAX], value[VALUE_MAX];
        int r;

        if (control_path(control, sysfs, address) < 0 || kept_path(kept, run, address) < 0 ||
            sysfs_read_line(control, value, sizeof(value)) < 0 || strcmp(value, "on") == 0)
                return;
        /* first the note, or a crash between the two would lose the old value */
        r = keep(kept, value);
        if (r == 0)
                r = sysfs_write(control, "on");
        if (r < 0)
                log_full(LOG_WARNING, address, "Cannot keep it awake, going on: %s", strerror(-r));
}

void power_unpin(const char *sysfs, const char *run, const char *address) {
        char control[PATH_MAX], kept[PATH_MAX], value[VALUE_MAX];
        int r;

        if (control_path(control, sysfs, address) < 0 || kept_path(kept, run, address) < 0 ||
            sysfs_read_line(kept, value, sizeof(value)) < 0)
                return;
        r = sysfs_write(control, value);
        if (r < 0 && r != -ENOENT && r != -ENODEV)
                log_full(LOG_WARNING, address, "Cannot set power/control back to \"%s\": %s", value,
                         strerror(-r));
        unlink(kept);
}

static void give_back(DIR *dir, const char *sysfs, const char *run) {
        struct dirent *entry;

        while ((entry = readdir(dir)))
                if (wire_address_is_valid(entry->d_name))
                        power_unpin(sysfs, run, entry->d_name);
}

/* The folder, locked so. */
static int open_locked(const char *run, int operation, DIR **ret) {
        char path[PATH_MAX];
        DIR *dir;

        if (sysfs_path(path, "%s/power", run) < 0)
                return -ENAMETOOLONG;
        dir = opendir(path);
        if (!dir)
                return -errno;
        if (flock(dirfd(dir), operation | LOCK_NB) < 0) {
                int r = errno == EWOULDBLOCK ? -EBUSY : -errno;

                closedir(dir);
                return r;
        }
        *ret = dir;
        return 0;
}

int power_restore(const char *sysfs, const char *run) {
        DIR *dir;
        int r = open_locked(run, LOCK_EX, &dir);

        if (r < 0)
                return r;
        give_back(dir, sysfs, run);
        closedir(dir);
        return 0;
}

int power_start(const char *sysfs, const char *run) {
        char path[PATH_MAX];
        DIR *dir;
        int fd, r;

        if (sysfs_path(path, "%s/power", run) < 0)
                return -ENAMETOOLONG;
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                log_warning("Cannot make %s, functions may fall asleep: %m", path);
        r = open_locked(run, LOCK_SH, &dir);
        if (r < 0) {
                log_warning("Cannot lock %s, ignoring: %s", path, strerror(-r));
                return r;
        }
        give_back(dir, sysfs, run);
        /* the lock belongs to all copies of the descriptor */
        fd = fcntl(dirfd(dir), F_DUPFD_CLOEXEC, 3);
        closedir(dir);
        return fd < 0 ? -errno : fd;
}
