/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/text.h"

#include <langinfo.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "client/memory.h"

#define WORD_MAX 32u

char *text_clean(const char *s) {
        char *clean = memory_copy(s);

        for (unsigned char *p = (unsigned char *)clean; *p; p++) {
                if (*p < 0x20 || *p == 0x7f)
                        *p = '?';
                else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) /* U+0080 to U+009F */
                        p[0] = p[1] = '?';
        }
        return clean;
}

static bool is_continuation(char c) {
        return ((unsigned char)c & 0xc0) == 0x80;
}

size_t text_width(const char *s) {
        size_t n = 0;

        for (; *s; s++)
                n += !is_continuation(*s);
        return n;
}

/* Bytes of the first @width characters. */
static size_t bytes_of_width(const char *s, size_t width) {
        size_t i = 0, n = 0;

        for (; s[i]; i++)
                if (!is_continuation(s[i]) && n++ == width)
                        break;
        return i;
}

static const char *ellipsis(void) {
        return strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? "\xe2\x80\xa6" : "...";
}

char *text_elide(const char *s, size_t width) {
        const char *mark = ellipsis();
        size_t n_mark = text_width(mark);

        if (text_width(s) <= width)
                return memory_copy(s);
        if (width <= n_mark)
                return memory_format("%.*s", (int)bytes_of_width(mark, width), mark);

        return memory_format("%.*s%s", (int)bytes_of_width(s, width - n_mark), s, mark);
}

char *text_elide_list(const char *list, size_t width) {
        size_t n_elements = 1, n_kept = 0;
        char *best = NULL;

        if (text_width(list) <= width)
                return memory_copy(list);

        for (const char *p = list; *p; p++)
                n_elements += *p == ',';

        for (const char *comma = list; (comma = strchr(comma, ',')); comma++) {
                char *s;

                n_kept++;
                s = memory_format("%.*s,+%zu", (int)(comma - list), list, n_elements - n_kept);
                if (text_width(s) > width) {
                        free(s);
                        break;
                }
                free(best);
                best = s;
        }
        return best ?: text_elide(list, width);
}

static size_t min_of(size_t a, size_t b) {
        return a < b ? a : b;
}

size_t text_distance(const char *a, const char *b) {
        size_t d[WORD_MAX + 1][WORD_MAX + 1];
        size_t n = strlen(a), m = strlen(b);

        if (n >= WORD_MAX || m >= WORD_MAX)
                return SIZE_MAX;

        for (size_t i = 0; i <= n; i++)
                d[i][0] = i;
        for (size_t j = 0; j <= m; j++)
                d[0][j] = j;

        for (size_t i = 1; i <= n; i++)
                for (size_t j = 1; j <= m; j++) {
                        d[i][j] = min_of(d[i - 1][j] + 1, d[i][j - 1] + 1);
                        d[i][j] = min_of(d[i][j], d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                                d[i][j] = min_of(d[i][j], d[i - 2][j - 2] + 1);
                }
        return d[n][m];
}
