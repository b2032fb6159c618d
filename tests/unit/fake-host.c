/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/fake-host.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "daemon/pci/service.h"
#include "daemon/util/clock.h"
#include "protocols/registers.h"

FakeShared *fake;
static int event_pipe[2];

void fake_make(void) {
        fake = mmap(NULL, sizeof(*fake), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        ck_assert_ptr_ne(fake, MAP_FAILED);
        for (int i = 0; i < FAKE_DEVICES_MAX; i++) {
                snprintf(fake->devices[i].address, WIRE_ADDRESS_MAX, "0000:3a:00.%d", i);
                fake->devices[i].view.numa_node = -1;
        }
        fake->devices[0].is_there = true;
        strcpy(fake->lockdown, "none");
        ck_assert_int_eq(pipe(event_pipe), 0);
}

void fake_remove(void) {
        close(event_pipe[0]);
        close(event_pipe[1]);
        munmap(fake, sizeof(*fake));
}

void fake_emit(HostEventKind kind, const char *address) {
        HostEvent event = { .kind = kind, .reason = "because of a test" };

        strcpy(event.address, address);
        ck_assert_int_eq(write(event_pipe[1], &event, sizeof(event)), sizeof(event));
}

/* In the process of doed-pci. */

typedef struct FakeHost {
        Host host;
        struct event *event;
        HostEventHandler handler;
        void *userdata;
} FakeHost;

typedef struct FakeConfig {
        ConfigSpace config;
        FakeDevice *device;
} FakeConfig;

static FakeDevice *find(const char *address) {
        for (int i = 0; i < FAKE_DEVICES_MAX; i++)
                if (fake->devices[i].is_there && strcmp(fake->devices[i].address, address) == 0)
                        return &fake->devices[i];
        return NULL;
}

static void hang_while_stuck(const FakeDevice *d) {
        while (d->is_stuck)
                nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static int read32(ConfigSpace *config, uint16_t offset, uint32_t *ret) {
        FakeDevice *d = ((FakeConfig *)config)->device;

        hang_while_stuck(d);
        if (!d->is_there)
                return -ENODEV;
        if (offset == FAKE_OFFSET + DOE_REG_STATUS)
                *ret = d->is_ready ? DOE_STATUS_READY : 0;
        else if (offset == FAKE_OFFSET + DOE_REG_READ)
                *ret = d->is_ready ? d->request[d->n_read] : 0;
        else
                *ret = d->space[offset / 4];
        return 0;
}

static void control(FakeDevice *d, uint32_t value) {
        if (value & DOE_CONTROL_ABORT) {
                d->n_aborts++;
                d->is_ready = false;
                d->n_request = d->n_read = 0;
        }
        if (value & DOE_CONTROL_GO) {
                d->n_gos++;
                d->n_read = 0;
                d->is_ready = !d->is_mute;
        }
}

static int write32(ConfigSpace *config, uint16_t offset, uint32_t value) {
        FakeDevice *d = ((FakeConfig *)config)->device;

        hang_while_stuck(d);
        if (!d->is_there)
                return -ENODEV;
        if (d->refuses_writes)
                return -EPERM;
        d->n_writes++;
        if (offset == FAKE_OFFSET + DOE_REG_CONTROL) {
                control(d, value);
        } else if (offset == FAKE_OFFSET + DOE_REG_WRITE && d->n_request < FAKE_DWORDS_MAX) {
                d->request[d->n_request++] = value;
        } else if (offset == FAKE_OFFSET + DOE_REG_READ && ++d->n_read == d->n_request) {
                d->is_ready = false;
                d->n_request = d->n_read = 0;
        }
        return 0;
}

static uint64_t now_usec(ConfigSpace *config) {
        return clock_monotonic_usec();
}

static void pause_usec(ConfigSpace *config, uint64_t usec) {
        nanosleep(&(struct timespec){ .tv_nsec = (long)usec * 1000 }, NULL);
}

static int host_enumerate(Host *host, HostFunction **ret, size_t *ret_n) {
        HostFunction *functions = calloc(FAKE_DEVICES_MAX, sizeof(*functions));
        size_t n = 0;

        for (int i = 0; i < FAKE_DEVICES_MAX; i++) {
                if (!fake->devices[i].is_there)
                        continue;
                functions[n] = (HostFunction){ .vendor_id = 0x8086,
                                               .device_id = 0x0d93,
                                               .class_code = 0x050210,
                                               .name = "Fake",
                                               .n_mailboxes = 1,
                                               .mailboxes = { { FAKE_OFFSET, 1 } } };
                strcpy(functions[n].address, fake->devices[i].address);
                snprintf(functions[n].instance, WIRE_NAME_MAX, "%u", fake->devices[i].instance);
                n++;
        }
        *ret = functions;
        *ret_n = n;
        return 0;
}

static int host_view(Host *host, const char *address, HostView *ret) {
        FakeDevice *d = find(address);

        if (!d)
                return -ENODEV;
        *ret = d->view;
        return 0;
}

static int host_open_config(Host *host, const char *address, ConfigSpace **ret) {
        FakeDevice *d = find(address);
        FakeConfig *c;

        if (!d)
                return -ENODEV;
        hang_while_stuck(d);
        c = calloc(1, sizeof(*c));
        c->config = (ConfigSpace){
                .read32 = read32, .write32 = write32, .now_usec = now_usec, .pause = pause_usec
        };
        c->device = d;
        *ret = &c->config;
        return 0;
}

static void host_close_config(Host *host, ConfigSpace *config) {
        free(config);
}

static void host_power_pin(Host *host, const char *address, bool is_pinned) {
        FakeDevice *d = find(address);

        if (d)
                d->is_pinned = is_pinned;
}

static int host_read_kernel_cdat(Host *host, const char *address, uint8_t **ret, size_t *ret_n_bytes) {
        *ret = (uint8_t *)strdup("table");
        *ret_n_bytes = 5;
        return 0;
}

static void host_lockdown(Host *host, char *buf) {
        strcpy(buf, fake->lockdown);
}

static void on_event(evutil_socket_t fd, short what, void *userdata) {
        FakeHost *h = userdata;
        HostEvent event;

        if (read(fd, &event, sizeof(event)) == sizeof(event))
                h->handler(h->userdata, &event);
}

static int host_watch(Host *host, struct event_base *base, HostEventHandler handler, void *userdata) {
        FakeHost *h = (FakeHost *)host;

        h->handler = handler;
        h->userdata = userdata;
        h->event = event_new(base, event_pipe[0], EV_READ | EV_PERSIST, on_event, h);
        event_add(h->event, NULL);
        return 0;
}

static Host *host_free(Host *host) {
        event_free(((FakeHost *)host)->event);
        free(host);
        return NULL;
}

static const HostOps host_ops = {
        .enumerate = host_enumerate,
        .view = host_view,
        .open_config = host_open_config,
        .close_config = host_close_config,
        .power_pin = host_power_pin,
        .read_kernel_cdat = host_read_kernel_cdat,
        .lockdown = host_lockdown,
        .watch = host_watch,
        .free = host_free,
};

static int run(const char *wire, uint64_t settle_usec) {
        const char *folders[] = { fake->config_folder, NULL };
        ServiceSettings settings = { .wire_path = wire, .version = "test", .peer_uid = geteuid() };
        FakeHost *h = calloc(1, sizeof(*h));

        if (fake->config_folder[0])
                settings.config_folders = folders;
        h->host.ops = &host_ops;
        h->host.settle_usec = settle_usec;
        return service_run(&h->host, &settings) < 0;
}

/* In the test. */

static void await_ready(int notify_fd) {
        struct pollfd fd = { .fd = notify_fd, .events = POLLIN };
        char text[64] = "";

        ck_assert_int_eq(poll(&fd, 1, 10000), 1);
        ck_assert_int_gt(read(notify_fd, text, sizeof(text) - 1), 0);
        ck_assert_str_eq(text, "READY=1");
}

pid_t fake_start(const char *wire, uint64_t settle_usec) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        pid_t pid;

        snprintf(address.sun_path, sizeof(address.sun_path), "%s.notify", wire);
        ck_assert_int_eq(bind(notify_fd, (struct sockaddr *)&address, sizeof(address)), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                setenv("NOTIFY_SOCKET", address.sun_path, 1);
                exit(run(wire, settle_usec));
        }
        await_ready(notify_fd);
        close(notify_fd);
        unlink(address.sun_path);
        return pid;
}

int fake_stop(pid_t pid, int timeout_msec) {
        struct pollfd fd = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
        bool has_ended;
        int status;

        kill(pid, SIGTERM);
        has_ended = poll(&fd, 1, timeout_msec) == 1;
        close(fd.fd);
        if (!has_ended)
                kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        return has_ended && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void fake_kill(pid_t pid) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
}
