/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* libpci, made harmless: its default error hook exits the process, and what it cannot read it returns as
 * all-ones. Every call that may fail goes through libpci_call(). */

#include <pci/pci.h>

/* One access structure over the sysfs tree at @sysfs; it serves one thread. Return: 0; -errno. */
int libpci_access_new(const char *sysfs, struct pci_access **ret);
void libpci_access_free(struct pci_access *access);

/**
 * libpci_call() - call @fn, which may call libpci
 *
 * Where libpci calls its error hook, @fn is left there and then: it must hold nothing that only it can free.
 *
 * Return: what @fn returns; a negative errno as libpci_error() makes it, if @fn was left.
 */
int libpci_call(int (*fn)(void *arg), void *arg);

/* What the errno of a failed access means to a ConfigSpace: -ENODEV, -EPERM, or -EIO. */
int libpci_error(int error);

/* "0000:3a:00.0" for libpci. @access outlives the device. Return: NULL if it is no address. */
struct pci_dev *libpci_get_dev(struct pci_access *access, const char *address);
