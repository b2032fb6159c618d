/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The seam below the register level: one function's configuration space, dword by dword, and its clock. The
 * shipped doed-pci puts libpci behind it; the emulator a device model; a unit test a script in virtual time.
 */

#include <stdint.h>

typedef struct ConfigSpace {
        /**
         * read32() - one aligned dword
         *
         * Return: 0 with *@ret in host order (all-ones is a value like any other here, since the kernel
         * hides failed accesses as all-ones); -ENODEV: the function is gone; -EPERM; -EIO.
         */
        int (*read32)(struct ConfigSpace *config, uint16_t offset, uint32_t *ret);
        /* Return: 0; -EPERM (lockdown); -ENODEV; -EIO. */
        int (*write32)(struct ConfigSpace *config, uint16_t offset, uint32_t value);
        uint64_t (*now_usec)(struct ConfigSpace *config);
        /* Wait up to @usec, for waits too short to give the thread away; virtual clocks just advance. */
        void (*pause)(struct ConfigSpace *config, uint64_t usec);
} ConfigSpace;
