/* Tables in memory; see table.h. */
#include "report/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "io/csv.h"

enum { CSV_DIGITS = 9 }; /* measurements are float32 */

ss_status report_table_columns(report_table *t, const char *const *name, int n, ss_error *err) {
    *t = (report_table){0};
    t->name = calloc((size_t)n + 1, sizeof *t->name);
    if (!t->name) return error_no_memory(err, "a table", (unsigned long long)n);
    t->columns = n;
    for (int i = 0; i < n; i++)
        if (!(t->name[i] = text_copy(name[i]))) return error_no_memory(err, "a table", 1);
    return SS_OK;
}

static ss_status table_add_cell(report_table *t, report_cell cell, ss_error *err) {
    ss_status status = ARRAY_ROOM(t->cell, t->capacity, t->filled + 1, "a table", err);
    if (status != SS_OK) {
        free(cell.words);
        return status;
    }
    t->cell[t->filled++] = cell;
    t->rows = (int)(t->filled / (size_t)t->columns);
    return SS_OK;
}

ss_status report_table_add_number(report_table *t, double x, ss_error *err) {
    return table_add_cell(t, (report_cell){.number = x}, err);
}

ss_status report_table_add_whole(report_table *t, int64_t x, ss_error *err) {
    return table_add_cell(t, (report_cell){.number = (double)x, .whole = x, .is_whole = 1}, err);
}

ss_status report_table_add_words(report_table *t, const char *s, ss_error *err) {
    char *copy = text_copy(s);
    if (!copy) return error_no_memory(err, "a table", strlen(s));
    return table_add_cell(t, (report_cell){.number = NAN, .words = copy}, err);
}

static ss_status table_read_row(report_table *t, store_rows *r, ss_error *err) {
    for (int i = 0; i < t->columns; i++) {
        int kind = store_rows_is_number(r, i);
        if (kind == 1) SS_TRY(report_table_add_whole(t, store_rows_int(r, i), err));
        else if (kind == 2 || store_rows_is_null(r, i))
            SS_TRY(report_table_add_number(t, store_rows_double(r, i), err));
        else SS_TRY(report_table_add_words(t, store_rows_text(r, i), err));
    }
    return SS_OK;
}

static ss_status read_columns(report_table *t, store_rows *r, ss_error *err) {
    int n = store_rows_columns(r);
    const char **name = calloc((size_t)n + 1, sizeof *name);
    if (!name) return error_no_memory(err, "a table", (unsigned long long)n);
    for (int i = 0; i < n; i++) name[i] = store_rows_name(r, i);
    ss_status status = report_table_columns(t, name, n, err);
    free(name);
    return status;
}

ss_status report_table_read(report_table *out, const store *s, const char *sql, ss_error *err) {
    store_rows *r;
    *out = (report_table){0};
    SS_TRY(store_select(&r, s, err, sql));
    return report_table_take(out, r, err);
}

ss_status report_table_take(report_table *out, store_rows *r, ss_error *err) {
    int more = 0;
    *out = (report_table){0};
    ss_status status = read_columns(out, r, err);
    while (status == SS_OK && (more = store_rows_next(r, err)) == 1) status = table_read_row(out, r, err);
    store_rows_close(r);
    if (more < 0) status = err->code;
    if (status != SS_OK) report_table_free(out);
    return status;
}

void report_table_free(report_table *t) {
    for (int i = 0; t->name && i < t->columns; i++) free(t->name[i]);
    for (size_t i = 0; i < t->filled; i++) free(t->cell[i].words);
    free(t->name);
    free(t->cell);
    *t = (report_table){0};
}

static const report_cell *cell_at(const report_table *t, int row, int column) {
    return &t->cell[(size_t)row * (size_t)t->columns + (size_t)column];
}

int64_t report_whole(const report_table *t, int row, int column) { return cell_at(t, row, column)->whole; }

image_seed report_seed(const report_table *t, int row, int column) {
    image_seed seed = seed_of(report_whole(t, row, column));
    seed_parse(report_words(t, row, column), &seed); /* from 2^63 on it is text */
    return seed;
}

double report_number(const report_table *t, int row, int column) { return cell_at(t, row, column)->number; }

const char *report_words(const report_table *t, int row, int column) {
    const char *s = cell_at(t, row, column)->words;
    return s ? s : "";
}

void report_table_add_csv(const report_table *t, text *out) {
    for (int i = 0; i < t->columns; i++) csv_add_text(out, i, t->name[i]);
    csv_add_end(out);
    for (int r = 0; r < t->rows; r++) {
        for (int i = 0; i < t->columns; i++) {
            const report_cell *c = cell_at(t, r, i);
            if (c->words) csv_add_text(out, i, c->words);
            else if (c->is_whole) csv_add_int(out, i, c->whole);
            else csv_add_double(out, i, c->number, CSV_DIGITS);
        }
        csv_add_end(out);
    }
}
