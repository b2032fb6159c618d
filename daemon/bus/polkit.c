/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus/polkit.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/queue.h>

#include "daemon/util/log.h"

#define POLKIT           "org.freedesktop.PolicyKit1"
#define POLKIT_PATH      "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"

#define CHECK_ALLOW_USER_INTERACTION 0x01u /* of CheckAuthorizationFlags */

#define ID_MAX 32u

struct PolkitQuestion {
        Polkit *polkit;
        uid_t uid;
        char id[ID_MAX]; /* for CancelCheckAuthorization */
        sd_bus_slot *slot;
        PolkitAnswer answer;
        void *userdata;
        LIST_ENTRY(PolkitQuestion) questions;
};

struct Polkit {
        sd_bus *bus;
        uint64_t last_id;
        unsigned n_questions;
        LIST_HEAD(, PolkitQuestion) questions;
};

static const char *const actions[N_POLKIT_ACTIONS] = {
        [POLKIT_EXCHANGE] = "org.doed.exchange",
        [POLKIT_LEASE] = "org.doed.lease",
        [POLKIT_MANAGE] = "org.doed.manage",
        [POLKIT_CAPTURE] = "org.doed.capture",
};

const char *polkit_action_to_string(PolkitAction action) {
        return actions[action];
}

int polkit_action_from_string(const char *s) {
        for (int i = 0; s && i < N_POLKIT_ACTIONS; i++)
                if (strcmp(actions[i], s) == 0)
                        return i;
        return -EINVAL;
}

int polkit_new(sd_bus *bus, Polkit **ret) {
        Polkit *p = calloc(1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        p->bus = bus;
        LIST_INIT(&p->questions);
        *ret = p;
        return 0;
}

Polkit *polkit_free(Polkit *p) {
        free(p);
        return NULL;
}

static PolkitQuestion *question_free(PolkitQuestion *q) {
        sd_bus_slot_unref(q->slot);
        LIST_REMOVE(q, questions);
        q->polkit->n_questions--;
        free(q);
        return NULL;
}

/* -------- the answer -------- */

/* Return: NULL: it is a yes; else why not, which borrows from @reply. */
static const char *read_answer(sd_bus_message *reply) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        int is_authorized, is_challenge;

        if (error)
                return error->message && *error->message ? error->message : error->name;
        if (sd_bus_message_enter_container(reply, 'r', "bba{ss}") < 0 ||
            sd_bus_message_read(reply, "bb", &is_authorized, &is_challenge) < 0)
                return "its answer cannot be read";
        if (is_authorized)
                return NULL;
        return is_challenge ? "authentication is needed, and the call does not allow to ask for it"
                            : "not authorized";
}

/* A dialog that is open is closed. */
static void send_cancel(const PolkitQuestion *q) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

        if (sd_bus_message_new_method_call(q->polkit->bus, &m, POLKIT, POLKIT_PATH, POLKIT_INTERFACE,
                                           "CancelCheckAuthorization") >= 0 &&
            sd_bus_message_set_expect_reply(m, false) >= 0 && sd_bus_message_set_auto_start(m, false) >= 0 &&
            sd_bus_message_append(m, "s", q->id) >= 0)
                (void)sd_bus_send(q->polkit->bus, m, NULL);
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        PolkitQuestion *q = userdata;
        PolkitAnswer answer = q->answer;
        void *answer_userdata = q->userdata;
        const char *why = read_answer(reply);

        if (sd_bus_message_is_method_error(reply, SD_BUS_ERROR_NO_REPLY))
                send_cancel(q);
        question_free(q);
        answer(answer_userdata, !why, why ?: "");
        return 0;
}

/* -------- the question -------- */

static int append_detail(sd_bus_message *m, const char *name, const char *value) {
        return value ? sd_bus_message_append(m, "{ss}", name, value) : 0;
}

/* (sa{sv}) subject, s action, a{ss} details, u flags, s cancellation id */
static int append_question(sd_bus_message *m, PolkitAction action, const PolkitSubject *s, const char *id) {
        int r = sd_bus_message_append(m, "(sa{sv})s", "system-bus-name", 1, "name", "s", s->name,
                                      actions[action]);

        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{ss}");
        if (r >= 0)
                r = append_detail(m, "device", s->device);
        if (r >= 0)
                r = append_detail(m, "feature", s->feature);
        if (r >= 0)
                r = append_detail(m, "rule", s->rule);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_append(m, "us", s->may_interact ? CHECK_ALLOW_USER_INTERACTION : 0u, id);
        return r;
}

static bool has_room(const Polkit *p, uid_t uid) {
        const PolkitQuestion *q;
        unsigned n = 0;

        LIST_FOREACH (q, &p->questions, questions)
                n += q->uid == uid;
        return p->n_questions < POLKIT_QUESTIONS_MAX && n < POLKIT_QUESTIONS_MAX_PER_UID;
}

int polkit_ask(Polkit *p, PolkitAction action, const PolkitSubject *subject, uint64_t timeout_usec,
               PolkitAnswer answer, void *userdata, PolkitQuestion **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        PolkitQuestion *q;
        int r;

        if (!has_room(p, subject->uid))
                return -EDQUOT;
        q = calloc(1, sizeof(*q));
        if (!q)
                return -ENOMEM;
        q->polkit = p;
        q->uid = subject->uid;
        q->answer = answer;
        q->userdata = userdata;
        snprintf(q->id, sizeof(q->id), "doed-%" PRIu64, ++p->last_id);
        LIST_INSERT_HEAD(&p->questions, q, questions);
        p->n_questions++;

        r = sd_bus_message_new_method_call(p->bus, &m, POLKIT, POLKIT_PATH, POLKIT_INTERFACE,
                                           "CheckAuthorization");
        if (r >= 0)
                r = append_question(m, action, subject, q->id);
        if (r >= 0)
                r = sd_bus_call_async(p->bus, &q->slot, m, on_reply, q, timeout_usec);
        if (r < 0) {
                question_free(q);
                return r;
        }
        log_debug("Asking polkit whether %s may %s (%s)", subject->name, actions[action], q->id);
        *ret = q;
        return 0;
}

PolkitQuestion *polkit_cancel(PolkitQuestion *q) {
        if (!q)
                return NULL;
        send_cancel(q);
        return question_free(q);
}
