/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/libdoe/call.h"
#include "client/libdoe/libdoe.h"
#include "tests/unit/suite.h"

#define MAILBOX   "0000:3a:00.0[160]"
#define AT_ONCE   UINT64_C(4000000)  /* or the machine is very slow */
#define FAR_LATER UINT64_C(40000000) /* sd-bus by itself takes 90 s */

/* A bus that takes connections and never says a word. */
static int stuck_bus(char address[128]) {
        struct sockaddr_un name = { .sun_family = AF_UNIX };
        const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int n;

        n = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "libdoe-stuck-%d", (int)getpid());
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&name,
                              (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)),
                         0);
        ck_assert_int_eq(listen(fd, 8), 0);
        snprintf(address, 128, "unix:abstract=%s", name.sun_path + 1);
        return fd;
}

static void on_done(struct doe_client *c, uint64_t cookie, int result, const uint8_t *response,
                    size_t n_bytes, const struct doe_details *details, void *userdata) {
}

static void on_event(struct doe_client *c, const struct doe_event *e, void *userdata) {
}

START_TEST(stuck_bus_is_given_up_in_time_and_freed_at_once) {
        struct doe_lease_options lease = { .timeout_usec = 1 };
        struct doe_options short_one = { .timeout_usec = 1 };
        struct doe_client *c;
        struct doe_lease *l;
        uint64_t start_usec;
        uint8_t *response;
        size_t n_bytes;
        char address[128];
        const int fd = stuck_bus(address);

        ck_assert_int_eq(doe_client_new_address(address, &c), 0);
        start_usec = bus_now_usec();
        ck_assert_int_eq(doe_client_exchange(c, MAILBOX, 1, 0, "\0\0\0\0", 4, &short_one, &response,
                                             &n_bytes, NULL),
                         -ETIMEDOUT);
        ck_assert_ptr_nonnull(strstr(doe_client_error_text(c), "bus"));
        ck_assert_int_eq(doe_client_lease(c, MAILBOX, 1, 1, &lease, &l), -ETIMEDOUT);
        ck_assert_uint_lt(bus_now_usec() - start_usec, FAR_LATER);

        start_usec = bus_now_usec();
        ck_assert_int_eq(doe_client_watch(c, on_event, NULL), 0);
        ck_assert_int_eq(doe_client_exchange_start(c, MAILBOX, 1, 0, NULL, 0, NULL, on_done, NULL, NULL), 0);
        doe_client_free(c);
        ck_assert_uint_lt(bus_now_usec() - start_usec, AT_ONCE);
        close(fd);
}
END_TEST

START_TEST(version_is_that_of_the_build) {
        ck_assert_str_eq(doe_version(), DOED_VERSION);
}
END_TEST

DEFINE_SUITE("libdoe-client", stuck_bus_is_given_up_in_time_and_freed_at_once, version_is_that_of_the_build)
