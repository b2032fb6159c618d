/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/emulator/model.h"

#include <errno.h>

#include "protocols/cursor.h"
#include "protocols/feature.h"
#include "protocols/registers.h"

/* Type 0/1 header and the capabilities below 0x100 (PCIe r6.0 7.5) */
#define OFFSET_COMMAND      0x04u
#define OFFSET_STATUS       0x06u
#define OFFSET_CLASS        0x08u
#define OFFSET_CACHE_LINE   0x0cu
#define OFFSET_HEADER_TYPE  0x0eu
#define OFFSET_BAR0         0x10u
#define OFFSET_BUSES        0x18u /* type 1 */
#define OFFSET_SUBSYSTEM    0x2cu /* type 0 */
#define OFFSET_CAPABILITIES 0x34u
#define OFFSET_IRQ_LINE     0x3cu
#define OFFSET_PM           0x40u
#define OFFSET_PM_CONTROL   0x44u
#define OFFSET_SSVID        0x48u /* type 1: subsystem vendor capability */
#define OFFSET_PCIE         0x60u
#define OFFSET_DEVICE_CTL   0x68u

#define STATUS_CAPABILITIES  0x0010u
#define CAP_ID_PM            0x01u
#define CAP_ID_SSVID         0x0du
#define CAP_ID_PCIE          0x10u
#define PCIE_TYPE_ENDPOINT   0x0u
#define PCIE_TYPE_UPSTREAM   0x5u
#define BAR_MEMORY_64        0x4u
#define BAR0_BASE            UINT64_C(0x4000000000)
#define EXT_CAP_SERIAL       0x0003u
#define EXT_CAP_SERIAL_BYTES 0x0cu
#define EXT_CAP_DVSEC        0x0023u
#define DVSEC_CXL_VERSION    1u
#define DVSEC_CXL_DEVICE     0u /* CXL r3.0 8.1.3 */
#define DVSEC_CXL_BYTES      0x3cu
#define DVSEC_CXL_PORT       3u /* CXL r3.0 8.1.5 */
#define DVSEC_CXL_PORT_BYTES 0x28u
#define DVSEC_OFFSET         0x110u
/* one link stream, two selective ones with one address block each */
#define EXT_CAP_IDE            0x0030u
#define IDE_OFFSET             0xe00u
#define IDE_CAPABILITY         0x04u
#define IDE_LINK_AND_SELECTIVE UINT32_C(0x00010003) /* [23:16] selective streams less one */
#define IDE_SELECTIVE_0        0x14u
#define IDE_SELECTIVE_BYTES    0x20u
#define IDE_SELECTIVE_CONTROL  0x04u
#define IDE_SELECTIVE_STATUS   0x08u
#define IDE_STATE_SECURE       0x2u
#define IDE_BYTES              (IDE_SELECTIVE_0 + 2 * IDE_SELECTIVE_BYTES)
#define MASKED_ALL_ONES(n)     (UINT32_MAX >> (32 - 8 * (n)))

struct Model {
        const ModelSettings *settings; /* borrowed */
        Responder responder;
        ModelMailbox *mailboxes; /* owned */
        uint8_t config[MODEL_CONFIG_BYTES];
        uint8_t writable[MODEL_CONFIG_BYTES]; /* bits that a write may change */
        uint64_t all_ones_until_usec;
        bool has_vanished;
};

/* An extended capability as it stands in the chain. */
typedef struct ExtCap {
        uint16_t offset, n_bytes;
        uint16_t id;
        uint8_t version;
} ExtCap;

#define EXT_CAPS_MAX (MODEL_MAILBOXES_MAX + 3)

static void store_le16(Model *m, size_t offset, uint16_t value) {
        m->config[offset] = (uint8_t)value;
        m->config[offset + 1] = (uint8_t)(value >> 8);
}

static void store_le32(Model *m, size_t offset, uint32_t value) {
        doe_store_le32(m->config + offset, value);
}

static bool is_cxl(const ModelSettings *s) {
        return s->kind == MODEL_CXL_MEMORY || s->kind == MODEL_CXL_SWITCH;
}

static uint16_t dvsec_bytes(const ModelSettings *s) {
        return s->kind == MODEL_CXL_SWITCH ? DVSEC_CXL_PORT_BYTES : DVSEC_CXL_BYTES;
}

/* Sorted by offset. The serial number gives way to a mailbox at 0x100, where the chain must begin. */
static size_t list_ext_caps(const ModelSettings *s, ExtCap caps[EXT_CAPS_MAX]) {
        bool has_serial = true;
        size_t n = 0;

        for (size_t i = 0; i < s->n_mailboxes; i++)
                if (s->mailboxes[i].offset == MODEL_EXT_CAPS_OFFSET)
                        has_serial = false;
        if (has_serial)
                caps[n++] = (ExtCap){ MODEL_EXT_CAPS_OFFSET, EXT_CAP_SERIAL_BYTES, EXT_CAP_SERIAL, 1 };
        if (is_cxl(s))
                caps[n++] = (ExtCap){ DVSEC_OFFSET, dvsec_bytes(s), EXT_CAP_DVSEC, 1 };
        if (s->ide != MODEL_IDE_ABSENT)
                caps[n++] = (ExtCap){ IDE_OFFSET, IDE_BYTES, EXT_CAP_IDE, 1 };
        for (size_t i = 0; i < s->n_mailboxes && n < EXT_CAPS_MAX; i++)
                caps[n++] = (ExtCap){ s->mailboxes[i].offset, DOE_EXT_CAP_BYTES, DOE_EXT_CAP_ID,
                                      s->mailboxes[i].cap_version };

        for (size_t i = 1; i < n; i++)
                for (size_t j = i; j > 0 && caps[j].offset < caps[j - 1].offset; j--) {
                        ExtCap swap = caps[j];

                        caps[j] = caps[j - 1];
                        caps[j - 1] = swap;
                }
        return n;
}

int model_settings_check(const ModelSettings *s, char *error) {
        ExtCap caps[EXT_CAPS_MAX];
        size_t n, end = MODEL_EXT_CAPS_OFFSET;

        if (s->n_mailboxes > MODEL_MAILBOXES_MAX) {
                snprintf(error, FAULT_ERROR_MAX, "more than %u mailboxes", MODEL_MAILBOXES_MAX);
                return -EINVAL;
        }
        n = list_ext_caps(s, caps);
        for (size_t i = 0; i < n; i++) {
                if (caps[i].offset % 4 != 0 || caps[i].offset < end ||
                    caps[i].offset + caps[i].n_bytes > MODEL_CONFIG_BYTES) {
                        snprintf(error, FAULT_ERROR_MAX,
                                 "the capability at %x overlaps another one, or is no dword of 100..fff",
                                 caps[i].offset);
                        return -EINVAL;
                }
                end = (size_t)caps[i].offset + caps[i].n_bytes;
        }
        return 0;
}

static void make_type0(Model *m) {
        const ModelSettings *s = m->settings;

        store_le32(m, OFFSET_BAR0, (uint32_t)(BAR0_BASE + (s->serial & 0xff) * 0x100000) | BAR_MEMORY_64);
        store_le32(m, OFFSET_BAR0 + 4, (uint32_t)(BAR0_BASE >> 32));
        store_le16(m, OFFSET_SUBSYSTEM, s->subsystem_vendor_id);
        store_le16(m, OFFSET_SUBSYSTEM + 2, s->subsystem_device_id);
}

static void make_type1(Model *m) {
        const ModelSettings *s = m->settings;

        m->config[OFFSET_HEADER_TYPE] = 1;
        m->config[OFFSET_BUSES + 1] = 0xf0; /* secondary and subordinate: nothing is below */
        m->config[OFFSET_BUSES + 2] = 0xf0;
        store_le16(m, OFFSET_SSVID, CAP_ID_SSVID | OFFSET_PCIE << 8);
        store_le16(m, OFFSET_SSVID + 4, s->subsystem_vendor_id);
        store_le16(m, OFFSET_SSVID + 6, s->subsystem_device_id);
}

static void make_header(Model *m) {
        const ModelSettings *s = m->settings;
        bool is_bridge = s->kind == MODEL_CXL_SWITCH;

        store_le16(m, 0, s->vendor_id);
        store_le16(m, 2, s->device_id);
        store_le16(m, OFFSET_COMMAND, 0x0006); /* memory space, bus master */
        store_le16(m, OFFSET_STATUS, STATUS_CAPABILITIES);
        store_le32(m, OFFSET_CLASS, s->class_code << 8 | s->revision);
        m->config[OFFSET_CAPABILITIES] = OFFSET_PM;
        store_le16(m, OFFSET_PM, CAP_ID_PM | (is_bridge ? OFFSET_SSVID : OFFSET_PCIE) << 8);
        store_le16(m, OFFSET_PM + 2, 0x0003);
        if (is_bridge)
                make_type1(m);
        else
                make_type0(m);
        store_le16(m, OFFSET_PCIE, CAP_ID_PCIE);
        store_le16(m, OFFSET_PCIE + 2, 2 | (is_bridge ? PCIE_TYPE_UPSTREAM : PCIE_TYPE_ENDPOINT) << 4);
        store_le32(m, OFFSET_PCIE + 4, 0x10008002);    /* 512 bytes of payload, role-based errors, FLR */
        store_le32(m, OFFSET_PCIE + 0x0c, 0x00000105); /* link: 32 GT/s x16 */
        store_le16(m, OFFSET_PCIE + 0x12, 0x0105);

        store_le32(m, OFFSET_IRQ_LINE, 0x000001ff);
        store_le16(m, OFFSET_COMMAND, 0x0006);
        m->writable[OFFSET_COMMAND] = 0x47;
        m->writable[OFFSET_COMMAND + 1] = 0x05;
        m->writable[OFFSET_CACHE_LINE] = 0xff;
        m->writable[OFFSET_IRQ_LINE] = 0xff;
        m->writable[OFFSET_PM_CONTROL] = 0x03;
        m->writable[OFFSET_DEVICE_CTL] = 0xff;
        m->writable[OFFSET_DEVICE_CTL + 1] = 0x7f;
}

static void make_dvsec(Model *m, const ExtCap *cap) {
        bool is_port = m->settings->kind == MODEL_CXL_SWITCH;

        store_le32(m, cap->offset + 4u,
                   (uint32_t)cap->n_bytes << 20 | DVSEC_CXL_VERSION << 16 | DOE_VENDOR_CXL);
        store_le16(m, cap->offset + 8u, is_port ? DVSEC_CXL_PORT : DVSEC_CXL_DEVICE);
        if (!is_port) {
                store_le16(m, cap->offset + 0x0au, 0x001e); /* IO, Mem, Mem_HwInit, one HDM range */
                store_le16(m, cap->offset + 0x0cu, 0x0006); /* Mem, IO enabled */
                store_le32(m, cap->offset + 0x18u,
                           0x00000004); /* range 1: 16 GiB from 0, valid and active */
                store_le32(m, cap->offset + 0x1cu, 0x00000003);
        }
}

static void make_ide(Model *m) {
        store_le32(m, IDE_OFFSET + IDE_CAPABILITY, IDE_LINK_AND_SELECTIVE);
        for (unsigned i = 0; i < 2; i++) /* address association blocks */
                store_le32(m, IDE_OFFSET + IDE_SELECTIVE_0 + i * IDE_SELECTIVE_BYTES, 1);
}

int model_set_ide(Model *m, bool is_secure) {
        if (m->settings->ide == MODEL_IDE_ABSENT)
                return -ENXIO;
        store_le32(m, IDE_OFFSET + IDE_SELECTIVE_0 + IDE_SELECTIVE_CONTROL, is_secure);
        store_le32(m, IDE_OFFSET + IDE_SELECTIVE_0 + IDE_SELECTIVE_STATUS, is_secure ? IDE_STATE_SECURE : 0);
        return 0;
}

static void make_ext_caps(Model *m) {
        ExtCap caps[EXT_CAPS_MAX];
        size_t n = list_ext_caps(m->settings, caps);

        for (size_t i = 0; i < n; i++) {
                uint32_t next = i + 1 < n ? caps[i + 1].offset : 0;

                store_le32(m, caps[i].offset, next << 20 | (uint32_t)caps[i].version << 16 | caps[i].id);
                if (caps[i].id == EXT_CAP_SERIAL) {
                        store_le32(m, caps[i].offset + 4u, (uint32_t)m->settings->serial);
                        store_le32(m, caps[i].offset + 8u, (uint32_t)(m->settings->serial >> 32));
                } else if (caps[i].id == EXT_CAP_DVSEC) {
                        make_dvsec(m, &caps[i]);
                } else if (caps[i].id == EXT_CAP_IDE) {
                        make_ide(m);
                }
        }
        /* a mailbox that does not stand first, without a serial number before it, would leave 0x100 empty:
         * list_ext_caps() gives up the serial number only for a mailbox at 0x100 */
}

int model_new(const ModelSettings *settings, uint64_t now_usec, Model **ret) {
        _cleanup_(model_freep) Model *m = NULL;
        char error[FAULT_ERROR_MAX];
        int r;

        r = model_settings_check(settings, error);
        if (r < 0)
                return r;
        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        m->settings = settings;
        r = responder_init(&m->responder, settings);
        if (r < 0)
                return r;
        m->mailboxes = calloc(MAX_OF(settings->n_mailboxes, (size_t)1), sizeof(*m->mailboxes));
        if (!m->mailboxes)
                return -ENOMEM;
        for (size_t i = 0; i < settings->n_mailboxes; i++)
                model_mailbox_init(&m->mailboxes[i], &settings->mailboxes[i], &m->responder, settings->seed);
        model_reset(m, now_usec);
        if (settings->ide == MODEL_IDE_SECURE)
                model_set_ide(m, true);
        *ret = TAKE_PTR(m);
        return 0;
}

Model *model_free(Model *m) {
        if (!m)
                return NULL;
        for (size_t i = 0; m->mailboxes && i < m->settings->n_mailboxes; i++)
                model_mailbox_done(&m->mailboxes[i]);
        free(m->mailboxes);
        responder_done(&m->responder);
        free(m);
        return NULL;
}

/* What a fault does to the whole function. Boot rows of the reset may leave more, but no further reset. */
static void take_effects(Model *m, ModelMailbox *mb, uint64_t now_usec) {
        ModelEffects effects = mb->effects;

        mb->effects = (ModelEffects){ 0 };
        if (effects.forget)
                responder_reset(&m->responder);
        if (effects.vanish)
                m->has_vanished = true;
        m->all_ones_until_usec = MAX_OF(m->all_ones_until_usec, effects.all_ones_until_usec);
        if (effects.reset)
                model_reset(m, now_usec);
}

void model_reset(Model *m, uint64_t now_usec) {
        memset(m->config, 0, sizeof(m->config));
        make_header(m);
        make_ext_caps(m);
        responder_reset(&m->responder);
        for (size_t i = 0; i < m->settings->n_mailboxes; i++) {
                model_mailbox_power_up(&m->mailboxes[i], now_usec);
                take_effects(m, &m->mailboxes[i], now_usec);
        }
}

static bool is_silent(const Model *m, uint64_t now_usec) {
        return m->has_vanished || now_usec < m->all_ones_until_usec;
}

/* The mailbox whose registers, its header aside, hold @offset. */
static ModelMailbox *find_registers(Model *m, uint16_t offset) {
        for (size_t i = 0; i < m->settings->n_mailboxes; i++) {
                uint16_t cap_offset = m->settings->mailboxes[i].offset;

                if (offset >= cap_offset + DOE_REG_CAP && offset < cap_offset + DOE_EXT_CAP_BYTES)
                        return &m->mailboxes[i];
        }
        return NULL;
}

uint32_t model_read(Model *m, uint64_t now_usec, uint16_t offset, size_t n_bytes) {
        ModelMailbox *mb = find_registers(m, offset);
        uint32_t value;

        if (is_silent(m, now_usec))
                return MASKED_ALL_ONES(n_bytes);
        if (mb) {
                value = model_mailbox_read(mb, now_usec, (offset & ~3u) - mb->settings->offset);
                take_effects(m, mb, now_usec);
                if (is_silent(m, now_usec))
                        return MASKED_ALL_ONES(n_bytes);
        } else {
                value = doe_load_le32(m->config + (offset & ~3u));
        }
        return value >> 8 * (offset & 3u) & MASKED_ALL_ONES(n_bytes);
}

void model_write(Model *m, uint64_t now_usec, uint16_t offset, size_t n_bytes, uint32_t value) {
        ModelMailbox *mb = find_registers(m, offset);

        if (is_silent(m, now_usec))
                return;
        if (mb && n_bytes == 4) {
                model_mailbox_write(mb, now_usec, offset - mb->settings->offset, value);
                take_effects(m, mb, now_usec);
                return;
        }
        for (size_t i = 0; !mb && i < n_bytes; i++) {
                uint8_t mask = m->writable[offset + i];

                m->config[offset + i] = (m->config[offset + i] & ~mask) | ((uint8_t)(value >> 8 * i) & mask);
        }
}

bool model_has_vanished(const Model *m) {
        return m->has_vanished;
}

ModelMailbox *model_get_mailbox(Model *m, size_t i) {
        return i < m->settings->n_mailboxes ? &m->mailboxes[i] : NULL;
}

ModelMailbox *model_find_mailbox(Model *m, uint16_t cap_offset) {
        for (size_t i = 0; i < m->settings->n_mailboxes; i++)
                if (m->settings->mailboxes[i].offset == cap_offset)
                        return &m->mailboxes[i];
        return NULL;
}

ModelMailbox *model_find_feature(Model *m, uint16_t vendor_id, uint8_t type) {
        for (size_t i = 0; i < m->settings->n_mailboxes; i++)
                for (size_t j = 0; j < m->settings->mailboxes[i].n_features; j++)
                        if (m->settings->mailboxes[i].features[j].vendor_id == vendor_id &&
                            m->settings->mailboxes[i].features[j].type == type)
                                return &m->mailboxes[i];
        return NULL;
}

const uint8_t *model_table(const Model *m, size_t *ret_n_bytes) {
        *ret_n_bytes = m->responder.n_table_bytes;
        return m->responder.table;
}

void model_touch_table(Model *m) {
        responder_touch_table(&m->responder);
}
