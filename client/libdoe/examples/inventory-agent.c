/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tell what is there, and then every change, as lines of text, until standard input ends or doed's bus does.
 */
#include <libdoe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void print_device(const char *what, const struct doe_device *d) {
        printf("%s device %s %04x:%04x driver \"%s\"%s\n", what, doe_device_name(d), doe_device_vendor_id(d),
               doe_device_device_id(d), doe_device_driver(d), doe_device_has_cdat(d) ? " has CDAT" : "");
}

static void print_mailbox(const char *what, const struct doe_mailbox *mb) {
        uint16_t vendor;
        uint8_t type;

        printf("%s mailbox %s %s", what, doe_mailbox_name(mb), doe_mailbox_state(mb));
        for (size_t i = 0; doe_mailbox_feature(mb, i, &vendor, &type) >= 0; i++)
                printf(" %04x:%02x", vendor, type);
        putchar('\n');
}

static void print_lease(const char *what, const struct doe_lease_info *l) {
        printf("%s lease of %s, a %s, by uid %u\n", what, doe_lease_info_mailbox(l), doe_lease_info_scope(l),
               doe_lease_info_uid(l));
}

static const char *what_happened(enum doe_event_kind kind) {
        switch (kind) {
        case DOE_EVENT_DEVICE_ADDED:
        case DOE_EVENT_MAILBOX_ADDED:
        case DOE_EVENT_LEASE_ADDED:
                return "added";
        case DOE_EVENT_DEVICE_CHANGED:
        case DOE_EVENT_MAILBOX_CHANGED:
        case DOE_EVENT_LEASE_CHANGED:
                return "changed";
        case DOE_EVENT_DEVICE_REMOVED:
        case DOE_EVENT_MAILBOX_REMOVED:
        case DOE_EVENT_LEASE_REMOVED:
                return "removed";
        case DOE_EVENT_MAILBOX_ABORTED:
                return "aborted";
        case DOE_EVENT_FOREIGN_ACTIVITY:
                return "disturbed";
        case DOE_EVENT_LISTED:
                return "listed";
        case DOE_EVENT_LOST:
                return "lost";
        default:
                return "something new of";
        }
}

static void on_event(struct doe_client *client, const struct doe_event *e, void *userdata) {
        const char *what = what_happened(doe_event_kind(e));

        if (doe_event_device(e))
                print_device(what, doe_event_device(e));
        else if (doe_event_mailbox(e))
                print_mailbox(what, doe_event_mailbox(e));
        else if (doe_event_lease(e))
                print_lease(what, doe_event_lease(e));
        else
                printf("%s\n", what);
        fflush(stdout);
        (void)client;
        (void)userdata;
}

/* Milliseconds until @deadline_usec of CLOCK_MONOTONIC, as poll(2) wants them. */
static int msec_until(uint64_t deadline_usec) {
        struct timespec now;
        uint64_t now_usec;

        if (deadline_usec == DOE_FOREVER_USEC)
                return -1;

        clock_gettime(CLOCK_MONOTONIC, &now);
        now_usec = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
        return deadline_usec > now_usec ? (int)((deadline_usec - now_usec + 999) / 1000) : 0;
}

/* Return: 0 at the end of standard input; -errno. */
static int watch(struct doe_client *client) {
        struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN } };
        uint64_t deadline_usec;
        char ignored[64];
        int r;

        r = doe_client_watch(client, on_event, NULL);
        while (r >= 0) {
                r = doe_client_process(client);
                if (r < 0 || (r = doe_client_timeout_usec(client, &deadline_usec)) < 0 ||
                    (r = doe_client_events(client)) < 0)
                        break;

                fds[1] = (struct pollfd){ .fd = doe_client_fd(client), .events = (short)r };
                (void)poll(fds, 2, msec_until(deadline_usec));
                if (fds[0].revents && read(STDIN_FILENO, ignored, sizeof(ignored)) <= 0)
                        return 0;
        }
        return r;
}

int main(void) {
        struct doe_client *client;
        int r;

        r = doe_client_new(&client);
        if (r < 0) {
                fprintf(stderr, "There is no system bus\n");
                return EXIT_FAILURE;
        }

        r = watch(client);
        if (r < 0)
                fprintf(stderr, "%s\n", doe_client_error_text(client));
        doe_client_free(client);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
