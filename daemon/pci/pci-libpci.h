/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A ConfigSpace over libpci. Each has a pci_access of its own: libpci keeps one descriptor in it and is not
 * thread-safe. */

#include "daemon/pci/config-space.h"

/* On the thread that will use it. Return: 0; -ENODEV; -EPERM; -EIO; -ENOMEM; -EINVAL. */
int pci_libpci_open(const char *sysfs, const char *address, ConfigSpace **ret);
void pci_libpci_close(ConfigSpace *config);
