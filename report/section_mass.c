/* What was measured: every probe column of the baseline over blocks and steps, and what edits did where they acted.
 * Generic over the probes: their tables say what a column is. */
#include "report/sections.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/figure.h"
#include "report/words.h"

/* The help line of a probe column, and whether it has a mean. */
static const char *column_help(const study *y, const char *name, int *is_quantity) {
    for (int i = 0; i < y->n_probes; i++)
        for (int j = 0; j < y->probe[i]->n_columns; j++) {
            if (strcmp(y->probe[i]->column[j], name) != 0) continue;
            *is_quantity = !(y->probe[i]->nominal >> j & 1);
            return y->probe[i]->column_help[j] ? y->probe[i]->column_help[j] : "";
        }
    *is_quantity = 1;
    return "";
}

/* Largest block or step, + 1, of the table's first two columns. A store's numbers are of unknown origin: those that no
 * model has are left out. */
static int extent(const report_table *t, int column, int limit) {
    int most = -1;
    for (int r = 0; r < t->rows; r++) {
        int64_t x = report_whole(t, r, column);
        if (x > most && x < limit) most = (int)x;
    }
    return most + 1;
}

static void add_heat(text *out, const report_facts *f, int column) {
    const report_table *t = &f->baseline;
    int rows = extent(t, 0, ATTN_MAX_BLOCKS), columns = extent(t, 1, ATTN_MAX_STEPS), is_quantity;
    const char *help = column_help(f->study, t->name[column], &is_quantity);
    size_t cells = (size_t)rows * (size_t)columns;
    double *value = malloc((cells + 1) * sizeof *value);
    text svg = {0}, caption = {0};
    for (size_t i = 0; value && i < cells; i++) value[i] = NAN;
    for (int r = 0; value && r < t->rows; r++) {
        int64_t block = report_whole(t, r, 0), step = report_whole(t, r, 1);
        if (block >= 0 && block < rows && step >= 0 && step < columns)
            value[block * columns + step] = report_number(t, r, column);
    }
    figure_grid grid = {.value = value,
                        .rows = rows,
                        .columns = columns,
                        .row_axis = "block",
                        .column_axis = "step (0 = noisiest)",
                        .what = t->name[column]};
    if (value && is_quantity) figure_heat(&grid, &svg);
    if (svg.len) {
        text_addf(&caption, "%s.", help);
        page_figure_begin(out, "heat");
        text_add_n(out, svg.s, svg.len);
        page_figure_end(out, text_for(&caption, out), CSV_MASS);
    }
    if (!value || svg.failed) out->failed = 1;
    free(value);
    text_free(&svg);
    text_free(&caption);
}

static int find_column(const report_table *t, const char *name) {
    for (int c = 0; c < t->columns; c++)
        if (strcmp(t->name[c], name) == 0) return c;
    return -1;
}

static void add_number_cell(text *out, double x) {
    text words = {0};
    if (isfinite(x)) text_add_double(&words, x, 3);
    else text_add(&words, "–");
    page_element(out, "td", "n", text_for(&words, out));
    text_free(&words);
}

/* Means over the sites where an edit acted, a condition a row. The reduction factor is the mass of the set after the
 * edit over that before. */
static void add_edits(text *out, const report_facts *f) {
    const report_table *t = &f->means;
    int before = find_column(t, "set_mass_before"), after = find_column(t, "set_mass_after");
    int with_factor = before >= 0 && after >= 0;
    if (t->rows == 0) return;
    page_element(out, "h3", NULL, "Where edits acted");
    text_add(out, "<div class=\"scroll\"><table class=\"edits\"><thead><tr><th>condition</th>");
    for (int c = 1; c < t->columns; c++) page_element(out, "th", "n", t->name[c]);
    if (with_factor) page_element(out, "th", "n", "reduction factor");
    text_add(out, "</tr></thead><tbody>\n");
    for (int r = 0; r < t->rows; r++) {
        text_add(out, "<tr>");
        page_element(out, "th", NULL, report_words(t, r, 0));
        for (int c = 1; c < t->columns; c++) add_number_cell(out, report_number(t, r, c));
        if (with_factor) add_number_cell(out, report_number(t, r, after) / report_number(t, r, before));
        text_add(out, "</tr>\n");
    }
    page_table_end(out);
    text_add(out, "<dl class=\"soft\">\n");
    for (int c = 1, is_quantity; c < t->columns; c++) {
        page_element(out, "dt", NULL, t->name[c]);
        page_element(out, "dd", NULL, column_help(f->study, t->name[c], &is_quantity));
    }
    text_addf(
        out,
        "</dl>\n<p class=\"soft\">Means over edited calls, heads, steps and images%s. <a href=\"%s\">Numbers</a></p>\n",
        with_factor ? "; the reduction factor is the ratio of the two mean masses, 0 = suppressed in full" : "",
        CSV_EDITS);
}

enum { MODULE_BLOCK, MODULE_NAME, MODULE_KIND, MODULE_HEADS, MODULE_QUERIES, MODULE_KEYS, MODULE_SEGMENTS };

void section_add_module(text *out, const report_facts *f, int64_t block) {
    const report_table *t = &f->modules;
    text words = {0};
    for (int r = 0; f->kinds > 1 && r < t->rows; r++)
        if (report_whole(t, r, MODULE_BLOCK) == block)
            text_addf(&words, "%s (%s)", report_words(t, r, MODULE_NAME), report_words(t, r, MODULE_KIND));
    if (words.failed) out->failed = 1;
    else if (words.len) page_element(out, "small", NULL, words.s);
    text_free(&words);
}

/* Which block is what, where they differ. */
static void add_modules(text *out, const report_facts *f) {
    static const char *const HEADING[] = {">block", "module", "attention", ">heads", ">queries", ">keys", "keys are"};
    const report_table *t = &f->modules;
    if (f->kinds < 2) return;
    page_element(out, "h3", NULL, "The model's blocks");
    page_table_begin(out, "modules", HEADING, 7);
    for (int r = 0; r < t->rows; r++) {
        text_addf(out, "<tr><th class=\"n\">%lld</th>", (long long)report_whole(t, r, MODULE_BLOCK));
        page_element(out, "td", NULL, report_words(t, r, MODULE_NAME));
        page_element(out, "td", NULL, report_words(t, r, MODULE_KIND));
        for (int c = MODULE_HEADS; c <= MODULE_KEYS; c++)
            text_addf(out, "<td class=\"n\">%lld</td>", (long long)report_whole(t, r, c));
        page_element(out, "td", NULL, report_words(t, r, MODULE_SEGMENTS));
        text_add(out, "</tr>\n");
    }
    page_table_end(out);
}

void section_mass(const void *facts, text *out) {
    const report_facts *f = facts;
    text figures = {0};
    for (int c = 2; c < f->baseline.columns; c++) add_heat(&figures, f, c);
    int any = figures.len > 0;
    if (any)
        page_element(out, "p", "soft",
                     "Baseline images. Each cell is a mean over heads, guidance branches and images; point at it for "
                     "its value.");
    page_pair(out, &figures);
    if (any) add_modules(out, f);
    add_edits(out, f);
}
