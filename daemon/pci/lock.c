/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>

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
