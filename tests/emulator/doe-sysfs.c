/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Serves a scenario as a sysfs tree by FUSE: for the shipped doed-pci (--sysfs), and for lspci and setpci
 * (-O sysfs.path=DIR/bus/pci -A linux-sysfs). Stays in the foreground until SIGTERM or SIGINT. */

#define FUSE_USE_VERSION 312

#include <errno.h>
#include <fuse_lowlevel.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>

#include "daemon/util/log.h"
#include "tests/emulator/control.h"
#include "tests/emulator/sysfs.h"
#include "tests/emulator/uevents.h"

#define EXIT_SKIPPED 77
/* each frozen access holds a thread; more clients than this are not in any test */
#define THREADS_MAX 128u

typedef struct Server {
        Platform *platform;
        Sysfs *sysfs;
        Uevents *uevents;
        ControlServer *control;
        struct fuse_session *session;
        pthread_t main_thread, signal_thread;
        bool has_handlers;
} Server;

typedef struct Arguments {
        const char *scenario, *control, *mountpoint;
} Arguments;

/* A folder's entries, as they were when it was opened. */
typedef struct Listing {
        fuse_req_t req;
        char *bytes;
        size_t n_bytes;
        bool has_failed;
} Listing;

static Sysfs *sysfs_of(fuse_req_t req) {
        return ((Server *)fuse_req_userdata(req))->sysfs;
}

/* Nothing is cached: each look at the tree sees it as it is. */
static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name) {
        struct fuse_entry_param entry = { 0 };
        int r = sysfs_lookup(sysfs_of(req), parent, name, &entry.attr);

        if (r < 0) {
                fuse_reply_err(req, -r);
                return;
        }
        entry.ino = entry.attr.st_ino;
        fuse_reply_entry(req, &entry);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, _unused_ struct fuse_file_info *fi) {
        struct stat st;
        int r = sysfs_stat(sysfs_of(req), ino, &st);

        if (r < 0)
                fuse_reply_err(req, -r);
        else
                fuse_reply_attr(req, &st, 0);
}

/* Shells truncate what they write to. */
static void op_setattr(fuse_req_t req, fuse_ino_t ino, _unused_ struct stat *attr, int to_set,
                       struct fuse_file_info *fi) {
        if (to_set & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
                fuse_reply_err(req, EPERM);
        else
                op_getattr(req, ino, fi);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino) {
        _cleanup_free_ char *target = NULL;
        int r = sysfs_readlink(sysfs_of(req), ino, &target);

        if (r < 0)
                fuse_reply_err(req, -r);
        else
                fuse_reply_readlink(req, target);
}

static bool list_entry(void *userdata, const char *name, const struct stat *st) {
        Listing *listing = userdata;
        size_t n = fuse_add_direntry(listing->req, NULL, 0, name, NULL, 0);
        char *bytes = realloc(listing->bytes, listing->n_bytes + n);

        if (!bytes) {
                listing->has_failed = true;
                return false;
        }
        listing->bytes = bytes;
        fuse_add_direntry(listing->req, bytes + listing->n_bytes, n, name, st,
                          (off_t)(listing->n_bytes + n));
        listing->n_bytes += n;
        return true;
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
        Listing *listing = calloc(1, sizeof(*listing));
        struct stat st = { .st_mode = S_IFDIR, .st_ino = ino };
        int r = -ENOMEM;

        if (listing) {
                listing->req = req;
                list_entry(listing, ".", &st);
                list_entry(listing, "..", &st);
                r = sysfs_list(sysfs_of(req), ino, list_entry, listing);
                if (listing->has_failed)
                        r = -ENOMEM;
        }
        if (r < 0) {
                if (listing)
                        free(listing->bytes);
                free(listing);
                fuse_reply_err(req, -r);
                return;
        }
        fi->fh = (uintptr_t)listing;
        fuse_reply_open(req, fi);
}

static void op_readdir(fuse_req_t req, _unused_ fuse_ino_t ino, size_t size, off_t offset,
                       struct fuse_file_info *fi) {
        const Listing *listing = (const Listing *)(uintptr_t)fi->fh;
        size_t n_left = (size_t)offset < listing->n_bytes ? listing->n_bytes - (size_t)offset : 0;
        _cleanup_free_ char *copy = NULL;

        /* a cut last entry is not looked at; its successor's offset begins with it again. A copy, since the
         * folder may be closed, on another thread, before the reply's own thread is back from the kernel. */
        size = MIN_OF(size, n_left);
        copy = malloc(size > 0 ? size : 1);
        if (!copy) {
                fuse_reply_err(req, ENOMEM);
                return;
        }
        memcpy(copy, listing->bytes + (size > 0 ? offset : 0), size);
        fuse_reply_buf(req, copy, size);
}

static void op_releasedir(fuse_req_t req, _unused_ fuse_ino_t ino, struct fuse_file_info *fi) {
        Listing *listing = (Listing *)(uintptr_t)fi->fh;

        free(listing->bytes);
        free(listing);
        fuse_reply_err(req, 0);
}

/* No page cache: an access of the client is an access here, with its own offset and size. */
static void op_open(fuse_req_t req, _unused_ fuse_ino_t ino, struct fuse_file_info *fi) {
        fi->direct_io = 1;
        fuse_reply_open(req, fi);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                    _unused_ struct fuse_file_info *fi) {
        _cleanup_free_ char *buf = malloc(size > 0 ? size : 1);
        ssize_t n = buf ? sysfs_read(sysfs_of(req), ino, buf, size, offset) : -ENOMEM;

        if (n < 0)
                fuse_reply_err(req, (int)-n);
        else
                fuse_reply_buf(req, buf, (size_t)n);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t offset,
                     _unused_ struct fuse_file_info *fi) {
        ssize_t n = sysfs_write(sysfs_of(req), ino, buf, size, offset);

        if (n < 0)
                fuse_reply_err(req, (int)-n);
        else
                fuse_reply_write(req, (size_t)n);
}

static const struct fuse_lowlevel_ops operations = {
        .lookup = op_lookup,
        .getattr = op_getattr,
        .setattr = op_setattr,
        .readlink = op_readlink,
        .opendir = op_opendir,
        .readdir = op_readdir,
        .releasedir = op_releasedir,
        .open = op_open,
        .read = op_read,
        .write = op_write,
};

static void on_uevent(void *userdata, const char *line) {
        uevents_send(((Server *)userdata)->uevents, line);
}

static void on_touch(void *userdata, const char *path) {
        uevents_touch(((Server *)userdata)->uevents, path);
}

static const SysfsListener listener = { on_uevent, on_touch };

/* Ends the loop; before that, what would keep its threads: frozen accesses, the control socket, and events
 * that go through the mount. */
static void *wait_for_signal(void *userdata) {
        Server *s = userdata;
        sigset_t set;
        int number;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigwait(&set, &number);
        s->control = control_server_free(s->control);
        platform_end(s->platform);
        pthread_kill(s->main_thread, SIGHUP); /* libfuse's handler ends the loop */
        return NULL;
}

static int server_loop(Server *s) {
        struct fuse_loop_config *config = fuse_loop_cfg_create();
        int r;

        if (!config)
                return -ENOMEM;
        fuse_loop_cfg_set_max_threads(config, THREADS_MAX);
        fuse_loop_cfg_set_idle_threads(config, THREADS_MAX);
        r = fuse_session_loop_mt(s->session, config);
        fuse_loop_cfg_destroy(config);
        return r < 0 ? r : 0;
}

static int server_mount(Server *s, const char *mountpoint) {
        const char *argv[] = { "doe-sysfs", "-o", "fsname=doe-sysfs" };
        struct fuse_args args = FUSE_ARGS_INIT(ELEMENTS(argv), (char **)argv);
        int r = 0;

        s->session = fuse_session_new(&args, &operations, sizeof(operations), s);
        if (!s->session)
                r = -EIO;
        else if (fuse_session_mount(s->session, mountpoint) != 0)
                r = -EPERM;
        fuse_opt_free_args(&args);
        return r;
}

static int server_start(Server *s, const Arguments *a) {
        int r;

        s->main_thread = pthread_self();
        r = uevents_new(a->mountpoint, &s->uevents);
        if (r >= 0)
                r = sysfs_new(s->platform, &listener, s, &s->sysfs);
        if (r >= 0)
                r = server_mount(s, a->mountpoint);
        if (r < 0)
                return r;
        s->has_handlers = fuse_set_signal_handlers(s->session) == 0;
        if (!s->has_handlers)
                return -EIO;
        if (a->control)
                r = control_server_new(a->control, s->platform, &s->control);
        return r < 0 ? r : -pthread_create(&s->signal_thread, NULL, wait_for_signal, s);
}

/* Uevents first: the loop has ended, and they would wait for it; unmounting fails what waits. */
static void server_stop(Server *s) {
        s->control = control_server_free(s->control);
        if (s->has_handlers)
                fuse_remove_signal_handlers(s->session);
        if (s->session) {
                fuse_session_unmount(s->session);
                fuse_session_destroy(s->session);
        }
        uevents_free(s->uevents);
        sysfs_free(s->sysfs);
}

static int serve(const Scenario *scenario, const Arguments *a) {
        _cleanup_(platform_freep) Platform *platform = NULL;
        Server s = { 0 };
        sigset_t set;
        int r;

        /* in all threads, which inherit it, but in the one that waits for them */
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        pthread_sigmask(SIG_BLOCK, &set, NULL);
        r = platform_new(scenario, &platform);
        if (r < 0) {
                log_error("The emulated platform does not start: %s", strerror(-r));
                return EXIT_FAILURE;
        }
        s.platform = platform;
        r = server_start(&s, a);
        if (r == -EPERM) {
                log_error("Cannot mount on %s: /dev/fuse, its rights or the mount's are missing here",
                          a->mountpoint);
                server_stop(&s);
                return EXIT_SKIPPED;
        }
        if (r >= 0) {
                r = server_loop(&s);
                pthread_kill(s.signal_thread, SIGTERM); /* unmounted by somebody else: it still waits */
                pthread_join(s.signal_thread, NULL);
        }
        if (r < 0)
                log_error("The tree cannot be served: %s", strerror(-r));
        server_stop(&s);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int parse_arguments(int argc, char **argv, Arguments *ret) {
        static const struct option options[] = {
                { "scenario", required_argument, NULL, 's' },
                { "control", required_argument, NULL, 'c' },
                { 0 },
        };
        int option;

        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                if (option == 's')
                        ret->scenario = optarg;
                else if (option == 'c')
                        ret->control = optarg;
                else
                        return -EINVAL;
        }
        if (!ret->scenario || optind != argc - 1)
                return -EINVAL;
        ret->mountpoint = argv[optind];
        return 0;
}

int main(int argc, char **argv) {
        _cleanup_(scenario_freep) Scenario *scenario = NULL;
        char error[SCENARIO_ERROR_MAX];
        Arguments arguments = { 0 };
        struct stat st;

        log_init("doe-sysfs");
        if (parse_arguments(argc, argv, &arguments) < 0) {
                fprintf(stderr, "Usage: doe-sysfs --scenario FILE [--control PATH] MOUNTPOINT\n");
                return EXIT_FAILURE;
        }
        if (scenario_read(arguments.scenario, &scenario, error) < 0) {
                log_error("%s", error);
                return EXIT_FAILURE;
        }
        if (stat(arguments.mountpoint, &st) < 0 || !S_ISDIR(st.st_mode)) {
                log_error("%s is no folder to mount on", arguments.mountpoint);
                return EXIT_FAILURE;
        }
        return serve(scenario, &arguments);
}
