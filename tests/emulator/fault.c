/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/emulator/fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/util/cleanup.h"
#include "protocols/data-object.h"
#include "protocols/feature.h"
#include "tests/emulator/number.h"

#define PPM 1000000u

typedef enum ArgumentKind {
        ARGUMENT_NONE,
        ARGUMENT_TIME,
        ARGUMENT_NUMBER,
        ARGUMENT_FEATURE,
} ArgumentKind;

#define AT(point) (1u << (FAULT_AT_##point))
#define AT_ANY    ((1u << N_FAULT_POINTS) - 1)

static const struct {
        const char *name, *help;
} points[N_FAULT_POINTS] = {
        [FAULT_AT_BOOT] = { "boot", "at power-up, and again after each reset" },
        [FAULT_AT_NOW] = { "now", "at the next access to a register of the mailbox" },
        [FAULT_AT_SEND] = { "send", "as a dword of the request is written (`dword=`, else the first)" },
        [FAULT_AT_GO] = { "go", "as GO is written" },
        [FAULT_AT_READY] = { "ready", "as the response is about to be shown" },
        [FAULT_AT_READ] = { "read", "as a dword of the response is read for the first time (`dword=`, else "
                                    "the first)" },
        [FAULT_AT_END] = { "end", "after the last dword of the response was popped" },
        [FAULT_AT_ABORT] = { "abort", "as Abort is written" },
};

static const struct {
        const char *name;
        ArgumentKind argument;
        bool is_optional;
        unsigned at; /* points where it means something */
        const char *help;
} actions[N_FAULT_ACTIONS] = {
        [FAULT_STAY_BUSY] = { "stay-busy", ARGUMENT_TIME, false, AT_ANY & ~AT(READ),
                              "Busy stays set for TIME; at `go` the answer, at `abort` the end of the abort "
                              "waits for it" },
        [FAULT_LATE] = { "late", ARGUMENT_TIME, false, AT(GO),
                         "Ready comes TIME later; Busy does what the device always does" },
        [FAULT_HANG] = { "hang", ARGUMENT_NONE, false, AT(GO) | AT(ABORT),
                         "no answer ever, Busy stays set; at `abort` the abort never ends" },
        [FAULT_DISCARD] = { "discard", ARGUMENT_NONE, false, AT(GO),
                            "the request is dropped in silence: Busy clears and Ready never comes" },
        [FAULT_SET_ERROR] = { "set-error", ARGUMENT_NONE, false, AT_ANY,
                              "the Error bit is set, and what was under way is lost" },
        [FAULT_LENGTH] = { "length", ARGUMENT_NUMBER, false, AT(GO),
                           "the length field of the response says N dwords (0 = 2^18); the object stays as "
                           "it is" },
        [FAULT_RESIZE] = { "resize", ARGUMENT_NUMBER, false, AT(GO),
                           "the response is cut or filled with zeros to N dwords, and its length says so" },
        [FAULT_FEATURE] = { "feature", ARGUMENT_FEATURE, false, AT(GO),
                            "the response carries vendor and type of VVVV:TT" },
        [FAULT_RESERVED] = { "reserved", ARGUMENT_NONE, false, AT(GO),
                             "all reserved bits of the response's header are set" },
        [FAULT_GARBAGE] = { "garbage", ARGUMENT_NONE, false, AT(GO),
                            "the response's payload is random; the header is right" },
        [FAULT_ALL_ONES] = { "all-ones", ARGUMENT_TIME, false, AT_ANY,
                             "for TIME every read of the function gives all-ones, and writes are lost" },
        [FAULT_VANISH] = { "vanish", ARGUMENT_NONE, false, AT_ANY,
                           "the function is unplugged: all-ones, then the kernel removes it" },
        [FAULT_STEAL] = { "steal", ARGUMENT_NUMBER, true, AT(READY) | AT(READ),
                          "another agent pops N dwords of the response, or all of it" },
        [FAULT_FOREIGN_ABORT] = { "foreign-abort", ARGUMENT_NONE, false, AT_ANY,
                                  "another agent writes Abort" },
        [FAULT_FOREIGN_EXCHANGE] = { "foreign-exchange", ARGUMENT_TIME, false, AT_ANY,
                                     "another agent runs an exchange: Busy for half of TIME, its answer in "
                                     "Ready for the other half; what was under way is lost" },
        [FAULT_FOREIGN_LEAVE] = { "foreign-leave", ARGUMENT_NONE, false, AT_ANY,
                                  "another agent runs an exchange and never reads its answer" },
        [FAULT_RESET] = { "reset", ARGUMENT_NONE, false, AT_ANY & ~AT(BOOT),
                          "the function is reset: registers, objects and SPDM sessions are gone" },
        [FAULT_FORGET] = { "forget", ARGUMENT_NONE, false, AT_ANY,
                           "the SPDM responder forgets its connections and sessions" },
        [FAULT_NOT_READY] = { "not-ready", ARGUMENT_NUMBER, false, AT(GO),
                              "the SPDM responder says ResponseNotReady, asks for 2^N us, and keeps the "
                              "answer for RESPOND_IF_READY" },
};

static int set_nth(Fault *f, const char *s) {
        return number_parse(s, UINT32_MAX, &f->nth);
}

static int set_every(Fault *f, const char *s) {
        return number_parse(s, UINT32_MAX, &f->every);
}

static int set_feature(Fault *f, const char *s) {
        f->has_feature = true;
        return doe_feature_parse(s, &f->vendor_id, &f->type);
}

static int set_dword(Fault *f, const char *s) {
        uint64_t value;
        int r;

        if (f->point != FAULT_AT_SEND && f->point != FAULT_AT_READ)
                return -EINVAL;
        r = number_parse(s, DOE_OBJECT_DWORDS_MAX - 1, &value);
        if (r >= 0)
                f->dword = (uint32_t)value;
        return r;
}

static int set_probability(Fault *f, const char *s) {
        char *end;
        double p = strtod(s, &end);

        if (end == s || *end || !(p >= 0 && p <= 1))
                return -EINVAL;
        f->probability_ppm = (uint32_t)(p * PPM + 0.5);
        return 0;
}

static int set_count(Fault *f, const char *s) {
        return number_parse(s, UINT32_MAX, &f->count);
}

static const struct {
        const char *name;
        int (*set)(Fault *f, const char *s);
        const char *help;
} selectors[] = {
        { "nth", set_nth, "the Nth exchange of the mailbox only, counted from 1" },
        { "every", set_every, "each Nth exchange of the mailbox" },
        { "feature", set_feature, "exchanges of this feature only, VVVV:TT or a known name" },
        { "dword", set_dword, "this dword of the object, counted from 0 (0 and 1 are its header)" },
        { "probability", set_probability, "0 to 1, by the scenario's seed" },
        { "count", set_count, "N times at most" },
};

static int parse_selector(Fault *f, char *word, char *error) {
        char *value = strchr(word, '=');

        *value++ = '\0';
        for (size_t i = 0; i < ELEMENTS(selectors); i++)
                if (strcmp(word, selectors[i].name) == 0) {
                        if (selectors[i].set(f, value) >= 0)
                                return 0;
                        snprintf(error, FAULT_ERROR_MAX, "'%.60s' is no value for %s= here", value, word);
                        return -EINVAL;
                }
        snprintf(error, FAULT_ERROR_MAX, "no selector is named '%.60s'", word);
        return -EINVAL;
}

static int parse_argument(Fault *f, const char *word, char *error) {
        ArgumentKind kind = actions[f->action].argument;
        uint16_t vendor_id;
        uint64_t number;
        uint8_t type;
        int r = -EINVAL;

        if (!word && (kind == ARGUMENT_NONE || actions[f->action].is_optional))
                return 0;
        if (word && kind == ARGUMENT_TIME) {
                r = number_parse_usec(word, &f->usec);
        } else if (word && kind == ARGUMENT_NUMBER) {
                r = number_parse(word, DOE_OBJECT_DWORDS_MAX, &number);
                f->value = r < 0 ? 0 : (uint32_t)number;
        } else if (word && kind == ARGUMENT_FEATURE) {
                r = doe_feature_parse(word, &vendor_id, &type);
                f->value = r < 0 ? 0 : (uint32_t)type << 16 | vendor_id;
        }
        if (r < 0)
                snprintf(error, FAULT_ERROR_MAX, "'%.60s' is no argument for %s", word ?: "",
                         actions[f->action].name);
        return r;
}

static int parse_point(Fault *f, const char *word, char *error) {
        for (size_t i = 0; word && i < N_FAULT_POINTS; i++)
                if (strcmp(word, points[i].name) == 0) {
                        f->point = (FaultPoint)i;
                        return 0;
                }
        snprintf(error, FAULT_ERROR_MAX, "'%.60s' is not where a fault can happen", word ?: "");
        return -EINVAL;
}

static int parse_action(Fault *f, const char *word, char *error) {
        for (size_t i = 0; word && i < N_FAULT_ACTIONS; i++)
                if (strcmp(word, actions[i].name) == 0) {
                        f->action = (FaultAction)i;
                        if (actions[i].at & (1u << f->point))
                                return 0;
                        snprintf(error, FAULT_ERROR_MAX, "%s means nothing at %s", word,
                                 points[f->point].name);
                        return -EINVAL;
                }
        snprintf(error, FAULT_ERROR_MAX, "no action is named '%.60s'", word ?: "");
        return -EINVAL;
}

int fault_parse(const char *row, Fault *ret, char *error) {
        Fault f = { .probability_ppm = PPM };
        _cleanup_free_ char *copy = strdup(row);
        char *rest = copy, *word;
        int r;

        if (!copy)
                return -ENOMEM;
        r = parse_point(&f, word_next(&rest), error);
        if (r < 0)
                return r;
        if (f.point == FAULT_AT_NOW)
                f.count = 1; /* "now" is once, unless count= says otherwise */

        for (word = word_next(&rest); word && strchr(word, '='); word = word_next(&rest)) {
                r = parse_selector(&f, word, error);
                if (r < 0)
                        return r;
        }
        r = parse_action(&f, word, error);
        if (r < 0)
                return r;
        r = parse_argument(&f, word_next(&rest), error);
        if (r < 0)
                return r;
        if (word_next(&rest)) {
                snprintf(error, FAULT_ERROR_MAX, "more after the argument of %s", actions[f.action].name);
                return -EINVAL;
        }
        *ret = f;
        return 0;
}

int fault_set_add(FaultSet *set, const Fault *fault) {
        if (set->n_rows >= FAULTS_MAX)
                return -ENOSPC;
        set->rows[set->n_rows++] = *fault;
        return 0;
}

static bool fault_applies(const Fault *f, const FaultMoment *m) {
        if (f->point != m->point || (f->count > 0 && f->n_fired >= f->count))
                return false;
        if ((f->nth > 0 && f->nth != m->exchange) || (f->every > 0 && m->exchange % f->every != 0))
                return false;
        if ((f->point == FAULT_AT_SEND || f->point == FAULT_AT_READ) && f->dword != m->dword)
                return false;
        return !f->has_feature || (m->has_feature && f->vendor_id == m->vendor_id && f->type == m->type);
}

const Fault *fault_set_next(FaultSet *set, size_t *i, const FaultMoment *moment, Random *random) {
        while (*i < set->n_rows) {
                Fault *f = &set->rows[(*i)++];

                /* one number for each row that applies, so that one row does not shift another's luck */
                if (fault_applies(f, moment) && random_next(random) % PPM < f->probability_ppm) {
                        f->n_fired++;
                        return f;
                }
        }
        return NULL;
}

const char *fault_point_get(size_t i, const char **ret_help) {
        if (i >= ELEMENTS(points))
                return NULL;
        *ret_help = points[i].help;
        return points[i].name;
}

const char *fault_action_get(size_t i, const char **ret_help) {
        if (i >= ELEMENTS(actions))
                return NULL;
        *ret_help = actions[i].help;
        return actions[i].name;
}

const char *fault_selector_get(size_t i, const char **ret_help) {
        if (i >= ELEMENTS(selectors))
                return NULL;
        *ret_help = selectors[i].help;
        return selectors[i].name;
}
