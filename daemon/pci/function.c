/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pci/function.h"

#include <errno.h>
#include <inttypes.h>

#include "daemon/pci/doe-mailbox.h"
#include "daemon/util/clock.h"
#include "daemon/util/log.h"

static void arm_settle_timer(Function *f) {
        uint64_t usec = usec_sub(usec_add(f->event_usec, f->settle_usec), clock_monotonic_usec());
        struct timeval tv = { .tv_sec = (time_t)(usec / USEC_PER_SEC),
                              .tv_usec = (suseconds_t)(usec % USEC_PER_SEC) };

        evtimer_add(f->settle_timer, &tv);
}

/* Why nothing is to be written, or "". */
static const char *read_only_reason(const Function *f) {
        if (f->view.read_only[0])
                return f->view.read_only;
        return f->refused[0] ? f->refused : f->take_over.never;
}

static void set_read_only(Function *f) {
        worker_set_read_only(f->worker, read_only_reason(f));
}

/* The kernel may have used the mailboxes during any hold, whether or not an event told so. A new function is
 * not on hold, since its mailboxes settle by themselves, but the kernel adds to its view meanwhile. */
static void on_settle_timer(evutil_socket_t fd, short what, void *userdata) {
        Function *f = userdata;

        if (f->refused[0]) {
                f->refused[0] = '\0';
                set_read_only(f);
        }
        if (f->is_held)
                worker_release(f->worker, f->event_usec, /* is_dirty= */ true);
        f->is_held = false;
        f->settings.on_settled(f->settings.userdata, f);
}

void function_hold(Function *f, const char *reason, uint64_t wait_until_usec) {
        log_full(LOG_DEBUG, f->info.address, "On hold: %s", reason);
        f->event_usec = clock_monotonic_usec();
        f->is_held = true;
        worker_hold(f->worker, reason, wait_until_usec);
        if (!f->view.held[0])
                arm_settle_timer(f);
}

void function_await_held(Function *f, uint64_t until_usec) {
        uint64_t begun_usec = clock_monotonic_usec();
        bool is_held = worker_await_held(f->worker, until_usec);
        uint64_t usec = clock_monotonic_usec() - begun_usec;

        if (is_held)
                log_full(LOG_DEBUG, f->info.address, "Left alone after %" PRIu64 " us", usec);
        else
                log_event(LOG_EVENT_KERNEL_NOT_AWAITED,
                          &(LogFields){ .subject = f->info.address, .duration_usec = usec },
                          "Not left alone in time, the kernel acts now, after %" PRIu64 " us", usec);
}

/* What works on it right now has no event for its end: the view tells it. */
static void note_held(Function *f, const char *was_held) {
        if (strcmp(f->view.held, was_held) == 0)
                return;
        function_hold(f, f->view.held[0] ? f->view.held : was_held, 0);
        if (f->view.held[0])
                evtimer_del(f->settle_timer);
}

/* Zero bytes between the fields too: two of them are compared as a whole. */
static void describe(const Function *f, WireDevice *ret) {
        const char *read_only = read_only_reason(f);
        char access[WIRE_TEXT_MAX * 2];

        memset(ret, 0, sizeof(*ret));
        wire_text_set(ret->address, sizeof(ret->address), f->info.address);
        wire_text_set(ret->instance, sizeof(ret->instance), f->info.instance);
        ret->vendor_id = f->info.vendor_id;
        ret->device_id = f->info.device_id;
        ret->class_code = f->info.class_code;
        ret->numa_node = MAX_OF(f->view.numa_node, -1);
        wire_text_set(ret->name, sizeof(ret->name), f->info.name);
        wire_text_set(ret->driver, sizeof(ret->driver), f->view.driver);
        snprintf(access, sizeof(access), "%s%s", read_only[0] ? "read-only: " : "read-write", read_only);
        wire_text_set(ret->access, sizeof(ret->access), access);
        wire_text_set(ret->cxl_memory, sizeof(ret->cxl_memory), f->view.cxl_memory);
        wire_text_set(ret->cxl_port, sizeof(ret->cxl_port), f->view.cxl_port);
        wire_text_set(ret->spdm_owner, sizeof(ret->spdm_owner),
                      f->view.spdm_owner[0] ? f->view.spdm_owner : f->secure);
        ret->has_kernel_cdat = f->view.has_kernel_cdat;
        ret->has_kernel_features = f->view.has_kernel_features;
        ret->n_features = f->view.n_features;
        for (size_t i = 0; i < f->view.n_features; i++) {
                ret->features[i].vendor_id = f->view.features[i].vendor_id;
                ret->features[i].type = f->view.features[i].type;
        }
        ret->n_mailboxes = f->info.n_mailboxes;
        for (size_t i = 0; i < f->info.n_mailboxes; i++) {
                ret->mailboxes[i].offset = f->info.mailboxes[i].offset;
                ret->mailboxes[i].cap_version = f->info.mailboxes[i].cap_version;
        }
}

const WireDevice *function_describe(Function *f) {
        describe(f, &f->told);
        return &f->told;
}

int function_refresh(Function *f) {
        HostView view = {}, was = f->view;
        WireDevice now;
        int r;

        r = f->settings.host->ops->view(f->settings.host, f->info.address, &view);
        if (r < 0)
                return r;
        f->view = view;
        worker_set_view(f->worker, view.spdm_owner, view.has_kernel_cdat);
        if (strcmp(view.read_only, was.read_only) != 0)
                set_read_only(f);
        note_held(f, was.held);
        describe(f, &now);
        if (memcmp(&now, &f->told, sizeof(now)) == 0)
                return 0;
        f->told = now;
        return 1;
}

void function_refuse(Function *f, const char *reason) {
        wire_text_set(f->refused, sizeof(f->refused), reason);
        set_read_only(f);
}

static Function *function_discard(Function *f) {
        if (f->settle_timer)
                event_free(f->settle_timer);
        free(f);
        return NULL;
}
DEFINE_CLEANUP(Function *, function_discard);

static uint64_t settle_time(const Host *host, const TakeOverRules *take_over) {
        if (take_over->settle_usec != USEC_INFINITY)
                return take_over->settle_usec;
        if (host->settle_usec != USEC_INFINITY)
                return host->settle_usec;
        return clock_boottime_usec() < FUNCTION_BOOT_USEC ? DOE_MAILBOX_SETTLE_BOOT_USEC
                                                          : DOE_MAILBOX_SETTLE_USEC;
}

static void judge(Function *f, const PciRules *rules) {
        pci_rules_judge_take_over(rules, &f->info, &f->take_over);
        f->settle_usec = settle_time(f->settings.host, &f->take_over);
}

void function_set_rules(Function *f, PciRules *rules) {
        judge(f, rules);
        worker_set_rules(f->worker, rules, f->settle_usec, f->take_over.is_on_demand);
        set_read_only(f);
}

void function_suspend(Function *f, uint64_t number) {
        worker_suspend(f->worker, number);
}

void function_resume(Function *f) {
        worker_resume(f->worker);
}

static int start_worker(Function *f, PciRules *rules) {
        WorkerSettings settings = {
                .host = f->settings.host,
                .function = &f->info,
                .run = f->settings.run,
                .settle_usec = f->settle_usec,
                .is_on_demand = f->take_over.is_on_demand,
                .rules = rules,
                .reports = f->settings.reports,
                .spdm_owner = f->view.spdm_owner,
                .has_kernel_cdat = f->view.has_kernel_cdat,
                .read_only = read_only_reason(f),
                .held = f->view.held,
                .suspend_number = f->settings.suspend_number,
        };

        return worker_new(&settings, &f->worker);
}

int function_new(const FunctionSettings *settings, const HostFunction *info, PciRules *rules,
                 Function **ret) {
        _cleanup_(function_discardp) Function *f = calloc(1, sizeof(*f));
        int r;

        if (!f)
                return -ENOMEM;
        f->settings = *settings;
        f->info = *info;
        judge(f, rules);
        f->event_usec = clock_monotonic_usec();
        f->settle_timer = evtimer_new(settings->base, on_settle_timer, f);
        if (!f->settle_timer)
                return -ENOMEM;
        r = settings->host->ops->view(settings->host, info->address, &f->view);
        if (r < 0)
                return r;
        f->is_held = f->view.held[0];
        r = start_worker(f, rules);
        if (r < 0)
                return r;
        if (!f->view.held[0])
                arm_settle_timer(f);
        *ret = TAKE_PTR(f);
        return 0;
}

void function_end(Function *f, int error, const char *evidence) {
        worker_stop(f->worker, error, evidence);
        function_discard(f);
}
