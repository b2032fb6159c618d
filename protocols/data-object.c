/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "protocols/data-object.h"

#include <errno.h>

/* DW0 [15:0] vendor, [23:16] type, [31:24] reserved */
#define DW0_TYPE_SHIFT 16
#define DW0_RESERVED   0xff000000u
/* DW1 [17:0] length in dwords, [29:18] connection ID, [31:30] reserved */
#define DW1_LENGTH              0x0003ffffu
#define DW1_CONNECTION_ID_SHIFT 18
#define DW1_CONNECTION_ID       0xfffu
#define DW1_RESERVED            0xc0000000u

int doe_object_header_decode(uint32_t dw0, uint32_t dw1, DoeObjectHeader *ret) {
        uint32_t n_dwords = dw1 & DW1_LENGTH;

        if (n_dwords == 0)
                n_dwords = DOE_OBJECT_DWORDS_MAX;
        if (n_dwords < DOE_HEADER_DWORDS)
                return -EBADMSG;

        *ret = (DoeObjectHeader){
                .vendor_id = (uint16_t)dw0,
                .type = (uint8_t)(dw0 >> DW0_TYPE_SHIFT),
                .connection_id = (uint16_t)((dw1 >> DW1_CONNECTION_ID_SHIFT) & DW1_CONNECTION_ID),
                .n_dwords = n_dwords,
                .reserved_set = (dw0 & DW0_RESERVED) != 0 || (dw1 & DW1_RESERVED) != 0,
        };
        return 0;
}

void doe_object_header_encode(const DoeObjectHeader *header, uint32_t *ret_dw0, uint32_t *ret_dw1) {
        *ret_dw0 = (uint32_t)header->vendor_id | (uint32_t)header->type << DW0_TYPE_SHIFT;
        *ret_dw1 = (header->n_dwords & DW1_LENGTH) /* leaves 0 of 2^18, as the format wants it */
                   | (header->connection_id & DW1_CONNECTION_ID) << DW1_CONNECTION_ID_SHIFT;
}
