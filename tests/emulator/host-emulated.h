/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A Host over an emulated platform: what host-sysfs.c is for a real kernel. */

#include "daemon/pci/host.h"
#include "tests/emulator/platform.h"

/**
 * host_emulated_new() - observe @platform and answer from it
 * @platform: borrowed, outlives the Host
 *
 * Return: 0; -ENOMEM; -errno.
 */
int host_emulated_new(Platform *platform, Host **ret);
