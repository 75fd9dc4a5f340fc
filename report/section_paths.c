/* How far conditions leave the baseline's path while they are denoised: a difference that stays small until the end and
 * one that grows from the first edited step on are different stories. */
#include "report/sections.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/figure.h"

/* More curves than this cannot be distinguished; the file has all of them. */
enum { MOST_CURVES = 8 };

/* Rows of the table are grouped by condition: one curve of `column` each. */
static void add_curves(text *out, const report_table *t, int column, const char *y_axis, const char *caption,
                       const char *csv) {
    figure_series series[MOST_CURVES] = {{0}};
    double *x = malloc(((size_t)t->rows + 1) * sizeof *x), *y = malloc(((size_t)t->rows + 1) * sizeof *y);
    int n = 0;
    for (int r = 0; x && y && r < t->rows; r++) {
        const char *name = report_words(t, r, 0);
        int begins = r == 0 || strcmp(name, report_words(t, r - 1, 0)) != 0;
        if (begins && n == MOST_CURVES) break;
        if (begins) series[n++] = (figure_series){.label = name, .x = x + r, .y = y + r};
        x[r] = report_number(t, r, 1);
        y[r] = report_number(t, r, column);
        series[n - 1].n++;
    }
    if (!x || !y) out->failed = 1;
    else if (n > 0) {
        page_figure_begin(out, "dose");
        figure_lines(series, n, "step (0 = noisiest)", y_axis, FIGURE_LINEAR, out);
        page_figure_end(out, caption, csv);
    }
    free(x);
    free(y);
}

/* Curves of a table of condition, step, latent_rmse, velocity_cosine; nothing where it has no row. */
void paths_add_figures(const report_table *t, const char *csv, text *out) {
    if (t->rows == 0) return;
    text_add(out, "<div class=\"pair\">\n");
    add_curves(out, t, 2, "rms of the latents' difference",
               "How far the latents are from the baseline's after each step; means over images.", csv);
    add_curves(out, t, 3, "cosine of the velocities",
               "Whether the image moves the way its baseline moved at that step: 1 = the same direction.", csv);
    text_add(out, "</div>\n");
}

void section_paths(const void *facts, text *out) {
    const report_facts *f = facts;
    paths_add_figures(&f->paths, CSV_PATHS, out);
}
