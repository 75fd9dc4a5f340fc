/* The commands that are swept, each on the smallest input that has every kind of part. */
#ifndef TESTS_FAULTS_COMMANDS_H
#define TESTS_FAULTS_COMMANDS_H

#include "faults/process.h"

typedef struct command_row {
    const char *name;
    const char *args[24];
    const char *store;      /* input that lies as `out` in the folder of each run; NULL: nothing */
    const char *written[4]; /* what the command writes: compared with the undisturbed run's after exit 0 */
    const char *again[8];   /* how a store that is half made goes on; NULL: the command must leave `store` as it is */
} command_row;

extern const command_row COMMANDS[];
extern const int COMMAND_COUNT;

extern const char *const STORE_TABLES[]; /* of `export`, NULL at the end */

/* Make the inputs in `folder`, by the program itself. */
void commands_inputs(process *p, const char *folder, const char *make_tiny_model, const char *tests_data);
/* A fresh folder of one run: the inputs as links, the store as a copy. */
void commands_place(const command_row *row, const char *inputs, const char *folder);

#endif
