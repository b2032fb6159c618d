/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "daemon/util/cleanup.h"

#define COMM_MAX 32u /* the kernel's own bound is 16 */

int mailbox_lock_open(const char *run, const char *address, uint16_t offset, int *ret) {
        char path[PATH_MAX];
        int fd;

        if (snprintf(path, sizeof(path), "%s/lock/%s[%x]", run, address, offset) >= (int)sizeof(path))
                return -ENAMETOOLONG;
        /* never unlinked: two openers would then hold locks on two files of one name */
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        *ret = fd;
        return 0;
}

int mailbox_lock_try(int fd) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
                return 1;
        return errno == EWOULDBLOCK ? 0 : -errno;
}

void mailbox_lock_release(int fd) {
        if (fd >= 0)
                flock(fd, LOCK_UN);
}

/* Return: 0 if nobody that we can see has it. */
static int find_holder(const struct stat *st) {
        _cleanup_file_ FILE *f = fopen("/proc/locks", "re");
        unsigned device_major, device_minor;
        unsigned long long inode;
        char line[256];
        int pid;

        while (f && fgets(line, sizeof(line), f))
                if (sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%llu", &pid, &device_major, &device_minor,
                           &inode) == 4 &&
                    device_major == major(st->st_dev) && device_minor == minor(st->st_dev) &&
                    inode == st->st_ino)
                        return pid;
        return 0;
}

const char *mailbox_lock_holder(int fd, char *buf, size_t size) {
        _cleanup_file_ FILE *f = NULL;
        char path[64], comm[COMM_MAX] = "";
        struct stat st;
        int pid = fstat(fd, &st) < 0 ? 0 : find_holder(&st);

        snprintf(buf, size, "another process");
        if (pid <= 0)
                return buf;
        snprintf(path, sizeof(path), "/proc/%d/comm", pid);
        f = fopen(path, "re");
        if (f && fgets(comm, sizeof(comm), f))
                comm[strcspn(comm, "\n")] = '\0';
        if (comm[0])
                snprintf(buf, size, "process %d (%s)", pid, comm);
        else
                snprintf(buf, size, "process %d", pid);
        return buf;
}
