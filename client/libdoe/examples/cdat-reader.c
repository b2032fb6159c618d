/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Read the Coherent Device Attribute Table of a device, and list its structures: cdat-reader DEVICE */
#include <libdoe.h>
#include <stdio.h>
#include <stdlib.h>

#define CDAT_HEADER_BYTES 16u

static const char *const types[] = { "DSMAS", "DSLBIS", "DSMSCIS", "DSIS", "DSEMTS", "SSLBIS" };

static unsigned load_le16(const uint8_t *p) {
        return (unsigned)p[0] | (unsigned)p[1] << 8;
}

static void print_table(const uint8_t *table, size_t n_bytes) {
        size_t at = CDAT_HEADER_BYTES;

        printf("%zu bytes, revision %u\n", n_bytes, table[4]);
        while (at + 4 <= n_bytes) {
                const uint8_t type = table[at];
                const unsigned n_entry = load_le16(table + at + 2);

                printf("%5zu  %-7s  %u bytes\n", at,
                       type < sizeof(types) / sizeof(types[0]) ? types[type] : "?", n_entry);
                if (n_entry < 4) /* doed has validated the table: this cannot be */
                        return;
                at += n_entry;
        }
}

int main(int argc, char **argv) {
        struct doe_details details;
        struct doe_client *client;
        uint8_t *table;
        size_t n_bytes;
        int r;

        if (argc != 2) {
                fprintf(stderr, "usage: %s DEVICE\n", argv[0]);
                return EXIT_FAILURE;
        }

        r = doe_client_new(&client);
        if (r < 0) {
                fprintf(stderr, "There is no system bus\n");
                return EXIT_FAILURE;
        }

        r = doe_client_read_cdat(client, argv[1], NULL, &table, &n_bytes, &details);
        if (r < 0)
                fprintf(stderr, "%s\n", doe_client_error_text(client));
        else {
                printf("from the %s%s: ", details.source == DOE_SOURCE_KERNEL ? "kernel" : "device",
                       details.is_cached ? ", read before" : "");
                print_table(table, n_bytes);
                free(table);
        }
        doe_client_free(client);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
