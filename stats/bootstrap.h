/* The BCa bootstrap interval of a mean (Efron 1987), prompts resampled with replacement.
 *
 * Resample r draws from a Philox stream of its own, named (seed, "bootstrap", r), so its bits depend on neither the
 * threads nor the number of resamples. */
#ifndef STATS_BOOTSTRAP_H
#define STATS_BOOTSTRAP_H

#include <stdint.h>
#include "base/error.h"
#include "base/philox.h"
#include "stats/figure.h"

/* The stream of resample r: its first n draws of philox_below(n) are the row of indices of this resample, for every
 * statistic, so two statistics over the same prompts use the same resamples. */
void stats_bootstrap_stream(uint64_t seed, int resample, philox *out);

/* means[r] = mean of resample r of d[0..n), n >= 1. */
ss_status stats_bootstrap_means(const double *d, int n, uint64_t seed, int resamples, double *means, ss_error *err);

/* The same from given indices, index[r * n + i] in 0 .. n-1: how tests compare with another implementation. */
ss_status stats_bootstrap_means_indexed(const double *d, int n, const int32_t *index, int resamples, double *means,
                                        ss_error *err);

/* The interval of level `level` from bootstrap means, whose order it changes. Bias correction counts means equal to
 * the observed one half; acceleration is the jackknife's that leaves one prompt out; quantiles interpolate linearly, as
 * SciPy's. Undefined: n < 2, no variance, all means on one side of the observed one. */
stats_interval stats_bca(const double *d, int n, double resolution, double *means, int resamples, double level);

/* The same for any statistic of n prompts: its value, its values without each prompt, its replicates. Leave-one-out
 * values within `resolution` of each other are no variance. */
stats_interval stats_bca_statistic(double estimate, const double *leave_one_out, int n, double resolution,
                                   double *replicates, int resamples, double level);

/* Both in one: the interval of the mean of d, from `resamples` resamples of the streams of `seed`. */
ss_status stats_bca_of_mean(const double *d, int n, double resolution, uint64_t seed, int resamples, double level,
                            stats_interval *out, ss_error *err);

/* A mean whose interval is asked for beside others. */
typedef struct stats_bca_mean {
    const double *d; /* [n], borrowed */
    int n;
    double resolution;
    stats_interval interval; /* the answer */
} stats_bca_mean;

/* stats_bca_of_mean for each of mean[0..count), to the bit. Means over equally many prompts draw alike, so one stream
 * serves them all and hundreds cost little more than a few. n may be 0: too few. */
ss_status stats_bca_of_means(stats_bca_mean *mean, int count, uint64_t seed, int resamples, double level,
                             ss_error *err);

#endif
