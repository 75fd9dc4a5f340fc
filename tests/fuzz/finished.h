/* A store with every kind of row in it, made once by a process on the cardboard laboratory of tests/laboratory, in
 * memory where that can be had. Targets write over its files and read it. */
#ifndef TESTS_FUZZ_FINISHED_H
#define TESTS_FUZZ_FINISHED_H

#include "study/plan.h"

typedef struct finished {
    const char *folder;                      /* of the study and its model */
    const char *store, *manifest, *database; /* paths of the store and of two of its files */
    const plan *plan;
} finished;

const finished *finished_store(void);

#endif
