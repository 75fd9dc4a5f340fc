/* Tests on n differences, one per prompt: sign-flip (primary), paired t, Wilcoxon, TOST, non-inferiority.
 * All p values but that of non-inferiority are two-sided. */
#ifndef STATS_PAIRED_H
#define STATS_PAIRED_H

#include <stdint.h>
#include "base/error.h"
#include "stats/figure.h"
#include "stats/summary.h"

/* How a p value came about; names in stats_methods. */
typedef enum stats_method {
    STATS_METHOD_NONE = 0,
    STATS_METHOD_EXACT,   /* the whole null distribution */
    STATS_METHOD_SAMPLED, /* random draws from it */
    STATS_METHOD_NORMAL,  /* normal approximation */
    STATS_METHOD_COUNT
} stats_method;
extern const stats_word stats_methods[STATS_METHOD_COUNT];

/* Paired t test and the t interval of level `level`. Undefined for n < 2 and for no variance. */
typedef struct stats_t_result {
    stats_figure t, df, p;
    stats_interval interval;
} stats_t_result;
stats_t_result stats_paired_t(const stats_summary *s, double level);

/* Two one-sided t tests against -margin and +margin (Schuirmann 1987), margin > 0: p = the larger of the two;
 * equivalent at alpha where p < alpha, which is where the t interval of level 1 - 2 alpha lies inside the margins. */
stats_figure stats_tost(const stats_summary *s, double margin);

/* One-sided t test of 'worse by the margin or more': small p = not worse by as much as the margin. `better` is +1 where
 * a higher value is better, -1 where a lower one is; 0 (the metric has no better) gives 'not asked'. */
stats_figure stats_noninferiority(const stats_summary *s, double margin, int better);

/* What the signed-rank test does with differences of zero. */
typedef enum stats_zeros {
    STATS_ZEROS_DROP = 0, /* Wilcoxon 1949: before ranking */
    STATS_ZEROS_PRATT     /* Pratt 1959: ranked, then dropped */
} stats_zeros;

/* Wilcoxon signed-rank test. `w` is the rank sum of the positive differences, `used` how many are not zero. With
 * used <= exact_up_to (METHOD.md, section 5: 50) the distribution is exact, given the mid-ranks, by dynamic programming
 * on doubled ranks; else normal with the variance sum(rank^2) / 4, which contains the corrections for ties and zeros,
 * and without a continuity correction (as SciPy unless asked). */
typedef struct stats_wilcoxon_result {
    int used;
    stats_figure w, p;
    double w_negative; /* rank sum of the negative differences */
    stats_method method;
} stats_wilcoxon_result;
ss_status stats_wilcoxon(const double *d, int n, double resolution, stats_zeros zeros, int exact_up_to,
                         stats_wilcoxon_result *out, ss_error *err);

/* Sign-flip permutation test of the mean: whole prompts change sign. Exact where at most `exact_up_to` (<= 24)
 * differences are not zero, else `samples` draws and p = (b + 1) / (samples + 1), b counting |mean*| >= |mean| up to
 * rounding. Draw r has the Philox stream (seed, "sign-flip", r). n = 0 is undefined; all zero gives p = 1. */
typedef struct stats_sign_flip_result {
    stats_figure p;
    stats_method method;
} stats_sign_flip_result;
ss_status stats_sign_flip(const double *d, int n, uint64_t seed, int exact_up_to, int samples,
                          stats_sign_flip_result *out, ss_error *err);

#endif
