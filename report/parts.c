/* See parts.h. The order of an analysis is assumed: the parts of a row together, means by metric and condition. */
#include "report/parts.h"

#include <stdlib.h>
#include <string.h>

#include "report/words.h"

/* ---- metrics ---- */

/* Adds the metric to m[0..n) unless it is there; returns how many there are then. A row's facts about its metric hold
 * for all rows. */
static int parts_add_one_metric(parts_metric *m, int n, parts_metric added) {
    int i = 0;
    while (i < n && strcmp(m[i].name, added.name) != 0) i++;
    if (i == n) m[n++] = added;
    m[i].is_main |= added.is_main;
    m[i].is_binary |= added.is_binary;
    return n;
}

parts_metric *parts_metrics(const analysis *a, int *count, text *out) {
    size_t most = (size_t)a->n_rows + (size_t)a->n_means + 1;
    parts_metric *all = malloc(most * sizeof *all), *placed = malloc(most * sizeof *placed);
    int n = 0, done = 0;
    *count = 0;
    if (!all || !placed) {
        out->failed = 1;
        free(all);
        free(placed);
        return NULL;
    }
    for (int primary = 1; primary >= 0; primary--)
        for (int i = 0; i < a->n_rows; i++) {
            const analysis_row *r = &a->rows[i];
            if (r->is_primary == primary)
                n = parts_add_one_metric(all, n, (parts_metric){r->metric, r->is_random, r->in_main_table, 0});
        }
    for (int i = 0; i < a->n_means; i++) {
        const analysis_mean *m = &a->means[i];
        n = parts_add_one_metric(all, n, (parts_metric){m->metric, m->is_random, 0, m->is_binary});
    }
    for (int is_main = 1; is_main >= 0; is_main--)
        for (int i = 0; i < n; i++)
            if (all[i].is_main == is_main) placed[done++] = all[i];
    free(all);
    *count = n;
    return placed;
}

void parts_add_metric(text *out, const parts_metric *m) {
    text_addf(out, "%s%s", m->name, m->is_random ? " (random weights: its values mean nothing)" : "");
}

/* ---- cells ---- */

static parts_grid grid_reserve(int n) {
    size_t most = (size_t)n + 1;
    parts_grid g = {.cell = calloc(most, sizeof *g.cell), .column = calloc(most, sizeof *g.column)};
    g.failed = !g.cell || !g.column;
    return g;
}

static void parts_grid_add(parts_grid *g, parts_cell cell) {
    int i = 0;
    while (i < g->columns && strcmp(g->column[i], cell.column) != 0) i++;
    if (i == g->columns) g->column[g->columns++] = cell.column;
    g->cell[g->n++] = cell;
}

parts_grid parts_of_effects(const analysis_tag *at, int n, const char *on) {
    parts_grid g = grid_reserve(n);
    for (int i = 0; !g.failed && i < n; i++) {
        const analysis_tag *t = &at[i];
        if (strcmp(t->row->metric, on) == 0)
            parts_grid_add(&g, (parts_cell){t->row->contrast, NULL, t->tag, t->n, t->mean, t->ci_low, t->ci_high});
    }
    return g;
}

parts_grid parts_of_means(const analysis *a, const char *on) {
    parts_grid g = grid_reserve(a->n_means);
    for (int i = 0; !g.failed && i < a->n_means; i++) {
        const analysis_mean *m = &a->means[i];
        if (strcmp(m->metric, on) == 0)
            parts_grid_add(&g,
                           (parts_cell){NULL, m->condition, *m->tag ? m->tag : "all", m->n, m->mean, m->low, m->high});
    }
    return g;
}

void parts_free(parts_grid *g) {
    free(g->cell);
    free(g->column);
    *g = (parts_grid){0};
}

static int is_same_row(const parts_cell *a, const parts_cell *b) {
    if (a->contrast || b->contrast) return a->contrast == b->contrast;
    return strcmp(a->condition, b->condition) == 0;
}

int parts_row_end(const parts_grid *g, int first) {
    int end = first + 1;
    while (end < g->n && is_same_row(&g->cell[end], &g->cell[first])) end++;
    return end;
}

const parts_cell *parts_find(const parts_grid *g, int first, int end, const char *column) {
    for (int i = first; i < end; i++)
        if (strcmp(g->cell[i].column, column) == 0) return &g->cell[i];
    return NULL;
}

void parts_add_row_name(text *out, const parts_cell *c) {
    if (c->contrast) words_add_contrast(out, c->contrast);
    else text_add(out, c->condition);
}
