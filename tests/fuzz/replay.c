/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Replays corpora without libFuzzer: every file of the folders given, and every beginning of it, each in a
 * buffer that ends with it so that the address sanitizer sees a single byte too many. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/util/cleanup.h"
#include "tests/fuzz/fuzz.h"

#define FILE_BYTES_MAX 65536u
/* of a longer file only these beginnings, since all of them cost the square of its length */
#define PREFIX_BYTES_MAX 4096u

static void replay_bytes(const uint8_t *data, size_t n_bytes) {
        uint8_t *exact = malloc(n_bytes);

        if (n_bytes > 0 && !exact)
                abort();
        if (n_bytes > 0)
                memcpy(exact, data, n_bytes);
        LLVMFuzzerTestOneInput(exact, n_bytes);
        free(exact);
}

static int replay_file(int dir_fd, const char *name) {
        static uint8_t data[FILE_BYTES_MAX];
        _cleanup_close_ int fd = -EBADF;
        ssize_t n_bytes;

        fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        n_bytes = read(fd, data, sizeof(data));
        if (n_bytes < 0)
                return -errno;
        for (size_t n = 0; n < (size_t)n_bytes && n < PREFIX_BYTES_MAX; n++)
                replay_bytes(data, n);
        replay_bytes(data, (size_t)n_bytes);
        return 0;
}

/* Return: how many files; -errno. */
static int replay_folder(const char *path) {
        DIR *dir = opendir(path);
        struct dirent *entry;
        int n_files = 0;

        if (!dir)
                return -errno;
        while (n_files >= 0 && (entry = readdir(dir))) {
                int r;

                if (entry->d_name[0] == '.')
                        continue;
                r = replay_file(dirfd(dir), entry->d_name);
                n_files = r < 0 ? r : n_files + 1;
        }
        closedir(dir);
        return n_files;
}

int main(int argc, char **argv) {
        for (int i = 1; i < argc; i++) {
                int n_files = replay_folder(argv[i]);

                if (n_files <= 0) {
                        fprintf(stderr, "%s: %s\n", argv[i],
                                n_files < 0 ? strerror(-n_files) : "no file there");
                        return EXIT_FAILURE;
                }
                printf("%s: %d files\n", argv[i], n_files);
        }
        return EXIT_SUCCESS;
}
