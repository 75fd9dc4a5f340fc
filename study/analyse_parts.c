/* What a contrast is made of: its differences tag by tag, by the class of the suppressed sinks, and over k. Relies on
 * rows that analyse.c has made; must never change a verdict. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats/bootstrap.h"
#include "study/analyse_internal.h"

static int number_of(const scores *d, const char *name) {
    int m = 0;
    while (m < d->n_metrics && d->metric[m].name != name) m++; /* rows point to the name itself */
    return m;
}

/* ---- by parts of the images ---- */

static ss_status estimate_tag(const score_pairs *p, const stats_options *o, analysis_tag *out, ss_error *err) {
    stats_pairs pairs = score_pairs_stats(p);
    stats_prompts prompts;
    stats_interval interval;
    SS_TRY(stats_aggregate(&pairs, &prompts, err));
    ss_status status =
        stats_bca_of_mean(prompts.d, prompts.n, prompts.resolution, o->seed, o->resamples, o->level, &interval, err);
    out->n = prompts.n;
    out->mean = stats_summarise(prompts.d, prompts.n, prompts.resolution).mean;
    out->ci_low = interval.low;
    out->ci_high = interval.high;
    stats_prompts_free(&prompts);
    return status;
}

/* Which pairs of a row belong to part `number`. */
typedef int (*in_part)(const void *parts, const analysis_row *row, int number, int64_t prompt, int64_t seed);

/* The row among the pairs of every part that has some, to out[*n ..], which has room. */
static ss_status add_parts(const analysis *a, const scores *d, const analysis_row *row, const char *const *name,
                           int n_parts, in_part belongs, const void *parts, analysis_tag *out, int *n, ss_error *err) {
    stats_options options = score_options(a->study, row->kind);
    for (int t = 0; t < n_parts; t++) {
        analysis_tag part = {.row = row, .tag = name[t]};
        score_pairs p;
        SS_TRY(score_pairs_make(&p, d, number_of(d, row->metric), row->contrast->a, row->contrast->b, err));
        for (int i = 0; i < p.n; i++) p.keep[i] = (uint8_t)(belongs(parts, row, t, p.prompt[i], p.seed[i]) != 0);
        score_pairs_keep(&p);
        int some = p.n > 0;
        ss_status status = some ? estimate_tag(&p, &options, &part, err) : SS_OK;
        score_pairs_free(&p);
        SS_TRY(status);
        if (some) out[(*n)++] = part;
    }
    return SS_OK;
}

static ss_status parts_reserve(analysis_tag **out, const analysis *a, int n_parts, ss_error *err) {
    size_t most = (size_t)a->n_rows * (size_t)n_parts + 1;
    *out = calloc(most, sizeof **out);
    return *out ? SS_OK : error_no_memory(err, "effects by parts", most * sizeof **out);
}

typedef struct tag_parts {
    const scores *d;
    const char *const *tag;
} tag_parts;

static int has_tag(const void *parts, const analysis_row *row, int number, int64_t prompt, int64_t seed) {
    const tag_parts *p = parts;
    (void)row, (void)seed;
    return strcmp(scores_tag(p->d, prompt), p->tag[number]) == 0;
}

ss_status analysis_add_tags(analysis *a, const scores *d, const char *const *tag, int n_tags, ss_error *err) {
    const tag_parts parts = {d, tag};
    if (n_tags < 2) return SS_OK;
    SS_TRY(parts_reserve(&a->by_tag, a, n_tags, err));
    for (int i = 0; i < a->n_rows; i++)
        if (a->rows[i].in_main_table)
            SS_TRY(add_parts(a, d, &a->rows[i], tag, n_tags, has_tag, &parts, a->by_tag, &a->n_by_tag, err));
    return SS_OK;
}

static int has_class(const void *parts, const analysis_row *row, int number, int64_t prompt, int64_t seed) {
    return sink_classes_find(parts, row->contrast->a, prompt, seed) == number;
}

ss_status analysis_add_classes(analysis *a, const scores *d, const sink_classes *classes, ss_error *err) {
    if (classes->n_classes < 2) return SS_OK;
    SS_TRY(parts_reserve(&a->by_class, a, classes->n_classes, err));
    for (int i = 0; i < a->n_rows; i++) {
        const analysis_row *r = &a->rows[i];
        int before = a->n_by_class;
        if (!r->in_main_table || r->contrast->b != 0) continue; /* of other conditions no pair has a class */
        SS_TRY(add_parts(a, d, r, (const char *const *)classes->name, classes->n_classes, has_class, classes,
                         a->by_class, &a->n_by_class, err));
        if (a->n_by_class == before + 1) a->n_by_class = before; /* one class: nothing to set it against */
    }
    return SS_OK;
}

/* ---- over k ---- */

static int has_k(const analysis_row *r) { return r->contrast->k >= 1 && !r->without_unreadable; }

/* The rows of r's contrast on its metric with a k, ascending in k. */
static int find_levels(const analysis *a, const analysis_row *r, const analysis_row **level) {
    int n = 0;
    for (int i = 0; i < a->n_rows; i++) {
        const analysis_row *x = &a->rows[i];
        if (!has_k(x) || x->metric != r->metric || strcmp(x->contrast->name, r->contrast->name) != 0) continue;
        int at = n++;
        for (; at > 0 && level[at - 1]->contrast->k > x->contrast->k; at--) level[at] = level[at - 1];
        level[at] = x;
    }
    return n;
}

/* The prompts that r compares, ascending, each once: (*out)[0..*n); free(*out). */
static ss_status find_prompts(const scores *d, const analysis_row *r, int64_t **out, int *n, ss_error *err) {
    score_pairs p;
    SS_TRY(score_pairs_make(&p, d, number_of(d, r->metric), r->contrast->a, r->contrast->b, err));
    *n = 0;
    for (int i = 0; i < p.n; i++)
        if (*n == 0 || p.prompt[i] != p.prompt[*n - 1]) p.prompt[(*n)++] = p.prompt[i];
    *out = p.prompt;
    p.prompt = NULL;
    score_pairs_free(&p);
    return SS_OK;
}

/* Differences by prompt (averaged over its seeds) into x[row * levels + j] of prompt[row]; a prompt that r lacks keeps
 * what stands there. */
static ss_status fill_level(const scores *d, const analysis_row *r, const int64_t *prompt, int rows, double *x,
                            int levels, int j, double *resolution, ss_error *err) {
    score_pairs p;
    stats_prompts prompts;
    SS_TRY(score_pairs_make(&p, d, number_of(d, r->metric), r->contrast->a, r->contrast->b, err));
    stats_pairs pairs = score_pairs_stats(&p);
    ss_status status = stats_aggregate(&pairs, &prompts, err);
    for (int i = 0, n = -1, row = 0; status == SS_OK && i < p.n; i++) {
        n += i == 0 || p.prompt[i] != p.prompt[i - 1];
        while (row < rows && prompt[row] < p.prompt[i]) row++;
        if (row < rows && prompt[row] == p.prompt[i]) x[(size_t)row * (size_t)levels + (size_t)j] = prompts.d[n];
    }
    if (status == SS_OK) {
        *resolution = fmax(*resolution, prompts.resolution);
        stats_prompts_free(&prompts);
    }
    score_pairs_free(&p);
    return status;
}

/* Rows of x without a gap, moved to the front; how many. */
static int keep_whole_rows(double *x, int64_t rows, int levels) {
    int n = 0;
    for (int64_t i = 0; i < rows; i++) {
        int whole = 1;
        for (int j = 0; j < levels; j++) whole &= !isnan(x[i * levels + j]);
        if (whole) memmove(x + (size_t)n++ * (size_t)levels, x + i * levels, (size_t)levels * sizeof *x);
    }
    return n;
}

/* Only prompts that have every level count, so the rows are those of the first. */
static ss_status compute_trend(const analysis *a, const scores *d, const analysis_row *const *level, int levels,
                               analysis_trend *out, ss_error *err) {
    int64_t *prompt;
    int rows;
    SS_TRY(find_prompts(d, level[0], &prompt, &rows, err));
    size_t cells = (size_t)rows * (size_t)levels;
    double *x = malloc((cells + (size_t)levels) * sizeof *x), *k = x ? x + cells : NULL, resolution = 0;
    ss_status status = x ? SS_OK : error_no_memory(err, "a trend", cells * sizeof *x);
    for (size_t i = 0; x && i < cells; i++) x[i] = NAN;
    for (int j = 0; j < levels && status == SS_OK; j++) {
        k[j] = level[j]->contrast->k;
        status = fill_level(d, level[j], prompt, rows, x, levels, j, &resolution, err);
    }
    if (status == SS_OK) {
        stats_options options = score_options(a->study, level[0]->kind);
        int n = keep_whole_rows(x, rows, levels);
        *out = (analysis_trend){.first = level[0], .last = level[levels - 1]};
        status = stats_trend_compute(x, n, k, levels, resolution, &options, &out->stats, err);
    }
    free(prompt);
    free(x);
    return status;
}

ss_status analysis_add_trends(analysis *a, const scores *d, ss_error *err) {
    const analysis_row **level = malloc(((size_t)a->n_rows + 1) * sizeof *level);
    ss_status status = SS_OK;
    a->trends = calloc((size_t)a->n_rows + 1, sizeof *a->trends);
    if (!a->trends || !level) status = error_no_memory(err, "trends", (size_t)a->n_rows * sizeof *a->trends);
    for (int i = 0; status == SS_OK && i < a->n_rows; i++) {
        if (!has_k(&a->rows[i])) continue;
        int levels = find_levels(a, &a->rows[i], level);
        if (levels < 2 || level[0] != &a->rows[i]) continue; /* each contrast once, at its least k */
        status = compute_trend(a, d, level, levels, &a->trends[a->n_trends], err);
        a->n_trends += status == SS_OK;
    }
    free(level);
    return status;
}
