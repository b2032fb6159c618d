/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/**
 * DOC: libdoe - use PCIe Data Object Exchange mailboxes through doed
 *
 * doed owns the DOE mailboxes of a machine and lets many programs use them at once. This library speaks to
 * it over D-Bus. A program never needs the right to touch a device: doed's rules say who may send what.
 *
 *     struct doe_client *client;
 *     uint8_t *response;
 *     size_t n_bytes;
 *     int r;
 *
 *     r = doe_client_new(&client);
 *     if (r < 0)
 *             return r;
 *     r = doe_client_exchange(client, "0000:3a:00.0[160]", 0x0001, 0x00, "\0\0\0\0", 4, NULL,
 *                             &response, &n_bytes, NULL);
 *     if (r < 0)
 *             fprintf(stderr, "%s\n", doe_client_error_text(client));
 *     else
 *             free(response);
 *     doe_client_free(client);
 *
 * Names. A device is written "0000:3a:00.0", a mailbox "0000:3a:00.0[160]" (hex offset of its capability).
 * Where a function takes one of them, its object path on the bus
 * ("/org/doed/device/0000_3a_00_0/mailbox/160") is as good. A feature is a vendor ID and a type: 0x0001 0x00
 * is discovery, 0x0001 0x01 CMA/SPDM, 0x1e98 0x02 CXL table access.
 *
 * Bytes. Requests and responses of an exchange are payload, without the two header dwords, in the order in
 * which the bytes stand in the data object. A request is padded with zero bytes to whole dwords. Limits of
 * size (max_*_bytes) count the whole object, header included. On a lease whole objects pass, header
 * included.
 *
 * Time. All times are microseconds. A timeout is relative, and has everything in it: queue, device, abort. 0
 * is what doed's administrator set (TimeoutDefaultUSec, 20 seconds if he did not), and a day is the most.
 * doed answers within 100 ms of it, even while a device hangs; the library itself gives up 5 s later, with
 * -ETIMEDOUT, should doed not answer at all: for 0, whose length it does not know, after 605 s. A bus that
 * takes the connection and then says nothing is given up after the timeout, and after 25 s at most. On a
 * lease 0 is: do not wait. Points of time are CLOCK_REALTIME, 0 for never, except that of
 * doe_client_timeout_usec().
 *
 * Ownership. What a function returns through a ret_ pointer is the caller's, to be freed by the function
 * that its comment names. It is written on success only. What a getter returns belongs to its object and
 * lives as long. Functions that free take NULL, and return NULL of their type.
 *
 * Threads. The library has no state of its own beside its objects, starts no thread and installs no signal
 * handler. A client, and what was made from it, is used by one thread at a time; different clients are
 * independent of each other. A lease is independent of its client, which may be freed before it. Do not use
 * a client across fork().
 *
 * Errors. Functions return 0 or a positive number, or a negative errno:
 *
 *     -EPROTONOSUPPORT  the mailbox has no such feature
 *     -ESRCH            no such cookie, no such lease
 *     -ENOLCK           this feature is used through a lease
 *     -EUSERS           somebody holds a lease of it
 *     -EADDRINUSE       the mailbox is handed to a tool
 *     -EBUSY            somebody who does not ask doed kept the mailbox busy
 *     -EDQUOT           a limit is reached
 *     -ETIMEDOUT        the time is over
 *     -ESHUTDOWN        the mailbox did not react to an abort
 *     -ENODEV           the device is gone
 *     -EXDEV            the kernel is using the mailbox
 *     -EROFS            kernel lockdown forbids it
 *     -EHOSTDOWN        doed is not there, its doed-pci is not, or the bus is not
 *     -ECANCELED        canceled by doe_client_cancel(), or the client was freed in a callback meanwhile
 *     -ECONNABORTED     lost to an abort, a reset, another epoch, or doed's stop
 *     -EREMOTEIO        the device set its Error bit
 *     -EBADMSG          the response is malformed
 *     -EMSGSIZE         the request or the response is too large
 *     -EACCES           not allowed; the text names the rule, and what would help
 *     -EINVAL           an argument is wrong
 *     -ENOENT           no such device or mailbox
 *     -EOPNOTSUPP       this doed does not have that, or this connection cannot pass descriptors
 *     -EALREADY         the client has a watch
 *     -EAGAIN           of a lease: nothing was sent, nothing came in time
 *     -EPIPE            of a lease: it is over, and nothing can be sent
 *     -ECONNRESET       of a lease: the device was aborted or reset, and may have forgotten its session
 *     -EDEADLK          a function that waits was called from a callback
 *     -ENOMEM           out of memory
 *     -EIO              anything else; the text says what
 *
 * A client keeps the name, the text and the named values of the last failure for people and for programs
 * that want to know more (doe_client_error_text() and its siblings). They live until the next function of
 * that client is called. Once the bus is gone every function fails with -EHOSTDOWN: free the client and make
 * another. When only doed goes away the client stays good; what was under way fails, and later calls reach
 * the next doed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

#define DOE_FOREVER_USEC UINT64_MAX /* of a lease's waits, and of doe_client_timeout_usec() */
#define DOE_RESUME_BYTES 16u        /* of a lease's resume token */

struct doe_client;     /* one connection to doed */
struct doe_values;     /* named values */
struct doe_snapshot;   /* what was there at one moment */
struct doe_device;     /* one PCI function, in a snapshot or an event */
struct doe_mailbox;    /* one DOE capability, likewise */
struct doe_lease_info; /* somebody's open lease, likewise */
struct doe_event;      /* one change that a watch tells of */
struct doe_lease;      /* a lease of one's own */

/* Of the library that runs, such as "1.0.0"; static. */
const char *doe_version(void);

/* Options of a function are a structure that grows into its reserved words: all zero is the default, so
 * begin with { 0 } ({} in C++). NULL is the default, too. What a function does not know is -EINVAL. */
struct doe_call_options {
        uint64_t timeout_usec;
        bool force;           /* of doe_client_recover() only */
        uint64_t reserved[4]; /* zero */
};

/* ---- the connection ---- */

/**
 * doe_client_new() - connect to doed over the system bus, or over what DBUS_SYSTEM_BUS_ADDRESS names
 *
 * doed is started by the first call if it is not there and the bus can. Free with doe_client_free().
 *
 * Return: 0; -EHOSTDOWN without a bus; -ENOMEM.
 */
int doe_client_new(struct doe_client **ret);

/* As doe_client_new(), over the bus at a D-Bus address, such as "unix:path=/run/dbus/system_bus_socket".
 * -EINVAL if that is none. */
int doe_client_new_address(const char *address, struct doe_client **ret);

/* As doe_client_new(), over the system bus of "[USER@]HOST", through ssh, as sd_bus_open_system_remote(3)
 * takes it. Descriptors do not cross it: leases and inhibit are then refused with -EOPNOTSUPP. */
int doe_client_new_host(const char *host, struct doe_client **ret);

/* Ends the connection. What is under way is dropped, and its callbacks are not called any more. Leases stay
 * open. In a callback it is the last that may be done with @c: no other callback follows, the memory goes
 * when the function ends that called it, and that returns -ECANCELED. */
struct doe_client *doe_client_free(struct doe_client *c);

/* May polkit ask the person at the screen for a password where a rule says so? Not at first. */
int doe_client_set_interactive(struct doe_client *c, bool may_ask);

/* Why the last function of @c failed: the name on the bus, such as "org.doed.Error.TimedOut"; a sentence for
 * people; the named values of it. The first is NULL, the others are empty after success. In a callback: of
 * what it tells. */
const char *doe_client_error_name(const struct doe_client *c);
const char *doe_client_error_text(const struct doe_client *c);
const struct doe_values *doe_client_error_values(const struct doe_client *c);

/* ---- in an event loop ---- */

/* The descriptor to poll. Ask again after each doe_client_process(), together with the two below.
 * -EHOSTDOWN. */
int doe_client_fd(struct doe_client *c);
/* What to poll it for: POLLIN, POLLOUT. -EHOSTDOWN. */
int doe_client_events(struct doe_client *c);
/* CLOCK_MONOTONIC at which to call doe_client_process() even if the descriptor is not ready; it may be over
 * already. DOE_FOREVER_USEC: no need. */
int doe_client_timeout_usec(struct doe_client *c, uint64_t *ret_usec);

/**
 * doe_client_process() - send and receive what can be without waiting, and call the callbacks that are due
 *
 * Functions that wait call callbacks, too. A callback may start and cancel exchanges; functions that wait
 * fail in it with -EDEADLK.
 *
 * Return: 0; -EHOSTDOWN when the connection has ended, after the callbacks of all that was under way;
 * -ECANCELED if a callback freed @c; -EDEADLK.
 */
int doe_client_process(struct doe_client *c);

/* ---- named values ----
 *
 * Text, integers and booleans. What has another type on the bus (arrays, doubles, structures) is left out:
 * who needs that reads the property by D-Bus. */

struct doe_values *doe_values_free(struct doe_values *v);
size_t doe_values_count(const struct doe_values *v);
/* Of value @i, from 0; NULL at the end. */
const char *doe_values_name(const struct doe_values *v, size_t i);
/* NULL if there is no such value, or it is not text. */
const char *doe_values_text(const struct doe_values *v, const char *name);
/* Any integer (a negative one in two's complement) or boolean (0, 1). -ENOENT if there is none of that name.
 */
int doe_values_number(const struct doe_values *v, const char *name, uint64_t *ret);

/* ---- what is there ---- */

/**
 * doe_client_enumerate() - all devices, mailboxes and open leases, as they are now
 * @options: timeout_usec counts, for doed's first enumeration to end; may be NULL
 *
 * Free with doe_snapshot_free(), which ends all that was got from it.
 */
int doe_client_enumerate(struct doe_client *c, const struct doe_call_options *options,
                         struct doe_snapshot **ret);
struct doe_snapshot *doe_snapshot_free(struct doe_snapshot *s);

/* Walk in order of address and offset: @after is NULL first, then what the last call returned; NULL at the
 * end. */
const struct doe_device *doe_snapshot_next_device(const struct doe_snapshot *s,
                                                  const struct doe_device *after);
const struct doe_mailbox *doe_snapshot_next_mailbox(const struct doe_snapshot *s,
                                                    const struct doe_mailbox *after);
const struct doe_lease_info *doe_snapshot_next_lease(const struct doe_snapshot *s,
                                                     const struct doe_lease_info *after);

const char *doe_device_name(const struct doe_device *d); /* "0000:3a:00.0" */
const char *doe_device_path(const struct doe_device *d); /* on the bus */
uint16_t doe_device_vendor_id(const struct doe_device *d);
uint16_t doe_device_device_id(const struct doe_device *d);
uint32_t doe_device_class(const struct doe_device *d);          /* 24 bits */
const char *doe_device_description(const struct doe_device *d); /* from pci.ids */
const char *doe_device_driver(const struct doe_device *d);      /* "" for none */
bool doe_device_has_cdat(const struct doe_device *d);           /* doe_client_read_cdat() can be asked */
/* All properties that are text or numbers, by their names on the bus; those of org.doed.Cdat1 as CdatLength,
 * CdatSequence, CdatSource.
 */
const struct doe_values *doe_device_values(const struct doe_device *d);

const char *doe_mailbox_name(const struct doe_mailbox *mb); /* "0000:3a:00.0[160]" */
const char *doe_mailbox_path(const struct doe_mailbox *mb);
const char *doe_mailbox_device(const struct doe_mailbox *mb); /* "0000:3a:00.0" */
uint16_t doe_mailbox_offset(const struct doe_mailbox *mb);
/* "untouched", "starting", "ready", "waiting", "recovering", "kernel", "read-only", "inhibited", "dead",
 * "gone"; others may be added. */
const char *doe_mailbox_state(const struct doe_mailbox *mb);
const char *doe_mailbox_state_reason(const struct doe_mailbox *mb);
/* Another one whenever the device may have forgotten what it was told. */
uint64_t doe_mailbox_epoch(const struct doe_mailbox *mb);
/* All properties but the features, by their names on the bus: the counters, such as Exchanges, too. */
const struct doe_values *doe_mailbox_values(const struct doe_mailbox *mb);

/* Features by index from 0; names, classes and limits of those that doed knows. */
size_t doe_mailbox_n_features(const struct doe_mailbox *mb);
/* -ENOENT beyond the last. */
int doe_mailbox_feature(const struct doe_mailbox *mb, size_t i, uint16_t *ret_vendor, uint8_t *ret_type);
/* "name", "class", "max-bytes", "max-connection-id", where known. NULL beyond the last. */
const struct doe_values *doe_mailbox_feature_values(const struct doe_mailbox *mb, size_t i);
/* True if the mailbox is known to offer it. */
bool doe_mailbox_has_feature(const struct doe_mailbox *mb, uint16_t vendor, uint8_t type);

const char *doe_lease_info_path(const struct doe_lease_info *l);
const char *doe_lease_info_mailbox(const struct doe_lease_info *l); /* "0000:3a:00.0[160]" */
const char *doe_lease_info_scope(const struct doe_lease_info *l);   /* "feature", "mailbox", "registers" */
uint32_t doe_lease_info_uid(const struct doe_lease_info *l);        /* UINT32_MAX if not known */
/* All properties by their names on the bus, as far as they are text or numbers. */
const struct doe_values *doe_lease_info_values(const struct doe_lease_info *l);

/**
 * doe_client_find() - mailboxes that may offer a feature, best first
 * @device:        its name or path, a glob of names, or NULL for all
 * @options:       timeout_usec counts, for doed's first enumeration to end; may be NULL
 * @ret_mailboxes: names such as "0000:3a:00.0[160]", then NULL; one allocation, to be released with free()
 *
 * Those that offer it and are ready, then those in other states, dead ones last.
 *
 * Return: how many.
 */
int doe_client_find(struct doe_client *c, const char *device, uint16_t vendor, uint8_t type,
                    const struct doe_call_options *options, char ***ret_mailboxes);

/* ---- watching ---- */

enum doe_event_kind {
        DOE_EVENT_DEVICE_ADDED = 1,
        DOE_EVENT_DEVICE_CHANGED,
        DOE_EVENT_DEVICE_REMOVED,
        DOE_EVENT_MAILBOX_ADDED,
        DOE_EVENT_MAILBOX_CHANGED,
        DOE_EVENT_MAILBOX_REMOVED,
        DOE_EVENT_LEASE_ADDED,
        DOE_EVENT_LEASE_CHANGED,
        DOE_EVENT_LEASE_REMOVED,
        DOE_EVENT_MAILBOX_ABORTED,  /* the text says why */
        DOE_EVENT_FOREIGN_ACTIVITY, /* somebody else was at the registers; the text is the evidence */
        DOE_EVENT_LISTED,           /* all that doed has now was told as added */
        DOE_EVENT_LOST, /* doed left the bus, or cannot be asked; all that it had was told as removed */
};

/* @e lives as long as the call. */
typedef void (*doe_event_fn)(struct doe_client *c, const struct doe_event *e, void *userdata);

/**
 * doe_client_watch() - be told what is there, and then of every change
 *
 * From doe_client_process() on: first all that is there is told as added, then comes DOE_EVENT_LISTED, then
 * the changes as they happen. After DOE_EVENT_LOST the watch goes on, and begins anew with the next doed; a
 * doed that is there and gives no list is asked again after 1 s, then ever less often, up to once a minute.
 * One watch per client, until the client is freed.
 *
 * Return: 0; -EALREADY if there is one.
 */
int doe_client_watch(struct doe_client *c, doe_event_fn on_event, void *userdata);

enum doe_event_kind doe_event_kind(const struct doe_event *e); /* others may be added */
/* What it concerns, with its properties as they are now (as they were last, if it is removed); NULL for what
 * is not of that kind. */
const struct doe_device *doe_event_device(const struct doe_event *e);
const struct doe_mailbox *doe_event_mailbox(const struct doe_event *e);
const struct doe_lease_info *doe_event_lease(const struct doe_event *e);
const char *doe_event_text(const struct doe_event *e); /* "" where there is none */

/* ---- exchanges ---- */

enum doe_priority {
        DOE_PRIORITY_DEFAULT = 0, /* normal */
        DOE_PRIORITY_URGENT,      /* for root; others get normal */
        DOE_PRIORITY_NORMAL,
        DOE_PRIORITY_BACKGROUND,
};

/* All zero is the default; begin with { 0 } ({} in C++). */
struct doe_options {
        uint64_t timeout_usec;
        uint64_t epoch;              /* -ECONNABORTED if it is no longer the mailbox's; 0: any */
        uint32_t max_response_bytes; /* whole object; 0: what the feature is known to need */
        enum doe_priority priority;
        bool fresh;           /* not from doed's cache */
        uint64_t reserved[4]; /* zero */
};

enum doe_source {
        DOE_SOURCE_MAILBOX = 1, /* from the device; or from a copy of that, then is_cached */
        DOE_SOURCE_KERNEL,      /* from what the kernel had read */
};

struct doe_details {
        uint64_t queued_usec;
        uint64_t device_usec;
        uint64_t epoch;
        uint32_t attempts;
        enum doe_priority priority; /* what was used */
        enum doe_source source;
        bool is_cached;
        uint64_t reserved[4];
};

/**
 * doe_client_exchange() - send one request, wait for its response
 * @mailbox:      name or path
 * @request:      payload; may be NULL if @n_bytes is 0
 * @options:      may be NULL
 * @ret_response: payload, whole dwords; release with free()
 * @ret_details:  may be NULL
 *
 * Return: 0; any of the errors above.
 */
int doe_client_exchange(struct doe_client *c, const char *mailbox, uint16_t vendor, uint8_t type,
                        const void *request, size_t n_bytes, const struct doe_options *options,
                        uint8_t **ret_response, size_t *ret_n_bytes, struct doe_details *ret_details);

/* The end of an exchange that was started. @result: 0, or a negative errno; then @response and @details are
 * NULL. All pointers live as long as the call. */
typedef void (*doe_exchange_fn)(struct doe_client *c, uint64_t cookie, int result, const uint8_t *response,
                                size_t n_bytes, const struct doe_details *details, void *userdata);

/**
 * doe_client_exchange_start() - send one request, and have its response told
 * @on_done:    called exactly once, from doe_client_process() or a function that waits, never from this one
 * @ret_cookie: for doe_client_cancel(); may be NULL
 *
 * The arguments are copied. Any number may be under way; doed's limits apply (-EDQUOT).
 *
 * Return: 0, and @on_done will be called; or an error, and it will not.
 */
int doe_client_exchange_start(struct doe_client *c, const char *mailbox, uint16_t vendor, uint8_t type,
                              const void *request, size_t n_bytes, const struct doe_options *options,
                              doe_exchange_fn on_done, void *userdata, uint64_t *ret_cookie);

/* End an exchange that was started: its callback is called later, with -ECANCELED, or with its result where
 * that was faster. -ESRCH if it is over. */
int doe_client_cancel(struct doe_client *c, uint64_t cookie);

/**
 * doe_client_read_cdat() - the whole Coherent Device Attribute Table of a device, validated
 * @device:    name or path
 * @options:   timeout_usec and fresh count; may be NULL
 * @ret_table: the bytes of the table, header first; release with free()
 *
 * Return: 0; -ENOENT if the device has none.
 */
int doe_client_read_cdat(struct doe_client *c, const char *device, const struct doe_options *options,
                         uint8_t **ret_table, size_t *ret_n_bytes, struct doe_details *ret_details);

/* All zero is the default. */
struct doe_explain_options {
        uint64_t timeout_usec;
        const uint32_t *uid;  /* of whom; NULL: oneself */
        const uint32_t *gids; /* of the same; only with a uid */
        size_t n_gids;
        uint64_t reserved[4]; /* zero */
};

/* Would an exchange be allowed, and why? Nothing is sent. @options may be NULL. @ret: "verdict" (allow,
 * deny, ask, needs-lease), "rule", "source" (file:line), "class", "opcode", "state"; free with
 * doe_values_free(). */
int doe_client_explain(struct doe_client *c, const char *mailbox, uint16_t vendor, uint8_t type,
                       const void *request, size_t n_bytes, const struct doe_explain_options *options,
                       struct doe_values **ret);

/* ---- leases ---- */

enum doe_scope {
        DOE_SCOPE_FEATURE = 0, /* the feature; of SPDM all of the function's */
        DOE_SCOPE_MAILBOX,
};

/* All zero is the default. */
struct doe_lease_options {
        uint64_t timeout_usec;
        uint64_t idle_usec;    /* end it after so long without a request; 0: what the rules say */
        uint64_t max_usec;     /* end it after so long; 0: what the rules say */
        uint64_t request_usec; /* bound of each request; 0: what the rules say */
        const uint8_t *resume; /* doe_lease_resume() of an earlier lease, to go on with it; or NULL */
        enum doe_scope scope;
        bool wait;            /* until it is free; else -EUSERS at once */
        uint64_t reserved[4]; /* zero */
};

/**
 * doe_client_lease() - have a feature, or a mailbox, for oneself
 * @options: may be NULL
 * @ret:     free with doe_lease_free(), which ends the lease
 *
 * Return: 0; -EUSERS, and the values say who and since when; -EOPNOTSUPP if this connection cannot pass
 * descriptors, found out before doed is asked; any of the errors above.
 */
int doe_client_lease(struct doe_client *c, const char *mailbox, uint16_t vendor, uint8_t type,
                     const struct doe_lease_options *options, struct doe_lease **ret);

/* All zero is the default. */
struct doe_inhibit_options {
        uint64_t timeout_usec;
        uint64_t max_usec;    /* the end of it; 0: what doed's administrator set */
        bool force;           /* end the leases that are open, instead of failing with -EUSERS */
        uint64_t reserved[4]; /* zero */
};

/**
 * doe_client_inhibit() - have doed keep its hands off a mailbox, for a tool that drives the registers itself
 * @why:     for those who are refused meanwhile
 * @options: may be NULL
 * @ret:     free with doe_lease_free(), which gives the mailbox back; nothing can be sent on it
 *
 * Return: as doe_client_lease().
 */
int doe_client_inhibit(struct doe_client *c, const char *mailbox, const char *why,
                       const struct doe_inhibit_options *options, struct doe_lease **ret);

/* End a lease of one's own uid, or for those who may manage any. @path: doe_lease_path() or
 * doe_lease_info_path(). */
int doe_client_revoke(struct doe_client *c, const char *path, const char *why);

/* Use the stream of a lease that somebody else obtained, such as descriptor 3 below "doectl lease --
 * COMMAND".
 * @max_object_bytes: 0 if not known. @fd moves to the lease on success only, and is
 * closed on exec then. */
int doe_lease_new_from_fd(int fd, size_t max_object_bytes, struct doe_lease **ret);

/* Closes the descriptor. The lease is over once all copies of that are closed. */
struct doe_lease *doe_lease_free(struct doe_lease *l);

/* To poll, or to pass to another process; stays the lease's. */
int doe_lease_fd(const struct doe_lease *l);
/* What to poll it for. */
int doe_lease_events(const struct doe_lease *l);
const char *doe_lease_path(const struct doe_lease *l); /* its object on the bus; "" if not known */
uint64_t doe_lease_epoch(const struct doe_lease *l);   /* in which it began; 0 if not known */
/* DOE_RESUME_BYTES with which the same user gets it back for 10 minutes, if nobody spoke to the device in
 * between and it has not forgotten anything; NULL if there are none. */
const uint8_t *doe_lease_resume(const struct doe_lease *l);
size_t doe_lease_max_object_bytes(const struct doe_lease *l);

/**
 * doe_lease_send() - send one whole data object, with all that its header says
 * @object:       its header says @n_bytes
 * @timeout_usec: 0: do not wait; DOE_FOREVER_USEC
 *
 * Return: 0, also if the end of it waits in the library for its turn (doe_lease_receive() sends it on);
 * -EAGAIN if nothing was sent in time; -EINVAL if the header does not fit; -EMSGSIZE; -EPIPE if the lease is
 * over: its last objects can still be received.
 */
int doe_lease_send(struct doe_lease *l, const void *object, size_t n_bytes, uint64_t timeout_usec);

/* What an error object on the stream says. */
#define DOE_LEASE_ENDED    1u /* the lease is over, and everything before this has been answered */
#define DOE_LEASE_NOT_SENT 2u /* the device never saw the request */
#define DOE_LEASE_NOTICE   4u /* this answers no request */

/**
 * doe_lease_receive() - the next data object, whole
 * @ret_object:   header included; the lease's, until the next function of it is called
 * @timeout_usec: 0: do not wait; DOE_FOREVER_USEC
 *
 * Answers come in the order of the requests. In place of one, or between them, doed may send an error: then
 * this returns its errno, and doe_lease_error_flags() and doe_lease_error_text() say more. -ECONNRESET with
 * DOE_LEASE_NOTICE: the device was aborted or reset and may have forgotten its session.
 *
 * Return: 0; -EAGAIN if none came in time; -EHOSTDOWN if doed died; -EBADMSG if what came is no data object;
 * any other error was sent by doed.
 */
int doe_lease_receive(struct doe_lease *l, const uint8_t **ret_object, size_t *ret_n_bytes,
                      uint64_t timeout_usec);

/**
 * doe_lease_exchange() - send a payload as a data object of a feature, wait for its answer
 * @ret_response: payload; the lease's, until the next function of it is called
 * @timeout_usec: for both together; DOE_FOREVER_USEC; not 0
 *
 * The header is made of @vendor, @type and the length. What has a connection ID in it (0x0001 0x03 and 0x04)
 * goes by doe_lease_send() and doe_lease_receive().
 *
 * Answers to earlier requests that nobody received are dropped. A notice that comes meanwhile does not end
 * the wait: DOE_LEASE_NOTICE is then set in the flags even on success.
 *
 * Return: 0; -EAGAIN if nothing was sent in time; -ETIMEDOUT if it was, and no answer came: that is dropped
 * when it comes; -EINVAL if @timeout_usec is 0; -EBADMSG also if the answer is of another feature. Of a
 * lease that is over: what its last object says, or -EPIPE. Else as doe_lease_send() and
 * doe_lease_receive().
 */
int doe_lease_exchange(struct doe_lease *l, uint16_t vendor, uint8_t type, const void *request,
                       size_t n_bytes, const uint8_t **ret_response, size_t *ret_n_bytes,
                       uint64_t timeout_usec);

/* Of what the last receive or exchange returned, and of the notices on its way: DOE_LEASE_*, 0 for none; and
 * a sentence, "" for none. */
unsigned doe_lease_error_flags(const struct doe_lease *l);
const char *doe_lease_error_text(const struct doe_lease *l);

/* ---- keeping things well ---- */

/* @options may be NULL. */

/* Act on a mailbox that is recovering or dead; with force: abort a healthy one, too. */
int doe_client_recover(struct doe_client *c, const char *mailbox, const struct doe_call_options *options);
/* Ask the mailbox anew which features it has. */
int doe_client_discover(struct doe_client *c, const char *mailbox, const struct doe_call_options *options);
/* Have doed look for devices again, and wait until it has. */
int doe_client_rescan(struct doe_client *c, const struct doe_call_options *options);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
