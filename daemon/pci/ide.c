/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/ide.h"

#include <errno.h>
#include <stdio.h>

#define CONFIG_BYTES     4096u
#define EXT_CAPS_BEGIN   0x100u
#define EXT_CAPS_MAX     ((CONFIG_BYTES - EXT_CAPS_BEGIN) / 4)
#define EXT_CAP_ID(h)    ((h)&0xffffu)
#define EXT_CAP_NEXT(h)  ((h) >> 20 & 0xffcu)
#define IDE_EXT_CAP_ID   0x0030u
#define IDE_REG_CAP      0x04u
#define IDE_LINK_STREAMS 0x0cu /* from the capability's header */

/* IDE Capability Register */
#define IDE_HAS_LINK(c)      ((c)&0x1u)
#define IDE_HAS_SELECTIVE(c) ((c)&0x2u)
#define IDE_N_LINK(c)        (((c) >> 13 & 0x7u) + 1) /* traffic classes, a stream each */
#define IDE_N_SELECTIVE(c)   (((c) >> 16 & 0xffu) + 1)

/* of a stream: offsets of its registers from its block, and what is in them */
#define IDE_LINK_CONTROL         0x00u
#define IDE_LINK_STATUS          0x04u
#define IDE_LINK_BYTES           8u
#define IDE_SELECTIVE_CAP        0x00u
#define IDE_SELECTIVE_CONTROL    0x04u
#define IDE_SELECTIVE_STATUS     0x08u
#define IDE_SELECTIVE_BYTES(c)   (20u + 12u * ((c)&0xfu)) /* with its address associations */
#define IDE_STREAM_ID(control)   ((control) >> 24)
#define IDE_STREAM_STATE(status) ((status)&0xfu)
#define IDE_STATE_SECURE         2u

/* All-ones is what a function that is not there reads as: no register here is ever that. */
static int read_dword(ConfigSpace *config, uint32_t offset, uint32_t *ret) {
        int r;

        if (offset > CONFIG_BYTES - 4)
                return -EIO;
        r = config->read32(config, (uint16_t)offset, ret);
        if (r < 0)
                return r;
        return *ret == UINT32_MAX ? -ENODEV : 0;
}

/* A chain that leads in a circle ends with the number of places that there are. */
static int find_capability(ConfigSpace *config, IdeCapability *cap) {
        uint32_t at = EXT_CAPS_BEGIN, header;
        int r;

        for (unsigned i = 0; i < EXT_CAPS_MAX && at >= EXT_CAPS_BEGIN; i++) {
                r = read_dword(config, at, &header);
                if (r < 0)
                        return r;
                if (EXT_CAP_ID(header) == IDE_EXT_CAP_ID) {
                        cap->offset = (uint16_t)at;
                        break;
                }
                at = EXT_CAP_NEXT(header);
        }
        cap->is_known = true;
        return 0;
}

/* Return: 1: it is secure, and @buf says so; 0; -errno. */
static int look_at_stream(ConfigSpace *config, const char *kind, uint32_t control, uint32_t status,
                          char *buf, size_t size) {
        uint32_t value;
        int r;

        r = read_dword(config, status, &value);
        if (r < 0 || IDE_STREAM_STATE(value) != IDE_STATE_SECURE)
                return r;
        r = read_dword(config, control, &value);
        if (r < 0)
                return r;
        snprintf(buf, size, "IDE %s stream %u is secure", kind, (unsigned)IDE_STREAM_ID(value));
        return 1;
}

/* @at: moves on to what follows them */
static int look_at_link_streams(ConfigSpace *config, uint32_t cap, uint32_t *at, char *buf, size_t size) {
        int r = 0;

        for (uint32_t i = 0; r == 0 && IDE_HAS_LINK(cap) && i < IDE_N_LINK(cap); i++) {
                r = look_at_stream(config, "link", *at + IDE_LINK_CONTROL, *at + IDE_LINK_STATUS, buf, size);
                *at += IDE_LINK_BYTES;
        }
        return r;
}

static int look_at_selective_streams(ConfigSpace *config, uint32_t cap, uint32_t at, char *buf,
                                     size_t size) {
        uint32_t stream_cap;
        int r = 0;

        for (uint32_t i = 0; r == 0 && IDE_HAS_SELECTIVE(cap) && i < IDE_N_SELECTIVE(cap); i++) {
                r = read_dword(config, at + IDE_SELECTIVE_CAP, &stream_cap);
                if (r < 0)
                        return r;
                r = look_at_stream(config, "selective", at + IDE_SELECTIVE_CONTROL,
                                   at + IDE_SELECTIVE_STATUS, buf, size);
                at += IDE_SELECTIVE_BYTES(stream_cap);
        }
        return r;
}

int ide_find_secure(ConfigSpace *config, IdeCapability *cap, char *buf, size_t size) {
        uint32_t value, at;
        int r;

        r = cap->is_known ? 0 : find_capability(config, cap);
        if (r < 0)
                return r;
        if (cap->offset == 0) {
                buf[0] = '\0';
                return 0;
        }
        r = read_dword(config, cap->offset + IDE_REG_CAP, &value);
        if (r < 0)
                return r;
        at = cap->offset + IDE_LINK_STREAMS;
        r = look_at_link_streams(config, value, &at, buf, size);
        if (r == 0)
                r = look_at_selective_streams(config, value, at, buf, size);
        if (r == 0)
                buf[0] = '\0';
        return r < 0 ? r : 0;
}
