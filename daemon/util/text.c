/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/util/text.h"

#include <stdint.h>
#include <string.h>

#include "daemon/util/cleanup.h"

#define CUT_MARK "..."

/* Length in bytes of the character at @s, 0 if it is none or a control character. RFC 3629. */
static size_t character_length(const uint8_t *s, size_t n_bytes) {
        static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
        size_t n = s[0] < 0x80 ? 1 : (s[0] & 0xe0) == 0xc0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : 4;
        uint32_t code;

        if (n == 1)
                return s[0] >= 0x20 && s[0] != 0x7f ? 1 : 0;
        if (n > n_bytes || (n == 4 && (s[0] & 0xf8) != 0xf0))
                return 0;
        code = s[0] & (0xffu >> (n + 1));
        for (size_t i = 1; i < n; i++) {
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
                code = code << 6 | (s[i] & 0x3f);
        }
        if (code < smallest[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) || code < 0xa0)
                return 0;
        return n;
}

bool text_is_good(const char *s, size_t n_bytes) {
        for (size_t i = 0, n; i < n_bytes; i += n) {
                n = character_length((const uint8_t *)s + i, n_bytes - i);
                if (n == 0)
                        return false;
        }
        return true;
}

void text_set(char *field, size_t size, const char *s) {
        size_t n_mark = size > strlen(CUT_MARK) ? strlen(CUT_MARK) : 0;
        size_t n_bytes = strlen(s), n_out = 0, n_cut = 0;

        for (size_t n; n_out < n_bytes; n_out += MAX_OF(n, (size_t)1)) {
                n = character_length((const uint8_t *)s + n_out, n_bytes - n_out);
                if (n_out + MAX_OF(n, (size_t)1) >= size)
                        break;
                if (n == 0)
                        field[n_out] = '?';
                else
                        memcpy(field + n_out, s + n_out, n);
                if (n_out + MAX_OF(n, (size_t)1) + n_mark < size)
                        n_cut = n_out + MAX_OF(n, (size_t)1);
        }
        if (n_out < n_bytes) {
                n_out = n_cut + n_mark;
                memcpy(field + n_cut, CUT_MARK, n_mark);
        }
        field[n_out] = '\0';
}
