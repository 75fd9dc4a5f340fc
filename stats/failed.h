/* Images that failed: without a value, and worse than every value. All failed images are equally bad.
 *
 * Code a failed image as F, a number worse than every value there is. A prompt's difference, averaged over its seeds,
 * is then d + net F: d from the images that have values, net the mean share of a's images that failed less that of b's.
 * As F goes to infinity, prompts order by net first, and by d where net is 0: that gives every difference a sign and,
 * by its size, a rank. Means have no value. What they have is a bound: see stats_failed_bounds. */
#ifndef STATS_FAILED_H
#define STATS_FAILED_H

#include "base/error.h"
#include "stats/figure.h"
#include "stats/summary.h"

/* Differences for tests that look at signs and ranks alone: those of prompts with net = 0 as they are, the others
 * farther from 0 than all of these, by |net|, on the side where failing puts them. worst: -1, a failed image stands
 * below every value; +1, above. *out: [p->n], malloc; *resolution as of the ranks. */
ss_status stats_failed_differences(const stats_prompts *p, int worst, double **out, double *resolution, ss_error *err);

/* Bounds of the mean difference over prompts. They hold for any values of the failed images that are no better than the
 * worst value observed. Failed images of a bound it on one side, those of b on the other; where both have some, or
 * nothing was observed, there is no bound: STATS_FAILED. A side without a bound is STATS_NOT_ASKED. */
stats_interval stats_failed_bounds(const stats_prompts *p, int worst);

/* Sign test: exact, two-sided; zeros are left out. */
stats_figure stats_sign_test(const double *d, int n, double resolution);

#endif
