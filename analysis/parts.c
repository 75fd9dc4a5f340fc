/* What a contrast is made of: its differences tag by tag, by the class of the suppressed sinks, and over k; and what
 * its conditions score. It uses the rows that analyse.c has made and changes no verdict. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "stats/bootstrap.h"
#include "analysis/internal.h"

static int parts_number_of(const scores *d, const char *name) {
    int m = 0;
    while (m < d->n_metrics && d->metric[m].name != name) m++; /* rows point to the name itself */
    return m;
}

/* ---- means whose intervals are found together ---- */

/* Prompts of many comparisons, kept until all are there. */
typedef struct queue {
    int n;
    size_t capacity;
    stats_prompts *prompts; /* owned */
} queue;

static void queue_free(queue *q) {
    for (int i = 0; i < q->n; i++) stats_prompts_free(&q->prompts[i]);
    free(q->prompts);
    *q = (queue){0};
}

static ss_status queue_add(queue *q, const score_pairs *p, ss_error *err) {
    SS_TRY(ARRAY_ROOM(q->prompts, q->capacity, q->n + 1, "effects by parts", err));
    stats_pairs pairs = score_pairs_stats(p);
    SS_TRY(stats_aggregate(&pairs, &q->prompts[q->n], err));
    q->n++;
    return SS_OK;
}

/* (*out)[0..q->n), with their intervals; free(*out). The direction of a metric makes no difference to a mean. */
static ss_status queue_estimate(const queue *q, const study *y, stats_bca_mean **out, ss_error *err) {
    stats_options o = score_options(y, METRIC_DISTANCE);
    stats_bca_mean *mean = calloc((size_t)q->n + 1, sizeof *mean);
    if (!mean) return error_no_memory(err, "effects by parts", (size_t)q->n * sizeof *mean);
    for (int i = 0; i < q->n; i++)
        mean[i] = (stats_bca_mean){.d = q->prompts[i].d, .n = q->prompts[i].n, .resolution = q->prompts[i].resolution};
    ss_status status = stats_bca_of_means(mean, q->n, o.seed, o.resamples, o.level, err);
    if (status == SS_OK) *out = mean;
    else free(mean);
    return status;
}

static stats_figure parts_mean_of(const stats_bca_mean *m) { return stats_summarise(m->d, m->n, m->resolution).mean; }

static void no_mean(stats_figure *mean, stats_figure *low, stats_figure *high) {
    *mean = *low = *high = stats_undefined(STATS_FAILED);
}

/* ---- by parts of the images ---- */

/* Which pairs of a row belong to part `number`. */
typedef int (*in_part)(const void *parts, const analysis_row *row, int number, int64_t prompt, int64_t seed);

/* Effects by parts as they are found: at[i] is the queue's i-th. */
typedef struct divided {
    analysis_tag *at;
    queue queue;
} divided;

static ss_status divided_reserve(divided *x, const analysis *a, int n_parts, ss_error *err) {
    size_t most = (size_t)a->n_rows * (size_t)n_parts + 1;
    *x = (divided){.at = calloc(most, sizeof *x->at)};
    return x->at ? SS_OK : error_no_memory(err, "effects by parts", most * sizeof *x->at);
}

/* The row among the pairs of every part that has some, and `least` parts or none. */
static ss_status add_parts(divided *x, const scores *d, const analysis_row *row, const char *const *name, int n_parts,
                           int least, in_part belongs, const void *parts, ss_error *err) {
    int before = x->queue.n;
    for (int t = 0; t < n_parts; t++) {
        score_pairs p;
        SS_TRY(score_pairs_make(&p, d, parts_number_of(d, row->metric), row->contrast->a, row->contrast->b, err));
        for (int i = 0; i < p.n; i++) p.keep[i] = (uint8_t)(belongs(parts, row, t, p.prompt[i], p.seed[i]) != 0);
        score_pairs_keep(&p);
        ss_status status = SS_OK;
        if (p.n > 0) {
            x->at[x->queue.n] = (analysis_tag){.row = row, .tag = name[t], .failed = p.failed};
            status = queue_add(&x->queue, &p, err);
        }
        score_pairs_free(&p);
        SS_TRY(status);
    }
    while (x->queue.n - before < least && x->queue.n > before) stats_prompts_free(&x->queue.prompts[--x->queue.n]);
    return SS_OK;
}

/* Ends what add_parts began: *out and *n receive the parts where `status` is good. */
static ss_status divided_end(divided *x, const study *y, ss_status status, analysis_tag **out, int *n, ss_error *err) {
    stats_bca_mean *mean = NULL;
    if (status == SS_OK) status = queue_estimate(&x->queue, y, &mean, err);
    for (int i = 0; status == SS_OK && i < x->queue.n; i++) {
        x->at[i].n = mean[i].n;
        x->at[i].mean = parts_mean_of(&mean[i]);
        x->at[i].ci_low = mean[i].interval.low;
        x->at[i].ci_high = mean[i].interval.high;
        if (x->queue.prompts[i].net) no_mean(&x->at[i].mean, &x->at[i].ci_low, &x->at[i].ci_high);
    }
    if (status == SS_OK) {
        *out = x->at;
        *n = x->queue.n;
    } else free(x->at);
    free(mean);
    queue_free(&x->queue);
    return status;
}

typedef struct tag_parts {
    const scores *d;
    const char *const *tag;
} tag_parts;

static int parts_has_tag(const void *parts, const analysis_row *row, int number, int64_t prompt, int64_t seed) {
    const tag_parts *p = parts;
    (void)row, (void)seed;
    return strcmp(scores_tag(p->d, prompt), p->tag[number]) == 0;
}

ss_status analysis_add_tags(analysis *a, const scores *d, const char *const *tag, int n_tags, ss_error *err) {
    const tag_parts parts = {d, tag};
    divided x;
    ss_status status = SS_OK;
    if (n_tags < 2) return SS_OK;
    SS_TRY(divided_reserve(&x, a, n_tags, err));
    for (int i = 0; status == SS_OK && i < a->n_rows; i++)
        if (!a->rows[i].without_unreadable)
            status = add_parts(&x, d, &a->rows[i], tag, n_tags, 1, parts_has_tag, &parts, err);
    return divided_end(&x, a->study, status, &a->by_tag, &a->n_by_tag, err);
}

static int has_class(const void *parts, const analysis_row *row, int number, int64_t prompt, int64_t seed) {
    return sink_classes_find(parts, row->contrast->a, prompt, seed) == number;
}

ss_status analysis_add_classes(analysis *a, const scores *d, const sink_classes *classes, ss_error *err) {
    divided x;
    ss_status status = SS_OK;
    if (classes->n_classes < 2) return SS_OK;
    SS_TRY(divided_reserve(&x, a, classes->n_classes, err));
    for (int i = 0; status == SS_OK && i < a->n_rows; i++) {
        const analysis_row *r = &a->rows[i];
        if (!r->in_main_table || r->contrast->b != 0) continue; /* of other conditions no pair has a class */
        /* one class: nothing to set it against */
        status =
            add_parts(&x, d, r, (const char *const *)classes->name, classes->n_classes, 2, has_class, classes, err);
    }
    return divided_end(&x, a->study, status, &a->by_class, &a->n_by_class, err);
}

/* ---- scores by condition and tag ---- */

static ss_status add_mean(analysis *a, queue *q, const scores *d, int m, int condition, const char *tag,
                          ss_error *err) {
    score_pairs p;
    SS_TRY(score_pairs_make(&p, d, m, condition, -1, err));
    for (int i = 0; *tag && i < p.n; i++) p.keep[i] = strcmp(scores_tag(d, p.prompt[i]), tag) == 0;
    score_pairs_keep(&p);
    ss_status status = SS_OK;
    if (p.n > 0) {
        a->means[q->n] = (analysis_mean){.condition = a->study->condition[condition].name,
                                         .metric = d->metric[m].name,
                                         .tag = tag,
                                         .is_random = d->metric[m].is_random,
                                         .is_binary = d->metric[m].binary,
                                         .images = p.n,
                                         .failed = p.failed};
        status = queue_add(q, &p, err);
    }
    score_pairs_free(&p);
    return status;
}

ss_status analysis_add_means(analysis *a, const scores *d, const char *const *tag, int n_tags, ss_error *err) {
    size_t most = (size_t)d->n_metrics * (size_t)a->study->n_conditions * ((size_t)n_tags + 1) + 1;
    queue q = {0};
    stats_bca_mean *mean = NULL;
    ss_status status = SS_OK;
    a->means = calloc(most, sizeof *a->means);
    if (!a->means) return error_no_memory(err, "means by tag", most * sizeof *a->means);
    for (int m = 0; m < d->n_metrics; m++)
        for (int c = 0; c < a->study->n_conditions; c++) {
            condition_role role = a->study->condition[c].role;
            if (role == CONDITION_SHAM || role == CONDITION_CALIBRATION) continue;
            for (int t = -1; status == SS_OK && t < n_tags; t++)
                status = add_mean(a, &q, d, m, c, t < 0 ? "" : tag[t], err);
        }
    if (status == SS_OK) status = queue_estimate(&q, a->study, &mean, err);
    for (int i = 0; status == SS_OK && i < q.n; i++) {
        a->means[i].n = mean[i].n;
        a->means[i].mean = parts_mean_of(&mean[i]);
        a->means[i].low = mean[i].interval.low;
        a->means[i].high = mean[i].interval.high;
        if (q.prompts[i].net) no_mean(&a->means[i].mean, &a->means[i].low, &a->means[i].high);
    }
    if (status == SS_OK) a->n_means = q.n;
    free(mean);
    queue_free(&q);
    return status;
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
    SS_TRY(score_pairs_make(&p, d, parts_number_of(d, r->metric), r->contrast->a, r->contrast->b, err));
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
                            int levels, int j, double *resolution, int *failed, ss_error *err) {
    const double BEYOND = 1e60; /* any difference that is there: a failed image has a rank; slopes are undefined */
    score_pairs p;
    stats_prompts prompts;
    int worst = score_options(NULL, r->kind).worst;
    SS_TRY(score_pairs_make(&p, d, parts_number_of(d, r->metric), r->contrast->a, r->contrast->b, err));
    stats_pairs pairs = score_pairs_stats(&p);
    ss_status status = stats_aggregate(&pairs, &prompts, err);
    for (int i = 0, n = -1, row = 0; status == SS_OK && i < p.n; i++) {
        n += i == 0 || p.prompt[i] != p.prompt[i - 1];
        while (row < rows && prompt[row] < p.prompt[i]) row++;
        if (row == rows || prompt[row] != p.prompt[i]) continue;
        double net = prompts.net && fabs(prompts.net[n]) > 1e-12 ? prompts.net[n] : 0;
        x[(size_t)row * (size_t)levels + (size_t)j] =
            net == 0 ? prompts.d[n] : worst * copysign(BEYOND * (1 + fabs(net)), net);
    }
    if (status == SS_OK) {
        *failed += p.failed;
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
    int rows, failed = 0;
    SS_TRY(find_prompts(d, level[0], &prompt, &rows, err));
    size_t cells = (size_t)rows * (size_t)levels;
    double *x = malloc((cells + (size_t)levels) * sizeof *x), *k = x ? x + cells : NULL, resolution = 0;
    ss_status status = x ? SS_OK : error_no_memory(err, "a trend", cells * sizeof *x);
    for (size_t i = 0; x && i < cells; i++) x[i] = NAN;
    for (int j = 0; j < levels && status == SS_OK; j++) {
        k[j] = level[j]->contrast->k;
        status = fill_level(d, level[j], prompt, rows, x, levels, j, &resolution, &failed, err);
    }
    if (status == SS_OK) {
        stats_options options = score_options(a->study, level[0]->kind);
        int n = keep_whole_rows(x, rows, levels);
        *out = (analysis_trend){.first = level[0], .last = level[levels - 1], .failed = failed};
        status = stats_trend_compute(x, n, k, levels, resolution, &options, &out->stats, err);
        if (failed) no_mean(&out->stats.slope, &out->stats.slope_low, &out->stats.slope_high);
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
