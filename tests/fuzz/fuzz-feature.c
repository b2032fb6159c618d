/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The input is a request, after its vendor and type; and, as a whole, what somebody typed as a feature. */

#include <stdlib.h>
#include <string.h>

#include "protocols/cursor.h"
#include "protocols/feature.h"
#include "tests/fuzz/fuzz.h"

static void parse(const uint8_t *data, size_t size) {
        char *s = strndup(size > 0 ? (const char *)data : "", size), formatted[DOE_FEATURE_STR_MAX];
        uint16_t vendor_id, again_vendor_id;
        uint8_t type, again_type;

        if (s && doe_feature_parse(s, &vendor_id, &type) == 0)
                if (doe_feature_parse(doe_feature_format(vendor_id, type, formatted), &again_vendor_id,
                                      &again_type) < 0 ||
                    again_vendor_id != vendor_id || again_type != type)
                        abort();
        free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        DoeReader r = DOE_READER(data, size);
        uint16_t vendor_id = doe_read_le16(&r);
        uint8_t type = doe_read_u8(&r);
        DoeJudgement judgement;

        doe_feature_judge(vendor_id, type, r.p, r.n_left, &judgement);
        if (!judgement.opcode_name || judgement.opcode < -1 || judgement.opcode > 0xff)
                abort();
        if (judgement.class == DOE_CLASS_DESTRUCTIVE && judgement.how != DOE_HOW_LEASE &&
            judgement.how != DOE_HOW_MAILBOX_LEASE)
                abort();
        parse(data, size);
        return 0;
}
