/* Page's trend test and the slope on log k. Doubled mid-ranks are whole numbers, so the exact distribution is a
 * convolution over whole numbers. The interval of the slope is that of a mean: the slope of the mean is the mean of
 * slopes. */
#include "stats/trend.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats/bootstrap.h"
#include "stats/distributions.h"
#include "stats/summary.h"

enum { EXACT_LEVELS = 6, EXACT_WORK = 400000000 };

/* Sum of j times the doubled rank at level j = 1 .. k. */
static int64_t weighted(const int64_t *rank, int k) {
    int64_t sum = 0;
    for (int j = 0; j < k; j++) sum += (j + 1) * rank[j];
    return sum;
}

/* Counts of `weighted` over all orders of the ranks from place `at` on; `low` is what count[0] stands for. */
static void count_orders(int64_t *rank, int k, int at, int64_t low, double *count) {
    if (at == k) {
        count[weighted(rank, k) - low]++;
        return;
    }
    for (int j = at; j < k; j++) {
        int64_t t = rank[at];
        rank[at] = rank[j];
        rank[j] = t;
        count_orders(rank, k, at + 1, low, count);
        rank[j] = rank[at];
        rank[at] = t;
    }
}

/* The least and the largest of `weighted` over all orders: ranks falling, ranks rising. */
static void range_of(const int64_t *rank, int k, int64_t *low, int64_t *high) {
    int64_t sorted[EXACT_LEVELS];
    memcpy(sorted, rank, sizeof *rank * (size_t)k);
    for (int i = 1; i < k; i++)
        for (int j = i; j > 0 && sorted[j] < sorted[j - 1]; j--) {
            int64_t t = sorted[j];
            sorted[j] = sorted[j - 1];
            sorted[j - 1] = t;
        }
    *high = weighted(sorted, k);
    *low = 0;
    for (int j = 0; j < k; j++) *low += (k - j) * sorted[j];
}

/* Two-sided exact p of the doubled L: twice the smaller tail, at most 1. */
static ss_status exact_p(const int64_t *ranks, int n, int k, int64_t l, double *p, ss_error *err) {
    int64_t low = 0, high = 0, width = 0;
    for (int i = 0; i < n; i++) {
        int64_t a, b;
        range_of(ranks + i * k, k, &a, &b);
        low += a;
        high += b;
        width = b - a > width ? b - a : width;
    }
    size_t size = (size_t)(high - low) + 1;
    double *share = calloc(size, sizeof *share), *next = calloc(size, sizeof *next),
           *one = calloc((size_t)width + 1, sizeof *one);
    ss_status status = share && next && one ? SS_OK : error_no_memory(err, "Page's test", 2 * size * sizeof *share);
    int64_t used = 0; /* share[0 .. used] is the distribution so far */
    if (status == SS_OK) share[0] = 1;
    for (int i = 0; status == SS_OK && i < n; i++) {
        int64_t rank[EXACT_LEVELS], a, b;
        double orders = 0;
        memcpy(rank, ranks + i * k, sizeof *rank * (size_t)k);
        range_of(rank, k, &a, &b);
        memset(one, 0, ((size_t)width + 1) * sizeof *one);
        count_orders(rank, k, 0, a, one);
        for (int64_t x = 0; x <= b - a; x++) orders += one[x];
        memset(next, 0, size * sizeof *next);
        for (int64_t x = 0; x <= b - a; x++)
            for (int64_t y = 0; one[x] > 0 && y <= used; y++) next[x + y] += one[x] / orders * share[y];
        used += b - a;
        double *t = share;
        share = next;
        next = t;
    }
    double upper = 0, lower = 0;
    for (int64_t x = 0; status == SS_OK && x <= used; x++) {
        if (x + low >= l) upper += share[x];
        if (x + low <= l) lower += share[x];
    }
    *p = fmin(1, 2 * fmin(upper, lower));
    free(share);
    free(next);
    free(one);
    return status;
}

/* Mean and variance of the doubled L where every order of a prompt's ranks is as likely as any other. */
static void trend_moments(const int64_t *ranks, int n, int k, double *mean, double *variance) {
    double places = (double)k * ((double)k * k - 1) / 12; /* sum of (j - mean j)^2 */
    *mean = (double)n * k * (k + 1) * (k + 1) / 2;
    *variance = 0;
    for (int i = 0; i < n; i++) {
        double squares = 0;
        for (int j = 0; j < k; j++) squares += pow((double)ranks[i * k + j] - (k + 1), 2);
        *variance += places * squares / (k - 1);
    }
}

static ss_status page(const double *x, int n, int k, double resolution, stats_trend *out, ss_error *err) {
    if (k < 3 || n < 1) {
        out->l = out->p = stats_undefined(k < 3 ? STATS_NOT_ASKED : STATS_TOO_FEW);
        return SS_OK;
    }
    int64_t *ranks = malloc(sizeof *ranks * (size_t)n * (size_t)k), l = 0;
    if (!ranks) return error_no_memory(err, "Page's test", sizeof *ranks * (size_t)n * (size_t)k);
    ss_status status = SS_OK;
    for (int i = 0; status == SS_OK && i < n; i++) {
        status = stats_doubled_ranks(x + i * k, k, resolution, ranks + i * k, err);
        if (status == SS_OK) l += weighted(ranks + i * k, k);
    }
    double mean, variance, p = 0, range = (double)k * k * k / 3;
    if (status == SS_OK) {
        out->l = stats_defined((double)l / 2);
        trend_moments(ranks, n, k, &mean, &variance);
        out->method =
            k <= EXACT_LEVELS && (double)n * n * range * range < EXACT_WORK ? STATS_TREND_EXACT : STATS_TREND_NORMAL;
        if (!(variance > 0)) out->p = stats_undefined(STATS_NO_VARIANCE);
        else if (out->method == STATS_TREND_NORMAL)
            out->p = stats_defined(2 * stats_normal_cdf(-fabs(((double)l - mean) / sqrt(variance))));
        else {
            status = exact_p(ranks, n, k, l, &p, err);
            out->p = stats_defined(p);
        }
    }
    free(ranks);
    return status;
}

/* One slope a prompt, then their mean and its interval. */
static ss_status slope(const double *x, int n, const double *level, int k, double resolution, const stats_options *o,
                       stats_trend *out, ss_error *err) {
    out->slope = out->slope_low = out->slope_high = stats_undefined(STATS_TOO_FEW);
    if (k < 2 || n < 1) return SS_OK;
    double centre = 0, squares = 0;
    for (int j = 0; j < k; j++) centre += log(level[j]) / k;
    for (int j = 0; j < k; j++) squares += pow(log(level[j]) - centre, 2);
    double *b = malloc(sizeof *b * (size_t)n);
    if (!b) return error_no_memory(err, "slopes", sizeof *b * (size_t)n);
    for (int i = 0; i < n; i++) {
        b[i] = 0;
        for (int j = 0; j < k; j++) b[i] += (log(level[j]) - centre) / squares * (x[i * k + j] - x[i * k]);
    }
    double least = resolution / (log(level[k - 1]) - log(level[0]));
    stats_interval interval;
    ss_status status = stats_bca_of_mean(b, n, least, o->seed, o->resamples, o->level, &interval, err);
    if (status == SS_OK) {
        out->slope = stats_defined(stats_sum(b, n) / n);
        out->slope_low = interval.low;
        out->slope_high = interval.high;
    }
    free(b);
    return status;
}

ss_status stats_trend_compute(const double *x, int n, const double *level, int levels, double resolution,
                              const stats_options *options, stats_trend *out, ss_error *err) {
    *out = (stats_trend){.n = n, .levels = levels};
    SS_TRY(page(x, n, levels, resolution, out, err));
    return slope(x, n, level, levels, resolution, options, out, err);
}
