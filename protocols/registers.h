/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The registers of the DOE extended capability, PCIe r6.0 7.9.24; the bits of capability version 2 from
 * r6.1. Layout only. Offsets are relative to the capability header. */

#include <stdint.h>

#define DOE_EXT_CAP_ID    0x002eu
#define DOE_EXT_CAP_BYTES 0x18u

#define DOE_REG_HEADER  0x00u
#define DOE_REG_CAP     0x04u
#define DOE_REG_CONTROL 0x08u
#define DOE_REG_STATUS  0x0cu
#define DOE_REG_WRITE   0x10u /* a write appends one dword to the request */
#define DOE_REG_READ    0x14u /* a read returns the current dword; any write advances to the next one */

/* capability header: [15:0] ID, [19:16] version, [31:20] next */
#define DOE_HEADER_VERSION(value) (((value) >> 16) & 0xfu)

#define DOE_CAP_INTERRUPT_SUPPORT (1u << 0)
#define DOE_CAP_INTERRUPT_MESSAGE 0x00000ffeu
#define DOE_CAP_ATTENTION_SUPPORT (1u << 12) /* version 2 */
#define DOE_CAP_ASYNC_SUPPORT     (1u << 13) /* version 2 */

#define DOE_CONTROL_ABORT            (1u << 0) /* reads 0 */
#define DOE_CONTROL_INTERRUPT_ENABLE (1u << 1)
#define DOE_CONTROL_GO               (1u << 31) /* reads 0 */

#define DOE_STATUS_BUSY         (1u << 0)
#define DOE_STATUS_INTERRUPT    (1u << 1) /* write 1 to clear */
#define DOE_STATUS_ERROR        (1u << 2)
#define DOE_STATUS_ASYNC        (1u << 3) /* version 2, write 1 to clear */
#define DOE_STATUS_AT_ATTENTION (1u << 4) /* version 2; set at idle on real devices */
#define DOE_STATUS_READY        (1u << 31)

/* What a config read returns when nothing answers. Means "gone" on Status only: Read Data may hold it. */
#define DOE_STATUS_ALL_ONES UINT32_MAX

/* PCIe r6.0 6.30.2: the longest time from GO to Ready or Error, and from Abort to a clear Status */
#define DOE_TIMEOUT_USEC UINT64_C(1000000)
