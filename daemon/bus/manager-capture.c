/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Manager1.Capture. If nobody receives its reply, the descriptor in it is closed, and so the capture ends by
 * itself. */

#include <errno.h>

#include "daemon/bus/capture-pipe.h"
#include "daemon/bus/manager-methods.h"
#include "daemon/bus/path.h"

/* -------- the filter -------- */

static int read_capture(BusCall *call, Failure *ret_failure) {
        call->capture = calloc(1, sizeof(*call->capture));
        return call->capture ? 0 : failure_set(ret_failure, -ENOMEM, "Out of memory");
}

/* One that is not there yet may come. */
static int check_capture(BusCall *call, Failure *ret_failure) {
        const OptionMailboxes *mailboxes = &call->capture->mailboxes;
        char address[WIRE_ADDRESS_MAX];
        uint16_t offset;

        for (size_t i = 0; i < mailboxes->n_paths; i++)
                if (path_parse_mailbox(mailboxes->paths[i], address, &offset) < 0)
                        return failure_set(ret_failure, -EINVAL, "%s is not the path of a mailbox",
                                           mailboxes->paths[i]);
        return 0;
}

static void filter_init(CaptureFilter *f, const CallCapture *given) {
        char address[WIRE_ADDRESS_MAX];
        uint16_t offset;

        *f = (CaptureFilter){
                .n_features = given->features.n_features,
                .has_uid = given->has_uid,
                .uid = given->uid,
                .snaplen = given->has_snaplen ? given->snaplen : CAPTURE_SNAPLEN_DEFAULT,
                .recent = given->recent,
        };
        memcpy(f->features, given->features.features, sizeof(f->features));
        for (size_t i = 0; i < given->mailboxes.n_paths; i++)
                if (path_parse_mailbox(given->mailboxes.paths[i], address, &offset) >= 0)
                        mailbox_format_name(address, offset, f->mailboxes[f->n_mailboxes++]);
}

/* What is left of a list where no more of it has room: ", and 64 more". */
#define MORE_BYTES_MAX 16u
/* That the list of mailboxes leaves for that of features. */
#define FEATURES_BYTES_MIN 128u

typedef struct Description {
        char *buf;
        size_t size, n;
} Description;

/* Return: false: it would not leave @n_reserved bytes free, and nothing was written. */
static bool describe(Description *d, size_t n_reserved, const char *title, const char *name) {
        size_t n_bytes = strlen(title) + 1 + strlen(name);

        if (d->n + n_bytes + n_reserved >= d->size)
                return false;
        d->n += (size_t)snprintf(d->buf + d->n, d->size - d->n, "%s %s", title, name);
        return true;
}

static void describe_more(Description *d, size_t n_more) {
        if (n_more > 0)
                d->n += (size_t)snprintf(d->buf + d->n, d->size - d->n, ", and %zu more", n_more);
}

static void describe_mailboxes(Description *d, const CaptureFilter *f) {
        size_t n_reserved = MORE_BYTES_MAX + (f->n_features > 0 ? FEATURES_BYTES_MIN : 0), i = 0;

        while (i < f->n_mailboxes && describe(d, n_reserved, i == 0 ? ", mailboxes" : "", f->mailboxes[i]))
                i++;
        describe_more(d, f->n_mailboxes - i);
}

static void describe_features(Description *d, const CaptureFilter *f) {
        char feature[DOE_FEATURE_STR_MAX];
        size_t i = 0;

        while (i < f->n_features &&
               describe(d, MORE_BYTES_MAX, i == 0 ? ", features" : "",
                        doe_feature_format(f->features[i].vendor_id, f->features[i].type, feature)))
                i++;
        describe_more(d, f->n_features - i);
}

/* In words; of lists that the log has no room for, how many more there are. */
static void filter_describe(const CaptureFilter *f, char *buf, size_t size) {
        Description d = { .buf = buf, .size = size };

        d.n = (size_t)snprintf(buf, size, "%u payload bytes", f->snaplen);
        if (f->recent)
                d.n += (size_t)snprintf(buf + d.n, size - d.n, ", the recent past first");
        if (f->has_uid)
                d.n += (size_t)snprintf(buf + d.n, size - d.n, ", uid %u", f->uid);
        describe_mailboxes(&d, f);
        describe_features(&d, f);
}

/* -------- the method -------- */

static int fill_capture(BusCall *call, sd_bus_message *reply, const void *result) {
        return sd_bus_message_append(reply, "h", *(const int *)result);
}

static void run_capture(BusCall *call) {
        char description[CAPTURE_DESCRIPTION_MAX];
        CaptureFilter filter;
        Failure failure;
        int fd;

        filter_init(&filter, call->capture);
        filter_describe(&filter, description, sizeof(description));
        if (capture_pipe_open(call->daemon->capture_pipes, call->caller->client, &filter, description, &fd,
                              &failure) < 0) {
                call_fail(call, &failure);
                return;
        }
        call_reply(call, fill_capture, &fd);
        close(fd);
}

static const OptionRow capture_options[] = {
        { "mailboxes", OPTION_MAILBOXES, offsetof(CallCapture, mailboxes), 0 },
        { "features", OPTION_FEATURES, offsetof(CallCapture, features), 0 },
        { "uid", OPTION_U32, offsetof(CallCapture, uid), offsetof(CallCapture, has_uid) },
        { "snaplen", OPTION_U32, offsetof(CallCapture, snaplen), offsetof(CallCapture, has_snaplen) },
        { "recent", OPTION_BOOL, offsetof(CallCapture, recent), 0 },
        {},
};

const BusMethod manager_capture = { .interface = "Manager1",
                                    .member = "Capture",
                                    .options = capture_options,
                                    .read = read_capture,
                                    .check = check_capture,
                                    .run = run_capture };
