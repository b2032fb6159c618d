/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/ide-watch.h"

#include <string.h>

#include "daemon/util/cleanup.h"
#include "daemon/util/clock.h"

void ide_watch_init(IdeWatch *w, Host *host, const char *address, ConfigSpace *config) {
        size_t n = strlen(address);

        *w = (IdeWatch){ .config = config };
        if (n == 0 || address[n - 1] == '0')
                return;
        wire_text_set(w->manager_address, sizeof(w->manager_address), address);
        w->manager_address[n - 1] = '0';
        config_guard_init(&w->manager, host, w->manager_address);
}

void ide_watch_done(IdeWatch *w) {
        if (w->manager_address[0])
                config_guard_done(&w->manager);
}

/* What cannot be read says nothing: a function that is away has no session either. */
static void look(IdeWatch *w, char *evidence, size_t size) {
        size_t n;

        if (ide_find_secure(w->config, &w->capability, evidence, size) == 0 && evidence[0])
                return;
        evidence[0] = '\0';
        if (!w->manager_address[0])
                return;
        if (ide_find_secure(&w->manager.config, &w->manager_capability, evidence, size) < 0)
                evidence[0] = '\0';
        n = strlen(evidence);
        if (n > 0)
                snprintf(evidence + n, size - n, " on %s", w->manager_address);
}

bool ide_watch_look(IdeWatch *w, uint64_t age_usec) {
        uint64_t now_usec = w->config->now_usec(w->config);
        char was[sizeof(w->evidence)];

        if (w->seen_usec > 0 && usec_sub(now_usec, w->seen_usec) < age_usec)
                return false;
        memcpy(was, w->evidence, sizeof(was));
        look(w, w->evidence, sizeof(w->evidence));
        w->seen_usec = MAX_OF(now_usec, UINT64_C(1));
        return strcmp(was, w->evidence) != 0;
}
