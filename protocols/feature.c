/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "protocols/feature.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "protocols/compliance.h"
#include "protocols/discovery.h"
#include "protocols/spdm.h"
#include "protocols/table-access.h"

#define N_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

#define RESPONSE_BYTES_DISCOVERY 16u
#define RESPONSE_BYTES_TABLE_ACCESS                                                                         \
        65548u /* two headers and an entry, whose length field is 16 bits wide                              \
                */
#define RESPONSE_BYTES_OTHERS 65536u

static const DoeFeature features[] = {
        {
                        .vendor_id = DOE_VENDOR_PCI_SIG,
                        .type = DOE_TYPE_DISCOVERY,
                        .name = "discovery",
                        .opcode_offset = -1,
                        .class = DOE_CLASS_READ,
                        .response_bytes_max = RESPONSE_BYTES_DISCOVERY,
        },
        {
                        .vendor_id = DOE_VENDOR_PCI_SIG,
                        .type = DOE_TYPE_CMA_SPDM,
                        .name = "cma-spdm",
                        .opcode_offset = 1,
                        .class = DOE_CLASS_CONNECTION,
                        .response_bytes_max = RESPONSE_BYTES_OTHERS,
                        .is_spdm = true,
        },
        {
                        .vendor_id = DOE_VENDOR_PCI_SIG,
                        .type = DOE_TYPE_SECURED_CMA_SPDM,
                        .name = "secured-cma-spdm",
                        .opcode_offset = -1,
                        .class = DOE_CLASS_SESSION,
                        .response_bytes_max = RESPONSE_BYTES_OTHERS,
                        .is_spdm = true,
        },
        {
                        .vendor_id = DOE_VENDOR_PCI_SIG,
                        .type = DOE_TYPE_SPDM_CONNECTION,
                        .name = "spdm-connection-id",
                        .opcode_offset = 1,
                        .class = DOE_CLASS_CONNECTION,
                        .response_bytes_max = RESPONSE_BYTES_OTHERS,
                        .has_connection_id = true,
                        .is_spdm = true,
        },
        {
                        .vendor_id = DOE_VENDOR_PCI_SIG,
                        .type = DOE_TYPE_SECURED_SPDM_CONNECTION,
                        .name = "secured-spdm-connection-id",
                        .opcode_offset = -1,
                        .class = DOE_CLASS_SESSION,
                        .response_bytes_max = RESPONSE_BYTES_OTHERS,
                        .has_connection_id = true,
                        .is_spdm = true,
        },
        {
                        .vendor_id = DOE_VENDOR_PCI_SIG,
                        .type = DOE_TYPE_ASYNC_MESSAGE,
                        .name = "async-message",
                        .opcode_offset = -1,
                        .class = DOE_CLASS_UNKNOWN,
                        .response_bytes_max = RESPONSE_BYTES_OTHERS,
        },
        {
                        .vendor_id = DOE_VENDOR_CXL,
                        .type = DOE_TYPE_CXL_COMPLIANCE,
                        .name = "cxl-compliance",
                        .opcode_offset = 0,
                        .class = DOE_CLASS_READ_SENSITIVE,
                        .response_bytes_max = RESPONSE_BYTES_OTHERS,
        },
        {
                        .vendor_id = DOE_VENDOR_CXL,
                        .type = DOE_TYPE_CXL_TABLE_ACCESS,
                        .name = "cxl-table-access",
                        .opcode_offset = 0,
                        .class = DOE_CLASS_READ,
                        .response_bytes_max = RESPONSE_BYTES_TABLE_ACCESS,
        },
};

const DoeFeature *doe_feature_get(size_t i) {
        return i < N_ELEMENTS(features) ? &features[i] : NULL;
}

const DoeFeature *doe_feature_find(uint16_t vendor_id, uint8_t type) {
        for (size_t i = 0; i < N_ELEMENTS(features); i++)
                if (features[i].vendor_id == vendor_id && features[i].type == type)
                        return &features[i];
        return NULL;
}

const DoeFeature *doe_feature_find_by_name(const char *name) {
        for (size_t i = 0; i < N_ELEMENTS(features); i++)
                if (strcmp(features[i].name, name) == 0)
                        return &features[i];
        return NULL;
}

/* What a request is, as far as others are concerned. */
typedef struct RequestKind {
        DoeClass class;
        DoeHow how;
} RequestKind;

/* clang-format off */
static const RequestKind kind_read              = { DOE_CLASS_READ,           DOE_HOW_CACHE };
static const RequestKind kind_spdm_connection   = { DOE_CLASS_CONNECTION,     DOE_HOW_LEASE };
static const RequestKind kind_spdm_session      = { DOE_CLASS_SESSION,        DOE_HOW_LEASE };
static const RequestKind kind_spdm_destructive  = { DOE_CLASS_DESTRUCTIVE,    DOE_HOW_LEASE };
static const RequestKind kind_spdm_unknown      = { DOE_CLASS_UNKNOWN,        DOE_HOW_LEASE };
static const RequestKind kind_compliance_status = { DOE_CLASS_READ_SENSITIVE, DOE_HOW_DIRECT };
static const RequestKind kind_compliance        = { DOE_CLASS_DESTRUCTIVE,    DOE_HOW_MAILBOX_LEASE };
static const RequestKind kind_unknown           = { DOE_CLASS_UNKNOWN,        DOE_HOW_DIRECT };
/* clang-format on */

static const uint8_t spdm_connection_codes[] = {
        0x81, 0x82, 0x83, 0x84, 0x86, 0x87, 0xe0, 0xe1, 0xe3, 0xef, 0xfc, 0xff,
};
static const uint8_t spdm_session_codes[] = { 0xe4, 0xe5, 0xe6, 0xe7, 0xea, 0xeb };

/* Codes in neither list may change what others rely on: destructive until somebody has looked at them. */
static const RequestKind *spdm_kind(uint8_t code) {
        if (memchr(spdm_connection_codes, code, sizeof(spdm_connection_codes)))
                return &kind_spdm_connection;
        if (memchr(spdm_session_codes, code, sizeof(spdm_session_codes)))
                return &kind_spdm_session;
        return &kind_spdm_destructive;
}

static bool is_compliance(const DoeFeature *feature) {
        return feature->vendor_id == DOE_VENDOR_CXL && feature->type == DOE_TYPE_CXL_COMPLIANCE;
}

/* Negative if there is none, or none that can be read. */
static int read_opcode(const DoeFeature *feature, const uint8_t *payload, size_t n_bytes) {
        if (feature->opcode_offset < 0 || n_bytes <= (size_t)feature->opcode_offset)
                return -1;
        if (feature->is_spdm)
                return spdm_effective_code(payload, n_bytes);
        if (is_compliance(feature))
                return compliance_request_code(payload, n_bytes);
        return payload[feature->opcode_offset];
}

static const char *opcode_to_string(const DoeFeature *feature, uint8_t opcode) {
        if (feature->is_spdm)
                return spdm_code_to_string(opcode);
        if (is_compliance(feature))
                return compliance_code_to_string(opcode);
        return opcode == TABLE_ACCESS_CODE_READ ? "read" : NULL;
}

static const RequestKind *pci_sig_kind(const DoeFeature *feature, int opcode, const uint8_t *payload,
                                       size_t n_bytes) {
        uint8_t index, version;

        if (feature->type == DOE_TYPE_DISCOVERY)
                return doe_discovery_request_decode(payload, n_bytes, &index, &version) < 0 ? &kind_unknown
                                                                                            : &kind_read;
        if (!feature->is_spdm)
                return &kind_unknown;
        if (feature->opcode_offset < 0) /* encrypted: nothing to tell one message from another */
                return &kind_spdm_session;
        /* outside a lease nobody can tell what a later chunk carries: never let it past the rules by itself
         */
        return opcode < 0 ? &kind_spdm_unknown : spdm_kind((uint8_t)opcode);
}

static const RequestKind *cxl_kind(const DoeFeature *feature, int opcode, const uint8_t *payload,
                                   size_t n_bytes) {
        uint16_t handle;

        if (feature->type == DOE_TYPE_CXL_TABLE_ACCESS)
                return table_access_request_decode(payload, n_bytes, &handle) < 0 ? &kind_unknown
                                                                                  : &kind_read;
        if (opcode < 0)
                return &kind_unknown;
        return opcode <= (int)COMPLIANCE_CODE_HALT ? &kind_compliance_status : &kind_compliance;
}

void doe_feature_judge(uint16_t vendor_id, uint8_t type, const uint8_t *payload, size_t n_bytes,
                       DoeJudgement *ret) {
        const DoeFeature *feature = doe_feature_find(vendor_id, type);
        const RequestKind *kind = &kind_unknown;
        const char *opcode_name = NULL;
        uint8_t padded[4] = { 0 };
        int opcode = -1;

        /* it goes out as whole dwords: what is shorter is judged as the device will see it */
        if (n_bytes > 0 && n_bytes < sizeof(padded)) {
                memcpy(padded, payload, n_bytes);
                payload = padded;
                n_bytes = sizeof(padded);
        }
        if (feature) {
                opcode = read_opcode(feature, payload, n_bytes);
                if (opcode >= 0)
                        opcode_name = opcode_to_string(feature, (uint8_t)opcode);
                kind = vendor_id == DOE_VENDOR_CXL ? cxl_kind(feature, opcode, payload, n_bytes)
                                                   : pci_sig_kind(feature, opcode, payload, n_bytes);
        }
        *ret = (DoeJudgement){
                .class = kind->class,
                .how = kind->how,
                .opcode = opcode < 0 ? -1 : opcode,
                .opcode_name = opcode_name ? opcode_name : "",
        };
}

uint32_t doe_feature_response_bytes_max(uint16_t vendor_id, uint8_t type) {
        const DoeFeature *feature = doe_feature_find(vendor_id, type);

        return feature ? feature->response_bytes_max : RESPONSE_BYTES_OTHERS;
}

const char *doe_feature_format(uint16_t vendor_id, uint8_t type, char *buf) {
        snprintf(buf, DOE_FEATURE_STR_MAX, "%04x:%02x", vendor_id, type);
        return buf;
}

/* Exactly @n_digits hex digits of any case; -1 if they are not. No ctype: the locale has no say here. */
static int parse_hex(const char *s, size_t n_digits) {
        static const char digits[] = "0123456789abcdef0123456789ABCDEF";
        int value = 0;

        for (size_t i = 0; i < n_digits; i++) {
                const char *digit = s[i] ? strchr(digits, s[i]) : NULL;

                if (!digit)
                        return -1;
                value = value * 16 + (int)(digit - digits) % 16;
        }
        return value;
}

int doe_feature_parse(const char *s, uint16_t *ret_vendor_id, uint8_t *ret_type) {
        const DoeFeature *feature;
        int vendor_id, type;

        feature = doe_feature_find_by_name(strcmp(s, "cdat") == 0 ? "cxl-table-access" : s);
        if (feature) {
                *ret_vendor_id = feature->vendor_id;
                *ret_type = feature->type;
                return 0;
        }

        if (strlen(s) != DOE_FEATURE_STR_MAX - 1 || s[4] != ':')
                return -EINVAL;
        vendor_id = parse_hex(s, 4);
        type = parse_hex(s + 5, 2);
        if (vendor_id < 0 || type < 0)
                return -EINVAL;

        *ret_vendor_id = (uint16_t)vendor_id;
        *ret_type = (uint8_t)type;
        return 0;
}

const char *doe_class_to_string(DoeClass class) {
        switch (class) {
        case DOE_CLASS_READ:
                return "read";
        case DOE_CLASS_READ_SENSITIVE:
                return "read-sensitive";
        case DOE_CLASS_CONNECTION:
                return "connection";
        case DOE_CLASS_SESSION:
                return "session";
        case DOE_CLASS_DESTRUCTIVE:
                return "destructive";
        case DOE_CLASS_UNKNOWN:
                break;
        }
        return "unknown";
}
