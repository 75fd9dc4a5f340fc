/* Distances between two sets of features by the mean of a kernel over pairs (squared maximum mean discrepancy, Gretton
 * et al. 2012):
 *
 *     MMD^2 = mean k(x, x') + mean k(y, y') - 2 mean k(x, y)
 *
 * KID (Binkowski et al. 2018): k = (x.y / d + 1)^3 on Inception features. CMMD (Jayasumana et al. 2024): a Gaussian
 * kernel of sigma 10 on CLIP embeddings of length 1, times 1000. Unbiased, unlike FID, so that small sets may be
 * compared; a value below 0 then occurs by chance, where the sets differ little. */
#ifndef STATS_KERNEL_DISTANCE_H
#define STATS_KERNEL_DISTANCE_H

#include "stats/feature_set.h"

typedef enum stats_kernel_kind {
    STATS_KERNEL_CUBIC,   /* (x.y / d + 1)^3 */
    STATS_KERNEL_GAUSSIAN /* exp(-|x - y|^2 / (2 sigma^2)) */
} stats_kernel_kind;

typedef struct stats_kernel {
    const char *name;
    stats_kernel_kind kind;
    int normalise; /* rows are divided by their length first */
    double sigma;  /* Gaussian */
    double scale;  /* of every reported value */
} stats_kernel;

extern const stats_kernel stats_kernel_kid, stats_kernel_cmmd;

typedef enum stats_mmd_estimator {
    STATS_MMD_UNBIASED, /* pairs of a set with itself leave out x = x' */
    STATS_MMD_BIASED    /* all pairs: what google-research/cmmd's distance.py computes; at least 0 */
} stats_mmd_estimator;

typedef struct stats_mmd {
    int64_t n1, n2, d;
    double value; /* scale x MMD^2 */
} stats_mmd;

/* All pairs, sets of any two sizes. The same bits on any number of `threads` (>= 1); memory O(n). Errors: SS_ERR_INPUT
 * as stats_features_check, for a row of zeros where rows are normalised, and for products beyond a double;
 * SS_ERR_RESOURCE. */
ss_status stats_mmd_compute(const stats_features *first, const stats_features *second, const stats_kernel *kernel,
                            stats_mmd_estimator estimator, int threads, stats_mmd *out, ss_error *err);

/* The unbiased estimate averaged over random subsets, as KID is usually given (torch-fidelity, clean-fid: 100 subsets
 * of 1000). It costs less than all pairs where n is large, and is noisier. `sd` has subsets - 1 in its denominator
 * (torch-fidelity's has subsets); se = sd / sqrt(subsets) is the error of having drawn so few subsets, not that of
 * having so few images: subsets overlap. Both are 0 for a single subset. */
typedef struct stats_mmd_subsets {
    int64_t n1, n2, d;
    int size, subsets;
    double mean, sd, se;
} stats_mmd_subsets;

/* Errors as stats_mmd_compute; SS_ERR_INPUT for a size below 2 or above either set's rows, and for no subsets. */
ss_status stats_mmd_subsets_compute(const stats_features *first, const stats_features *second,
                                    const stats_kernel *kernel, int size, int subsets, uint64_t seed, int threads,
                                    stats_mmd_subsets *out, ss_error *err);

/* The rows of subset `subset` of a set (0: first, 1: second): order[0 .. size-1] of a permutation of n >= size rows,
 * from the stream (seed, "subset", subset, set), so it depends on neither the number of subsets nor the other set. */
void stats_subset_draw(uint64_t seed, int subset, int set, int64_t n, int size, int64_t *order);

/* ---- what stats/kernel_resample.c shares ---- */

/* A set as kernels see it: factor[n] = 1 / length where rows are normalised, else 1; square[n] = |factor x|^2. */
typedef struct stats_kernel_set {
    const stats_features *from;
    double *factor, *square; /* owned, one block at `factor` */
} stats_kernel_set;

ss_status stats_kernel_set_make(const stats_features *f, const stats_kernel *kernel, const char *name,
                                stats_kernel_set *out, ss_error *err);
void stats_kernel_set_free(stats_kernel_set *s);

/* Sums of the kernel over pairs, sums[i * groups + g] = sum of k(a_i, b_j) over j of group[j] == g. Where b is a itself
 * (the same pointer), over j < i only. `group` may be NULL: one group. A Gaussian kernel is counted as k - 1: the ones
 * cancel in every MMD, and their digits with them. */
ss_status stats_kernel_sums(const stats_kernel_set *a, const stats_kernel_set *b, const stats_kernel *kernel,
                            const int32_t *group, int groups, int threads, double *sums, ss_error *err);

/* SS_OK where the value is finite. */
ss_status stats_kernel_finite(double value, ss_error *err);

#endif
