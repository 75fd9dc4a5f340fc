/* One small study on the cardboard laboratory, for the tests that run it. */
#ifndef TESTS_LABORATORY_WORLD_H
#define TESTS_LABORATORY_WORLD_H

#include "run/run.h"

extern const char WORLD_STUDY[];

typedef struct world {
    const char *folder; /* with prompts, model, study.yaml */
    study *y;
    plan *p;
    compute *c;
} world;

/* Everything up to the plan; aborts on failure. */
void world_open(world *w, const char *source, int prompts, int limit);
void world_close(world *w);

/* The study in the store `name` below the folder: made, or taken up where it stands, as `run` and `resume` do. */
ss_status world_run(const world *w, const char *name, const run_options *o, ss_error *err);

/* Every export of the store, one after the other (malloc). */
char *world_exports(const world *w, const char *name);

const char *world_path(const world *w, const char *name); /* static storage */

/* The exports of an undisturbed run, store `reference`, with one image at a time. The caller frees. */
char *world_reference(const world *w);

/* The one number that a question to the store in `folder` answers. */
int64_t world_count(const char *folder, const char *sql);

#endif
