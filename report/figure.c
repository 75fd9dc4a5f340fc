/* Figures as SVG text. Every coordinate is finite. */
#include "report/figure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/words.h"

enum { WIDE = 520, HALF = 460, EDGE = 10, SERIES_COLOURS = 6, MAX_TICKS = 16, MAX_LOG_TICKS = 12 };

static void figure_add_number(text *out, double x) { text_add_fixed(out, isfinite(x) ? x : 0, 1); }

/* A tag's attribute: name="12.3". */
static void add_attribute(text *out, const char *name, double x) {
    text_addf(out, " %s=\"", name);
    figure_add_number(out, x);
    text_add(out, "\"");
}

static void figure_begin(text *out, int width, double height, const char *title) {
    text_addf(out, "<svg class=\"figure %s\" viewBox=\"0 0 %d ", width == WIDE ? "wide" : "half", width);
    figure_add_number(out, height);
    text_add(out, "\" role=\"img\"><title>");
    text_add_html(out, title);
    text_add(out, "</title>\n");
}

static void add_label(text *out, double x, double y, const char *classes, const char *s) {
    text_addf(out, "<text class=\"%s\"", classes);
    add_attribute(out, "x", x);
    add_attribute(out, "y", y);
    text_add(out, ">");
    text_add_html(out, s);
    text_add(out, "</text>\n");
}

/* `series` < 0: no colour of a series. */
static void begin_shape(text *out, const char *shape, const char *classes, int series) {
    text_addf(out, "<%s class=\"%s", shape, classes);
    if (series >= 0) text_addf(out, " c%d", series % SERIES_COLOURS);
    text_add(out, "\"");
}

static void add_line(text *out, const char *classes, int series, double x1, double y1, double x2, double y2) {
    begin_shape(out, "line", classes, series);
    add_attribute(out, "x1", x1);
    add_attribute(out, "y1", y1);
    add_attribute(out, "x2", x2);
    add_attribute(out, "y2", y2);
    text_add(out, "/>\n");
}

static void add_box(text *out, const char *classes, int series, double x, double y, double w, double h) {
    begin_shape(out, "rect", classes, series);
    add_attribute(out, "x", x);
    add_attribute(out, "y", y);
    add_attribute(out, "width", w > 0 ? w : 0);
    add_attribute(out, "height", h > 0 ? h : 0);
    text_add(out, "/>\n");
}

static void add_dot(text *out, int series, double x, double y) {
    begin_shape(out, "circle", "dot", series);
    text_add(out, " r=\"4\"");
    add_attribute(out, "cx", x);
    add_attribute(out, "cy", y);
    text_add(out, "/>\n");
}

static void widen(double x, double *low, double *high) {
    if (!isfinite(x)) return;
    if (x < *low) *low = x;
    if (x > *high) *high = x;
}

/* Rough width in units of the drawing: fonts differ, so places have a margin. */
static double text_width(const char *s) {
    size_t n = 0;
    for (; *s; s++) n += ((unsigned char)*s & 0xC0) != 0x80; /* UTF-8: characters, not bytes */
    return 6.6 * (double)n;
}

/* ---- axes ---- */

typedef struct axis {
    double low, high; /* of the data, widened to ticks */
    double from, to;  /* pixels */
    figure_scale scale;
    double tick[MAX_TICKS];
    int ticks, decimals;
} axis;

static double figure_place(const axis *a, double x) {
    double low = a->low, high = a->high;
    if (a->scale == FIGURE_LOG) x = log(x), low = log(low), high = log(high);
    double t = high > low ? (x - low) / (high - low) : 0.5;
    return a->from + (t < 0 ? 0 : t > 1 ? 1 : t) * (a->to - a->from);
}

/* An axis over [low, high] with ticks at 1, 2 or 5 times a power of ten. */
static axis make_axis(double low, double high, double from, double to) {
    axis a = {.from = from, .to = to};
    double least = 1e-12 * (fabs(low) > fabs(high) ? fabs(low) : fabs(high));
    if (!(high - low > least)) {
        double room = low != 0 ? 0.1 * fabs(low) : 0.5;
        low -= room, high += room;
    }
    double rough = (high - low) / 5, power = pow(10, floor(log10(rough))), lead = rough / power;
    double step = power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
    a.low = floor(low / step + 1e-9) * step;
    a.high = ceil(high / step - 1e-9) * step;
    a.decimals = step < 1 ? (int)ceil(-log10(step) - 1e-9) : 0;
    for (int i = 0; i < MAX_TICKS && a.low + i * step <= a.high + step / 2; i++) a.tick[a.ticks++] = a.low + i * step;
    return a;
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A logarithmic axis with a tick at every x that occurs; the first MAX_LOG_TICKS of them. */
static axis make_log_axis(const figure_series *series, int n, double low, double high, double from, double to) {
    axis a = {.low = low, .high = high, .from = from, .to = to, .scale = FIGURE_LOG};
    for (int s = 0; s < n; s++)
        for (int i = 0; i < series[s].n; i++) {
            int known = !(series[s].x[i] > 0) || !isfinite(series[s].y[i]);
            for (int t = 0; t < a.ticks; t++) known |= a.tick[t] == series[s].x[i];
            if (!known && a.ticks < MAX_LOG_TICKS) a.tick[a.ticks++] = series[s].x[i];
        }
    qsort(a.tick, (size_t)a.ticks, sizeof *a.tick, compare_doubles);
    return a;
}

static void add_tick_label(text *out, const char *classes, double x, double y, double value, int decimals) {
    text label = {0};
    if (value < -1e-12) text_add(&label, "−");
    if (decimals > 5 && value != 0) text_add_double(&label, fabs(value), 2); /* "4e-07": for many zeros */
    else text_add_fixed(&label, fabs(value) < 1e-12 ? 0 : fabs(value), decimals > 5 ? 0 : decimals);
    add_label(out, x, y, classes, text_for(&label, out));
    text_free(&label);
}

static void add_x_axis(text *out, const axis *a, double top, double bottom, const char *name) {
    for (int i = 0; i < a->ticks; i++) {
        double x = figure_place(a, a->tick[i]);
        add_line(out, "grid", -1, x, top, x, bottom);
        add_tick_label(out, "tick mid", x, bottom + 15, a->tick[i], a->decimals);
    }
    add_label(out, (a->from + a->to) / 2, bottom + 33, "axis mid", name);
}

static void add_y_axis(text *out, const axis *a, double left, double right) {
    for (int i = 0; i < a->ticks; i++) {
        double y = figure_place(a, a->tick[i]);
        add_line(out, "grid", -1, left, y, right, y);
        add_tick_label(out, "tick end", left - 8, y + 4, a->tick[i], a->decimals);
    }
}

/* ---- figures ---- */

enum { FOREST_ROW = 38 };

static void figure_add_estimate(text *out, const figure_estimate *row, const axis *a, double top) {
    double y = top + 27;
    add_label(out, EDGE, top + 14, "", row->label);
    add_label(out, WIDE - EDGE, top + 14, "num end", row->note);
    if (isfinite(row->low) && isfinite(row->high))
        add_line(out, "whisker", row->series, figure_place(a, row->low), y, figure_place(a, row->high), y);
    if (isfinite(row->mid)) add_dot(out, row->series, figure_place(a, row->mid), y);
}

void figure_forest(const figure_estimate *row, int n, const char *name, double margin, int with_zero, text *out) {
    const double far = (double)INFINITY;
    double low = far, high = -far, bottom = n * (double)FOREST_ROW + 6;
    for (int i = 0; i < n; i++)
        widen(row[i].low, &low, &high), widen(row[i].mid, &low, &high), widen(row[i].high, &low, &high);
    if (!(high >= low)) return;
    if (with_zero) widen(0, &low, &high);
    if (margin > 0) widen(-margin, &low, &high), widen(margin, &low, &high);
    axis a = make_axis(low, high, EDGE + 14, WIDE - EDGE - 14);
    figure_begin(out, WIDE, bottom + 42, name);
    if (margin > 0)
        add_box(out, "band", -1, figure_place(&a, -margin), 2, figure_place(&a, margin) - figure_place(&a, -margin),
                bottom - 2);
    add_x_axis(out, &a, 2, bottom, name);
    if (with_zero) add_line(out, "zero", -1, figure_place(&a, 0), 2, figure_place(&a, 0), bottom);
    for (int i = 0; i < n; i++) figure_add_estimate(out, &row[i], &a, i * (double)FOREST_ROW);
    text_add(out, "</svg>\n");
}

/* `shift` keeps the intervals of several series from covering each other. */
static void add_series(text *out, const figure_series *s, int colour, double shift, const axis *x, const axis *y) {
    begin_shape(out, "polyline", "curve", colour);
    text_add(out, " points=\"");
    for (int i = 0; i < s->n; i++) {
        if (!isfinite(s->y[i])) continue;
        figure_add_number(out, figure_place(x, s->x[i]) + shift);
        text_add(out, ",");
        figure_add_number(out, figure_place(y, s->y[i]));
        text_add(out, " ");
    }
    text_add(out, "\"/>\n");
    for (int i = 0; i < s->n; i++) {
        if (!isfinite(s->y[i])) continue;
        double at = figure_place(x, s->x[i]) + shift;
        if (s->low && isfinite(s->low[i]) && isfinite(s->high[i]))
            add_line(out, "whisker", colour, at, figure_place(y, s->low[i]), at, figure_place(y, s->high[i]));
        if (s->n <= 12) add_dot(out, colour, at, figure_place(y, s->y[i]));
    }
}

/* Names of the series in lines below the plot; height used. `out` NULL: only the height. */
static double add_legend(text *out, const figure_series *series, int n, double top) {
    double x = EDGE, y = top;
    for (int s = 0; s < n; s++) {
        double width = 30 + text_width(series[s].label);
        if (x > EDGE && x + width > HALF) x = EDGE, y += 19;
        if (out) {
            add_dot(out, s, x + 5, y - 4);
            add_label(out, x + 15, y, "", series[s].label);
        }
        x += width;
    }
    return y - top + 8;
}

void figure_lines(const figure_series *series, int n, const char *x_name, const char *y_name, figure_scale x_scale,
                  text *out) {
    const double far = (double)INFINITY;
    double x_low = far, x_high = -far, y_low = far, y_high = -far;
    for (int s = 0; s < n; s++)
        for (int i = 0; i < series[s].n; i++) {
            if (!isfinite(series[s].y[i])) continue;
            widen(series[s].x[i], &x_low, &x_high);
            widen(series[s].y[i], &y_low, &y_high);
            if (series[s].low) widen(series[s].low[i], &y_low, &y_high), widen(series[s].high[i], &y_low, &y_high);
        }
    if (!(x_high >= x_low) || !(y_high >= y_low)) return;
    if (y_low > 0 && y_low < 0.4 * y_high) y_low = 0;
    if (x_scale == FIGURE_LINEAR && x_low > 0 && x_low < 0.5 * x_high) x_low = 0;
    const double top = 26, bottom = 240, left = 56, right = HALF - 18;
    axis x = x_scale == FIGURE_LOG ? make_log_axis(series, n, x_low, x_high, left + 12, right - 12)
                                   : make_axis(x_low, x_high, left, right);
    axis y = make_axis(y_low, y_high, bottom, top);
    figure_begin(out, HALF, bottom + 58 + add_legend(NULL, series, n, 0), y_name);
    add_label(out, EDGE, 12, "axis", y_name);
    add_x_axis(out, &x, top, bottom, x_name);
    add_y_axis(out, &y, left, right);
    if (y.low < 0 && y.high > 0) add_line(out, "zero", -1, left, figure_place(&y, 0), right, figure_place(&y, 0));
    for (int s = 0; s < n; s++)
        add_series(out, &series[s], s, x_scale == FIGURE_LOG ? 6 * (s - (n - 1) / 2.0) : 0, &x, &y);
    add_legend(out, series, n, bottom + 54);
    text_add(out, "</svg>\n");
}

void figure_scatter(const figure_point *point, int n, const char *x_name, const char *y_name, text *out) {
    double low = (double)INFINITY, high = -low;
    for (int i = 0; i < n; i++)
        if (isfinite(point[i].x) && isfinite(point[i].y))
            widen(point[i].x, &low, &high), widen(point[i].y, &low, &high);
    if (!(high >= low)) return;
    const double top = 26, bottom = 374, left = 66, right = left + bottom - top;
    axis x = make_axis(low, high, left, right), y = make_axis(low, high, bottom, top);
    figure_begin(out, HALF, bottom + 46, y_name);
    add_label(out, EDGE, 12, "axis", y_name);
    add_x_axis(out, &x, top, bottom, x_name);
    add_y_axis(out, &y, left, right);
    if (x.low < 0 && x.high > 0) {
        add_line(out, "zero", -1, left, figure_place(&y, 0), right, figure_place(&y, 0));
        add_line(out, "zero", -1, figure_place(&x, 0), top, figure_place(&x, 0), bottom);
    }
    add_line(out, "whisker c5", -1, left, bottom, right, top);
    for (int i = 0; i < n; i++) {
        if (!isfinite(point[i].x) || !isfinite(point[i].y)) continue;
        begin_shape(out, "circle", "dot point", 0);
        text_add(out, " r=\"4\"");
        add_attribute(out, "cx", figure_place(&x, point[i].x));
        add_attribute(out, "cy", figure_place(&y, point[i].y));
        text_add(out, "><title>");
        text_add_html(out, point[i].title ? point[i].title : "");
        text_add(out, "</title></circle>\n");
    }
    text_add(out, "</svg>\n");
}

/* ---- grids ---- */

typedef struct shading {
    double low, high;
} shading;

static double shade(const shading *s, double v) { return s->high > s->low ? (v - s->low) / (s->high - s->low) : 1; }

static void figure_add_cell(text *out, const figure_grid *g, const shading *range, int row, int column, double x,
                            double y, double w, double h) {
    double v = g->value[row * g->columns + column];
    if (!isfinite(v)) return;
    text_add(out, "<rect class=\"cell\"");
    add_attribute(out, "x", x);
    add_attribute(out, "y", y);
    add_attribute(out, "width", w);
    add_attribute(out, "height", h);
    text_add(out, " fill-opacity=\"");
    text_add_fixed(out, shade(range, v), 3);
    text_add(out, "\"><title>");
    text_add_html(out, g->row_axis);
    text_addf(out, " %d, ", row);
    text_add_html(out, g->column_axis);
    text_addf(out, " %d: ", column);
    text_add_double(out, v, 4);
    text_add(out, "</title></rect>\n");
}

/* A strip from blank to full with its ends' values, right-aligned above the grid. */
static void add_scale(text *out, const shading *range, double right, double y) {
    enum { PARTS = 8, PART = 9 };
    text low = {0}, high = {0};
    text_add_double(&low, range->low, 3);
    text_add_double(&high, range->high, 3);
    if (low.failed || high.failed) out->failed = 1;
    else {
        double end = right - text_width(high.s) - 4, start = end - PARTS * PART;
        add_label(out, start - 6, y + 9, "tick end", low.s);
        for (int i = 0; i < PARTS; i++) {
            text_add(out, "<rect class=\"cell strip\"");
            add_attribute(out, "x", start + i * (double)PART);
            add_attribute(out, "y", y);
            text_addf(out, " width=\"%d\" height=\"10\" fill-opacity=\"", (int)PART);
            text_add_fixed(out, (i + 0.5) / PARTS, 2);
            text_add(out, "\"/>\n");
        }
        add_label(out, right, y + 9, "tick end", high.s);
    }
    text_free(&low);
    text_free(&high);
}

/* How many cells lie between two labels of an axis that fits one label each `room` pixels. */
static int label_every(double cell, double room) {
    static const int EVERY[] = {1, 2, 4, 5, 10, 20, 50, 100};
    for (int i = 0; i < (int)(sizeof EVERY / sizeof *EVERY); i++)
        if (cell * EVERY[i] >= room) return EVERY[i];
    return 200;
}

void figure_heat(const figure_grid *g, text *out) {
    shading range = {(double)INFINITY, -(double)INFINITY};
    for (int i = 0; i < g->rows * g->columns; i++) widen(g->value[i], &range.low, &range.high);
    if (!(range.high >= range.low)) return;
    if (g->from_zero && range.low > 0) range.low = 0;
    const double left = 40, right = HALF - EDGE, top = 44;
    double w = (right - left) / g->columns, h = g->rows > 16 ? 11 : 22;
    if (g->square) w = h = w * g->rows > 380 ? 380.0 / g->rows : w;
    double bottom = top + h * g->rows, end = left + w * g->columns;
    int every_row = label_every(h, 12), every_column = label_every(w, 20);
    figure_begin(out, HALF, bottom + 42, g->what);
    add_label(out, EDGE, 12, "", g->what);
    add_scale(out, &range, right, 22);
    add_label(out, EDGE, top - 8, "axis", g->row_axis);
    add_box(out, "frame", -1, left, top, end - left, bottom - top);
    for (int r = 0; r < g->rows; r++) {
        if (r % every_row == 0) add_tick_label(out, "tick end", left - 7, top + h * r + h / 2 + 4, r, 0);
        for (int c = 0; c < g->columns; c++) figure_add_cell(out, g, &range, r, c, left + w * c, top + h * r, w, h);
    }
    for (int c = 0; c < g->columns; c += every_column)
        add_tick_label(out, "tick mid", left + w * (c + 0.5), bottom + 15, c, 0);
    add_label(out, (left + end) / 2, bottom + 33, "axis mid", g->column_axis);
    text_add(out, "</svg>\n");
}

/* ---- shares ---- */

static void add_share_label(text *out, double x, double y, double share) {
    text note = {0};
    words_add_percent(&note, share, 1);
    add_label(out, x + 6, y, "tick", text_for(&note, out));
    text_free(&note);
}

void figure_shares(const figure_share *row, int n, const char *share_name, const char *expected_name, text *out) {
    enum { SHARE_ROW = 34 };
    const double left = 104, right = HALF - 52;
    double high = 0, low = 0, bottom = n * (double)SHARE_ROW + 26;
    int any_expected = 0;
    for (int i = 0; i < n; i++) {
        widen(row[i].share, &low, &high), widen(row[i].expected, &low, &high);
        any_expected |= isfinite(row[i].expected);
    }
    if (n == 0) return;
    axis a = {.low = 0, .high = high > 0 ? high : 1, .from = left, .to = right};
    figure_begin(out, HALF, bottom, share_name);
    add_box(out, "bar", 0, EDGE, 4, 10, 10);
    add_label(out, EDGE + 16, 13, "", share_name);
    if (any_expected) {
        double x = EDGE + 36 + text_width(share_name);
        add_box(out, "bar expected", -1, x, 4, 10, 10);
        add_label(out, x + 16, 13, "", expected_name);
    }
    for (int i = 0; i < n; i++) {
        double y = 26 + i * (double)SHARE_ROW;
        add_label(out, left - 10, y + 16, "end", row[i].label);
        if (isfinite(row[i].share)) {
            add_box(out, "bar", 0, left, y, figure_place(&a, row[i].share) - left, 12);
            add_share_label(out, figure_place(&a, row[i].share), y + 10, row[i].share);
        }
        if (isfinite(row[i].expected)) {
            add_box(out, "bar expected", -1, left, y + 13, figure_place(&a, row[i].expected) - left, 12);
            add_share_label(out, figure_place(&a, row[i].expected), y + 23, row[i].expected);
        }
    }
    text_add(out, "</svg>\n");
}
