/* Aggregation over seeds, description, ranks, the calibrated margin. Results do not depend on the order of the rows. */
#include "stats/summary.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

typedef struct compensated {
    double sum, rest;
} compensated;

/* Neumaier 1974: the rounding error of every addition is collected in `rest`. */
static void summary_add(compensated *c, double x) {
    double t = c->sum + x;
    c->rest += fabs(c->sum) >= fabs(x) ? (c->sum - t) + x : (x - t) + c->sum;
    c->sum = t;
}

static double total(const compensated *c) { return c->sum + c->rest; }

double stats_sum(const double *x, int n) {
    compensated c = {0};
    for (int i = 0; i < n; i++) summary_add(&c, x[i]);
    return total(&c);
}

typedef struct row {
    int64_t prompt, seed;
    double a, b;               /* times the share of images that did not fail */
    double failed_a, failed_b; /* shares */
} row;

static int compare_rows(const void *left, const void *right) {
    const row *x = left, *y = right;
    if (x->prompt != y->prompt) return x->prompt < y->prompt ? -1 : 1;
    if (x->seed != y->seed) return x->seed < y->seed ? -1 : 1;
    return 0;
}

static row row_of(const stats_pairs *pairs, int i) {
    row r = {pairs->prompt[i], pairs->seed[i], pairs->a[i], pairs->b[i], 0, 0};
    if (!pairs->failed_a) return r;
    r.failed_a = pairs->failed_a[i];
    r.failed_b = pairs->failed_b[i];
    if (r.failed_a > 0) r.a = r.failed_a < 1 ? r.a * (1 - r.failed_a) : 0;
    if (r.failed_b > 0) r.b = r.failed_b < 1 ? r.b * (1 - r.failed_b) : 0;
    return r;
}

/* Rows sorted by prompt and seed (malloc; the caller frees), checked. */
static ss_status sort_rows(const stats_pairs *pairs, row **out, double *largest, ss_error *err) {
    size_t bytes = ((size_t)pairs->count + 1) * sizeof(row);
    row *rows = malloc(bytes);
    if (!rows) return error_no_memory(err, "rows of a contrast", bytes);
    *largest = 0;
    /* below it sums of differences, and of their deviations from the mean, are finite */
    const double too_large = DBL_MAX / (8.0 * (pairs->count + 1.0));
    for (int i = 0; i < pairs->count; i++) {
        rows[i] = row_of(pairs, i);
        if (!isfinite(rows[i].a) || !isfinite(rows[i].b)) {
            free(rows);
            return error_set(err, SS_ERR_INPUT, NULL,
                             "prompt %" PRId64 ", seed %" PRId64
                             ": a value is not a finite number; give an outcome that "
                             "cannot be read its worst value, or leave out the pair",
                             pairs->prompt[i], pairs->seed[i]);
        }
        *largest = fmax(*largest, fmax(fabs(rows[i].a), fabs(rows[i].b)));
        if (*largest > too_large) {
            free(rows);
            return error_set(err, SS_ERR_INPUT, NULL,
                             "prompt %" PRId64 ", seed %" PRId64 ": a value is too large to be compared with others",
                             pairs->prompt[i], pairs->seed[i]);
        }
    }
    qsort(rows, (size_t)pairs->count, sizeof *rows, compare_rows);
    for (int i = 1; i < pairs->count; i++) {
        if (compare_rows(&rows[i - 1], &rows[i]) != 0) continue;
        int64_t prompt = rows[i].prompt, seed = rows[i].seed;
        free(rows);
        return error_set(err, SS_ERR_INPUT, NULL,
                         "prompt %" PRId64 ", seed %" PRId64 " occurs twice; expected one pair for each", prompt, seed);
    }
    *out = rows;
    return SS_OK;
}

/* What failed, by prompt, and the range of what did not. */
static ss_status aggregate_failed(const stats_pairs *pairs, const row *rows, stats_prompts *p, ss_error *err) {
    p->net = calloc((size_t)p->n + 1, sizeof *p->net);
    if (!p->net) return error_no_memory(err, "failed images", ((size_t)p->n + 1) * sizeof *p->net);
    p->lowest = HUGE_VAL;
    p->highest = -HUGE_VAL;
    for (int i = 0, next, n = 0; i < pairs->count; i = next, n++) {
        for (next = i; next < pairs->count && rows[next].prompt == rows[i].prompt; next++) {
            p->net[n] += rows[next].failed_a - rows[next].failed_b;
            p->failed_a += rows[next].failed_a > 0;
            p->failed_b += rows[next].failed_b > 0;
        }
        p->net[n] /= next - i;
    }
    for (int i = 0; i < pairs->count; i++) {
        if (pairs->failed_a[i] < 1)
            p->lowest = fmin(p->lowest, pairs->a[i]), p->highest = fmax(p->highest, pairs->a[i]);
        if (pairs->failed_b[i] < 1)
            p->lowest = fmin(p->lowest, pairs->b[i]), p->highest = fmax(p->highest, pairs->b[i]);
    }
    return SS_OK;
}

ss_status stats_aggregate(const stats_pairs *pairs, stats_prompts *out, ss_error *err) {
    double largest;
    row *rows;
    *out = (stats_prompts){0};
    SS_TRY(sort_rows(pairs, &rows, &largest, err));
    size_t capacity = (size_t)pairs->count + 1;
    double *block = malloc(3 * capacity * sizeof *block);
    if (!block) {
        free(rows);
        return error_no_memory(err, "prompts of a contrast", 3 * capacity * sizeof *block);
    }
    stats_prompts p = {.a = block, .b = block + capacity, .d = block + 2 * capacity};
    p.resolution = 8 * DBL_EPSILON * largest;
    for (int i = 0, next; i < pairs->count; i = next) {
        compensated a = {0}, b = {0}, d = {0};
        for (next = i; next < pairs->count && rows[next].prompt == rows[i].prompt; next++) {
            summary_add(&a, rows[next].a);
            summary_add(&b, rows[next].b);
            summary_add(&d, rows[next].a - rows[next].b);
        }
        int seeds = next - i;
        p.a[p.n] = total(&a) / seeds;
        p.b[p.n] = total(&b) / seeds;
        p.d[p.n] = total(&d) / seeds;
        if (fabs(p.d[p.n]) <= p.resolution) p.d[p.n] = 0;
        p.seeds_min = p.n == 0 || seeds < p.seeds_min ? seeds : p.seeds_min;
        p.seeds_max = seeds > p.seeds_max ? seeds : p.seeds_max;
        p.n++;
    }
    ss_status status = pairs->failed_a ? aggregate_failed(pairs, rows, &p, err) : SS_OK;
    free(rows);
    if (status == SS_OK) *out = p;
    else free(block);
    return status;
}

void stats_prompts_free(stats_prompts *p) {
    free(p->net);
    free(p->a);
    *p = (stats_prompts){0};
}

/* Sum of squared deviations from `mean`, with the correction that removes the mean's own rounding (Chan, Golub &
 * LeVeque 1983, equation 1.7). */
static double squared_deviations(const double *x, int n, double mean) {
    compensated squares = {0}, deviations = {0};
    for (int i = 0; i < n; i++) {
        summary_add(&squares, (x[i] - mean) * (x[i] - mean));
        summary_add(&deviations, x[i] - mean);
    }
    return total(&squares) - total(&deviations) * total(&deviations) / n;
}

stats_summary stats_summarise(const double *d, int n, double resolution) {
    stats_summary s = {.n = n};
    if (n < 1) {
        s.mean = s.sd = s.se = s.d_z = stats_undefined(STATS_TOO_FEW);
        return s;
    }
    double mean = stats_sum(d, n) / n, low = d[0], high = d[0];
    for (int i = 1; i < n; i++) low = fmin(low, d[i]), high = fmax(high, d[i]);
    s.mean = stats_defined(mean);
    s.sd = s.se = s.d_z = stats_undefined(STATS_TOO_FEW);
    if (n < 2) return s;
    if (high - low <= resolution) {
        s.sd = s.se = stats_defined(0);
        s.d_z = stats_undefined(STATS_NO_VARIANCE);
        return s;
    }
    double sd = sqrt(squared_deviations(d, n, mean) / (n - 1));
    if (!isfinite(sd)) {
        s.sd = s.se = s.d_z = stats_undefined(STATS_OUT_OF_RANGE);
        return s;
    }
    s.sd = stats_defined(sd);
    s.se = stats_defined(sd / sqrt(n));
    s.d_z = stats_defined(mean / sd);
    return s;
}

stats_state stats_spread_state(const stats_summary *s) { return s->d_z.state; }

typedef struct placed {
    double x;
    int at;
} placed;

static int compare_placed(const void *left, const void *right) {
    const placed *x = left, *y = right;
    if (x->x != y->x) return x->x < y->x ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

ss_status stats_doubled_ranks(const double *x, int n, double resolution, int64_t *doubled, ss_error *err) {
    size_t bytes = ((size_t)n + 1) * sizeof(placed);
    placed *order = malloc(bytes);
    if (!order) return error_no_memory(err, "ranks", bytes);
    for (int i = 0; i < n; i++) order[i] = (placed){x[i], i};
    qsort(order, (size_t)n, sizeof *order, compare_placed);
    for (int i = 0, next; i < n; i = next) {
        for (next = i + 1; next < n && order[next].x - order[next - 1].x <= resolution; next++) {}
        for (int k = i; k < next; k++) doubled[order[k].at] = (int64_t)i + next + 1; /* ranks i+1 .. next */
    }
    free(order);
    return SS_OK;
}

ss_status stats_calibrated_margin(const int64_t *prompt, const int64_t *seed, const double *value, int count,
                                  double factor, stats_figure *out, ss_error *err) {
    double largest;
    row *rows;
    stats_pairs values = {.count = count, .prompt = prompt, .seed = seed, .a = value, .b = value};
    SS_TRY(sort_rows(&values, &rows, &largest, err));
    double *group = malloc(((size_t)count + 1) * sizeof *group);
    if (!group) {
        free(rows);
        return error_no_memory(err, "calibration of a margin", ((size_t)count + 1) * sizeof *group);
    }
    compensated squares = {0};
    int freedom = 0, varies = 0;
    for (int i = 0, next; i < count; i = next) {
        int seeds = 0;
        for (next = i; next < count && rows[next].prompt == rows[i].prompt; next++) group[seeds++] = rows[next].a;
        stats_summary s = stats_summarise(group, seeds, 8 * DBL_EPSILON * largest);
        if (seeds > 1) summary_add(&squares, s.sd.value * s.sd.value * (seeds - 1));
        varies = varies || s.d_z.state == STATS_DEFINED;
        freedom += seeds - 1;
    }
    free(rows);
    free(group);
    if (freedom == 0) *out = stats_undefined(STATS_TOO_FEW);
    else if (!varies) *out = stats_undefined(STATS_NO_VARIANCE);
    else if (!isfinite(total(&squares))) *out = stats_undefined(STATS_OUT_OF_RANGE);
    else *out = stats_defined(factor * sqrt(total(&squares) / freedom));
    return SS_OK;
}
