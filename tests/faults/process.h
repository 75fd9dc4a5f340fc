/* One run of the program under test. */
#ifndef TESTS_FAULTS_PROCESS_H
#define TESTS_FAULTS_PROCESS_H

#include "faults/inject.h"

enum { PROCESS_HANGS = -1, PROCESS_SECONDS = 60 };

typedef struct process {
    const char *program, *injector;
    char data[1024];      /* SINKSCOPE_DATA: an empty place */
    char record_at[1024]; /* path of the shared file */
    fault_record *record;
} process;

/* Map a new shared file at `path`. */
void process_open(process *p, const char *path);

/* Run the program in `folder`; its output goes to FOLDER.out and FOLDER.err. `order` 1: with the injector, as the
 * record says. Returns the exit code, minus the signal - 1000 where a signal ended it, or PROCESS_HANGS. */
int process_run(process *p, const char *folder, const char *const *args, int order);

#endif
