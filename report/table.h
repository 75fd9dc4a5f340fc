/* Tables in memory: the answer to one SELECT of a store, kept so that pages, CSV and LaTeX are written from the same
 * numbers (and so that tests can make one by hand). */
#ifndef REPORT_TABLE_H
#define REPORT_TABLE_H

#include "base/text.h"
#include "store/store.h"

typedef struct report_cell {
    double number; /* NAN where the cell is no number */
    int64_t whole; /* the same, exactly, where it is a whole number */
    int is_whole;
    char *words; /* owned; NULL where the cell is no text */
} report_cell;

/* Zero-initialise; free with report_table_free. */
typedef struct report_table {
    int rows, columns;
    char **name;             /* [columns] */
    report_cell *cell;       /* [rows, columns] */
    size_t filled, capacity; /* cells */
} report_table;

ss_status report_table_read(report_table *out, const store *s, const char *sql, ss_error *err);
/* The same from an open query; closes it. */
ss_status report_table_take(report_table *out, store_rows *r, ss_error *err);

/* By hand: the columns first, then cells in order (a row is there when its last cell is). Out of memory is an error. */
ss_status report_table_columns(report_table *t, const char *const *name, int n, ss_error *err);
ss_status report_table_add_number(report_table *t, double x, ss_error *err);
ss_status report_table_add_whole(report_table *t, int64_t x, ss_error *err);
ss_status report_table_add_words(report_table *t, const char *s, ss_error *err);
void report_table_free(report_table *t);

int64_t report_whole(const report_table *t, int row, int column);     /* 0 where there is none */
image_seed report_seed(const report_table *t, int row, int column);   /* of a column that the store has as a seed */
double report_number(const report_table *t, int row, int column);     /* NAN where there is none */
const char *report_words(const report_table *t, int row, int column); /* "" where there is none */

void report_table_add_csv(const report_table *t, text *out);

#endif
