/* BCa bootstrap. Relies on base/philox and stats/distributions; deterministic, single-threaded. */
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

static int compare_doubles(const void *left, const void *right) {
    double x = *(const double *)left, y = *(const double *)right;
    return x < y ? -1 : x > y;
}

/* Share of sorted means below `mean`, those equal to it counted half. Equal up to rounding: where differences take few
 * values (seeds that are right or wrong) many resamples have exactly the observed mean, on paper. */
static double share_below(const double *means, int resamples, double mean, double rounding) {
    int below = 0, equal = 0;
    for (int r = 0; r < resamples && means[r] <= mean + rounding; r++) {
        if (means[r] < mean - rounding) below++;
        else equal++;
    }
    return (below + 0.5 * equal) / resamples;
}

/* Sorted x at probability p, linear between order statistics (Hyndman & Fan's type 7). */
static double quantile(const double *x, int n, double p) {
    double place = p * (n - 1);
    int i = (int)place;
    return i + 1 >= n ? x[n - 1] : x[i] + (place - i) * (x[i + 1] - x[i]);
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

/* The interval from replicates, which it sorts; `a` is the acceleration. */
static stats_interval interval(double estimate, double a, double rounding, double *means, int resamples, double level) {
    qsort(means, (size_t)resamples, sizeof *means, compare_doubles);
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
    return interval(s.mean.value, a, 1e-12 * widest, means, resamples, level);
}

stats_interval stats_bca_statistic(double estimate, const double *leave_one_out, int n, double resolution,
                                   double *replicates, int resamples, double level) {
    stats_summary s = stats_summarise(leave_one_out, n, resolution);
    if (stats_spread_state(&s) != STATS_DEFINED) return stats_interval_undefined(stats_spread_state(&s));
    if (resamples < 1) return stats_interval_undefined(STATS_TOO_FEW);
    double widest, a = -acceleration(leave_one_out, n, s.mean.value, &widest);
    return interval(estimate, a, 1e-12 * widest * (n - 1), replicates, resamples, level);
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
