/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The default policy, as text of rules. */

#define SHIPPED_FILE "built-in"

extern const char shipped_rules[];
