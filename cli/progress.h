/* The progress line of long commands, and the answer that ends them. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "cli/command.h"
#include "run/run.h"

typedef struct progress_line {
    int active; /* standard error is a terminal: one line, rewritten; else a line now and then */
    int width;  /* of the line that stands there */
    double last_seconds;
} progress_line;

/* The line begins empty; *o reports to it, unless --quiet. */
void progress_begin(progress_line *line, const invocation *in, run_options *o);

/* run_options.progress; `user` is the progress_line. */
void progress_show(void *user, const run_progress *now);

/* Print to standard output and free; nothing where memory ran out. */
ss_status cli_print(text *t, ss_error *err);

/* A store's main table, and how to go on. */
ss_status cli_print_answer(store *s, ss_error *err);

#endif
