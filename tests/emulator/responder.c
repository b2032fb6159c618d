/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/emulator/responder.h"

#include <errno.h>

#include "protocols/cdat.h"
#include "protocols/cursor.h"
#include "protocols/data-object.h"
#include "protocols/feature.h"
#include "tests/emulator/number.h"

#define CDAT_SEQUENCE_OFFSET 12u
#define CDAT_CHECKSUM_OFFSET 5u

static const char *const kind_names[N_RESPONDER_KINDS] = {
        [RESPONDER_DISCOVERY] = "discovery",
        [RESPONDER_SPDM] = "spdm",
        [RESPONDER_SECURED_SPDM] = "secured-spdm",
        [RESPONDER_COMPLIANCE] = "compliance",
        [RESPONDER_TABLE_ACCESS] = "table-access",
        [RESPONDER_ECHO] = "echo",
        [RESPONDER_COUNT] = "count",
};

static const struct {
        uint16_t vendor_id;
        uint8_t type;
        ResponderKind kind;
} usual_kinds[] = {
        { DOE_VENDOR_PCI_SIG, DOE_TYPE_DISCOVERY, RESPONDER_DISCOVERY },
        { DOE_VENDOR_PCI_SIG, DOE_TYPE_CMA_SPDM, RESPONDER_SPDM },
        { DOE_VENDOR_PCI_SIG, DOE_TYPE_SECURED_CMA_SPDM, RESPONDER_SECURED_SPDM },
        { DOE_VENDOR_PCI_SIG, DOE_TYPE_SPDM_CONNECTION, RESPONDER_SPDM },
        { DOE_VENDOR_PCI_SIG, DOE_TYPE_SECURED_SPDM_CONNECTION, RESPONDER_SECURED_SPDM },
        { DOE_VENDOR_CXL, DOE_TYPE_CXL_COMPLIANCE, RESPONDER_COMPLIANCE },
        { DOE_VENDOR_CXL, DOE_TYPE_CXL_TABLE_ACCESS, RESPONDER_TABLE_ACCESS },
        { 0x1234, 0x01, RESPONDER_ECHO },
        { 0x1234, 0x02, RESPONDER_COUNT },
};

int responder_init(Responder *responder, const ModelSettings *settings) {
        *responder = (Responder){ .seed = settings->seed };
        return settings->table ? responder_set_table(responder, settings->table, settings->n_table_bytes)
                               : 0;
}

void responder_done(Responder *responder) {
        free(responder->table);
        free(responder->connections);
        *responder = (Responder){ 0 };
}

void responder_reset(Responder *responder) {
        responder->n_connections = 0;
        responder->compliance_mode = 0;
}

int responder_reply(const void *bytes, size_t n_bytes, uint8_t **ret, size_t *ret_n_bytes) {
        uint8_t *copy = malloc(n_bytes > 0 ? n_bytes : 1);

        if (!copy)
                return -ENOMEM;
        if (n_bytes > 0)
                memcpy(copy, bytes, n_bytes);
        *ret = copy;
        *ret_n_bytes = n_bytes;
        return 1;
}

/* A request of one dword n; more than fits into an object is discarded. */
static int responder_count(const ResponderRequest *request, uint8_t **ret, size_t *ret_n_bytes) {
        uint32_t n_dwords;
        uint8_t *bytes;

        if (request->n_bytes != 4)
                return 0;
        n_dwords = doe_load_le32(request->payload);
        if (n_dwords > DOE_OBJECT_DWORDS_MAX - DOE_HEADER_DWORDS)
                return 0;

        bytes = malloc(n_dwords > 0 ? 4 * (size_t)n_dwords : 1);
        if (!bytes)
                return -ENOMEM;
        for (uint32_t i = 0; i < n_dwords; i++)
                doe_store_le32(bytes + 4 * (size_t)i, i);
        *ret = bytes;
        *ret_n_bytes = 4 * (size_t)n_dwords;
        return 1;
}

int responder_answer(Responder *responder, const ResponderRequest *request, uint8_t **ret,
                     size_t *ret_n_bytes) {
        switch (request->feature->kind) {
        case RESPONDER_DISCOVERY:
                return responder_discovery(responder, request, ret, ret_n_bytes);
        case RESPONDER_SPDM:
                return responder_spdm(responder, request, ret, ret_n_bytes);
        case RESPONDER_SECURED_SPDM:
                return responder_secured_spdm(responder, request, ret, ret_n_bytes);
        case RESPONDER_COMPLIANCE:
                return responder_compliance(responder, request, ret, ret_n_bytes);
        case RESPONDER_TABLE_ACCESS:
                return responder_table_access(responder, request, ret, ret_n_bytes);
        case RESPONDER_ECHO:
                return responder_reply(request->payload, request->n_bytes, ret, ret_n_bytes);
        case RESPONDER_COUNT:
                return responder_count(request, ret, ret_n_bytes);
        }
        return 0;
}

void responder_touch_table(Responder *responder) {
        uint8_t *table = responder->table;
        uint8_t sum = 0;

        if (responder->n_table_bytes < CDAT_HEADER_BYTES)
                return;
        for (size_t i = 0; i < 4; i++)
                sum += table[CDAT_SEQUENCE_OFFSET + i];
        doe_store_le32(table + CDAT_SEQUENCE_OFFSET, doe_load_le32(table + CDAT_SEQUENCE_OFFSET) + 1);
        for (size_t i = 0; i < 4; i++)
                sum -= table[CDAT_SEQUENCE_OFFSET + i];
        table[CDAT_CHECKSUM_OFFSET] += sum;
}

int responder_set_table(Responder *responder, const uint8_t *table, size_t n_bytes) {
        uint8_t *copy = malloc(n_bytes > 0 ? n_bytes : 1);

        if (!copy)
                return -ENOMEM;
        memcpy(copy, table, n_bytes);
        free(responder->table);
        responder->table = copy;
        responder->n_table_bytes = n_bytes;
        return 0;
}

int responder_kind_from_string(const char *s) {
        return word_find(s, kind_names, N_RESPONDER_KINDS);
}

int responder_kind_find(uint16_t vendor_id, uint8_t type, ResponderKind *ret) {
        for (size_t i = 0; i < ELEMENTS(usual_kinds); i++)
                if (usual_kinds[i].vendor_id == vendor_id && usual_kinds[i].type == type) {
                        *ret = usual_kinds[i].kind;
                        return 0;
                }
        return -ENOENT;
}
