/* Dose-response: does an effect grow with k? Page's test for ordered alternatives (1963) and the slope on log k,
 * prompts as blocks (METHOD.md, section 12). */
#ifndef STATS_TREND_H
#define STATS_TREND_H

#include "base/error.h"
#include "stats/figure.h"
#include "stats/options.h"

typedef enum stats_trend_method { STATS_TREND_EXACT, STATS_TREND_NORMAL } stats_trend_method;

typedef struct stats_trend {
    int n, levels;     /* prompts; values of k */
    stats_figure l, p; /* Page's L = sum_j j R_j over mid-ranks within a prompt; two-sided p */
    stats_trend_method method;
    stats_figure slope, slope_low, slope_high; /* of the mean on ln(level), least squares; BCa over prompts */
} stats_trend;

/* x[i * levels + j] is prompt i's value at level[j]; levels ascend and are above 0. Values of a prompt within
 * `resolution` of each other are ties. L needs 3 levels (else it is not asked), the slope 2; both a prompt or more. The
 * p value is exact (every order of a prompt's own ranks alike, ties included) where levels <= 6 and n is small enough
 * for it, else normal with the variance of those orders. Errors: SS_ERR_RESOURCE. */
ss_status stats_trend_compute(const double *x, int n, const double *level, int levels, double resolution,
                              const stats_options *options, stats_trend *out, ss_error *err);

#endif
