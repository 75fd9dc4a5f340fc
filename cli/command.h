/* Commands of the program: one const row each, from which --help, the man page and the parsing of arguments derive.
 * A command file defines one row and its function; table.c lists them. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <signal.h>
#include <stdio.h>
#include "base/option.h"

typedef struct invocation invocation;

typedef struct command {
    entry about;              /* name, one line, flags; a flag --name without a value is an OPTION_FLAG */
    const option *more_flags; /* a table from elsewhere that are flags too; NULL = none */
    const char *arguments;    /* as in the usage line: "MODEL", "STUDY.yaml", "DIR" */
    int min_args, max_args;   /* number of arguments; max -1 = any */
    const char *description;  /* paragraphs of --help, with examples */
    ss_status (*run)(const invocation *in, ss_error *err);
} command;

extern const command *const CLI_COMMANDS[];
extern const int CLI_COMMAND_COUNT;

/* Flags that every command takes; they follow the command's own. */
extern const option CLI_COMMON_FLAGS[];

/* ---- what a command sees ---- */

int invocation_args(const invocation *in);
const char *invocation_arg(const invocation *in, int i);

/* The value of a flag: as given (the last one), else its default (is_set = 0; text NULL where there is none). Reading a
 * flag that the row does not have is a defect and aborts. */
option_value invocation_flag(const invocation *in, const char *name);
/* The i-th occurrence of a flag that may be repeated, or NULL. */
const char *invocation_repeat(const invocation *in, const char *name, int i);
int invocation_has(const invocation *in, const char *name); /* a switch */

const volatile sig_atomic_t *invocation_stop(const invocation *in); /* SIGINT, SIGTERM */
int invocation_threads(const invocation *in);                       /* 0 = default */

/* Parse argv and run. Returns the exit code. */
int command_main(int argc, char **argv);

/* Help texts, to a stream. */
void command_print_overview(FILE *to);
void command_print_help(const command *c, FILE *to);

/* ---- signals.c ---- */
void signals_install(void);
const volatile sig_atomic_t *signals_stop(void);

#endif
