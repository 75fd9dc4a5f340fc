/* Which numbers are compared, and how the result is called. stats/ computes every figure. A missing difference is never
 * called 'no effect': sentences follow the verdict. */
#include "analysis/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "stats/binary.h"

/* The analysis and the strings that its rows point to. */
typedef struct owner {
    analysis a;
    scores d;
    double *left_out; /* by condition: as analysis_row.partly_matched */
    int *acts, *idle; /* likewise: as analysis_row */
    sink_classes classes;
    const char **tag; /* [n_tags] every tag once; of `d` */
    int n_tags;
    size_t accuracy_capacity; /* of a.accuracy */
} owner;

/* ---- matched controls ---- */

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

/* ---- sets that are empty ---- */

/* Images of each condition with an intervention, and those in which one of its interventions never acted. */
static ss_status read_idle(const store *s, owner *o, ss_error *err) {
    const study *y = o->a.study;
    store_rows *r;
    int more;
    o->acts = calloc((size_t)y->n_conditions + 1, sizeof *o->acts);
    o->idle = calloc((size_t)y->n_conditions + 1, sizeof *o->idle);
    if (!o->acts || !o->idle) return error_no_memory(err, "conditions", (unsigned long long)y->n_conditions);
    SS_TRY(store_select(&r, s, err,
                        "SELECT c.draw_of, count(*), sum(x.least = 0) FROM (SELECT unit, min(sites) AS least FROM"
                        " action GROUP BY unit) x JOIN unit u ON u.unit = x.unit"
                        " JOIN condition c ON c.condition = u.condition GROUP BY c.draw_of"));
    while ((more = store_rows_next(r, err)) == 1) {
        int64_t c = store_rows_int(r, 0);
        if (c < 0 || c >= y->n_conditions) continue;
        o->acts[c] = (int)store_rows_int(r, 1);
        o->idle[c] = (int)store_rows_int(r, 2);
    }
    store_rows_close(r);
    return more < 0 ? err->code : SS_OK;
}

/* ---- margins ---- */

static ss_status calibrate(owner *o, ss_error *err) {
    const double FACTOR = 0.2; /* METHOD.md, section 5 */
    const study *y = o->a.study;
    int condition = study_find_condition(y, "calibration");
    o->a.margins = calloc((size_t)o->d.n_metrics + 1, sizeof *o->a.margins);
    if (!o->a.margins) return error_no_memory(err, "margins", 1);
    for (int m = 0; condition >= 0 && m < o->d.n_metrics; m++) {
        if (o->d.metric[m].paired) continue;
        score_pairs p;
        analysis_margin *out = &o->a.margins[o->a.n_margins++];
        SS_TRY(score_pairs_make(&p, &o->d, m, condition, -1, err));
        *out = (analysis_margin){.metric = o->d.metric[m].name, .images = p.n};
        ss_status status = SS_OK;
        if (p.failed) out->margin = stats_undefined(STATS_FAILED);
        else status = stats_calibrated_margin(p.prompt, p.seed, p.a, p.n, FACTOR, &out->margin, err);
        score_pairs_free(&p);
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

/* The first metric of a kind that the main table shows beside the primary, of random weights only where there is no
 * other: -1 = none. */
static int companion(const scores *d, int binary) {
    for (int random = 0; random < 2; random++)
        for (int m = 0; m < d->n_metrics; m++)
            if (d->metric[m].is_random == random &&
                (binary ? d->metric[m].binary : d->metric[m].kind == METRIC_DISTANCE))
                return m;
    return -1;
}

static ss_status analyse_add_row(owner *o, const study_contrast *c, int m, int readable_only, ss_error *err) {
    const scores_metric *info = &o->d.metric[m];
    analysis_row row = {.contrast = c,
                        .metric = info->name,
                        .kind = info->kind,
                        .is_random = info->is_random,
                        .is_primary = info->is_primary && !readable_only,
                        .without_unreadable = readable_only,
                        .partly_matched = fmax(o->left_out[c->a], o->left_out[c->b]),
                        .acts = {o->acts[c->a], o->acts[c->b]},
                        .idle = {o->idle[c->a], o->idle[c->b]}};
    score_pairs p;
    int with_baseline = c->a == 0 || c->b == 0;
    if (info->paired && with_baseline && info->kind == METRIC_SIMILARITY) return SS_OK; /* the baseline has no value */
    row.in_main_table = !readable_only && (row.is_primary || m == companion(&o->d, with_baseline));
    SS_TRY(score_pairs_make(&p, &o->d, m, c->a, c->b, err));
    int bad = p.unreadable;
    if (readable_only) score_pairs_keep_readable(&p);
    if (readable_only && bad == 0) {
        score_pairs_free(&p);
        return SS_OK;
    }
    stats_options options = score_options(o->a.study, info->kind);
    stats_figure margin = margin_of(o, c, m);
    options.margin = margin.state == STATS_DEFINED ? margin.value : 0;
    o->a.alpha = options.alpha;
    stats_pairs paired = score_pairs_stats(&p);
    ss_status status = stats_contrast_compute(&paired, &options, &row.stats, err);
    score_pairs_free(&p);
    if (status == SS_OK) o->a.rows[o->a.n_rows++] = row;
    return status;
}

/* Contrasts in the order of the table: the positive control's first. */
static ss_status analyse_add_rows(owner *o, ss_error *err) {
    const study *y = o->a.study;
    size_t most = (size_t)y->n_contrasts * (size_t)o->d.n_metrics * 2;
    o->a.rows = calloc(most + 1, sizeof *o->a.rows);
    if (!o->a.rows) return error_no_memory(err, "rows", most * sizeof *o->a.rows);
    for (int positive = 1; positive >= 0; positive--)
        for (int i = 0; i < y->n_contrasts; i++)
            for (int primary = 1; y->contrast[i].is_positive == positive && primary >= 0; primary--)
                for (int m = 0; m < o->d.n_metrics; m++) {
                    if (o->d.metric[m].is_primary != primary) continue;
                    SS_TRY(analyse_add_row(o, &y->contrast[i], m, 0, err));
                    SS_TRY(analyse_add_row(o, &y->contrast[i], m, 1, err));
                }
    return SS_OK;
}

/* Correct and judge the contrasts of one metric (readable images only: a family of its own). */
static ss_status analyse_judge(owner *o, int m, int readable_only, ss_error *err) {
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
    scores_find(&o->d, m, condition, &i, &end);
    for (; i < end; i++) {
        const score_value *v = &o->d.v[i];
        if (*tag && strcmp(tag, scores_tag(&o->d, v->prompt)) != 0) continue;
        c.images++;
        c.right += v->x == 1;
        c.unreadable += v->unreadable;
    }
    if (c.images == 0) return SS_OK;
    c.interval = stats_wilson(c.right, c.images, 0.95);
    SS_TRY(ARRAY_ROOM(o->a.accuracy, o->accuracy_capacity, o->a.n_accuracy + 1, "accuracy", err));
    o->a.accuracy[o->a.n_accuracy++] = c;
    return SS_OK;
}

static ss_status add_accuracy(owner *o, ss_error *err) {
    const study *y = o->a.study;
    for (int m = 0; m < o->d.n_metrics; m++) {
        if (!o->d.metric[m].binary) continue;
        for (int c = 0; c < y->n_conditions; c++) {
            if (y->condition[c].role == CONDITION_SHAM || y->condition[c].role == CONDITION_CALIBRATION) continue;
            SS_TRY(count_accuracy(o, m, c, "", err));
            for (int i = 0; i < o->n_tags; i++) SS_TRY(count_accuracy(o, m, c, o->tag[i], err));
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

/* ---- failed images ---- */

static ss_status analyse_add_failed(owner *o, const store *s, ss_error *err) {
    const study *y = o->a.study;
    store_rows *r;
    int more;
    size_t capacity = 0;
    ss_status status = SS_OK;
    SS_TRY(store_select(&r, s, err,
                        "SELECT u.condition, f.metric, (SELECT count(*) FROM unit v WHERE v.condition = u.condition),"
                        " count(*) FROM (SELECT unit, NULL AS metric FROM failure UNION ALL SELECT unit, metric FROM"
                        " score_failure) f JOIN unit u ON u.unit = f.unit GROUP BY u.condition, f.metric"
                        " ORDER BY u.condition, f.metric"));
    while (status == SS_OK && (more = store_rows_next(r, err)) != 0) {
        int64_t c = store_rows_int(r, 0), m = store_rows_is_null(r, 1) ? -1 : store_rows_int(r, 1);
        if (more < 0) status = err->code;
        if (more < 0 || c < 0 || c >= y->n_conditions || m >= o->d.n_metrics) continue;
        status = ARRAY_ROOM(o->a.failed, capacity, o->a.n_failed + 1, "failed images", err);
        if (status != SS_OK) break;
        o->a.failed[o->a.n_failed++] = (analysis_failed){y->condition[c].name, m < 0 ? NULL : o->d.metric[m].name,
                                                         (int)store_rows_int(r, 2), (int)store_rows_int(r, 3)};
    }
    store_rows_close(r);
    return status;
}

static ss_status analyse_make(owner *o, store *s, ss_error *err) {
    SS_TRY(scores_read(&o->d, s, err));
    SS_TRY(read_left_out(s, o, err));
    SS_TRY(read_idle(s, o, err));
    SS_TRY(calibrate(o, err));
    SS_TRY(analyse_add_rows(o, err));
    for (int m = 0; m < o->d.n_metrics; m++) {
        SS_TRY(analyse_judge(o, m, 0, err));
        SS_TRY(analyse_judge(o, m, 1, err));
    }
    for (int i = 0; i < o->a.n_rows; i++) SS_TRY(analysis_read(&o->a, &o->a.rows[i], err));
    SS_TRY(scores_tags(&o->d, &o->tag, &o->n_tags, err));
    SS_TRY(add_accuracy(o, err));
    SS_TRY(analysis_add_trends(&o->a, &o->d, err));
    SS_TRY(analyse_add_failed(o, s, err));
    return add_shams(o, s, err);
}

ss_status analysis_make(analysis **out, store *s, ss_error *err) {
    *out = NULL;
    owner *o = calloc(1, sizeof *o);
    if (!o) return error_no_memory(err, "an analysis", sizeof *o);
    o->a.study = store_study(s);
    ss_status status = analyse_make(o, s, err);
    if (status == SS_OK) *out = &o->a;
    else analysis_free(&o->a);
    return status;
}

static owner *owner_of(analysis *a) { return (owner *)(void *)a; } /* its first member */

ss_status analysis_add_parts(analysis *a, const store *s, ss_error *err) {
    owner *o = owner_of(a);
    const char *const *tag = o->tag;
    SS_TRY(analysis_add_tags(a, &o->d, tag, o->n_tags, err));
    SS_TRY(analysis_add_means(a, &o->d, tag, o->n_tags, err));
    SS_TRY(sink_classes_read(&o->classes, s, a->study, err));
    return analysis_add_classes(a, &o->d, &o->classes, err);
}

void analysis_free(analysis *a) {
    if (!a) return;
    owner *o = owner_of(a);
    scores_free(&o->d);
    sink_classes_free(&o->classes);
    free(o->left_out);
    free(o->acts);
    free(o->idle);
    free(o->tag);
    free(a->rows);
    free(a->accuracy);
    free(a->shams);
    free(a->margins);
    free(a->failed);
    free(a->by_tag);
    free(a->by_class);
    free(a->means);
    free(a->trends);
    free(o);
}
