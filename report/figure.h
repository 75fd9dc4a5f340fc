/* Figures as inline SVG: no script, no external font, colours by CSS classes of the page (light and dark). A figure is
 * drawn for the width of a phone or half a page and scales with its place; numbers are formatted without the locale. A
 * value that is not finite is left out; a figure without any value writes nothing. */
#ifndef REPORT_FIGURE_H
#define REPORT_FIGURE_H

#include "base/text.h"

/* One row of a forest plot: an estimate with its interval. */
typedef struct figure_estimate {
    const char *label, *note; /* note: to the right, "+0.081 [0.074, 0.088]" */
    double low, mid, high;    /* NAN = nothing to draw */
    int series;               /* colour, 0.. */
} figure_estimate;

/* Estimates under their labels. Differences have a line at zero (`with_zero`); `margin` > 0 shades the band of
 * equivalence. */
void figure_forest(const figure_estimate *row, int n, const char *axis, double margin, int with_zero, text *out);

/* A curve, with an interval at each point where low and high are there. */
typedef struct figure_series {
    const char *label;
    int n;
    const double *x, *y, *low, *high; /* [n]; low and high may be NULL */
} figure_series;

/* Turn one figure into an SVG file of its own, in the page's light colours; nothing where there is no figure. */
void figure_as_file(text *svg);

typedef enum figure_scale { FIGURE_LINEAR, FIGURE_LOG /* x > 0; a tick at every x */ } figure_scale;

void figure_lines(const figure_series *series, int n, const char *x_axis, const char *y_axis, figure_scale x_scale,
                  text *out);

/* Points; the line y = x is drawn, and lines at zero where the axes cross it. Both axes have one scale. */
typedef struct figure_point {
    double x, y;
    const char *title; /* tooltip; may be NULL */
} figure_point;

void figure_scatter(const figure_point *point, int n, const char *x_axis, const char *y_axis, text *out);

/* Cells shaded from the lowest value (blank) to the highest; each has its value as a tooltip. */
typedef struct figure_grid {
    const double *value; /* [rows * columns], NAN = blank */
    int rows, columns;
    const char *row_axis, *column_axis;
    const char *what; /* title: what is shaded, with its unit */
    int square;       /* cells as wide as high: a place in the image */
    int from_zero;    /* blank is 0 rather than the lowest value */
} figure_grid;

void figure_heat(const figure_grid *grid, text *out);

/* Two bars a row, as shares of 1: observed, and expected by chance. */
typedef struct figure_share {
    const char *label;
    double share, expected; /* expected NAN = no second bar */
} figure_share;

void figure_shares(const figure_share *row, int n, const char *share_label, const char *expected_label, text *out);

#endif
