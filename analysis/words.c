/* The analysis in words and columns, for a terminal. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/internal.h"
#include "base/array.h"

void analysis_add_p(stats_figure p, text *out) {
    if (p.state != STATS_DEFINED) text_add(out, p.state == STATS_NOT_ASKED ? "-" : "undefined");
    else if (p.value < 1e-4) text_add(out, "< 1e-4");
    else if (p.value < 0.0095) text_add_fixed(out, p.value, 4);
    else text_add_fixed(out, p.value, p.value < 0.0995 ? 3 : 2);
}

/* A number in as many digits as its interval supports: two of the half-width. */
static int decimals_for(stats_figure mid, stats_figure low, stats_figure high) {
    double half =
        low.state == STATS_DEFINED && high.state == STATS_DEFINED ? (high.value - low.value) / 2 : fabs(mid.value);
    if (!(half > 0)) return 4;
    int d = 1 - (int)floor(log10(half));
    return d < 0 ? 0 : d > 8 ? 8 : d;
}

static void add_signed(double x, int decimals, text *out) {
    if (x >= 0) text_add(out, "+");
    text_add_fixed(out, x, decimals);
}

static void read_different(const analysis *a, const analysis_row *r, text *out) {
    const study_contrast *c = r->contrast;
    int turned = c->a == 0, with_baseline = c->a == 0 || c->b == 0; /* the words are of the side that is no baseline */
    const char *name = a->study->condition[turned ? c->b : c->a].family;
    int up = turned ? stats_direction(&r->stats) < 0 : stats_direction(&r->stats) > 0;
    if (r->kind == METRIC_DISTANCE && with_baseline) text_addf(out, "different: %s moves the image", name);
    else if (r->kind == METRIC_DISTANCE) text_addf(out, "different: %s moves the image %s", name, up ? "more" : "less");
    else if (r->kind == METRIC_SIMILARITY)
        text_addf(out, "different: %s moves the image %s", name, up ? "less" : "more");
    else text_addf(out, "different: %s is %s", name, up ? "better" : "worse");
}

/* "0.006 (calibrated)" */
static void add_margin(const analysis_row *r, text *out) {
    text_add_double(out, r->stats.margin.value, 2);
    text_add(out, r->contrast->margin_kind == MARGIN_CALIBRATED ? " (calibrated)" : " (given)");
}

void analysis_add_bounds(const stats_contrast *c, text *out) {
    int above = c->mean_at_least.state == STATS_DEFINED;
    stats_figure bound = above ? c->mean_at_least : c->mean_at_most;
    if (bound.state != STATS_DEFINED) {
        text_add(out, "no bound");
        return;
    }
    text_add(out, above ? "at least " : "at most ");
    if (bound.value >= 0) text_add(out, "+");
    text_add_double(out, bound.value, 3);
}

/* "; by ranks, 3 + 1 failed" */
static void add_failed_words(const stats_contrast *s, text *out) {
    text_addf(out, "; by ranks, %d", s->failed_a ? s->failed_a : s->failed_b);
    if (s->failed_a && s->failed_b) text_addf(out, " + %d", s->failed_b);
    text_add(out, " failed");
}

/* The last column: the verdict with the number that belongs to it. A difference that was found may still be small. */
ss_status analysis_read(const analysis *a, analysis_row *r, ss_error *err) {
    const stats_contrast *s = &r->stats;
    text t = {0};
    if (s->n == 0) text_add(&t, "no images yet");
    else if (r->is_random) text_add(&t, "nothing: the metric's weights are random");
    else if (r->contrast->is_positive)
        text_add(&t, s->assay == STATS_ASSAY_DETECTED ? "positive control detected: the metric can see harm"
                                                      : "positive control not detected: the metric is too blunt");
    else if (s->verdict == STATS_DIFFERENT) {
        read_different(a, r, &t);
        if (s->within_margin) text_add(&t, ", by less than "), add_margin(r, &t);
    } else if (s->verdict == STATS_EQUIVALENT) {
        text_add(&t, "equivalent within ");
        add_margin(r, &t);
    } else if (s->verdict == STATS_TOO_BLUNT) text_add(&t, "metric too blunt: the positive control was not detected");
    else if (s->detectable.state == STATS_DEFINED) {
        text_add(&t, "undecided: could detect ");
        text_add_double(&t, s->detectable.value, 2);
    } else text_addf(&t, "undecided: %s", stats_states[s->detectable.state].name);
    if (stats_contrast_failed(s)) add_failed_words(s, &t);
    if (r->partly_matched > ANALYSIS_PARTLY_ABOVE)
        text_addf(&t, "; partly matched (%d %% of calls not in full)", (int)lround(100 * r->partly_matched));
    for (int side = 0; side < 2; side++)
        if (r->idle[side] > 0)
            text_addf(&t, "; %s acted on no key in %d of %d images",
                      a->study->condition[side ? r->contrast->b : r->contrast->a].family, r->idle[side], r->acts[side]);
    ss_status status = t.failed ? error_no_memory(err, "a verdict", t.len) : SS_OK;
    snprintf(r->reads, sizeof r->reads, "%s", status == SS_OK ? t.s : "");
    text_free(&t);
    return status;
}

/* ---- columns ---- */

/* Cells in rows of `columns`, written with columns of equal width; a cell that is NULL reads "". */
typedef struct grid {
    int columns, n;
    size_t capacity;
    char **cell;
    int failed;
} grid;

/* Takes the text over. */
static void grid_add(grid *g, text *cell) {
    ss_error ignored; /* the grid has failed */
    if (cell->failed || ARRAY_ROOM(g->cell, g->capacity, g->n + 1, "a table", &ignored) != SS_OK) {
        g->failed = 1;
        text_free(cell);
        return;
    }
    g->cell[g->n++] = cell->s;
    *cell = (text){0};
}

static void grid_add_words(grid *g, const char *words) {
    text t = {0};
    text_add(&t, words);
    grid_add(g, &t);
}

static void grid_write(grid *g, text *out) {
    for (int i = 0; i < g->n; i++) {
        int width = 0, column = i % g->columns, last = column == g->columns - 1;
        for (int j = column; j < g->n; j += g->columns) {
            int n = g->cell[j] ? (int)strlen(g->cell[j]) : 0;
            width = n > width ? n : width;
        }
        const char *s = g->cell[i] ? g->cell[i] : "";
        text_add(out, s);
        for (int j = (int)strlen(s); !last && j < width + 2; j++) text_add(out, " ");
        if (last) text_add(out, "\n");
    }
    if (g->failed) out->failed = 1;
    for (int i = 0; i < g->n; i++) free(g->cell[i]);
    free(g->cell);
}

static void add_estimate(stats_figure mid, stats_figure low, stats_figure high, text *out) {
    int decimals = decimals_for(mid, low, high);
    if (mid.state != STATS_DEFINED) {
        text_add(out, "-");
        return;
    }
    add_signed(mid.value, decimals, out);
    if (low.state == STATS_DEFINED && high.state == STATS_DEFINED) {
        text_add(out, " [");
        add_signed(low.value, decimals, out);
        text_add(out, ", ");
        add_signed(high.value, decimals, out);
        text_add(out, "]");
    } else text_addf(out, " [%s]", stats_states[low.state].name);
}

void analysis_describe(const analysis *a, text *out) {
    static const char *const HEAD[] = {"contrast", "k", "metric", "n", "difference [95 % CI]", "p (Holm)", "reads as"};
    grid g = {.columns = sizeof HEAD / sizeof *HEAD};
    for (int i = 0; a->n_rows > 0 && i < g.columns; i++) grid_add_words(&g, HEAD[i]);
    for (int i = 0; i < a->n_rows; i++) {
        const analysis_row *r = &a->rows[i];
        text k = {0}, n = {0}, difference = {0}, p = {0};
        if (!r->in_main_table) continue;
        grid_add_words(&g, r->contrast->name);
        if (r->contrast->k >= 0) text_addf(&k, "%d", r->contrast->k);
        else text_add(&k, "-");
        grid_add(&g, &k);
        grid_add_words(&g, r->metric);
        text_addf(&n, "%d", r->stats.n);
        grid_add(&g, &n);
        if (stats_contrast_failed(&r->stats)) analysis_add_bounds(&r->stats, &difference);
        else add_estimate(r->stats.mean, r->stats.ci_low, r->stats.ci_high, &difference);
        grid_add(&g, &difference);
        if (r->is_primary) analysis_add_p(r->stats.p_holm, &p);
        else text_add(&p, "(sens.)");
        grid_add(&g, &p);
        grid_add_words(&g, r->reads);
    }
    grid_write(&g, out);
    if (a->images < a->images_planned)
        text_addf(out, "not complete: %lld of %lld images are there\n", (long long)a->images,
                  (long long)a->images_planned);
    for (int i = 0; i < a->n_failed; i++) {
        const analysis_failed *x = &a->failed[i];
        text_addf(out, "failed: '%s': %d of %d images ", x->condition, x->failed, x->images);
        if (x->metric) text_addf(out, "have no finite score by %s\n", x->metric);
        else text_add(out, "are not finite and have no picture\n");
    }
    for (int i = 0; i < a->n_shams; i++)
        if (a->shams[i].equal < a->shams[i].images)
            text_addf(out, "WARNING: sham '%s': %d of %d images differ from the baseline; trust nothing here\n",
                      a->shams[i].condition, a->shams[i].images - a->shams[i].equal, a->shams[i].images);
}

void analysis_describe_accuracy(const analysis *a, text *out) {
    static const char *const HEAD[] = {"condition", "metric", "tag", "right", "of", "% [95 % CI]", "unreadable"};
    grid g = {.columns = sizeof HEAD / sizeof *HEAD};
    if (a->n_accuracy == 0) return;
    for (int i = 0; i < g.columns; i++) grid_add_words(&g, HEAD[i]);
    for (int i = 0; i < a->n_accuracy; i++) {
        const analysis_accuracy *c = &a->accuracy[i];
        text right = {0}, images = {0}, rate = {0}, unreadable = {0};
        grid_add_words(&g, c->condition);
        grid_add_words(&g, c->metric);
        grid_add_words(&g, *c->tag ? c->tag : "all");
        text_addf(&right, "%d", c->right);
        grid_add(&g, &right);
        text_addf(&images, "%d", c->images);
        grid_add(&g, &images);
        text_add_fixed(&rate, 100.0 * c->right / c->images, 1);
        text_add(&rate, " [");
        text_add_fixed(&rate, 100 * c->interval.low.value, 1);
        text_add(&rate, ", ");
        text_add_fixed(&rate, 100 * c->interval.high.value, 1);
        text_add(&rate, "]");
        grid_add(&g, &rate);
        text_addf(&unreadable, "%d", c->unreadable);
        grid_add(&g, &unreadable);
    }
    grid_write(&g, out);
}

const char *analysis_trend_method(const stats_trend *t) { return t->method == STATS_TREND_EXACT ? "exact" : "normal"; }

void analysis_describe_trends(const analysis *a, text *out) {
    static const char *const HEAD[] = {"over k", "k", "metric", "n", "slope on ln k [95 % CI]", "Page's p"};
    grid g = {.columns = sizeof HEAD / sizeof *HEAD};
    for (int i = 0; i < a->n_trends; i++) {
        const analysis_trend *t = &a->trends[i];
        text k = {0}, n = {0}, slope = {0}, p = {0};
        if (!t->first->in_main_table) continue;
        for (int j = 0, first = g.n == 0; first && j < g.columns; j++) grid_add_words(&g, HEAD[j]);
        grid_add_words(&g, t->first->contrast->name);
        text_addf(&k, "%d..%d", t->first->contrast->k, t->last->contrast->k);
        grid_add(&g, &k);
        grid_add_words(&g, t->first->metric);
        text_addf(&n, "%d", t->stats.n);
        grid_add(&g, &n);
        add_estimate(t->stats.slope, t->stats.slope_low, t->stats.slope_high, &slope);
        grid_add(&g, &slope);
        analysis_add_p(t->stats.p, &p);
        grid_add(&g, &p);
    }
    if (g.n) text_add(out, "\n");
    grid_write(&g, out);
}
