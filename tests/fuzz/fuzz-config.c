/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The input is a configuration file. Whatever is in it, the shipped rules stand last, and what is in force
 * can be printed and read again without an error. */

#include <stdlib.h>
#include <string.h>

#include "daemon/config/config.h"
#include "daemon/config/loader.h"
#include "daemon/config/rule-set.h"
#include "tests/fuzz/fuzz.h"

static Config *load(const char *text, size_t n_bytes) {
        ConfigLoader l;
        Config *config;

        if (loader_init(&l) < 0 || loader_read(&l, "fuzz", text, n_bytes) < 0 ||
            loader_finish(&l, &config) < 0)
                abort();
        loader_done(&l);
        return config;
}

static void judge(const Config *config, const Config *again) {
        const RuleSubject s = { .has_caller = true,
                                .address = "0000:3a:00.0",
                                .has_feature = true,
                                .feature_vendor_id = 0x1e98,
                                .class = DOE_CLASS_DESTRUCTIVE,
                                .opcode = 6 };
        RuleOutcome one, other;

        rules_judge(config->rules, &s, &one);
        rules_judge(again->rules, &s, &other);
        if (one.verdict != other.verdict || memcmp(one.effects, other.effects, sizeof(one.effects)) != 0)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Config *config = load((const char *)data, size), *again;
        char *dump = NULL;
        size_t n_bytes;
        FILE *f = open_memstream(&dump, &n_bytes);

        if (!f)
                abort();
        config_dump(config, f);
        fclose(f);
        again = load(dump, n_bytes);
        if (again->n_errors > 0 || memcmp(&config->limits, &again->limits, sizeof(Limits)) != 0)
                abort();
        judge(config, again);
        config_free(config);
        config_free(again);
        free(dump);
        return 0;
}
