/* Figures as inline SVG: no script, no external font, colours by CSS classes of the page (light and dark). Every
 * figure scales with the page; numbers are formatted without the locale. A value that is not finite is left out. */
#ifndef REPORT_FIGURE_H
#define REPORT_FIGURE_H

#include "base/text.h"

/* One row of a forest plot: an estimate with its interval. */
typedef struct figure_estimate {
    const char *label, *note; /* note: to the right, "+0.081 [0.074, 0.088]" */
    double low, mid, high;    /* NAN = nothing to draw */
    int series;               /* colour, 0.. */
} figure_estimate;

/* Estimates against a line at zero; `margin` > 0 shades the band of equivalence. */
void figure_forest(const figure_estimate *row, int n, const char *axis, double margin, text *out);

/* A line with an interval at each point. */
typedef struct figure_series {
    const char *label;
    int n;
    const double *x, *y, *low, *high; /* [n]; low and high may be NULL */
} figure_series;

void figure_lines(const figure_series *series, int n, const char *x_axis, const char *y_axis, text *out);

/* Cells shaded from `low` (white) to `high`; each has its value as a tooltip. value[rows * columns], NAN = blank. */
typedef struct figure_grid {
    const double *value;
    int rows, columns;
    const char *row_axis, *column_axis, *unit;
    int decimals;
} figure_grid;

void figure_heat(const figure_grid *grid, text *out);

/* Two bars a row, as shares of 1: what is, beside what would be by chance. */
typedef struct figure_share {
    const char *label;
    double share, expected; /* expected NAN = no second bar */
} figure_share;

void figure_shares(const figure_share *row, int n, const char *share_label, const char *expected_label, text *out);

#endif
