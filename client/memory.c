/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/memory.h"

#include <stdarg.h>
#include <string.h>

#include "dbus/errors.h"

void *memory_must(void *p) {
        if (!p) {
                fputs("doectl: Out of memory\n", stderr);
                exit(DOE_EXIT_FAILED);
        }
        return p;
}

char *memory_format(const char *format, ...) {
        char *s = NULL;
        va_list args;
        int n;

        va_start(args, format);
        n = vasprintf(&s, format, args);
        va_end(args);
        return memory_must(n < 0 ? NULL : s);
}

char *memory_copy(const char *s) {
        return memory_must(strdup(s));
}
