/* Parsing of arguments and help texts, both from the command table. Only cli/ prints and returns exit codes. */
#include "cli/command.h"

#include <stdlib.h>
#include <string.h>
#include "base/version.h"

enum { MAX_GIVEN = 256, MAX_ARGS = 4096, MAX_COMMANDS = 64 };

typedef struct given {
    const option *flag;
    const char *text;
    option_value value;
} given;

struct invocation {
    const command *cmd;
    int n_args, n_given;
    const char *arg[MAX_ARGS];
    given given[MAX_GIVEN];
};

const option CLI_COMMON_FLAGS[] = {
    {"threads", OPTION_INT, NULL, 0, 1024, "0",
     "threads to use; 0 = as many as this process may (results do not depend on it)"},
    {"backend", OPTION_TEXT, NULL, 0, 0, "cpu",
     "what computes: cpu; or reference, plain loops in double, hundreds of times slower, for checks"},
    {"profile", OPTION_FLAG, NULL, 0, 0, "false",
     "at the end, where the time of the networks went, operation by operation, to standard error"},
    {"weights", OPTION_WORD, "stored|float32", 0, 0, "stored",
     "weights of a 16-bit checkpoint in memory: as stored, or twice as large (results do not depend on it)"},
    {"verbose", OPTION_FLAG, NULL, 0, 0, "false",
     "at the start, what computes: instruction set, compiler and threads, to standard error"},
    {"quiet", OPTION_FLAG, NULL, 0, 0, "false", "no progress line"},
    {"help", OPTION_FLAG, NULL, 0, 0, "false", "this text"},
    {0},
};

/* Words of a flag are joined by hyphens; underscores, as some flags had them once, are read as hyphens. */
static int is_flag(const char *flag, const char *name, size_t len) {
    if (strlen(flag) != len) return 0;
    for (size_t i = 0; i < len; i++)
        if (flag[i] != (name[i] == '_' ? '-' : name[i])) return 0;
    return 1;
}

/* Spellings of earlier versions, which stay accepted. */
static const struct {
    const char *old, *name;
} OLD_FLAGS[] = {{"tap", "hook"}, {"list-taps", "list-hooks"}};

static const option *find_flag(const command *c, const char *name, size_t len) {
    for (size_t i = 0; i < sizeof OLD_FLAGS / sizeof *OLD_FLAGS; i++)
        if (is_flag(OLD_FLAGS[i].old, name, len)) {
            name = OLD_FLAGS[i].name;
            len = strlen(name);
            break;
        }
    const option *tables[] = {c->about.options, c->more_flags, CLI_COMMON_FLAGS};
    for (size_t t = 0; t < 3; t++)
        for (const option *o = tables[t]; o && o->name; o++)
            if (is_flag(o->name, name, len)) return o;
    return NULL;
}

/* ---- what a command sees ---- */

int invocation_args(const invocation *in) { return in->n_args; }
const char *invocation_arg(const invocation *in, int i) { return i < in->n_args ? in->arg[i] : NULL; }

static const option *known_flag(const invocation *in, const char *name) {
    const option *o = find_flag(in->cmd, name, strlen(name));
    if (!o) abort(); /* a command reads a flag that its own row does not list */
    return o;
}

option_value invocation_flag(const invocation *in, const char *name) {
    const option *o = known_flag(in, name);
    option_value value = {0};
    ss_error unused;
    for (int i = in->n_given - 1; i >= 0; i--)
        if (in->given[i].flag == o) return in->given[i].value;
    if (o->by_default && option_parse(o, o->by_default, NULL, &value, &unused) != SS_OK) abort();
    value.is_set = 0;
    return value;
}

const char *invocation_repeat(const invocation *in, const char *name, int i) {
    const option *o = known_flag(in, name);
    for (int g = 0; g < in->n_given; g++)
        if (in->given[g].flag == o && i-- == 0) return in->given[g].text;
    return NULL;
}

int invocation_has(const invocation *in, const char *name) { return (int)invocation_flag(in, name).integer; }
const volatile sig_atomic_t *invocation_stop(const invocation *in) {
    (void)in;
    return signals_stop();
}
int invocation_threads(const invocation *in) { return (int)invocation_flag(in, "threads").integer; }

/* ---- help ---- */

static void print_flags(const option *flags, FILE *to) {
    for (const option *o = flags; o && o->name; o++) {
        int width = fprintf(to, "  --%s%s%s", o->name, o->type == OPTION_FLAG ? "" : " ", option_value_name(o));
        fprintf(to, "%*s%s", width < 26 ? 26 - width : 1, "", o->help);
        if (o->words) fprintf(to, " (%s)", o->words);
        if (o->by_default && o->type != OPTION_FLAG && *o->by_default) fprintf(to, " [default: %s]", o->by_default);
        fputc('\n', to);
    }
}

void command_print_help(const command *c, FILE *to) {
    fprintf(to, "sinkscope %s: %s\n\nusage: sinkscope %s %s [--flag ...]\n\n%s\n\nflags:\n", c->about.name,
            c->about.help, c->about.name, c->arguments, c->description);
    print_flags(c->about.options, to);
    print_flags(c->more_flags, to);
    print_flags(CLI_COMMON_FLAGS, to);
}

void command_print_overview(FILE *to) {
    fprintf(to,
            "sinkscope %s: causal analysis of attention sinks in diffusion transformers\n\n"
            "usage: sinkscope COMMAND ... [--flag ...]      'sinkscope COMMAND --help' teaches each\n\n",
            version_text());
    for (int i = 0; i < CLI_COMMAND_COUNT; i++)
        fprintf(to, "  %-10s %-22s %s\n", CLI_COMMANDS[i]->about.name, CLI_COMMANDS[i]->arguments,
                CLI_COMMANDS[i]->about.help);
    fputs("\nexit codes: 0 done, 1 defect in sinkscope, 2 usage, 3 input (model, study, prompts, images),\n"
          "            4 resources (memory, disk, permissions), 5 results store, 130 interrupted\n",
          to);
}

/* ---- parsing ---- */

static ss_status unknown_flag(const command *c, const char *name, ss_error *err) {
    const option *tables[] = {c->about.options, c->more_flags, CLI_COMMON_FLAGS};
    const char *near = NULL;
    for (size_t t = 0; t < 3; t++)
        for (const option *o = tables[t]; o && o->name; o++) { /* the nearest of all: the better of two at a time */
            const char *both[] = {near ? near : o->name, o->name};
            near = text_nearest(name, both, 2);
        }
    return error_set(err, SS_ERR_USAGE, NULL, "unknown flag '--%s'%s%s%s; see 'sinkscope %s --help'", name,
                     near ? "; did you mean '--" : "", near ? near : "", near ? "'?" : "", c->about.name);
}

/* Take the flag at argv[*i] (and its value, which may be the next word). */
static ss_status take_flag(invocation *in, int argc, char **argv, int *i, ss_error *err) {
    const char *name = argv[*i] + 2, *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    const option *o = find_flag(in->cmd, name, len);
    if (!o) return unknown_flag(in->cmd, name, err);
    if (in->n_given == MAX_GIVEN) return error_set(err, SS_ERR_USAGE, NULL, "more than %d flags", (int)MAX_GIVEN);
    const char *value = equals ? equals + 1 : NULL;
    if (!value && o->type == OPTION_FLAG) value = "true";
    if (!value && *i + 1 < argc) value = argv[++*i];
    if (!value) return error_set(err, SS_ERR_USAGE, NULL, "--%s needs a value: %s", o->name, o->help);
    given *g = &in->given[in->n_given++];
    *g = (given){.flag = o, .text = value};
    if (option_parse(o, value, NULL, &g->value, err) != SS_OK) return err->code = SS_ERR_USAGE;
    return SS_OK;
}

static ss_status command_parse(invocation *in, int argc, char **argv, ss_error *err) {
    int only_args = 0;
    for (int i = 2; i < argc; i++) {
        if (!only_args && strcmp(argv[i], "--") == 0) {
            only_args = 1;
        } else if (!only_args && strcmp(argv[i], "-h") == 0) {
            char help[] = "--help", *flag[] = {help};
            int at = 0;
            SS_TRY(take_flag(in, 1, flag, &at, err));
        } else if (!only_args && strcmp(argv[i], "-o") == 0) {
            char flag[] = "--out", *pair[] = {flag, i + 1 < argc ? argv[i + 1] : NULL};
            int at = 0;
            SS_TRY(take_flag(in, i + 1 < argc ? 2 : 1, pair, &at, err));
            i++;
        } else if (!only_args && strncmp(argv[i], "--", 2) == 0) {
            SS_TRY(take_flag(in, argc, argv, &i, err));
        } else if (in->n_args == MAX_ARGS) {
            return error_set(err, SS_ERR_USAGE, NULL, "more than %d arguments", (int)MAX_ARGS);
        } else {
            in->arg[in->n_args++] = argv[i];
        }
    }
    const command *c = in->cmd;
    if (invocation_has(in, "help")) return SS_OK;
    if (in->n_args < c->min_args || (c->max_args >= 0 && in->n_args > c->max_args))
        return error_set(err, SS_ERR_USAGE, NULL, "'%s' takes %s; %d given. See 'sinkscope %s --help'", c->about.name,
                         *c->arguments ? c->arguments : "no arguments", in->n_args, c->about.name);
    return SS_OK;
}

static int report_error(const ss_error *err) {
    fflush(stdout);
    fprintf(stderr, "%s%s%s\n", err->where, *err->where ? ": " : "", err->message);
    return (int)err->code;
}

static int run_command(const command *c, int argc, char **argv, ss_error *err) {
    invocation *in = calloc(1, sizeof *in);
    if (!in) {
        error_no_memory(err, "arguments", sizeof *in);
        return report_error(err);
    }
    in->cmd = c;
    ss_status status = command_parse(in, argc, argv, err);
    if (status == SS_OK && invocation_has(in, "help")) command_print_help(c, stdout);
    else if (status == SS_OK) status = c->run(in, err);
    free(in);
    if (status != SS_OK) return report_error(err);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        error_set_errno(err, SS_ERR_RESOURCE, NULL, "cannot write to standard output");
        return report_error(err);
    }
    return 0;
}

int command_main(int argc, char **argv) {
    ss_error err = {0};
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        command_print_overview(argc < 2 ? stderr : stdout);
        return argc < 2 ? SS_ERR_USAGE : 0;
    }
    if (strcmp(argv[1], "--version") == 0) return printf("sinkscope %s\n", version_text()) < 0;
    entry names[MAX_COMMANDS];
    if (CLI_COMMAND_COUNT > MAX_COMMANDS) abort();
    for (int i = 0; i < CLI_COMMAND_COUNT; i++) names[i] = CLI_COMMANDS[i]->about;
    const entry *found = entry_find(names, sizeof *names, CLI_COMMAND_COUNT, "command", argv[1], NULL, &err);
    if (!found) {
        err.code = SS_ERR_USAGE;
        return report_error(&err);
    }
    return run_command(CLI_COMMANDS[found - names], argc, argv, &err);
}
