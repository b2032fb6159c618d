/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Configurations made of a text, on a host of known accounts: this stands in for getpwnam_r() and
 * getgrnam_r(). */

#include "daemon/config/config.h"
#include "daemon/config/rule-set.h"

#define FIXTURE_UID_ALICE 1000u
#define FIXTURE_UID_BOB   1001u
#define FIXTURE_GID_DOE   700u
#define FIXTURE_GID_OPS   800u
#define FIXTURE_UID_OWNER 990u /* that doed runs as */

extern bool fixture_has_group_doe;

/* The text, as file "f.conf", and the shipped rules. Asserts that there is memory. */
Config *fixture_load(const char *text);
/* Its first error, "" if there is none. */
const char *fixture_error(const Config *config);
/* config_dump(); free it. */
char *fixture_dump(const Config *config);
/* What the rules say to table access by that uid, of the device 0000:3a:00.0. @ret_rule: which rule, "" for
 * none. */
RuleVerdict fixture_judge(const Config *config, uid_t uid, const char **ret_rule);
