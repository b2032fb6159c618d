/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A client at full speed, for a guest with a real mailbox: reads the CDAT entry by entry through
 * Mailbox1.Exchange, by turns with the whole table through Cdat1.Read, and knows every byte that must come
 * back. The requests carry a second dword of zero: doed then cannot take them for a plain table read, which
 * it would answer from its cache, and each goes to the device, which ignores what it did not ask for. */

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <systemd/sd-bus.h>

#define ENTRIES_MAX        64u
#define LATENCIES_MAX      (1u << 20)
#define ERROR_NAMES_MAX    16u
#define CXL_VENDOR_ID      0x1e98u
#define TABLE_ACCESS_TYPE  2u
#define LAST_HANDLE        0xffffu
#define REQUEST_BYTES      8u
#define RESPONSE_HEADER    4u
#define TABLE_HEADER_BYTES 16u
#define PATIENT_USEC       UINT64_C(3000000)
#define HASTY_USEC         UINT64_C(50000) /* shorter than any hold for the kernel */
#define HASTY_EVERY        16u
#define TABLE_EVERY        8u
#define PROGRESS_EVERY     4u
#define PAUSE_NSEC         20000000

typedef struct Entry {
        const uint8_t *bytes;
        size_t n_bytes;
} Entry;

typedef struct Client {
        sd_bus *bus;
        const char *mailbox_path;
        char device_path[128];
        bool is_kernel_active; /* the errors of yielding to it are no failures */
        bool is_disturbed;     /* no error that has a name of doed's is a failure */
        FILE *progress;        /* where the number of good exchanges stands, or NULL */

        uint8_t table[4096];
        size_t n_table_bytes;
        Entry entries[ENTRIES_MAX];
        size_t n_entries;

        uint64_t n_exchanges, n_tables, n_bad, n_unexpected;
        struct {
                char name[64];
                uint64_t n;
        } errors[ERROR_NAMES_MAX];
        uint32_t *latencies_usec;
        size_t n_latencies;
} Client;

/* SIGTERM stays blocked, so that it ends the run between two calls and never breaks one. */
static bool is_stopped(void) {
        sigset_t pending;

        return sigpending(&pending) == 0 && sigismember(&pending, SIGTERM) == 1;
}

static uint64_t now_usec(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

/* The table as doed read it earlier, cut into the entries that the device gives one by one. */
static int client_load_table(Client *c, const char *path) {
        size_t offset, n_bytes;
        FILE *f;

        f = fopen(path, "re");
        if (!f)
                return -errno;
        c->n_table_bytes = fread(c->table, 1, sizeof(c->table), f);
        fclose(f);

        for (offset = 0; offset < c->n_table_bytes; offset += n_bytes) {
                if (c->n_entries == ENTRIES_MAX || c->n_table_bytes - offset < 4)
                        return -EBADMSG;
                n_bytes = offset == 0 ? TABLE_HEADER_BYTES
                                      : (size_t)(c->table[offset + 2] | c->table[offset + 3] << 8);
                if (n_bytes < 4 || n_bytes > c->n_table_bytes - offset)
                        return -EBADMSG;
                c->entries[c->n_entries++] = (Entry){ c->table + offset, n_bytes };
        }
        return c->n_entries > 1 ? 0 : -EBADMSG;
}

static void client_note_bad(Client *c, const char *what, size_t handle, size_t n_bytes) {
        c->n_bad++;
        if (c->n_bad <= 5)
                printf("# bad answer: %s (handle %zu, %zu bytes)\n", what, handle, n_bytes);
}

static bool is_expected_beside_kernel(const char *name) {
        return strcmp(name, "org.doed.Error.TimedOut") == 0 ||
               strcmp(name, "org.doed.Error.KernelOwned") == 0 ||
               strcmp(name, "org.doed.Error.Aborted") == 0;
}

/* An object that is gone is unknown to the bus. */
static bool is_named(const char *name) {
        return strncmp(name, "org.doed.Error.", strlen("org.doed.Error.")) == 0 ||
               strcmp(name, SD_BUS_ERROR_UNKNOWN_OBJECT) == 0;
}

static void client_note_error(Client *c, const sd_bus_error *error) {
        const struct timespec pause = { .tv_nsec = PAUSE_NSEC };
        const char *name = error->name ? error->name : "(none)";
        size_t i;

        if (c->is_disturbed)
                nanosleep(&pause, NULL);
        if (!(c->is_kernel_active && is_expected_beside_kernel(name)) &&
            !(c->is_disturbed && is_named(name))) {
                c->n_unexpected++;
                if (c->n_unexpected <= 5)
                        printf("# unexpected error: %s: %s\n", name, error->message ? error->message : "");
        }
        for (i = 0; i < ERROR_NAMES_MAX - 1; i++)
                if (c->errors[i].n == 0 || strcmp(c->errors[i].name, name) == 0)
                        break;
        snprintf(c->errors[i].name, sizeof(c->errors[i].name), "%s", name);
        c->errors[i].n++;
}

static void client_note_progress(Client *c) {
        if (!c->progress || c->n_exchanges % PROGRESS_EVERY != 0)
                return;
        /* of fixed width, so that a reader sees the old number or the new one */
        rewind(c->progress);
        fprintf(c->progress, "%20llu\n", (unsigned long long)c->n_exchanges);
        fflush(c->progress);
}

/* Send @m, whose options are still to come, and wait. Return: the reply; NULL: an error, noted. */
static sd_bus_message *client_call(Client *c, sd_bus_message *m, uint64_t timeout_usec) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        uint64_t start_usec;
        int r;

        r = sd_bus_message_append(m, "a{sv}", 1, "timeout-usec", "t", timeout_usec);
        start_usec = now_usec();
        if (r >= 0)
                r = sd_bus_call(c->bus, m, timeout_usec + 5000000, &error, &reply);
        if (r < 0) {
                sd_bus_error_set_errno(&error, r);
                client_note_error(c, &error);
                sd_bus_error_free(&error);
                return NULL;
        }
        if (c->n_latencies < LATENCIES_MAX)
                c->latencies_usec[c->n_latencies++] = (uint32_t)(now_usec() - start_usec);
        return reply;
}

/* Whether the details of an answer say that it did not come from the device. */
static bool is_from_cache(sd_bus_message *reply) {
        const char *key;
        int is_cached = 0;

        if (sd_bus_message_enter_container(reply, 'a', "{sv}") < 0)
                return true;
        while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
                if (sd_bus_message_read(reply, "s", &key) < 0)
                        return true;
                if (strcmp(key, "cached") == 0)
                        sd_bus_message_read(reply, "v", "b", &is_cached);
                else
                        sd_bus_message_skip(reply, "v");
                sd_bus_message_exit_container(reply);
        }
        return is_cached;
}

static void client_check_entry(Client *c, sd_bus_message *reply, size_t handle) {
        const Entry *entry = &c->entries[handle];
        size_t next = handle + 1 < c->n_entries ? handle + 1 : LAST_HANDLE;
        const uint8_t expected[RESPONSE_HEADER] = { 0, 0, next & 0xff, next >> 8 };
        const void *answer = NULL;
        size_t n_bytes = 0;

        if (sd_bus_message_read_array(reply, 'y', &answer, &n_bytes) < 0)
                client_note_bad(c, "no bytes", handle, 0);
        else if (n_bytes != RESPONSE_HEADER + entry->n_bytes)
                client_note_bad(c, "length", handle, n_bytes);
        else if (memcmp(answer, expected, RESPONSE_HEADER) != 0)
                client_note_bad(c, "header", handle, n_bytes);
        else if (memcmp((const uint8_t *)answer + RESPONSE_HEADER, entry->bytes, entry->n_bytes) != 0)
                client_note_bad(c, "entry", handle, n_bytes);
        else if (is_from_cache(reply))
                client_note_bad(c, "cached", handle, n_bytes);
        else {
                c->n_exchanges++;
                client_note_progress(c);
        }
}

static void client_exchange(Client *c, size_t handle, uint64_t timeout_usec) {
        const uint8_t request[REQUEST_BYTES] = { 0, 0, handle & 0xff, handle >> 8 };
        sd_bus_message *m = NULL, *reply;

        if (sd_bus_message_new_method_call(c->bus, &m, "org.doed", c->mailbox_path, "org.doed.Mailbox1",
                                           "Exchange") < 0 ||
            sd_bus_message_append(m, "qy", CXL_VENDOR_ID, TABLE_ACCESS_TYPE) < 0 ||
            sd_bus_message_append_array(m, 'y', request, sizeof(request)) < 0)
                abort();
        reply = client_call(c, m, timeout_usec);
        sd_bus_message_unref(m);
        if (reply)
                client_check_entry(c, reply, handle);
        sd_bus_message_unref(reply);
}

static void client_read_table(Client *c) {
        sd_bus_message *m = NULL, *reply;
        const void *table;
        size_t n_bytes;

        if (sd_bus_message_new_method_call(c->bus, &m, "org.doed", c->device_path, "org.doed.Cdat1",
                                           "Read") < 0)
                abort();
        reply = client_call(c, m, PATIENT_USEC);
        sd_bus_message_unref(m);
        if (!reply)
                return;
        if (sd_bus_message_read_array(reply, 'y', &table, &n_bytes) < 0)
                client_note_bad(c, "no table", 0, 0);
        else if (n_bytes != c->n_table_bytes || memcmp(table, c->table, n_bytes) != 0)
                client_note_bad(c, "table", 0, n_bytes);
        else
                c->n_tables++;
        sd_bus_message_unref(reply);
}

static void client_run(Client *c, unsigned seconds) {
        uint64_t end_usec = now_usec() + seconds * UINT64_C(1000000);
        size_t turn;

        for (turn = 0; !is_stopped() && now_usec() < end_usec; turn++) {
                if (turn % TABLE_EVERY == TABLE_EVERY - 1) {
                        client_read_table(c);
                        continue;
                }
                client_exchange(c, turn % c->n_entries,
                                c->is_kernel_active && turn % HASTY_EVERY == 0 ? HASTY_USEC : PATIENT_USEC);
        }
}

static int compare_latencies(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

        return (x > y) - (x < y);
}

static void client_report(Client *c, const char *name) {
        size_t i, n = c->n_latencies;

        printf("# %s: %llu exchanges and %llu tables good, %llu bad, %llu unexpected errors\n", name,
               (unsigned long long)c->n_exchanges, (unsigned long long)c->n_tables,
               (unsigned long long)c->n_bad, (unsigned long long)c->n_unexpected);
        for (i = 0; i < ERROR_NAMES_MAX && c->errors[i].n > 0; i++)
                printf("# %s: %llu times %s\n", name, (unsigned long long)c->errors[i].n, c->errors[i].name);
        if (n == 0)
                return;
        qsort(c->latencies_usec, n, sizeof(*c->latencies_usec), compare_latencies);
        printf("# %s: latency of %zu answers in usec: p50 %u, p99 %u, max %u\n", name, n,
               c->latencies_usec[n / 2], c->latencies_usec[n - 1 - n / 100], c->latencies_usec[n - 1]);
}

static int client_open(Client *c, const char *mailbox_path, const char *table_path) {
        const char *end = strstr(mailbox_path, "/mailbox/");
        int r;

        if (!end)
                return -EINVAL;
        c->mailbox_path = mailbox_path;
        snprintf(c->device_path, sizeof(c->device_path), "%.*s", (int)(end - mailbox_path), mailbox_path);
        c->latencies_usec = calloc(LATENCIES_MAX, sizeof(*c->latencies_usec));
        if (!c->latencies_usec)
                return -ENOMEM;
        r = client_load_table(c, table_path);
        if (r < 0)
                return r;
        return sd_bus_open_system(&c->bus);
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                { "seconds", required_argument, NULL, 's' },  { "name", required_argument, NULL, 'n' },
                { "progress", required_argument, NULL, 'p' }, { "kernel-active", no_argument, NULL, 'k' },
                { "disturbed", no_argument, NULL, 'd' },      { 0 },
        };
        static Client client;
        unsigned seconds = 4;
        const char *name = "client";
        sigset_t stop_signals;
        int option, r;

        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                if (option == 's')
                        seconds = (unsigned)strtoul(optarg, NULL, 10);
                else if (option == 'n')
                        name = optarg;
                else if (option == 'p')
                        client.progress = fopen(optarg, "we");
                else if (option == 'k')
                        client.is_kernel_active = true;
                else if (option == 'd')
                        client.is_disturbed = true;
                else
                        return 2;
        }
        if (argc - optind != 2) {
                fprintf(stderr, "usage: load-client [OPTIONS] MAILBOX-PATH TABLE-FILE\n");
                return 2;
        }
        sigemptyset(&stop_signals);
        sigaddset(&stop_signals, SIGTERM);
        sigprocmask(SIG_BLOCK, &stop_signals, NULL);
        r = client_open(&client, argv[optind], argv[optind + 1]);
        if (r < 0) {
                fprintf(stderr, "load-client: %s\n", strerror(-r));
                return 2;
        }
        client_run(&client, seconds);
        client_report(&client, name);
        sd_bus_flush_close_unref(client.bus);
        free(client.latencies_usec);
        return client.n_exchanges > 0 && client.n_bad == 0 && client.n_unexpected == 0 ? 0 : 1;
}
