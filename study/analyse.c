/* Which numbers are compared, and how the result is called. Relies on stats/ for every figure. Must never call a
 * missing difference 'no effect': words come from the verdict alone. */
#include "study/analyse_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stats/binary.h"

/* A score as stored. Sorted by (metric, condition, prompt, seed). */
typedef struct value {
    int metric, condition, unreadable;
    int64_t prompt, seed;
    double x;
} value;

typedef struct metric_info {
    char name[64];
    metric_kind kind;
    int binary, paired, is_primary;
} metric_info;

/* All that is read from the store. */
typedef struct data {
    int64_t n;
    value *v;
    int n_metrics;
    metric_info metric[2 * STUDY_MAX_METRICS];
} data;

/* The analysis and the strings that its rows point to. */
typedef struct owner {
    analysis a;
    data d;
    char **tag; /* by prompt: the tag, "" where there is none */
    int64_t n_prompts;
    double *left_out; /* by condition: as analysis_row.partly_matched */
} owner;

/* ---- reading ---- */

static ss_status read_metrics(const store *s, data *d, ss_error *err) {
    static const char *const KIND[] = {"alignment", "preference", "distance", "similarity"};
    store_rows *r;
    int more;
    SS_TRY(store_select(&r, s, err,
                        "SELECT name, kind, is_binary, needs_baseline, is_primary FROM metric ORDER BY metric"));
    while ((more = store_rows_next(r, err)) == 1 && d->n_metrics < 2 * STUDY_MAX_METRICS) {
        metric_info *m = &d->metric[d->n_metrics++];
        snprintf(m->name, sizeof m->name, "%s", store_rows_text(r, 0));
        for (int i = 0; i < 4; i++)
            if (strcmp(store_rows_text(r, 1), KIND[i]) == 0) m->kind = (metric_kind)i;
        m->binary = (int)store_rows_int(r, 2);
        m->paired = (int)store_rows_int(r, 3);
        m->is_primary = (int)store_rows_int(r, 4);
    }
    store_rows_close(r);
    return more < 0 ? err->code : SS_OK;
}

static ss_status read_values(const store *s, data *d, ss_error *err) {
    store_rows *r;
    int64_t cap = 0;
    int more;
    SS_TRY(store_select(&r, s, err,
                        "SELECT x.metric, c.draw_of, u.prompt, u.seed, avg(x.value), max(x.unreadable) FROM score x"
                        " JOIN unit u ON u.unit = x.unit JOIN condition c ON c.condition = u.condition"
                        " GROUP BY x.metric, c.draw_of, u.prompt, u.seed"
                        " ORDER BY x.metric, c.draw_of, u.prompt, u.seed"));
    while ((more = store_rows_next(r, err)) == 1) {
        if (d->n == cap) {
            cap = cap ? 2 * cap : 1024;
            value *grown = realloc(d->v, (size_t)cap * sizeof *grown);
            if (!grown) {
                store_rows_close(r);
                return error_no_memory(err, "scores", (unsigned long long)cap * sizeof *grown);
            }
            d->v = grown;
        }
        d->v[d->n++] = (value){.metric = (int)store_rows_int(r, 0),
                               .condition = (int)store_rows_int(r, 1),
                               .prompt = store_rows_int(r, 2),
                               .seed = store_rows_int(r, 3),
                               .x = store_rows_double(r, 4),
                               .unreadable = (int)store_rows_int(r, 5)};
    }
    store_rows_close(r);
    return more < 0 ? err->code : SS_OK;
}

static ss_status read_tags(const store *s, owner *o, ss_error *err) {
    store_rows *r;
    int more = 0;
    SS_TRY(store_select(&r, s, err, "SELECT count(*), max(prompt) FROM prompt"));
    if (store_rows_next(r, err) == 1 && store_rows_int(r, 0) > 0) {
        int64_t last = store_rows_int(r, 1);
        if (last >= 0 && last < 1 << 24) o->n_prompts = last + 1;
    }
    store_rows_close(r);
    o->tag = calloc((size_t)o->n_prompts + 1, sizeof *o->tag);
    if (!o->tag) return error_no_memory(err, "tags", (unsigned long long)o->n_prompts);
    SS_TRY(store_select(&r, s, err, "SELECT prompt, coalesce(tag, '') FROM prompt"));
    ss_status status = SS_OK;
    while (status == SS_OK && (more = store_rows_next(r, err)) == 1) {
        int64_t i = store_rows_int(r, 0);
        if (i < 0 || i >= o->n_prompts || o->tag[i]) continue;
        o->tag[i] = text_copy(store_rows_text(r, 1));
        if (!o->tag[i]) status = error_no_memory(err, "tags", 1);
    }
    store_rows_close(r);
    return more < 0 ? err->code : status;
}

static int is_matched(const study_condition *c) {
    int matches = c->has_intervention && c->intervention.selector->matches;
    for (int i = 0; i < c->n_also; i++) matches |= c->also[i].selector->matches;
    return matches;
}

/* How often sinks had no match. The loader sees to it that matched controls are measured by the probe `reduction`. */
static ss_status read_left_out(const store *s, owner *o, ss_error *err) {
    const study *y = o->a.study;
    store_rows *r;
    int more, any = 0;
    o->left_out = calloc((size_t)y->n_conditions + 1, sizeof *o->left_out);
    if (!o->left_out) return error_no_memory(err, "conditions", (unsigned long long)y->n_conditions);
    for (int c = 0; c < y->n_conditions; c++) any |= is_matched(&y->condition[c]);
    if (!any) return SS_OK;
    SS_TRY(
        store_select(&r, s, err,
                     "SELECT c.draw_of, avg(x.left_out > 0) FROM site x JOIN unit u ON u.unit = x.unit"
                     " JOIN condition c ON c.condition = u.condition WHERE x.left_out IS NOT NULL GROUP BY c.draw_of"));
    while ((more = store_rows_next(r, err)) == 1) {
        int64_t c = store_rows_int(r, 0);
        if (c >= 0 && c < y->n_conditions && is_matched(&y->condition[c])) o->left_out[c] = store_rows_double(r, 1);
    }
    store_rows_close(r);
    return more < 0 ? err->code : SS_OK;
}

/* The scores of one condition on one metric: d->v[*begin .. *end). */
static void find_values(const data *d, int number, int condition, int64_t *begin, int64_t *end) {
    int64_t low = 0, high = d->n;
    while (low < high) {
        int64_t mid = (low + high) / 2;
        const value *v = &d->v[mid];
        if (v->metric < number || (v->metric == number && v->condition < condition)) low = mid + 1;
        else high = mid;
    }
    *begin = *end = low;
    while (*end < d->n && d->v[*end].metric == number && d->v[*end].condition == condition) ++*end;
}

/* ---- pairs ---- */

typedef struct pairs {
    int n, unreadable;
    int64_t *prompt, *seed;
    double *a, *b;
    uint8_t *bad; /* one of the two images is unreadable */
} pairs;

static void pairs_free(pairs *p) {
    free(p->prompt);
    free(p->seed);
    free(p->a);
    free(p->b);
    free(p->bad);
}

static ss_status pairs_reserve(pairs *p, int64_t n, ss_error *err) {
    size_t m = (size_t)n + 1;
    p->prompt = malloc(m * sizeof *p->prompt);
    p->seed = malloc(m * sizeof *p->seed);
    p->a = malloc(m * sizeof *p->a);
    p->b = malloc(m * sizeof *p->b);
    p->bad = malloc(m);
    if (p->prompt && p->seed && p->a && p->b && p->bad) return SS_OK;
    pairs_free(p);
    *p = (pairs){0};
    return error_no_memory(err, "pairs", m * 33);
}

static void pairs_add(pairs *p, const value *at, double a, double b, int bad) {
    p->prompt[p->n] = at->prompt;
    p->seed[p->n] = at->seed;
    p->a[p->n] = a;
    p->b[p->n] = b;
    p->bad[p->n++] = (uint8_t)bad;
    p->unreadable += bad;
}

/* Pairs of conditions a and b by (prompt, seed). A distance from the baseline is 0 for the baseline itself. */
static ss_status make_pairs(const data *d, int number, int a, int b, pairs *out, ss_error *err) {
    int64_t i, i_end, j, j_end;
    *out = (pairs){0};
    find_values(d, number, a, &i, &i_end);
    find_values(d, number, b, &j, &j_end);
    SS_TRY(pairs_reserve(out, i_end - i + j_end - j, err));
    if (d->metric[number].paired && (a == 0 || b == 0)) {
        for (; b == 0 && i < i_end; i++) pairs_add(out, &d->v[i], d->v[i].x, 0, d->v[i].unreadable);
        for (; a == 0 && j < j_end; j++) pairs_add(out, &d->v[j], 0, d->v[j].x, d->v[j].unreadable);
        return SS_OK;
    }
    while (i < i_end && j < j_end) {
        const value *x = &d->v[i], *y = &d->v[j];
        int order =
            x->prompt != y->prompt ? (x->prompt < y->prompt ? -1 : 1) : (x->seed > y->seed) - (x->seed < y->seed);
        if (order == 0) pairs_add(out, x, x->x, y->x, x->unreadable || y->unreadable);
        i += order <= 0;
        j += order >= 0;
    }
    return SS_OK;
}

/* Leave the pairs with an unreadable image out. */
static void pairs_keep_readable(pairs *p) {
    int n = 0;
    for (int i = 0; i < p->n; i++) {
        if (p->bad[i]) continue;
        p->prompt[n] = p->prompt[i];
        p->seed[n] = p->seed[i];
        p->a[n] = p->a[i];
        p->b[n++] = p->b[i];
    }
    p->n = n;
}

/* ---- margins ---- */

static ss_status calibrate(owner *o, ss_error *err) {
    const double FACTOR = 0.2; /* method.md, section 6 */
    const study *y = o->a.study;
    int condition = study_find_condition(y, "calibration");
    o->a.margins = calloc((size_t)o->d.n_metrics + 1, sizeof *o->a.margins);
    if (!o->a.margins) return error_no_memory(err, "margins", 1);
    for (int m = 0; condition >= 0 && m < o->d.n_metrics; m++) {
        if (o->d.metric[m].paired) continue;
        pairs p = {0};
        int64_t i, end;
        analysis_margin *out = &o->a.margins[o->a.n_margins++];
        find_values(&o->d, m, condition, &i, &end);
        SS_TRY(pairs_reserve(&p, end - i, err));
        for (; i < end; i++) pairs_add(&p, &o->d.v[i], o->d.v[i].x, 0, 0);
        *out = (analysis_margin){.metric = o->d.metric[m].name, .images = p.n};
        ss_status status = stats_calibrated_margin(p.prompt, p.seed, p.a, p.n, FACTOR, &out->margin, err);
        pairs_free(&p);
        SS_TRY(status);
    }
    return SS_OK;
}

static stats_figure margin_of(const owner *o, const study_contrast *c, int m) {
    if (c->margin_kind == MARGIN_NUMBER && o->d.metric[m].is_primary) return stats_defined(c->margin);
    if (c->margin_kind == MARGIN_CALIBRATED)
        for (int i = 0; i < o->a.n_margins; i++)
            if (strcmp(o->a.margins[i].metric, o->d.metric[m].name) == 0) return o->a.margins[i].margin;
    return stats_undefined(STATS_NOT_ASKED);
}

/* ---- rows ---- */

/* The first metric of a kind that the main table shows beside the primary: -1 = none. */
static int companion(const data *d, int binary) {
    for (int m = 0; m < d->n_metrics; m++)
        if (binary ? d->metric[m].binary : d->metric[m].kind == METRIC_DISTANCE) return m;
    return -1;
}

static ss_status add_row(owner *o, const study_contrast *c, int m, int readable_only, ss_error *err) {
    const metric_info *info = &o->d.metric[m];
    analysis_row row = {.contrast = c,
                        .metric = info->name,
                        .kind = info->kind,
                        .is_primary = info->is_primary && !readable_only,
                        .without_unreadable = readable_only,
                        .partly_matched = fmax(o->left_out[c->a], o->left_out[c->b])};
    pairs p;
    int with_baseline = c->a == 0 || c->b == 0;
    if (info->paired && with_baseline && info->kind == METRIC_SIMILARITY) return SS_OK; /* the baseline has no value */
    row.in_main_table = !readable_only && (row.is_primary || m == companion(&o->d, with_baseline));
    SS_TRY(make_pairs(&o->d, m, c->a, c->b, &p, err));
    int bad = p.unreadable;
    if (readable_only) pairs_keep_readable(&p);
    if (readable_only && bad == 0) {
        pairs_free(&p);
        return SS_OK;
    }
    stats_options options = stats_options_default();
    stats_figure margin = margin_of(o, c, m);
    options.seed = o->a.study->study_seed;
    options.better = info->kind == METRIC_ALIGNMENT || info->kind == METRIC_PREFERENCE ? 1 : 0;
    options.margin = margin.state == STATS_DEFINED ? margin.value : 0;
    o->a.alpha = options.alpha;
    stats_pairs paired = {.count = p.n, .prompt = p.prompt, .seed = p.seed, .a = p.a, .b = p.b};
    ss_status status = stats_contrast_compute(&paired, &options, &row.stats, err);
    pairs_free(&p);
    if (status == SS_OK) o->a.rows[o->a.n_rows++] = row;
    return status;
}

/* Contrasts in the order of the table: the positive control's first. */
static ss_status add_rows(owner *o, ss_error *err) {
    const study *y = o->a.study;
    size_t most = (size_t)y->n_contrasts * (size_t)o->d.n_metrics * 2;
    o->a.rows = calloc(most + 1, sizeof *o->a.rows);
    if (!o->a.rows) return error_no_memory(err, "rows", most * sizeof *o->a.rows);
    for (int positive = 1; positive >= 0; positive--)
        for (int i = 0; i < y->n_contrasts; i++)
            for (int primary = 1; y->contrast[i].is_positive == positive && primary >= 0; primary--)
                for (int m = 0; m < o->d.n_metrics; m++) {
                    if (o->d.metric[m].is_primary != primary) continue;
                    SS_TRY(add_row(o, &y->contrast[i], m, 0, err));
                    SS_TRY(add_row(o, &y->contrast[i], m, 1, err));
                }
    return SS_OK;
}

/* Correct and judge the contrasts of one metric (readable images only: a family of its own). */
static ss_status judge(owner *o, int m, int readable_only, ss_error *err) {
    stats_contrast **family = malloc(((size_t)o->a.n_rows + 1) * sizeof *family);
    stats_contrast *positive = NULL;
    int n = 0, positive_is_member = 0;
    if (!family) return error_no_memory(err, "a family", (unsigned long long)o->a.n_rows);
    for (int i = 0; i < o->a.n_rows; i++) {
        analysis_row *r = &o->a.rows[i];
        if (r->metric != o->d.metric[m].name || r->without_unreadable != readable_only) continue;
        if (r->contrast->is_positive && !positive) {
            positive = &r->stats;
            positive_is_member = !r->contrast->is_added;
        }
        if (!r->contrast->is_added) family[n++] = &r->stats;
    }
    ss_status status = SS_OK;
    if (positive && !positive_is_member) status = stats_contrasts_judge(&positive, 1, positive, o->a.alpha, err);
    if (status == SS_OK) status = stats_contrasts_judge(family, n, positive, o->a.alpha, err);
    free(family);
    return status;
}

/* ---- accuracy ---- */

static ss_status count_accuracy(owner *o, int m, int condition, const char *tag, ss_error *err) {
    int64_t i, end;
    analysis_accuracy c = {
        .condition = o->a.study->condition[condition].name, .metric = o->d.metric[m].name, .tag = tag};
    find_values(&o->d, m, condition, &i, &end);
    for (; i < end; i++) {
        const value *v = &o->d.v[i];
        const char *own = v->prompt >= 0 && v->prompt < o->n_prompts && o->tag[v->prompt] ? o->tag[v->prompt] : "";
        if (*tag && strcmp(tag, own) != 0) continue;
        c.images++;
        c.right += v->x == 1;
        c.unreadable += v->unreadable;
    }
    if (c.images == 0) return SS_OK;
    c.interval = stats_wilson(c.right, c.images, 0.95);
    analysis_accuracy *grown = realloc(o->a.accuracy, ((size_t)o->a.n_accuracy + 1) * sizeof *grown);
    if (!grown) return error_no_memory(err, "accuracy", 1);
    o->a.accuracy = grown;
    grown[o->a.n_accuracy++] = c;
    return SS_OK;
}

static ss_status add_accuracy(owner *o, ss_error *err) {
    const study *y = o->a.study;
    for (int m = 0; m < o->d.n_metrics; m++) {
        if (!o->d.metric[m].binary) continue;
        for (int c = 0; c < y->n_conditions; c++) {
            if (y->condition[c].role == CONDITION_SHAM || y->condition[c].role == CONDITION_CALIBRATION) continue;
            SS_TRY(count_accuracy(o, m, c, "", err));
            for (int64_t i = 0; i < o->n_prompts; i++) {
                int seen = !o->tag[i] || !*o->tag[i];
                for (int64_t j = 0; !seen && j < i; j++) seen = o->tag[j] && strcmp(o->tag[i], o->tag[j]) == 0;
                if (!seen) SS_TRY(count_accuracy(o, m, c, o->tag[i], err));
            }
        }
    }
    return SS_OK;
}

/* ---- shams, completeness ---- */

static ss_status add_shams(owner *o, const store *s, ss_error *err) {
    const study *y = o->a.study;
    store_rows *r;
    int more;
    o->a.shams = calloc((size_t)y->n_conditions + 1, sizeof *o->a.shams);
    if (!o->a.shams) return error_no_memory(err, "shams", 1);
    SS_TRY(store_select(&r, s, err,
                        "SELECT condition, count(*), sum(equal) FROM shams GROUP BY condition ORDER BY min(unit)"));
    while ((more = store_rows_next(r, err)) == 1 && o->a.n_shams < y->n_conditions) {
        int c = study_find_condition(y, store_rows_text(r, 0));
        if (c < 0) continue;
        o->a.shams[o->a.n_shams++] = (analysis_sham){
            .condition = y->condition[c].name, .images = (int)store_rows_int(r, 1), .equal = (int)store_rows_int(r, 2)};
    }
    store_rows_close(r);
    if (more < 0) return err->code;
    SS_TRY(store_select(&r, s, err,
                        "SELECT (SELECT count(*) FROM unit), (SELECT value FROM meta WHERE key = 'units_planned')"));
    more = store_rows_next(r, err);
    if (more == 1) {
        o->a.images = store_rows_int(r, 0);
        o->a.images_planned = store_rows_int(r, 1);
    }
    store_rows_close(r);
    return more < 0 ? err->code : SS_OK;
}

static ss_status make(owner *o, store *s, ss_error *err) {
    SS_TRY(read_metrics(s, &o->d, err));
    SS_TRY(read_values(s, &o->d, err));
    SS_TRY(read_tags(s, o, err));
    SS_TRY(read_left_out(s, o, err));
    SS_TRY(calibrate(o, err));
    SS_TRY(add_rows(o, err));
    for (int m = 0; m < o->d.n_metrics; m++) {
        SS_TRY(judge(o, m, 0, err));
        SS_TRY(judge(o, m, 1, err));
    }
    for (int i = 0; i < o->a.n_rows; i++) analysis_read(&o->a, &o->a.rows[i]);
    SS_TRY(add_accuracy(o, err));
    return add_shams(o, s, err);
}

ss_status analysis_make(analysis **out, store *s, ss_error *err) {
    *out = NULL;
    owner *o = calloc(1, sizeof *o);
    if (!o) return error_no_memory(err, "an analysis", sizeof *o);
    o->a.study = store_study(s);
    ss_status status = make(o, s, err);
    if (status == SS_OK) *out = &o->a;
    else analysis_free(&o->a);
    return status;
}

void analysis_free(analysis *a) {
    if (!a) return;
    owner *o = (owner *)(void *)a; /* its first member */
    for (int64_t i = 0; o->tag && i < o->n_prompts; i++) free(o->tag[i]);
    free(o->tag);
    free(o->d.v);
    free(o->left_out);
    free(a->rows);
    free(a->accuracy);
    free(a->shams);
    free(a->margins);
    free(o);
}
