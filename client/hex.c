/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/hex.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "client/memory.h"

#define DUMP_BYTES 16u /* a line */

static int digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

static int is_separator(char c) {
        return isspace((unsigned char)c) || (c && strchr(":,-_", c));
}

/* Separators and "0x" from @s on, which a digit pair follows. */
static const char *skip_separators(const char *s, const char *begin) {
        while (is_separator(*s))
                s++;

        if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && (s == begin || is_separator(s[-1])))
                s += 2;
        return s;
}

int hex_parse(const char *s, uint8_t **ret_bytes, size_t *ret_n_bytes, const char **ret_where) {
        _cleanup_free_ uint8_t *bytes = memory_must(malloc(strlen(s) / 2 + 1));
        const char *p = s;
        size_t n = 0;

        while (*(p = skip_separators(p, s))) {
                if (digit(p[0]) < 0 || digit(p[1]) < 0) {
                        if (ret_where)
                                *ret_where = digit(p[0]) < 0 ? p : p + 1;
                        return -EINVAL;
                }
                bytes[n++] = (uint8_t)(digit(p[0]) << 4 | digit(p[1]));
                p += 2;
        }

        *ret_bytes = bytes;
        bytes = NULL;
        *ret_n_bytes = n;
        return 0;
}

char *hex_format(const void *bytes, size_t n_bytes) {
        static const char digits[] = "0123456789abcdef";
        const uint8_t *b = bytes;
        char *s = memory_must(malloc(2 * n_bytes + 1));

        for (size_t i = 0; i < n_bytes; i++) {
                s[2 * i] = digits[b[i] >> 4];
                s[2 * i + 1] = digits[b[i] & 0xf];
        }
        s[2 * n_bytes] = '\0';
        return s;
}

void hex_dump(FILE *stream, const uint8_t *bytes, size_t n_bytes) {
        const int n_offset_digits = n_bytes > 0x10000 ? 6 : 4;

        for (size_t line = 0; line < n_bytes; line += DUMP_BYTES) {
                size_t n = n_bytes - line < DUMP_BYTES ? n_bytes - line : DUMP_BYTES;

                fprintf(stream, "%0*zx ", n_offset_digits, line);
                for (size_t i = 0; i < DUMP_BYTES; i++) {
                        const char *gap = i % 8 == 0 ? " " : "";

                        if (i < n)
                                fprintf(stream, "%s%02x ", gap, bytes[line + i]);
                        else
                                fprintf(stream, "%s   ", gap);
                }

                fputs(" |", stream);
                for (size_t i = 0; i < n; i++) {
                        uint8_t c = bytes[line + i];

                        fputc(c >= 0x20 && c < 0x7f ? c : '.', stream);
                }
                fputs("|\n", stream);
        }
}
