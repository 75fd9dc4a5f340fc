/* BCa bootstrap: deterministic, single-threaded. */
#include "stats/bootstrap.h"

#include <math.h>
#include <stdlib.h>

#include "base/philox.h"
#include "stats/distributions.h"
#include "stats/summary.h"

/* d - mean(d): resampled sums of deviations do not lose digits to a large mean. */
static ss_status deviations(const double *d, int n, double mean, double **out, ss_error *err) {
    size_t bytes = (size_t)n * sizeof **out;
    *out = malloc(bytes);
    if (!*out) return error_no_memory(err, "bootstrap", bytes);
    for (int i = 0; i < n; i++) (*out)[i] = d[i] - mean;
    return SS_OK;
}

void stats_bootstrap_stream(uint64_t seed, int resample, philox *out) {
    uint64_t name[2] = {philox_hash_text("bootstrap"), (uint64_t)resample};
    philox_init(out, seed, name, 2);
}

ss_status stats_bootstrap_means(const double *d, int n, uint64_t seed, int resamples, double *means, ss_error *err) {
    double *deviation, mean = stats_sum(d, n) / n;
    SS_TRY(deviations(d, n, mean, &deviation, err));
    for (int r = 0; r < resamples; r++) {
        philox stream;
        stats_bootstrap_stream(seed, r, &stream);
        double sum = 0;
        for (int i = 0; i < n; i++) sum += deviation[philox_below(&stream, (uint32_t)n)];
        means[r] = mean + sum / n;
    }
    free(deviation);
    return SS_OK;
}

ss_status stats_bootstrap_means_indexed(const double *d, int n, const int32_t *index, int resamples, double *means,
                                        ss_error *err) {
    double *deviation, mean = stats_sum(d, n) / n;
    SS_TRY(deviations(d, n, mean, &deviation, err));
    for (int r = 0; r < resamples; r++) {
        const int32_t *row = index + (size_t)r * (size_t)n;
        double sum = 0;
        for (int i = 0; i < n; i++) sum += deviation[row[i]];
        means[r] = mean + sum / n;
    }
    free(deviation);
    return SS_OK;
}

/* Share of the means below `mean`, those equal to it counted half. Equal up to rounding: where differences take few
 * values (seeds that are right or wrong) many resamples have, in exact arithmetic, the observed mean. */
static double share_below(const double *means, int resamples, double mean, double rounding) {
    int below = 0, equal = 0;
    for (int r = 0; r < resamples; r++) {
        below += means[r] < mean - rounding;
        equal += means[r] >= mean - rounding && means[r] <= mean + rounding;
    }
    return (below + 0.5 * equal) / resamples;
}

static void swap(double *x, int i, int j) {
    double kept = x[i];
    x[i] = x[j];
    x[j] = kept;
}

/* The k-th smallest of x (from 0), brought to x[k]: none before it is larger, none behind it smaller (Hoare 1961). Two
 * quantiles of 10,000 resamples take a tenth of the time of sorting them. */
static double select_place(double *x, int n, int k) {
    int low = 0, high = n - 1;
    while (low < high) {
        double pivot = x[low + (high - low) / 2];
        int i = low, j = high;
        while (i <= j) {
            while (x[i] < pivot) i++;
            while (x[j] > pivot) j--;
            if (i > j) break;
            swap(x, i++, j--);
        }
        if (k <= j) high = j;
        else if (k >= i) low = i;
        else break;
    }
    return x[k];
}

/* x at probability p, linear between order statistics (Hyndman & Fan's type 7). */
static double quantile(double *x, int n, double p) {
    double place = p * (n - 1);
    int i = (int)place;
    double at = select_place(x, n, i < n ? i : n - 1);
    if (i + 1 >= n) return at;
    double next = x[i + 1];
    for (int j = i + 2; j < n; j++) next = x[j] < next ? x[j] : next;
    return at + (place - i) * (next - at);
}

/* The acceleration sum(t^3) / (6 sum(t^2)^1.5), t_i = mean of the leave-one-out means - leave-one-out mean i: for a
 * mean t_i = (d_i - mean) / (n - 1), and the factor cancels. `widest` receives the largest |d_i - mean|. */
static double acceleration(const double *d, int n, double mean, double *widest) {
    double squares = 0, cubes = 0, scale = 0;
    for (int i = 0; i < n; i++) scale = fmax(scale, fabs(d[i] - mean));
    for (int i = 0; i < n; i++) {
        double t = (d[i] - mean) / scale;
        squares += t * t;
        cubes += t * t * t;
    }
    *widest = scale;
    return cubes / (6 * squares * sqrt(squares));
}

/* The interval from replicates, whose order it changes; `a` is the acceleration. */
static stats_interval bootstrap_interval(double estimate, double a, double rounding, double *means, int resamples,
                                         double level) {
    double share = share_below(means, resamples, estimate, rounding);
    if (share <= 0 || share >= 1) return stats_interval_undefined(STATS_OUT_OF_RANGE);
    double bias = stats_normal_quantile(share), end[2];
    for (int side = 0; side < 2; side++) {
        double z = bias + stats_normal_quantile(side ? 0.5 + 0.5 * level : 0.5 - 0.5 * level);
        if (a * z >= 1) return stats_interval_undefined(STATS_OUT_OF_RANGE);
        end[side] = quantile(means, resamples, stats_normal_cdf(bias + z / (1 - a * z)));
    }
    return (stats_interval){stats_defined(end[0]), stats_defined(end[1])};
}

stats_interval stats_bca(const double *d, int n, double resolution, double *means, int resamples, double level) {
    stats_summary s = stats_summarise(d, n, resolution);
    if (stats_spread_state(&s) != STATS_DEFINED) return stats_interval_undefined(stats_spread_state(&s));
    if (resamples < 1) return stats_interval_undefined(STATS_TOO_FEW);
    double widest, a = acceleration(d, n, s.mean.value, &widest);
    return bootstrap_interval(s.mean.value, a, 1e-12 * widest, means, resamples, level);
}

stats_interval stats_bca_statistic(double estimate, const double *leave_one_out, int n, double resolution,
                                   double *replicates, int resamples, double level) {
    stats_summary s = stats_summarise(leave_one_out, n, resolution);
    if (stats_spread_state(&s) != STATS_DEFINED) return stats_interval_undefined(stats_spread_state(&s));
    if (resamples < 1) return stats_interval_undefined(STATS_TOO_FEW);
    double widest, a = -acceleration(leave_one_out, n, s.mean.value, &widest);
    return bootstrap_interval(estimate, a, 1e-12 * widest * (n - 1), replicates, resamples, level);
}

ss_status stats_bca_of_mean(const double *d, int n, double resolution, uint64_t seed, int resamples, double level,
                            stats_interval *out, ss_error *err) {
    size_t bytes = (size_t)resamples * sizeof(double);
    double *means = malloc(bytes);
    if (!means) return error_no_memory(err, "bootstrap", bytes);
    ss_status status = stats_bootstrap_means(d, n, seed, resamples, means, err);
    if (status == SS_OK) *out = stats_bca(d, n, resolution, means, resamples, level);
    free(means);
    return status;
}

/* ---- many means ---- */

enum { TOGETHER = 16 };

/* Deviations of up to TOGETHER means over n prompts side by side, so that one draw adds a row of them. */
typedef struct bundle {
    int n, width;
    double *deviation;     /* [n, TOGETHER]; 0 from `width` on */
    double mean[TOGETHER]; /* of each */
    double *means;         /* [TOGETHER, resamples] */
} bundle;

static void bundle_fill(bundle *b, stats_bca_mean *const *of) {
    for (int j = 0; j < TOGETHER; j++) {
        b->mean[j] = j < b->width ? stats_sum(of[j]->d, b->n) / b->n : 0;
        for (int i = 0; i < b->n; i++)
            b->deviation[(size_t)i * TOGETHER + (size_t)j] = j < b->width ? of[j]->d[i] - b->mean[j] : 0;
    }
}

/* As stats_bootstrap_means, each sum in the same order. */
static void bundle_resample(bundle *b, uint64_t seed, int resamples) {
    for (int r = 0; r < resamples; r++) {
        philox stream;
        double sum[TOGETHER] = {0};
        stats_bootstrap_stream(seed, r, &stream);
        for (int i = 0; i < b->n; i++) {
            const double *row = b->deviation + (size_t)philox_below(&stream, (uint32_t)b->n) * TOGETHER;
            for (int j = 0; j < TOGETHER; j++) sum[j] += row[j];
        }
        for (int j = 0; j < b->width; j++)
            b->means[(size_t)j * (size_t)resamples + (size_t)r] = b->mean[j] + sum[j] / b->n;
    }
}

static int by_n(const void *left, const void *right) {
    const stats_bca_mean *const *a = left, *const *b = right;
    if ((*a)->n != (*b)->n) return (*a)->n < (*b)->n ? -1 : 1;
    return *a < *b ? -1 : *a > *b;
}

/* Those that have an interval, ascending by n; the others get the reason. */
static int order_means(stats_bca_mean *mean, int count, stats_bca_mean **order) {
    int n = 0;
    for (int i = 0; i < count; i++) {
        stats_summary s = stats_summarise(mean[i].d, mean[i].n, mean[i].resolution);
        mean[i].interval = stats_interval_undefined(stats_spread_state(&s));
        if (stats_spread_state(&s) == STATS_DEFINED) order[n++] = &mean[i];
    }
    qsort(order, (size_t)n, sizeof *order, by_n);
    return n;
}

ss_status stats_bca_of_means(stats_bca_mean *mean, int count, uint64_t seed, int resamples, double level,
                             ss_error *err) {
    stats_bca_mean **order = malloc(((size_t)count + 1) * sizeof *order);
    bundle b = {.means = malloc((size_t)resamples * TOGETHER * sizeof *b.means)};
    int n = order ? order_means(mean, count, order) : 0, most = n ? order[n - 1]->n : 0;
    b.deviation = malloc(((size_t)most + 1) * TOGETHER * sizeof *b.deviation);
    int failed = !order || !b.means || !b.deviation;
    for (int first = 0; !failed && first < n; first += b.width) {
        b.n = order[first]->n;
        for (b.width = 0; b.width < TOGETHER && first + b.width < n && order[first + b.width]->n == b.n;) b.width++;
        bundle_fill(&b, order + first);
        bundle_resample(&b, seed, resamples);
        for (int j = 0; j < b.width; j++)
            order[first + j]->interval = stats_bca(order[first + j]->d, b.n, order[first + j]->resolution,
                                                   b.means + (size_t)j * (size_t)resamples, resamples, level);
    }
    free(order);
    free(b.means);
    free(b.deviation);
    return failed ? error_no_memory(err, "bootstrap", (unsigned long long)resamples * TOGETHER * sizeof *b.means)
                  : SS_OK;
}
