/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/config/config.h"

#include "daemon/config/config-files.h"
#include "daemon/config/loader.h"
#include "daemon/config/rule-set.h"

int config_load(const ConfigPlaces *places, Config **ret) {
        ConfigLoader l;
        int r;

        r = loader_init(&l);
        if (r >= 0)
                r = config_files_read(places, &l);
        if (r >= 0)
                r = loader_finish(&l, ret);
        loader_done(&l);
        return r;
}

Config *config_free(Config *config) {
        if (!config)
                return NULL;
        for (size_t i = 0; i < N_LIMITS; i++)
                free(config->limit_sources[i]);
        for (size_t i = 0; i < config->n_errors; i++)
                free(config->errors[i]);
        free(config->errors);
        free(config->log_level_source);
        rules_free(config->rules);
        free(config);
        return NULL;
}
