/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/config/rule-effect.h"

#include <errno.h>
#include <inttypes.h>

#include "daemon/config/value.h"
#include "daemon/util/clock.h"
#include "daemon/util/ini.h"

#define COUNT_MAX    UINT64_C(1000000) /* as fine as a clock of microseconds can tell, for rates */
#define BYTES_MAX    (UINT64_C(1) << 40)
#define SECONDS(n)   (UINT64_C(n) * USEC_PER_SEC)
#define DAY_USEC     SECONDS(86400)
#define VALUE_PREFIX 64

typedef enum EffectType {
        EFFECT_SECONDS,
        EFFECT_NUMBER,
        EFFECT_BOOL,
        EFFECT_NAME,
        EFFECT_CACHE,
} EffectType;

static const char *const priority_names[] = { "urgent", "normal", "background", NULL };
static const char *const take_over_names[] = { "settle", "on-demand", "never", NULL };

/* clang-format off */
static const struct {
        const char *key;
        EffectType type;
        uint64_t min, max;
        const char *const *names; /* of NAME: by value */
} effects[N_RULE_EFFECTS] = {
        [RULE_PRIORITY_MAX]        = { "PriorityMax",      EFFECT_NAME,    0, 2, priority_names },
        [RULE_TIMEOUT_MAX_USEC]    = { "TimeoutMaxSec",    EFFECT_SECONDS, USEC_PER_MSEC, DAY_USEC, NULL },
        [RULE_DEVICE_TIMEOUT_USEC] = { "DeviceTimeoutSec", EFFECT_SECONDS, USEC_PER_MSEC, SECONDS(600), NULL },
        [RULE_BUSY_GRACE_USEC]     = { "BusyGraceSec",     EFFECT_SECONDS, 0, SECONDS(600), NULL },
        [RULE_MIN_GAP_USEC]        = { "MinGapSec",        EFFECT_SECONDS, 0, SECONDS(600), NULL },
        [RULE_QUEUE_MAX]           = { "QueueMax",         EFFECT_NUMBER,  0, COUNT_MAX, NULL },
        [RULE_QUEUE_MAX_PER_UID]   = { "QueueMaxPerUid",   EFFECT_NUMBER,  0, COUNT_MAX, NULL },
        [RULE_BYTES_MAX]           = { "BytesMax",         EFFECT_NUMBER,  0, BYTES_MAX, NULL },
        [RULE_LEASES_MAX]          = { "LeasesMax",        EFFECT_NUMBER,  0, COUNT_MAX, NULL },
        [RULE_WAITERS_MAX]         = { "WaitersMax",       EFFECT_NUMBER,  0, COUNT_MAX, NULL },
        [RULE_RATE_PER_SEC]        = { "RatePerSec",       EFFECT_NUMBER,  0, COUNT_MAX, NULL },
        [RULE_TAKE_OVER]           = { "TakeOver",         EFFECT_NAME,    0, 2, take_over_names },
        [RULE_SETTLE_USEC]         = { "SettleSec",        EFFECT_SECONDS, 0, SECONDS(600), NULL },
        [RULE_CACHE_USEC]          = { "Cache",            EFFECT_CACHE,   0, DAY_USEC, NULL },
        [RULE_RECORD]              = { "Record",           EFFECT_BOOL,    0, 1, NULL },
        [RULE_KERNEL_OVERRIDE]     = { "KernelOverride",   EFFECT_BOOL,    0, 1, NULL },
};
/* clang-format on */

int rule_effect_find(const char *key) {
        for (int i = 0; i < N_RULE_EFFECTS; i++)
                if (strcmp(effects[i].key, key) == 0)
                        return i;
        return -EINVAL;
}

static int parse_name(const char *value, const char *const *names, uint64_t *ret) {
        size_t n = 0;
        int i;

        while (names[n])
                n++;
        i = value_parse_name(value, names, n);
        if (i < 0)
                return i;
        *ret = (uint64_t)i;
        return 0;
}

static int parse_bool(const char *value, uint64_t *ret) {
        int b = value_parse_bool(value);

        if (b < 0)
                return b;
        *ret = (uint64_t)b;
        return 0;
}

static int parse_value(RuleEffect effect, const char *value, uint64_t *ret) {
        switch (effects[effect].type) {
        case EFFECT_CACHE:
                if (strcmp(value, "no") == 0) {
                        *ret = 0;
                        return 0;
                }
                return value_parse_usec(value, USEC_PER_SEC, ret);
        case EFFECT_SECONDS:
                return value_parse_usec(value, USEC_PER_SEC, ret);
        case EFFECT_NUMBER:
                return value_parse_u64(value, ret);
        case EFFECT_BOOL:
                return parse_bool(value, ret);
        case EFFECT_NAME:
                return parse_name(value, effects[effect].names, ret);
        }
        return -EINVAL;
}

static int fail_value(RuleEffect effect, const char *value, char *error) {
        char min[VALUE_SECONDS_STR_MAX], max[VALUE_SECONDS_STR_MAX];
        const char *key = effects[effect].key;

        switch (effects[effect].type) {
        case EFFECT_CACHE:
        case EFFECT_SECONDS:
                return ini_fail(error, "%s=%.*s is not %sa time from %s to %s seconds", key, VALUE_PREFIX,
                                value, effects[effect].type == EFFECT_CACHE ? "\"no\" or " : "",
                                value_format_seconds(effects[effect].min, min),
                                value_format_seconds(effects[effect].max, max));
        case EFFECT_NUMBER:
                return ini_fail(error, "%s=%.*s is not a number from %" PRIu64 " to %" PRIu64, key,
                                VALUE_PREFIX, value, effects[effect].min, effects[effect].max);
        case EFFECT_BOOL:
                return ini_fail(error, "%s=%.*s is neither \"yes\" nor \"no\"", key, VALUE_PREFIX, value);
        case EFFECT_NAME:
                return ini_fail(error, "%s=%.*s is none of %s, %s and %s", key, VALUE_PREFIX, value,
                                effects[effect].names[0], effects[effect].names[1],
                                effects[effect].names[2]);
        }
        return -EINVAL;
}

int rule_effect_parse(Rule *rule, RuleEffect effect, const char *value, char *error) {
        uint64_t v = 0;
        int r;

        if (rule->is_set[effect])
                return ini_fail(error, "%s= was given before in this rule", effects[effect].key);
        r = parse_value(effect, value, &v);
        if (r < 0 || v < effects[effect].min || v > effects[effect].max) {
                /* whatever was meant, it was not to take over as usual */
                if (effect == RULE_TAKE_OVER) {
                        rule->is_set[effect] = true;
                        rule->effects[effect] = RULE_TAKE_OVER_NEVER;
                }
                return fail_value(effect, value, error);
        }
        rule->is_set[effect] = true;
        rule->effects[effect] = v;
        return 0;
}

static void print_value(RuleEffect effect, uint64_t v, FILE *f) {
        char seconds[VALUE_SECONDS_STR_MAX];

        switch (effects[effect].type) {
        case EFFECT_CACHE:
        case EFFECT_SECONDS:
                fputs(effects[effect].type == EFFECT_CACHE && v == 0 ? "no"
                                                                     : value_format_seconds(v, seconds),
                      f);
                return;
        case EFFECT_NUMBER:
                fprintf(f, "%" PRIu64, v);
                return;
        case EFFECT_BOOL:
                fputs(v ? "yes" : "no", f);
                return;
        case EFFECT_NAME:
                fputs(effects[effect].names[v], f);
                return;
        }
}

void rule_effects_print(const Rule *rule, FILE *f) {
        for (RuleEffect i = 0; i < N_RULE_EFFECTS; i++) {
                if (!rule->is_set[i])
                        continue;
                fprintf(f, "%s=", effects[i].key);
                print_value(i, rule->effects[i], f);
                fputc('\n', f);
        }
}
