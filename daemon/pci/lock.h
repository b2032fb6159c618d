/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The lock of one mailbox: flock() on <run>/lock/<address>[<offset>], for doed-pci itself, a killed
 * predecessor of it that still hangs in the kernel, and root tools that cooperate. Never on the config file,
 * which any user can lock. */

#include <stddef.h>
#include <stdint.h>

/**
 * mailbox_lock_open() - the lock's file, made if need be
 * @run: the folder that holds lock/
 * @ret: descriptor, owned by the caller; closing it gives the lock up
 *
 * Return: 0; -errno.
 */
int mailbox_lock_open(const char *run, const char *address, uint16_t offset, int *ret);

/* Never waits. Return: 1: it is ours; 0: somebody else has it; -errno. */
int mailbox_lock_try(int fd);
void mailbox_lock_release(int fd);

/* Who has it, for people: "process 123 (setpci)", or "another process" if that cannot be known. Into @buf;
 * returns it. */
const char *mailbox_lock_holder(int fd, char *buf, size_t size);
