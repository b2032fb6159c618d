/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/register-stream.h"

#include <errno.h>
#include <stdlib.h>

#include "protocols/registers.h"

uint8_t register_stream_byte(RegisterStream *s) {
        if (s->size == 0)
                return 0;
        s->size--;
        return *s->data++;
}

static uint32_t stream_status(uint8_t byte) {
        static const uint32_t bits[8] = {
                0,
                DOE_STATUS_READY,
                DOE_STATUS_BUSY,
                DOE_STATUS_ERROR,
                DOE_STATUS_READY | DOE_STATUS_ERROR,
                DOE_STATUS_BUSY | DOE_STATUS_READY,
                DOE_STATUS_AT_ATTENTION,
                DOE_STATUS_ALL_ONES,
        };

        return bits[byte & 7];
}

/* Mostly what could pass for an answer, so that the search gets behind the first check. */
static uint32_t stream_data(RegisterStream *s, uint8_t byte) {
        if (byte == 0)
                return s->dw0;
        if (byte < 0x80)
                return byte;
        if (byte == 0xff)
                return UINT32_MAX;
        return (uint32_t)register_stream_byte(s) << (byte & 0x1f);
}

/* Also how long the access took: a byte above 0xf0 stretches it. */
static int stream_read32(ConfigSpace *config, uint16_t offset, uint32_t *ret) {
        RegisterStream *s = (RegisterStream *)config;
        uint8_t byte = register_stream_byte(s);

        s->n_reads++;
        s->now_usec += byte > 0xf0 ? 1u << (byte & 0xf) : 1;
        if (byte == 0xee)
                return -EIO;
        if (offset == REGISTER_STREAM_OFFSET + DOE_REG_STATUS)
                *ret = stream_status(byte);
        else if (offset == REGISTER_STREAM_OFFSET + DOE_REG_READ)
                *ret = stream_data(s, byte);
        else
                abort();
        return 0;
}

static int stream_write32(ConfigSpace *config, uint16_t offset, uint32_t value) {
        RegisterStream *s = (RegisterStream *)config;

        s->now_usec++;
        s->n_writes++;
        if (offset == REGISTER_STREAM_OFFSET + DOE_REG_CONTROL) {
                if (value != DOE_CONTROL_GO && value != DOE_CONTROL_ABORT)
                        abort();
        } else if (offset == REGISTER_STREAM_OFFSET + DOE_REG_READ) {
                if (value != 0)
                        abort();
        } else if (offset != REGISTER_STREAM_OFFSET + DOE_REG_WRITE)
                abort();
        return s->size > 0 && *s->data == 0xef ? -EPERM : 0;
}

static uint64_t stream_now_usec(ConfigSpace *config) {
        return ((RegisterStream *)config)->now_usec;
}

static void stream_pause(ConfigSpace *config, uint64_t usec) {
        ((RegisterStream *)config)->now_usec += usec;
}

void register_stream_init(RegisterStream *s, const uint8_t *data, size_t size) {
        *s = (RegisterStream){
                .config = { stream_read32, stream_write32, stream_now_usec, stream_pause },
                .data = data,
                .size = size,
                .now_usec = 1000000,
                .dw0 = 0x00011234,
        };
}
