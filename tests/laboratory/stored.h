/* Scores of a finished study set to known values, and its analysis: for tests that work figures out by hand. */
#ifndef TESTS_LABORATORY_STORED_H
#define TESTS_LABORATORY_STORED_H

#include "analysis/analyse.h"
#include "world.h"

/* Open results.sqlite of the store `name` in the world for changes; 0 = cannot. */
int stored_open(const world *w, const char *name);
void stored_close(void);

void stored_sql(const char *statement);

/* The scores of metric `number` under a condition: an SQL expression over prompt, seed. */
void stored_set(int number, int condition, const char *value);

/* The analysis of the store as it is now; stored_done frees it. */
analysis *stored_analyse(void);
void stored_done(analysis *a);

/* A defined figure of this value, to 1e-12. */
void stored_near(stats_figure f, double expected);

#endif
