/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The transport of an attestation agent: send and receive callbacks of the shape that libspdm's device I/O
 * wants, over a lease. libspdm's PCI DOE binding makes whole data objects, which is what a lease carries. A
 * program that links libspdm registers the two with libspdm_register_device_io_func(); this one needs no
 * libspdm: it asks for the version and the capabilities of the responder itself. attestation-transport
 * [DEVICE] */
#include <libdoe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUCCESS      0u          /* LIBSPDM_STATUS_SUCCESS */
#define SEND_FAIL    0x80040000u /* LIBSPDM_STATUS_SEND_FAIL */
#define RECEIVE_FAIL 0x80040001u /* LIBSPDM_STATUS_RECEIVE_FAIL */

#define PCI_SIG  0x0001u
#define CMA_SPDM 0x01u

/* With libspdm it is found by the SPDM context, as libspdm_get_data() of LIBSPDM_DATA_APP_CONTEXT_DATA gives
 * it. */
struct transport {
        struct doe_lease *lease;
        bool may_be_forgotten; /* the device was aborted or reset: negotiate anew */
};

/* libspdm: 0 is for ever. */
static uint64_t wait_usec(uint64_t timeout) {
        return timeout > 0 ? timeout : DOE_FOREVER_USEC;
}

static uint32_t send_message(void *context, size_t size, const void *message, uint64_t timeout) {
        struct transport *t = context;

        return doe_lease_send(t->lease, message, size, wait_usec(timeout)) < 0 ? SEND_FAIL : SUCCESS;
}

static uint32_t receive_message(void *context, size_t *size, void **message, uint64_t timeout) {
        struct transport *t = context;
        const uint8_t *object;
        size_t n_bytes;
        int r;

        do {
                r = doe_lease_receive(t->lease, &object, &n_bytes, wait_usec(timeout));
                if (r < 0 && doe_lease_error_flags(t->lease) & DOE_LEASE_NOTICE)
                        t->may_be_forgotten = true;
        } while (r < 0 && doe_lease_error_flags(t->lease) == DOE_LEASE_NOTICE);

        if (r < 0)
                fprintf(stderr, "%s: %s\n", strerror(-r), doe_lease_error_text(t->lease));
        if (r < 0 || n_bytes > *size)
                return RECEIVE_FAIL;

        memcpy(*message, object, n_bytes);
        *size = n_bytes;
        return SUCCESS;
}

/* Wrap an SPDM message of one or more dwords into a data object, and take the answer out of its own. */
static bool exchange(struct transport *t, const uint8_t *request, size_t n_request, const char *name) {
        uint8_t object[64] = { PCI_SIG, 0, CMA_SPDM, 0, (uint8_t)(2 + n_request / 4) };
        uint8_t buffer[4096];
        size_t n_answer = sizeof(buffer);
        void *answer = buffer;

        memcpy(object + 8, request, n_request);
        if (send_message(t, 8 + n_request, object, 5000000) != SUCCESS ||
            receive_message(t, &n_answer, &answer, 5000000) != SUCCESS || n_answer < 12)
                return false;

        printf("%s: ", name);
        for (size_t i = 8; i < n_answer; i++)
                printf("%02x", buffer[i]);
        putchar('\n');
        return buffer[9] == (request[1] & 0x7f); /* the answer's code; ERROR has another */
}

static int attest(struct doe_client *client, const char *mailbox) {
        static const uint8_t get_version[] = { 0x10, 0x84, 0, 0 };
        static const uint8_t get_capabilities[] = { 0x12, 0xe1, 0, 0, 0, 0,    0, 0, 0, 0,
                                                    0,    0,    0, 0, 0, 0x10, 0, 0, 0, 0x10 };
        const struct doe_lease_options options = { .wait = true };
        struct transport t = { 0 };
        bool ok;
        int r;

        r = doe_client_lease(client, mailbox, PCI_SIG, CMA_SPDM, &options, &t.lease);
        if (r < 0) {
                fprintf(stderr, "%s\n", doe_client_error_text(client));
                return EXIT_FAILURE;
        }

        ok = exchange(&t, get_version, sizeof(get_version), "version") &&
             exchange(&t, get_capabilities, sizeof(get_capabilities), "capabilities") && !t.may_be_forgotten;
        doe_lease_free(t.lease);
        return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
        struct doe_client *client;
        char **mailboxes;
        int n, status = EXIT_FAILURE;

        if (doe_client_new(&client) < 0) {
                fprintf(stderr, "There is no system bus\n");
                return EXIT_FAILURE;
        }

        n = doe_client_find(client, argc > 1 ? argv[1] : NULL, PCI_SIG, CMA_SPDM, NULL, &mailboxes);
        if (n < 0)
                fprintf(stderr, "%s\n", doe_client_error_text(client));
        else {
                if (n == 0)
                        fprintf(stderr, "No mailbox offers SPDM\n");
                else
                        status = attest(client, mailboxes[0]);
                free(mailboxes);
        }
        doe_client_free(client);
        return status;
}
