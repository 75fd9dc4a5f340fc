/* Dose-response: effects against k, and against how hard the edit pushed (the probe column `dose`): a sink's removal
 * may move images more only because it is a larger push. */
#include "report/sections.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/figure.h"
#include "report/parts.h"
#include "report/words.h"

/* What a point's x is. */
typedef enum against { AGAINST_K, AGAINST_DOSE } against;

/* Curves of one metric, a contrast each, with their points and names. */
typedef struct curves {
    int n, used, capacity; /* capacity: points, and curves */
    double *x, *y, *low, *high;
    figure_series *series;
    text *name;
} curves;

static ss_status curves_reserve(curves *c, int capacity) {
    size_t n = (size_t)capacity + 1;
    *c = (curves){.capacity = capacity,
                  .x = calloc(n, sizeof *c->x),
                  .y = calloc(n, sizeof *c->y),
                  .low = calloc(n, sizeof *c->low),
                  .high = calloc(n, sizeof *c->high),
                  .series = calloc(n, sizeof *c->series),
                  .name = calloc(n, sizeof *c->name)};
    return c->x && c->y && c->low && c->high && c->series && c->name ? SS_OK : SS_ERR_RESOURCE;
}

static void curves_free(curves *c) {
    for (int i = 0; c->name && i < c->n; i++) text_free(&c->name[i]);
    free(c->x);
    free(c->y);
    free(c->low);
    free(c->high);
    free(c->series);
    free(c->name);
}

/* The mean dose of a condition; NAN where nothing was edited or the dose was not measured. */
static double section_dose_dose_of(const report_facts *f, const char *condition) {
    for (int c = 1; c < f->means.columns; c++)
        for (int r = 0; strcmp(f->means.name[c], "dose") == 0 && r < f->means.rows; r++)
            if (strcmp(report_words(&f->means, r, 0), condition) == 0) return report_number(&f->means, r, c);
    return NAN;
}

/* Where a row's point lies. Dose is that of condition a alone, so b has to be the baseline. */
static double x_of(const report_facts *f, const analysis_row *r, against what) {
    if (what == AGAINST_K) return r->contrast->k >= 1 ? r->contrast->k : (double)NAN;
    return r->contrast->b == 0 ? section_dose_dose_of(f, f->study->condition[r->contrast->a].name) : (double)NAN;
}

static int section_dose_belongs(const analysis_row *r, const char *on) {
    return !r->without_unreadable && strcmp(r->metric, on) == 0;
}

/* The curve of the contrast called `name`; kept where it has `least` points. */
static void add_curve(curves *c, const report_facts *f, const char *name, const char *on, against what, int least) {
    const analysis *a = f->analysis;
    int n = 0, first = c->used;
    const study_contrast *contrast = NULL;
    for (int i = 0; i < a->n_rows && first + n < c->capacity; i++) {
        const analysis_row *r = &a->rows[i];
        double x = x_of(f, r, what);
        if (!section_dose_belongs(r, on) || strcmp(r->contrast->name, name) != 0 || !isfinite(x)) continue;
        c->x[first + n] = x;
        c->y[first + n] = stats_value(r->stats.mean);
        c->low[first + n] = stats_value(r->stats.ci_low);
        c->high[first + n] = stats_value(r->stats.ci_high);
        contrast = r->contrast;
        n++;
    }
    if (n < least) return;
    words_add_contrast_name(&c->name[c->n], contrast);
    c->series[c->n] = (figure_series){.label = c->name[c->n].failed ? name : c->name[c->n].s,
                                      .n = n,
                                      .x = c->x + first,
                                      .y = c->y + first,
                                      .low = c->low + first,
                                      .high = c->high + first};
    c->n++;
    c->used += n;
}

static void section_dose_add_figure(text *out, const report_facts *f, const parts_metric *m, against what) {
    const analysis *a = f->analysis;
    const char *on = m->name;
    curves c;
    text y = {0}, caption = {0};
    if (curves_reserve(&c, a->n_rows) != SS_OK) out->failed = 1;
    for (int i = 0; !out->failed && i < a->n_rows; i++) {
        int seen = !section_dose_belongs(&a->rows[i], on);
        for (int j = 0; j < i; j++)
            seen |= section_dose_belongs(&a->rows[j], on) &&
                    strcmp(a->rows[j].contrast->name, a->rows[i].contrast->name) == 0;
        if (!seen) add_curve(&c, f, a->rows[i].contrast->name, on, what, what == AGAINST_K ? 2 : 1);
    }
    if (!out->failed && c.used > 1) {
        text_addf(&y, "difference in %s", on);
        text_add(&caption, "Difference in ");
        parts_add_metric(&caption, m);
        if (what == AGAINST_K) text_add(&caption, " against the number of keys a head");
        else text_add(&caption, " from the baseline against the edit's mean dose");
        text_add(&caption, ", with 95 % intervals.");
        page_figure_begin(out, "dose");
        if (y.failed) out->failed = 1;
        if (!y.failed)
            figure_lines(c.series, c.n, what == AGAINST_K ? "k (log scale)" : "dose: rms of |o' − o| / |o|", y.s,
                         what == AGAINST_K ? FIGURE_LOG : FIGURE_LINEAR, out);
        page_figure_end(out, text_for(&caption, out), CSV_EFFECTS);
    }
    curves_free(&c);
    text_free(&y);
    text_free(&caption);
}

static const parts_metric *find_metric(const parts_metric *on, int n, const char *name) {
    for (int i = 0; i < n; i++)
        if (strcmp(on[i].name, name) == 0) return &on[i];
    return NULL;
}

/* Of the metrics in on[0..n). */
static void section_dose_add_trends(text *out, const analysis *a, const parts_metric *on, int n_on) {
    static const char *const HEADING[] = {"contrast", "metric", ">k", ">n", "slope on ln k [95 % interval]",
                                          ">Page's p"};
    int some = 0;
    for (int i = 0; i < a->n_trends; i++) {
        const analysis_trend *t = &a->trends[i];
        text name = {0}, k = {0}, n = {0}, slope = {0}, p = {0};
        const parts_metric *m = find_metric(on, n_on, t->first->metric);
        if (!m) continue;
        if (!some++) page_table_begin(out, "answer", HEADING, 6);
        words_add_contrast_name(&name, t->first->contrast);
        text_addf(&k, "%d to %d", t->first->contrast->k, t->last->contrast->k);
        text_addf(&n, "%d", t->stats.n);
        words_add_estimate(&slope, t->stats.slope, t->stats.slope_low, t->stats.slope_high, 1);
        analysis_add_p(t->stats.p, &p);
        text_add(out, "<tr>");
        page_element(out, "th", NULL, text_for(&name, out));
        text_add(out, "<td class=\"nowrap\">");
        text_add_html(out, m->name);
        if (m->is_random) page_element(out, "small", NULL, "random weights");
        text_add(out, "</td>");
        page_element(out, "td", "n", text_for(&k, out));
        page_element(out, "td", "n", text_for(&n, out));
        page_element(out, "td", "nowrap", text_for(&slope, out));
        page_element(out, "td", "n", text_for(&p, out));
        text_add(out, "</tr>\n");
        text_free(&name);
        text_free(&k);
        text_free(&n);
        text_free(&slope);
        text_free(&p);
    }
    if (some) page_table_end(out);
}

/* Figures, then the table, of the metrics in on[0..n). */
static void section_dose_add_metrics(text *out, const report_facts *f, const parts_metric *on, int n) {
    text figures = {0};
    for (int i = 0; i < n; i++) {
        section_dose_add_figure(&figures, f, &on[i], AGAINST_K);
        section_dose_add_figure(&figures, f, &on[i], AGAINST_DOSE);
    }
    page_pair(out, &figures);
    section_dose_add_trends(out, f->analysis, on, n);
}

void section_dose(const void *facts, text *out) {
    const report_facts *f = facts;
    text others = {0};
    int n, shown = 0;
    parts_metric *on = parts_metrics(f->analysis, &n, out);
    while (shown < n && on[shown].is_main) shown++;
    section_dose_add_metrics(out, f, on, shown);
    if (on) section_dose_add_metrics(&others, f, on + shown, n - shown);
    free(on);
    if (others.len) {
        text_add(out, "<details><summary>Other metrics</summary>\n");
        text_add_n(out, others.s, others.len);
        text_add(out, "</details>\n");
    }
    if (others.failed) out->failed = 1;
    text_free(&others);
    if (f->analysis->n_trends == 0) return;
    page_element(out, "p", "soft",
                 "Does the difference grow with k? Page's test for ordered alternatives (two-sided, prompts as blocks) "
                 "needs three values of k; the slope is the mean over prompts of each prompt's least-squares slope on "
                 "the natural logarithm of k, with its BCa interval. Secondary: p is not corrected over these rows.");
}
