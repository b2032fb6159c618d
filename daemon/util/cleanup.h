/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Cleanup attributes for locals, and hand-over of what they own. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _cleanup_(f)   __attribute__((cleanup(f)))
#define _unused_       __attribute__((unused))
#define _printf_(a, b) __attribute__((format(printf, a, b)))

#define DEFINE_CLEANUP(type, func)                                                                          \
        static inline void func##p(type *p) {                                                               \
                if (*p)                                                                                     \
                        func(*p);                                                                           \
        }                                                                                                   \
        struct __##func##_needs_semicolon

#define TAKE_PTR(p)                                                                                         \
        ({                                                                                                  \
                __typeof__(p) _take_ = (p);                                                                 \
                (p) = NULL;                                                                                 \
                _take_;                                                                                     \
        })
#define TAKE_FD(fd)                                                                                         \
        ({                                                                                                  \
                int _take_ = (fd);                                                                          \
                (fd) = -EBADF;                                                                              \
                _take_;                                                                                     \
        })

#define ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))
#define MIN_OF(a, b)                                                                                        \
        ({                                                                                                  \
                __typeof__(a) _a_ = (a);                                                                    \
                __typeof__(b) _b_ = (b);                                                                    \
                _a_ < _b_ ? _a_ : _b_;                                                                      \
        })
#define MAX_OF(a, b)                                                                                        \
        ({                                                                                                  \
                __typeof__(a) _a_ = (a);                                                                    \
                __typeof__(b) _b_ = (b);                                                                    \
                _a_ > _b_ ? _a_ : _b_;                                                                      \
        })

static inline void freep(void *p) {
        free(*(void **)p);
}

static inline void closep(int *fd) {
        if (*fd >= 0)
                close(*fd);
}

static inline void fclosep(FILE **f) {
        if (*f)
                fclose(*f);
}

#define _cleanup_free_  _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
#define _cleanup_file_  _cleanup_(fclosep)
