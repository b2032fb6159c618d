/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/emulator/control.h"

#include <errno.h>

#include "tests/emulator/number.h"

/* What the first word of most commands names: a function, and one of its mailboxes if an offset follows. */
typedef struct Target {
        size_t function; /* PLATFORM_ALL where nothing is named and the command allows it */
        uint16_t offset; /* 0: not given */
} Target;

typedef struct Call {
        Platform *platform;
        Target target;
        char *rest; /* of the line */
        FILE *out;
        const char *error; /* static; else the errno speaks */
        char text[FAULT_ERROR_MAX];
} Call;

typedef enum TargetNeed {
        TARGET_NONE,
        TARGET_ONE,
        TARGET_OR_ALL,
} TargetNeed;

static int run_add(Call *c) {
        return platform_add(c->platform, c->target.function);
}

static int run_remove(Call *c) {
        return platform_remove(c->platform, c->target.function);
}

static int run_bind(Call *c) {
        const char *driver = word_next(&c->rest);

        return driver ? platform_bind(c->platform, c->target.function, driver) : -EINVAL;
}

static int run_unbind(Call *c) {
        return platform_unbind(c->platform, c->target.function);
}

static int run_reset(Call *c) {
        return platform_reset(c->platform, c->target.function);
}

static int run_recover(Call *c) {
        return platform_recover(c->platform, c->target.function);
}

static int run_rescan(Call *c) {
        platform_rescan(c->platform);
        return 0;
}

static int run_fault(Call *c) {
        Fault fault;
        int r;

        r = fault_parse(c->rest, &fault, c->text);
        if (r < 0) {
                c->error = c->text;
                return r;
        }
        c->rest = NULL;
        return platform_add_fault(c->platform, c->target.function, c->target.offset, &fault);
}

/* Call @run for the mailbox that was named, or for each of the function or of all functions. Functions that
 * are away have none. */
static int each_mailbox(Call *c, int (*run)(Call *c, size_t function, uint16_t offset)) {
        const Scenario *s = platform_scenario(c->platform);
        int r = 0;

        if (c->target.offset != 0)
                return run(c, c->target.function, c->target.offset);
        for (size_t i = 0; i < s->n_devices && r >= 0; i++) {
                const ModelSettings *model = &s->devices[i].model;

                if (c->target.function != PLATFORM_ALL && c->target.function != i)
                        continue;
                for (size_t j = 0; j < model->n_mailboxes && r >= 0; j++)
                        r = run(c, i, model->mailboxes[j].offset);
                if (r == -ENODEV && c->target.function == PLATFORM_ALL)
                        r = 0;
        }
        return r;
}

static int clear_mailbox(Call *c, size_t function, uint16_t offset) {
        return platform_clear_faults(c->platform, function, offset);
}

static int run_clear(Call *c) {
        return each_mailbox(c, clear_mailbox);
}

static int print_counters(Call *c, size_t function, uint16_t offset) {
        ModelCounters n;
        int r;

        r = platform_get_counters(c->platform, function, offset, &n);
        if (r < 0)
                return r;
        fprintf(c->out, "%s[%x]", platform_scenario(c->platform)->devices[function].address, offset);
#define PRINT(name, field) fprintf(c->out, " " name "=%llu", (unsigned long long)n.field)
        PRINT("reads", reads);
        PRINT("writes", writes);
        PRINT("go", gos);
        PRINT("exchanges", exchanges);
        PRINT("discarded", discarded);
        PRINT("aborts", aborts);
        PRINT("aborts-in-flight", aborts_in_flight);
        PRINT("collisions", collisions);
        PRINT("underflows", underflows);
        PRINT("foreign", foreign_exchanges);
        PRINT("foreign-lost", foreign_lost);
        PRINT("faults", faults);
#undef PRINT
        fputc('\n', c->out);
        return 0;
}

static int run_counters(Call *c) {
        return each_mailbox(c, print_counters);
}

static int run_freeze(Call *c) {
        platform_freeze(c->platform, c->target.function, true);
        return 0;
}

static int run_thaw(Call *c) {
        platform_freeze(c->platform, c->target.function, false);
        return 0;
}

static int run_lockdown(Call *c) {
        const char *word = word_next(&c->rest);
        int level = word ? scenario_lockdown_from_string(word) : -EINVAL;

        return level < 0 ? level : platform_set_lockdown(c->platform, (ScenarioLockdown)level, true);
}

static int run_hold(Call *c) {
        char *reason = c->rest + strspn(c->rest, " \t");

        c->rest = NULL;
        return *reason ? platform_hold(c->platform, c->target.function, reason) : -EINVAL;
}

static int run_release(Call *c) {
        return platform_hold(c->platform, c->target.function, "");
}

static int run_tsm(Call *c) {
        const char *word = word_next(&c->rest);

        if (!word)
                return -EINVAL;
        if (strcmp(word, "absent") == 0)
                word = NULL;
        else if (strcmp(word, "empty") == 0)
                word = "";
        return platform_set_tsm(c->platform, c->target.function, word);
}

static int run_connect(Call *c) {
        return platform_begin_connect(c->platform, c->target.function);
}

static int run_ide(Call *c) {
        static const char *const states[] = { "insecure", "secure" };
        const char *word = word_next(&c->rest);
        int i = word ? word_find(word, states, ELEMENTS(states)) : -EINVAL;

        return i < 0 ? i : platform_set_ide(c->platform, c->target.function, i == 1);
}

static int run_touch(Call *c) {
        return platform_touch_table(c->platform, c->target.function);
}

static int run_show(Call *c) {
        const Scenario *s = platform_scenario(c->platform);

        fprintf(c->out, "lockdown=%s\n", scenario_lockdown_to_string(platform_lockdown(c->platform)));
        for (size_t i = 0; i < s->n_devices; i++) {
                PlatformView v;

                platform_get_view(c->platform, i, &v);
                fprintf(c->out, "%s present=%s instance=%llu driver=%s power=%s kernel-cdat=%s\n",
                        s->devices[i].address, v.is_present ? "yes" : "no", (unsigned long long)v.instance,
                        v.driver, v.is_power_on ? "on" : "auto",
                        !v.has_kernel_cdat       ? "none"
                        : v.is_kernel_cdat_empty ? "empty"
                                                 : "yes");
        }
        return 0;
}

static const struct {
        const char *name, *usage, *help;
        TargetNeed target;
        int (*run)(Call *c);
} commands[] = {
        { "add", "ADDR", "the function appears (hot-add), with its scenario's driver", TARGET_ONE, run_add },
        { "remove", "ADDR", "the function is removed", TARGET_ONE, run_remove },
        { "rescan", "", "all functions that are away appear", TARGET_NONE, run_rescan },
        { "bind", "ADDR DRIVER", "a driver is bound", TARGET_ONE, run_bind },
        { "unbind", "ADDR", "its driver is unbound", TARGET_ONE, run_unbind },
        { "reset", "ADDR", "the function is reset; no uevent tells of it", TARGET_ONE, run_reset },
        { "recover", "ADDR", "error recovery with a reset; uevents tell of it", TARGET_ONE, run_recover },
        { "hold", "ADDR REASON", "the kernel begins to act on the function", TARGET_ONE, run_hold },
        { "release", "ADDR", "and ends that", TARGET_ONE, run_release },
        { "tsm", "ADDR CONTENT", "tsm/: `absent`, `empty`, or what tsm/connect holds", TARGET_ONE, run_tsm },
        { "connect", "ADDR",
          "a TSM begins to connect it: reads of every tsm/connect wait until the command tsm", TARGET_ONE,
          run_connect },
        { "ide", "ADDR STATE", "its IDE stream becomes `insecure` or `secure`; nothing tells of it",
          TARGET_ONE, run_ide },
        { "lockdown", "LEVEL", "`none`, `integrity`, `confidentiality`", TARGET_NONE, run_lockdown },
        { "fault", "ADDR[OFFSET] ROW", "add a fault row to a mailbox; without [OFFSET] to the first",
          TARGET_ONE, run_fault },
        { "clear", "[ADDR[OFFSET]]", "remove the fault rows of a mailbox, of a function, or all",
          TARGET_OR_ALL, run_clear },
        { "freeze", "[ADDR]", "accesses to the configuration space of a function, or all, hang",
          TARGET_OR_ALL, run_freeze },
        { "thaw", "[ADDR]", "and go on", TARGET_OR_ALL, run_thaw },
        { "touch-cdat", "ADDR", "the table that the device serves changes: its sequence rises by 1",
          TARGET_ONE, run_touch },
        { "counters", "[ADDR[OFFSET]]", "what mailboxes have seen: `ADDR[OFFSET] name=number ...`",
          TARGET_OR_ALL, run_counters },
        { "show", "", "the state of all functions: `ADDR name=value ...`", TARGET_NONE, run_show },
};

static int parse_target(Call *c, TargetNeed need) {
        const Scenario *s = platform_scenario(c->platform);
        char *word = word_next(&c->rest), *bracket;
        uint64_t offset = 0;
        int i;

        c->target = (Target){ .function = PLATFORM_ALL };
        if (!word && need == TARGET_OR_ALL)
                return 0;
        bracket = word ? strchr(word, '[') : NULL;
        if (bracket) {
                char *end = strchr(bracket, ']');

                if (!end || end[1])
                        return -EINVAL;
                *bracket = *end = '\0';
                if (number_parse_hex(bracket + 1, 0xffc, &offset) < 0)
                        return -EINVAL;
        }
        i = word ? scenario_find(s, word) : -ENOENT;
        if (i < 0) {
                c->error = "the scenario has no such function";
                return i;
        }
        c->target = (Target){ .function = (size_t)i, .offset = (uint16_t)offset };
        return 0;
}

static int run(Call *c, size_t i) {
        int r = commands[i].target == TARGET_NONE ? 0 : parse_target(c, commands[i].target);

        if (r >= 0)
                r = commands[i].run(c);
        if (r >= 0 && c->rest && word_next(&c->rest)) {
                c->error = "done, but more was said than it understands";
                r = -EINVAL;
        }
        if (r == -EINVAL && !c->error) {
                snprintf(c->text, sizeof(c->text), "usage: %s %s", commands[i].name, commands[i].usage);
                c->error = c->text;
        }
        return r;
}

void control_run(Platform *p, char *line, FILE *out) {
        Call c = { .platform = p, .rest = line, .out = out, .error = NULL };
        const char *name = word_next(&c.rest);
        int r = -ENOENT;

        c.error = "no such command";
        for (size_t i = 0; name && i < ELEMENTS(commands); i++)
                if (strcmp(name, commands[i].name) == 0) {
                        c.error = NULL;
                        r = run(&c, i);
                        break;
                }
        if (r < 0)
                fprintf(out, "error: %s\n", c.error ?: strerror(-r));
        else
                fputs("ok\n", out);
}

const char *control_command_get(size_t i, const char **ret_usage, const char **ret_help) {
        if (i >= ELEMENTS(commands))
                return NULL;
        *ret_usage = commands[i].usage;
        *ret_help = commands[i].help;
        return commands[i].name;
}
