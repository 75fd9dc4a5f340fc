/* From rows to prompts, and the plain description of n differences.
 *
 * The unit of inference is the prompt (METHOD.md, section 5): a prompt's differences are averaged over its image seeds
 * first, and n counts prompts. Sums are compensated and taken in the order (prompt, seed), so the order of the rows
 * does not move a bit. */
#ifndef STATS_SUMMARY_H
#define STATS_SUMMARY_H

#include <stdint.h>
#include "base/error.h"
#include "stats/figure.h"

/* Paired observations: row i is the pair (a[i], b[i]) of prompt[i] under image seed seed[i]. Prompts and seeds are
 * labels. Borrowed arrays of `count` elements. */
typedef struct stats_pairs {
    int count;
    const int64_t *prompt, *seed;
    const double *a, *b;
    /* The share of row i's images that failed, 0 to 1; both NULL where none did. a[i], b[i] are then of the others, and
     * not read where all failed. */
    const double *failed_a, *failed_b;
} stats_pairs;

/* One row per prompt, ascending by label. `resolution`: differences of a - b nearer to one another (or to 0) than this
 * are rounding, not data: 8 epsilon x the largest |a|, |b|. Means over seeds within the resolution of 0 are set to 0.
 */
typedef struct stats_prompts {
    int n;
    int seeds_min, seeds_max; /* image seeds a prompt; 0 when n is 0 */
    double *a, *b, *d;        /* means over the prompt's seeds of a, b, a - b; owned, one block at `a` */
    double resolution;
    /* Where images failed (failed.h): counts of rows, and by prompt the mean share of a's images that failed less that
     * of b's. A prompt's a, b and d then hold the sum of what its other images have, over all its seeds. */
    int failed_a, failed_b;
    double *net;            /* NULL where none failed */
    double lowest, highest; /* of all values that are there; lowest > highest: there is none */
} stats_prompts;

/* Errors: SS_ERR_INPUT for a value that is not finite or a (prompt, seed) given twice; SS_ERR_RESOURCE. */
ss_status stats_aggregate(const stats_pairs *pairs, stats_prompts *out, ss_error *err);
void stats_prompts_free(stats_prompts *p);

/* Neumaier's compensated sum of x[0..n). */
double stats_sum(const double *x, int n);

/* n differences described. sd has n - 1 in its denominator; se = sd / sqrt(n); d_z = mean / sd. A range within
 * `resolution` is no variance: sd and se are then 0 (that is what they are), d_z is undefined. */
typedef struct stats_summary {
    int n;
    stats_figure mean, sd, se, d_z;
} stats_summary;

stats_summary stats_summarise(const double *d, int n, double resolution);

/* STATS_DEFINED where the summary supports a test against its own spread (n >= 2, some variance), else why not. */
stats_state stats_spread_state(const stats_summary *s);

/* Ranks 1..n of x, ties at their mean rank, doubled so that they are whole numbers; neighbours in order within
 * `resolution` of each other are ties. `doubled` has n elements. */
ss_status stats_doubled_ranks(const double *x, int n, double resolution, int64_t *doubled, ss_error *err);

/* The calibrated margin: `factor` (METHOD.md, section 5: 0.2) times the within-prompt, between-seed sd of the baseline,
 * pooled over prompts: sqrt(sum of squares within / sum of (seeds - 1)). Row i is value[i] of (prompt[i], seed[i]); the
 * rows must come from seeds that the study does not use. Undefined: no prompt with two seeds (too few), no variance
 * within. Errors as stats_aggregate. */
ss_status stats_calibrated_margin(const int64_t *prompt, const int64_t *seed, const double *value, int count,
                                  double factor, stats_figure *out, ss_error *err);

#endif
