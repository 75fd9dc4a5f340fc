/* Estimates in a table: rows are contrasts or conditions, columns tags or classes. What the page and LaTeX share. */
#ifndef REPORT_PARTS_H
#define REPORT_PARTS_H

#include "analysis/analyse.h"

/* A metric of the analysis. Those of the main table come first, the primary before them. */
typedef struct parts_metric {
    const char *name;
    int is_random, is_main;
    int is_binary; /* its shares of right images are in the accuracy */
} parts_metric;

/* Every metric that has a row or a mean, once: *n of them, the caller's to free. NULL, *n = 0 and out->failed when out
 * of memory. */
parts_metric *parts_metrics(const analysis *a, int *n, text *out);

/* "hps-v2", "hps-v2 (random weights: its values mean nothing)" */
void parts_add_metric(text *out, const parts_metric *m);

typedef struct parts_cell {
    const study_contrast *contrast; /* the row; NULL = it is `condition` */
    const char *condition, *column;
    int n; /* prompts */
    stats_figure mid, low, high;
} parts_cell;

/* The cells of a row stand together. */
typedef struct parts_grid {
    int n, columns;
    parts_cell *cell;    /* [n], owned */
    const char **column; /* [columns], in order of appearance; the array is owned */
    int failed;          /* no memory; n is 0 */
} parts_grid;

/* What of at[0..n), or of a's means, is on this metric. Free with parts_free. */
parts_grid parts_of_effects(const analysis_tag *at, int n, const char *on);
parts_grid parts_of_means(const analysis *a, const char *on);
void parts_free(parts_grid *g);

/* Where the row that begins at cell `first` ends. */
int parts_row_end(const parts_grid *g, int first);

/* The cell of cell[first..end) in this column; NULL = none. */
const parts_cell *parts_find(const parts_grid *g, int first, int end, const char *column);

/* "sink − random, k = 5"; the name of a condition. */
void parts_add_row_name(text *out, const parts_cell *c);

#endif
