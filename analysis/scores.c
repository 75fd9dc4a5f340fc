/* See scores.h. Relies on the documented views of the store. */
#include "analysis/scores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

/* ---- reading ---- */

static ss_status read_metrics(const store *s, scores *d, ss_error *err) {
    static const char *const KIND[] = {"alignment", "preference", "distance", "similarity"};
    store_rows *r;
    int more;
    size_t capacity = 0;
    SS_TRY(store_select(&r, s, err,
                        "SELECT name, kind, is_binary, needs_baseline, is_primary, options LIKE '%" STUDY_RANDOM_WEIGHTS
                        "' FROM metric ORDER BY metric"));
    while ((more = store_rows_next(r, err)) == 1) {
        ss_status status = ARRAY_ROOM(d->metric, capacity, d->n_metrics + 1, "metrics", err);
        if (status != SS_OK) {
            store_rows_close(r);
            return status;
        }
        scores_metric *m = &d->metric[d->n_metrics++];
        *m = (scores_metric){0};
        snprintf(m->name, sizeof m->name, "%s", store_rows_text(r, 0));
        for (int i = 0; i < 4; i++)
            if (strcmp(store_rows_text(r, 1), KIND[i]) == 0) m->kind = (metric_kind)i;
        m->binary = (int)store_rows_int(r, 2);
        m->paired = (int)store_rows_int(r, 3);
        m->is_primary = (int)store_rows_int(r, 4);
        m->is_random = (int)store_rows_int(r, 5);
    }
    store_rows_close(r);
    return more < 0 ? err->code : SS_OK;
}

static int compare_values(const void *a, const void *b) {
    const score_value *x = a, *y = b;
    if (x->metric != y->metric) return x->metric < y->metric ? -1 : 1;
    if (x->condition != y->condition) return x->condition < y->condition ? -1 : 1;
    if (x->prompt != y->prompt) return x->prompt < y->prompt ? -1 : 1;
    return (x->seed > y->seed) - (x->seed < y->seed);
}

/* SQLite orders seeds from 2^63 on, which are text there, by their digits. */
static void sort_values(scores *d) {
    int64_t i = 1;
    while (i < d->n && compare_values(&d->v[i - 1], &d->v[i]) <= 0) i++;
    if (i < d->n) qsort(d->v, (size_t)d->n, sizeof *d->v, compare_values);
}

static ss_status scores_read_values(const store *s, scores *d, ss_error *err) {
    store_rows *r;
    int more;
    SS_TRY(store_select(&r, s, err,
                        "SELECT x.metric, c.draw_of, u.prompt, u.seed, avg(x.value), max(x.unreadable) FROM score x"
                        " JOIN unit u ON u.unit = x.unit JOIN condition c ON c.condition = u.condition"
                        " GROUP BY x.metric, c.draw_of, u.prompt, u.seed"
                        " ORDER BY x.metric, c.draw_of, u.prompt, u.seed"));
    while ((more = store_rows_next(r, err)) == 1) {
        ss_status status = ARRAY_ROOM(d->v, d->capacity, d->n + 1, "scores", err);
        if (status != SS_OK) {
            store_rows_close(r);
            return status;
        }
        d->v[d->n++] = (score_value){.metric = (int)store_rows_int(r, 0),
                                     .condition = (int)store_rows_int(r, 1),
                                     .prompt = store_rows_int(r, 2),
                                     .seed = seed_key(store_rows_seed(r, 3)),
                                     .x = store_rows_double(r, 4),
                                     .unreadable = (int)store_rows_int(r, 5)};
    }
    store_rows_close(r);
    sort_values(d);
    return more < 0 ? err->code : SS_OK;
}

static int by_place(const void *a, const void *b) {
    const score_value *x = a, *y = b;
    const int64_t order[] = {x->metric - y->metric, x->condition - y->condition, x->prompt - y->prompt};
    for (int i = 0; i < 3; i++)
        if (order[i]) return order[i] < 0 ? -1 : 1;
    return (x->seed > y->seed) - (x->seed < y->seed);
}

/* Images that failed, of a (condition, prompt, seed) with `draws` of which `failed` did: beside the score of the
 * others, or in its place. A wrong answer is the worst value of a binary metric. */
static ss_status add_failed(scores *d, int64_t sorted, score_value v, int64_t failed, int64_t draws, ss_error *err) {
    score_value *there = sorted ? bsearch(&v, d->v, (size_t)sorted, sizeof *d->v, by_place) : NULL;
    int binary = v.metric >= 0 && v.metric < d->n_metrics && d->metric[v.metric].binary;
    double share = draws > failed && failed > 0 ? (double)failed / (double)draws : 1;
    if (there) {
        if (binary) there->x *= 1 - share;
        else there->failed = share;
        return SS_OK;
    }
    SS_TRY(ARRAY_ROOM(d->v, d->capacity, d->n + 1, "scores", err));
    v.failed = binary ? 0 : 1;
    d->v[d->n++] = v;
    return SS_OK;
}

static ss_status read_failed(const store *s, scores *d, ss_error *err) {
    store_rows *r;
    int64_t sorted = d->n;
    int more;
    ss_status status = SS_OK;
    SS_TRY(store_select(&r, s, err,
                        "SELECT x.number, x.draw_of, x.prompt, x.seed, count(*), (SELECT count(*) FROM unit u JOIN"
                        " condition c ON c.condition = u.condition WHERE c.draw_of = x.draw_of AND u.prompt = x.prompt"
                        " AND u.seed = x.seed) FROM failed_scores x GROUP BY x.number, x.draw_of, x.prompt, x.seed"));
    while (status == SS_OK && (more = store_rows_next(r, err)) != 0) {
        score_value v = {.metric = (int)store_rows_int(r, 0),
                         .condition = (int)store_rows_int(r, 1),
                         .prompt = store_rows_int(r, 2),
                         .seed = seed_key(store_rows_seed(r, 3))};
        status = more < 0 ? err->code : add_failed(d, sorted, v, store_rows_int(r, 4), store_rows_int(r, 5), err);
    }
    store_rows_close(r);
    if (status == SS_OK && d->n > sorted) qsort(d->v, (size_t)d->n, sizeof *d->v, by_place);
    return status;
}

static ss_status read_prompts(const store *s, scores *d, ss_error *err) {
    store_rows *r;
    size_t capacity = 0;
    int more = 0;
    ss_status status = SS_OK;
    SS_TRY(store_select(&r, s, err, "SELECT prompt, coalesce(tag, '') FROM prompt ORDER BY prompt"));
    while (status == SS_OK && (more = store_rows_next(r, err)) == 1) {
        status = ARRAY_ROOM(d->prompt, capacity, d->n_prompts + 1, "prompts", err);
        if (status != SS_OK) break;
        scores_prompt p = {.number = store_rows_int(r, 0), .tag = text_copy(store_rows_text(r, 1))};
        if (p.tag) d->prompt[d->n_prompts++] = p;
        else status = error_no_memory(err, "tags", 1);
    }
    store_rows_close(r);
    return more < 0 ? err->code : status;
}

ss_status scores_read(scores *out, const store *s, ss_error *err) {
    SS_TRY(read_metrics(s, out, err));
    SS_TRY(scores_read_values(s, out, err));
    SS_TRY(read_failed(s, out, err));
    return read_prompts(s, out, err);
}

void scores_free(scores *d) {
    for (int64_t i = 0; i < d->n_prompts; i++) free(d->prompt[i].tag);
    free(d->prompt);
    free(d->metric);
    free(d->v);
    *d = (scores){0};
}

stats_options score_options(const study *y, metric_kind kind) {
    stats_options options = stats_options_default();
    if (y) options.seed = y->study_seed;
    options.worst = kind == METRIC_DISTANCE ? 1 : -1; /* of a distance, the worst is farthest */
    options.better = kind == METRIC_ALIGNMENT || kind == METRIC_PREFERENCE ? 1 : 0;
    return options;
}

const char *scores_tag(const scores *d, int64_t prompt) {
    int64_t low = 0, high = d->n_prompts;
    while (low < high) {
        int64_t mid = (low + high) / 2;
        if (d->prompt[mid].number < prompt) low = mid + 1;
        else high = mid;
    }
    return low < d->n_prompts && d->prompt[low].number == prompt ? d->prompt[low].tag : "";
}

ss_status scores_tags(const scores *d, const char ***out, int *n, ss_error *err) {
    int count = 0;
    const char **tags = malloc(((size_t)d->n_prompts + 1) * sizeof *tags);
    if (!tags) return error_no_memory(err, "tags", (unsigned long long)d->n_prompts);
    for (int64_t i = 0; i < d->n_prompts; i++) {
        const char *tag = d->prompt[i].tag;
        int seen = !*tag;
        for (int j = 0; !seen && j < count; j++) seen = strcmp(tags[j], tag) == 0;
        if (!seen) tags[count++] = tag;
    }
    *out = tags;
    *n = count;
    return SS_OK;
}

/* The scores of one condition on one metric: d->v[*begin .. *end). */
void scores_find(const scores *d, int number, int condition, int64_t *begin, int64_t *end) {
    int64_t low = 0, high = d->n;
    while (low < high) {
        int64_t mid = (low + high) / 2;
        const score_value *v = &d->v[mid];
        if (v->metric < number || (v->metric == number && v->condition < condition)) low = mid + 1;
        else high = mid;
    }
    *begin = *end = low;
    while (*end < d->n && d->v[*end].metric == number && d->v[*end].condition == condition) ++*end;
}

/* ---- pairs ---- */

void score_pairs_free(score_pairs *p) {
    free(p->prompt);
    free(p->seed);
    free(p->a);
    free(p->b);
    free(p->failed_a);
    free(p->failed_b);
    free(p->bad);
    free(p->keep);
}

static ss_status pairs_reserve(score_pairs *p, int64_t n, ss_error *err) {
    size_t m = (size_t)n + 1;
    p->prompt = malloc(m * sizeof *p->prompt);
    p->seed = malloc(m * sizeof *p->seed);
    p->a = malloc(m * sizeof *p->a);
    p->b = malloc(m * sizeof *p->b);
    p->failed_a = malloc(m * sizeof *p->failed_a);
    p->failed_b = malloc(m * sizeof *p->failed_b);
    p->bad = malloc(m);
    p->keep = malloc(m);
    if (p->prompt && p->seed && p->a && p->b && p->failed_a && p->failed_b && p->bad && p->keep) return SS_OK;
    score_pairs_free(p);
    *p = (score_pairs){0};
    return error_no_memory(err, "pairs", m * 50);
}

/* One of the two may be NULL: it is 0. */
static void pairs_add(score_pairs *p, const score_value *a, const score_value *b) {
    const score_value *at = a ? a : b;
    int bad = (a && a->unreadable) || (b && b->unreadable);
    p->prompt[p->n] = at->prompt;
    p->seed[p->n] = at->seed;
    p->a[p->n] = a ? a->x : 0;
    p->b[p->n] = b ? b->x : 0;
    p->failed_a[p->n] = a ? a->failed : 0;
    p->failed_b[p->n] = b ? b->failed : 0;
    p->failed += p->failed_a[p->n] > 0 || p->failed_b[p->n] > 0;
    p->keep[p->n] = 1;
    p->bad[p->n++] = (uint8_t)bad;
    p->unreadable += bad;
}

ss_status score_pairs_make(score_pairs *out, const scores *d, int number, int a, int b, ss_error *err) {
    int64_t i, i_end, j, j_end;
    *out = (score_pairs){0};
    scores_find(d, number, a, &i, &i_end);
    scores_find(d, number, b, &j, &j_end);
    SS_TRY(pairs_reserve(out, i_end - i + j_end - j, err));
    if (b < 0 || (d->metric[number].paired && (a == 0 || b == 0))) {
        for (; b <= 0 && i < i_end; i++) pairs_add(out, &d->v[i], NULL);
        for (; a == 0 && j < j_end; j++) pairs_add(out, NULL, &d->v[j]);
        return SS_OK;
    }
    while (i < i_end && j < j_end) {
        const score_value *x = &d->v[i], *y = &d->v[j];
        int order =
            x->prompt != y->prompt ? (x->prompt < y->prompt ? -1 : 1) : (x->seed > y->seed) - (x->seed < y->seed);
        if (order == 0) pairs_add(out, x, y);
        i += order <= 0;
        j += order >= 0;
    }
    return SS_OK;
}

void score_pairs_keep(score_pairs *p) {
    int n = 0;
    p->failed = 0;
    for (int i = 0; i < p->n; i++) {
        if (!p->keep[i]) continue;
        p->failed_a[n] = p->failed_a[i];
        p->failed_b[n] = p->failed_b[i];
        p->failed += p->failed_a[n] > 0 || p->failed_b[n] > 0;
        p->prompt[n] = p->prompt[i];
        p->seed[n] = p->seed[i];
        p->a[n] = p->a[i];
        p->b[n] = p->b[i];
        p->bad[n] = p->bad[i];
        p->keep[n++] = 1;
    }
    p->n = n;
}

void score_pairs_keep_readable(score_pairs *p) {
    for (int i = 0; i < p->n; i++) p->keep[i] = !p->bad[i];
    score_pairs_keep(p);
}

stats_pairs score_pairs_stats(const score_pairs *p) {
    return (stats_pairs){.count = p->n,
                         .prompt = p->prompt,
                         .seed = p->seed,
                         .a = p->a,
                         .b = p->b,
                         .failed_a = p->failed ? p->failed_a : NULL,
                         .failed_b = p->failed ? p->failed_b : NULL};
}
