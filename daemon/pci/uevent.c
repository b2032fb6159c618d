/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/uevent.h"

#include <errno.h>
#include <string.h>

#include "daemon/util/cleanup.h"
#include "daemon/wire/message.h"

static int take_word(char **line, char *buf, size_t size) {
        char *word = strsep(line, " ");

        if (!word || !word[0] || strlen(word) >= size)
                return -EBADMSG;
        strcpy(buf, word);
        return 0;
}

static void take_key(const char *word, const char *key, char *buf) {
        size_t n = strlen(key);

        if (strncmp(word, key, n) == 0 && word[n] == '=')
                snprintf(buf, UEVENT_WORD_MAX, "%s", word + n + 1);
}

int uevent_parse(char *line, Uevent *ret) {
        Uevent event = {};
        char *word;

        if (take_word(&line, event.action, sizeof(event.action)) < 0 ||
            take_word(&line, event.devpath, sizeof(event.devpath)) < 0 ||
            take_word(&line, event.subsystem, sizeof(event.subsystem)) < 0 || event.devpath[0] != '/')
                return -EBADMSG;
        while ((word = strsep(&line, " "))) {
                take_key(word, "DRIVER", event.driver);
                take_key(word, "ERROR_EVENT", event.error_event);
        }
        *ret = event;
        return 0;
}

const char *uevent_name(const Uevent *event) {
        const char *slash = strrchr(event->devpath, '/');

        return slash ? slash + 1 : event->devpath;
}

bool uevent_address(const Uevent *event, char *buf) {
        char path[UEVENT_PATH_MAX], *rest = path, *component;
        bool is_found = false;

        strcpy(path, event->devpath);
        while ((component = strsep(&rest, "/")))
                if (wire_address_is_valid(component) && strlen(component) < WIRE_ADDRESS_MAX) {
                        strcpy(buf, component);
                        is_found = true;
                }
        return is_found;
}
