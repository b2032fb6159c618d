/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/doctor-gather.h"
#include "client/json.h"

#define CLIENT_GROUP     "doe"
#define DAEMON_USER      "doed"
#define POLICY_FILE      "org.doed.conf"
#define OUTPUT_BYTES_MAX 16384u
#define CHECK_USEC       UINT64_C(5000000) /* for a program that has to be read from a disk first */

static const char *const policy_folders_default[] = { DOED_BUS_POLICY_FOLDER, "/usr/share/dbus-1/system.d",
                                                      "/etc/dbus-1/system.d", NULL };
static const char *const programs_default[] = { DOED_PROGRAM, "/usr/sbin/doed", "doed", NULL };

const DoctorPlaces doctor_places_default = {
        .sysfs = "/sys",
        .policy_folders = policy_folders_default,
        .polkit_file = DOED_POLKIT_FILE,
        .programs = programs_default,
        .check_usec = CHECK_USEC,
};

static void gather_policy(DoctorFacts *f, const DoctorPlaces *places) {
        const struct passwd *user = getpwnam(DAEMON_USER);
        char *folders = memory_copy("");

        for (const char *const *folder = places->policy_folders; *folder; folder++) {
                _cleanup_free_ char *path = memory_format("%s/" POLICY_FILE, *folder);
                char *longer;

                f->policy.has_policy = f->policy.has_policy || access(path, F_OK) == 0;
                if (strstr(folders, *folder))
                        continue;
                longer = memory_format("%s%s%s", folders, *folders ? " " : "", *folder);
                free(folders);
                folders = longer;
        }
        f->policy.folders = doctor_keep(f, folders);
        f->policy.has_doed_user = user;
        if (user)
                f->policy.doed_uid = user->pw_uid;
        f->polkit.file = places->polkit_file;
        f->polkit.has_file = access(places->polkit_file, F_OK) == 0;
}

static bool is_in_session(gid_t gid) {
        const int n = getgroups(0, NULL);
        _cleanup_free_ gid_t *gids = memory_must(calloc((size_t)(n > 0 ? n : 0) + 1, sizeof(gids[0])));
        const int n_read = getgroups(n, gids);

        for (int i = 0; i < n_read; i++)
                if (gids[i] == gid)
                        return true;
        return getegid() == gid;
}

static void gather_caller(DoctorFacts *f) {
        const uid_t uid = geteuid();
        const struct passwd *user = getpwuid(uid);
        const struct group *group = getgrnam(CLIENT_GROUP);

        f->caller.uid = uid;
        f->caller.user = doctor_keep(f, user ? memory_copy(user->pw_name) : memory_format("uid %u", uid));
        if (!group)
                return;

        f->caller.exists = true;
        f->caller.is_in_session = is_in_session(group->gr_gid);
        f->caller.is_listed = user && user->pw_gid == group->gr_gid;
        for (char **member = group->gr_mem; *member; member++)
                f->caller.is_listed = f->caller.is_listed || strcmp(*member, f->caller.user) == 0;
}

/* -------- what doed says of its configuration -------- */

static uint64_t monotonic_usec(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* All that comes out of @fd until its end. Return: 0; -ETIMEDOUT; -errno. */
static int read_output(int fd, uint64_t wait_usec, char buf[static OUTPUT_BYTES_MAX]) {
        const uint64_t deadline_usec = monotonic_usec() + wait_usec;
        size_t n = 0;

        for (;;) {
                const uint64_t now = monotonic_usec();
                struct pollfd pollfd = { .fd = fd, .events = POLLIN };
                ssize_t n_read;
                int r = now < deadline_usec ? poll(&pollfd, 1, (int)((deadline_usec - now) / 1000) + 1) : 0;

                if (r < 0 && errno == EINTR)
                        continue;
                if (r <= 0)
                        return r == 0 ? -ETIMEDOUT : -errno;

                /* what is too much is read and forgotten, so that the program can end */
                if (n == OUTPUT_BYTES_MAX - 1)
                        n--;
                n_read = read(fd, buf + n, OUTPUT_BYTES_MAX - 1 - n);
                if (n_read < 0)
                        return -errno;
                if (n_read == 0)
                        break;
                n += (size_t)n_read;
        }
        buf[n] = '\0';
        return 0;
}

static int spawn(const char *program, const char *folder, int fd, pid_t *ret) {
        const char *const argv[] = { program, "--check-config", folder ? "--config" : NULL, folder, NULL };
        posix_spawn_file_actions_t actions;
        int r;

        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", 0, 0);
        posix_spawn_file_actions_adddup2(&actions, fd, STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&actions, fd, STDERR_FILENO);
        r = posix_spawnp(ret, program, &actions, NULL, (char *const *)argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        return -r;
}

static void take_lines(DoctorFacts *f, char *output) {
        char *save = NULL;

        for (char *line = strtok_r(output, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                memory_must(json_array_append_new(f->config.errors, json_from_text(line)) == 0
                                            ? f->config.errors
                                            : NULL);
}

/* @why: is handed over. */
static void tell_failure(DoctorFacts *f, char *why) {
        f->config.answer = DOCTOR_FAILED;
        f->config.error = doctor_keep(f, why);
}

/* Return: 0 once it was asked, whatever came out; -errno if it cannot be run. */
static int ask_program(DoctorFacts *f, const DoctorPlaces *places, const char *program) {
        char output[OUTPUT_BYTES_MAX];
        int fds[2], status = 0, r;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        r = spawn(program, places->config_folder, fds[1], &pid);
        close(fds[1]);
        if (r < 0) {
                close(fds[0]);
                return r;
        }

        r = read_output(fds[0], places->check_usec, output);
        close(fds[0]);
        if (r < 0)
                kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;

        f->config.errors = memory_must(json_array());
        if (r == -ETIMEDOUT)
                f->config.answer = DOCTOR_SILENT;
        else if (r < 0)
                tell_failure(f, memory_format("What %s says cannot be read: %s", program, strerror(-r)));
        else if (WIFSIGNALED(status))
                tell_failure(f, memory_format("%s --check-config was killed by signal %d (%s)", program,
                                              WTERMSIG(status), strsignal(WTERMSIG(status))));
        else if (status != 0 && !*output)
                tell_failure(f, memory_format("%s --check-config ended with exit code %d, without a word",
                                              program, WEXITSTATUS(status)));
        else {
                f->config.answer = DOCTOR_ANSWERED;
                if (status != 0)
                        take_lines(f, output);
        }
        return 0;
}

static void gather_config(DoctorFacts *f, const DoctorPlaces *places) {
        f->config.folder = places->config_folder ?: "";
        for (const char *const *program = places->programs; *program; program++)
                if (ask_program(f, places, *program) == 0)
                        return;
        f->config.answer = DOCTOR_ABSENT;
}

void doctor_gather_host(DoctorFacts *f, const DoctorPlaces *places) {
        struct timespec ts;

        clock_gettime(CLOCK_REALTIME, &ts);
        f->now_usec = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
        gather_policy(f, places);
        gather_caller(f);
        gather_config(f, places);
}
