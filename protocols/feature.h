/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The table of known features (data object protocols): names, limits, where the opcode stands, and the class
 * of each opcode. Knows no caller and no device: who may do what is the rules' business. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOE_VENDOR_PCI_SIG 0x0001u
#define DOE_VENDOR_CXL     0x1e98u

#define DOE_TYPE_DISCOVERY               0x00u
#define DOE_TYPE_CMA_SPDM                0x01u
#define DOE_TYPE_SECURED_CMA_SPDM        0x02u
#define DOE_TYPE_SPDM_CONNECTION         0x03u
#define DOE_TYPE_SECURED_SPDM_CONNECTION 0x04u
#define DOE_TYPE_ASYNC_MESSAGE           0x05u
#define DOE_TYPE_CXL_COMPLIANCE          0x00u
#define DOE_TYPE_CXL_TABLE_ACCESS        0x02u

#define DOE_FEATURE_STR_MAX 8u /* "1e98:02" and the zero byte */

/* What a request may do to others. */
typedef enum DoeClass {
        DOE_CLASS_READ,           /* repeatable, cacheable, tells nothing that is not for all */
        DOE_CLASS_READ_SENSITIVE, /* repeatable, never cached */
        DOE_CLASS_CONNECTION,     /* one requester's connection state in the device */
        DOE_CLASS_SESSION,        /* one requester's secured session in the device */
        DOE_CLASS_DESTRUCTIVE,    /* changes what others rely on */
        DOE_CLASS_UNKNOWN,
} DoeClass;
#define N_DOE_CLASSES (DOE_CLASS_UNKNOWN + 1)

/* How doed lets a request pass. */
typedef enum DoeHow {
        DOE_HOW_CACHE,         /* answered from a validated copy; one flight at most */
        DOE_HOW_DIRECT,        /* one exchange each */
        DOE_HOW_LEASE,         /* within a lease only */
        DOE_HOW_MAILBOX_LEASE, /* within a lease of the whole mailbox only */
} DoeHow;

/* One request, judged. Opcode: -1 where the feature has none, or where the request is too short to hold it.
 */
typedef struct DoeJudgement {
        DoeClass class;
        DoeHow how;
        int opcode;
        const char *opcode_name; /* "" where not known */
} DoeJudgement;

typedef struct DoeFeature {
        uint16_t vendor_id;
        uint8_t type;
        const char *name;            /* "cxl-table-access" */
        int opcode_offset;           /* byte of the payload, or -1 */
        DoeClass class;              /* of the feature as a whole: the mildest of its opcodes */
        uint32_t response_bytes_max; /* whole object; bound of a response when nobody gave another */
        bool has_connection_id;
        bool is_spdm; /* one lease group: one responder stands behind them */
} DoeFeature;

/* NULL if the feature is not in the table; static storage. */
const DoeFeature *doe_feature_find(uint16_t vendor_id, uint8_t type);
const DoeFeature *doe_feature_find_by_name(const char *name);
/* Walk the table: @i from 0, NULL at its end. */
const DoeFeature *doe_feature_get(size_t i);

/**
 * doe_feature_judge() - class and way of one request
 * @payload: payload bytes, header not included; may be NULL if @n_bytes is 0
 *
 * A CHUNK_SEND of SPDM is judged by the message that its first chunk carries. An opcode that cannot be read,
 * and a table access or discovery request that is not exactly the one dword that its specification gives,
 * count as unknown; of SPDM such a request passes within a lease only. Never fails.
 */
void doe_feature_judge(uint16_t vendor_id, uint8_t type, const uint8_t *payload, size_t n_bytes,
                       DoeJudgement *ret);

/* Bound of a response's whole object in bytes where neither caller nor discovery gave one: discovery 16,
 * table access 65548, else 65536. */
uint32_t doe_feature_response_bytes_max(uint16_t vendor_id, uint8_t type);

/* "1e98:02" into @buf of DOE_FEATURE_STR_MAX bytes; returns @buf. */
const char *doe_feature_format(uint16_t vendor_id, uint8_t type, char *buf);

/**
 * doe_feature_parse() - "1e98:02" (hex, any case) or a known name, such as "cma-spdm"; "cdat" means table
 * access
 *
 * Return: 0; -EINVAL. Outputs untouched on failure.
 */
int doe_feature_parse(const char *s, uint16_t *ret_vendor_id, uint8_t *ret_type);

const char *doe_class_to_string(DoeClass class); /* "read", "read-sensitive", ... */
