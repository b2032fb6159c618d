/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sys/stat.h>

#include "daemon/config/config.h"
#include "daemon/util/ini.h"
#include "tests/unit/config-fixture.h"
#include "tests/unit/suite.h"
#include "tests/unit/temporary-tree.h"

static Config *load_tree(bool only_of_root) {
        char etc[2 * TREE_PATH_MAX], run[2 * TREE_PATH_MAX], usr[2 * TREE_PATH_MAX];
        const char *const folders[] = { etc, run, usr, NULL };
        const ConfigPlaces places = { .folders = folders, .only_of_root = only_of_root };
        Config *c;

        snprintf(etc, sizeof(etc), "%s/etc", tree_root);
        snprintf(run, sizeof(run), "%s/run", tree_root);
        snprintf(usr, sizeof(usr), "%s/usr", tree_root);
        ck_assert_int_eq(config_load(&places, &c), 0);
        return c;
}

START_TEST(no_file_at_all_is_the_default) {
        Config *c;

        tree_make();
        c = load_tree(true);
        ck_assert_str_eq(fixture_error(c), "");
        ck_assert_int_eq(memcmp(&c->limits, &limits_default, sizeof(Limits)), 0);
        config_free(c);
        tree_remove();
}
END_TEST

/* The rules of files, joined by blanks. */
static const char *rule_names(const Config *c) {
        static char names[256];

        names[0] = '\0';
        for (size_t i = 0; i < c->rules->n_rules; i++)
                if (strncmp(c->rules->rules[i]->source, "built-in", 8) != 0)
                        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s",
                                 *names ? " " : "", c->rules->rules[i]->name);
        return names;
}

START_TEST(drop_ins_follow_by_name_and_hide_those_of_later_folders) {
        const char *rule;
        Config *c;

        tree_make();
        tree_write("etc/doed.conf", "[Limits]\nQueueMax=1\n[Rule main]\nUser=77\nVerdict=deny\n");
        tree_write("run/doed.conf", "[Rule not-read]\nVerdict=deny\n");
        tree_write("usr/doed.conf.d/10-first.conf",
                   "[Limits]\nQueueMax=2\n[Rule first]\nUser=77\nVerdict=deny\n");
        tree_write("etc/doed.conf.d/50-same.conf", "[Rule same-etc]\nUser=77\nVerdict=deny\n");
        tree_write("run/doed.conf.d/50-same.conf", "[Rule same-run]\nVerdict=deny\n");
        tree_write("run/doed.conf.d/60-hidden.conf", "");
        tree_write("usr/doed.conf.d/60-hidden.conf", "[Rule hidden]\nVerdict=deny\n");
        ck_assert_int_eq(symlink("/dev/null", tree_path("run/doed.conf.d/70-null.conf")), 0);
        tree_write("usr/doed.conf.d/70-null.conf", "[Rule nulled]\nVerdict=deny\n");
        tree_write("etc/doed.conf.d/90-last.conf", "[Rule last]\nUser=77\nVerdict=deny\n");
        tree_write("etc/doed.conf.d/95-other.conf~", "[Rule other]\nVerdict=deny\n");
        tree_write("etc/doed.conf.d/.96-dot.conf", "[Rule dot]\nVerdict=deny\n");
        c = load_tree(false);
        ck_assert_str_eq(fixture_error(c), "");
        ck_assert_str_eq(rule_names(c), "main first same-etc last");
        ck_assert_uint_eq(c->limits.queue_max, 2);
        ck_assert_int_eq(fixture_judge(c, 0, &rule), RULE_ALLOW);
        config_free(c);
        tree_remove();
}
END_TEST

START_TEST(a_file_that_cannot_be_read_denies_in_its_place) {
        char *large = calloc(1, INI_BYTES_MAX + 1);
        const char *rule;
        Config *c;

        tree_make();
        memset(large, '\n', INI_BYTES_MAX + 1);
        tree_write("etc/doed.conf.d/10-a.conf", "[Rule a]\nUser=alice\nVerdict=allow\n");
        tree_write_bytes("etc/doed.conf.d/20-b.conf", large, INI_BYTES_MAX + 1);
        tree_fifo("etc/doed.conf.d/30-c.conf");
        free(large);
        c = load_tree(false);
        ck_assert_uint_eq(c->n_errors, 2);
        ck_assert_ptr_nonnull(strstr(c->errors[0], "20-b.conf: cannot be read: File too large"));
        ck_assert_ptr_nonnull(strstr(c->errors[1], "30-c.conf: is not a file"));
        ck_assert(c->has_wrong_rule);
        ck_assert_int_eq(fixture_judge(c, FIXTURE_UID_ALICE, &rule), RULE_ALLOW);
        ck_assert_int_eq(fixture_judge(c, 0, &rule), RULE_DENY);
        ck_assert_str_eq(rule, "unreadable-file@2");
        config_free(c);
        tree_remove();
}
END_TEST

START_TEST(files_that_are_not_roots_alone_are_ignored_where_it_matters) {
        const char *rule;
        Config *c;

        tree_make();
        tree_write("etc/doed.conf", "[Rule a]\nVerdict=deny\n");
        tree_write("etc/doed.conf.d/10-a.conf", "[Rule b]\nVerdict=deny\n");
        tree_chmod("etc/doed.conf", 0646);
        tree_chmod("etc/doed.conf.d/10-a.conf", 0664);
        c = load_tree(true);
        ck_assert_uint_eq(c->n_errors, 2);
        ck_assert_ptr_nonnull(strstr(c->errors[0],
                                     "etc/doed.conf: is not root's, or others may write it, ignoring it"));
        ck_assert(!c->has_wrong_rule);
        ck_assert_int_eq(fixture_judge(c, 0, &rule), RULE_ALLOW);
        config_free(c);
        c = load_tree(false);
        ck_assert_str_eq(fixture_error(c), "");
        ck_assert_int_eq(fixture_judge(c, 0, &rule), RULE_DENY);
        config_free(c);

        tree_chmod("etc/doed.conf", 0644);
        tree_chmod("etc/doed.conf.d/10-a.conf", 0600);
        c = load_tree(true);
        ck_assert_uint_eq(c->n_errors, geteuid() == 0 ? 0 : 2);
        config_free(c);
        if (geteuid() == 0) {
                ck_assert_int_eq(chown(tree_path("etc/doed.conf"), FIXTURE_UID_ALICE, 0), 0);
                c = load_tree(true);
                ck_assert_uint_eq(c->n_errors, 1);
                config_free(c);
        }
        tree_remove();
}
END_TEST

DEFINE_SUITE("config-files", no_file_at_all_is_the_default,
             drop_ins_follow_by_name_and_hide_those_of_later_folders,
             a_file_that_cannot_be_read_denies_in_its_place,
             files_that_are_not_roots_alone_are_ignored_where_it_matters)
