/* Figures as SVG text. Relies on base/text; must never emit a coordinate that is not finite. */
#include "report/figure.h"

#include <math.h>
#include <stdlib.h>

enum { WIDTH = 760, LEFT = 190, RIGHT_NOTE = 190, ROW = 24, SERIES_COLOURS = 6, MAX_TICKS = 12 };

static void add_number(text *out, double x) { text_add_fixed(out, isfinite(x) ? x : 0, 1); }

/* A tag's attribute: name="12.3". */
static void add_attribute(text *out, const char *name, double x) {
    text_addf(out, " %s=\"", name);
    add_number(out, x);
    text_add(out, "\"");
}

static void begin(text *out, double height, const char *title) {
    text_addf(out, "<svg class=\"figure\" viewBox=\"0 0 %d ", (int)WIDTH);
    add_number(out, height);
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

static void add_line(text *out, const char *classes, double x1, double y1, double x2, double y2) {
    text_addf(out, "<line class=\"%s\"", classes);
    add_attribute(out, "x1", x1);
    add_attribute(out, "y1", y1);
    add_attribute(out, "x2", x2);
    add_attribute(out, "y2", y2);
    text_add(out, "/>\n");
}

static void add_box(text *out, const char *classes, double x, double y, double w, double h) {
    text_addf(out, "<rect class=\"%s\"", classes);
    add_attribute(out, "x", x);
    add_attribute(out, "y", y);
    add_attribute(out, "width", w > 0 ? w : 0);
    add_attribute(out, "height", h > 0 ? h : 0);
    text_add(out, "/>\n");
}

static void add_dot(text *out, int series, double x, double y) {
    text_addf(out, "<circle class=\"dot c%d\" r=\"4\"", series % SERIES_COLOURS);
    add_attribute(out, "cx", x);
    add_attribute(out, "cy", y);
    text_add(out, "/>\n");
}

/* ---- axes ---- */

typedef struct axis {
    double low, high; /* of the data, widened to ticks */
    double from, to;  /* pixels */
    double tick[MAX_TICKS];
    int ticks, decimals;
} axis;

static double place(const axis *a, double x) {
    double t = (x - a->low) / (a->high - a->low);
    return a->from + (t < 0 ? 0 : t > 1 ? 1 : t) * (a->to - a->from);
}

/* An axis over [low, high] with ticks at 1, 2 or 5 times a power of ten. */
static axis make_axis(double low, double high, double from, double to) {
    axis a = {.from = from, .to = to};
    if (!(high > low)) low -= 0.5, high += 0.5;
    double rough = (high - low) / 5, power = pow(10, floor(log10(rough))), lead = rough / power;
    double step = power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
    a.low = floor(low / step) * step;
    a.high = ceil(high / step) * step;
    a.decimals = step < 1 ? (int)ceil(-log10(step) - 1e-9) : 0;
    for (int i = 0; i < MAX_TICKS && a.low + i * step <= a.high + step / 2; i++) a.tick[a.ticks++] = a.low + i * step;
    return a;
}

static void add_tick_label(text *out, const char *classes, double x, double y, double value, int decimals) {
    text label = {0};
    text_add_fixed(&label, fabs(value) < 1e-12 ? 0 : value, decimals);
    if (!label.failed) add_label(out, x, y, classes, label.s);
    text_free(&label);
}

static void add_x_axis(text *out, const axis *a, double top, double bottom, const char *name) {
    for (int i = 0; i < a->ticks; i++) {
        double x = place(a, a->tick[i]);
        add_line(out, "grid", x, top, x, bottom);
        add_tick_label(out, "tick mid", x, bottom + 15, a->tick[i], a->decimals);
    }
    add_label(out, (a->from + a->to) / 2, bottom + 33, "axis mid", name);
}

/* ---- figures ---- */

static void widen(double x, double *low, double *high) {
    if (!isfinite(x)) return;
    if (x < *low) *low = x;
    if (x > *high) *high = x;
}

void figure_forest(const figure_estimate *row, int n, const char *name, double margin, text *out) {
    double low = 0, high = 0, bottom = n * ROW + 8.0;
    for (int i = 0; i < n; i++)
        widen(row[i].low, &low, &high), widen(row[i].mid, &low, &high), widen(row[i].high, &low, &high);
    if (margin > 0) widen(-margin, &low, &high), widen(margin, &low, &high);
    axis a = make_axis(low, high, LEFT, WIDTH - RIGHT_NOTE);
    begin(out, bottom + 42, name);
    if (margin > 0) add_box(out, "band", place(&a, -margin), 4, place(&a, margin) - place(&a, -margin), bottom - 4);
    add_x_axis(out, &a, 4, bottom, name);
    add_line(out, "zero", place(&a, 0), 4, place(&a, 0), bottom);
    for (int i = 0; i < n; i++) {
        double y = i * ROW + ROW / 2.0 + 4;
        char classes[16] = "whisker c0";
        classes[9] = (char)('0' + row[i].series % SERIES_COLOURS);
        add_label(out, LEFT - 10, y + 4, "end", row[i].label);
        if (isfinite(row[i].low) && isfinite(row[i].high))
            add_line(out, classes, place(&a, row[i].low), y, place(&a, row[i].high), y);
        if (isfinite(row[i].mid)) add_dot(out, row[i].series, place(&a, row[i].mid), y);
        add_label(out, WIDTH - RIGHT_NOTE + 12, y + 4, "num", row[i].note);
    }
    text_add(out, "</svg>\n");
}

static void add_series(text *out, const figure_series *s, int colour, const axis *x, const axis *y) {
    text_addf(out, "<polyline class=\"curve c%d\" points=\"", colour % SERIES_COLOURS);
    for (int i = 0; i < s->n; i++) {
        if (!isfinite(s->y[i])) continue;
        add_number(out, place(x, s->x[i]));
        text_add(out, ",");
        add_number(out, place(y, s->y[i]));
        text_add(out, " ");
    }
    text_add(out, "\"/>\n");
    char classes[16] = "whisker c0";
    classes[9] = (char)('0' + colour % SERIES_COLOURS);
    for (int i = 0; i < s->n; i++) {
        if (!isfinite(s->y[i])) continue;
        double at = place(x, s->x[i]);
        if (s->low && isfinite(s->low[i]) && isfinite(s->high[i]))
            add_line(out, classes, at, place(y, s->low[i]), at, place(y, s->high[i]));
        if (s->n <= 12) add_dot(out, colour, at, place(y, s->y[i]));
    }
}

void figure_lines(const figure_series *series, int n, const char *x_name, const char *y_name, text *out) {
    const double far = (double)INFINITY;
    double x_low = far, x_high = -far, y_low = far, y_high = -far;
    for (int s = 0; s < n; s++)
        for (int i = 0; i < series[s].n; i++) {
            widen(series[s].x[i], &x_low, &x_high);
            widen(series[s].y[i], &y_low, &y_high);
            if (series[s].low) widen(series[s].low[i], &y_low, &y_high), widen(series[s].high[i], &y_low, &y_high);
        }
    if (!(x_high >= x_low) || !(y_high >= y_low)) return;
    if (y_low > 0 && y_low < 0.4 * y_high) y_low = 0;
    const double top = 10, bottom = 230, left = 70, right = WIDTH - RIGHT_NOTE;
    axis x = make_axis(x_low, x_high, left, right), y = make_axis(y_low, y_high, bottom, top);
    begin(out, bottom + 42, y_name);
    add_x_axis(out, &x, top, bottom, x_name);
    for (int i = 0; i < y.ticks; i++) {
        double at = place(&y, y.tick[i]);
        add_line(out, "grid", left, at, right, at);
        add_tick_label(out, "tick end", left - 8, at + 4, y.tick[i], y.decimals);
    }
    if (y.low < 0 && y.high > 0) add_line(out, "zero", left, place(&y, 0), right, place(&y, 0));
    add_label(out, left, top - 1, "axis", y_name);
    for (int s = 0; s < n; s++) {
        add_series(out, &series[s], s, &x, &y);
        add_dot(out, s, right + 16, top + 14 + s * 20.0);
        add_label(out, right + 26, top + 18 + s * 20.0, "", series[s].label);
    }
    text_add(out, "</svg>\n");
}

static void add_cell(text *out, const figure_grid *g, int row, int column, double x, double y, double w, double h,
                     double low, double high) {
    double v = g->value[row * g->columns + column];
    if (!isfinite(v)) return;
    text_add(out, "<rect class=\"cell\"");
    add_attribute(out, "x", x);
    add_attribute(out, "y", y);
    add_attribute(out, "width", w);
    add_attribute(out, "height", h);
    text_add(out, " fill-opacity=\"");
    text_add_fixed(out, high > low ? (v - low) / (high - low) : 0, 3);
    text_addf(out, "\"><title>%s %d, %s %d: ", g->row_axis, row, g->column_axis, column);
    text_add_fixed(out, v, g->decimals);
    text_addf(out, " %s</title></rect>\n", g->unit);
}

void figure_heat(const figure_grid *g, text *out) {
    double low = (double)INFINITY, high = -(double)INFINITY;
    for (int i = 0; i < g->rows * g->columns; i++) widen(g->value[i], &low, &high);
    if (!(high >= low)) return;
    const double left = 70, right = WIDTH - 110, top = 6, h = g->rows > 24 ? 10 : 20;
    double w = (right - left) / g->columns, bottom = top + h * g->rows;
    begin(out, bottom + 42, g->unit);
    add_box(out, "frame", left, top, right - left, bottom - top);
    for (int r = 0; r < g->rows; r++) {
        if (g->rows <= 24 || r % 4 == 0) add_tick_label(out, "tick end", left - 8, top + h * r + h / 2 + 4, r, 0);
        for (int c = 0; c < g->columns; c++) add_cell(out, g, r, c, left + w * c, top + h * r, w, h, low, high);
    }
    int every = g->columns > 14 ? 4 : 1;
    for (int c = 0; c < g->columns; c += every)
        add_tick_label(out, "tick mid", left + w * (c + 0.5), bottom + 15, c, 0);
    add_label(out, (left + right) / 2, bottom + 33, "axis mid", g->column_axis);
    add_label(out, 6, top + 12, "axis", g->row_axis);
    for (int i = 0; i < 5; i++) { /* the scale */
        double v = high - (high - low) * i / 4;
        text_add(out, "<rect class=\"cell\"");
        add_attribute(out, "x", right + 14);
        add_attribute(out, "y", top + i * 16.0);
        text_add(out, " width=\"14\" height=\"16\" fill-opacity=\"");
        text_add_fixed(out, 1 - i / 4.0, 2);
        text_add(out, "\"/>\n");
        add_tick_label(out, "tick", right + 34, top + i * 16.0 + 12, v, g->decimals);
    }
    text_add(out, "</svg>\n");
}

void figure_shares(const figure_share *row, int n, const char *share_name, const char *expected_name, text *out) {
    double high = 0, unused = 0, bottom = n * (ROW + 8) + 30.0;
    for (int i = 0; i < n; i++) widen(row[i].share, &unused, &high), widen(row[i].expected, &unused, &high);
    axis a = make_axis(0, high > 0 ? high : 1, LEFT, WIDTH - 90);
    begin(out, bottom + 42, share_name);
    add_dot(out, 0, LEFT + 5, 12);
    add_label(out, LEFT + 15, 16, "", share_name);
    add_dot(out, 1, LEFT + 205, 12);
    add_label(out, LEFT + 215, 16, "", expected_name);
    add_x_axis(out, &a, 26, bottom, "share");
    for (int i = 0; i < n; i++) {
        double y = 30 + i * (ROW + 8.0);
        text note = {0};
        add_label(out, LEFT - 10, y + 15, "end", row[i].label);
        add_box(out, "bar c0", LEFT, y, place(&a, row[i].share) - LEFT, 12);
        if (isfinite(row[i].expected)) add_box(out, "bar c1", LEFT, y + 13, place(&a, row[i].expected) - LEFT, 8);
        text_add_fixed(&note, 100 * row[i].share, 1);
        text_add(&note, " %");
        if (!note.failed) add_label(out, place(&a, row[i].share) + 6, y + 11, "num", note.s);
        text_free(&note);
    }
    text_add(out, "</svg>\n");
}
