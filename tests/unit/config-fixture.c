/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/config-fixture.h"

#include <check.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>

#include "daemon/config/loader.h"

bool fixture_has_group_doe = true;

int getpwnam_r(const char *name, struct passwd *user, char *buffer, size_t n_bytes, struct passwd **ret) {
        static const struct {
                const char *name;
                uid_t uid;
        } users[] = { { "root", 0 }, { "alice", FIXTURE_UID_ALICE }, { "bob", FIXTURE_UID_BOB } };

        *ret = NULL;
        /* as long as the real ones may be */
        if (n_bytes < 8192)
                return ERANGE;
        for (size_t i = 0; i < ELEMENTS(users); i++)
                if (strcmp(users[i].name, name) == 0) {
                        *user = (struct passwd){ .pw_uid = users[i].uid };
                        *ret = user;
                }
        return 0;
}

int getgrnam_r(const char *name, struct group *group, char *buffer, size_t n_bytes, struct group **ret) {
        *ret = NULL;
        if (strcmp(name, "ops") == 0)
                *group = (struct group){ .gr_gid = FIXTURE_GID_OPS };
        else if (strcmp(name, "doe") == 0 && fixture_has_group_doe)
                *group = (struct group){ .gr_gid = FIXTURE_GID_DOE };
        else
                return 0;
        *ret = group;
        return 0;
}

Config *fixture_load(const char *text) {
        ConfigLoader l;
        Config *config = NULL;

        ck_assert_int_eq(loader_init(&l), 0);
        ck_assert_int_eq(loader_read(&l, "f.conf", text, strlen(text)), 0);
        ck_assert_int_eq(loader_finish(&l, &config), 0);
        loader_done(&l);
        return config;
}

const char *fixture_error(const Config *config) {
        return config->n_errors > 0 ? config->errors[0] : "";
}

char *fixture_dump(const Config *config) {
        char *text = NULL;
        size_t n_bytes;
        FILE *f = open_memstream(&text, &n_bytes);

        ck_assert_ptr_nonnull(f);
        config_dump(config, f);
        fclose(f);
        return text;
}

RuleVerdict fixture_judge(const Config *c, uid_t uid, const char **ret_rule) {
        const RuleSubject s = { .has_caller = true,
                                .uid = uid,
                                .address = "0000:3a:00.0",
                                .has_feature = true,
                                .feature_vendor_id = 0x1e98,
                                .feature_type = 0x02,
                                .class = DOE_CLASS_READ,
                                .opcode = 0 };
        RuleOutcome o;

        rules_judge(c->rules, &s, &o);
        *ret_rule = o.rule ? rule_name(o.rule) : "";
        return o.verdict;
}
