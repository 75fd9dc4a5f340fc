/* Scores from anywhere: a CSV with the columns prompt, seed, condition, metric, value, one score a row. */
#ifndef ANALYSIS_SCORE_TABLE_H
#define ANALYSIS_SCORE_TABLE_H

#include "base/text_set.h"
#include "io/csv.h"
#include "stats/summary.h"

/* One row. Prompts are numbered in the order of their texts; the others as they come first in the file. */
typedef struct score_entry {
    int32_t metric, part, condition, prompt;
    int64_t seed, row; /* row: of the CSV, from 0 */
    double value;      /* NaN where the cell holds no number */
    int failed;        /* the cell says so, as `export` does: an image without a value, worse than every value */
} score_entry;

/* Zero-initialise; free with score_table_free. */
typedef struct score_table {
    csv_table *csv;
    const char *path;
    int64_t n;
    score_entry *at; /* sorted by (metric, part, condition, prompt, seed) */
    text_set metrics, parts, conditions, prompts;
    int value_column, prompt_column, seed_column;
} score_table;

/* `path` "-" is the standard input. `by`: the column that divides the rows into parts; NULL = all rows are one part,
 * "". Errors, with lines: a missing column; a seed that is none; a value that is neither a number, nor "failed", nor
 * a word for a missing one (empty, nan, na, null, none, inf); one (prompt, seed, condition, metric, part) twice. */
ss_status score_table_read(const char *path, const char *by, score_table *out, ss_error *err);
void score_table_free(score_table *t);

/* The rows of one metric, part and condition: t->at[*begin .. *end). */
void score_table_find(const score_table *t, int metric, int part, int condition, int64_t *begin, int64_t *end);

/* The parts that have rows on the metric, in the order in which the file has them. *out is the caller's to free. */
ss_status score_table_parts(const score_table *t, int metric, int **out, int *n, ss_error *err);

/* Two conditions joined on prompt and seed; owned. `alone`: rows without a partner. */
typedef struct score_join {
    stats_pairs pairs;
    int64_t alone;
    int64_t *labels; /* the memory of pairs */
    double *values;
} score_join;

/* A value that is not finite in a pair is an error that names its line. */
ss_status score_table_join(const score_table *t, int metric, int part, int a, int b, score_join *out, ss_error *err);
void score_join_free(score_join *j);

/* The error of a contrast without a single pair: what was looked for, and what is there. */
ss_status score_table_no_pair(const score_table *t, int metric, int a, int b, ss_error *err);

#endif
