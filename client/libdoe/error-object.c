/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/libdoe/error-object.h"

#include <errno.h>
#include <string.h>

#include "protocols/cursor.h"

#define ERROR_VENDOR    0xffffu
#define ERROR_TYPE      0xffu
#define ERROR_BYTES_MIN 16u /* header, errno, flags */
#define ERRNO_MAX       4095u
#define FLAGS_KNOWN     (ERROR_OBJECT_ENDED | ERROR_OBJECT_NOT_SENT | ERROR_OBJECT_NOTICE)

int error_object_decode(const uint8_t *object, size_t n_bytes, ErrorObject *ret) {
        DoeReader reader = DOE_READER(object, n_bytes);
        const uint32_t dw0 = doe_read_le32(&reader);
        uint32_t error, flags;

        *ret = (ErrorObject){ .text = "" };
        if ((dw0 & 0xffffffu) != (ERROR_TYPE << 16 | ERROR_VENDOR))
                return 0;
        if (n_bytes < ERROR_BYTES_MIN)
                return -EBADMSG;

        doe_read_skip(&reader, 4);
        error = doe_read_le32(&reader);
        flags = doe_read_le32(&reader);
        ret->flags = flags & FLAGS_KNOWN;
        if (error == 0 || error > ERRNO_MAX)
                return -EBADMSG;

        ret->error = (int)error;
        ret->text = (const char *)object + ERROR_BYTES_MIN;
        ret->n_text = strnlen(ret->text, n_bytes - ERROR_BYTES_MIN);
        return 1;
}
