/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The input is one frame, but for its length, which is made right so that the rest is reached. */

#include <stdlib.h>
#include <string.h>

#include "daemon/wire/message.h"
#include "protocols/cursor.h"
#include "tests/fuzz/fuzz.h"

/* What was decoded must be encoded again, to the same bytes. */
static void encode_again(const WireMessage *m, const uint8_t *frame, size_t size) {
        uint8_t *again;
        size_t n_bytes;

        if (wire_encode(m, &again, &n_bytes) < 0)
                abort();
        /* of a foreign Hello only the beginning is read */
        if (m->type != WIRE_HELLO || m->hello.wire_version == WIRE_VERSION) {
                if (n_bytes != size || memcmp(again, frame, size) != 0)
                        abort();
        }
        free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint8_t *frame;
        WireMessage m;

        if (size < WIRE_FRAME_HEADER || size > WIRE_FRAME_MAX)
                return 0;
        frame = malloc(size);
        if (!frame)
                return 0;
        memcpy(frame, data, size);
        doe_store_le32(frame, (uint32_t)size);
        if (wire_decode(frame, size, &m) == 0)
                encode_again(&m, frame, size);
        free(frame);
        return 0;
}
