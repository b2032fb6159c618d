/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The files of a configuration: which there are, which of them count, and in which order. */

#include "daemon/config/config.h"
#include "daemon/config/loader.h"

#define CONFIG_FILE     "doed.conf"
#define CONFIG_DROP_INS "doed.conf.d"
#define DROP_INS_MAX    256u

/* Return: 0; -ENOMEM. What cannot be read is in the loader's errors. */
int config_files_read(const ConfigPlaces *places, ConfigLoader *l);
