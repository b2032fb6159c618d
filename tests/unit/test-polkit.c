/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus/polkit.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "daemon/util/clock.h"
#include "tests/unit/suite.h"

#define LONG_USEC  (60 * USEC_PER_SEC)
#define N_SEEN_MAX 128u

/* Both ends of a connection without a bus: doed's, and that of an authority that notes what it hears. */
typedef struct Fixture {
        sd_bus *bus, *authority;
        Polkit *polkit;
        sd_bus_message *questions[N_SEEN_MAX];
        size_t n_questions, n_canceled;
        char canceled[64];
        unsigned n_answers;
        bool is_granted;
        char why[POLKIT_WHY_MAX];
} Fixture;

static const PolkitSubject subject = {
        .name = ":1.7", .uid = 1000, .device = "0000:3a:00.0", .feature = "1e98:02", .rule = "some-rule"
};

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        Fixture *f = userdata;
        const char *id;

        if (sd_bus_message_is_method_call(m, NULL, "CheckAuthorization") > 0) {
                ck_assert_uint_lt(f->n_questions, N_SEEN_MAX);
                f->questions[f->n_questions++] = sd_bus_message_ref(m);
                return 1;
        }
        ck_assert_int_gt(sd_bus_message_is_method_call(m, NULL, "CancelCheckAuthorization"), 0);
        ck_assert_int_ge(sd_bus_message_read(m, "s", &id), 0);
        snprintf(f->canceled, sizeof(f->canceled), "%s", id);
        f->n_canceled++;
        return 1;
}

static void on_answer(void *userdata, bool is_granted, const char *why) {
        Fixture *f = userdata;

        f->n_answers++;
        f->is_granted = is_granted;
        snprintf(f->why, sizeof(f->why), "%s", why);
}

static sd_bus *open_end(int fd, bool is_server) {
        static const sd_id128_t id =
                        SD_ID128_MAKE(01, 02, 03, 04, 05, 06, 07, 08, 09, 10, 11, 12, 13, 14, 15, 16);
        sd_bus *bus;

        ck_assert_int_ge(sd_bus_new(&bus), 0);
        ck_assert_int_ge(sd_bus_set_fd(bus, fd, fd), 0);
        if (is_server)
                ck_assert_int_ge(sd_bus_set_server(bus, true, id), 0);
        ck_assert_int_ge(sd_bus_set_anonymous(bus, true), 0);
        ck_assert_int_ge(sd_bus_start(bus), 0);
        return bus;
}

static void fixture_init(Fixture *f) {
        int fds[2];

        *f = (Fixture){};
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
        f->bus = open_end(fds[0], false);
        f->authority = open_end(fds[1], true);
        ck_assert_int_ge(sd_bus_add_filter(f->authority, NULL, on_message, f), 0);
        ck_assert_int_eq(polkit_new(f->bus, &f->polkit), 0);
}

/* Until both ends have nothing more to do. */
static void turn(Fixture *f) {
        int r;

        do {
                int a = sd_bus_process(f->bus, NULL), b = sd_bus_process(f->authority, NULL);

                ck_assert_int_ge(a, 0);
                ck_assert_int_ge(b, 0);
                r = a + b;
                if (r == 0) {
                        struct pollfd fds[] = { { .fd = sd_bus_get_fd(f->bus), .events = POLLIN },
                                                { .fd = sd_bus_get_fd(f->authority), .events = POLLIN } };

                        r = poll(fds, ELEMENTS(fds), 0);
                }
        } while (r > 0);
}

static void fixture_done(Fixture *f) {
        for (size_t i = 0; i < f->n_questions; i++)
                sd_bus_message_unref(f->questions[i]);
        polkit_free(f->polkit);
        sd_bus_close_unref(f->bus);
        sd_bus_close_unref(f->authority);
}

static PolkitQuestion *ask(Fixture *f, const PolkitSubject *s, uint64_t timeout_usec) {
        PolkitQuestion *q;

        ck_assert_int_eq(polkit_ask(f->polkit, POLKIT_MANAGE, s, timeout_usec, on_answer, f, &q), 0);
        turn(f);
        return q;
}

static void answer(Fixture *f, bool is_authorized, bool is_challenge) {
        ck_assert_int_ge(sd_bus_reply_method_return(f->questions[f->n_questions - 1], "(bba{ss})",
                                                    is_authorized, is_challenge, 0),
                         0);
        turn(f);
}

START_TEST(actions_are_the_four_of_the_contract) {
        for (int i = 0; i < N_POLKIT_ACTIONS; i++)
                ck_assert_int_eq(polkit_action_from_string(polkit_action_to_string((PolkitAction)i)), i);
        ck_assert_int_eq(polkit_action_from_string("org.doed.manage"), POLKIT_MANAGE);
        ck_assert_int_eq(polkit_action_from_string("org.doed.other"), -EINVAL);
        ck_assert_int_eq(polkit_action_from_string(NULL), -EINVAL);
}
END_TEST

START_TEST(question_names_subject_action_and_details) {
        const char *kind, *key, *name, *action, *id, *words[6];
        uint32_t flags;
        sd_bus_message *m;
        PolkitQuestion *q;
        Fixture f;

        fixture_init(&f);
        q = ask(&f, &subject, LONG_USEC);
        m = f.questions[0];
        ck_assert_int_gt(sd_bus_message_read(m, "(sa{sv})s", &kind, 1, &key, "s", &name, &action), 0);
        ck_assert_int_gt(sd_bus_message_read(m, "a{ss}us", 3, &words[0], &words[1], &words[2], &words[3],
                                             &words[4], &words[5], &flags, &id),
                         0);
        ck_assert_str_eq(kind, "system-bus-name");
        ck_assert_str_eq(key, "name");
        ck_assert_str_eq(name, ":1.7");
        ck_assert_str_eq(action, "org.doed.manage");
        ck_assert_str_eq(words[1], "0000:3a:00.0");
        ck_assert_str_eq(words[3], "1e98:02");
        ck_assert_str_eq(words[5], "some-rule");
        ck_assert_uint_eq(flags, 0);
        ck_assert(*id);
        polkit_cancel(q);
        fixture_done(&f);
}
END_TEST

START_TEST(what_is_not_known_is_left_out_and_the_user_asked_if_allowed) {
        const PolkitSubject plain = { .name = ":1.8", .may_interact = true };
        const char *id;
        uint32_t flags;
        PolkitQuestion *q;
        Fixture f;

        fixture_init(&f);
        q = ask(&f, &plain, LONG_USEC);
        ck_assert_int_gt(sd_bus_message_skip(f.questions[0], "(sa{sv})s"), 0);
        ck_assert_int_gt(sd_bus_message_read(f.questions[0], "a{ss}us", 0, &flags, &id), 0);
        ck_assert_uint_eq(flags, 1);
        polkit_cancel(q);
        fixture_done(&f);
}
END_TEST

START_TEST(only_authorized_is_a_yes) {
        Fixture f;

        fixture_init(&f);
        ask(&f, &subject, LONG_USEC);
        ck_assert_uint_eq(f.n_answers, 0);
        answer(&f, true, false);
        ck_assert_uint_eq(f.n_answers, 1);
        ck_assert(f.is_granted);
        ck_assert_str_eq(f.why, "");
        ask(&f, &subject, LONG_USEC);
        answer(&f, false, false);
        ck_assert(!f.is_granted);
        ck_assert_str_eq(f.why, "not authorized");
        ask(&f, &subject, LONG_USEC);
        answer(&f, false, true);
        ck_assert(!f.is_granted);
        ck_assert_ptr_nonnull(strstr(f.why, "authentication"));
        ck_assert_uint_eq(f.n_answers, 3);
        fixture_done(&f);
}
END_TEST

START_TEST(errors_and_nonsense_are_a_no) {
        Fixture f;

        fixture_init(&f);
        ask(&f, &subject, LONG_USEC);
        ck_assert_int_ge(sd_bus_reply_method_errorf(f.questions[0], "org.example.Failed", "it has failed"),
                         0);
        turn(&f);
        ck_assert(!f.is_granted);
        ck_assert_str_eq(f.why, "it has failed");
        ask(&f, &subject, LONG_USEC);
        ck_assert_int_ge(sd_bus_reply_method_return(f.questions[1], "b", true), 0);
        turn(&f);
        ck_assert(!f.is_granted);
        ask(&f, &subject, LONG_USEC);
        ck_assert_int_ge(sd_bus_reply_method_return(f.questions[2], NULL), 0);
        turn(&f);
        ck_assert(!f.is_granted);
        ck_assert_uint_eq(f.n_answers, 3);
        fixture_done(&f);
}
END_TEST

START_TEST(no_answer_in_time_is_a_no_and_closes_the_dialog) {
        Fixture f;

        fixture_init(&f);
        ask(&f, &subject, 1);
        while (f.n_answers == 0) {
                (void)sd_bus_wait(f.bus, LONG_USEC);
                turn(&f);
        }
        ck_assert(!f.is_granted);
        turn(&f);
        ck_assert_uint_eq(f.n_canceled, 1);
        fixture_done(&f);
}
END_TEST

START_TEST(canceled_question_is_told_by_its_id_and_never_answered) {
        PolkitQuestion *first, *second;
        const char *id;
        Fixture f;

        fixture_init(&f);
        first = ask(&f, &subject, LONG_USEC);
        second = ask(&f, &subject, LONG_USEC);
        ck_assert_ptr_null(polkit_cancel(first));
        turn(&f);
        ck_assert_int_gt(sd_bus_message_skip(f.questions[0], "(sa{sv})sa{ss}u"), 0);
        ck_assert_int_gt(sd_bus_message_read(f.questions[0], "s", &id), 0);
        ck_assert_str_eq(f.canceled, id);
        ck_assert_int_ge(sd_bus_reply_method_return(f.questions[0], "(bba{ss})", true, false, 0), 0);
        turn(&f);
        ck_assert_uint_eq(f.n_answers, 0);
        polkit_cancel(second);
        turn(&f);
        ck_assert_uint_eq(f.n_canceled, 2);
        ck_assert_ptr_null(polkit_cancel(NULL));
        fixture_done(&f);
}
END_TEST

START_TEST(questions_are_bounded_by_uid_and_in_all) {
        PolkitQuestion *questions[POLKIT_QUESTIONS_MAX], *more;
        PolkitSubject s = subject;
        Fixture f;

        fixture_init(&f);
        for (unsigned i = 0; i < POLKIT_QUESTIONS_MAX; i++) {
                s.uid = 1000 + i / POLKIT_QUESTIONS_MAX_PER_UID;
                questions[i] = ask(&f, &s, LONG_USEC);
                if ((i + 1) % POLKIT_QUESTIONS_MAX_PER_UID == 0)
                        ck_assert_int_eq(polkit_ask(f.polkit, POLKIT_LEASE, &s, LONG_USEC, on_answer, &f,
                                                    &more),
                                         -EDQUOT);
        }
        s.uid = 2000;
        ck_assert_int_eq(polkit_ask(f.polkit, POLKIT_LEASE, &s, LONG_USEC, on_answer, &f, &more), -EDQUOT);
        polkit_cancel(questions[0]);
        questions[0] = ask(&f, &s, LONG_USEC);
        for (unsigned i = 0; i < POLKIT_QUESTIONS_MAX; i++)
                polkit_cancel(questions[i]);
        ck_assert_uint_eq(f.n_answers, 0);
        fixture_done(&f);
}
END_TEST

DEFINE_SUITE("polkit", actions_are_the_four_of_the_contract, question_names_subject_action_and_details,
             what_is_not_known_is_left_out_and_the_user_asked_if_allowed, only_authorized_is_a_yes,
             errors_and_nonsense_are_a_no, no_answer_in_time_is_a_no_and_closes_the_dialog,
             canceled_question_is_told_by_its_id_and_never_answered, questions_are_bounded_by_uid_and_in_all)
