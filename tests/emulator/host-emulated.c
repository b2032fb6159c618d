/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/emulator/host-emulated.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include "daemon/util/clock.h"

typedef struct Item Item;
struct Item {
        Item *next;
        HostEvent event;
};

typedef struct HostEmulated {
        Host host;
        Platform *platform;
        const Scenario *scenario;
        /* of this process: each start of it is another appearance of all functions, which lost their state
         */
        uint64_t start_usec;

        /* events on their way from the platform's threads to the main thread */
        pthread_mutex_t lock;
        Item *first, **last;
        int fd;
        struct event *event;
        HostEventHandler handler;
        void *userdata;
} HostEmulated;

typedef struct EmulatedConfig {
        ConfigSpace config;
        Platform *platform;
        size_t function;
        uint64_t instance;
} EmulatedConfig;

static int config_read32(ConfigSpace *config, uint16_t offset, uint32_t *ret) {
        EmulatedConfig *c = (EmulatedConfig *)config;

        return platform_read(c->platform, c->function, c->instance, offset, 4, ret);
}

static int config_write32(ConfigSpace *config, uint16_t offset, uint32_t value) {
        EmulatedConfig *c = (EmulatedConfig *)config;

        return platform_write(c->platform, c->function, c->instance, offset, 4, value);
}

static uint64_t config_now_usec(_unused_ ConfigSpace *config) {
        return clock_monotonic_usec();
}

static void config_pause(_unused_ ConfigSpace *config, uint64_t usec) {
        platform_spend(usec);
}

static const ConfigSpace config_ops = { config_read32, config_write32, config_now_usec, config_pause };

/* -ENODEV if it is away. */
static int find_present(HostEmulated *h, const char *address, PlatformView *ret) {
        int i = scenario_find(h->scenario, address);

        if (i < 0)
                return -ENODEV;
        platform_get_view(h->platform, (size_t)i, ret);
        return ret->is_present ? i : -ENODEV;
}

static void fill_function(const HostEmulated *h, const ScenarioDevice *d, uint64_t instance,
                          HostFunction *ret) {
        *ret = (HostFunction){ .vendor_id = d->model.vendor_id,
                               .device_id = d->model.device_id,
                               .class_code = d->model.class_code,
                               .n_mailboxes = (uint16_t)d->model.n_mailboxes };
        snprintf(ret->address, sizeof(ret->address), "%s", d->address);
        snprintf(ret->instance, sizeof(ret->instance), "emulated-%llx-%llu",
                 (unsigned long long)h->start_usec, (unsigned long long)instance);
        snprintf(ret->name, sizeof(ret->name), "%s", d->name);
        for (size_t i = 0; i < d->model.n_mailboxes; i++)
                ret->mailboxes[i] = (WireMailboxInfo){ .offset = d->model.mailboxes[i].offset,
                                                       .cap_version = d->model.mailboxes[i].cap_version };
}

static int emulated_enumerate(Host *host, HostFunction **ret, size_t *ret_n) {
        HostEmulated *h = (HostEmulated *)host;
        HostFunction *functions = calloc(MAX_OF(h->scenario->n_devices, (size_t)1), sizeof(*functions));
        size_t n = 0;

        if (!functions)
                return -ENOMEM;
        for (size_t i = 0; i < h->scenario->n_devices; i++) {
                PlatformView view;

                platform_get_view(h->platform, i, &view);
                if (view.is_present && h->scenario->devices[i].model.n_mailboxes > 0)
                        fill_function(h, &h->scenario->devices[i], view.instance, &functions[n++]);
        }
        *ret = functions;
        *ret_n = n;
        return 0;
}

static int emulated_view(Host *host, const char *address, HostView *ret) {
        HostEmulated *h = (HostEmulated *)host;
        const ScenarioDevice *d;
        ScenarioLockdown lockdown = platform_lockdown(h->platform);
        PlatformView view;
        int i;

        i = find_present(h, address, &view);
        if (i < 0)
                return i;
        d = &h->scenario->devices[i];
        *ret = (HostView){ .numa_node = d->numa_node,
                           .has_kernel_cdat = view.has_kernel_cdat && !view.is_kernel_cdat_empty,
                           .has_kernel_features = d->has_doe_features,
                           .n_features = (uint16_t)d->n_features };
        snprintf(ret->driver, sizeof(ret->driver), "%s", view.driver);
        snprintf(ret->held, sizeof(ret->held), "%s", view.held);
        if (lockdown != LOCKDOWN_NONE)
                snprintf(ret->read_only, sizeof(ret->read_only), "kernel lockdown is %s",
                         scenario_lockdown_to_string(lockdown));
        if (view.has_cxl) {
                snprintf(ret->cxl_memory, sizeof(ret->cxl_memory), "%.*s", (int)sizeof(ret->cxl_memory) - 1,
                         d->cxl_memory);
                snprintf(ret->cxl_port, sizeof(ret->cxl_port), "%.*s", (int)sizeof(ret->cxl_port) - 1,
                         d->cxl_port);
        }
        if (view.has_tsm)
                snprintf(ret->spdm_owner, sizeof(ret->spdm_owner),
                         "the kernel has tsm/connect for it: a TSM may have an SPDM session");
        for (size_t j = 0; j < d->n_features; j++)
                ret->features[j] = (WireFeature){ d->features[j].vendor_id, d->features[j].type };
        return 0;
}

static int emulated_open_config(Host *host, const char *address, ConfigSpace **ret) {
        HostEmulated *h = (HostEmulated *)host;
        PlatformView view;
        EmulatedConfig *c;
        int i;

        i = find_present(h, address, &view);
        if (i < 0)
                return i;
        c = malloc(sizeof(*c));
        if (!c)
                return -ENOMEM;
        *c = (EmulatedConfig){ config_ops, h->platform, (size_t)i, view.instance };
        *ret = &c->config;
        return 0;
}

static void emulated_close_config(_unused_ Host *host, ConfigSpace *config) {
        free(config);
}

static void emulated_power_pin(Host *host, const char *address, bool is_pinned) {
        HostEmulated *h = (HostEmulated *)host;
        PlatformView view;
        int i = find_present(h, address, &view);

        if (i >= 0)
                platform_set_power(h->platform, (size_t)i, is_pinned);
}

static int emulated_read_kernel_cdat(Host *host, const char *address, uint8_t **ret, size_t *ret_n_bytes) {
        HostEmulated *h = (HostEmulated *)host;
        PlatformView view;
        int i = find_present(h, address, &view);

        return i < 0 ? i : platform_read_kernel_cdat(h->platform, (size_t)i, ret, ret_n_bytes);
}

static void emulated_lockdown(Host *host, char *buf) {
        HostEmulated *h = (HostEmulated *)host;

        snprintf(buf, WIRE_ADDRESS_MAX, "%s", scenario_lockdown_to_string(platform_lockdown(h->platform)));
}

static HostEventKind host_event_kind(PlatformEventKind kind) {
        switch (kind) {
        case PLATFORM_ADDED:
                return HOST_EVENT_ADD;
        case PLATFORM_REMOVED:
                return HOST_EVENT_REMOVE;
        case PLATFORM_HELD:
        case PLATFORM_ERROR:
                return HOST_EVENT_HOLD;
        case PLATFORM_BOUND:
        case PLATFORM_UNBOUND:
        case PLATFORM_CXL_ADDED:
        case PLATFORM_CXL_REMOVED:
                return HOST_EVENT_BIND;
        case PLATFORM_RESET:
        case PLATFORM_RECOVERED:
                return HOST_EVENT_RESET;
        case PLATFORM_LOCKDOWN:
                return HOST_EVENT_LOCKDOWN;
        case PLATFORM_CHANGED:
                break;
        }
        return HOST_EVENT_VIEW;
}

/* On the platform's threads. Without memory the event is lost, as a uevent would be. */
static void on_platform_event(void *userdata, const PlatformEvent *event) {
        HostEmulated *h = userdata;
        Item *item = calloc(1, sizeof(*item));

        if (!item)
                return;
        item->event.kind = host_event_kind(event->kind);
        if (event->kind != PLATFORM_LOCKDOWN)
                snprintf(item->event.address, sizeof(item->event.address), "%s",
                         h->scenario->devices[event->function].address);
        snprintf(item->event.reason, sizeof(item->event.reason), "%s", event->text);
        pthread_mutex_lock(&h->lock);
        *h->last = item;
        h->last = &item->next;
        pthread_mutex_unlock(&h->lock);
        eventfd_write(h->fd, 1);
}

static Item *take_items(HostEmulated *h) {
        Item *items;

        pthread_mutex_lock(&h->lock);
        items = h->first;
        h->first = NULL;
        h->last = &h->first;
        pthread_mutex_unlock(&h->lock);
        return items;
}

static void on_wakeup(evutil_socket_t fd, _unused_ short what, void *userdata) {
        HostEmulated *h = userdata;
        eventfd_t count;
        Item *items;

        eventfd_read(fd, &count);
        items = take_items(h);
        while (items) {
                Item *item = items;

                items = item->next;
                h->handler(h->userdata, &item->event);
                free(item);
        }
}

static int emulated_watch(Host *host, struct event_base *base, HostEventHandler handler, void *userdata) {
        HostEmulated *h = (HostEmulated *)host;

        h->handler = handler;
        h->userdata = userdata;
        h->event = event_new(base, h->fd, EV_READ | EV_PERSIST, on_wakeup, h);
        return h->event && event_add(h->event, NULL) == 0 ? 0 : -ENOMEM;
}

static Host *emulated_free(Host *host) {
        HostEmulated *h = (HostEmulated *)host;
        Item *items;

        if (!h)
                return NULL;
        platform_observe(h->platform, NULL, NULL);
        if (h->event)
                event_free(h->event);
        items = take_items(h);
        while (items) {
                Item *item = items;

                items = item->next;
                free(item);
        }
        close(h->fd);
        pthread_mutex_destroy(&h->lock);
        free(h);
        return NULL;
}

static const HostOps emulated_ops = {
        .enumerate = emulated_enumerate,
        .view = emulated_view,
        .open_config = emulated_open_config,
        .close_config = emulated_close_config,
        .power_pin = emulated_power_pin,
        .read_kernel_cdat = emulated_read_kernel_cdat,
        .lockdown = emulated_lockdown,
        .watch = emulated_watch,
        .free = emulated_free,
};

int host_emulated_new(Platform *platform, Host **ret) {
        HostEmulated *h = calloc(1, sizeof(*h));

        if (!h)
                return -ENOMEM;
        *h = (HostEmulated){ .host = { &emulated_ops, platform_scenario(platform)->settle_usec },
                             .platform = platform,
                             .scenario = platform_scenario(platform),
                             .start_usec = clock_boottime_usec(),
                             .last = &h->first,
                             .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
        if (h->fd < 0) {
                free(h);
                return -errno;
        }
        pthread_mutex_init(&h->lock, NULL);
        platform_observe(platform, on_platform_event, h);
        *ret = &h->host;
        return 0;
}
